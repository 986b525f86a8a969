"""Bands around the price."""

from typing import Annotated, Any

import msgspec
from talipp.indicators import DonchianChannels

from intuition_indicators.exact import Bands
from intuition_indicators.indicator import Channels, Computed, Length, Values


class Bollinger(Computed):
    """Bollinger Bands: the mean of the window, and so many standard deviations (of the population) around it."""

    says = (("lower", "lb"), ("middle", "cb"), ("upper", "ub"))
    windowed = True

    class Params(Values, frozen=True, kw_only=True):
        """The length of the window, and the width of the bands."""

        window: Length = 20
        width: Annotated[float, msgspec.Meta(gt=0, le=100, description="Standard deviations to each side.")] = 2.0

    def _make(self) -> Any:
        return Bands(self._params.window, self._params.width)


class Donchian(Computed):
    """The Donchian channel: the highest high and the lowest low of the window, and the middle between them."""

    needs = ("high", "low")
    says = (("lower", "lb"), ("middle", "cb"), ("upper", "ub"))
    windowed = True

    class Params(Channels, frozen=True, kw_only=True):
        """The length of the window."""

        window: Length = 20

    def _make(self) -> Any:
        return DonchianChannels(self._params.window)
