"""From a configuration and the plugins there are to a `Composition`."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from intuition_core.account.costs import Costs
from intuition_core.account.hours import Hours
from intuition_core.account.instruments import Instrument, read_instruments
from intuition_core.account.margin import Margin
from intuition_core.config.editing import PLACES, folded, portfolio_of
from intuition_core.config.listings import Row, read_listing
from intuition_core.config.loading import Config
from intuition_core.config.requirements import check_requirements
from intuition_core.config.tables import AlgorithmTable, IndicatorTable, PartTable, PortfolioChoice
from intuition_core.errors import BadParameter, IntuitionError, Mistakes, PartFailed
from intuition_core.params.checking import check_params, parameter_names, redact_params
from intuition_core.params.durations import read_duration
from intuition_core.plugins.catalogue import Catalogue
from intuition_core.trading.composition import Composition, Part, Sleeve, Venue
from intuition_core.trading.orders import FillRules
from intuition_core.trading.timers import read_timer


def compose(config: Config, catalogue: Catalogue, *, served: bool = False) -> Composition:
    """Return the composition of a settled configuration: its parts loaded, their parameters checked.

    Args:
        config: the configuration.
        catalogue: the plugins there are.
        served: whether it is for a session, whose orders a venue may fill; on history the core does.

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
        return _composed(config, catalogue, seed=values.seed, served=served)
    except IntuitionError as error:
        faults = list(part_faults(config, catalogue))
        raise Mistakes.of(faults or [error]) from (error.__cause__ if len(faults) < 2 else None)


def part_faults(config: Config, catalogue: Catalogue) -> Iterator[IntuitionError]:
    """Find what is wrong with the choice and the parameters of each part of a settled configuration."""
    values = config.values
    attempts: list[Callable[[], object]] = []
    for number, table in enumerate(values.algorithms):
        chosen = portfolio_of(table)
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


def _composed(config: Config, catalogue: Catalogue, *, seed: int, served: bool) -> Composition:
    values = config.values
    broker = values.broker if served else None
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
        venue=Venue(broker=broker.name, on_drift=broker.on_drift) if broker and broker.mode == "live" else None,
        maker=_Maker(catalogue),
    )
    composition.market()  # a currency that is missing is found before anything starts
    return composition


def _instruments(config: Config, catalogue: Catalogue) -> tuple[Instrument, ...]:
    """Return the instruments of the file, of the plugin and of the configuration itself.

    Raises:
        IntuitionError: with all mistakes at once.
    """
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
    """Return the hours of the calendars that instruments and timers name; where none does, no plugin is loaded."""
    symbols = {table.calendar: f"timer {table.name}" for table in config.values.timers if table.calendar is not None}
    symbols |= {each.calendar: each.symbol for each in reversed([*instruments]) if each.calendar is not None}
    if not symbols:
        return ()
    name = config.values.instruments.calendars
    with chosen(config, "instruments.calendars"):
        part = _initialized(config, catalogue, "calendar", name, {}, "instruments.calendars")
    return tuple(_hours_of(part, f"calendar {name}", calendar, symbols[calendar]) for calendar in sorted(symbols))


def calendar_hours(config: Config, catalogue: Catalogue, calendar: str, *, use: str) -> Hours:
    """Return the hours of one calendar, from the plugin that ``[instruments] calendars`` names.

    Args:
        config: the configuration.
        catalogue: the plugins there are.
        calendar: its name, such as ``XNYS``.
        use: what it is for, for errors.

    Raises:
        PartFailed: the plugin has no such calendar.
        IntuitionError: the plugin cannot be used.
    """
    name = config.values.instruments.calendars
    with chosen(config, "instruments.calendars"):
        part = _initialized(config, catalogue, "calendar", name, {}, "instruments.calendars")
    return _hours_of(part, f"calendar {name}", calendar, use)


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
    """Return a part that is asked once, at the start; it has its parameters if it takes any."""
    factory: Any = catalogue.load(kind, name)
    with located(config, place):
        checked = check_params(f"{kind} {name}", factory, dict(params))
    part = factory()
    if hasattr(part, "initialize"):
        part.initialize(checked)
    return part


def connector(config: Config, catalogue: Catalogue, name: str) -> Any:
    """Return a connector that has its parameters and is not connected yet.

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


def broker(config: Config, catalogue: Catalogue) -> Any:
    """Return the broker of ``[broker]`` with its parameters, from a configuration that has that table.

    Raises:
        BadParameter: it does not take a parameter.
        IntuitionError: the plugin cannot be used.
    """
    check_requirements(config)
    table = config.values.broker
    if table is None:
        msg = "broker() takes a configuration with a broker"
        raise ValueError(msg)
    with chosen(config, "broker.name"):
        return _initialized(config, catalogue, "broker", table.name, table.params, "broker.params")


def connector_params(config: Config, name: str, part: object) -> Any:
    """Return the parameters in ``[connectors.<name>]`` as a connector's `initialize` receives them.

    A connector that takes ``negative_prices`` gets the core's value where it has none of its own.

    Raises:
        BadParameter: it does not take a parameter.
    """
    params = dict(config.values.connectors.get(name, {}))
    if "negative_prices" in (parameter_names(part) or ()):
        params.setdefault("negative_prices", config.values.negative_prices)
    with located(config, f"connectors.{name}"):
        return check_params(f"connector {name}", part, params)


def hook_plugins(config: Config, catalogue: Catalogue) -> list[tuple[str, Any]]:
    """Return the names and hook plugins that are enabled, in the configured order, with their parameters.

    Raises:
        BadHook: one has a hook that would not be called, see `intuition_core.plugins.hooks.check_hooks`.
        BadParameter: one does not take a parameter of ``[hooks.params]``.
        IntuitionError: a plugin cannot be used.
    """
    return [(name, _hook_plugin(config, catalogue, name)) for name in config.values.hooks.enabled]


def hook_factory(config: Config, catalogue: Catalogue, name: str) -> Any:
    """Import a hook plugin and check its hooks; return what its entry point names, most often a class.

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
    """Add to each `BadParameter` raised in the block where the configuration gives the parameter.

    Args:
        config: the configuration.
        tables: the dotted keys of the tables that may give it; the first one that does is named.
    """

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
    """Add to each error raised in the block where the configuration chooses the plugin.

    Args:
        config: the configuration.
        keys: the dotted keys that may choose it; the first one that does is named.
    """
    try:
        yield
    except IntuitionError as error:
        where = next((config.where(key) for key in keys if key in config.origins), None)
        if where is not None:
            error.args = (f"{where}: {error}",)
        raise


def session_name(config: Config, catalogue: Catalogue) -> str:
    """Return a session's default name: ``<algorithm>-<portfolio>``, or the algorithms' names joined by ``-``.

    It has at most 64 lower-case letters, digits and ``-``, so that it is valid in topics and file names.

    Raises:
        BadConfiguration: no algorithm is chosen.
        IntuitionError: a plugin is unknown.
    """
    tables = folded(config.values).algorithms
    names = [
        table.name if table.use not in (None, table.name) else catalogue.find("algorithm", table.name).name
        for table in tables
    ]
    if len(tables) == 1:
        names.append(catalogue.find("portfolio", portfolio_of(tables[0]).use).name)
    name = "-".join(names).lower()[:64]
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)


def _line(config: Config, catalogue: Catalogue, table: AlgorithmTable, number: int) -> Sleeve:
    portfolio = portfolio_of(table)
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
    with chosen(config, *(f"{place}.{key}".format(number) for place in PLACES[kind] for key in ("use", "name"))):
        plugin = catalogue.find(kind, use)
        factory = catalogue.load(kind, use)
    label = name if name not in (None, use) else plugin.name
    with located(config, *(f"{place}.params".format(number) for place in PLACES[kind])):
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
    """Makes the parts that replace others while a session runs."""

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
"""The kinds whose parts have the name that the configuration gives them; the others have that of their plugin."""
