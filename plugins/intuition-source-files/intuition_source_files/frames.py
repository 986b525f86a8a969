"""Frames in memory, read as files are: the same columns, times and prices, and the same line told."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from intuition_core.errors import BadParameter
from intuition_core.recordings import UNNAMED_FRAME
from intuition_source_files.columnar import plain_values
from intuition_source_files.columns import Columns
from intuition_source_files.grouped import GROUPED, find_pairs
from intuition_source_files.layouts import Layout, find_layout
from intuition_source_files.params import FileParams, ParquetParams
from intuition_source_files.recording import Recorded, Recording

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_CELLS: Final = 1 << 18
_INDEX: Final = "__index_level_0__"
"""What Arrow calls an index of pandas without a name."""


class FrameTable:
    """A frame that hands over its columns by Arrow's interface.

    Args:
        name: what it is called.
        frame: the frame.
        params: what was said of it.
    """

    def __init__(self, name: str, frame: Any, params: FileParams) -> None:
        self.path = Path(name)
        self._table = _columns(name, frame)
        self._given = 0
        self.size = int(self._table.nbytes)
        self.names = tuple(self._table.column_names)
        self.zones = {field.name: getattr(field.type, "tz", None) for field in self._table.schema}
        self.grouped = find_pairs(self.names) if params.preset in ("auto", GROUPED) else None
        if self.grouped is not None:
            self.layout = Layout(preset=self.grouped.preset, adjusted=self.grouped.adjusted)
        else:
            self.layout = find_layout(self.path, None, self.names, params)

    @property
    def done(self) -> float:
        """Which part of the frame has been read, from 0 to 1."""
        return self._given / self._table.num_rows if self._table.num_rows else 1.0

    def batches(self, columns: Columns, *, share: int) -> "Iterator[pa.RecordBatch]":
        """Return the rows in the types of the frame."""
        wanted = columns.read
        self._given = 0
        for batch in self._table.select(wanted).to_batches(max_chunksize=max(_CELLS // (share * len(wanted)), 1024)):
            self._given += batch.num_rows
            yield batch

    def first(self, name: str) -> str | None:
        """Return what the first row has in a column, as text; None without a row, or where it has nothing."""
        if not self._table.num_rows:
            return None
        value = self._table.column(name)[0]
        return None if not value.is_valid else str(value.as_py())

    def values(self, column: "pa.Array") -> "np.ndarray[Any, Any] | None":
        """Return numbers, texts and truths as they are."""
        return plain_values(column)

    def place(self, row: int) -> str:
        """Return the number of a row, counted from 1."""
        return f"row {row + 1}"


class Frames(Recorded):
    """Prices in frames of pandas, polars, Arrow or DuckDB; events are as those of `Parquet`.

    Args:
        frames: their names and the frames. A name is the symbol of rows that name none.
    """

    Params = ParquetParams

    def __init__(self, frames: Sequence[tuple[str, Any]]) -> None:
        self._frames = tuple(frames)

    def initialize(self, params: ParquetParams) -> None:
        """Find out what the columns mean.

        Raises:
            AmbiguousColumn: two columns of a frame could be the same thing.
            BadParameter: the parameters contradict each other or the frames, or nothing says the symbol.
            NoColumn: a frame lacks a column that is needed.
        """
        self._recording = Recording([FrameTable(name, frame, params) for name, frame in self._frames], params)
        for file in self._recording.opened:
            if file.columns.symbol is None and not file.columns.wide and file.sid == UNNAMED_FRAME != params.sid:
                raise BadParameter(
                    "frame",
                    "sid",
                    "is missing, and no column says the symbol; hand over {'AAPL': frame}, or say `sid`",
                )


def _columns(name: str, frame: Any) -> "pa.Table":
    """Return the columns of a frame; an index of pandas is one of them, called `time` if it has times and no name.

    Raises:
        BadParameter: Arrow knows no columns of it.
    """
    import pyarrow as pa

    try:
        table = pa.table(frame)
    except (pa.ArrowException, TypeError) as error:
        said = " ".join(str(error).split())[:200]
        hint = "expected a frame with columns of one type each, such as series.to_frame('close')"
        raise BadParameter("frame", None, f"`{name}` has no columns that Arrow knows ({said}); {hint}") from None
    if _INDEX in table.column_names and pa.types.is_timestamp(table.schema.field(_INDEX).type):
        table = table.rename_columns({_INDEX: "time" if "time" not in table.column_names else "index"})
    plain = [_plain(column) for column in table.columns]
    return pa.table(plain, names=table.column_names)


def _plain(column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """Return a column in a type that files have, too: texts that polars views, decimals of DuckDB."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_string_view(kind) or pa.types.is_large_string(kind):
        return column.cast(pa.string())
    if pa.types.is_decimal(kind):
        return column.cast(pa.float64())
    return column
