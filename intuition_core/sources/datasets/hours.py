"""Gaps in recorded events: sessions of a calendar without any, and stretches within one that bars do not cover."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final, Literal

import msgspec

from intuition_core.account.hours import Hours
from intuition_core.data import Event

_SLACK: Final = 1.5
"""How much longer than a bar the distance between two bars is where one is missing."""


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch for which a series has no events, nanoseconds UTC."""

    sid: str
    kind: Literal["session", "bars"]
    """Whole sessions, or bars within one."""
    start: int
    end: int
    count: int
    """How many sessions or bars are missing."""


class SessionGaps:
    """Finds gaps against the sessions of a calendar; asked about the events of one symbol, in their order.

    Before the first event and after the last nothing is missing.

    Args:
        sid: the symbol.
        hours: the sessions.
    """

    def __init__(self, sid: str, hours: Hours) -> None:
        self._sid = sid
        self._opens, self._closes = hours.sessions
        self._hours = hours
        self._next = -1
        """The first session after the latest that had an event; -1 before the first event."""
        self._last: int | None = None
        self.outside = 0
        """How many events were wholly outside of all sessions."""

    def take(self, event: Event, length: int | None) -> Iterator[Gap]:
        """Yield the gaps before an event.

        Args:
            event: the event.
            length: how long bars last, nanoseconds; None for single prices.
        """
        ts: int = event["ts"]
        start: int = event.get("start", ts)
        first = bisect_left(self._closes, start)
        if start < ts and first < len(self._closes) and self._closes[first] == start:
            first += 1  # it began when that session was over
        after = bisect_right(self._opens, ts - 1) if start < ts else bisect_right(self._opens, ts)
        if first >= after:
            self.outside += 1
            return
        if length is not None and 0 < self._next <= first:
            yield from self._ended(self._next - 1, length)
        if 0 <= self._next < first:
            yield Gap(
                sid=self._sid,
                kind="session",
                start=self._opens[self._next],
                end=self._closes[first - 1],
                count=first - self._next,
            )
        if length is not None and start < ts:
            yield from self._within(first, start, length)
        self._next = max(self._next, after)
        self._last = max(ts, self._last or ts)

    def _ended(self, session: int, length: int) -> Iterator[Gap]:
        """Yield the gap between the last bar of a session and its close."""
        closed, last = self._closes[session], self._last
        if last is None or length >= closed - self._opens[session] or closed - last < length * (_SLACK - 1):
            return
        count = max(round((closed - last) / length), 1)
        yield Gap(sid=self._sid, kind="bars", start=last, end=closed, count=count)

    def _within(self, session: int, start: int, length: int) -> Iterator[Gap]:
        """Yield the gap between the latest bar of a session, or its open, and a bar."""
        begun, closed = self._opens[session], self._closes[session]
        if length >= closed - begun:
            return
        if self._next < 0:
            return
        since = self._last if self._last is not None and self._last > begun else begun
        if start - since < length * (_SLACK - 1) or not self._traded(since, start):
            return
        yield Gap(sid=self._sid, kind="bars", start=since, end=start, count=max(round((start - since) / length), 1))

    def _traded(self, start: int, end: int) -> bool:
        """Return whether the exchange trades in the middle of a stretch, rather than having a break."""
        return self._hours.is_open((start + end) // 2)
