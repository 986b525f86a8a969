"""Rows as columns of NumPy arrays: checked, put in order and cut while that is cheap."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    import numpy as np

NO_START: Final = -(2**63)
"""Stands where it is not known when a bar began, or where a row is none."""


class Chunk(NamedTuple):
    """Some rows of one file: those on quotes have one, and all prices are such as a market can have given."""

    ts: "np.ndarray[Any, Any]"
    """Nanoseconds UTC."""
    sids: "str | np.ndarray[Any, Any]"
    """The one symbol of the file, or the symbol of each row."""
    quotes: "np.ndarray[Any, Any]"
    """NaN is none."""
    fields: dict[str, "np.ndarray[Any, Any]"]
    """What else there is, by its key: floats, of which NaN is none; whole numbers; or objects, of which None is none.

    A close that is the quote is the very same array.
    """
    channels: "np.ndarray[Any, Any] | None" = None
    """The channel of each row; None if that of the file is that of all."""
    starts: "np.ndarray[Any, Any] | None" = None
    """When bars began, `NO_START` for none; None if no row is one that says so."""

    def take(self, rows: "np.ndarray[Any, Any] | slice") -> "Chunk":
        """Return some of the rows, by a mask, by numbers in any order, or by a slice."""
        sids = self.sids if isinstance(self.sids, str) else self.sids[rows]
        quotes = self.quotes[rows]
        fields = {key: quotes if of is self.quotes else of[rows] for key, of in self.fields.items()}
        channels = None if self.channels is None else self.channels[rows]
        starts = None if self.starts is None else self.starts[rows]
        return Chunk(self.ts[rows], sids, quotes, fields, channels, starts)


def join(chunks: Sequence[Chunk]) -> Chunk:
    """Put the chunks of one file one after another."""
    import numpy as np

    first = chunks[0]
    sids = first.sids if isinstance(first.sids, str) else np.concatenate([chunk.sids for chunk in chunks])
    quotes = np.concatenate([chunk.quotes for chunk in chunks])
    fields = {
        key: quotes if of is first.quotes else np.concatenate([chunk.fields[key] for chunk in chunks])
        for key, of in first.fields.items()
    }
    channels = None if first.channels is None else np.concatenate([chunk.channels for chunk in chunks])
    starts = None
    if any(chunk.starts is not None for chunk in chunks):
        starts = np.concatenate(
            [np.full(len(chunk.ts), NO_START) if chunk.starts is None else chunk.starts for chunk in chunks]
        )
    return Chunk(np.concatenate([chunk.ts for chunk in chunks]), sids, quotes, fields, channels, starts)
