"""Several files become one course of events: by time, then by the order of the files, then by their rows."""

from collections.abc import Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from intuition_source_files.events import Event

if TYPE_CHECKING:
    import numpy as np


class Piece(NamedTuple):
    """Events of one file in the order of time, and their times."""

    ts: "np.ndarray[Any, Any]"
    events: list[Event]


def merge(files: Sequence[Iterator[Piece]]) -> Iterator[list[Event]]:
    """Give all events in the order of time; those of equal time by file, in the order of `files`, then as they come.

    No more than one piece of each file is held. What is before the end of the piece that ends first can be given:
    nothing earlier is still to be read of any file.
    """
    heads: list[Piece | None] = [next(file, None) for file in files]
    while True:
        ends = [int(head.ts[-1]) for head in heads if head is not None]
        if not ends:
            return
        end = min(ends)
        parts: list[Piece] = []
        # Events with a ts equal to that end are safe to give until a file may still hold more of that ts.
        side: Literal["left", "right"] = "right"
        for index, head in enumerate(heads):
            if head is None or head.ts[0] > end:
                continue
            cut = int(head.ts.searchsorted(end, side=side))
            if cut == len(head.events):
                parts.append(head)
                following = heads[index] = next(files[index], None)
                if following is not None and following.ts[0] == end:
                    side = "left"
            elif cut:
                parts.append(Piece(head.ts[:cut], head.events[:cut]))
                heads[index] = Piece(head.ts[cut:], head.events[cut:])
        yield _ordered(parts)


def _ordered(parts: Sequence[Piece]) -> list[Event]:
    import numpy as np

    if len(parts) == 1:
        return parts[0].events
    order = np.concatenate([part.ts for part in parts]).argsort(kind="stable")
    return list(itemgetter(*order.tolist())(list(chain.from_iterable(part.events for part in parts))))
