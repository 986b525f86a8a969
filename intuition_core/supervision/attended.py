"""The process that runs the parts of a command: it notes what it does in memory that the process in front reads."""

import faulthandler
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from intuition_core.supervision.shared_status import Beat
    from intuition_core.supervision.worker_status import StatusMonitor, WorkerStatus
    from intuition_core.trading.composition import Part

VARIABLE: Final = "INTUITION_ATTENDED"
"""The variable with the descriptors of the shared memory and the lifeline, and the number of the process in front."""

IMPORT_DEADLINE: Final = 60.0
"""Seconds that an import may take where no configuration says otherwise."""


class Attended:
    """The notes of this process for the one in front; where there is none, nothing is noted.

    Attributes:
        import_deadline: the seconds that the import of a plugin may take.
    """

    def __init__(self) -> None:
        self.import_deadline = IMPORT_DEADLINE
        self._status: WorkerStatus | None = None
        self._watch: StatusMonitor | None = None
        self._introduced: list[Part] = []
        self._pid = 0

    def begin(self) -> bool:
        """Connect to the process in front, and return whether there is one."""
        memory, lifeline, front = map(int, os.environ.pop(VARIABLE, "0,0,0").split(","))
        if not front or os.getppid() != front:
            return False
        from intuition_core.supervision.lifeline import killed_with
        from intuition_core.supervision.shared_status import SharedStatus
        from intuition_core.supervision.worker_status import WorkerStatus

        self._pid = os.getpid()
        self._status = status = WorkerStatus(SharedStatus(memory))
        self._watch = status.watch()
        killed_with(lifeline, front)
        faulthandler.enable(status.last_words_begin())
        signal.signal(signal.SIGINT, self._interrupted)
        return True

    def listen(self) -> None:
        """Unblock Ctrl-C."""
        if self._status is not None:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def finish(self, code: int) -> None:
        """Note that the command is done, and its exit code."""
        if self._status is not None and os.getpid() == self._pid:
            self._status.done(code)

    def told(self) -> None:
        """Note that the part which ends this process was reported."""
        if self._status is not None:
            self._status.tell()

    def heard(self) -> None:
        """Note that this process received Ctrl-C."""
        if self._status is not None and os.getpid() == self._pid:
            self._status.hear()

    def imports(self, label: str) -> AbstractContextManager[None]:
        """Count the time of the block as that of an import."""
        if self._status is None:
            return nullcontext()
        return self._status.imports(label, deadline=self.import_deadline)

    @property
    def words(self) -> Any:
        """The words of memory with the event and the part that is called; None where no process looks."""
        return None if self._watch is None else self._watch.status

    @contextmanager
    def calling(self, parts: Sequence["Part"], *, seq: int, part: int) -> Iterator[None]:
        """Count the time of the block as that of these parts.

        Args:
            parts: those that may be called, in the order of their numbers.
            seq: the last event that they have had.
            part: the one that was called last.
        """
        watch = self._watch
        if watch is None:
            yield
            return
        if parts != self._introduced:
            watch.introduce(parts)
            self._introduced = list(parts)
        watch.status[0], watch.status[1] = seq, part
        with watch.running():
            yield

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Count the time of the block, within `calling`, to no part."""
        if self._status is None:
            yield
            return
        with self._status.pause():
            yield

    def note(self, beat: "Beat") -> None:
        """Note how far a run is; safe to call from other threads."""
        if self._status is not None:
            self._status.note(beat)

    @property
    def interrupted(self) -> bool:
        """Whether this process received Ctrl-C; True where there is no process in front, which counts them."""
        return self._status is None or self._status.heard > 0

    def _interrupted(self, _number: int, _frame: Any) -> None:
        self.heard()
        raise KeyboardInterrupt


ATTENDED: Final = Attended()
"""The one of this process."""
