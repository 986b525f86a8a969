"""A session at a broker that does only what the test tells it: for what no real broker can be made to do."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

import pytest
from intuition_connector_mqtt.address import Address
from intuition_connector_mqtt.connection import MAX_WAITING, MAX_WAITING_BYTES, Connection
from intuition_connector_mqtt.errors import BrokerRefused, PublishRefused, SessionTaken, SubscribeRefused
from intuition_connector_mqtt.presence import Presence, Publication
from intuition_connector_mqtt.socket_pair import Endpoint
from intuition_connector_mqtt.topics import Topics
from intuition_connector_mqtt.waker import Waker
from intuition_connector_mqtt.window import Window

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, DISCONNECT = 1, 2, 3, 4, 8, 9, 14
V311, V5 = 4, 5


class Packet(NamedTuple):
    kind: int
    flags: int
    body: bytes

    @property
    def topic(self) -> str:
        return self.body[2 : 2 + int.from_bytes(self.body[:2])].decode()

    @property
    def mid(self) -> int:
        start = 2 + int.from_bytes(self.body[:2]) if self.kind == PUBLISH else 0
        return int.from_bytes(self.body[start : start + 2])


class Peer:
    """The broker's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(10)
        connect = self.read()
        assert connect.kind == CONNECT
        self.version = connect.body[6]
        start = 10
        if self.version == V5:
            start += 1 + connect.body[10]
        self.client_id = connect.body[start + 2 : start + 2 + int.from_bytes(connect.body[start : start + 2])].decode()

    def read(self) -> Packet:
        first = self._exactly(1)[0]
        length = shift = 0
        while True:
            byte = self._exactly(1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return Packet(first >> 4, first & 15, self._exactly(length))

    def read_until(self, kind: int) -> Packet:
        while (packet := self.read()).kind != kind:
            pass
        return packet

    def says_nothing(self, seconds: float = 0.15) -> bool:
        self.sock.settimeout(seconds)
        try:
            return not self.sock.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(10)

    def send(self, kind: int, body: bytes, flags: int = 0) -> None:
        length, size = len(body), bytearray()
        while True:
            size.append(length & 127 | (128 if length > 127 else 0))
            length >>= 7
            if not length:
                break
        with suppress(ConnectionError):
            self.sock.sendall(bytes([kind << 4 | flags]) + bytes(size) + body)

    def accept(self, reason: int = 0, *, resumed: bool = False, properties: bytes = b"") -> None:
        said = bytes([len(properties)]) + properties if self.version == V5 else b""
        self.send(CONNACK, bytes([resumed, reason]) + said)

    def publish(self, topic: str, payload: bytes, mid: int, qos: int = 1) -> None:
        number = struct.pack("!H", mid) if qos else b""
        properties = b"\0" if self.version == V5 else b""
        self.send(PUBLISH, struct.pack("!H", len(topic)) + topic.encode() + number + properties + payload, qos << 1)

    def ack(self, packet: Packet, reason: int = 0) -> None:
        body = struct.pack("!H", packet.mid)
        self.send(PUBACK, body + bytes([reason, 0]) if reason else body)

    def suback(self, reason: int = 1) -> None:
        mid = self.read_until(SUBSCRIBE).body[:2]
        self.send(SUBACK, mid + (b"\0" if self.version == V5 else b"") + bytes([reason]))

    def _exactly(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            if not (more := self.sock.recv(count - len(data))):
                raise ConnectionError
            data += more
        return data


class ScriptedBroker:
    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(10)
        self.port = self._listener.getsockname()[1]
        self.peers: list[Peer] = []

    def meet(self) -> Peer:
        self.peers.append(Peer(self._listener.accept()[0]))
        return self.peers[-1]

    def meet_both(self) -> tuple[Peer, Peer]:
        """Give the peer of what comes in to the session and the peer of what goes out."""
        outlet, inlet = self.meet(), self.meet()
        assert outlet.client_id == f"{inlet.client_id}-out"
        return inlet, outlet

    def let_in(self, properties: bytes = b"") -> tuple[Peer, Peer]:
        """Let a session in, and acknowledge what it announces."""
        inlet, outlet = self.meet_both()
        inlet.accept(properties=properties)
        outlet.accept(properties=properties)
        inlet.suback()
        states: list[bytes] = []
        while len(states) < 2 or b'"ready"' not in states[-1]:
            packet = outlet.read()
            states.append(packet.body)
            outlet.ack(packet)
        return inlet, outlet

    def close(self) -> None:
        self._listener.close()
        for peer in self.peers:
            peer.sock.close()


class Turning:
    """A connection turned by a thread, as the connector would; the test may act between two turns."""

    def __init__(self, port: int) -> None:
        self.waker = Waker()
        self.connection = Connection(
            endpoint=Endpoint(
                address=Address("127.0.0.1", port), client_id="intuition-test-mqtt", keepalive=60, expiry=60
            ),
            filters=["quotes/#"],
            presence=Presence(Topics("test"), {"name": "test"}),
            window=Window("mqtt", 1),
            topics=Topics("test"),
            waker=self.waker,
            max_payload=1000,
        )
        self.error: Exception | None = None
        self.lock = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._turn)
        self._thread.start()

    def _turn(self) -> None:
        try:
            while not self._ended:
                with self.lock:
                    self.connection.turn(0.005)
                time.sleep(0.001)  # let others have the lock
        except Exception as error:  # noqa: BLE001  # the test looks at it
            self.error = error

    def settle(self, *records: str) -> None:
        """Settle the oldest message with so many publications."""
        with self.lock:
            delivery = self.connection.inbox[0]
            self.connection.settle(delivery, [Publication("out", name.encode(), record=name) for name in records])

    def failed(self) -> Exception | None:
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.error

    def close(self) -> None:
        self._ended = True
        self._thread.join(10)
        self.connection.close(0.2)
        self.waker.close()


@pytest.fixture
def broker() -> Iterator[ScriptedBroker]:
    broker = ScriptedBroker()
    yield broker
    broker.close()


@pytest.fixture
def turning(broker: ScriptedBroker) -> Iterator[Turning]:
    turning = Turning(broker.port)
    yield turning
    turning.close()


def test_a_message_is_acknowledged_after_what_it_caused(broker: ScriptedBroker, turning: Turning, until: Any) -> None:
    inlet, outlet = broker.let_in()
    for mid in (7, 8, 9):
        inlet.publish("quotes", b"x", mid)
    until(lambda: len(turning.connection.inbox) == 3, "the messages")
    turning.settle("a", "b")
    turning.settle()
    turning.settle("c")
    first, second, third = (outlet.read() for _ in range(3))
    assert [packet.body[-1:] for packet in (first, second, third)] == [b"a", b"b", b"c"]
    outlet.ack(third)
    outlet.ack(first)
    until(lambda: turning.connection.outbox.published == "a", "the acknowledgement")
    assert inlet.says_nothing()
    assert turning.connection.acked == 0
    outlet.ack(second)
    assert [inlet.read_until(PUBACK).mid for _ in range(3)] == [7, 8, 9]
    until(lambda: turning.connection.acked == 3, "them to be counted")  # once they are sent
    assert turning.connection.outbox.published == "c"


def test_what_was_not_acknowledged_is_published_again(broker: ScriptedBroker, turning: Turning, until: Any) -> None:
    inlet, outlet = broker.let_in()
    inlet.publish("quotes", b"x", 1)
    inlet.publish("quotes", b"y", 2)
    until(lambda: len(turning.connection.inbox) == 2, "the messages")
    turning.settle("a", "b", "c")
    packets = [outlet.read() for _ in range(3)]
    outlet.ack(packets[0])
    until(lambda: turning.connection.outbox.published == "a", "the acknowledgement")
    inlet.sock.close()
    inlet, outlet = broker.meet_both()
    inlet.accept(resumed=True)
    outlet.accept()
    again: list[bytes] = []
    while len(again) < 2:
        packet = outlet.read()
        outlet.ack(packet)
        again += [packet.body[-1:]] if packet.topic == "out" else []
    assert again == [b"b", b"c"]
    # The message itself is the broker's to send again; it is in hand, and acknowledged when it has come.
    inlet.read_until(SUBSCRIBE)  # the request whose answer ends what comes again
    assert inlet.says_nothing()
    inlet.publish("quotes", b"x", 1)
    assert inlet.read_until(PUBACK).mid == 1
    inlet.publish("quotes", b"y", 2)
    inlet.publish("quotes", b"y", 3)
    until(lambda: len(turning.connection.inbox) == 2, "the new message")
    turning.settle()
    turning.settle()
    assert [inlet.read_until(PUBACK).mid for _ in range(2)] == [2, 3]


def test_either_way_that_is_lost_opens_both_anew(broker: ScriptedBroker, turning: Turning, until: Any) -> None:
    _, outlet = broker.let_in()
    outlet.sock.close()
    broker.let_in()
    until(lambda: turning.connection.ready, "the connection")


@pytest.mark.parametrize("refuse", ["version", "silence"])
def test_a_broker_without_mqtt_5_is_spoken_to_in_3_1_1(broker: ScriptedBroker, turning: Turning, refuse: str) -> None:
    inlet, outlet = broker.meet_both()
    assert inlet.version == outlet.version == V5
    if refuse == "version":
        outlet.sock.sendall(bytes([0x20, 2, 0, 1]))  # as MQTT 3.1.1 refuses a version it does not know
    outlet.sock.close()
    inlet, outlet = broker.meet_both()
    assert inlet.version == outlet.version == V311
    inlet.accept()
    outlet.accept()
    inlet.suback()
    assert outlet.read().topic == "intuition/1/test/$state"


@pytest.mark.parametrize(("code", "version"), [(0x86, V5), (0x87, V5)])
def test_who_is_not_let_in_is_told(broker: ScriptedBroker, turning: Turning, code: int, version: int) -> None:
    _, outlet = broker.meet_both()
    outlet.accept(code)
    outlet.sock.close()
    error = turning.failed()
    assert isinstance(error, BrokerRefused)
    assert "check the user name and the password" in str(error)


def test_a_broker_that_is_taken_over_says_by_whom(broker: ScriptedBroker, turning: Turning) -> None:
    inlet, _ = broker.let_in()
    inlet.send(DISCONNECT, bytes([142, 0]))
    error = turning.failed()
    assert isinstance(error, SessionTaken)
    assert "intuition-test-mqtt" in str(error)


def test_a_refused_publication_is_not_taken_for_published(broker: ScriptedBroker, turning: Turning, until: Any) -> None:
    inlet, outlet = broker.let_in()
    inlet.publish("quotes", b"x", 1)
    until(lambda: turning.connection.inbox, "the message")
    turning.settle("a")
    outlet.ack(outlet.read(), 0x87)
    error = turning.failed()
    assert isinstance(error, PublishRefused)
    assert error.topic == "out"
    assert turning.connection.acked == 0


def test_a_refused_subscription_is_told(broker: ScriptedBroker, turning: Turning) -> None:
    inlet, outlet = broker.meet_both()
    inlet.accept()
    outlet.accept()
    inlet.suback(0x87)
    assert isinstance(turning.failed(), SubscribeRefused)


def test_a_broker_that_grants_less_is_told_of(
    broker: ScriptedBroker, turning: Turning, until: Any, caplog: Any
) -> None:
    inlet, outlet = broker.meet_both()
    inlet.accept()
    outlet.accept()
    inlet.suback(0)
    until(lambda: turning.connection.ready, "the connection")
    assert "only QoS 0" in caplog.text


def test_reading_stops_while_too_many_messages_wait(broker: ScriptedBroker, turning: Turning, until: Any) -> None:
    inlet, _ = broker.let_in()
    inbox = turning.connection.inbox

    def flood() -> None:
        for n in range(3 * MAX_WAITING):
            inlet.publish("quotes", b"%d" % n, 0, qos=0)

    publisher = threading.Thread(target=flood)
    publisher.start()
    until(lambda: len(inbox) >= MAX_WAITING, "the inbox to fill")
    time.sleep(0.2)
    assert len(inbox) <= MAX_WAITING + 10
    seen: list[bytes] = []
    while len(seen) < 3 * MAX_WAITING:
        until(lambda: inbox, "more messages")
        seen.append(inbox[0].payload)
        turning.settle()
    publisher.join()
    assert seen == [b"%d" % n for n in range(3 * MAX_WAITING)]


def test_who_has_no_room_is_let_in_again(broker: ScriptedBroker, turning: Turning, until: Any) -> None:
    """What was in hand is still there, so that there is no room before the welcome."""
    inlet, outlet = broker.let_in()
    for n in range(MAX_WAITING):
        inlet.publish("quotes", b"%d" % n, 0, qos=0)
    until(lambda: len(turning.connection.inbox) == MAX_WAITING, "the inbox to fill")
    outlet.sock.close()
    inlet, outlet = broker.meet_both()
    inlet.accept(resumed=True)
    inlet.publish("quotes", b"new", 1)
    outlet.accept()
    until(lambda: turning.connection.ready, "the connection")
    assert len(turning.connection.inbox) <= MAX_WAITING + 1
    turning.settle()
    turning.settle()
    until(lambda: turning.connection.inbox[-1].payload == b"new", "the message")


def test_reading_stops_while_too_many_bytes_wait(broker: ScriptedBroker, turning: Turning, until: Any) -> None:
    inlet, _ = broker.let_in()
    inbox = turning.connection.inbox
    turning.connection._max_payload = 1 << 20

    def flood() -> None:
        with suppress(OSError):
            for n in range(40):
                inlet.publish("quotes", bytes(1 << 20), n + 1)

    publisher = threading.Thread(target=flood)
    publisher.start()
    until(lambda: sum(len(d.payload) for d in inbox) >= MAX_WAITING_BYTES, "the inbox to fill")
    time.sleep(0.2)
    assert sum(len(delivery.payload) for delivery in inbox) <= MAX_WAITING_BYTES + (1 << 20)
    turning.close()
    inlet.sock.close()
    publisher.join()


def test_of_a_payload_that_is_too_large_only_the_beginning_is_kept(
    broker: ScriptedBroker, turning: Turning, until: Any
) -> None:
    inlet, _ = broker.let_in()
    inlet.publish("quotes", b"x" * 3_000_000, 1)
    until(lambda: turning.connection.inbox, "the message")
    (delivery,) = turning.connection.inbox
    assert (delivery.size, len(delivery.payload)) == (3_000_000, 1024)


def test_a_broker_whose_answer_is_late_is_asked_aside(broker: ScriptedBroker, turning: Turning, until: Any) -> None:
    inlet, outlet = broker.let_in()
    window = turning.connection.window
    for mid in range(1, 1101):
        inlet.publish("quotes", b"x", mid)
    until(lambda: len(turning.connection.inbox) == 1100, "the messages")
    for _ in range(1100):
        turning.settle()
    inlet.read_until(SUBSCRIBE)  # it is not answered: before the answer come messages, and more messages
    outlet.suback(0)
    echo = inlet.read_until(PUBLISH)
    assert window.unproven >= 1000
    assert window.settled is None
    outlet.publish(echo.topic, b'"of another process:1"', 0, qos=0)
    outlet.publish(echo.topic, echo.body[3 + len(echo.topic) :], 0, qos=0)
    # The last that were settled may be acknowledged after the proof.
    until(lambda: len(window) == window.unproven <= 100, "the proof")
    assert window.settled is not None


def test_messages_are_settled_in_order(broker: ScriptedBroker, turning: Turning, until: Any) -> None:
    inlet, _ = broker.let_in()
    inlet.publish("quotes", b"x", 1)
    inlet.publish("quotes", b"y", 2)
    until(lambda: len(turning.connection.inbox) == 2, "the messages")
    with turning.lock, pytest.raises(ValueError, match="in the order"):
        turning.connection.settle(turning.connection.inbox[1], [])


def test_who_loses_its_session_is_told(broker: ScriptedBroker, turning: Turning, until: Any, caplog: Any) -> None:
    inlet, _ = broker.let_in()
    inlet.sock.close()
    broker.let_in()
    until(lambda: turning.connection.ready, "the connection")
    assert "the broker forgot the session" in caplog.text


def test_who_is_thrown_out_again_and_again_is_told_why(
    broker: ScriptedBroker, turning: Turning, until: Any, caplog: Any
) -> None:
    for _ in range(3):
        assert "another connector" not in caplog.text
        inlet, _ = broker.let_in()
        inlet.sock.close()
    until(lambda: "is there another connector with the id intuition-test-mqtt?" in caplog.text, "the hint")


def test_no_more_is_in_flight_than_the_broker_receives(broker: ScriptedBroker, turning: Turning, until: Any) -> None:
    inlet, outlet = broker.let_in(b"\x21\x00\x03")  # receive maximum: 3
    inlet.publish("quotes", b"x", 1)
    until(lambda: turning.connection.inbox, "the message")
    turning.settle(*"abcde")
    first = [outlet.read() for _ in range(3)]
    assert outlet.says_nothing()
    outlet.ack(first[0])
    assert outlet.read().body[-1:] == b"d"
    assert outlet.says_nothing()


def test_a_session_that_is_kept_for_less_than_was_asked_for_is_told_once(
    broker: ScriptedBroker, turning: Turning, until: Any, caplog: Any
) -> None:
    for _ in range(2):
        inlet, _ = broker.let_in(b"\x11\x00\x00\x00\x05")  # session expiry: 5 s
        inlet.sock.close()
    until(lambda: "lost the broker" in caplog.text, "the loss")
    assert caplog.text.count("keeps messages for a connector that is away for 5 s, and not for 60") == 1


def test_a_size_that_was_not_announced_is_learnt_from_its_refusal(
    broker: ScriptedBroker, turning: Turning, until: Any, caplog: Any
) -> None:
    inlet, outlet = broker.let_in()
    inlet.publish("quotes", b"x", 1)
    until(lambda: turning.connection.inbox, "the message")
    with turning.lock:
        delivery = turning.connection.inbox[0]
        records = [Publication("out", b"a", record="s:1:0"), Publication("out", b"b" * 5000, record="s:1:1")]
        turning.connection.settle(delivery, records)
    for _ in range(2):
        outlet.read()
    outlet.send(DISCONNECT, b"\x95\x00")
    inlet, outlet = broker.meet_both()
    inlet.accept(resumed=True)
    outlet.accept()
    inlet.suback()
    seen: list[Packet] = []
    while len([packet for packet in seen if packet.topic in ("out", "intuition/1/test/dead")]) < 2:
        seen.append(outlet.read())
        outlet.ack(seen[-1])
    assert [packet.topic for packet in seen if packet.topic == "out"] == ["out"]
    assert max(len(packet.body) for packet in seen) < 5000
    until(lambda: turning.connection.outbox.published == "s:1:1", "both to count as published")
    assert "another connector" not in caplog.text


@pytest.mark.parametrize("reason", [0x90, 0x99])
def test_a_publication_that_is_refused_for_itself_goes_to_dead_and_ends_nothing(
    broker: ScriptedBroker, turning: Turning, until: Any, reason: int
) -> None:
    inlet, outlet = broker.let_in()
    inlet.publish("quotes", b"x", 1)
    until(lambda: turning.connection.inbox, "the message")
    turning.settle("s:1:0")
    outlet.ack(outlet.read(), reason)
    letter = outlet.read()
    assert letter.topic == "intuition/1/test/dead"
    outlet.ack(letter, reason)  # not even that: it is left out
    until(lambda: turning.connection.acked == 1, "the acknowledgement")
    assert turning.connection.outbox.drained
    assert turning.error is None


def test_what_ends_each_connection_without_a_word_goes_to_dead_in_the_end(
    broker: ScriptedBroker, turning: Turning, until: Any
) -> None:
    """A broker of MQTT 3.1.1 closes the connection on what is too large for it, and says nothing."""
    with turning.lock:
        records = [Publication("out", b"a" * 100, record="s:1:0"), Publication("out", b"b" * 9000, record="s:1:1")]
        turning.connection.outbox.add(records)
    sent = 0
    for _ in range(10):
        inlet, outlet = broker.meet_both()
        inlet.accept()
        outlet.accept()
        inlet.suback()
        seen: list[Packet] = []
        while not seen or (len(seen[-1].body) < 9000 and seen[-1].topic != "intuition/1/test/dead"):
            seen.append(outlet.read())
            if len(seen[-1].body) < 9000:
                outlet.ack(seen[-1])
        if seen[-1].topic == "intuition/1/test/dead":
            break
        sent += 1
        until(lambda: turning.connection.ready, "the connection")
        outlet.sock.close()
    assert sent == 5
    until(lambda: turning.connection.outbox.published == "s:1:1", "both to count as published")
