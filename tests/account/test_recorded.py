"""Three algorithms on recorded prices: stocks with their volumes, oil down to where it was below nothing, an index."""

import csv
import gzip
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from importlib.resources import files
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import pytest

from intuition_core.account.costs import Costs
from intuition_core.account.instruments import Instrument
from intuition_core.account.margin import Margin
from intuition_core.account.statement import Statement
from intuition_core.trading.composition import Composition
from intuition_core.trading.decisions import CONTROL
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.orders import FillRules
from intuition_core.trading.records import Record

from .promises import Promises
from .recomputed import Recomputed
from .scripted import RUN, composed, line, part

DAY = 86_400 * 10**9
Event = dict[str, Any]


def rows(package: str, *names: str) -> list[dict[str, str]]:
    """Read a file that a package ships, without importing the package."""
    spec = find_spec(package)
    assert spec is not None
    with gzip.open(Path(str(files(module_from_spec(spec)).joinpath(*names))), "rt", newline="") as text:
        return list(csv.DictReader(text))


def noon(day: str, time_format: str = "%Y-%m-%d") -> int:
    return int(datetime.strptime(f"{day}+0000", f"{time_format}%z").timestamp()) * 10**9 + DAY // 2


def stocks() -> list[Event]:
    """Give the bars of five stocks from 2004 to 2006, with their volumes, and the split of Apple's on its day."""
    events: list[Event] = []
    for row in rows("bokeh_sampledata", "_data", "stocks.csv.gz"):
        if "2004" <= row["Date"] < "2007":
            prices = {key.lower(): float(row[key]) for key in ("Open", "High", "Low")}
            bar = {"sid": row["Ticker"], "quote": float(row["Close"]), **prices, "volume": int(row["Volume"]) // 10_000}
            times = {"ts": noon(row["Date"]) + DAY // 3, "start": noon(row["Date"]) + DAY // 16}
            events.append({"channel": "quotes", **times, **bar})
    split = {"channel": "actions", "sid": "AAPL", "action": "split", "ratio": "2:1", "ts": noon("2005-02-28")}
    paid = {"channel": "actions", "sid": "MSFT", "action": "dividend", "amount": "3.08", "ts": noon("2004-11-15")}
    return sorted([*events, split, paid], key=lambda event: int(event["ts"]))


def oil() -> list[Event]:
    """Give the price of a barrel from 2008 to 2019, and the two days of 2020 that the file ends before."""
    events = [
        {"channel": "quotes", "sid": "WTI", "quote": float(row["DCOILWTICO"]), "ts": noon(row["Date"], "%m/%d/%Y")}
        for row in rows("arch", "data", "wti", "wti.csv.gz")
        if row["DCOILWTICO"] not in ("", ".")
    ]
    settled = {"2020-04-20": -37.63, "2020-04-21": 10.01}  # what the contract for May settled at
    events += [{"channel": "quotes", "sid": "WTI", "quote": price, "ts": noon(day)} for day, price in settled.items()]
    return [event for event in events if event["ts"] >= noon("2008-01-01")]


def index() -> list[Event]:
    """Give four stocks of the S&P 500 from 2008 to 2010."""
    return [
        {"channel": "quotes", "sid": sid, "quote": float(row[sid]), "ts": noon(row["Date"])}
        for row in rows("skfolio", "datasets", "data", "sp500_dataset.csv.gz")
        if "2008" <= row["Date"] < "2011"
        for sid in ("GE", "JPM", "XOM", "AMD")
    ]


def told(events: Sequence[Event]) -> Iterator[Event]:
    """Say at each quote what the algorithms want, in a rhythm of their own, and let somebody decide something."""
    every = {"one": 7, "two": 5, "three": 11}
    sides = ("buy", "sell", "sell", "buy")
    for n, event in enumerate(events):
        if n % 900 == 899:
            shares = {"one": "0.4", "two": "0.2", "three": "0.2"} if n % 1800 == 899 else {"one": "0.5", "two": "0.3"}
            yield {"channel": CONTROL, "ts": event["ts"], "action": "shares", "shares": shares, "by": "test"}
        if n % 1500 == 1200:
            yield {
                "channel": CONTROL,
                "ts": event["ts"],
                "action": "kill",
                "reason": "x",
                "by": "test",
                "flatten": True,
            }
        if n % 1500 == 1260:
            yield {"channel": CONTROL, "ts": event["ts"], "action": "clear", "reason": "y", "by": "test"}
        if event["channel"] != "quotes" or event["quote"] <= 0:
            yield event
            continue
        price, do = event["quote"], {}
        for name, often in every.items():
            if n % often:
                continue
            turn = n // often
            side = sides[turn % 4]
            wish: dict[str, Any] = {"sid": event["sid"], "side": side, "win": 1.0 + turn % 37}
            if turn % 3 == 1:
                wish |= {"limit": round(price * (0.98 if side == "buy" else 1.02), 2), "tif": "day", "tag": "x"}
            elif turn % 3 == 2:
                wish |= {"stop": round(price * (1.01 if side == "buy" else 0.99), 2), "until": event["ts"] + 9 * DAY}
            elif turn % 6 == 3:
                wish = {**wish, "win": None, "loss": 2500.0}
            elif side == "buy" and turn % 4 == 0:
                wish |= {"stop_loss": round(price * 0.97, 2), "take_profit": round(price * 1.03, 2)}
            do[name] = [wish]
        yield {**event, "do": do} if do else event


def composition(sids: Sequence[str]) -> Composition:
    lines = [
        line(name, sizes, ["quotes"], share=Decimal(share))
        for name, sizes, share in (("one", "sized", "0.5"), ("two", "whole", "0.3"), ("three", "sized", "0.1"))
    ]
    return composed(
        lines,
        risks=(part("risk", "capped", "capped", {"most": 30, "least": 1000.0}),),
        cash=Decimal(100_000),
        step=Decimal("0.01"),
        costs=Costs(
            commission_bps=Decimal(2),
            commission_per_unit=Decimal("0.005"),
            commission_min=Decimal(1),
            slippage_bps=Decimal(3),
            slippage_impact=Decimal("0.1"),
        ),
        fills=FillRules(volume_share=Decimal("0.1")),
        margin=Margin(),
        currency="EUR",
        instruments=tuple(Instrument(symbol=sid, currency="USD", tick=Decimal("0.01")) for sid in sids),
    )


def cut(events: Sequence[Mapping[str, Any]], size: int) -> Iterator[Sequence[Mapping[str, Any]]]:
    return (events[at : at + size] for at in range(0, len(events), size))


@pytest.mark.parametrize("recorded", [stocks, oil, index])
def test_the_books_of_recorded_prices_are_those_that_were_recomputed(recorded: Callable[[], list[Event]]) -> None:
    quotes = recorded()
    sids = sorted({event["sid"] for event in quotes})
    events: list[Mapping[str, Any]] = [{"channel": "rates", "sid": "EUR/USD", "quote": 1.31, "ts": 0}, *told(quotes)]
    assert len(events) > 2000
    recipe = composition(sids)
    live = TradingEngine(recipe, run=RUN)
    recomputed, promises = Recomputed(recipe.to_json()), Promises(recipe.to_json())
    every: list[Record] = []
    for n, event in enumerate(events):
        records = live.step(event)
        promises.take(event, records)
        recomputed.take(event, records)
        every += records
        if n % 100 == 0:
            recomputed.check(Statement.of(live.ledger, live.seq).to_json())
    recomputed.check(Statement.of(live.ledger, live.seq).to_json())
    assert promises.open.keys() == {order.id for order in live.open_orders}
    fills = [record for record in every if record["type"] == "fill"]
    assert {record["algorithm"] for record in fills} == {"one", "two", "three"}
    assert len({(record["side"], "profit" in record) for record in fills}) == 4
    again = TradingEngine(recipe, run=RUN)
    together = [record for batch in cut(events, 97) for records in again.run_through(batch) for record in records]
    assert together == every
