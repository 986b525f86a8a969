"""Ctrl-C: the first one ends what runs in good order, a second one at once."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from intuition_core.determinism.apart import unchanged
from intuition_core.supervision.attended import ATTENDED

_Waited = TypeVar("_Waited")


class Interruption:
    """A handler of Ctrl-C that asks a run to end.

    Attributes:
        asked: whether Ctrl-C came.
    """

    def __init__(self) -> None:
        self.asked = False
        self._waiting = False

    def __call__(self, _number: int, _frame: Any) -> None:
        """Handle the signal.

        Raises:
            KeyboardInterrupt: it comes for the second time, or while nothing but waiting is done.
        """
        ATTENDED.heard()
        at_once = self.asked or self._waiting
        self.asked = True
        if at_once:
            raise KeyboardInterrupt

    def unless_asked(self, wait: Callable[[], _Waited]) -> _Waited | None:
        """Return the result of a call that may take long; Ctrl-C ends it at once, so it must leave nothing half done.

        Returns None if Ctrl-C came before or during the call.
        """
        try:
            self._waiting = True  # from here on the signal raises, so that none comes between the question and the wait
            result = None if self.asked else wait()
            self._waiting = False
        except KeyboardInterrupt:
            self._waiting = False
            self.asked = True
            return None
        return result


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Treat Ctrl-C in the block as a request to end the run; handlers that parts change are restored afterwards."""
    taken = Interruption()
    before = signal.signal(signal.SIGINT, taken)
    try:
        with unchanged():
            yield taken
    finally:
        signal.signal(signal.SIGINT, before)
