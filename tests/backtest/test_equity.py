"""The course of an account that is split, short and in several currencies is the account's own equity."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.account.instruments import Instrument
from intuition_core.account.margin import Margin
from intuition_core.backtest import equity
from intuition_core.backtest.run import Backtest
from intuition_core.contracts import Bet, Signal, Watch
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine

HOUR = 3600 * 10**9


class Trader:
    """Does what an event says."""

    def initialize(self, params: Any) -> None:
        pass

    def event(self, data: Any) -> Signal | None:
        return Signal(data["sid"], data["do"], tif=data.get("tif", "gtc")) if data.get("do") else None


class Ten:
    """Bets ten units."""

    def optimize(self, signal: Any, account: Any) -> Bet:
        return Bet(units=10)


def recipe(**more: Any) -> Composition:
    line = Sleeve(
        algorithm=Part(kind="algorithm", name="trader", factory=Trader, params={}),
        portfolio=Part(kind="portfolio", name="ten", factory=Ten, params={}),
    )
    return Composition(sleeves=(line,), seed=0, margin=Margin(), **more)


def quote(sid: str, price: float, do: str | None, tif: str) -> dict[str, Any]:
    return {"channel": "quotes", "sid": sid, "quote": price, "do": do, "tif": tif}


def split(sid: str, new: int, old: int) -> dict[str, Any]:
    return {"channel": "actions", "sid": sid, "action": "split", "ratio": f"{new}:{old}"}


prices = st.floats(1, 100).map(lambda price: round(price, 2))
symbols = st.sampled_from(["A", "B"])
events = st.one_of(
    *[st.builds(quote, symbols, prices, st.sampled_from([None, "buy", "sell"]), st.sampled_from(["gtc", "day"]))] * 4,
    st.builds(split, symbols, st.integers(1, 5), st.integers(1, 5)),
    st.builds(lambda rate: {"channel": "rates", "sid": "EUR/USD", "quote": rate}, prices),
    st.builds(lambda sid: {"channel": "actions", "sid": sid, "action": "dividend", "amount": "0.5"}, symbols),
)
stories = st.lists(st.tuples(events, st.integers(1, 20)), min_size=1, max_size=40)
recipes = st.fixed_dictionaries(
    {
        "fill": st.sampled_from(["next", "same"]),
        "instruments": st.sampled_from([(), (Instrument(symbol="A", currency="USD", multiplier=Decimal(3)),)]),
    }
)


@given(story=stories, more=recipes, cut=st.integers(0, 40), few=st.sampled_from([1, 2, 16]))
def test_days_and_slices_are_those_of_the_equity(story: list[Any], more: dict[str, Any], cut: int, few: int) -> None:
    ts, history = 0, []
    for event, hours in story:
        ts += hours * HOUR
        history.append({**event, "ts": ts})
    live = TradingEngine(recipe(currency="EUR", **more), run="r")
    days: dict[int, float] = {}
    reached = [float(live.ledger.equity)]
    for event in history:
        live.step(event)
        days[event["ts"] // (24 * HOUR)] = float(live.ledger.equity)
        reached.append(float(live.ledger.equity))
    run = Backtest(recipe(currency="EUR", **more))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(equity, "_FEW", few)
        for part in (history[:cut], history[cut:]):
            if part:
                run.take(part)
        told = run.finish(source="a test")
    assert [day.equity for day in told.days] == pytest.approx(list(days.values()))
    assert min(one.low for one in told.slices) == pytest.approx(min(reached))
    assert max(one.high for one in told.slices) == pytest.approx(max(reached))


def test_a_benchmark_grows_by_what_its_splits_give() -> None:
    run = Backtest(recipe())
    story = [quote("A", 100.0, None, "gtc"), split("A", 4, 1), quote("A", 26.0, None, "gtc")]
    run.take([{**event, "ts": n * HOUR} for n, event in enumerate(story)])
    assert run.finish(source="a test").days[-1].benchmark == pytest.approx(1.04)


def test_less_than_a_lot_that_a_split_has_left_can_be_sold() -> None:
    lots = Instrument(symbol="A", lot=Decimal(10))
    live = TradingEngine(recipe(instruments=(lots,)), run="r")
    story = [quote("A", 10.0, "buy", "gtc"), quote("A", 10.0, None, "gtc"), split("A", 3, 2)]
    story += [quote("A", 7.0, "sell", "gtc"), quote("A", 7.0, None, "gtc")]
    records = [record for n, event in enumerate(story) for record in live.step({**event, "ts": n * HOUR})]
    assert [record["quantity"] for record in records if record["type"] == "fill"] == ["10", "15"]
    assert not live.ledger.positions


class Floor:
    """Stops everything when the equity is at 900 or less."""

    def check(self, order: Any, account: Any) -> Any:
        return order

    def observe(self, account: Any, ts: int) -> Any:
        return f"down to {account.equity:.0f}" if account.equity <= 900 else Watch(below=900)


def test_a_rate_that_takes_the_equity_to_a_limit_is_seen_at_once() -> None:
    line = recipe().sleeves
    foreign = Composition(
        sleeves=line,
        risks=(Part(kind="risk", name="floor", factory=Floor, params={}),),
        seed=0,
        cash=Decimal(1000),
        currency="EUR",
        instruments=(Instrument(symbol="A", currency="USD"),),
    )
    live = TradingEngine(foreign, run="r")
    rate = {"channel": "rates", "sid": "USD/EUR"}
    story = [{**rate, "quote": 1.0}, quote("A", 50.0, "buy", "gtc"), quote("A", 50.0, None, "gtc")]
    story += [{**rate, "quote": 0.9}, {**rate, "quote": 0.8}, quote("B", 1.0, None, "gtc")]
    records = [live.step({**event, "ts": n * HOUR}) for n, event in enumerate(story)]
    assert [[record["type"] for record in each] for each in records] == [
        [],
        ["decision"],
        ["fill"],
        [],
        ["control"],
        [],
    ]
    assert live.killed == "down to 900"


@pytest.mark.parametrize("what", ["limit", "stop", "quote"])
def test_a_price_that_is_no_price_fails_its_algorithm_and_nothing_else(what: str) -> None:
    class Tiny:
        def event(self, data: Any) -> Signal:
            return Signal(data["sid"], "buy", **({"quote": data["quote"]} | {what: 1e-320}))

    tiny = Part(kind="algorithm", name="tiny", factory=Tiny, params={})
    live = TradingEngine(
        Composition(sleeves=(Sleeve(algorithm=tiny, portfolio=recipe().sleeves[0].portfolio),), seed=0), run="r"
    )
    [error] = live.step({**quote("A", 50.0, None, "gtc"), "ts": 1})
    assert error["type"] == "error"
    assert f"a signal's {what} is" in error["problem"]
