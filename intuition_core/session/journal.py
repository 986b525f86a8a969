"""The journal: what a session took and what came of it, in one SQLite file, one transaction for each batch.

Rows are batches, not events: a batch is one row of encoded events and one of encoded records, so that a million events
are a few thousand rows. Identities of items and deliveries have rows of their own, because they are looked up.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple, Self, TypeAlias

import msgspec

from intuition_core.data import Event
from intuition_core.errors import IntuitionError
from intuition_core.supervision.crashes import FailureDecision, Release, WorkerCrash
from intuition_core.trading.records import Record, record_key

FORMAT: Final = 1
MEMORY: Final = ":memory:"
CLOCK: Final = ""
"""Whose batches those are of timers that the clock told; no client can be called so."""
_KEPT_IN_MEMORY: Final = 100_000
"""Events of a journal in memory; on disk all are kept."""

_STRETCH: Final = 1_000
"""Events whose decisions are read at once."""
_LARGEST: Final = 2**63 - 1
"""The largest number that SQLite holds."""

Durability: TypeAlias = Literal["process", "power"]
"""What a commit survives: the end of the process, however it ends; or that of the machine's power as well."""

_SYNCHRONOUS: Final[dict[Durability, str]] = {"process": "NORMAL", "power": "FULL"}

_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE batches (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, client TEXT, events BLOB NOT NULL, records BLOB NOT NULL
);
CREATE INDEX batches_of_client ON batches (client, last) WHERE client IS NOT NULL;
CREATE TABLE identities (
    identity TEXT PRIMARY KEY, content BLOB NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, batch INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE deliveries (
    n INTEGER PRIMARY KEY AUTOINCREMENT, client TEXT NOT NULL, key TEXT NOT NULL UNIQUE, own INTEGER NOT NULL,
    packet INTEGER NOT NULL, topic TEXT NOT NULL, hash TEXT NOT NULL
);
CREATE TABLE clients (client TEXT PRIMARY KEY, epoch INTEGER NOT NULL, published TEXT) WITHOUT ROWID;
CREATE TABLE snapshots (seq INTEGER PRIMARY KEY, state BLOB NOT NULL);
CREATE TABLE casualties (
    n INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, part INTEGER NOT NULL, problem TEXT NOT NULL,
    event BLOB NOT NULL
);
CREATE TABLE verdicts (
    seq INTEGER NOT NULL, part INTEGER NOT NULL, name TEXT NOT NULL, called INTEGER NOT NULL,
    quarantined INTEGER NOT NULL, problem TEXT NOT NULL, PRIMARY KEY (seq, part)
) WITHOUT ROWID;
"""


class JournalFailed(IntuitionError):
    """A journal that cannot be written at the moment."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(
            f"the journal {path} cannot be written: {problem}; "
            "nothing is acknowledged, and it goes on once this is mended"
        )


class BadJournal(IntuitionError):
    """A file that is no journal, or not one that this version reads."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class Delivery(NamedTuple):
    """How a connector received an item: its own key, and what the broker calls the message."""

    key: str
    packet: int
    topic: str
    hash: str


class Identity(NamedTuple):
    """What makes an item known again, and the content it must then have; and the events it was."""

    identity: str
    content: bytes
    first: int
    last: int


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one transaction writes: events ``first`` to ``last`` and their records; none where ``last < first``.

    ``events`` may be encoded already, by `encoded`: as they were before any part had them in hand. ``settled`` are the
    numbers of the casualties whose events have come again; ``controls`` those of the events that have a control record.
    A ``boundary`` is a batch before which nothing is ever to be run again: its snapshot is kept for good.
    """

    first: int
    last: int
    client: str | None = None
    events: Sequence[Event] | bytes = ()
    records: Sequence[Record] = ()
    identities: Sequence[Identity] = ()
    deliveries: Sequence[Delivery] = ()
    acked: str | None = None
    published: str | None = None
    snapshot: bytes | None = None
    verdicts: Sequence[FailureDecision] = ()
    settled: Sequence[int] = ()
    controls: Sequence[int] = ()
    boundary: bool = False


class Known(NamedTuple):
    """An item that was taken before."""

    content: bytes
    records: list[Record]


class Journal:
    """One session's file; a context that closes it.

    Args:
        path: the file, made where there is none; `MEMORY` for a journal that ends with the process and keeps the
            latest 100,000 events.
        durability: what a commit survives.
        read_only: look, write nothing.

    Raises:
        BadJournal: the file is there and is no journal.
        JournalFailed: the file cannot be made.
    """

    def __init__(self, path: Path | str, *, durability: Durability = "process", read_only: bool = False) -> None:
        self.path = str(path)
        self.durability = durability
        # There is no second connection to a database in memory; and one sees what it has not committed yet.
        self._turn: AbstractContextManager[object] = threading.Lock() if self.path == MEMORY else nullcontext()
        with ExitStack() as stack:
            try:
                if read_only:
                    self._db = self._connect_to_read()
                else:
                    self._db = sqlite3.connect(self.path, check_same_thread=False)  # one thread at a time writes
                stack.enter_context(closing(self._db))
                self._db.isolation_level = None
                self._open(read_only=read_only)
                # In WAL mode readers and the writer do not block each other.
                self._reader = self._db if read_only or self.path == MEMORY else self._connect_to_read()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and not read_only:
                    raise JournalFailed(self.path, str(error)) from error
                raise BadJournal(self.path, f"no journal: {error}") from error
            stack.pop_all()

    def __enter__(self) -> Self:
        """Give the journal."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def _connect_to_read(self) -> sqlite3.Connection:
        address = f"{Path(self.path).absolute().as_uri()}?mode=ro"
        return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)

    def _open(self, *, read_only: bool) -> None:
        db = self._db
        if not read_only:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[self.durability]}")
            if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                # All at once, or a process that ends in between leaves what nobody can open.
                db.executescript(f"BEGIN; {_SCHEMA}")
                db.execute("INSERT INTO meta VALUES ('format', ?)", (str(FORMAT),))
                db.execute("COMMIT")
        noted = self.meta()
        written = noted.get("format")
        if written != FORMAT:
            raise BadJournal(self.path, f"its format is {written}; this version reads {FORMAT}")
        if read_only and "session" not in noted:
            raise BadJournal(self.path, "no session was begun in it; `intuition serve` ended before it could")

    def close(self) -> None:
        """Let the file go."""
        self._reader.close()
        self._db.close()  # the last one: it brings everything into the one file

    # -- what the session is

    def meta(self) -> dict[str, Any]:
        """Give what was noted of the session: name, run, composition, configuration."""
        return {key: msgspec.json.decode(value) for key, value in self._db.execute("SELECT key, value FROM meta")}

    def note(self, **values: Any) -> None:
        """Note something of the session.

        Raises:
            JournalFailed: it cannot be written.
        """
        rows = [(key, msgspec.json.encode(value).decode()) for key, value in values.items()]
        with _Transaction(self):
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    @property
    def last_seq(self) -> int:
        """The number of the last event, 0 before the first."""
        latest = self._db.execute("SELECT last FROM batches ORDER BY first DESC LIMIT 1").fetchone()
        return latest[0] if latest else 0

    # -- writing

    def commit(self, batch: Batch) -> None:
        """Write a batch, all of it or nothing.

        Raises:
            JournalFailed: nothing was written; the same batch can be committed again.
        """
        db = self._db
        with _Transaction(self):
            if batch.last >= batch.first:
                db.execute(
                    "INSERT INTO batches VALUES (?, ?, ?, ?, ?)",
                    (batch.first, batch.last, batch.client, encoded(batch.events), encoded(batch.records)),
                )
            if batch.verdicts:
                db.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?)", batch.verdicts)
            if batch.settled:
                db.executemany("DELETE FROM casualties WHERE n = ?", [(n,) for n in batch.settled])
            if batch.identities:
                db.executemany(
                    "INSERT INTO identities VALUES (?, ?, ?, ?, ?)",
                    [(*identity, batch.first) for identity in batch.identities],
                )
            if batch.deliveries:
                ours = {identity.identity for identity in batch.identities}
                db.executemany(
                    "INSERT OR IGNORE INTO deliveries (client, key, own, packet, topic, hash) VALUES (?,?,?,?,?,?)",
                    [
                        (batch.client, delivery.key, delivery.key in ours, *delivery[1:])
                        for delivery in batch.deliveries
                    ],
                )
            if batch.controls:
                noted = [*self.control_events(), *((batch.first, seq) for seq in batch.controls)]
                db.execute("INSERT OR REPLACE INTO meta VALUES ('controls', ?)", (msgspec.json.encode(noted).decode(),))
            if batch.client is not None:
                self._confirm(batch.client, batch.acked, batch.published)
            if batch.boundary:
                db.execute("INSERT OR REPLACE INTO meta VALUES ('boundary', ?)", (str(batch.last),))
            if batch.snapshot is not None:
                db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?)", (batch.last, batch.snapshot))
                db.execute(
                    "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT 2) "
                    "AND seq <> coalesce((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'boundary'), 0)"
                )
            if self.path == MEMORY:
                self._prune(batch)

    def _prune(self, batch: Batch) -> None:
        """Forget what is old, now and then: it takes a walk over all identities."""
        every = _KEPT_IN_MEMORY // 10
        if batch.last // every > (batch.first - 1) // every:
            self._db.execute("DELETE FROM identities WHERE last < ?", (batch.last - _KEPT_IN_MEMORY,))
            self._db.execute("DELETE FROM batches WHERE first < ?", (batch.last - _KEPT_IN_MEMORY,))

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

    def confirm(self, client: str, acked: str | None, published: str | None) -> None:
        """Forget a client's settled deliveries, and note the last record it has published.

        Raises:
            JournalFailed: it cannot be written.
        """
        with _Transaction(self):
            self._confirm(client, acked, published)

    def attach(self, client: str, *, before: str | None = None) -> int:
        """Begin a new epoch of a client, and give its number.

        Args:
            client: its name.
            before: the place in the session, as a record's id, up to which a client that is new has nothing to publish.

        Raises:
            JournalFailed: it cannot be written.
        """
        with _Transaction(self):
            self._db.execute(
                "INSERT INTO clients VALUES (?, 1, ?) ON CONFLICT (client) DO UPDATE SET epoch = epoch + 1",
                (client, before),
            )
            return self._db.execute("SELECT epoch FROM clients WHERE client = ?", (client,)).fetchone()[0]  # type: ignore[no-any-return]  # the same

    def keep_snapshot(self, seq: int, state: bytes) -> None:
        """Write a snapshot outside a batch, at a clean end.

        Raises:
            JournalFailed: it cannot be written.
        """
        with _Transaction(self):
            self._db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?)", (seq, state))

    def judge(self, verdict: FailureDecision) -> None:
        """Note what was decided about a part at an event that was committed before.

        Raises:
            JournalFailed: it cannot be written.
        """
        with _Transaction(self):
            self._db.execute("INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?)", verdict)

    def release(self, release: Release) -> None:
        """Note that a part is to be called again after an event.

        Raises:
            JournalFailed: it cannot be written.
        """
        self.note(releases=[*self.releases(), release])

    def mourn(self, casualty: WorkerCrash) -> None:
        """Note a casualty whose event is to come again.

        Raises:
            JournalFailed: it cannot be written.
        """
        row = (casualty.seq, casualty.part, casualty.problem, _encoder.encode(casualty.event))
        with _Transaction(self):
            self._db.execute("INSERT INTO casualties (seq, part, problem, event) VALUES (?, ?, ?, ?)", row)

    # -- reading

    def casualties(self) -> dict[int, WorkerCrash]:
        """Give the casualties whose events have not come again, each by its number."""
        return {
            n: WorkerCrash(seq, part, problem, msgspec.msgpack.decode(event))
            for n, seq, part, problem, event in self._db.execute("SELECT * FROM casualties ORDER BY n")
        }

    def verdicts(self) -> dict[int, list[FailureDecision]]:
        """Give what was decided about parts, by the event at which it was."""
        found: dict[int, list[FailureDecision]] = {}
        for seq, part, name, called, quarantined, problem in self._db.execute("SELECT * FROM verdicts"):
            found.setdefault(seq, []).append(FailureDecision(seq, part, name, bool(called), bool(quarantined), problem))
        return found

    def releases(self) -> list[Release]:
        """Give the ends of quarantines, in the order in which they were noted."""
        return msgspec.convert(self.meta().get("releases", []), list[Release])

    def clients(self) -> dict[str, tuple[int, str | None]]:
        """Give each client's epoch and the id of the last record it has published."""
        return {name: (epoch, id_) for name, epoch, id_ in self._db.execute("SELECT * FROM clients")}

    def window(self, client: str) -> list[Delivery]:
        """Give a client's deliveries that are not settled, oldest first."""
        rows = self._db.execute(
            "SELECT key, packet, topic, hash FROM deliveries WHERE client = ? ORDER BY n", (client,)
        )
        return [Delivery(*row) for row in rows]

    def find(self, identities: Iterable[str]) -> dict[str, Known]:
        """Give those of the items that were taken before, each with what it caused then."""
        wanted = list(dict.fromkeys(identities))
        known: dict[str, Known] = {}
        batches: dict[int, list[Record]] = {}
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            marks = ",".join("?" * len(part))
            rows = self._db.execute(f"SELECT * FROM identities WHERE identity IN ({marks})", part)  # noqa: S608  # only marks
            for identity, content, first, last, batch in rows.fetchall():
                if batch not in batches:
                    row = self._db.execute("SELECT records FROM batches WHERE first = ?", (batch,)).fetchone()
                    batches[batch] = _decode_records(row[0])
                records = [record for record in batches[batch] if first <= record["seq"] <= last]
                known[identity] = Known(content, records)
        return known

    def batches(self, after: int = 0) -> Iterator[tuple[list[Event], list[Record]]]:
        """Give the events after a sequence number, and their records, batch by batch, in order."""
        rows = self._db.execute("SELECT first, events, records FROM batches WHERE last > ? ORDER BY first", (after,))
        for first, events, records in rows:
            yield (
                _decode_events(events)[max(0, after + 1 - first) :],
                [record for record in _decode_records(records) if record["seq"] > after],
            )

    def decisions(self, after: tuple[int, int]) -> Iterator[list[Record]]:
        """Give the decisions after a (seq, n), oldest first: those of a thousand events or so at a time, if only none.

        Any thread may read, whatever the one that writes is doing, and sees what is committed. Between two steps
        nothing is held, so that a reader may take its time.

        Raises:
            BadJournal: the file cannot be read.
        """
        ((start, end),) = self._read(
            "SELECT coalesce((SELECT max(first) FROM batches WHERE first <= ?), (SELECT min(first) FROM batches)), "
            "(SELECT max(first) FROM batches)",
            min(after[0], _LARGEST),
        )
        while start is not None and start <= end:
            # Most records are something else: what cannot be a decision is not even decoded.
            rows = self._read(
                "SELECT records FROM batches WHERE first >= ? AND first < ? AND instr(records, ?) ORDER BY first",
                start,
                start + _STRETCH,
                b"decision",
            )
            yield [
                record
                for (records,) in rows
                for record in _decode_records(records)
                if record["type"] == "decision" and record_key(record["id"]) > after
            ]
            start += _STRETCH

    def _read(self, statement: str, *parameters: object) -> list[Any]:
        with self._turn:
            try:
                return self._reader.execute(statement, parameters).fetchall()
            except sqlite3.Error as error:
                raise BadJournal(self.path, f"cannot be read: {error}") from error

    def outbox(self, client: str, after: tuple[int, int], limit: int) -> list[Record]:
        """Give what a client is to publish after a (seq, n), oldest first.

        These are the records of its own items, of each event that has a control record, whoever sent it, and of timers
        that the clock told.
        """
        found: list[Record] = []
        controls = {seq: first for first, seq in self.control_events() if seq >= after[0]}
        rows = self._db.execute(
            "SELECT records, client IN (?, ?) FROM batches WHERE (client IN (?, ?) AND last >= ?) "
            "OR first IN (SELECT value FROM json_each(?)) ORDER BY first",
            (client, CLOCK, client, CLOCK, after[0], msgspec.json.encode(list(controls.values())).decode()),
        )
        for records, own in rows:
            found.extend(
                record
                for record in _decode_records(records)
                if (own or record["seq"] in controls) and record_key(record["id"]) > after
            )
            if len(found) >= limit:
                break
        return found[:limit]

    def records_of(self, events: Iterable[tuple[int, int]]) -> Iterator[Record]:
        """Give the records of some events, each named by the first event of its batch and its own number.

        Any thread may read, as it may `decisions`.

        Raises:
            BadJournal: the file cannot be read.
        """
        for first, seq in events:
            for (records,) in self._read("SELECT records FROM batches WHERE first = ?", first):
                yield from (record for record in _decode_records(records) if record["seq"] == seq)

    def told_by_clock(self, after: tuple[int, int]) -> Iterator[Record]:
        """Give the records after a (seq, n) of timers that the clock told, oldest first.

        Any thread may read, as it may `decisions`.

        Raises:
            BadJournal: the file cannot be read.
        """
        batches = "FROM batches WHERE client = ? AND last >= ? AND records <> ?"
        for (first,) in self._read(f"SELECT first {batches} ORDER BY last", CLOCK, after[0], encoded(())):
            for (records,) in self._read("SELECT records FROM batches WHERE first = ?", first):
                yield from (record for record in _decode_records(records) if record_key(record["id"]) > after)

    @property
    def told_last(self) -> Record | None:
        """The last record of a timer that the clock told."""
        latest = "SELECT records FROM batches WHERE client = ? AND records <> ? ORDER BY last DESC LIMIT 1"
        row = self._db.execute(latest, (CLOCK, encoded(()))).fetchone()
        return _decode_records(row[0])[-1] if row else None

    def control_events(self) -> list[tuple[int, int]]:
        """Give the events that have a control record, each as the first event of its batch and its own number."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'controls'").fetchone()
        return msgspec.json.decode(row[0], type=list[tuple[int, int]]) if row else []

    @property
    def boundary(self) -> int:
        """The last event before which nothing is ever to be run again; 0 where all may be."""
        row = self._db.execute("SELECT value FROM meta WHERE key = 'boundary'").fetchone()
        return int(row[0]) if row else 0

    def snapshots(self) -> list[tuple[int, bytes]]:
        """Give the snapshots there are, the latest first."""
        return list(self._db.execute("SELECT seq, state FROM snapshots ORDER BY seq DESC"))


class _Transaction:
    """All or nothing; SQLite's errors become ours."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def __enter__(self) -> None:
        with ExitStack() as stack:
            stack.enter_context(self._journal._turn)  # the same module
            try:
                self._journal._db.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                raise JournalFailed(self._journal.path, str(error)) from error
            self._turn = stack.pop_all()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        with self._turn:
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        db = self._journal._db
        try:
            if error is None:
                db.execute("COMMIT")
                return
        except sqlite3.Error as refused:
            error = refused
        with suppress(sqlite3.Error):
            if db.in_transaction:
                db.execute("ROLLBACK")
        if isinstance(error, sqlite3.Error):
            raise JournalFailed(self._journal.path, str(error)) from error


_encoder: Final = msgspec.msgpack.Encoder()
_events_decoder: Final = msgspec.msgpack.Decoder(list[dict[str, Any]])


def encoded(content: Sequence[Mapping[str, Any]] | bytes) -> bytes:
    """Write events or records as the journal keeps them."""
    return content if isinstance(content, bytes) else _encoder.encode(list(content))


def _decode_events(content: bytes) -> list[Event]:
    return _events_decoder.decode(content)


def _decode_records(content: bytes) -> list[Record]:
    return _events_decoder.decode(content)
