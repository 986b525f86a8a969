"""Log lines that a stranger can cause must not fill the disk."""

import logging
import time
from collections.abc import Callable
from typing import Final

QUIET: Final = 10.0
"""Seconds of silence after a line, during which more of its kind are only counted."""


class Throttle:
    """Logs the first line of a kind, and then at most one every few seconds, with the number of those left out."""

    def __init__(self, log: logging.Logger, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._silent_until: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def __call__(self, level: int, message: str, *args: object) -> None:
        """Log a line; ``message``, before its arguments are filled in, is its kind."""
        now = self._clock()
        if now < self._silent_until.get(message, now):
            self._left_out[message] = self._left_out.get(message, 0) + 1
            return
        self._silent_until[message] = now + QUIET
        left_out = self._left_out.pop(message, 0)
        if left_out:
            self._log.log(level, f"{message} (and %d more like this before it)", *args, left_out)
        else:
            self._log.log(level, message, *args)
