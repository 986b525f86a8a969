"""Intuition: a trading system put together from parts that anyone can pip install.

The public names for authors of parts. Importing this loads neither an edge nor gevent, and each name when it is first
used: the command `intuition` begins with a look at its environment, before anything takes time to import.
"""

import sys

from intuition_core import deprecated

TYPE_CHECKING = False  # `typing` takes longer to import than the command may take to begin

if TYPE_CHECKING:
    from typing import Any

    from intuition_core.contracts import (
        CONTRACT_VERSION,
        Account,
        Algorithm,
        Backend,
        Bet,
        Broker,
        Cancel,
        ClosedTrade,
        Connector,
        Context,
        Data,
        Fill,
        Holding,
        Message,
        Order,
        Portfolio,
        Rejection,
        Risk,
        Secret,
        Side,
        Signal,
        Source,
        Targets,
        Watch,
    )
    from intuition_core.determinism.randomness import restore_rng, rng_state
    from intuition_core.errors import IntuitionError
    from intuition_core.plugins.hooks import hookimpl
    from intuition_core.research import Run, load_run, run_backtest

__all__ = [
    "CONTRACT_VERSION",
    "Account",
    "Algorithm",
    "Backend",
    "Bet",
    "Broker",
    "Cancel",
    "ClosedTrade",
    "Connector",
    "Context",
    "Data",
    "Fill",
    "Holding",
    "IntuitionError",
    "Message",
    "Order",
    "Portfolio",
    "Rejection",
    "Risk",
    "Run",
    "Secret",
    "Side",
    "Signal",
    "Source",
    "Targets",
    "Watch",
    "hookimpl",
    "load_run",
    "restore_rng",
    "rng_state",
    "run_backtest",
]

_ELSEWHERE = {
    "IntuitionError": "errors",
    "Run": "research",
    "hookimpl": "plugins.hooks",
    "load_run": "research",
    "restore_rng": "determinism.randomness",
    "rng_state": "determinism.randomness",
    "run_backtest": "research",
}
"""Modules of the names that are not in `contracts`."""

sys.meta_path.append(deprecated.Finder)


def __getattr__(name: str) -> "Any":
    """Return a public name when it is first used; the version is read from the installation."""
    if name == "__version__":
        from importlib.metadata import version

        return version("intuition-core")
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"{__name__}.{_ELSEWHERE.get(name, 'contracts')}"), name)
    return found
