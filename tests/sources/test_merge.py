import itertools
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.sources.merge import by_kind, merge, ordered, rank

Course = list[list[dict[str, Any]]]


KINDS: dict[str, dict[str, Any]] = {
    "rate": {"channel": "rates"},
    "bar": {"channel": "quotes", "start": -1},
    "split": {"channel": "actions"},
    "quote": {"channel": "quotes"},
    "news": {"channel": "news", "start": -1},
}
PLACES = {"rate": 0, "bar": 1, "split": 2, "quote": 3, "news": 3}


@st.composite
def courses(draw: st.DrawFn, kinds: tuple[str, ...] = tuple(KINDS)) -> list[Course]:
    """Events of several courses in lists of any lengths, many of them of equal times."""
    made = []
    for course in range(draw(st.integers(1, 4))):
        steps = draw(st.lists(st.sampled_from([0, 0, 0, 1, 5]), max_size=40))
        size = draw(st.integers(1, 7))
        events = [
            {"course": course, "row": row, "ts": ts, "kind": (kind := draw(st.sampled_from(kinds))), **KINDS[kind]}
            for row, ts in enumerate(itertools.accumulate(steps))
        ]
        made.append([events[at : at + size] for at in range(0, len(events), size)])
    return made


def _place(event: dict[str, Any]) -> tuple[int, ...]:
    return event["ts"], PLACES[event["kind"]], event["course"], event["row"]


@given(courses(), st.sampled_from([1, 3, 500]))
def test_events_come_by_time_then_by_kind_then_by_course_then_by_row(given_courses: list[Course], fewest: int) -> None:
    everything = [event for course in given_courses for batch in course for event in batch]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("intuition_core.sources.merge._FEWEST", fewest)
        merged = list(merge([iter(course) for course in given_courses]))
    assert all(merged)
    assert [event for batch in merged for event in batch] == sorted(everything, key=_place)


@given(courses())
def test_one_course_is_put_in_the_order_of_kind(given_courses: list[Course]) -> None:
    for course in given_courses:
        everything = [event for batch in course for event in batch]
        assert [event for batch in ordered(course) for event in batch] == sorted(everything, key=_place)


def test_a_bar_that_ends_where_it_begins_is_a_quote() -> None:
    bar: dict[str, Any] = {"channel": "quotes", "ts": 5}
    assert [rank({**bar, "start": 4}), rank({**bar, "start": 5}), rank(bar)] == [1, 3, 3]


def test_what_is_in_order_is_passed_on_as_it_is() -> None:
    for event in KINDS.values():
        events = [{**event, "ts": 1}, {**event, "ts": 1}, {**event, "ts": 2}]
        assert by_kind(events) == events
    assert by_kind([]) == []


def test_no_more_is_read_than_is_needed() -> None:
    read = []

    def course(name: str, first: int, step: int) -> Iterator[list[dict[str, Any]]]:
        for number in itertools.count():
            read.append(name)
            yield [{"channel": "quotes", "ts": first + step * (number * 600 + place)} for place in range(600)]

    batches = merge([course("dense", 0, 1), course("sparse", 0, 1000)])
    for _ in range(50):
        next(batches)
    assert read.count("sparse") == 1
    assert read.count("dense") <= 51


def test_lists_are_passed_on_as_they_are_where_nothing_comes_between() -> None:
    dense = [[{"channel": "quotes", "ts": 600 * number + place} for place in range(600)] for number in range(5)]
    sparse = [[{"channel": "quotes", "ts": 650}, {"channel": "quotes", "ts": 10_000}]]
    merged = list(merge([iter(sparse), iter(dense)]))
    assert [merged[0] is dense[0], merged[2] is dense[2]] == [True, True]
    assert [len(batch) for batch in merged] == [600, 601, 600, 600, 600, 1]


def test_short_lists_become_longer_ones() -> None:
    single = [[{"channel": "quotes", "ts": ts}] for ts in range(2000)]
    assert {len(batch) for batch in merge([iter(single), iter(single)])} == {500}
