"""The native thread that owns the parts: one job after the other, in the order in which they were given.

gevent's own thread pool may let a new job pass those that wait for a free thread, and does not promise that its thread
stays the same one. Callers rely on the order, and parts and journals on the thread.
"""

import queue
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

import gevent
from gevent.event import AsyncResult

T = TypeVar("T")


class Worker(Generic[T]):
    """Runs jobs for the greenlets of the hub that it was made on."""

    def __init__(self, name: str) -> None:
        """Prepare; the thread starts with the first job and is called ``name``."""
        self._jobs: queue.SimpleQueue[tuple[Callable[[], T], AsyncResult] | None] = queue.SimpleQueue()
        self._done: deque[tuple[AsyncResult, T]] = deque()
        self._wake = gevent.get_hub().loop.async_()
        self._wake.start(self._deliver)
        self._closed = False
        self._closing = threading.Lock()
        # A daemon: a part that never returns must not keep a process from ending.
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)

    def run(self, job: Callable[[], T]) -> T:
        """Run a job, which must not raise, on the thread; return its result, while other greenlets go on."""
        if self._thread.ident is None:
            self._thread.start()
        result = AsyncResult()
        self._jobs.put((job, result))
        value: T = result.get()
        return value

    def close(self) -> None:
        """End the thread after the jobs given so far, without waiting for them; nobody gets their results."""
        self._jobs.put(None)
        with self._closing:
            self._closed = True
            self._wake.stop()
            self._wake.close()

    def _work(self) -> None:
        while (task := self._jobs.get()) is not None:
            job, result = task
            self._done.append((result, job()))
            with self._closing:
                if not self._closed:
                    self._wake.send()

    def _deliver(self) -> None:
        while self._done:
            result, value = self._done.popleft()
            result.set(value)
