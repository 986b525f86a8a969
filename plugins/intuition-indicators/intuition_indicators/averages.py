"""Moving averages."""

from typing import Any

from talipp.indicators import EMA, WMA

from intuition_indicators.exact import Mean
from intuition_indicators.indicator import Computed, Length, Values


class Sma(Computed):
    """The simple moving average: the mean of the window."""

    windowed = True

    class Params(Values, frozen=True, kw_only=True):
        """The length of the average."""

        window: Length = 20

    def _make(self) -> Any:
        return Mean(self._params.window)


class Ema(Computed):
    """The exponential moving average with the weight 2/(window + 1), begun with the mean of the first window."""

    class Params(Values, frozen=True, kw_only=True):
        """The length of the average."""

        window: Length = 20

    def _make(self) -> Any:
        return EMA(self._params.window)


class Wma(Computed):
    """The linearly weighted moving average: the latest value of the window counts most, the oldest once."""

    windowed = True

    class Params(Values, frozen=True, kw_only=True):
        """The length of the average."""

        window: Length = 20

    def _make(self) -> Any:
        return WMA(self._params.window)
