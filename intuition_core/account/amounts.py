"""Exact arithmetic for money and units, and the places where something has to be rounded."""

from collections.abc import Callable, Iterable
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from functools import lru_cache, reduce
from operator import add
from typing import Final, TypeAlias

import msgspec

EXACT_CONTEXT: Final = Context(prec=250, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
"""Arithmetic that raises rather than rounds; wide enough for any price and any amount that the edges let in."""


_Pair: TypeAlias = Callable[[Decimal, Decimal], Decimal]


class Arithmetic(msgspec.Struct, frozen=True):
    """The operations of a context: a `Context` makes a method at each look at one, which takes as long as itself."""

    abs: Callable[[Decimal], Decimal]
    add: _Pair
    divide: _Pair
    divide_int: _Pair
    minus: Callable[[Decimal], Decimal]
    multiply: _Pair
    remainder: _Pair
    subtract: _Pair


EXACT: Final = Arithmetic(**{name: getattr(EXACT_CONTEXT, name) for name in Arithmetic.__struct_fields__})
"""The arithmetic of `EXACT_CONTEXT`."""

ROUNDING: Final = Context(prec=250, rounding=ROUND_HALF_EVEN)
"""For divisions: half to even at 250 digits, before what is booked of them is `rounded` for good."""

_BOOKED_STEP: Final = Decimal("1e-12")


def exact(number: float | str | Decimal) -> Decimal:
    """Return the decimal that a number is written as: ``exact(0.1)`` is one tenth, not the nearest binary fraction."""
    if type(number) is float and number:  # a zero has a sign, which makes no difference to a cache
        return _written(number)
    if type(number) is Decimal:
        return number
    return Decimal(number) if type(number) is int else Decimal(str(number))


@lru_cache(maxsize=4096)
def _written(number: float) -> Decimal:
    """Return the decimal that a float is written as; prices come again and again, and writing one takes long."""
    return Decimal(str(number))


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Add amounts; exactly, up to 250 digits."""
    return reduce(ROUNDING.add, amounts, Decimal(0))


def added(numbers: Iterable[float]) -> float:
    """Add floats one after the other, and so to the same last digit on each Python: from 3.12 on, `sum` rounds less."""
    return reduce(add, numbers, 0.0)


def floor_to_step(amount: Decimal, price: Decimal, step: Decimal) -> Decimal:
    """Return the most units, in whole steps, that an amount buys at a price."""
    return EXACT.multiply(EXACT.divide_int(amount, EXACT.multiply(price, step)), step)


def rounded(amount: Decimal) -> Decimal:
    """Return an amount rounded half to even to 12 decimals, as the outcome of every division that is booked."""
    return amount.quantize(_BOOKED_STEP, context=ROUNDING)


def part_of_cost(cost: Decimal, quantity: Decimal, whole: Decimal) -> Decimal:
    """Return the cost of a part of a position, ``cost * quantity / whole``, rounded half to even to 12 decimals."""
    return rounded(ROUNDING.divide(ROUNDING.multiply(cost, quantity), whole))


def plain_decimal(amount: Decimal) -> str:
    """Write an amount the way people do: no exponent, no trailing zeros after the point."""
    text = str(amount)
    if "E" in text or "e" in text:  # which of them, the decimal context says
        text = format(amount, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
