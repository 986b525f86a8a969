"""What a supervisor reads of its worker in the memory that both share, and tells the next one."""

import os

import msgspec

from intuition_core.supervision.crashes import WorkerCrash
from intuition_core.supervision.shared_status import (
    BEAT,
    CODE,
    COUNT_BITS,
    CRASH,
    FINISHED,
    HANDED_OVER,
    HEARD,
    IMPORT,
    LAST_WORDS,
    PART,
    PARTS,
    POSITION_BITS,
    READY,
    ROOM,
    RUNNING,
    SEQ,
    SERVES,
    TOLD,
    Beat,
    Call,
    Import,
    Limits,
    SharedStatus,
)


class SupervisorStatus:
    """The shared memory as the supervisor sees it.

    Args:
        shared: the memory.
    """

    def __init__(self, shared: SharedStatus) -> None:
        self._shared = shared
        self._words = shared.words

    @property
    def ready(self) -> bool:
        """Whether the worker serves, or did until it died."""
        return self._words[READY] >= SERVES

    @property
    def finished(self) -> bool:
        """Whether the worker came to an end in order."""
        return self._words[READY] >= FINISHED

    @property
    def handed_over(self) -> bool:
        """Whether the worker came to an end so that another one goes on."""
        return self._words[READY] == HANDED_OVER

    @property
    def call(self) -> Call | None:
        """The call that goes on at this moment, or went on when the worker died."""
        seq, part, running = self._words[SEQ], self._words[PART], self._words[RUNNING]
        return Call(seq, part) if running and part else None

    @property
    def limits(self) -> Limits:
        """The worker's parts and its most memory; no parts before it has named them."""
        text = self._shared.read(PARTS)
        return msgspec.msgpack.decode(text, type=Limits) if text else Limits([])

    @property
    def importing(self) -> Import | None:
        """The import that goes on at this moment."""
        text = self._shared.read(IMPORT)
        return msgspec.msgpack.decode(text, type=Import) if text else None

    @property
    def beat(self) -> Beat:
        """How far a run over history was when it was last noted."""
        word = self._words[BEAT]
        count = word >> POSITION_BITS & ((1 << COUNT_BITS) - 1)
        return Beat(word & ((1 << POSITION_BITS) - 1), count, awaited=bool(word >> POSITION_BITS + COUNT_BITS))

    @property
    def heard(self) -> int:
        """How many Ctrl-C have reached the worker."""
        return self._words[HEARD]

    @property
    def told(self) -> bool:
        """Whether the worker has said why it ends."""
        return self._words[CODE] == TOLD

    @property
    def code(self) -> int:
        """The exit code of a command that came to an end in order."""
        return self._words[CODE]

    @property
    def last_words(self) -> str:
        """What Python wrote in the worker at a fatal signal."""
        return os.pread(self._shared.descriptor, ROOM, LAST_WORDS).decode(errors="replace")

    def renew(self, crash: WorkerCrash | None) -> None:
        """Prepare for the next worker, and tell it of the crash that ended the last one, if a part was to blame."""
        for word in (SEQ, PART, RUNNING, READY):
            self._words[word] = 0
        self._shared.write(IMPORT, b"")
        self._shared.write(CRASH, msgspec.msgpack.encode(crash) if crash is not None else b"")
