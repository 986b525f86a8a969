"""Rows of a file before it is known when their bars began."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from intuition_source_files.chunk import Chunk, join
from intuition_source_files.clock import Times
from intuition_source_files.starts import joined

if TYPE_CHECKING:
    import numpy as np


class Rows(NamedTuple):
    """Rows of a file whose bars have no start yet, with the columns from which it is derived."""

    chunk: Chunk
    keep: "np.ndarray[Any, Any]"
    """Which rows are wanted."""
    times: Times
    codes: "np.ndarray[Any, Any] | None"
    """The number of each row's symbol and series; None if all are the same."""
    bars: "np.ndarray[Any, Any] | None"
    """Which rows are bars; None if no row is."""

    def take(self, rows: "np.ndarray[Any, Any]") -> "Rows":
        """Return some of the rows, by a mask or by numbers in any order."""
        return Rows(
            self.chunk.take(rows),
            self.keep[rows],
            self.times.take(rows),
            None if self.codes is None else self.codes[rows],
            None if self.bars is None else self.bars[rows],
        )


def join_rows(parts: Sequence[Rows]) -> Rows:
    """Put the rows of one file one after another."""
    import numpy as np

    bars = None
    if any(part.bars is not None for part in parts):
        bars = np.concatenate([np.zeros(len(part.keep), bool) if part.bars is None else part.bars for part in parts])
    return Rows(
        join([part.chunk for part in parts]),
        np.concatenate([part.keep for part in parts]),
        joined([part.times for part in parts]),
        None if parts[0].codes is None else np.concatenate([part.codes for part in parts]),
        bars,
    )
