"""How the times of a file are read: whatever is written becomes the moment at which the row was known."""

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, available_timezones

import msgspec

from intuition_core.errors import BadParameter, did_you_mean
from intuition_source_files.arrays import as_column, floats, integers, truths
from intuition_source_files.errors import BadCell
from intuition_source_files.params import FileParams

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SECOND: Final = 1_000_000_000
DAY: Final = 86_400 * SECOND
_LONG: Final = {"s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": DAY}
_UNITS: Final = {"s": SECOND, "ms": 1_000_000, "us": 1_000, "ns": 1}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZONED: Final = r"[T ].*(Z|[+-]\d\d(:?\d\d)?)$"
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
_DATES: Final = range(1900_01_01, 2200_01_01)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """How times are to be read, the same for all files of a source; spans in nanoseconds."""

    zone: str
    ambiguous: str
    time_format: str | None
    unit: str
    days: int
    """Whole days until a bar stamped when it opens is known, counted by the calendar of the zone."""
    span: int
    """Time until a bar stamped when it opens is known, if that is not whole days."""
    close_at: int | None
    """When the session of a date ends, counted from midnight."""

    @property
    def calendar(self) -> bool:
        """Whether times are moved by the calendar of the zone."""
        return bool(self.days) or self.close_at is not None


def read_rule(params: FileParams) -> Rule:
    """Find out how times are to be read.

    Raises:
        BadParameter: the time zone is unknown, a bar's length is missing, or two parameters contradict each other.
    """
    try:
        ZoneInfo(params.timezone)
    except (KeyError, OSError, ValueError):
        hint = did_you_mean(params.timezone, available_timezones())
        raise BadParameter(params.part, "timezone", f"no time zone is called `{params.timezone}`{hint}") from None
    if params.stamp == "open" and params.bar is None:
        raise BadParameter(params.part, "bar", "is missing; bars stamped when they open are known a bar's length later")
    if params.stamp == "open" and params.close_at is not None:
        raise BadParameter(params.part, "close_at", "says when bars close already; leave out `stamp`, or this")
    span = _LONG[params.bar[-1]] * int(params.bar[:-1]) if params.bar and params.stamp == "open" else 0
    hours, minutes = map(int, (params.close_at or "0:0").split(":"))
    return Rule(
        zone=params.timezone,
        ambiguous=params.ambiguous,
        time_format=params.time_format,
        unit=params.time_unit,
        days=span if span % DAY == 0 else 0,
        span=0 if span % DAY == 0 else span,
        close_at=None if params.close_at is None else (hours * 60 + minutes) * 60 * SECOND,
    )


class Clock:
    """Reads the times of one file, in its order: what numbers mean is settled by the first."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._unit = None if rule.unit == "auto" else rule.unit
        self._zoned = False
        """Whether the times had offsets when they were last read."""
        self._previous = -(2**63)
        """The moment of the row before, by which an hour that comes twice is told in order."""

    def read(self, column: "pa.Array") -> "np.ndarray[Any, Any]":
        """Give the moments, in nanoseconds UTC, at which the rows were known.

        Raises:
            BadCell: the first time that is missing, cannot be read, or is not known to be one moment.
        """
        import pyarrow as pa

        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if column.null_count:
            raise BadCell(int(truths(column.is_null()).argmax()), "there is no time")
        kind = column.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return self._text(column)
        if pa.types.is_timestamp(kind):
            column = _cast(column, pa.timestamp("ns", kind.tz))
            return self._moments(integers(column)) if kind.tz else self._local(integers(column))
        if pa.types.is_date(kind):
            return self._local(integers(_cast(column, pa.timestamp("ns"))))
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return self._numbers(column)
        raise BadCell(0, f"`{kind}` is no type of times; convert the column, or name another with the option `time`")

    def _text(self, column: "pa.Array") -> "np.ndarray[Any, Any]":
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._rule.time_format is not None:
            return self._formatted(column, self._rule.time_format)
        column = pc.utf8_trim_whitespace(column)
        if self._unit is not None or (len(column) and _NUMBER.fullmatch(column[0].as_py())):
            return self._numbers(column)
        for zoned in (self._zoned, not self._zoned):
            try:
                times = integers(column.cast(pa.timestamp("ns", "UTC" if zoned else None)))
            except pa.ArrowInvalid:
                continue
            self._zoned = zoned
            return self._moments(times) if zoned else self._local(times)
        offsets = truths(pc.match_substring_regex(column, _ZONED))
        if offsets.all() or not offsets.any():  # then some time is to blame, and this says which
            _cast(column, pa.timestamp("ns", "UTC" if offsets.any() else None))
        return self._one_by_one(column)

    def _one_by_one(self, column: "pa.Array") -> "np.ndarray[Any, Any]":
        """Read times of which only some have an offset."""
        import numpy as np

        moments = []
        for index in range(len(column)):
            try:
                moments.append(self._text(column.slice(index, 1)))
            except BadCell as error:
                raise BadCell(index, error.problem) from None
        return np.concatenate(moments)

    def _formatted(self, column: "pa.Array", time_format: str) -> "np.ndarray[Any, Any]":
        """Read times as `datetime.strptime` does; Arrow's own takes 31 February for 3 March."""
        import numpy as np

        # Offsets make moments; without them, a time is local.
        zoned = "%z" in time_format
        read = self._moments if zoned else self._local
        values = []
        for index, text in enumerate(column.to_pylist()):
            try:
                time = datetime.strptime(text, time_format)  # noqa: DTZ007  # local unless the format has an offset
            except ValueError:
                raise BadCell(index, f"`{text}` is no time written as `{time_format}`") from None
            since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
            values.append(since // timedelta(microseconds=1))
        return read(_scaled(np.array(values, np.int64), 1_000))

    def _numbers(self, column: "pa.Array") -> "np.ndarray[Any, Any]":
        import numpy as np
        import pyarrow as pa

        if not len(column):
            return np.empty(0, np.int64)
        whole = column
        if not pa.types.is_integer(column.type):
            try:
                whole = column.cast(pa.int64())
            except pa.ArrowInvalid:
                whole = None
        if self._unit is None:
            self._unit = _unit(float(column[0].as_py()) if whole is None else whole[0].as_py())
        if self._unit == "date":
            return self._formatted(column.cast(pa.string()) if whole is None else whole.cast(pa.string()), "%Y%m%d")
        scale = _UNITS[self._unit]
        if whole is not None:
            return self._moments(_scaled(integers(whole), scale))
        values = floats(_cast(column, pa.float64()))
        missing = ~np.isfinite(values)
        if missing.any():
            raise BadCell(missing.argmax(), "there is no time")
        # A float has no more than microseconds to tell of our age.
        return self._moments(_scaled(np.rint(values * (scale / 1_000)), 1_000))

    def _moments(self, moments: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Move moments to when the rows were known."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._rule.calendar:
            zoned = as_column(moments, pa.timestamp("ns", self._rule.zone))
            local = integers(pc.local_timestamp(zoned))
            moves = np.full(len(local), bool(self._rule.days)) | (local % DAY == 0)
            moments = moments.copy()
            try:
                moments[moves] = self._settled(self._shifted(local[moves]))
            except BadCell as error:
                raise BadCell(int(moves.nonzero()[0][error.index]), error.problem) from None
        return moments + self._rule.span

    def _local(self, local: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Turn local times into the moments at which the rows were known."""
        return self._settled(self._shifted(local)) + self._rule.span

    def _shifted(self, local: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        import numpy as np

        if self._rule.close_at is not None:
            return np.where(local % DAY == 0, local + self._rule.close_at, local)
        return local + self._rule.days

    def _settled(self, local: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Find the moments of local times.

        A midnight that a clock set forward leaves out is the first moment of its day.

        Raises:
            BadCell: the first time that the clock never showed, or showed twice where that is to be refused.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        zone = self._rule.zone
        if zone == "UTC":
            return local
        times = as_column(local, pa.timestamp("ns"))
        try:
            moments = integers(pc.assume_timezone(times, zone))
        except pa.ArrowInvalid:
            pass
        else:
            if len(moments):
                self._previous = int(moments[-1])
            return moments
        early = pc.assume_timezone(times, zone, ambiguous="earliest", nonexistent="latest")
        late = pc.assume_timezone(times, zone, ambiguous="latest", nonexistent="latest")
        never = (integers(pc.local_timestamp(early)) != local) & (local % DAY != 0)
        if never.any():
            raise BadCell(never.argmax(), f"{_shown(times[never.argmax()])} never was in {zone}: clocks went forward")
        moments, later = integers(early).copy(), integers(late)
        twice = (moments != later) & (local % DAY != 0)
        if self._rule.ambiguous == "refuse" and twice.any():
            problem = f"{_shown(times[twice.argmax()])} was twice in {zone}: clocks went back"
            raise BadCell(twice.argmax(), f"{problem}; say which is meant with the option `ambiguous`")
        if self._rule.ambiguous == "later":
            moments[twice] = later[twice]
        elif self._rule.ambiguous == "order":
            for index in twice.nonzero()[0].tolist():
                before = int(moments[index - 1]) if index else self._previous
                if moments[index] < before:
                    moments[index] = later[index]
        if len(moments):
            self._previous = int(moments[-1])
        return moments


def _unit(first: float) -> str:
    """Tell what a number counts by its size."""
    if first in _DATES:
        return "date"
    size = abs(first)
    if size < 1e8:
        problem = f"{first:g} is too small to tell what it counts since 1970; say it with the option `time_unit`"
        raise BadCell(0, problem)
    return "s" if size < 1e11 else "ms" if size < 1e14 else "us" if size < 1e17 else "ns"


def _scaled(values: "np.ndarray[Any, Any]", scale: int) -> "np.ndarray[Any, Any]":
    import numpy as np

    beyond = np.abs(values) > (2**63 - 1) // scale - 1
    if beyond.any():
        raise BadCell(beyond.argmax(), "the time is beyond the years 1677 to 2262")
    return values.astype(np.int64) * scale


def _cast(column: "pa.Array", kind: "pa.DataType") -> "pa.Array":
    """Convert a column.

    Raises:
        BadCell: the first value that cannot be one of that type.
    """
    import pyarrow as pa

    try:
        return column.cast(kind)
    except pa.ArrowInvalid:
        pass
    for index in range(len(column)):
        try:
            column.slice(index, 1).cast(kind)
        except pa.ArrowInvalid:
            if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
                problem = "the time is beyond the years 1677 to 2262"
            else:
                shown = f"`{_shown(column[index])}` is no ISO 8601 time"
                problem = f"{shown}; say how times are written with the option `time_format`, such as `%m/%d/%Y`"
            raise BadCell(index, problem) from None
    raise BadCell(0, f"`{column.type}` cannot be read as times")


def _shown(value: "pa.Scalar") -> str:
    """Give a cell as a person would write it."""
    import pyarrow as pa

    text = str(value.cast(pa.string()).as_py())[:60]
    return text.removesuffix(".000000000") if pa.types.is_timestamp(value.type) else text
