"""Equal parts and rebalancing where the account may sell short."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intuition_portfolio_weights import EqualWeight, Rebalance, TargetWeights

from intuition_core.account.margin import Margin
from intuition_core.contracts import Bet, Data, Order, Signal
from intuition_core.params.checking import check_params
from intuition_core.testing.account import FakeAccount
from intuition_core.trading.composition import Composition, Fill, FillRules, Part, Sleeve
from intuition_core.trading.engine import TradingEngine

HOUR = 3_600_000_000_000
DAY = 24 * HOUR


class Told:
    """Signals what the events say, with the sides in ``do``."""

    def event(self, data: Data) -> list[Signal]:
        return [Signal(data["sid"], side) for side in data.get("do", ())]


def engine(fill: Fill = "next", initial: str = "1.5", share: str | None = None, **params: Any) -> TradingEngine:
    part = Part(
        kind="portfolio",
        name="equal-weight",
        factory=EqualWeight,
        params=check_params("portfolio", EqualWeight, params),
    )
    told = Part(kind="algorithm", name="told", factory=Told, params={})
    return TradingEngine(
        Composition(
            sleeves=(Sleeve(algorithm=told, portfolio=part),),
            seed=1,
            cash=Decimal(10_000),
            fill=fill,
            fills=FillRules(volume_share=None if share is None else Decimal(share)),
            margin=Margin(initial=Decimal(initial), maintenance=Decimal("1.05")),
        ),
        run="r",
    )


def events(do: dict[int, list[str]], prices: list[float], **more: Any) -> list[dict[str, Any]]:
    return [
        {"channel": "quotes", "sid": "A", "quote": price, "ts": n * HOUR, "do": do.get(n, ()), **more}
        for n, price in enumerate(prices)
    ]


@pytest.mark.parametrize("fill", ["next", "same"])
@pytest.mark.parametrize("initial", ["1", "1.5", "2"])
@pytest.mark.parametrize("side", ["buy", "sell"])
@settings(max_examples=25, deadline=None)
@given(
    at=st.dictionaries(st.integers(0, 8), st.integers(1, 3), min_size=1),
    share=st.sampled_from([None, "0.1", "0.5"]),
)
def test_one_part_is_staked_however_often_it_is_signalled(
    fill: Fill, initial: str, side: str, at: dict[int, int], share: str | None
) -> None:
    if fill == "same":
        share = None
    at_work = engine(fill, initial, share, count=2)
    for event in events({n: [side] * count for n, count in at.items()}, [100.0] * 14, volume=100.0):
        at_work.step(event)
        staked = sum(float(order.quantity or (order.cash or 0) / 100) for order in at_work.account.orders)
        assert abs(at_work.account.positions.get("A", 0.0)) + staked <= 50 * (1 + 1e-9)
    sign = 1 if side == "buy" else -1
    assert at_work.account.positions["A"] == pytest.approx(sign * 50)


def test_what_is_short_is_made_equal_again_and_not_bought_back() -> None:
    for side in ("buy", "sell"):
        at_work = engine(count=4, days=1)
        prices = [100.0] * 24 + [125.0] * 24 + [60.0] * 24
        shares = []
        for event in events({0: [side]}, prices):
            at_work.step(event)
            if event["ts"] % DAY == 3 * HOUR:
                shares.append(at_work.account.values["A"] / at_work.account.equity)
        assert shares == pytest.approx([0.25 if side == "buy" else -0.25] * 3, abs=1e-4)


def test_pending_short_sales_count_what_they_sell_and_not_their_margin() -> None:
    part = EqualWeight()
    part.initialize(check_params("portfolio", EqualWeight, {"count": 2}))
    short = Order("A", "sell", 100.0, quantity=Decimal(20), short=True)
    sell, buy = Signal("A", "sell", 100.0), Signal("A", "buy", 100.0)

    def account(*orders: Order, **fields: Any) -> FakeAccount:
        return FakeAccount(marks={"A": 100.0}, orders=orders, **fields)

    assert part.optimize(sell, account(short, cash=9000.0, pending={"A": 1000.0})) == Bet(cash=Decimal(3000))
    # In the other direction it is no part of what there is, nor is what is set aside for it.
    assert part.optimize(buy, account(short, cash=9000.0, pending={"A": 1000.0})) == Bet(cash=Decimal(5000))
    limited = Order("A", "sell", 100.0, quantity=Decimal(20), short=True, limit=120.0)
    assert part.optimize(sell, account(limited)) == Bet(cash=Decimal(2600))
    covering = Order("A", "buy", 100.0, quantity=Decimal(20), short=True)
    assert part.optimize(sell, account(covering)) == Bet(cash=Decimal(5000))
    foreign = FakeAccount(marks={"A": 100.0}, rates={"A": 0.5}, orders=(short,))
    assert part.optimize(sell, foreign) == Bet(cash=Decimal(4000))


def quote(sid: str) -> dict[str, Any]:
    return {"channel": "quotes", "sid": sid, "quote": 1.0, "ts": 0}


def holding(cash: float, margin: float = 0.0, **positions: float) -> FakeAccount:
    return FakeAccount(cash=cash, margin=margin, positions=positions, marks=dict.fromkeys("ABCD", 1.0))


def sized(bets: Any) -> list[tuple[str | None, str | None, float]]:
    return [(bet.side, bet.sid, float(bet.cash if bet.cash is not None else bet.units)) for bet in bets]


def test_positions_on_the_wrong_side_are_closed_before_others_are_opened() -> None:
    rebalance = Rebalance(band=Decimal(0))
    for sid in "ABCD":
        rebalance.observe(quote(sid), holding(0))
    towards = {sid: Decimal(weight) for sid, weight in {"A": "0.2", "B": "-0.2", "C": "-0.2", "D": "0.1"}.items()}
    there = holding(20, 90, A=-10.0, B=10.0, C=-40.0, D=30.0)
    assert there.equity == 100
    closing = [("buy", "A", 10), ("sell", "B", 10), ("buy", "C", 20), ("sell", "D", 20)]
    assert sized(rebalance.observe(quote("A"), there, towards=towards)) == closing
    after = holding(80, 30, C=-20.0, D=10.0)
    for sid in "BC":
        assert rebalance.observe(quote(sid), after) == []
    rebalance.observe(quote("A"), after)
    assert sized(rebalance.observe(quote("D"), after)) == [("buy", "A", 20), ("sell", "B", 20)]


def test_target_weights_close_what_was_short_before_they_buy() -> None:
    part = TargetWeights()
    part.initialize(check_params("portfolio", TargetWeights, {"weights": {"A": 0.5}}))
    there = FakeAccount(cash=100.0, margin=150.0, positions={"A": -100.0}, marks={"A": 1.0}, quoted_at={"A": 1})
    assert part.optimize(Signal("A", "buy", 1.0), there) == [Bet(units=100.0, sid="A", side="buy")]
    part.initialize(check_params("portfolio", TargetWeights, {"weights": {"A": 0.0}}))
    assert part.release(Signal("A", "sell", 1.0), there) == []
