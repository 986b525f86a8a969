"""Processes that do not outlive the one that started them, however that one ends.

The starting process keeps one end of a pipe open and gives the other one to its children (`Lifeline`). When it ends,
the kernel closes its end, and each child reads the end of the file: `follow`, `end_with_parent`, `killed_with`.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

VARIABLE: Final = "INTUITION_LIFELINE"
"""The variable with the descriptor, for a child that has no other way to learn it."""
PATIENCE: Final = 8.0
"""Seconds that a process has to end by itself before it is killed."""


@contextmanager
def lifeline() -> "Iterator[int]":
    """Open a lifeline; the value is the descriptor that children inherit, and closing it ends them."""
    # `front` opens its own by hand, since it can import nothing.
    given, held = os.pipe()
    try:
        yield given
    finally:
        os.close(given)
        os.close(held)


def follow(descriptor: int, then: Callable[[], None]) -> None:
    """Call ``then``, in a thread of its own, when the process that holds the other end ends.

    Args:
        descriptor: what `lifeline` gave; children of this process do not inherit it.
        then: ends this process.
    """

    def wait() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the threads that expect them
        os.read(descriptor, 1)
        then()

    os.set_inheritable(descriptor, False)  # noqa: FBT003  # it takes no keyword
    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def end_with_parent() -> None:
    """End this process when the `Supervisor` that started it ends.

    It ends as by SIGTERM, and is killed with its process group, which it leads, if it has not ended after `PATIENCE`.
    A child calls this first of all; where no supervisor started the process, nothing happens.
    """
    given = os.environ.pop(VARIABLE, None)  # children of this process do not have the descriptor
    if given is not None:
        follow(int(given), _end)


def _end() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    os.killpg(os.getpid(), signal.SIGKILL)


def killed_with(descriptor: int, parent: int) -> None:
    """Arrange that this process is killed when the one that started it ends.

    Where the kernel can send the signal itself it does (Linux, `F_SETSIG`): a part may keep this process from doing
    anything.

    Args:
        descriptor: what the other process gave.
        parent: its process number.
    """
    import fcntl

    if not hasattr(fcntl, "F_SETSIG"):
        follow(descriptor, lambda: os.kill(os.getpid(), signal.SIGKILL))
        return
    os.set_inheritable(descriptor, False)  # noqa: FBT003  # it takes no keyword
    fcntl.fcntl(descriptor, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_ASYNC)
    if os.getppid() != parent:  # it ended before the kernel was told
        os._exit(1)
