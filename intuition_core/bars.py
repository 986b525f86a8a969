"""Which price of a bar an order gets. A quote without a bar is a bar whose prices are all the quote.

Written for a buy; a sell mirrors it:

- a market order gets the open;
- a limit order at ``L`` gets the open if that is at most ``L``, else ``L`` if the low is at most ``L``;
- a stop order at ``S`` is triggered if the high is at least ``S``, and gets the higher of the open and ``S``;
- a stop-limit order that is triggered is a limit order from the next bar on. In the bar that triggers it, it is a limit
  order if the open is at least ``S``; else it gets ``S`` if that is at most ``L``: what the market did within the
  bar after it reached ``S`` nobody knows.
"""

import math
from decimal import Decimal
from typing import NamedTuple

from intuition_core.contracts import Data, Order


class Bar(NamedTuple):
    """The prices of one event, and how much was traded; None where that is not said."""

    open: float
    high: float
    low: float
    volume: Decimal | None = None

    @classmethod
    def of(cls, data: Data) -> "Bar":
        """Read an event: its high is the highest of all prices in it, and its low the lowest."""
        quote = data["quote"]
        prices = data.get("open", quote), data.get("high", quote), data.get("low", quote), quote
        return cls(prices[0], max(prices), min(prices), _volume(data.get("volume")))


def reached(order: Order, bar: Bar, *, triggered: bool = False) -> tuple[float | None, bool]:
    """Give the price that an order gets in a bar, None where it gets none, and whether it is triggered by then.

    Args:
        order: what is to be traded.
        bar: a bar that came after it was placed.
        triggered: whether an earlier bar has triggered its stop.
    """
    limit, stop = order.limit, order.stop
    buying = order.side == "buy"
    if stop is None or triggered:
        return (bar.open if limit is None else _at_limit(limit, bar, buying=buying)), triggered
    if bar.high < stop if buying else bar.low > stop:
        return None, False
    opened = bar.open >= stop if buying else bar.open <= stop
    if limit is None:
        return (bar.open if opened else stop), True
    if opened:
        return _at_limit(limit, bar, buying=buying), True
    return (stop if (stop <= limit if buying else stop >= limit) else None), True


def _at_limit(limit: float, bar: Bar, *, buying: bool) -> float | None:
    if bar.open <= limit if buying else bar.open >= limit:
        return bar.open
    return limit if (bar.low <= limit if buying else bar.high >= limit) else None


def _volume(sent: object) -> Decimal | None:
    """Read a volume, which is passed on as it was sent; one that is no number of units says nothing."""
    if isinstance(sent, bool) or not isinstance(sent, int | float | str):
        return None
    try:
        number = float(sent)
    except (ValueError, OverflowError):
        return None
    return Decimal(str(sent)) if math.isfinite(number) and number >= 0 else None
