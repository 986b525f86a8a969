"""The SQLite file under a journal: a connection for the writer, one for readers, and transactions."""

import sqlite3
import threading
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

from intuition_core.session.errors import BadJournal, JournalFailed
from intuition_core.session.schema import create_missing

_OF_THE_CONTENT: Final = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
"""Refusals of what is to be written: to try again is in vain, whatever becomes of the disk."""


class Database:
    """One SQLite file, written by one thread at a time and read by any.

    Args:
        path: the file, created where there is none; SQLite's own name for a database in memory.
        synchronous: SQLite's setting of that name, for what a commit survives.
        in_memory: whether the path names a database in memory.
        read_only: open an existing file without writing.

    Attributes:
        path: the file.
        connection: the connection that writes.

    Raises:
        BadJournal: the file is not an SQLite database.
        JournalFailed: the file cannot be opened or created.
    """

    def __init__(self, path: str, *, synchronous: str, in_memory: bool, read_only: bool) -> None:
        self.path = path
        # A database in memory has one connection, which would show its reader what is not committed yet.
        self._turn: AbstractContextManager[object] = threading.Lock() if in_memory else nullcontext()
        with ExitStack() as stack:
            try:
                if read_only:
                    self.connection = self._connect_to_read()
                else:
                    self.connection = sqlite3.connect(path, check_same_thread=False)  # one thread at a time writes
                stack.enter_context(closing(self.connection))
                self.connection.isolation_level = None
                if not read_only:
                    self.connection.execute("PRAGMA journal_mode = WAL")
                    self.connection.execute(f"PRAGMA synchronous = {synchronous}")
                    create_missing(self.connection)
                self.connection.execute("SELECT key FROM meta LIMIT 1")
                # In WAL mode readers and the writer do not block each other.
                self._reader = self.connection if read_only or in_memory else self._connect_to_read()
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError) and not read_only:
                    raise JournalFailed(path, str(error)) from error
                raise BadJournal(path, f"no journal: {error}") from error
            stack.pop_all()

    def _connect_to_read(self) -> sqlite3.Connection:
        address = f"{Path(self.path).absolute().as_uri()}?mode=ro"
        return sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)

    def close(self) -> None:
        """Close both connections."""
        self._reader.close()
        self.connection.close()  # the last one: it brings everything into the one file

    def read(self, statement: str, *parameters: object) -> list[Any]:
        """Return the rows of a query, as last committed; for any thread.

        Raises:
            BadJournal: the file cannot be read.
        """
        with self._turn:
            try:
                return self._reader.execute(statement, parameters).fetchall()
            except sqlite3.Error as error:
                raise BadJournal(self.path, f"cannot be read: {error}") from error

    def transaction(self) -> "Transaction":
        """Return a context whose statements on ``connection`` are committed together, or not at all.

        Raises:
            JournalFailed: on entering or leaving, where SQLite refuses; nothing was written.
            sqlite3.Error: it refuses the content, which it will never take.
        """
        return Transaction(self, self._turn)


class Transaction:
    """One transaction; errors of SQLite become `JournalFailed`, but those of the content that it is to write."""

    def __init__(self, database: Database, turn: AbstractContextManager[object]) -> None:
        self._database = database
        self._turn = turn

    def __enter__(self) -> None:
        with ExitStack() as stack:
            stack.enter_context(self._turn)
            try:
                self._database.connection.execute("BEGIN IMMEDIATE")
            except sqlite3.Error as error:
                raise JournalFailed(self._database.path, str(error)) from error
            self._held = stack.pop_all()

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        with self._held:
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        db = self._database.connection
        try:
            if error is None:
                db.execute("COMMIT")
                return
        except sqlite3.Error as refused:
            error = refused
        with suppress(sqlite3.Error):
            if db.in_transaction:
                db.execute("ROLLBACK")
        if isinstance(error, _OF_THE_CONTENT):
            raise error
        if isinstance(error, sqlite3.Error):
            raise JournalFailed(self._database.path, str(error)) from error
