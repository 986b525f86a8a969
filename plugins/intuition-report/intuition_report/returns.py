"""Returns of an account by day, month and year."""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise
from typing import NamedTuple

from intuition_core.history import Day, History

NANOSECONDS = 1_000_000_000
DAY = 86_400 * NANOSECONDS


class Year(NamedTuple):
    """One year (UTC) with events."""

    year: int
    months: tuple[float | None, ...]
    """January to December; None for months without events."""
    rate: float | None
    benchmark: float | None


def moment(ts: int) -> datetime:
    """Return nanoseconds UTC as a datetime, to the second."""
    return datetime.fromtimestamp(ts // NANOSECONDS, UTC)


def rate(before: float, after: float) -> float | None:
    """Return the return from one value to the next as a fraction of one; None where the first is not above zero."""
    return after / before - 1 if before > 0 else None


def rates(start: float, values: Iterable[float]) -> list[float] | None:
    """Return the return of each value on the one before it; None where any of them is not defined.

    Args:
        start: what the first value is held against.
        values: an account at the ends of successive periods.
    """
    found = [rate(*pair) for pair in pairwise([start, *values])]
    defined = [value for value in found if value is not None]
    return defined if len(defined) == len(found) else None


def years(history: History) -> list[Year]:
    """Return the returns by calendar year and month (UTC), from the equity at the ends of days; newest year last."""
    ends: dict[tuple[int, int], Day] = {}
    for day in history.days:
        at = moment(day.ts)
        ends[at.year, at.month] = day
    table: dict[int, Year] = {}
    month_before, year_before = (float(history.deposits), 1.0), (float(history.deposits), 1.0)
    for (year, month), day in ends.items():
        if year not in table:
            table[year] = Year(year, (None,) * 12, None, None)
            year_before = month_before
        months = list(table[year].months)
        months[month - 1] = rate(month_before[0], day.equity)
        table[year] = Year(year, tuple(months), rate(year_before[0], day.equity), rate(year_before[1], day.benchmark))
        month_before = (day.equity, day.benchmark)
    return list(table.values())
