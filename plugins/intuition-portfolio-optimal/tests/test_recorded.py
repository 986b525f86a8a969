"""Through a whole backtest, on recorded prices of twenty stocks; what comes of it says nothing about the method."""

import csv
import gzip
import itertools
from datetime import UTC, datetime
from decimal import Decimal
from importlib.resources import files
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from intuition_portfolio_optimal import OptimalWeights

from intuition_core.account.costs import Costs
from intuition_core.backtest.run import Backtest
from intuition_core.contracts import Data
from intuition_core.params.checking import check_params
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record

Day = list[dict[str, Any]]
WINDOW = 60
DAYS = 30
STEP = Decimal("0.01")


class Silent:
    """Never signals."""

    def event(self, data: Data) -> None:
        pass


@pytest.fixture(scope="module")
def days() -> list[Day]:
    """Give the events of a year, and of the window before it, by day."""
    spec = find_spec("skfolio")
    assert spec is not None
    path = Path(str(files(module_from_spec(spec)).joinpath("datasets", "data", "sp500_dataset.csv.gz")))
    with gzip.open(path, "rt", newline="") as text:
        rows = [row for row in csv.DictReader(text) if "2020-10-01" <= row["Date"] < "2022-01-01"]
    return [
        [
            {"channel": "quotes", "sid": sid, "quote": float(price), "ts": _close(row["Date"])}
            for sid, price in row.items()
            if sid != "Date"
        ]
        for row in rows
    ]


def _close(day: str) -> int:
    return int(datetime.fromisoformat(day).replace(hour=21, tzinfo=UTC).timestamp()) * 10**9


def composition(days: list[Day], **params: Any) -> Composition:
    symbols = [event["sid"] for event in days[0]]
    given = {"symbols": symbols, "window": WINDOW, "days": DAYS, **params}
    return Composition(
        sleeves=(
            Sleeve(
                algorithm=Part(kind="algorithm", name="silent", factory=Silent, params={}),
                portfolio=Part(
                    kind="portfolio",
                    name="optimal-weights",
                    factory=OptimalWeights,
                    params=check_params("portfolio optimal-weights", OptimalWeights, given),
                ),
            ),
        ),
        seed=1,
        cash=Decimal(100_000),
        step=STEP,
        costs=Costs(commission_bps=Decimal(10), commission_per_trade=Decimal(1)),
    )


def weights(backtest: Backtest) -> dict[str, float]:
    account = backtest.engine.account
    return {sid: units * account.marks[sid] / account.equity for sid, units in account.positions.items()}


@pytest.mark.parametrize("objective", ["minimum-variance", "maximum-sharpe", "hierarchical-equal-risk"])
def test_a_year_never_owes_cash_and_never_holds_more_than_all(days: list[Day], objective: str) -> None:
    records: list[Record] = []
    recipe = composition(days, objective=objective, max_weight=0.3)
    backtest = Backtest(recipe, listen=records.extend)
    for event in itertools.chain.from_iterable(days):
        backtest.take([event])
        ledger = backtest.engine.ledger
        assert ledger.available >= 0
        assert all(position.quantity % STEP == 0 for position in ledger.positions.values())
    assert 0.9 < sum(weights(backtest).values()) <= 1
    again = Backtest(recipe)
    again.take(list(itertools.chain.from_iterable(days)))
    assert again.decisions_sha256 == backtest.decisions_sha256
    assert {record["type"] for record in records} <= {"decision", "fill", "rejection"}
    rebalanced = {record["ts"] // (DAYS * 86_400 * 10**9) for record in records if record["type"] == "decision"}
    assert len(rebalanced) >= 12
    assert {record["side"] for record in records if record["type"] == "fill"} == {"buy", "sell"}


def test_the_first_weights_are_those_of_the_window_alone(days: list[Day]) -> None:
    backtest = Backtest(composition(days, objective="risk-parity", reserve=0.02))
    # The close of a day is one when the next day's first quote is there; what is ordered then fills on the day after.
    backtest.take(list(itertools.chain.from_iterable(days[: WINDOW + 1])))
    assert not backtest.engine.open_orders
    backtest.take(days[WINDOW + 1][:1])
    assert len(backtest.engine.open_orders) == len(days[0])
    backtest.take([*days[WINDOW + 1][1:], *days[WINDOW + 2]])
    found = weights(backtest)
    prices = np.array([[event["quote"] for event in day] for day in days[: WINDOW + 1]])
    matrix = np.cov(prices[1:] / prices[:-1] - 1, rowvar=False)
    held = np.array([found[event["sid"]] for event in days[0]])
    contributions = held * (matrix @ held)
    # Prices have moved a little since.
    assert contributions / contributions.mean() == pytest.approx(np.ones(len(held)), abs=0.1)
    assert held.sum() == pytest.approx(0.98, abs=0.002)


def test_a_session_that_is_resumed_decides_the_same(days: list[Day]) -> None:
    recipe = composition(days, objective="hierarchical-risk-parity")
    events = list(itertools.chain.from_iterable(days[:130]))

    def decided(engine: TradingEngine, part: list[dict[str, Any]]) -> list[Record]:
        return [record for event in part for record in engine.step(event)]

    whole = TradingEngine(recipe, run="r")
    expected = decided(whole, events)
    # In the midst of a day, of a rebalancing, and after it.
    turn = next(record["seq"] for record in expected if record["type"] == "decision" and record["side"] == "sell")
    for cut in (45, turn, turn + 1, turn + 25):
        first, again = TradingEngine(recipe, run="r"), TradingEngine(recipe, run="r")
        got = decided(first, events[:cut])
        kept = first.snapshot()
        assert kept is not None
        assert again.restore(kept)
        assert got + decided(again, events[cut:]) == expected
