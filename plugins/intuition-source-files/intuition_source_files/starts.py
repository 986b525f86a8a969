"""When bars began: a bar's length before its time, or when the one before it ended, whichever is later."""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from intuition_core.recordings import DAY, ENOUGH_DISTANCES, FEWEST_DISTANCES, bar_length
from intuition_source_files.chunk import NO_START
from intuition_source_files.clock import Clock, Times
from intuition_source_files.rule import Rule

if TYPE_CHECKING:
    import numpy as np


class Starts:
    """Finds out when the bars of one file began, once it is known how long they last.

    The first thousand distances between bars tell that, for each symbol and series by its own. Two bars of one symbol
    and time are of several series: what is before one of them is then no sign of when it began.

    Args:
        clock: reads the times of the file.
        rule: how they are to be read.
    """

    def __init__(self, clock: Clock, rule: Rule) -> None:
        self._clock = clock
        self._rule = rule
        self._lengths: dict[int, int] = {}
        """How long the bars of a symbol and series last, by its number."""
        self._longest: int | None = None
        """How long bars last at most, of those that come later, too; None where nothing tells."""
        self._last: np.ndarray[Any, Any] | None = None
        """The time of the last bar, by the number of its symbol and series."""
        self._distances: dict[int, list[int]] = {}
        self._count = 0
        self._dates = False
        self.any = False
        """Whether there were any bars."""
        self.learning = True
        """Whether more distances would tell more of how long bars last."""
        self.settled = False
        """Whether it is settled how long they last."""
        self.double: tuple[int, int] | None = None
        """The number of a symbol and series, and the time, of which there are several bars."""

    @property
    def lengths(self) -> tuple[int, ...]:
        """How long bars last, in nanoseconds; nothing where that is not known."""
        found = {*self._lengths.values(), *(() if self._longest is None else (self._longest,))}
        return tuple(sorted(found))

    def before(self, ts: "np.ndarray[Any, Any]", codes: "np.ndarray[Any, Any] | None") -> "np.ndarray[Any, Any]":
        """Return the times of the bars before those of some rows, and `NO_START` for the first of a symbol.

        Args:
            ts: the times of the bars.
            codes: the numbers of their symbols and series; None if all are the same.
        """
        import numpy as np

        self.any = True
        last = self._last = self._grown(0 if codes is None else int(codes.max(initial=0)))
        if codes is None:
            before = np.empty_like(ts)
            before[0], before[1:] = last[0], ts[:-1]
            last[0] = ts[-1]
            return before
        # A stable sort of short integers is by radix.
        order = codes.astype(np.int16 if len(last) < 1 << 15 else np.int64).argsort(kind="stable")
        sorted_codes, sorted_ts = codes[order], ts[order]
        first = np.empty(len(ts), bool)
        first[0], first[1:] = True, sorted_codes[1:] != sorted_codes[:-1]
        shifted = np.empty_like(ts)
        shifted[1:] = sorted_ts[:-1]
        shifted[first] = last[sorted_codes[first]]
        ends = np.append(first[1:], True)
        last[sorted_codes[ends]] = sorted_ts[ends]
        before = np.empty_like(ts)
        before[order] = shifted
        return before

    def learn(self, times: Times, before: "np.ndarray[Any, Any]", codes: "np.ndarray[Any, Any] | None") -> None:
        """Look at how far bars are apart."""
        import numpy as np

        known = (before != NO_START).nonzero()[0][: ENOUGH_DISTANCES - self._count]
        looked = slice(0, int(known[-1]) + 1 if len(known) else 0)
        self._see_double(times.ts[looked], before[looked], codes if codes is None else codes[looked])
        apart = times.ts[known] - before[known]
        if times.dates is not None and times.dates.any():
            self._dates = True
            apart = np.rint(apart / DAY).astype(np.int64) * DAY
        of = [0] * len(known) if codes is None else codes[known].tolist()
        for code, distance in zip(of, apart.tolist(), strict=True):
            self._distances.setdefault(code, []).append(distance)
        self._count += len(known)
        self.learning = self._count < ENOUGH_DISTANCES

    def settle(self) -> str:
        """Return how long bars last, by what was seen, and give what is to be told of it.

        Raises:
            BadData: they do not last as long as was said.
        """
        self.learning, self.settled = False, True
        stated = self._rule.length
        everything = list(chain.from_iterable(self._distances.values()))
        self._longest, told = bar_length(everything, stated, dates=self._dates)
        if stated is None:
            fewest = FEWEST_DISTANCES if self._dates else 1
            found = {
                code: bar_length(apart, dates=self._dates)[0]
                for code, apart in self._distances.items()
                if len(apart) >= fewest
            }
            self._lengths = {code: length for code, length in found.items() if length is not None}
            self._longest = max((*self._lengths.values(), self._longest or 0)) or None
        return told

    def give(
        self, times: Times, before: "np.ndarray[Any, Any]", codes: "np.ndarray[Any, Any] | None"
    ) -> "np.ndarray[Any, Any]":
        """Return when bars began, and `NO_START` where that is not known."""
        import numpy as np

        already = self.double is not None
        if not already:
            self._see_double(times.ts, before, codes)
        if already or self._longest is None:
            return np.full(len(times.ts), NO_START)
        starts: np.ndarray[Any, Any] = np.maximum(self._by_lengths(times, codes, self._longest), before)
        starts = np.minimum(starts, times.ts)
        if self.double is not None:
            starts[int((before == times.ts).argmax()) :] = NO_START
        return starts

    def _by_lengths(self, times: Times, codes: "np.ndarray[Any, Any] | None", longest: int) -> "np.ndarray[Any, Any]":
        import numpy as np

        if codes is None or len(set(self._lengths.values())) < 2:
            return self._by_length(times, longest)
        table = np.full(max(int(codes.max()), *self._lengths) + 1, longest)
        for code, length in self._lengths.items():
            table[code] = length
        lengths = table[codes]
        starts = np.empty_like(times.ts)
        for length in np.unique(lengths).tolist():
            rows = lengths == length
            starts[rows] = self._by_length(times.take(rows), length)
        return starts

    def _by_length(self, times: Times, length: int) -> "np.ndarray[Any, Any]":
        import numpy as np

        dates, ts = times.dates, times.ts
        whole = dates is not None and bool(dates.all())
        if whole or length % DAY == 0:
            # Bars of days last from a time of day to the same, or to its end, whatever clocks do between.
            if whole and (length == DAY or self._rule.days):
                return times.begins
            local = self._clock.local(ts + 1 if whole and self._rule.close_at is None else ts)
            if whole and self._rule.close_at is not None:
                local = self._clock.local(times.begins) // DAY * DAY + DAY
            starts = self._clock.first_moments(local - length)
        else:
            starts = ts - length
        if dates is not None and not whole:
            starts = np.where(dates, times.begins, starts)
        return starts

    def _see_double(
        self, ts: "np.ndarray[Any, Any]", before: "np.ndarray[Any, Any]", codes: "np.ndarray[Any, Any] | None"
    ) -> None:
        if self.double is None and (same := before == ts).any():
            index = int(same.argmax())
            self.double = (0 if codes is None else int(codes[index]), int(ts[index]))

    def _grown(self, largest: int) -> "np.ndarray[Any, Any]":
        import numpy as np

        last = np.full(1, NO_START) if self._last is None else self._last
        return last if largest < len(last) else np.append(last, np.full(2 * largest + 1 - len(last), NO_START))


def joined(times: Sequence[Times]) -> Times:
    """Put the times of one file one after another."""
    import numpy as np

    dates = None
    if any(each.dates is not None for each in times):
        dates = np.concatenate([np.zeros(len(each.ts), bool) if each.dates is None else each.dates for each in times])
    ts = np.concatenate([each.ts for each in times])
    return Times(ts, dates, ts if dates is None else np.concatenate([each.begins for each in times]))
