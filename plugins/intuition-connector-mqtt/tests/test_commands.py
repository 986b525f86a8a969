"""The kill switch over MQTT: real brokers, a real session with a journal, and what goes wrong between them."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Semaphore
from typing import Any

import pytest

from intuition_core.config.loading import load_config
from intuition_core.errors import BackendLost, BackendRefused, IntuitionError
from intuition_core.plugins.catalogue import discover
from intuition_core.serving.service import Service
from intuition_core.session.journal import Journal

pytestmark = pytest.mark.mosquitto

ALWAYS = {"threshold": 0.0, "max_fraction": 0.00001}
"""A decision for each event, and cash for all of them."""

COMMAND = "intuition/1/test/control/set"
KILL = {"action": "kill", "reason": "the feed is wrong"}
CLEAR = {"action": "clear", "reason": "mended"}


class Session:
    """A session with a journal, called within this process. Faults are switched on by its attributes."""

    address = "here://session"

    def __init__(self, journal: Path) -> None:
        flags = {"algorithm.name": "random", "session": "test", "cash": "1000000000", "seed": 5}
        config = load_config(None, environment={}, flags=flags, flat=ALWAYS)
        self.service = Service(config, discover(), journal=lambda _name: Journal(journal))
        self._methods = self.service.methods()
        self.refuse: Callable[[str], str | None] = lambda _method: None
        self.lose: Callable[[str], bool] = lambda _method: False
        self.calls: list[str] = []
        self.asked = 0

    def offers(self, method: str) -> bool:
        return method in self._methods

    def call(self, method: str, *args: Any) -> Any:
        self.calls.append(method)
        self.asked += len(args[0]) if method == "events" else 0
        if (name := self.refuse(method)) is not None:
            raise BackendRefused(self.address, method, name, "as the test will have it")
        try:
            result = self._methods[method].function(*args)
        except IntuitionError as error:
            raise BackendRefused(self.address, method, type(error).__name__, str(error)) from None
        if self.lose(method):
            raise BackendLost(self.address, "the answer is dropped by the test")
        return result

    def close(self) -> None:
        """There is nothing to close."""

    @property
    def killed(self) -> str | None:
        return self.service.session.engine.killed

    @property
    def seq(self) -> int:
        return self.service.session.last_seq

    def marks(self, client: str) -> list[Any]:
        """The deliveries that the session has not forgotten."""
        return list(self.service.session._journal.window(client))


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = Session(tmp_path / "session.sqlite")
    yield session
    session.service.close()


def tick(sid: object, quote: float = 10.0) -> bytes:
    return json.dumps({"sid": f"S{sid}", "quote": quote}).encode()


def once(records: list[dict[str, Any]]) -> list[str]:
    """The ids, each once, in the order of their first arrival."""
    return list(dict.fromkeys(record["id"] for record in records))


def test_a_person_stops_and_lets_go_by_publishing(any_broker: Any, session: Session, at_work: Any, until: Any) -> None:
    _, observer = at_work(any_broker, session)
    observer.publish("quotes", tick(1))
    (decision,) = observer.wait_for("decisions")
    observer.publish(COMMAND, KILL)
    (control,) = observer.wait_for("control")
    assert (control["action"], control["reason"], control["by"]) == ("kill", "the feed is wrong", "mqtt-control")
    assert [record["cause"] for record in observer.wait_for("rejections")] == [decision["id"]]
    observer.publish("quotes", tick(2))
    refused = observer.wait_for("rejections", 2)[1]
    assert refused["reason"] == "the kill switch is on: the feed is wrong"
    observer.publish(COMMAND, CLEAR)
    assert observer.wait_for("control", 2)[1]["action"] == "clear"
    observer.publish("quotes", tick(3))
    assert len(observer.wait_for("decisions", 2)) == 2
    assert len(observer.on("control")) == 2, "nothing waited, so nothing had to be told beforehand as well"
    assert observer.on("dead") == []
    until(lambda: not session.marks("mqtt-control"), "the session to forget what the broker has heard")


def test_all_that_is_held_can_be_sold(mosquitto: Any, session: Session, at_work: Any) -> None:
    _, observer = at_work(mosquitto, session)
    observer.publish("quotes", tick(1))
    observer.publish("quotes", tick(1))
    observer.wait_for("fills")
    observer.publish(COMMAND, {**KILL, "flatten": True})
    observer.wait_for("control")
    sale = observer.wait_for("decisions", 3)[-1]
    assert (sale["side"], sale["reason"]) == ("sell", "kill switch")
    observer.publish("quotes", tick(1))
    assert observer.wait_for("fills", 2)[1]["cause"] == sale["id"]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"kill", "no JSON"),
        (b'"kill"', "expected an object such as"),
        (b"[" * 100_000, "nested too deeply"),
        (b"x" * 300_000, "300000 bytes; at most 262144 are read"),
        (b'{"action": "stop"}', "`action` is one of kill, clear, shares, not 'stop'"),
        (b'{"action": "kill"}', "kill: say why"),
        (b'{"action": "kill", "reason": "x", "flaten": true}', "does not take `flaten`"),
        (b'{"action": "clear", "reason": "x"}', "the kill switch is not on"),
        (b'{"action": "shares", "shares": {"random": 2}}', "one algorithm has all of it"),
    ],
)
def test_what_cannot_be_done_is_dead(
    mosquitto: Any, session: Session, at_work: Any, payload: bytes, reason: str
) -> None:
    _, observer = at_work(mosquitto, session)
    observer.publish(COMMAND, payload)
    (letter,) = observer.wait_for("dead")
    assert reason in letter["reason"]
    assert letter["topic"] == COMMAND
    observer.publish(COMMAND, KILL)
    observer.wait_for("control")
    observer.publish(COMMAND, KILL)
    assert "is on already: the feed is wrong" in observer.wait_for("dead", 2)[1]["reason"]


def test_what_is_retained_is_refused(any_broker: Any, session: Session, observe: Any, at_work: Any) -> None:
    observe(any_broker).publish(COMMAND, KILL, retain=True)
    _, observer = at_work(any_broker, session)
    assert "publish it without the retain flag" in observer.wait_for("dead")[0]["reason"]
    assert session.killed is None


def test_a_backend_without_a_switch_says_so(mosquitto: Any, fake: Any, at_work: Any) -> None:
    _, observer = at_work(mosquitto, fake())
    observer.publish(COMMAND, KILL)
    (letter,) = observer.wait_for("dead")
    assert letter["reason"].startswith("the backend at fake://backend has no `control`")


def test_it_can_be_left_out(mosquitto: Any, session: Session, at_work: Any) -> None:
    _, observer = at_work(mosquitto, session, control=False)
    observer.publish(COMMAND, KILL)
    observer.publish("quotes", tick(1))
    observer.wait_for("decisions")
    assert session.killed is None
    assert session.service.describe()["clients"] == {"mqtt": 1}


# -- at least once


def test_a_command_whose_answer_is_lost_is_done_once(
    mosquitto: Any, session: Session, at_work: Any, until: Any
) -> None:
    _, observer = at_work(mosquitto, session)
    lost: list[str] = []

    def lose(method: str) -> bool:
        if method == "control" and not lost:
            lost.append(method)
            return True
        return False

    session.lose = lose
    observer.publish(COMMAND, {**KILL, "flatten": True})
    observer.wait_for("control")
    until(lambda: session.calls.count("control") == 2, "the second attempt")
    until(lambda: not session.marks("mqtt-control"), "the acknowledgement")
    assert session.seq == 1
    assert observer.on("dead") == []


def test_a_command_that_comes_to_another_process_is_done_once(
    mosquitto: Any, session: Session, at_work: Any, run: Any, until: Any
) -> None:
    connector, observer = at_work(mosquitto, session)
    # It is done, and then neither the answer nor anything else comes through.
    session.lose = lambda method: method == "control"
    observer.publish(COMMAND, KILL)
    until(lambda: session.seq == 1, "the command to be done")
    session.refuse = lambda _method: "Stopping"
    connector.stop()
    session.lose = lambda _method: False
    session.refuse = lambda _method: None
    session.service.clear("by a person, meanwhile")
    run(session, url=mosquitto.url)
    until(lambda: len(once(observer.on("control"))) == 2, "both to be told")
    until(lambda: not session.marks("mqtt-control"), "the acknowledgement")
    assert session.killed is None, "what was done before is not done again"
    assert session.seq == 2
    assert observer.on("dead") == []


def test_a_command_waits_for_a_connector_that_is_away(
    mosquitto: Any, session: Session, at_work: Any, run: Any, until: Any
) -> None:
    connector, observer = at_work(mosquitto, session)
    connector.stop()
    observer.publish(COMMAND, KILL)
    assert session.killed is None
    run(session, url=mosquitto.url)
    until(lambda: session.killed is not None, "the switch")


# -- what is decided elsewhere


def test_what_is_decided_elsewhere_is_told_at_once(mosquitto: Any, session: Session, at_work: Any, until: Any) -> None:
    _, observer = at_work(mosquitto, session)
    observer.publish("quotes", tick(1))
    observer.wait_for("decisions")
    until(lambda: session.calls[-1] == "controls", "it to be idle")
    killed = session.service.kill("by RPC")
    began = time.monotonic()
    observer.wait_for("control")
    assert time.monotonic() - began < 5
    assert observer.on("rejections") + observer.on("control") == killed
    until(lambda: session.service.outbox("mqtt", 1) == [], "the confirmation")
    observer.publish("quotes", tick(2))
    observer.wait_for("rejections", 2)
    assert once(observer.on("control")) == [killed[-1]["id"]]


@pytest.mark.parametrize("method", ["controls", "confirm"])
def test_what_is_decided_elsewhere_is_told_whatever_happens_then(
    mosquitto: Any, session: Session, at_work: Any, run: Any, until: Any, method: str
) -> None:
    connector, observer = at_work(mosquitto, session)
    observer.publish("quotes", tick(1))
    observer.wait_for("decisions")
    until(lambda: session.service.outbox("mqtt", 1) == [], "the confirmation")
    session.refuse = lambda called: "Stopping" if called == method else None
    killed = session.service.kill("by RPC")
    observer.publish("quotes", tick(2))
    until(lambda: session.calls[-1] == method, "the refusal")
    connector.stop()
    session.refuse = lambda _called: None
    run(session, url=mosquitto.url)
    until(lambda: set(once(killed)) <= set(once(observer.on("rejections") + observer.on("control"))), "the kill")
    observer.wait_for("rejections", 2)


# -- what was decided and not published


def test_decisions_that_were_not_published_are_not_published_after_a_kill(
    mosquitto: Any, session: Session, at_work: Any, until: Any
) -> None:
    _, observer = at_work(mosquitto, session)
    gate = Semaphore(0)
    session.refuse = lambda method: None if method != "events" or gate.acquire(timeout=30) else "Busy"
    observer.publish("quotes", tick("early"))
    until(lambda: session.asked == 1, "the first to be handed over")
    observer.publish_many("quotes", [tick("filled"), tick("filled", 11.0), *(tick(n) for n in range(50))])
    gate.release()
    observer.wait_for("decisions")
    until(lambda: session.asked == 53, "the others to be handed over")
    mosquitto.stop()
    gate.release()
    until(lambda: session.seq == 53, "the decisions")
    killed = session.service.kill("the feed is wrong")
    until(lambda: session.calls[-3:] == ["controls"] * 3, "the connector to have heard")
    gate.release(1000)
    mosquitto.start()
    observer.wait_for("control")
    until(lambda: session.service.outbox("mqtt", 1) == [], "the confirmation")
    cancelled = {record["cause"] for record in killed if record["type"] == "rejection"}
    assert len(cancelled) == 52
    until(lambda: {record["cause"] for record in observer.on("rejections")} >= cancelled, "their rejections")
    # What was published before is told to be cancelled. What was filled counts for the account, and goes out.
    early, filled = once(observer.on("decisions"))
    assert early in cancelled
    assert [fill["cause"] for fill in observer.on("fills")] == [filled]
    where = [(topic.rpartition("/")[2], payload["id"]) for topic, payload, _ in observer.seen if "id" in payload]
    first = where.index(("control", killed[-1]["id"]))
    assert first < where.index(("decisions", filled)), "the kill is told before all that waited, and in its place"
    # The broker sends the quotes again, which are known: what they caused then is not published now either.
    until(lambda: not session.marks("mqtt"), "everything to be settled")
    assert once(observer.on("decisions")) == [early, filled]


def test_decisions_are_not_published_by_who_comes_after_a_kill(
    mosquitto: Any, session: Session, at_work: Any, run: Any, until: Any
) -> None:
    connector, observer = at_work(mosquitto, session)
    session.lose = lambda method: method == "events"
    # From the first decision on, or else the connector asks again, and publishes what it missed.
    session.refuse = lambda _method: "Stopping" if session.seq else None
    observer.publish_many("quotes", [tick(n) for n in range(20)])
    until(lambda: session.seq >= 1, "a decision whose answer is lost")
    connector.stop()
    session.lose = lambda _method: False
    session.refuse = lambda _method: None
    killed = session.service.kill("the feed is wrong")
    run(session, url=mosquitto.url)
    observer.wait_for("control")
    observer.publish("quotes", tick("later"))
    observer.wait_for("rejections", len(killed))
    until(lambda: not session.marks("mqtt"), "everything to be settled")
    assert killed[0]["type"] == "rejection"
    assert observer.on("decisions") == []


# -- overload


def test_a_command_passes_the_quotes_that_wait(mosquitto: Any, session: Session, at_work: Any, until: Any) -> None:
    """However many quotes wait, at the broker and here, at most what is being delivered is run before it."""
    _, observer = at_work(mosquitto, session, max_batch=50)
    many = 8000
    published = Event()

    def slowly(method: str) -> None:
        if method == "events":
            # Nothing is run before the command is at the broker: a busy machine takes its time to publish.
            assert published.wait(60)
            time.sleep(0.02)

    session.refuse = slowly
    observer.publish_many("quotes", [tick(n % 100) for n in range(many)])
    before = session.seq
    assert before < many / 2, "there must be something to pass"
    observer.publish(COMMAND, KILL)
    published.set()
    until(lambda: session.service.controls(), "the switch")  # it is on before that is committed
    (control,) = once(session.service.controls()[-1:])
    assert int(control.split(":")[1]) <= before + 500, "ten batches; it is one or two on a machine with time"
    observer.wait_for("control")
    assert session.seq < many
