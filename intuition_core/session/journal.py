"""The journal: what a session took and what came of it, in one SQLite file, one transaction for each batch.

Rows are batches, not events: a batch is one row of encoded events and one of encoded records, so that a million events
are a few thousand rows. Identities of items and deliveries have rows of their own, because they are looked up.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

import msgspec

from intuition_core.data import Event
from intuition_core.session.batch import Batch, Delivery, Known, decoded, encoded
from intuition_core.session.database import Database
from intuition_core.session.errors import BadJournal
from intuition_core.session.failure_log import FailureLog
from intuition_core.session.record_reader import RecordReader, controls_key
from intuition_core.session.schema import FORMAT
from intuition_core.trading.records import Record

MEMORY: Final = ":memory:"
_KEPT_IN_MEMORY: Final = 100_000
"""Events of a journal in memory; on disk all are kept."""
_MOST_VALUES: Final = 500
"""Values of one query; older SQLite takes 999."""

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

    Attributes:
        path: the file, or `MEMORY`.
        durability: what a commit survives.
        failures: crashes and decisions about parts.
        records: the committed records.

    Raises:
        BadJournal: the file exists and is no journal, or has another format.
        JournalFailed: the file cannot be created.
    """

    def __init__(self, path: Path | str, *, durability: Durability = "process", read_only: bool = False) -> None:
        self.path = str(path)
        self.durability = durability
        self._database = database = Database(
            self.path, synchronous=_SYNCHRONOUS[durability], in_memory=self.path == MEMORY, read_only=read_only
        )
        self.failures = FailureLog(database)
        self.records = RecordReader(database)
        with ExitStack() as stack:
            stack.enter_context(closing(database))
            self._check_format(read_only=read_only)
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

    def _check_format(self, *, read_only: bool) -> None:
        noted = self.meta()
        written = noted.get("format")
        if written != FORMAT:
            raise BadJournal(self.path, f"its format is {written}; this version reads {FORMAT}")
        if read_only and "session" not in noted:
            raise BadJournal(self.path, "no session was begun in it; `intuition serve` ended before it could")

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    # -- the session as a whole

    def meta(self) -> dict[str, Any]:
        """Return the properties of the session: name, run, composition, configuration, and what else was noted."""
        rows = self._db.execute("SELECT key, value FROM meta WHERE key NOT LIKE 'controls%'")
        return {key: msgspec.json.decode(value) for key, value in rows}

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
        latest = self._db.execute("SELECT last FROM batches ORDER BY first DESC LIMIT 1").fetchone()
        return latest[0] if latest else 0

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
        db = self._db
        with self._database.transaction():
            if batch.last >= batch.first:
                db.execute(
                    "INSERT INTO batches VALUES (?, ?, ?, ?, ?)",
                    (batch.first, batch.last, batch.client, encoded(batch.events), encoded(batch.records)),
                )
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
                db.execute(
                    "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT 2) "
                    "AND seq <> coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'boundary'), 0)"
                )
            if self.path == MEMORY:
                self._prune(batch)

    def _write_items(self, batch: Batch) -> None:
        self._db.executemany(
            "INSERT INTO identities VALUES (?, ?, ?, ?, ?)",
            [(*identity, batch.first) for identity in batch.identities],
        )
        ours = {identity.identity for identity in batch.identities}
        self._db.executemany(
            "INSERT OR IGNORE INTO deliveries (client, key, own, packet, topic, hash) VALUES (?,?,?,?,?,?)",
            [(batch.client, delivery.key, delivery.key in ours, *delivery[1:]) for delivery in batch.deliveries],
        )

    def _prune(self, batch: Batch) -> None:
        """Delete old rows once in 10,000 events, as it takes a walk over all identities."""
        every = _KEPT_IN_MEMORY // 10
        if batch.last // every > (batch.first - 1) // every:
            self._db.execute("DELETE FROM identities WHERE last < ?", (batch.last - _KEPT_IN_MEMORY,))
            self._db.execute("DELETE FROM batches WHERE last < ?", (batch.last - _KEPT_IN_MEMORY,))

    def batches(self, after: int = 0) -> Iterator[tuple[list[Event], list[Record]]]:
        """Yield the events after a sequence number, and their records, batch by batch, in order."""
        rows = self._db.execute("SELECT first, events, records FROM batches WHERE last > ? ORDER BY first", (after,))
        for first, events, records in rows:
            yield (
                decoded(events)[max(0, after + 1 - first) :],
                [record for record in decoded(records) if record["seq"] > after],
            )

    def find(self, identities: Iterable[str]) -> dict[str, Known]:
        """Return those of the items that were taken before, each with its content and its records."""
        wanted = list(dict.fromkeys(identities))
        known: dict[str, Known] = {}
        batches: dict[int, list[Record]] = {}
        for start in range(0, len(wanted), _MOST_VALUES):
            part = wanted[start : start + _MOST_VALUES]
            marks = ",".join("?" * len(part))
            rows = self._db.execute(f"SELECT * FROM identities WHERE identity IN ({marks})", part)  # noqa: S608  # only marks
            for identity, content, first, last, batch in rows.fetchall():
                if batch not in batches:
                    row = self._db.execute("SELECT records FROM batches WHERE first = ?", (batch,)).fetchone()
                    batches[batch] = decoded(row[0])
                records = [record for record in batches[batch] if first <= record["seq"] <= last]
                known[identity] = Known(content, records)
        return known

    def events_of(self, identity: str) -> list[Event]:
        """Return the events of an item that was taken before."""
        place = self._db.execute("SELECT first, last, batch FROM identities WHERE identity = ?", (identity,)).fetchone()
        if place is None:
            return []
        first, last, batch = place
        row = self._db.execute("SELECT events FROM batches WHERE first = ?", (batch,)).fetchone()
        return decoded(row[0])[first - batch : last - batch + 1] if row else []

    # -- snapshots

    def snapshots(self) -> list[tuple[int, bytes]]:
        """Return the snapshots, each with the number of its event, the latest first."""
        return list(self._db.execute("SELECT seq, state FROM snapshots ORDER BY seq DESC"))

    def keep_snapshot(self, seq: int, state: bytes) -> None:
        """Write a snapshot outside a batch, such as at a clean end.

        Raises:
            JournalFailed: it cannot be written.
        """
        with self._database.transaction():
            self._write_snapshot(seq, state)

    def _write_snapshot(self, seq: int, state: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?)", (seq, state))

    # -- clients

    def clients(self) -> dict[str, tuple[int, str | None]]:
        """Return each client's epoch and the id of the last record it has published."""
        return {name: (epoch, id_) for name, epoch, id_ in self._db.execute("SELECT * FROM clients")}

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

    def window(self, client: str) -> list[Delivery]:
        """Return a client's deliveries that are not settled, oldest first."""
        rows = self._db.execute(
            "SELECT key, packet, topic, hash FROM deliveries WHERE client = ? ORDER BY n", (client,)
        )
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
        """Write the last record that a client has published; None for none.

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
