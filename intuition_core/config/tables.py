"""The tables and keys of a configuration, as typed structs.

A range that msgspec can check is a constraint of the type, and ``extra["range"]`` says it in plain words;
``extra["expected"]`` says what kind of number is meant. The other ranges, and what depends on several keys, are in
`intuition_core.config.checks`.
"""

import sys
from decimal import Decimal
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from intuition_core.account.margin import Margin
from intuition_core.session.journal import Durability
from intuition_core.trading.composition import (
    DEFAULT_CASH,
    DEFAULT_DEADLINE,
    DEFAULT_POLICY,
    DEFAULT_STEP,
    Drift,
    Fill,
    Policy,
)
from intuition_core.trading.timers import Missed

DEFAULT_ADDRESS: Final = "tcp://127.0.0.1:4242"

ClockTime: TypeAlias = Literal["events", "wall"]

Seconds: TypeAlias = Annotated[float, Meta(gt=0, le=sys.float_info.max, extra={"range": "seconds above 0"})]
Amount: TypeAlias = Annotated[Decimal, Meta(extra={"expected": 'an amount such as 1 or "0.35"'})]
"""Of money, in the account's currency."""
BasisPoints: TypeAlias = Annotated[Decimal, Meta(extra={"expected": "a number of basis points such as 5"})]
"""Hundredths of a percent."""
SessionName: TypeAlias = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9._-]{1,64}(?!\n)$",
        extra={
            "range": "1 to 64 letters (a to z), digits, `.`, `_` and `-`, as topics and files are named after the "
            "session"
        },
    ),
]
Seed: TypeAlias = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1, extra={"range": "a whole number of at most 64 bits"})]


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table of the configuration. msgspec ignores unknown keys; `intuition_core.config.checks` finds them."""


class PartTable(Table, frozen=True, kw_only=True):
    """``[algorithm]``, ``[portfolio]``, ``[[risks]]``: a plugin (``name`` or ``distribution:name``), its parameters.

    ``policy`` and ``deadline`` are as in ``[worker]``, for this part.
    """

    name: str
    params: dict[str, Any] = {}
    policy: Policy | None = None
    deadline: Seconds | None = None


class PortfolioChoice(Table, frozen=True, kw_only=True):
    """``portfolio`` of one of ``[[algorithms]]``; the default is ``[portfolio]``, or else `naive`."""

    use: str
    params: dict[str, Any] = {}
    policy: Policy | None = None
    deadline: Seconds | None = None


class AlgorithmTable(Table, frozen=True, kw_only=True):
    """One of ``[[algorithms]]``: ``name`` is its name in records, ``use`` the plugin (default: that of this name).

    ``share`` is its part of the capital, from 0 to 1. Algorithms without a share divide the rest evenly.
    """

    name: str
    use: str | None = None
    share: Decimal | None = None
    params: dict[str, Any] = {}
    policy: Policy | None = None
    deadline: Seconds | None = None
    portfolio: PortfolioChoice | None = None


class IndicatorTable(Table, frozen=True, kw_only=True):
    """One of ``[[indicators]]``: ``name`` is its name in records, ``use`` the plugin (default: that of this name)."""

    name: str
    use: str | None = None
    params: dict[str, Any] = {}
    policy: Policy | None = None
    deadline: Seconds | None = None


class SourceTable(Table, frozen=True, kw_only=True):
    """``[source]``: the source of a backtest's events; without ``name`` it is chosen by the data."""

    name: str | None = None
    params: dict[str, Any] = {}


class CostsTable(Table, frozen=True, kw_only=True):
    """``[costs]``: commission and slippage of every fill, see `intuition_core.account.costs`.

    Rates are in basis points (hundredths of a percent) of the amount traded, amounts in the account's currency.
    ``commission_min`` and ``commission_max`` bound the commission of one fill. ``commission_tiers`` are pairs of an
    amount and the rate up to it, rising; ``commission_bps`` is the rate above. ``slippage_impact`` is the part of the
    price by which a fill of all of an event's volume moves it; it goes with the square of the part that is filled.
    """

    commission_bps: BasisPoints = Decimal(0)
    commission_per_trade: Amount = Decimal(0)
    slippage_bps: BasisPoints = Decimal(0)
    slippage_per_trade: Amount = Decimal(0)
    commission_per_unit: Annotated[Decimal, Meta(extra={"expected": 'an amount such as "0.005"'})] = Decimal(0)
    commission_min: Amount = Decimal(0)
    commission_max: Annotated[Decimal, Meta(extra={"expected": 'an amount such as 30 or "29.90"'})] | None = None
    commission_tiers: tuple[tuple[Decimal, Decimal], ...] = ()
    slippage_impact: Annotated[Decimal, Meta(extra={"expected": 'a part of the price such as "0.1"'})] = Decimal(0)


class FillsTable(Table, frozen=True, kw_only=True):
    """``[fills]``: how much of an event's volume orders can fill, and how soon.

    ``volume_share`` is the part of an event's ``volume`` that all orders for its symbol together can fill at that
    event, above 0 and at most 1; without it there is no limit. ``delay`` is how long after its decision an order
    reaches the market, such as ``"2s"``. Both are refused with ``fill = "same"``, which fills at the event of the
    decision, whose volume was traded before; so is ``slippage_impact``.
    """

    volume_share: Annotated[Decimal, Meta(extra={"expected": 'a part of the volume such as "0.1"'})] | None = None
    delay: str = "0s"


class TimeTable(Table, frozen=True, kw_only=True):
    """``[time]``: how far ahead events may be, and how long bars last.

    ``ahead`` is how far the ``ts`` of an event may be ahead of the moment at which it is received, such as ``"1h"``;
    one further ahead is refused. ``bars`` says how long bars of a channel last that come without ``start``:
    ``quotes = "1m"``. Without it, such a bar's close alone counts.
    """

    ahead: str = "1h"
    bars: dict[str, str] = {}


class MarginTable(Table, frozen=True, kw_only=True):
    """``[margin]``: the table permits short selling, see `intuition_core.account.margin`.

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
    """``[instruments]``: facts about symbols, from a ``file`` (CSV or TOML), from ``table``, or from a plugin.

    A relative path starts from the folder of the file that names it. ``name`` and ``params`` choose a plugin of the
    kind `instruments`, ``calendars`` the plugin of the kind `calendar` that knows the calendars which they name.
    """

    file: str | None = None
    name: str | None = None
    params: dict[str, Any] = {}
    calendars: str = "exchange"
    table: tuple[InstrumentTable, ...] = ()


class ClockTable(Table, frozen=True, kw_only=True):
    """``[clock]``: the time by which timers of a served session are due.

    ``time`` is ``events`` (a timer comes before the first event that is later) or ``wall`` (it also comes while there
    are no events, ``grace`` after its moment, such as ``"1s"``). Backtests and replays read no clock.
    """

    time: ClockTime = "events"
    grace: str = "1s"


class TimerTable(Table, frozen=True, kw_only=True):
    """One of ``[[timers]]``: an event on the channel ``name`` that is due at certain times.

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


class BrokerTable(Table, frozen=True, kw_only=True):
    """``[broker]``: where orders are traded; docs/brokers.md.

    ``name`` is the plugin, ``params`` are its parameters. ``mode`` says who fills the orders of a served session:
    ``paper`` the core, by its quotes, or ``live`` the venue, whose executor is ``intuition trade``. ``max_age`` is how
    old a decision may be when it is sent, such as ``"30s"``; an older one is refused. ``on_drift`` says what is done
    where the books and the venue's account differ: ``halt`` turns the kill switch on, ``book`` books the difference
    beside the algorithms' ledgers where there is as much, ``warn`` records it.
    """

    name: str
    mode: Literal["paper", "live"] = "paper"
    params: dict[str, Any] = {}
    max_age: str = "30s"
    on_drift: Drift = "halt"


class RpcTable(Table, frozen=True, kw_only=True):
    """``[rpc]``: the address of the session, and the keys of those who may call it (docs/security.md).

    ``key`` is the file of one's own secret key. ``clients`` is, for a server with a key, the folder of public keys of
    those who may call. ``server_key`` is, for a client, the server's public key, as text or as a file.
    """

    addr: str = DEFAULT_ADDRESS
    key: str | None = None
    clients: str | None = None
    server_key: str | None = None


class JournalTable(Table, frozen=True, kw_only=True):
    """``[journal]``: the file of the session, and what a commit survives.

    ``path`` is a file; without it, one named after the session in the platform's data folder. ``durability`` is
    ``process`` (a commit survives the end of the process, however it ends) or ``power`` (that of the machine's power
    as well, for a few milliseconds a batch). ``enabled = false`` keeps the session in memory alone. ``delay`` is the
    least time between two commits of a connector's batches, such as ``"50ms"``: what comes meanwhile is committed
    together, which writes less to the disk, and is answered that much later. At most ``"1s"``; commands do not wait.
    ``keep`` is how much of the session is kept: ``"30d"`` since the commit, ``"10GB"``, or ``"all"``; older segments
    are dropped, and written to the folder ``archive`` before where there is one.
    """

    path: str | None = None
    durability: Durability = "process"
    enabled: bool = True
    delay: str = "0s"
    keep: str = "all"
    archive: str | None = None


class WorkerTable(Table, frozen=True, kw_only=True):
    """``[worker]``: limits of the process in which the parts run, and the policy for parts that fail.

    A part fails when it raises, answers nonsense, ends the process, or takes longer than ``deadline`` seconds for one
    call. Then, by its ``policy``: ``skip`` (the default): it has no say in that event; ``quarantine``: none from then
    on; ``raise``: the session takes no more events until a person starts it again. ``memory`` is the most that the
    process may use, in MiB; without it there is no limit. A plugin whose import takes longer than ``import_deadline``
    seconds ends the start. ``symbols`` is the number of symbols with a price that a session knows at most; quotes of
    further ones are refused.
    """

    policy: Policy = DEFAULT_POLICY
    deadline: Seconds = DEFAULT_DEADLINE
    import_deadline: Seconds = 60.0
    memory: Annotated[int, Meta(gt=0, extra={"range": "MiB above 0"})] | None = None
    symbols: Annotated[int, Meta(gt=0, extra={"range": "a whole number above 0"})] = 1_000_000


class HooksTable(Table, frozen=True, kw_only=True):
    """``[hooks]``: the hook plugins that listen, in their order.

    ``essential`` are those without which there must be no trading: where one of them fails, the session takes no more
    events. ``params`` has the parameters, by the plugin's name.
    """

    enabled: tuple[str, ...] = ()
    essential: tuple[str, ...] = ()
    params: dict[str, dict[str, Any]] = {}


class PluginsTable(Table, frozen=True, kw_only=True):
    """``[plugins]``: ``blocked`` plugins cannot be used: ``name``, ``kind:name`` or a distribution."""

    blocked: tuple[str, ...] = ()


class Configuration(Table, frozen=True, kw_only=True):
    """All keys of a configuration.

    ``cash`` is in the account's currency; ``seed`` makes draws repeatable, and one is drawn where none is given;
    ``fill`` says whether orders fill on the ``next`` quote or at the ``same`` one; ``quantity_step`` is the smallest
    number of units; ``negative_prices`` lets zero and negative prices in; ``session`` names the session; ``requires``
    says which distributions must be installed, as pip writes it (``intuition-random>=0.1``); ``currency`` is what the
    account is kept in, and only needed where instruments are quoted in another.
    """

    requires: tuple[str, ...] = ()

    seed: Seed | None = None
    cash: Annotated[Decimal, Meta(extra={"expected": 'an amount such as 10000 or "10000.50"'})] = DEFAULT_CASH
    fill: Fill = "next"
    quantity_step: Annotated[Decimal, Meta(extra={"expected": 'a number of units such as 1 or "0.001"'})] = DEFAULT_STEP
    negative_prices: bool = False
    session: SessionName | None = None
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
    broker: BrokerTable | None = None
    rpc: RpcTable = RpcTable()
    journal: JournalTable = JournalTable()
    worker: WorkerTable = WorkerTable()
    connectors: dict[str, dict[str, Any]] = {}
    hooks: HooksTable = HooksTable()
    plugins: PluginsTable = PluginsTable()


ALIASES: Final = {"starting_cash": "cash"}
CORE_KEYS: Final = frozenset({"seed", "cash", "fill", "quantity_step", "negative_prices", "starting_cash"})
"""Flat keys, as `--param` and `initialize` take them, that are the core's own."""
