"""What a call costs through our server, against a bare zerorpc server whose method does nothing.

Both run at once, each in a process of its own, and take turns, so that the noise of the machine meets both alike. Run
it with ``python benchmarks/rpc.py``; the figures are medians of five ratios.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import zerorpc

ROUNDS = 5
CALLS = 1_000
BATCH = 1_000
BATCHES = 20
EVENT = {"sid": "GOOG", "quote": 345.0}


class Bare:
    """A service that does nothing, served as zerorpc serves it."""

    def event(self, _data: Any) -> list[Any]:
        """Do nothing."""
        return []


def serve_bare() -> None:
    """Serve it on a free port, and say which."""
    server = zerorpc.Server(Bare())
    server.bind("tcp://127.0.0.1:*")
    print(server._events._socket.getsockopt(zerorpc.zmq.LAST_ENDPOINT).rstrip(b"\0").decode(), flush=True)
    server.run()


def serve_ours() -> None:
    """Serve the same with our server, in the thread of the parts."""
    from intuition_core.rpc.server import Method, Server

    methods = {
        "event": Method(lambda _data: [], queued=True),
        "events": Method(lambda batch: [[] for _ in batch], queued=True),
    }
    with Server(methods, name="bench") as server:
        print(server.bind("tcp://127.0.0.1:0"), flush=True)
        server.run()


@contextmanager
def started(which: str) -> Iterator[zerorpc.Client]:
    """Give a plain zerorpc client of a server in a process of its own."""
    command = [sys.executable, __file__, which]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        client = zerorpc.Client(process.stdout.readline().strip())
        try:
            yield client
        finally:
            client.close()
            process.terminate()


def rate(call: Callable[[], Any], times: int) -> float:
    """Calls per second."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    return times / (time.perf_counter() - start)


def measure() -> dict[str, float]:
    """Take turns, and give the medians."""
    batch = [EVENT] * BATCH
    with started("bare") as bare, started("ours") as ours:
        for client in (bare, ours):
            rate(lambda client=client: client.event(EVENT), CALLS // 5)
        single, batched, reference = [], [], []
        for _ in range(ROUNDS):
            reference.append(rate(lambda: bare.event(EVENT), CALLS))
            single.append(rate(lambda: ours.event(EVENT), CALLS) / reference[-1])
            batched.append(BATCH * rate(lambda: ours.events(batch), BATCHES) / reference[-1])
    return {
        "bare_calls_per_second": round(statistics.median(reference)),
        "event_ratio": round(statistics.median(single), 2),
        "events_ratio": round(statistics.median(batched), 1),
    }


def main() -> None:
    """Measure, or serve for a measurement."""
    match sys.argv[1:]:
        case ["bare"]:
            serve_bare()
        case ["ours"]:
            serve_ours()
        case _:
            print(json.dumps(measure(), indent=2))


if __name__ == "__main__":
    main()
