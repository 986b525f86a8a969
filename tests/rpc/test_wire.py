import decimal
import math
import threading
import time

import gevent
import msgpack
import pytest
import zerorpc
import zmq
from hypothesis import example, given
from hypothesis import strategies as st

from intuition_core.rpc import wire

HEADER = {"message_id": b"1", "v": 3}


def read(blob: bytes, *envelope: bytes) -> wire.Message:
    return wire.read([zmq.Frame(frame) for frame in (*envelope, blob)])


def nested(depth: int) -> bytes:
    return b"\x93" + msgpack.packb(HEADER) + msgpack.packb("event") + b"\x91" * depth + b"\xc0"


def test_a_good_message_is_read_with_its_envelope() -> None:
    message = read(msgpack.packb([HEADER, "event", [{"goog": 3.45}]]), b"peer", b"")
    assert (message.envelope, message.name, message.args) == ((b"peer",), "event", [{"goog": 3.45}])
    assert (message.message_id, message.response_to) == (b"1", None)


@pytest.mark.parametrize(
    "header",
    [
        {"message_id": b"1", "response_to": [], "v": 3},
        {"message_id": b"1", "response_to": {}, "v": 3},
        {"message_id": [], "v": 3},
        {"message_id": 7, "v": 3},
        {"message_id": b"", "v": 3},
        {"message_id": b"x" * 65, "v": 3},
        {"v": 3},
        [],
        None,
    ],
)
def test_without_a_sound_header_there_is_nobody_to_answer(header: object) -> None:
    with pytest.raises(wire.Unreadable) as caught:
        read(msgpack.packb([header, "event", []]))
    assert caught.value.header is None


@pytest.mark.parametrize(
    ("blob", "problem"),
    [
        (msgpack.packb([HEADER, "event", [{1: 2}]]), "a key that is no text"),
        (nested(5_000), "nested too deeply"),
        (b"\x93" + msgpack.packb(HEADER) + b"\xa5event\x91\xa1\xff", "no valid Unicode"),
        (msgpack.packb([HEADER, "event", [msgpack.ExtType(5, b"x")]]), "a msgpack extension"),
        (msgpack.packb([HEADER, "event", []]) + b"\x00", "after the end"),
        (msgpack.packb([HEADER, "event", []])[:-1], "incomplete"),
        (msgpack.packb([HEADER, 7, []]), "a name"),
        (msgpack.packb([HEADER, "", []]), "a name"),
        (msgpack.packb([HEADER, "x" * 1000, []]), "a name"),
        (msgpack.packb([HEADER, "event", {}]), "arguments as an array"),
        (msgpack.packb([{"message_id": "a"}, "event", []]), "`v`"),
        (msgpack.packb([{"message_id": "a", "v": "3"}, "event", []]), "`v`"),
        (msgpack.packb([{"message_id": "a", "v": True}, "event", []]), "`v`"),
    ],
)
def test_what_is_wrong_is_said_to_the_sender_that_the_header_names(blob: bytes, problem: str) -> None:
    with pytest.raises(wire.Unreadable, match=problem) as caught:
        read(blob, b"peer", b"")
    assert caught.value.header is not None
    assert caught.value.envelope == (b"peer",)


@pytest.mark.parametrize("frames", [100, wire.MAX_ENVELOPE + 3])
def test_an_envelope_has_an_end(frames: int) -> None:
    with pytest.raises(wire.Unreadable, match="envelope"):
        read(msgpack.packb([HEADER, "event", []]), *[b"x"] * (frames - 1))


# Everything that msgpack can pack, keys and integers included that it cannot unpack.
packable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=3)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=3) | st.binary(max_size=3) | st.integers(0, 9), inner, max_size=4)
        | st.dictionaries(st.sampled_from(["message_id", "response_to", "v"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(st.binary(max_size=200) | st.builds(msgpack.packb, packable | st.lists(packable, min_size=3, max_size=3)))
@example(b"")
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\x93\xdf\xff\xff\xff\xff")
@example(b"\x91" * 100_000)
@example(msgpack.packb([{"message_id": b"1", "response_to": []}, "x", 0]))
def test_any_bytes_are_a_message_or_unreadable(blob: bytes) -> None:
    try:
        message = read(blob, b"peer", b"")
    except wire.Unreadable as refused:
        error = refused
    else:
        assert isinstance(message.message_id, bytes | str)
        assert message.response_to is None or isinstance(message.response_to, bytes | str)
        assert isinstance(message.name, str)
        assert message.response_to is not None or isinstance(message.args, list)
        return
    assert error.problem
    assert error.header is None or isinstance(error.header["message_id"], bytes | str)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (decimal.Decimal(1), "Decimal"),
        ({1, 2}, "set"),
        (2**64, "beyond 64 bits"),
        ("\ud800", "no valid Unicode"),
        ("x" * 2000, "over the limit of 1,000"),
    ],
)
def test_what_cannot_be_packed_is_named(value: object, problem: str) -> None:
    with pytest.raises(wire.Unsendable, match=problem):
        wire.packed(HEADER, "OK", (value,), limit=1000)


@given(packable)
def test_what_is_sendable_can_be_read(value: object) -> None:
    blob = wire.packed(HEADER, "OK", (value,), limit=100_000)
    try:
        wire.check_sendable(blob)
    except wire.Unsendable:
        with pytest.raises(wire.Unreadable):
            read(blob)
    else:
        assert read(blob).name == "OK"


@given(st.text(st.characters(), max_size=50) | st.text(st.characters(categories=["Cs"]), max_size=5))
def test_cleaned_text_can_always_be_sent(text: str) -> None:
    assert len(wire.cleaned(text).encode()) >= len(text)
    assert len(wire.cleaned(text, 10)) <= 10


def test_cleaning_survives_what_cannot_be_shown() -> None:
    class Rude(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert wire.cleaned(Rude()) == "an unreadable Rude"
    assert wire.cleaned(math.inf) == "inf"


def test_a_message_that_comes_as_the_timer_of_its_reader_ends_is_read_and_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with zmq.Context() as plain, plain.socket(zmq.DEALER) as sender, zerorpc.Context() as context:
        events = wire.Events(zmq.DEALER, context, max_message=1000, linger=0, unreadable=lambda error: None)
        try:
            port = sender.bind_to_random_port("tcp://127.0.0.1")
            events.connect(f"tcp://127.0.0.1:{port}")
            reading = gevent.spawn(events.receive)
            gevent.sleep(0.2)  # it waits now, for a second at a time
            blob = msgpack.packb([HEADER, "event", []])
            sending = threading.Timer(0.5, sender.send_multipart, ([b"", blob],))
            sending.start()
            time.sleep(1.5)  # the hub stands still: both the timer and the message are due when it goes on
            sending.join()
            assert reading.get(timeout=60).name == "event"
        finally:
            events.close()
    assert caplog.records == []
