"""The connector between a real broker and a real zerorpc backend in another process."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from intuition_core.rpc.client import Client

pytestmark = pytest.mark.mosquitto

OURS = """
import sys
from intuition_core.rpc.server import Method, Server
seen = 0
def attach(client):
    return {"session": "real", "epoch": 1, "channels": ["quotes"], "last_seq": seen, "window": []}
def decide(event):
    global seen
    seen += 1
    return [{"id": f"{sys.argv[1]}:{seen}:0", "type": "decision", "seq": seen, "quote": event["quote"]}]
def events(items, options):
    return [decide(item) for item in items]
methods = {"attach": Method(attach, queued=True), "events": Method(events, queued=True)}
with Server(methods, name="test") as server:
    print(server.bind(sys.argv[1]), flush=True)
    server.run()
"""

FOREIGN = """
import sys
import zerorpc
class Backend:
    def initialize(self, conf):
        return ["quotes"]
    def event(self, data):
        return [{"side": "buy", "quote": data["quote"]}]
server = zerorpc.Server(Backend())
server.bind(sys.argv[1])
print(sys.argv[1], flush=True)
server.run()
"""


@pytest.fixture
def serve() -> Iterator[Callable[[str, str], subprocess.Popen[str]]]:
    """Start a backend, and wait until it serves."""
    processes: list[subprocess.Popen[str]] = []

    def start(program: str, address: str) -> subprocess.Popen[str]:
        process = subprocess.Popen([sys.executable, "-c", program, address], stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().strip()
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Client]:
    """Make clients that are closed in the thread that used them."""
    from intuition_connector_mqtt.connector import Mqtt

    run = Mqtt.run

    def run_and_close(self: Mqtt, backend: Any) -> None:
        try:
            run(self, backend)
        finally:
            backend.close()

    monkeypatch.setattr(Mqtt, "run", run_and_close)
    return lambda address: Client(address, timeout=5, heartbeat=0.5)


def payloads(start: int, stop: int) -> list[bytes]:
    return [b'{"goog": %d}' % n for n in range(start, stop)]


@pytest.mark.parametrize(("program", "count"), [(OURS, 3000), (FOREIGN, 300)])
def test_quotes_become_decisions(
    mosquitto: Any, at_work: Any, serve: Any, client: Any, port: int, program: str, count: int
) -> None:
    address = f"tcp://127.0.0.1:{port}"
    serve(program, address)
    _, observer = at_work(mosquitto, client(address))
    observer.publish_many("quotes", payloads(1, count + 1))
    observer.wait_for("decisions", count)
    assert [decision["quote"] for decision in observer.on("decisions")] == list(range(1, count + 1))


@pytest.mark.parametrize("program", [OURS, FOREIGN])
def test_a_backend_that_is_killed_is_waited_for(
    mosquitto: Any, at_work: Any, serve: Any, client: Any, port: int, program: str, until: Any, caplog: Any
) -> None:
    address = f"tcp://127.0.0.1:{port}"
    first = serve(program, address)
    _, observer = at_work(mosquitto, client(address))
    observer.publish_many("quotes", payloads(1, 101))
    observer.wait_for("decisions", 100)
    first.send_signal(signal.SIGKILL)
    first.wait(10)
    observer.publish_many("quotes", payloads(101, 301))
    until(lambda: "retrying in" in caplog.text, "the loss to be told")
    serve(program, address)
    observer.wait_for("decisions", 300)
    assert [decision["quote"] for decision in observer.on("decisions")] == list(range(1, 301))
