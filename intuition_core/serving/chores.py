"""What a session does between its calls: it tells timers, and drops segments of its journal."""

import time
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

Chore: TypeAlias = Callable[[], float | None]
"""Does something, raises nothing, and returns in how many seconds it is to be called again; None for never."""

_NEVER: Final = float("inf")


class Chores:
    """Several chores as one.

    Args:
        chores: the chores; None for one that there is not.
        clock: seconds that never go back.
    """

    def __init__(self, chores: Sequence[Chore | None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = {chore: 0.0 for chore in chores if chore is not None}

    def do(self) -> float | None:
        """Do those that are due; return in how many seconds to call again, None for never."""
        for chore, due in self._due.items():
            if due <= self._clock():
                wait = chore()
                self._due[chore] = _NEVER if wait is None else self._clock() + wait
        first = min(self._due.values(), default=_NEVER)
        return None if first == _NEVER else max(0.0, first - self._clock())
