"""No event lost and none run twice: a real broker, a real session with a journal, and what goes wrong between them."""

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from intuition_connector_mqtt.errors import Replaced
from paho.mqtt.client import Client as Paho
from paho.mqtt.client import MQTTv5
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from support import eventually

from intuition_core.config.loading import load_config
from intuition_core.errors import BackendLost, BackendRefused, IntuitionError
from intuition_core.plugins.catalogue import discover
from intuition_core.rpc.server import Method
from intuition_core.serving.service import Service
from intuition_core.session.errors import BatchFailed, JournalFailed
from intuition_core.session.journal import Journal

pytestmark = pytest.mark.mosquitto

RANDOM = ("--algo", "random", "--cash", "1000000000")
ALWAYS = {"threshold": 0.0, "max_fraction": 0.00001}
"""A decision for each event, and cash for all of them."""


class Session:
    """A session with a journal, called within this process. Faults are switched on by its attributes."""

    address = "here://session"

    def __init__(self, journal: Path | None) -> None:
        self._path = journal
        self._lock = threading.Lock()  # a call runs to its end before the session does
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.refuse: Callable[[str], str | None] = lambda _method: None
        self.lose: Callable[[str], bool] = lambda _method: False
        self.start()

    def start(self) -> None:
        """Begin, or begin anew after `stop`."""
        flags = {"algorithm.name": "random", "session": "test", "cash": "1000000000", "seed": 5}
        config = load_config(None, environment={}, flags=flags, flat=ALWAYS)
        path = self._path
        self._service = Service(config, discover(), journal=None if path is None else lambda _name: Journal(path))
        self._methods = self._service.methods()

    def stop(self) -> None:
        with self._lock:
            self._service.close()

    def restart(self) -> None:
        """End and begin anew, while nobody calls."""
        with self._lock:
            self._service.close()
            self.start()

    def offers(self, method: str) -> bool:
        return method in self._methods

    def call(self, method: str, *args: Any) -> Any:
        self.calls.append((method, args))
        name = self.refuse(method)
        if name is not None:
            raise BackendRefused(self.address, method, name, "as the test will have it")
        try:
            with self._lock:
                result = self._methods[method].function(*args)
        except IntuitionError as error:
            raise BackendRefused(self.address, method, type(error).__name__, str(error)) from None
        if self.lose(method):
            raise BackendLost(self.address, "the answer is dropped by the test")
        return result

    def close(self) -> None:
        """There is nothing to close."""

    @property
    def last_seq(self) -> int:
        return self._service.session.last_seq

    @property
    def window(self) -> list[Any]:
        """What the session has not forgotten."""
        return list(self._service.session._journal.window("mqtt"))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = Session(tmp_path / "session.sqlite")
    yield session
    session.stop()


def tick(n: int = 0) -> bytes:
    return b'{"sid":"GOOG","quote":%d}' % (100 + n)


def decided(observer: Any) -> list[str]:
    """The ids of the decisions, each once, in the order of their first arrival."""
    return list(dict.fromkeys(decision["id"] for decision in observer.on("decisions")))


def seqs(observer: Any) -> list[int]:
    return [int(id_.split(":")[1]) for id_ in decided(observer)]


def connected_anew(caplog: pytest.LogCaptureFixture, times: int) -> bool:
    return caplog.text.count("back at the broker") == times


# -- keys and windows


def test_a_message_has_one_key_from_the_broker_to_the_session(
    mosquitto: Any, session: Session, at_work: Any, until: Any
) -> None:
    _, observer = at_work(mosquitto, session)
    observer.publish("quotes", tick())
    observer.publish("quotes", b"nonsense")
    observer.publish("quotes", tick(), qos=0)
    observer.wait_for("decisions", 2)
    marks = [mark for method, args in session.calls if method == "events" for mark in args[1]["deliveries"]]
    keys = [mark[0].split(":") for mark in marks]
    assert [(client, epoch, number) for client, epoch, _, _, number in keys] == [
        ("mqtt", "1", str(n)) for n in range(3)
    ]
    assert len({(broker, nonce) for _, _, broker, nonce, _ in keys}) == 1
    assert [mark[1] > 0 for mark in marks] == [True, True, False]
    assert marks[0][2:] == marks[2][2:]
    assert marks[0][3] != marks[1][3]


def test_what_the_broker_has_heard_is_forgotten_by_the_session(
    mosquitto: Any, session: Session, at_work: Any, until: Any
) -> None:
    _, observer = at_work(mosquitto, session)
    for n in range(5):
        observer.publish("quotes", tick(n))
    observer.wait_for("decisions", 5)
    until(lambda: session.last_seq == 5 and not session.window, "the session to forget")
    confirmations = [args for method, args in session.calls if method == "confirm"]
    assert confirmations[-1][2].startswith("mqtt:1:")
    assert confirmations[-1][2].endswith(":4")
    assert confirmations[-1][3] == decided(observer)[-1]
    told = len(confirmations)
    time.sleep(0.5)
    since = [method for method, _ in session.calls].count("confirm")
    assert since == told, "there is nothing to say while nothing happens"


def test_windows_stay_small_under_load(mosquitto: Any, session: Session, at_work: Any, until: Any) -> None:
    _, observer = at_work(mosquitto, session, max_batch=100)
    sizes: list[int] = []

    def look(_method: str) -> bool:
        sizes.append(len(session.window))
        return False

    session.lose = look
    observer.publish_many("quotes", [tick(n) for n in range(5000)])
    observer.wait_for("decisions", 5000)
    assert max(sizes) <= 4000
    until(lambda: not session.window, "the session to forget")
    assert seqs(observer) == list(range(1, 5001))


# -- faults between the connector and the session


@pytest.mark.parametrize("method", ["attach", "events", "confirm", "outbox"])
def test_an_answer_that_is_lost_changes_nothing(
    mosquitto: Any, session: Session, at_work: Any, until: Any, method: str
) -> None:
    _, observer = at_work(mosquitto, session)
    left = [3]

    def lose(called: str) -> bool:
        left[0] -= called == method
        return called == method and left[0] >= 0

    session.lose = lose
    observer.publish_many("quotes", [tick(n) for n in range(200)])
    if method in ("attach", "outbox"):  # which it asks for when it comes back
        until(lambda: session.last_seq >= 100, "something to be delivered")
        refusals = iter(["Busy"])
        session.refuse = lambda called: next(refusals, None) if called == "events" else None
        observer.publish_many("quotes", [tick(n) for n in range(200, 210)])
    until(lambda: left[0] < 0, "the answers to be lost")
    session.refuse = lambda _: None
    observer.publish_many("quotes", [tick(n) for n in range(210, 220)])
    total = 220 if method in ("attach", "outbox") else 210
    until(lambda: len(decided(observer)) >= total, "all decisions")
    until(lambda: not session.window, "the session to forget")
    assert session.last_seq == total
    assert seqs(observer) == list(range(1, total + 1))


def test_a_session_that_is_started_again_goes_on(mosquitto: Any, session: Session, at_work: Any, until: Any) -> None:
    _, observer = at_work(mosquitto, session)
    observer.publish_many("quotes", [tick(n) for n in range(300)])
    until(lambda: session.last_seq, "something to be delivered")
    session.refuse = lambda _: "Stopping"
    time.sleep(0.05)
    session.restart()
    session.refuse = lambda _: None
    until(lambda: len(decided(observer)) >= 300, "all decisions")
    assert seqs(observer) == list(range(1, 301))
    assert [s["state"] for s in observer.on("$state")].count("ready") == 1


def test_a_session_in_memory_that_is_started_again_is_attached_to_again(
    mosquitto: Any, at_work: Any, until: Any
) -> None:
    session = Session(None)
    connector, observer = at_work(mosquitto, session)
    observer.publish("quotes", tick())
    observer.wait_for("decisions")
    session.restart()
    observer.publish("quotes", tick())
    until(lambda: len(decided(observer)) == 2, "a decision of the new session")
    connector.stop()  # or else it asks a session that has ended
    session.stop()


def test_a_connector_that_is_replaced_ends_and_says_so(mosquitto: Any, session: Session, at_work: Any) -> None:
    connector, observer = at_work(mosquitto, session)
    session._methods["attach"].function("mqtt")
    observer.publish("quotes", tick())
    connector.join()
    assert isinstance(connector.error, Replaced)
    assert "another connector attached to session `test` as `mqtt`" in str(connector.error)
    connector.error = None
    assert session.last_seq == 0
    assert [s["state"] for s in observer.on("$state")][-1] == "ready", "the session goes on with the other"


def test_a_full_disk_is_told_of_once_and_waited_for(
    mosquitto: Any, session: Session, at_work: Any, until: Any, caplog: Any
) -> None:
    _, observer = at_work(mosquitto, session)
    session.refuse = lambda _: JournalFailed.__name__
    observer.publish_many("quotes", [tick(n) for n in range(20)])
    until(lambda: [method for method, _ in session.calls].count("attach") >= 5, "several attempts")
    assert caplog.text.count("JournalFailed") == 1
    assert (observer.on("decisions"), observer.on("dead")) == ([], [])
    session.refuse = lambda _: None
    until(lambda: len(decided(observer)) >= 20, "all decisions")
    assert session.last_seq == 20


def test_a_batch_with_a_defect_is_delivered_item_by_item(
    mosquitto: Any, session: Session, at_work: Any, until: Any
) -> None:
    _, observer = at_work(mosquitto, session)
    events = session._methods["events"].function
    bad = {"quote": 107.0}

    def fail(batch: list[Any], options: Any) -> Any:
        if any(item and item["quote"] == bad["quote"] for item in batch):
            raise BatchFailed(ZeroDivisionError("a defect"))
        return events(batch, options)

    session._methods = {**session._methods, "events": Method(fail, queued=True)}
    observer.publish_many("quotes", [tick(n) for n in range(20)])
    (letter,) = observer.wait_for("dead")
    assert letter["reason"].startswith("BatchFailed: ")
    until(lambda: len(decided(observer)) == 19, "the others")
    until(lambda: not session.window, "the session to forget")


def test_an_answer_that_is_too_large_is_fetched_in_parts(
    mosquitto: Any, session: Session, at_work: Any, until: Any
) -> None:
    _, observer = at_work(mosquitto, session)
    call = session.call

    def limited(method: str, *args: Any) -> Any:
        result = call(method, *args)
        if method in ("events", "outbox") and len(json.dumps(result)) > 20_000:
            raise BackendRefused(session.address, method, "UnsendableAnswer", "too large")
        return result

    session.call = limited  # type: ignore[method-assign]  # in front of it
    observer.publish_many("quotes", [tick(n) for n in range(300)])
    until(lambda: len(decided(observer)) >= 300, "all decisions")
    assert seqs(observer) == list(range(1, 301))
    assert observer.on("dead") == []


def test_an_id_with_other_content_is_dead(mosquitto: Any, session: Session, at_work: Any) -> None:
    _, observer = at_work(mosquitto, session)
    for quote in (1.5, 1.5, 2.5):
        observer.publish("quotes", {"sid": "GOOG", "quote": quote, "id": "x", "source": "s"})
    (letter,) = observer.wait_for("dead")
    assert letter["reason"].startswith("IdReused: ")
    assert session.last_seq == 1
    assert len(decided(observer)) == 1


# -- the outbox


def test_what_nobody_published_is_published_before_anything_else(
    mosquitto: Any, session: Session, at_work: Any, until: Any
) -> None:
    epoch = session._methods["attach"].function("mqtt")["epoch"]
    for start in range(0, 1200, 300):
        items = [{"channel": "quotes", "sid": "GOOG", "quote": 100 + n, "ts": n} for n in range(start, start + 300)]
        session._methods["events"].function(items, {"client": "mqtt", "epoch": epoch})
    _, observer = at_work(mosquitto, session)
    observer.publish("quotes", tick())
    until(lambda: len(decided(observer)) == 1201, "all decisions")
    assert seqs(observer) == list(range(1, 1202))
    methods = [method for method, _ in session.calls]
    assert "events" not in methods[: len(methods) - methods[::-1].index("outbox")]
    until(lambda: session._methods["outbox"].function("mqtt", 2, 10) == [], "the publication to be confirmed")


# -- brokers that restart


@pytest.mark.parametrize("persistent", [True, False])
@pytest.mark.parametrize("anew", [True, False])
def test_a_new_tick_is_never_taken_for_an_old_one(
    configured: Any,
    tmp_path: Path,
    observe: Any,
    session: Session,
    run: Any,
    until: Any,
    persistent: bool,
    anew: bool,
) -> None:
    """All ticks are the same, and a broker that forgets numbers them from 1 again; the connector may end as well."""
    keep = ["persistence true", f"persistence_location {tmp_path}/"] if persistent else ["persistence false"]
    broker = configured([*keep, "max_inflight_messages 1000"])
    total = 0
    connector = run(session, url=broker.url)
    for round_ in range(4):
        observer = observe(broker)
        observer.wait_for_state("ready")
        before = session.last_seq
        observer.publish_many("quotes", [tick()] * 5)
        total += 5
        until(lambda total=total: session.last_seq >= total, "the ticks to be taken")
        observer.wait_for("decisions", 5)
        assert session.last_seq == before + 5
        if anew:
            connector.stop()
        if round_ % 2:
            until(lambda: not session.window, "the session to forget") if not anew else None
        broker.stop()
        broker.start()
        if anew:
            connector = run(session, url=broker.url)
    until(lambda: connector.connector._connection and connector.connector._connection.ready, "the connection")
    until(lambda: not session.window, "the session to forget")
    assert session.last_seq == total == 20


def test_what_is_in_hand_when_the_broker_forgets_is_not_lost(
    configured: Any, observe: Any, session: Session, run: Any, until: Any, caplog: Any
) -> None:
    caplog.set_level(logging.INFO)
    broker = configured(["persistence false", "max_inflight_messages 1000"])
    observer = observe(broker)
    connector = run(session, url=broker.url).connector
    observer.wait_for_state("ready")
    session.refuse = lambda _: "Busy"
    observer.publish_many("quotes", [tick()] * 30)
    until(lambda: "Busy" in caplog.text, "the first to be refused")
    until(lambda: connector._connection and len(connector._connection.inbox) == 30, "the messages to arrive")
    broker.stop()
    broker.start()
    until(lambda: connected_anew(caplog, 1), "the connector to be back")
    session.refuse = lambda _: None
    until(lambda: session.last_seq == 30, "the messages to be delivered")
    until(lambda: not session.window, "the session to forget")


# -- publishers' ids, and gaps


def test_what_a_publisher_says_beside_the_payload_counts(
    mosquitto: Any, session: Session, at_work: Any, until: Any
) -> None:
    _, observer = at_work(mosquitto, session)
    publisher = Paho(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    publisher.connect("127.0.0.1", mosquitto.port)
    publisher.loop_start()
    try:
        for number in ("1", "1", "2"):
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]  # paho's own gap
            properties.UserProperty = [("id", number), ("source", "exchange"), ("seq", number), ("other", "x")]
            publisher.publish("quotes", tick(), 1, properties=properties).wait_for_publish(10)
    finally:
        publisher.disconnect()
        publisher.loop_stop()
    until(lambda: session.last_seq == 2, "both")
    item = next(args[0][-1] for method, args in reversed(session.calls) if method == "events")
    assert {key: item.get(key) for key in ("id", "source", "seq", "other")} == {
        "id": "2",
        "source": "exchange",
        "seq": 2,
        "other": None,
    }
    until(lambda: len(decided(observer)) == 2, "two decisions")


def test_a_gap_is_reported(mosquitto: Any, session: Session, at_work: Any, caplog: Any) -> None:
    _, observer = at_work(mosquitto, session)
    for source, number in [("a", 5), ("a", 6), ("b", 1), ("a", 9), ("a", 7), ("a", 10), ("b", 2), ("b", 4)]:
        observer.publish("quotes/X", {"sid": "X", "quote": 1, "source": source, "seq": number})
    gaps = observer.wait_for("errors", 2)
    for gap in gaps:
        assert gap.pop("ts") > 0
    assert gaps == [
        {"type": "gap", "topic": "quotes/X", "source": "a", "expected": 7, "got": 9},
        {"type": "gap", "topic": "quotes/X", "source": "b", "expected": 3, "got": 4},
    ]
    assert "a on quotes/X: expected number 7, got 9" in caplog.text


# -- connectors that are killed


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start programs of the command line, and wait until they say that they are ready."""
    processes: list[subprocess.Popen[bytes]] = []

    def begin(word: str, *arguments: str) -> subprocess.Popen[bytes]:
        said = tmp_path / f"{len(processes)}.log"
        with said.open("wb") as file:
            command = [sys.executable, "-m", "intuition_core", *arguments]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=file)
        processes.append(process)
        eventually(lambda: word in said.read_text() or process.poll() is not None, said.read_text)
        assert process.poll() is None, said.read_text()
        return process

    yield begin
    for process in processes:
        process.kill()
        process.wait()


def test_kills_of_the_connector_lose_nothing_and_repeat_nothing(
    mosquitto: Any, observe: Any, start: Any, port: int, tmp_path: Path, until: Any
) -> None:
    address = f"tcp://127.0.0.1:{port}"
    options = ["--session", "test", "--addr", address, "--journal", str(tmp_path / "session.sqlite")]
    always = [part for key, value in ALWAYS.items() for part in ("--param", f"{key}={value}")]
    start("ready", "serve", *RANDOM, *always, *options)
    observer = observe(mosquitto)
    connect = ("connect", "--mqtt", mosquitto.url, "--rpc", address)
    connector = start("connected to the broker", *connect)
    symbols = ("A", "B", "C")
    infos = []
    for n in range(2000):
        # Each quote comes twice in a row for its symbol: that the content is the same makes no message an old one.
        payload = {"sid": symbols[n % 3], "quote": 100 + n // 6}
        infos.append(observer._client.publish("quotes", json.dumps(payload), 1))
        time.sleep(0.0005)  # so that a kill finds it in the middle
        if n % 400 == 399:
            connector.send_signal(signal.SIGKILL)
            connector.wait()
            connector = start("connected to the broker", *connect)
    for info in infos:
        info.wait_for_publish(20)
    until(lambda: len(decided(observer)) >= 2000, "all decisions")
    decisions = {decision["id"]: decision for decision in observer.on("decisions")}
    assert len(decisions) == 2000
    for position, symbol in enumerate(symbols):
        quotes = [float(decision["quote"]) for decision in decisions.values() if decision["sid"] == symbol]
        assert quotes == [100.0 + n // 6 for n in range(position, 2000, 3)]
    assert seqs(observer) == sorted(seqs(observer))
    assert Counter(int(id_.split(":")[1]) for id_ in decisions).most_common(1)[0][1] == 1


def test_a_session_that_was_put_back_is_not_gone_on_with(
    mosquitto: Any, tmp_path: Path, at_work: Any, until: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "session.sqlite"
    session = Session(path)
    try:
        _, observer = at_work(mosquitto, session)
        observer.publish("quotes", tick(0))
        until(lambda: session.last_seq == 1, "the first message")
        with session._lock:
            session._service.close()
            kept = {each.name: each.read_bytes() for each in tmp_path.glob("session.sqlite*")}
            session.start()
        observer.publish("quotes", tick(1))
        until(lambda: session.last_seq == 2, "the second message")
        with session._lock:
            session._service.close()
            for name, content in kept.items():
                (tmp_path / name).write_bytes(content)
            session.start()
        observer.publish("quotes", tick(2))
        until(lambda: "event 2 was acknowledged" in caplog.text, "the refusal")
        assert session.last_seq == 1
    finally:
        session.stop()
