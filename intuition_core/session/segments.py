"""Archived segments: journals of their own, which are only read."""

import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

from intuition_core.session.beginning import KEY as BEGINNING
from intuition_core.session.beginning import Beginning
from intuition_core.session.database import Database
from intuition_core.session.errors import JournalDamaged, JournalFailed
from intuition_core.session.head import Head, Place
from intuition_core.session.integrity import TABLES, Seal, link, mark
from intuition_core.session.schema import PAGE_BYTES, create_missing, sum_of

KEY: Final = "archived"
"""The property of a session that a segment has, and no journal that is written."""
_BATCHES: Final = 200
_LEFT_OUT: Final = (BEGINNING, "segments", "former")
_BYTES: Final = 2**20
"""Bytes of batches that are copied at once."""


class Archived(NamedTuple):
    """A segment that is archived.

    Attributes:
        beginning: where it begins.
        last: its last event.
        chain: the link of its last batch.
    """

    beginning: Beginning
    last: int
    chain: bytes


def archived(database: Database, part: Archived, folder: Path) -> Iterator[None]:
    """Write a segment to a file of its own, in steps; what was left of an earlier attempt is written anew.

    The file has its name once all of it is on the disk.

    Raises:
        JournalFailed: it cannot be written.
        JournalDamaged: the segment is not what was written.
    """
    first = part.beginning.seq + 1
    target = folder / f"{Path(database.path).stem}.{first}-{part.last}.sqlite"
    made = target.with_suffix(".partial")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for old in (made, Path(f"{made}-journal")):
            old.unlink(missing_ok=True)
        os.close(os.open(made, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(made, isolation_level=None, check_same_thread=False)) as new:
            new.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            new.execute("PRAGMA journal_mode = OFF")  # who ends half-way begins anew
            new.execute("PRAGMA synchronous = OFF")
            create_missing(new, sealed=True)
            yield from _copy_batches(database, new, part)
            seal = _copy_rest(database, new, part)
        _flush(made)
        Head(str(target), power=True).create(Place.of(seal))
        made.rename(target)
        _flush(folder)
    except (OSError, sqlite3.Error) as error:
        raise JournalFailed(str(target), str(error)) from error


def _copy_batches(database: Database, new: sqlite3.Connection, part: Archived) -> Iterator[None]:
    seq, chain = part.beginning.seq, part.beginning.chain
    query = f"SELECT {database.batch_columns}, chain FROM batches WHERE first > ? AND last <= ? ORDER BY first LIMIT ?"  # noqa: S608  # our own names
    while seq < part.last:
        size = 0
        new.execute("BEGIN")
        before = seq
        for *row, linked in database.rows(query, seq, part.last, _BATCHES):
            database.checked(tuple(row))
            if row[0] != seq + 1 or (linked is not None and linked != link(chain, row[5])):
                raise JournalDamaged(database.path, f"events before event {row[0]} are missing")
            new.execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, linked))
            seq, chain = row[1], linked or chain
            size += len(row[3]) + len(row[4])
            if size > _BYTES:
                break
        new.execute("COMMIT")
        if seq == before:
            raise JournalDamaged(database.path, f"events after event {seq} are missing")
        yield


def _copy_rest(database: Database, new: sqlite3.Connection, part: Archived) -> Seal:
    """Copy what a replay of a segment needs besides its events, and write the seal; return it."""
    assert database.sealer is not None  # noqa: S101  # the journal is written
    was = database.sealer.seal
    new.execute("BEGIN")
    new.execute("DELETE FROM meta")
    meta = [row for row in database.rows("SELECT key, value FROM meta") if row[0] not in _LEFT_OUT]
    new.executemany(
        "INSERT INTO meta VALUES (?, ?)", [*meta, (BEGINNING, part.beginning.encoded()), (KEY, str(part.last))]
    )
    snapshots = database.rows(
        "SELECT seq, state, mark, chain FROM snapshots WHERE seq BETWEEN ? AND ?", part.beginning.seq, part.last
    )
    new.executemany("INSERT INTO snapshots VALUES (?, ?, ?, ?)", list(snapshots))
    decisions = database.rows(f"SELECT {', '.join(TABLES['verdicts'])} FROM verdicts WHERE seq <= ?", part.last)  # noqa: S608  # the same
    new.executemany("INSERT INTO verdicts VALUES (?, ?, ?, ?, ?, ?)", list(decisions))
    sums = {table: sum_of(new, table, since=was.since) for table in TABLES}
    seal = Seal(journal=secrets.token_bytes(8), commit=1, seq=part.last, chain=part.chain, since=was.since, sums=sums)
    content = seal.encoded()
    new.execute("INSERT OR REPLACE INTO seal VALUES (1, ?, ?)", (content, mark(content)))
    new.execute("COMMIT")
    return seal


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
