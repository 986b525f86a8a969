"""The tables of a journal, and the number of their format."""

import sqlite3
from typing import Final

FORMAT: Final = 1
"""The format that this version reads and writes."""

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


def create_missing(db: sqlite3.Connection) -> None:
    """Create the tables where the file has none."""
    if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        # In one transaction: a process that ends half-way would leave a file that nothing can open.
        db.executescript(f"BEGIN; {_SCHEMA}")
        db.execute("INSERT INTO meta VALUES ('format', ?)", (str(FORMAT),))
        db.execute("COMMIT")
