"""The figures of whole accounts, held against pandas, empyrical and fractions, which know nothing of the project.

The accounts are generated: several currencies whose rates move at weekends too, multipliers, splits, dividends, short
positions, costs, on daily, weekly, monthly and intraday bars.
"""

import importlib
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from intuition_report import Html
from intuition_report.returns import years

from intuition_core.account.costs import NO_COSTS, Costs
from intuition_core.account.instruments import Instrument
from intuition_core.account.margin import Margin
from intuition_core.backtest.run import Backtest
from intuition_core.history import History
from intuition_core.trading.composition import Composition
from intuition_core.trading.decisions import CONTROL
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record

from .recomputed import Recomputed, exactly
from .scripted import RUN, composed, line

Event = dict[str, Any]

DAY = 86_400 * 10**9
MONDAY = date(2023, 1, 2)

TABLE = (
    Instrument(symbol="B", currency="USD", multiplier=Decimal(50)),
    Instrument(symbol="C", currency="JPY"),
    Instrument(symbol="D", multiplier=Decimal(10), lot=Decimal(1)),
)
BEGIN = {"A": 100, "B": 3, "C": 9000, "D": 20}
UNITS = {"A": 5, "B": 4, "C": 6, "D": 3}
CURRENCIES = {"USD": Fraction("1.1"), "JPY": Fraction(150)}

KINDS: Mapping[str, tuple[int, int]] = {
    "daily": (252, 150),
    "intraday": (252, 30),
    "always": (365, 200),
    "weekly": (52, 60),
    "monthly": (12, 15),
}
"""How many sessions make a year, and how many sessions there are at most."""


def at(day: date, hour: int) -> int:
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=UTC).timestamp()) * 10**9


def moments(kind: str, count: int) -> list[int]:
    """Give when there are bars."""
    weekdays = [MONDAY + timedelta(7 * (n // 5) + n % 5) for n in range(count)]
    match kind:
        case "daily":
            return [at(day, 16) for day in weekdays]
        case "intraday":
            return [at(day, hour) for day in weekdays for hour in (10, 12, 14, 16)]
        case "always":
            return [at(MONDAY + timedelta(n), 23) for n in range(count)]
        case "weekly":
            return [at(MONDAY + timedelta(7 * n + 4), 16) for n in range(count)]
        case _:
            return [at(date(2023 + n // 12, 1 + n % 12, 28), 16) for n in range(count)]


class Story(NamedTuple):
    kind: str
    composition: Composition
    events: list[Event]


@st.composite
def stories(draw: st.DrawFn, kinds: Sequence[str] = tuple(sorted(KINDS))) -> Story:
    """Draw an account and what happens to it; the many small draws come from a generator of its own, for speed."""
    kind = draw(st.sampled_from(kinds))
    per_year, most = KINDS[kind]
    times = moments(kind, draw(st.integers(max(8, most // 4), most)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    prices = {sid: Fraction(price) for sid, price in BEGIN.items()}
    rates = dict(CURRENCIES)
    late = draw(st.booleans())  # whether a currency has no rate for a while
    events: list[Event] = []

    def rate(currency: str, ts: int) -> None:
        rates[currency] *= Fraction(int(rng.integers(980, 1021)), 1000)
        quote = float(round(rates[currency], 6))
        events.append({"channel": "rates", "sid": f"EUR/{currency}", "quote": quote, "ts": ts})

    rate("USD", times[0] - 40 * DAY)
    if not late:
        rate("JPY", times[0] - 40 * DAY)
    shy = math.sqrt(252 / per_year)
    for n, ts in enumerate(times):
        if n and rng.random() < 0.3:
            between = (ts - times[n - 1]) // 2 + times[n - 1]  # a weekend, now and then
            rate("USD" if rng.random() < 0.5 and (n < 5 or "JPY" not in rates) else "JPY", between)
        for sid in prices:
            if rng.random() < 0.03:
                new, old = ((2, 1), (3, 2), (1, 2))[rng.integers(3)]
                events.append({"channel": "actions", "sid": sid, "action": "split", "ratio": f"{new}:{old}", "ts": ts})
                prices[sid] *= Fraction(old, new)
            if rng.random() < 0.03:
                paid = round(prices[sid] / int(rng.integers(20, 60)), 6)
                amount = str(float(paid))
                day = ts - DAY if rng.random() < 0.5 and n and times[n - 1] < ts - DAY else ts
                action = {"channel": "actions", "sid": sid, "action": "dividend", "amount": amount, "ts": day}
                events.append(action)
                prices[sid] -= paid
        for sid in sorted(prices):
            if n and rng.random() < 0.2 and sid != "A":
                continue
            move = Fraction(round(float(np.exp(rng.normal(0.0, 0.012 * shy))), 6)).limit_denominator(10**6)
            prices[sid] *= move
            quote = float(round(prices[sid], 4))
            event: Event = {"channel": "quotes", "sid": sid, "quote": quote, "ts": ts}
            if rng.random() < 0.25:
                side = "buy" if rng.random() < 0.5 else "sell"
                event["do"] = {"one": [{"sid": sid, "side": side, "win": float(UNITS[sid] * rng.integers(1, 3))}]}
            events.append(event)
    events.sort(key=lambda each: each["ts"])
    composition = composed(
        [line("one", "sized", ["quotes"])],
        cash=Decimal(20_000),
        fill=draw(st.sampled_from(["next", "same"])),
        costs=draw(st.sampled_from([NO_COSTS, Costs(commission_bps=Decimal(5), commission_per_trade=Decimal("0.5"))])),
        margin=Margin(),
        currency="EUR",
        instruments=TABLE,
    )
    return Story(kind, composition, events)


class Benchmark:
    """An account of 1 that holds the same amount of each symbol from its first quote; in fractions."""

    def __init__(self) -> None:
        self._units: dict[str, Fraction] = {}
        self._cash: dict[str, Fraction] = {}

    def take(self, event: Event, books: Recomputed, refused: bool) -> None:
        sid = event["sid"]
        if event["channel"] == "quotes":
            worth = books.worth(sid)
            if sid not in self._units and worth is not None:
                self._units[sid], self._cash[sid] = 1 / worth, Fraction(0)
        elif event["channel"] == "actions" and sid in self._units and not refused:
            if event["action"] == "split":
                new, old = map(int, event["ratio"].split(":"))
                self._units[sid] *= Fraction(new, old)
            else:
                # A dividend has no multiplier: it is cash for a unit.
                each = next((one for one in TABLE if one.symbol == sid), None)
                one = books.worth(sid, Fraction(1)) or Fraction(0)
                rate = one / exactly(1 if each is None else each.multiplier)
                self._cash[sid] += self._units[sid] * exactly(event["amount"]) * rate

    def grown(self, books: Recomputed) -> Fraction:
        """Give by how much the symbols have grown, together."""
        return sum(
            (self._units[sid] * (books.worth(sid) or 0) + self._cash[sid] - 1 for sid in self._units), Fraction()
        )

    def __len__(self) -> int:
        return len(self._units)


class Oracle:
    """What an account came to after each event, and what was bought and sold, by its records."""

    def __init__(self, story: Story) -> None:
        live = TradingEngine(story.composition, run=RUN)
        self.account = live.account
        self.records: list[Record] = []
        self.equities: list[Fraction] = []
        self.held: list[Fraction] = []
        self.traded = Fraction(0)
        books = Recomputed(story.composition.to_json())
        benchmark = Benchmark()
        for event in story.events:
            records = live.step(event)
            books.take(event, records)
            refused = any(record.get("reason", "").startswith("an event of `actions`") for record in records)
            benchmark.take(event, books, refused)
            self.records += records
            for record in records:
                if record["type"] == "fill":
                    worth = books.worth(record["sid"], exactly(record["price"]))
                    assert worth is not None
                    self.traded += exactly(record["quantity"]) * worth
            equity = books.idle
            for book in books.books.values():
                equity += book.cash
                for sid, holding in book.held.items():
                    worth = books.worth(sid)
                    equity += holding.cost if worth is None else holding.units * worth
            self.equities.append(equity)
            self.held.append(benchmark.grown(books))
        self.benchmark = [1 + grown / max(1, len(benchmark)) for grown in self.held]


def by_day(events: Sequence[Event], values: Sequence[Fraction]) -> dict[date, float]:
    """Give what there was at the end of each day with quotes; what came after the last is part of it."""
    ends: dict[date, float] = {}
    quoted = {datetime.fromtimestamp(e["ts"] // 10**9, UTC).date() for e in events if e["channel"] == "quotes"}
    for event, value in zip(events, values, strict=True):
        day = datetime.fromtimestamp(event["ts"] // 10**9, UTC).date()
        if day in quoted:
            ends[day] = float(value)
    ends[max(quoted)] = float(values[-1])
    return ends


def run(story: Story) -> History:
    backtest = Backtest(story.composition)
    for n in range(0, len(story.events), 37):
        backtest.take(story.events[n : n + 37])
    return backtest.finish(source="a story")


def close(value: float, *, loose: float = 1e-7) -> Any:
    return pytest.approx(value, rel=loose, abs=loose)


@settings(max_examples=25, deadline=None)
@given(story=stories())
def test_figures_of_generated_accounts(story: Story) -> None:
    pandas: Any = importlib.import_module("pandas")
    empyrical: Any = importlib.import_module("empyrical")
    oracle = Oracle(story)
    assume(min(oracle.equities) > 1000)
    history = run(story)
    found = {metric.name: metric.value for metric in Html().metrics(history)}

    ends, held = by_day(story.events, oracle.equities), by_day(story.events, oracle.benchmark)
    per_year = KINDS[story.kind][0]
    days = sorted(ends)
    equity = pandas.Series([20_000.0, *(ends[day] for day in days)])
    returns = equity.pct_change().iloc[1:]
    market = pandas.Series([1.0, *(held[day] for day in days)]).pct_change().iloc[1:]
    quotes = [event["ts"] for event in story.events if event["channel"] == "quotes"]
    span = (pandas.Timestamp(quotes[-1]) - pandas.Timestamp(quotes[0])) / pandas.Timedelta(days=1)
    daily = story.kind in ("daily", "always", "intraday")
    whole = round(span) >= 180 or not daily
    elapsed = (days[-1] - days[0]).days / 365.25 if whole else len(days) / per_year

    total = (oracle.equities[-1] - 20_000) / 20_000
    assert found["total_return"] == close(float(total))
    assert found["final_equity"] == close(float(oracle.equities[-1]))
    spread = returns.std()
    if spread > 1e-9:
        assert found["annual_volatility"] == close(spread * math.sqrt(per_year))
        assert found["sharpe"] == close(empyrical.sharpe_ratio(returns, annualization=per_year))
        if (returns < -1e-9).any():
            assert found["sortino"] == close(empyrical.sortino_ratio(returns, annualization=per_year), loose=1e-6)
    if (days[-1] - days[0]).days > 30:
        assert found["annual_return"] == close(float(1 + total) ** (1 / elapsed) - 1)
    assert found["turnover"] == close(float(oracle.traded) / 2 / equity.iloc[1:].mean() / elapsed)

    assert found["benchmark_return"] == close(float(oracle.benchmark[-1]) - 1)
    if market.std() > 1e-9:
        slope, _ = np.polyfit(market, returns, 1)
        assert found["beta"] == close(slope, loose=1e-6)
        assert found["tracking_error"] == close((returns.values - market.values).std(ddof=1) * math.sqrt(per_year))

    course = np.array([20_000.0, *map(float, oracle.equities)])
    true = (course / np.maximum.accumulate(course)).min() - 1
    assert (found["max_drawdown_daily"] or 0.0) >= (found["max_drawdown"] or 0.0) - 1e-9 >= true - 2e-9
    assert found["max_drawdown_daily"] or empyrical.max_drawdown(returns) + 1e-9 >= 0.0


@settings(max_examples=25, deadline=None)
@given(story=stories())
def test_trades_of_generated_accounts(story: Story) -> None:
    oracle = Oracle(story)
    found = {metric.name: metric.value for metric in Html().metrics(run(story))}
    fills = [record for record in oracle.records if record["type"] == "fill"]
    closing = [fill for fill in fills if "profit" in fill]
    profits = [exactly(fill["profit"]) for fill in closing]
    assert found["fills"] == len(fills)
    assert found["trades"] == len(closing)
    won, lost = [each for each in profits if each > 0], [each for each in profits if each < 0]
    if profits:
        assert found["win_rate"] == close(len(won) / len(profits))
    if lost:
        assert found["profit_factor"] == close(float(sum(won, Fraction(0)) / -sum(lost, Fraction(0))))
    commission = sum((exactly(fill.get("commission", 0)) for fill in fills), Fraction(0))
    assert found["commission"] == close(float(commission))

    rates = []
    for fill, profit in zip(closing, profits, strict=True):
        # Of a long position, what came in less the profit is what it had cost; of a short one, what is paid now and
        # the profit are what it had brought.
        cash = exactly(fill["cash"])
        staked = cash - profit if fill["side"] == "sell" else cash + profit
        rates.append((fill["side"] == "buy", float(profit / staked)))
    assert [trade.short for trade in oracle.account.closed_trades] == [short for short, _ in rates]
    assert [trade.rate for trade in oracle.account.closed_trades] == close([rate for _, rate in rates])


@settings(max_examples=15, deadline=None)
@given(story=stories())
def test_months_of_generated_accounts(story: Story) -> None:
    pandas: Any = importlib.import_module("pandas")
    oracle = Oracle(story)
    assume(min(oracle.equities) > 1000)
    index = pandas.to_datetime([event["ts"] for event in story.events])
    months = pandas.Series([float(equity) for equity in oracle.equities], index=index).groupby(
        [index.year, index.month]
    )
    ends = months.last()
    expected = ends.pct_change()
    expected.iloc[0] = ends.iloc[0] / 20_000 - 1
    found = {
        (year.year, month): rate
        for year in years(run(story))
        for month, rate in enumerate(year.months, 1)
        if rate is not None
    }
    assert found == {key: close(rate) for key, rate in expected.items()}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_accounts_have_what_they_are_to_have(kind: str) -> None:
    """Enough of the stories sell short, are in other currencies, and see splits and dividends of what is held."""
    seen: set[str] = set()

    @settings(max_examples=20, deadline=None, database=None, derandomize=True)
    @given(story=stories([kind]))
    def look(story: Story) -> None:
        for record in Oracle(story).records:
            if record["type"] == "action":
                seen.add(str(record["action"]))
            elif record["type"] == "fill":
                seen.add(f"{record['sid']} {record['side']} {'closes' if 'profit' in record else 'opens'}")

    look()
    assert seen >= {"split", "dividend", "A buy opens", "B sell opens", "C buy closes", "D sell closes"}


def test_closed_trades_say_that_they_were_short_by_rules_2_alone() -> None:
    def there_and_back(live: TradingEngine, ts: int) -> None:
        for n, side in enumerate(["sell", None, "buy", None]):
            event = {"channel": "quotes", "sid": "A", "quote": 100.0, "ts": ts + n}
            live.step(event if side is None else {**event, "do": {"one": [{"sid": "A", "side": side, "win": 3.0}]}})

    recipe = composed([line("one", "sized", ["quotes"])], margin=Margin(), rules=1)
    live, again = TradingEngine(recipe, run="r"), TradingEngine(recipe, run="r")
    there_and_back(live, 0)
    assert [trade.short for trade in live.account.closed_trades] == [False]
    live.step({"channel": CONTROL, "ts": 10, "action": "rules", "rules": 2, "by": "test"})
    there_and_back(live, 20)
    assert [trade.short for trade in live.account.closed_trades] == [False, True]
    kept = live.snapshot()
    assert kept is not None
    assert again.restore(kept)
    there_and_back(again, 40)
    assert [trade.short for trade in again.account.closed_trades] == [False, True, True]
