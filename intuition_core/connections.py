"""What connectors, live sources and other programs use to keep up a connection."""

from typing import TYPE_CHECKING, Final

from intuition_core.system.lazy import finder

if TYPE_CHECKING:
    from intuition_core.rpc.client import Client as Client
    from intuition_core.rpc.throttle import Throttle as Throttle
    from intuition_core.system.backoff import Backoff as Backoff
else:
    PLACES: Final = {
        "Backoff": "system.backoff",
        "Client": "rpc.client",
        "Throttle": "rpc.throttle",
    }
    __all__ = list(PLACES)
    __getattr__ = finder(__name__, PLACES)
