"""Rows into files, as they come: JSON lines, CSV, Parquet."""

import re
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from intuition_core.errors import IntuitionError
from intuition_core.research.errors import CannotWrite as CannotWrite
from intuition_core.research.errors import MissingExtra as MissingExtra
from intuition_core.system.printable import escaped

FORMATS: Final = ("jsonl", "csv", "parquet")

Row = Mapping[str, Any]

RECORD_COLUMNS: Final[Mapping[str, type]] = {
    "id": str,
    "type": str,
    "seq": int,
    "ts": int,
    "sid": str,
    "cause": str,
    "side": str,
    "cash": str,
    "quantity": str,
    "quote": float,
    "price": float,
    "profit": str,
    "commission": str,
    "slippage": str,
    "algorithm": str,
    "portfolio": str,
    "risk": str,
    "status": str,
    "reason": str,
    "channel": str,
    "data": str,
    "kind": str,
    "part": str,
    "distribution": str,
    "version": str,
    "method": str,
    "problem": str,
    "event_id": str,
    "order": str,
    "limit": float,
    "stop": float,
    "stop_loss": float,
    "take_profit": float,
    "group": str,
    "parent": str,
    "tif": str,
    "expires": int,
    "tag": str,
    "replaces": str,
    "short": str,
    "left_quantity": str,
    "left_cash": str,
    "ordered_quantity": str,
    "ordered_cash": str,
    "action": str,
    "ratio": str,
    "amount": str,
    "before": str,
    "after": str,
    "paid_out": str,
    "by": str,
    "flatten": str,
    "shares": str,
    "moved": str,
    "name": str,
    "rules": int,
    "use": str,
    "params": str,
    "keep_state": str,
    "channels": str,
    "execution": str,
    "venue_order": str,
    "trade": str,
    "positions": str,
    "outside": str,
    "as_of": int,
    "of": str,
    "venue": str,
    "books": str,
    "difference": str,
    "booked": str,
    "place": int,
}
"""The columns of records of all types, with their types; exact amounts stay text."""

_ROWS: Final = 10_000


class UnknownFormat(IntuitionError):
    """A file whose name does not say in which format to write it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path}: cannot tell the format; let the name end in .{', .'.join(FORMATS)}")


def format_of(path: Path) -> str:
    """Return the format that a file's name stands for.

    Raises:
        UnknownFormat: it stands for none.
    """
    form = path.suffix.removeprefix(".").lower()
    if form not in FORMATS:
        raise UnknownFormat(path)
    return form


def open_table(form: str, path: Path | None, columns: Mapping[str, type]) -> "Table":
    """Open a file, or the standard output, to write rows to.

    Args:
        form: one of `FORMATS`.
        path: the file; None for the standard output, which takes no Parquet.
        columns: the columns and their types, ``int``, ``float`` or ``str``; JSON lines hold what a row holds.

    Raises:
        CannotWrite: the file cannot be opened.
        MissingExtra: the format needs a library that is not installed.
    """
    try:
        if form == "parquet":
            if path is None:
                msg = "Parquet needs a file"
                raise ValueError(msg)
            return _Parquet(path, columns)
        return _Csv(path, columns) if form == "csv" else _Lines(path)
    except OSError as error:
        raise CannotWrite(path or Path("-"), error.strerror or str(error)) from None


class Table(ABC):
    """A file that rows are written to; as a context it is closed at the end."""

    @abstractmethod
    def add(self, rows: Iterable[Row]) -> None:
        """Write rows."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left, and close the file."""

    def __enter__(self) -> Self:
        """Return the table."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()


class _Lines(Table):
    def __init__(self, path: Path | None) -> None:
        self._own = path is not None
        self._stream = path.open("wb") if path is not None else sys.stdout.buffer

    def add(self, rows: Iterable[Row]) -> None:
        lines = msgspec.json.Encoder().encode_lines(list(rows))
        self._stream.write(lines if self._own else escaped(lines.decode()).encode())

    def close(self) -> None:
        self._stream.flush()
        if self._own:
            self._stream.close()


class _Csv(Table):
    """Comma-separated values that a spreadsheet can open: no cell is taken for a formula.

    A text that a spreadsheet would calculate is written with an apostrophe before it; numbers are left as they are.
    Cells with a character that separates cells in any language's spreadsheet are quoted.
    """

    def __init__(self, path: Path | None, columns: Mapping[str, type]) -> None:
        self._own = path is not None
        self._columns = tuple(columns)
        self._stream = path.open("w", newline="", encoding="utf-8") if path is not None else sys.stdout
        self._stream.write(",".join(self._columns) + "\n")

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._stream.write(",".join([_cell(row.get(column)) for column in self._columns]) + "\n")

    def close(self) -> None:
        self._stream.flush()
        if self._own:
            self._stream.close()


class _Parquet(Table):
    def __init__(self, path: Path, columns: Mapping[str, type]) -> None:
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError:
            raise MissingExtra("writing Parquet", "pyarrow") from None
        types = {int: pa.int64(), float: pa.float64(), str: pa.string()}
        self._text = [name for name, kind in columns.items() if kind is str]
        self._batch = pa.RecordBatch
        self._schema = pa.schema([(name, types[kind]) for name, kind in columns.items()])
        self._file = parquet.ParquetWriter(path, self._schema)
        self._rows: list[Row] = []

    def add(self, rows: Iterable[Row]) -> None:
        self._rows += rows
        if len(self._rows) >= _ROWS:
            self._write()

    def close(self) -> None:
        self._write()
        self._file.close()

    def _write(self) -> None:
        if self._rows:
            plain = [self._plain(row) for row in self._rows]
            self._file.write_batch(self._batch.from_pylist(plain, schema=self._schema))
            self._rows.clear()

    def _plain(self, row: Row) -> Row:
        flat = _flat(row)
        for name in self._text:
            value = flat.get(name)
            if value is not None and not isinstance(value, str):
                flat[name] = msgspec.json.encode(value).decode()
        return flat


def _cell(value: Any) -> str:
    """Return a value as a cell of CSV."""
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return str(value)
    text = msgspec.json.encode(value).decode() if isinstance(value, dict | list) else str(value)
    if _FORMULA.match(text) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    if _QUOTED.search(text):
        text = '"' + text.replace('"', '""') + '"'
    return text


_FORMULA: Final = re.compile(r"[\s\x00]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
"""Beginnings by which a spreadsheet takes a cell for a formula, those of full width among them."""
_NUMBER: Final = re.compile(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?")
_QUOTED: Final = re.compile(r"[,;\t\r\n\"|]|^\s|\s$")


def _flat(row: Row) -> dict[str, Any]:
    """Return a value that a table cannot hold as JSON text."""
    return {
        key: msgspec.json.encode(value).decode() if isinstance(value, dict | list) else value
        for key, value in row.items()
    }
