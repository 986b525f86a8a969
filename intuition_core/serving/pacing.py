"""The least time between two batches of connectors, so that what comes meanwhile is committed together."""

import time
from collections.abc import Callable


class Pace:
    """Holds batches back until some time after the one before.

    Args:
        seconds: the least time between the beginnings of two batches; 0 for none.
        clock: the time in seconds, which never goes back.
        sleep: waits for some seconds.
    """

    def __init__(
        self,
        seconds: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds = seconds
        self._clock = clock
        self._sleep = sleep
        self._next = 0.0

    def wait(self) -> None:
        """Wait until the next batch may begin."""
        if not self._seconds:
            return
        if (left := self._next - self._clock()) > 0:
            self._sleep(left)
        self._next = self._clock() + self._seconds
