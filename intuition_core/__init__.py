"""Intuition: a trading system put together from parts that anyone can pip install.

The public names for authors of parts. Importing this loads neither an edge nor gevent.
"""

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


def __getattr__(name: str) -> str:
    """Look the version up when asked; it reads the installation."""
    if name == "__version__":
        from importlib.metadata import version

        return version("intuition-core")
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
