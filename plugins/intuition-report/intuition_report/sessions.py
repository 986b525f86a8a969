"""Sessions: the days that returns are of, and how many of them make a year.

A session is a day (UTC) with quotes. Rates, splits and dividends on a day without are part of the next session, or of
the last one where none follows: a dividend dated on a Saturday makes no market trade at weekends.
"""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

from intuition_core.history import Day
from intuition_report.returns import DAY

_YEAR: Final = 365.25 * DAY

_USUAL: Final = (365, 252, 52, 12, 4, 1)
"""Sessions a year that are meant where about so many were counted: exchanges differ by their holidays."""

_ABOUT: Final = 0.05

_SATURDAY: Final = 2
"""The number of a day from 1970 on, modulo 7."""

_DAILY: Final = {6: 313.0, 7: 365.0}
"""Sessions a year by the days of the week that have some, as they are counted over years; 252 of fewer days."""

_LONG: Final = 180 * DAY
"""From then on sessions can be counted; before, where the first and the last weekend are makes too much difference."""

_LEAST: Final = 30 * DAY
"""The shortest time of which a return is annualised."""


class Annualisation(NamedTuple):
    """The terms by which figures of sessions become figures of a year."""

    per_year: float
    """Sessions a year."""
    years: float
    """Years from the first session to the last."""
    told: str
    """The origin of the years, for people."""
    compounds: bool
    """Whether the time is long enough to compound a return to a year."""


def sessions(days: Sequence[Day]) -> list[Day]:
    """Return the days that had quotes; what happened after the last of them is part of it."""
    found = [day for day in days if day.quoted]
    if found and not days[-1].quoted:
        found[-1] = found[-1]._replace(equity=days[-1].equity, benchmark=days[-1].benchmark)
    return found


def annualisation(found: Sequence[Day]) -> Annualisation:
    """Return the number of sessions a year, the years that they span, and their origin.

    From half a year on, years are those of the calendar, from the first session to the last, and sessions are
    counted in them; 365, 252, 52, 12, 4 and 1 are meant where the count is within 5 % of them. In less time, daily
    sessions are 252 a year, 313 where six days of the week have some, and 365 where all have; the years are the
    sessions over these.

    Args:
        found: the days that `sessions` returns.
    """
    count = len(found)
    span = found[-1].ts - found[0].ts if found else 0
    if span < _LONG and _daily(found):
        per_year = _DAILY.get(_days_a_week(found), 252.0)
        years, told = count / per_year, f"{count:,} session{'' if count == 1 else 's'} at {per_year:g} a year"
    else:
        years = span / _YEAR
        per_year = _usual((count - 1) / years)
        told = f"{years:,.2f} years from the first session to the last"
    return Annualisation(per_year, years, told, span >= _LEAST)


def _usual(counted: float) -> float:
    for usual in _USUAL:
        if abs(counted / usual - 1) <= _ABOUT:
            return float(usual)
    return round(counted) if counted >= 20 else round(counted, 2) or counted  # as it is told


def _daily(found: Sequence[Day]) -> bool:
    """Return whether most sessions follow each other without a weekday between them."""
    return len(found) < 2 or median(two - one for one, two in pairwise(map(_weekdays, found))) <= 1


def _weekdays(day: Day) -> int:
    """Return the number of days from Monday to Friday from a fixed Monday up to and including a day."""
    weeks, weekday = divmod(day.ts // DAY + 3, 7)  # 1970 began on a Thursday
    return weeks * 5 + min(weekday + 1, 5)


def _days_a_week(found: Sequence[Day]) -> int:
    """Return the number of days of the week that are sessions more often than not.

    In less than a week, those that were not met are thought to be if Saturdays are.
    """
    if not found:
        return 0
    numbers = [day.ts // DAY for day in found]
    there = Counter(number % 7 for number in numbers)
    met = Counter(number % 7 for number in range(numbers[0], numbers[-1] + 1))
    regular = {weekday for weekday, count in met.items() if 2 * there[weekday] > count}
    return len(regular) + (7 - len(met) if _SATURDAY in regular else 0)
