"""Sums of floats without rounding, so that a wild value leaves nothing behind once it has left a window.

Every finite float is a whole number over a power of two, and so is a sum of them. What comes out is rounded once, and
depends on what is in the sum alone, never on what was in it before.
"""

from math import fsum
from typing import Any, Final

from talipp.indicators import BB, SMA, StdDev, Stoch
from talipp.indicators.BB import BBVal
from talipp.indicators.Indicator import Indicator

_FEW: Final = 64
"""Windows up to which it is faster to add them up anew than to carry a sum on."""


class Sum:
    """An exact sum of floats and of products of floats."""

    __slots__ = ("_shift", "_whole")

    def __init__(self) -> None:
        self._whole = 0
        self._shift = 0  # the sum is the whole number over 2 to this

    def add(self, over: int, under: int) -> None:
        """Add a fraction whose denominator is a power of two, as `float.as_integer_ratio` gives it."""
        shift = under.bit_length() - 1
        if shift > self._shift:
            self._whole <<= shift - self._shift
            self._shift = shift
        self._whole += over << (self._shift - shift)

    def over(self, count: int = 1) -> float | None:
        """Return the sum divided by a count; None where the quotient is beyond all floats."""
        try:
            return self._whole / (count << self._shift)
        except OverflowError:
            return None

    def over_sum(self, other: "Sum", count: int) -> float | None:
        """Return the sum over ``count`` times another; None where that divides by 0 or is beyond all floats."""
        try:
            return (self._whole << other._shift) / ((count * other._whole) << self._shift)
        except (OverflowError, ZeroDivisionError):
            return None

    def snapshot(self) -> list[Any]:
        """Return the sum in types that MessagePack carries."""
        return [hex(self._whole), self._shift]

    def restore(self, whole: str, shift: int) -> None:
        """Go on from a snapshot."""
        self._whole, self._shift = int(whole, 16), shift


class Mean(SMA):  # type: ignore[misc]  # talipp has no types
    """The mean of the latest values, as talipp's `SMA` computes it, but exactly."""

    def __init__(self, period: int) -> None:
        self._sum: Sum | None = None
        super().__init__(period)

    def _calculate_new_value(self) -> Any:
        values, period = self.input_values, self.period
        if len(values) < period:
            return None
        if period <= _FEW:
            try:
                return fsum(values[-period:]) / period
            except OverflowError:  # the sum is beyond all floats, and the mean is not
                self._sum = None
        if self._sum is None:  # the first window, or one that was restored
            self._sum = Sum()
            for value in values[-period:]:
                self._sum.add(*value.as_integer_ratio())
        else:
            self._sum.add(*values[-1].as_integer_ratio())
            self._sum.add(*(-values[-period - 1]).as_integer_ratio())
        return self._sum.over(period)


class Bands(BB):  # type: ignore[misc]  # talipp has no types
    """Bollinger Bands, as talipp's `BB` computes them, around an exact mean."""

    def __init__(self, period: int, width: float) -> None:
        super().__init__(period, width)
        self.central_band = Mean(period)
        self.std_dev = StdDev(period)
        self.sub_indicators[:] = [self.central_band, self.std_dev]

    def _calculate_new_value(self) -> Any:
        if len(self.input_values) < self.period:
            return None
        middle, reach = self.central_band[-1], self.std_dev_mult * self.std_dev[-1]
        return BBVal(middle - reach, middle, middle + reach)


class SmoothedStoch(Stoch):  # type: ignore[misc]  # talipp has no types
    """The stochastic oscillator, as talipp's `Stoch` computes it, with an exact mean."""

    def __init__(self, period: int, smoothing: int) -> None:
        super().__init__(period, smoothing)
        self.values_d: Indicator = Mean(smoothing)
        self.managed_sequences[:] = [self.values_d]
