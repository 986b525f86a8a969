"""Brokers, backends and observers for the tests of the connector."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from intuition_connector_mqtt.broker import find_mosquitto, mosquitto_config
from intuition_connector_mqtt.connector import Mqtt
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from support import PATIENCE, accepts, eventually, free_port

from intuition_core.errors import BackendLost


class RunningBroker:
    """A broker in a process of its own, that can be stopped and started again on its port."""

    def __init__(self, command: list[str], port: int) -> None:
        self.port = port
        self.url = f"mqtt://127.0.0.1:{port}"
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        eventually(lambda: process.poll() is not None or accepts(self.port), "the broker to listen")
        assert process.poll() is None, "the broker did not start"

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None


@pytest.fixture
def mosquitto_program() -> str:
    program = find_mosquitto()
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("mosquitto is not installed, and CI has to test with it")
        pytest.skip("mosquitto is not installed")
    return program


@pytest.fixture
def mosquitto(mosquitto_program: str, tmp_path: Path) -> Iterator[RunningBroker]:
    """A mosquitto that remembers over a restart."""
    port = free_port()
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    config = folder / "mosquitto.conf"
    config.write_text(mosquitto_config(port, folder))
    broker = RunningBroker([mosquitto_program, "-c", str(config)], port)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def embedded() -> Iterator[RunningBroker]:
    """The broker that comes along; it speaks MQTT 3.1.1."""
    code = "from intuition_connector_mqtt.broker import broker; broker()"
    port = free_port()
    broker = RunningBroker([sys.executable, "-c", code, "--embedded", "--port", str(port)], port)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def configured(mosquitto_program: str, tmp_path: Path) -> Iterator[Callable[[list[str]], RunningBroker]]:
    """Start a mosquitto with settings of the test's, and a plain door for observers."""
    brokers: list[RunningBroker] = []

    def start(lines: list[str]) -> RunningBroker:
        port = free_port()
        config = tmp_path / "configured.conf"
        config.write_text("\n".join([*lines, f"listener {port} 127.0.0.1", "allow_anonymous true", "user root", ""]))
        brokers.append(RunningBroker([mosquitto_program, "-c", str(config)], port))
        brokers[-1].start()
        return brokers[-1]

    yield start
    for broker in brokers:
        broker.stop()


@pytest.fixture(params=["mosquitto", "embedded"])
def any_broker(request: pytest.FixtureRequest) -> RunningBroker:
    broker: RunningBroker = request.getfixturevalue(request.param)
    return broker


class FakeBackend:
    """A backend in this process, that notes what it is asked. Faults are switched on by its attributes."""

    address = "fake://backend"

    def __init__(self, *offered: str, session: str = "test", channels: tuple[str, ...] = ("quotes",)) -> None:
        self.offered = {"initialize", "event", *(offered or ("attach", "events", "confirm"))}
        self.session = session
        self.channels = channels
        self.epoch = 0
        self.down = False
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.delivered: list[Any] = []
        self.seq = 0
        self.closed = 0
        self.before_answer: Callable[[], None] = lambda: None
        self.decide: Callable[[Any], Any] = self.decision
        self.other: dict[str, Callable[..., Any]] = {}

    def offers(self, method: str) -> bool:
        self._check()
        return method in self.offered or method in self.other

    def call(self, method: str, *args: Any) -> Any:
        self._check()
        self.calls.append((method, args))
        if method in self.other:
            return self.other[method](*args)
        return getattr(self, f"do_{method}")(*args)

    def close(self) -> None:
        self.closed += 1

    def decision(self, item: Any) -> Any:
        event = item if isinstance(item, dict) else item[0]
        self.seq += 1
        return [{"id": f"{self.session}:{self.seq}:0", "type": "decision", "seq": self.seq, "sid": event.get("sid")}]

    def do_attach(self, client: str) -> Any:
        self.epoch += 1
        return {
            "session": self.session,
            "epoch": self.epoch,
            "channels": list(self.channels),
            "last_seq": self.seq,
            "window": [],
        }

    def do_initialize(self, conf: Any) -> Any:
        return list(self.channels)

    def do_events(self, items: list[Any], options: Any) -> Any:
        self.delivered.extend(item for item in items if item is not None)
        self.before_answer()
        self._check()
        refused = {"error": {"name": "BadData", "message": "nothing"}}
        return [refused if item is None else self.decide(item) for item in items]

    def do_confirm(self, client: str, epoch: int, acked: str | None, published: str | None) -> None:
        assert epoch == self.epoch

    def do_event(self, event: Any) -> Any:
        self.delivered.append(event)
        self.before_answer()
        self._check()
        return self.decide(event)

    def _check(self) -> None:
        if self.down:
            raise BackendLost(self.address, "switched off by the test")


class Observer:
    """Sees all that is published, and publishes itself."""

    def __init__(self, port: int) -> None:
        self.seen: list[tuple[str, Any, bool]] = []
        """Topic, payload, and whether it was retained from earlier."""
        # A broker that restarts must not make it miss anything.
        self._client = Client(CallbackAPIVersion.VERSION2, uuid4().hex, clean_session=False, protocol=MQTTv311)
        subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.reconnect_delay_set(1, 1)
        self._client.on_message = self._on_message
        self._client.max_inflight_messages_set(0)
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("intuition/#", 1)
        self._client.loop_start()
        assert subscribed.wait(PATIENCE)

    def _on_message(self, _client: Any, _userdata: Any, message: Any) -> None:
        if message.topic.endswith("/control/set"):
            return  # what a test publishes itself, which may be no JSON
        self.seen.append((message.topic, json.loads(message.payload), message.retain))

    def publish(self, topic: str, payload: Any, *, qos: int = 1, retain: bool = False) -> None:
        encoded = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        info = self._client.publish(topic, encoded, qos=qos, retain=retain)
        info.wait_for_publish(PATIENCE)

    def publish_many(self, topic: str, payloads: list[bytes], *, qos: int = 1) -> None:
        infos = [self._client.publish(topic, payload, qos=qos) for payload in payloads]
        for info in infos:
            info.wait_for_publish(PATIENCE)

    def on(self, topic: str) -> list[Any]:
        """What was published on a topic of the session, given by its last levels."""
        return [payload for where, payload, _ in list(self.seen) if where.endswith(f"/{topic}")]

    def wait_for(self, topic: str, count: int = 1) -> list[Any]:
        eventually(lambda: len(self.on(topic)) >= count, f"{count} on {topic}, {len(self.on(topic))} came")
        return self.on(topic)

    def wait_for_state(self, state: str) -> None:
        eventually(lambda: [s["state"] for s in self.on("$state")][-1:] == [state], f"the state {state}")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


class Running:
    """A connector at work in a thread."""

    def __init__(self, backend: Any, **params: Any) -> None:
        self.connector = Mqtt()
        self.connector.initialize(Mqtt.Params(**params))
        self.error: BaseException | None = None
        self._backend = backend
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.connector.run(self._backend)
        except BaseException as error:  # noqa: BLE001  # the test looks at it
            self.error = error

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, patience: float = PATIENCE) -> None:
        self._thread.join(patience)
        assert not self._thread.is_alive(), "the connector does not end"

    def stop(self) -> None:
        self.connector.stop()
        self.join()


@pytest.fixture(name="until")
def until_() -> Callable[..., Any]:
    return eventually


@pytest.fixture
def fake() -> type[FakeBackend]:
    return FakeBackend


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def observe() -> Iterator[Callable[[RunningBroker], Observer]]:
    """Make observers."""
    observers: list[Observer] = []

    def make(broker: RunningBroker) -> Observer:
        observers.append(Observer(broker.port))
        return observers[-1]

    yield make
    for observer in observers:
        observer.close()


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    """Run connectors; an error that one ended with is raised, unless the test took it away."""
    connectors: list[Running] = []

    def start(backend: Any, **params: Any) -> Running:
        connectors.append(Running(backend, **params))
        return connectors[-1]

    yield start
    for connector in connectors:
        connector.stop()
    for connector in connectors:
        if connector.error is not None:
            raise connector.error


@pytest.fixture
def at_work(observe: Any, run: Any) -> Callable[..., tuple[Running, Observer]]:
    """Run a connector at a broker, with an observer, once it is ready."""

    def start(broker: RunningBroker, backend: Any, **params: Any) -> tuple[Running, Observer]:
        observer = observe(broker)
        connector = run(backend, url=broker.url, **params)
        observer.wait_for_state("ready")
        return connector, observer

    return start
