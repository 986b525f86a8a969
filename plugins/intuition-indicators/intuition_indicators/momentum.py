"""Indicators of momentum: the speed of the price, and its place within its range."""

from typing import Annotated, Any

import msgspec
from talipp.indicators import MACD, ROC, RSI

from intuition_indicators.exact import SmoothedStoch
from intuition_indicators.indicator import Channels, Computed, Length, Values


class Rsi(Computed):
    """The relative strength index, 0 to 100, smoothed as Wilder did it; 100 where nothing was lost.

    The averages begin with the mean of the first window's changes.
    """

    class Params(Values, frozen=True, kw_only=True):
        """The length of the window, in changes."""

        window: Annotated[int, msgspec.Meta(ge=2, le=10_000, description="How many changes.")] = 14

    def _make(self) -> Any:
        return RSI(self._params.window)


class Roc(Computed):
    """The rate of change against the value a window ago, in per cent; silent where that was zero."""

    windowed = True

    class Params(Values, frozen=True, kw_only=True):
        """How far to look back."""

        window: Length = 10

    def _make(self) -> Any:
        return ROC(self._params.window)


class Macd(Computed):
    """The fast exponential moving average less the slow one, its own average as ``signal``, and their difference.

    The first values come when all three averages have theirs.
    """

    says = (("macd", "macd"), ("signal", "signal"), ("histogram", "histogram"))

    class Params(Values, frozen=True, kw_only=True):
        """The lengths of the averages."""

        fast: Length = 12
        slow: Length = 26
        signal: Length = 9

        def __post_init__(self) -> None:
            """Refuse averages in the wrong order.

            Raises:
                ValueError: the fast one is not shorter than the slow one.
            """
            if self.fast >= self.slow:
                raise ValueError(f"fast {self.fast} is not below slow {self.slow}")

    def _make(self) -> Any:
        return MACD(self._params.fast, self._params.slow, self._params.signal)


class Stochastic(Computed):
    """The stochastic oscillator: where the close is in the range of the window, in per cent, and the mean of that.

    ``k`` is 100 where high and low are the same, and ``d`` the mean of the last ``smoothing`` of it.
    """

    needs = ("high", "low", "close")
    says = (("k", "k"), ("d", "d"))
    windowed = True

    class Params(Channels, frozen=True, kw_only=True):
        """The lengths of the range and of the mean."""

        window: Length = 14
        smoothing: Length = 3

    def _make(self) -> Any:
        return SmoothedStoch(self._params.window, self._params.smoothing)
