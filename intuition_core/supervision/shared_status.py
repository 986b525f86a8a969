"""A little memory that a supervisor and its worker share, and that survives the worker.

The worker notes which part it calls and which events it is about to run; the supervisor, which has a clock, looks. When
the worker has died, the supervisor writes down what happened, and the next worker reads it.
"""

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from intuition_core.supervision.crashes import WorkerCrash

if TYPE_CHECKING:
    from intuition_core.trading.composition import Part

_SEQ, _PART, _RUNNING, _READY, _FIRST, _HEARD, _CODE, _BEAT = range(8)
_SERVES, _FINISHED, _HANDED_OVER = 1, 2, 3
_TOLD: Final = -1
_POSITION, _COUNT = 44, 18
"""Bits of the numbers that are in one word, so that they belong together."""
_BLOBS: Final = 8
"""From this word on: the lengths of the texts that are kept after the first page."""
_PAGE: Final = 4096
_ROOM: Final = 1 << 20
_PARTS, _CASUALTY, _HALTED, _IMPORT, _EVENTS = range(5)
"""The texts. The last one may be of any length, the others have one `_ROOM` each."""
_LAST_WORDS: Final = _PAGE + _EVENTS * _ROOM
"""Where Python writes at a fatal signal; a run over history keeps no events there."""


class Watched(NamedTuple):
    """What the supervisor is to know of a part."""

    label: str
    deadline: float


class Limits(msgspec.Struct, frozen=True):
    """What a worker tells its supervisor: its parts, and the most memory it may use, in bytes."""

    parts: list[Watched]
    memory: int | None = None


class Import(NamedTuple):
    """The import of a plugin that goes on, and the seconds that it may take."""

    label: str
    deadline: float


class Beat(NamedTuple):
    """Which event a run over history has come to, as somebody notes now and then."""

    position: int
    number: int
    """How often it was noted."""
    awaited: bool
    """Whether a person is awaited, who may take long."""


class Call(NamedTuple):
    """The call of a part that goes on: at which event, and which part; negative while it gives or takes its state."""

    seq: int
    part: int


class SharedStatus:
    """The memory, seen from one of the two sides.

    Args:
        descriptor: of the file; it belongs to this object from now on.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        os.set_inheritable(descriptor, False)  # noqa: FBT003  # it takes no keyword
        self._map = mmap.mmap(descriptor, _PAGE)
        self._words = memoryview(self._map).cast("q")

    @classmethod
    def make(cls) -> "SharedStatus":
        """Make one that nobody else knows of."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("intuition")
        else:
            import tempfile

            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, _PAGE)
        return cls(descriptor)

    def close(self) -> None:
        """Let go of it; it is gone when both sides have."""
        self._words.release()
        self._map.close()
        os.close(self.descriptor)

    # -- the supervisor's side

    @property
    def ready(self) -> bool:
        """Whether the worker serves, or did until it died."""
        return self._words[_READY] >= _SERVES

    @property
    def finished(self) -> bool:
        """Whether the worker came to an end in order."""
        return self._words[_READY] >= _FINISHED

    @property
    def handed_over(self) -> bool:
        """Whether the worker came to an end so that another one goes on."""
        return self._words[_READY] == _HANDED_OVER

    @property
    def call(self) -> Call | None:
        """The call that goes on at this moment, or went on when the worker died."""
        seq, part, running = self._words[_SEQ], self._words[_PART], self._words[_RUNNING]
        return Call(seq, part) if running and part else None

    @property
    def limits(self) -> Limits:
        """What the worker said of itself; nothing before it has."""
        blob = self._read(_PARTS)
        return msgspec.msgpack.decode(blob, type=Limits) if blob else Limits([])

    @property
    def importing(self) -> Import | None:
        """The import that goes on at this moment."""
        blob = self._read(_IMPORT)
        return msgspec.msgpack.decode(blob, type=Import) if blob else None

    @property
    def beat(self) -> Beat:
        """How far a run over history was when it was last noted."""
        word = self._words[_BEAT]
        count = word >> _POSITION & ((1 << _COUNT) - 1)
        return Beat(word & ((1 << _POSITION) - 1), count, awaited=bool(word >> _POSITION + _COUNT))

    @property
    def heard(self) -> int:
        """How many Ctrl-C have reached the other side."""
        return self._words[_HEARD]

    @property
    def told(self) -> bool:
        """Whether the other side has said who ends it."""
        return self._words[_CODE] == _TOLD

    @property
    def code(self) -> int:
        """The exit code of what came to an end in order."""
        return self._words[_CODE]

    @property
    def last_words(self) -> str:
        """What Python wrote of the other side at a fatal signal."""
        return os.pread(self.descriptor, _ROOM, _LAST_WORDS).decode(errors="replace")

    def renew(self, casualty: WorkerCrash | None) -> None:
        """Prepare for the next worker, and tell it how the last one ended."""
        for word in (_SEQ, _PART, _RUNNING, _READY):
            self._words[word] = 0
        self._write(_IMPORT, b"")
        self._write(_CASUALTY, msgspec.msgpack.encode(casualty) if casualty is not None else b"")

    # -- the worker's side

    @contextmanager
    def imports(self, label: str, *, deadline: float) -> Iterator[None]:
        """Take the time of an import meanwhile.

        Args:
            label: what is imported, for messages.
            deadline: the seconds that it may take.

        What goes on around it is taken time of anew afterwards.
        """
        around = self._read(_IMPORT)
        self._write(_IMPORT, msgspec.msgpack.encode(Import(label, deadline)))
        try:
            yield
        finally:
            self._write(_IMPORT, around)

    def serve(self) -> None:
        """Say that calls are answered from now on."""
        self._words[_READY] = _SERVES

    def leave(self) -> None:
        """Say that whatever ends the worker now is no part's doing."""
        self._words[_RUNNING] = 0

    def finish(self, *, hand_over: bool = False) -> None:
        """Say that the worker has ended in order; and, if so, that another one is to go on."""
        self._words[_READY] = _HANDED_OVER if hand_over else _FINISHED

    def done(self, code: int) -> None:
        """Say that a command has ended in order."""
        self._words[_CODE] = code
        self._words[_READY] = _FINISHED

    def tell(self) -> None:
        """Say that it was told who ends this process."""
        self._words[_CODE] = _TOLD

    @contextmanager
    def pause(self) -> Iterator[None]:
        """Take no time of calls meanwhile."""
        running = self._words[_RUNNING]
        self._words[_RUNNING] = 0
        try:
            yield
        finally:
            self._words[_RUNNING] = running

    def hear(self) -> None:
        """Say that a Ctrl-C has come."""
        self._words[_HEARD] += 1

    def note(self, beat: Beat) -> None:
        """Note how far a run over history is."""
        count = beat.number % (1 << _COUNT)
        self._words[_BEAT] = beat.position | count << _POSITION | beat.awaited << _POSITION + _COUNT

    def last_words_begin(self) -> int:
        """Give the descriptor that is written to at a fatal signal."""
        os.lseek(self.descriptor, _LAST_WORDS, os.SEEK_SET)
        return self.descriptor

    def watch(self, *, memory: int | None = None) -> "CellWatch":
        """Give what a session needs to be watched.

        Args:
            memory: the most that the worker may use, in bytes.
        """
        blob = self._read(_CASUALTY)
        casualty = msgspec.msgpack.decode(blob, type=WorkerCrash) if blob else None
        if casualty is not None and casualty.seq >= self._words[_FIRST]:
            events: list[dict[str, Any]] = msgspec.msgpack.decode(self._read(_EVENTS) or b"\x90")
            place = casualty.seq - self._words[_FIRST]
            if place < len(events):
                casualty = casualty._replace(event=events[place])
        return CellWatch(self, casualty, memory)

    def _read(self, blob: int) -> bytes:
        return os.pread(self.descriptor, self._words[_BLOBS + blob], _PAGE + blob * _ROOM)

    def _write(self, blob: int, content: bytes) -> None:
        self._words[_BLOBS + blob] = 0
        done = 0
        while done < len(content):
            done += os.pwrite(self.descriptor, content[done:], _PAGE + blob * _ROOM + done)
        self._words[_BLOBS + blob] = len(content)


class CellWatch:
    """A session's view of a cell, as `intuition_core.session.session.Watch` wants it."""

    def __init__(self, status: SharedStatus, casualty: WorkerCrash | None, memory: int | None) -> None:
        self._status = status
        self._memory = memory
        self.status = status._words  # the same module
        self.casualty = casualty

    @property
    def halted(self) -> str | None:
        """Why no more events are to be taken, as this worker or one before it found."""
        return self._status._read(_HALTED).decode(errors="replace") or None

    @halted.setter
    def halted(self, problem: str | None) -> None:
        self._status._write(_HALTED, (problem or "").encode(errors="replace")[:_ROOM])

    def introduce(self, parts: Sequence["Part"]) -> None:
        """Say which parts will be called."""
        limits = Limits([Watched(part.label, part.deadline) for part in parts], self._memory)
        self._status._write(_PARTS, msgspec.msgpack.encode(limits))

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take the time of parts meanwhile."""
        self.status[_RUNNING] = 1
        own = os.getpid()
        try:
            yield
        finally:
            if os.getpid() == own:  # and not one that a part has forked
                self.status[_RUNNING] = 0

    def trying(self, label: str, deadline: float) -> AbstractContextManager[None]:
        """Take the time of a part that is started meanwhile; if it hangs, the session goes on without it."""
        return self._status.imports(label, deadline=deadline)

    def carry(self, first: int, events: bytes) -> None:
        """Keep events in case the process ends while they run."""
        self._status._write(_EVENTS, events)
        self.status[_FIRST] = first
