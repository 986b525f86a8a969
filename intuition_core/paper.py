"""The paper broker: open orders, and how they fill.

By default an order fills on the next quote of its symbol, at that quote's ``open`` where it has one and at ``quote``
otherwise, on history and on live events alike. With ``fill = "same"`` it fills at once, at the quote of its signal.

- A buy of an amount of cash spends what was reserved: the most whole steps it buys at the fill's price.
- A buy of a number of units is filled whole or refused: a price that rose beyond the cash there is refuses it.
- A sell fills what is still held, at most what was ordered.

Costs (`intuition_core.costs`) are part of every amount: the steps that an amount of cash buys are those that it pays
with commission and slippage, so quantities are floored before the cash is looked at.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from intuition_core.contracts import Data, Order, Rejection, Side
from intuition_core.costs import NO_COSTS, Costs
from intuition_core.ledger import EXACT, Ledger, NotEnough, exact, floor_to_step
from intuition_core.orders import Filled, OpenOrder
from intuition_core.records import plain_decimal

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)


class PaperBroker:
    """Holds the open orders of one account and fills them against quotes.

    Args:
        ledgers: where reservations and fills are booked, by the algorithm that an order is of.
        step: the smallest number of units; quantities are floored to whole steps before the cash is looked at.
        costs: what every fill pays.
    """

    __slots__ = ("_costs", "_ledgers", "_step", "open")

    def __init__(self, ledgers: Mapping[str, Ledger], *, step: Decimal, costs: Costs = NO_COSTS) -> None:
        self._ledgers = ledgers
        self._step = step
        self._costs = costs or None  # None is quicker to look at
        self.open: dict[str, list[OpenOrder]] = {}

    def estimate(self, order: Order) -> tuple[Decimal, Decimal]:
        """Give the units and the cash that an order comes to at its signal's quote, costs included."""
        quote = exact(order.quote)
        costs = self._costs
        price = costs.price(order.side, quote) if costs else quote
        if order.quantity is None:
            cash = order.cash or _ZERO
            return self._affordable(cash, price), cash
        quantity = EXACT.multiply(EXACT.divide_int(order.quantity, self._step), self._step)
        amount = EXACT.multiply(quantity, price)
        if costs:
            fees = EXACT.add(costs.commission(amount), costs.slippage_per_trade)
            amount = EXACT.add(amount, fees) if order.side == "buy" else EXACT.subtract(amount, fees)
        return quantity, amount

    def holds(self, sid: str) -> bool:
        """Say whether any algorithm holds units of a symbol."""
        return any(sid in ledger.positions for ledger in self._ledgers.values())

    def to_sell(self, algorithm: str, sid: str) -> Decimal:
        """Give the units that an algorithm holds and that no open order of it is selling already."""
        held = self._ledgers[algorithm].positions.get(sid)
        if held is None:
            return _ZERO
        left = held.quantity
        for open_order in self.open.get(sid, ()):
            if open_order.order.side == "sell" and open_order.algorithm == algorithm:
                left = EXACT.subtract(left, open_order.order.quantity or _ZERO)
        return left

    def place(self, open_order: OpenOrder, reserve: Decimal) -> None:
        """Take an order; a buy's cash is set aside until it fills.

        Raises:
            NotEnough: the cash to reserve is not there.
        """
        if open_order.order.side == "buy":
            self._ledgers[open_order.algorithm].reserve(open_order.id, open_order.order.sid, reserve)
        self.open.setdefault(open_order.order.sid, []).append(open_order)

    def on_quote(self, sid: str, data: Data) -> list[tuple[OpenOrder, Filled | Rejection]]:
        """Fill every open order of a symbol against its next quote, in the order they were placed."""
        price = data["open"] if "open" in data else data["quote"]
        ts = data["ts"]
        orders = self.open.pop(sid)
        if len(orders) == 1:
            return [(orders[0], self._fill(orders[0], price, ts))]
        return [(open_order, self._fill(open_order, price, ts)) for open_order in orders]

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
            self._ledgers[open_order.algorithm].release(open_order.id)
        self.open.clear()
        return cancelled

    def _fill(self, open_order: OpenOrder, quote: float, ts: int) -> Filled | Rejection:
        order = open_order.order
        ledger = self._ledgers[open_order.algorithm]
        try:
            if order.side == "sell":
                return self._sell(ledger, order, quote, ts)
            return self._buy(ledger, order, quote, ledger.release(open_order.id))
        except NotEnough as error:
            return Rejection(f"{order.sid} at {quote}: {error}")

    def _sell(self, ledger: Ledger, order: Order, quote: float, ts: int) -> Filled | Rejection:
        held = ledger.positions.get(order.sid)
        quantity = min(order.quantity or _ZERO, held.quantity if held else _ZERO)
        if not quantity:
            return Rejection(f"no {order.sid} left to sell")
        if self._costs is None:
            cash, profit = ledger.sell(order.sid, quantity, exact(quote), ts)
            return Filled(quantity, quote, cash, _ZERO, _ZERO, profit)
        price, commission, slippage = self._priced(self._costs, "sell", quote, quantity)
        fees = EXACT.add(commission, self._costs.slippage_per_trade)
        cash, profit = ledger.sell(order.sid, quantity, price, ts, fees)
        return Filled(quantity, float(price), cash, commission, slippage, profit)

    def _buy(self, ledger: Ledger, order: Order, quote: float, reserved: Decimal) -> Filled | Rejection:
        sid = order.sid
        if quote <= 0:
            return Rejection(f"{sid} cannot be bought at {quote}")
        price = exact(quote) if self._costs is None else self._costs.price("buy", exact(quote))
        quantity = order.quantity if order.quantity is not None else self._affordable(reserved, price)
        if not quantity:
            return Rejection(f"{plain_decimal(reserved)} buys less than {plain_decimal(self._step)} {sid} at {quote}")
        if self._costs is None:
            return Filled(quantity, quote, ledger.buy(sid, quantity, price), _ZERO, _ZERO, None)
        price, commission, slippage = self._priced(self._costs, "buy", quote, quantity)
        fees = EXACT.add(commission, self._costs.slippage_per_trade)
        return Filled(quantity, float(price), ledger.buy(sid, quantity, price, fees), commission, slippage, None)

    def _affordable(self, budget: Decimal, price: Decimal) -> Decimal:
        """Give the most units, in whole steps, that a budget pays with all their costs."""
        costs = self._costs
        if costs is None:
            return floor_to_step(budget, price, self._step)
        rest = EXACT.subtract(budget, costs.per_trade)
        if rest <= 0:
            return _ZERO
        return floor_to_step(rest, EXACT.multiply(price, EXACT.add(_ONE, costs.commission_rate)), self._step)

    @staticmethod
    def _priced(costs: Costs, side: Side, quote: float, quantity: Decimal) -> tuple[Decimal, Decimal, Decimal]:
        """Give the price, the commission, and what slippage came to."""
        exact_quote = exact(quote)
        price = costs.price(side, exact_quote)
        worse = EXACT.multiply(quantity, abs(EXACT.subtract(price, exact_quote)))
        commission = costs.commission(EXACT.multiply(quantity, price))
        return price, commission, EXACT.add(worse, costs.slippage_per_trade)
