"""An upper bound for the value of all open orders, kept up to date by each change."""

from typing import Final

from intuition_core.account.amounts import added, exact
from intuition_core.account.market import NoRate
from intuition_core.account.sums import OrderedSum
from intuition_core.contracts import Order
from intuition_core.trading.order_book import OrderBook

_NEAR: Final = 1e-9
"""Relative error of a sum of floats whose terms are added in another order."""

_FEW: Final = 16
"""Symbols with open orders up to which all orders are looked at."""


class Ordered:
    """A bound for the value of all open orders, those that close positions included.

    An order for units counts at the highest of its prices and of its symbol's latest quote, whatever their sign.

    Args:
        book: the open orders. Its market tells which symbols were marked.
    """

    __slots__ = ("_book", "_market", "_sum", "marked", "stale")

    def __init__(self, book: OrderBook) -> None:
        self._book = book
        self._market = book.market
        self._sum: OrderedSum | None = None  # followed from the first time that it is asked for
        self.marked: set[str] = set()
        self.stale = True

    def most(self) -> float:
        """Return an amount in the account's currency that the open orders do not exceed; nan where one has no worth."""
        book, market = self._book, self._market
        if len(book.open) <= _FEW:
            self.stale = True
            return added(map(self._value, book.open)) * (1.0 + _NEAR)
        if self._sum is None:
            market.valuations.append(self)
            self._sum = OrderedSum({})
        if market.requoted:
            market.tell_valuations()
        if self.stale or self._sum.is_sparse:
            self._sum = OrderedSum({sid: self._value(sid) for sid in book.open})
            self.stale = False
        else:
            for sid in book.changed:
                if sid in book.open:
                    self._sum.put(sid, self._value(sid))
                else:
                    self._sum.remove(sid)
            for sid in self.marked & book.open.keys() - book.changed:
                self._sum.put(sid, self._value(sid))
        book.changed.clear()
        self.marked.clear()
        return self._sum.after(0.0) * (1.0 + _NEAR)

    def _value(self, sid: str) -> float:
        value = 0.0
        for each in self._book.open[sid]:
            order = each.order
            value += float(order.cash or 0) if order.quantity is None else float(order.quantity) * self._worth(order)
        return value

    def _worth(self, order: Order) -> float:
        prices = (order.quote, self._market.marks.get(order.sid), order.limit, order.stop)
        price = max(abs(price) for price in prices if price is not None)
        if not self._market.has_instruments:
            return price
        try:
            return float(self._market.unit(order.sid, exact(price)))
        except NoRate:
            return float("nan")
