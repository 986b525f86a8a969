"""The values of an indicator of talipp for one symbol, in a memory that does not grow."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, is_dataclass
from typing import Any, Final

from talipp.indicators.Indicator import Indicator
from talipp.ohlcv import OHLCV

_SPARE: Final = 8
"""Values kept beyond the longest window: indicators look a step or two behind it."""


class Series:
    """A talipp indicator that forgets what it no longer needs.

    talipp keeps all that it was given and all that it gave. Where an indicator depends on the latest values alone, a
    new one is started from these now and then; where it depends on all of the past, the oldest values are purged. Both
    happen after fixed numbers of values, so that the same values always give the same results, to the last bit.

    Args:
        make: makes the talipp indicator.
        reach: a number of values that the indicator looks back at most.
        windowed: whether it depends on these alone.
    """

    __slots__ = ("_indicator", "_keep", "_make", "_windowed")

    def __init__(self, make: Callable[[], Indicator], *, reach: int, windowed: bool) -> None:
        self._make = make
        self._keep = reach + _SPARE
        self._windowed = windowed
        self._indicator = make()

    def add(self, value: Any) -> Any:
        """Take a value, and give what the indicator makes of it; None before it has enough."""
        indicator = self._indicator
        if len(indicator.input_values) >= 2 * self._keep:
            if self._windowed:
                latest = indicator.input_values[-self._keep :]
                indicator = self._indicator = self._make()
                for each in latest:
                    indicator.add(each)
            else:
                indicator.purge_oldest(len(indicator.input_values) - self._keep)
        indicator.add(value)
        return indicator[-1]

    def snapshot(self) -> list[list[Any]]:
        """Return the state as lists of numbers."""
        return [[_plain(value) for value in values] for values in _sequences(self._indicator)]

    def restore(self, state: Sequence[Sequence[Any]]) -> None:
        """Go on from a snapshot of the same indicator.

        Raises:
            ValueError: it is one of another indicator.
        """
        sequences = list(_sequences(self._indicator))
        if len(sequences) != len(state):
            raise ValueError(f"the state of another indicator: {len(state)} lists, not {len(sequences)}")
        for n, (values, kept) in enumerate(zip(sequences, state, strict=True)):
            made = self._indicator.get_output_value_type() if n == 1 else OHLCV
            values[:] = [made(*value) if isinstance(value, list | tuple) else value for value in kept]


def _sequences(indicator: Indicator) -> Iterator[list[Any]]:
    """Yield the lists of inputs and outputs that an indicator and those within it keep."""
    yield indicator.input_values
    yield indicator.output_values
    for inner in (*indicator.sub_indicators, *indicator.managed_sequences):
        if isinstance(inner, Indicator):
            yield from _sequences(inner)
        else:
            yield inner


def _plain(value: Any) -> Any:
    return list(astuple(value)) if is_dataclass(value) and not isinstance(value, type) else value
