"""When to act: once a period, by the time of events."""

from typing import Any, Final

_DAY: Final = 86_400_000_000_000


class Schedule:
    """Divides time into periods of one length, counted from the first time that it is asked about.

    Args:
        days: the length of a period in days of 24 hours; may be a fraction.
    """

    def __init__(self, days: float) -> None:
        self._length = round(days * _DAY)
        self._begin: int | None = None
        self._next = 0

    def begins(self, ts: int) -> bool:
        """Return whether a time is the first of a new period; an earlier time than one before never is.

        Args:
            ts: nanoseconds UTC.
        """
        if self._begin is None:
            self._begin = self._next = ts
        if ts < self._next:
            return False
        self._next = self._begin + ((ts - self._begin) // self._length + 1) * self._length
        return True

    def snapshot(self) -> dict[str, Any]:
        """Return the beginnings of the first and of the next period."""
        return {"begin": self._begin, "next": self._next}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot."""
        self._begin = state["begin"]
        self._next = state["next"]
