"""The wall clock of a served session: up to which moment its timers are to be told by now, and which are missed.

A timer comes right before the first event that is later, whatever the clock says. Where the market is silent, the clock
tells it, ``grace`` after its moment. What a session was told it journals as an event, so that no replay asks a clock.
"""

from collections.abc import Callable
from typing import Final

from intuition_core.account.market import BEGINNING

HUNG: Final = 60 * 10**9
"""How much later than its time a timer may be told before it counts as missed: the machine slept meanwhile, or a part
took so long. Nanoseconds."""


class Wall:
    """What a session that goes by the clock knows of it.

    Attributes:
        begun: when the session was begun; what was due before is none of its timers.

    Args:
        now: gives the time, nanoseconds UTC.
        grace: how long after its moment a timer is told.
        begun: see there.
    """

    def __init__(self, now: Callable[[], int], *, grace: int, begun: int) -> None:
        self.begun = begun
        self._now = now
        self._grace = grace
        self._ready = now()
        self._behind = self._ready

    @property
    def over(self) -> int:
        """The time up to which moments are missed: their grace had ended before anybody could have told them."""
        return max(self._ready, self._now() - HUNG) - self._grace - 1

    @property
    def until(self) -> int:
        """The latest moment that is to be told by now."""
        now = self._now()
        return now - self._grace if now >= self._behind + self._grace else BEGINNING

    def wait(self, due: int) -> float:
        """Return the seconds until the timers of a moment are to be told."""
        return max(0, max(due, self._behind) + self._grace - self._now()) / 1e9

    def note(self, time: int) -> None:
        """Note that events have come, after which this is the session's time.

        What was kept for a session while it was down is older than its start. Timers wait while it comes, so that each
        has its place among it; they are told when it has ended, or nothing has come for the length of the grace.
        """
        if time < self._ready:
            self._behind = self._now()
