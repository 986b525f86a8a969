"""What the real session costs, against a bare zerorpc server whose method does nothing, in one run.

One decision in ten events. The servers take turns, so that the noise of the machine meets all alike; figures are
medians of five. ``--recovery`` also fills a journal with a million events, kills the session, and says how long it
takes to come back.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import zerorpc

ROUNDS = 5
CALLS = 1_000
BATCH = 1_000
BATCHES = 20
SERVE = ("--algo", "random", "--seed", "1", "--param", "threshold=0.9", "--param", "max_fraction=0.0001")
GOALS = {"event": 0.8, "events": 60, "events, journal process": 25}


@contextmanager
def bare() -> Iterator[zerorpc.Client]:
    """A bare server, in a process of its own."""
    program = (
        "import zerorpc; s = zerorpc.Server({'event': lambda data: None}); s.bind('tcp://127.0.0.1:*');"
        "print(s._events._socket.getsockopt(zerorpc.zmq.LAST_ENDPOINT).rstrip(b'\\0').decode(), flush=True); s.run()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        client = zerorpc.Client(process.stdout.readline().strip(), timeout=120)
        try:
            yield client
        finally:
            client.close()
            process.terminate()


@contextmanager
def session(folder: Path, *words: str, kill: bool = False) -> Iterator[tuple[zerorpc.Client, list[str]]]:
    """The real session, in a process of its own; gives what it said until it was ready, too."""
    command = [sys.executable, "-m", "intuition_core", "serve", "--addr", "tcp://127.0.0.1:0", *SERVE, *words]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,
    ) as process:
        assert process.stderr is not None
        said: list[str] = []
        for line in process.stderr:
            said.append(line.strip())
            if line.startswith("ready: "):
                break
        address = said[-1].split(" at ")[1].split(",")[0]
        client = zerorpc.Client(address, timeout=120)
        try:
            yield client, said
        finally:
            client.close()
            if kill:
                os.killpg(process.pid, 9)
            process.terminate()


def rate(call: Callable[[], Any], times: int) -> float:
    """Calls per second."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    return times / (time.perf_counter() - start)


def measure(folder: Path) -> dict[str, float]:
    """Take turns, and give the medians of the ratios."""
    event = {"sid": "GOOG", "quote": 345.0}
    batch = [{"sid": "GOOG", "quote": 300.0 + n % 97} for n in range(BATCH)]
    with ExitStack() as stack:
        reference = stack.enter_context(bare())
        served = {
            "events": stack.enter_context(session(folder, "--no-journal"))[0],
            "events, journal process": stack.enter_context(session(folder, "--journal", "process.sqlite"))[0],
            "events, journal power": stack.enter_context(
                session(folder, "--journal", "power.sqlite", "--durability", "power")
            )[0],
        }
        ratios: dict[str, list[float]] = {"event": [], **{name: [] for name in served}}
        rates = []
        for warm in [True, *[False] * ROUNDS]:
            per_call = rate(lambda: reference.event(event), CALLS)
            single = rate(lambda: served["events"].event(event), CALLS) / per_call
            batched = {
                name: BATCH * rate(lambda client=client: client.events(batch), BATCHES) / per_call
                for name, client in served.items()
            }
            if not warm:
                rates.append(per_call)
                ratios["event"].append(single)
                for name, ratio in batched.items():
                    ratios[name].append(ratio)
    return {
        "bare calls per second": round(statistics.median(rates)),
        **{name: round(statistics.median(values), 2) for name, values in ratios.items()},
    }


def recovery(folder: Path) -> dict[str, Any]:
    """Fill a journal with a million events, kill the session, and start it again."""
    batch = [{"sid": "GOOG", "quote": 300.0 + n % 97} for n in range(BATCH)]
    words = ("--journal", "million.sqlite")
    with session(folder, *words, kill=True) as (client, _):
        for _ in range(1000):
            client.events(batch)
    start = time.perf_counter()
    with session(folder, *words) as (client, said):
        seconds = time.perf_counter() - start
        told = next(line for line in said if line.startswith("recovered"))
        events = client.describe()["last_seq"]
    return {"events": events, "seconds to ready (goal: at most 5)": round(seconds, 2), "said": told}


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        told: dict[str, Any] = {"ratios to the bare per-call rate": measure(Path(name)), "goals": GOALS}
        if "--recovery" in sys.argv:
            told["recovery"] = recovery(Path(name))
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
