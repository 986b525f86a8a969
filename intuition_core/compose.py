"""From a configuration and the plugins there are to a `Composition`."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from intuition_core.composition import Composition, Line, Part
from intuition_core.config import (
    ALIASES,
    CORE_KEYS,
    AlgorithmTable,
    BadConfiguration,
    Config,
    Configuration,
    IndicatorTable,
    Mistake,
    PartTable,
    PortfolioChoice,
    convert,
)
from intuition_core.costs import Costs
from intuition_core.errors import BadParameter, did_you_mean
from intuition_core.parameters import check_params, parameter_names, read_params
from intuition_core.plugins import Catalogue
from intuition_core.typed import Typed

DEFAULT_PORTFOLIO: Final = "naive"

Assignment = tuple[str, Any]
"""A dotted key of the configuration, such as ``algorithm.params.threshold``, and its value."""


def settle(config: Config, catalogue: Catalogue, *, seed: int | None = None) -> Config:
    """Bring the ``--param`` values to the parts they are for, and draw a seed where none is given.

    Args:
        config: as read.
        catalogue: the plugins there are.
        seed: the one to use, rather than to draw one, where the configuration gives none.

    Raises:
        BadConfiguration: a key that nobody takes, or that two parts take.
    """
    values = config.values
    if values.seed is None:
        values = msgspec.structs.replace(values, seed=secrets.randbits(63) if seed is None else seed)
    values = _read(_folded(values), catalogue)
    assignments = list(_routed(values, config.flat, catalogue, origin="--param"))
    origins = {key: f"--param {key.rpartition('.')[2]}" for key, _ in assignments}
    return Config(
        values=_assigned(values, assignments, origin="--param", origins=origins),
        pinned=config.pinned | {key for key, _ in assignments},
        file=config.file,
        origins={**config.origins, **origins},
    )


def overlay(config: Config, conf: Mapping[str, Any], catalogue: Catalogue) -> Config:
    """Lay what a caller of `initialize` asks for over a settled configuration; keys given by flag stay.

    Raises:
        BadConfiguration: a key that nobody takes, or that two parts take, or a value of the wrong type.
    """
    origin = "initialize"
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
    values = _assigned(values, routed, origin=origin)
    origins = {**config.origins, **{key: origin for key, _ in (*names, *routed)}}
    return Config(values=values, pinned=config.pinned, file=config.file, origins=origins)


def compose(config: Config, catalogue: Catalogue) -> Composition:
    """Load the parts that a settled configuration names, check their parameters, and give the recipe.

    Raises:
        BadConfiguration: no algorithm is chosen.
        BadParameter: a part does not take a parameter.
        IntuitionError: a plugin is unknown, blocked, incompatible, broken, or in conflict with another.
    """
    values = config.values
    if values.seed is None:
        msg = "compose() takes a settled configuration"
        raise ValueError(msg)
    table = _one_algorithm(values)
    portfolio = _portfolio(values)
    return Composition(
        lines=(
            Line(
                algorithm=_part(config, catalogue, "algorithm", table, table.use or table.name, table.name),
                portfolio=_part(config, catalogue, "portfolio", portfolio, portfolio.use),
            ),
        ),
        risks=tuple(
            _part(config, catalogue, "risk", risk, risk.name, number=number) for number, risk in enumerate(values.risks)
        ),
        indicators=tuple(
            _part(config, catalogue, "indicator", table, table.use or table.name, table.name, number=number)
            for number, table in enumerate(values.indicators)
        ),
        seed=values.seed,
        cash=values.cash,
        fill=values.fill,
        step=values.quantity_step,
        costs=Costs(**msgspec.structs.asdict(values.costs)),
    )


def connector(config: Config, catalogue: Catalogue, name: str) -> Any:
    """Give a connector that has its parameters, and has connected nothing yet.

    Raises:
        BadParameter: it does not take a parameter of ``[connectors.<name>]``.
        IntuitionError: the plugin cannot be used.
    """
    factory: Any = catalogue.load("connector", name)
    part = factory()
    with located(config, f"connectors.{name}"):
        part.initialize(connector_params(config, name, factory))
    return part


def connector_params(config: Config, name: str, part: object) -> Any:
    """Give the parameters in ``[connectors.<name>]`` as a connector's `initialize` receives them.

    What the core is told about prices goes for a connector, too, unless that is told otherwise.

    Raises:
        BadParameter: it does not take a parameter.
    """
    params = dict(config.values.connectors.get(name, {}))
    if "negative_prices" in (parameter_names(part) or ()):
        params.setdefault("negative_prices", config.values.negative_prices)
    with located(config, f"connectors.{name}"):
        return check_params(f"connector {name}", part, params)


@contextmanager
def located(config: Config, *tables: str) -> Iterator[None]:
    """Add to a `BadParameter` where the configuration gives the parameter, if one of its tables does."""
    try:
        yield
    except BadParameter as error:
        keys = (f"{table}.{error.key}" if error.key else table for table in tables)
        where = error.where or next(filter(None, map(config.where, keys)), None)
        raise BadParameter(error.part, error.key, error.problem, where=where) from error.__cause__


def session_name(config: Config, catalogue: Catalogue) -> str:
    """Give a session's default name: ``<algorithm>-<portfolio>``, in characters that a topic can carry.

    Raises:
        BadConfiguration: no algorithm is chosen.
        IntuitionError: a plugin is unknown.
    """
    table = _one_algorithm(_folded(config.values))
    portfolio = table.portfolio.use if table.portfolio else DEFAULT_PORTFOLIO
    algorithm = table.name if table.use not in (None, table.name) else catalogue.find("algorithm", table.name).name
    name = f"{algorithm}-{catalogue.find('portfolio', portfolio).name}".lower()
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)


def portable(config: Config) -> dict[str, Any]:
    """Give what of a settled configuration decides the records, in plain types; no address and no secret."""
    kept = ("seed", "cash", "fill", "quantity_step", "negative_prices", "algorithms", "risks", "indicators", "costs")
    return {key: msgspec.to_builtins(getattr(config.values, key)) for key in kept}


def recorded(configuration: Mapping[str, Any], catalogue: Catalogue, changes: Mapping[str, Any]) -> Composition:
    """Compose again what `portable` kept, with changes laid over it as `initialize` takes them.

    Raises:
        IntuitionError: a plugin is not there, or does not take its parameters.
    """
    config = settle(Config(values=convert(configuration, origin="journal")), catalogue)
    return compose(overlay(config, changes, catalogue) if changes else config, catalogue)


def _part(
    config: Config,
    catalogue: Catalogue,
    kind: str,
    table: PartTable | AlgorithmTable | PortfolioChoice | IndicatorTable,
    use: str,
    name: str | None = None,
    *,
    number: int = 0,
) -> Part:
    plugin = catalogue.find(kind, use)
    factory = catalogue.load(kind, use)
    label = name if name not in (None, use) else plugin.name
    with located(config, *(f"{place}.params".format(number) for place in _TABLES[kind])):
        params = check_params(f"{kind} {label}", factory, table.params)
    return Part(
        kind=kind,
        name=label or plugin.name,
        factory=factory,
        params=params,
        distribution=plugin.distribution,
        version=plugin.version,
        policy=table.policy or config.values.worker.policy,
        deadline=table.deadline or config.values.worker.deadline,
    )


_TABLES: Final = {
    "algorithm": ("algorithm", "algorithms.{}"),
    "portfolio": ("portfolio", "algorithms.{}.portfolio"),
    "risk": ("risks.{}",),
    "indicator": ("indicators.{}",),
}
"""Where the configuration can say something about a part of a kind."""


def _read(values: Configuration, catalogue: Catalogue) -> Configuration:
    """Read what was typed for the parts as what they take; only the parts that something was typed for are loaded."""

    def read(kind: str, use: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return read_params(catalogue.load(kind, use), params) if _is_typed(params) else dict(params)

    table = _one_algorithm(values)
    portfolio = _portfolio(values)
    table = msgspec.structs.replace(
        table,
        params=read("algorithm", table.use or table.name, table.params),
        portfolio=msgspec.structs.replace(portfolio, params=read("portfolio", portfolio.use, portfolio.params)),
    )
    risks = tuple(msgspec.structs.replace(risk, params=read("risk", risk.name, risk.params)) for risk in values.risks)
    indicators = tuple(
        msgspec.structs.replace(each, params=read("indicator", each.use or each.name, each.params))
        for each in values.indicators
    )
    return msgspec.structs.replace(values, algorithms=(table,), risks=risks, indicators=indicators)


def _is_typed(value: Any) -> bool:
    return any(map(_is_typed, value.values())) if isinstance(value, Mapping) else isinstance(value, Typed)


def _folded(values: Configuration) -> Configuration:
    """Write ``[algorithm]`` and ``[portfolio]`` as the entry of ``[[algorithms]]`` that they are short for."""
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
    table = _one_algorithm(values)
    if table.portfolio is None:
        short = values.portfolio or PartTable(name=DEFAULT_PORTFOLIO)
        table = msgspec.structs.replace(
            table,
            portfolio=PortfolioChoice(
                use=short.name, params=short.params, policy=short.policy, deadline=short.deadline
            ),
        )
    return msgspec.structs.replace(values, portfolio=None, algorithms=(table,))


def _one_algorithm(values: Configuration) -> AlgorithmTable:
    if not values.algorithms:
        raise BadConfiguration(
            Mistake("configuration", "algorithm", "none is chosen; name one with --algo, or in [algorithm] name = …")
        )
    if len(values.algorithms) > 1:
        names = ", ".join(table.name for table in values.algorithms)
        raise BadConfiguration(
            Mistake("configuration", "algorithms", f"one algorithm runs in a session, and {names} are given; keep one")
        )
    return values.algorithms[0]


def _portfolio(values: Configuration) -> PortfolioChoice:
    return _one_algorithm(values).portfolio or PortfolioChoice(use=DEFAULT_PORTFOLIO)


def _unpinned(assignments: "list[Assignment] | Iterator[Assignment]", pinned: frozenset[str]) -> list[Assignment]:
    return [(key, value) for key, value in assignments if key not in pinned]


def _routed(
    values: Configuration, flat: Mapping[str, Any], catalogue: Catalogue, *, origin: str
) -> Iterator[Assignment]:
    """Bring flat keys to where they belong: the core, the part that declares them, an algorithm that takes any."""
    if not flat:
        return
    table = _one_algorithm(values)
    factories = {
        "algorithm": catalogue.load("algorithm", table.use or table.name),
        "portfolio": catalogue.load("portfolio", _portfolio(values).use),
    }
    declared = {part: parameter_names(factory) for part, factory in factories.items()}

    def given(part: str, name: str, value: Any) -> Assignment:
        return f"{part}.params.{name}", read_params(factories[part], {name: value})[name]

    for key, value in flat.items():
        if key in CORE_KEYS:
            yield ALIASES.get(key, key), value
            continue
        named = f"--param {key}" if origin == "--param" else origin
        part, _, name = key.partition(".")
        if name and part in declared:
            yield given(part, name.removeprefix("params."), value)
            continue
        takers = [part for part, names in declared.items() if names is not None and key in names]
        if len(takers) > 1:
            qualified = " or ".join(f"`{taker}.{key}`" for taker in takers)
            raise BadConfiguration(Mistake(named, key, f"both parts take it; say {qualified}"))
        if takers:
            yield given(takers[0], key, value)
        elif declared["algorithm"] is None and "." not in key:
            yield given("algorithm", key, value)
        else:
            known = sorted(CORE_KEYS | {name for names in declared.values() for name in names or ()})
            hint = did_you_mean(key, known)
            raise BadConfiguration(
                Mistake(named, key, f"nobody takes this parameter{hint or ';'} valid are {', '.join(known)}")
            )


def _assigned(
    values: Configuration, assignments: list[Assignment], *, origin: str, origins: Mapping[str, str] | None = None
) -> Configuration:
    if not assignments:
        return values
    # What connectors are given may still be as it was typed, which is no plain value.
    tree = msgspec.to_builtins(msgspec.structs.replace(values, connectors={}))
    algorithm = tree["algorithms"][0]
    for key, value in assignments:
        part, _, rest = key.partition(".")
        if part not in ("algorithm", "portfolio"):
            tree[key] = value
            continue
        table = algorithm if part == "algorithm" else algorithm["portfolio"]
        if rest.startswith("params."):
            table["params"] = {**table["params"], rest.removeprefix("params."): value}
        elif table["use"] != value:
            table.update({"use": value, "params": {}})
            if part == "algorithm":
                table["name"] = value
    return msgspec.structs.replace(convert(tree, origin=origin, origins=origins), connectors=values.connectors)
