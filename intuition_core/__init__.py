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
    from intuition_core.errors import IntuitionError

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
    "Secret",
    "Side",
    "Signal",
    "Source",
    "Targets",
    "Watch",
]

sys.meta_path.append(deprecated.Finder)


def __getattr__(name: str) -> "Any":
    """Give a public name when it is first used; the version is read from the installation."""
    if name == "__version__":
        from importlib.metadata import version

        return version("intuition-core")
    if name not in __all__:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    from intuition_core import contracts, errors

    found = globals()[name] = getattr(errors if name == "IntuitionError" else contracts, name)
    return found
