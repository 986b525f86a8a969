"""The process that runs a command's parts, from inside: it notes what it does where the one in front of it can look."""

import faulthandler
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from intuition_core.supervision.shared_status import Beat, CellWatch, SharedStatus
    from intuition_core.trading.composition import Part

VARIABLE: Final = "INTUITION_ATTENDED"
"""Tells this process the descriptors of the shared memory and of the lifeline, and the number of the one in front."""

IMPORT_DEADLINE: Final = 60.0
"""Seconds that an import may take where no configuration says otherwise."""


class Attended:
    """What this process tells the one in front of it; nothing where there is none.

    Attributes:
        import_deadline: the seconds that the import of a plugin may take.
    """

    def __init__(self) -> None:
        self.import_deadline = IMPORT_DEADLINE
        self._status: SharedStatus | None = None
        self._watch: CellWatch | None = None
        self._introduced: list[Part] = []
        self._pid = 0

    def begin(self) -> bool:
        """Take up what the process in front has told this one; say whether there is one."""
        memory, lifeline, front = map(int, os.environ.pop(VARIABLE, "0,0,0").split(","))
        if not front or os.getppid() != front:
            return False
        from intuition_core.supervision.lifeline import killed_with
        from intuition_core.supervision.shared_status import SharedStatus

        self._pid = os.getpid()
        self._status = status = SharedStatus(memory)
        self._watch = status.watch()
        killed_with(lifeline, front)
        faulthandler.enable(status.last_words_begin())
        signal.signal(signal.SIGINT, self._interrupted)
        return True

    def listen(self) -> None:
        """Let Ctrl-C come through from now on."""
        if self._status is not None:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def finish(self, code: int) -> None:
        """Say that the command is done, and with which exit code, whatever ends the process now."""
        if self._status is not None and os.getpid() == self._pid:
            self._status.done(code)

    def told(self) -> None:
        """Say that it was told who ends this process."""
        if self._status is not None:
            self._status.tell()

    def heard(self) -> None:
        """Say that a Ctrl-C has reached this process."""
        if self._status is not None and os.getpid() == self._pid:
            self._status.hear()

    def imports(self, label: str) -> AbstractContextManager[None]:
        """Take the time of an import meanwhile."""
        if self._status is None:
            return nullcontext()
        return self._status.imports(label, deadline=self.import_deadline)

    @property
    def words(self) -> Any:
        """Where to note which part is called; None where nobody looks."""
        return None if self._watch is None else self._watch.status

    @contextmanager
    def calling(self, parts: Sequence["Part"], *, seq: int, part: int) -> Iterator[None]:
        """Take the time of these parts meanwhile.

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
        """Take no time of parts meanwhile, within `calling`."""
        if self._status is None:
            yield
            return
        with self._status.pause():
            yield

    def note(self, beat: "Beat") -> None:
        """Say how far a run is; fit for other threads."""
        if self._status is not None:
            self._status.note(beat)

    @property
    def interrupted(self) -> bool:
        """Whether a Ctrl-C has come; taken for granted where nobody counts them."""
        return self._status is None or self._status.heard > 0

    def _interrupted(self, _number: int, _frame: Any) -> None:
        self.heard()
        raise KeyboardInterrupt


ATTENDED: Final = Attended()
"""The one of this process."""
