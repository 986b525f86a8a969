"""A service in a process of its own: ``python served.py [ADDRESS]``. Prints its address, and ends by SIGTERM."""

import logging
import signal
import sys
import time

from intuition_core.rpc.server import Method, Server


def burn(seconds: float) -> float:
    """Compute without ever giving way, as a part does that knows nothing of greenlets."""
    print("burning", flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return seconds


METHODS = {
    "event": Method(lambda data: [], queued=True),
    "burn": Method(burn, queued=True),
    "echo": Method(lambda value: value, queued=False),
    "blob": Method(lambda size: "x" * size, queued=False),
}

logging.basicConfig(level=logging.WARNING)
with Server(METHODS, name="served") as server:
    signal.signal(signal.SIGTERM, lambda *_: server.stop())
    print(server.bind(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:0"), flush=True)
    server.run()
print("stopped", flush=True)
