"""Open orders: what they are, how a fill and an end of one look, and how much of the market they may have."""

from decimal import Decimal
from typing import Any, Final

import msgspec

from intuition_core.account.amounts import exact, plain_decimal
from intuition_core.account.costs import to_tick
from intuition_core.contracts import Data, Order, Rejection, Signal

_ZERO: Final = Decimal(0)


class OpenOrder(msgspec.Struct, frozen=True, gc=False):
    """An order that is open.

    Attributes:
        id: of its decision.
        order: the order, with the quantity or the cash that is not filled yet.
        algorithm, portfolio: the names of the parts that it is of.
        expires: the last moment at which it can be filled, nanoseconds UTC, None for no end; under rules 1 the first
            moment at which it cannot be filled any more.
        triggered: whether the market has reached its stop.
        since: the time after which prices count for it, nanoseconds UTC; None under rules 1, by which all prices do.
        gone: when an event of another symbol ends it: later than ``expires`` by the length of a bar that may have begun
            before.
        parent: the id of the entry whose position it protects: such an order holds no units back from others that
            close the position, and ends with the position.
        waits: the ids of the open sales that are to pay for it; it is not filled before they have ended.
        glimpse: the first event of the present moment that would have filled it while it waited.
        after: the moment of the last of these sales: of later events it may have what was traded after that.
        ordered: its first cash or units, where the sales have brought too little for that.
        recalled: when it was taken back while nobody knew yet what its symbol had done until then, because a bar of
            another symbol came first. Prices from before that, told after it, still fill it (`counts`).
        why: the reason that is recorded where a recalled order is not filled.
        instead: the ids of recalled orders whose place it takes: if one of them was filled, it is taken back.
    """

    id: str
    order: Order
    algorithm: str
    portfolio: str
    expires: int | None = None
    triggered: bool = False
    since: int | None = None
    gone: int | None = None
    parent: str | None = None
    waits: tuple[str, ...] = ()
    glimpse: dict[str, Any] | None = None
    after: int | None = None
    recalled: int | None = None
    why: str = ""
    instead: tuple[str, ...] = ()
    ordered: Decimal | None = None

    def counts(self, data: Data) -> bool:
        """Return whether an event may fill the order: for a recalled one, an event that began before the recall.

        Of a bar in which it was taken back nobody knows whether it had been filled by then. It counts whole, or else
        whoever has seen more than the bar's beginning could choose.
        """
        if self.recalled is None:
            return True
        start: int | None = data.get("start")
        return data["ts"] <= self.recalled if start is None else start < self.recalled

    def since_at(self, ts: int) -> int | None:
        """Return the time after which prices count at an event of this time; None for rules 1."""
        if self.after is None or self.after == ts or self.since is None:
            return self.since
        return max(self.since, self.after)


class Filled(msgspec.Struct, frozen=True, gc=False):
    """A fill.

    Attributes:
        quantity: the units.
        price: the price of a unit, slippage included, in the currency of the quotes.
        cash: what moved in all, in the account's currency.
        commission, slippage: the costs within it, in the account's currency.
        profit: of a fill that closes a position, over the cost of its units; None for others.
        left_quantity, left_cash: the units or the cash that is still to be filled; both None after the last fill.
        since: the time after which prices count for orders that the fill brings to life, nanoseconds UTC: the bar's
            ``start`` where it got the open, else its ``ts``; None under rules 1 and at the event of the decision.
    """

    quantity: Decimal
    price: float
    cash: Decimal
    commission: Decimal
    slippage: Decimal
    profit: Decimal | None
    left_quantity: Decimal | None = None
    left_cash: Decimal | None = None
    since: int | None = None


class FillRules(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the market orders may have, and when.

    ``volume_share`` is the part of an event's ``volume``, above 0 and at most 1, that all orders for its symbol
    together can fill at that event; None for no limit. ``delay`` is how many nanoseconds after its decision an order
    reaches the market.
    """

    volume_share: Decimal | None = None
    delay: int = 0

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return self.volume_share is not None or self.delay != 0

    def to_json(self) -> dict[str, Any]:
        """Describe the rules in plain JSON types; what is not limited is not there."""
        plain: dict[str, Any] = {}
        if self.volume_share is not None:
            plain["volume_share"] = format(self.volume_share.normalize(), "f")
        if self.delay:
            plain["delay"] = self.delay
        return plain


NO_RULES: Final = FillRules()

OVER: Final = "its time is over"
"""Why an order is taken back that was good for a time."""

SUPERSEDED: Final = "the order whose place it was to take had been filled before"
"""Why an order is taken back, or not sent to a venue, whose predecessor turns out to have been filled."""


def is_simple_market(terms: Signal | Order) -> bool:
    """Return whether nothing says how to trade: it is filled whole at whatever price its symbol has next."""
    return (
        terms.limit is None
        and terms.stop is None
        and terms.until is None
        and terms.stop_loss is None
        and terms.take_profit is None
        and terms.group is None
        and terms.tif == "gtc"
    )


def on_ticks(order: Order, tick: Decimal | None) -> Order:
    """Return an order with its limit and its stop on whole ticks of its symbol, rounded towards not trading.

    Args:
        order: the order.
        tick: the smallest step of the symbol's price; None where prices have no step.
    """
    if tick is None or is_simple_market(order):
        return order
    buying = order.side == "buy"
    limit, stop, lose, take = order.limit, order.stop, order.stop_loss, order.take_profit
    if limit is not None:
        limit = float(to_tick(exact(limit), tick, up=not buying))
    if stop is not None:
        stop = float(to_tick(exact(stop), tick, up=buying))
    if lose is not None:
        lose = float(to_tick(exact(lose), tick, up=not buying))
    if take is not None:
        take = float(to_tick(exact(take), tick, up=buying))
    return msgspec.structs.replace(order, limit=limit, stop=stop, stop_loss=lose, take_profit=take)


def misplaced(order: Order) -> str | None:
    """Return what is wrong with an order's stop loss and take profit; None where the market is to stay between them."""
    price = order.quote
    if order.limit is not None:
        price = order.limit
    elif order.stop is not None:
        price = order.stop
    below, above = (order.stop_loss, order.take_profit) if order.side == "buy" else (order.take_profit, order.stop_loss)
    words = ("stop loss", "take profit") if order.side == "buy" else ("take profit", "stop loss")
    if below is not None and below >= price:
        return f"a {words[0]} of {below} is not below {price}, at which the {order.side} is to be filled"
    if above is not None and above <= price:
        return f"a {words[1]} of {above} is not above {price}, at which the {order.side} is to be filled"
    return None


def has_one_chance(open_order: OpenOrder) -> bool:
    """Return whether an event that might have filled an order was its only chance."""
    order = open_order.order
    return order.tif in ("ioc", "fok") and (order.stop is None or open_order.triggered)


def over_with(rest: OpenOrder, ts: int, *, seen: bool) -> Rejection | None:
    """Return why the rest of an order ends with an event; None where it stays open.

    Args:
        rest: what is left of it after the event.
        ts: the time of the event, nanoseconds UTC.
        seen: whether the order might have had something of the event.
    """
    if seen and not rest.waits and has_one_chance(rest):
        return missed(rest)
    if rest.since is not None and rest.expires is not None and ts > rest.expires:
        return Rejection(OVER)
    if rest.recalled is not None and ts >= rest.recalled and not rest.waits:
        return Rejection(rest.why)
    return None


def missed(open_order: OpenOrder) -> Rejection:
    """Return why an order has ended that was not filled at its only chance."""
    order = open_order.order
    event = f"{order.sid}'s first quote" if order.stop is None else f"the quote of {order.sid} that triggered its stop"
    if order.tif == "fok":
        return Rejection(f"not all of it could be filled at once at {event}, as fok asks for")
    what = f"{plain_decimal(order.quantity or order.cash or _ZERO)}{' units' if order.quantity is not None else ''}"
    return Rejection(f"{what} could not be filled at {event}, and ioc waits for no other")
