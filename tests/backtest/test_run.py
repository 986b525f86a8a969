"""Backtests: the strategy of everywhere on recorded events, and what is kept of its course."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.account.costs import Costs
from intuition_core.account.hours import Hours
from intuition_core.account.instruments import Instrument
from intuition_core.account.ledger import Ledger
from intuition_core.backtest.equity import MAX_SLICES, EquityCurve
from intuition_core.backtest.lookahead import check
from intuition_core.backtest.run import Backtest
from intuition_core.cli.failures import Failures
from intuition_core.contracts import Bet, Message, Signal
from intuition_core.errors import PartFailed
from intuition_core.history import Slice
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.digest import Digest
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import without_run
from intuition_core.trading.trace import Trace

MINUTE = 60_000_000_000
DAY = 86_400_000_000_000


class Scripted:
    """Signals as the events say: ``do`` is buy, sell, fail, say or nothing."""

    def initialize(self, params: Any) -> list[str]:
        return ["quotes", "news"]

    def event(self, data: Any) -> Any:
        match data.get("do"):
            case "buy" | "sell" as side:
                return Signal(data["sid"], side, data["quote"])
            case "fail":
                raise ZeroDivisionError("as told")
            case "say":
                return Message("said", {"quote": data["quote"]})
            case "both":
                return [Signal(data["sid"], "sell"), Signal("B", "buy")]
        return None


class Doubling:
    """An indicator: twice the quote, every other time."""

    def initialize(self, params: Any) -> list[str]:
        self.count = 0
        return ["quotes"]

    def event(self, data: Any) -> Any:
        self.count += 1
        return Message("twice", {"sid": data["sid"], "value": 2 * data["quote"]}) if self.count % 2 else None


class Stake:
    def initialize(self, params: Any) -> None:
        self.bet = Bet(**params)

    def optimize(self, signal: Signal, account: Any) -> Bet:
        return self.bet


def part(kind: str, factory: Any, **params: Any) -> Part:
    policy = params.pop("policy", "skip")
    return Part(kind=kind, name=factory.__name__.lower(), factory=factory, params=params, policy=policy)


def composition(*, algorithm: Any = Scripted, indicators: Sequence[Any] = (), **more: Any) -> Composition:
    policy = more.pop("policy", "skip")
    stake = more.pop("stake", {"units": 3})
    lines = (
        Sleeve(algorithm=part("algorithm", algorithm, policy=policy), portfolio=part("portfolio", Stake, **stake)),
    )
    return Composition(
        sleeves=lines,
        indicators=tuple(part("indicator", each) for each in indicators),
        seed=1,
        cash=Decimal(1000),
        **more,
    )


prices = st.floats(0.5, 200).map(lambda price: round(price, 2))
stories = st.lists(
    st.tuples(
        st.sampled_from(["quotes"] * 9 + ["news"]),
        st.sampled_from("AAB"),
        prices,
        st.sampled_from([0, 0, MINUTE, MINUTE, DAY]),
        st.sampled_from([None] * 6 + ["buy", "buy", "sell", "fail", "say", "both"]),
        st.none() | prices,
    ),
    min_size=1,
    max_size=60,
)


def told(story: Any) -> list[dict[str, Any]]:
    ts, events = 0, []
    for channel, sid, quote, later, do, begin in story:
        start, ts = ts, ts + later
        event = {"channel": channel, "sid": sid, "quote": quote, "ts": ts, "do": do}
        events.append(event if begin is None else {**event, "open": begin, "start": start})
    return events


def cut_up(events: list[Any], size: int) -> Iterator[list[Any]]:
    for at in range(0, len(events), size):
        yield events[at : at + size]


@given(
    story=stories,
    fill=st.sampled_from(["next", "same"]),
    indicators=st.sampled_from([(), (Doubling,)]),
    costs=st.sampled_from([Costs(), Costs(commission_bps=Decimal(10), slippage_per_trade=Decimal("0.5"))]),
    policy=st.sampled_from(["skip", "quarantine"]),
    size=st.integers(1, 20),
)
def test_running_through_is_stepping_through(
    story: Any, fill: Any, indicators: Any, costs: Costs, policy: Any, size: int
) -> None:
    recipe = composition(fill=fill, indicators=indicators, costs=costs, policy=policy)
    events = told(story)
    one, other = TradingEngine(recipe, run="r"), TradingEngine(recipe, run="r")
    stepped: list[Any] = []
    moves = [0]
    for event in events:
        stepped += one.step(event)
        moves.append(one.books.moves)
    ran: list[Any] = []
    told_at = set()
    for batch in cut_up(events, size):
        for records in other.run_through(batch):
            ran += records
            told_at.add(other.seq)
            assert other.books.moves == moves[other.seq]
            assert {record["seq"] for record in records} <= {other.seq, other.seq - 1}
    assert ran == stepped
    assert {seq for seq in range(1, len(moves)) if moves[seq] > moves[seq - 1]} <= told_at
    assert one.seq == other.seq == len(events)
    assert one.ledger.snapshot() == other.ledger.snapshot()
    assert one.quarantined == other.quarantined


def course(recipe: Composition, events: list[Any]) -> list[tuple[int, float]]:
    """Give the time and the equity after every event, the slow way."""
    engine = TradingEngine(recipe, run="r")
    after = []
    for event in events:
        engine.step(event)
        after.append((event["ts"], float(engine.ledger.equity)))
    return after


def days_of(events: list[Any]) -> list[int]:
    """Give the day of each event: that of its start, but none before an earlier event's; a moment is of one day."""
    days: list[int] = []
    end = -1
    for event in events:
        ts = event["ts"]
        if ts >= end:
            day = min(event.get("start", ts), ts) // DAY
            days.append(max(day, days[-1]) if days else day)
            end = max((days[-1] + 1) * DAY, ts + 1)
        else:
            days.append(days[-1])
    return days


@given(
    story=stories,
    fill=st.sampled_from(["next", "same"]),
    stake=st.sampled_from([{"units": 3}, {"cash": 400.0}]),
    size=st.integers(1, 20),
)
def test_the_curve_keeps_days_and_extremes(story: Any, fill: Any, stake: Any, size: int) -> None:
    recipe = composition(fill=fill, stake=stake)
    events = told(story)
    after = course(recipe, events)
    run = Backtest(recipe)
    for batch in cut_up(events, size):
        run.take(batch)
    history = run.finish(source="a story")
    close = pytest.approx
    days = dict(zip(days_of(events), after, strict=True))  # the last one of each day
    assert [(day.ts, day.equity) for day in history.days] == [
        (min(ts, (day + 1) * DAY - 1), close(equity)) for day, (ts, equity) in days.items()
    ]
    assert min(one.low for one in history.slices) == close(min(1000.0, *(equity for _, equity in after)))
    assert max(one.high for one in history.slices) == close(max(1000.0, *(equity for _, equity in after)))
    for before, one in zip([None, *history.slices], history.slices, strict=False):
        begin = -1 if before is None else before.ts
        within = [equity for ts, equity in after if begin < ts <= one.ts]
        assert one.close == close(within[-1])
        assert one.low <= min(within) * (1 + 1e-9)
        assert one.high >= max(within) * (1 - 1e-9)
    assert history.events == len(events)
    assert (history.first_ts, history.last_ts) == (events[0]["ts"], events[-1]["ts"])


@given(story=stories)
def test_the_benchmark_holds_equal_amounts_from_each_first_quote(story: Any) -> None:
    events = [event for event in told(story) if event["channel"] == "quotes"]
    run = Backtest(composition())
    run.take(events)
    history = run.finish(source="a story")
    symbols = {event["sid"] for event in events}
    first: dict[str, float] = {}
    last: dict[str, float] = {}
    expected = {}
    for event, day in zip(events, days_of(events), strict=True):
        first.setdefault(event["sid"], event["quote"])
        last[event["sid"]] = event["quote"]
        grown = [last[sid] / first[sid] if sid in first else 1.0 for sid in symbols]
        expected[day] = sum(grown) / len(symbols)
    assert [day.benchmark for day in history.days] == pytest.approx(list(expected.values()))


def test_a_benchmark_can_be_one_symbol() -> None:
    events = told([("quotes", "A", 10.0, 0, None, None), ("quotes", "B", 5.0, 0, None, None)])
    events += [{**event, "quote": event["quote"] * 3, "ts": DAY} for event in events[1:]]
    run = Backtest(composition(), benchmark="B")
    run.take(events)
    assert [day.benchmark for day in run.finish(source="x").days] == [1.0, 3.0]
    assert run.finish(source="x").benchmark == "B"


def test_a_long_history_is_thinned_and_keeps_its_extremes() -> None:
    ledger = Ledger(Decimal(1000))
    curve = EquityCurve(ledger)
    ledger.buy("A", Decimal(10), Decimal(1))
    count = 20_000
    for number in range(count):
        quote = 500.0 if number == 7_777 else 0.001 if number == 15_555 else 1.0
        event = {"channel": "quotes", "sid": "A", "quote": quote, "ts": number * 1_000_000_000}
        if curve.stretch([event], 0) == 0:
            curve.turn(event["ts"])
        ledger.marks["A"] = quote
        if number == 0:
            curve.settle(event)
        else:
            curve.look([event], 0, 1)
    curve.finish()
    assert MAX_SLICES // 4 < len(curve.slices) <= MAX_SLICES
    assert max(one.high for one in curve.slices) == 5990.0
    assert min(one.low for one in curve.slices) == pytest.approx(990.01)
    assert [one.ts for one in curve.slices] == sorted({one.ts for one in curve.slices})
    assert isinstance(curve.slices[0], Slice)


def test_the_digest_is_of_decisions_without_the_run() -> None:
    story = told([("quotes", "A", 10.0, MINUTE, "buy", None), ("quotes", "A", 11.0, MINUTE, "say", None)])
    hashes = []
    for run in ("backtest", "a.longer.run-7"):
        engine = TradingEngine(composition(), run=run)
        records = [record for event in story for record in engine.step(event)]
        digest = Digest(run)
        for record in records:
            digest.add([record])
        hashes.append(digest.hexdigest())
        kept = [dict(without_run(record)) for record in records if record["type"] != "message"]
        lines = "".join(json.dumps(record, separators=(",", ":")) + "\n" for record in kept)
        assert hashes[-1] == hashlib.sha256(lines.encode()).hexdigest()
    assert hashes[0] == hashes[1]
    assert len(kept) == 2


def test_open_orders_are_cancelled_at_the_end_and_count_for_no_hash() -> None:
    run = Backtest(composition())
    run.take(told([("quotes", "A", 10.0, 0, "buy", None)]))
    before = run.decisions_sha256
    heard: list[Any] = []
    run._listen = heard.extend
    history = run.finish(source="x")
    assert [record["type"] for record in heard] == ["rejection"]
    assert history.counts == {"decision": 1, "rejection": 0, "ended": 1}
    assert run.decisions_sha256 == before


def test_no_event_is_a_history_too() -> None:
    run = Backtest(composition())
    run.take([])
    history = run.finish(source="nothing")
    assert (history.events, history.first_ts, list(history.slices), list(history.days)) == (0, None, [], [])
    assert history.equity == 1000


def test_trades_are_exact() -> None:
    costs = Costs(commission_bps=Decimal(10), commission_per_trade=Decimal(1), slippage_bps=Decimal(50))
    run = Backtest(composition(costs=costs))
    run.take(
        told(
            [
                ("quotes", "A", 100.0, 0, "buy", None),
                ("quotes", "A", 100.0, MINUTE, "sell", None),
                ("quotes", "A", 120.0, MINUTE, None, 110.0),
            ]
        )
    )
    history = run.finish(source="x")
    bought, sold = history.trades
    assert (bought.price, bought.commission, bought.cash) == (Decimal("100.5"), Decimal("1.3015"), Decimal("302.8015"))
    assert (sold.price, sold.commission) == (Decimal("109.45"), Decimal("1.32835"))
    assert sold.cash == 3 * Decimal("109.45") - Decimal("1.32835")
    assert sold.profit == sold.cash - bought.cash
    assert history.equity == 1000 + sold.profit


@pytest.mark.parametrize("how", ["as it is", "heard", "traced", "with instruments"])
def test_trades_and_hash_are_the_same_however_the_events_are_taken(how: str) -> None:
    story = [("quotes", "A", 10.0 + number, MINUTE, do, None) for number, do in enumerate(["buy", "sell", None] * 4)]
    records: list[Any] = []
    plain = TradingEngine(composition(), run="")
    expected = [record for event in told(story) for record in plain.step(event)]
    backtest = Backtest(
        composition(instruments=(Instrument(symbol="B"),) if how == "with instruments" else ()),
        listen=records.extend if how == "heard" else None,
        engine=Trace(None, write=lambda _: None).engine if how == "traced" else TradingEngine,
    )
    for batch in cut_up(told(story), 5):
        backtest.take(batch)
    digest = Digest("")
    digest.add(expected)
    assert backtest.decisions_sha256 == digest.hexdigest()
    assert records == (expected if how == "heard" else [])
    fills = [record for record in expected if record["type"] == "fill"]
    trades = backtest.finish(source="").trades
    assert len(fills) == 8
    assert [(trade.ts, trade.side, str(trade.cash)) for trade in trades] == [
        (fill["ts"], fill["side"], fill["cash"]) for fill in fills
    ]


def test_a_part_whose_failure_ends_the_run_ends_it() -> None:
    run = Backtest(composition(policy="raise"))
    with pytest.raises(PartFailed, match="as told"):
        run.take(told([("quotes", "A", 100.0, 0, "fail", None)]))


def test_indicators_are_heard_right_after_the_event_that_caused_them() -> None:
    heard: list[Any] = []

    class Listening:
        def initialize(self, params: Any) -> list[str]:
            return ["quotes", "twice"]

        def event(self, data: Any) -> Any:
            heard.append(dict(data))
            return Signal(data["sid"], "buy") if data["channel"] == "twice" else None

    engine = TradingEngine(composition(algorithm=Listening, indicators=(Doubling,)), run="r")
    event = {"channel": "quotes", "sid": "A", "quote": 10.0, "ts": 5}
    [record] = engine.step(event)
    assert heard == [event, {"channel": "twice", "sid": "A", "value": 20.0, "ts": 5}]
    assert (record["type"], record["quote"], record["seq"]) == ("decision", 10.0, 1)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Signal("A", "buy"), "a Signal is an algorithm's"),
        (Message("quotes", {"sid": "A", "quote": 1.0}), "look like a price"),
        (Message("a", 1.0), "is a mapping"),
        (Message("a", {"sid": "\n"}), "sid"),
        (Message("a", {"value": object()}), "data"),
        (Message("a/b#", {}), "channel"),
        ([Message("a", {})] * 1001, "more than 1000"),
        ("nonsense", "expected a Signal, a Message"),
    ],
)
def test_what_an_indicator_must_not_say_is_a_failure(answer: Any, problem: str) -> None:
    class Odd:
        def initialize(self, params: Any) -> None:
            pass

        def event(self, data: Any) -> Any:
            return answer

    engine = TradingEngine(composition(indicators=(Odd,)), run="r")
    records = engine.step({"channel": "quotes", "sid": "A", "quote": 10.0, "ts": 5})
    assert [record["type"] for record in records] == ["error"]
    assert problem in records[0]["problem"]
    assert records[0]["kind"] == "indicator"


def test_indicators_that_answer_one_another_come_to_an_end() -> None:
    class Echo:
        def initialize(self, params: Any) -> list[str]:
            return ["quotes", "echo"]

        def event(self, data: Any) -> Any:
            return [Message("echo", {}), Message("echo", {})]

    engine = TradingEngine(composition(indicators=(Echo,)), run="r")
    records = engine.step({"channel": "quotes", "sid": "A", "quote": 10.0, "ts": 5})
    assert any("more than 1000 messages" in record["problem"] for record in records)


# -- the look-ahead guard


def history(count: int = 200) -> list[dict[str, Any]]:
    moves = (3, -1, 2, -4, 1, 1, 3)
    events, quote = [], 100.0
    for number in range(count):
        quote += moves[number % 7]
        do = "buy" if number % 11 == 3 else "sell" if number % 11 == 8 else None
        events.append({"channel": "quotes", "sid": "A", "quote": quote, "ts": number * MINUTE, "do": do})
    return events


def up_to(events: list[Any], end: int | None) -> list[Any]:
    return [event for event in events if end is None or event["ts"] < end]


def test_honest_parts_pass() -> None:
    assert check(composition(), lambda end: [up_to(history(), end)]) == []
    assert check(composition(), lambda end: []) == []


def test_a_source_that_knows_the_future_is_found() -> None:
    def scaled(end: int | None) -> list[Any]:
        events = up_to(history(), end)
        most = max(event["quote"] for event in events)
        return [[{**event, "quote": event["quote"] / most} for event in events]]

    findings = check(composition(), scaled)
    assert findings
    assert "another event" in str(findings[0])


def test_an_algorithm_that_knows_the_future_is_found() -> None:
    told_of: list[Any] = []

    class Peeking(Scripted):
        def event(self, data: Any) -> Any:
            later = [event["quote"] for event in told_of if event["ts"] > data["ts"]]
            return Signal("A", "buy") if later and max(later) > data["quote"] + 20 else None

    def source(end: int | None) -> list[Any]:
        told_of[:] = up_to(history(), end)
        return [list(told_of)]

    findings = check(composition(algorithm=Peeking), source)
    assert findings
    assert "decided nothing; with what comes later known, decision buy" in str(findings[0])


def test_a_source_that_gives_more_or_fewer_when_cut_off_is_found() -> None:
    def fewer(end: int | None) -> list[Any]:
        return [up_to(history(), end)[: -1 if end else None]]

    def more(end: int | None) -> list[Any]:
        return [up_to(history(), None if end is None else end + MINUTE)]

    assert "fewer events" in str(check(composition(), fewer)[0])
    assert "more events" in str(check(composition(), more)[0])


# -- what is told of orders and events that came to nothing


def test_an_order_whose_exchange_was_closed_at_each_event_says_so() -> None:
    table = (Instrument(symbol="A", calendar="NIGHT"),)
    recipe = composition(instruments=table, hours=(Hours("NIGHT", [(10 * DAY, 11 * DAY)]),))
    backtest = Backtest(recipe)
    quote = {"channel": "quotes", "sid": "A", "quote": 1.0}
    backtest.take([{**quote, "ts": MINUTE, "do": "buy"}, {**quote, "ts": 2 * MINUTE}, {**quote, "ts": 3 * MINUTE}])
    history = backtest.finish(source="test")
    [(reason, count)] = history.shut_out.items()
    assert count == 1
    assert reason.endswith("by the calendar NIGHT, A's exchange was closed at each event that it waited for")
    assert history.counts["rejection"] == 0


def test_an_order_that_only_had_no_event_left_does_not_say_so() -> None:
    table = (Instrument(symbol="A", calendar="DAY"),)
    recipe = composition(instruments=table, hours=(Hours("DAY", [(0, 11 * DAY)]),))
    backtest = Backtest(recipe)
    backtest.take([{"channel": "quotes", "sid": "A", "quote": 1.0, "ts": MINUTE, "do": "buy"}])
    history = backtest.finish(source="test")
    assert history.shut_out == {}
    assert history.counts["ended"] == 1


def test_what_is_not_booked_is_no_refused_order_and_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    failures = Failures(skipping=False)
    backtest = Backtest(composition(), listen=failures.listening(None))
    quote = {"channel": "quotes", "sid": "A", "quote": 1.0}
    split = {"channel": "actions", "sid": "A", "action": "split", "ratio": 0.5, "ts": 2 * MINUTE}
    backtest.take([{**quote, "ts": MINUTE}, split, {**split, "ts": 3 * MINUTE}])
    history = backtest.finish(source="test")
    assert history.counts["rejection"] == 0
    assert sum(history.unbooked.values()) == 2
    assert failures.tell() == 1
    told = capsys.readouterr().err
    assert told.startswith("not booked: an event of `actions`: ")
    assert "symbol A (2 times, first at event 2)" in told
