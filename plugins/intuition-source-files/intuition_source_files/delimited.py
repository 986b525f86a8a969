"""CSV files: streamed by Arrow, and read a second time only to say which line is wrong."""

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from intuition_source_files.arrays import objects
from intuition_source_files.columns import Columns
from intuition_source_files.errors import BadLine, UnreadableFile
from intuition_source_files.packing import DAMAGED, compression_of, told, unpacked

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

GAPS: Final = frozenset(
    {"", " ", ".", "-", "NaN", "nan", "NAN", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "None", "none"}
)
"""What stands in a column of numbers where there is none."""

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
_DELIMITERS: Final = ",;|\t"
_SEPARATOR: Final = re.compile(r"\ufeff?\"?sep=(.)\"?\s*", re.IGNORECASE)
"""A first line by which Excel says what stands between columns."""

_MARKS: Final = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""How a text is encoded that begins so."""

_PACKED: Final = {b"\x1f\x8b": "gzip", b"BZ": "bz2", b"\xfd7": "xz", b"\x28\xb5": "zstd", b"\x04\x22": "lz4"}
"""How a file is compressed that begins so."""
_BLOCK: Final = 1 << 19
"""How much text is read at a time, of which Arrow reads some thirty ahead."""

_SMALLEST_BLOCK: Final = 1 << 14
_ENCODED: Final = "save it as UTF-8, or say how it is encoded with the option `encoding`, such as cp1252"


class CsvFile:
    """A file of delimited text whose first line names the columns; blank lines do not count.

    It is in UTF-8, or in UTF-16 if it begins with that mark, unless it is said to be encoded otherwise. A line such as
    ``sep=;`` before the names says what stands between columns.
    """

    def __init__(
        self,
        path: Path,
        *,
        delimiter: str | None = None,
        compression: str = "auto",
        encoding: str | None = None,
    ) -> None:
        self.path = path
        self._compression = compression_of(path, compression)
        self._encoding = _known_encoding(path, encoding)
        self._skipped = 0
        """How many lines are before the one that names the columns."""
        self._raw: Any = None
        self._ended = False
        self._firsts: tuple[str, ...] | None = None
        try:
            self.size = path.stat().st_size
            if encoding is None:
                with self._bytes() as stream:
                    self._encoding = _MARKS.get(bytes(stream.read(2)), "utf-8")
            with self._text() as text:
                header, said = self._header(text)
        except DAMAGED as error:
            raise UnreadableFile(path, told(error)) from None
        except UnicodeError:
            raise UnreadableFile(path, f"is no text in {self._encoding}, as the option `encoding` says") from None
        if header is None:
            raise UnreadableFile(path, "is empty; the first line should name the columns")
        if "\0" in header or any("\udc80" <= letter <= "\udcff" for letter in header):
            raise UnreadableFile(path, self._no_text())
        self._longest = 16 * len(header)  # a row must fit into a block, and the header tells how long one may be
        self._delimiter = delimiter or said or max(_DELIMITERS, key=header.count)
        self.names = tuple(next(csv.reader([header], delimiter=self._delimiter)))

    def _header(self, text: io.TextIOWrapper) -> tuple[str | None, str | None]:
        """Give the line that names the columns, and what a line before it says of what stands between them."""
        said = None
        for number, line in enumerate(text):
            separator = _SEPARATOR.fullmatch(line) if said is None else None
            if separator is not None:
                said, self._skipped = separator[1], number + 1
            elif line.strip():
                return line, said
        return None, said

    def _no_text(self) -> str:
        """Say why the first line is no text in UTF-8."""
        with self._bytes() as stream:
            begin = bytes(stream.read(2))
        if begin in _PACKED and self._compression == "none":
            return f"is no text; it may be compressed: say so with the option `compression` = {_PACKED[begin]}"
        return f"is no text in UTF-8; {_ENCODED}"

    def first(self, name: str) -> str | None:
        """Give what the first row has in a column; None without a row."""
        if self._firsts is None:
            with self._text() as text:
                rows = filter(None, self._rows(text))
                next(rows, None)
                self._firsts = tuple(next(rows, ()))
        index = self.names.index(name)
        return self._firsts[index] if index < len(self._firsts) else None

    def _rows(self, text: io.TextIOWrapper) -> Any:
        for _ in range(self._skipped):
            next(text, None)
        return csv.reader(text, delimiter=self._delimiter)

    @property
    def done(self) -> float:
        """Which part of the file has been read, from 0 to 1; what is read ahead counts."""
        if self._raw is None or self._raw.closed or not self.size:
            return float(self._ended)
        return min(float(self._raw.tell()) / self.size, 1.0)

    def batches(self, columns: Columns, *, share: int) -> "Iterator[pa.RecordBatch]":
        """Give the rows as Arrow reads them: numbers as floats, all else as text."""
        import pyarrow as pa
        from pyarrow import csv as arrow

        written = (columns.time, *(name for name in (columns.clocks, columns.series) if name), *columns.extras)
        types = dict.fromkeys(written, pa.string())
        types |= dict.fromkeys(columns.numeric, pa.float64())
        types |= dict.fromkeys(columns.names, pa.dictionary(pa.int32(), pa.string()))
        self._ended = False
        with self._bytes() as stream:
            try:
                with arrow.open_csv(
                    stream,
                    read_options=arrow.ReadOptions(
                        skip_rows=self._skipped,
                        block_size=max(_BLOCK // share, _SMALLEST_BLOCK, self._longest),
                        use_threads=share == 1,
                    ),
                    parse_options=arrow.ParseOptions(delimiter=self._delimiter),
                    convert_options=arrow.ConvertOptions(
                        column_types=types, include_columns=list(types), null_values=list(GAPS)
                    ),
                ) as reader:
                    yield from reader
            except pa.ArrowInvalid as error:
                blamed = self._blame(columns, error)
                if blamed is not None:
                    raise blamed from None
            except DAMAGED as error:
                raise UnreadableFile(self.path, told(error)) from None
        self._ended = True

    def values(self, column: "pa.Array") -> "np.ndarray[Any, Any] | None":
        """Give numbers that are written as JSON writes them as numbers, and all else as text."""
        return objects([_value(text) for text in column.to_pylist()])

    def place(self, row: int) -> str:
        """Give the line of a row, which blank lines and line breaks within quotes move."""
        with self._text() as text:
            reader = self._rows(text)
            for number, _ in enumerate(filter(None, reader), -1):
                if number == row:
                    return f"line {reader.line_num + self._skipped}"
        return f"row {row + 1}"

    def _blame(self, columns: Columns, error: Exception) -> Exception | None:
        """Find the line that Arrow could not read; a header alone, which it does not read either, is no fault."""
        numeric = [(name, self.names.index(name)) for name in columns.numeric]
        number = -1
        with self._text() as text:
            for number, row in enumerate(filter(None, self._rows(text)), -1):
                problem = self._wrong(row, numeric) if number >= 0 else None
                if problem is not None:
                    return BadLine(number, problem)
        return None if number == -1 else UnreadableFile(self.path, told(error))

    def _wrong(self, row: list[str], numeric: list[tuple[str, int]]) -> str | None:
        """Say what is wrong with a row, if anything is."""
        if len(row) != len(self.names):
            return f"{len(row)} columns, where the header has {len(self.names)}"
        if any("\udc80" <= letter <= "\udcff" for cell in row for letter in cell):
            return f"is no text in UTF-8; {_ENCODED}"
        for name, index in numeric:
            if row[index] not in GAPS:
                try:
                    float(row[index].replace("_", "x"))
                except ValueError:
                    return f"`{row[index][:60]}` in the column `{name}` is not a number"
        return None

    def _text(self) -> io.TextIOWrapper:
        return io.TextIOWrapper(self._bytes(), "utf-8-sig", errors="surrogateescape", newline="")

    def _bytes(self) -> Any:
        import pyarrow as pa

        self._raw = pa.OSFile(str(self.path))
        stream = unpacked(self._raw, self._compression)
        return stream if self._encoding == "utf-8" else pa.transcoding_input_stream(stream, self._encoding, "utf-8")


def _known_encoding(path: Path, encoding: str | None) -> str:
    """Give the name of an encoding as Python knows it.

    Raises:
        UnreadableFile: there is none of that name.
    """
    try:
        return "utf-8" if encoding is None else codecs.lookup(encoding).name
    except LookupError:
        raise UnreadableFile(path, f"no encoding is called `{encoding}`, as the option `encoding` says") from None


def _value(text: str) -> str | float | None:
    if text in GAPS:
        return None
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text
    return float(text) if number[1] or number[2] else int(text)
