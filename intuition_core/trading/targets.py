"""From what is held to what is wanted: the orders that targets ask for."""

from decimal import Decimal
from typing import Final, NamedTuple

from intuition_core.account.amounts import EXACT, exact, floor_to_step, rounded
from intuition_core.account.market import Market, Unbookable
from intuition_core.contracts import Order

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)


class NoMark(Unbookable):
    """A symbol without a quote, of which nobody knows how many units a weight comes to."""

    def __init__(self, sid: str) -> None:
        self.sid = sid
        super().__init__(f"no quote of {sid} is known yet, so that nobody knows what its target comes to")


class Leg(NamedTuple):
    """One symbol of targets.

    Attributes:
        sid: the symbol.
        mark: its latest quote.
        held: the units there are, negative where sold short.
        wanted: the units that are wanted; or, with an equity, the part of it.
        equity: what weights are parts of, in the account's currency; None for units.
    """

    sid: str
    mark: float | None
    held: Decimal
    wanted: Decimal
    equity: Decimal | None

    def orders(self, market: Market, *, minimum: Decimal, ts: int, algorithm: str) -> list[Order]:
        """Give the orders that bring what is held to what is wanted: none, one, or what closes and what opens.

        Args:
            market: what units are worth, and in what steps they are traded.
            minimum: orders that come to less, in the account's currency, are left out.
            ts: the time of the event.
            algorithm: whose orders they are.

        Raises:
            Unbookable: the symbol has no quote yet, one at which nothing can be sized, or no rate.
        """
        if not self.held and not self.wanted:
            return []
        if self.mark is None or self.mark <= 0:
            raise NoMark(self.sid)
        worth = market.unit(self.sid, exact(self.mark))
        step = market.step(self.sid)
        target = self._units(worth, step)
        orders: list[Order] = []
        side_held = self.held > 0
        if self.held and (not target or (target > 0) is not side_held or target.copy_abs() < self.held.copy_abs()):
            left = target.copy_abs() if target and (target > 0) is side_held else _ZERO
            less = EXACT.subtract(self.held.copy_abs(), left)
            if not left or less >= step:
                orders.append(
                    self._order(less, "sell" if side_held else "buy", short=not side_held, of=(ts, algorithm))
                )
        crossing = bool(self.held) and bool(target) and (target > 0) is not side_held
        base = _ZERO if crossing else self.held.copy_abs()
        if target and target.copy_abs() > base and EXACT.subtract(target.copy_abs(), base) >= step:
            side, short = ("buy", False) if target > 0 else ("sell", True)
            units: Decimal | None = EXACT.subtract(target.copy_abs(), base)
            cash: Decimal | None = None
            if self.equity is not None and not short:  # costs included, and whatever the price is by then
                cash = EXACT.subtract(self._cash(self.equity), EXACT.multiply(base, worth))
                units = None
            orders.append(self._order(units, side, short=short, of=(ts, algorithm), cash=cash))
        return [order for order in orders if _amount(order, worth) >= minimum]

    def _cash(self, equity: Decimal) -> Decimal:
        return rounded(EXACT.multiply(self.wanted.copy_abs(), max(equity, _ZERO)))

    def _units(self, worth: Decimal, step: Decimal) -> Decimal:
        """Give the units that are wanted, in whole steps towards none."""
        if self.equity is None:
            return floor_to_step(self.wanted.copy_abs(), _ONE, step).copy_sign(self.wanted)
        return floor_to_step(self._cash(self.equity), worth, step).copy_sign(self.wanted)

    def _order(
        self,
        units: Decimal | None,
        side: str,
        *,
        short: bool,
        of: tuple[int, str],
        cash: Decimal | None = None,
    ) -> Order:
        ts, algorithm = of
        return Order(self.sid, side, self.mark or 0.0, cash, units, None, ts, algorithm, short)  # type: ignore[arg-type]  # a side


def _amount(order: Order, worth: Decimal) -> Decimal:
    return order.cash if order.cash is not None else EXACT.multiply(order.quantity or _ZERO, worth)
