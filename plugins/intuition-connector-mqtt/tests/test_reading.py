import json
import random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_connector_mqtt.reading import MAX_CALL, read_item

from intuition_core.errors import BadData

CHANNELS = ["quotes"]


def read(payload: Any, topic: str = "quotes") -> Any:
    encoded = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return read_item(topic, encoded, CHANNELS)


def test_one_event_travels_alone() -> None:
    assert read({"sid": "GOOG", "quote": "345", "ts": 1}).wire == {
        "channel": "quotes",
        "sid": "GOOG",
        "quote": 345.0,
        "ts": 1,
    }


def test_several_events_travel_as_an_array() -> None:
    wire = read({"goog": 3.45, "aapl": 1.2}).wire
    assert [(event["sid"], event["quote"]) for event in wire] == [("goog", 3.45), ("aapl", 1.2)]


def test_the_topic_names_the_symbol_of_a_bare_quote() -> None:
    assert read({"quote": 3.45}, "quotes/GOOG").wire["sid"] == "GOOG"
    assert read(3.45, "quotes/GOOG").wire["quote"] == 3.45


def test_the_size_is_what_travels() -> None:
    item = read({"goog": 3.45, "aapl": 1.2})
    assert item.size == sum(len(msgspec.msgpack.encode(event)) for event in item.wire)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "no JSON"),
        (b"{", "no JSON"),
        (b'{"goog": NaN}', "no JSON"),
        (b'{"goog": 1e400}', "no JSON|finite|range"),
        (b"\xff\xfe", "no JSON"),
        (b'{"goog": "\\ud800"}', "no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"sid": "G", "quote": 1, "x": ' + b"[" * 40 + b"]" * 40 + b"}", "nested deeper"),
        (b'{"sid": "G", "quote": 1, "n": 18446744073709551616}', "64 bits|no JSON"),
        (b'{"goog": -1}', "above zero"),
        (b'{"goog": 0}', "above zero"),
        (b"[]", "empty array"),
        (b'{"sid": "GOOG"}', "quote"),
    ],
)
def test_what_cannot_be_read_has_a_reason(payload: bytes, reason: str) -> None:
    with pytest.raises(BadData, match=reason):
        read(payload)


def test_a_payload_holds_at_most_a_thousand_events() -> None:
    objects = [{f"s{n}": 1.0 for n in range(500)}] * 2
    assert len(read(objects).events) == 1000
    with pytest.raises(BadData, match="at most 1000 at once"):
        read([*objects, {"goog": 3.45}])


def test_what_is_said_once_counts_for_every_symbol() -> None:
    payload = {"volume": "9" * 100_000, **{f"s{n}": 1.0 for n in range(100)}}
    with pytest.raises(BadData, match=f"more than {MAX_CALL} bytes"):
        read(payload)


LEAVES = st.none() | st.booleans() | st.floats() | st.integers() | st.text()
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner))


@given(st.binary(max_size=200) | TREES.map(lambda tree: json.dumps(tree).encode()))
def test_anything_is_read_or_refused_with_a_reason(payload: bytes) -> None:
    try:
        item = read(payload)
    except BadData as error:
        assert str(error)  # noqa: PT017  # either outcome is right
    else:
        assert item.events
        assert all(event["channel"] for event in item.events)


def test_garbage_by_the_thousand_never_breaks_the_reader() -> None:
    dice = random.Random(11)
    good = b'{"sid": "GOOG", "quote": 345.5, "ts": 1, "list": [1, {"a": null}]}'
    refused = 0
    for _ in range(10_000):
        payload = bytearray(good)
        for _ in range(dice.randint(1, 4)):
            payload[dice.randrange(len(payload))] = dice.randrange(256)
        try:
            read(bytes(payload[: dice.randint(0, 2 * len(payload))]))
        except BadData:
            refused += 1
    assert refused > 5_000


@pytest.mark.parametrize("channel", ["actions", "rates", "news", "quotes/x"])
@pytest.mark.parametrize("wrap", [lambda event: event, lambda event: [{"goog": 1.0}, event]])
def test_a_payload_cannot_leave_the_channel_of_its_topic(channel: str, wrap: Any) -> None:
    """Who may publish quotes could make a split, past the broker's access rules."""
    payload = msgspec.json.encode(wrap({"channel": channel, "sid": "goog", "action": "split", "ratio": "2:1"}))
    with pytest.raises(BadData, match=f"names the channel `{channel}` on a topic of `quotes`"):
        read_item("quotes/x", payload, ["quotes", "actions", "rates", "news"])


def test_a_payload_may_repeat_the_channel_of_its_topic() -> None:
    payload = b'{"channel": "actions", "sid": "goog", "action": "split", "ratio": "2:1"}'
    assert read_item("actions/goog", payload, ["quotes", "actions"]).events[0]["channel"] == "actions"
