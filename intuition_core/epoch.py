"""What numbers count that are times: which unit since 1970 a number has by its size."""

from typing import Final

UNITS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""Nanoseconds in each unit in which a number can count time since 1970."""

NAMES: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
"""The units in words."""

SMALLEST: Final = 10**8
"""Numbers below this size are times of the years around 1970 in any unit, and tell none."""

DOUBTFUL: Final = 100 * 86_400 * 10**9
"""Numbers below this size are no nanoseconds of our age, but may be times in other units, or dates in digits."""

_LIMITS: Final = ((10**11, "s"), (10**14, "ms"), (10**17, "us"))
"""In each unit what is less is from 1973 on, and from then on the next one begins."""


def unit_of(size: float) -> str | None:
    """Return the unit in which a number of this size is a time of our age; None where it is too small to tell."""
    if size < SMALLEST:
        return None
    return next((unit for limit, unit in _LIMITS if size < limit), "ns")
