"""The errors of sessions and journals. Callers of any language know them by their names."""

from typing import Any

import msgspec

from intuition_core.errors import IntuitionError
from intuition_core.trading.records import Record

_UNSEEDED = (
    "\n  The event was run before all processes had the same hash seed. A part that goes through a set may have had it "
    "in another order then, which no process can repeat. Keep the journal as it is, and begin another session with "
    "--session NAME; its replay is the same each time."
)


class JournalFailed(IntuitionError):
    """The journal cannot be written at the moment."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(
            f"the journal {path} cannot be written: {problem}; "
            "nothing is acknowledged, and it goes on once this is mended"
        )


class BadJournal(IntuitionError):
    """A file is no journal, or not one that this version reads."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class JournalDamaged(BadJournal):
    """A journal does not hold what was written to it: a part of it is damaged or missing."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        IntuitionError.__init__(
            self,
            f"{path} is damaged: {problem}; nothing of it is used. Put a backup back, with its -wal and -head; or see "
            f"what is whole with `intuition sessions verify {path}`, and go on with that by "
            f"`intuition sessions repair {path}`",
        )


class JournalGone(BadJournal):
    """The file of a session is not there any more, or is empty, though events were kept in it."""

    def __init__(self, path: str, problem: str, head: str) -> None:
        super().__init__(path, problem)
        IntuitionError.__init__(
            self,
            f"{path} {problem}; no other account is begun in its place. Put the file back, with its -wal; or remove "
            f"{head} to begin anew",
        )


class JournalLost(JournalFailed):
    """The file of a session was removed, replaced, cut or found damaged while the session was served."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(path, problem)
        IntuitionError.__init__(
            self,
            f"the journal {path} {problem}; nothing is acknowledged any more. End the session, put the file back "
            f"or see what is whole with `intuition sessions verify {path}`, and start it again",
        )


class HeadLost(IntuitionError):
    """A journal does not hold what was acknowledged to a client, as when an older copy was put in its place."""

    def __init__(self, path: str, seq: int, last: int) -> None:
        self.path = path
        self.seq = seq
        self.last = last
        held = f"ends with event {last}" if last < seq else f"holds another event {seq}"
        super().__init__(
            f"event {seq} was acknowledged, and the journal {path} {held}, as when an older copy was put in its place; "
            "nothing is run any more. Put the newer one back, with its -wal and -head; or go on without what came "
            f"after by `intuition sessions repair --older {path}`, and start the session again"
        )


class StaleEpoch(IntuitionError):
    """An instance of a client called that a newer instance has replaced."""

    def __init__(self, client: str, epoch: int, current: int) -> None:
        self.client = client
        self.epoch = epoch
        self.current = current
        why = f"attached again since: epoch {epoch} is over, {current} goes on" if current else "has not attached"
        super().__init__(f"client `{client}` {why}; attach to go on")


class IdReused(IntuitionError):
    """An id came a second time, with other content."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        super().__init__(f"the id {identity} was given to other content before; nothing was run")


class IdTooOld(IdReused):
    """An id came again after the events that it came with were dropped, as `keep` in ``[journal]`` asks for."""

    def __init__(self, identity: str) -> None:
        super().__init__(identity)
        IntuitionError.__init__(
            self,
            f"the id {identity} was taken before, and its events are not kept any more ([journal] keep); nothing was "
            "run, and what came of it then cannot be told",
        )


class BeforeBeginning(IntuitionError):
    """Events were asked for that a journal does not hold any more, as `keep` in ``[journal]`` asks for."""

    def __init__(self, seq: int, beginning: int) -> None:
        self.seq = seq
        self.beginning = beginning
        super().__init__(
            f"events 1 to {beginning} are not kept any more ([journal] keep), and what follows event {seq} was asked "
            f"for; ask for what follows event {beginning}, and see the archived segments for the rest"
        )


class SegmentUnreadable(IntuitionError):
    """The snapshot with which a journal begins cannot be taken up, and the events before it are not kept any more."""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        super().__init__(
            f"the snapshot at event {seq}, with which the journal begins, cannot be read by this version or by these "
            "parts, and events before it are not kept any more ([journal] keep); go on with the version that wrote "
            "it, or begin another session with --session NAME"
        )


class ReplayDiffers(IntuitionError):
    """An event of a journal, run again, causes another record than the journal holds.

    Args:
        seq: the number of the event.
        journaled: the record that the journal holds.
        replayed: the record that the event causes now.
        seeded: whether the event was run by a process with the hash seed that all processes have.
    """

    def __init__(self, seq: int, journaled: Record | None, replayed: Record | None, *, seeded: bool = True) -> None:
        self.seq = seq
        self.journaled = journaled
        self.replayed = replayed
        super().__init__(
            f"event {seq} causes another record than the journal holds; a part is not deterministic, or has changed\n"
            f"  journal: {_shown(journaled)}\n  replay:  {_shown(replayed)}{'' if seeded else _UNSEEDED}"
        )


class SnapshotDiffers(IntuitionError):
    """The events of a journal, run again, come to another state than the one that a snapshot has kept.

    Args:
        seq: the event after which the snapshot was kept.
        what: what differs: ``books``, ``killed``, ``orders`` or ``now``.
        kept: as the snapshot has it.
        replayed: as the events cause it now.
    """

    def __init__(self, seq: int, what: str, kept: Any, replayed: Any) -> None:
        self.seq = seq
        self.what = what
        self.kept = kept
        self.replayed = replayed
        super().__init__(
            f"the snapshot after event {seq}, from which a start goes on, has other `{what}` than its events cause\n"
            f"  snapshot: {msgspec.json.encode(kept).decode():.500}\n"
            f"  replay:   {msgspec.json.encode(replayed).decode():.500}"
        )


class Stopping(IntuitionError):
    """The session was handed over to another process."""

    def __init__(self) -> None:
        super().__init__("another process goes on with the session; nothing was run, and the same can be sent again")


class NothingKept(IntuitionError):
    """The state of the parts cannot be kept now, so that no other process could go on with the session."""

    def __init__(self) -> None:
        super().__init__("what the parts have come to cannot be kept now; start the session again, and try again")


class BehindBoundary(IntuitionError):
    """The events before an upgrade would have to be run again, by another version of a part than then."""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        super().__init__(
            f"what the session had come to at event {seq}, where another version of a part was taken up, cannot be "
            "read, and what was before is never run with that version; begin another session with --session NAME"
        )


class BatchFailed(IntuitionError):
    """A defect of the core while a batch ran; nothing of the batch counts, and memory was rebuilt from the journal."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(f"nothing of the batch was run, because of a defect: {type(error).__name__}: {error}")


class Unheard(IntuitionError):
    """A client sent a batch before it had heard what others have decided since, or a timer of the wall clock.

    Others decide with the kill switch, shares and swaps. A client publishes records in the order of their events, and
    must take the records of such a decision first.
    """

    def __init__(self, client: str | None) -> None:
        self.client = client
        super().__init__(
            f"client `{client}` has not heard what was decided since; nothing was run: ask for `controls`, then go on"
        )


class Halted(IntuitionError):
    """The session takes no more events, because something failed without which it must not go on."""

    def __init__(self, problem: str, *, remedy: str | None = None) -> None:
        self.problem = problem
        why = f"; {remedy}" if remedy else ", and its policy is `raise`; mend the part, or give it another policy"
        super().__init__(f"the session takes no more events: {problem}{why}, and start the session again")


def _shown(record: Record | None) -> str:
    return "nothing" if record is None else msgspec.json.encode(record).decode()
