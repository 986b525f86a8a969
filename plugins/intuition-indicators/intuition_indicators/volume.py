"""Indicators of volume."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from talipp.ohlcv import OHLCV

from intuition_core.contracts import Data
from intuition_indicators.exact import Sum
from intuition_indicators.indicator import Channels, Indicator, SymbolState

_DAY: Final = 86_400_000_000_000


class _Balance:
    """The balance of one symbol's volumes, exactly."""

    def __init__(self) -> None:
        self._close: float | None = None
        self._sum = Sum()

    def add(self, value: OHLCV, /) -> float | None:
        before, self._close = self._close, value.close
        if before is None or value.close > before:
            self._sum.add(*value.volume.as_integer_ratio())
        elif value.close < before:
            self._sum.add(*(-value.volume).as_integer_ratio())
        return self._sum.over()

    def snapshot(self) -> list[list[Any]]:
        return [[self._close], self._sum.snapshot()]

    def restore(self, state: Sequence[Sequence[Any]], /) -> None:
        match state:
            case [[close], [str(whole), int(shift)]]:
                self._close = close
                self._sum.restore(whole, shift)
            case [[*_, [_, _, _, close, *_]], [*_, float(balance)]]:  # as talipp keeps it
                self._close = close
                self._sum.add(*balance.as_integer_ratio())
            case _:
                raise ValueError("the state of another indicator")


class _Weighted:
    """One symbol's prices and volumes so far, exactly."""

    def __init__(self) -> None:
        self._paid = Sum()  # three times price times volume
        self._volume = Sum()

    def add(self, value: OHLCV, /) -> float | None:
        over, under = value.volume.as_integer_ratio()
        self._volume.add(over, under)
        for price in (value.high, value.low, value.close):
            whole, part = price.as_integer_ratio()
            self._paid.add(whole * over, part * under)
        return self._paid.over_sum(self._volume, 3)

    def snapshot(self) -> list[list[Any]]:
        return [self._paid.snapshot(), self._volume.snapshot()]

    def restore(self, state: Sequence[Sequence[Any]], /) -> None:
        match state:
            case [[str(paid), int(paid_shift)], [str(volume), int(volume_shift)]]:
                self._paid.restore(paid, paid_shift)
                self._volume.restore(volume, volume_shift)
            case [_, _, [*_, float(paid)], [*_, float(volume)]]:  # as talipp keeps it
                over, under = paid.as_integer_ratio()
                self._paid.add(3 * over, under)
                self._volume.add(*volume.as_integer_ratio())
            case _:
                raise ValueError("the state of another indicator")


class Obv(Indicator):
    """The on-balance volume: the sum of the volumes of bars that closed higher, less that of bars that closed lower.

    It begins with the first bar's volume.
    """

    needs = ("close", "volume")

    class Params(Channels, frozen=True, kw_only=True):
        """Nothing but the channels."""

    def _new(self) -> SymbolState:
        return _Balance()


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

    def _new(self) -> SymbolState:
        return _Weighted()

    def _session(self, data: Data) -> int | None:
        return data["ts"] // _DAY if self._params.reset == "day" else None
