"""How times are to be read, as the options say."""

from typing import Final
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from intuition_core.errors import BadData, BadParameter, did_you_mean
from intuition_core.recordings import DAY, check_time_format
from intuition_source_files.params import FileParams

SECOND: Final = 1_000_000_000
_LONG: Final = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": DAY}


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """How times are to be read, the same for all files of a source; spans in nanoseconds."""

    zone: str
    told: bool
    """Whether the zone was said, rather than taken for granted."""
    ambiguous: str
    time_format: str | None
    unit: str
    days: int
    """Whole days until a bar stamped when it opens is known, counted by the calendar of the zone."""
    span: int
    """Time until a bar stamped when it opens is known, if that is not whole days."""
    length: int | None
    """How long bars are said to last."""
    clocked: bool
    """Whether times written in the format that was given have a time of day."""
    close_at: int | None
    """When the session of a date ends, counted from midnight."""

    @property
    def daily(self) -> bool:
        """Whether a time of a bar can be a date alone: bars of hours are those of a day that begins at midnight."""
        return self.length is None or self.length % DAY == 0


def read_rule(params: FileParams, *, length_known: bool = True) -> Rule:
    """Return how times are to be read.

    Args:
        params: the options.
        length_known: whether how long bars last that are stamped when they open is to be known by now.

    Raises:
        BadParameter: the time zone is unknown, a bar's length is missing, or two parameters contradict each other.
    """
    zone = params.timezone or "UTC"
    try:
        ZoneInfo(zone)
    except (KeyError, OSError, ValueError):
        hint = did_you_mean(zone, available_timezones())
        raise BadParameter(params.part, "timezone", f"no time zone is called `{zone}`{hint}") from None
    if params.stamp == "open" and params.bar is None and length_known:
        raise BadParameter(params.part, "bar", "is missing; bars stamped when they open are known a bar's length later")
    if params.stamp == "open" and params.close_at is not None and length_known:
        raise BadParameter(params.part, "close_at", "says when bars close already; leave out `stamp`, or this")
    clocked = True
    if params.time_format is not None:
        try:
            clocked = check_time_format(params.time_format)
        except BadData as error:
            raise BadParameter(params.part, "time_format", error.problem) from None
    length = _LONG[params.bar[-1]] * int(params.bar[:-1]) if params.bar else None
    span = length if length is not None and params.stamp == "open" else 0
    hours, minutes = map(int, (params.close_at or "0:0").split(":"))
    return Rule(
        zone=zone,
        told=params.timezone is not None,
        ambiguous=params.ambiguous,
        time_format=params.time_format,
        unit=params.time_unit,
        days=span if span % DAY == 0 else 0,
        span=0 if span % DAY == 0 else span,
        length=length,
        clocked=clocked,
        close_at=None if params.close_at is None else (hours * 60 + minutes) * 60 * SECOND,
    )
