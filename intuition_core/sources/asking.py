"""Requests to a venue: one after the other, at a distance, and again after a while where one may succeed then."""

from collections.abc import Callable
from time import sleep
from typing import Final, TypeVar

from intuition_core.sources.pages import TryLater
from intuition_core.system.backoff import Backoff

PAUSE: Final = 0.5
"""Seconds between two requests where neither the source nor the user says otherwise."""

TRIES: Final = 6
"""How often a request is tried."""

LONGEST: Final = 600.0
"""Seconds that are waited at most for a venue; one that asks for more is left for another time."""

_Answer = TypeVar("_Answer")


class Asking:
    """Makes the requests of one reader politely.

    Attributes:
        requests: how many were made.

    Args:
        pause: the seconds between two requests.
    """

    def __init__(self, pause: float = PAUSE) -> None:
        self._pause = pause
        self.requests = 0

    def ask(self, request: Callable[[], _Answer]) -> _Answer:
        """Return the answer to a request, which is made up to `TRIES` times.

        The waits between tries double, up to a minute, unless the venue says how long to wait.

        Raises:
            TryLater: no try succeeded, or the venue asks to wait longer than `LONGEST`.
        """
        backoff = Backoff(first=1.0, longest=60.0)
        for tries in range(1, TRIES + 1):
            if self.requests:
                sleep(self._pause)
            self.requests += 1
            try:
                return request()
            except TryLater as error:
                if tries == TRIES or (error.seconds or 0.0) > LONGEST:
                    raise
                sleep(error.seconds if error.seconds is not None else backoff.next())
        msg = "the last try returns or raises"
        raise AssertionError(msg)
