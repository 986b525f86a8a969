"""Parts are told their fills once each, after they are booked; what a position has cost, and since when."""

from decimal import Decimal
from typing import Any

import pytest

from intuition_core.account.costs import Costs
from intuition_core.contracts import Bet, Cancel, Context, Fill, Signal
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import MAX_TOLD, TradingEngine

SECOND = 10**9


class Units:
    def optimize(self, signal: Any, account: Any) -> Bet:
        return Bet(units=2)


def engine(algorithm: Any, portfolio: Any = Units, **more: Any) -> TradingEngine:
    def part(kind: str, factory: Any) -> Part:
        return Part(kind=kind, name=kind, factory=factory, params={})

    line = Sleeve(algorithm=part("algorithm", algorithm), portfolio=part("portfolio", portfolio))
    return TradingEngine(Composition(sleeves=(line,), seed=1, cash=Decimal(1000), **more), run="r")


def quote(second: int, price: float, sid: str = "A") -> dict[str, Any]:
    return {"channel": "quotes", "sid": sid, "quote": price, "ts": second * SECOND}


class Telling:
    """Buys at first, and notes what it is told."""

    told: list[Any]

    def initialize(self, params: Any, context: Context) -> None:
        type(self).told = []
        self.account = context.account
        self.n = 0

    def event(self, data: Any) -> Any:
        self.n += 1
        self.told.append(("event", data["ts"] // SECOND, dict(self.account.positions)))
        return {1: Signal("A", "buy", tag="entry"), 3: Signal("A", "sell")}.get(self.n)

    def filled(self, fill: Fill) -> Any:
        self.told.append((fill, dict(self.account.positions), dict(self.account.holdings)))
        return None


@pytest.mark.parametrize("batched", [False, True])
def test_a_fill_is_told_once_after_it_is_booked_and_before_its_event(batched: bool) -> None:
    at = engine(Telling, costs=Costs(commission_per_trade=Decimal(1)))
    events = [quote(1, 10.0), quote(2, 11.0), quote(3, 12.0), quote(4, 13.0)]
    records = [each for told in (at.run_through(events) if batched else map(at.step, events)) for each in told]
    decisions = [each["id"] for each in records if each["type"] == "decision"]
    first, (bought, held, holdings), second, third, (sold, left, none), fourth = Telling.told
    assert [each[1] for each in (first, second, third, fourth)] == [1, 2, 3, 4]
    assert bought == Fill(
        order=decisions[0],
        sid="A",
        side="buy",
        quantity=Decimal(2),
        price=11.0,
        cash=Decimal(23),
        profit=None,
        closing=False,
        done=True,
        tag="entry",
        ts=2 * SECOND,
    )
    assert held == {"A": 2.0}
    assert holdings == {"A": (2.0, 11.5, 2 * SECOND)}
    assert (sold.order, sold.profit, sold.closing, left, none) == (decisions[1], Decimal(2), True, {}, {})


def test_since_is_the_first_fill_and_the_average_is_over_all() -> None:
    class Adding(Telling):
        def event(self, data: Any) -> Any:
            return Signal("A", "buy")

    at = engine(Adding)
    for second, price in enumerate((10.0, 10.0, 20.0, 30.0), 1):
        at.step(quote(second, price))
    assert dict(at.account.holdings) == {"A": (6.0, 20.0, 2 * SECOND)}
    kept = at.snapshot
    assert kept() is None  # it keeps what it was told, and gives no state


class Answering(Telling):
    """Sells what it has bought as soon as it knows."""

    def event(self, data: Any) -> Any:
        self.n += 1
        return Signal("A", "buy") if self.n == 1 else None

    def filled(self, fill: Fill) -> Any:
        return Signal("A", "sell") if fill.side == "buy" else None


@pytest.mark.parametrize("fill", ["next", "same"])
def test_what_it_answers_is_decided_at_that_event_and_filled_at_a_later_one(fill: str) -> None:
    at = engine(Answering, fill=fill)
    records = [each for second in (1, 2, 3) for each in at.step(quote(second, 10.0 + second))]
    told = [(each["type"], each["ts"] // SECOND, each["side"]) for each in records]
    bought = 1 if fill == "same" else 2
    assert told == [
        ("decision", 1, "buy"),
        ("fill", bought, "buy"),
        ("decision", bought, "sell"),
        ("fill", bought + 1, "sell"),
    ]


def test_fills_that_answer_one_another_end_after_a_hundred() -> None:
    class Endless(Telling):
        def event(self, data: Any) -> Any:
            return [Signal("A", "buy") for _ in range(MAX_TOLD + 20)]

        def filled(self, fill: Fill) -> Any:
            type(self).told.append(fill)
            return Cancel()

    at = engine(Endless, fill="same", portfolio=type("Tiny", (), {"optimize": lambda *_: Bet(units=Decimal("0.1"))}))
    records = at.step(quote(1, 10.0))
    assert len(Endless.told) == MAX_TOLD
    [error] = [each for each in records if each["type"] == "error"]
    assert "more than 100 fills at one event" in error["problem"]


def test_a_part_that_raises_in_it_fails_there_and_the_others_go_on() -> None:
    class Raising(Telling):
        def filled(self, fill: Fill) -> Any:
            raise ValueError("no")

    at = engine(Raising)
    at.step(quote(1, 10.0))
    records = at.step(quote(2, 10.0))
    assert [(each["type"], each.get("method")) for each in records] == [("fill", None), ("error", "filled")]
    assert at.account.positions == {"A": 2.0}


def test_a_portfolio_is_told_too_and_may_bet() -> None:
    class Hedging(Units):
        def filled(self, fill: Fill, account: Any) -> Any:
            return Bet(units=1, sid="B", side="buy") if fill.sid == "A" else None

    class Once(Answering):
        def event(self, data: Any) -> Any:
            self.n += 1
            return Signal("A", "buy") if self.n == 2 else None

    at = engine(Once, portfolio=Hedging)
    at.step(quote(1, 5.0, "B"))
    records = [each for second in (2, 3, 4) for sid in "AB" for each in at.step(quote(second, 10.0, sid))]
    told = [(each["ts"] // SECOND, each["sid"], each["side"]) for each in records if each["type"] == "fill"]
    # It is told of both fills of A, and bets again on the second.
    assert told == [(3, "A", "buy"), (4, "A", "sell"), (4, "B", "buy")]
    assert [each["side"] for each in records if each["type"] == "decision" and each["sid"] == "B"] == ["buy", "buy"]
