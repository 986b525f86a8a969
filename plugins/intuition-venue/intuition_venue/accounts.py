"""What accounts hold, and what of it is set aside for open orders."""

from collections import defaultdict
from decimal import Decimal

from intuition_venue.orders import ZERO, Order

Unit = tuple[str, int]
"""What something is set aside for: an order, or a group of which only one is filled."""


class Account:
    """Balances by asset: `total` is what is owned, `locked` what open orders need of it, `cost` what the units cost."""

    def __init__(self) -> None:
        self.total: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.locked: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.cost: defaultdict[str, Decimal] = defaultdict(Decimal)
        self._holds: dict[Unit, tuple[str, Decimal]] = {}

    def free(self, asset: str) -> Decimal:
        """Return what of an asset no open order needs."""
        return self.total[asset] - self.locked[asset]

    def available(self, asset: str, unit: Unit) -> Decimal:
        """Return what of an asset an order may use: what is free, and what is set aside for it."""
        held = self._holds.get(unit)
        return self.free(asset) + (held[1] if held is not None and held[0] == asset else ZERO)

    def hold(self, unit: Unit, asset: str, amount: Decimal) -> None:
        """Set an amount aside in place of what was set aside before for the same."""
        before = self._holds.pop(unit, None)
        if before is not None:
            self.locked[before[0]] -= before[1]
        if amount > 0:
            self._holds[unit] = (asset, amount)
            self.locked[asset] += amount

    def bought(self, base: str, quote: str, quantity: Decimal, price: Decimal) -> None:
        """Book units of `base` that were bought for `quote`."""
        self.total[base] += quantity
        self.total[quote] -= quantity * price
        self.cost[base] += quantity * price

    def sold(self, base: str, quote: str, quantity: Decimal, price: Decimal) -> None:
        """Book units of `base` that were sold for `quote`; the cost of the position falls in proportion."""
        if self.total[base]:
            self.cost[base] -= self.cost[base] * quantity / self.total[base]
        self.total[base] -= quantity
        self.total[quote] += quantity * price


def unit_of(order: Order) -> Unit:
    """Return what money or units are set aside for, where an order needs any."""
    if order.group is not None and order.role in {"take_profit", "stop_loss"}:
        return ("group", order.group)
    return (order.symbol, order.id)


def need(order: Order, base: str, quote: str) -> tuple[str, Decimal]:
    """Return the asset and the amount that an open order must have set aside."""
    if order.status == "held" or not order.open:
        return (quote if order.buys else base, ZERO)
    if not order.buys:
        return base, order.remaining
    if order.amount is not None:
        return quote, order.amount - order.spent
    price = order.price if order.price is not None else order.stop
    return quote, ZERO if price is None else order.remaining * price
