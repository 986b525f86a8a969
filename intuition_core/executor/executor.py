"""The executor: an order router in a process of its own, with a thread that waits for what the session decides."""

import logging
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Final

from intuition_core.contracts import Backend
from intuition_core.errors import BackendLost, BackendRefused
from intuition_core.executor.router import BATCH, OrderRouter
from intuition_core.system.backoff import Backoff

_log: Final = logging.getLogger(__name__)

_WAIT: Final = 2.0
"""Seconds for which the session is asked to wait for something to be decided."""


class Executor:
    """Runs an order router.

    Args:
        router: carries orders and executions; used on `run`'s thread alone.
        backends: makes a connection to the session; each of two threads has its own.
        after: the id of the last record that the router has taken; None for none.
        listen: has a function called whenever the venue may have something new; None where it cannot tell.
        idle: the seconds between two steps while nothing happens.
    """

    def __init__(
        self,
        router: OrderRouter,
        backends: Callable[[], Backend],
        *,
        after: str | None,
        listen: Callable[[Callable[[], None]], Any] | None = None,
        idle: float = 1.0,
    ) -> None:
        self._router = router
        self._backends = backends
        self._after = after
        self._listen = listen
        self._idle = idle
        self._stopped = threading.Event()
        self._awake = threading.Event()
        self._taken: SimpleQueue[list[dict[str, Any]]] = SimpleQueue()

    def stop(self) -> None:
        """Make `run` return soon; from any thread, or a handler of a signal."""
        self._stopped.set()
        self._awake.set()

    def run(self) -> None:
        """Trade until `stop`.

        Raises:
            Fenced: another executor of this name has attached.
            IntuitionError: the session, or what is kept of another one, cannot be used.
        """
        router, waits = self._router, Backoff(longest=2.0)
        backend = self._backends()
        reader = threading.Thread(target=self._read, name="orders", daemon=True)
        if self._listen is not None:
            self._listen(self._hint)
        try:
            while not self._stopped.is_set():
                try:
                    if not router.attached:
                        router.attach(backend)
                        if reader.ident is None:
                            reader.start()
                    self._take()
                    busy = router.step(backend, news=lambda: not self._taken.empty())
                    waits.reset()
                except BackendLost as error:
                    if waits.fresh:
                        _log.warning("%s; nothing is sent until it answers", error)
                    router.detach()
                    router.mind_silence()
                    self._stopped.wait(waits.next())
                    continue
                if not busy:
                    self._awake.wait(self._idle)
                    self._awake.clear()
        finally:
            self._stopped.set()
            _close(backend)
            if reader.ident is not None:
                reader.join(_WAIT + 1)

    def _hint(self) -> None:
        self._router.hint()
        self._awake.set()

    def _take(self) -> None:
        """Hand over what the session has decided."""
        while True:
            try:
                records = self._taken.get_nowait()
            except Empty:
                return
            self._router.take(records)

    def _read(self) -> None:
        """Ask for orders, on a thread and a connection of its own."""
        backend = self._backends()
        since, waits = self._after, Backoff(longest=2.0)
        try:
            while not self._stopped.is_set():
                try:
                    records = backend.call("orders", since, BATCH, _WAIT)
                except (BackendLost, BackendRefused) as error:
                    if waits.fresh:
                        _log.warning("orders cannot be asked for: %s", error)
                    self._stopped.wait(waits.next())
                    continue
                waits.reset()
                self._router.hear()
                if records:
                    since = records[-1]["id"]
                    self._taken.put(records)
                    self._awake.set()
        finally:
            _close(backend)


def _close(backend: Backend) -> None:
    close = getattr(backend, "close", None)
    if close is not None:
        close()
