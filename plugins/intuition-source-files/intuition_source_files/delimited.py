"""CSV files: streamed by Arrow, and read a second time only to say which line is wrong."""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from intuition_source_files.arrays import floats, integers, objects
from intuition_source_files.columns import Columns
from intuition_source_files.errors import BadCell, BadLine, TwoMeanings, UnreadableFile
from intuition_source_files.grouped import GROUPED, find_groups
from intuition_source_files.head import read_head
from intuition_source_files.layouts import Layout, find_layout
from intuition_source_files.numerals import GAPS, Numerals, TwoReadings, find_numerals, not_a_number, read_numbers
from intuition_source_files.packing import DAMAGED, compression_of, inner_path, told, unpacked
from intuition_source_files.params import CsvParams

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_COUNT: Final = re.compile(r"-?[1-9][0-9]{8,17}")
_MARKS: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""How a text is encoded that begins so."""

_PACKED: Final = {b"\x1f\x8b": "gzip", b"BZ": "bz2", b"\xfd7": "xz", b"\x28\xb5": "zstd", b"\x04\x22": "lz4"}
"""How a file is compressed that begins so."""
_TAIL: Final = 1 << 16
"""How many bytes of the end are looked at where the beginning does not tell how times are written."""

_BLOCK: Final = 1 << 19
"""How much text is read at a time, of which Arrow reads some thirty ahead."""

_SMALLEST_BLOCK: Final = 1 << 14
_LONGEST_LINE: Final = 1 << 24
_FIELD: Final = "is a quote left open, or is there another file behind the name?"
_ENCODED: Final = "save it as UTF-8, or say how it is encoded with the option `encoding`, such as cp1252"


class CsvFile:
    """A file of delimited text whose columns its first line names, or an option; blank lines do not count.

    It is in UTF-8, or in UTF-16 if it begins with that mark, unless it is said to be encoded otherwise. A line such as
    ``sep=;`` before the names says what stands between columns, and a title above them is passed over.

    Raises:
        TwoLayouts: it may be of two vendors' layouts.
        UnreadableFile: it cannot be opened, or is no text, or something else than rows.
    """

    def __init__(self, path: Path, params: CsvParams) -> None:
        self.path = path
        self._params = params
        self._compression = compression_of(path, params.compression)
        self._encoding = _known_encoding(path, params.encoding)
        self._raw: Any = None
        self._ended = False
        self._numerals = Numerals()
        self._counted = False
        """Whether times are whole numbers, which Arrow reads faster than text."""
        try:
            self.size = path.stat().st_size
            self.inner = inner_path(path, self._compression)
            if params.encoding is None:
                with self._bytes() as stream:
                    self._encoding = _MARKS.get(bytes(stream.read(2)), "utf-8")
            with self._text() as text:
                self._head = read_head(path, text, delimiter=params.delimiter, skip=params.skip)
        except DAMAGED as error:
            raise UnreadableFile(path, told(error)) from None
        except UnicodeError:
            raise UnreadableFile(path, f"is no text in {self._encoding}, as the option `encoding` says") from None
        except csv.Error as error:
            raise UnreadableFile(path, f"is no text in columns: {error}; {_FIELD}") from None
        header = self._head.line
        if "\0" in header or any("\udc80" <= letter <= "\udcff" for letter in header):
            raise UnreadableFile(path, self._no_text())
        self._longest = 16 * len(header)  # a row must fit into a block, and the header tells how long one may be
        self._delimiter = self._head.delimiter
        self._name_columns()

    def _name_columns(self) -> None:
        """Set which line names the columns, and what they are called."""
        params, head = self._params, self._head
        headed = params.header if params.header is not None else not params.columns and not head.is_row
        self.grouped = find_groups(head) if params.preset in ("auto", GROUPED) and not params.columns else None
        if self.grouped is not None:
            self.layout = Layout(preset=self.grouped.preset, adjusted=self.grouped.adjusted)
            self.names, self._skipped, self._headed = self.grouped.names, head.skipped + self.grouped.lines, False
            return
        likely = self.inner.with_suffix("") if self.inner.suffix else self.inner
        names = params.columns or (head.first if headed else None)
        packed = self.inner != self.path and self.inner.stem.lower() == self.path.stem.lower()
        self.layout = find_layout(likely, None if headed else head.first, names, params, packed=packed)
        if names is None and self.layout.names:
            names = self.layout.names
        if names is None:
            row = " ".join(self._delimiter.join(head.first).split())
            usual = (
                "time",
                "open",
                "high",
                "low",
                "close",
                "volume",
                *(f"other{n}" for n in range(1, len(head.first))),
            )
            columns = ",".join(usual[: len(head.first)])
            raise UnreadableFile(
                self.path,
                f"its first line is a row, not the names of columns (`{row[:60]}`); say what they are called with the "
                f"option `columns`, such as {columns}, or that it names them with `header`",
            )
        if len(names) != len(head.first):
            raise UnreadableFile(
                self.path, f"has {len(head.first)} columns, and {len(names)} are named with the option `columns`"
            )
        self.names = tuple(names)
        self._skipped, self._headed = head.skipped, headed

    @property
    def samples(self) -> "tuple[tuple[str, ...], ...]":
        """The cells of the first rows."""
        if self.grouped is not None:
            return self._head.rows[self.grouped.lines - 1 :]
        return self._head.rows if self._headed else (self._head.first, *self._head.rows)

    @property
    def titles(self) -> tuple[str, ...]:
        """Lines above the table that are passed over."""
        return self._head.titles

    def learn(self, columns: Columns) -> None:
        """Set how numbers are written.

        Raises:
            TwoMeanings: that may be one way or another.
        """
        places = [self.names.index(name) for name in columns.numeric]
        cells = (row[place] for row in self.samples for place in places if place < len(row))
        params = self._params
        time = self.names.index(columns.time)
        self._counted = all(len(row) > time and _COUNT.fullmatch(row[time]) for row in self.samples)
        preset = self.layout.preset
        options = preset.options if preset is not None else {}
        try:
            self._numerals = find_numerals(
                cells,
                decimal=params.decimal or options.get("decimal"),
                thousands=params.thousands or options.get("thousands"),
                commas=self._delimiter == ";" and preset is None,
            )
        except TwoReadings as error:
            plain = error.cell.replace(",", ".")
            one, other = plain, plain.replace(".", "")
            raise TwoMeanings(
                self.path, f"`{error.cell}`", one, other, "say which with the option `decimal`, `,` or `.`"
            ) from None

    @property
    def unended(self) -> bool:
        """Whether the last line has no end, as in a file that was cut; nobody looks into one that is compressed."""
        if self._compression != "none" or self._encoding != "utf-8" or not self.size:
            return False
        with suppress(OSError), self.path.open("rb") as stream:  # it may be gone by now
            stream.seek(-1, io.SEEK_END)
            return stream.read() not in (b"\n", b"\r")
        return False

    def _no_text(self) -> str:
        """Return why the first line is no text in UTF-8."""
        with self._bytes() as stream:
            begin = bytes(stream.read(2))
        if begin in _PACKED and self._compression == "none":
            return f"is no text; it may be compressed: say so with the option `compression` = {_PACKED[begin]}"
        return f"is no text in UTF-8; {_ENCODED}"

    def tail(self) -> "tuple[tuple[str, ...], ...]":
        """Return the cells of the last rows; nothing of a file that is compressed or in UTF-16."""
        if self._compression != "none" or self._encoding != "utf-8" or self.size <= _TAIL:
            return ()
        with self.path.open("rb") as stream:
            stream.seek(-_TAIL, io.SEEK_END)
            lines = stream.read().decode(errors="surrogateescape").splitlines()[1:]
        with suppress(csv.Error):
            rows = csv.reader(lines, delimiter=self._delimiter)
            return tuple(tuple(row) for row in rows if len(row) == len(self.names))
        return ()

    def first(self, name: str) -> str | None:
        """Return what the first row has in a column; None without a row."""
        index = self.names.index(name)
        return next((row[index] if index < len(row) else None for row in self.samples), None)

    def _rows(self, text: io.TextIOWrapper) -> Any:
        for _ in range(self._skipped):
            next(text, None)
        return csv.reader(_lines(text), delimiter=self._delimiter)

    @property
    def done(self) -> float:
        """Which part of the file has been read, from 0 to 1; what is read ahead counts."""
        if self._raw is None or self._raw.closed or not self.size:
            return float(self._ended)
        return min(float(self._raw.tell()) / self.size, 1.0)

    def batches(self, columns: Columns, *, share: int) -> "Iterator[pa.RecordBatch]":
        """Return the rows as Arrow reads them: numbers as floats, all else as text."""
        import pyarrow as pa
        from pyarrow import csv as arrow

        written = (columns.time, *(name for name in (columns.clocks, columns.series) if name), *columns.extras)
        types = dict.fromkeys(written, pa.string())
        if self._counted and self.layout.day is None:
            types[columns.time] = pa.int64()
        types |= dict.fromkeys(columns.numeric, pa.float64() if self._numerals.plain else pa.string())
        if self._numerals.plain:
            types |= dict.fromkeys(columns.fixed, pa.int64())
        types |= dict.fromkeys(columns.names, pa.dictionary(pa.int32(), pa.string()))
        self._ended = False
        with self._bytes() as stream:
            try:
                with arrow.open_csv(
                    stream,
                    read_options=arrow.ReadOptions(
                        skip_rows=self._skipped,
                        column_names=None if self._headed and not self._params.columns else list(self.names),
                        skip_rows_after_names=int(self._headed and bool(self._params.columns)),
                        block_size=max(_BLOCK // share, _SMALLEST_BLOCK, self._longest),
                        use_threads=share == 1,
                    ),
                    parse_options=arrow.ParseOptions(delimiter=self._delimiter),
                    convert_options=arrow.ConvertOptions(
                        column_types=types,
                        include_columns=list(types),
                        null_values=list(GAPS),
                        decimal_point=self._numerals.decimal if self._numerals.plain else ".",
                    ),
                ) as reader:
                    yield from self._refined(reader, columns)
            except pa.ArrowInvalid as error:
                blamed = self._blame(columns, error)
                if blamed is not None:
                    raise blamed from None
            except DAMAGED as error:
                raise UnreadableFile(self.path, told(error)) from None
        self._ended = True

    def _refined(self, batches: "Iterable[pa.RecordBatch]", columns: Columns) -> "Iterator[pa.RecordBatch]":
        """Return the rows with numbers read that are no plain ones, and what the layout says of them done."""
        preset = self.layout.preset
        carried = () if preset is None else preset.carried
        divisor = 1 if preset is None else preset.divisor
        if self._numerals.plain and not carried and divisor == 1 and self.layout.day is None:
            yield from batches
            return
        last: dict[str, Any] = {}
        for read in batches:
            batch = read
            if not self._numerals.plain:
                for name in columns.numeric:
                    amounts = name == columns.numbers.get("volume")
                    numbers = read_numbers(batch.column(name), self._numerals, name, amounts=amounts)
                    batch = _with(batch, name, numbers)
            for name in carried:
                if name in columns.numeric:
                    batch = _with(batch, name, filled := _carried(batch.column(name), last.get(name)))
                    last[name] = filled[-1] if len(filled) else last.get(name)
            if divisor != 1:
                volume = columns.numbers.get("volume")
                for name in (each for each in columns.numeric if each != volume):
                    batch = _with(batch, name, _divided(batch.column(name), divisor))
            if self.layout.day is not None:
                batch = _with(batch, columns.time, _counted(batch.column(columns.time), self.layout.day))
            yield batch

    def values(self, column: "pa.Array") -> "np.ndarray[Any, Any] | None":
        """Return numbers that are written as JSON writes them as numbers, and all else as text."""
        import pyarrow.compute as pc

        whole = _all_numbers(column)
        if whole is not None:
            return whole
        encoded = pc.dictionary_encode(column)
        known = objects([_value(text) for text in encoded.dictionary.to_pylist()])
        return (
            known[integers(encoded.indices)]
            if not column.null_count
            else objects([_value(text) for text in column.to_pylist()])
        )

    def place(self, row: int) -> str:
        """Return the line of a row, which blank lines and line breaks within quotes move."""
        with self._text() as text:
            reader = self._rows(text)
            with suppress(csv.Error):
                for number, _ in enumerate(filter(None, reader), -1 if self._headed else 0):
                    if number == row:
                        return f"line {reader.line_num + self._skipped}"
        return f"row {row + 1}"

    def _blame(self, columns: Columns, error: Exception) -> Exception | None:
        """Find the line that Arrow could not read; a header alone, which it does not read either, is no fault."""
        numeric = [(name, self.names.index(name)) for name in columns.numeric]
        number, time = -1, self.names.index(columns.time)
        if not self._numerals.plain:
            numeric = []  # which are read later
        with self._text() as text:
            try:
                for number, row in enumerate(filter(None, self._rows(text)), -1 if self._headed else 0):
                    problem = self._wrong(row, numeric, time, columns.fixed) if number >= 0 else None
                    if problem is not None:
                        return BadLine(number, problem)
            except csv.Error as csv_error:
                return UnreadableFile(self.path, f"row {number + 2} is no text in columns: {csv_error}; {_FIELD}")
        return None if number == -1 else UnreadableFile(self.path, told(error))

    def _wrong(self, row: list[str], numeric: list[tuple[str, int]], time: int, fixed: tuple[str, ...]) -> str | None:
        """Return what is wrong with a row; None where nothing is."""
        if len(row) != len(self.names):
            whose = "the header has" if self._headed else "there should be"
            problem = f"{len(row)} columns, where {whose} {len(self.names)}"
            if any("\n" in cell for cell in row):
                return f"{problem}; is a quote left open before?"
            return f"{problem}; if it is a line below the table, take it out" if len(row) == 1 else problem
        if any("\udc80" <= letter <= "\udcff" for cell in row for letter in cell):
            return f"is no text in UTF-8; {_ENCODED}"
        if self._counted and row[time] not in GAPS and _COUNT.fullmatch(row[time]) is None:
            return f"`{' '.join(row[time].split())[:60]}` is no time, where those before are whole numbers"
        for name, index in numeric:
            if row[index] not in GAPS:
                cell = row[index].replace(self._numerals.decimal, ".")
                try:
                    float(cell.replace("_", "x") if cell.isascii() else "x")
                except ValueError:
                    return not_a_number(row[index], name)
                if name in fixed and not cell.removeprefix("-").isdigit():
                    return f"`{cell[:60]}` in the column `{name}` is no whole number, as the prices before are"
        return None

    def _text(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(self._bytes(), "utf-8-sig", errors="surrogateescape", newline="")

    def _bytes(self) -> Any:
        import pyarrow as pa

        self._raw = pa.OSFile(str(self.path))
        stream = unpacked(self._raw, self._compression)
        return stream if self._encoding == "utf-8" else pa.transcoding_input_stream(stream, self._encoding, "utf-8")


def _lines(text: io.TextIOWrapper) -> Iterator[str]:
    """Yield the lines of a text, none of which may be as long as to fill memory.

    Raises:
        csv.Error: one is longer.
    """
    while line := text.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise csv.Error(f"a line is longer than {_LONGEST_LINE:,} characters")
        yield line


def _with(batch: "pa.RecordBatch", name: str | None, column: "pa.Array") -> "pa.RecordBatch":
    """Return rows with another column of a name."""
    return batch.set_column(batch.schema.get_field_index(name), name, column)


def _carried(column: "pa.Array", last: Any) -> "pa.Array":
    """Return a column in which empty cells have the value before."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if last is None:
        return pc.fill_null_forward(column)
    whole = pa.concat_arrays([pa.array([last.as_py()], column.type), column])
    return pc.fill_null_forward(whole).slice(1)


def _divided(column: "pa.Array", divisor: int) -> "pa.Array":
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.divide(column, pa.scalar(float(divisor)))


def _counted(column: "pa.Array", day: str) -> "pa.Array":
    """Return the local times of milliseconds since the midnight of a day."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        since = pc.multiply(column.cast(pa.float64()), pa.scalar(1e6)).cast(pa.int64())
    except pa.ArrowInvalid:
        raise BadCell(0, "the times are no milliseconds since midnight") from None
    midnight = (date.fromisoformat(day) - date(1970, 1, 1)).days * 86_400 * 10**9
    return pc.add(since, pa.scalar(midnight)).cast(pa.timestamp("ns"))


def _known_encoding(path: Path, encoding: str | None) -> str:
    """Return the name of an encoding as Python knows it.

    Raises:
        UnreadableFile: there is none of that name.
    """
    try:
        return "utf-8" if encoding is None else codecs.lookup(encoding).name
    except LookupError:
        raise UnreadableFile(path, f"no encoding is called `{encoding}`, as the option `encoding` says") from None


def _all_numbers(column: "pa.Array") -> "np.ndarray[Any, Any] | None":
    """Return texts that are all whole numbers, or all with fractions, as JSON writes them; None where they are not."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count or not len(column):
        return None
    number = _NUMBER.fullmatch(column[0].as_py())
    if number is None or number[2] is not None:
        return None
    point = number[1] is not None
    if not point and pc.max(pc.binary_length(column)).as_py() > 18:
        return None
    try:
        values = floats(column.cast(pa.float64())) if point else integers(column.cast(pa.int64()))
    except pa.ArrowInvalid:
        return None
    # What JSON would not call a number stays text; the values tell which texts need not be looked at.
    sizes, below = np.abs(values), bool((values < 0).any())
    for mark in ("0", *(("-0",) if below else ())):
        if _any(pc.starts_with(column, mark)) and _any(pc.match_substring_regex(column, r"^-?0[0-9]")):
            return None
    if not point:
        return values
    if not np.isfinite(sizes).all() or ((sizes < 1).any() and _any(pc.match_substring_regex(column, r"^-?\."))):
        return None
    whole = bool((values == np.trunc(values)).any())
    return None if whole and not pc.all(pc.match_substring_regex(column, r"\.[0-9]")).as_py() else values


def _any(truths: "pa.Array") -> bool:
    import pyarrow.compute as pc

    return bool(pc.any(truths).as_py())


def _value(text: str) -> str | float | None:
    if text in GAPS:
        return None
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text
    return float(text) if number[1] or number[2] else int(text)
