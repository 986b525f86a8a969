"""Records cut to what one answer carries."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from intuition_core.errors import IntuitionError
from intuition_core.rpc.wire import MAX_MESSAGE
from intuition_core.trading.records import Record

MAX_ANSWER: Final = MAX_MESSAGE * 3 // 4
"""Bytes of records in one answer; the rest is for what goes around them."""


class TooManyDecisions(IntuitionError):
    """An event caused more decisions than one answer carries, so that its number is no place to go on from."""

    def __init__(self, seq: int, first: str) -> None:
        self.seq = seq
        self.first = first
        super().__init__(
            f"event {seq} caused more decisions than one answer carries: ask for those after the id of a decision "
            f"rather than after a number; the first one's is {first}"
        )


def fitting(records: Iterable[Record]) -> Iterator[Record]:
    """Yield records as long as one answer carries them, the first one in any case."""
    size = 0
    for n, record in enumerate(records):
        size += _size(record)
        if size > MAX_ANSWER and n:
            return
        yield record


def page_of_decisions(
    found: Iterable[Iterable[Record]], *, most: int, whole: bool, pause: Callable[[], None]
) -> list[Record]:
    """Return decisions as long as one answer carries them.

    Args:
        found: decisions, some at a time, oldest first.
        most: after so many, decisions of further events are left out.
        whole: leave out an event whose decisions do not fit all together.
        pause: called after each step through ``found``, so that other callers are answered.

    Raises:
        TooManyDecisions: the decisions of the first event alone do not fit, and ``whole`` is set.
    """
    page: list[Record] = []
    size = 0
    for some in found:
        for record in some:
            if len(page) >= most and record["seq"] != page[-1]["seq"]:
                return page
            size += _size(record)
            if size > MAX_ANSWER and page:
                return _without_event(page, record["seq"]) if whole else page
            page.append(record)
        pause()
    return page


def _without_event(page: list[Record], seq: int) -> list[Record]:
    kept = [record for record in page if record["seq"] != seq]
    if not kept:
        raise TooManyDecisions(seq, page[0]["id"])
    return kept


def _size(record: Record) -> int:
    return len(msgspec.msgpack.encode(record))
