"""The prices that returns are computed from: the last quote of each period, once the period is over."""

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from intuition_core.contracts import Data

_DAY: Final = 86_400_000_000_000


class Closes:
    """Collects the closes of several symbols, by the time of their quotes.

    Periods are counted from 1970-01-01T00:00Z, so that those of a day end at midnight UTC. One is over when there is a
    quote of a later one; before that nothing of it can be seen. A period in which not all symbols were quoted is left
    out: the next return is then one from the close before it to the close after it. A quote that is late, of a period
    that is over, changes nothing.

    Args:
        symbols: whose; quotes of others only tell the time.
        days: the length of a period in days of 24 hours; may be a fraction.
        window: how many returns the closes that are kept make.
    """

    def __init__(self, symbols: Sequence[str], *, days: float, window: int) -> None:
        self._symbols = tuple(symbols)
        self._length = round(days * _DAY)
        self._period: int | None = None
        self._current: dict[str, float] = {}
        self._rows: deque[list[float]] = deque(maxlen=window + 1)

    @property
    def full(self) -> bool:
        """Whether there are as many as the window asks for."""
        return len(self._rows) == self._rows.maxlen

    @property
    def rows(self) -> Sequence[Sequence[float]]:
        """The closes, oldest first, each in the order of the symbols."""
        return tuple(self._rows)

    def take(self, data: Data) -> None:
        """Take a quote."""
        period = data["ts"] // self._length
        if period != self._period:
            if self._period is not None:
                if period < self._period:
                    return
                if len(self._current) == len(self._symbols):
                    self._rows.append([self._current[sid] for sid in self._symbols])
                self._current.clear()
            self._period = period
        if data["sid"] in self._symbols:
            self._current[data["sid"]] = data["quote"]

    def snapshot(self) -> dict[str, Any]:
        """Return the closes, and the quotes of the period that is not over, in types that MessagePack carries."""
        return {"period": self._period, "current": dict(self._current), "rows": list(self._rows)}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._period = state["period"]
        self._current = dict(state["current"])
        self._rows.clear()
        self._rows.extend(state["rows"])
