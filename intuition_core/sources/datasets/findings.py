"""What is odd about recorded events: duplicates, prices beyond the bar's, jumps like splits, stale stretches, gaps."""

from collections import Counter
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Any, Final, Literal, TypeAlias

import msgspec

from intuition_core.account.actions import ACTIONS
from intuition_core.account.hours import Hours
from intuition_core.data import DEFAULT_CHANNEL, Event
from intuition_core.sources.datasets.hours import Gap, SessionGaps
from intuition_core.sources.stamps import usual

Kind: TypeAlias = Literal["duplicates", "series", "outside", "splits", "stale", "gaps", "off-hours"]

DROPPABLE: Final = ("duplicates", "outside", "stale")
"""The kinds of rows that an addition can leave out."""

STALE: Final = 10
"""How many bars in a row are the same before they count as stale."""

_EXAMPLES: Final = 5
_DISTANCES: Final = 1000
_NEAR: Final = 0.03
"""How far a jump may be from the ratio of a split."""
_RATIOS: Final = tuple(
    Fraction(*pair)
    for new, old in (
        *((3, 2), (4, 3), (5, 2)),
        *((new, 1) for new in (2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 25, 30, 40, 50, 100)),
    )
    for pair in ((new, old), (old, new))
)
_BAR: Final = ("open", "high", "low", "close")


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One place at which something is odd."""

    sid: str
    ts: int
    """The time of the event, nanoseconds UTC; of a gap, when it begins."""
    problem: str
    end: int | None = None
    """When a stretch ends; None for a single event."""
    ratio: str | None = None
    """That of the split that a jump looks like, such as ``4:1``."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of oddity of the events."""

    kind: Kind
    count: int
    examples: tuple[Example, ...]
    """The first ones."""


class Examination:
    """Looks at events in their order, and notes what is odd about them.

    Args:
        hours: the sessions that the events are held against; None for no search for gaps.
    """

    def __init__(self, hours: Hours | None = None) -> None:
        self._hours = hours
        self._symbols: dict[str, _Symbol] = {}
        self._counts: Counter[Kind] = Counter()
        self._examples: dict[Kind, list[Example]] = {}
        self.gaps: list[Gap] = []
        """All gaps, in the order in which they were found."""

    def take(self, batch: Iterable[Event]) -> None:
        """Look at the next events."""
        for event in batch:
            sid = event.get("sid")
            if sid is None:
                continue
            symbol = self._symbols.get(sid)
            if symbol is None:
                symbol = self._symbols[sid] = _Symbol(sid, self._hours)
            for kind, example in symbol.take(event):
                self._note(kind, example)
            self.gaps += symbol.found
            symbol.found.clear()

    def findings(self) -> list[Finding]:
        """Return what was found so far, a finding for each kind."""
        for symbol in self._symbols.values():
            for kind, example in symbol.end():
                self._note(kind, example)
        found = [
            Finding(kind=kind, count=count, examples=tuple(self._examples[kind]))
            for kind, count in self._counts.items()
        ]
        if self.gaps:
            examples = (
                Example(sid=gap.sid, ts=gap.start, end=gap.end, problem=f"{gap.count} {_missing(gap)} missing")
                for gap in self.gaps[:_EXAMPLES]
            )
            found.append(Finding(kind="gaps", count=len(self.gaps), examples=tuple(examples)))
        off = [(sid, symbol.outside) for sid, symbol in self._symbols.items() if symbol.outside]
        if off:
            shown = tuple(
                Example(sid=sid, ts=self._symbols[sid].first, problem=f"{count:,} events outside of all sessions")
                for sid, count in off[:_EXAMPLES]
            )
            found.append(Finding(kind="off-hours", count=sum(count for _, count in off), examples=shown))
        return found

    def _note(self, kind: Kind, example: Example) -> None:
        self._counts[kind] += 1
        examples = self._examples.setdefault(kind, [])
        if len(examples) < _EXAMPLES:
            examples.append(example)


class Cleaner:
    """Leaves out rows of kinds that were named, and counts them.

    Args:
        kinds: some of `DROPPABLE`.
    """

    def __init__(self, kinds: Iterable[str]) -> None:
        self._kinds = frozenset(kinds)
        self._symbols: dict[tuple[str, str], _Symbol] = {}
        self.counts: Counter[str] = Counter()

    def clean(self, batches: Iterable[list[Event]]) -> Iterator[list[Event]]:
        """Yield lists of events without such rows."""
        for batch in batches:
            if kept := [event for event in batch if self._keeps(event)] if self._kinds else batch:
                yield kept

    def _keeps(self, event: Event) -> bool:
        sid = event.get("sid")
        if sid is None:
            return True
        key = (event["channel"], sid)
        symbol = self._symbols.get(key)
        if symbol is None:
            symbol = self._symbols[key] = _Symbol(sid, None)
        for kind in symbol.kinds(event):
            if kind in self._kinds:
                self.counts[kind] += 1
                return False
        return True


class _Symbol:
    """The events of one symbol so far."""

    def __init__(self, sid: str, hours: Hours | None) -> None:
        self._sid = sid
        self._moment: list[Event] = []
        self._bar: tuple[Any, ...] | None = None
        self._same = 0
        self._since = self._until = 0
        self._close: float | None = None
        self._last: int | None = None
        self._distances: list[int] = []
        self._length: int | None = None
        self._split: int | None = None
        self._gaps = None if hours is None else SessionGaps(sid, hours)
        self.found: list[Gap] = []
        self.first = 0

    @property
    def outside(self) -> int:
        return 0 if self._gaps is None else self._gaps.outside

    def take(self, event: Event) -> Iterator[tuple[Kind, Example]]:
        """Yield what is odd about an event."""
        if event["channel"] == ACTIONS and event.get("action") == "split":
            self._split = event["ts"]
        twice = self._twice(event)
        if twice is not None:
            yield twice, self._example(event, "a row that is there twice" if twice == "duplicates" else _differing())
        if event["channel"] != DEFAULT_CHANNEL:
            return
        problem = outside(event)
        if problem is not None:
            yield "outside", self._example(event, problem)
        jump = self._jump(event)
        if jump is not None:
            ratio, problem = jump
            at: int = event["start"] if "start" in event else event["ts"]
            yield "splits", Example(sid=self._sid, ts=at, problem=problem, ratio=ratio)
        stretch = self._stale(event)
        if stretch is not None:
            yield "stale", stretch
        if twice is None and self._gaps is not None:
            self.found += self._gaps.take(event, self._bar_length(event))
        if self._last is None:
            self.first = event["ts"]
        self._last = event["ts"]

    def kinds(self, event: Event) -> Iterator[str]:
        """Yield the droppable kinds of which an event is."""
        if self._twice(event) == "duplicates":
            yield "duplicates"
        if event["channel"] != DEFAULT_CHANNEL:
            return
        if outside(event) is not None:
            yield "outside"
        self._stale(event)
        if self._same + 1 >= STALE:
            yield "stale"

    def end(self) -> Iterator[tuple[Kind, Example]]:
        """Yield a stretch that had not ended."""
        stretch = self._stretch()
        self._same = 0
        if stretch is not None:
            yield "stale", stretch

    def _example(self, event: Event, problem: str) -> Example:
        return Example(sid=self._sid, ts=event["ts"], problem=problem)

    def _twice(self, event: Event) -> Kind | None:
        if not self._moment or self._moment[0]["ts"] != event["ts"]:
            self._moment = [event]
            return None
        if event in self._moment:
            return "duplicates"
        others = [each for each in self._moment if each["channel"] == event["channel"] == DEFAULT_CHANNEL]
        self._moment.append(event)
        return "series" if others and "open" in event and "open" in others[0] else None

    def _jump(self, event: Event) -> tuple[str, str] | None:
        close = self._close
        first: float = event["open"] if "open" in event else event["quote"]
        self._close = event["quote"]
        if close is None or close <= 0 or first <= 0 or self._split is not None:
            self._split = None
            return None
        jump = close / first
        if 0.8 < jump < 1.25:
            return None
        for ratio in _RATIOS:
            if abs(jump / float(ratio) - 1) < _NEAR:
                shown = f"{ratio.numerator}:{ratio.denominator}"
                return shown, f"from {close} to {first}, like a split {shown}"
        return None

    def _stale(self, event: Event) -> Example | None:
        """Return the stretch of equal bars that ended before an event, if it was long."""
        if "open" not in event:
            return None
        bar = (*(event.get(key) for key in _BAR), event["quote"])
        if bar == self._bar:
            self._same += 1
            self._until = event["ts"]
            return None
        stretch = self._stretch()
        self._bar, self._same, self._since = bar, 0, event["ts"]
        return stretch

    def _stretch(self) -> Example | None:
        if self._same + 1 < STALE:
            return None
        return Example(
            sid=self._sid, ts=self._since, end=self._until, problem=f"{self._same + 1} bars in a row are the same"
        )

    def _bar_length(self, event: Event) -> int | None:
        """Return how long bars last, by their starts."""
        start = event.get("start")
        if start is None or start >= event["ts"]:
            return None
        if len(self._distances) < _DISTANCES:
            self._distances.append(event["ts"] - start)
            self._length = usual(self._distances) if len(self._distances) < 10 else self._length
            if len(self._distances) in (10, 100, _DISTANCES):
                self._length = usual(self._distances)
        return self._length


def outside(event: Event) -> str | None:
    """Return how the prices of a bar contradict its high and low; None where they do not."""
    high, low = event.get("high"), event.get("low")
    if high is not None and low is not None and low > high:
        return f"the low {low} is above the high {high}"
    for key in ("open", "close"):
        price = event.get(key)
        if price is None:
            continue
        if high is not None and price > high:
            return f"the {key} {price} is above the high {high}"
        if low is not None and price < low:
            return f"the {key} {price} is below the low {low}"
    return None


def _differing() -> str:
    return "two bars of one time that differ"


def _missing(gap: Gap) -> str:
    one = {"session": "session", "bars": "bar"}[gap.kind]
    return f"{one} is" if gap.count == 1 else f"{one}s are"
