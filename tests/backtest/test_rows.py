"""Rows of one moment in another order, and prices that fills may not have."""

from decimal import Decimal
from random import Random
from typing import Any

import pytest

from intuition_core.backtest.rows import check_rows, reordered
from intuition_core.contracts import Bet, Signal
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.moment import Moment

HOUR = 3600 * 10**9
DAY = 19_000 * 24 * HOUR


def bar(sid: str, hour: int, opened: float, close: float) -> dict[str, Any]:
    ts = DAY + hour * HOUR
    prices = {"open": opened, "high": max(opened, close), "low": min(opened, close), "quote": close}
    return {"channel": "quotes", "sid": sid, "start": ts - HOUR, "ts": ts, **prices}


def history() -> list[dict[str, Any]]:
    random = Random(3)
    events = []
    last = dict.fromkeys("ABC", 100.0)
    for hour in range(1, 40):
        for sid in "ABC":
            close = last[sid] + random.choice((-2.0, -1.0, 1.0, 2.0))
            events.append(bar(sid, hour, last[sid], close))
            last[sid] = close
    return events


class Follows:
    """Buys B and C when A has risen, and sells them when it has fallen."""

    def initialize(self, params: Any, context: Any) -> None:
        self.account = context.account

    def event(self, data: Any) -> Any:
        if data["sid"] != "A":
            return None
        if data["quote"] > data["open"]:
            return [Signal(sid, "buy", quantity) for sid, quantity in (("B", None), ("C", None))]
        return [Signal(sid, "sell") for sid in self.account.positions]


class Alternates(Follows):
    """Buys B and C every fourth hour, and sells them two hours later."""

    def event(self, data: Any) -> Any:
        hour = (data["ts"] - DAY) // HOUR
        side = {0: "buy", 2: "sell"}.get(hour % 4) if hour else None
        return [Signal(sid, side) for sid in "BC"] if side and data["sid"] == "A" else None  # type: ignore[arg-type]  # a side


class Some:
    def optimize(self, signal: Any, account: Any) -> Bet | None:
        return None if signal.sid in account.positions or account.pending.get(signal.sid) else Bet(units=1)


class AllThereIs(Some):
    def optimize(self, signal: Any, account: Any) -> Any:
        return account.cash or None


def recipe(portfolio: type = Some, algorithm: type = Follows, **more: Any) -> Composition:
    line = Sleeve(
        algorithm=Part(kind="algorithm", name="follows", factory=algorithm, params={}),
        portfolio=Part(kind="portfolio", name="some", factory=portfolio, params={}),
    )
    return Composition(sleeves=(line,), seed=1, cash=Decimal(1000), **more)


def quotes(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give them with a first quote of each symbol, so that all are known."""
    first = [{"channel": "quotes", "sid": sid, "quote": 100.0, "ts": DAY} for sid in "ABC"]
    return [*first, *events]


def test_given_orders_fill_alike_in_any_order() -> None:
    assert check_rows(recipe(algorithm=Alternates), lambda: [quotes(history())]) == ([], [])


def test_an_algorithm_that_looks_at_other_quotes_of_the_moment_is_told() -> None:
    class Looks(Follows):
        def event(self, data: Any) -> Any:
            if data["sid"] == "A" and self.account.marks["B"] > 100:
                return Signal("B", "buy")
            return Signal("B", "sell") if data["sid"] == "A" and "B" in self.account.positions else None

    others, misplaced = check_rows(recipe(algorithm=Looks), lambda: [quotes(history())])
    assert not misplaced
    assert others
    assert "it comes to" in str(others[0])


def test_a_fill_at_a_price_from_before_its_decision_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Moment, "since", property(lambda _: -(2**62)))
    others, misplaced = check_rows(recipe(), lambda: [quotes(history())])
    assert misplaced
    assert others
    assert "has no price that was traded after that" in misplaced[0]


def test_rows_keep_their_kind_and_those_of_a_symbol_their_order() -> None:
    ts = DAY
    rows = [
        {"channel": "rates", "sid": "EUR/USD", "quote": 1.1, "ts": ts},
        *(bar(sid, 0, 1.0, 2.0) for sid in "AB"),
        {"channel": "actions", "sid": "A", "action": "dividend", "amount": "1", "ts": ts},
        *({"channel": "quotes", "sid": sid, "quote": float(n), "ts": ts} for n, sid in enumerate("ABA", 1)),
    ]
    given = list(reordered([rows[:4], rows[4:]], None))
    assert given == [rows[0], rows[2], rows[1], rows[3], rows[5], rows[4], rows[6]]
