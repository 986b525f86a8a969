"""A connector that is moved between brokers: each message runs once, wherever the connector was meanwhile."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from intuition_connector_mqtt.address import Address
from intuition_connector_mqtt.parking import Parking, broker_id, broker_of
from intuition_connector_mqtt.window import Receipt, Window

from intuition_core.config.loading import load_config
from intuition_core.errors import BackendLost, BackendRefused, IntuitionError
from intuition_core.plugins.catalogue import discover
from intuition_core.serving.service import Service
from intuition_core.session.journal import Journal


class Session:
    """A session with a journal, called within this process, whose answers can be dropped."""

    address = "here://session"

    def __init__(self, path: Path) -> None:
        flags = {"algorithm.name": "random", "session": "test", "cash": "1000000000", "seed": 5}
        config = load_config(None, environment={}, flags=flags, flat={"threshold": 0.0, "max_fraction": 0.00001})
        self.service = Service(config, discover(), journal=lambda _name: Journal(path))
        self._methods = self.service.methods()
        self.losing = False
        self.keys: list[str] = []

    @property
    def last_seq(self) -> int:
        return self.service.session.last_seq

    def offers(self, method: str) -> bool:
        return method in self._methods

    def call(self, method: str, *args: Any) -> Any:
        if method == "events":
            self.keys += [key for key, *_ in args[1]["deliveries"]]
        try:
            result = self._methods[method].function(*args)
        except IntuitionError as error:
            raise BackendRefused(self.address, method, type(error).__name__, str(error)) from None
        if self.losing and method == "events":
            raise BackendLost(self.address, "the answer is dropped by the test")
        return result

    def close(self) -> None:
        """There is nothing to close."""


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    session = Session(tmp_path / "session.sqlite")
    yield session
    session.service.close()


@pytest.mark.mosquitto
def test_messages_run_once_each_when_the_connector_goes_to_another_broker_and_back(
    mosquitto: Any, configured: Any, observe: Any, run: Any, session: Session, until: Any
) -> None:
    """The brokers give their messages, which are all the same, the same packet ids."""
    there = configured([])
    publishers = {broker.url: observe(broker) for broker in (mosquitto, there)}
    for broker in (mosquitto, there):  # each gets a session that it keeps
        connector = run(session, url=broker.url)
        publishers[broker.url].wait_for_state("ready")
        connector.stop()
        publishers[broker.url].publish_many("quotes", [b'{"goog": 3.45}'] * 3)
    session.losing = True
    connector = run(session, url=mosquitto.url)
    until(lambda: session.last_seq == 3, "the messages to be run")
    connector.stop()
    session.losing = False
    window = session.service.session._journal.window
    assert len(list(window("mqtt"))) == 3  # the broker will send them again
    for _ in range(2):
        connector = run(session, url=there.url)
        until(lambda: session.last_seq == 6, "the other broker's messages to be run")
        publishers[there.url].wait_for_state("ready")
        connector.stop()
    assert list(window("mqtt")) == []
    parked = f"mqtt@{broker_id(Address('127.0.0.1', mosquitto.port))}"
    assert len(list(window(parked))) == 3
    run(session, url=mosquitto.url)
    publishers[mosquitto.url].publish("quotes", b'{"goog": 3.46}')
    until(lambda: session.last_seq >= 7, "the new message to be run")
    until(lambda: not list(window(parked)), "the parked deliveries to be forgotten")
    assert session.last_seq == 7


def test_parked_deliveries_are_acknowledged_and_not_handed_over() -> None:
    marks = [(f"mqtt@b:1:{n}", n, "quotes", f"{n:02}") for n in (1, 2, 3)]
    window = Window("mqtt", 2, parked=marks, tag="b:r")
    window.connect(resumed=True)
    assert window.parked == 3
    assert not window.receive(Receipt(1, "quotes", "01"))
    assert not window.receive(Receipt(3, "quotes", "03"))  # the broker was done with the second
    assert [receipt.packet for receipt in window.acknowledge()] == [1, 3]
    new = Receipt(4, "quotes", "01")
    assert window.receive(new)
    assert new.key == "mqtt:2:b:r:0"
    window.answer(window.ask())
    assert window.parked == 0
    assert window.settled is None  # they are no deliveries of this client


def test_a_broker_that_forgot_its_session_frees_what_was_parked() -> None:
    window = Window("mqtt", 2, parked=[("mqtt@b:1:0", 1, "quotes", "01")])
    window.connect(resumed=False)
    assert window.parked == 0
    assert window.receive(Receipt(1, "quotes", "01"))


def test_marks_of_other_brokers_are_parked_each_under_its_own_client() -> None:
    calls: list[tuple[str, tuple[Any, ...]]] = []

    class Backend:
        address = "here://"

        def call(self, method: str, *args: Any) -> Any:
            calls.append((method, args))
            return {"epoch": 9, "window": []} if method == "attach" else None

    marks = [
        ("mqtt:1:aaaaaaaa:r:0", 1, "t", "h1"),
        ("mqtt:1:cccccccc:r:0", 1, "t", "h2"),
        ("mqtt:2:bbbbbbbb:r:0", 1, "t", "h3"),
        ("mqtt:1:7", 2, "t", "h4"),
        ("mqtt:2:aaaaaaaa:r:1", 3, "t", "h5"),
    ]
    own = Parking(Backend(), "mqtt", 3, "bbbbbbbb").sort_out(marks)  # type: ignore[arg-type]
    assert own == [marks[2], marks[3]]  # one of before there were ids is taken for the present broker's
    attached = [args[0] for method, args in calls if method == "attach"]
    assert attached == ["mqtt@aaaaaaaa", "mqtt@cccccccc"]
    delivered = [args[1]["deliveries"] for method, args in calls if method == "events"]
    assert delivered == [
        [("mqtt@aaaaaaaa:9:0", 1, "t", "h1"), ("mqtt@aaaaaaaa:9:1", 3, "t", "h5")],
        [("mqtt@cccccccc:9:0", 1, "t", "h2")],
    ]
    assert calls[-1] == ("confirm", ("mqtt", 3, "mqtt:1:cccccccc:r:0", None))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (("localhost", 1883), ("127.0.0.1", 1883), True),
        (("::1", 1883), ("LOCALHOST", 1883), True),
        (("localhost", 1883), ("localhost", 1884), False),
        (("a.example", 1883), ("A.example", 1883), True),
        (("a.example", 1883), ("b.example", 1883), False),
    ],
)
def test_a_broker_is_known_by_its_host_and_port(one: Any, other: Any, same: bool) -> None:
    assert (broker_id(Address(*one)) == broker_id(Address(*other))) is same


@pytest.mark.mosquitto
def test_keys_cannot_be_taken_in_advance(session: Session, mosquitto: Any, observe: Any, run: Any, until: Any) -> None:
    observer = observe(mosquitto)
    for n in range(2):
        connector = run(session, url=mosquitto.url)
        observer.wait_for_state("ready")
        observer.publish("quotes", {"goog": 3 + n})
        until(lambda n=n: session.last_seq == n + 1, "the message to be run")
        connector.stop()
    first, second = session.keys
    assert broker_of((first, 1, "", "")) == broker_id(Address("127.0.0.1", mosquitto.port))
    assert first.split(":")[3] != second.split(":")[3]
    assert all(len(key.split(":")[3]) == 16 for key in session.keys)
