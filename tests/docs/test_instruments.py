"""docs/instruments.md, as it says."""

import csv
import gzip
import json
import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import bokeh_sampledata
import msgspec
import pytest

from intuition_core.account.instruments import Instrument, read_instruments
from intuition_core.account.ledger import Ledger
from intuition_core.account.margin import Margin
from intuition_core.account.positions import Position
from intuition_core.config.listings import read_listing
from intuition_core.config.loading import convert
from intuition_core.contracts import Bet, Signal
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine

GUIDE = Path(__file__).parent.parent.parent / "docs" / "instruments.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", GUIDE.read_text(), re.DOTALL)
TABLES = [text for language, text in BLOCKS if language == "toml"]
[LISTING] = [text for language, text in BLOCKS if language == "csv"]
EVENTS = [json.loads(line) for language, text in BLOCKS if language == "json" for line in text.splitlines()]
RATE, SPLIT, DIVIDEND = ({**event, "ts": 1} for event in EVENTS)


@pytest.fixture
def instruments(tmp_path: Path) -> tuple[Instrument, ...]:
    (tmp_path / "instruments.csv").write_text(LISTING)
    rows = read_instruments(read_listing(tmp_path / "instruments.csv"))
    return tuple(msgspec.structs.replace(row, calendar=None) for row in rows)


@pytest.mark.parametrize("table", TABLES)
def test_every_table_can_be_read(table: str) -> None:
    convert(tomllib.loads(table), origin="docs/instruments.md")


class Trader:
    """Does what an event says."""

    def initialize(self, params: Any) -> None:
        pass

    def event(self, data: Any) -> Signal | None:
        return Signal(data["sid"], data["do"]) if "do" in data else None


class Ten:
    """Bets ten units."""

    def optimize(self, signal: Any, account: Any) -> Bet:
        return Bet(units=10)


def engine(**more: Any) -> TradingEngine:
    line = Sleeve(
        algorithm=Part(kind="algorithm", name="trader", factory=Trader, params={}),
        portfolio=Part(kind="portfolio", name="ten", factory=Ten, params={}),
    )
    return TradingEngine(Composition(sleeves=(line,), seed=0, fill="same", **more), run="r")


def quote(sid: str, price: float, **more: Any) -> dict[str, Any]:
    return {"channel": "quotes", "sid": sid, "quote": price, "ts": 1, **more}


def test_what_units_are_worth_in_another_currency(instruments: tuple[Instrument, ...]) -> None:
    live = engine(currency="EUR", instruments=instruments)
    refused = live.step(quote("AAPL", 200.0, do="buy"))
    assert "no rate of USD and EUR is known yet" in refused[-1]["reason"]
    live.step(RATE)
    market = live.books.market
    assert market.unit("ESZ6", Decimal(6000)) == 240_000
    assert market.unit("AAPL", Decimal(200)) == 160
    fill = live.step(quote("AAPL", 200.0, do="buy"))[-1]
    assert (fill["type"], fill["cash"]) == ("fill", "1600")
    live.step({**RATE, "quote": 1.28})
    assert market.worth("AAPL", Decimal(10)) == Decimal("1562.5")
    assert live.step(quote("AAPL", 200.0, do="sell"))[-1]["profit"] == "-37.5"


def test_ten_sold_short_at_a_hundred() -> None:
    table = convert(tomllib.loads(TABLES[1]), origin="docs/instruments.md")
    assert table.margin is not None
    live = engine(cash=table.cash, margin=Margin(**msgspec.structs.asdict(table.margin)))
    ledger = live.books.ledgers["trader"]

    def told() -> tuple[Any, ...]:
        held = ledger.positions.get("A", Position(Decimal(0), Decimal(0)))
        sums = ledger.cash, ledger.margin_held, ledger.available, ledger.equity, ledger.realised
        return (held.quantity, held.cost, *sums)

    live.step(quote("A", 100.0, do="sell"))
    assert told() == (-10, -1000, 6000, 1500, 4500, 5000, 0)
    live.step(quote("A", 120.0))
    assert told() == (-10, -1000, 6000, 1800, 4200, 4800, 0)
    live.step(quote("A", 90.0, do="buy"))
    assert told() == (0, 0, 5100, 0, 5100, 5100, 100)


def test_where_the_margin_call_comes() -> None:
    ledger = Ledger(Decimal(5000), margin=Margin())
    ledger.short("A", Decimal(10), Decimal(100))
    ledger.marks["A"] = 461.53
    assert not ledger.margin_call
    ledger.marks["A"] = 461.54
    assert ledger.margin_call


def test_a_split_pays_out_half_a_unit() -> None:
    live = engine(step=Decimal(1))
    ledger = live.books.ledgers["trader"]
    ledger.buy("AAPL", Decimal(3), Decimal(10))
    live.step(quote("AAPL", 12.0))
    [record] = live.step({**SPLIT, "ratio": "1:2"})
    assert record["type"] == "action"
    assert {key: record[key] for key in ("before", "after", "paid_out", "cash", "profit")} == {
        "before": "3",
        "after": "1",
        "paid_out": "0.5",
        "cash": "12",
        "profit": "2",
    }
    assert ledger.positions["AAPL"] == Position(Decimal(1), Decimal(20))
    equity = ledger.equity
    live.step(SPLIT)
    assert (ledger.positions["AAPL"], ledger.equity) == (Position(Decimal(4), Decimal(20)), equity)


def test_a_dividend_is_paid_in_the_accounts_currency(instruments: tuple[Instrument, ...]) -> None:
    live = engine(currency="EUR", instruments=instruments)
    live.step(RATE)
    live.step(quote("AAPL", 200.0, do="buy"))
    [record] = live.step(DIVIDEND)
    assert (record["cash"], record["profit"]) == ("1.92", "1.92")


def test_an_action_that_cannot_be_read_is_refused_with_a_record() -> None:
    [record] = engine().step({**SPLIT, "ratio": "four"})
    assert record["type"] == "rejection"
    assert "ratio: expected new for old in whole numbers such as 4:1" in record["reason"]


def test_raw_prices_with_splits_grow_as_adjusted_ones_do() -> None:
    """Apple split 2:1 twice in these years and paid no dividend; the data set has raw and adjusted closes."""
    path = Path(bokeh_sampledata.__file__).parent / "_data" / "stocks.csv.gz"
    with gzip.open(path, "rt") as lines:
        days = [row for row in csv.DictReader(lines) if row["Ticker"].strip() == "AAPL" and row["Date"] < "2012-08-01"]
    live = engine(cash=Decimal(100_000))
    ledger = live.books.ledgers["trader"]
    live.step(quote("AAPL", float(days[0]["Close"]), do="buy"))
    begun = ledger.equity - ledger.cash
    for day in days[1:]:
        if day["Date"] in ("2000-06-21", "2005-02-28"):
            live.step({**SPLIT, "ratio": "2:1"})
        live.step(quote("AAPL", float(day["Close"])))
    assert ledger.positions["AAPL"].quantity == 40
    grown = float(days[-1]["Adj Close"]) / float(days[0]["Adj Close"])
    assert float((ledger.equity - ledger.cash) / begun) == pytest.approx(grown, rel=0.002)
