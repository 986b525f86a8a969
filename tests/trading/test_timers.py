"""Timers: due at moments that a description and a calendar decide, and taken once each, after all of their moment."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import quote

from intuition_core.account.hours import Hours
from intuition_core.backtest.run import Backtest
from intuition_core.contracts import Context, Signal, Targets
from intuition_core.session.batch_run import Item
from intuition_core.session.journal import MEMORY, Journal
from intuition_core.session.session import Session
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.timers import TIMER, BadTimer, Clock, Timer, read_timer

SECOND = 10**9
HOUR = 3600 * SECOND
DAY = 24 * HOUR


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND


WEEK = Hours(
    "XNYS",
    [(ns(f"2024-01-{day:02} 14:30"), ns(f"2024-01-{day:02} 21:00")) for day in (29, 30, 31)]
    + [(ns(f"2024-02-0{day} 14:30"), ns(f"2024-02-0{day} 21:00")) for day in (1, 2, 5)],
)


def dues(timer: Timer, times: Sequence[int], hours: Sequence[Hours] = (WEEK,)) -> list[int]:
    events = Clock([timer], hours).with_timers([quote(ts=ts) for ts in times], now=times[0], taken={})
    return [event["ts"] for event in events if event["channel"] == TIMER]


@pytest.mark.parametrize(
    ("timer", "first", "last", "expected"),
    [
        (
            read_timer("t", every="1h", missed="all"),
            "2024-01-29 10:30",
            "2024-01-29 13:00",
            ["2024-01-29 11:00", "2024-01-29 12:00"],
        ),
        (read_timer("t", every="1h"), "2024-01-29 10:30", "2024-01-29 13:00", ["2024-01-29 12:00"]),
        (read_timer("t", every="1d"), "2024-01-29 10:30", "2024-01-30 00:00", []),
        (read_timer("t", every="1d"), "2024-01-29 10:30", "2024-01-30 00:01", ["2024-01-30 00:00"]),
        (
            read_timer("t", at="close - 10m", calendar="XNYS"),
            "2024-01-29 12:00",
            "2024-01-29 21:00",
            ["2024-01-29 20:50"],
        ),
        (
            read_timer("t", at="open + 5m", calendar="XNYS"),
            "2024-01-29 15:00",
            "2024-01-30 15:00",
            ["2024-01-30 14:35"],
        ),
        (
            read_timer("t", at="month end", calendar="XNYS"),
            "2024-01-30 12:00",
            "2024-02-05 22:00",
            ["2024-01-31 21:00"],
        ),
        (read_timer("t", at="week end", calendar="XNYS"), "2024-01-30 12:00", "2024-02-05 22:00", ["2024-02-02 21:00"]),
        (
            read_timer("t", at="month end - 1h", calendar="XNYS"),
            "2024-01-30 12:00",
            "2024-02-05 22:00",
            ["2024-01-31 20:00"],
        ),
    ],
)
def test_when_timers_are_due(timer: Timer, first: str, last: str, expected: list[str]) -> None:
    assert dues(timer, [ns(first), ns(last)]) == [ns(moment) for moment in expected]


def test_without_a_calendar_periods_end_with_their_last_nanosecond() -> None:
    times = [ns("2024-01-30 12:00"), ns("2024-02-06 00:00")]
    assert dues(read_timer("t", at="month end"), times) == [ns("2024-02-01 00:00") - 1]
    assert dues(read_timer("t", at="week end"), times) == [ns("2024-02-05 00:00") - 1]


@pytest.mark.parametrize(
    "described",
    [
        {},
        {"every": "1h", "at": "close", "calendar": "XNYS"},
        {"every": "0s"},
        {"every": "soon"},
        {"every": "1h", "calendar": "XNYS"},
        {"at": "close"},
        {"at": "noon", "calendar": "XNYS"},
        {"at": "close - soon", "calendar": "XNYS"},
        {"every": "1h", "missed": "never"},
    ],
)
def test_a_timer_that_means_nothing_is_refused(described: dict[str, Any]) -> None:
    with pytest.raises(BadTimer):
        read_timer("t", **described)


def test_a_calendar_that_is_not_there_is_named() -> None:
    with pytest.raises(BadTimer, match="XLON is not known here; there is XNYS"):
        Clock([read_timer("t", at="close", calendar="XLON")], [WEEK])


times = st.lists(st.integers(1, 40 * DAY), min_size=1, max_size=30)
timers = st.one_of(
    st.builds(Timer, name=st.just("t"), every=st.integers(HOUR, 3 * DAY), missed=st.sampled_from(["once", "all"])),
    st.builds(
        Timer, name=st.just("t"), anchor=st.sampled_from(["week end", "month end"]), offset=st.integers(-DAY, DAY)
    ),
)


@given(times, timers, st.integers(1, 10))
def test_each_moment_comes_once_after_its_own_and_before_later_events(
    course: list[int], timer: Timer, cut: int
) -> None:
    """However the events are parted, the timers are the same, and their order is that of time among those that rise."""
    events = [quote(ts=ts) for ts in course]
    whole = Clock([timer], ()).with_timers(events, now=-(2**63), taken={})
    moments = [event["ts"] for event in whole if event["channel"] == TIMER]
    assert moments == sorted(set(moments))
    now = -(2**63)
    taken: dict[str, int] = {}
    parted: list[Any] = []
    clock = Clock([timer], ())
    for start in range(0, len(events), cut):
        for event in clock.with_timers(events[start : start + cut], now=now, taken=taken):
            now = max(now, event["ts"])
            if event["channel"] == TIMER:
                taken[event["name"]] = event["ts"]
            parted.append(event)
    assert parted == list(whole)
    for at, event in enumerate(whole):
        if event["channel"] == TIMER:
            assert max(each["ts"] for each in whole[:at] if each["channel"] != TIMER) <= event["ts"]
            assert whole[at + 1]["ts"] > event["ts"] or whole[at + 1]["channel"] == TIMER


class Hourly:
    """Buys one unit each hour, by a timer of its own."""

    def initialize(self, params: Any, context: Context) -> list[str]:
        self.heard: list[Any] = []
        self.name = context.at("every 1h")
        return ["quotes"]

    def event(self, data: Any) -> Any:
        if data["channel"] != self.name:
            return None
        self.heard.append((data["ts"], data["id"]))
        return Signal("A", "buy")

    def snapshot(self) -> Any:
        return self.heard

    def restore(self, state: Any) -> None:
        self.heard = state


class One:
    def optimize(self, signal: Any, account: Any) -> float:
        return 10.0


def recipe(algorithm: type = Hourly, **more: Any) -> Composition:
    part = Part(kind="algorithm", name="hourly", factory=algorithm, params={})
    portfolio = Part(kind="portfolio", name="one", factory=One, params={})
    return Composition(sleeves=(Sleeve(algorithm=part, portfolio=portfolio),), seed=1, cash=Decimal(1000), **more)


COURSE = [quote(10.0 + minutes / 100, HOUR * 10 + minutes * 60 * SECOND) for minutes in (10, 59, 61, 130, 131, 400)]


def test_a_part_hears_the_timer_that_it_has_asked_for() -> None:
    at = Backtest(recipe())
    at.take(COURSE)
    kept = at.engine.snapshot()
    assert kept is not None
    [algorithm] = [part for part in at.engine.parts if part.kind == "algorithm"]
    again = TradingEngine(recipe(), run="")
    assert again.restore(kept)
    assert at.engine.channels == ["quotes", "hourly.every 1h"]
    assert "hourly.every 1h" not in at.engine.inlets
    assert algorithm.name == "hourly"


def test_an_order_that_is_decided_by_a_timer_fills_after_it() -> None:
    records: list[Any] = []
    at = Backtest(recipe(), listen=records.extend)
    at.take(COURSE)
    at.finish(source="test")
    decisions = [(each["ts"], each["quote"]) for each in records if each["type"] == "decision"]
    fills = [(each["ts"], each["price"]) for each in records if each["type"] == "fill"]
    assert decisions == [(HOUR * 11, 10.59), (HOUR * 12, 10.61), (HOUR * 16, 11.31)]
    assert fills == [(COURSE[2]["ts"], 10.61), (COURSE[3]["ts"], 11.3), (COURSE[5]["ts"], 14.0)]


def test_a_session_has_the_same_and_replays_it() -> None:
    run = "r.1"
    journal = Journal(MEMORY)
    session = Session(lambda: TradingEngine(recipe(), run=run), journal=journal, name="s")
    session.recover()
    records = [record for event in COURSE for reply in session.deliver([Item([event])]) for record in reply]  # type: ignore[union-attr]  # no item has an id
    told: list[Any] = []
    at = Backtest(recipe(), listen=told.extend)
    at.take(COURSE)
    at.engine.snapshot()
    at._pass_on()
    assert [(each["type"], each["ts"], each["seq"]) for each in records] == [
        (each["type"], each["ts"], each["seq"]) for each in told
    ]
    again = Session(lambda: TradingEngine(recipe(), run=run), journal=journal, name="s")
    assert again.recover().last_seq == session.last_seq == len(COURSE) + 3
    session.close()


def test_an_id_that_is_known_brings_no_timer() -> None:
    session = Session(lambda: TradingEngine(recipe(), run="r"), journal=Journal(MEMORY), name="s")
    session.recover()
    first, second = Item([COURSE[0]], "one", b"1"), Item([COURSE[2]], "two", b"2")
    session.deliver([first])
    [reply] = session.deliver([second])
    assert session.deliver([first, second, second]) == [[], reply, reply]
    assert session.last_seq == 3
    session.close()


def test_with_fill_same_targets_of_a_timer_fill_at_the_quotes_of_their_moment() -> None:
    class Daily:
        def initialize(self, params: Any, context: Context) -> list[str]:
            context.at("every 1d", name="daily")
            return []

        def event(self, data: Any) -> Targets:
            return Targets(weights={"A": 0.5, "B": 0.5})

    records: list[Any] = []
    at = Backtest(recipe(Daily, fill="same"), listen=records.extend)
    at.take([quote(ts=DAY - 1), quote(ts=DAY), quote(20.0, DAY, sid="B"), quote(11.0, DAY + 1)])
    at.finish(source="test")
    fills = [(each["ts"], each["sid"], each["price"]) for each in records if each["type"] == "fill"]
    assert fills == [(DAY, "A", 10.0), (DAY, "B", 20.0)]


def test_only_parts_that_hear_events_ask_for_timers() -> None:
    class Asking:
        def initialize(self, params: Any, context: Context) -> None:
            context.at("every 1h")

        def optimize(self, signal: Any, account: Any) -> float:
            return 0.0

    ask: Callable[[], Any] = Asking
    composition = recipe()
    line = composition.sleeves[0]
    portfolio = Part(kind="portfolio", name="asking", factory=ask, params={})
    with pytest.raises(Exception, match="of an algorithm or an indicator"):
        TradingEngine(Composition(sleeves=(Sleeve(algorithm=line.algorithm, portfolio=portfolio),), seed=1), run="r")
