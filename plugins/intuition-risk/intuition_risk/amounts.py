"""What orders come to, and how amounts compare with limits.

Accounts are read in floats, whose last digits are noise. An amount is at its limit where the two differ by less than a
billionth: of the limit, or of one unit of currency. What is no number is never within a limit.
"""

import math
from decimal import ROUND_DOWN, Decimal
from decimal import Context as Arithmetic
from typing import Annotated, Final, TypeAlias

import msgspec

from intuition_core.contracts import Account, Order

Positive: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=1e18)]
"""The type of a limit: above zero, and finite, as nothing else survives the journal."""

_NEAR: Final = 1e-9
_STEP: Final = Decimal("1e-8")
_WIDE: Final = Arithmetic(prec=400)  # holds any float to the step


def within(amount: float, limit: float) -> bool:
    """Say whether an amount is at most a limit."""
    return amount <= limit or math.isclose(amount, limit, rel_tol=_NEAR, abs_tol=_NEAR)


def above(amount: float) -> float:
    """Give what is above an amount beyond the noise of the last digits."""
    return amount + max(abs(amount), 1.0) * _NEAR


def shown(amount: float) -> str:
    """Write an amount for people, with as many digits as are compared."""
    return format(amount, ".10g")


def percent(fraction: float) -> str:
    """Write a fraction of one as a percentage, for people."""
    return f"{shown(100 * fraction)}%"


def price(order: Order, account: Account) -> float:
    """Give the higher of an order's own quote and the latest quote of its symbol: what a unit may well cost."""
    return max(abs(order.quote), abs(account.marks.get(order.sid, order.quote)))


def value_of(order: Order, account: Account) -> float:
    """Give what an order comes to in the account's currency; units at their `price`."""
    if order.quantity is None:
        return float(order.cash or 0)
    return float(order.quantity) * price(order, account)


def units_for(cash: float, order: Order, account: Account) -> float:
    """Give the most units that cash buys of an order's symbol: at the lower of its quote and the symbol's latest."""
    lowest = min(order.quote, account.marks.get(order.sid, order.quote))
    if lowest > 0:
        return cash / lowest
    return math.inf if cash else 0.0


def units_of(order: Order, account: Account) -> float:
    """Give the units that an order may come to."""
    if order.quantity is None:
        return units_for(float(order.cash or 0), order, account)
    return float(order.quantity)


def shrunk(order: Order, account: Account, *, value: float = math.inf, units: float = math.inf) -> Order | None:
    """Give as much of an order as there is room for, or None where there is none.

    Args:
        order: what is too much.
        account: where the symbol's latest quote is read.
        value: the room in the account's currency.
        units: the room in units.
    """
    if order.quantity is None:
        most = min(value, units / units_for(1.0, order, account))
        cash = min(order.cash or Decimal(0), _floored(most))
        return msgspec.structs.replace(order, cash=cash) if cash else None
    highest = price(order, account)
    most = min(units, value / highest if highest else math.inf)
    quantity = min(order.quantity, _floored(most))
    return msgspec.structs.replace(order, quantity=quantity) if quantity else None


def _floored(amount: float) -> Decimal:
    """Give an amount as a decimal, rounded down: what is left out is less than the noise of the last digits."""
    if not amount > 0:
        return Decimal(0)
    return Decimal(amount) if math.isinf(amount) else Decimal(str(amount)).quantize(_STEP, ROUND_DOWN, _WIDE)
