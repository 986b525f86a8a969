"""The process in front of a command that runs parts: it starts the one that does, and is there when that one is not.

What is typed, sent or waited for reaches this process; a second one runs the command, with the hash seed that all
processes have which run parts, and with the same terminal, descriptors and process group. If a part hangs, crashes or
ends that process, this one says which it was. It imports nothing until there is something to say, and looks into memory
that both share instead of asking: being looked at costs the parts nothing.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from contextlib import suppress

from intuition_core.determinism.hashing import seeded_environment

TYPE_CHECKING = False  # `typing` would take longer than all of this
if TYPE_CHECKING:
    from typing import Any, Final

    from intuition_core.supervision.inquiry import Inquiry

VARIABLE: Final = "INTUITION_ATTENDED"  # `attended.VARIABLE`, which takes time to import

MEMORY: Final = 4096
"""Bytes of the shared memory at its beginning; a `SharedStatus` is made of it where it is looked at."""

_FIRST_LOOK: Final = 1.0
"""Seconds until the command is looked at for the first time; most have ended by then."""
_TICK: Final = 0.05
"""Seconds between two looks."""
_ECHO: Final = 0.1
"""Seconds after which a Ctrl-C is passed on that has reached this process alone."""
_ONE_REQUEST: Final = 0.3
"""Seconds within which signals to stop count as one: a terminal and a launcher may both send it."""
_PASSED_ON: Final = ("SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2")


class Front:
    """Runs the command line of this process in a second one."""

    def __init__(self) -> None:
        self._memory = _apart(_shared_memory())
        self._pid = 0
        self._inquiry: Inquiry | None = None
        self._passed: set[int] = set()
        self._asked: list[float] = []
        self._echo_at: float | None = None
        self._ended: str | None = None
        self._code: int | None = None

    def run(self) -> int:
        """Run the command, and return its exit code.

        Raises:
            OSError: there can be no second process.
        """
        lifeline, held = map(_apart, os.pipe())
        news, told = map(_apart, os.pipe())
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        self._take_signals()
        for descriptor in (self._memory, lifeline):
            os.set_inheritable(descriptor, True)  # noqa: FBT003  # it takes no keyword
        environment = {**seeded_environment(), VARIABLE: f"{self._memory},{lifeline},{os.getpid()}"}
        # Ctrl-C must not hit it before it can answer.
        blocked = {*signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.SIGINT}
        self._pid = os.posix_spawn(
            sys.executable, [sys.executable, *sys.orig_argv[1:]], environment, setsigmask=sorted(blocked)
        )
        os.set_inheritable(self._memory, False)  # noqa: FBT003  # the same
        os.close(lifeline)
        code = self._wait(news)
        os.close(held)
        return self._end(code)

    # -- while it runs

    def _wait(self, news: int) -> int:
        """Watch the command until it ends, and return its exit code."""
        pause = _FIRST_LOOK
        poll = select.poll()  # `select` takes no descriptor above 1,023
        poll.register(news, select.POLLIN)
        while True:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._pid = 0
                return os.waitstatus_to_exitcode(status)
            if poll.poll(pause * 1_000):
                os.read(news, 4096)  # a signal came: perhaps that of its end
                pause = min(pause, _ECHO)
            else:
                pause = _TICK
                self._look()

    def _take_signals(self) -> None:
        signal.signal(signal.SIGCHLD, _no_more)
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self._interrupt)
        for name in _PASSED_ON:
            number = getattr(signal, name)
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._pass_on)

    def _pass_on(self, number: int, _frame: Any) -> None:
        self._passed.add(number)
        self._send(number)

    def _interrupt(self, _number: int, _frame: Any) -> None:
        """Note a Ctrl-C, which a terminal sends to both processes, and `kill` to this one alone."""
        now = time.monotonic()
        if not self._asked or now - self._asked[-1] > _ONE_REQUEST:
            self._asked.append(now)
            self._echo_at = now + _ECHO

    def _look(self) -> None:
        inquiry = self._inquiry
        if inquiry is None:
            inquiry = self._inquiry = _inquiry(self._memory)
        if self._echo_at is not None and time.monotonic() >= self._echo_at:
            self._echo_at = None
            if inquiry.heard < len(self._asked):
                self._send(signal.SIGINT)
        if self._ended is None:
            found = inquiry.look(self._pid, self._asked)
            if found is not None:
                self._ended, self._code = found
                self._send(signal.SIGABRT)  # it writes down where it was
                inquiry.give_up_at = time.monotonic() + 1
        elif time.monotonic() > inquiry.give_up_at:
            self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        if self._pid:
            with suppress(ProcessLookupError):  # it may have just ended
                os.kill(self._pid, number)

    # -- after its end

    def _end(self, code: int) -> int:
        if -code in self._passed and self._ended is None:
            signal.signal(-code, signal.SIG_DFL)
            os.kill(os.getpid(), -code)
        inquiry = self._inquiry
        if inquiry is None:
            if _is_done(self._memory, code):
                return code
            inquiry = _inquiry(self._memory)
        if self._ended is not None and self._code is not None:
            return inquiry.tell_ended(self._ended, self._code)
        return inquiry.tell(code, interrupted=bool(self._asked))


def _no_more(_number: int, _frame: Any) -> None:
    """Handle a signal that is only to end a wait."""


def _inquiry(memory: int) -> Inquiry:
    from intuition_core.supervision.inquiry import Inquiry

    return Inquiry(memory)


def _is_done(memory: int, code: int) -> bool:
    """Return whether the command noted, in two words of a `SharedStatus`, that it ended with this exit code."""
    ready, _, _, kept = (int.from_bytes(os.pread(memory, 8, 8 * word), sys.byteorder) for word in range(3, 7))
    return ready == 2 and kept == code


def _shared_memory() -> int:
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("intuition")
    else:
        import tempfile

        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, MEMORY)
    return descriptor


def _apart(descriptor: int) -> int:
    """Return a copy of a descriptor that has the number of a standard stream; others are returned as they are."""
    if descriptor > 2:
        return descriptor
    import fcntl

    other = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(descriptor)
    return other
