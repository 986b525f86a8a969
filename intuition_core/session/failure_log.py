"""The part of a journal that is about parts that failed: crashes, decisions, and ends of quarantines."""

import sqlite3
from collections.abc import Iterable
from typing import Final

import msgspec

from intuition_core.session.database import Database
from intuition_core.supervision.crashes import FailureDecision, Release, WorkerCrash

_DECISION: Final = "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?, ?)"


class FailureLog:
    """Crashes of the process that are laid to a part, and the decisions that followed.

    Args:
        database: the journal's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def _db(self) -> sqlite3.Connection:
        return self._database.connection

    def crashes(self) -> dict[int, WorkerCrash]:
        """Return the crashes whose events have not come again, by their number in the journal."""
        return {
            n: WorkerCrash(seq, part, problem, msgspec.msgpack.decode(event))
            for n, seq, part, problem, event in self._database.rows("SELECT * FROM casualties ORDER BY n")
        }

    def decisions(self) -> dict[int, list[FailureDecision]]:
        """Return the decisions about parts, by the number of the event at which each was taken."""
        found: dict[int, list[FailureDecision]] = {}
        for seq, part, name, called, quarantined, problem in self._database.rows("SELECT * FROM verdicts"):
            found.setdefault(seq, []).append(FailureDecision(seq, part, name, bool(called), bool(quarantined), problem))
        return found

    def releases(self) -> list[Release]:
        """Return the ends of quarantines, in the order in which they were written."""
        for (value,) in self._database.rows("SELECT value FROM meta WHERE key = 'releases'"):
            return msgspec.json.decode(value, type=list[Release])
        return []

    def record_crash(self, crash: WorkerCrash) -> None:
        """Write a crash at an event that was not committed, and may come again.

        Raises:
            JournalFailed: it cannot be written.
        """
        row = (crash.seq, crash.part, crash.problem, msgspec.msgpack.encode(crash.event))
        with self._database.transaction():
            self._db.execute("INSERT INTO casualties (seq, part, problem, event) VALUES (?, ?, ?, ?)", row)

    def record_decision(self, decision: FailureDecision) -> None:
        """Write a decision about a part at an event that was committed before.

        Raises:
            JournalFailed: it cannot be written.
        """
        with self._database.transaction():
            self._db.execute(_DECISION, decision)

    def record_release(self, release: Release) -> None:
        """Write that a part is called again after an event.

        Raises:
            JournalFailed: it cannot be written.
        """
        value = msgspec.json.encode([*self.releases(), release]).decode()
        with self._database.transaction():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('releases', ?)", (value,))

    def write(self, decisions: Iterable[FailureDecision], settled: Iterable[int]) -> None:
        """Write decisions and delete settled crashes, within the transaction of a batch."""
        self._db.executemany(_DECISION, decisions)
        self._db.executemany("DELETE FROM casualties WHERE n = ?", [(n,) for n in settled])
