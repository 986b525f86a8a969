"""Log lines that come once a second at most."""

import time
from typing import Final

PAUSE: Final = 1.0
"""Seconds between two lines of one kind."""


class Occasions:
    """Counts the occasions for a log line, and says when one is due."""

    def __init__(self) -> None:
        self._untold = 0
        self._told_at = -PAUSE

    def occasion(self) -> int | None:
        """The number of occasions since the last line, this one included; None if it is too early for a line."""
        self._untold += 1
        now = time.monotonic()
        if now - self._told_at < PAUSE:
            return None
        count, self._untold, self._told_at = self._untold, 0, now
        return count
