"""Values of orders, and comparisons of amounts with limits.

Accounts are read in floats, whose last digits are noise. An amount is at its limit where the two differ by less than a
billionth: of the limit, or of one unit of currency. What is no number is never within a limit.
"""

import math
from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal
from decimal import Context as Arithmetic
from typing import Annotated, Final, TypeAlias

import msgspec

from intuition_core.contracts import Account, Order, Rejection
from intuition_core.exact import added, orders_for, plain_decimal

Positive: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=1e18)]
"""The type of a limit: above zero, and finite, as nothing else survives the journal."""

_NEAR: Final = 1e-9
_STEP: Final = Decimal("1e-8")
_WIDE: Final = Arithmetic(prec=400)  # holds any float to the step


def within(amount: float, limit: float) -> bool:
    """Return whether an amount is at most a limit."""
    return amount <= limit or math.isclose(amount, limit, rel_tol=_NEAR, abs_tol=_NEAR)


def above(amount: float) -> float:
    """Return an amount that is above another by more than the rounding of floats."""
    return amount + max(abs(amount), 1.0) * _NEAR


def shown(amount: float) -> str:
    """Write an amount for people: with as many digits as are compared, and no exponent."""
    return plain_decimal(Decimal(format(amount, ".10g"))) if math.isfinite(amount) else format(amount)


def percent(fraction: float) -> str:
    """Write a fraction of one as a percentage, for people."""
    return f"{shown(100 * fraction)}%"


def prices_of(order: Order, account: Account) -> tuple[float, float]:
    """Return the lowest and the highest of the prices that an order names and the latest quote of its symbol."""
    quote = order.quote
    mark = account.marks.get(order.sid, quote)
    if order.limit is None and order.stop is None:
        return (quote, mark) if quote <= mark else (mark, quote)
    prices = [price for price in (mark, quote, order.limit, order.stop) if price is not None]
    return min(prices), max(prices)


def value_of(order: Order, account: Account) -> float:
    """Return the value of an order in the account's currency; units are valued at the highest of its prices."""
    if order.quantity is None:
        return float(order.cash or 0)
    return float(order.quantity) * _worst_worth(order, account)


def units_of(order: Order, account: Account) -> float:
    """Return the most units of an order; an amount of cash is divided by the lowest of its prices."""
    if order.quantity is None:
        cash, worth = float(order.cash or 0), _best_worth(order, account)
        return cash / worth if worth > 0 else math.inf if cash else 0.0
    return float(order.quantity)


def value_of_all(orders: Sequence[Order], account: Account) -> float:
    """Return the sum of the values of orders, as by `value_of`."""
    return added([value_of(order, account) for order in orders]) if orders else 0.0


def units_of_all(orders: Sequence[Order], account: Account) -> float:
    """Return the sum of the most units of orders."""
    return added([units_of(order, account) for order in orders]) if orders else 0.0


def opening(order: Order, account: Account) -> Sequence[Order]:
    """Return the orders at work that open a position, without those that an order would replace."""
    orders = account.orders
    return [each for each in orders if not each.closing and not _gives_way(each, order)] if orders else orders


def alongside(order: Order, account: Account, *, sid: str | None = None) -> Sequence[Order]:
    """Return the orders at work on an order's side, of one symbol or of all, without those that it would replace."""
    orders = account.orders if sid is None else orders_for(account, sid)
    if not orders:
        return orders
    return [
        each for each in orders if each.side == order.side and sid in (None, each.sid) and not _gives_way(each, order)
    ]


def without_rate(order: Order) -> Rejection:
    """Return the refusal of an order whose symbol cannot be valued."""
    return Rejection(
        f"what {order.sid} is worth in the account's currency is not known yet; publish a rate of its currency first"
    )


def shrunk(order: Order, account: Account, *, value: float = math.inf, units: float = math.inf) -> Order | None:
    """Return the order, reduced to the room there is, or None where there is none.

    Args:
        order: what is too much.
        account: where the symbol's latest quote is read.
        value: the room in the account's currency.
        units: the room in units.
    """
    if order.quantity is None:
        if units < math.inf:
            value = min(value, units * _best_worth(order, account))
        cash = min(order.cash or Decimal(0), _floored(value))
        return msgspec.structs.replace(order, cash=cash) if cash else None
    if value < math.inf:
        worth = _worst_worth(order, account)
        units = min(units, value / worth if worth else math.inf)
    quantity = min(order.quantity, _floored(units))
    return msgspec.structs.replace(order, quantity=quantity) if quantity else None


def _gives_way(placed: Order, order: Order) -> bool:
    """Return whether a new order replaces an open one."""
    if order.tag is None:
        return False
    return (placed.sid, placed.tag, placed.algorithm) == (order.sid, order.tag, order.algorithm)


def _worst_worth(order: Order, account: Account) -> float:
    """Return the value of a unit at the price of an order that is furthest from 0, in the account's currency."""
    lowest, highest = prices_of(order, account)
    return account.worth(order.sid, max(-lowest, highest))


def _best_worth(order: Order, account: Account) -> float:
    """Return the value of a unit at the lowest price of an order, in the account's currency."""
    return account.worth(order.sid, prices_of(order, account)[0])


def _floored(amount: float) -> Decimal:
    """Return an amount as a decimal, rounded down by less than the rounding of floats."""
    if not amount > 0:
        return Decimal(0)
    return Decimal(amount) if math.isinf(amount) else Decimal(str(amount)).quantize(_STEP, ROUND_DOWN, _WIDE)
