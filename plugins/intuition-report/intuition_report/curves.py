"""Curves of an account: how far it was below its high, and for how long."""

from collections.abc import Iterable, Iterator

from intuition_core.history import History


def drawdowns(start: float, course: Iterable[tuple[float, float, float]]) -> Iterator[float | None]:
    """Give for each stretch of time how far the account fell below an earlier high, as a fraction of it, 0 or below.

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
    """Give the deepest drawdown; None where there is none that is defined."""
    return min((fall for fall in falls if fall is not None), default=None)


def longest_under_water(history: History) -> int | None:
    """Give the longest time, in nanoseconds, from a high until the account was as high again, or until the end.

    The account is looked at when the first event came, with what was put in, and at the ends of days; None without any.
    """
    if history.first_ts is None or not history.days:
        return None
    peak, since, longest, under = float(history.deposits), history.first_ts, 0, False
    for day in history.days:
        if under or day.equity < peak:
            longest = max(longest, day.ts - since)
        under = day.equity < peak
        if not under:
            peak, since = day.equity, day.ts
    return longest
