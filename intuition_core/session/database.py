"""The SQLite file under a journal: a connection for the writer, one for readers, and transactions."""

import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from intuition_core.session.batch import decoded
from intuition_core.session.beginning import Beginning, read_beginning
from intuition_core.session.errors import BadJournal, JournalDamaged, JournalFailed, JournalGone
from intuition_core.session.head import Head, Place, head_of
from intuition_core.session.integrity import Seal, mark
from intuition_core.session.schema import FORMAT, PAGE_BYTES, READ, add_checksums, create_missing, is_empty
from intuition_core.session.sealing import Sealer, check_end, check_place, check_sums, read_head, read_seal

BATCH: Final = "first, last, client, events, records"
"""The columns of a batch that its mark covers."""
_log = logging.getLogger(__name__)
_ERRORS: Final = (sqlite3.Error, UnicodeDecodeError)
"""What a damaged file makes SQLite raise: its messages may quote bytes of the file."""
_LOG_BYTES: Final = 2**22
"""Bytes of SQLite's log at which it is brought into the file."""
_SURROUNDINGS: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""Errors of SQLite that say nothing of the file's content."""

_PAGES: Final = ("freelist_count", "page_count", "auto_vacuum")

_OF_THE_CONTENT: Final = (sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
"""Refusals of what is to be written: to try again is in vain, whatever becomes of the disk."""


class Database:
    """One SQLite file, written by one thread at a time and read by any.

    Args:
        path: the file, created where there is none; SQLite's own name for a database in memory.
        synchronous: SQLite's setting of that name, for what a commit survives.
        in_memory: whether the path names a database in memory.
        read_only: open an existing file without writing.
        shrinking: make the file so that it can become smaller while it is written.

    Attributes:
        path: the file.
        connection: the connection that writes.
        sealer: keeps the checksums; None where nothing is written, or in memory.
        seal: what the last commit had left the file as when it was opened; None where it has no checksums.

    Raises:
        BadJournal: the file is not an SQLite database, or another format.
        JournalDamaged: the file does not hold what was written to it last.
        JournalGone: there is no file, or an empty one, though events were kept in it.
        JournalFailed: the file cannot be opened or created.
    """

    def __init__(
        self, path: str, *, synchronous: str, in_memory: bool, read_only: bool, shrinking: bool = False
    ) -> None:
        self.path = path
        self.sealer: Sealer | None = None
        self.seal: Seal | None = None
        # A database in memory has one connection, which would show its reader what is not committed yet.
        self._turn: AbstractContextManager[object] = threading.Lock() if in_memory else nullcontext()
        self._reading = self._turn if in_memory else threading.Lock()
        head = Head(path, power=synchronous == "FULL")
        # Before the file itself: somebody may be writing to both, to the file first.
        place = None if in_memory else read_head(head, path)
        with ExitStack() as stack:
            try:
                if not read_only and not in_memory:
                    self._verify_beforehand(place)
                if read_only:
                    self.connection = self.connect_to_read()
                else:
                    self.connection = self._connect_to_write(in_memory=in_memory)
                stack.enter_context(closing(self.connection))
                self.connection.isolation_level = None
                if not read_only:
                    self._prepare(synchronous, in_memory=in_memory, shrinking=shrinking)
                self._check_format()
                if read_only:
                    self._verify(place)
                elif not in_memory:
                    add_checksums(self.connection)
                    if shrinking:
                        self._make_shrink()
                    self.has_marks = True
                    self.sealer = Sealer(path, self.connection, head, place)
                    self.seal = self.sealer.seal
                    stack.callback(self.sealer.close)
                # In WAL mode readers and the writer do not block each other.
                self._reader = self.connection if read_only or in_memory else self.connect_to_read()
                self._reader.create_function("damaged", 6, self._is_damaged)
            except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
                if _is_damage(error) and place is not None:
                    raise JournalDamaged(path, _told(error)) from error
                if isinstance(error, sqlite3.OperationalError) and not read_only:
                    raise JournalFailed(path, str(error)) from error
                raise BadJournal(path, f"no journal: {error}") from error
            stack.pop_all()

    def connect_to_read(self) -> sqlite3.Connection:
        """Return another connection to the file, which cannot write."""
        file = Path(self.path).absolute()
        address = f"{file.as_uri()}?mode=ro"
        connection = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError:
            log = Path(f"{file}-wal")
            if not file.is_file() or (log.exists() and log.stat().st_size) or os.access(file.parent, os.W_OK):
                return connection  # the next statement says why
            connection.close()
            # SQLite cannot lock on a file system that is only read, and nobody writes there.
            return sqlite3.connect(f"{address}&immutable=1", uri=True, isolation_level=None, check_same_thread=False)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect_to_write(self, *, in_memory: bool) -> sqlite3.Connection:
        if not in_memory:
            with suppress(OSError):  # SQLite says why it cannot be opened
                # Nobody else is to read it, nor what SQLite puts beside it with the same rights.
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
                Path(self.path).chmod(0o600)
        return sqlite3.connect(self.path, check_same_thread=False)  # one thread at a time writes

    def _prepare(self, synchronous: str, *, in_memory: bool, shrinking: bool) -> None:
        db = self.connection
        if is_empty(db) and not in_memory:
            db.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            if shrinking:
                db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_BYTES // PAGE_BYTES}")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        create_missing(db, sealed=not in_memory)

    def _check_format(self) -> None:
        row = self.connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
        written = row[0] if row else None
        if written not in [str(number) for number in READ]:
            raise BadJournal(self.path, f"its format is {written}; this version reads {' and '.join(map(str, READ))}")
        self.has_marks = written != "1"

    def _make_shrink(self) -> None:
        """Write a file that was begun without `keep` anew once more than half of it is free."""
        db = self.connection
        free, pages, can = (db.execute(f"PRAGMA {each}").fetchone()[0] for each in _PAGES)
        if not can and 2 * free > pages:
            _log.info("%s: the file is made smaller, once", self.path)
            db.execute("PRAGMA auto_vacuum = INCREMENTAL")
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _verify_beforehand(self, place: Place | None) -> None:
        """Check the end of an existing file; to open it for writing would bring what is left of a log into it."""
        file = Path(self.path)
        if not file.is_file() or not file.stat().st_size:
            return
        with closing(self.connect_to_read()) as db:
            if is_empty(db):
                if place is not None:
                    raise JournalGone(
                        self.path, f"is empty, though {place.seq} events were kept in it", head_of(self.path)
                    )
                return
            if db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone() != (str(FORMAT),):
                return
            seal = read_seal(db, self.path)
            check_place(db, self.path, seal, place)
            check_end(db, self.path, seal)

    def _verify(self, place: Place | None) -> None:
        """Check what a reader relies on, as of one moment."""
        if not self.has_marks:
            return
        db = self.connection
        db.execute("BEGIN")
        try:
            self.seal = seal = read_seal(db, self.path)
            if place is None:
                _log.warning("%s: %s is not beside it; its latest events may be missing", self.path, head_of(self.path))
            else:
                check_place(db, self.path, seal, place)
            check_end(db, self.path, seal)
            check_sums(db, self.path, seal, ids=False)
        finally:
            db.execute("ROLLBACK")

    def close(self) -> None:
        """Close both connections; a query of another thread is broken off."""
        if self._reader is not self.connection:
            with suppress(sqlite3.Error):
                self._reader.interrupt()
        with self._reading:
            self._reader.close()
        self.connection.close()  # the last one: it brings everything into the one file
        if self.sealer is not None:
            self.sealer.close()

    def read(self, statement: str, *parameters: object) -> list[Any]:
        """Return the rows of a query, as last committed; for any thread.

        Raises:
            BadJournal: the file cannot be read.
        """
        with self._reading:
            try:
                return self._reader.execute(statement, parameters).fetchall()
            except _ERRORS as error:
                raise self._unreadable(error) from error

    def rows(self, statement: str, *parameters: object) -> Iterator[Any]:
        """Yield the rows of a query by the connection that writes, within its transaction.

        Raises:
            BadJournal: the file cannot be read.
        """
        try:
            yield from self.connection.execute(statement, parameters)
        except sqlite3.ProgrammingError:
            raise
        except _ERRORS as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> BadJournal:
        if _is_damage(error):
            return JournalDamaged(self.path, _told(error))
        return BadJournal(self.path, f"cannot be read: {error}")

    @property
    def end(self) -> int:
        """The last event that was committed, as far as the checksums say; 0 without any."""
        seal = self.seal if self.sealer is None else self.sealer.seal
        return 0 if seal is None else seal.seq

    @property
    def chain_column(self) -> str:
        """The column of the link of a batch to the one before."""
        return "chain" if self.has_marks else "NULL"

    @property
    def batch_columns(self) -> str:
        """The columns of a batch with its mark, as `checked` takes them."""
        return f"{BATCH}, {'mark' if self.has_marks else 'NULL'}"

    @property
    def id_columns(self) -> str:
        """The columns of an id with its mark."""
        return f"identity, content, first, last, batch, {'mark' if self.has_marks else 'NULL'}"

    def beginning(self) -> Beginning:
        """Return where the events begin.

        Raises:
            BadJournal: the file cannot be read.
        """
        try:
            return read_beginning(self.connection)
        except _ERRORS as error:
            raise self._unreadable(error) from error

    def checked(self, row: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return a row of ``batch_columns``, checked.

        Raises:
            JournalDamaged: it is not what was written.
        """
        if self._is_damaged(*row):
            raise JournalDamaged(self.path, f"events {row[0]} to {row[1]} are not what was written")
        return row

    def decoded(self, content: bytes) -> list[dict[str, Any]]:
        """Return the events or records of a row.

        Raises:
            JournalDamaged: they cannot be read.
        """
        try:
            return decoded(content)
        except (msgspec.MsgspecError, UnicodeDecodeError, TypeError) as error:
            raise JournalDamaged(self.path, f"a row cannot be read: {error}") from error

    def _is_damaged(self, *row: Any) -> bool:
        seal = self.seal
        if seal is None:
            return False
        *content, own = row
        if own is None:
            return not isinstance(row[1], int) or row[1] > seal.since
        return bool(mark(*content) != own)

    def transaction(self) -> "Transaction":
        """Return a context whose statements on ``connection`` are committed together, or not at all.

        Raises:
            JournalFailed: on entering or leaving, where SQLite refuses; nothing was written.
            sqlite3.Error: it refuses the content, which it will never take.
            JournalLost: on entering, where the file is not the one any more that was opened.
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
            if (sealer := self._database.sealer) is not None:
                sealer.check()
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
        sealer = self._database.sealer
        try:
            if error is None:
                if sealer is not None:
                    sealer.write(db)
                db.execute("COMMIT")
                if sealer is not None:
                    sealer.committed()
                return
        except _ERRORS as refused:
            error = refused
        with suppress(sqlite3.Error):
            if db.in_transaction:
                db.execute("ROLLBACK")
        if sealer is not None:
            sealer.undo()
        if isinstance(error, _OF_THE_CONTENT):
            raise error
        if isinstance(error, _ERRORS):
            if sealer is not None and _is_damage(error):
                sealer.damage = _told(error)
                sealer.check()
            raise JournalFailed(self._database.path, str(error)) from error


def _told(error: BaseException) -> str:
    # SQLite quotes what it cannot decode.
    return "a text in it is not what was written" if "decode" in str(error) else str(error)


def _is_damage(error: BaseException) -> bool:
    """Return whether an error of SQLite is due to the content of the file; our own statements are right."""
    if "decode to UTF-8" in str(error) or isinstance(error, UnicodeDecodeError):
        return True
    code = getattr(error, "sqlite_errorcode", None)  # None for errors of Python's module, and those made by hand
    return code is not None and code & 0xFF not in _SURROUNDINGS
