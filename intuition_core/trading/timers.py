"""Timers: events that come by the time of other events, so that a history and a live session have the same ones.

A timer is due at moments that only its description and a calendar decide. It comes after everything of its moment:
right before the first event that is later. Where several moments of a timer lie between two events, the last of them
comes alone, unless all are asked for, or none. A served session may tell timers by the wall clock too (`wall`), so that
they come while the market is silent.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

from intuition_core.account.hours import Hours
from intuition_core.account.market import Market
from intuition_core.contracts import Data
from intuition_core.errors import BadData, IntuitionError
from intuition_core.params.durations import read_duration
from intuition_core.trading.wall import Wall

TIMER: Final = "$timer"
"""The channel of timers within a session; no publisher can send on it, as no name of a channel begins like this."""

Anchor: TypeAlias = Literal["open", "close", "week end", "month end"]
Missed: TypeAlias = Literal["once", "skip", "all"]

_WRITTEN: Final = re.compile(r"(open|close|week end|month end)(?: ([+-]) ([0-9]+[a-z]+))?")
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_MOST: Final = 100_000
"""The most moments of one timer between two events: more of them are a mistake."""


class BadTimer(IntuitionError):
    """A timer that is never due, or at moments that nobody knows."""

    def __init__(self, name: str, problem: str) -> None:
        self.name = name
        self.problem = problem
        super().__init__(f"timer `{name}`: {problem}")


class Timer(msgspec.Struct, frozen=True, kw_only=True):
    """When a timer is due.

    Either ``every`` so many nanoseconds, counted from the beginning of 1970 UTC; or ``offset`` nanoseconds from each
    ``anchor``: the open or the close of a session of ``calendar``, or the last close of a week or a month. Without a
    calendar a week or a month ends with its last nanosecond UTC. ``name`` is the channel on which parts hear it.
    """

    name: str
    every: int | None = None
    anchor: Anchor | None = None
    offset: int = 0
    calendar: str | None = None
    missed: Missed = "once"

    def to_json(self) -> dict[str, Any]:
        """Describe the timer in plain JSON types; what is not said is not there."""
        plain = msgspec.structs.asdict(self)
        return {key: value for key, value in plain.items() if value not in (None, 0)}


def read_timer(
    name: str, *, every: str | None = None, at: str | None = None, calendar: str | None = None, missed: Missed = "once"
) -> Timer:
    """Return the timer of a description: ``every="1h"``, or ``at="close - 10m"`` with a calendar.

    Raises:
        BadTimer: it is described in no way, in two, or in one that means nothing.
    """
    if (every is None) is (at is None):
        raise BadTimer(name, "say `every`, such as 1h, or `at`, such as close - 10m; one of the two")
    if missed not in get_args(Missed):
        raise BadTimer(name, f"`missed` is once, skip or all, not {missed!r:.60}")
    try:
        if every is not None:
            length = read_duration(every)
            if not length:
                raise BadTimer(name, f"it is due every {every}, which is always")
            if calendar is not None:
                raise BadTimer(name, "`every` knows no calendar; leave it out, or say `at`")
            return Timer(name=name, every=length, missed=missed)
        found = _WRITTEN.fullmatch(at or "")
        if found is None:
            known = "open, close, week end or month end, and maybe a distance: close - 10m"
            raise BadTimer(name, f"expected {known}; got {at!r:.60}")
        offset = read_duration(found[3]) if found[3] else 0
    except BadData as error:
        raise BadTimer(name, error.problem) from None
    anchor: Any = found[1]
    if anchor in ("open", "close") and calendar is None:
        raise BadTimer(name, f"whose {anchor} is meant says a `calendar`, such as XNYS")
    return Timer(
        name=name, anchor=anchor, offset=-offset if found[2] == "-" else offset, calendar=calendar, missed=missed
    )


class Clock:
    """Finds which timers are due between events.

    Args:
        timers: in their order, which counts where several are due at once.
        hours: the calendars that they name.

    Raises:
        BadTimer: a calendar is not there.
    """

    def __init__(self, timers: Iterable[Timer], hours: Iterable[Hours]) -> None:
        known = {each.name: each for each in hours}
        self._timers: dict[str, tuple[Timer, Sequence[int] | None]] = {}
        self._next: dict[str, int] | None = None
        for timer in timers:
            self.add(timer, known)

    def __bool__(self) -> bool:
        """Whether there are timers."""
        return bool(self._timers)

    @property
    def names(self) -> Iterable[str]:
        """What the timers are called."""
        return self._timers.keys()

    def add(self, timer: Timer, hours: Mapping[str, Hours]) -> None:
        """Add a timer.

        Raises:
            BadTimer: its calendar is not there, or another timer is called so.
        """
        if timer.name in self._timers:
            raise BadTimer(timer.name, "another is called so too; give one another name")
        self.put(timer, hours)

    def put(self, timer: Timer, hours: Mapping[str, Hours]) -> None:
        """Add a timer, or replace one of the same name: a part that begins anew asks for its own again.

        Raises:
            BadTimer: its calendar is not there.
        """
        if timer.calendar is not None and timer.calendar not in hours:
            there = f"there is {', '.join(sorted(hours))}" if hours else "the composition has none"
            raise BadTimer(timer.name, f"the calendar {timer.calendar} is not known here; {there}")
        edges = _edges(timer, hours[timer.calendar]) if timer.calendar is not None else None
        self._timers[timer.name] = timer, edges

    def with_timers(
        self, events: Sequence[Data], *, now: int, taken: Mapping[str, int], over: int | None = None
    ) -> Sequence[Data]:
        """Return events with the timers that are due between them.

        Args:
            events: in the order in which they are taken.
            now: the session's time before them, nanoseconds UTC; what is due before it has come.
            taken: when each timer came last.
            over: the time up to which moments count as missed; None where they go by events alone, and those are missed
                that lie between two events with others.
        """
        given: list[Data] = []
        taken = dict(taken)
        for event in events:
            ts = event["ts"]
            if ts > now and event["channel"][0] != "$":
                if now > _NEVER:
                    for due, timer, missed in sorted(self._due(now - 1, ts, taken, over), key=_DUE):
                        taken[timer.name] = due
                        given.append(_event(due, timer, missed))
                now = ts
            given.append(event)
        return given if len(given) > len(events) else events

    def due(self, until: int, *, now: int, taken: Mapping[str, int], over: int, most: int) -> list[Data]:
        """Return the timers that are due up to a time at which nothing else has come: at most so many, the first ones.

        Args:
            until: the time, nanoseconds UTC.
            now: the session's time; what is due before it has come.
            taken: when each timer came last.
            over: the time up to which moments count as missed.
            most: how many to give.
        """
        found = sorted(self._due(now - 1, until + 1, taken, over, most), key=_DUE)
        return [_event(*each) for each in found[:most]]

    def next(self, *, now: int, taken: Mapping[str, int], over: int) -> int | None:
        """Return the first moment at which a timer is due that has not come; None without one."""
        moments = (_next(timer, edges, _since(timer, now - 1, taken, over)) for timer, edges in self._timers.values())
        return min((moment for moment in moments if moment is not None), default=None)

    def _due(
        self, after: int, before: int, taken: Mapping[str, int], over: int | None, most: int | None = None
    ) -> Iterator[tuple[int, Timer, int]]:
        """Yield the moments after one time and before another at which timers are due, and how many were left out.

        Of a timer of which all are wanted, the first ``most`` are yielded; without ``most``, too many are refused.
        """
        for timer, edges in self._timers.values():
            due = _next(timer, edges, _since(timer, after, taken, over))
            moments: list[int] = []
            while due is not None and due < before:
                moments.append(due)
                if timer.missed == "all":
                    if most is not None and len(moments) == most:
                        break
                    if most is None and len(moments) > _MOST:
                        raise BadTimer(
                            timer.name, f"it is due more than {_MOST} times between two events; let it miss some"
                        )
                elif len(moments) > 1 and timer.missed == "skip" and over is None:
                    break
                elif len(moments) > 1 and timer.every is not None:
                    # The last one before the event, without counting through a weekend.
                    last = (before - 1) // timer.every * timer.every
                    yield last, timer, (last - moments[0]) // timer.every
                    moments = []
                    break
                due = _next(timer, edges, due)
            if timer.missed == "all":
                yield from ((moment, timer, 0) for moment in moments)
            elif moments and not (len(moments) > 1 and timer.missed == "skip" and over is None):
                yield moments[-1], timer, len(moments) - 1


class SessionTimers:
    """The timers of one session, and the moment at which each came last.

    Attributes:
        taken: when each timer came last, nanoseconds UTC, by its name; always the same object.

    Args:
        timers: those of the composition.
        hours: the calendars that timers may name.
        market: knows the session's time.

    Raises:
        BadTimer: a calendar is not there.
    """

    def __init__(self, timers: Iterable[Timer], hours: Sequence[Hours], market: Market) -> None:
        self.taken: dict[str, int] = {}
        self._clock = Clock(timers, hours)
        self._hours = {each.name: each for each in hours}
        self._market = market

    def __bool__(self) -> bool:
        """Whether there are timers."""
        return bool(self._clock)

    @property
    def names(self) -> Iterable[str]:
        """The names of the timers: the channels on which parts hear them."""
        return self._clock.names

    def put(self, timer: Timer) -> None:
        """Add a timer that a part asks for, or replace one of the same name.

        Raises:
            BadTimer: its calendar is not there.
        """
        self._clock.put(timer, self._hours)

    def take(self, _: int, data: Data) -> None:
        """Note that a timer has come, whatever the number of its event."""
        self.taken[data["name"]] = data["ts"]

    def between(self, events: Sequence[Data], wall: Wall | None = None) -> Sequence[Data]:
        """Return the events that are to be taken next with the timers that are due between them."""
        if not self._clock:
            return events
        over = None if wall is None else wall.over
        return self._clock.with_timers(events, now=self._now(wall), taken=self.taken, over=over)

    def due(self, wall: Wall, most: int) -> list[Data]:
        """Return the timers that the wall clock is to tell by now, as events: at most so many, the first ones."""
        return self._clock.due(wall.until, now=self._now(wall), taken=self.taken, over=wall.over, most=most)

    def next(self, wall: Wall) -> int | None:
        """Return the next moment at which a timer is due, nanoseconds UTC; None where there is none."""
        return self._clock.next(now=self._now(wall), taken=self.taken, over=wall.over)

    def _now(self, wall: Wall | None) -> int:
        """Return the session's time, which is after its beginning by the wall clock where it goes by one."""
        return self._market.now if wall is None else max(self._market.now, wall.begun + 1)


def heard(data: Data) -> Data:
    """Return the event of a timer as parts hear it, on the channel of its name."""
    name, due = data["name"], data["ts"]
    return {"channel": name, "ts": due, "id": f"{name}:{due}", "missed": data["missed"]}


_NEVER: Final = -(2**63)
_DUE: Final = itemgetter(0)


def _since(timer: Timer, after: int, taken: Mapping[str, int], over: int | None) -> int:
    """Return the time after which a timer is due next, nanoseconds UTC."""
    since = max(after, taken.get(timer.name, after))
    return max(since, over) if timer.missed == "skip" and over is not None else since


def _event(due: int, timer: Timer, missed: int) -> Data:
    return {"channel": TIMER, "name": timer.name, "ts": due, "missed": missed}


def _edges(timer: Timer, hours: Hours) -> list[int]:
    """Return the moments of a calendar that a timer is counted from, in order, nanoseconds UTC."""
    opens, closes = hours.sessions
    if timer.anchor == "open":
        return list(opens)
    if timer.anchor == "close":
        return list(closes)
    named = [_period(timer.anchor, close) for close in closes]
    return [
        close for at, close in enumerate(closes) if at + 1 < len(closes) and named[at + 1] != named[at]
    ]  # the last session known need not be the last of its period


def _period(anchor: Anchor | None, ts: int) -> tuple[int, int]:
    moment = _EPOCH + timedelta(microseconds=ts // 1000)
    return moment.isocalendar()[:2] if anchor == "week end" else (moment.year, moment.month)


def _next(timer: Timer, edges: Sequence[int] | None, after: int) -> int | None:
    """Return the first moment after a time at which a timer is due; None without one."""
    if timer.every is not None:
        return (after // timer.every + 1) * timer.every
    if edges is not None:
        at = bisect_right(edges, after - timer.offset)
        return edges[at] + timer.offset if at < len(edges) else None
    end = _end_of_period(timer.anchor, after - timer.offset)
    return end + timer.offset


def _end_of_period(anchor: Anchor | None, after: int) -> int:
    """Return the last nanosecond of the week or month that ends after a time, UTC."""
    moment = _EPOCH + timedelta(microseconds=(after + 1) // 1000)
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    if anchor == "week end":
        following = day + timedelta(days=7 - day.weekday())
    else:
        following = (day.replace(day=1) + timedelta(days=32)).replace(day=1)
    return (following - _EPOCH) // timedelta(microseconds=1) * 1000 - 1
