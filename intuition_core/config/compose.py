"""From a configuration and the plugins there are to a `Composition`."""

import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from intuition_core.account.costs import Costs
from intuition_core.account.hours import Hours
from intuition_core.account.instruments import Instrument, read_instruments
from intuition_core.account.margin import Margin
from intuition_core.config.listings import Row, read_listing
from intuition_core.config.loading import (
    ALIASES,
    CORE_KEYS,
    AlgorithmTable,
    BadConfiguration,
    Config,
    Configuration,
    HooksTable,
    IndicatorTable,
    Mistake,
    PartTable,
    PortfolioChoice,
    convert,
)
from intuition_core.config.requirements import check_requirements
from intuition_core.errors import BadParameter, IntuitionError, Mistakes, PartFailed, did_you_mean
from intuition_core.params.checking import check_params, parameter_names, read_params, redact_params
from intuition_core.params.durations import read_duration
from intuition_core.params.typed import Typed
from intuition_core.plugins.catalogue import Catalogue
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.orders import FillRules
from intuition_core.trading.timers import read_timer

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
        Unmet: the configuration requires what is not installed.
    """
    check_requirements(config)
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


def overlay(config: Config, conf: Mapping[str, Any], catalogue: Catalogue, *, origin: str = "initialize") -> Config:
    """Lay what a caller of `initialize` asks for over a settled configuration; keys given by flag stay.

    Args:
        config: as `settle` gives it.
        conf: parts as tables, parameters by their flat or dotted keys.
        catalogue: the plugins there are.
        origin: how messages call where ``conf`` comes from: `initialize`, or a flag that takes ``KEY=VALUE``.

    Raises:
        BadConfiguration: a key that nobody takes, or that two parts take, or a value of the wrong type.
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
    """Let other algorithms and portfolios, without parameters, take places in a settled configuration.

    Each algorithm keeps its share, and a part that is there already its parameters.

    Args:
        config: as `settle` gives it.
        parts: the plugin by its place: ``portfolio`` for that of every algorithm; ``NAME.portfolio`` for that of one,
            by the algorithm's name, whatever is said of all; ``algorithm`` for the only one.
        spelled: how each of these places was named, such as ``--portfolio``, for messages.

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
        origins[_TABLES[kind][-1].format(place) + ".use"] = spelled[label]
    values = msgspec.structs.replace(config.values, algorithms=tuple(tables))
    return msgspec.structs.replace(config, values=values, origins={**config.origins, **origins})


def compose(config: Config, catalogue: Catalogue) -> Composition:
    """Load the parts that a settled configuration names, check their parameters, and give the recipe.

    Raises:
        BadConfiguration: no algorithm is chosen.
        BadParameter: a part does not take a parameter.
        IntuitionError: a plugin is unknown, blocked, incompatible, broken, or in conflict with another.
        Mistakes: several of these.
    """
    values = config.values
    if values.seed is None:
        msg = "compose() takes a settled configuration"
        raise ValueError(msg)
    try:
        return _composed(config, catalogue, seed=values.seed)
    except IntuitionError as error:
        faults = list(part_faults(config, catalogue))
        raise Mistakes.of(faults or [error]) from (error.__cause__ if len(faults) < 2 else None)


def part_faults(config: Config, catalogue: Catalogue) -> Iterator[IntuitionError]:
    """Find what is wrong with the choice and the parameters of each part of a settled configuration."""
    values = config.values
    attempts: list[Callable[[], object]] = []
    for number, table in enumerate(values.algorithms):
        chosen = _portfolio(table)
        attempts += (
            partial(_part, config, catalogue, "algorithm", table, table.use or table.name, table.name, number=number),
            partial(_part, config, catalogue, "portfolio", chosen, chosen.use, number=number),
        )
    attempts += (
        partial(_part, config, catalogue, "risk", risk, risk.name, number=number)
        for number, risk in enumerate(values.risks)
    )
    attempts += (
        partial(_part, config, catalogue, "indicator", each, each.use or each.name, each.name, number=number)
        for number, each in enumerate(values.indicators)
    )
    attempts.append(partial(_instruments, config, catalogue))
    for attempt in attempts:
        try:
            attempt()
        except IntuitionError as error:
            yield error


def _composed(config: Config, catalogue: Catalogue, *, seed: int) -> Composition:
    values = config.values
    composition = Composition(
        sleeves=tuple(_line(config, catalogue, table, number) for number, table in enumerate(values.algorithms)),
        risks=tuple(
            _part(config, catalogue, "risk", risk, risk.name, number=number) for number, risk in enumerate(values.risks)
        ),
        indicators=tuple(
            _part(config, catalogue, "indicator", table, table.use or table.name, table.name, number=number)
            for number, table in enumerate(values.indicators)
        ),
        seed=seed,
        cash=values.cash,
        fill=values.fill,
        step=values.quantity_step,
        costs=Costs(**msgspec.structs.asdict(values.costs)),
        fills=FillRules(volume_share=values.fills.volume_share, delay=read_duration(values.fills.delay)),
        margin=None if values.margin is None else Margin(**msgspec.structs.asdict(values.margin)),
        currency=values.currency,
        instruments=(instruments := _instruments(config, catalogue)),
        hours=_hours(config, catalogue, instruments),
        timers=tuple(read_timer(**msgspec.structs.asdict(table)) for table in values.timers),
        bars={channel: read_duration(length) for channel, length in values.time.bars.items()},
        maker=_Maker(catalogue),
    )
    composition.market()  # a currency that is missing is found before anything starts
    return composition


def _instruments(config: Config, catalogue: Catalogue) -> tuple[Instrument, ...]:
    """Give the instruments of the file, of the plugin and of the configuration itself; all mistakes at once."""
    values = config.values.instruments
    rows: list[Row] = []
    if values.file is not None:
        near = config.file is not None and config.origins.get("instruments.file") == str(config.file)
        rows += read_listing(config.file.parent / values.file if near and config.file else Path(values.file))
    if values.name is not None:
        label = f"instruments {values.name}"
        with chosen(config, "instruments.name"):
            part = _initialized(config, catalogue, "instruments", values.name, values.params, "instruments.params")
        try:
            rows += ((f"{label}, no. {number}", dict(row)) for number, row in enumerate(part.instruments(), 1))
        except Exception as error:
            raise PartFailed(label, "instruments", f"{type(error).__name__}: {error}") from error
    for number, table in enumerate(values.table):
        key = f"instruments.table.{number}"
        rows.append((config.where(key) or key, msgspec.structs.asdict(table)))
    return read_instruments(rows)


def _hours(config: Config, catalogue: Catalogue, instruments: Iterable[Instrument]) -> tuple[Hours, ...]:
    """Give the hours of the calendars that instruments name; without one no plugin is looked for."""
    symbols = {table.calendar: f"timer {table.name}" for table in config.values.timers if table.calendar is not None}
    symbols |= {each.calendar: each.symbol for each in reversed([*instruments]) if each.calendar is not None}
    if not symbols:
        return ()
    name = config.values.instruments.calendars
    with chosen(config, "instruments.calendars"):
        part = _initialized(config, catalogue, "calendar", name, {}, "instruments.calendars")
    return tuple(_hours_of(part, f"calendar {name}", calendar, symbols[calendar]) for calendar in sorted(symbols))


def _hours_of(part: Any, label: str, calendar: str, symbol: str) -> Hours:
    try:
        breaks = part.breaks(calendar) if hasattr(part, "breaks") else ()
        return Hours(calendar, part.sessions(calendar), breaks)
    except LookupError as error:
        raise PartFailed(label, "sessions", f"{symbol} trades by `{calendar}`: {error}") from error
    except IntuitionError:
        raise
    except Exception as error:
        raise PartFailed(label, "sessions", f"{calendar}: {type(error).__name__}: {error}") from error


def _initialized(
    config: Config, catalogue: Catalogue, kind: str, name: str, params: Mapping[str, Any], place: str
) -> Any:
    """Make a part that is asked once, at the start, and give it its parameters if it takes any."""
    factory: Any = catalogue.load(kind, name)
    with located(config, place):
        checked = check_params(f"{kind} {name}", factory, dict(params))
    part = factory()
    if hasattr(part, "initialize"):
        part.initialize(checked)
    return part


def connector(config: Config, catalogue: Catalogue, name: str) -> Any:
    """Give a connector that has its parameters, and has connected nothing yet.

    Raises:
        BadParameter: it does not take a parameter of ``[connectors.<name>]``.
        IntuitionError: the plugin cannot be used.
    """
    check_requirements(config)
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


def hook_plugins(config: Config, catalogue: Catalogue) -> list[tuple[str, Any]]:
    """Give the hook plugins that are enabled, by name, in their order; those that take parameters have them.

    Raises:
        BadHook: one has a hook that would not be called, see `intuition_core.plugins.hooks.check_hooks`.
        BadParameter: one does not take a parameter of ``[hooks.params]``.
        IntuitionError: a plugin cannot be used.
    """
    return [(name, _hook_plugin(config, catalogue, name)) for name in config.values.hooks.enabled]


def hook_factory(config: Config, catalogue: Catalogue, name: str) -> Any:
    """Import a hook plugin and check its hooks; give what its entry point names, most often a class.

    Raises:
        BadHook: a hook of it would not be called.
        IntuitionError: the plugin cannot be used.
    """
    from intuition_core.plugins.hooks import check_hooks  # imports pluggy, which most commands do without

    with chosen(config, "hooks.enabled"):
        found = catalogue.load("hooks", name)
        check_hooks(name, found)
    return found


def _hook_plugin(config: Config, catalogue: Catalogue, name: str) -> Any:
    found = hook_factory(config, catalogue, name)
    plugin = found() if isinstance(found, type) else found
    if (initialize := getattr(plugin, "initialize", None)) is not None:
        with located(config, f"hooks.params.{name}"):
            initialize(check_params(f"hooks {name}", found, config.values.hooks.params.get(name, {})))
    return plugin


@contextmanager
def located(config: Config, *tables: str) -> Iterator[None]:
    """Add to each `BadParameter` where the configuration gives the parameter, if one of its tables does."""

    def placed(error: IntuitionError) -> IntuitionError:
        if not isinstance(error, BadParameter):
            return error
        keys = (f"{table}.{error.key}" if error.key else table for table in tables)
        where = error.where or next(filter(None, map(config.where, keys)), None)
        return BadParameter(error.part, error.key, error.problem, where=where)

    try:
        yield
    except BadParameter as error:
        raise placed(error) from error.__cause__
    except Mistakes as error:
        raise Mistakes(*map(placed, error.errors)) from error.__cause__


@contextmanager
def chosen(config: Config, *keys: str) -> Iterator[None]:
    """Add to whatever is wrong with a plugin where the configuration chooses it, if one of the keys does."""
    try:
        yield
    except IntuitionError as error:
        where = next((config.where(key) for key in keys if key in config.origins), None)
        if where is not None:
            error.args = (f"{where}: {error}",)
        raise


def session_name(config: Config, catalogue: Catalogue) -> str:
    """Give a session's default name: ``<algorithm>-<portfolio>``, or all algorithms; as a topic can carry it.

    Raises:
        BadConfiguration: no algorithm is chosen.
        IntuitionError: a plugin is unknown.
    """
    tables = _folded(config.values).algorithms
    names = [
        table.name if table.use not in (None, table.name) else catalogue.find("algorithm", table.name).name
        for table in tables
    ]
    if len(tables) == 1:
        names.append(catalogue.find("portfolio", _portfolio(tables[0]).use).name)
    name = "-".join(names).lower()[:64]
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)


def portable(config: Config, composition: Composition) -> dict[str, Any]:
    """Give what of a settled configuration decides the records, in plain types; no address and no secret."""
    kept = (
        "seed",
        "cash",
        "fill",
        "quantity_step",
        "negative_prices",
        "algorithms",
        "risks",
        "indicators",
        "costs",
        "fills",
        "time",
        "timers",
    )
    tree: dict[str, Any] = {key: msgspec.to_builtins(getattr(config.values, key)) for key in kept}
    tables: list[tuple[dict[str, Any], Part]] = [
        *zip(tree["risks"], composition.risks, strict=True),
        *zip(tree["indicators"], composition.indicators, strict=True),
    ]
    for table, line in zip(tree["algorithms"], composition.sleeves, strict=True):
        tables += ((table, line.algorithm), (table["portfolio"], line.portfolio))
    if config.values.margin is not None:
        tree["margin"] = msgspec.to_builtins(config.values.margin)
    if config.values.currency is not None:
        tree["currency"] = config.values.currency
    if composition.instruments:  # as they are now: a file may say something else tomorrow
        table = [instrument.to_json() for instrument in composition.instruments]
        tree["instruments"] = {"calendars": config.values.instruments.calendars, "table": table}
    for table, part in tables:
        table["params"] = redact_params(part.factory, table["params"])
    return tree


def recorded(
    configuration: Mapping[str, Any],
    catalogue: Catalogue,
    changes: Mapping[str, Any],
    *,
    rules: int,
    parts: Mapping[str, str] | None = None,
    flag: str = "--with",
) -> Composition:
    """Compose again what `portable` kept, with other parts and other parameters.

    Args:
        configuration: as it was kept.
        catalogue: the plugins there are.
        changes: parameters by their flat or dotted keys, as `overlay` takes them.
        rules: the number of the rules that it was begun under.
        parts: other algorithms and portfolios, as `substitute_parts` takes them.
        flag: the one with which changes and parts are typed, each as ``KEY=VALUE``.

    Raises:
        IntuitionError: a plugin is not there, or does not take its parameters.
    """
    config = settle(Config(values=convert(configuration, origin="journal")), catalogue)
    if parts:
        config = substitute_parts(config, parts, spelled={label: f"{flag} {label}" for label in parts})
    composition = compose(overlay(config, changes, catalogue, origin=flag) if changes else config, catalogue)
    return msgspec.structs.replace(composition, rules=rules)


def _line(config: Config, catalogue: Catalogue, table: AlgorithmTable, number: int) -> Sleeve:
    portfolio = _portfolio(table)
    return Sleeve(
        algorithm=_part(config, catalogue, "algorithm", table, table.use or table.name, table.name, number=number),
        portfolio=_part(config, catalogue, "portfolio", portfolio, portfolio.use, number=number),
        share=table.share,
    )


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
    with chosen(config, *(f"{place}.{key}".format(number) for place in _TABLES[kind] for key in ("use", "name"))):
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
        use=plugin.ref,
        policy=table.policy or config.values.worker.policy,
        deadline=table.deadline or config.values.worker.deadline,
    )


class _Maker(msgspec.Struct, frozen=True):
    """Loads the parts that take the place of others while a session runs."""

    catalogue: Catalogue

    def __call__(self, kind: str, name: str, use: str, params: Mapping[str, Any]) -> Part:
        plugin = self.catalogue.find(kind, use)
        factory = self.catalogue.load(kind, use)
        name = name if kind in _NAMED_BY_PLACE else plugin.name
        label = f"{kind} {name}"
        checked = check_params(label, factory, params)
        shown = redact_params(factory, params)
        for key, value in params.items():
            if shown[key] != value:
                problem = "is secret, and a swap is kept in the journal; configure a session of another name with it"
                raise BadParameter(label, key, problem)
        return Part(
            kind=kind,
            name=name,
            factory=factory,
            params=checked,
            distribution=plugin.distribution,
            version=plugin.version,
            use=plugin.ref,
        )


_NAMED_BY_PLACE: Final = ("algorithm", "indicator")
"""The kinds whose parts are called as the configuration says; the others are called as their plugin."""

_TABLES: Final = {
    "algorithm": ("algorithm", "algorithms.{}"),
    "portfolio": ("portfolio", "algorithms.{}.portfolio"),
    "risk": ("risks.{}",),
    "indicator": ("indicators.{}",),
}
"""Where the configuration can say something about a part of a kind."""


def _read(values: Configuration, catalogue: Catalogue) -> Configuration:
    """Convert typed parameters to the types that the parts declare, loading only the parts concerned."""

    def read(kind: str, use: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return read_params(catalogue.load(kind, use), params) if _is_typed(params) else dict(params)

    def read_algorithm(table: AlgorithmTable) -> AlgorithmTable:
        portfolio = _portfolio(table)
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


def _portfolio(table: AlgorithmTable) -> PortfolioChoice:
    return table.portfolio or PortfolioChoice(use=DEFAULT_PORTFOLIO)


class _Owner(NamedTuple):
    """A part of an algorithm's line, as a caller calls it, and where the configuration has it."""

    label: str
    """``algorithm`` or ``portfolio``; where there are several, an algorithm's name, or that and ``.portfolio``."""
    place: int
    kind: str
    use: str

    def param(self, name: str) -> str:
        """Give the dotted key of a parameter."""
        return f"{self.label}.params.{name}"


def _owners(values: Configuration) -> list[_Owner]:
    several = len(values.algorithms) > 1
    owners = []
    for place, table in enumerate(values.algorithms):
        names = (table.name, f"{table.name}.portfolio") if several else ("algorithm", "portfolio")
        owners.append(_Owner(names[0], place, "algorithm", table.use or table.name))
        owners.append(_Owner(names[1], place, "portfolio", _portfolio(table).use))
    return owners


def _unpinned(assignments: "list[Assignment] | Iterator[Assignment]", pinned: frozenset[str]) -> list[Assignment]:
    return [(key, value) for key, value in assignments if key not in pinned]


def _routed(
    values: Configuration, flat: Mapping[str, Any], catalogue: Catalogue, *, origin: str
) -> Iterator[Assignment]:
    """Bring flat keys to where they belong: the core, the part that declares them, an algorithm that takes any."""
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
    portfolio = _portfolio(table)
    if use != portfolio.use:
        portfolio = msgspec.structs.replace(portfolio, use=use, params={})
    return msgspec.structs.replace(table, portfolio=portfolio)


def _assigned(
    values: Configuration, assignments: list[Assignment], *, origin: str, origins: Mapping[str, str] | None = None
) -> Configuration:
    if not assignments:
        return values
    # What connectors are given may still be as it was typed, which is no plain value.
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
