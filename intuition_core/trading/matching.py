"""The prices of an event at which an order may fill (`seen`), and the price at which it fills (`reached`).

An event is known at its ``ts``. Without a ``start`` it is a quote: one price at ``ts``. With a ``start`` it is a bar:
its ``open`` was traded at ``start``, its ``high`` and ``low`` somewhere between, its ``quote`` at ``ts``. `seen`
returns the prices that were traded after the order's ``since`` and no later than its end:

- of a bar that begins at ``since`` or later, every price;
- of a bar that begins before ``since`` and ends after it, the close alone, and of its volume the share of the time
  that is left;
- of a bar that ends after the order's end and begins before it, the open alone;
- of an event whose ``ts`` is ``since`` or earlier, nothing, whenever it comes.

A close is the ``ask`` for a buy and the ``bid`` for a sell, where the event has them. ``since`` is None under rules 1,
by which every price of every event counts, and a missing ``open`` is the quote.

`reached` returns the price at which the order fills; for a buy (a sell mirrors it):

- a market order fills at the open;
- a limit order at ``L`` fills at the open if that is at most ``L``, else at ``L`` if the low is at most ``L``;
- a stop order at ``S`` is triggered if the high is at least ``S``, and fills at the higher of the open and ``S``;
- a stop-limit order that is triggered is a limit order from the next bar on. In the bar that triggers it, it is a limit
  order if the open is at least ``S``; else it fills at ``S`` if ``S`` is at most ``L``, as the course of prices within
  the bar is unknown.

The price may have jumped within a bar that does not say its open: a market order fills at the close of such a bar, a
limit order at its limit, and a stop order at the high.
"""

import math
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

from intuition_core.account.amounts import EXACT, floor_to_step
from intuition_core.contracts import Data, Order, Side

_SIDE_PRICE: Final[dict[Side, str]] = {"buy": "ask", "sell": "bid"}
_BAR_KEYS: Final = ("open", "high", "low")
_FINEST: Final = Decimal("1e-12")
"""Parts of a volume are cut off here: rounded up, they would come to a whole unit before it was traded."""


class Bar(NamedTuple):
    """The prices and the volume of an event at which an order may fill.

    ``open`` is None where it is not said; ``share`` is the part of the event's volume, from 0 to 1, that was traded
    while the order was there; ``start`` is when the open was traded, None where that was not after the order's
    ``since``.
    """

    open: float | None
    high: float
    low: float
    close: float
    volume: Decimal | None = None
    share: Fraction = Fraction(1)
    start: int | None = None

    @classmethod
    def of(cls, data: Data) -> "Bar":
        """Read an event by rules 1: its high is the highest of all prices in it, and its low the lowest."""
        quote = data["quote"]
        prices = data.get("open", quote), data.get("high", quote), data.get("low", quote), quote
        return cls(prices[0], max(prices), min(prices), quote, _volume(data.get("volume")))

    @classmethod
    def at(cls, price: float, volume: Decimal | None = None, share: Fraction = Fraction(1)) -> "Bar":
        """Return a bar whose prices are all the same."""
        return cls(price, price, price, price, volume, share)

    @property
    def traded(self) -> Decimal | None:
        """The volume that was traded while the order was open; None where the event has no volume."""
        if self.volume is None or self.share == 1:
            return self.volume
        part = EXACT.multiply(self.volume, Decimal(self.share.numerator))
        return floor_to_step(part, Decimal(self.share.denominator), _FINEST)


class Reached(NamedTuple):
    """The price of a fill in a bar, None without a fill; whether the stop is triggered; whether it is the open."""

    price: float | None
    triggered: bool = False
    at_open: bool = False


def close_of(data: Data, side: Side) -> float:
    """Return the price at an event's ``ts`` for a side: its ask or bid where it has one, or else its quote."""
    price: float | None = data.get(_SIDE_PRICE[side])
    return data["quote"] if price is None else price


def price_of(data: Data, side: Side, since: int | None) -> float:
    """Return the price at which a market order fills at an event after its ``since``; None for rules 1."""
    if since is None:
        return data["open"] if "open" in data else data["quote"]  # type: ignore[no-any-return]  # a price, by `Data`
    start = data.get("start")
    if start is not None and start >= since and "open" in data:
        return data["open"]  # type: ignore[no-any-return]  # the same
    return close_of(data, side)


def outside(data: Data, price: float) -> str | None:
    """Return a sentence on a price outside of an event's range, bid and ask included; None where it is within."""
    prices = [data[key] for key in (*_BAR_KEYS, "quote", "bid", "ask") if key in data]
    low, high = min(prices), max(prices)
    if low <= price <= high:
        return None
    there = f"from {low} to {high}" if low < high else f"at {low}"
    return f"a price of {price} is not one that {data['sid']} had at this event, which was {there}"


def loses_open(data: Data) -> bool:
    """Return whether an event has prices from before its ``ts`` and does not say since when."""
    return "start" not in data and any(key in data for key in _BAR_KEYS)


def seen(data: Data, side: Side, *, since: int | None, end: int | None = None, traded: int | None = None) -> Bar | None:
    """Return the prices and the volume of an event at which an order may fill; None where it cannot.

    Args:
        data: the event.
        side: whether the order buys or sells.
        since: the time, in nanoseconds UTC, after which prices count; None for rules 1.
        end: the last moment at which the order is there; None for no end.
        traded: the last moment of the event at which its symbol was traded; its ``ts`` where None.
    """
    if since is None:
        return Bar.of(data)
    ts = data["ts"]
    if ts <= since:
        return None
    start: int | None = data.get("start")
    begins = ts if start is None else start
    whole = start is not None and start >= since
    volume = _volume(data.get("volume"))
    if end is not None and (ts if traded is None else traded) > end:
        opened = data.get("open")
        if not whole or begins >= end or opened is None:
            return None
        share = Fraction(end - begins, ts - begins)
        return Bar(opened, opened, opened, opened, volume, share, start)
    if not whole:
        share = Fraction(1) if start is None else Fraction(ts - since, ts - begins)
        return Bar.at(close_of(data, side), volume, share)
    quote = data["quote"]
    prices = [data[key] for key in _BAR_KEYS if key in data]
    if not prices:
        return Bar.at(close_of(data, side), volume)
    return Bar(data.get("open"), max(*prices, quote), min(*prices, quote), close_of(data, side), volume, start=start)


def reached(order: Order, bar: Bar, *, triggered: bool = False) -> Reached:
    """Return the price at which an order fills in a bar, and whether its stop is triggered.

    Args:
        order: the order.
        bar: the prices at which it may fill, from `seen`.
        triggered: whether an earlier bar has triggered its stop.
    """
    limit, stop = order.limit, order.stop
    buying = order.side == "buy"
    if stop is None or triggered:
        if limit is None:
            return Reached(bar.close if bar.open is None else bar.open, triggered, at_open=bar.open is not None)
        return _at_limit(limit, bar, buying=buying, triggered=triggered)
    if bar.high < stop if buying else bar.low > stop:
        return Reached(None)
    if bar.open is None:  # it may have jumped past the stop: the worst that it can have been
        worst = bar.high if buying else bar.low
        if limit is None:
            return Reached(worst, triggered=True)
        return Reached(limit if (worst <= limit if buying else worst >= limit) else None, triggered=True)
    opened = bar.open >= stop if buying else bar.open <= stop
    if limit is None:
        return Reached(bar.open if opened else stop, triggered=True, at_open=opened)
    if opened:
        return _at_limit(limit, bar, buying=buying, triggered=True)
    return Reached(stop if (stop <= limit if buying else stop >= limit) else None, triggered=True)


def _at_limit(limit: float, bar: Bar, *, buying: bool, triggered: bool) -> Reached:
    if bar.open is not None and (bar.open <= limit if buying else bar.open >= limit):
        return Reached(bar.open, triggered, at_open=True)
    return Reached(limit if (bar.low <= limit if buying else bar.high >= limit) else None, triggered)


def _volume(sent: object) -> Decimal | None:
    """Return the volume of an event; None where its field is no number of units from 0 on."""
    if isinstance(sent, bool) or not isinstance(sent, int | float | str):
        return None
    try:
        number = float(sent)
    except (ValueError, OverflowError):
        return None
    return Decimal(str(sent)) if math.isfinite(number) and number >= 0 else None
