"""One million events over mosquitto through a journaled session, and what they leave behind in memory.

Events are published (QoS 1) as fast as the way takes them. The connector and the backend, with its journal at
`process`, run in processes of their own, as `intuition connect` and `intuition serve`. One event in ten is decided on.
The resident memory of both is noted all along; growth is the median of the last tenth over that of the tenth after the
warm-up. Nothing may be lost: the number of events taken and of decisions published is compared at the end.

Run it with ``python benchmarks/soak.py [EVENTS]``; it takes some minutes.
"""

import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from intuition_connector_mqtt.address import Address
from intuition_connector_mqtt.broker import find_mosquitto, mosquitto_config
from intuition_connector_mqtt.publisher import Publisher
from paho.mqtt.client import Client as Paho
from paho.mqtt.client import MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from intuition_core.errors import BackendLost
from intuition_core.rpc.client import Client

EVENTS: Final = 1_000_000
WARM_UP: Final = 0.2
"""The part of the events after which caches, windows and lists of bounded length are full."""
GOAL_MB: Final = 5.0
AHEAD: Final = 20_000
"""Events that may wait at the broker; more would measure its queue."""
ONE_IN: Final = 10

ALGORITHM: Final = """
from intuition_core import Bet, Signal

class EveryTenth:
    def initialize(self, params):
        self.seen = 0
        return ["quotes"]

    def event(self, data):
        self.seen += 1
        return None if self.seen % 10 else Signal(data["sid"], "buy" if self.seen % 20 else "sell", data["quote"])

    def snapshot(self):
        return self.seen

    def restore(self, state):
        self.seen = state

class OneUnit:
    def optimize(self, signal, account):
        return Bet(units=1)
"""


def install(folder: Path) -> None:
    """Lay a distribution with the parts into a folder, which is then to be on PYTHONPATH."""
    (folder / "soaked.py").write_text(ALGORITHM)
    information = folder / "soaked-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: soaked\nVersion: 1.0\n")
    points = "[intuition.v1.algorithm]\nsoaked = soaked:EveryTenth\n[intuition.v1.portfolio]\nunit = soaked:OneUnit\n"
    (information / "entry_points.txt").write_text(points)


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def tree(pid: int) -> list[int]:
    """Give a process and all below it."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(each for child in children for each in tree(int(child)))]


def resident(pid: int) -> float:
    """Give the memory of a process and all below it, in MB."""
    pages = 0
    for each in tree(pid):
        try:
            pages += int(Path(f"/proc/{each}/statm").read_text().split()[1])
        except OSError:
            continue  # ended meanwhile
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def descriptors(pid: int) -> int:
    """Count the open files of a process and all below it."""
    return sum(len(list(Path(f"/proc/{each}/fd").iterdir())) for each in tree(pid))


class Watch:
    """Counts the decisions as they are published."""

    def __init__(self, port: int) -> None:
        self.count = 0
        self._client = Paho(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = self._on_message
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("intuition/1/soak/decisions", 1)
        self._client.loop_start()
        subscribed.wait(10)

    def _on_message(self, *_: object) -> None:
        self.count += 1

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    """Wait for something, and end the benchmark where it does not come about."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.05)


def last_seq(address: str) -> int:
    """Ask the session how many events it has taken."""
    with Client(address, timeout=10) as client:
        try:
            return int(client.call("account")["seq"])
        except BackendLost:
            return -1


def soak(events: int) -> bool:
    """Carry so many events, print the figures, and give whether they are as they should be."""
    program = find_mosquitto()
    if program is None:
        sys.exit("mosquitto is needed for this benchmark, and not installed")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        install(folder)
        port, address = free_port(), f"tcp://127.0.0.1:{free_port()}"
        (folder / "mosquitto.conf").write_text(mosquitto_config(port, None))

        def start(*command: str) -> int:
            process = subprocess.Popen(
                command,
                stdout=subprocess.DEVNULL,
                stderr=(folder / "log").open("a"),
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))),
                },
            )
            stack.callback(lambda: (process.terminate(), process.wait(20)))
            return process.pid

        start(program, "-c", str(folder / "mosquitto.conf"))
        intuition = (sys.executable, "-m", "intuition_core")
        journal = str(folder / "soak.sqlite")
        parts = ("--algo", "soaked", "--portfolio", "unit", "--seed", "7", "--cash", "1000000000", "--session", "soak")
        backend = start(*intuition, "serve", *parts, "--addr", address, "--journal", journal)
        wait_for(lambda: last_seq(address) == 0, "the backend")
        connector = start(*intuition, "connect", "--mqtt", f"mqtt://127.0.0.1:{port}", "--rpc", address)
        wait_for(lambda: "connected to the broker" in (folder / "log").read_text(), "the connector")
        watch = Watch(port)
        stack.callback(watch.close)
        notes: list[tuple[float, float]] = []
        files: list[int] = []
        began = time.monotonic()
        with Publisher(Address("127.0.0.1", port)) as publisher:
            for number in range(events):
                publisher.publish(f"quotes/S{number % 10}", b'{"quote":%d.25}' % (100 + number % 50))
                if number % 1000 == 0:
                    wait_for(lambda n=number: n - watch.count * ONE_IN < AHEAD, "the way to keep up")  # type: ignore[misc]  # bound at once
                    notes.append((resident(backend), resident(connector)))
                    files.append(descriptors(backend) + descriptors(connector))
        wait_for(lambda: watch.count >= events // ONE_IN, "the last decision")
        seconds = time.monotonic() - began
        taken = last_seq(address)
        tenth = max(len(notes) // 10, 1)
        warm = int(len(notes) * WARM_UP)
        growth = []
        for name, column in (("backend", 0), ("connector", 1)):
            before = statistics.median(note[column] for note in notes[warm : warm + tenth])
            after = statistics.median(note[column] for note in notes[-tenth:])
            growth.append(after - before)
            print(f"{name}: {before:.1f} MB after the warm-up, {after:.1f} MB at the end, grew by {growth[-1]:+.1f} MB")
        opened = max(files[-tenth:]) - max(files[warm : warm + tenth])
        print(f"open files: {max(files[-tenth:])} at the end, {opened:+d}")
        print(f"{taken} of {events} events taken, {watch.count} of {events // ONE_IN} decisions published")
        print(f"{events / seconds:,.0f} events a second, journal {Path(journal).stat().st_size / 1e6:.0f} MB")
        good = taken == events and watch.count == events // ONE_IN and max(growth) < GOAL_MB and opened <= 0
        print("good" if good else f"NOT GOOD: nothing may be lost, and nothing grow by {GOAL_MB} MB")
        return good


if __name__ == "__main__":
    sys.exit(not soak(int(sys.argv[1]) if sys.argv[1:] else EVENTS))
