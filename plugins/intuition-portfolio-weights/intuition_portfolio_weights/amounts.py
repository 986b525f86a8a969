"""Weights as amounts: in whole cents, rounded so that they never come to more than there is.

Accounts are read in floats, whose last digits are noise. An amount computed from them is a whole number of cents where
it is nearer to one than a billionth.
"""

import math
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from decimal import Context as Arithmetic
from typing import Final

from intuition_core.contracts import Account, Bet, Order, Side

_CENT: Final = Decimal("0.01")
_NOISE: Final = Decimal("1e-9")
_WIDE: Final = Arithmetic(prec=700)  # holds the product of any two floats to the cent


def exact(number: float) -> Decimal:
    """Return the decimal that a number is written as: 0.1 is one tenth."""
    return Decimal(str(number))


def part_of(equity: float, weight: Decimal, count: int = 1) -> Decimal:
    """Return equity times weight over ``count``, in whole cents, rounded down."""
    return _cents(_WIDE.divide(_WIDE.multiply(exact(equity), weight), Decimal(count)), ROUND_DOWN)


def available(account: Account) -> Decimal:
    """Return the cash that can be bet, in whole cents, rounded down."""
    return exact(account.cash).quantize(_CENT, ROUND_DOWN, _WIDE)


def held(sid: str, account: Account) -> Decimal:
    """Return the value of a symbol's position, long or short, at its latest quote, in whole cents, rounded down.

    Nothing without a quote; never negative.
    """
    return _cents(abs(_worth(sid, account)), ROUND_DOWN)


def staked(sid: str, account: Account, side: Side = "buy") -> Decimal:
    """Return the value of a symbol's position at its latest quote and of its open orders, in whole cents, rounded up.

    What an amount buys is less than the amount by a part of a step, which is not bought the next time. With the side
    ``sell`` it is what is sold short, and what is ordered to be. A position on the other side counts nothing.
    """
    worth = _worth(sid, account) if side == "buy" else -_worth(sid, account)
    return _cents(max(worth, Decimal(0)) + _ordered(sid, account, side), ROUND_UP)


def senseless(account: Account) -> str | None:
    """Return the reason why no bet can be sized on an account, or None."""
    if math.isfinite(account.equity) and math.isfinite(account.cash):
        return None
    return f"the account makes no sense: equity {account.equity}, cash {account.cash}"


def share_of(cash: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return cash times part over whole, in whole cents, rounded down."""
    return _WIDE.divide(_WIDE.multiply(cash, part), whole).quantize(_CENT, ROUND_DOWN, _WIDE)


def nothing(reason: str, sid: str | None = None, side: Side | None = None) -> Bet:
    """Return a bet of nothing, with its reason."""
    return Bet(cash=Decimal(0), sid=sid, side=side, reason=reason)


def _worth(sid: str, account: Account) -> Decimal:
    if sid not in account.positions or sid not in account.marks:
        return Decimal(0)
    return exact(account.values[sid])


def _ordered(sid: str, account: Account, side: Side) -> Decimal:
    """Return the value of the open orders on a side; for buys, the cash set aside for them."""
    opening = [order for order in account.orders if order.sid == sid and not order.closing]
    if side == "buy" and all(order.side == "buy" for order in opening):
        return exact(account.pending.get(sid, 0.0))
    # What is set aside for a short sale is its margin less what it brings, and not what is at stake.
    return sum((_at_stake(order, account) for order in opening if order.side == side), Decimal(0))


def _at_stake(order: Order, account: Account) -> Decimal:
    if order.cash is not None:
        return order.cash
    price = order.limit
    if price is None and order.sid not in account.marks:
        price = order.quote
    worth = account.worth(order.sid, price)
    return _WIDE.multiply(order.quantity or Decimal(0), exact(worth)) if math.isfinite(worth) else Decimal(0)


def _cents(amount: Decimal, rounding: str) -> Decimal:
    return amount.quantize(_NOISE, context=_WIDE).quantize(_CENT, rounding, _WIDE)
