"""Splits and dividends: in which currency they are, and of symbols that nothing else is known of."""

import logging
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intuition_core.account.instruments import Instrument
from intuition_core.backtest.run import Backtest
from intuition_core.cli.failures import Failures
from intuition_core.contracts import Bet, Signal
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine

MINUTE = 60 * 10**9
Event = dict[str, Any]


class Obeys:
    """Buys what an event says."""

    def initialize(self, params: Any) -> list[str]:
        return ["quotes"]

    def event(self, data: Any) -> Signal | None:
        return Signal(data["sid"], "buy", data["quote"]) if data.get("do") else None


class Ten:
    """Bets ten units."""

    def optimize(self, signal: Signal, account: Any) -> Bet:
        return Bet(units=10)


def recipe(**more: Any) -> Composition:
    algorithm = Part(kind="algorithm", name="obeys", factory=Obeys, params={})
    portfolio = Part(kind="portfolio", name="ten", factory=Ten, params={})
    return Composition(
        sleeves=(Sleeve(algorithm=algorithm, portfolio=portfolio),), cash=Decimal(10_000), seed=1, **more
    )


def quote(sid: str, price: float, ts: int, **more: Any) -> Event:
    return {"channel": "quotes", "sid": sid, "quote": price, "ts": ts * MINUTE, **more}


def dividend(sid: str, ts: int, **more: Any) -> Event:
    return {"channel": "actions", "sid": sid, "action": "dividend", "amount": "0.5", "ts": ts * MINUTE, **more}


def split(sid: str, ratio: str, ts: int) -> Event:
    return {"channel": "actions", "sid": sid, "action": "split", "ratio": ratio, "ts": ts * MINUTE}


def held(sid: str = "A", **more: Any) -> TradingEngine:
    """Begin with ten units that cost 100."""
    live = TradingEngine(recipe(**more), run="test.1")
    live.step({"channel": "rates", "sid": "EUR/USD", "quote": 1.25, "ts": MINUTE})
    live.step(quote(sid, 10.0, 2, do=True))
    live.step(quote(sid, 10.0, 3))
    assert live.ledger.positions[sid].quantity == 10
    return live


IN_EUR = {"currency": "USD", "instruments": (Instrument(symbol="A", currency="EUR"),)}
IN_USD = {"currency": "USD", "instruments": (Instrument(symbol="A", lot=Decimal(1)),)}


@pytest.mark.parametrize(
    ("account", "currency", "cash"),
    [
        (IN_EUR, "EUR", "6.25"),
        (IN_EUR, None, "6.25"),
        (IN_USD, "USD", "5"),
        (IN_USD, "", "5"),
        ({"currency": "USD"}, "USD", "5"),
        ({}, None, "5"),
    ],
)
def test_a_dividend_in_the_currency_of_its_symbol_is_booked(account: Any, currency: str | None, cash: str) -> None:
    live = held(**account)
    [record] = live.step(dividend("A", 4, currency=currency))
    assert (record["type"], Decimal(record["cash"])) == ("action", Decimal(cash))
    assert live.account.marks["A"] == 9.5


@pytest.mark.parametrize(
    ("account", "currency", "reason"),
    [
        (IN_EUR, "USD", "its amount is in USD, and A is quoted in EUR; give the amount in EUR"),
        (IN_USD, "EUR", "its amount is in EUR, and A is quoted in USD; give the amount in USD"),
        ({"currency": "GBP"}, "GBp", "its amount is in GBp, and A is quoted in GBP; "),
        ({"currency": "USD"}, 840, "its amount is in 840, and A is quoted in USD; "),
        ({}, "USD", "its amount is in USD, and nothing says what A is quoted in; say what the account is kept in"),
    ],
)
def test_a_dividend_in_another_currency_is_refused_and_changes_nothing(
    account: Any, currency: object, reason: str
) -> None:
    live = held(**account)
    cash = live.ledger.cash
    [record] = live.step(dividend("A", 4, currency=currency))
    assert record["type"] == "rejection"
    assert record["reason"].startswith(f"an event of `actions`: {reason}")
    assert (live.ledger.cash, live.account.marks["A"]) == (cash, 10.0)


def test_under_rules_1_the_currency_of_a_dividend_is_passed_over() -> None:
    [record] = held(**IN_EUR, rules=1).step(dividend("A", 4, currency="USD"))
    assert (record["type"], record["cash"]) == ("action", "6.25")


def test_a_benchmark_is_paid_what_the_account_is_paid() -> None:
    grown = []
    for currency in ("USD", "EUR"):
        backtest = Backtest(recipe(**IN_USD))
        backtest.take([quote("A", 10.0, 1), dividend("A", 2, currency=currency), quote("A", 10.0, 3)])
        grown.append(backtest.finish(source="test").days[-1].benchmark)
    assert grown == [1.05, 1.0]


def test_a_history_names_the_symbols_of_actions_that_were_never_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    backtest = Backtest(recipe())
    early = [split("GOOG", "2:1", 1), split("APPL", "4:1", 1), dividend("APPL", 1), dividend("X", 1)]
    backtest.take([*early, quote("AAPL", 1.0, 2), quote("GOOG", 1.0, 3), split("AAPL", "2:1", 4)])
    history = backtest.finish(source="test")
    assert history.unquoted == {"APPL": 2, "X": 1}
    assert history.notices == {"unquoted action": 3}
    Failures.tell_unquoted(history)
    assert capsys.readouterr().err.splitlines() == [
        "2 splits and dividends of APPL, which was never quoted; did you mean `AAPL`?",
        "a split or dividend of X, which was never quoted",
    ]


def test_a_history_names_few_symbols_and_counts_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    backtest = Backtest(recipe())
    backtest.take([*(dividend(f"S{number}", 1) for number in range(30)), quote("A", 1.0, 2)])
    Failures.tell_unquoted(backtest.finish(source="test"))
    told = capsys.readouterr().err.splitlines()
    assert (len(told), told[-1]) == (6, "splits and dividends of 25 more symbols that were never quoted")


def test_a_session_says_once_for_each_symbol_that_it_has_no_quote(caplog: pytest.LogCaptureFixture) -> None:
    live = TradingEngine(recipe(), run="test.1", log=logging.getLogger("session"))
    live.step(quote("A", 1.0, 1))
    for event in (split("B", "2:1", 2), dividend("B", 3), dividend("A", 4), split("C", "0:1", 5), split("D", "2:1", 6)):
        live.step(event)
    said = [record.getMessage() for record in caplog.records]
    assert [words.partition(" comes before")[0] for words in said] == ["event 2: B's split", "event 6: D's split"]
    caplog.clear()
    for number in range(100):
        live.step(dividend(f"S{number}", 7))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 18
    assert said[-1].endswith("; of more symbols such events are counted alone")
    assert live.told == {"unquoted action": 103}


@settings(max_examples=50, deadline=None)
@given(
    early=st.lists(st.sampled_from(["2:1", "1:3", "3:2", None]), max_size=4),
    late=st.lists(st.sampled_from(["2:1", "4:1", None]), max_size=3),
)
def test_what_came_before_the_first_quote_changes_no_position_that_is_opened_later(
    early: list[str | None], late: list[str | None]
) -> None:
    def actions(ratios: list[str | None], ts: int) -> list[Event]:
        return [split("A", ratio, ts) if ratio else dividend("A", ts) for ratio in ratios]

    fates = []
    for before in (early, []):
        live = TradingEngine(recipe(), run="test.1")
        events = [*actions(before, 1), quote("A", 10.0, 2, do=True), quote("A", 10.0, 3), *actions(late, 4)]
        for event in events:
            live.step(event)
        fates.append((dict(live.ledger.positions), live.ledger.cash, live.account.marks["A"], live.ledger.equity))
    assert fates[0] == fates[1]
    units = Fraction(10)
    for ratio in filter(None, late):
        units *= Fraction(ratio.replace(":", "/"))
    assert live.ledger.positions["A"].quantity == units
