"""The values that pass between parts: answers and reports, frozen; amounts are in the account's currency."""

import math
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias

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
        """Return the value, its unit and its convention in plain JSON types, for programs."""
        unit = "fraction" if self.is_fraction else self.unit
        return {"value": self.value, "unit": unit, "convention": self.convention}


Outcome: TypeAlias = Signal | Cancel | Message | Targets | Iterable[Signal | Cancel | Message | Targets] | None
"""What an algorithm may answer to an event."""

Stake: TypeAlias = Bet | float | Decimal | Targets | Iterable[Bet] | None
"""What a portfolio may answer to a signal: a plain number is cash."""


class VenueTrade(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A trade at a venue, the same whether it was asked for or came by a stream.

    Attributes:
        trade: the venue's id of the trade, unique for its symbol.
        order: the id of the decision whose order it filled; None for a trade that no order of ours has caused.
        sid: the symbol.
        side: of the account.
        quantity: the units traded, before fees.
        price: of a unit.
        ts: when it was traded, nanoseconds UTC by the venue's clock.
        fee: in the currency of the price.
        fee_units: the part of the fee that is paid in units of the symbol.
        other_fees: what is paid in other currencies, by currency.
    """

    trade: str
    order: str | None
    sid: str
    side: Side
    quantity: Decimal
    price: Decimal
    ts: int
    fee: Decimal = Decimal(0)
    fee_units: Decimal = Decimal(0)
    other_fees: Mapping[str, Decimal] = {}


class VenueAccount(msgspec.Struct, frozen=True, kw_only=True):
    """What an account at a venue holds.

    Attributes:
        cash: by currency, what rests in orders included.
        positions: the units by symbol, what rests in orders included.
        as_of: when the venue said so, nanoseconds UTC.
    """

    cash: Mapping[str, Decimal]
    positions: Mapping[str, Decimal]
    as_of: int


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a venue before anything is asked of it.

    Attributes:
        venue: its name.
        account: the name or the number of the account there; it is part of the ids of trades.
        orders: the kinds of orders that it takes.
        tifs: the times in force that it takes.
        valid_for: the seconds after which a request that has not arrived is refused by the venue.
    """

    venue: str
    account: str
    orders: tuple[OrderType, ...] = ("market", "limit")
    tifs: tuple[Tif, ...] = ("gtc",)
    valid_for: float = 10.0
