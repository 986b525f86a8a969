"""Durable sessions: the journal, exactly-once batches, recovery and control."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Return a name that `session` held when it was a module."""
    from intuition_core.deprecated import names

    return names(__name__, f"{__name__}.session", name)
