"""Discovery: distributions, entry points, files with parts, hooks, and what plugins say of themselves."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Return what `plugins` held when it was a module."""
    from intuition_core.deprecated import names

    return names(__name__, f"{__name__}.catalogue", name)
