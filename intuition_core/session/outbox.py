"""The committed records that go out to clients and readers.

Decisions whose orders a kill has cancelled are withheld: from its commit on nobody is to act on them.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from heapq import merge
from operator import itemgetter

from intuition_core.session.batch import CLOCK, Batch
from intuition_core.session.journal import Journal
from intuition_core.trading.records import Record, record_key


class Outbox:
    """What clients are to publish, and what anybody may read; a place is a (seq, n), as `record_key` reads it from ids.

    Args:
        journal: where the records are.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        # Appended to by one thread and read by any.
        self._events = list(journal.records.control_events())
        self._last = (0, 0)
        self._withheld: set[str] = set()
        self._note_controls(journal.records.of(self._events))
        if (told := journal.records.last_told_by_clock()) is not None:
            self._last = max(self._last, record_key(told["id"]))

    @property
    def last(self) -> tuple[int, int]:
        """The place of the last record that `controls` yields."""
        return self._last

    @property
    def withholds(self) -> bool:
        """Whether any decision is withheld."""
        return bool(self._withheld)

    def note(self, batch: Batch) -> None:
        """Take up a batch that was committed."""
        if batch.controls:
            self._events += ((batch.first, seq) for seq in batch.controls)
            self._note_controls(record for record in batch.records if record["seq"] in batch.controls)
        if batch.client == CLOCK and batch.records:
            self._last = max(self._last, record_key(batch.records[-1]["id"]))

    def _note_controls(self, records: Iterable[Record]) -> None:
        cancelled: list[str] = []
        for record in records:
            self._last = max(self._last, record_key(record["id"]))
            if record["type"] == "rejection":
                cancelled.append(record["cause"])
        self._withheld.update(cancelled)

    def without_withheld(self, records: list[Record]) -> list[Record]:
        """Return the records that are not withheld; the same list where nothing is."""
        withheld = self._withheld
        return [record for record in records if record["id"] not in withheld] if withheld else records

    def of_client(self, client: str, limit: int) -> list[Record]:
        """Return the records that a client has not confirmed as published, oldest first, at most ``limit``.

        They are those of its own items, of control events and of timers that fell due by the wall clock.
        """
        _, published = self._journal.clients().get(client, (0, None))
        after = record_key(published) if published else (0, 0)
        while found := self._journal.records.outbox(client, after, limit):
            if kept := self.without_withheld(found):
                return kept
            after = record_key(found[-1]["id"])
        return []

    def controls(self, after: tuple[int, int]) -> Iterator[Record]:
        """Yield the records after a place that no client's items have caused, oldest first.

        They are those of events that changed the kill switch, the shares or parts, and of timers that fell due by the
        wall clock. Any thread may read.

        Raises:
            BadJournal: the journal cannot be read.
        """
        if after < self._last:
            records = self._journal.records
            events = self._events[bisect_left(self._events, after[0], key=itemgetter(1)) :]
            decided = (record for record in records.of(events) if record_key(record["id"]) > after)
            switched = {seq for _, seq in events}  # such as by a part that turned the switch at a timer
            withheld = self._withheld
            told = (
                each
                for each in records.told_by_clock(after)
                if each["seq"] not in switched and each["id"] not in withheld
            )
            yield from merge(decided, told, key=lambda each: record_key(each["id"]))

    def decisions(self, after: tuple[int, int]) -> Iterator[list[Record]]:
        """Yield the decisions after a place, oldest first, as `RecordReader.decisions` does. Any thread may read.

        Raises:
            BadJournal: the journal cannot be read.
        """
        return map(self.without_withheld, self._journal.records.decisions(after))

    def orders(self, after: tuple[int, int]) -> Iterator[list[Record]]:
        """Yield what a venue is to be told after a place: decisions, and orders to be cancelled. Any thread may read.

        Raises:
            BadJournal: the journal cannot be read.
        """
        return map(self.without_withheld, self._journal.records.decisions(after, types=("decision", "cancel")))
