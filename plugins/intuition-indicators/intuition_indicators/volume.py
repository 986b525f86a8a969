"""What is traded, and at which price."""

from typing import Annotated, Any, Final, Literal

import msgspec
from talipp.indicators import OBV, VWAP

from intuition_core.contracts import Data
from intuition_indicators.indicator import Channels, Indicator

_DAY: Final = 86_400_000_000_000


class Obv(Indicator):
    """The on-balance volume: the sum of the volumes of bars that closed higher, less that of bars that closed lower.

    It begins with the first bar's volume.
    """

    needs = ("close", "volume")

    class Params(Channels, frozen=True, kw_only=True):
        """Nothing but the channels."""

    def _make(self) -> Any:
        return OBV()


class Vwap(Indicator):
    """The volume-weighted average price: the mean of (high + low + close)/3, weighted by volume, of the day so far.

    While nothing was traded it is silent.
    """

    needs = ("high", "low", "close", "volume")

    class Params(Channels, frozen=True, kw_only=True):
        """When to begin anew."""

        reset: Annotated[
            Literal["day", "never"],
            msgspec.Meta(description="Begin anew with each day (UTC), or never."),
        ] = "day"

    def _make(self) -> Any:
        return VWAP()

    def _session(self, data: Data) -> int | None:
        return data["ts"] // _DAY if self._params.reset == "day" else None
