"""When to connect again, and what it means if connections end again and again."""

import time
from typing import Final

from intuition_core.connections import Backoff

_STABLE: Final = 5.0  # seconds after which a connection counts as one that works
_SUSPICIOUS: Final = 3  # connections that were shorter, one after the other
HOPELESS: Final = 5
"""Short connections, one after the other, after which what was sent on each of them is blamed."""


class Reconnection:
    """Waits between attempts, and counts of connections that ended soon."""

    def __init__(self) -> None:
        self.ready_since: float | None = None
        """Since when messages can arrive, by the monotonic clock; None while they cannot."""
        self.was_ready = False
        """Whether they ever could."""
        self._backoff = Backoff(spread=0.5)
        self._retry_at = 0.0
        self._short_lived = 0
        self._thrown_out = 0

    @property
    def wait(self) -> float:
        """Seconds until the next attempt; none are left if it is 0 or less."""
        return self._retry_at - time.monotonic()

    @property
    def suspicious(self) -> bool:
        """Whether several connections have ended soon."""
        return self._short_lived >= _SUSPICIOUS

    @property
    def hopeless(self) -> bool:
        """Whether so many have ended soon that they will go on to."""
        return self._short_lived >= HOPELESS

    def ready(self) -> None:
        """Note that messages can arrive."""
        self.ready_since = time.monotonic()
        self.was_ready = True
        self._thrown_out = 0

    def thrown_out(self) -> bool:
        """Note that the second of two connections ended the first; whether that was so several times."""
        self._thrown_out += 1
        return self._thrown_out >= _SUSPICIOUS

    def lost(self) -> None:
        """Note that the connection was lost."""
        if self.ready_since is None:
            return
        if time.monotonic() - self.ready_since > _STABLE:
            self._backoff.reset()
            self._short_lived = 0
        else:
            self._short_lived += 1

    def plan(self) -> float:
        """Plan the next attempt; the seconds until then."""
        wait = self._backoff.next()
        self._retry_at = time.monotonic() + wait
        return wait
