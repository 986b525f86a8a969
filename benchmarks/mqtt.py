"""What the way from MQTT to a published decision costs, against a bare subscriber that counts the same messages.

20,000 messages (QoS 1) wait at mosquitto for each of two persistent sessions: that of a plain paho client that counts
and acknowledges, and that of the connector, which hands them to a backend in a process of its own and publishes one
decision in ten. They take turns. There are three backends: one that does nothing else, and `intuition serve` with a
journal whose commits survive the process's end, and the loss of power.

Then one event at a time: from its publication to that of its decision, against what a message takes through mosquitto
and a call through zerorpc, measured in turns with it.

Run it with ``python benchmarks/mqtt.py``; the rates are medians of five rounds.
"""

import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from intuition_connector_mqtt.address import Address
from intuition_connector_mqtt.broker import find_mosquitto, mosquitto_config
from intuition_connector_mqtt.connector import Mqtt
from intuition_connector_mqtt.publisher import Publisher
from paho.mqtt.client import Client as Paho
from paho.mqtt.client import MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

ROUNDS = 5
MESSAGES = 20_000
ONE_IN = 10
GOALS = {"bench": 0.35, "process": 0.3, "power": 0.25}
LATENCY_GOAL = 2.0
SINGLE = 1_000
DECISIONS = "intuition/1/+/decisions"
QUIET = 1.0
"""Seconds without a decision after which a round has ended."""
RANDOM = ("--algo", "random", "--cash", "1000000000", "--seed", "7")
SMALL = ("--param", "max_fraction=0.00001")
"""Bets that leave enough for all the others."""


def serve() -> None:
    """Serve a backend that decides on one event in ten, on a free port, and say which."""
    from intuition_core.rpc.server import Method, Server

    seen = 0

    def decide() -> list[dict[str, Any]]:
        nonlocal seen
        seen += 1
        if seen % ONE_IN:
            return []
        record = {"id": f"bench:{seen}:0", "type": "decision", "seq": seen, "ts": time.time_ns(), "sid": "GOOG"}
        return [record | {"side": "buy", "cash": "4213.07", "quantity": "12.2118", "quote": 345.0, "status": "placed"}]

    def attach(_client: str) -> dict[str, Any]:
        return {"session": "bench", "epoch": 1, "channels": ["quotes"], "last_seq": seen, "window": []}

    methods = {
        "attach": Method(attach, queued=True),
        "events": Method(lambda items, _options: [decide() for _ in items], queued=True),
    }
    with Server(methods, name="bench") as server:
        print(server.bind("tcp://127.0.0.1:0"), flush=True)
        server.run()


def watch(port: int) -> None:
    """Say at the end of each round when its last decision was published, and how many there were."""
    count = 0
    last = 0.0

    def on_message(*_: Any) -> None:
        nonlocal count, last
        count += 1
        last = time.monotonic()

    client = Paho(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.on_message = on_message
    client.on_subscribe = lambda *_: print("watching", flush=True)
    client.connect("127.0.0.1", port)
    client.subscribe(DECISIONS, 1)
    while True:
        client.loop(0.1)
        if count and time.monotonic() - last > QUIET:
            print(last, count, flush=True)
            count = 0


def echo() -> None:
    """Serve a method that does nothing, as zerorpc serves it."""
    import zerorpc

    class Bare:
        def event(self, _data: Any) -> list[Any]:
            return []

    server = zerorpc.Server(Bare())
    server.bind("tcp://127.0.0.1:*")
    print(server._events._socket.getsockopt(zerorpc.zmq.LAST_ENDPOINT).rstrip(b"\0").decode(), flush=True)
    server.run()


def count_bare(port: int, messages: int) -> float:
    """Count so many messages with a plain client; give the seconds it took."""
    client = Paho(CallbackAPIVersion.VERSION2, "bare", protocol=MQTTv5)
    count = 0

    def on_message(*_: Any) -> None:
        nonlocal count
        count += 1
        if count == messages:
            client.disconnect()

    client.on_message = on_message
    client.on_subscribe = lambda *_: client.disconnect()
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600
    properties.ReceiveMaximum = 1000
    start = time.monotonic()
    client.connect("127.0.0.1", port, clean_start=False, properties=properties)
    if not messages:
        client.subscribe("quotes/#", 1)
    client.loop_forever()
    return time.monotonic() - start


def carry(port: int, address: str, watcher: "subprocess.Popen[str] | None") -> float:
    """Run the connector until the watcher has seen all decisions, or else until it is connected; give the seconds."""
    from intuition_core.rpc.client import Client

    connector = Mqtt()
    connector.initialize(Mqtt.Params(url=f"mqtt://127.0.0.1:{port}"))
    ended: list[float] = []

    def wait() -> None:
        if watcher is None:
            time.sleep(1.0)
        else:
            assert watcher.stdout is not None
            moment, count = watcher.stdout.readline().split()
            assert abs(int(count) - MESSAGES / ONE_IN) < MESSAGES / ONE_IN / 5, f"{count} decisions"
            ended.append(float(moment))
        connector.stop()

    waiter = threading.Thread(target=wait)
    start = time.monotonic()
    waiter.start()
    backend = Client(address)
    connector.run(backend)
    backend.close()
    waiter.join()
    return ended[0] - start if ended else 0.0


def fill(port: int) -> None:
    """Leave the messages of a round at the broker."""
    with Publisher(Address("127.0.0.1", port)) as publisher:
        for number in range(MESSAGES):
            publisher.publish("quotes", b'{"sid":"S%d","quote":%d.25}' % (number % 10, 100 + number % 50))


@contextmanager
def broker() -> Iterator[int]:
    """Run mosquitto on a free port."""
    program = find_mosquitto()
    if program is None:
        sys.exit("mosquitto is needed for this benchmark, and not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "mosquitto.conf")
        config.write_text(mosquitto_config(port, None))
        with subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL) as process:
            try:
                while process.poll() is None:
                    try:
                        socket.create_connection(("127.0.0.1", port)).close()
                        break
                    except OSError:
                        time.sleep(0.02)
                yield port
            finally:
                process.terminate()


@contextmanager
def started(*arguments: str) -> Iterator["tuple[subprocess.Popen[str], str]"]:
    """Run a part of this file in a process of its own; give it and its first line."""
    with subprocess.Popen([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def served(*options: str) -> Iterator[str]:
    """Serve a session with a journal; give the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "intuition_core", "serve", *RANDOM, *SMALL, *options]
        where = ["--addr", address, "--journal", str(Path(folder, "session.sqlite"))]
        with subprocess.Popen([*command, *where], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            try:
                while b"ready" not in process.stderr.readline():
                    assert process.poll() is None, "the backend did not start"
                yield address
            finally:
                process.terminate()


def compare(port: int, name: str, address: str, watcher: "subprocess.Popen[str]") -> None:
    """Let the bare client and the connector take turns, and print how they compare."""
    count_bare(port, 0)
    carry(port, address, None)
    bare: list[float] = []
    ours: list[float] = []
    for number in range(ROUNDS):
        fill(port)
        turns = [
            lambda: bare.append(count_bare(port, MESSAGES)),
            lambda: ours.append(carry(port, address, watcher)),
        ]
        for turn in turns if number % 2 else reversed(turns):
            turn()
    ratio = statistics.median(mine_bare / mine for mine_bare, mine in zip(bare, ours, strict=True))
    bare_rate, our_rate = (MESSAGES / statistics.median(seconds) for seconds in (bare, ours))
    print(
        f"{name:8} bare {bare_rate:7,.0f}/s, ours {our_rate:7,.0f}/s, ratio {ratio:.2f} (goal: at least {GOALS[name]})",
        flush=True,
    )


def send_at_once(_client: Any, _userdata: Any, sock: Any) -> None:
    """Keep the system from waiting for more to send."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def compare_single(port: int, address: str, bare_address: str) -> None:
    """Send one event at a time, and one message, and one call, in turns; print what they take."""
    import zerorpc

    arrived = threading.Event()
    client = Paho(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.on_message = lambda *_: arrived.set()
    client.on_subscribe = lambda *_: arrived.set()
    client.on_socket_open = send_at_once
    client.connect("127.0.0.1", port)
    client.loop_start()

    def exchange(topic: str) -> float:
        arrived.clear()
        start = time.perf_counter()
        client.publish(topic, b'{"sid":"GOOG","quote":345.25}', 1)
        assert arrived.wait(10)
        return time.perf_counter() - start

    for topic in ("echo", DECISIONS):
        arrived.clear()
        client.subscribe(topic, 1)
        assert arrived.wait(10)
    rpc = zerorpc.Client(bare_address)

    def call() -> float:
        start = time.perf_counter()
        rpc.event({"sid": "GOOG", "quote": 345.25})
        return time.perf_counter() - start

    command = [
        sys.executable,
        "-m",
        "intuition_core",
        "connect",
        "--mqtt",
        f"mqtt://127.0.0.1:{port}",
        "--rpc",
        address,
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as connector:
        assert connector.stderr is not None
        try:
            while b"connected to the broker" not in connector.stderr.readline():
                assert connector.poll() is None, "the connector did not start"
            ways: list[Callable[[], float]] = [lambda: exchange("quotes"), lambda: exchange("echo"), call]
            for way in ways:
                for _ in range(SINGLE // 10):
                    way()
            ours, mqtt, calls = (
                sorted(times) for times in zip(*([way() for way in ways] for _ in range(SINGLE)), strict=True)
            )
        finally:
            connector.terminate()
            client.disconnect()
            client.loop_stop()
            rpc.close()
    for name, times in (("event to decision", ours), ("message through MQTT", mqtt), ("call of zerorpc", calls)):
        print(f"{name:20} p50 {_at(times, 50):6.2f} ms, p99 {_at(times, 99):6.2f} ms")
    ratio = _at(ours, 50) / (_at(mqtt, 50) + _at(calls, 50))
    print(f"ratio of the first to the sum of the others, p50: {ratio:.2f} (goal: at most {LATENCY_GOAL})")


def _at(times: list[float], percent: int) -> float:
    return times[len(times) * percent // 100] * 1e3


def main() -> None:
    """Measure, and print the figures."""
    with broker() as port, started("watch", str(port)) as (watcher, _):
        with started("serve") as (_, address):
            compare(port, "bench", address, watcher)
        for durability in ("process", "power"):
            options = ("--param", "threshold=0.9", "--session", durability, "--durability", durability)
            with served(*options) as address:
                compare(port, durability, address, watcher)
    with broker() as port, started("echo") as (_, bare), served("--param", "threshold=0") as address:
        compare_single(port, address, bare)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            serve()
        case ["echo"]:
            echo()
        case ["watch", port]:
            watch(int(port))
        case _:
            main()
