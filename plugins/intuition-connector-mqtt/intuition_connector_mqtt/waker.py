"""Ending a wait from a signal handler or another thread."""

import socket
from contextlib import suppress

from intuition_connector_mqtt.polling import wait_for


class Waker:
    """A socket that becomes readable once `wake` was called.

    A lock or an event would not do: a signal handler runs in the very thread that may be holding it.
    """

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.settimeout(0)
        self._writer.settimeout(0)

    def fileno(self) -> int:
        """The descriptor that a poll can wait for."""
        return self._reader.fileno()

    def wake(self) -> None:
        """End the present and every later wait."""
        with suppress(OSError):  # full, so it is readable already; or closed, so nobody waits
            self._writer.send(b"\0")

    def wait(self, seconds: float) -> None:
        """Wait, or return at once when woken."""
        wait_for([self], [], seconds)

    def drain(self) -> None:
        """Forget earlier calls of `wake`, so that the next wait is one again."""
        with suppress(BlockingIOError):
            self._reader.recv(4096)

    def close(self) -> None:
        """Close both ends."""
        self._reader.close()
        self._writer.close()
