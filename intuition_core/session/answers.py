"""The answer to a batch that may have been cut by urgent calls."""

from collections.abc import Sequence
from typing import TypeAlias

from intuition_core.session.batch_run import Item
from intuition_core.session.errors import IdReused
from intuition_core.session.outbox import Outbox
from intuition_core.trading.records import Record

Reply: TypeAlias = list[Record] | IdReused


class Answers:
    """The replies of a batch, one for each item, in the order of the items.

    Args:
        outbox: knows which decisions are withheld.
        whole: whether the caller publishes all records in their order, so that those of control events between two
            items belong into the answer. They are put into the reply of the item before them, as it has a place for
            records and comes before them by `seq`.
    """

    def __init__(self, outbox: Outbox, *, whole: bool) -> None:
        self._outbox = outbox
        self._whole = whole
        self._replies: list[Reply] = []
        self._place: int | None = None  # the last reply that has records
        self._early: list[Record] = []  # records of control events before any such reply

    def add(self, items: Sequence[Item], replies: Sequence[Reply]) -> None:
        """Append the replies of some items."""
        for item, reply in zip(items, replies, strict=True):
            # An item without events is one that could not be read: its caller is told why, in place of records.
            if item.events and not isinstance(reply, IdReused):
                self._place = len(self._replies)
                if self._early:
                    reply = [*self._early, *reply]  # the same reply, with more in front
                    self._early = []
            self._replies.append(reply)

    def note_controls(self, before: tuple[int, int]) -> None:
        """Take up the records of control events after a place, which have come between two items."""
        if not self._whole or self._outbox.last == before:
            return
        records = list(self._outbox.controls(before))
        if self._place is None:
            self._early += records
            return
        reply = self._replies[self._place]
        if not isinstance(reply, IdReused):
            self._replies[self._place] = [*reply, *records]

    def given(self) -> list[Reply]:
        """Return the replies, without decisions that are withheld by now."""
        outbox = self._outbox
        if not outbox.withholds:
            return self._replies
        return [reply if isinstance(reply, IdReused) else outbox.without_withheld(reply) for reply in self._replies]
