"""Times as databases give them: read as nanoseconds UTC, and written so that a database can compare with them."""

import re
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from decimal import Decimal
from math import isfinite
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

UNITS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
"""Nanoseconds in each unit in which a number can count time since 1970."""

_LIMITS: Final[tuple[tuple[str, int], ...]] = (("s", 10**11), ("ms", 10**14), ("us", 10**17))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_DAY: Final = timedelta(days=1)
_TURN: Final = timedelta(hours=3)
_DECIMAL: Final = re.compile(r"-?\d{1,30}(\.\d{1,30})?", re.ASCII)
_ISO: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9}))?\s?(Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)


class Moments:
    """Reads times.

    Args:
        zone: where times without an offset were written down.
        unit: what numbers count since 1970; None finds out by the size of the first one.
        shift: nanoseconds to add, so that a bar with the time of its opening is released at its close.
        fold: which of two moments a local time means that the clocks showed twice, 0 the earlier and 1 the later; None
            refuses it.
        close: when the session of a date ends; without it a date is its first moment.
    """

    def __init__(
        self,
        zone: ZoneInfo,
        *,
        unit: str | None = None,
        shift: int = 0,
        fold: Literal[0, 1] | None = None,
        close: clock_time | None = None,
    ) -> None:
        self._zone = zone
        self._fold = fold
        self._close = close
        self._plain = zone.key == "UTC"
        self._factor = None if unit is None else UNITS[unit]
        self._shift = shift

    def read(self, value: object) -> int:
        """Give the nanoseconds UTC of a time, a date, a number or a text in ISO 8601.

        Raises:
            ValueError: it is none of these, or a local time that the clocks had twice or never; says why.
        """
        if isinstance(value, datetime):
            ns = self._read_datetime(value)
        elif isinstance(value, str):
            ns = self._read_text(value)
        elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            ns = self._read_number(value)
        elif isinstance(value, date):
            ns = self._day(value)
        else:
            raise ValueError("is empty" if value is None else f"is no time: {value!r:.60}")
        ns += self._shift
        if not -(2**63) <= ns < 2**63:
            raise ValueError(f"is beyond the years 1677 to 2262: {value!r:.60}")
        return ns

    def bounds(self, like: object, start: int | None, end: int | None) -> tuple[Any, Any]:
        """Give what a database can compare its times with: at least the first, and less than the second.

        No time from ``start`` on and before ``end`` is outside these bounds; some within may be earlier or later.
        A bound is None where there is none to give.

        Args:
            like: any time as the database gives it.
            start: nanoseconds UTC, or None.
            end: nanoseconds UTC, or None.
        """
        lower = None if start is None else self._bound(like, start - self._shift, -_DAY)
        upper = None if end is None else self._bound(like, end - self._shift, 2 * _DAY)
        return lower, upper

    def _bound(self, like: object, ns: int, margin: timedelta) -> Any:
        if isinstance(like, str) and _number(like) is not None:
            return None  # the database may compare it as a text or as a number, and does not tell
        if isinstance(like, int | float | Decimal) and not isinstance(like, bool):
            factor = self._unit_of(like)
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

    def _day(self, day: date) -> int:
        if self._close is not None:
            return self._read_datetime(datetime.combine(day, self._close))
        # Where the clocks skip midnight, the day begins an hour later; where they have it twice, with the first.
        start = datetime(day.year, day.month, day.day, tzinfo=UTC if self._plain else self._zone)
        return (start.astimezone(UTC) - _EPOCH) // _MICROSECOND * 1000

    def _read_text(self, text: str) -> int:
        match = _ISO.fullmatch(text.strip())
        if match is None:
            number = _number(text)
            if number is not None:
                return self._read_number(number)
            raise ValueError(f"is no time in ISO 8601: {text!a:.60}")
        day, clock, fraction, offset = match.groups()
        try:
            if clock is None:
                return self._day(date.fromisoformat(day))
            whole = datetime.fromisoformat(f"{day}T{clock}{offset or ''}")
        except ValueError:
            raise ValueError(f"is no time in ISO 8601: {text!a:.60}") from None
        return self._read_datetime(whole) + int((fraction or "0").ljust(9, "0"))

    def _read_number(self, value: float | Decimal) -> int:
        if not isfinite(value):
            raise ValueError(f"is no time: {value!r}")
        factor = self._unit_of(value)
        return value * factor if isinstance(value, int) else int(Decimal(value) * factor)

    def _unit_of(self, value: float | Decimal) -> int:
        if self._factor is None:
            size = abs(float(value))
            self._factor = UNITS[next((unit for unit, limit in _LIMITS if size < limit), "ns")]
        return self._factor


def _number(text: str) -> Decimal | None:
    """Read a number that a driver gives as text, as some do with `numeric`."""
    return Decimal(text) if _DECIMAL.fullmatch(text) else None
