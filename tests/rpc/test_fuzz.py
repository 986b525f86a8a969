"""Ten thousand things that a stranger may send, all to one server in a process of its own; or a hundred thousand."""

import math
import random
import socket
import subprocess
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import msgpack
import pytest
import zmq

from intuition_core.rpc.client import Client

ROUNDS = 10
MANY_ROUNDS = 100
PER_ROUND = 1_000
SEED = 20_130_801
GROWTH = 20_000_000
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(16 + 1 + 31)


def odd_value(rng: random.Random, depth: int = 3) -> object:
    """A value that some reader may not expect."""
    if depth and rng.random() < 0.4:
        inner = [odd_value(rng, depth - 1) for _ in range(rng.randrange(4))]
        if rng.random() < 0.5:
            return inner
        keys = ["message_id", "response_to", "v", "sid", "quote", "goog", b"k", 7, None]
        return {rng.choice(keys): value for value in inner}
    return rng.choice(
        [
            None,
            True,
            0,
            -1,
            2**63,
            2**64 - 1,
            -(2**63),
            math.nan,
            math.inf,
            "",
            "goog",
            "\x00",
            "x" * rng.randrange(70_000),
            b"",
            rng.randbytes(rng.randrange(100)),
            msgpack.ExtType(rng.randrange(128), b"x"),
            msgpack.Timestamp(1),
            "3.45",
            "NaN",
        ]
    )


def odd_header(rng: random.Random) -> object:
    """A header that is wrong in one way or another, or just right."""
    header: dict[object, object] = {"message_id": rng.randbytes(8), "v": 3}
    for _ in range(rng.randrange(3)):
        key = rng.choice(["message_id", "response_to", "v", "more"])
        header[key] = rng.choice([[], {}, [[]], {"a": []}, odd_value(rng)])
    if rng.random() < 0.2:
        header.pop(rng.choice(["message_id", "v"]), None)
    return header if rng.random() < 0.9 else odd_value(rng)


def odd_message(rng: random.Random) -> bytes:
    """Valid msgpack, mostly in the shape of a message."""
    name = rng.choice(["event", "echo", "_zpc_hb", "_zpc_more", "_zerorpc_inspect", "__class__", "OK", odd_value(rng)])
    args = [odd_value(rng) for _ in range(rng.randrange(4))] if rng.random() < 0.7 else odd_value(rng)
    message = [odd_header(rng), name, args][: rng.choice([3, 3, 3, 3, 2, 0])]
    return msgpack.packb(message + [odd_value(rng)] * (rng.random() < 0.05))


def mutated(rng: random.Random) -> bytes:
    """A good message with some bytes changed, cut or added."""
    blob = bytearray(msgpack.packb([{"message_id": b"1", "v": 3}, "event", [{"sid": "GOOG", "quote": 3.45}]]))
    for _ in range(rng.randrange(1, 6)):
        blob[rng.randrange(len(blob))] = rng.randrange(256)
    if rng.random() < 0.3:
        del blob[rng.randrange(len(blob)) :]
    return bytes(blob) + rng.randbytes(rng.choice([0, 0, 0, 5]))


def monster(rng: random.Random) -> bytes:
    """Small, but large or deep by its own account; or beyond 64 bits."""
    head = b"\x93" + msgpack.packb({"message_id": b"1", "v": 3}) + b"\xa5event"
    length = rng.choice([2**32 - 1, 2**31, 100_000_000, 1_000_000]).to_bytes(4, "big")
    claim = bytes([rng.choice([0xDD, 0xDF, 0xDB, 0xC6, 0xC9])]) + length
    deep = rng.choice([b"\x91", b"\x81\xa1k"]) * rng.choice([600, 5_000, 100_000])
    return rng.choice(
        [head + claim, head + b"\x91" + claim, b"\x93" + claim, claim, head + deep, deep, head + b"\xcf" + b"\xff" * 8]
    )


def odd_frames(rng: random.Random) -> list[bytes]:
    """What a peer that speaks ZeroMQ may send."""
    make = rng.choice(
        [odd_message, odd_message, odd_message, mutated, mutated, monster, lambda r: r.randbytes(r.randrange(300))]
    )
    blob = make(rng)
    if rng.random() < 0.05:
        blob = msgpack.packb([{"message_id": b"1", "response_to": []}, "x", 0])
    envelopes: list[list[bytes]] = [[b""]] * 8 + [[], [b""] * 99, [rng.randbytes(300), b""], [rng.randbytes(5)] * 3]
    return [*rng.choice(envelopes), blob]


def odd_stream(rng: random.Random) -> bytes:
    """What a peer that does not may send."""
    return rng.choice(
        [
            b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            rng.randbytes(rng.randrange(1, 2_000)),
            b"\xff" + rng.randbytes(63),
            GREETING + rng.randbytes(50),
            GREETING + b"\x02" + (1 << 33).to_bytes(8, "big"),
            GREETING[: rng.randrange(64)],
            b"",
        ]
    )


class Stranger:
    """Sends bad inputs to one address."""

    def __init__(self, address: str, rng: random.Random) -> None:
        self._address = address
        self._rng = rng
        self._context = zmq.Context()

    def close(self) -> None:
        self._context.destroy(linger=0)

    def _dealer(self) -> zmq.Socket[bytes]:
        dealer = self._context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        dealer.setsockopt(zmq.SNDTIMEO, 20_000)
        dealer.setsockopt(zmq.RCVTIMEO, 20_000)
        dealer.connect(self._address)
        return dealer

    def send(self, count: int) -> None:
        """Send so many, and come back when the server has read them all."""
        dealer = self._dealer()
        for _ in range(count - 22):
            dealer.send_multipart(odd_frames(self._rng))
            while dealer.poll(0):
                dealer.recv_multipart()
        dealer.send_multipart([b"", msgpack.packb([{"message_id": b"last", "v": 3}, "_zerorpc_ping", []])])
        while msgpack.unpackb(dealer.recv_multipart()[-1], strict_map_key=False)[0].get("response_to") != b"last":
            pass
        dealer.close()
        for _ in range(20):
            self._raw(odd_stream(self._rng))
        for size in (10_000_000, (1 << 20) + 1):
            self._oversized(size)

    def _raw(self, sent: bytes) -> None:
        parts = urlsplit(self._address)
        with socket.create_connection((parts.hostname, parts.port), timeout=10) as peer:
            peer.sendall(sent)

    def _oversized(self, size: int) -> None:
        dealer = self._dealer()
        monitor = dealer.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        dealer.send_multipart([b"", bytes(size)])
        assert monitor.poll(10_000), "it was not dropped"
        dealer.disable_monitor()
        monitor.close()
        dealer.close()


def memory(pid: int) -> int:
    """Resident bytes of a process."""
    return int(subprocess.check_output(["ps", "-o", "rss=", "-p", str(pid)])) * 1024


@pytest.mark.parametrize(
    "rounds",
    [ROUNDS, pytest.param(MANY_ROUNDS, marks=[pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(1200)])],
)
def test_after_each_thousand_bad_inputs_the_server_still_answers_and_has_not_grown(
    python: Callable[..., tuple[subprocess.Popen[str], str]], rounds: int
) -> None:
    process, address = python("served.py")
    stranger = Stranger(address, random.Random(SEED))
    try:
        with Client(address) as probe:
            stranger.send(PER_ROUND)  # what is allocated once
            before = memory(process.pid)
            for _ in range(rounds):
                stranger.send(PER_ROUND)
                start = time.monotonic()
                assert probe.call("event", {"goog": 3.45}) == []
                assert time.monotonic() - start < 5
                assert memory(process.pid) - before < GROWTH
    finally:
        stranger.close()
    assert process.poll() is None
