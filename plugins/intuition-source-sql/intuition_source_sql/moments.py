"""Times as databases give them: read as nanoseconds UTC, and written so that a database can compare with them."""

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from math import isfinite
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from intuition_core.errors import BadData
from intuition_core.recordings import DAY, TIME_UNITS, time_unit, why_unread
from intuition_source_sql.columns import Columns

JULIAN: Final = "julian"
"""The unit of days since noon of 1 January 4713 before our era, as SQLite's ``julianday`` gives them."""

_JULIAN_EPOCH: Final = Decimal("2440587.5")
_MOST_DAYS: Final = 106_751
"""How many days 64 bits of nanoseconds have on either side of 1970."""

_OF_OUR_AGE: Final = (2_400_000, 2_500_000)
"""Between which day numbers are dates of the years 1858 to 2132."""

_MILLISECOND: Final = 10**6
_SLACK: Final = 1e-6
"""How far a day number of floating point may be from what it means, in days."""

UNITS: Final = TIME_UNITS
"""Nanoseconds in each unit in which a number can count time since 1970."""

_LONGEST_DATE: Final = 14
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_TURN: Final = timedelta(hours=3)
_DECIMAL: Final = re.compile(r"-?\d{1,30}(\.\d{1,30})?", re.ASCII)
_CLOCK: Final = re.compile(r"(\d\d):?(\d\d)(?::?(\d\d)(?:[.,](\d{1,9}))?)?\s?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII)
_ISO: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)


class Moments:
    """Reads times.

    Args:
        zone: where times without an offset were written down.
        unit: what numbers count since 1970; ``date`` for dates in digits; ``julian`` for day numbers; None finds out by
            the size of the first one, and refuses those that are dates in digits.
        shift: nanoseconds to add, so that a bar with the time of its opening is released at its close.
        fold: which of two moments a local time means that the clocks showed twice, 0 the earlier and 1 the later; None
            refuses it.
        close: when the session of a date ends; without it, when its day does.
        early: whether a date alone is the beginning of its day, as it is for splits, dividends and rates.
    """

    alone: bool = False
    """Whether all times are midnights, and so dates alone."""

    def __init__(
        self,
        zone: ZoneInfo,
        *,
        unit: str | None = None,
        shift: int = 0,
        fold: Literal[0, 1] | None = None,
        close: clock_time | None = None,
        early: bool = False,
    ) -> None:
        self._early = early
        self._written: str | None = None
        self._zone = zone
        self._fold = fold
        self._close = close
        self._plain = zone.key == "UTC"
        self._digits = unit == "date"
        self._julian = unit == JULIAN
        self._factor = None if unit is None or self._digits or self._julian else UNITS[unit]
        self._shift = shift
        self._counted = False

    def read(self, value: object) -> int:
        """Return the nanoseconds UTC of a time, a date, a number or a text in ISO 8601.

        Raises:
            ValueError: it is none of these, or a local time that the clocks had twice or never; says why.
        """
        moment, day = self._parsed(value)
        if self.alone and day is None:
            day = self.date_of(moment)
            if day is None:
                problem = f"is no midnight, as all times before are, which are dates alone: {value!r:.60}"
                raise ValueError(f"{problem}; say how long a bar is with the option `bar`, such as 1h")
        ns = moment + self._shift if day is None else self._end(day)
        if not -(2**63) <= ns < 2**63:
            raise ValueError(f"is beyond the years 1677 to 2262: {value!r:.60}")
        return ns

    def whole(self, row: Sequence[Any], columns: Columns) -> Any:
        """Return the time of a row as it is written; of a date and a time of day in two columns as one text.

        Raises:
            ValueError: they are no date and no time of day; says why.
        """
        value = row[columns.time]
        if columns.clock is None:
            return value
        moment, day = self._parsed(value)
        if day is None and (day := self.date_of(moment)) is None:
            if not columns.sure:  # what is called time is something else
                return value
            problem = f"say two times of day: {value!r:.60}"
            raise ValueError(f"{problem}; the column `time` is to have dates where `time_of_day` is given")
        return f"{day}T{_clock(row[columns.clock])}"

    @property
    def shift(self) -> int:
        """How much later than it is stamped a bar is known, in nanoseconds."""
        return self._shift

    @property
    def unit(self) -> str:
        """What numbers count since 1970; nothing where times are no numbers, or count something else."""
        return next((unit for unit, factor in UNITS.items() if self._counted and factor == self._factor), "")

    def day(self, value: object) -> date | None:
        """Return the day of a date alone; None for a time.

        Raises:
            ValueError: it cannot be read.
        """
        if not self.alone and (isinstance(value, datetime) or (isinstance(value, str) and len(value) > _LONGEST_DATE)):
            return None  # for speed
        moment, day = self._parsed(value)
        return self.date_of(moment) if self.alone and day is None else day

    def is_day(self, value: object) -> bool:
        """Whether a time is a date alone, or a midnight.

        Raises:
            ValueError: it cannot be read.
        """
        moment, day = self._parsed(value)
        return day is not None or self.date_of(moment) is not None

    def date_of(self, ns: int) -> date | None:
        """Return the day that begins at a moment; None if none does."""
        local = (_EPOCH + timedelta(microseconds=ns // 1000)).astimezone(UTC if self._plain else self._zone)
        return local.date() if self.begin(local.date()) == ns else None

    def begin(self, day: date) -> int:
        """Return the first moment of a day."""
        # Where the clocks skip midnight, the day begins an hour later; where they have it twice, with the first.
        start = datetime(day.year, day.month, day.day, tzinfo=UTC if self._plain else self._zone)
        return (start.astimezone(UTC) - _EPOCH) // _MICROSECOND * 1000

    def back(self, ns: int, length: int) -> int:
        """Return the moment a length before another; whole days are counted by the calendar of the zone."""
        days, rest = divmod(length, DAY)
        if rest or self._plain:
            return ns - length
        local = (_EPOCH + timedelta(microseconds=ns // 1000)).astimezone(self._zone).replace(tzinfo=None)
        before = (local - days * _DAY).replace(tzinfo=self._zone)
        return (before.astimezone(UTC) - _EPOCH) // _MICROSECOND * 1000 + ns % 1000

    def _end(self, day: date) -> int:
        """Return when what is of a date alone was known."""
        if self._early:
            return self.begin(day)
        if self._close is not None:
            return self._read_datetime(datetime.combine(day, self._close))
        return self.begin(day + max(self._shift // DAY, 1) * _DAY) - 1

    def _parsed(self, value: object) -> tuple[int, date | None]:
        """Return the moment that is written, and the day if that is all there is."""
        if isinstance(value, datetime):
            return self._read_datetime(value), None
        if isinstance(value, str):
            return self._read_text(value)
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return self._read_number(value)
        if isinstance(value, date):
            return self.begin(value), value
        raise ValueError("is empty" if value is None else f"is no time: {value!r:.60}")

    def bounds(self, like: object, start: int | None, end: int | None) -> tuple[Any, Any]:
        """Return what a database can compare its times with: at least the first, and less than the second.

        No time from ``start`` on and before ``end`` is outside these bounds; some within may be earlier or later.
        A bound is None where there is none to give.

        Args:
            like: any time as the database gives it.
            start: nanoseconds UTC, or None.
            end: nanoseconds UTC, or None.
        """
        first = None if start is None else start - self._shift - (2 * DAY if self.alone else 0)
        lower = None if first is None else self._bound(like, first, -_DAY)
        upper = None if end is None else self._bound(like, end - self._shift, 2 * _DAY)
        return lower, upper

    def _bound(self, like: object, ns: int, margin: timedelta) -> Any:
        if isinstance(like, str) and _number(like) is not None:
            return None  # the database may compare it as a text or as a number, and does not tell
        if isinstance(like, int | float | Decimal) and not isinstance(like, bool):
            if self._julian:
                return float(Decimal(ns) / DAY + _JULIAN_EPOCH) + (-_SLACK if margin < timedelta() else _SLACK)
            factor = self._unit_of(like)
            if factor is None:
                return None  # dates in digits
            return ns // factor if margin < timedelta() else -(-ns // factor)
        moment = _EPOCH + timedelta(microseconds=-(-ns // 1000))
        if isinstance(like, datetime):
            if like.tzinfo is not None:
                return moment
            local = moment.astimezone(self._zone).replace(tzinfo=None)
            # Where one time means two moments, the one that counts may be on the other side.
            return local if self._fold is None else local + (_TURN if margin > timedelta() else -_TURN)
        day = (moment + margin).date()
        return day.isoformat() if isinstance(like, str) else day

    def _read_datetime(self, value: datetime) -> int:
        if value.tzinfo is None:
            value = self._local(value)
        return (value - _EPOCH) // _MICROSECOND * 1000

    def _local(self, value: datetime) -> datetime:
        if self._plain:
            return value.replace(tzinfo=UTC)
        first, second = value.replace(tzinfo=self._zone, fold=0), value.replace(tzinfo=self._zone, fold=1)
        before, after = first.utcoffset(), second.utcoffset()
        if before != after:
            twice = before is not None and after is not None and before > after
            if twice and self._fold is not None:
                return second if self._fold else first
            times = "twice" if twice else "never"
            problem = f"is {value}, which the clocks of {self._zone.key} showed {times} that day"
            raise ValueError(f"{problem}; keep times in UTC, or with their offset")
        return first

    def _read_text(self, text: str) -> tuple[int, date | None]:
        match = _ISO.fullmatch(text.strip())
        if match is None:
            number = _number(text)
            if number is not None:
                return self._read_number(number)
            raise ValueError(_no_time(text))
        day, clock, fraction, offset = match.groups()
        try:
            if clock is None:
                return self.begin(alone := date.fromisoformat(day)), alone
            whole = datetime.fromisoformat(f"{day}T{clock}{offset or ''}")
        except ValueError:
            raise ValueError(_no_time(text)) from None
        return self._read_datetime(whole) + int((fraction or "0").ljust(9, "0")), None

    def _read_number(self, value: float | Decimal) -> tuple[int, date | None]:
        if not isfinite(value):
            raise ValueError(f"is no time: {value!r}")
        if self._julian:
            days = Decimal(value) - _JULIAN_EPOCH
            if abs(days) > _MOST_DAYS:
                raise ValueError(f"is beyond the years 1677 to 2262: {value!r:.60}")
            return round(days * DAY / _MILLISECOND) * _MILLISECOND, None
        factor = self._unit_of(value)
        if factor is not None:
            hint = "; does it count in another unit than those before?" if self._counted else ""
            self._counted = True
            ns = value * factor if isinstance(value, int) else int(Decimal(value) * factor)
            if not -(2**63) <= ns < 2**63:  # or the library's dates would overflow
                raise ValueError(f"is beyond the years 1677 to 2262: {value!r:.60}{hint}")
            return ns, None
        written = self._written or ""
        try:
            moment = datetime.strptime(f"{value:.15g}", written)  # noqa: DTZ007  # local
        except ValueError:
            raise ValueError(f"is no time written as `{written}`: {value!r:.60}") from None
        if written == "%Y%m%d":
            return self.begin(moment.date()), moment.date()
        return self._read_datetime(moment), None

    def _unit_of(self, value: float | Decimal) -> int | None:
        """Return the nanoseconds that a number counts; None where it is a date in digits."""
        if self._factor is None and self._written is None:
            try:
                unit = time_unit(int(value) if value == int(value) else float(value))
            except BadData as error:
                hint = (
                    ", or said to be so by the option `time_unit`, `julian`"
                    if _OF_OUR_AGE[0] < value < _OF_OUR_AGE[1]
                    else ""
                )
                raise ValueError(f"{error.problem}{hint}") from None
            if unit.startswith("%") is not self._digits:
                problem = "may be a date in digits; say so" if not self._digits else "is no date in digits, as is said"
                raise ValueError(f"{problem} with the option `time_unit`, `date`: {value!r:.60}")
            if self._digits:
                self._written = unit
            else:
                self._factor = UNITS[unit]
        return self._factor


def _no_time(text: str) -> str:
    """Return the problem of a text that cannot be read as a time."""
    why = why_unread(text.strip())
    shown = f"is no time in ISO 8601: {text!a:.60}"
    if "zone" in why:
        return f"{shown}, which {why}; take it out in a `query`, and say the zone with `timezone`"
    return f"{shown}, which {why}" + ("; convert it in a `query`" if "written" in why else "") if why else shown


def _clock(value: object) -> str:
    """Write a time of day as ISO 8601 has it.

    Raises:
        ValueError: it is none, or one of which nobody can tell which; says why.
    """
    if isinstance(value, timedelta) and not value.days:  # as some drivers give it
        value = (datetime.min + value).time()  # noqa: DTZ901  # a time of day has no zone
    if isinstance(value, clock_time):
        return value.isoformat()
    if isinstance(value, str) and (match := _CLOCK.fullmatch(value.strip())) is not None:
        hour, minute, second, fraction, offset = match.groups()
        return f"{hour}:{minute}:{second or '00'}{f'.{fraction}' if fraction else ''}{offset or ''}"
    if value is None:
        raise ValueError("have no time of day")
    problem = f"have no time of day such as 09:30 or 0930: {value!r:.60}"
    raise ValueError(f"{problem}; name the column of it with the option `time_of_day`, or write it so in a `query`")


def _number(text: str) -> Decimal | None:
    """Read a number that a driver gives as text, as some do with `numeric`."""
    return Decimal(text) if _DECIMAL.fullmatch(text) else None
