"""Parquet files: streamed by Arrow, some rows at a time whatever the size of their row groups."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from intuition_source_files.arrays import floats, integers, objects
from intuition_source_files.columns import Columns
from intuition_source_files.errors import UnreadableFile
from intuition_source_files.grouped import GROUPED, find_pairs
from intuition_source_files.layouts import Layout, find_layout
from intuition_source_files.packing import told
from intuition_source_files.params import FileParams

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_CELLS: Final = 1 << 19
"""How many values are decoded at a time, in all files and columns together."""

_FEWEST_ROWS: Final = 2048
_BUFFERS: Final = 1 << 24
_SMALLEST_BUFFER: Final = 1 << 14
_LARGEST_BUFFER: Final = 1 << 20


class ParquetFile:
    """A Parquet file."""

    def __init__(self, path: Path, params: FileParams) -> None:
        self.path = path
        self._given = 0
        try:
            self.size = path.stat().st_size
            with self._open() as file:
                self.names = tuple(file.schema_arrow.names)
                self._rows = file.metadata.num_rows
                self.zones = {field.name: getattr(field.type, "tz", None) for field in file.schema_arrow}
        except PermissionError as error:
            raise UnreadableFile(path, told(error)) from None
        except (OSError, ValueError) as error:  # Arrow's own errors are ValueErrors
            raise UnreadableFile(path, f"is no Parquet file that can be read: {' '.join(str(error).split())}") from None

        self.grouped = find_pairs(self.names) if params.preset in ("auto", GROUPED) else None
        if self.grouped is not None:
            self.layout = Layout(preset=self.grouped.preset, adjusted=self.grouped.adjusted)
        else:
            self.layout = find_layout(path.with_suffix(""), None, self.names, params)

    @property
    def done(self) -> float:
        """Which part of the file has been read, from 0 to 1."""
        return self._given / self._rows if self._rows else 1.0

    def batches(self, columns: Columns, *, share: int) -> "Iterator[pa.RecordBatch]":
        """Return the rows in the types of the file."""
        wanted = columns.read
        parts = share * len(wanted)
        self._given = 0
        # Read through a buffer for each column: Arrow would hold the whole file, and a row group may exceed memory.
        buffer = min(max(_BUFFERS // parts, _SMALLEST_BUFFER), _LARGEST_BUFFER)
        with self._open(buffer_size=buffer, pre_buffer=False) as file:
            try:
                rows = max(_CELLS // parts, _FEWEST_ROWS)
                # Threads are a gain for large batches only.
                for batch in file.iter_batches(batch_size=rows, columns=wanted, use_threads=share == 1):
                    self._given += len(batch)
                    yield batch
            except OSError as error:
                raise UnreadableFile(self.path, " ".join(str(error).split())) from None

    def first(self, name: str) -> str | None:
        """Return what the first row has in a column, as text; None without a row, or where it has nothing."""
        import pyarrow as pa

        with self._open() as file:
            kind = file.schema_arrow.field(name).type
            for batch in file.iter_batches(batch_size=1, columns=[name]):
                value = batch.column(0)[0]
                if pa.types.is_dictionary(kind):
                    return str(value.as_py())
                return None if not value.is_valid else str(value.cast(pa.string()).as_py())
        return None

    def values(self, column: "pa.Array") -> "np.ndarray[Any, Any] | None":
        """Return numbers, texts and truths as they are."""
        return plain_values(column)

    def place(self, row: int) -> str:
        """Return the number of a row, counted from 1."""
        return f"row {row + 1}"

    def _open(self, **options: Any) -> Any:
        from pyarrow import parquet

        return parquet.ParquetFile(self.path, **options)


def plain_values(column: "pa.Array") -> "np.ndarray[Any, Any] | None":
    """Return numbers, texts and truths as they are."""
    import pyarrow as pa

    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_floating(kind):
        return floats(column)
    if pa.types.is_signed_integer(kind) and not column.null_count:
        return integers(column)
    if not any(
        test(kind) for test in (pa.types.is_integer, pa.types.is_boolean, pa.types.is_string, pa.types.is_large_string)
    ):
        return None
    return objects(column.to_pylist())
