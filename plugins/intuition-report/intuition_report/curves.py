"""Curves of an account: how far it was below its high, and for how long."""

from collections.abc import Iterable, Iterator
from itertools import dropwhile

from intuition_core.history import History
from intuition_report.returns import DAY


def drawdowns(start: float, course: Iterable[tuple[float, float, float]]) -> Iterator[float | None]:
    """Yield drawdowns by stretch of time: the fall below the highest equity so far as a fraction of it, 0 or below.

    Which of a stretch's extremes came first is not known, so its low is held against earlier highs and its close
    against its own as well: what is given has happened, and only what fell and rose again within one stretch is not
    seen. None while no high was above zero.

    Args:
        start: what the account began with.
        course: the lowest, the highest and the last value of each stretch.
    """
    peak = start
    for low, high, close in course:
        top = max(peak, high)
        found = [lowest / highest - 1 for lowest, highest in ((low, peak), (close, top)) if highest > 0]
        yield min(found, default=None)
        peak = top


def deepest(falls: Iterable[float | None]) -> float | None:
    """Return the deepest drawdown; None where none is defined."""
    return min((fall for fall in falls if fall is not None), default=None)


def longest_under_water(history: History) -> int | None:
    """Return the longest time under water, in nanoseconds: from a high until the equity is back at it, or the end.

    The account is looked at when the first event of the first session came, with what was put in, and at the ends of
    days; None without any session. A rate of long before is no time under water.
    """
    days = list(dropwhile(lambda day: not day.quoted, history.days))
    if history.first_ts is None or not days:
        return None
    peak, longest, under = float(history.deposits), 0, False
    since = max(history.first_ts, days[0].ts - days[0].ts % DAY)
    for day in days:
        if under or day.equity < peak:
            longest = max(longest, day.ts - since)
        under = day.equity < peak
        if not under:
            peak, since = day.equity, day.ts
    return longest
