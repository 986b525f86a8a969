"""What is odd about events, and what is not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.datasets import DAY, JANUARY, bar

from intuition_core.account.hours import Hours
from intuition_core.sources.datasets.findings import STALE, Cleaner, Examination, Finding
from intuition_core.sources.datasets.hours import Gap

HOUR = DAY // 24
MINUTE = HOUR // 60
OPEN, CLOSE = 9 * HOUR, 17 * HOUR
WEEK = Hours("WEEK", [(JANUARY + day * DAY + OPEN, JANUARY + day * DAY + CLOSE) for day in range(60) if day % 7 < 5])


def found(events: list[dict[str, Any]], hours: Hours | None = None) -> dict[str, Finding]:
    examination = Examination(hours)
    for event in events:
        examination.take([event])
    return {finding.kind: finding for finding in examination.findings()}


def gaps(events: list[dict[str, Any]], hours: Hours = WEEK) -> list[Gap]:
    examination = Examination(hours)
    examination.take(events)
    return examination.gaps


def minutes(day: int, numbers: range | list[int]) -> list[dict[str, Any]]:
    begin = JANUARY + day * DAY + OPEN
    return [
        {**bar(day, 100.0 + number / 100), "start": begin + number * MINUTE, "ts": begin + (number + 1) * MINUTE}
        for number in numbers
    ]


DAYS = [bar(day, 100.0 + day) for day in range(60) if day % 7 < 5]


def test_nothing_is_odd_about_plain_days() -> None:
    assert found(DAYS, WEEK) == {}


def test_each_oddity_is_found_where_it_is() -> None:
    days = [bar(day, 100.0 + day) for day in range(30)]
    odd = [
        *days[:5],
        days[4],  # twice
        bar(5, 105.0, high=104.0),
        bar(6, 106.0, low=107.0),
        *days[7:10],
        *(bar(day, (100.0 + day) / 2) for day in range(10, 30)),
        *(bar(day, 64.5) for day in range(30, 30 + STALE)),
    ]
    kinds = found(odd)
    assert {kind: finding.count for kind, finding in kinds.items()} == {
        "duplicates": 1,
        "outside": 2,
        "splits": 1,
        "stale": 1,
    }
    assert kinds["duplicates"].examples[0].ts == days[4]["ts"]
    assert [example.problem for example in kinds["outside"].examples] == [
        "the open 105.0 is above the high 104.0",
        "the open 106.0 is below the low 107.0",
    ]
    assert kinds["splits"].examples[0].ratio == "2:1"
    assert kinds["splits"].examples[0].ts == days[10]["start"]
    assert kinds["stale"].examples[0].end == bar(29 + STALE)["ts"]


@pytest.mark.parametrize(
    ("factor", "ratio"), [(0.5, "2:1"), (0.25, "4:1"), (2 / 3, "3:2"), (10.0, "1:10"), (0.05, "20:1"), (0.9, None)]
)
def test_jumps_are_told_with_the_ratio_that_they_look_like(factor: float, ratio: str | None) -> None:
    events = [bar(0, 100.0), bar(1, 100.0 * factor * 1.01)]
    finding = found(events).get("splits")
    assert (finding and finding.examples[0].ratio) == ratio
    known = [events[0], {"channel": "actions", "sid": "A", "action": "split", "ratio": "2:1", "ts": JANUARY + DAY}]
    assert found([*known, events[1]]) == {}  # a split that is told is none that is missing


def test_bars_of_one_time_that_differ_are_several_series() -> None:
    assert set(found([bar(0, 100.0), bar(0, 101.0)])) == {"series"}
    assert found([bar(0, 100.0), bar(0, 101.0, sid="B")]) == {}
    assert set(found([bar(0, 100.0), bar(0, 101.0), bar(0, 101.0)])) == {"series", "duplicates"}


@given(st.sets(st.integers(0, len(DAYS) - 1), min_size=1))
def test_sessions_without_a_bar_are_gaps_and_no_others(kept: set[int]) -> None:
    told = gaps([DAYS[number] for number in sorted(kept)])
    opens, closes = WEEK.sessions
    missing = set(range(min(kept), max(kept))) - kept
    assert {number for gap in told for number in range(len(opens)) if gap.start <= opens[number] < gap.end} == missing
    assert sum(gap.count for gap in told) == len(missing)
    assert all(gap.end in closes and gap.kind == "session" for gap in told)


@given(st.sets(st.integers(0, 479), min_size=1), st.sets(st.integers(0, 479), min_size=1))
def test_minutes_without_a_bar_are_gaps_and_no_others(monday: set[int], tuesday: set[int]) -> None:
    told = gaps([*minutes(0, sorted(monday)), *minutes(1, sorted(tuesday))])
    missing = (480 - min(monday)) + max(tuesday) + 1 - len(monday) - len(tuesday)
    assert sum(gap.count for gap in told) == missing
    assert all(gap.kind == "bars" and (gap.end - gap.start) // MINUTE == gap.count for gap in told)


def test_breaks_within_a_session_are_no_gaps() -> None:
    noon = JANUARY + OPEN + 200 * MINUTE
    hours = Hours("LUNCH", [(JANUARY + OPEN, JANUARY + CLOSE)], [(noon, noon + 60 * MINUTE)])
    events = minutes(0, [*range(200), *range(260, 480)])
    assert gaps(events, hours) == []
    assert len(gaps(events, WEEK)) == 1


def test_single_prices_have_no_length_but_sessions() -> None:
    ticks = [
        {"channel": "quotes", "sid": "A", "quote": 1.0, "ts": JANUARY + day * DAY + OPEN + 1} for day in (0, 1, 4, 5)
    ]
    kinds = found(ticks, WEEK)
    assert [(gap.kind, gap.count) for gap in gaps(ticks)] == [("session", 2)]
    assert kinds["off-hours"].count == 1  # the sixth day is none


@given(st.lists(st.sampled_from([0, 0, 0, 1, 2, 3]), max_size=60))
def test_dropping_leaves_nothing_of_that_kind(kinds: list[int]) -> None:
    events: list[dict[str, Any]] = []
    for day, kind in enumerate(kinds):
        fresh = bar(day, 100.0 + day)
        events += {
            0: [fresh],
            1: [fresh, dict(fresh)],
            2: [bar(day, 100.0 + day, high=1.0)],
            3: [bar(day, events[-1]["close"] if events else 1.0)],
        }[kind]
    cleaner = Cleaner(["duplicates", "outside", "stale"])
    kept = [event for batch in cleaner.clean([events]) for event in batch]
    assert {"duplicates", "outside", "stale"}.isdisjoint(found(kept))
    assert len(kept) + cleaner.counts.total() == len(events)
    left = iter(events)
    assert all(event in left for event in kept)  # in their order
