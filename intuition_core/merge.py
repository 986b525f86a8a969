"""Several courses of events become one: by time, then in the order of the courses, then as each of them goes."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Final

from intuition_core.data import Event

_FEWEST: Final = 500
"""How many events are given at a time at least, but for the last ones."""

_ts = itemgetter("ts")


class _Head:
    """What has been read of a course and not been given yet, and what comes after it."""

    __slots__ = ("_course", "_events", "_place")

    def __init__(self, course: Iterator[list[Event]]) -> None:
        self._course = course
        self._events = next(course, None)
        self._place = 0

    @property
    def first(self) -> int | None:
        """The time of the next event; None at the end."""
        return None if self._events is None else self._events[self._place]["ts"]

    @property
    def last(self) -> int | None:
        """The time of the last event that is held; None at the end."""
        return None if self._events is None else self._events[-1]["ts"]

    def take(self, end: int, *, included: bool) -> list[Event]:
        """Give what is held up to a time, and read on if that is all of it."""
        events, place = self._events, self._place
        if events is None:
            return []
        cut = (bisect_right if included else bisect_left)(events, end, place, key=_ts)
        if cut < len(events):
            self._place = cut
            return events[place:cut]
        self._events, self._place = next(self._course, None), 0
        return events[place:] if place else events


def merge(courses: Sequence[Iterator[list[Event]]]) -> Iterator[list[Event]]:
    """Give all events in the order of time; those of equal time by course, as in `courses`, then as they come.

    Of each course no more than one list is held, besides what is given at once.

    Args:
        courses: each gives its events in the order of time, in lists that are not empty.
    """
    heads = [_Head(course) for course in courses]
    gathered: list[Event] = []
    while ends := [last for head in heads if (last := head.last) is not None]:
        end = min(ends)  # nothing earlier is still to be read of any course
        parts = []
        included = True
        for head in heads:
            first = head.first
            if first is not None and first <= end and (part := head.take(end, included=included)):
                parts.append(part)
                # More of this very time is still to be read of this course, and comes before that of the others.
                included = included and head.first != end
        if len(parts) == 1 and not gathered and len(parts[0]) >= _FEWEST:
            yield parts[0]
            continue
        gathered += sorted(chain.from_iterable(parts), key=_ts)
        if len(gathered) >= _FEWEST:
            yield gathered
            gathered = []
    if gathered:
        yield gathered
