"""The seal of a journal that is written: kept up to date within each transaction, and outside by the head."""

import sqlite3
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from intuition_core.session.beginning import read_beginning
from intuition_core.session.errors import JournalDamaged, JournalFailed, JournalGone, JournalLost
from intuition_core.session.head import Head, Place, head_of
from intuition_core.session.integrity import TABLES, Seal, added, link, mark, unsealed
from intuition_core.session.schema import sum_of

FULL: Final = 60
"""Former ids of a row, on average, at which another row is begun."""
MOST_IDS: Final = 200_000
"""Ids that are verified before the first answer; more are verified in the background."""
IDS: Final = ("identities", "former")
"""The tables of ids, which may be large."""
MOST_BYTES: Final = 2**25
"""Bytes of a file whose structure is verified before the first answer; that of a larger one in the background."""


def read_seal(db: sqlite3.Connection, path: str) -> Seal:
    """Return the seal of a journal.

    Raises:
        JournalDamaged: there is none, or not the one that was written.
    """
    row = db.execute("SELECT content, mark FROM seal WHERE n = 1").fetchone()
    if row is None or mark(row[0]) != row[1]:
        raise JournalDamaged(path, "its seal is not what was written")
    try:
        return unsealed(row[0])
    except msgspec.MsgspecError:
        raise JournalDamaged(path, "its seal is not what was written") from None


def read_head(head: Head, path: str) -> Place | None:
    """Return what the head of a journal says; None where there is no head.

    Raises:
        JournalDamaged: there is one that cannot be read.
        JournalGone: there is one, but no journal.
    """
    try:
        place = head.read()
    except (ValueError, OSError):
        raise JournalDamaged(path, f"{head.path}, which says where it ends, cannot be read") from None
    if place is not None:
        try:
            size = Path(path).stat().st_size
        except OSError:
            raise JournalGone(path, f"is gone, though {place.seq} events were kept in it", head.path) from None
        if not size:
            raise JournalGone(path, f"is empty, though {place.seq} events were kept in it", head.path)
    return place


def check_place(db: sqlite3.Connection, path: str, seal: Seal, place: Place | None) -> None:
    """Check that a journal holds all that its head names.

    Raises:
        JournalDamaged: it does not, or there is no head.
    """
    if place is None:
        if seal.commit:
            raise JournalDamaged(
                path, f"{head_of(path)} is missing, without which nobody knows whether its latest events are there"
            )
        return
    if place.journal != seal.journal.hex():
        raise JournalDamaged(path, f"it is not the journal that was kept here up to event {place.seq}")
    if seal.commit < place.commit:
        lost = f"events {seal.seq + 1} to {place.seq} are" if place.seq > seal.seq else "the latest commit is"
        raise JournalDamaged(path, f"{lost} missing, as when its -wal file was lost or not copied with it")
    if seal.commit == place.commit:
        same = seal.chain.hex() == place.chain
    else:
        query = "SELECT last, chain FROM batches WHERE first <= ? ORDER BY first DESC LIMIT 1"
        last, chain = db.execute(query, (place.seq,)).fetchone() or _before_all(db)
        unknown = place.seq <= seal.since or place.seq < read_beginning(db).seq
        same = unknown or (last == place.seq and chain is not None and chain.hex() == place.chain)
    if not same:
        raise JournalDamaged(path, f"event {place.seq} is not the one that was acknowledged")


def check_end(db: sqlite3.Connection, path: str, seal: Seal) -> None:
    """Check that the last batch is the one that the seal names.

    Raises:
        JournalDamaged: it is another.
    """
    last, chain = db.execute("SELECT last, chain FROM batches ORDER BY first DESC LIMIT 1").fetchone() or _before_all(
        db
    )
    if last != seal.seq or (last > seal.since and chain != seal.chain):
        raise JournalDamaged(path, f"its last event is {last}, not {seal.seq} as it was written")


def _before_all(db: sqlite3.Connection) -> tuple[int, bytes]:
    """Return the last event before those that a journal holds, and its link."""
    beginning = read_beginning(db)
    return beginning.seq, beginning.chain


def check_sums(db: sqlite3.Connection, path: str, seal: Seal, *, ids: bool) -> None:
    """Check the rows of all tables but the batches.

    Args:
        db: the journal, within a transaction where somebody writes to it.
        path: its file.
        seal: its seal.
        ids: whether to check the ids of items, the former ones included, however many there are.

    Raises:
        JournalDamaged: a row is missing, or is another.
    """
    for table in TABLES:
        if table in IDS and not ids:
            continue
        if sum_of(db, table, since=seal.since) != tuple(seal.sums[table]):
            raise JournalDamaged(path, f"its table `{table}` is not what was written")


def check_structure(db: sqlite3.Connection, path: str) -> None:
    """Check the pages of a journal, and that its indexes hold what its tables do.

    Raises:
        JournalDamaged: they are damaged.
    """
    for (problem,) in db.execute("PRAGMA integrity_check(1)"):
        if problem != "ok":
            raise JournalDamaged(path, problem)


def check_order(db: sqlite3.Connection, path: str) -> None:
    """Check that the ids of items are in order, so that one that is there is found.

    Raises:
        JournalDamaged: they are not.
    """
    for table in IDS:
        for (problem,) in db.execute(f"PRAGMA quick_check({table})"):
            if problem != "ok":
                raise JournalDamaged(path, f"its table `{table}` is not what was written: {problem}")


class Sealer:
    """Keeps the seal of a journal within its transactions, and its head after them.

    Args:
        path: the file.
        db: the connection that writes.
        head: the file beside it.
        place: what the head says.

    Attributes:
        seal: what the last commit has left.
        damage: what was found to be damaged since; nothing is written any more then.
        ids_checked: whether the ids of items were few enough to be verified.
        shrinking: whether pages may be given back to the file system.
        structure_checked: whether the file was small enough for its structure to be verified.

    Raises:
        JournalDamaged: the journal is not what was written last.
    """

    def __init__(self, path: str, db: sqlite3.Connection, head: Head, place: Place | None) -> None:
        self.path = path
        self._db = db
        self._least = sys.maxsize
        self.shrinking = bool(db.execute("PRAGMA auto_vacuum").fetchone()[0])
        self.damage: str | None = None
        self.seal = seal = read_seal(db, path)
        check_place(db, path, seal, place)
        check_end(db, path, seal)
        self._head = head
        self._owed = place != Place.of(seal)
        self._sums = dict(seal.sums)
        self._chain, self._seq = seal.chain, seal.seq
        self._changed = False
        self.ids_checked = seal.sums["identities"][0] + FULL * seal.sums["former"][0] <= MOST_IDS
        check_sums(db, path, seal, ids=self.ids_checked)
        self._status = Path(path).stat()
        self.structure_checked = self._status.st_size <= MOST_BYTES
        if self.structure_checked:
            check_structure(db, path)
        if place is None:
            head.create(Place.of(seal))
            self._owed = False
        self._watch_rows(db)

    def _watch_rows(self, db: sqlite3.Connection) -> None:
        """Create the triggers that report each row inserted or deleted, by whatever statement."""
        db.execute("PRAGMA recursive_triggers = ON")  # else a row that is replaced is not told as gone
        db.create_function("row_changed", -1, self._row_changed)
        for table, columns in TABLES.items():
            for event, ends in (("INSERT", ("NEW",)), ("DELETE", ("OLD",)), ("UPDATE", ("OLD", "NEW"))):
                told = "".join(
                    f"SELECT row_changed('{table}', {-1 if end == 'OLD' else 1}, "
                    f"{', '.join(f'{end}.{column}' for column in columns)})"
                    f"{f' WHERE {end}.batch > {self.seal.since:d}' if table == 'identities' else ''};"
                    for end in ends
                )
                db.execute(
                    f"CREATE TEMP TRIGGER {table}_{event.lower()} AFTER {event} ON main.{table} BEGIN {told} END"
                )

    def _row_changed(self, table: str, sign: int, *values: object) -> None:
        self._changed = True
        self._sums[table] = added(self._sums[table], sign, *values)

    def extend(self, last: int, own: bytes) -> bytes:
        """Return the link of a batch that is about to be written, after all there are."""
        self._changed = True
        self._chain = link(self._chain, own)
        self._seq = last
        return self._chain

    @property
    def chain(self) -> bytes:
        """The link of the last batch, within the transaction."""
        return self._chain

    def check(self) -> None:
        """Check, before a transaction, that the file is still the one that was opened, and the head written.

        Raises:
            JournalLost: the file was removed, replaced or cut, or was found to be damaged.
            JournalFailed: the head cannot be written.
        """
        if self.damage is not None:
            raise JournalLost(self.path, f"is damaged: {self.damage}")
        try:
            now = Path(self.path).stat()
        except OSError:
            raise JournalLost(self.path, "was removed while it was served") from None
        was = self._status
        if (now.st_dev, now.st_ino) != (was.st_dev, was.st_ino):
            raise JournalLost(self.path, "was replaced by another file while it was served")
        if now.st_size < min(was.st_size, self._smallest()):
            raise JournalLost(self.path, "was cut short while it was served")
        self._status = now
        if self._owed:
            try:
                self._write_head()
            except OSError as error:
                raise JournalFailed(self.path, f"{self._head.path}: {error.strerror or error}") from error

    def _smallest(self) -> int:
        """Return the size to which SQLite may have cut the file, since pages may be given back at any commit."""
        if self.shrinking:
            ((pages,),) = self._db.execute("PRAGMA page_count")
            ((size,),) = self._db.execute("PRAGMA page_size")
            self._least = min(self._least, pages * size)
        return self._least

    def write(self, db: sqlite3.Connection) -> None:
        """Write the seal, as the last statement of a transaction that has changed something."""
        if self._changed:
            content = self._next().encoded()
            db.execute("INSERT OR REPLACE INTO seal VALUES (1, ?, ?)", (content, mark(content)))

    def _next(self) -> Seal:
        seal = self.seal
        return replace(seal, commit=seal.commit + 1, seq=self._seq, chain=self._chain, sums=self._sums)

    def committed(self) -> None:
        """Take up what was committed, and write the head; where that fails, `check` tries again."""
        if not self._changed:
            return
        self.seal = self._next()
        self._sums = dict(self._sums)
        self._changed = False
        self._owed = True
        with suppress(OSError):
            self._write_head()

    def _write_head(self) -> None:
        self._head.write(Place.of(self.seal))
        self._owed = False

    def undo(self) -> None:
        """Forget a transaction that was rolled back."""
        self._sums = dict(self.seal.sums)
        self._chain, self._seq = self.seal.chain, self.seal.seq
        self._changed = False

    def close(self) -> None:
        """Close the head."""
        self._head.close()
