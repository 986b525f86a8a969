"""The contracts between parts, version 1: what each kind of part is asked and what it answers.

The contracts are structural. A plain class with the right methods is a part; it need not inherit from anything here.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from logging import Logger, LoggerAdapter
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal, NamedTuple, Protocol, TypeAlias, runtime_checkable

import msgspec

CONTRACT_VERSION = 1

Data: TypeAlias = Mapping[str, Any]
"""One normalised event: ``channel``, ``sid``, ``quote`` (finite float), ``ts`` (nanoseconds UTC), the rest as sent."""

Params: TypeAlias = Any
"""What `initialize` receives: a plain dict, or an instance of the part's nested ``Params`` class where it has one."""

Secret: TypeAlias = Annotated[str, msgspec.Meta(extra_json_schema={"writeOnly": True})]
"""The type of a parameter that nobody is shown: a password, a token, a key."""

Side: TypeAlias = Literal["buy", "sell"]

OrderType: TypeAlias = Literal["market", "limit", "stop", "stop_limit"]

Tif: TypeAlias = Literal["gtc", "day", "ioc", "fok"]
"""Time in force: until it is filled or cancelled; until the end of its day or its exchange's session; what can be had
at the first chance, the rest cancelled; all of it at the first chance, or nothing."""


class Signal(msgspec.Struct, frozen=True, gc=False):
    """An algorithm's opinion that something is worth acting on.

    ``quote`` is the price the opinion was formed at, in the currency of the symbol's quotes; without it the latest one
    counts. The edge may come along, either discrete (``probability`` of winning, ``win`` and ``loss`` per unit
    staked, all positive) or continuous (``mean`` and ``variance`` of the return per period, and ``risk_free``).

    How to trade on it may come along, too. ``limit`` is the worst price to accept, ``stop`` the price that the market
    must reach first; with neither, the order is filled at the market. ``tif`` is how long it is good, ``until`` a time
    in nanoseconds UTC at which it ends in any case. ``tag`` is a name of the algorithm's own for the order: a later
    signal on the symbol with the same tag replaces it while it is open, and a `Cancel` can name it.

    ``stop_loss`` and ``take_profit`` make it a bracket: with each fill of the entry two orders that close what was
    filled are placed, a stop and a limit, and the fill of one takes back the other. ``group`` is a name that several
    orders of an algorithm share: once one of them is filled, the others are taken back (one cancels other).
    """

    sid: str
    side: Side
    quote: float | None = None
    probability: float | None = None
    win: float | None = None
    loss: float | None = None
    mean: float | None = None
    variance: float | None = None
    risk_free: float | None = None
    limit: float | None = None
    stop: float | None = None
    tif: Tif = "gtc"
    until: int | None = None
    tag: str | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    group: str | None = None


class Cancel(msgspec.Struct, frozen=True, gc=False):
    """An algorithm's wish to take back open orders of its own: those on a symbol, those with a tag; all by default."""

    sid: str | None = None
    tag: str | None = None


class Message(msgspec.Struct, frozen=True):
    """Data that a part publishes on a channel of its own; it never marks a price and never fills an order."""

    channel: str
    data: Any


class Targets(msgspec.Struct, frozen=True, kw_only=True):
    """What an algorithm's part of the account is to hold: by ``weights`` or by ``quantities``, never both.

    ``weights`` are parts of the equity by symbol, ``quantities`` units; below 0 is sold short. ``others`` says whether
    what is held of symbols that are not named is closed. What comes to less than ``minimum``, in the account's
    currency, is not traded. Sales pay for buys whatever the order of events: a buy that waits for them is filled at the
    price that it would have had in the moment of the last sale, or else at its first one after it; where they bring
    less than was expected, buys become smaller in proportion. Where one of the orders is refused, none is placed,
    unless ``partial``.
    """

    weights: Mapping[str, float | Decimal] | None = None
    quantities: Mapping[str, float | Decimal] | None = None
    others: Literal["close", "keep"] = "close"
    minimum: float | Decimal = 0
    partial: bool = False


class Bet(msgspec.Struct, frozen=True, gc=False):
    """How much a portfolio stakes: ``cash`` in the account's currency, or a number of ``units``; never both.

    A bet of nothing with a ``reason`` is recorded as a rejection with that reason.
    ``sid`` and ``side`` name another symbol or the other side than the signal's; what `observe` returns names both.
    ``limit``, ``stop``, ``tif``, ``until``, ``stop_loss``, ``take_profit`` and ``group`` say how to trade, as in a
    `Signal`, whose own count where a bet has none.
    """

    cash: float | Decimal | None = None
    units: float | Decimal | None = None
    sid: str | None = None
    reason: str | None = None
    side: Side | None = None
    limit: float | None = None
    stop: float | None = None
    tif: Tif | None = None
    until: int | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    group: str | None = None


class Order(msgspec.Struct, frozen=True, gc=False):
    """What is about to be placed. Exactly one of ``cash`` (spend so much) and ``quantity`` (so many units) is set.

    ``quote`` is the price that the signal was formed at. ``short`` marks an order about a short position: a sell opens
    it, a buy closes it. ``limit``, ``stop``, ``tif``, ``until``, ``tag``, ``stop_loss``, ``take_profit`` and
    ``group`` are as in a `Signal`.
    A risk part is also told ``ts``, the time of the event in nanoseconds UTC, and whose order it is.
    """

    sid: str
    side: Side
    quote: float
    cash: Decimal | None = None
    quantity: Decimal | None = None
    reason: str | None = None
    ts: int = 0
    algorithm: str = ""
    short: bool = False
    limit: float | None = None
    stop: float | None = None
    tif: Tif = "gtc"
    until: int | None = None
    tag: str | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    group: str | None = None

    @property
    def closing(self) -> bool:
        """Whether the order reduces a position rather than opening one."""
        return (self.side == "sell") is not self.short

    @property
    def type(self) -> OrderType:
        """What kind of order the prices make it."""
        if self.limit is None:
            return "market" if self.stop is None else "stop"
        return "limit" if self.stop is None else "stop_limit"


class Fill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an order of a part's own brought, as `filled` is told it.

    ``order`` is the id of its decision, and ``tag`` the algorithm's name for it. ``price`` is in the currency of the
    symbol's quotes, slippage included; ``cash`` is what moved in all and ``profit``, for what closes a position, what
    was gained, in the account's. ``done`` says whether the order is filled whole; ``ts`` is the time of the event.
    """

    order: str
    sid: str
    side: Side
    quantity: Decimal
    price: float
    cash: Decimal
    profit: Decimal | None
    closing: bool
    done: bool
    tag: str | None
    ts: int


class Holding(NamedTuple):
    """A position: its units, negative where sold short; what one cost on average, fees included; since when it is open.

    ``average_cost`` is in the account's currency; for a short position it is what the sale of a unit brought.
    ``since`` is the time of the fill that opened it, nanoseconds UTC.
    """

    quantity: float
    average_cost: float
    since: int


class Rejection(msgspec.Struct, frozen=True, gc=False):
    """A refusal, with its reason for the person who reads the records."""

    reason: str


class Watch(msgspec.Struct, frozen=True, gc=False):
    """What a risk part waits for: until then it need not be shown how the account fares.

    It is shown again when the equity is ``below`` or less, ``above`` or more, or at the first event of a time of
    ``until`` (nanoseconds UTC) or later: then first as the event finds it, with the time of the event before.
    """

    below: float = -math.inf
    above: float = math.inf
    until: int = 2**63 - 1


class ClosedTrade(NamedTuple):
    """Units sold, against what they had cost. Amounts in the account's currency, as floats, for convenience.

    Of units that were sold short and are bought back, ``proceeds`` is what their sale brought, and ``cost`` what buying
    them back cost.
    """

    sid: str
    quantity: float
    cost: float
    proceeds: float
    ts: int
    short: bool = False
    """Whether the units had been sold short."""

    @property
    def profit(self) -> float:
        """What was gained, negative for a loss."""
        return self.proceeds - self.cost

    @property
    def rate(self) -> float:
        """What was gained per unit staked: over what the units had cost, or what their short sale had brought."""
        staked = self.proceeds if self.short else self.cost
        return (self.proceeds - self.cost) / staked if staked else 0.0


@runtime_checkable
class Account(Protocol):
    """A read-only view of the account, in floats for convenience; the ledger alone holds the exact amounts."""

    @property
    def cash(self) -> float:
        """Cash that can be bet: what is reserved for open orders or has to cover short positions is taken off."""

    @property
    def equity(self) -> float:
        """All cash, reserved or not, and all positions at their latest marks."""

    @property
    def positions(self) -> Mapping[str, float]:
        """Units held, by symbol, negative for what was sold short; symbols without a position are absent."""

    @property
    def holdings(self) -> Mapping[str, Holding]:
        """Each position with its average cost and since when it is open, by symbol."""

    @property
    def values(self) -> Mapping[str, float]:
        """What each position is worth at its latest quote, in the account's currency; negative where sold short.

        A position that cannot be valued yet, for want of a quote or a rate, counts at cost.
        """

    @property
    def pending(self) -> Mapping[str, float]:
        """Cash set aside for orders that open a position and are not filled yet, by symbol; symbols without are absent.

        For a buy that is what it may cost, for a short sale its margin less what it brings.
        """

    @property
    def orders(self) -> Sequence[Order]:
        """The orders at work, closing ones included, each as what of it is not filled yet."""

    @property
    def marks(self) -> Mapping[str, float]:
        """The latest quote, by symbol."""

    @property
    def quoted_at(self) -> Mapping[str, int]:
        """When each symbol was last quoted, nanoseconds UTC; only kept where there are risk parts."""

    def worth(self, sid: str, price: float | None = None) -> float:
        """Give what one unit of a symbol is worth in the account's currency: price * multiplier * rate.

        Args:
            sid: the symbol.
            price: in the currency that the symbol is quoted in; its latest quote where None.

        Returns:
            The worth; nan where there is no quote, or no rate of the currency is known yet.
        """

    @property
    def closed_trades(self) -> Sequence[ClosedTrade]:
        """The latest trades that were closed, oldest first; at most 1,000."""


def _no_timers(*_: Any, **__: Any) -> str:
    raise RuntimeError("timers are asked for in `initialize` of an algorithm or an indicator")


class Context(msgspec.Struct, frozen=True):
    """What a part may use besides its parameters, for parts whose `initialize` takes a second parameter."""

    name: str
    """The name under which the composition knows the part."""
    rng: Random
    """The only randomness a part may use; seeded from the session's seed and the part's name."""
    account: Account
    log: "Logger | LoggerAdapter[Logger]"
    at: Callable[..., str] = _no_timers
    """Asks for a timer, in `initialize` of an algorithm or an indicator: ``at("every 1h")``, ``at("month end")``,
    ``at("close - 10m", calendar="XNYS")``. It gives the name of the timer, ``<part>.<when>`` unless ``name`` says
    another: the channel on which the part hears it, with ``ts`` the moment at which it was due. ``missed`` is as in
    ``[[timers]]``: ``"once"``, ``"skip"`` or ``"all"``."""


Outcome: TypeAlias = Signal | Cancel | Message | Targets | Iterable[Signal | Cancel | Message | Targets] | None
"""What an algorithm may answer to an event."""

Stake: TypeAlias = Bet | float | Decimal | Targets | Iterable[Bet] | None
"""What a portfolio may answer to a signal: a plain number is cash."""


class Algorithm(Protocol):
    """Is this worth acting on? May also take a `Context` as a second parameter of `initialize`.

    ``filled(fill)`` is told each `Fill` of the algorithm's orders once, after it was booked and before the event that
    brought it, and may answer as `event` does. What it answers is decided at that event and fills at a later one.
    """

    def initialize(self, params: Params, /) -> Sequence[str] | None:
        """Prepare, and name the channels to listen to; None means ``["quotes"]``."""

    def event(self, data: Data, /) -> Outcome:
        """Look at one event of those channels."""


class Portfolio(Protocol):
    """How much do we bet on it? May also define `initialize(params[, context])` and two methods more.

    ``release(signal, account)`` sizes what a signal takes back: a sell of a symbol that is held, or a buy of one that
    was sold short. Without it the whole position is closed.

    ``observe(data, account)`` is shown every quote after the algorithm has had it, and may answer with bets of its own,
    each naming its ``sid`` and ``side``: how a portfolio moves to new weights on a schedule, by the time of events.

    ``filled(fill, account)`` is told each `Fill` of the orders that it has sized, after the algorithm, and may answer
    as ``observe`` does.
    """

    def optimize(self, signal: Signal, account: Account, /) -> Stake:
        """Size what a signal puts at stake: a buy, or, where the account may sell short, a sell of what is not held."""


class Risk(Protocol):
    """Are we allowed to? May also define `initialize(params[, context])`.

    Risk parts see the account as a whole, of all algorithms. One that must know how the account fares between orders
    also defines ``observe(account, ts)``, which is called after each quote of a symbol that is held and after each
    fill; a text that it returns is the reason for which the kill switch is turned on there and then. A `Watch` that it
    returns spares the calls at which nothing could happen, and with them most of what observing costs.

    One that lets everything pass that closes a position may have an attribute ``opening_only`` that is true, which is
    looked at after `initialize`; it is asked about orders that open a position alone then.
    """

    def check(self, order: Order, account: Account, /) -> Order | Rejection:
        """Let the order pass, let a smaller one pass, or refuse it with a reason."""


class Indicator(Protocol):
    """What does it amount to? Also takes a `Context` as a second parameter of `initialize`, if it has one."""

    def initialize(self, params: Params, /) -> Sequence[str] | None:
        """Prepare, and name the channels to listen to; None means ``["quotes"]``."""

    def event(self, data: Data, /) -> Message | Iterable[Message] | None:
        """Look at one event of those channels; nothing is said before there is enough to say it from.

        A message's ``data`` is a mapping; with a ``sid`` it is about that symbol. Algorithms that listen to the
        message's channel receive it as an event, with the ``ts`` of the event that caused it.
        """


class Source(Protocol):
    """What happened in the market? May also define `initialize(params)`.

    Two methods more make a source of recorded events fast and its progress visible. ``batches()`` gives the same
    events as `events` in lists of some hundreds, each a plain dict of its own that is already as `Data` says:
    ``channel``, ``sid``, prices as finite floats, ``ts`` in nanoseconds UTC that never goes back; nobody checks them
    again. ``progress()`` says which part of all the events has been given, from 0 to 1, or None where that is not
    known. Where its parameters declare ``start`` and ``end`` (nanoseconds UTC, the second not included) or
    ``symbols``, the source leaves out what is not asked for.

    An attribute ``live`` that is true says that it gives what happens now, in the order of arrival: its ``ts`` may go
    back where one event has overtaken another.
    """

    def events(self) -> Iterable[Mapping[str, Any]]:
        """Give the events in order, historical or live, each with its ``ts``."""


class Broker(Protocol):
    """What did the market give us? Fills come back as events.

    An order's ``id`` is the id of its decision, and unique. A session submits an order again until it is confirmed, so
    a broker keeps the id and the intention durably before it sends anything, and sends the id as the client order id.
    After a crash, a timeout or a lost reply it asks the venue by client order id before it sends again. A venue that
    knows neither client order ids nor a way to ask cannot be traded exactly once by anybody.

    `intuition_core.testing.broker.BrokerContract` checks all this.
    """

    def submit(self, order: Mapping[str, Any], /) -> None:
        """Place an order; returns once it is known that the venue took or refused it.

        Submitting the same ``id`` again places nothing twice. A refusal is final: it is kept, reported by `query`, and
        not tried again.

        Raises:
            VenueUnavailable: it is not known whether the order arrived; submit it again under the same id.
        """

    def query(self, order_id: str, /) -> Mapping[str, Any] | None:
        """Give what the venue says of an order now, or None where it does not know it.

        The answer's ``state`` is ``open``, ``filled``, ``cancelled`` or ``rejected``.

        Raises:
            VenueUnavailable: the venue did not answer, which is not the same as not knowing the order.
        """


class Instruments(Protocol):
    """What is known of symbols besides their price? May also define `initialize(params)`."""

    def instruments(self) -> Iterable[Mapping[str, Any]]:
        """Give the instruments at each start, with the fields of `intuition_core.account.instruments.Instrument`."""


class Calendar(Protocol):
    """When is an exchange open? May also define `initialize(params)`.

    ``breaks(name)``, if there is one, gives when trading pauses within sessions and when it goes on; ``names()`` gives
    the names that it knows, by which its contract tries it.
    """

    def sessions(self, name: str, /) -> Iterable[tuple[int, int]]:
        """Give when each session opens and closes, in order, nanoseconds UTC; asked at each start.

        The same name always gives the same sessions: a replay asks again.

        Raises:
            LookupError: it knows no calendar of that name.
        """


class Metric(NamedTuple):
    """A figure about a run, with the convention by which it was computed."""

    name: str
    """A key such as ``sharpe``; snake case."""
    label: str
    """For people, such as ``Sharpe ratio``."""
    value: float | None
    """None where it is not defined."""
    unit: str
    """``fraction`` (of one, shown in per cent), ``ratio``, ``days``, ``count``, or the account's ``currency``.

    ``%`` is the older name of ``fraction``: the value is a fraction of one all the same.
    """
    convention: str
    """How it was computed: periods per year, degrees of freedom, risk-free rate."""

    @property
    def is_fraction(self) -> bool:
        """Whether the value is a fraction of one, which people are shown in per cent."""
        return self.unit in ("fraction", "%")

    def to_json(self) -> dict[str, Any]:
        """Give the value, its unit and its convention in plain JSON types, for programs."""
        unit = "fraction" if self.is_fraction else self.unit
        return {"value": self.value, "unit": unit, "convention": self.convention}


class Report(Protocol):
    """What did it come to? May also define `initialize(params)`. Looks at a `intuition_core.history.History`."""

    def metrics(self, history: Any, /) -> Sequence[Metric]:
        """Compute the figures of a run."""

    def write(self, history: Any, path: Path, /) -> None:
        """Write a report for people, metrics included, as one file."""


class Connector(Protocol):
    """How do events come in and decisions go out? Must also define `initialize(params)`."""

    def initialize(self, params: Params, /) -> None:
        """Take the address and the credentials; connect nothing yet."""

    def run(self, backend: "Backend", /) -> None:
        """Carry events to the backend and its records to the world until `stop` is called or the process ends."""

    def stop(self) -> None:
        """End `run` soon, from a signal handler or another thread."""


class Backend(Protocol):
    """An algorithm, local or far away, as a connector sees it. Only `initialize` and `event` are always there."""

    @property
    def address(self) -> str:
        """Where it is, for messages to people."""

    def offers(self, method: str, /) -> bool:
        """Whether the backend has a method of that name; asks it once."""

    def call(self, method: str, /, *args: Any) -> Any:
        """Call a method.

        Raises:
            BackendLost: the backend did not answer in time or went away; the call may or may not have run.
            BackendRefused: the backend answered with an error.
        """

    def close(self) -> None:
        """Let the connection go; the next call makes a new one."""
