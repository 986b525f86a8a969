"""Several courses of events become one: by time, within one moment by kind, then by course, then as each goes.

Within one moment rates come first, then the bars that end there, then splits and dividends, and all else last: a bar
that began before tells what was traded before, and a quote what is traded after a split.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Final

from intuition_core.account.actions import ACTIONS
from intuition_core.data import DEFAULT_CHANNEL, RATES, Event

_FEWEST: Final = 500
"""How many events are given at a time at least, but for the last ones."""

_ts = itemgetter("ts")
_channel = itemgetter("channel")

_QUOTES_ALONE: Final = {DEFAULT_CHANNEL}
_NEVER: Final = 2**63

_RATE, _ENDED, _ACTION, _REST = range(4)
_RANKS: Final = {RATES: _RATE, ACTIONS: _ACTION}


def rank(event: Event) -> int:
    """Return the place of an event within its moment, from 0."""
    channel = event["channel"]
    if channel == DEFAULT_CHANNEL:
        return _ENDED if event.get("start", _NEVER) < event["ts"] else _REST
    return _RANKS.get(channel, _REST)


def by_kind(events: list[Event]) -> list[Event]:
    """Put events that are in the order of time in the order of kind within each moment; as they are where they are."""
    if not events:
        return events
    if {*map(_channel, events)} == _QUOTES_ALONE:  # for speed
        ended = [event.get("start", _NEVER) < event["ts"] for event in events]
        if all(ended) or not any(ended):
            return events
    return sorted(events, key=lambda event: (event["ts"], rank(event)))


def ordered(batches: Iterable[list[Event]]) -> Iterator[list[Event]]:
    """Put one course, which is in the order of time, in the order of kind within each moment.

    The last moment of a list is held back, as more of it may come.
    """
    held: list[Event] = []
    for batch in batches:
        held += batch
        cut = bisect_left(held, held[-1]["ts"], key=_ts)
        if cut:
            yield by_kind(held[:cut])
            held = held[cut:]
    if held:
        yield by_kind(held)


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
        """Return what is held up to a time, and read on if that is all of it."""
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
    """Return all events in the order of time, those of one moment by kind, then by course, then as they come.

    Of each course no more than one list is held, besides what is given at once and the moment that may not have ended.

    Args:
        courses: in their order; each gives its events in the order of time, in lists that are not empty.
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
        complete = all(head.first is None or head.first > end for head in heads)
        if complete and len(parts) == 1 and not gathered and len(parts[0]) >= _FEWEST:
            yield by_kind(parts[0])
            continue
        gathered += sorted(chain.from_iterable(parts), key=_ts)
        if len(gathered) < _FEWEST:
            continue
        cut = len(gathered) if complete else bisect_left(gathered, end, key=_ts)
        if cut:
            yield by_kind(gathered[:cut])
            gathered = gathered[cut:]
    if gathered:
        yield by_kind(gathered)
