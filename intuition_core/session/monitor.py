"""What a session tells those who watch its process, and learns from them of the process before."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from intuition_core.supervision.crashes import WorkerCrash
from intuition_core.trading.calls import CallStatus
from intuition_core.trading.composition import Part


class WorkerMonitor(Protocol):
    """The session's side of a process that watches its parts."""

    crash: WorkerCrash | None
    """How the last process ended, where a part is to blame."""
    halted: str | None
    """Why no more events are taken, until a person starts the session again."""

    @property
    def status(self) -> CallStatus | None:
        """Where the engine notes the part that it calls; None where nobody looks."""

    def introduce(self, parts: Sequence[Part]) -> None:
        """Name the parts, which are called by their place from 1."""

    def running(self) -> AbstractContextManager[None]:
        """Return a context within which the calls of parts are timed."""

    def trying(self, label: str, deadline: float) -> AbstractContextManager[None]:
        """Return a context within which the start of a part is timed; it may be given up without harm.

        Args:
            label: the part, for messages.
            deadline: seconds that the start may take.
        """

    def carry(self, first: int, events: bytes) -> None:
        """Keep the encoded events of a batch, numbered from ``first``, in case the process ends while they run."""


class Unwatched:
    """The monitor of a session that nobody watches."""

    def __init__(self) -> None:
        self.status: CallStatus | None = None
        self.crash: WorkerCrash | None = None
        self.halted: str | None = None

    def introduce(self, parts: Sequence[Part]) -> None:
        """Do nothing."""

    def running(self) -> AbstractContextManager[None]:
        """Return a context that does nothing."""
        return nullcontext()

    def trying(self, label: str, deadline: float) -> AbstractContextManager[None]:  # noqa: ARG002  # as it is asked
        """Return a context that does nothing."""
        return nullcontext()

    def carry(self, first: int, events: bytes) -> None:
        """Do nothing."""
