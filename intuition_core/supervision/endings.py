"""How processes end: by themselves, by a signal, or ended by the one that looks after them."""

import signal
from typing import Final

STEADY: Final = 10.0
"""Seconds of life after which the end of a process counts as its first one."""

_FAULTS: Final = frozenset({signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL})
"""Signals that a process brings upon itself."""


def how_it_ended(problem: str | None, code: int) -> str:
    """Return how a process ended, such as ``ended by SIGKILL``.

    Args:
        problem: why its supervisor killed it; None where it did not.
        code: the exit code, or the negative number of the signal.
    """
    if problem is not None:
        return f"{problem} and was ended"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"ended by {signal.Signals(-code).name}"
    except ValueError:  # one of those for programs' own use has no name
        return f"ended by signal {-code}"


def is_from_outside(code: int) -> bool:
    """Return whether a process was ended by a signal that it did not bring upon itself."""
    return code < 0 and -code not in _FAULTS


def exit_code(code: int) -> int:
    """Return the exit code of a supervisor whose process failed with ``code``."""
    return code if code > 0 else 1
