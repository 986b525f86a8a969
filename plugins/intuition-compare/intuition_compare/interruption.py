"""Ctrl-C: the first one ends what runs in good order, a second one at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interruption:
    """Whether a person has asked for the end.

    Attributes:
        asked: whether that was so.
    """

    def __init__(self) -> None:
        self.asked = False
        self._waiting = False

    def __call__(self, _number: int, _frame: Any) -> None:
        """Take the signal."""
        at_once = self.asked or self._waiting
        self.asked = True
        if at_once:
            raise KeyboardInterrupt

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Wait for something meanwhile: Ctrl-C ends that there and then."""
        self._waiting = True
        try:
            yield
        except KeyboardInterrupt:
            self.asked = True
        finally:
            self._waiting = False


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Take Ctrl-C as a wish to end, meanwhile."""
    taken = Interruption()
    before = signal.signal(signal.SIGINT, taken)
    try:
        yield taken
    finally:
        signal.signal(signal.SIGINT, before)
