"""Verifying a journal as a whole: every row, every link between batches, every snapshot and id."""

import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from intuition_core.session.beginning import Beginning, read_beginning
from intuition_core.session.errors import BadJournal, JournalDamaged
from intuition_core.session.head import Head, Place
from intuition_core.session.integrity import TABLES, Seal, link, mark
from intuition_core.session.schema import sum_of
from intuition_core.session.sealing import IDS, check_order, check_place, check_structure, read_head, read_seal

if TYPE_CHECKING:
    from intuition_core.session.database import Database

_STRETCH: Final = 1_000
"""Batches that are read at once."""
_REST: Final = 0.002
"""Seconds between two stretches, for those who answer meanwhile."""
_BATCHES: Final = (
    "SELECT first, last, client, events, records, mark, chain FROM batches WHERE first > ? ORDER BY first LIMIT ?"
)

_log = logging.getLogger(__name__)


class Damage(NamedTuple):
    """Something of a journal that is not what was written.

    Attributes:
        what: what it is, such as ``snapshots``.
        problem: what is wrong with it.
    """

    what: str
    problem: str


class Whole(NamedTuple):
    """Up to where the events of a journal are whole.

    Attributes:
        first: the first batch, by its first event, that is not; None where all are.
        last: the last event before it.
        chain: the link of the last whole batch.
        problem: what is wrong with the first batch that is not whole.
    """

    first: int | None
    last: int
    chain: bytes
    problem: str | None


def whole_batches(db: sqlite3.Connection, seal: Seal, *, ended: threading.Event | None = None) -> Whole:
    """Return up to where the batches are whole, read from the first one on that is not dropped.

    Segments may be dropped meanwhile.

    Args:
        db: the journal.
        seal: its seal.
        ended: stops the search; a pause is made between two stretches.
    """
    while True:
        beginning = read_beginning(db)
        found = _whole_after(db, seal, beginning, ended)
        if found.problem is None or read_beginning(db) == beginning:
            return found


def _whole_after(db: sqlite3.Connection, seal: Seal, beginning: Beginning, ended: threading.Event | None) -> Whole:
    first = last = beginning.seq
    chain = beginning.chain
    try:
        while rows := db.execute(_BATCHES, (first, _STRETCH)).fetchall():
            for *row, own, linked in rows:
                sealed = row[0] > seal.since
                if row[0] != last + 1:
                    return Whole(row[0], last, chain, f"events {last + 1} to {row[0] - 1} are missing")
                if sealed and (mark(*row) != own or link(chain, own) != linked):
                    return Whole(row[0], last, chain, f"events {row[0]} to {row[1]} are not what was written")
                first, last = row[0], row[1]
                if sealed:
                    chain = linked
            if ended is not None and ended.wait(_REST):
                return Whole(None, last, chain, None)
    except (sqlite3.Error, UnicodeDecodeError, TypeError) as error:
        return Whole(last + 1, last, chain, f"events after event {last} cannot be read: {error}")
    if last < seal.seq:
        return Whole(last + 1, last, chain, f"events {last + 1} to {seal.seq} are missing")
    return Whole(None, last, chain, None)


def damaged_tables(db: sqlite3.Connection, seal: Seal) -> Iterator[Damage]:
    """Yield the tables, other than the batches, that are not what was written."""
    for table in TABLES:
        try:
            if sum_of(db, table, since=seal.since) != tuple(seal.sums[table]):
                yield Damage(table, "rows are missing, or are not what was written")
        except (sqlite3.Error, UnicodeDecodeError) as error:
            yield Damage(table, f"it cannot be read: {error}")


def damaged_snapshots(db: sqlite3.Connection, seal: Seal) -> Iterator[Damage]:
    """Yield the snapshots that are not what was written."""
    try:
        for seq, state, own, chain in db.execute("SELECT seq, state, mark, chain FROM snapshots ORDER BY seq"):
            if mark(seq, state, chain) != own if own is not None else seq > seal.since:
                yield Damage("snapshots", f"the one at event {seq} is not what was written")
    except (sqlite3.Error, UnicodeDecodeError) as error:
        yield Damage("snapshots", f"they cannot be read: {error}")


def damages(db: sqlite3.Connection, path: str, seal: Seal) -> Iterator[Damage]:
    """Yield all that is damaged in a journal."""
    try:
        check_structure(db, path)
    except JournalDamaged as error:
        yield Damage("structure", error.problem)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        yield Damage("structure", str(error))
    if (problem := whole_batches(db, seal).problem) is not None:
        yield Damage("events", problem)
    yield from damaged_tables(db, seal)
    yield from damaged_snapshots(db, seal)


class Verified(NamedTuple):
    """What a verification has found.

    Attributes:
        last: the last event, as the checksums say.
        since: the last event from before there were checksums.
        damages: all that is not what was written; none where all is whole.
        beginning: the last event before those that are held.
    """

    last: int
    since: int
    damages: list[Damage]
    beginning: int = 0


def verified(path: Path) -> Verified | None:
    """Verify all of a journal, whether it is being served or not; None where it has no checksums yet."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        place = read_head(Head(str(path)), str(path))
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as db, _one_moment(db):
            if db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone() == ("1",):
                return None
            seal = read_seal(db, str(path))
            found = [*_damaged_end(db, str(path), seal, place), *damages(db, str(path), seal)]
            return Verified(seal.seq, seal.since, found, read_beginning(db).seq)
    except BadJournal as error:
        return Verified(0, 0, [Damage("file", error.problem)])
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return Verified(0, 0, [Damage("file", str(error))])


def _damaged_end(db: sqlite3.Connection, path: str, seal: Seal, place: Place | None) -> Iterator[Damage]:
    try:
        check_place(db, path, seal, place)
    except JournalDamaged as error:
        yield Damage("end", error.problem)


class BackgroundVerification:
    """A thread that verifies what the start has left out, on a connection of its own.

    Args:
        database: the journal's; nothing is written to it any more once damage is found.
    """

    def __init__(self, database: "Database") -> None:
        self._database = database
        self._ended = threading.Event()
        self._ordered = threading.Event()
        self._thread = threading.Thread(target=self._run, name="verification", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def wait_for_order(self) -> None:
        """Wait until the order of the ids is checked, or damage was found."""
        self._ordered.wait()

    def wait(self) -> None:
        """Wait until all is verified."""
        self._thread.join()

    def _run(self) -> None:
        sealer = self._database.sealer
        assert sealer is not None  # noqa: S101  # only of a journal that is written
        try:
            with closing(self._database.connect_to_read()) as db:
                db.set_progress_handler(self._ended.is_set, 100_000)
                self._verify(db)
        except (BadJournal, sqlite3.Error, UnicodeDecodeError) as error:
            if not self._ended.is_set():
                sealer.damage = error.problem if isinstance(error, BadJournal) else str(error)
                _log.error("%s", JournalDamaged(self._database.path, sealer.damage))
        finally:
            self._ordered.set()

    def _verify(self, db: sqlite3.Connection) -> None:
        database, sealer = self._database, self._database.sealer
        assert sealer is not None  # noqa: S101  # the same
        path, seal = database.path, sealer.seal
        if not sealer.ids_checked:
            check_order(db, path)
            self._ordered.set()
            with _one_moment(db):
                now = read_seal(db, path)
                for table in IDS:
                    if sum_of(db, table, since=now.since) != tuple(now.sums[table]):
                        raise JournalDamaged(path, f"its table `{table}` is not what was written")
            sealer.ids_checked = True
        if (problem := whole_batches(db, seal, ended=self._ended).problem) is not None:
            raise JournalDamaged(path, problem)
        if not sealer.structure_checked:
            check_structure(db, path)


@contextmanager
def _one_moment(db: sqlite3.Connection) -> Iterator[None]:
    db.execute("BEGIN")
    try:
        yield
    finally:
        with suppress(sqlite3.Error, UnicodeDecodeError):
            db.execute("ROLLBACK")
