"""The records of a journal, read by the event, the client or the kind of record that is wanted."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from intuition_core.session.batch import CLOCK, encoded
from intuition_core.session.beginning import KEY as BEGINNING
from intuition_core.session.beginning import Beginning
from intuition_core.session.database import Database
from intuition_core.session.errors import BeforeBeginning
from intuition_core.trading.records import Record, record_key

_STRETCH: Final = 1_000
"""Events whose decisions are read at once."""
_LARGEST: Final = 2**63 - 1
"""The largest number that SQLite holds."""


_AFTER_CONTROLS: Final = "controls;"
"""A key after all of `controls_key`."""


def controls_key(first: int) -> str:
    """Return the key under which the control events of a batch are noted; keys sort as numbers do."""
    return f"controls:{first:020}"


def kept_controls_key(seq: int) -> str:
    """Return the key under which the records of a control event are kept once its batch was dropped."""
    return f"controls-kept:{seq:020}"


class RecordReader:
    """Committed records. Methods that say so may be called by any thread, whatever the writer is doing.

    Args:
        database: the journal's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def _batch_at(self) -> str:
        return f"SELECT {self._database.batch_columns} FROM batches WHERE first = ?"  # noqa: S608  # our own names

    def _records(self, row: tuple[Any, ...]) -> list[Record]:
        return self._database.decoded(self._database.checked(row)[4])

    def decisions(self, after: tuple[int, int], *, types: Sequence[str] = ("decision",)) -> Iterator[list[Record]]:
        """Yield the decisions after a (seq, n), oldest first: a list for each thousand events or so, maybe empty.

        With other ``types``, records of these instead.

        After (0, n) they begin with the first event that is held. Any thread may read. Nothing is held between two
        steps, so that a reader may take its time.

        Raises:
            BeforeBeginning: events after that place are not held any more.
            BadJournal: the file cannot be read.
        """
        read, columns = self._database.read, self._database.batch_columns
        for (kept,) in read("SELECT value FROM meta WHERE key = ?", BEGINNING):
            beginning = msgspec.json.decode(kept, type=Beginning).seq
            if 0 < after[0] < beginning:
                raise BeforeBeginning(after[0], beginning)
        ((start, end),) = read(
            "SELECT coalesce((SELECT max(first) FROM batches WHERE first <= ?), (SELECT min(first) FROM batches)), "
            "(SELECT max(first) FROM batches)",
            min(after[0], _LARGEST),
        )
        wanted = " OR ".join(["instr(records, ?)"] * len(types))
        while start is not None and start <= end:
            # Most batches have no decision: those are not even decoded.
            rows = read(
                f"SELECT {columns} FROM batches WHERE first >= ? AND first < ? "  # noqa: S608  # our own names
                f"AND ({wanted} OR damaged({columns})) ORDER BY first",
                start,
                start + _STRETCH,
                *(each.encode() for each in types),
            )
            yield [
                record
                for row in rows
                for record in self._records(row)
                if record["type"] in types and record_key(record["id"]) > after
            ]
            start += _STRETCH

    def outbox(self, client: str, after: tuple[int, int], limit: int) -> list[Record]:
        """Return what a client is to publish after a (seq, n), oldest first, at most ``limit`` records.

        These are the records of its own items, of each event that has a control record, whoever sent it, and of timers
        that fell due by the wall clock.
        """
        found: list[Record] = []
        controls = {seq: first for first, seq in self.control_events(after[0])}
        columns = self._database.batch_columns
        rows = self._database.rows(
            f"SELECT {columns} FROM batches WHERE (client IN (?, ?) AND last >= ? AND records <> ?) "  # noqa: S608  # our own names
            "OR first IN (SELECT value FROM json_each(?)) ORDER BY first",
            client,
            CLOCK,
            after[0],
            encoded(()),
            msgspec.json.encode(list(controls.values())).decode(),
        )
        for row in rows:
            own = row[2] in (client, CLOCK)
            found.extend(
                record
                for record in self._records(row)
                if (own or record["seq"] in controls) and record_key(record["id"]) > after
            )
            if len(found) >= limit:
                break
        return found[:limit]

    def control_events(self, since: int = 0) -> list[tuple[int, int]]:
        """Return the events from a number on that have a control record, oldest first.

        Each comes as the first event of its batch and its own number.
        """
        # Those of older versions are all in one row, which was written anew for each of them.
        rows = self._database.rows(
            "SELECT value FROM meta WHERE key = 'controls' OR (key >= ? AND key < ?) ORDER BY key",
            self._batch_of(since),
            _AFTER_CONTROLS,
        )
        found = (each for (value,) in rows for each in msgspec.json.decode(value, type=list[tuple[int, int]]))
        return [(first, seq) for first, seq in found if seq >= since]

    def _batch_of(self, since: int) -> str:
        """Return the key of the last batch with control records that begins at an event or before it."""
        latest = "SELECT max(key) FROM meta WHERE key >= ? AND key <= ?"
        for (key,) in self._database.rows(latest, controls_key(0), controls_key(since)):
            return key or controls_key(0)
        return controls_key(0)

    def controls(self) -> Iterator[Record]:
        """Yield the records of all events that have a control record, oldest first."""
        return self.of(self.control_events())

    def of(self, events: Iterable[tuple[int, int]]) -> Iterator[Record]:
        """Yield the records of some events, each named by the first event of its batch and its own number.

        Any thread may read.

        Raises:
            BadJournal: the file cannot be read.
        """
        for first, seq in events:
            found = self._database.read(self._batch_at, first)
            for row in found:
                yield from (record for record in self._records(row) if record["seq"] == seq)
            if not found:
                for (kept,) in self._database.read("SELECT value FROM meta WHERE key = ?", kept_controls_key(seq)):
                    yield from self._database.decoded(bytes.fromhex(kept))

    def told_by_clock(self, after: tuple[int, int]) -> Iterator[Record]:
        """Yield the records after a (seq, n) of timers that fell due by the wall clock, oldest first.

        Any thread may read.

        Raises:
            BadJournal: the file cannot be read.
        """
        read = self._database.read
        batches = "FROM batches WHERE client = ? AND last >= ? AND records <> ?"
        for (first,) in read(f"SELECT first {batches} ORDER BY last", CLOCK, after[0], encoded(())):
            for row in read(self._batch_at, first):
                yield from (record for record in self._records(row) if record_key(record["id"]) > after)

    def last_told_by_clock(self) -> Record | None:
        """Return the last record of a timer that fell due by the wall clock."""
        columns = self._database.batch_columns
        latest = f"SELECT {columns} FROM batches WHERE client = ? AND records <> ? ORDER BY last DESC LIMIT 1"  # noqa: S608  # our own names
        for row in self._database.rows(latest, CLOCK, encoded(())):
            return self._records(row)[-1]
        return None
