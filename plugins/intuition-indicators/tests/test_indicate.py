"""Indicators over MQTT: quotes → broker → `intuition indicate` → broker → a session whose algorithm listens."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from intuition_connector_mqtt.broker import find_mosquitto, mosquitto_config
from intuition_connector_mqtt.connector import Mqtt
from intuition_indicators import Sma
from paho.mqtt.client import Client, MQTTv311
from paho.mqtt.enums import CallbackAPIVersion
from support import PATIENCE, accepts, eventually

from intuition_core.config.loading import Config
from intuition_core.config.tables import Configuration, PartTable
from intuition_core.contracts import Message, Signal
from intuition_core.params.checking import check_params
from intuition_core.plugins.catalogue import Catalogue, Plugin
from intuition_core.serving.local import Local
from intuition_core.serving.service import Service
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine

WINDOW = 3


class Cross:
    """Buys where a quote is above its average, sells where it is below, and repeats what it heard of averages."""

    def initialize(self, params: object) -> list[str]:
        self._quotes: dict[str, float] = {}
        return ["quotes", "sma"]

    def event(self, data: Any) -> list[Signal | Message] | None:
        sid = data["sid"]
        if data["channel"] == "quotes":
            self._quotes[sid] = data["quote"]
            return None
        side = "buy" if self._quotes[sid] > data["value"] else "sell"
        heard = {key: data[key] for key in ("channel", "sid", "value", "ts")}
        return [Message("heard", heard), Signal(sid, side)]  # type: ignore[arg-type]  # one of the two sides


class Units:
    """Bets a unit."""

    def optimize(self, signal: Signal, account: Any) -> Any:
        from intuition_core.contracts import Bet

        return Bet(units=1)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    """A mosquitto on a port of its own."""
    program = find_mosquitto()
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("mosquitto is not installed, and CI has to test with it")
        pytest.skip("mosquitto is not installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    (folder / "mosquitto.conf").write_text(mosquitto_config(port, folder))
    command = [program, "-c", str(folder / "mosquitto.conf")]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        eventually(lambda: accepts(port), "the broker to listen")
        yield port
        process.terminate()


class Observer:
    """Sees all that is published, and publishes itself."""

    def __init__(self, port: int) -> None:
        self.seen: list[tuple[str, Any]] = []
        self._client = Client(CallbackAPIVersion.VERSION2, "observer", protocol=MQTTv311)
        self._client.on_message = lambda _client, _data, message: self.seen.append(
            (message.topic, json.loads(message.payload))
        )
        subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("#", 1)
        self._client.loop_start()
        assert subscribed.wait(PATIENCE)

    def publish(self, event: dict[str, Any]) -> None:
        topic = f"quotes/{event['sid']}"
        self._client.publish(topic, json.dumps(event).encode(), qos=1).wait_for_publish(PATIENCE)

    def on(self, topic: str) -> list[Any]:
        return [payload for where, payload in list(self.seen) if where == topic]

    def wait_for_state(self, session: str, state: str) -> None:
        topic = f"intuition/1/{session}/$state"
        eventually(lambda: [each["state"] for each in self.on(topic)][-1:] == [state], f"{session} to be {state}")

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def observer(broker: int) -> Iterator[Observer]:
    observer = Observer(broker)
    yield observer
    observer.close()


@pytest.fixture
def indicate(broker: int, tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start `intuition indicate` at the broker."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", "intuition_core", "indicate", *arguments]
        processes.append(
            subprocess.Popen(
                [*command, "--mqtt", f"mqtt://127.0.0.1:{broker}"],
                stderr=subprocess.PIPE,
                text=True,
                cwd=tmp_path,
                env={**os.environ, "XDG_DATA_HOME": str(tmp_path / "data")},
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        process.terminate()
        process.communicate(timeout=PATIENCE)


@pytest.fixture
def session(broker: int) -> Iterator[Service]:
    """A session with an algorithm that listens to quotes and averages, carried by a connector in a thread."""

    class Parts(Catalogue, frozen=True):
        def load(self, kind: str, ref: str) -> Any:
            return {"cross": Cross, "units": Units}[ref]

    catalogue = Parts(
        (
            Plugin("algorithm", "cross", "tests", "1", "tests:Cross", ""),
            Plugin("portfolio", "units", "tests", "1", "tests:Units", ""),
        )
    )
    values = Configuration(
        algorithm=PartTable(name="cross"), portfolio=PartTable(name="units"), seed=7, session="cross"
    )
    service = Service(Config(values=values), catalogue)
    connector = Mqtt()
    connector.initialize(Mqtt.Params(url=f"mqtt://127.0.0.1:{broker}"))
    methods = {name: method.function for name, method in service.methods().items()}
    thread = threading.Thread(target=connector.run, args=[Local("cross", methods)])
    thread.start()
    yield service
    connector.stop()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    service.close()


def quotes(count: int) -> list[dict[str, Any]]:
    rng = random.Random(7)
    return [
        {"sid": sid, "quote": rng.randint(9000, 11000) / 100, "ts": 100 * n + offset, "id": f"{n}.{offset}"}
        for n in range(count)
        for offset, sid in enumerate(("GOOG", "AAPL"))
    ]


def in_process(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the records of the same parts in one composition."""
    composition = Composition(
        sleeves=(
            Sleeve(
                algorithm=Part(kind="algorithm", name="cross", factory=Cross, params={}),
                portfolio=Part(kind="portfolio", name="units", factory=Units, params={}),
            ),
        ),
        indicators=(
            Part(
                kind="indicator",
                name="sma",
                factory=Sma,
                params=check_params("indicator sma", Sma, {"window": WINDOW}),
            ),
        ),
        seed=7,
        cash=Decimal(10_000),
    )
    engine = TradingEngine(composition, run="one")
    return [record for event in events for record in engine.step({"channel": "quotes", **event})]


def heard(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [record["data"] for record in records if record["type"] == "message"]


def traded(records: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    keys = ("type", "side", "quantity", "quote", "price", "reason", "ts", "sid")
    return [tuple(map(record.get, keys)) for record in records if record["type"] in {"decision", "fill", "rejection"}]


@pytest.mark.mosquitto
def test_it_comes_to_the_same_in_a_composition_and_over_the_broker(
    observer: Observer, indicate: Callable[..., "subprocess.Popen[str]"], session: Service
) -> None:
    indicate("sma", "--param", f"window={WINDOW}")
    observer.wait_for_state("indicate-sma", "ready")
    observer.wait_for_state("cross", "ready")
    events = quotes(15)
    expected = in_process(events)
    due = 0
    for n, event in enumerate(events):
        observer.publish(event)
        # Over the broker the next quote may overtake the average of this one; one after the other they come as here.
        due += n >= 2 * (WINDOW - 1)
        eventually(lambda: session.session.last_seq == n + 1 + due, f"quote {n} and its average")  # noqa: B023  # called at once
    root = "intuition/1/cross"

    def told() -> list[dict[str, Any]]:
        return [payload for topic, payload in list(observer.seen) if topic.startswith(root) and "type" in payload]

    eventually(lambda: len(told()) >= len(expected), "what the algorithm heard, and what was traded")
    records = told()
    assert heard(records) == heard(expected)
    assert traded(records) == traded(expected)
    assert {row[0] for row in traded(expected)} == {"decision", "fill", "rejection"}


@pytest.mark.mosquitto
def test_a_process_that_is_killed_leaves_out_no_value_and_changes_none(
    observer: Observer, indicate: Callable[..., "subprocess.Popen[str]"], session: Service
) -> None:
    events = quotes(60)
    process = indicate("sma", "--param", f"window={WINDOW}")
    observer.wait_for_state("indicate-sma", "ready")
    observer.wait_for_state("cross", "ready")
    for n, event in enumerate(events):
        observer.publish(event)
        if n in (30, 75):
            process.kill()
            process.wait()
            process = indicate("sma", "--param", f"window={WINDOW}")
    expected = {(data["sid"], data["value"], data["ts"]) for data in heard(in_process(events))}

    def values() -> list[Any]:
        return [payload for topic, payload in observer.seen if topic in {"sma/GOOG", "sma/AAPL"}]

    eventually(lambda: len({value["id"] for value in values()}) == len(expected), "all averages")
    assert {(value["sid"], value["value"], value["ts"]) for value in values()} == expected
    assert {value["source"] for value in values()} == {"indicate-sma"}
    # Whatever came twice is known again by its id: the algorithm hears each average once.
    root = "intuition/1/cross/messages/heard"
    eventually(lambda: len({record["id"] for record in observer.on(root)}) == len(expected), "all that was heard")
    eventually(lambda: session.session.last_seq == len(events) + len(expected), "the last event")
    assert len({record["data"]["ts"] for record in observer.on(root)}) == len(expected)


@pytest.mark.mosquitto
def test_without_a_journal_the_windows_fill_anew_and_it_says_so(
    observer: Observer, indicate: Callable[..., "subprocess.Popen[str]"]
) -> None:
    first, *rest = quotes(WINDOW)[::2]
    arguments = ("sma", "--param", f"window={WINDOW}", "--channel", "average", "--no-journal")
    for session in ("one", "two"):
        process = indicate(*arguments, "--session", session)
        observer.wait_for_state(session, "ready")
        for event in (first, *rest) if session == "one" else rest:
            observer.publish(event)
        if session == "one":
            (value,) = eventually(lambda: observer.on("average/GOOG"), "an average")
            assert value["source"] == "one"
        observer.publish({"sid": "END", "quote": "much"})
        eventually(lambda: observer.on(f"intuition/1/{session}/dead"), "the end")  # noqa: B023  # called at once
        process.send_signal(signal.SIGTERM)
        said = process.communicate(timeout=PATIENCE)[1]
        assert "no journal: after a restart the windows fill anew" in said
        assert "sma on quotes, to average" in said
        assert process.returncode == 0
    assert len(observer.on("average/GOOG")) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["smaa"], "no indicator is called `smaa`; did you mean `sma`?"),
        (["sma", "--param", "windw=3"], "--param windw: unknown; did you mean `window`?"),
        (["sma", "--on", "sma", "--no-journal"], "it would answer itself on `sma`; choose another"),
        (["sma", "--mqtt", "tcp://x", "--no-journal"], "--mqtt"),
    ],
)
def test_mistakes_are_told_in_a_line(arguments: list[str], says: str, tmp_path: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "intuition_core", "indicate", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path)},
    )
    assert result.returncode == 1
    assert says in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""
