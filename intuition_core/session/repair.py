"""Making a new journal of what is provably whole in a damaged one."""

import secrets
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from intuition_core.session.beginning import read_beginning
from intuition_core.session.errors import BadJournal
from intuition_core.session.former import BYTES, Count
from intuition_core.session.former import KEY as FORMER
from intuition_core.session.head import Head, Place
from intuition_core.session.integrity import TABLES, Seal, mark
from intuition_core.session.schema import PAGE_BYTES, create_missing, sum_of
from intuition_core.session.sealing import read_seal
from intuition_core.session.verification import whole_batches


class Repaired(NamedTuple):
    """What a repair has kept.

    Attributes:
        last: the last event that was kept.
        lost: the number of the events that were acknowledged, as far as that is known, and are not kept.
        snapshot: the event of the latest snapshot that was kept; 0 for none.
        left_out: the tables that are damaged, of which the rows that can be read were kept.
        beginning: the last event before those that are held.
    """

    last: int
    lost: int
    snapshot: int
    left_out: list[str]
    beginning: int = 0


class BeyondRepair(BadJournal):
    """What says which session a journal is of is damaged, or nothing proves what is whole."""


def repair(path: Path, target: Path) -> Repaired:
    """Write what is provably whole of a journal to a new one.

    Events are kept up to the first that is damaged or missing. Of ids, those of kept events; of the other tables, what
    is known at that event.

    Args:
        path: the damaged journal; it is only read.
        target: the new one; there is no file yet.

    Raises:
        BeyondRepair: nothing can be kept.
    """
    head = Head(str(path))
    place: Place | None = None
    with suppress(ValueError, OSError):
        place = head.read()
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as db:
        try:
            seal = read_seal(db, str(path))
            if sum_of(db, "meta", since=seal.since) != tuple(seal.sums["meta"]):
                raise BeyondRepair(str(path), "what says which session it is, and of which parts, is damaged")
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise BeyondRepair(str(path), f"nothing in it proves what is whole: {error}") from error
        kept = whole_batches(db, seal)
        beginning = read_beginning(db).seq
        if beginning and not _whole_snapshots(db, seal, kept.last):
            raise BeyondRepair(str(path), f"the snapshot at event {beginning}, with which its events begin, is damaged")
        promised = seal.seq if place is None or place.journal != seal.journal.hex() else max(seal.seq, place.seq)
        with closing(sqlite3.connect(target, isolation_level=None)) as new:
            target.chmod(0o600)
            new.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            new.execute("PRAGMA journal_mode = WAL")
            create_missing(new, sealed=True)
            new.execute("BEGIN")
            snapshot, left_out = _copy(db, new, seal, kept.last)
            if kept.last < promised:
                _cut(new, kept.last)
            if {"identities", "former"} & set(left_out):
                _mend_ids(new, seal.since)
            sealed = _seal(new, seal, seq=kept.last, chain=kept.chain)
            new.execute("COMMIT")
    Head(str(target), power=True).create(Place.of(sealed))
    return Repaired(kept.last, promised - kept.last, snapshot, left_out, beginning)


def _copy(db: sqlite3.Connection, new: sqlite3.Connection, seal: Seal, last: int) -> tuple[int, list[str]]:
    """Copy what is whole up to an event; return the latest snapshot's event, and the tables that are damaged."""
    new.execute("DELETE FROM meta")
    _copy_rows(db, new, "meta", "key, value")
    batches = "first, last, client, events, records, mark, chain"
    _copy_rows(db, new, "batches", batches, f"first > {read_beginning(db).seq:d} AND last <= {last:d}")
    snapshots = _whole_snapshots(db, seal, last)
    new.executemany("INSERT OR IGNORE INTO snapshots VALUES (?, ?, ?, ?)", snapshots)
    _copy_rows(db, new, "identities", ", ".join(TABLES["identities"]), f"last <= {last:d}")
    for table in ("deliveries", "clients", "casualties", "former"):
        _copy_rows(db, new, table, ", ".join(TABLES[table]))
    _copy_rows(db, new, "verdicts", ", ".join(TABLES["verdicts"]), f"seq <= {last:d}")
    left_out = []
    for table in TABLES:
        try:
            if sum_of(db, table, since=seal.since) != tuple(seal.sums[table]):
                left_out.append(table)
        except (sqlite3.Error, UnicodeDecodeError):
            left_out.append(table)
    return max((row[0] for row in snapshots), default=0), left_out


def _whole_snapshots(db: sqlite3.Connection, seal: Seal, last: int) -> list[Any]:
    """Return the snapshots up to an event that are what was written."""
    return [
        row
        for row in _readable(db, f"SELECT seq, state, mark, chain FROM snapshots WHERE seq <= {last:d}")  # noqa: S608  # a number
        if (row[2] is None and row[0] <= seal.since) or row[2] == mark(row[0], row[1], row[3])
    ]


def _mend_ids(new: sqlite3.Connection, since: int) -> None:
    """Mark damaged ids as they can be read, so that one is rather refused than run again; those without events go."""
    for *row, own in new.execute(f"SELECT {', '.join(TABLES['identities'])} FROM identities").fetchall():  # noqa: S608  # our own names
        if own != mark(*row) if own is not None else row[4] > since:
            new.execute("UPDATE identities SET mark = ? WHERE identity = ?", (mark(*row), row[0]))
    beginning = read_beginning(new).seq
    new.execute("DELETE FROM identities WHERE last > ? AND batch NOT IN (SELECT first FROM batches)", (beginning,))
    row = new.execute("SELECT value FROM meta WHERE key = ?", (FORMER,)).fetchone()
    buckets = msgspec.json.decode(row[0], type=Count).buckets if row else 0
    rows = dict(new.execute("SELECT bucket, digests FROM former"))
    for bucket in range(buckets):
        digests = rows.get(bucket, b"")
        digests = digests[: len(digests) // BYTES * BYTES]
        new.execute("INSERT OR REPLACE INTO former VALUES (?, ?, ?)", (bucket, digests, mark(bucket, digests)))


def _copy_rows(db: sqlite3.Connection, new: sqlite3.Connection, table: str, columns: str, which: str = "1") -> None:
    places = ",".join("?" * (columns.count(",") + 1))
    insert = f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({places})"  # noqa: S608  # our own names
    rows = _readable(db, f"SELECT {columns} FROM {table} WHERE {which}")  # noqa: S608  # the same
    for row in rows:
        with suppress(sqlite3.IntegrityError):
            new.execute(insert, row)


def _readable(db: sqlite3.Connection, query: str) -> list[Any]:
    rows: list[Any] = []
    with suppress(sqlite3.Error, UnicodeDecodeError):
        rows.extend(db.execute(query))
    return rows


def _cut(new: sqlite3.Connection, last: int) -> None:
    """Take back what is known of events that are gone: what was published of them, and what they switched."""
    rows = new.execute("SELECT client, published FROM clients WHERE published IS NOT NULL").fetchall()
    for client, published in rows:
        run, seq, _ = published.rsplit(":", 2)
        if int(seq) > last:
            new.execute("UPDATE clients SET published = ? WHERE client = ?", (f"{run}:{last}:{sys.maxsize}", client))
    for key, event in (("controls", 1), ("releases", 0), ("reloads", "seq")):
        row = new.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        if row is not None:
            kept = [each for each in msgspec.json.decode(row[0]) if each[event] <= last]
            new.execute("UPDATE meta SET value = ? WHERE key = ?", (msgspec.json.encode(kept).decode(), key))
    row = new.execute("SELECT value FROM meta WHERE key = 'boundary'").fetchone()
    if row is not None and int(row[0]) > last:
        new.execute("DELETE FROM meta WHERE key = 'boundary'")


def _seal(new: sqlite3.Connection, seal: Seal, *, seq: int, chain: bytes) -> Seal:
    """Write the seal of the new journal, which is another than the damaged one, and return it."""
    sums = {table: sum_of(new, table, since=seal.since) for table in TABLES}
    sealed = replace(seal, journal=secrets.token_bytes(8), commit=1, seq=seq, chain=chain, sums=sums)
    content = sealed.encoded()
    new.execute("INSERT OR REPLACE INTO seal VALUES (1, ?, ?)", (content, mark(content)))
    return sealed
