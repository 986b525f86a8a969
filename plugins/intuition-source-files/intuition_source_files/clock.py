"""How the times of a file are read: whatever is written becomes the moment at which the row was known."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from intuition_core.errors import BadData
from intuition_core.recordings import DAY, TIME_UNITS, time_unit, why_unread
from intuition_source_files.arrays import as_column, floats, integers, truths
from intuition_source_files.counted import Counter, scaled
from intuition_source_files.errors import BadCell
from intuition_source_files.fixed import read_fixed, read_two
from intuition_source_files.rule import Rule

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ZONED: Final = r"[T ].*(Z|[+-]\d\d(:?\d\d)?)$"
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
_YEAR_FIRST: Final = re.compile(r"\d{4}([./])\d\d\1\d\d(?!\d)")
_OF_ZONE: Final = "say of which zone times without one are with the option `timezone`"
_SEPARATED: Final = r"^(\d{4})[./](\d\d)[./](\d\d)"
_DATE: Final = r"^.{1,10}$"
"""A date in ISO 8601, among times in it."""

_Parsed: TypeAlias = "tuple[np.ndarray[Any, Any], bool, bool | np.ndarray[Any, Any]]"
"""Times in nanoseconds, whether they are moments rather than local, and which of them are dates alone."""


class Times(NamedTuple):
    """The times of some rows, in nanoseconds UTC."""

    ts: "np.ndarray[Any, Any]"
    """When what a row says was known: of a date alone, the end of the day or of its session."""
    dates: "np.ndarray[Any, Any] | None"
    """Which rows have a date alone; None if no row has."""
    begins: "np.ndarray[Any, Any]"
    """When the day of a date alone begins; of other rows their ``ts``."""

    def take(self, rows: "np.ndarray[Any, Any]") -> "Times":
        """Return some of the rows, by a mask or by numbers in any order."""
        if self.dates is None:
            ts = self.ts[rows]
            return Times(ts, None, ts)
        return Times(self.ts[rows], self.dates[rows], self.begins[rows])


class Clock:
    """Reads the times of one file, in its order: what numbers mean is settled by the first.

    Args:
        rule: how times are to be read.
        alone: whether all times of the file are midnights, and so dates alone.
        offsets: whether they are midnights of the offsets that are written with them.
    """

    def __init__(self, rule: Rule, *, alone: bool = False, offsets: bool = False) -> None:
        self._rule = rule
        self.offsets = offsets
        """Whether times are midnights of their own offsets."""
        self._unit = None if rule.unit == "auto" else rule.unit
        self._alone = alone
        self._counter = Counter(fixed=rule.unit != "auto")
        self._counted: str | None = None
        self.zoned = False
        """Whether the times that were read last were moments as they are written."""
        self._offset: bool | None = None
        """Whether the times before had offsets."""
        self._by_owner: dict[object, int] = {}
        """The last moment in an hour that comes twice, by symbol."""
        self._zoned = False
        """Whether the times had offsets when they were last read."""
        self._previous = -(2**63)
        """The moment of the row before, by which an hour that comes twice is told in order."""

    def read(
        self, column: "pa.Array", clocks: "pa.Array | None" = None, owner: "Callable[[int], object] | None" = None
    ) -> Times:
        """Return the times of the rows.

        Args:
            column: times, or dates.
            clocks: the times of day, where dates stand in a column of their own.
            owner: returns the symbol of a row that is a bar, of which there is one of each time; None for other rows.

        Raises:
            BadCell: the first time that is missing, cannot be read, or is not known to be one moment.
        """
        values, zoned, dates = self._parsed(column, clocks)
        if len(values) and self._counted is None:
            self._see_mixed(zoned=zoned)
        self.zoned = zoned
        return self._moments(values, dates) if zoned else self._local(values, dates, owner)

    def _see_mixed(self, *, zoned: bool) -> None:
        """Refuse times with an offset beside others without one, where nobody said of which zone these are.

        Raises:
            BadCell: so it is, from this row on.
        """
        before, self._offset = self._offset, zoned
        if before is not None and before != zoned and not self._rule.told:
            raise BadCell(0, f"the time has {'an' if zoned else 'no'} offset, unlike those before; {_OF_ZONE}")

    @property
    def units(self) -> str:
        """The units of the times that were read as numbers, by name, with spaces between; nothing where none were."""
        if self._counted is None:
            return ""
        known = [unit for unit, scale in TIME_UNITS.items() if scale in self._counter.scales]
        return " ".join(known) or self._counted

    def midnights(self, column: "pa.Array", clocks: "pa.Array | None" = None) -> bool:
        """Whether all times are midnights of the zone, or of the offsets that are written with them.

        Raises:
            BadCell: a time cannot be read.
        """
        values, zoned, _ = self._parsed(column, clocks)
        if not ((self._on_the_wall(values) if zoned else values) % DAY).any():
            return True
        self.offsets = zoned and clocks is None and _written_midnights(column)
        return self.offsets

    def local(self, moments: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Return what the clocks of the zone show, in nanoseconds."""
        return moments if self._rule.zone == "UTC" else self._on_the_wall(moments)

    def first_moments(self, local: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Return the first moments at which clocks show local times; where they never do, those at which they jump."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._rule.zone == "UTC":
            return local
        times = as_column(local, pa.timestamp("ns"))
        return integers(pc.assume_timezone(times, self._rule.zone, ambiguous="earliest", nonexistent="latest"))

    def _on_the_wall(self, moments: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        import pyarrow as pa
        import pyarrow.compute as pc

        return integers(pc.local_timestamp(as_column(moments, pa.timestamp("ns", self._rule.zone))))

    def _parsed(self, column: "pa.Array", clocks: "pa.Array | None") -> _Parsed:
        """Return the times as they are written: local ones or moments, and which of them are dates alone."""
        import pyarrow as pa

        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if column.null_count:
            raise BadCell(int(truths(column.is_null()).argmax()), "there is no time")
        if clocks is not None:
            two = None if self._rule.time_format is not None else read_two(column, clocks)
            if two is not None:
                return two, False, False
            column = self._joined(column, clocks)
        kind = column.type
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return self._text(column)
        if pa.types.is_timestamp(kind):
            column = _cast(column, pa.timestamp("ns", kind.tz))
            return integers(column), kind.tz is not None, False
        if pa.types.is_date(kind):
            return integers(_cast(column, pa.timestamp("ns"))), False, True
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return self._numbers(column)
        raise BadCell(0, f"`{kind}` is no type of times; convert the column, or name another with the option `time`")

    def _joined(self, dates: "pa.Array", clocks: "pa.Array") -> "pa.Array":
        """Return dates and times of day as one text."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_dictionary(clocks.type):
            clocks = clocks.dictionary_decode()
        if clocks.null_count:
            raise BadCell(int(truths(clocks.is_null()).argmax()), "there is no time of day")
        if pa.types.is_timestamp(dates.type):
            dates = dates.cast(pa.date32())
        dates, clocks = (pc.utf8_trim_whitespace(column.cast(pa.string())) for column in (dates, clocks))
        if self._rule.time_format is None:
            for pattern, replacement in ((r"^(\d{4})(\d\d)(\d\d)$", r"\1-\2-\3"), (_SEPARATED, r"\1-\2-\3")):
                dates = pc.replace_substring_regex(dates, pattern, replacement)
            for pattern, replacement in (
                (r"^(\d):", r"0\1:"),
                (r"^(\d\d)(\d\d)$", r"\1:\2"),
                (r"^(\d\d)(\d\d)(\d\d)$", r"\1:\2:\3"),
            ):
                clocks = pc.replace_substring_regex(clocks, pattern, replacement)
        return pc.binary_join_element_wise(dates, clocks, " ")

    def _text(self, column: "pa.Array") -> _Parsed:
        import pyarrow as pa
        import pyarrow.compute as pc

        if self._rule.time_format is not None:
            # Offsets make moments; without them, a time is local.
            zoned = "%z" in self._rule.time_format
            column = _without_zone(column, self._rule.zone)
            return self._formatted(column, self._rule.time_format), zoned, not self._rule.clocked
        column = _without_zone(pc.utf8_trim_whitespace(column), self._rule.zone)
        if self._unit is not None or (len(column) and _NUMBER.fullmatch(column[0].as_py())):
            return self._numbers(column)
        if len(column) and _YEAR_FIRST.match(column[0].as_py()):
            column = pc.replace_substring_regex(column, _SEPARATED, r"\1-\2-\3")
        for zoned in (self._zoned, not self._zoned):
            try:
                times = integers(column.cast(pa.timestamp("ns", "UTC" if zoned else None)))
            except pa.ArrowInvalid:
                continue
            self._zoned = zoned
            return times, zoned, not zoned and self._without_clock(column)
        offsets = truths(pc.match_substring_regex(column, _ZONED))
        if offsets.all() or not offsets.any():  # then some time is to blame, and this says which
            _cast(column, pa.timestamp("ns", "UTC" if offsets.any() else None))
        return self._one_by_one(column)

    def _without_clock(self, column: "pa.Array") -> "bool | np.ndarray[Any, Any]":
        """Return which texts are dates without a time of day."""
        import pyarrow.compute as pc

        dates = truths(pc.match_substring_regex(column, _DATE))  # a comparison with a number would load pandas
        return True if dates.all() else dates if dates.any() else False

    def _one_by_one(self, column: "pa.Array") -> _Parsed:
        """Read times of which only some have an offset."""
        import numpy as np

        moments, alone, before = [], [], False
        for index in range(len(column)):
            try:
                values, zoned, dates = self._text(column.slice(index, 1))
                moments.append(values if zoned else self._settled(values))
            except BadCell as error:
                raise BadCell(index, error.problem) from None
            if index and zoned != before and not self._rule.told:
                raise BadCell(index, f"the time has {'an' if zoned else 'no'} offset, unlike those before; {_OF_ZONE}")
            before = zoned
            alone.append(bool(dates))
        return np.concatenate(moments), True, np.array(alone) if any(alone) else False

    def _formatted(self, column: "pa.Array", time_format: str) -> "np.ndarray[Any, Any]":
        """Read times as `datetime.strptime` does; Arrow's own takes 31 February for 3 March."""
        import numpy as np

        quick = read_fixed(column, time_format)
        if quick is not None:
            return quick
        values = []
        for index, text in enumerate(column.to_pylist()):
            try:
                time = datetime.strptime(" ".join(text.split()), time_format)  # noqa: DTZ007  # local unless the format has an offset
            except ValueError:
                raise BadCell(index, f"`{text}` is no time written as `{time_format}`") from None
            since = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
            values.append(since // timedelta(microseconds=1))
        return scaled(np.array(values, np.int64), 1_000)

    def _numbers(self, column: "pa.Array") -> _Parsed:
        import numpy as np
        import pyarrow as pa

        if not len(column):
            return np.empty(0, np.int64), True, False
        whole = column
        if not pa.types.is_integer(column.type):
            try:
                whole = column.cast(pa.int64())
            except pa.ArrowInvalid:
                whole = None
        if self._unit is None:
            try:
                self._unit = time_unit(float(column[0].as_py()) if whole is None else whole[0].as_py())
            except BadData as error:
                raise BadCell(0, error.problem) from None
        if self._unit.startswith("%"):
            digits = column.cast(pa.string()) if whole is None else whole.cast(pa.string())
            return self._formatted(digits, self._unit), False, "%H" not in self._unit
        self._counted = self._unit
        scale = TIME_UNITS[self._unit]
        if whole is not None:
            return self._counter.read(integers(whole), scale), True, False
        values = floats(_cast(column, pa.float64()))
        missing = ~np.isfinite(values)
        if missing.any():
            raise BadCell(missing.argmax(), "there is no time")
        # A float has no more than microseconds to tell of our age.
        return scaled(np.rint(values * (scale / 1_000)), 1_000), True, False

    def _dates(
        self, local: "np.ndarray[Any, Any]", dates: "bool | np.ndarray[Any, Any]"
    ) -> "np.ndarray[Any, Any] | None":
        """Return which local times are dates alone, or mean the session that ends on theirs; None if no time does."""
        import numpy as np

        if not self._rule.daily:
            dates = False
        elif self._alone:
            dates = True
        if self._rule.close_at is not None and dates is not True:
            dates = (local % DAY == 0) | dates
        if dates is True:
            return np.ones(len(local), bool)
        return dates if dates is not False and dates.any() else None

    def _moments(self, moments: "np.ndarray[Any, Any]", dates: "bool | np.ndarray[Any, Any]") -> Times:
        """Return when the rows of some moments were known."""
        rule = self._rule
        if dates is False and not self._alone and not rule.days and rule.close_at is None:
            ts = moments + rule.span
            return Times(ts, None, ts)
        if self._alone and self.offsets:
            import numpy as np

            length = (rule.days or DAY) if rule.close_at is None else rule.close_at + 1
            return Times(moments + length - 1, np.ones(len(moments), bool), moments)
        local = self._on_the_wall(moments)
        alone = self._dates(local, dates)
        if alone is not None:
            return self._with_days(local, alone, self._moved(moments, local))
        ts = self._moved(moments, local)
        return Times(ts, None, ts)

    def _moved(self, moments: "np.ndarray[Any, Any]", local: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        return (self._settled(local + self._rule.days) if self._rule.days else moments) + self._rule.span

    def _local(
        self,
        local: "np.ndarray[Any, Any]",
        dates: "bool | np.ndarray[Any, Any]",
        owner: "Callable[[int], object] | None",
    ) -> Times:
        """Return when the rows of some local times were known."""
        alone = self._dates(local, dates)
        if alone is None:
            ts = self._settled(local + self._rule.days, owner) + self._rule.span
            return Times(ts, None, ts)
        return self._with_days(local, alone, None)

    def _with_days(
        self, local: "np.ndarray[Any, Any]", alone: "np.ndarray[Any, Any]", others: "np.ndarray[Any, Any] | None"
    ) -> Times:
        """Return when the rows were known of which some have a date alone."""
        rule, rows = self._rule, alone.nonzero()[0]
        days = local[alone]
        try:
            ends = (
                self.first_moments(days + (rule.days or DAY)) - 1
                if rule.close_at is None
                else self._settled(days + rule.close_at)
            )
        except BadCell as error:
            raise BadCell(int(rows[error.index]), error.problem) from None
        begins = self.first_moments(days)
        if len(rows) == len(local):
            return Times(ends, alone, begins)
        if others is None:
            rest = (~alone).nonzero()[0]
            others = local.copy()
            try:
                others[rest] = self._settled(local[rest] + rule.days) + rule.span
            except BadCell as error:
                raise BadCell(int(rest[error.index]), error.problem) from None
        ts, starts = others.copy(), others.copy()
        ts[rows], starts[rows] = ends, begins
        return Times(ts, alone, starts)

    def _settled(
        self, local: "np.ndarray[Any, Any]", owner: "Callable[[int], object] | None" = None
    ) -> "np.ndarray[Any, Any]":
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
                whose = None if owner is None else owner(index)
                again = owner is not None and moments[index] <= self._by_owner.get(whose, moments[index] - 1)
                if moments[index] < before or again:
                    moments[index] = later[index]
                if owner is not None:
                    self._by_owner[whose] = int(moments[index])
        if len(moments):
            self._previous = int(moments[-1])
        return moments


def _written_midnights(column: "pa.Array") -> bool:
    """Whether texts with offsets are all midnights as they are written."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(column.type):
        return False
    return bool(pc.all(pc.match_substring_regex(column, r"[T ]00:00(:00(\.0+)?)?\s*(Z|[+-]\d\d(:?\d\d)?)$")).as_py())


def _without_zone(column: "pa.Array", zone: str) -> "pa.Array":
    """Return texts without the name of their zone, where all have it and it is the one that counts."""
    import pyarrow.compute as pc

    if not len(column) or not column[0].as_py().endswith(zone):
        return column
    if not pc.all(pc.ends_with(column, zone)).as_py():
        index = int(truths(pc.ends_with(column, zone)).argmin())
        raise BadCell(index, f"`{column[index].as_py()}` does not name the zone {zone}, as the first time does")
    return pc.utf8_trim_whitespace(pc.utf8_slice_codeunits(column, 0, -len(zone)))


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
                problem = _no_time(_shown(column[index]))
            raise BadCell(index, problem) from None
    raise BadCell(0, f"`{column.type}` cannot be read as times")


def _no_time(text: str) -> str:
    """Return the sentence for a text that cannot be read as a time."""
    shown, why = f"`{text}` is no ISO 8601 time", why_unread(text)
    if not text.strip():
        return "there is no time"
    if "years" in why:
        return f"`{text}` {why}"
    if "zone" in why:
        return f"{shown}: it {why}; take it out, and say the zone with the option `timezone`, such as America/New_York"
    if why:
        return f"{shown}: it {why}; say which with the option `time_format`"
    if not text[:1].isdigit():
        return f"{shown}; is it a line of names, or of totals? take it out"
    return f"{shown}; say how times are written with the option `time_format`, such as `%m/%d/%Y`"


def _shown(value: "pa.Scalar") -> str:
    """Return a cell as a person would write it."""
    import pyarrow as pa

    text = str(value.cast(pa.string()).as_py())[:60]
    return text.removesuffix(".000000000") if pa.types.is_timestamp(value.type) else text
