"""The tables of a journal, and the number of their format."""

import secrets
import sqlite3
from typing import Final

from intuition_core.session.integrity import START, TABLES, Seal, added, mark

FORMAT: Final = 2
"""The format that this version writes."""
READ: Final = (1, FORMAT)
"""The formats that this version reads; one without checksums is given them when it is opened for writing."""

PAGE_BYTES: Final = 1024
"""A commit writes whole pages, of which an event fills a fraction."""

_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE batches (
    first INTEGER PRIMARY KEY, last INTEGER NOT NULL, client TEXT, events BLOB NOT NULL, records BLOB NOT NULL,
    mark BLOB, chain BLOB
);
CREATE INDEX batches_of_client ON batches (client, last) WHERE client IS NOT NULL;
CREATE TABLE identities (
    identity TEXT PRIMARY KEY, content BLOB NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, batch INTEGER NOT NULL, mark BLOB
) WITHOUT ROWID;
CREATE TABLE deliveries (
    key TEXT PRIMARY KEY, n INTEGER NOT NULL, client TEXT NOT NULL, own INTEGER NOT NULL,
    packet INTEGER NOT NULL, topic TEXT NOT NULL, hash TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE clients (client TEXT PRIMARY KEY, epoch INTEGER NOT NULL, published TEXT) WITHOUT ROWID;
CREATE TABLE snapshots (seq INTEGER PRIMARY KEY, state BLOB NOT NULL, mark BLOB, chain BLOB);
CREATE TABLE casualties (
    n INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, part INTEGER NOT NULL, problem TEXT NOT NULL,
    event BLOB NOT NULL
);
CREATE TABLE verdicts (
    seq INTEGER NOT NULL, part INTEGER NOT NULL, name TEXT NOT NULL, called INTEGER NOT NULL,
    quarantined INTEGER NOT NULL, problem TEXT NOT NULL, PRIMARY KEY (seq, part)
) WITHOUT ROWID;
"""
_FORMER: Final = "CREATE TABLE former (bucket INTEGER PRIMARY KEY, digests BLOB NOT NULL, mark BLOB NOT NULL);"
_SEAL: Final = "CREATE TABLE seal (n INTEGER PRIMARY KEY, content BLOB NOT NULL, mark BLOB NOT NULL);"
_ADDED: Final = (
    "".join(
        f"ALTER TABLE {table} ADD COLUMN {column} BLOB;"
        for table in ("batches", "snapshots")
        for column in ("mark", "chain")
    )
    + "ALTER TABLE identities ADD COLUMN mark BLOB;"
)


def is_empty(db: sqlite3.Connection) -> bool:
    """Return whether a file has no tables."""
    return not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def create_missing(db: sqlite3.Connection, *, sealed: bool) -> None:
    """Create the tables where the file has none.

    Args:
        db: the file.
        sealed: whether there is to be a seal; a journal in memory needs none.
    """
    if is_empty(db):
        # In one transaction: a process that ends half-way would leave a file that nothing can open.
        db.executescript(f"BEGIN; {_SCHEMA} {_FORMER} {_SEAL}")
        db.execute("INSERT INTO meta VALUES ('format', ?)", (str(FORMAT),))
        if sealed:
            _seal(db, since=0)
        db.execute("COMMIT")


def add_checksums(db: sqlite3.Connection) -> None:
    """Bring a journal of format 1 to the present one; what is in it so far stays without checksums."""
    row = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    if row != ("1",):
        return
    db.executescript(f"BEGIN IMMEDIATE; {_ADDED} {_FORMER} {_SEAL}")
    db.execute("UPDATE meta SET value = ? WHERE key = 'format'", (str(FORMAT),))
    latest = db.execute("SELECT last FROM batches ORDER BY first DESC LIMIT 1").fetchone()
    _seal(db, since=latest[0] if latest else 0)
    db.execute("COMMIT")


def sum_of(db: sqlite3.Connection, table: str, *, since: int) -> tuple[int, int]:
    """Return the number and the sum of a table's rows; ids from before the checksums are left out."""
    total = (0, 0)
    for row in db.execute(_rows_of(table, since)):
        total = added(total, 1, *row)
    return total


def _rows_of(table: str, since: int) -> str:
    later = f" WHERE batch > {since:d}" if table == "identities" and since else ""
    return f"SELECT {', '.join(TABLES[table])} FROM {table}{later}"  # noqa: S608  # our own names


def _seal(db: sqlite3.Connection, *, since: int) -> None:
    seal = Seal(
        journal=secrets.token_bytes(8),
        commit=0,
        seq=since,
        chain=START,
        since=since,
        sums={table: sum_of(db, table, since=since) for table in TABLES},
    )
    content = seal.encoded()
    db.execute("INSERT INTO seal VALUES (1, ?, ?)", (content, mark(content)))
