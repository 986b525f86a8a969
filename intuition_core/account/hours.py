"""When an exchange trades: its sessions as plain numbers, so that the model knows no calendar library."""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import pairwise
from typing import Any

from intuition_core.errors import IntuitionError


class BadHours(IntuitionError):
    """Trading hours that cannot be."""

    def __init__(self, calendar: str, problem: str) -> None:
        self.calendar = calendar
        self.problem = problem
        super().__init__(f"calendar {calendar}: {problem}")


class Hours:
    """The sessions of one exchange, in order; never changed.

    Args:
        name: the calendar's name, such as ``XNYS``.
        sessions: when each opens and when it closes, nanoseconds UTC. The close is its last moment: a bar is stamped
            with the moment at which it ends, and what happened in it was traded.
        breaks: when trading pauses within sessions, the last moment before it, and when it goes on.

    Raises:
        BadHours: sessions or breaks are empty, overlap, or are out of order.
    """

    __slots__ = ("_breaks", "_closes", "_opens", "name")

    def __init__(self, name: str, sessions: Iterable[tuple[int, int]], breaks: Iterable[tuple[int, int]] = ()) -> None:
        self.name = name
        self._opens, self._closes = _edges(name, sessions)
        self._breaks = _edges(name, breaks)

    @property
    def sessions(self) -> tuple[Sequence[int], Sequence[int]]:
        """When the sessions open and when they close, in order, nanoseconds UTC."""
        return self._opens, self._closes

    def is_open(self, ts: int) -> bool:
        """Return whether the exchange trades at a time, nanoseconds UTC; outside the sessions known it does not."""
        n = bisect_right(self._opens, ts) - 1
        if n < 0 or ts > self._closes[n]:
            return False
        begun, ended = self._breaks
        at = bisect_left(begun, ts) - 1
        return at < 0 or ts >= ended[at]

    def overlap(self, start: int, ts: int) -> int | None:
        """Return the last moment of a time from ``start`` to ``ts`` at which the exchange trades; None without one.

        A session that ends at ``start`` or opens at ``ts`` is no part of it.
        """
        n = bisect_left(self._opens, ts) - 1
        return min(ts, self._closes[n]) if n >= 0 and self._closes[n] > start else None

    def end(self, ts: int) -> int | None:
        """Return the close of the session under way at a time, or of the next one; None after the last known.

        At a close its session is over: what is decided on the bar that ends there is for the next one.
        """
        n = bisect_right(self._closes, ts)
        return self._closes[n] if n < len(self._closes) else None

    def to_json(self) -> dict[str, Any]:
        """Describe the hours in plain JSON types; two that compare equal are open at the same times."""
        digest = sha256()
        for edges in (self._opens, self._closes, *self._breaks):
            digest.update(len(edges).to_bytes(8, "little"))
            for edge in edges:
                digest.update(edge.to_bytes(8, "little", signed=True))
        return {"name": self.name, "sessions": len(self._opens), "sha256": digest.hexdigest()}


def _edges(name: str, spans: Iterable[tuple[int, int]]) -> tuple["array[int]", "array[int]"]:
    begun, ended = array("q"), array("q")
    for first, last in spans:
        begun.append(first)
        ended.append(last)
    for first, last in zip(begun, ended, strict=True):
        if first >= last:
            raise BadHours(name, f"a session from {first} to {last}, which is no time at all")
    for (_, last), (following, _) in pairwise(zip(begun, ended, strict=True)):
        if following < last:
            raise BadHours(name, f"a session opens at {following}, before the one before it closes at {last}")
    return begun, ended
