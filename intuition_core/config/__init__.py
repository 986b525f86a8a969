"""From a TOML file and flags to a composition; every mistake at once, with its place."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Return what `config` held when it was a module."""
    from intuition_core.deprecated import names

    return names(__name__, f"{__name__}.loading", name)
