"""From a source plugin to checked batches of events in the order of time."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Return what `sources` held when it was a module."""
    from intuition_core.deprecated import names

    return names(__name__, f"{__name__}.opening", name)
