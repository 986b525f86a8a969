"""Retention: the oldest segments of a journal are archived or dropped, while it is written.

A segment ends with a batch whose snapshot is kept for it. Dropping one takes many small transactions: the first moves
the beginning of the journal to the segment's end, from which on its events do not count any more; the others delete
what is left of it. A process that ends between two of them goes on with the next one when it starts again.
"""

import logging
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from intuition_core.session.beginning import KEY as BEGINNING
from intuition_core.session.beginning import Beginning
from intuition_core.session.database import Database
from intuition_core.session.errors import JournalDamaged
from intuition_core.session.ids import Ids
from intuition_core.session.integrity import START, mark
from intuition_core.session.keeping import Keep
from intuition_core.session.record_reader import RecordReader, kept_controls_key
from intuition_core.session.segments import Archived, archived
from intuition_core.trading.records import record_key
from intuition_core.trading.state import EngineState

SEGMENTS: Final = 10
"""Segments of what is kept; so much more is kept than was asked for at the most."""
KEY: Final = "segments"
"""The property of the session under which its segments are kept."""
REST: Final = 0.001
"""Seconds between two steps."""
_LOOK: Final = 1.0
"""Seconds after which it is looked again whether a segment is to be dropped."""
_LATER: Final = 60.0
"""Seconds after which something is tried again that could not be done."""
_BYTES: Final = 2**19
"""Bytes of batches that are deleted at once."""
_BATCHES: Final = 500
_IDS: Final = 250
"""Ids that are moved at once."""
_LOOKED_AT: Final = 4_000
"""Ids that are looked at for that."""
_PAGES: Final = 256
"""Pages that are given back at once."""

_log = logging.getLogger("intuition")


class Segment(msgspec.Struct, frozen=True, array_like=True):
    """A segment of a journal that has ended.

    Attributes:
        last: its last event.
        ended: the time of the commit, in nanoseconds UTC.
        size: the bytes that it has added to the file.
    """

    last: int
    ended: int
    size: int


class Segments(msgspec.Struct, frozen=True):
    """The segments of a journal.

    Attributes:
        begun: the beginning of the first one, in nanoseconds UTC.
        ended: those that have ended, the oldest first.
        rest: bytes that belong to none: what was there before them, and what is left of those that were dropped.
    """

    begun: int
    ended: list[Segment] = msgspec.field(default_factory=list)
    rest: int = 0


def read_segments(db: sqlite3.Connection) -> Segments | None:
    """Return the segments of a journal; None where it has none."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (KEY,)).fetchone()
    return msgspec.json.decode(row[0], type=Segments) if row else None


def ends_of_segments(db: sqlite3.Connection) -> list[int]:
    """Return the last events of the segments that have ended."""
    segments = read_segments(db)
    return [] if segments is None else [each.last for each in segments.ended]


class Retention:
    """Ends segments, and drops the oldest ones.

    Args:
        database: the journal's, which is written.
        ids: the journal's.
        records: the journal's.
        keep: what is kept.
        archive: the folder for segments before they are dropped; None to drop them without.
        now: the time in nanoseconds UTC, by which the age of a commit goes.
        clock: seconds that never go back.

    Raises:
        JournalFailed: it cannot be written.
    """

    def __init__(
        self,
        database: Database,
        ids: Ids,
        records: RecordReader,
        *,
        keep: Keep,
        archive: Path | None = None,
        now: Callable[[], int] = time.time_ns,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._database = database
        self._ids = ids
        self._records = records
        self._keep = keep
        self._archive = archive
        self._now = now
        self._clock = clock
        if (segments := read_segments(database.connection)) is None:
            with database.transaction():
                self._write(segments := Segments(begun=now()))
        self._segments = segments
        self._steps: Iterator[None] | None = self._tidied()
        self._next = 0.0
        self._no_state_until = 0.0
        self._told: set[str] = set()

    # -- segments

    def is_due(self, seq: int) -> bool:
        """Return whether a segment is to end with this event, the last one that was run."""
        segments = self._segments
        before = segments.ended[-1].last if segments.ended else self._database.beginning().seq
        if seq <= before or self._clock() < self._no_state_until:
            return False
        if self._keep.age is not None:
            begun = segments.ended[-1].ended if segments.ended else segments.begun
            return self._now() - begun >= self._keep.age // SEGMENTS
        return self._open_size() >= max((self._keep.size or 0) // SEGMENTS, 4 * self._size_of_snapshot())

    def tell_no_state(self) -> None:
        """Note that a part gives no state, so that a segment cannot end now."""
        self._no_state_until = self._clock() + _LATER
        self._tell("state", "nothing of the journal is dropped ([journal] keep): a part gives no state to go on from")

    def close_segment(self, last: int) -> None:
        """End a segment with a batch that has a snapshot, within its transaction, if it is due."""
        if self.is_due(last):
            ended = max(self._now(), self._segments.ended[-1].ended if self._segments.ended else 0)
            segment = Segment(last, ended, self._open_size())
            self._write(msgspec.structs.replace(self._segments, ended=[*self._segments.ended, segment]))

    def reload(self) -> None:
        """Take up what is committed, after a transaction that was not."""
        self._segments = read_segments(self._database.connection) or Segments(begun=self._segments.begun)

    def _write(self, segments: Segments) -> None:
        value = msgspec.json.encode(segments).decode()
        self._database.connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEY, value))
        self._segments = segments

    def _used(self) -> int:
        """Return the bytes of the file that are in use."""
        return (self._pragma("page_count") - self._pragma("freelist_count")) * self._pragma("page_size")

    def _free(self) -> int:
        return self._pragma("freelist_count")

    def _pragma(self, name: str) -> int:
        return int(self._database.connection.execute(f"PRAGMA {name}").fetchone()[0])

    def _kept_size(self) -> int:
        """Return the bytes of all segments."""
        return self._used() - self._segments.rest

    def _open_size(self) -> int:
        """Return the bytes of the segment that has not ended."""
        return self._kept_size() - sum(each.size for each in self._segments.ended)

    def _size_of_snapshot(self) -> int:
        query = "SELECT length(state) FROM snapshots ORDER BY seq DESC LIMIT 1"
        row = self._database.connection.execute(query).fetchone()
        return row[0] if row else 0

    # -- dropping

    def step(self) -> float:
        """Do a little of what is to be done, and return in how many seconds to call again.

        Raises:
            JournalFailed: it cannot be written; the step is done again.
            JournalDamaged: something of it is not what was written.
        """
        if self._steps is None:
            if self._clock() < self._next:
                return self._next - self._clock()
            self._next = self._clock() + _LOOK
            if (segment := self._oldest()) is None:
                return _LOOK
            self._steps = self._dropped(segment)
        try:
            next(self._steps)
        except StopIteration:
            self._steps = None
        except BaseException:
            self.reload()
            self._steps, self._next = self._tidied(), self._clock() + _LATER
            raise
        return REST

    def _oldest(self) -> Segment | None:
        """Return the oldest segment, if it is to be dropped and can be."""
        if not self._segments.ended:
            return None
        oldest = self._segments.ended[0]
        if self._keep.age is not None and oldest.ended > self._now() - self._keep.age:
            return None
        if self._keep.size is not None and self._kept_size() <= self._keep.size:
            return None
        if (client := self._waits_for(oldest.last)) is not None:
            self._tell(
                f"client {client}",
                f"events up to {oldest.last} are kept longer than [journal] keep says: client `{client}` has not "
                "confirmed what it was given of them; start it again, or end the session and have "
                f"`intuition sessions forget {self._database.path} {client}` forget it",
            )
            self._next = self._clock() + _LATER
            return None
        return oldest

    def _waits_for(self, last: int) -> str | None:
        """Return a client that has not passed on all up to an event; None where all have.

        Clients that never confirm anything, as they need not, are not waited for.
        """
        db = self._database.connection
        opened = {client for (client,) in db.execute("SELECT DISTINCT client FROM deliveries")}
        for client, published in db.execute("SELECT client, published FROM clients").fetchall():
            seq, n = record_key(published) if published else (0, sys.maxsize)
            if (n == sys.maxsize and client not in opened) or seq >= last:
                continue
            found = self._records.outbox(client, (seq, n if published else 0), 1)
            if found and found[0]["seq"] <= last:
                return str(client)
        query = (
            "SELECT deliveries.client FROM deliveries JOIN identities ON identity = key WHERE own AND last <= ? LIMIT 1"
        )
        row = db.execute(query, (last,)).fetchone()
        return None if row is None else str(row[0])

    def _dropped(self, segment: Segment) -> Iterator[None]:
        """Archive a segment where that is asked for, and drop it, in steps."""
        chain = self._verified(segment.last)
        if self._archive is not None:
            part = Archived(self._database.beginning(), segment.last, chain)
            yield from archived(self._database, part, self._archive)
        self._move_beginning(segment, chain)
        _log.info("events up to %d are not kept any more", segment.last)
        yield
        yield from self._tidied()
        self._next = 0.0  # there may be another one

    def _verified(self, last: int) -> bytes:
        """Return the link of the batch that ends a segment, once its snapshot is verified.

        Raises:
            JournalDamaged: the snapshot is not what was written, or none of this event.
        """
        database = self._database
        batch = f"SELECT last, {database.chain_column} FROM batches WHERE first <= ? ORDER BY first DESC LIMIT 1"  # noqa: S608  # our own names
        ((end, chain),) = list(database.rows(batch, last)) or [(0, None)]
        for state, own, linked in database.rows("SELECT state, mark, chain FROM snapshots WHERE seq = ?", last):
            if end == last and own == mark(last, state, linked) and linked == (chain or START):
                try:
                    if msgspec.msgpack.decode(state, type=EngineState).seq == last:
                        return chain or START
                except msgspec.MsgspecError:
                    break
        raise JournalDamaged(database.path, f"the snapshot at event {last} is not what was written")

    def _move_beginning(self, segment: Segment, chain: bytes) -> None:
        """Begin the journal after a segment, in one transaction."""
        database = self._database
        db = database.connection
        with database.transaction():
            before = database.beginning()
            controls = [each for each in self._records.control_events(before.seq + 1) if each[1] <= segment.last]
            for each in controls:
                records = msgspec.msgpack.encode(list(self._records.of([each])))
                db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (kept_controls_key(each[1]), records.hex()))
            beginning = Beginning(segment.last, chain.hex(), before.ids)
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (BEGINNING, beginning.encoded()))
            db.execute("DELETE FROM snapshots WHERE seq < ?", (segment.last,))
            left = [each for each in self._segments.ended if each.last > segment.last]
            self._write(msgspec.structs.replace(self._segments, ended=left, rest=self._segments.rest + segment.size))

    def _tidied(self) -> Iterator[None]:
        """Delete, in steps, what is left of segments that do not count any more, and give its room back."""
        while self._has_left_over():
            self._step_of(self._delete_batches)
            yield
        after = ""
        while self._database.beginning().ids < self._database.beginning().seq:
            after = self._move_ids(after)
            yield
        while self._pragma("auto_vacuum") and self._free() > max(_PAGES, self._pragma("page_count") // 20):
            self._step_of(self._give_back)
            yield

    def _step_of(self, step: Callable[[], None]) -> None:
        """Run a step in a transaction; what it changes in the size of the file counts for no segment."""
        with self._database.transaction():
            before = self._used()
            step()
            if (change := self._used() - before) != 0:
                self._write(msgspec.structs.replace(self._segments, rest=self._segments.rest + change))

    def _has_left_over(self) -> bool:
        query = "SELECT 1 FROM batches WHERE first <= ? LIMIT 1"
        return bool(list(self._database.rows(query, self._database.beginning().seq)))

    def _delete_batches(self) -> None:
        db = self._database.connection
        query = "SELECT first, length(events) + length(records) FROM batches WHERE first <= ? ORDER BY first LIMIT ?"
        size, until = 0, 0
        for first, bytes_ in db.execute(query, (self._database.beginning().seq, _BATCHES)).fetchall():
            size, until = size + bytes_, first
            if size > _BYTES:
                break
        db.execute("DELETE FROM batches WHERE first <= ?", (until,))

    def _move_ids(self, after: str) -> str:
        """Move some ids of dropped events to the former ones; return the id after which to go on."""
        database = self._database
        beginning = database.beginning()
        query = "SELECT identity, last FROM identities WHERE identity > ? ORDER BY identity LIMIT ?"
        moved: list[str] = []
        looked = 0
        for identity, last in database.rows(query, after, _LOOKED_AT):
            after, looked = identity, looked + 1
            if last <= beginning.seq:
                moved.append(identity)
                if len(moved) == _IDS:
                    break
        ended = looked < _LOOKED_AT and len(moved) < _IDS
        if moved or ended:

            def move() -> None:
                db = database.connection
                self._ids.former.add(moved)
                db.executemany("DELETE FROM identities WHERE identity = ?", [(each,) for each in moved])
                if ended:
                    done = msgspec.structs.replace(beginning, ids=beginning.seq)
                    db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (BEGINNING, done.encoded()))

            self._step_of(move)
        return after

    def _give_back(self) -> None:
        self._database.connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()

    def _tell(self, what: str, problem: str) -> None:
        if what not in self._told:
            self._told.add(what)
            _log.warning("%s", problem)
