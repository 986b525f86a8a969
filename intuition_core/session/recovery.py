"""Bringing an engine to where a journal ends: snapshots, and the replay of events."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from intuition_core.account.market import BEGINNING
from intuition_core.session.errors import (
    BeforeBeginning,
    BehindBoundary,
    ReplayDiffers,
    SegmentUnreadable,
    SnapshotDiffers,
)
from intuition_core.session.journal import Journal
from intuition_core.session.judging import part_name, step_by
from intuition_core.supervision.crashes import Release
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record
from intuition_core.trading.state import EngineState


class Recovery(NamedTuple):
    """How a session came back.

    Attributes:
        last_seq: the number of its last event.
        snapshot: the event of the snapshot that it began from; 0 without one.
        replayed: how many events were run again.
    """

    last_seq: int
    snapshot: int
    replayed: int


def restored(engine: TradingEngine, journal: Journal, *, wanted: bool = True) -> int:
    """Restore the latest snapshot that the engine accepts, and return its event; 0 where there is none.

    Args:
        engine: before its first event.
        journal: where the snapshots are.
        wanted: whether to restore one that is not needed, rather than to run all events again.

    Raises:
        BehindBoundary: no snapshot is left after which all events may be run again.
        SegmentUnreadable: the same, as the events before were dropped.
    """
    start = journal.start
    for seq, state in _latest_first(journal):
        if (wanted or seq == start) and seq >= start and engine.restore(state):
            return seq
    if start > journal.boundary:
        raise SegmentUnreadable(start)
    if start:
        raise BehindBoundary(start)
    return 0


def _latest_first(journal: Journal) -> Iterator[tuple[int, bytes]]:
    """Yield the snapshots, the latest first; those of all segments are read only where none of the latest will do."""
    latest = journal.snapshots(most=2)
    yield from latest
    if len(latest) == 2:
        yield from journal.snapshots()[2:]


def swapped(records: Iterable[Record]) -> Iterator[Record]:
    """Yield the control records of parts that took the place of others."""
    return (record for record in records if record["type"] == "control" and record["action"] == "swap")


def replayed_events(
    engine: TradingEngine, journal: Journal, *, after: int = 0, until: int | None = None, compare: bool = True
) -> Iterator[Sequence[Record]]:
    """Run a journal's events again, and yield each event's records.

    Args:
        engine: at event ``after``.
        journal: where the events are.
        after: the last event that is not to be run.
        until: the last event to be run; None for the last of the journal.
        compare: compare the records with the journal's.

    Raises:
        BeforeBeginning: events after ``after`` are not kept any more.
        ReplayDiffers: at the first record that is not the journal's, byte for byte; the text of an error is left out.
    """
    if after < (beginning := journal.beginning):
        raise BeforeBeginning(after, beginning)
    decisions = journal.failures.decisions()
    releases = journal.failures.releases()
    unseeded = journal.meta().get("seeded_after", sys.maxsize)
    engine.failures.judging = False
    try:
        for events, records in journal.batches(after):
            place = 0
            for event in events:
                if until is not None and engine.seq >= until:
                    return
                _release(engine, releases)
                seq = engine.seq + 1
                again = engine.step(event) if seq not in decisions else step_by(engine, event, decisions[seq])
                engine.leave_if_forked()
                if compare:
                    stored = []
                    while place < len(records) and records[place]["seq"] == seq:
                        stored.append(records[place])
                        place += 1
                    _compare(seq, stored, again, seeded=seq > unseeded)
                yield again
        _release(engine, releases)
    finally:
        engine.failures.judging = True


class Snapshots:
    """The snapshots of a journal, to be held against an engine that runs its events again.

    Args:
        journal: where they are.
    """

    def __init__(self, journal: Journal) -> None:
        self._kept = dict(journal.snapshots())

    def compare(self, engine: TradingEngine) -> None:
        """Compare the account, the open orders and the time with the snapshot of the engine's latest event, if any.

        The states of parts are left out: a set in them may be in another order each time.

        Raises:
            SnapshotDiffers: they are others.
        """
        content = self._kept.get(engine.seq)
        if content is None:
            return
        try:
            state = msgspec.msgpack.decode(content, type=EngineState)
        except msgspec.MsgspecError:
            return  # of an earlier version, which a start passes over as well
        now = {
            "books": engine.books.snapshot(),
            "killed": engine.killed,
            "orders": engine.open_orders,
            "now": BEGINNING if state.now == BEGINNING else engine.now,  # an earlier version did not keep it
        }
        for what, value in now.items():
            kept, replayed = _plain(getattr(state, what)), _plain(value)
            if what == "books":
                _leave_out_what_is_new(kept, replayed)
            if kept != replayed:
                raise SnapshotDiffers(engine.seq, what, kept, replayed)


def _leave_out_what_is_new(kept: dict[str, Any], replayed: dict[str, Any]) -> None:
    """Remove from both what snapshots of earlier versions do not hold: since when positions are open."""
    for name, ledger in kept["ledgers"].items():
        if not ledger.get("opened"):
            for each in (ledger, replayed["ledgers"].get(name, {})):
                each.pop("opened", None)


def _plain(value: Any) -> Any:
    """Return a value in types that compare by value: amounts with other zeros at their end are the same."""
    return msgspec.to_builtins(value, builtin_types=(Decimal,))


def _release(engine: TradingEngine, releases: Sequence[Release]) -> None:
    """Call again the parts whose quarantine ended after the event that the engine has come to."""
    for release in releases:
        if release.seq == engine.seq and release.name == part_name(engine, release.part):
            engine.roster.release(release.part)


def _compare(seq: int, stored: Sequence[Record], again: Sequence[Record], *, seeded: bool) -> None:
    if not stored and not again:
        return
    for n in range(max(len(stored), len(again))):
        one = stored[n] if n < len(stored) else None
        other = again[n] if n < len(again) else None
        if _compared(one) != _compared(other):
            raise ReplayDiffers(seq, one, other, seeded=seeded)


def _compared(record: Record | None) -> bytes:
    # The text of an exception may hold an address, or a set in any order, and decides nothing.
    if record is not None and record["type"] == "error":
        record = {**record, "problem": None}
    return msgspec.msgpack.encode(record)
