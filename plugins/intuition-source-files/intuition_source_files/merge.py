"""Several files become one course of events: by time, then by the order of the files, then by their rows."""

from collections.abc import Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from intuition_source_files.events import Event

if TYPE_CHECKING:
    import numpy as np


class Piece(NamedTuple):
    """Events of one file in the order of time, and their times."""

    ts: "np.ndarray[Any, Any]"
    events: list[Event]


def merge(files: Sequence[Iterator[Piece]]) -> Iterator[list[Event]]:
    """Give all events in the order of time; those of equal time by file, in the order of `files`, then as they come.

    No more than one piece of each file is held. It is cut where the first of all pieces ends: what is earlier in the
    others cannot be preceded by anything that is still to be read.
    """
    heads: list[Piece | None] = [next(file, None) for file in files]
    while True:
        ends = [(int(head.ts[-1]), index) for index, head in enumerate(heads) if head is not None]
        if not ends:
            return
        end, first = min(ends)
        parts: list[Piece] = []
        for _, index in ends:
            head = heads[index]
            if head is None or head.ts[0] > end:
                continue
            # At the very end, files after the one that ends must wait for what it may still have of that time.
            cut = int(head.ts.searchsorted(end, side="right" if index <= first else "left"))
            if cut:
                parts.append(Piece(head.ts[:cut], head.events[:cut]))
                rest = Piece(head.ts[cut:], head.events[cut:])
                heads[index] = rest if rest.events else next(files[index], None)
        yield _ordered(parts)


def _ordered(parts: Sequence[Piece]) -> list[Event]:
    import numpy as np

    if len(parts) == 1:
        return parts[0].events
    order = np.concatenate([part.ts for part in parts]).argsort(kind="stable")
    return list(itemgetter(*order.tolist())(list(chain.from_iterable(part.events for part in parts))))
