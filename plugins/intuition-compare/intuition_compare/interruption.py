"""Ctrl-C: the first one ends what runs in good order, a second one at once."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Interruption:
    """Whether a person has asked for the end.

    Attributes:
        asked: whether that was so.
        waiting: whether what runs waits for something, so that it is to be ended there and then.
    """

    def __init__(self) -> None:
        self.asked = False
        self.waiting = False

    def __call__(self, _number: int, _frame: Any) -> None:
        """Take the signal."""
        if self.asked or self.waiting:
            self.asked = True
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Take Ctrl-C as a wish to end, meanwhile."""
    taken = Interruption()
    before = signal.signal(signal.SIGINT, taken)
    try:
        yield taken
    finally:
        signal.signal(signal.SIGINT, before)
