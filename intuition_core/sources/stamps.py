"""What recorded times mean, the same for all sources: numbers by their size, and how long bars last."""

import re
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Final

from intuition_core.epoch import DOUBTFUL, SMALLEST, UNITS, unit_of
from intuition_core.errors import BadData

DAY: Final = 86_400 * 10**9
"""A day in nanoseconds."""

ENOUGH: Final = 1000
"""How many distances between bars tell how long they last."""

FEWEST: Final = 3
"""How many distances between dates alone tell at least that bars last more than a day."""

_DIGITS: Final[tuple[tuple[range, str], ...]] = (
    (range(1900_01_01, 2200_01_01), "%Y%m%d"),
    (range(1900_01_01_00_00, 2200_01_01_00_00), "%Y%m%d%H%M"),
    (range(1900_01_01_00_00_00, 2200_01_01_00_00_00), "%Y%m%d%H%M%S"),
)
_DAYS: Final = (20_000, 3_000_000)
_YEARS: Final = (1900, 2200)
_LONGER: Final = 1.25
"""How much longer than most some weeks, months and quarters are."""

_SEVERAL_DAYS: Final = 4.5 * DAY
"""Most distances of daily bars are less, whatever the holidays, and those of weekly ones more."""

_TURN: Final = 0.06
"""What part of a day a clock that is set may add or take."""

_YEAR: Final = re.compile("%[YyGcxsD+]")
_DATE: Final = re.compile("%[djcxuUWVD+]")
_CLOCK: Final = re.compile("%[HIcXTR+]")
_TEXT_YEAR: Final = re.compile(r"(\d{4})-\d\d-\d\d(?!\d)")
_ABBREVIATED: Final = re.compile(r"\d ?([A-Z]{2,5})$")
_TWO_NUMBERS: Final = re.compile(r"(\d{1,2})([/-])(\d{1,2})\2\d{4}(?!\d)")


def meaning(first: float) -> str:
    """Return by its size what a number says of a time: a unit since 1970, or how a date is written in digits.

    Returns:
        One of ``s``, ``ms``, ``us`` and ``ns``; or a format as for `datetime.strptime`, which begins with ``%``.

    Raises:
        BadData: it is too small to tell, as are the days of Excel and of Julius Scaliger.
    """
    # Whether a range has a float is found out number by number.
    whole = int(first) if isfinite(first) and first == int(first) else None
    for numbers, written in _DIGITS:
        if whole is not None and whole in numbers and _fits(whole, written):
            return written
    size = abs(first)
    unit = unit_of(size)
    if unit is None:
        problem = f"{first:.15g} is too small to tell what it counts since 1970"
        if _DAYS[0] <= size < _DAYS[1]:
            raise BadData(f"{problem}; days, such as those of Excel and Julian ones, are to be written as dates")
        if _YEARS[0] <= first < _YEARS[1]:
            raise BadData(f"{problem}; a year alone is no time: write the whole date")
        raise BadData(f"{problem}; say it with the option `time_unit`")
    return unit


def as_nanoseconds(number: float) -> tuple[int, str] | None:
    """Return a time in seconds, milliseconds or microseconds as nanoseconds, and its unit, which its size tells.

    A fraction counts as its shortest decimal digits say.

    Returns:
        None for nanoseconds, for what is too small to tell, and for what may be a date in digits.
    """
    if not SMALLEST <= abs(number) < DOUBTFUL:  # what is no number is not either
        return None
    unit = meaning(number)
    if unit not in UNITS:
        return None
    return int((number if isinstance(number, int) else Decimal(repr(number))) * UNITS[unit]), unit


def _fits(number: int, written: str) -> bool:
    if written == "%Y%m%d":  # a number of this size is nothing else: its place is told where it is no date
        return True
    try:
        datetime.strptime(str(number), written)  # noqa: DTZ007  # only whether it can be read
    except ValueError:
        return False
    return True


def check_format(written: str) -> bool:
    """Check how times are said to be written, and say whether they have a time of day.

    Raises:
        BadData: times written so cannot be read, or not without what the machine makes of it.
    """
    plain = written.replace("%%", "")
    if "%Z" in plain:
        raise BadData("`%Z` reads the name of a zone and forgets it; have offsets written, which `%z` reads")
    if _YEAR.search(plain) is None or _DATE.search(plain) is None:
        raise BadData(f"`{written}` has no year or no day; a time needs its whole date, such as `%Y-%m-%d %H:%M`")
    try:
        datetime.strptime("", written)  # noqa: DTZ007  # only whether the format is one
    except ValueError as error:
        if "does not match" not in str(error) and "unconverted" not in str(error):
            raise BadData(f"`{written}` is no format of times: {error}") from None
    return _CLOCK.search(plain) is not None


def settled(distances: Sequence[int], stated: int | None = None, *, dates: bool = False) -> tuple[int | None, str]:
    """Return how long the bars of a series last, and what is to be told of it.

    Args:
        distances: from bar to bar of a symbol, in nanoseconds; those between dates by the calendar.
        stated: what was said of it.
        dates: whether bars have dates alone: then they last a day, unless most are several days apart.

    Returns:
        The length in nanoseconds, None where nothing tells; and a warning, or nothing. Weeks, months and quarters are
        as long as the longest.

    Raises:
        BadData: bars are said to last longer than most distances between them.
    """
    apart = sorted(distance for distance in distances if distance > 0)
    if stated is not None:
        if not apart:
            return stated, ""
        slack = _TURN * min(stated, DAY)
        if sum(distance < stated - slack for distance in apart) * 2 > len(apart):
            raise BadData(f"is longer than most distances between bars, which are {shown(usual(apart))}")
        if sum(distance > stated + slack for distance in apart) * 2 > len(apart):
            return stated, f"bars are said to last {shown(stated)}, and are mostly {shown(usual(apart))} apart"
        return stated, ""
    if dates:
        middle = apart[len(apart) // 2] if len(apart) >= FEWEST else DAY
        if middle < _SEVERAL_DAYS:
            return DAY, ""
        return max(distance for distance in apart if distance <= middle * _LONGER), ""
    return (usual(apart) if apart else None), ""


def usual(apart: Sequence[int]) -> int:
    """Return the most frequent distance; of several the longest, so that bars begin too early rather than late."""
    counts = Counter(apart)
    return max(counts, key=lambda distance: (counts[distance], distance))


def shown(length: int) -> str:
    """Return a length of time as a person writes it."""
    for unit, size in (("d", DAY), ("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9)):
        if length >= size:
            return f"{length / size:.4g}{unit}"
    return f"{length}ns"


def why_unread(text: str) -> str:
    """Return why a text may be no time in ISO 8601, such as `is beyond the years 1677 to 2262`; empty if unknown."""
    year, abbreviated, numbers = _TEXT_YEAR.match(text), _ABBREVIATED.search(text), _TWO_NUMBERS.match(text)
    if year is not None and not 1678 <= int(year[1]) <= 2261:
        return "is beyond the years 1677 to 2262"
    if abbreviated is not None:
        return f"has a zone as `{abbreviated[1]}`, which may be several"
    if numbers is not None and max(int(numbers[1]), int(numbers[3])) <= 12 and int(numbers[1]) != int(numbers[3]):
        one, other = (mark.replace("/", numbers[2]) for mark in ("%m/%d/%Y", "%d/%m/%Y"))
        return f"may be written as `{one}` or as `{other}`"
    return ""
