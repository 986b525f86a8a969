"""Notices sent from a thread of their own, no more of them a minute than a person can read."""

import logging
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import Final, NamedTuple

WAITING: Final = 1000
"""Notices that may wait; where a service is slow or away, what comes on top is only counted."""
_MINUTE: Final = 60.0

_log = logging.getLogger(__name__)


class Notice(NamedTuple):
    """A notice to a person."""

    kind: str
    """Its topic: ``decision``, ``fill``, …"""
    title: str
    text: str


class Dispatch:
    """Sends notices in their order, from a thread of its own.

    Args:
        send: takes a title and a text; what it raises is logged.
        per_minute: how many notices may be sent in any 60 seconds. What comes on top is told in one notice that counts
            it, as soon as one may be sent.
        minute: how many seconds a minute has; tests have less patience.
    """

    def __init__(self, send: Callable[[str, str], None], *, per_minute: int, minute: float = _MINUTE) -> None:
        self._send = send
        self._per_minute = per_minute
        self._minute = minute
        self._waiting: queue.Queue[Notice | None] = queue.Queue(WAITING)
        self._sent: deque[float] = deque(maxlen=per_minute)
        self._left_out: Counter[str] = Counter()
        self._lost: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)
        self._thread.start()

    def put(self, notice: Notice) -> None:
        """Queue a notice; returns at once."""
        try:
            self._waiting.put_nowait(notice)
        except queue.Full:
            self._lost[notice.kind] += 1

    def close(self, *, patience: float = 5.0) -> None:
        """Send what waits, for at most that many seconds."""
        try:
            self._waiting.put(None, timeout=patience)
        except queue.Full:
            return
        self._thread.join(patience)

    def _run(self) -> None:
        while True:
            try:
                notice = self._waiting.get(timeout=self._due())
            except queue.Empty:
                self._tell_left_out()
                continue
            if notice is None:
                self._tell_left_out()
                return
            if self._pause() > 0:
                self._left_out[notice.kind] += 1
            else:
                self._tell_left_out()
                self._deliver(notice.title, notice.text)

    def _pause(self) -> float:
        """Return the seconds until another notice may be sent."""
        if len(self._sent) < self._per_minute:
            return 0.0
        return max(0.0, self._sent[0] + self._minute - time.monotonic())

    def _due(self) -> float | None:
        """Return the seconds to wait for a notice before those left out are told; None where there are none."""
        return max(0.001, self._pause()) if self._left_out or self._lost else None

    def _tell_left_out(self) -> None:
        # Counted on two threads: what was lost is taken as it stands, and what comes meanwhile is told next time.
        lost = {kind: self._lost.pop(kind) for kind in list(self._lost)}
        counts = self._left_out + Counter(lost)
        if not counts:
            return
        self._left_out.clear()
        told = ", ".join(f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in sorted(counts.items()))
        self._deliver("Intuition: more happened than you are told of", f"besides: {told}")

    def _deliver(self, title: str, text: str) -> None:
        self._sent.append(time.monotonic())
        try:
            self._send(title, text)
        except Exception as error:  # noqa: BLE001  # a service may fail in any way; trading goes on
            _log.warning("a notification was not sent: %s", error)
