"""What the way from MQTT to a published decision costs, against a bare subscriber that counts the same messages.

20,000 messages (QoS 1) wait at mosquitto for each of two persistent sessions: that of a plain paho client that counts
and acknowledges, and that of the connector, which hands them to a backend in a process of its own and publishes one
decision in ten. They take turns. Run it with ``python benchmarks/mqtt.py``; the figures are medians of five rounds.
"""

import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
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
GOAL = 0.35
DECISIONS = "intuition/1/bench/decisions"


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
    """Say when all decisions of a round were published."""
    count = 0

    def on_message(*_: Any) -> None:
        nonlocal count
        count += 1
        if count % (MESSAGES // ONE_IN) == 0:
            print(time.monotonic(), flush=True)

    client = Paho(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.on_message = on_message
    client.on_subscribe = lambda *_: print("watching", flush=True)
    client.connect("127.0.0.1", port)
    client.subscribe(DECISIONS, 1)
    client.loop_forever()


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
            ended.append(float(watcher.stdout.readline()))
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


def main() -> None:
    """Measure, and print the figures."""
    with broker() as port, started("serve") as (_, address), started("watch", str(port)) as (watcher, _):
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
    print(f"bare paho subscriber, counting: {MESSAGES / statistics.median(bare):9,.0f} messages/s")
    print(f"MQTT in to decision published:  {MESSAGES / statistics.median(ours):9,.0f} messages/s")
    print(f"ratio: {ratio:.2f} (goal: at least {GOAL})")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve"]:
            serve()
        case ["watch", port]:
            watch(int(port))
        case _:
            main()
