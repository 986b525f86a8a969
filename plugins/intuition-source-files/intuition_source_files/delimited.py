"""CSV files: streamed by Arrow, and read a second time only to say which line is wrong."""

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
_BLOCK: Final = 1 << 19
"""How much text is read at a time, of which Arrow reads some thirty ahead."""

_SMALLEST_BLOCK: Final = 1 << 14


class CsvFile:
    """A file of delimited text in UTF-8 whose first line names the columns; blank lines do not count."""

    def __init__(self, path: Path, *, delimiter: str | None = None, compression: str = "auto") -> None:
        self.path = path
        self._compression = compression_of(path, compression)
        self._raw: Any = None
        self._ended = False
        try:
            self.size = path.stat().st_size
            with self._text() as text:
                header = next((line for line in text if line.strip()), None)
        except DAMAGED as error:
            raise UnreadableFile(path, told(error)) from None
        if header is None:
            raise UnreadableFile(path, "is empty; the first line should name the columns")
        if "\0" in header or any("\udc80" <= letter <= "\udcff" for letter in header):
            raise UnreadableFile(path, "is no text in UTF-8; say how it is compressed with the option `compression`")
        self._longest = 16 * len(header)  # a row must fit into a block, and the header tells how long one may be
        self._delimiter = delimiter or max(_DELIMITERS, key=header.count)
        self.names = tuple(next(csv.reader([header], delimiter=self._delimiter)))

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

        types = dict.fromkeys((columns.time, *columns.extras), pa.string())
        types |= dict.fromkeys(columns.numeric, pa.float64())
        types |= dict.fromkeys(columns.names, pa.dictionary(pa.int32(), pa.string()))
        self._ended = False
        with self._bytes() as stream:
            try:
                with arrow.open_csv(
                    stream,
                    read_options=arrow.ReadOptions(
                        block_size=max(_BLOCK // share, _SMALLEST_BLOCK, self._longest), use_threads=share == 1
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
            reader = csv.reader(text, delimiter=self._delimiter)
            for number, _ in enumerate(filter(None, reader), -1):
                if number == row:
                    return f"line {reader.line_num}"
        return f"row {row + 1}"

    def _blame(self, columns: Columns, error: Exception) -> Exception | None:
        """Find the line that Arrow could not read; a header alone, which it does not read either, is no fault."""
        numeric = [(name, self.names.index(name)) for name in columns.numeric]
        number = -1
        with self._text() as text:
            for number, row in enumerate(filter(None, csv.reader(text, delimiter=self._delimiter)), -1):
                problem = self._wrong(row, numeric) if number >= 0 else None
                if problem is not None:
                    return BadLine(number, problem)
        return None if number == -1 else UnreadableFile(self.path, told(error))

    def _wrong(self, row: list[str], numeric: list[tuple[str, int]]) -> str | None:
        """Say what is wrong with a row, if anything is."""
        if len(row) != len(self.names):
            return f"{len(row)} columns, where the header has {len(self.names)}"
        if any("\udc80" <= letter <= "\udcff" for cell in row for letter in cell):
            return "is no text in UTF-8"
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
        return unpacked(self._raw, self._compression)


def _value(text: str) -> str | float | None:
    if text in GAPS:
        return None
    number = _NUMBER.fullmatch(text)
    if number is None:
        return text
    return float(text) if number[1] or number[2] else int(text)
