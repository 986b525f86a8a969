"""Records as they leave a session: their type, their keys, and the sentences that tell them to a person."""

from typing import Any

from intuition_core import deprecated
from intuition_core.session.console import sentence
from intuition_core.trading.records import Record, record_key

__all__ = ["Record", "record_key", "sentence"]


def __getattr__(name: str) -> Any:
    """Return a name that a module of this path had in an earlier release, with a warning."""
    return deprecated.names("intuition_core.records", "intuition_core.trading.records", name)
