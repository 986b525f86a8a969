import math
from decimal import Decimal
from importlib.metadata import entry_points
from itertools import accumulate
from typing import Any

import intuition_portfolio_weights
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_portfolio_weights import EqualWeight, TargetWeights

from intuition_core.account.costs import Costs
from intuition_core.contracts import Account, Bet, Data, Order, Signal
from intuition_core.errors import BadParameter
from intuition_core.params.checking import check_params, json_params
from intuition_core.testing.account import FakeAccount
from intuition_core.testing.portfolio import PortfolioContract
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine

HOUR = 3_600_000_000_000
DAY = 24 * HOUR
BUY = Signal("A", "buy", 100.0)
SELL = Signal("A", "sell", 100.0)


def made(part: type, **params: Any) -> Any:
    live = part()
    live.initialize(check_params("portfolio", part, params))
    return live


def nothing(bet: Bet) -> str:
    assert bet.cash == 0
    assert bet.units is None
    assert bet.reason
    return bet.reason


def test_each_is_found_under_its_name() -> None:
    found = {entry.name: entry.load() for entry in entry_points(group="intuition.v1.portfolio")}
    assert found["equal-weight"] is intuition_portfolio_weights.EqualWeight
    assert found["target-weights"] is intuition_portfolio_weights.TargetWeights


# -- equal weights


def test_each_symbol_gets_an_equal_part() -> None:
    account = FakeAccount(cash=10_000.0, marks={"A": 100.0})
    assert made(EqualWeight, symbols=["A", "B", "C"]).optimize(BUY, account) == Bet(cash=Decimal("3333.33"))
    assert made(EqualWeight, count=4).optimize(BUY, account) == Bet(cash=Decimal(2500))
    assert made(EqualWeight).optimize(BUY, account) == Bet(cash=Decimal(10_000))
    account = FakeAccount(cash=300.0, marks={"A": 100.0, "B": 1.0, "C": 1.0})
    assert made(EqualWeight).optimize(BUY, account) == Bet(cash=Decimal(100))


def test_what_is_held_and_ordered_counts() -> None:
    account = FakeAccount(cash=7000.0, positions={"A": 10.0}, pending={"A": 500.0, "B": 1500.0}, marks={"A": 100.0})
    part = made(EqualWeight, count=4)
    assert part.optimize(BUY, account) == Bet(cash=Decimal(1000))
    assert part.optimize(Signal("B", "buy", 1.0), account) == Bet(cash=Decimal(1000))
    assert part.optimize(Signal("C", "buy", 1.0), account) == Bet(cash=Decimal(2500))
    assert nothing(made(EqualWeight, count=7).optimize(BUY, account)) == (
        "A has its part: 1500.00 of 1428.57, the equity divided by 7"
    )


def test_a_symbol_that_lacks_little_is_left_alone() -> None:
    account = FakeAccount(cash=9100.0, positions={"A": 9.0}, marks={"A": 100.0})
    assert made(EqualWeight, count=10, band=0.0099).optimize(BUY, account) == Bet(cash=Decimal(100))
    assert nothing(made(EqualWeight, count=10, band=0.01).optimize(BUY, account))


def test_what_an_amount_did_not_quite_buy_is_not_bought_again() -> None:
    account = FakeAccount(cash=9000.00000007, positions={"A": 142.85714285}, marks={"A": 7.0})
    assert nothing(made(EqualWeight, count=10).optimize(BUY, account))


@pytest.mark.parametrize(
    ("account", "says"),
    [
        (FakeAccount(cash=0.0), "A has its part: 0.00 of 0.00"),
        (FakeAccount(cash=0.009, positions={"B": 5.0}, marks={"B": 100.0}), "less than a cent of cash"),
        (FakeAccount(cash=-5.0, positions={"B": 5.0}, marks={"B": 100.0}), "less than a cent of cash"),
        (FakeAccount(cash=math.nan), "the account makes no sense"),
    ],
)
def test_where_there_is_nothing_to_bet_the_reason_is_given(account: FakeAccount, says: str) -> None:
    assert says in nothing(made(EqualWeight, count=2).optimize(BUY, account))


def test_other_symbols_are_refused() -> None:
    assert nothing(made(EqualWeight, symbols=["B"]).optimize(BUY, FakeAccount())) == "A is not among `symbols`"


money = st.floats(0, 1e9)


@given(cash=money, held=st.floats(0, 1e6), mark=st.floats(0.01, 1e4), pending=money, count=st.integers(1, 50))
def test_a_symbol_never_comes_to_more_than_its_part(
    cash: float, held: float, mark: float, pending: float, count: int
) -> None:
    account = FakeAccount(cash=cash, positions={"A": held}, marks={"A": mark}, pending={"A": pending})
    bet = made(EqualWeight, count=count).optimize(BUY, account)
    assert isinstance(bet.cash, Decimal)
    assert 0 <= bet.cash <= Decimal(str(cash))
    assert bet.cash == round(bet.cash, 2)
    if bet.cash:
        there = held * mark + pending
        assert float(bet.cash) + there <= account.equity / count * (1 + 1e-12) + 1e-6


def quote(sid: str, ts: int, price: float = 1.0) -> dict[str, Any]:
    return {"channel": "quotes", "sid": sid, "quote": price, "ts": ts}


def test_without_a_schedule_equal_weights_are_a_matter_of_signals() -> None:
    part = made(EqualWeight, symbols=["A", "B"])
    assert part.observe is None
    assert part.snapshot() is None


def test_what_is_held_is_made_equal_again() -> None:
    part = made(EqualWeight, symbols=["A", "B", "C"], days=1)
    account = FakeAccount(cash=0.0, positions={"A": 60.0, "B": 30.0, "D": 30.0}, marks=dict.fromkeys("ABCD", 1.0))
    assert part.observe(quote("A", 0), account) == [Bet(cash=Decimal(20), sid="A", side="sell")]
    sold = FakeAccount(cash=20.0, positions={"A": 40.0, "B": 30.0, "D": 30.0}, marks=dict.fromkeys("ABCD", 1.0))
    assert part.observe(quote("B", 1), sold) == []
    assert part.observe(quote("A", 2), sold) == [Bet(cash=Decimal(10), sid="B", side="buy")]
    assert part.observe(quote("A", 3), sold) == ()


def test_what_the_algorithm_has_sold_is_not_bought_again() -> None:
    part = made(EqualWeight, symbols=["A", "B"], days=1)
    account = FakeAccount(cash=0.0, positions={"A": 60.0, "B": 30.0}, marks={"A": 1.0, "B": 1.0})
    assert part.observe(quote("A", 0), account) == [Bet(cash=Decimal(15), sid="A", side="sell")]
    assert part.observe(quote("B", 0), account) == []
    gone = FakeAccount(cash=45.0, positions={"A": 45.0}, marks={"A": 1.0, "B": 1.0})
    assert part.observe(quote("A", 1), gone) == []


# -- target weights


def told(cash: float, ts: int = 0, /, **more: Any) -> FakeAccount:
    marks = more.pop("marks", {"A": 100.0, "B": 10.0})
    return FakeAccount(cash=cash, marks=marks, quoted_at=dict.fromkeys(marks, ts), **more)


def sized(answer: list[Bet]) -> list[tuple[str | None, float | None]]:
    return [(bet.sid, float(bet.cash or 0)) for bet in answer]


def test_a_buy_buys_what_every_symbol_lacks() -> None:
    part = made(TargetWeights, weights={"A": 0.5, "B": 0.3})
    account = told(9000.0, positions={"A": 5.0}, pending={"B": 500.0})
    assert account.equity == 10_000
    assert sized(part.optimize(Signal("C", "buy", 1.0), account)) == [("A", 4500), ("B", 2500)]


def test_a_sell_sells_what_every_symbol_has_too_much_of() -> None:
    part = made(TargetWeights, weights={"A": 0.5, "B": 0.3, "C": 0.0})
    account = told(500.0, positions={"A": 60.0, "B": 340.0, "C": 1.0}, marks={"A": 100.0, "B": 10.0, "C": 100.0})
    assert part.release(SELL, account) == [
        Bet(cash=Decimal(1000), sid="A", side="sell"),
        Bet(cash=Decimal(400), sid="B", side="sell"),
        Bet(units=1.0, sid="C", side="sell"),
    ]


def test_each_period_each_symbol_has_its_turn_once() -> None:
    part = made(TargetWeights, weights={"A": 0.5, "B": 0.5}, days=2)
    only_a = told(1000.0, 3 * HOUR, marks={"A": 100.0})
    assert sized(part.optimize(BUY, only_a)) == [("A", 500)]
    assert part.optimize(BUY, only_a) == []
    assert sized(part.optimize(BUY, told(1000.0, 5 * HOUR))) == [("B", 500)]
    assert part.optimize(BUY, told(1000.0, 3 * HOUR + 2 * DAY - 1)) == []
    assert part.optimize(BUY, told(1000.0, HOUR)) == []
    assert sized(part.optimize(BUY, told(1000.0, 3 * HOUR + 2 * DAY))) == [("A", 500), ("B", 500)]
    assert part.optimize(BUY, told(1000.0, 5 * HOUR + 2 * DAY)) == []
    assert sized(part.optimize(BUY, told(1000.0, 3 * HOUR + 40 * DAY))) == [("A", 500), ("B", 500)]


def test_buying_and_selling_have_their_own_turns() -> None:
    part = made(TargetWeights, weights={"A": 0.5})
    account = told(100.0, positions={"A": 9.0})
    assert part.optimize(BUY, account) == []
    assert sized(part.release(SELL, account)) == [("A", 400)]
    assert part.release(SELL, account) == []


def test_a_symbol_near_its_part_is_left_alone() -> None:
    account = told(5100.0, positions={"A": 49.0})
    assert sized(made(TargetWeights, weights={"A": 0.5}, band=0.009).optimize(BUY, account)) == [("A", 100)]
    assert made(TargetWeights, weights={"A": 0.5}, band=0.01).optimize(BUY, account) == []
    account = told(4900.0, positions={"A": 51.0})
    assert sized(made(TargetWeights, weights={"A": 0.5}, band=0.009).release(SELL, account)) == [("A", 100)]
    assert made(TargetWeights, weights={"A": 0.5}, band=0.01).release(SELL, account) == []


def test_the_cash_goes_to_the_first_of_the_table() -> None:
    part = made(TargetWeights, weights={"A": 0.5, "B": 0.5, "C": 0.0})
    account = told(400.0, positions={"C": 6.0}, marks={"A": 1.0, "B": 1.0, "C": 100.0})
    first, second = part.optimize(BUY, account)
    assert first == Bet(cash=Decimal(400), sid="A", side="buy")
    assert nothing(second) == "it lacks 500.00, and no cash is left"


def test_where_the_account_does_not_tell_the_time_the_quote_does() -> None:
    part = made(TargetWeights, weights={"A": 0.5, "B": 0.3}, days=2)
    account = FakeAccount(cash=500.0, positions={"A": 60.0}, marks={"A": 100.0, "B": 10.0})
    assert part.observe(quote("A", 0), account) == ()
    for signal in (SELL, BUY, BUY):
        answer = part.release(signal, account) if signal is SELL else part.optimize(signal, account)
        assert answer == ()
    assert part.observe(quote("B", HOUR), account) == [
        Bet(cash=Decimal(2750), sid="A", side="sell"),
        Bet(cash=Decimal(500), sid="B", side="buy"),
    ]
    part.release(SELL, account)
    assert part.observe(quote("A", HOUR + 2 * DAY - 1), account) == []
    part.release(SELL, account)
    assert part.observe(quote("A", HOUR + 2 * DAY), account) == [Bet(cash=Decimal(2750), sid="A", side="sell")]


def test_only_what_was_quoted_is_bought() -> None:
    part = made(TargetWeights, weights={"A": 0.5, "B": 0.3})
    account = FakeAccount(marks={"A": 100.0})
    part.optimize(BUY, account)
    assert part.observe(quote("A", 0), account) == [Bet(cash=Decimal(5000), sid="A", side="buy")]


@given(
    weights=st.dictionaries(st.sampled_from("ABCDE"), st.integers(0, 20), min_size=1).map(
        lambda table: {sid: weight / 100 for sid, weight in table.items()}
    ),
    cash=st.floats(0, 1e6),
    positions=st.dictionaries(st.sampled_from("ABCDE"), st.floats(1e-6, 1000)),
    mark=st.floats(0.01, 1000),
)
def test_no_more_is_bet_than_there_is_and_nothing_beyond_its_weight(
    weights: dict[str, float], cash: float, positions: dict[str, float], mark: float
) -> None:
    account = told(cash, positions=positions, marks=dict.fromkeys("ABCDE", mark))
    bought = made(TargetWeights, weights=weights).optimize(BUY, account)
    assert sum((Decimal(bet.cash or 0) for bet in bought), Decimal(0)) <= Decimal(str(cash))
    for bet in bought:
        comes_to = float(bet.cash or 0) + positions.get(bet.sid or "", 0.0) * mark
        assert not bet.cash or comes_to <= weights[bet.sid or ""] * account.equity * (1 + 1e-12) + 1e-6
    for bet in made(TargetWeights, weights=weights).release(SELL, account):
        held = positions[bet.sid or ""] * mark
        left = held - (float(bet.cash) if bet.cash is not None else float(bet.units or 0) * mark)
        assert (
            left >= weights[bet.sid or ""] * account.equity * (1 - 1e-12) - 0.010001
        )  # a part is rounded down to the cent


def test_a_snapshot_keeps_the_schedule() -> None:
    part = made(TargetWeights, weights={"A": 0.5, "B": 0.5})
    part.optimize(BUY, told(1000.0, 7, marks={"A": 1.0}))
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(part.snapshot()))
    other = made(TargetWeights, weights={"A": 0.5, "B": 0.5})
    other.restore(state)
    assert sized(other.optimize(BUY, told(1000.0, 8))) == [("B", 500)]
    assert sized(other.optimize(BUY, told(1000.0, 7 + DAY))) == [("A", 500), ("B", 500)]


# -- parameters, and the contract


@pytest.mark.parametrize(
    ("part", "params", "says"),
    [
        (EqualWeight, {"symbols": ["A"], "count": 1}, "keep one of them"),
        (EqualWeight, {"symbols": ["A", "A"]}, "named twice"),
        (EqualWeight, {"symbols": []}, "symbols"),
        (EqualWeight, {"count": 0}, "count"),
        (TargetWeights, {}, "weights"),
        (TargetWeights, {"weights": {}}, "weights"),
        (TargetWeights, {"weights": {"A": -0.1}}, "weights"),
        (TargetWeights, {"weights": {"A": math.nan}}, "weights"),
        (TargetWeights, {"weights": {"A": 0.7, "B": 0.4}}, "the weights come to 1.1, which is more than 1"),
        (TargetWeights, {"weights": {"A": 1}, "days": 0}, "days"),
        (TargetWeights, {"weights": {"A": 1}, "trigger": "clock"}, "trigger"),
        (EqualWeight, {"days": 0}, "days"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(part: type, params: dict[str, Any], says: str) -> None:
    with pytest.raises(BadParameter, match=says):
        check_params("portfolio", part, params)


def test_ten_tenths_are_one() -> None:
    weights = {str(number): 0.1 for number in range(10)}
    *_, whole = accumulate(weights.values())  # `sum` makes up for what is rounded away, from Python 3.12 on
    assert whole != 1
    params = check_params("portfolio", TargetWeights, {"weights": weights})
    assert msgspec.convert(json_params(params), TargetWeights.Params) == params


class TestEqualWeight(PortfolioContract):
    part = EqualWeight


HALVES = {"weights": {"IBM": 0.5, "MSFT": 0.5}}


class TestTargetWeights(PortfolioContract):
    part = TargetWeights
    params = HALVES


# -- through a whole strategy


class Both:
    """Signals a sell and a buy at each quote."""

    def initialize(self, params: object) -> None:
        pass

    def event(self, data: Data) -> list[Signal]:
        return [Signal(data["sid"], "sell"), Signal(data["sid"], "buy")]


class Watching:
    """Lets everything pass; with it the account tells when symbols were quoted."""

    def check(self, order: Order, account: Account) -> Order:
        return order


def engine(part: type, **params: Any) -> TradingEngine:
    recipe = Composition(
        sleeves=(
            Sleeve(
                algorithm=Part(kind="algorithm", name="both", factory=Both, params={}),
                portfolio=Part(
                    kind="portfolio", name="weights", factory=part, params=check_params("portfolio", part, params)
                ),
            ),
        ),
        risks=(Part(kind="risk", name="watching", factory=Watching, params={}),),
        costs=Costs(commission_bps=Decimal(10)),
        seed=1,
    )
    return TradingEngine(recipe, run="r")


def test_weights_are_restored_each_day_and_only_then() -> None:
    live = engine(TargetWeights, weights={"A": 0.5, "B": 0.3})
    prices = {"A": 100.0, "B": 10.0}
    days = []
    for hour in range(24 * 12):
        prices["A"] *= 1.01 if hour < 144 else 0.99
        for sid, price in prices.items():
            event = {"channel": "quotes", "sid": sid, "quote": price, "ts": hour * HOUR}
            days += [hour // 24 for record in live.step(event) if record["type"] == "decision"]
        assert live.ledger.available >= 0
        worth = {sid: live.account.positions.get(sid, 0.0) * price for sid, price in prices.items()}
        if hour % 24 == 3 and hour > 24:
            assert worth["A"] == pytest.approx(0.5 * live.account.equity, rel=0.05)
            assert worth["B"] == pytest.approx(0.3 * live.account.equity, rel=0.25)
    assert set(days) == set(range(12))
    assert max(days.count(day) for day in range(12)) <= 4


def test_equal_weights_come_to_all_of_the_account_and_not_more() -> None:
    live = engine(EqualWeight, symbols=["A", "B", "C"])
    for ts in range(3):
        for sid in "ABC":
            live.step({"channel": "quotes", "sid": sid, "quote": 7.0, "ts": ts, "open": 7.0})
            assert live.ledger.available >= 0
    assert set(live.account.positions) | set(live.account.pending) == {"A", "B", "C"}
