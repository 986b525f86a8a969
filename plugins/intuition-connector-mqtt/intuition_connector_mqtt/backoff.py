"""How long to wait before trying again."""

import random
from typing import Final

FIRST: Final = 0.1
LONGEST: Final = 10.0

_RANDOM: Final = random.SystemRandom()
"""Draws that no seed makes the same for many."""


class Backoff:
    """Waits that double from 0.1 s to 10 s, each shortened by up to a half so that many do not come at once."""

    def __init__(self) -> None:
        self._next = FIRST

    def next(self) -> float:
        """Give the seconds to wait now."""
        wait = self._next
        self._next = min(self._next * 2, LONGEST)
        return wait * _RANDOM.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Start from the shortest wait again, after a success."""
        self._next = FIRST
