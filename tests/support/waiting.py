"""Waiting for a condition, never for a time."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 60 * float(os.environ.get("TESTS_PATIENCE", "1"))
"""How many seconds a test waits before it fails. ``TESTS_PATIENCE=3`` waits three times as long, on a slow machine."""


def eventually(
    condition: Callable[[], T], what: str | Callable[[], object] = "what was expected", *, patience: float = PATIENCE
) -> T:
    """Wait until a condition holds, and give what it gave.

    Args:
        condition: asked again and again, for anything true.
        what: what is waited for, or a function that tells how far it got; for the message.
        patience: how many seconds to wait at most.

    Raises:
        AssertionError: it did not come about in time.
    """
    deadline = time.monotonic() + patience
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience:.0f} s in vain for {what() if callable(what) else what}")
        time.sleep(0.01)
    return found
