"""Changes of a configuration: flat keys brought to their parts, values of a caller laid over it, parts substituted."""

import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from intuition_core.config.loading import BadConfiguration, Config, Mistake, convert
from intuition_core.config.requirements import check_requirements
from intuition_core.config.tables import (
    ALIASES,
    CORE_KEYS,
    AlgorithmTable,
    Configuration,
    HooksTable,
    PartTable,
    PortfolioChoice,
)
from intuition_core.errors import did_you_mean
from intuition_core.params.checking import parameter_names, read_params
from intuition_core.params.typed import Typed
from intuition_core.plugins.catalogue import Catalogue

DEFAULT_PORTFOLIO: Final = "naive"


Assignment = tuple[str, Any]
"""A dotted key of the configuration, such as ``algorithm.params.threshold``, and its value."""


PLACES: Final = {
    "algorithm": ("algorithm", "algorithms.{}"),
    "portfolio": ("portfolio", "algorithms.{}.portfolio"),
    "risk": ("risks.{}",),
    "indicator": ("indicators.{}",),
}
"""The dotted keys of the tables that are about a part, by its kind."""


def settle(config: Config, catalogue: Catalogue, *, seed: int | None = None, origin: str = "--param") -> Config:
    """Return the configuration with the ``--param`` values in the tables of their parts, and with a seed.

    Args:
        config: as read.
        catalogue: the plugins there are.
        seed: used where the configuration gives none; where this is None too, one is drawn.
        origin: how messages call where the parameters come from: a flag that takes ``KEY=VALUE``, or an argument.

    Raises:
        BadConfiguration: a key that no part takes, or that two take.
        Unmet: the configuration requires what is not installed.
    """
    check_requirements(config)
    values = config.values
    if values.seed is None:
        values = msgspec.structs.replace(values, seed=secrets.randbits(63) if seed is None else seed)
    values = _read(folded(values), catalogue)
    assignments = list(_routed(values, config.flat, catalogue, origin=origin))
    origins = {key: _named(origin, key.rpartition(".")[2]) for key, _ in assignments}
    return Config(
        values=_assigned(values, assignments, origin=origin, origins=origins),
        pinned=config.pinned | {key for key, _ in assignments},
        file=config.file,
        origins={**config.origins, **origins},
    )


def overlay(config: Config, conf: Mapping[str, Any], catalogue: Catalogue, *, origin: str = "initialize") -> Config:
    """Return a settled configuration with the values that a caller of `initialize` gives; keys given by flag stay.

    Args:
        config: as `settle` gives it.
        conf: the algorithm and the portfolio as tables, parameters by their flat or dotted keys.
        catalogue: the plugins there are.
        origin: how messages call where ``conf`` comes from: `initialize`, or a flag that takes ``KEY=VALUE``.

    Raises:
        BadConfiguration: a key that no part takes, or that two take, or a value of the wrong type.
    """
    names: list[Assignment] = []
    rest: dict[str, Any] = {}
    for key, value in conf.items():
        if not isinstance(key, str):
            raise BadConfiguration(Mistake(origin, repr(key), "expected text as a key"))
        if key not in ("algorithm", "portfolio"):
            rest[key] = value
            continue
        if not isinstance(value, Mapping):
            raise BadConfiguration(Mistake(origin, key, f"expected a table, got {value!r}"))
        for inner, content in value.items():
            if inner in ("name", "use"):
                names.append((f"{key}.name", content))
            elif inner == "params" and isinstance(content, Mapping):
                rest.update({f"{key}.{name}": each for name, each in content.items()})
            else:
                rest[f"{key}.{inner}"] = value[inner]
    values = _assigned(config.values, _unpinned(names, config.pinned), origin=origin)
    routed = _unpinned(_routed(values, rest, catalogue, origin=origin), config.pinned)
    origins = {key: _named(origin, key.rpartition(".")[2]) for key, _ in (*names, *routed)}
    values = _assigned(values, routed, origin=origin, origins=origins)
    return Config(values=values, pinned=config.pinned, file=config.file, origins={**config.origins, **origins})


def substitute_parts(config: Config, parts: Mapping[str, str], *, spelled: Mapping[str, str]) -> Config:
    """Return a settled configuration with other algorithms and portfolios, which have no parameters.

    Each algorithm keeps its share. A part that is there already keeps its parameters.

    Args:
        config: as `settle` gives it.
        parts: the plugins by place: ``algorithm`` is the only algorithm, ``portfolio`` the portfolio of each algorithm,
            ``NAME.portfolio`` that of the algorithm ``NAME``, which goes before ``portfolio``.
        spelled: how the person named each place, such as ``--portfolio``, for messages.

    Raises:
        BadConfiguration: there is no such algorithm, or ``algorithm`` is one of several.
    """
    tables = list(config.values.algorithms)
    places = {table.name: place for place, table in enumerate(tables)}
    there = " and ".join(f"`{name}`" for name in places)
    wanted: dict[tuple[int, str], str] = {}
    for label in sorted(parts, key=lambda label: label not in ("algorithm", "portfolio")):
        if label == "portfolio":
            wanted |= {(place, "portfolio"): label for place in places.values()}
        elif label == "algorithm" and len(tables) == 1:
            wanted[0, "algorithm"] = label
        elif label == "algorithm":
            problem = f"there are several algorithms, {there}; try other portfolios, or other parameters of one"
            raise BadConfiguration(Mistake(spelled[label], label, problem))
        elif (name := label.removesuffix(".portfolio")) in places:
            wanted[places[name], "portfolio"] = label
        else:
            raise BadConfiguration(Mistake(spelled[label], label, f"no algorithm is called `{name}`; there is {there}"))
    origins = {}
    for (place, kind), label in wanted.items():
        tables[place] = _exchanged(tables[place], kind, parts[label])
        origins[PLACES[kind][-1].format(place) + ".use"] = spelled[label]
    values = msgspec.structs.replace(config.values, algorithms=tuple(tables))
    return msgspec.structs.replace(config, values=values, origins={**config.origins, **origins})


def _read(values: Configuration, catalogue: Catalogue) -> Configuration:
    """Convert typed parameters to the types that the parts declare, loading only the parts concerned."""

    def read(kind: str, use: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return read_params(catalogue.load(kind, use), params) if _is_typed(params) else dict(params)

    def read_algorithm(table: AlgorithmTable) -> AlgorithmTable:
        portfolio = portfolio_of(table)
        return msgspec.structs.replace(
            table,
            params=read("algorithm", table.use or table.name, table.params),
            portfolio=msgspec.structs.replace(portfolio, params=read("portfolio", portfolio.use, portfolio.params)),
        )

    risks = tuple(msgspec.structs.replace(risk, params=read("risk", risk.name, risk.params)) for risk in values.risks)
    indicators = tuple(
        msgspec.structs.replace(each, params=read("indicator", each.use or each.name, each.params))
        for each in values.indicators
    )
    algorithms = tuple(map(read_algorithm, values.algorithms))
    return msgspec.structs.replace(values, algorithms=algorithms, risks=risks, indicators=indicators)


def _is_typed(value: Any) -> bool:
    return any(map(_is_typed, value.values())) if isinstance(value, Mapping) else isinstance(value, Typed)


def folded(values: Configuration) -> Configuration:
    """Return the configuration with ``[algorithm]`` and ``[portfolio]`` as the entry of ``[[algorithms]]`` they mean.

    Raises:
        BadConfiguration: no algorithm is chosen.
    """
    if values.algorithm is not None:
        one = values.algorithm
        values = msgspec.structs.replace(
            values,
            algorithm=None,
            algorithms=(
                AlgorithmTable(
                    name=one.name, use=one.name, params=one.params, policy=one.policy, deadline=one.deadline
                ),
            ),
        )
    if not values.algorithms:
        raise BadConfiguration(
            Mistake("configuration", "algorithm", "none is chosen; name one with --algo, or in [algorithm] name = …")
        )
    short = values.portfolio or PartTable(name=DEFAULT_PORTFOLIO)
    common = PortfolioChoice(use=short.name, params=short.params, policy=short.policy, deadline=short.deadline)
    algorithms = tuple(
        table if table.portfolio is not None else msgspec.structs.replace(table, portfolio=common)
        for table in values.algorithms
    )
    return msgspec.structs.replace(values, portfolio=None, algorithms=algorithms)


def portfolio_of(table: AlgorithmTable) -> PortfolioChoice:
    """Return the portfolio of an algorithm: its own, else `naive`."""
    return table.portfolio or PortfolioChoice(use=DEFAULT_PORTFOLIO)


class _Owner(NamedTuple):
    """An algorithm or its portfolio: the label by which callers address it, and its place in the configuration."""

    label: str
    """``algorithm`` or ``portfolio``; where there are several, an algorithm's name, or that and ``.portfolio``."""
    place: int
    kind: str
    use: str

    def param(self, name: str) -> str:
        """Return the dotted key of a parameter."""
        return f"{self.label}.params.{name}"


def _owners(values: Configuration) -> list[_Owner]:
    several = len(values.algorithms) > 1
    owners = []
    for place, table in enumerate(values.algorithms):
        names = (table.name, f"{table.name}.portfolio") if several else ("algorithm", "portfolio")
        owners.append(_Owner(names[0], place, "algorithm", table.use or table.name))
        owners.append(_Owner(names[1], place, "portfolio", portfolio_of(table).use))
    return owners


def _unpinned(assignments: "list[Assignment] | Iterator[Assignment]", pinned: frozenset[str]) -> list[Assignment]:
    return [(key, value) for key, value in assignments if key not in pinned]


def _routed(
    values: Configuration, flat: Mapping[str, Any], catalogue: Catalogue, *, origin: str
) -> Iterator[Assignment]:
    """Yield the dotted key and the value for each flat key.

    A key belongs to the core, to the one part that declares it, or to the only algorithm where that takes any.
    """
    if not flat:
        return
    owners = {owner.label: owner for owner in _owners(values)}
    factories = {label: catalogue.load(owner.kind, owner.use) for label, owner in owners.items()}
    declared = {label: parameter_names(factory) for label, factory in factories.items()}
    algorithms = [label for label, owner in owners.items() if owner.kind == "algorithm"]

    def given(label: str, name: str, value: Any) -> Assignment:
        return owners[label].param(name), read_params(factories[label], {name: value})[name]

    for key, value in flat.items():
        if key in CORE_KEYS:
            yield ALIASES.get(key, key), value
            continue
        named = _named(origin, key)
        label, _, name = key.rpartition(".")
        label = label.removesuffix(".params")
        if label in declared:
            yield given(label, name, value)
            continue
        takers = [label for label, names in declared.items() if names is not None and key in names]
        if len(takers) > 1:
            qualified = " or ".join(f"`{taker}.{key}`" for taker in takers)
            raise BadConfiguration(Mistake(named, key, f"{_several(len(takers))} parts take it; say {qualified}"))
        if takers:
            yield given(takers[0], key, value)
        elif len(algorithms) == 1 and declared[algorithms[0]] is None and "." not in key:
            yield given(algorithms[0], key, value)
        else:
            known = sorted(CORE_KEYS | {name for names in declared.values() for name in names or ()})
            hint = did_you_mean(key, known)
            raise BadConfiguration(
                Mistake(named, key, f"nobody takes this parameter{hint or ';'} valid are {', '.join(known)}")
            )


def _named(origin: str, key: str) -> str:
    return f"{origin} {key}" if origin.startswith("--") else origin


def _exchanged(table: AlgorithmTable, kind: str, use: str) -> AlgorithmTable:
    if kind == "algorithm":
        here = table.use or table.name
        return table if use == here else msgspec.structs.replace(table, name=use, use=use, params={})
    portfolio = portfolio_of(table)
    if use != portfolio.use:
        portfolio = msgspec.structs.replace(portfolio, use=use, params={})
    return msgspec.structs.replace(table, portfolio=portfolio)


def _assigned(
    values: Configuration, assignments: list[Assignment], *, origin: str, origins: Mapping[str, str] | None = None
) -> Configuration:
    if not assignments:
        return values
    # Parameters of connectors and hooks may still be `Typed`, which is no plain value.
    tree = msgspec.to_builtins(msgspec.structs.replace(values, connectors={}, hooks=HooksTable()))
    owners = {owner.label: owner for owner in _owners(values)}
    for key, value in assignments:
        label, params, name = key.rpartition(".params.")
        chosen = key.removesuffix(".name")
        if params and label in owners:
            table = _table(tree, owners[label])
            table["params"] = {**table["params"], name: value}
        elif chosen != key and chosen in owners:
            table = _table(tree, owners[chosen])
            if table["use"] != value:
                table.update({"use": value, "params": {}})
                if owners[chosen].kind == "algorithm":
                    table["name"] = value
        elif chosen in ("algorithm", "portfolio"):
            problem = "there are several algorithms, so that nobody knows which is meant; change the configuration"
            raise BadConfiguration(Mistake(origin, chosen, problem))
        else:
            tree[key] = value
    return msgspec.structs.replace(
        convert(tree, origin=origin, origins=origins), connectors=values.connectors, hooks=values.hooks
    )


def _table(tree: dict[str, Any], owner: _Owner) -> dict[str, Any]:
    table: dict[str, Any] = tree["algorithms"][owner.place]
    return table if owner.kind == "algorithm" else table["portfolio"]


def _several(count: int) -> str:
    return "both" if count == 2 else f"{count}"
