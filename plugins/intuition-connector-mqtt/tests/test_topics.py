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
