"""Which prices of an event an order may have, and which of them it gets, told a second time.

Nothing of the project is used here. An event is a list of trades, each at a time or somewhere between two; an order has
those that lie between its decision and its end.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Had:
    """What an order may have of an event.

    ``first`` is the price that comes before all others, None where nobody knows it, and ``when`` its time; ``others``
    are all prices in no order, ``last`` the close; ``volume`` is what was traded meanwhile.
    """

    first: float | None
    when: int
    others: tuple[float, ...]
    last: float
    volume: Fraction | None


@dataclass(frozen=True)
class Got:
    """The price an order gets, None for none; whether its stop is triggered by then; whether it is the open."""

    price: float | None = None
    triggered: bool = False
    at_open: bool = False


@dataclass(frozen=True)
class Order:
    """What is asked for. ``since`` None stands for rules 1; then ``end`` is the first moment that is none of it."""

    side: str
    limit: float | None = None
    stop: float | None = None
    since: int | None = None
    end: int | None = None
    triggered: bool = False

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell."""
        return 1 if self.side == "buy" else -1


def had(event: Event, order: Order) -> Had | None:
    """Give what an order may have of an event; None for nothing."""
    close = event["quote"]
    volume = Fraction(str(event["volume"])) if isinstance(event.get("volume"), int | float | str) else None
    if order.since is None:
        if order.end is not None and event["ts"] >= order.end:
            return None
        prices = tuple(event[key] for key in ("open", "high", "low") if key in event)
        return Had(event.get("open", close), event["ts"], (*prices, close), close, volume)
    ts, begun = event["ts"], event.get("start", event["ts"])
    since, end = order.since, order.end if order.end is not None else event["ts"]
    if ts <= since:
        return None
    known = "start" in event
    at_side = event.get("ask" if order.side == "buy" else "bid")
    close = close if at_side is None else at_side
    # trades: from when, to when, what
    trades = [(ts, ts, "last")]
    if known and "open" in event:
        trades.append((begun, begun, "open"))
    trades += [(begun, ts, key) for key in ("high", "low") if known and key in event]
    there = {key for begin, finish, key in trades if (begin >= since or key == "last") and finish <= end}
    if ts > end and begun >= end:
        return None
    if not there:
        return None
    length = ts - begun
    if volume is not None and length:
        volume = volume * (min(ts, end) - max(begun, since)) / length
    if there == {"last"}:
        return Had(close, ts, (close,), close, volume)
    if "last" not in there:
        return Had(event["open"], begun, (event["open"],), event["open"], volume)
    prices = tuple(event[key] for key in there if key != "last")
    return Had(event["open"] if "open" in there else None, begun, (*prices, event["quote"]), close, volume)


def got(order: Order, had: Had) -> Got:
    """Give what an order gets of what it may have: a sell is a buy of prices below zero."""
    sign = order.sign
    first = None if had.first is None else sign * had.first
    worst, best = max(sign * each for each in had.others), min(sign * each for each in had.others)
    limit = None if order.limit is None else sign * order.limit
    waiting = order.stop is not None and not order.triggered
    if waiting and order.stop is not None:
        stop = sign * order.stop
        if worst < stop:
            return Got()
        if limit is None:
            price = worst if first is None else max(first, stop)
            return Got(sign * price, triggered=True, at_open=first is not None and first >= stop)
        if first is None:
            return Got(order.limit if worst <= limit else None, triggered=True)
        if first < stop:
            return Got(order.stop if stop <= limit else None, triggered=True)
    triggered = order.triggered or waiting
    if limit is None:
        return Got(had.last if first is None else had.first, triggered, at_open=first is not None)
    if first is not None and first <= limit:
        return Got(had.first, triggered, at_open=True)
    return Got(order.limit if best <= limit else None, triggered)


def worth(order: Order, price: float, close: float) -> float:
    """Give what a unit traded at a price has come to by the close."""
    return order.sign * (close - price)
