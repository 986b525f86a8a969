"""Subscriptions that change, at a broker that answers late, goes away and forgets."""

from collections import deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from intuition_connector_mqtt.filters import Filters
from paho.mqtt.client import MQTTv5, MQTTv311
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.reasoncodes import ReasonCode

GRANTED = ReasonCode(PacketTypes.SUBACK, "Granted QoS 1")
TOPICS = ["a/#", "a/b/#", "b/#", "c/#"]
SOME = st.lists(st.sampled_from(TOPICS), min_size=1, unique=True)


class Line:
    """A client whose broker does and answers what it is asked in order, when the test lets it."""

    def __init__(self, protocol: int = MQTTv5) -> None:
        self.protocol = protocol
        self.requests: deque[tuple[str, int, list[str]]] = deque()
        self.asked: list[str] = []
        self._mid = 0

    def subscribe(self, topics: list[tuple[str, Any]]) -> tuple[int, int]:
        self.asked += [topic for topic, _ in topics]
        return self._request("subscribe", [topic for topic, _ in topics])

    def unsubscribe(self, topics: list[str]) -> tuple[int, int]:
        return self._request("unsubscribe", topics)

    def _request(self, kind: str, topics: list[str]) -> tuple[int, int]:
        assert topics
        self._mid += 1
        self.requests.append((kind, self._mid, topics))
        return 0, self._mid


class Changes(RuleBasedStateMachine):
    """Channels change while requests are under way: in the end the broker sends what is wanted, without a break."""

    def __init__(self) -> None:
        super().__init__()
        self.filters = Filters(["a/#"])
        self.line: Line | None = None
        self.broker: set[str] = set()
        self.stays: set[str] = set()
        """What was granted, and wanted all the time since."""

    @rule(wanted=SOME)
    def change(self, wanted: list[str]) -> None:
        self.filters.wanted = tuple(wanted)
        self.stays &= set(wanted)
        if self.line is not None:
            self.filters.ask(self.line)  # type: ignore[arg-type]  # as much of a client as it takes

    @precondition(lambda self: self.line is None)
    @rule(resumed=st.booleans(), protocol=st.sampled_from([MQTTv5, MQTTv311]))
    def connect(self, resumed: bool, protocol: int) -> None:
        if not resumed:
            self.broker.clear()
            self.stays.clear()
        self.line = Line(protocol)
        self.filters.greet(resumed=resumed)
        self.filters.ask(self.line)  # type: ignore[arg-type]  # the same

    @precondition(lambda self: self.line is not None)
    @rule()
    def lose(self) -> None:
        self.line = None
        self.filters.drop()

    @precondition(lambda self: self.line is not None and self.line.requests)
    @rule(heard=st.booleans())
    def do(self, heard: bool) -> None:
        assert self.line is not None
        kind, mid, topics = self.line.requests.popleft()
        if kind == "unsubscribe":
            self.broker.difference_update(topics)
            return
        self.broker.update(topics)
        if not heard:
            self.lose()
            return
        assert self.filters.answered(mid, [GRANTED] * len(topics)) == [(topic, GRANTED) for topic in topics]
        self.filters.ask(self.line)  # type: ignore[arg-type]  # the same
        leaving = {topic for kind, _, topics in self.line.requests if kind == "unsubscribe" for topic in topics}
        self.stays.update(self.broker.intersection(self.filters.wanted) - leaving)

    @precondition(lambda self: self.line is not None)
    @rule(topic=st.sampled_from(["a", "a/b", "a/b/c", "b/x", "d"]))
    def come_astray(self, topic: str) -> None:
        if not any(f"{topic}/".startswith(each[:-1]) for each in self.filters.wanted):
            self.filters.forget(self.line, topic)  # type: ignore[arg-type]  # the same

    @invariant()
    def goes_on_without_a_break(self) -> None:
        assert self.stays <= self.broker

    @invariant()
    def what_is_granted_is_there(self) -> None:
        if self.line is not None and not self.line.requests:
            assert self.filters.granted
            assert self.broker >= set(self.filters.wanted)


TestChanges = Changes.TestCase


@pytest.fixture
def line() -> Line:
    return Line()


def settle(filters: Filters, line: Line, broker: set[str]) -> None:
    while line.requests:
        kind, mid, topics = line.requests.popleft()
        if kind == "subscribe":
            broker.update(topics)
            filters.answered(mid, [GRANTED] * len(topics))
            filters.ask(line)  # type: ignore[arg-type]  # as much of a client as it takes
        else:
            broker.difference_update(topics)


@given(st.lists(SOME, min_size=1), st.data())
def test_on_one_connection_the_broker_sends_what_is_wanted_and_nothing_else(
    changes: list[list[str]], data: st.DataObject
) -> None:
    filters, line, broker = Filters(TOPICS[:1]), Line(), set[str]()
    filters.greet(resumed=False)
    for wanted in changes:
        filters.wanted = tuple(wanted)
        filters.ask(line)  # type: ignore[arg-type]  # the same
        if data.draw(st.booleans()):
            settle(filters, line, broker)
            assert broker == set(wanted)
    settle(filters, line, broker)
    assert broker == set(filters.wanted)


def test_what_stays_is_not_subscribed_to_again(line: Line) -> None:
    # Without MQTT 5, that would bring what is retained once more.
    filters = Filters(["a/#", "b/#"])
    filters.ask(line)  # type: ignore[arg-type]  # the same
    settle(filters, line, set())
    filters.wanted = ("a/#", "c/#")
    filters.ask(line)  # type: ignore[arg-type]  # the same
    assert line.asked == ["a/#", "b/#", "c/#"]


def test_a_stray_topic_is_given_back_once_whichever_channel_it_was(line: Line) -> None:
    filters = Filters(["a/b/#"])
    for _ in range(3):
        filters.forget(line, "a/c/d")  # type: ignore[arg-type]  # the same
    [(kind, _, topics)] = line.requests
    assert (kind, topics) == ("unsubscribe", ["a/#", "a/c/#", "a/c/d/#"])
