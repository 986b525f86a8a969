"""Runs over recorded events: the equity curve, and the checks for look-ahead."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Return a name that `backtest` held when it was a module."""
    from intuition_core.deprecated import names

    return names(__name__, f"{__name__}.run", name)
