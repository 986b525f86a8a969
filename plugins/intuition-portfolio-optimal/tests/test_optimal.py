"""The portfolio, by itself and through the contract of its kind."""

import math
import subprocess
import sys
from importlib.metadata import entry_points
from typing import Any, ClassVar

import intuition_portfolio_optimal
import msgspec
import pytest
from intuition_portfolio_optimal import OptimalWeights

from intuition_core.contracts import Bet, Signal
from intuition_core.errors import BadParameter
from intuition_core.params.checking import check_params
from intuition_core.testing.account import FakeAccount
from intuition_core.testing.portfolio import PortfolioContract

DAY = 86_400_000_000_000
SMALL = {"symbols": ["A", "B"], "window": 4, "days": 3}
MOVES = {"A": [0.01, -0.02, 0.03, 0.01, -0.01, 0.02, 0.0], "B": [0.002, 0.001, -0.003, 0.004, 0.0, -0.001, 0.002]}


def made(**params: Any) -> OptimalWeights:
    part = OptimalWeights()
    part.initialize(check_params("portfolio", OptimalWeights, {**SMALL, **params}))
    return part


def quotes(days: int, *, sids: str = "AB") -> list[dict[str, Any]]:
    """Give one quote of each symbol a day, at noon."""
    prices = dict.fromkeys(sids, 100.0)
    events = []
    for day in range(days):
        for sid in sids:
            prices[sid] *= 1 + MOVES[sid][day % 7]
            events.append({"channel": "quotes", "sid": sid, "quote": prices[sid], "ts": day * DAY + DAY // 2})
    return events


def bets(part: OptimalWeights, event: dict[str, Any], account: FakeAccount | None = None) -> list[Bet]:
    return list(part.observe(event, account or FakeAccount(marks={"A": 100.0, "B": 100.0})))


class TestOptimalWeights(PortfolioContract):
    part = OptimalWeights
    params: ClassVar = {"symbols": ["IBM", "MSFT"]}


def test_it_is_found_under_its_name() -> None:
    found = {entry.name: entry.load() for entry in entry_points(group="intuition.v1.portfolio")}
    assert found["optimal-weights"] is intuition_portfolio_optimal.OptimalWeights


def test_importing_it_imports_no_optimiser() -> None:
    heavy = "{'numpy', 'pandas', 'skfolio', 'cvxpy', 'plotly'}"
    code = f"import sys, intuition_portfolio_optimal; sys.exit(str(sorted(sys.modules.keys() & {heavy})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.strip() == "[]"


def test_nothing_is_bet_before_the_window_is_full() -> None:
    part = made()
    given = {}
    for event in quotes(9):
        if answer := bets(part, event):
            given[event["sid"], event["ts"] // DAY] = [(bet.side, bet.sid) for bet in answer]
    # Four returns take five closes, and the fifth is one when there is a quote of the sixth day.
    assert given == {("A", day): [("buy", "A"), ("buy", "B")] for day in (5, 8)}


def test_a_quote_of_the_present_period_changes_nothing() -> None:
    answers = []
    for price in (1.0, 1000.0):
        part = made()
        for event in quotes(5):
            assert bets(part, event) == []
        answers.append(bets(part, {"channel": "quotes", "sid": "A", "quote": price, "ts": 5 * DAY}))
    assert answers[0]
    assert answers[0] == answers[1]


def test_what_is_invested_is_the_equity_less_the_reserve() -> None:
    def invested(**params: Any) -> float:
        part = made(**params)
        return sum(float(bet.cash or 0) for event in quotes(6)[:11] for bet in bets(part, event))

    assert invested() == pytest.approx(10_000, abs=0.02)
    assert invested(reserve=0.25) == pytest.approx(7500, abs=0.02)


def test_what_is_too_much_is_sold_first() -> None:
    part = made(min_weight=0.4)
    events = quotes(6)
    for event in events[:10]:
        assert bets(part, event) == []
    account = FakeAccount(cash=0.0, positions={"A": 100.0}, marks={"A": 100.0, "B": 100.0})
    assert [(bet.side, bet.sid, bet.cash) for bet in bets(part, events[10], account)] == [("sell", "A", 6000)]
    assert bets(part, events[11], account) == []
    sold = FakeAccount(cash=6000.0, positions={"A": 40.0}, marks={"A": 100.0, "B": 100.0})
    bought = bets(part, {**events[10], "ts": events[10]["ts"] + 1}, sold)
    assert [(bet.side, bet.sid, bet.cash) for bet in bought] == [("buy", "B", 6000)]


@pytest.mark.parametrize(
    ("prices", "params", "says"),
    [
        ([1.0] * 5, {}, "no weights of minimum-variance: The following assets have a non positive variance"),
        ([1.0, 2.0, 0.0, 1.0, 2.0], {}, "no weights of minimum-variance: a close of B is 0, from which there is no"),
        ([2.0, 1.0, -37.63, 1.0, 2.0], {}, "a close of B is -37.63"),
        ([9.0, 8.0, 6.0, 5.0, 3.0], {"objective": "maximum-sharpe", "risk_free": 0.1}, "under-performing"),
    ],
)
def test_without_weights_the_positions_stay_and_the_reason_is_given(
    prices: list[float], params: dict[str, Any], says: str
) -> None:
    part = made(**params)
    account = FakeAccount(positions={"A": 1.0, "B": 50.0}, marks={"A": 100.0, "B": 1.0})
    for event in quotes(5):
        price = prices[event["ts"] // DAY] if event["sid"] == "B" else event["quote"]
        assert bets(part, {**event, "quote": price}, account) == []
    (bet,) = bets(part, quotes(6)[10], account)
    assert (bet.cash, bet.units, bet.sid, bet.side) == (0, None, "A", "buy")
    assert says in (bet.reason or "")
    assert bets(part, quotes(6)[11], account) == []


def test_signals_change_nothing_and_that_is_said() -> None:
    part = made()
    for answer in (
        part.optimize(Signal("A", "buy"), FakeAccount()),
        part.release(Signal("A", "sell"), FakeAccount(positions={"A": 1.0})),
    ):
        assert answer.cash == 0
        assert answer.reason == "the weights say what is bought and sold, not signals"


@pytest.mark.parametrize("cut", [0, 1, 7, 10, 11, 12, 17, 23])
def test_it_goes_on_from_a_snapshot(cut: int) -> None:
    account = FakeAccount(cash=100.0, positions={"A": 60.0, "B": 10.0}, marks={"A": 100.0, "B": 100.0})
    events = quotes(12)
    whole, first, again = made(), made(), made()
    expected = [bets(whole, event, account) for event in events]
    got = [bets(first, event, account) for event in events[:cut]]
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.snapshot())))
    assert got + [bets(again, event, account) for event in events[cut:]] == expected
    assert sum(map(bool, expected)) >= 3


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"symbols": ["A"]}, "symbols"),
        ({"symbols": ["A", "A"]}, "named twice"),
        ({"symbols": list("ABCD")}, "a window of 4 is too short: 4 symbols need 5 returns or more"),
        ({"objective": "riches"}, "objective"),
        ({"window": 2}, "window"),
        ({"period": 0}, "period"),
        ({"days": 0}, "days"),
        ({"min_weight": 0.6}, "2 weights from 0.6 to 1 cannot come to 1"),
        ({"max_weight": 0.4}, "2 weights from 0 to 0.4 cannot come to 1; min_weight is at most 0.5"),
        ({"reserve": 1.1}, "reserve"),
        ({"band": -0.1}, "band"),
        ({"risk_free": math.nan}, "risk_free"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(params: dict[str, Any], says: str) -> None:
    with pytest.raises(BadParameter, match=says):
        check_params("portfolio", OptimalWeights, {**SMALL, **params})
