"""Waits between attempts at something that fails, such as a connection or the start of a process."""

import random
import time
from typing import Final

_RANDOM: Final = random.SystemRandom()
"""No seed makes its draws the same in several processes, which would then all come at once."""


class Backoff:
    """Waits that double from ``first`` to ``longest`` seconds until an attempt succeeds.

    Args:
        first: the first wait, in seconds.
        longest: the longest wait, in seconds.
        spread: the part by which a wait is shortened at most, from 0 to 1; how much is drawn for each wait, so that
            many clients do not come at once.
        steady: how many seconds after `started` a failure counts as the first again; None for never, so that only
            `reset` makes it so.
    """

    def __init__(
        self, *, first: float = 0.1, longest: float = 10.0, spread: float = 0.0, steady: float | None = None
    ) -> None:
        self._first = min(first, longest)
        self._longest = longest
        self._spread = spread
        self._steady = steady
        self._fresh = True
        self._wait = self._first
        self._started = 0.0

    def started(self) -> None:
        """Note that an attempt has led to something that runs now."""
        self._started = time.monotonic()

    def reset(self) -> None:
        """Begin with the first wait again, after a success."""
        self._fresh = True
        self._wait = self._first

    @property
    def fresh(self) -> bool:
        """Whether no wait was given since the beginning or the last success."""
        return self._fresh

    def next(self) -> float:
        """Return the seconds to wait after a failure."""
        if self._steady is not None and time.monotonic() - self._started > self._steady:
            self.reset()
        self._fresh = False
        wait = self._wait
        self._wait = min(wait * 2, self._longest)
        return wait * _RANDOM.uniform(1 - self._spread, 1.0)
