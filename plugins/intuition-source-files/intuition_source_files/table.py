"""What CSV and Parquet files have in common once they are open."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from intuition_source_files.columns import Columns
    from intuition_source_files.layouts import Layout


class Table(Protocol):
    """A file of rows, whatever its format."""

    @property
    def path(self) -> Path:
        """Where the file is."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns, in the order of the file."""

    @property
    def layout(self) -> "Layout":
        """Which vendor's layout it has."""

    @property
    def size(self) -> int:
        """How large the file is, in bytes."""

    @property
    def done(self) -> float:
        """Which part of the file has been read, from 0 to 1."""

    def first(self, name: str) -> str | None:
        """Return what the first row has in a column, as text; None where there is nothing."""

    def batches(self, columns: "Columns", *, share: int) -> "Iterator[pa.RecordBatch]":
        """Return the rows in the order of the file, some at a time; at least the columns that are asked for.

        Args:
            columns: the columns that are asked for, and what they mean.
            share: how many files are read at the same time, and share the memory.

        Raises:
            BadLine: the text fits no table.
            UnreadableFile: the file is damaged, or is no such file.
        """

    def values(self, column: "pa.Array") -> "np.ndarray[Any, Any] | None":
        """Return a column as plain JSON values, in an array as in `Chunk.fields`; None if it holds anything else."""

    def place(self, row: int) -> str:
        """Return where a row is, counted from 0, as a person finds it."""
