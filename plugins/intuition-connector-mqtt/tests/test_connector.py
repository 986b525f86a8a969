"""The connector between real brokers and a backend in this process."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Any

import pytest
from intuition_connector_mqtt.backend_info import BadReply

from intuition_core.errors import BackendLost, BackendRefused

pytestmark = pytest.mark.mosquitto


def quote(n: int) -> bytes:
    return json.dumps({"sid": "GOOG", "quote": n + 1.0}).encode()


def quotes_of(backend: Any) -> list[float]:
    return [event["quote"] for event in backend.delivered]


def test_a_quote_becomes_a_decision(any_broker: Any, at_work: Any, fake: Any) -> None:
    backend = fake()
    _, observer = at_work(any_broker, backend)
    observer.publish("quotes", {"goog": 3.45})
    observer.publish("quotes", {"sid": "GOOG", "quote": "345"})
    observer.publish("quotes/AAPL", {"quote": 1.5})
    decisions = observer.wait_for("decisions", 3)
    assert [decision["sid"] for decision in decisions] == ["goog", "GOOG", "AAPL"]
    assert quotes_of(backend) == [3.45, 345.0, 1.5]
    assert all(event["channel"] == "quotes" and isinstance(event["ts"], int) for event in backend.delivered)


def test_a_session_describes_itself_to_those_who_come_later(
    any_broker: Any, at_work: Any, observe: Any, fake: Any, until: Any
) -> None:
    backend = fake("attach", "events", "account", "describe", channels=("quotes", "news"))
    backend.other = {"account": lambda: {"cash": "10"}, "describe": lambda: {"algorithm": "random"}}
    _, observer = at_work(any_broker, backend)
    observer.publish("quotes", {"goog": 3.45})
    observer.wait_for("decisions")

    def settled() -> bool:
        asked = [method for method, _ in backend.calls if method in ("events", "account")]
        told = len(observer.on("portfolio")) == asked.count("account")
        return told and "events" in asked and asked[-1] == "account"

    until(settled, "the account after the decision, which is told a second after the first")
    late = observe(any_broker)
    until(lambda: late.on("$description") and late.on("$state") and late.on("portfolio"), "what is retained")
    (description,) = late.on("$description")
    assert description["name"] == "test"
    assert description["channels"] == ["quotes", "news"]
    assert description["topics"]["decisions"] == "intuition/1/test/decisions"
    assert description["backend"] == {"algorithm": "random"}
    assert late.on("$state")[0].keys() == {"state", "instance", "ts"}
    assert late.on("portfolio") == [{"cash": "10"}]
    assert all(retained for _, _, retained in late.seen)
    assert late.on("decisions") == []


def test_records_go_where_their_type_says(mosquitto: Any, at_work: Any, fake: Any) -> None:
    backend = fake()
    records = [{"id": f"r{n}", "type": kind} for n, kind in enumerate(["decision", "fill", "rejection", "error"])]
    message = {"id": "r4", "type": "message", "channel": "momentum", "data": [1, None, "é"]}
    backend.decide = lambda _item: [*records, message]
    _, observer = at_work(mosquitto, backend)
    observer.publish("quotes", {"goog": 3.45})
    observer.wait_for("messages/momentum")
    assert [observer.on(topic) for topic in ("decisions", "fills", "rejections", "errors")] == [[r] for r in records]
    assert observer.on("messages/momentum") == [message]


@pytest.mark.parametrize(
    ("reply", "decisions"),
    [
        (None, []),
        ([], []),
        ({"side": "buy"}, [{"side": "buy"}]),
        ([{"side": "buy"}, {"type": "decision"}], [{"side": "buy"}, {"type": "decision"}]),
    ],
)
def test_a_foreign_backend_is_driven(mosquitto: Any, at_work: Any, fake: Any, reply: Any, decisions: Any) -> None:
    backend = fake("event")
    backend.decide = lambda event: reply if event["sid"] == "goog" else {"side": "end"}
    _, observer = at_work(mosquitto, backend, name="mine")
    observer.publish("quotes", {"goog": 3.45, "end": 1.0})
    observer.wait_for("decisions", len(decisions) + 1)
    assert observer.on("decisions") == [*decisions, {"side": "end"}]
    assert {topic.split("/")[2] for topic, _, _ in observer.seen} == {"mine"}
    assert [call for call in backend.calls if call[0] == "initialize"] == [("initialize", ({},))]


def test_the_session_of_a_foreign_backend_is_named_after_its_address(mosquitto: Any, at_work: Any, fake: Any) -> None:
    _, observer = at_work(mosquitto, fake("event"))
    assert observer.on("$description")[0]["name"] == "fake-backend"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ({"error": {"name": "PartFailed", "message": "no idea"}}, "PartFailed: no idea"),
        ({"error": {}}, "without a reason"),
        ("buy", "str where a record was expected"),
        ([7], "int where a record was expected"),
        ([{"type": "order"}], "unknown type 'order'"),
        ([{"type": "decision", "x": object()}], "cannot be written as JSON"),
        ([{"type": "decision", "x": "y" * 300_000}], "at most 262144 are published"),
        ({"error": {"name": "Surrogate", "message": "\ud800"}}, "Surrogate: ?"),
    ],
)
def test_an_answer_that_is_no_record_is_dead(mosquitto: Any, at_work: Any, fake: Any, reply: Any, reason: str) -> None:
    backend = fake()
    backend.decide = lambda event: reply if event["sid"] == "goog" else backend.decision(event)
    _, observer = at_work(mosquitto, backend)
    observer.publish("quotes", {"goog": 3.45})
    observer.publish("quotes", {"next": 1.0})
    observer.wait_for("decisions")
    (letter,) = observer.on("dead")
    assert reason in letter["reason"]
    assert (letter["topic"], json.loads(letter["payload"])) == ("quotes", {"goog": 3.45})


@pytest.mark.parametrize("reply", [None, 7, [], [[], []]])
def test_a_backend_that_breaks_the_protocol_ends_the_run(mosquitto: Any, at_work: Any, fake: Any, reply: Any) -> None:
    backend = fake()
    backend.other["events"] = lambda items, options: reply
    connector, observer = at_work(mosquitto, backend)
    observer.publish("quotes", {"goog": 3.45})
    connector.join()
    assert isinstance(connector.error, BadReply)
    connector.error = None
    observer.wait_for_state("disconnected")


def test_a_defect_is_not_swallowed(mosquitto: Any, at_work: Any, fake: Any) -> None:
    backend = fake()
    backend.other["events"] = lambda items, options: 1 / 0
    connector, observer = at_work(mosquitto, backend)
    observer.publish("quotes", {"goog": 3.45})
    connector.join()
    assert isinstance(connector.error, ZeroDivisionError)
    connector.error = None


def test_what_cannot_be_read_is_dead_and_the_next_is_served(any_broker: Any, at_work: Any, fake: Any) -> None:
    bad = [
        (b'{"goog": NaN}', "no JSON"),
        (b"x" * 10_000_000, "10000000 bytes; at most 262144 are read"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"goog": -1}', "above zero"),
        (b'{"sid": "GOOG", "quote": 1, "n": 36893488147419103232}', ""),
        (b"\xff\xfe", "no JSON"),
        (b"", "no JSON"),
    ]
    backend = fake()
    _, observer = at_work(any_broker, backend)
    for payload, _ in bad:
        observer.publish("quotes/GOOG", payload)
    observer.publish("quotes", {"goog": 3.45})
    observer.wait_for("decisions")
    letters = observer.wait_for("dead", len(bad))
    for letter, (payload, reason) in zip(letters, bad, strict=True):
        assert reason in letter["reason"]
        assert letter["topic"] == "quotes/GOOG"
        assert letter["size"] == len(payload)
        assert letter["payload"] == payload[:1024].decode("utf-8", "replace")
        assert isinstance(letter["ts"], int)
    assert quotes_of(backend) == [3.45]


def test_thousands_of_bad_payloads_each_land_on_dead(mosquitto: Any, at_work: Any, fake: Any) -> None:
    import random

    dice = random.Random(3)
    shapes = [
        lambda: dice.randbytes(dice.randint(0, 60)).replace(b"1", b"x") + b"}",
        lambda: json.dumps({"goog": -dice.random()}).encode(),
        lambda: json.dumps({"sid": "GOOG", "quote": dice.choice(["", "x", None, [], {}, True])}).encode(),
        lambda: b'{"sid": "GOOG", "quote": %s}' % dice.choice([b"NaN", b"-Infinity", b"1e999", b"0", b"00"]),
        lambda: json.dumps({"quote": dice.random() + 1}).encode(),
        lambda: b'{"sid": "G", "quote": 1, "n": %d}' % (2**64 + dice.getrandbits(80)),
        lambda: b"[" * dice.randint(20, 3000),
    ]
    backend = fake()
    _, observer = at_work(mosquitto, backend)
    payloads, good = [], 0
    for n in range(5000):
        payloads.append(dice.choice(shapes)())
        if n % 100 == 99:
            good += 1
            payloads.append(quote(good))
    observer.publish_many("quotes", payloads)
    observer.wait_for("decisions", good)
    letters = observer.wait_for("dead", 5000)
    assert len(letters) == 5000
    assert all(letter["reason"] for letter in letters)
    assert len({letter["reason"] for letter in letters}) > 20
    assert quotes_of(backend) == [n + 1.0 for n in range(1, good + 1)]


def test_what_has_arrived_is_delivered_at_once_and_in_order(any_broker: Any, at_work: Any, fake: Any) -> None:
    backend = fake()
    backend.before_answer = lambda: time.sleep(0.05)
    _, observer = at_work(any_broker, backend, max_batch=300)
    observer.publish_many("quotes", [quote(n) for n in range(2000)])
    observer.wait_for("decisions", 2000)
    assert quotes_of(backend) == [n + 1.0 for n in range(2000)]
    sizes = [len(arguments[0]) for method, arguments in backend.calls if method == "events"]
    assert len(sizes) < 200
    assert max(sizes) <= 300
    assert [d["seq"] for d in observer.on("decisions")] == list(range(1, 2001))


def test_a_batch_is_bounded_in_bytes(mosquitto: Any, at_work: Any, fake: Any) -> None:
    backend = fake()
    backend.before_answer = lambda: time.sleep(0.05)
    _, observer = at_work(mosquitto, backend)
    payloads = [json.dumps({"sid": "G", "quote": 1, "text": "x" * 200_000}).encode() for _ in range(12)]
    observer.publish_many("quotes", payloads)
    observer.wait_for("decisions", 12)
    assert max(len(arguments[0]) for method, arguments in backend.calls if method == "events") <= 2


def test_a_batch_that_was_run_is_not_run_again(mosquitto: Any, at_work: Any, fake: Any) -> None:
    backend = fake("attach", "events")

    def events(items: list[Any], options: Any) -> Any:
        backend.delivered.extend(items)
        raise BackendRefused(backend.address, "events", "UnsendableAnswer", "too large")

    backend.other["events"] = events
    _, observer = at_work(mosquitto, backend)
    observer.publish_many("quotes", [quote(n) for n in range(50)])
    letters = observer.wait_for("dead", 50)
    assert "too large" in letters[0]["reason"]
    assert quotes_of(backend) == [n + 1.0 for n in range(50)]


def test_a_batch_that_is_refused_as_a_whole_spoils_only_what_is_bad(mosquitto: Any, at_work: Any, fake: Any) -> None:
    backend = fake()

    def events(items: list[Any], options: Any) -> Any:
        if items == [None]:  # it is noted all the same
            return [{"error": {"name": "BadData", "message": "nothing"}}]
        if any(item["quote"] == 13.0 for item in items):
            raise BackendRefused(backend.address, "events", "Superstition", "13")
        return [backend.decision(item) for item in items]

    backend.other["events"] = events
    _, observer = at_work(mosquitto, backend)
    observer.publish_many("quotes", [quote(n) for n in range(20)])
    observer.wait_for("decisions", 19)
    (letter,) = observer.wait_for("dead")
    assert letter["reason"] == "Superstition: 13"


@pytest.mark.parametrize("offered", [("attach", "events"), ("event",)])
def test_a_backend_lost_in_mid_call_gets_the_same_again(
    any_broker: Any, at_work: Any, fake: Any, until: Any, caplog: Any, offered: Any
) -> None:
    caplog.set_level(logging.INFO)
    backend = fake(*offered)
    _, observer = at_work(any_broker, backend)

    def die() -> None:
        backend.down = True

    backend.before_answer = die
    observer.publish_many("quotes", [quote(n) for n in range(5)])
    until(lambda: backend.down and backend.closed >= 2, "the connector to try again")
    assert observer.on("decisions") == []
    backend.before_answer = lambda: None
    first, backend.delivered[:] = backend.delivered[:], []
    backend.down = False
    observer.wait_for("decisions", 5)
    assert quotes_of(backend) == [n + 1.0 for n in range(5)]
    assert first[0] == backend.delivered[0]
    assert [s["state"] for s in observer.on("$state")].count("ready") == 1
    assert "retrying in" in caplog.text


def test_a_backend_that_is_too_slow_for_a_batch_gets_smaller_ones(mosquitto: Any, at_work: Any, fake: Any) -> None:
    backend = fake()

    def events(items: list[Any], options: Any) -> Any:
        if len(items) > 3:
            raise BackendLost(backend.address, "no answer in time")
        return [backend.decision(item) for item in items]

    backend.other["events"] = events
    _, observer = at_work(mosquitto, backend, max_batch=8)
    observer.publish_many("quotes", [quote(n) for n in range(12)])
    observer.wait_for("decisions", 12)


@pytest.mark.parametrize("name", ["StaleEpoch", "Busy", "Stopping"])
def test_a_backend_that_began_anew_is_attached_to_again(mosquitto: Any, at_work: Any, fake: Any, name: str) -> None:
    backend = fake()
    refusals = iter([name])

    def events(items: list[Any], options: Any) -> Any:
        if next(refusals, None):
            raise BackendRefused(backend.address, "events", name, "not now")
        assert options["epoch"] == backend.epoch == 2
        return [backend.decision(item) for item in items]

    backend.other["events"] = events
    _, observer = at_work(mosquitto, backend)
    observer.publish("quotes", {"goog": 3.45})
    observer.wait_for("decisions")
    assert observer.on("dead") == []


def test_a_backend_that_came_back_as_another_session_gets_its_own_topics(
    mosquitto: Any, at_work: Any, fake: Any, until: Any
) -> None:
    backend = fake()
    _, observer = at_work(mosquitto, backend)
    backend.down = True
    observer.publish("quotes", {"goog": 3.45})
    until(lambda: backend.closed, "the loss to be noticed")
    backend.session, backend.channels, backend.down = "other", ("news",), False
    until(lambda: [d["name"] for d in observer.on("$description")] == ["test", "other"], "the other session")
    until(lambda: observer.on("$state")[-1]["state"] == "ready", "the other session to be ready")
    observer.publish("news", {"headline": "Quiet day"})
    observer.wait_for("decisions")
    assert observer.seen[-1][0] == "intuition/1/other/decisions"


def test_what_has_been_passed_on_is_confirmed_along(mosquitto: Any, at_work: Any, fake: Any, until: Any) -> None:
    backend = fake()
    _, observer = at_work(mosquitto, backend)
    observer.publish_many("quotes", [quote(n) for n in range(7)])
    observer.wait_for("decisions", 7)

    def confirmed() -> bool:
        observer.publish("quotes", {"goog": 3.45})
        said = [args[1] for method, args in backend.calls if method == "events"]
        return any(int((options.get("published") or ":0:").split(":")[1]) >= 7 for options in said)

    until(confirmed, "the confirmation")
    assert all(args[1]["client"] == "mqtt" for method, args in backend.calls if method == "events")


def test_a_broker_that_restarts_is_come_back_to(
    mosquitto: Any, at_work: Any, fake: Any, until: Any, caplog: Any
) -> None:
    """What is in hand stays in hand, is delivered once, and published and acknowledged when the broker is back."""
    caplog.set_level(logging.INFO)
    backend = fake()
    _, observer = at_work(mosquitto, backend)
    observer.publish("quotes", {"goog": 1.0})
    observer.wait_for("decisions")
    hold, held = threading.Event(), threading.Event()

    def wait() -> None:
        held.set()
        hold.wait(20)

    backend.before_answer = wait
    observer.publish("quotes", {"goog": 2.0})
    assert held.wait(20)
    mosquitto.stop()
    backend.before_answer = lambda: None
    hold.set()
    until(lambda: "retrying in" in caplog.text, "the loss to be told")
    mosquitto.start()
    until(lambda: "back at the broker" in caplog.text, "the return to be told")
    observer.wait_for_state("ready")
    observer.publish("quotes", {"goog": 3.0})
    until(lambda: {d["seq"] for d in observer.on("decisions")} >= {1, 2, 3}, "every decision to be published")
    assert quotes_of(backend) == [1.0, 2.0, 3.0]
    assert caplog.text.count("lost the broker") == 1


def test_what_came_while_it_was_away_is_served(any_broker: Any, run: Any, observe: Any, fake: Any) -> None:
    observer = observe(any_broker)
    first = run(fake(), url=any_broker.url)
    observer.wait_for_state("ready")
    first.stop()
    observer.wait_for_state("disconnected")
    observer.publish_many("quotes", [quote(n) for n in range(1500)])
    backend = fake()
    run(backend, url=any_broker.url)
    observer.wait_for("decisions", 1500)
    assert quotes_of(backend) == [n + 1.0 for n in range(1500)]


@pytest.mark.parametrize(
    ("payload", "taken"),
    [
        ({"goog": 3.45}, False),
        (3.45, False),
        ([{"goog": 3.45, "ts": 1_700_000_000_000_000_000}, {"goog": 3.46}], False),
        ({"goog": 3.45, "ts": 1_700_000_000_000_000_000}, True),
        ({"goog": 3.45, "id": "x"}, True),
        ([{"goog": 3.45, "ts": 1_700_000_000_000_000_000}, {"goog": 3.46, "id": "x"}], True),
    ],
)
def test_a_retained_quote_counts_only_if_it_says_when_it_is_from(
    any_broker: Any, at_work: Any, observe: Any, fake: Any, payload: Any, taken: bool
) -> None:
    observe(any_broker).publish("quotes/goog", payload, retain=True)
    backend = fake()
    _, observer = at_work(any_broker, backend)
    observer.publish("quotes", {"end": 1.0})
    observer.wait_for("decisions", 1 + taken)
    symbols = [str(item) for item in backend.delivered]
    assert "'end'" in symbols[-1]
    assert any("'goog'" in symbol for symbol in symbols) is taken
    assert any("retained" in letter["reason"] for letter in observer.on("dead")) is not taken


def test_a_quote_that_is_published_to_be_retained_is_taken_as_it_comes(
    any_broker: Any, at_work: Any, fake: Any
) -> None:
    backend = fake()
    _, observer = at_work(any_broker, backend)
    observer.publish("quotes/goog", 3.45, retain=True)
    observer.wait_for("decisions")
    assert observer.on("dead") == []


def test_the_account_is_published_no_more_than_about_once_a_second(
    mosquitto: Any, at_work: Any, fake: Any, until: Any
) -> None:
    backend = fake("attach", "events", "account")
    backend.other["account"] = lambda: {"seq": backend.seq}
    backend.decide = lambda event: [backend.decision(event)[0] | {"type": "fill"}]
    started = time.monotonic()
    _, observer = at_work(mosquitto, backend, max_batch=10)
    observer.publish_many("quotes", [quote(n) for n in range(2000)])
    observer.wait_for("fills", 2000)
    until(lambda: observer.on("portfolio")[-1] == {"seq": 2000}, "the latest account")
    assert len(observer.on("portfolio")) <= time.monotonic() - started + 2


def test_stopping_finishes_the_batch_in_hand(any_broker: Any, at_work: Any, fake: Any, observe: Any) -> None:
    backend = fake()
    held = threading.Event()

    def stop_meanwhile() -> None:
        held.set()
        time.sleep(0.1)

    backend.before_answer = stop_meanwhile
    connector, observer = at_work(any_broker, backend)
    observer.publish("quotes", {"goog": 3.45})
    assert held.wait(20)
    connector.stop()
    observer.wait_for("decisions")
    observer.wait_for_state("disconnected")
    states = [(s["state"], s["instance"]) for s in observer.on("$state")]
    assert [state for state, _ in states] == ["init", "ready", "disconnected"]
    assert len({instance for _, instance in states}) == 1


@pytest.mark.parametrize("down", ["broker", "backend", "both"])
def test_stopping_does_not_wait_for_what_is_not_there(run: Any, fake: Any, port: int, until: Any, down: str) -> None:
    backend = fake()
    backend.down = down != "broker"
    connector = run(backend, url=f"mqtt://127.0.0.1:{port}")
    if down == "broker":
        until(lambda: backend.epoch, "the backend to be attached to")
    else:
        until(lambda: backend.closed >= 3, "several attempts")
    start = time.monotonic()
    connector.stop()
    assert time.monotonic() - start < 5


def test_a_killed_connector_leaves_its_will(mosquitto: Any, observe: Any) -> None:
    program = """
import sys
from intuition_connector_mqtt.connector import Mqtt
class Backend:
    address = "fake://backend"
    def offers(self, method): return method == "initialize"
    def call(self, method, *args): return ["quotes"]
    def close(self): pass
connector = Mqtt()
connector.initialize(Mqtt.Params(url=sys.argv[1]))
connector.run(Backend())
"""
    observer = observe(mosquitto)
    with subprocess.Popen([sys.executable, "-c", program, mosquitto.url]) as process:
        observer.wait_for_state("ready")
        os.kill(process.pid, signal.SIGKILL)
    observer.wait_for_state("lost")


@pytest.mark.parametrize("channel", ["actions", "rates"])
def test_events_that_are_booked_can_be_left_to_others(
    any_broker: Any, at_work: Any, fake: Any, until: Any, channel: str
) -> None:
    backend = fake(channels=("quotes", "actions", "rates"))
    _, observer = at_work(any_broker, backend, **{channel: False})
    other = {"actions": "rates", "rates": "actions"}[channel]
    for topic in (channel, other):
        observer.publish(f"{topic}/X", {"sid": "X", "n": 1})
    observer.publish("quotes", {"end": 1.0})
    until(lambda: backend.delivered and backend.delivered[-1]["channel"] == "quotes", "the end")
    assert [event["channel"] for event in backend.delivered] == [other, "quotes"]
    assert channel not in observer.on("$description")[-1]["channels"]
