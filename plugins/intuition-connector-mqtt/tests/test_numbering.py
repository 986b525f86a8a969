"""Ids and numbers of what is replayed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_connector_mqtt.numbering import Numbering, source_name

events = st.lists(
    st.fixed_dictionaries(
        {
            "channel": st.sampled_from(["quotes", "bars"]),
            "sid": st.sampled_from(["A", "B", "C/D", "E+"]),
            "quote": st.sampled_from([1.0, 2.0]),
            "ts": st.integers(0, 3),
        },
        optional={"volume": st.integers(0, 1)},
    ),
    max_size=30,
).map(lambda found: sorted(found, key=lambda event: event["ts"]))


def numbered(found: list[dict[str, Any]], **options: Any) -> list[tuple[str, dict[str, Any]]]:
    numbering = Numbering("shop", **options)
    return [(topic, json.loads(payload)) for topic, payload in map(numbering.message, found)]


@given(events)
def test_every_event_has_an_id_of_its_own_and_always_the_same(found: list[dict[str, Any]]) -> None:
    messages = numbered(found)
    ids = [payload["id"] for _, payload in messages]
    assert len(set(ids)) == len(ids)
    assert messages == numbered([dict(reversed(event.items())) for event in found])


@given(events.flatmap(st.permutations))
def test_what_comes_late_has_an_id_of_its_own_too(found: list[dict[str, Any]]) -> None:
    ids = [payload["id"] for _, payload in numbered(found)]
    assert len(set(ids)) == len(ids)
    ordered = sorted(found, key=lambda event: event["ts"])
    assert sorted(ids) == sorted(payload["id"] for _, payload in numbered(ordered))


@given(events, st.sets(st.sampled_from(["A", "B", "C/D", "E+"])), st.integers(0, 3))
def test_an_id_does_not_depend_on_what_else_was_asked_for(
    found: list[dict[str, Any]], symbols: set[str], start: int
) -> None:
    part = [event for event in found if event["sid"] in symbols and event["ts"] >= start]
    ids = {payload["id"] for _, payload in numbered(found) if payload["sid"] in symbols and payload["ts"] >= start}
    assert {payload["id"] for _, payload in numbered(part)} == ids


@given(events)
def test_numbers_count_on_each_topic(found: list[dict[str, Any]]) -> None:
    numbers: dict[str, list[int]] = {}
    for topic, payload in numbered(found):
        numbers.setdefault(topic, []).append(payload["seq"])
    assert all(counted == list(range(1, len(counted) + 1)) for counted in numbers.values())


def test_a_split_goes_to_its_own_channel_whatever_the_topic_of_quotes() -> None:
    split = {"channel": "actions", "sid": "A", "action": "split", "ratio": "2:1", "ts": 1}
    quote = {"channel": "quotes", "sid": "A", "quote": 1.0, "ts": 1}
    for topic in ("prices", "actions", None):
        [(where, told), (_, plain)] = numbered([split, quote], topic=topic)
        assert where == "actions/A"
        assert "channel" not in told
        assert "channel" not in plain


@given(events)
def test_what_an_event_says_is_all_there(found: list[dict[str, Any]]) -> None:
    for event, (topic, payload) in zip(found, numbered(found), strict=True):
        plain = {key: value for key, value in payload.items() if key not in {"id", "source", "seq"}}
        assert {**plain, "channel": topic.partition("/")[0]} == event
        assert topic in {event["channel"], f"{event['channel']}/{event['sid']}"}


def test_a_topic_that_is_given_goes_before_the_channel() -> None:
    ((topic, payload),) = numbered([{"channel": "quotes", "sid": "A", "quote": 1.0, "ts": 1}], topic="prices/fast")
    assert topic == "prices/fast/A"
    assert "channel" not in payload


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ((), "csv"),
        (("prices.csv",), "csv:prices.csv"),
        (("./some/where/prices.csv", "more.csv"), "csv:prices.csv,more.csv"),
        (("postgresql://ann:geheim@db:5432/market?password=geheim",), "csv:postgresql://db:5432/market"),
        (("sqlite:///folder/prices.db",), "csv:sqlite:///folder/prices.db"),
        (("http://[",), "csv:http://["),
    ],
)
def test_a_source_is_named_after_what_it_reads(data: tuple[str, ...], name: str) -> None:
    assert source_name("csv", data) == name
