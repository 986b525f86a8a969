"""Calendar days in a time zone."""

from datetime import UTC, date, datetime, timedelta
from datetime import time as clock
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Day(NamedTuple):
    """A calendar day: from ``begin`` to before ``end``, nanoseconds UTC."""

    begin: int
    end: int
    name: str


def day_of(ts: int, zone: ZoneInfo) -> Day:
    """Return the day in which a time (nanoseconds UTC) falls; with the changes of the clock it has 23 or 25 hours."""
    local = (_EPOCH + timedelta(microseconds=ts // 1_000)).astimezone(zone).date()
    return Day(_midnight(local, zone), _midnight(local + timedelta(days=1), zone), f"{local} {zone.key}")


def _midnight(day: date, zone: ZoneInfo) -> int:
    since = datetime.combine(day, clock(), zone) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000_000
