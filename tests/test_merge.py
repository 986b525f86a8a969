import itertools
from collections.abc import Iterator
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from intuition_core.merge import merge

Course = list[list[dict[str, Any]]]


@st.composite
def courses(draw: st.DrawFn) -> list[Course]:
    """Events of several courses in lists of any lengths, many of them of equal times."""
    made = []
    for course in range(draw(st.integers(1, 4))):
        steps = draw(st.lists(st.sampled_from([0, 0, 0, 1, 5]), max_size=40))
        size = draw(st.integers(1, 7))
        events = [{"course": course, "row": row, "ts": ts} for row, ts in enumerate(itertools.accumulate(steps))]
        made.append([events[at : at + size] for at in range(0, len(events), size)])
    return made


@given(courses())
def test_events_come_by_time_then_by_course_then_by_row(given_courses: list[Course]) -> None:
    everything = [event for course in given_courses for batch in course for event in batch]
    merged = list(merge([iter(course) for course in given_courses]))
    assert all(merged)
    expected = sorted(everything, key=lambda event: (event["ts"], event["course"], event["row"]))
    assert [event for batch in merged for event in batch] == expected


def test_no_more_is_read_than_is_needed() -> None:
    read = []

    def course(name: str, first: int, step: int) -> Iterator[list[dict[str, Any]]]:
        for number in itertools.count():
            read.append(name)
            yield [{"ts": first + step * (number * 600 + place)} for place in range(600)]

    batches = merge([course("dense", 0, 1), course("sparse", 0, 1000)])
    for _ in range(50):
        next(batches)
    assert read.count("sparse") == 1
    assert read.count("dense") <= 51


def test_lists_are_passed_on_as_they_are_where_nothing_comes_between() -> None:
    dense = [[{"ts": 600 * number + place} for place in range(600)] for number in range(5)]
    sparse = [[{"ts": 650}, {"ts": 10_000}]]
    merged = list(merge([iter(sparse), iter(dense)]))
    assert [merged[0] is dense[0], merged[2] is dense[2]] == [True, True]
    assert [len(batch) for batch in merged] == [600, 601, 600, 600, 600, 1]


def test_short_lists_become_longer_ones() -> None:
    single = [[{"ts": ts}] for ts in range(2000)]
    assert {len(batch) for batch in merge([iter(single), iter(single)])} == {500}
