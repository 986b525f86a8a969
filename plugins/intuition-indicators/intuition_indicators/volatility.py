"""Indicators of volatility."""

from typing import Any

from talipp.indicators import ATR
from talipp.indicators import StdDev as StandardDeviation

from intuition_indicators.indicator import Channels, Computed, Length, Values


class StdDev(Computed):
    """The standard deviation of the window, of the population (divided by the window's length)."""

    windowed = True

    class Params(Values, frozen=True, kw_only=True):
        """The length of the window."""

        window: Length = 20

    def _make(self) -> Any:
        return StandardDeviation(self._params.window)


class Atr(Computed):
    """The average true range, smoothed as Wilder did it, begun with the mean of the first window.

    The first bar has no close before it: its true range is from high to low.
    """

    needs = ("high", "low", "close")

    class Params(Channels, frozen=True, kw_only=True):
        """The length of the average."""

        window: Length = 14

    def _make(self) -> Any:
        return ATR(self._params.window)
