"""A little memory that a supervisor and its worker share, and that survives the worker.

The worker notes which part it calls and which events it is about to run (`WorkerStatus`); the supervisor, which has a
clock, looks (`SupervisorStatus`). When the worker has died, the supervisor writes down what happened, and the next
worker reads it. This module has the layout: numbers in the first page, texts after it.
"""

import mmap
import os
from typing import Final, NamedTuple

import msgspec

SEQ, PART, RUNNING, READY, FIRST, HEARD, CODE, BEAT = range(8)
"""The words, 64 bits each. `SEQ` and `PART` are written by the engine at each call."""
SERVES, FINISHED, HANDED_OVER = 1, 2, 3
"""Values of `READY`."""
TOLD: Final = -1
"""The value of `CODE` while a command ends that has said why."""
POSITION_BITS, COUNT_BITS = 44, 18
"""Bits of the numbers in `BEAT`, which are in one word so that they belong together."""

PARTS, CRASH, HALTED, IMPORT, EVENTS = range(5)
"""The texts. The last one may be of any length, the others have one `ROOM` each."""
ROOM: Final = 1 << 20
_LENGTHS: Final = 8
"""From this word on: the lengths of the texts."""
_PAGE: Final = 4096
LAST_WORDS: Final = _PAGE + EVENTS * ROOM
"""Where Python writes at a fatal signal; a run over history keeps no events there."""


class Watched(NamedTuple):
    """What the supervisor is to know of a part: how messages call it, and the seconds that a call may take."""

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
    """How far a run over history is, as it is noted now and then.

    Attributes:
        position: the number of the event.
        number: how often it was noted.
        awaited: whether the run waits for a person, who may take long.
    """

    position: int
    number: int
    awaited: bool


class Call(NamedTuple):
    """The call of a part that goes on: at which event, and which part; negative while it gives or takes its state."""

    seq: int
    part: int


class SharedStatus:
    """The memory, as both sides map it.

    Args:
        descriptor: of the file; it belongs to this object from now on.

    Attributes:
        descriptor: of the file.
        words: the numbers, by the names of this module.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        os.set_inheritable(descriptor, False)  # noqa: FBT003  # it takes no keyword
        self._map = mmap.mmap(descriptor, _PAGE)
        self.words = memoryview(self._map).cast("q")

    @classmethod
    def make(cls) -> "SharedStatus":
        """Return a memory that no other process has."""
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("intuition")
        else:
            import tempfile

            with tempfile.TemporaryFile() as file:
                descriptor = os.dup(file.fileno())
        os.ftruncate(descriptor, _PAGE)
        return cls(descriptor)

    def close(self) -> None:
        """Unmap the memory; it is gone when both sides have."""
        self.words.release()
        self._map.close()
        os.close(self.descriptor)

    def read(self, text: int) -> bytes:
        """Return a text, by its name in this module; empty where it was never written."""
        return os.pread(self.descriptor, self.words[_LENGTHS + text], _PAGE + text * ROOM)

    def write(self, text: int, content: bytes) -> None:
        """Replace a text, by its name in this module."""
        self.words[_LENGTHS + text] = 0
        done = 0
        while done < len(content):
            done += os.pwrite(self.descriptor, content[done:], _PAGE + text * ROOM + done)
        self.words[_LENGTHS + text] = len(content)
