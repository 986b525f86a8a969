"""The paper broker: open orders, and how they fill.

By default an order fills on the next quote of its symbol, at that quote's ``open`` where it has one and at ``quote``
otherwise, on history and on live events alike. With ``fill = "same"`` it fills at once, at the quote of its signal.

- A buy of an amount of cash spends what was reserved: the most whole steps it buys at the fill's price.
- A buy of a number of units is filled whole or refused: a price that rose beyond the cash there is refuses it.
- A sell fills what is still held, at most what was ordered.
"""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from intuition_core.contracts import Data, Order, Rejection
from intuition_core.ledger import EXACT, Ledger, exact, floor_to_step
from intuition_core.records import plain_decimal

_ZERO = Decimal(0)


class OpenOrder(msgspec.Struct, frozen=True, gc=False):
    """An order that was placed: the id is its decision's, the labels say whose it is."""

    id: str
    order: Order
    algorithm: str
    portfolio: str


class Filled(NamedTuple):
    """What an order brought: units at a price, the cash that moved, and for a sell the profit."""

    quantity: Decimal
    price: float
    cash: Decimal
    profit: Decimal | None


class PaperBroker:
    """Holds the open orders of one account and fills them against quotes.

    Args:
        ledger: where reservations and fills are booked.
        step: the smallest number of units; quantities are floored to whole steps before the cash is looked at.
    """

    __slots__ = ("_ledger", "_step", "open")

    def __init__(self, ledger: Ledger, *, step: Decimal) -> None:
        self._ledger = ledger
        self._step = step
        self.open: dict[str, list[OpenOrder]] = {}

    def estimate(self, order: Order) -> tuple[Decimal, Decimal]:
        """Give the units and the cash that an order comes to at its signal's quote."""
        price = exact(order.quote)
        if order.quantity is None:
            cash = order.cash or _ZERO
            return floor_to_step(cash, price, self._step), cash
        quantity = EXACT.multiply(EXACT.divide_int(order.quantity, self._step), self._step)
        return quantity, EXACT.multiply(quantity, price)

    def to_sell(self, sid: str) -> Decimal:
        """Give the units held that no open order is selling already."""
        held = self._ledger.positions.get(sid)
        if held is None:
            return _ZERO
        left = held.quantity
        for open_order in self.open.get(sid, ()):
            if open_order.order.side == "sell":
                left = EXACT.subtract(left, open_order.order.quantity or _ZERO)
        return left

    def place(self, open_order: OpenOrder, reserve: Decimal) -> None:
        """Take an order; a buy's cash is set aside until it fills.

        Raises:
            NotEnough: the cash to reserve is not there.
        """
        if open_order.order.side == "buy":
            self._ledger.reserve(open_order.id, open_order.order.sid, reserve)
        self.open.setdefault(open_order.order.sid, []).append(open_order)

    def on_quote(self, sid: str, data: Data) -> list[tuple[OpenOrder, Filled | Rejection]]:
        """Fill every open order of a symbol against its next quote, in the order they were placed."""
        price = data["open"] if "open" in data else data["quote"]
        ts = data["ts"]
        return [(open_order, self._fill(open_order, price, ts)) for open_order in self.open.pop(sid)]

    def fill_now(self, open_order: OpenOrder, ts: int) -> Filled | Rejection:
        """Fill one order at the quote of its own signal."""
        orders = self.open[open_order.order.sid]
        orders.remove(open_order)
        if not orders:
            del self.open[open_order.order.sid]
        return self._fill(open_order, open_order.order.quote, ts)

    def cancel_all(self) -> list[OpenOrder]:
        """Take back every open order and its reservation; at the end of history nothing can fill any more."""
        cancelled = [open_order for orders in self.open.values() for open_order in orders]
        for open_order in cancelled:
            self._ledger.release(open_order.id)
        self.open.clear()
        return cancelled

    def _fill(self, open_order: OpenOrder, price: float, ts: int) -> Filled | Rejection:
        ledger = self._ledger
        order = open_order.order
        exact_price = exact(price)
        if order.side == "sell":
            held = ledger.positions.get(order.sid)
            quantity = min(order.quantity or _ZERO, held.quantity if held else _ZERO)
            if not quantity:
                return Rejection(f"no {order.sid} left to sell")
            proceeds, profit = ledger.sell(order.sid, quantity, exact_price, ts)
            return Filled(quantity, price, proceeds, profit)
        reserved = ledger.release(open_order.id)
        if price <= 0:
            return Rejection(f"{order.sid} cannot be bought at {price}")
        if order.quantity is None:
            quantity = floor_to_step(reserved, exact_price, self._step)
            if not quantity:
                return Rejection(
                    f"{plain_decimal(reserved)} buys less than {plain_decimal(self._step)} {order.sid} at {price}"
                )
        else:
            quantity = order.quantity
            cost = EXACT.multiply(quantity, exact_price)
            if cost > ledger.available:
                return Rejection(
                    f"{plain_decimal(quantity)} {order.sid} at {price} cost {plain_decimal(cost)}, "
                    f"{plain_decimal(ledger.available)} available"
                )
        return Filled(quantity, price, ledger.buy(order.sid, quantity, exact_price), None)
