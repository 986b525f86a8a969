"""Kelly stakes where the account may sell short."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intuition_portfolio_kelly import Kelly
from intuition_portfolio_kelly.edge import edge_of_trades

from intuition_core.account.margin import Margin
from intuition_core.contracts import Bet, ClosedTrade, Data, Order, Side, Signal
from intuition_core.params.checking import check_params
from intuition_core.testing.account import FakeAccount
from intuition_core.trading.composition import Composition, Fill, FillRules, Part, Sleeve
from intuition_core.trading.engine import TradingEngine

EDGE: dict[str, float] = {"probability": 0.6, "loss": 1.0, "win": 1.0}  # f* = 0.2, and half of it is bet


class Told:
    """Signals what the events say, with the sides in ``do``."""

    def event(self, data: Data) -> list[Signal]:
        edge: dict[str, float] = data.get("edge", EDGE)
        return [Signal(data["sid"], side, **edge) for side in data.get("do", ())]


def engine(fill: Fill = "next", initial: str = "1.5", share: str | None = None, **params: Any) -> TradingEngine:
    part = Part(kind="portfolio", name="kelly", factory=Kelly, params=check_params("portfolio", Kelly, params))
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


@pytest.mark.parametrize("fill", ["next", "same"])
@pytest.mark.parametrize("initial", ["1", "1.5", "2"])
@pytest.mark.parametrize("side", ["buy", "sell"])
@settings(max_examples=25, deadline=None)
@given(
    at=st.dictionaries(st.integers(0, 8), st.integers(1, 3), min_size=1),
    share=st.sampled_from([None, "0.1", "0.5"]),
)
def test_one_stake_is_bet_however_often_it_is_signalled(
    fill: Fill, initial: str, side: str, at: dict[int, int], share: str | None
) -> None:
    if fill == "same":
        share = None
    at_work = engine(fill, initial, share)
    for n in range(14):
        do = [side] * at.get(n, 0)
        at_work.step({"channel": "quotes", "sid": "A", "quote": 100.0, "ts": n, "volume": 20.0, "do": do})
        ordered = sum(float(order.quantity or (order.cash or 0) / 100) for order in at_work.account.orders)
        assert abs(at_work.account.positions.get("A", 0.0)) + ordered <= 10 * (1 + 1e-9)
    assert at_work.account.positions["A"] == pytest.approx(10 if side == "buy" else -10)


@pytest.mark.parametrize(
    ("side", "orders", "positions", "bet"),
    [
        ("sell", [("sell", 4, True, None)], {}, 600),
        ("sell", [("sell", 4, True, 125.0)], {}, 500),
        ("sell", [("sell", 4, True, None)], {"A": -6.0}, None),
        ("sell", [("buy", 4, True, None)], {"A": -6.0}, 400),  # buying back is no stake
        ("sell", [("sell", 4, False, None)], {}, 1000),  # nor is selling what is held
        ("buy", [("sell", 4, True, None)], {}, 1000),
        ("buy", [("buy", 4, False, None)], {}, 600),
    ],
)
def test_what_is_ordered_counts_on_its_side(
    side: Side, orders: list[tuple[Side, int, bool, float | None]], positions: dict[str, float], bet: int | None
) -> None:
    made = [
        Order("A", way, 100.0, quantity=Decimal(units), short=short, limit=limit) for way, units, short, limit in orders
    ]
    set_aside = 400.0 if orders[0][0] == "buy" and not orders[0][2] else 77.0
    owed = -100 * positions.get("A", 0.0)
    account = FakeAccount(
        cash=10_000.0 - set_aside - 0.5 * owed,
        margin=1.5 * owed,
        pending={"A": set_aside},
        positions=positions,
        marks={"A": 100.0},
        orders=made,
    )
    assert account.equity == 10_000
    part = Kelly()
    part.initialize(Kelly.Params())
    answer = part.optimize(Signal("A", side, 100.0, **EDGE), account)
    if bet is None:
        assert answer.reason == "1000.00 of A sold short or ordered to be already, and the Kelly stake is 1000.00"
    else:
        assert answer == Bet(cash=Decimal(bet))


def test_an_edge_is_estimated_over_what_was_staked() -> None:
    # Short at 100, back at 50: half of the stake is won. Short at 100, back at 140: 0.4 of it is lost.
    won = ClosedTrade("A", 1.0, 50.0, 100.0, 1, short=True)
    lost = ClosedTrade("A", 1.0, 140.0, 100.0, 2, short=True)
    assert edge_of_trades([won, lost], "A", 2) == pytest.approx(0.5 / 0.4 - 0.5 / 0.5)
    bought = [ClosedTrade("A", 1.0, 100.0, 150.0, 1), ClosedTrade("A", 1.0, 100.0, 60.0, 2)]
    assert edge_of_trades(bought, "A", 2) == pytest.approx(0.25)


def test_an_edge_is_estimated_from_short_trades_of_the_account() -> None:
    at_work = engine(min_trades=2, fraction=1.0)
    story: list[tuple[float, list[str], dict[str, float]]] = [
        (100.0, ["sell"], EDGE),
        (100.0, [], {}),
        (50.0, ["buy"], {}),
        (50.0, [], {}),
        (100.0, ["sell"], EDGE),
        (100.0, [], {}),
        (140.0, ["buy"], {}),
        (140.0, [], {}),
    ]
    for n, (price, do, edge) in enumerate(story):
        at_work.step({"channel": "quotes", "sid": "A", "quote": price, "ts": n, "do": do, "edge": edge})
    assert [trade.rate for trade in at_work.account.closed_trades] == pytest.approx([0.5, -0.4])
    equity = at_work.account.equity
    (decision,) = at_work.step({"channel": "quotes", "sid": "A", "quote": 140.0, "ts": 9, "do": ["buy"], "edge": {}})
    assert float(decision["cash"]) == pytest.approx(0.25 * equity, abs=0.01)
