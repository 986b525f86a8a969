"""Weights as amounts: in whole cents, rounded so that they never come to more than there is.

Accounts are read in floats, whose last digits are noise. An amount computed from them is a whole number of cents where
it is nearer to one than a billionth.
"""

import math
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from decimal import Context as Arithmetic
from typing import Final

from intuition_core.contracts import Account, Bet, Side

_CENT: Final = Decimal("0.01")
_NOISE: Final = Decimal("1e-9")
_WIDE: Final = Arithmetic(prec=700)  # holds the product of any two floats to the cent


def exact(number: float) -> Decimal:
    """Give the decimal that a number is written as."""
    return Decimal(str(number))


def part_of(equity: float, weight: Decimal, count: int = 1) -> Decimal:
    """Give the part of an equity that a weight is, divided among so many, in whole cents, rounded down."""
    return _cents(_WIDE.divide(_WIDE.multiply(exact(equity), weight), Decimal(count)), ROUND_DOWN)


def available(account: Account) -> Decimal:
    """Give the cash that can be bet, in whole cents, and never more than there is."""
    return exact(account.cash).quantize(_CENT, ROUND_DOWN, _WIDE)


def held(sid: str, account: Account) -> Decimal:
    """Give what is held of a symbol at its latest quote, in whole cents, rounded down; nothing without a quote."""
    return _cents(_worth(sid, account), ROUND_DOWN)


def bought(sid: str, account: Account) -> Decimal:
    """Give what is held of a symbol at its latest quote, and what is ordered, in whole cents, rounded up.

    What an amount buys is less than the amount by a part of a step, which is not bought the next time.
    """
    return _cents(_worth(sid, account) + exact(account.pending.get(sid, 0.0)), ROUND_UP)


def senseless(account: Account) -> str | None:
    """Say what makes it impossible to size a bet on an account, or None."""
    if math.isfinite(account.equity) and math.isfinite(account.cash):
        return None
    return f"the account makes no sense: equity {account.equity}, cash {account.cash}"


def share_of(cash: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Give the share of an amount of cash that a part of a whole has, in whole cents, rounded down."""
    return _WIDE.divide(_WIDE.multiply(cash, part), whole).quantize(_CENT, ROUND_DOWN, _WIDE)


def nothing(reason: str, sid: str | None = None, side: Side | None = None) -> Bet:
    """Give a bet of nothing, with the reason."""
    return Bet(cash=Decimal(0), sid=sid, side=side, reason=reason)


def _worth(sid: str, account: Account) -> Decimal:
    if sid not in account.positions or sid not in account.marks:
        return Decimal(0)
    return exact(account.values[sid])


def _cents(amount: Decimal, rounding: str) -> Decimal:
    return amount.quantize(_NOISE, context=_WIDE).quantize(_CENT, rounding, _WIDE)
