"""What connectors, live sources and other programs use to keep up a connection."""

from typing import TYPE_CHECKING, Final

from intuition_core.lazy import finder

if TYPE_CHECKING:
    from intuition_core.backoff import Backoff as Backoff
    from intuition_core.rpc.client import Client as Client
    from intuition_core.rpc.throttle import Throttle as Throttle
else:
    PLACES: Final = {
        "Backoff": "backoff",
        "Client": "rpc.client",
        "Throttle": "rpc.throttle",
    }
    __all__ = list(PLACES)
    __getattr__ = finder(__name__, PLACES)
