"""The crossing of two simple moving averages, fast and exact.

Compared is the *gap*, ``(sum of the fast window) - fast/slow · (sum of the slow window)``, which has the sign of the
fast average minus the slow one. It is carried on from quote to quote in floats, which drift: a gap close to nothing is
computed anew from the quotes as the decimal numbers that they were written as, so that two averages are equal exactly
where a person with a pencil finds them equal.
"""

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from decimal import Context as Arithmetic
from decimal import Decimal, localcontext
from itertools import chain, islice
from typing import Annotated, Any, Final, TypeAlias

import msgspec

from intuition_core.contracts import Data, Side, Signal

__all__ = ["SmaCross"]

_NEAR: Final = 1e-9
"""Averages that differ by less than this part of the largest price are compared exactly."""

_REFRESH: Final = 512
"""Quotes after which the gap is computed anew, or as many as the slow window has if these are more. Each step errs by
some 2⁻⁵³ of the largest sum, so that even the longest windows drift by no more than a tenth of `_NEAR`. It is also how
many quotes of a symbol are kept beyond the window: more would be no faster."""

_EXACT: Final = Arithmetic(prec=100)
"""Holds the sum of any number of prices (1e-12 to 1e15, of 17 digits each) without rounding."""

_SIDES: Final[dict[int, Side]] = {1: "buy", -1: "sell"}

_Step: TypeAlias = Callable[[float], Signal | None]
"""Takes the next quote of one symbol."""

_Watch: TypeAlias = Generator[Any, float | None, None]
"""Takes the quotes of one symbol and gives a `Signal` or None for each; takes None and gives its state."""


class SmaCross:
    """Buys and sells where a fast simple moving average of the quotes crosses a slow one, each symbol by itself.

    It buys when the fast average moves from at or below the slow one to above it, and sells the whole position when it
    moves from at or above to below. The averages are compared for the first time when the slow window is full, and a
    crossing needs a comparison before it. What becomes of its signals makes no difference to it: it also sells where
    nothing is held, which is refused.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """The lengths of the two averages, in quotes."""

        fast: Annotated[int, msgspec.Meta(ge=1, description="Quotes in the fast average; fewer than in the slow.")] = 10
        slow: Annotated[int, msgspec.Meta(ge=2, le=100_000, description="Quotes in the slow average.")] = 30
        symbols: Annotated[
            tuple[str, ...] | None,
            msgspec.Meta(description="The symbols to trade; all that are quoted where none are named."),
        ] = None

        def __post_init__(self) -> None:
            """Refuse averages that cannot cross.

            Raises:
                ValueError: the fast average is not shorter than the slow one.
            """
            if self.fast >= self.slow:
                raise ValueError(f"fast {self.fast} is not below slow {self.slow}")

    def initialize(self, params: Params) -> list[str]:
        """Take the lengths.

        Returns:
            The channel it listens to, ``quotes``.
        """
        self._fast = params.fast
        self._slow = params.slow
        self._wanted = None if params.symbols is None else frozenset(params.symbols)
        self._watches: dict[str, _Watch] = {}
        self._steps: dict[str, _Step] = {}
        return ["quotes"]

    def event(self, data: Data) -> Signal | None:
        """Look whether the averages cross with this quote."""
        try:
            step = self._steps[data["sid"]]
        except KeyError:
            step = self._begin(data["sid"])
        return step(data["quote"])

    def snapshot(self) -> dict[str, list[Any]]:
        """Return by symbol the sign of the gap (1, 0 or -1) and the quotes, oldest first."""
        return {sid: list(watch.send(None)) for sid, watch in self._watches.items()}

    def restore(self, state: Mapping[str, Sequence[Any]]) -> None:
        """Go on from a snapshot of an algorithm with the same lengths; call `initialize` first.

        Raises:
            ValueError: there are more quotes than the slow average has.
        """
        self._watches.clear()
        self._steps.clear()
        for sid, (position, quotes) in state.items():
            if len(quotes) > self._slow:
                raise ValueError(f"{len(quotes)} quotes of {sid} in a window of {self._slow}")
            self._begin(sid, list(quotes), position)

    def _begin(self, sid: str, quotes: Sequence[float] = (), position: int | None = None) -> _Step:
        """Return the function that takes the quotes of a symbol from here on."""
        if self._wanted is not None and sid not in self._wanted:
            return self._steps.setdefault(sid, _ignore)
        watch = _watch(sid, self._fast, self._slow, list(quotes), position)
        next(watch)
        self._watches[sid] = watch
        return self._steps.setdefault(sid, watch.send)


def _ignore(_quote: float) -> None:
    """Take a quote of a symbol that is not to be traded."""


def _watch(sid: str, fast: int, slow: int, prices: list[float], position: int | None) -> _Watch:
    """Watch one symbol.

    Args:
        sid: the symbol.
        fast: quotes in the fast average.
        slow: quotes in the slow average.
        prices: the latest quotes, oldest first.
        position: where the fast average is, None before the first comparison.
    """
    # A generator, since its variables are the fastest there are: this runs for every quote of a backtest.
    signal = None
    while len(prices) < slow:
        quote = yield signal
        while quote is None:
            quote = yield position, prices.copy()
        prices.append(quote)
    if position is None:
        position = _compare(prices[-fast:], prices)
    share = fast / slow
    rest = 1 - share
    while True:
        gap, near, lowest, highest = _measure(prices[-fast:], prices)
        low, high = _unchanged(position, near)
        latest: list[float] = []
        # What leaves the windows was there before, or has come since.
        leaving = zip(chain(prices[-fast:], latest), chain(prices, latest), strict=False)
        for from_fast, from_slow in islice(leaving, max(_REFRESH, slow)):
            quote = yield signal
            while quote is None:
                quote = yield position, (prices + latest)[-slow:]
            gap += rest * quote - from_fast + share * from_slow
            latest.append(quote)
            if low < gap < high and lowest <= quote <= highest:
                signal = None
                continue
            before = position
            if not lowest <= quote <= highest or -near <= gap <= near:
                # The quote is outside the range that `near` holds for; or the gap is too near to zero to have a sign,
                # perhaps only since a wrong print widened `near`, and has left the window by now.
                window = (prices + latest[-slow:])[-slow:]
                gap, near, lowest, highest = _measure(window[-fast:], window)
            position = 1 if gap > 0 else -1
            if -near <= gap <= near:
                position = _compare(window[-fast:], window)
            low, high = _unchanged(position, near)
            signal = Signal(sid, _SIDES[position], quote) if position and position != before else None
        prices = (prices + latest)[-slow:]


def _measure(recent: list[float], prices: list[float]) -> tuple[float, float, float, float]:
    """Return the gap, the size below which it is computed exactly, and the range of prices that this holds for."""
    limit = 2 * max(max(prices), -min(prices))
    gap = math.fsum(recent) - math.fsum(prices) * (len(recent) / len(prices))
    return gap, _NEAR * limit * len(recent), -limit, limit


def _unchanged(position: int, near: float) -> tuple[float, float]:
    """Return the limits between which a gap certainly leaves the position as it is."""
    if position > 0:
        return near, math.inf
    return (-math.inf, -near) if position < 0 else (0.0, 0.0)


def _compare(recent: list[float], prices: list[float]) -> int:
    """Compare the averages exactly: 1 where that of the recent prices is above, 0 where it is equal, -1 where below."""
    if prices.count(prices[0]) == len(prices):  # nothing moves for hours where nobody trades
        return 0
    millionths = _millionths(prices)
    if millionths is not None:
        gap: int | Decimal = len(prices) * sum(_millionths(recent) or ()) - len(recent) * sum(millionths)
    else:
        with localcontext(_EXACT):
            gap = len(prices) * sum(map(Decimal, map(str, recent))) - len(recent) * sum(map(Decimal, map(str, prices)))
    return (gap > 0) - (gap < 0)


def _millionths(prices: list[float]) -> list[int] | None:
    """Return prices as whole millionths, which are faster to add than decimals; None where a price is no multiple."""
    whole = [round(price * 1e6) for price in prices]
    # Below 1e15 no two decimals are the same float, so a price that comes out again was written as just that.
    exact = min(whole) > -(10**15) and max(whole) < 10**15 and [each / 1e6 for each in whole] == prices
    return whole if exact else None
