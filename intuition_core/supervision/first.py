"""The first process of a container: it passes on signals and reaps what others leave behind, and a second one works.

The kernel gives orphans to process 1, and keeps them as zombies until it waits for them. No other part of the code may
wait for processes that it has not started.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

TYPE_CHECKING = False  # `typing` takes longer to import than this process may take to begin
if TYPE_CHECKING:
    from typing import Any

_NOT_PASSED_ON = ("SIGCHLD", "SIGTTIN", "SIGTTOU", "SIGTSTP", "SIGKILL", "SIGSTOP", "SIGSEGV", "SIGFPE", "SIGILL")


def work_in_second() -> int | None:
    """Start a second process that goes on from here; return its exit code in this one, and None in the second one."""
    pid = os.fork()
    if pid == 0:
        _lead()
        return None
    for number in signal.valid_signals() - {getattr(signal, name) for name in _NOT_PASSED_ON}:
        with suppress(OSError, ValueError):
            signal.signal(number, lambda sent, _frame: _pass_on(pid, sent))
    while True:
        ended, status = os.wait()
        if ended == pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _lead() -> None:
    """Make this process the leader of a group in front of the terminal, which has Ctrl-C reach it once."""
    with suppress(OSError):
        os.setpgid(0, 0)
        if sys.stdin is not None and os.isatty(0):
            before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
            os.tcsetpgrp(0, os.getpgrp())
            signal.signal(signal.SIGTTOU, before)


def _pass_on(pid: int, number: int) -> Any:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
