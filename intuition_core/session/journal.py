"""The journal: what a session took and what came of it, in one SQLite file, one transaction for each batch.

Rows are batches, not events: a batch is one row of encoded events and one of encoded records, so that a million events
are a few thousand rows. Identities of items and deliveries have rows of their own, because they are looked up.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

import msgspec

from intuition_core.data import Event
from intuition_core.session.batch import Batch, Delivery, encoded
from intuition_core.session.database import Database
from intuition_core.session.errors import BadJournal, JournalDamaged
from intuition_core.session.failure_log import FailureLog
from intuition_core.session.heads import Heads
from intuition_core.session.ids import Ids
from intuition_core.session.integrity import START, link, mark
from intuition_core.session.keeping import Keep
from intuition_core.session.record_reader import RecordReader, controls_key
from intuition_core.session.retention import Retention, ends_of_segments
from intuition_core.session.segments import KEY as ARCHIVED
from intuition_core.session.verification import BackgroundVerification
from intuition_core.trading.records import Record

MEMORY: Final = ":memory:"
_KEPT_IN_MEMORY: Final = 100_000
"""Events of a journal in memory; on disk all are kept."""

Durability: TypeAlias = Literal["process", "power"]
"""What a commit survives: the end of the process, however it ends; or a loss of the machine's power as well."""

_SYNCHRONOUS: Final[dict[Durability, str]] = {"process": "NORMAL", "power": "FULL"}


class Journal:
    """One session's file; a context that closes it.

    Args:
        path: the file, created where there is none; `MEMORY` for a journal that ends with the process and keeps the
            latest 100,000 events.
        durability: what a commit survives.
        read_only: read an existing file, write nothing.
        keep: what is kept of it, of a file that is written; None for all.
        archive: the folder for segments before they are dropped; None to drop them without.
        now: the time in nanoseconds UTC, by which the age of a commit goes.

    Attributes:
        path: the file, or `MEMORY`.
        durability: what a commit survives.
        failures: crashes and decisions about parts.
        heads: what clients are told of the last commit, and tell again.
        ids: the ids of items, by which they are known again.
        records: the committed records.
        retention: drops what is not to be kept; None where all is.

    Raises:
        BadJournal: the file exists and is no journal, or has another format.
        JournalFailed: the file cannot be created.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        durability: Durability = "process",
        read_only: bool = False,
        keep: Keep | None = None,
        archive: Path | None = None,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self.path = str(path)
        self.durability = durability
        self._database = database = Database(
            self.path,
            synchronous=_SYNCHRONOUS[durability],
            in_memory=self.path == MEMORY,
            read_only=read_only,
            shrinking=keep is not None,
        )
        self.failures = FailureLog(database)
        self.heads = Heads(database)
        self.ids = Ids(database)
        self.records = RecordReader(database)
        self._verification: BackgroundVerification | None = None
        with ExitStack() as stack:
            stack.enter_context(closing(database))
            if read_only and "session" not in self.meta():
                raise BadJournal(self.path, "no session was begun in it; `intuition serve` ended before it could")
            self.retention: Retention | None = None
            if not read_only and self.path != MEMORY:
                if ARCHIVED in self.meta():
                    raise BadJournal(self.path, "an archived segment of a session, which can only be read")
                if keep is not None:
                    self.retention = Retention(database, self.ids, self.records, keep=keep, archive=archive, now=now)
            stack.pop_all()

    def __enter__(self) -> Self:
        """Return the journal."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    @property
    def _db(self) -> sqlite3.Connection:
        return self._database.connection

    def close(self) -> None:
        """Close the file."""
        if self._verification is not None:
            self._verification.stop()
        self._database.close()

    def verify_in_background(self) -> None:
        """Verify on a thread what opening has not; once damage is found, nothing is written any more."""
        if self.path != MEMORY:
            self._verification = BackgroundVerification(self._database)
            self.ids.wait_for_order = self._verification.wait_for_order

    # -- the session as a whole

    def meta(self) -> dict[str, Any]:
        """Return the properties of the session: name, run, composition, configuration, and what else was noted."""
        query = "SELECT key, value FROM meta WHERE key NOT LIKE 'controls%'"
        try:
            return {key: msgspec.json.decode(value) for key, value in self._database.rows(query)}
        except msgspec.MsgspecError as error:
            raise JournalDamaged(self.path, f"a property of the session cannot be read: {error}") from error

    def note(self, **values: Any) -> None:
        """Write properties of the session; each replaces the one of its name.

        Raises:
            JournalFailed: they cannot be written.
        """
        rows = [(key, msgspec.json.encode(value).decode()) for key, value in values.items()]
        with self._database.transaction():
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    @property
    def last_seq(self) -> int:
        """The number of the last event, 0 before the first."""
        for (last,) in self._database.rows("SELECT last FROM batches ORDER BY first DESC LIMIT 1"):
            return int(last)
        return self.beginning

    @property
    def beginning(self) -> int:
        """The last event before those that are held; 0 where all are."""
        return self._database.beginning().seq

    @property
    def start(self) -> int:
        """The event at whose snapshot a run of all that may be run begins; 0 where that is the first event."""
        return max(self.boundary, self.beginning)

    @property
    def boundary(self) -> int:
        """The last event up to which nothing is ever to be run again; 0 where all events may be."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'boundary'").fetchone()
        return int(row[0]) if row else 0

    # -- batches

    def commit(self, batch: Batch) -> None:
        """Write a batch, all of it or nothing.

        Raises:
            JournalFailed: nothing was written; the same batch can be committed again.
        """
        try:
            self._write(batch)
        except BaseException:
            if self.retention is not None:
                self.retention.reload()
            raise

    def _write(self, batch: Batch) -> None:
        db = self._db
        with self._database.transaction():
            if batch.last >= batch.first:
                self._write_events(batch)
            if batch.failures or batch.settled:
                self.failures.write(batch.failures, batch.settled)
            if batch.identities or batch.deliveries:
                self._write_items(batch)
            if batch.controls:
                noted = msgspec.json.encode([(batch.first, seq) for seq in batch.controls]).decode()
                db.execute("INSERT INTO meta VALUES (?, ?)", (controls_key(batch.first), noted))
            if batch.client is not None:
                self._confirm(batch.client, batch.acked, batch.published)
            if batch.boundary:
                db.execute("INSERT OR REPLACE INTO meta VALUES ('boundary', ?)", (str(batch.last),))
            if batch.snapshot is not None:
                self._write_snapshot(batch.last, batch.snapshot)
                if self.retention is not None:
                    self.retention.close_segment(batch.last)
                self._delete_snapshots()
            if self.path == MEMORY:
                self._prune(batch)

    def _delete_snapshots(self) -> None:
        """Delete all snapshots but the latest two, and those with which something begins."""
        kept = [self.boundary, self.beginning, *ends_of_segments(self._db)]
        marks = ",".join("?" * len(kept))
        others = "seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT 2)"
        self._db.execute(f"DELETE FROM snapshots WHERE {others} AND seq NOT IN ({marks})", kept)  # noqa: S608  # only marks

    def _write_events(self, batch: Batch) -> None:
        row = (batch.first, batch.last, batch.client, encoded(batch.events), encoded(batch.records))
        own = chain = None
        if (sealer := self._database.sealer) is not None:
            own = mark(*row)
            chain = sealer.extend(batch.last, own)
        self._db.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, own, chain))

    def _write_items(self, batch: Batch) -> None:
        self.ids.add(batch.identities, batch.first)
        ours = {identity.identity for identity in batch.identities}
        self._db.executemany(
            "INSERT OR IGNORE INTO deliveries (n, client, key, own, packet, topic, hash) VALUES (?,?,?,?,?,?,?)",
            [
                (n, batch.client, delivery.key, delivery.key in ours, *delivery[1:])
                for n, delivery in enumerate(batch.deliveries, self._latest_delivery() + 1)
            ],
        )

    def _latest_delivery(self) -> int:
        """Return the number of the latest delivery that is not settled; there are never many."""
        return int(self._db.execute("SELECT coalesce(max(n), 0) FROM deliveries").fetchone()[0])

    def _prune(self, batch: Batch) -> None:
        """Delete old rows once in 10,000 events, as it takes a walk over all identities."""
        every = _KEPT_IN_MEMORY // 10
        if batch.last // every > (batch.first - 1) // every:
            self._db.execute("DELETE FROM identities WHERE last < ?", (batch.last - _KEPT_IN_MEMORY,))
            self._db.execute("DELETE FROM batches WHERE last < ?", (batch.last - _KEPT_IN_MEMORY,))

    def batches(self, after: int = 0) -> Iterator[tuple[list[Event], list[Record]]]:
        """Yield the events after a sequence number, and their records, batch by batch, in order.

        Each batch is checked, and that none is missing before it. Events that were dropped are left out.

        Raises:
            JournalDamaged: they are not what was written.
        """
        database = self._database
        query = f"SELECT {database.batch_columns}, {database.chain_column} FROM batches WHERE last > ? ORDER BY first"  # noqa: S608  # our own names
        expected: tuple[int, bytes] | None = None
        end = database.end
        for *row, chain in database.rows(query, max(after, self.beginning)):
            first, last, _, events, records, own = database.checked(tuple(row))
            if expected is None:
                expected = self._link_before(first)
            if own is not None and expected is not None and (first, chain) != (expected[0], link(expected[1], own)):
                raise JournalDamaged(self.path, f"events before event {first} are missing")
            expected = last + 1, chain or START
            yield (
                database.decoded(events)[max(0, after + 1 - first) :],
                [record for record in database.decoded(records) if record["seq"] > after],
            )
        if end > (max(after, self.beginning) if expected is None else expected[0] - 1):
            raise JournalDamaged(self.path, f"events up to event {end} are missing")

    def _link_before(self, first: int) -> tuple[int, bytes] | None:
        """Return the event that a batch is to begin with, and the link of the batch before.

        None where nobody knows any more, as that batch was dropped since this one was read.
        """
        chain = self._database.chain_column
        before = f"SELECT last + 1, {chain} FROM batches WHERE first < ? ORDER BY first DESC LIMIT 1"  # noqa: S608  # the same
        for following, chain in self._database.rows(before, first):
            return following, chain or START
        beginning = self._database.beginning()
        return None if beginning.seq >= first else (beginning.seq + 1, beginning.chain)

    # -- snapshots

    def snapshots(self, most: int = -1) -> list[tuple[int, bytes]]:
        """Return the snapshots, each with the number of its event, the latest first.

        Args:
            most: how many; all where it is negative.

        Raises:
            JournalDamaged: one is not what was written.
        """
        database = self._database
        marked = "mark, chain" if database.has_marks else "NULL, NULL"
        found = []
        query = f"SELECT seq, state, {marked} FROM snapshots ORDER BY seq DESC LIMIT ?"  # noqa: S608  # the same
        for seq, state, own, chain in database.rows(query, most):
            whole = (
                own == mark(seq, state, chain)
                if own is not None
                else database.seal is None or seq <= database.seal.since
            )
            if not whole:
                raise JournalDamaged(self.path, f"the snapshot at event {seq} is not what was written")
            found.append((seq, state))
        return found

    def keep_snapshot(self, seq: int, state: bytes) -> None:
        """Write a snapshot outside a batch, such as at a clean end.

        Raises:
            JournalFailed: it cannot be written.
        """
        with self._database.transaction():
            self._write_snapshot(seq, state)

    def _write_snapshot(self, seq: int, state: bytes) -> None:
        own = chain = None
        if (sealer := self._database.sealer) is not None:
            chain = sealer.chain
            own = mark(seq, state, chain)
        self._db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?)", (seq, state, own, chain))

    # -- clients

    def clients(self) -> dict[str, tuple[int, str | None]]:
        """Return each client's epoch and the id of the last record it has published."""
        return {name: (epoch, id_) for name, epoch, id_ in self._database.rows("SELECT * FROM clients")}

    def attach(self, client: str, *, before: str | None = None) -> int:
        """Begin a new epoch of a client, and return its number.

        Args:
            client: its name.
            before: the id of a record; a new client has nothing to publish up to there.

        Raises:
            JournalFailed: it cannot be written.
        """
        with self._database.transaction():
            self._db.execute(
                "INSERT INTO clients VALUES (?, 1, ?) ON CONFLICT (client) DO UPDATE SET epoch = epoch + 1",
                (client, before),
            )
            return self._db.execute("SELECT epoch FROM clients WHERE client = ?", (client,)).fetchone()[0]  # type: ignore[no-any-return]  # the same

    def forget(self, client: str) -> None:
        """Delete a client, with its deliveries that are not settled.

        Raises:
            JournalFailed: it cannot be written.
        """
        with self._database.transaction():
            self._db.execute("DELETE FROM deliveries WHERE client = ?", (client,))
            self._db.execute("DELETE FROM clients WHERE client = ?", (client,))

    def window(self, client: str) -> list[Delivery]:
        """Return a client's deliveries that are not settled, oldest first."""
        query = "SELECT key, packet, topic, hash FROM deliveries WHERE client = ? ORDER BY n"
        rows = self._database.rows(query, client)
        return [Delivery(*row) for row in rows]

    def rename_deliveries(self, client: str, names: Mapping[str, str]) -> None:
        """Write a client's deliveries, and what they are known by, under other keys.

        Raises:
            JournalFailed: it cannot be written.
        """
        with self._database.transaction():
            for key, name in names.items():
                self._db.execute(
                    "UPDATE identities SET identity = ? WHERE identity = ? "
                    "AND EXISTS (SELECT 1 FROM deliveries WHERE key = ? AND client = ? AND own)",
                    (name, key, key, client),
                )
                self._db.execute("UPDATE deliveries SET key = ? WHERE key = ? AND client = ?", (name, key, client))

    def set_published(self, client: str, record_id: str | None) -> None:
        """Write the last record that a client has published; None for a client without records.

        Raises:
            JournalFailed: it cannot be written.
        """
        with self._database.transaction():
            self._db.execute("UPDATE clients SET published = ? WHERE client = ?", (record_id, client))

    def confirm(self, client: str, acked: str | None, published: str | None) -> None:
        """Delete a client's settled deliveries, and write the last record that it has published.

        Args:
            client: its name.
            acked: the key of its last settled delivery; None leaves deliveries as they are.
            published: the id of the record; None leaves it as it is.

        Raises:
            JournalFailed: it cannot be written.
        """
        with self._database.transaction():
            self._confirm(client, acked, published)

    def _confirm(self, client: str, acked: str | None, published: str | None) -> None:
        if acked is not None:
            settled = "client = ? AND n <= (SELECT n FROM deliveries WHERE key = ?)"
            self._db.execute(
                f"DELETE FROM identities WHERE identity IN (SELECT key FROM deliveries WHERE own AND {settled})",  # noqa: S608  # our own text
                (client, acked),
            )
            self._db.execute(f"DELETE FROM deliveries WHERE {settled}", (client, acked))  # noqa: S608  # the same
        if published is not None:
            self._db.execute("UPDATE clients SET published = ? WHERE client = ?", (published, client))
