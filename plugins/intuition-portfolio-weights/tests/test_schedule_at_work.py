"""Schedules through a whole strategy: quotes alone move the account."""

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_portfolio_weights import EqualWeight, TargetWeights

from intuition_core.account.costs import Costs
from intuition_core.account.instruments import Instrument
from intuition_core.backtest.run import Backtest
from intuition_core.contracts import Data, Signal
from intuition_core.params.checking import check_params
from intuition_core.trading.composition import Composition, Fill, Part, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record

HOUR = 3_600_000_000_000
Events = list[dict[str, Any]]


class Silent:
    """Never signals."""

    def event(self, data: Data) -> None:
        pass


class Both:
    """Signals a sell and a buy at each quote."""

    def event(self, data: Data) -> list[Signal]:
        return [Signal(data["sid"], "sell"), Signal(data["sid"], "buy")]


class Early:
    """Buys in the first hour."""

    def event(self, data: Data) -> Signal | None:
        return Signal(data["sid"], "buy") if data["ts"] < HOUR else None


def line(number: int, algorithm: type, part: type, params: dict[str, Any]) -> Sleeve:
    return Sleeve(
        algorithm=Part(kind="algorithm", name=f"algorithm-{number}", factory=algorithm, params={}),
        portfolio=Part(
            kind="portfolio", name=f"portfolio-{number}", factory=part, params=check_params("portfolio", part, params)
        ),
    )


def recipe(*lines: tuple[type, type, dict[str, Any]], fill: Fill = "next") -> Composition:
    return Composition(
        sleeves=tuple(line(number, *each) for number, each in enumerate(lines)),
        costs=Costs(commission_bps=Decimal(10), commission_per_trade=Decimal("0.5")),
        fill=fill,
        seed=1,
    )


def hourly(days: int) -> Events:
    """Give quotes of A, which goes up and then down, and of B, which stays."""
    prices = {"A": 100.0, "B": 10.0}
    events = []
    for hour in range(24 * days):
        prices["A"] *= 1.01 if hour < 12 * days else 0.99
        events += [{"channel": "quotes", "sid": sid, "quote": prices[sid], "ts": hour * HOUR} for sid in prices]
    return events


def taken(engine: TradingEngine, events: Events) -> list[Record]:
    return [record for event in events for record in engine.step(event)]


@pytest.mark.parametrize("fill", ["next", "same"])
def test_target_weights_are_kept_by_quotes_alone(fill: Fill) -> None:
    engine = TradingEngine(
        recipe((Silent, TargetWeights, {"weights": {"A": 0.5, "B": 0.5}, "trigger": "quote"}), fill=fill), run="r"
    )
    decided = []
    for event in hourly(12):
        hour = event["ts"] // HOUR
        decided += [(hour // 24, record["side"]) for record in engine.step(event) if record["type"] == "decision"]
        assert engine.ledger.available >= 0
        if hour % 24 == 3 and event["sid"] == "B":
            worth = {sid: units * engine.account.marks[sid] for sid, units in engine.account.positions.items()}
            assert worth["A"] == pytest.approx(0.5 * engine.account.equity, rel=0.04)
            assert worth["B"] == pytest.approx(0.5 * engine.account.equity, rel=0.04)
    assert decided[:2] == [(0, "buy"), (0, "buy")]
    assert {side for day, side in decided if day in range(1, 6)} == {"sell", "buy"}
    assert set(decided[2:]) == {(day, side) for day in range(1, 12) for side in ("sell", "buy")}


def test_equal_weights_are_made_equal_again() -> None:
    def course(**params: Any) -> list[float]:
        engine = TradingEngine(recipe((Early, EqualWeight, {"symbols": ["A", "B"], **params})), run="r")
        parts = []
        for event in hourly(4):
            taken(engine, [event])
            assert engine.ledger.available >= 0
            if event["ts"] == 27 * HOUR:
                worth = engine.account.positions.get("A", 0.0) * engine.account.marks["A"]
                parts.append(worth / engine.account.equity)
        return parts

    assert min(course()) > 0.55
    assert course(days=1) == pytest.approx([0.5, 0.5], abs=0.01)


def test_of_several_algorithms_each_has_its_schedule() -> None:
    weights = {"weights": {"A": 0.5, "B": 0.5}}
    backtest = Backtest(
        recipe((Both, TargetWeights, weights), (Silent, TargetWeights, {**weights, "trigger": "quote"}))
    )
    backtest.take(hourly(3))
    engine = backtest.engine
    for ledger in engine.ledger.ledgers.values():
        assert ledger.available >= 0
        assert {sid: float(each.quantity) for sid, each in ledger.positions.items()}.keys() == {"A", "B"}
        worth = float(ledger.positions["A"].quantity) * engine.account.marks["A"]
        assert worth == pytest.approx(0.5 * float(ledger.equity), rel=0.25)


def test_what_a_unit_is_worth_is_more_than_its_price_where_the_instrument_says_so() -> None:
    params = {"weights": {"A": 0.5, "B": 0.4}, "trigger": "quote"}
    composition = msgspec.structs.replace(
        recipe((Silent, TargetWeights, params)),
        instruments=(Instrument(symbol="B", multiplier=Decimal(5), lot=Decimal(1)),),
    )
    engine = TradingEngine(composition, run="r")
    refused = [record for record in taken(engine, hourly(6)) if record["type"] == "rejection"]
    assert not refused
    position = engine.ledger.positions["B"].quantity
    assert position % 1 == 0
    assert float(position) * 10 * 5 / engine.account.equity == pytest.approx(0.4, abs=0.05)
    assert engine.account.cash / engine.account.equity == pytest.approx(0.1, abs=0.05)


quotes = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 5000), st.integers(0, 20)), min_size=1, max_size=60)


@given(
    quotes=quotes,
    weights=st.dictionaries(st.sampled_from("ABC"), st.integers(0, 33), min_size=1),
    band=st.integers(0, 10),
    cut=st.integers(0, 60),
    fill=st.sampled_from(["next", "same"]),
)
def test_whatever_is_quoted_no_cash_is_owed_and_a_session_goes_on_from_its_snapshot(
    quotes: list[tuple[str, int, int]], weights: dict[str, int], band: int, cut: int, fill: Fill
) -> None:
    params = {
        "weights": {sid: weight / 100 for sid, weight in weights.items()},
        "band": band / 100,
        "trigger": "quote",
        "days": 0.5,
    }
    composition = recipe((Silent, TargetWeights, params), fill=fill)
    events, ts = [], 0
    for sid, cents, hours in quotes:
        ts += hours * HOUR
        events.append({"channel": "quotes", "sid": sid, "quote": cents / 100, "ts": ts})
    whole, first, again = (TradingEngine(composition, run="r") for _ in range(3))
    expected = []
    for event in events:
        records = whole.step(event)
        assert whole.ledger.available >= 0
        assert not [record for record in records if record["type"] == "error"]
        # What lacks is bought from the cash there is, so that no order is refused for want of it.
        assert not [record for record in records if "available" in record.get("reason", "")]
        expected += records
    got = taken(first, events[:cut])
    kept = first.snapshot()
    assert kept is not None
    assert again.restore(kept)
    assert got + taken(again, events[cut:]) == expected
