import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_connector_mqtt.topics import Topics, find_channel, is_name, name_from, subscriptions

from intuition_core.errors import BadData


def test_one_filter_matches_a_channel_and_what_is_below() -> None:
    assert subscriptions(["quotes", "news/eu"]) == ["quotes/#", "news/eu/#"]


@pytest.mark.parametrize(
    ("topic", "found"),
    [
        ("quotes", ("quotes", None)),
        ("quotes/", ("quotes", None)),
        ("quotes/GOOG", ("quotes", "GOOG")),
        ("quotes/us/GOOG", ("quotes/us", "GOOG")),
        ("quotes/eu/SAP", ("quotes", "eu/SAP")),
    ],
)
def test_the_longest_channel_that_matches_counts(topic: str, found: tuple[str, str | None]) -> None:
    assert find_channel(topic, ["quotes", "quotes/us", "news"]) == found


def test_a_topic_of_no_channel_is_named_as_such() -> None:
    with pytest.raises(BadData, match="none of the channels quotes, news"):
        find_channel("quotesque", ["quotes", "news"])


@pytest.mark.parametrize(
    ("record", "topic"),
    [
        ({"type": "decision"}, "decisions"),
        ({"side": "buy"}, "decisions"),
        ({"type": "fill"}, "fills"),
        ({"type": "rejection"}, "rejections"),
        ({"type": "error"}, "errors"),
        ({"type": "control"}, "control"),
        ({"type": "action"}, "actions"),
        ({"type": "message", "channel": "momentum"}, "messages/momentum"),
    ],
)
def test_a_record_goes_where_its_type_says(record: dict[str, str], topic: str) -> None:
    assert Topics("s").of(record) == f"intuition/1/s/{topic}"


@pytest.mark.parametrize(
    "record",
    [
        "buy",
        7,
        None,
        {"type": "order"},
        {"type": 7},
        {"type": []},
        {"type": "message"},
        {"type": "message", "channel": "#"},
    ],
)
def test_what_is_no_record_has_no_topic(record: object) -> None:
    with pytest.raises(BadData):
        Topics("s").of(record)


@given(st.text())
def test_a_name_can_be_made_of_anything(text: str) -> None:
    assert is_name(name_from(text))


def test_a_name_made_of_an_address_is_readable() -> None:
    assert name_from("tcp://127.0.0.1:4242") == "tcp-127.0.0.1-4242"


MESSAGE = {
    "type": "message",
    "id": "s.1:7:0",
    "ts": 5,
    "sid": "GOOG",
    "channel": "sma",
    "data": {"sid": "GOOG", "value": 3.5, "channel": "quotes", "id": "mine"},
}


def test_a_message_can_be_an_event_on_its_channel() -> None:
    topics = Topics("s", messages="channel")
    assert topics.of(MESSAGE) == "sma/GOOG"
    assert topics.content(MESSAGE) == {"sid": "GOOG", "value": 3.5, "ts": 5, "id": "s.1:7:0", "source": "s"}
    assert topics.summary()["messages"] == "<channel>/<sid>"


def test_unless_asked_for_a_message_is_the_record() -> None:
    assert Topics("s").content(MESSAGE) is MESSAGE
    decision = {"type": "decision", "id": "s.1:7:0"}
    assert Topics("s", messages="channel").content(decision) is decision
    assert Topics("s", messages="channel").of(decision) == "intuition/1/s/decisions"


@pytest.mark.parametrize("sid", [None, "", "EUR/USD", "a+b", "a#", 7])
def test_a_symbol_that_cannot_be_a_level_of_a_topic_stays_in_the_payload(sid: object) -> None:
    topics = Topics("s", messages="channel")
    message = {**MESSAGE, "data": {"sid": sid}}
    assert topics.of(message) == "sma"
    assert topics.content(message)["sid"] == sid


def test_an_event_never_looks_like_a_price() -> None:
    with pytest.raises(BadData, match="would look like a price"):
        Topics("s", messages="channel").of({**MESSAGE, "channel": "quotes"})
    with pytest.raises(BadData, match="no object"):
        Topics("s", messages="channel").of({**MESSAGE, "data": 7})


@pytest.mark.parametrize("channel", ["quotes", "actions", "rates"])
def test_a_message_of_a_part_is_no_event_that_is_booked(channel: str) -> None:
    record = {"type": "message", "channel": channel, "data": {"sid": "A", "action": "split", "ratio": "2:1"}}
    with pytest.raises(BadData, match="would"):
        Topics("s", messages="channel").of(record)
