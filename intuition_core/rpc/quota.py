"""How many calls may be unanswered at once: in all, and of each caller."""

from collections import Counter
from collections.abc import Hashable
from typing import Final

MODEST: Final = 8
"""Unanswered calls that a caller may have however many others have."""


class Quota:
    """Counts calls and their bytes, in all and by caller; a caller who asks for little is let in beside any crowd.

    Args:
        calls: unanswered calls of one caller.
        size: bytes of these calls.
        callers: so many callers may use up what they may have; beyond that, only modest ones are let in, up to
            twice as much in all.
    """

    def __init__(self, *, calls: int, size: int, callers: int = 4) -> None:
        self._most = calls, size
        self._crowd = calls * callers, size * callers
        self._calls: Counter[Hashable] = Counter()
        self._sizes: Counter[Hashable] = Counter()
        self._all = (0, 0)

    def admits(self, caller: Hashable, size: int) -> bool:
        """Return whether a caller may have another call of so many bytes."""
        calls, sizes = self._calls[caller] + 1, self._sizes[caller] + size
        if calls > self._most[0] or sizes > self._most[1]:
            return False
        all_calls, all_sizes = self._all[0] + 1, self._all[1] + size
        if all_calls <= self._crowd[0] and all_sizes <= self._crowd[1]:
            return True
        modest = calls <= MODEST and sizes * MODEST <= self._most[1]
        return modest and all_calls <= 2 * self._crowd[0] and all_sizes <= 2 * self._crowd[1]

    def enter(self, caller: Hashable, size: int) -> None:
        """Count a call."""
        self._calls[caller] += 1
        self._sizes[caller] += size
        self._all = self._all[0] + 1, self._all[1] + size

    def leave(self, caller: Hashable, size: int) -> None:
        """Count a call no more."""
        self._calls[caller] -= 1
        self._sizes[caller] -= size
        self._all = self._all[0] - 1, self._all[1] - size
        if not self._calls[caller]:
            del self._calls[caller], self._sizes[caller]

    def waiting(self, caller: Hashable) -> int:
        """Return the number of a caller's unanswered calls."""
        return self._calls[caller]
