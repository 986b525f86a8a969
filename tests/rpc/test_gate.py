import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

import msgpack
import pytest
import zerorpc
import zmq
from support import eventually

from intuition_core.rpc import gate, throttle
from intuition_core.rpc.server import Method, Server

Lines = Callable[[int], list[str]]
LIMIT = 100_000

GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(16 + 1 + 31)
READY = b"\x04\x1c\x05READY\x0bSocket-Type\x00\x00\x00\x06DEALER"


@pytest.fixture(autouse=True)
def every_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "QUIET", 0)


@pytest.fixture
def address(start: Callable[..., tuple[str, Server]]) -> str:
    return start({"event": Method(lambda data: [], queued=True)}, max_message=LIMIT)[0]


@contextmanager
def dealer(address: str) -> Iterator[tuple[zmq.Socket[bytes], zmq.Socket[bytes]]]:
    """A socket that does not connect again by itself, and what its monitor says."""
    context = zmq.Context()
    sender = context.socket(zmq.DEALER)
    sender.setsockopt(zmq.LINGER, 0)
    sender.setsockopt(zmq.RECONNECT_IVL, -1)
    monitor = sender.get_monitor_socket(zmq.EVENT_DISCONNECTED)
    sender.connect(address)
    try:
        yield sender, monitor
    finally:
        sender.disable_monitor()
        monitor.close()
        sender.close()
        context.term()


def stream(address: str) -> socket.socket:
    parts = urlsplit(address)
    return socket.create_connection((parts.hostname, parts.port), timeout=10)


def dropped(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("dropped the connection")]


@pytest.mark.parametrize("size", [LIMIT + 1, 10_000_000])
def test_every_message_over_the_limit_is_logged_with_the_limit(address: str, warnings_of: Lines, size: int) -> None:
    for _ in range(20):
        with dealer(address) as (sender, monitor):
            sender.send_multipart([b"", bytes(size)])
            assert monitor.poll(10_000)
    eventually(lambda: len(dropped(warnings_of(logging.WARNING))) == 20)
    assert all("127.0.0.1:" in line and "100,000 bytes" in line for line in dropped(warnings_of(logging.WARNING)))


def test_the_caller_of_a_call_that_was_dropped_can_call_again(address: str) -> None:
    client = zerorpc.Client(address, heartbeat=1)
    try:
        with pytest.raises((zerorpc.LostRemote, zerorpc.TimeoutExpired)):
            client.event("x" * LIMIT, timeout=2)
        assert client.event("x") == []
    finally:
        client._events.setsockopt(zmq.LINGER, 0)
        client.close()


def test_peers_who_come_and_go_are_not_accused(address: str, warnings_of: Lines) -> None:
    request = msgpack.packb(({"message_id": b"1", "v": 3}, "event", [1]))

    def visit() -> None:
        for _ in range(25):
            with dealer(address) as (sender, _):
                sender.send_multipart([b"", request])
                assert sender.poll(10_000)

    visitors = [threading.Thread(target=visit) for _ in range(4)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    eventually(lambda: len([line for line in warnings_of(logging.DEBUG) if "closed its connection" in line]) == 100)
    assert warnings_of(logging.INFO) == []


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00",
        b"\x00" * 500,
        b"",
        b"\xff",
    ],
)
def test_whoever_does_not_speak_the_protocol_is_refused(address: str, warnings_of: Lines, sent: bytes) -> None:
    with stream(address) as peer, suppress(OSError):  # it may be thrown out before it has said all
        peer.sendall(sent)
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(1000):
            pass
    eventually(lambda: [line for line in warnings_of(logging.INFO) if line.startswith("refused")])
    assert warnings_of(logging.WARNING) == []


def test_a_peer_who_claims_more_than_it_sends_is_dropped_too(address: str, warnings_of: Lines) -> None:
    with stream(address) as peer:
        peer.sendall(GREETING)
        received = b""
        while len(received) < len(GREETING):
            received += peer.recv(1000)
        peer.sendall(READY)
        while b"READY" not in received:
            received += peer.recv(1000)
        peer.sendall(b"\x02" + (1 << 33).to_bytes(8, "big"))
        while peer.recv(1000):
            pass
    eventually(lambda: dropped(warnings_of(logging.WARNING)))


def test_connections_that_say_nothing_make_room_for_those_that_do(
    address: str, warnings_of: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate, "MAX_SILENT", 10)
    client = zerorpc.Client(address)
    held = []
    try:
        assert client.event(1) == []
        for _ in range(60):
            peer = stream(address)
            held.append(peer)
            peer.sendall(b"\xff")
        other = zerorpc.Client(address)
        try:
            assert other.event(2) == []
        finally:
            other.close()
        assert client.event(3) == []
        gone = held[:40]
        for peer in gone:
            while peer.recv(1000):
                pass
    finally:
        for peer in held:
            peer.close()
        client.close()
    assert [line for line in warnings_of(logging.WARNING) if line.startswith("ended the connection of 127.0.0.1:")]


@pytest.mark.parametrize("limit", ["MAX_OF_ONE", "MAX_CONNECTIONS"])
def test_the_connection_that_was_silent_for_longest_makes_room(
    start: Callable[..., tuple[str, Server]], monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(gate, limit, 3)
    address, _ = start({"event": Method(lambda data: [], queued=True)})
    request = msgpack.packb(({"message_id": b"1", "v": 3}, "event", [1]))
    with dealer(address) as (first, first_end), dealer(address) as (second, end), dealer(address) as (third, _):
        for sender in (first, second, third, first):
            sender.send_multipart([b"", request])
            assert sender.poll(10_000)
            sender.recv_multipart()
        with dealer(address) as (fourth, _):
            fourth.send_multipart([b"", request])
            assert fourth.poll(10_000)
            assert end.poll(10_000)
            assert not first_end.poll(0)


def test_the_limit_of_descriptors_is_raised_and_connections_keep_below_it() -> None:
    look = """
import resource
from intuition_core.rpc.gate import max_connections, raise_descriptor_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 1_024))
print(max_connections())
raise_descriptor_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], max_connections())
"""
    told = subprocess.run([sys.executable, "-c", look], check=True, timeout=60, capture_output=True, text=True).stdout
    assert told.split() == ["64", "1024", "448"]
