"""Bytes that a session writes for each event, at 100 events a second, as a connector sends them.

Half of the events have ids. Figures are of the processes of ``intuition serve``, from /proc/PID/io: ``write_bytes`` is
what went to the disk (or will: pages are counted when they are first changed), ``wchar`` what was handed to the system.
Run it with ``python benchmarks/written.py``; arguments go to ``intuition serve``, such as ``--config FILE``.
The folder is made in ``TMPDIR``, which must not be a file system in memory.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from intuition_core.rpc.client import Client

RATE = 100
SECONDS = 20
WARM_UP = 200
GOAL = 8_000
"""Bytes of an event, at most."""
SERVE = ("--algo", "random", "--seed", "1", "--param", "threshold=0.9", "--param", "max_fraction=0.0001")


def family(pid: int) -> list[int]:
    """Return a process and its descendants."""
    found = [pid]
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        found += family(int(child))
    return found


def written(pid: int) -> dict[str, int]:
    """Return what a process and its descendants have written so far."""
    total = {"write_bytes": 0, "wchar": 0}
    for each in family(pid):
        for line in Path(f"/proc/{each}/io").read_text().splitlines():
            key, value = line.split(": ")
            if key in total:
                total[key] += int(value)
    return total


def feed(client: Client, epoch: int, first: int, count: int) -> int:
    """Send events at the rate, those together that have come while a call was out; return the number of calls."""
    begun, sent, calls, acked = time.monotonic(), 0, 0, None
    while sent < count:
        due = min(count, int((time.monotonic() - begun) * RATE) + 1)
        if due == sent:
            time.sleep(max(0.0, begun + sent / RATE - time.monotonic()))
            continue
        batch = [payload(n) for n in range(first + sent, first + due)]
        deliveries = [[f"bench:{epoch}:{n}", n % 65_535, "quotes", "0" * 32] for n in range(first + sent, first + due)]
        client.call("events", batch, {"client": "bench", "epoch": epoch, "deliveries": deliveries, "acked": acked})
        acked, sent, calls = deliveries[-1][0], due, calls + 1
    return calls


def payload(n: int) -> dict[str, object]:
    """Return an event; every other one has an id."""
    event: dict[str, object] = {"sid": "goog", "quote": 100 + n % 50, "ts": 1_700_000_000_000_000_000 + n * 10_000_000}
    return {**event, "id": f"feed-{n}"} if n % 2 else event


def main() -> None:
    """Measure, and print the figures."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "intuition_core", "serve", "--addr", "tcp://127.0.0.1:0", *SERVE]
        command += ["--journal", f"{folder}/written.sqlite", *sys.argv[1:]]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=folder
        ) as served:
            assert served.stderr is not None
            address = next(line.split(" at ")[1].split(",")[0] for line in served.stderr if "ready:" in line)
            with Client(address) as client:
                epoch = client.call("attach", "bench")["epoch"]
                feed(client, epoch, 0, WARM_UP)
                before = written(served.pid)
                count = RATE * SECONDS
                calls = feed(client, epoch, WARM_UP, count)
                after = written(served.pid)
            served.terminate()
            served.stderr.read()
        size = sum(each.stat().st_size for each in Path(folder).iterdir())
    print(f"{count / calls:.1f} events a call")
    for key, value in after.items():
        print(f"{key}: {(value - before[key]) / count:,.0f} bytes an event")
    print(f"files at the end: {size / (WARM_UP + count):,.0f} bytes an event; goal: write_bytes at most {GOAL:,}")


if __name__ == "__main__":
    main()
