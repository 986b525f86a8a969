"""Jobs that wait for threads: whose turn is next."""

import threading
import time
from collections import deque
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

J = TypeVar("J")

IN_A_ROW: Final = 32
"""Urgent jobs after which another one has its turn."""

_REMEMBERED: Final = 1_000
"""Idle callers whose time is remembered before those are forgotten who owe none."""


class Turns(Generic[J]):
    """A queue that no caller can fill for the others. Any thread may use it.

    Urgent jobs go first, in order of arrival; after many in a row, one other job has its turn. Of the others, the
    next one is the oldest of the caller who has had the least time so far. The jobs of one caller keep their order and
    run one after the other, however many threads take them.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.Lock())
        self._urgent: deque[J] = deque()
        self._in_row = 0  # urgent jobs since the last other one
        self._waiting: dict[Hashable, deque[J]] = {}
        self._running: set[Hashable] = set()
        self._spent: dict[Hashable, float] = {}
        self._floor = 0.0  # what the last caller had spent; nobody can have saved up more than that
        self._closed = False

    def add(self, job: J, caller: Hashable, *, urgent: bool = False) -> bool:
        """Append a job; return False where nobody will take it, as the queue is closed."""
        with self._changed:
            if self._closed:
                return False
            if urgent:
                self._urgent.append(job)
            elif caller in self._waiting:
                self._waiting[caller].append(job)
            else:
                self._spent[caller] = max(self._spent.get(caller, 0.0), self._floor)
                self._waiting[caller] = deque((job,))
            self._changed.notify()
            return True

    def take(self) -> tuple[J, Hashable | None, float] | None:
        """Wait for the next job; return it, its caller (None for an urgent one) and the time; None once closed."""
        with self._changed:
            while True:
                if (taken := self._next()) is not None:
                    return (*taken, time.monotonic())
                if self._closed:
                    return None
                self._changed.wait()

    def done(self, caller: Hashable | None, since: float) -> None:
        """Note that a job is done that was taken at this time, so that the next one of its caller may be taken."""
        if caller is None:
            return
        with self._changed:
            self._running.discard(caller)
            self._spent[caller] = self._spent.get(caller, 0.0) + time.monotonic() - since
            if len(self._spent) > len(self._waiting) + _REMEMBERED:
                active = self._waiting.keys() | self._running
                self._spent = {who: spent for who, spent in self._spent.items() if who in active or spent > self._floor}
            self._changed.notify()

    @property
    def urgent(self) -> bool:
        """Whether an urgent job waits; without a lock, as it is asked very often."""
        return bool(self._urgent)

    def take_urgent(self) -> list[J]:
        """Return the urgent jobs that wait, without waiting."""
        with self._changed:
            jobs = list(self._urgent)
            self._urgent.clear()
            return jobs

    def close(self) -> list[J]:
        """Take no more jobs, and return those that will not be taken; urgent ones that wait still are."""
        with self._changed:
            self._closed = True
            jobs = [job for waiting in self._waiting.values() for job in waiting]
            self._waiting.clear()
            self._changed.notify_all()
            return jobs

    def _next(self) -> tuple[J, Hashable | None] | None:
        ready = [caller for caller in self._waiting if caller not in self._running]
        if self._urgent and not (ready and self._in_row >= IN_A_ROW):
            self._in_row += 1
            return self._urgent.popleft(), None
        self._in_row = 0
        if not ready:
            return None
        caller = min(ready, key=self._spent.__getitem__)
        self._floor = max(self._floor, self._spent[caller])
        waiting = self._waiting[caller]
        job = waiting.popleft()
        if not waiting:
            del self._waiting[caller]
        self._running.add(caller)
        return job, caller
