"""The native threads behind a server: one that owns the parts, and some that read.

gevent's own thread pool may let a new job pass those that wait for a free thread, and does not promise that its thread
stays the same one. Callers rely on the order, and parts and journals on the thread.
"""

import threading
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import gevent
from gevent.event import AsyncResult

from intuition_core.rpc.turns import Turns

T = TypeVar("T")


class Worker(Generic[T]):
    """Runs jobs for the greenlets of the hub that it was made on, in the order that `Turns` has.

    Args:
        name: what the thread is called; the threads start with the first job.
        threads: how many there are.
    """

    def __init__(self, name: str, *, threads: int = 1) -> None:
        self._turns: Turns[tuple[Callable[[], T], AsyncResult]] = Turns()
        self._done: deque[tuple[AsyncResult, T | None]] = deque()
        self._wake = gevent.get_hub().loop.async_()
        self._wake.start(self._deliver)
        self._closed = False
        self._closing = threading.Lock()
        # Daemons: a part that never returns must not keep a process from ending.
        self._threads = [threading.Thread(target=self._work, name=name, daemon=True) for _ in range(threads)]
        self._started = False
        self._awaited: set[AsyncResult] = set()

    def run(self, job: Callable[[], T], caller: Hashable = None, *, urgent: bool = False) -> T | None:
        """Run a job, which must not raise, on a thread; return its result, while other greenlets go on.

        Args:
            job: what to run.
            caller: for whom; the jobs of one caller run one after the other.
            urgent: whether it goes before all that are not.

        Returns:
            The result; None where the job did not run, or was not waited for, as the worker ends.
        """
        if not self._started:
            self._started = True
            for thread in self._threads:
                thread.start()
        result = AsyncResult()
        if not self._turns.add((job, result), (caller,), urgent=urgent):
            return None
        self._awaited.add(result)
        try:
            value: T | None = result.get()
        finally:
            self._awaited.discard(result)
        return value

    @property
    def waiting(self) -> bool:
        """Whether an urgent job waits. Any thread may ask."""
        return self._turns.urgent

    def run_waiting(self) -> None:
        """Run the urgent jobs that wait now, in the midst of another job; only that job may ask for it."""
        for task in self._turns.take_urgent():
            self._run(*task)

    def finish(self) -> None:
        """Finish the jobs in flight and the urgent ones, and none of those that wait besides."""
        for _, result in self._turns.close():
            result.set(None)

    def abandon(self) -> None:
        """Wait for no job any more, those in flight included."""
        self._turns.close()
        for result in self._awaited:
            result.set(None)

    def close(self) -> None:
        """End the threads after the jobs in flight, without waiting for them; nobody gets their results."""
        self._turns.close()
        with self._closing:
            self._closed = True
            self._wake.stop()
            self._wake.close()

    def _work(self) -> None:
        while (taken := self._turns.take()) is not None:
            (job, result), caller, since = taken
            try:
                self._run(job, result)
            finally:
                self._turns.done(caller, since)

    def _run(self, job: Callable[[], T], result: AsyncResult) -> None:
        self._done.append((result, job()))
        with self._closing:
            if not self._closed:
                self._wake.send()

    def _deliver(self) -> None:
        while self._done:
            result, value = self._done.popleft()
            if not result.ready():
                result.set(value)
