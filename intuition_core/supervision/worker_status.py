"""What a worker notes for its supervisor in the memory that both share, and learns of the worker before it."""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from intuition_core.supervision.crashes import WorkerCrash
from intuition_core.supervision.shared_status import (
    BEAT,
    CODE,
    COUNT_BITS,
    CRASH,
    EVENTS,
    FINISHED,
    FIRST,
    HALTED,
    HANDED_OVER,
    HEARD,
    IMPORT,
    LAST_WORDS,
    PARTS,
    POSITION_BITS,
    READY,
    ROOM,
    RUNNING,
    SERVES,
    TOLD,
    Beat,
    Import,
    Limits,
    SharedStatus,
    Watched,
)

if TYPE_CHECKING:
    from intuition_core.trading.composition import Part


class WorkerStatus:
    """The shared memory as the worker writes it.

    Args:
        shared: the memory.
    """

    def __init__(self, shared: SharedStatus) -> None:
        self._shared = shared
        self._words = shared.words

    @contextmanager
    def imports(self, label: str, *, deadline: float) -> Iterator[None]:
        """Time an import within the context; one that goes on around it is timed anew afterwards.

        Args:
            label: the plugin, for messages.
            deadline: the seconds that the import may take.
        """
        around = self._shared.read(IMPORT)
        self._shared.write(IMPORT, msgspec.msgpack.encode(Import(label, deadline)))
        try:
            yield
        finally:
            self._shared.write(IMPORT, around)

    def serve(self) -> None:
        """Note that calls are answered from now on."""
        self._words[READY] = SERVES

    def leave(self) -> None:
        """Note that no part is to blame for what ends the worker now."""
        self._words[RUNNING] = 0

    def finish(self, *, hand_over: bool = False) -> None:
        """Note that the worker has ended in order; with ``hand_over``, so that another one goes on."""
        self._words[READY] = HANDED_OVER if hand_over else FINISHED

    def done(self, code: int) -> None:
        """Note that a command has ended in order, with this exit code."""
        self._words[CODE] = code
        self._words[READY] = FINISHED

    def tell(self) -> None:
        """Note that the person was told why this process ends."""
        self._words[CODE] = TOLD

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Time no calls within the context."""
        running = self._words[RUNNING]
        self._words[RUNNING] = 0
        try:
            yield
        finally:
            self._words[RUNNING] = running

    def hear(self) -> None:
        """Count a Ctrl-C."""
        self._words[HEARD] += 1

    @property
    def heard(self) -> int:
        """How many Ctrl-C were counted."""
        return self._words[HEARD]

    def note(self, beat: Beat) -> None:
        """Note how far a run over history is."""
        count = beat.number % (1 << COUNT_BITS)
        self._words[BEAT] = beat.position | count << POSITION_BITS | beat.awaited << POSITION_BITS + COUNT_BITS

    def last_words_begin(self) -> int:
        """Return the descriptor that Python is to write to at a fatal signal, at the place for it."""
        os.lseek(self._shared.descriptor, LAST_WORDS, os.SEEK_SET)
        return self._shared.descriptor

    def watch(self, *, memory: int | None = None) -> "StatusMonitor":
        """Return the monitor of the worker's session, with the crash that ended the last worker.

        Args:
            memory: the most that the worker may use, in bytes.
        """
        shared = self._shared
        text = shared.read(CRASH)
        crash = msgspec.msgpack.decode(text, type=WorkerCrash) if text else None
        if crash is not None and crash.seq >= self._words[FIRST]:
            events: list[dict[str, Any]] = msgspec.msgpack.decode(shared.read(EVENTS) or b"\x90")
            place = crash.seq - self._words[FIRST]
            if place < len(events):
                crash = crash._replace(event=events[place])
        return StatusMonitor(shared, crash, memory)


class StatusMonitor:
    """A session's side of the shared memory; a `WorkerMonitor`.

    Args:
        shared: the memory.
        crash: the crash that ended the last worker, if a part was to blame.
        memory: the most that the worker may use, in bytes.

    Attributes:
        status: the words in which the engine notes the part that it calls.
        crash: as given, until the session has taken it up.
    """

    def __init__(self, shared: SharedStatus, crash: WorkerCrash | None, memory: int | None) -> None:
        self._shared = shared
        self._memory = memory
        self.status = shared.words
        self.crash = crash

    @property
    def halted(self) -> str | None:
        """Why no more events are taken, as this worker or one before it found."""
        return self._shared.read(HALTED).decode(errors="replace") or None

    @halted.setter
    def halted(self, problem: str | None) -> None:
        self._shared.write(HALTED, (problem or "").encode(errors="replace")[:ROOM])

    def introduce(self, parts: Sequence["Part"]) -> None:
        """Name the parts that will be called, with their deadlines."""
        limits = Limits([Watched(part.label, part.deadline) for part in parts], self._memory)
        self._shared.write(PARTS, msgspec.msgpack.encode(limits))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time the calls of parts within the context."""
        self.status[RUNNING] = 1
        own = os.getpid()
        try:
            yield
        finally:
            if os.getpid() == own:  # and not one that a part has forked
                self.status[RUNNING] = 0

    def trying(self, label: str, deadline: float) -> AbstractContextManager[None]:
        """Time the start of a part within the context; if it hangs, the session goes on without it."""
        return WorkerStatus(self._shared).imports(label, deadline=deadline)

    def carry(self, first: int, events: bytes) -> None:
        """Keep the encoded events of a batch, numbered from ``first``, in case the process ends while they run."""
        self._shared.write(EVENTS, events)
        self.status[FIRST] = first
