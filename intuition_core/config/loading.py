"""Configuration: ``intuition.toml`` < ``INTUITION_*`` variables < flags; every mistake with where it was made.

A value given by a variable or by ``--param`` is text: it stays as it was typed where the key takes text, and is read as
a TOML value where it takes anything else (`Typed`).
"""

import math
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, TypeAlias, get_type_hints

import msgspec
from msgspec import inspect as shapes

from intuition_core.account.amounts import total
from intuition_core.account.instruments import check_currency
from intuition_core.account.margin import Margin
from intuition_core.data import DEFAULT_CHANNEL, check_channel
from intuition_core.errors import BadData, IntuitionError, did_you_mean
from intuition_core.params.durations import read_duration
from intuition_core.params.typed import Typed, complaint, resolve, shown
from intuition_core.plugins.files import anchored
from intuition_core.session.journal import Durability
from intuition_core.trading.composition import (
    DEFAULT_CASH,
    DEFAULT_DEADLINE,
    DEFAULT_POLICY,
    DEFAULT_STEP,
    Fill,
    Policy,
)
from intuition_core.trading.timers import BadTimer, Missed, read_timer

ClockTime: TypeAlias = Literal["events", "wall"]

FILE: Final = "intuition.toml"
PREFIX: Final = "INTUITION_"
DEFAULT_ADDRESS: Final = "tcp://127.0.0.1:4242"
FILE_VARIABLE: Final = "INTUITION_CONFIG"
"""Names the configuration file where no ``--config`` does."""
NOT_SETTINGS: Final = frozenset({"INTUITION_TRACEBACK", FILE_VARIABLE})
"""Variables of ours that are no configuration keys."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the configuration; unknown keys are found by `load_config`, with the nearest valid one."""


class PartTable(Table, frozen=True, kw_only=True):
    """``[algorithm]``, ``[portfolio]``, ``[[risks]]``: a plugin (``name`` or ``distribution:name``), its parameters.

    ``policy`` and ``deadline`` are as in ``[worker]``, for this part.
    """

    name: str
    params: dict[str, Any] = {}
    policy: Policy | None = None
    deadline: float | None = None


class PortfolioChoice(Table, frozen=True, kw_only=True):
    """``portfolio`` within ``[[algorithms]]``; without it ``[portfolio]`` counts, and without that `naive`."""

    use: str
    params: dict[str, Any] = {}
    policy: Policy | None = None
    deadline: float | None = None


class AlgorithmTable(Table, frozen=True, kw_only=True):
    """One of ``[[algorithms]]``: ``name`` is what records call it, ``use`` the plugin.

    ``share`` is its part of the capital, from 0 to 1; those that name none share evenly what the others leave.
    """

    name: str
    use: str | None = None
    share: Decimal | None = None
    params: dict[str, Any] = {}
    policy: Policy | None = None
    deadline: float | None = None
    portfolio: PortfolioChoice | None = None


class IndicatorTable(Table, frozen=True, kw_only=True):
    """One of ``[[indicators]]``: ``name`` is what records call it, ``use`` the plugin."""

    name: str
    use: str | None = None
    params: dict[str, Any] = {}
    policy: Policy | None = None
    deadline: float | None = None


class SourceTable(Table, frozen=True, kw_only=True):
    """``[source]``: where a backtest takes its events from; without ``name`` the data says which source reads it."""

    name: str | None = None
    params: dict[str, Any] = {}


class CostsTable(Table, frozen=True, kw_only=True):
    """``[costs]``: what every fill pays, see `intuition_core.account.costs`.

    Shares of the amount traded are in basis points (hundredths of a percent), the others in the account's currency.
    ``commission_min`` and ``commission_max`` are what the commission of one fill is at least and at most.
    ``commission_tiers`` are pairs of an amount and the rate up to it, rising; ``commission_bps`` is the rate above.
    ``slippage_impact`` is the part of the price that filling all of an event's volume moves it by, with the square of
    the part that is filled.
    """

    commission_bps: Decimal = Decimal(0)
    commission_per_trade: Decimal = Decimal(0)
    slippage_bps: Decimal = Decimal(0)
    slippage_per_trade: Decimal = Decimal(0)
    commission_per_unit: Decimal = Decimal(0)
    commission_min: Decimal = Decimal(0)
    commission_max: Decimal | None = None
    commission_tiers: tuple[tuple[Decimal, Decimal], ...] = ()
    slippage_impact: Decimal = Decimal(0)


class FillsTable(Table, frozen=True, kw_only=True):
    """``[fills]``: how much of the market orders may have.

    ``volume_share`` is the part of an event's ``volume`` that all orders for its symbol together can fill at that
    event, above 0 and at most 1; without it there is no limit. ``delay`` is how long after its decision an order
    reaches the market, such as ``"2s"``. Both are refused with ``fill = "same"``, which fills at the event of the
    decision, whose volume was traded before; so is ``slippage_impact``.
    """

    volume_share: Decimal | None = None
    delay: str = "0s"


class TimeTable(Table, frozen=True, kw_only=True):
    """``[time]``: which times of events are believed.

    ``ahead`` is how far the ``ts`` of an event may be ahead of the moment at which it is received, such as ``"1h"``;
    one further ahead is refused. ``bars`` says how long bars of a channel last that come without ``start``:
    ``quotes = "1m"``. Without it, such a bar's close alone counts.
    """

    ahead: str = "1h"
    bars: dict[str, str] = {}


class MarginTable(Table, frozen=True, kw_only=True):
    """``[margin]``: that the table is there permits short selling, see `intuition_core.account.margin`.

    ``initial`` is how much cash covers a short position, in parts of what buying it back would take, the proceeds of
    the sale included; below ``maintenance`` there is a margin call.
    """

    initial: Decimal = Margin().initial
    maintenance: Decimal = Margin().maintenance


class InstrumentTable(Table, frozen=True, kw_only=True):
    """One of ``[[instruments.table]]``, see `intuition_core.account.instruments`."""

    symbol: str
    currency: str | None = None
    lot: Decimal | None = None
    tick: Decimal | None = None
    multiplier: Decimal = Decimal(1)
    calendar: str | None = None


class InstrumentsTable(Table, frozen=True, kw_only=True):
    """``[instruments]``: what is known of symbols: from a ``file`` (CSV or TOML), from ``table``, from a plugin.

    A relative path starts from the folder of the file that names it. ``name`` and ``params`` choose a plugin of the
    kind `instruments`, ``calendars`` the plugin of the kind `calendar` that knows the calendars which they name.
    """

    file: str | None = None
    name: str | None = None
    params: dict[str, Any] = {}
    calendars: str = "exchange"
    table: tuple[InstrumentTable, ...] = ()


class ClockTable(Table, frozen=True, kw_only=True):
    """``[clock]``: by which time a served session tells its timers.

    ``time`` is ``events`` (a timer comes before the first event that is later) or ``wall`` (it also comes while there
    are no events, ``grace`` after its moment, such as ``"1s"``). Backtests and replays read no clock.
    """

    time: ClockTime = "events"
    grace: str = "1s"


class TimerTable(Table, frozen=True, kw_only=True):
    """One of ``[[timers]]``: an event that comes by the time of others, on the channel ``name``.

    ``every`` is a length such as ``"1h"``, counted from the beginning of 1970 UTC. ``at`` is ``open`` or ``close`` of a
    session, ``week end`` or ``month end``, with or without a distance: ``"close - 10m"``; ``calendar`` says whose.
    ``missed`` says what becomes of several moments between two events, and of those at which a session that goes by the
    clock was down: ``once`` (the last one comes), ``skip`` (none does) or ``all``.
    """

    name: str
    every: str | None = None
    at: str | None = None
    calendar: str | None = None
    missed: Missed = "once"


class RpcTable(Table, frozen=True, kw_only=True):
    """``[rpc]``: where the session is served, and who may call it (docs/security.md).

    ``key`` is the file of one's own secret key. Who serves with one names with ``clients`` the folder of those who may
    call; who calls names with ``server_key`` the server's public key, as text or as a file.
    """

    addr: str = DEFAULT_ADDRESS
    key: str | None = None
    clients: str | None = None
    server_key: str | None = None


class JournalTable(Table, frozen=True, kw_only=True):
    """``[journal]``: where the session is kept, and what a commit survives.

    ``path`` is a file; without it, one named after the session in the platform's data folder. ``durability`` is
    ``process`` (a commit survives the end of the process, however it ends) or ``power`` (that of the machine's power
    as well, for a few milliseconds a batch). ``enabled = false`` keeps the session in memory alone.
    """

    path: str | None = None
    durability: Durability = "process"
    enabled: bool = True


class WorkerTable(Table, frozen=True, kw_only=True):
    """``[worker]``: what the process in which the parts run is allowed, and what follows when a part fails.

    A part fails when it raises, answers nonsense, ends the process, or takes longer than ``deadline`` seconds for one
    call. Then, by its ``policy``: ``skip`` (the default): it has no say in that event; ``quarantine``: none from then
    on; ``raise``: the session takes no more events until a person starts it again. ``memory`` is the most that the
    process may use, in MiB; without it there is no limit. A plugin whose import takes longer than ``import_deadline``
    seconds ends the start.
    """

    policy: Policy = DEFAULT_POLICY
    deadline: float = DEFAULT_DEADLINE
    import_deadline: float = 60.0
    memory: int | None = None


class HooksTable(Table, frozen=True, kw_only=True):
    """``[hooks]``: which hook plugins listen, in which order.

    ``essential`` are those without which there must be no trading: where one of them fails, the session takes no more
    events. ``params`` has the parameters, by the plugin's name.
    """

    enabled: tuple[str, ...] = ()
    essential: tuple[str, ...] = ()
    params: dict[str, dict[str, Any]] = {}


class PluginsTable(Table, frozen=True, kw_only=True):
    """``[plugins]``: which plugins must not be used: ``name``, ``kind:name`` or a distribution."""

    blocked: tuple[str, ...] = ()


class Configuration(Table, frozen=True, kw_only=True):
    """Everything that can be configured.

    ``cash`` is in the account's currency; ``seed`` makes draws repeatable, and one is drawn where none is given;
    ``fill`` says whether orders fill on the ``next`` quote or at the ``same`` one; ``quantity_step`` is the smallest
    number of units; ``negative_prices`` lets zero and negative prices in; ``session`` names the session; ``requires``
    says which distributions must be installed, as pip writes it (``intuition-random>=0.1``); ``currency`` is what the
    account is kept in, and only needed where instruments are quoted in another.
    """

    requires: tuple[str, ...] = ()

    seed: int | None = None
    cash: Decimal = DEFAULT_CASH
    fill: Fill = "next"
    quantity_step: Decimal = DEFAULT_STEP
    negative_prices: bool = False
    session: str | None = None
    algorithm: PartTable | None = None
    algorithms: tuple[AlgorithmTable, ...] = ()
    portfolio: PartTable | None = None
    risks: tuple[PartTable, ...] = ()
    indicators: tuple[IndicatorTable, ...] = ()
    costs: CostsTable = CostsTable()
    fills: FillsTable = FillsTable()
    time: TimeTable = TimeTable()
    clock: ClockTable = ClockTable()
    timers: tuple[TimerTable, ...] = ()
    margin: MarginTable | None = None
    currency: str | None = None
    instruments: InstrumentsTable = InstrumentsTable()
    source: SourceTable = SourceTable()
    rpc: RpcTable = RpcTable()
    journal: JournalTable = JournalTable()
    worker: WorkerTable = WorkerTable()
    connectors: dict[str, dict[str, Any]] = {}
    hooks: HooksTable = HooksTable()
    plugins: PluginsTable = PluginsTable()


ALIASES: Final = {"starting_cash": "cash"}
CORE_KEYS: Final = frozenset({"seed", "cash", "fill", "quantity_step", "negative_prices", "starting_cash"})
"""Flat keys, as `--param` and `initialize` take them, that are the core's own."""

FLAGS: Final = {
    "algorithm.name": "--algo",
    "portfolio.name": "--portfolio",
    "journal.path": "--journal",
    "journal.enabled": "--no-journal",
}
"""How the flags for these keys are typed; others are named after the last word of the key."""

_EXPECTED: Final = {
    "cash": 'an amount such as 10000 or "10000.50"',
    "quantity_step": 'a number of units such as 1 or "0.001"',
    "costs.commission_bps": "a number of basis points such as 5",
    "costs.commission_per_trade": 'an amount such as 1 or "0.35"',
    "costs.slippage_bps": "a number of basis points such as 2",
    "costs.slippage_per_trade": 'an amount such as 1 or "0.35"',
    "costs.commission_per_unit": 'an amount such as "0.005"',
    "costs.commission_min": 'an amount such as 1 or "0.35"',
    "costs.commission_max": 'an amount such as 30 or "29.90"',
    "costs.slippage_impact": 'a part of the price such as "0.1"',
    "fills.volume_share": 'a part of the volume such as "0.1"',
}
_SESSION: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_JOURNAL: Final = "journal"
"""The origin of what a session was run with: a combination that is refused by now is still run again as it was."""


class Mistake(msgspec.Struct, frozen=True):
    """One thing that is wrong with a configuration."""

    origin: str
    key: str
    problem: str

    def __str__(self) -> str:
        """Say where, which key, and what is wrong with it."""
        return f"{where(self.origin, self.key)}: {self.problem}"


class BadConfiguration(IntuitionError):
    """A configuration with one or more mistakes, all of them told; ``rest`` is what it is without these, if known."""

    def __init__(self, *mistakes: Mistake, rest: "Config | None" = None) -> None:
        self.mistakes = mistakes
        self.rest = rest
        super().__init__("\n".join(map(str, mistakes)))


def where(origin: str, key: str) -> str:
    """Say where a key was given: ``intuition.toml: [rpc] `addr```; a flag and a variable say it by their own name.

    Tables of an array are counted from 1: ``intuition.toml: [[risks]] no. 1 `name```.
    """
    if not key or origin.startswith(("--", PREFIX)):
        return origin
    words = key.split(".")
    if len(words) == 1:
        return f"{origin}: `{key}`"
    array = 2 if words[:2] == ["instruments", "table"] else 1
    if words[array:] and words[array].isdigit():
        depth = array + 1
        table = f"[[{'.'.join(words[:array])}]] no. {int(words[array]) + 1}"
    else:
        depth = 2 if words[0] == "connectors" and len(words) > 2 else 1
        table = f"[{'.'.join(words[:depth])}]"
    rest = ".".join(words[depth:])
    return f"{origin}: {table} `{rest}`" if rest else f"{origin}: {table}"


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that was checked, and where it came from.

    ``flat`` are the ``--param`` values, not yet brought to the part they are for; ``pinned`` the dotted keys given by
    flag, which `initialize` leaves as they are; ``origins`` says which file, variable or flag gave a dotted key.
    What is for a plugin may still be `Typed`: only the plugin knows what it takes.
    """

    values: Configuration
    flat: Mapping[str, Any] = {}
    pinned: frozenset[str] = frozenset()
    file: Path | None = None
    origins: Mapping[str, str] = {}

    def where(self, key: str) -> str | None:
        """Say where a dotted key was given, for a message; None where it was not."""
        origin = _origin(self.origins, key)
        return None if origin is None else where(origin, key)


def load_config(
    file: Path | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    flat: Mapping[str, Any] | None = None,
    spelled: Mapping[str, str] | None = None,
) -> Config:
    """Read the file, the environment and the flags, in rising order of precedence.

    Args:
        file: the configuration file; without it the one that ``INTUITION_CONFIG`` names, or ``intuition.toml`` in the
            working folder, where there is one.
        environment: variables; those of the process where None.
        flags: dotted key → value, as typed by the user; None values are left out.
        flat: the ``--param`` values.
        spelled: dotted key → how its flag is typed, where that is not what `FLAGS` says.

    Raises:
        BadConfiguration: with every mistake: where, which key, what was expected, and the nearest valid key.
    """
    variables = os.environ if environment is None else environment
    chosen = _file(file, variables)
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    names = {**FLAGS, **(spelled or {})}
    layers = [_Layer(str(chosen), _read(chosen))] if chosen is not None else []
    layers += _variables(variables)
    for key, value in given.items():
        flag = names.get(key) or f"--{key.rpartition('.')[2].replace('_', '-')}"
        layers.append(_Layer(flag, _nested(key.split("."), value), key))
    shape = shapes.type_info(Configuration)
    mistakes: list[Mistake] = []
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for layer in layers:
        tree = resolve({ALIASES.get(key, key): value for key, value in layer.tree.items()}, shape, later=True)
        tree = anchored(tree, Path() if chosen is None or layer.key else chosen.parent)
        mistakes.extend(_mistakes(Configuration, tree, layer))
        mistakes.extend(_rivals(merged, origins, tree, layer))
        _merge(merged, tree)
        origins.update(_origins(tree, layer))
    values, more = _sifted(
        merged,
        [mistake.key for mistake in mistakes],
        lambda tree: convert(tree, origin=str(chosen) if chosen else "configuration", origins=origins),
    )
    config = Config(values=values, flat=dict(flat or {}), pinned=frozenset(given), file=chosen, origins=origins)
    if mistakes or more:
        raise BadConfiguration(*mistakes, *more, rest=config)
    return config


def convert(tree: Mapping[str, Any], *, origin: str, origins: Mapping[str, str] | None = None) -> Configuration:
    """Make a configuration of a tree of plain values.

    Args:
        tree: the values, by table and key.
        origin: where they were given, for messages.
        origins: dotted key → where it was given, where that is known better.

    Raises:
        BadConfiguration: something is missing or out of range.
    """

    def mistake(key: str, problem: str) -> Mistake:
        return Mistake(_origin(origins or {}, key) or origin, key, problem)

    shape = shapes.type_info(Configuration)
    try:
        values = msgspec.convert(resolve(tree, shape, later=True), Configuration)
    except msgspec.ValidationError as error:
        key, problem = complaint(error, shape)
        if key in _EXPECTED:
            problem = f"expected {_EXPECTED[key]}, got {shown(_found(tree, key))}"
        raise BadConfiguration(mistake(key, problem)) from None
    mistakes = [
        mistake(key, f"expected {what} above 0, got {value}")
        for key, what, value in _limits(values)
        if value is not None and not 0 < value < math.inf
    ]
    if values.algorithm is not None and values.algorithms:
        mistakes.append(mistake("algorithms", "[algorithm] is there too; use one or the other"))
    if not values.cash.is_finite() or not 0 <= values.cash <= 10**18:
        mistakes.append(mistake("cash", f"expected an amount from 0 to 1e18, got {values.cash}"))
    step = values.quantity_step
    if not step.is_finite() or not Decimal("1e-18") <= step <= 10**9:
        mistakes.append(mistake("quantity_step", f"expected a step from 1e-18 to 1e9, got {step}"))
    mistakes += [mistake(key, problem) for key, problem in _misnamed(values)]
    for name in sorted({name for name in values.hooks.enabled if values.hooks.enabled.count(name) > 1}):
        mistakes.append(mistake("hooks.enabled", f"`{name}` is there more than once; name it where it is to be called"))
    for key, names in (("essential", values.hooks.essential), ("params", values.hooks.params)):
        for name in names:
            if name not in values.hooks.enabled:
                problem = f"`{name}` is not enabled; add it to `enabled`, or take it out here"
                mistakes.append(mistake(f"hooks.{key}", problem))
    mistakes += [mistake(key, problem) for key, problem in _mispriced(values)]
    mistakes += [mistake(key, problem) for key, problem in _mistimed(values)]
    if origin != _JOURNAL:
        mistakes += [mistake(key, problem) for key, problem in _unheeded(values)]
    mistakes += [mistake(key, problem) for key, problem in _uncovered(values)]
    if values.seed is not None and not -(2**63) <= values.seed < 2**63:
        mistakes.append(mistake("seed", "expected a whole number of at most 64 bits"))
    if values.session is not None and not _SESSION.fullmatch(values.session):
        wanted = "1 to 64 letters (a to z), digits, `.`, `_` and `-`, as topics and files are named after the session"
        mistakes.append(mistake("session", f"expected {wanted}; got {shown(values.session)}"))
    if mistakes:
        raise BadConfiguration(*mistakes)
    return values


def _found(tree: Mapping[str, Any], key: str) -> Any:
    value: Any = tree
    for word in key.split("."):
        value = value[word]
    return value


def _misnamed(values: Configuration) -> Iterator[tuple[str, str]]:
    """Find algorithms and indicators that cannot be told apart, and shares that cannot be."""
    for key, names in (
        ("algorithms", [table.name for table in values.algorithms]),
        ("indicators", [table.name for table in values.indicators]),
    ):
        for n, name in enumerate(names):
            if name in names[:n]:
                yield f"{key}.{n}.name", f"another is called `{name}` too; give one another name, and `use`"
    shares = [table.share for table in values.algorithms if table.share is not None]
    for n, table in enumerate(values.algorithms):
        if table.share is not None and not (table.share.is_finite() and 0 <= table.share <= 1):
            yield f"algorithms.{n}.share", f"expected a number from 0 to 1, got {table.share}"
            return
    if (whole := total(shares)) > 1:
        yield "algorithms", f"the shares come to {whole}, which is more than 1"


def _mispriced(values: Configuration) -> Iterator[tuple[str, str]]:
    """Find costs and limits of fills that cannot be."""
    costs = values.costs
    for name in CostsTable.__struct_fields__:
        if name == "commission_tiers":
            continue
        amount: Decimal | None = getattr(costs, name)
        most = 9999 if name.endswith("_bps") else 1 if name == "slippage_impact" else 10**9
        if amount is not None and not (amount.is_finite() and 0 <= amount <= most):
            yield f"costs.{name}", f"expected a number from 0 to {most}, got {amount}"
        elif name == "commission_max" and amount is not None:
            least = costs.commission_min
            if least.is_finite() and amount < least:
                yield "costs.commission_max", f"expected at least the {least} of `commission_min`, got {amount}"
    below = Decimal(0)
    for bound, rate in costs.commission_tiers:
        if not (bound.is_finite() and below < bound <= 10**18):
            problem = f"expected amounts that rise, each above 0 and at most 1e18; got {bound} after {below}"
        elif not (rate.is_finite() and 0 <= rate <= 9999):
            problem = f"expected rates from 0 to 9999 basis points, got {rate}"
        else:
            below = bound
            continue
        yield "costs.commission_tiers", problem
        return
    share = values.fills.volume_share
    if share is not None and not (share.is_finite() and 0 < share <= 1):
        yield "fills.volume_share", f"expected a number above 0 and at most 1, got {share}"
    lengths = {"fills.delay": values.fills.delay, "time.ahead": values.time.ahead, "clock.grace": values.clock.grace}
    lengths |= {f"time.bars.{channel}": length for channel, length in values.time.bars.items()}
    for key, text in lengths.items():
        try:
            length = read_duration(text)
        except BadData as error:
            yield key, error.problem
            continue
        if not length and key not in ("fills.delay", "clock.grace"):
            yield key, f"expected a length of time above 0, got {text}"
    for channel in values.time.bars:
        if channel != DEFAULT_CHANNEL:
            yield f"time.bars.{channel}", f"only bars on `{DEFAULT_CHANNEL}` fill orders; name that channel"


def _mistimed(values: Configuration) -> Iterator[tuple[str, str]]:
    """Find timers that are never due, or that nobody could tell from something else."""
    taken = {DEFAULT_CHANNEL: "quotes", "actions": "splits and dividends", "rates": "rates"}
    taken |= {table.name: "an indicator" for table in values.indicators}
    for n, table in enumerate(values.timers):
        if table.name in taken:
            yield f"timers.{n}.name", f"`{table.name}` is the channel of {taken[table.name]}; choose another name"
            continue
        taken[table.name] = "another timer"
        try:
            check_channel(table.name)
            read_timer(**msgspec.structs.asdict(table))
        except BadData as error:
            yield f"timers.{n}.name", error.problem
        except BadTimer as error:
            yield f"timers.{n}", error.problem


def _unheeded(values: Configuration) -> Iterator[tuple[str, str]]:
    """Find what depends on the volume of an event where orders fill without one."""
    if values.fill != "same":
        return
    for key, given in (
        ("fills.volume_share", values.fills.volume_share),
        ("costs.slippage_impact", values.costs.slippage_impact),
    ):
        if given:
            problem = (
                'with `fill = "same"` an order fills at the quote of its own signal, which has no volume to hold it '
                f'against; choose `fill = "next"`, or leave `{key}` out'
            )
            yield key, problem
    if values.fills.delay != FillsTable().delay:
        problem = 'with `fill = "same"` an order fills at once; choose `fill = "next"`, or leave `fills.delay` out'
        yield "fills.delay", problem


def _uncovered(values: Configuration) -> Iterator[tuple[str, str]]:
    """Find margins that would cover nothing, and a currency that is none."""
    if values.margin is not None:
        for name in MarginTable.__struct_fields__:
            part = getattr(values.margin, name)
            if not part.is_finite() or not 1 <= part <= 100:
                yield f"margin.{name}", f"expected a number from 1 to 100, got {part}"
                return
        if values.margin.maintenance > values.margin.initial:
            yield "margin.maintenance", f"{values.margin.maintenance} is more than `initial`, {values.margin.initial}"
    if values.currency is not None:
        try:
            check_currency(values.currency)
        except BadData as error:
            yield "currency", error.problem


def _limits(values: Configuration) -> Iterator[tuple[str, str, float | None]]:
    yield "worker.memory", "MiB", values.worker.memory
    yield "worker.deadline", "seconds", values.worker.deadline
    yield "worker.import_deadline", "seconds", values.worker.import_deadline
    tables = {"algorithm": values.algorithm, "portfolio": values.portfolio}
    tables |= {f"risks.{n}": risk for n, risk in enumerate(values.risks)}
    for key, table in tables.items():
        yield f"{key}.deadline", "seconds", table.deadline if table is not None else None
    for n, indicator in enumerate(values.indicators):
        yield f"indicators.{n}.deadline", "seconds", indicator.deadline
    for n, algorithm in enumerate(values.algorithms):
        yield f"algorithms.{n}.deadline", "seconds", algorithm.deadline
        if algorithm.portfolio is not None:
            yield f"algorithms.{n}.portfolio.deadline", "seconds", algorithm.portfolio.deadline


class _Layer(NamedTuple):
    """What one file, variable or flag says; of the latter two, which key they are for."""

    origin: str
    tree: Mapping[str, Any]
    key: str = ""

    def says(self, key: str) -> str:
        """Say where this layer gives a key; a variable can hold a whole table."""
        rest = key[len(self.key) + 1 :] if self.key and key.startswith(f"{self.key}.") else ""
        return f"{self.origin} `{rest}`" if rest else self.origin


def _file(file: Path | None, variables: Mapping[str, str]) -> Path | None:
    if file is not None:
        return file
    if named := variables.get(FILE_VARIABLE):
        if not Path(named).is_file():
            raise BadConfiguration(Mistake(FILE_VARIABLE, "", f"there is no file {shown(named)}"))
        return Path(named)
    return Path(FILE) if Path(FILE).is_file() else None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadConfiguration(Mistake(str(path), "", "there is no such file")) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfiguration(Mistake(str(path), "", f"cannot be read: {error}")) from None
    except tomllib.TOMLDecodeError as error:
        raise BadConfiguration(Mistake(str(path), "", f"no valid TOML: {error}")) from None


def _variables(environment: Mapping[str, str]) -> Iterator[_Layer]:
    for name, text in sorted(environment.items()):
        if name.startswith(PREFIX) and name not in NOT_SETTINGS:
            path = name.removeprefix(PREFIX).lower().split("__")
            yield _Layer(name, _nested(path, Typed(text)), ".".join(path))


def _nested(path: list[str], value: Any) -> dict[str, Any]:
    for key in reversed(path):
        value = {key: value}
    return dict(value)


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    if "name" in above and below.get("name") not in (None, above["name"]):
        below.pop("params", None)  # they were meant for another part
    for key, value in above.items():
        if isinstance(value, Mapping):
            inner = below.get(key)
            below[key] = dict(inner) if isinstance(inner, Mapping) else {}
            _merge(below[key], value)
        else:
            below[key] = value


def _sifted(
    tree: dict[str, Any], bad: list[str], make: Callable[[Mapping[str, Any]], Configuration]
) -> tuple[Configuration, list[Mistake]]:
    """Make a configuration of what is left without bad keys, and find the others that are bad."""
    found: list[Mistake] = []
    known = set(bad)
    for key in bad:
        _prune(tree, key)
    while True:
        try:
            return make(tree), found
        except BadConfiguration as error:
            for mistake in error.mistakes:
                if mistake.key not in known:
                    found.append(mistake)
                    known.add(mistake.key)
                _prune(tree, mistake.key)


def _prune(tree: dict[str, Any], key: str) -> None:
    """Take a key out of a tree; where it is not there, the table that lacks it."""
    *path, last = key.split(".")
    node: Any = tree
    for word in path:
        if isinstance(node, list):
            node = node[int(word)] if word.isdigit() and int(word) < len(node) else None
        else:
            node = node.get(word) if isinstance(node, Mapping) else None
    if isinstance(node, dict) and last in node:
        del node[last]
    elif path and path[0] in tree:
        del tree[path[0]]
    else:
        tree.clear()  # nothing less would be sure to come to an end


def _origins(tree: Mapping[str, Any], layer: _Layer, path: str = "") -> Iterator[tuple[str, str]]:
    """Note which layer gives what; only a file gives a table as such."""
    for key, value in tree.items():
        here = f"{path}.{key}" if path else key
        if isinstance(value, Mapping):
            if not layer.key:
                yield here, layer.origin
            yield from _origins(value, layer, here)
        else:
            yield here, layer.says(here)


def _origin(origins: Mapping[str, str], key: str) -> str | None:
    """Give where a key, or else the nearest table or list that it is in, was given."""
    while key not in origins and "." in key:
        key = key.rpartition(".")[0]
    return origins.get(key)


def _rivals(
    below: Mapping[str, Any], origins: Mapping[str, str], tree: Mapping[str, Any], layer: _Layer
) -> Iterator[Mistake]:
    """Find the two ways to choose an algorithm used together, in the layer that brings the second."""
    for key, other, shown_as in (
        ("algorithm", "algorithms", "[[algorithms]]"),
        ("algorithms", "algorithm", "[algorithm]"),
    ):
        if key in tree and key not in below and (other in below or (other in tree and key == "algorithms")):
            rival = _origin(origins, other) or next((at for at in origins if at.startswith(f"{other}.")), None)
            source = f", from {origins.get(rival or '', rival)}" if other in below and rival else ""
            yield Mistake(layer.says(key), key, f"{shown_as} is there too{source}; use one or the other")


def _mistakes(table: type[Table], tree: Mapping[str, Any], layer: _Layer, path: str = "") -> Iterator[Mistake]:
    """Find unknown keys and wrong types in one layer."""
    hints = get_type_hints(table)
    for key, value in tree.items():
        here = f"{path}.{key}" if path else key
        origin = layer.says(here)
        if key not in hints:
            known = ", ".join(f"`{name}`" for name in hints)
            hint = did_you_mean(key, hints) or "; "
            yield Mistake(origin, here, f"unknown{hint}{'' if hint == '; ' else ' '}valid are {known}")
            continue
        inner = _table_of(hints[key])
        if inner is not None and isinstance(value, Mapping):
            yield from _mistakes(inner, value, layer, here)
        elif inner is not None and _is_array(hints[key]) and isinstance(value, list):
            for n, element in enumerate(value):
                if isinstance(element, Mapping):
                    yield from _mistakes(inner, element, layer, f"{here}.{n}")
                else:
                    yield Mistake(layer.says(f"{here}.{n}"), f"{here}.{n}", f"expected a table, got {shown(element)}")
        elif value == "" and here not in _EXPECTED:
            yield Mistake(origin, here, "is empty; leave it out, or say what it is to be")
        else:
            yield from _misfit(value, hints[key], origin, here)


def _misfit(value: Any, hint: Any, origin: str, key: str) -> Iterator[Mistake]:
    if getattr(hint, "__origin__", None) is dict and isinstance(value, Mapping):
        for name, content in value.items():
            yield from _misfit(content, hint.__args__[1], origin, f"{key}.{name}")
        return
    try:
        msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        rest, problem = complaint(error, shapes.type_info(hint))
        if key in _EXPECTED:
            problem = f"expected {_EXPECTED[key]}"
        if not rest and ", got " in problem:
            head, _, tail = problem.partition(", got ")
            near = tail.partition("; ")
            problem = f"{head}, got {shown(value)}{near[1]}{near[2]}"
        elif not rest:
            problem = f"{problem}, got {shown(value)}"
        yield Mistake(origin, f"{key}.{rest}" if rest else key, problem)


def _table_of(hint: Any) -> type[Table] | None:
    for candidate in (hint, *getattr(hint, "__args__", ())):
        if isinstance(candidate, type) and issubclass(candidate, Table):
            return candidate
    return None


def _is_array(hint: Any) -> bool:
    return getattr(hint, "__origin__", None) is tuple
