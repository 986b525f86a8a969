"""The crossing of two averages, with costs and fills on the next quote, worked out a second time from the data alone.

Nothing of the project is used here but the command under test: averages are whole numbers in NumPy, money is `Decimal`.
"""

import csv
import gzip
import itertools
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, Inexact, localcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

BPS = Decimal("0.0001")


class Bar(NamedTuple):
    """What the data says, as it is written there."""

    sid: str
    close: str
    open: str


class Did(NamedTuple):
    """A record, as far as both sides know it."""

    type: str
    event: int
    sid: str
    side: str
    quantity: Decimal | None = None
    price: float | None = None
    cash: Decimal | None = None


def crossings(closes: Sequence[str], fast: int, slow: int) -> np.ndarray:
    """Give 1 where a buy is signalled, -1 where a sell is, and 0 elsewhere, for the closes of one symbol."""
    signals = np.zeros(len(closes), dtype=int)
    if len(closes) <= slow:
        return signals
    whole = np.array([int(Decimal(close).scaleb(6)) for close in closes])
    total = np.concatenate(([0], np.cumsum(whole)))
    sums = {window: total[slow:] - total[slow - window : len(total) - window] for window in (fast, slow)}
    above = np.sign(sums[fast] * slow - sums[slow] * fast)
    before, now = above[:-1], above[1:]
    signals[slow:] = ((before <= 0) & (now > 0)).astype(int) - ((before >= 0) & (now < 0)).astype(int)
    return signals


@dataclass(frozen=True)
class Terms:
    """How to trade."""

    fast: int
    slow: int
    units: Decimal
    cash: Decimal = Decimal(100_000)
    costs: Mapping[str, Decimal] = field(default_factory=dict)

    def flags(self) -> list[str]:
        flags = ["--cash", str(self.cash), "--param", f"fast={self.fast}", "--param", f"slow={self.slow}"]
        flags += ["--param", f"units={self.units}"]
        for name, amount in self.costs.items():
            flags += [f"--{name}", str(amount)]
        return flags

    def trade(self, quote: str, quantity: Decimal, sign: int) -> tuple[Decimal, Decimal]:
        """Give the price of a fill, and what a buy (sign 1) costs or a sell (-1) brings."""
        cost = defaultdict(Decimal, self.costs)
        price = Decimal(quote) * (1 + sign * cost["slippage-bps"] * BPS)
        fees = abs(quantity * price) * cost["commission-bps"] * BPS
        fees += cost["commission-per-trade"] + cost["slippage-per-trade"]
        return price, quantity * price + sign * fees


def worked_out(bars: Sequence[Bar], terms: Terms) -> tuple[list[Did], Decimal]:
    """Give what is to happen, and what the account comes to, with nothing rounded."""
    with localcontext(Context(prec=100, traps=[Inexact])):
        return _worked_out(bars, terms)


def _worked_out(bars: Sequence[Bar], terms: Terms) -> tuple[list[Did], Decimal]:
    events: dict[str, list[int]] = defaultdict(list)
    for event, bar in enumerate(bars, 1):
        events[bar.sid].append(event)
    signals: dict[int, int] = {}
    following: dict[int, int] = {}
    for own in events.values():
        found = crossings([bars[event - 1].close for event in own], terms.fast, terms.slow)
        signals |= {event: int(side) for event, side in zip(own, found, strict=True) if side}
        following |= dict(itertools.pairwise(own))
    did: list[Did] = []
    cash, held, waiting = terms.cash, dict[str, Decimal](), dict[int, tuple[int, Decimal]]()
    for event in sorted({*signals, *(following[event] for event in signals if event in following)}):
        bar = bars[event - 1]
        if event in waiting:
            sign, _ = waiting.pop(event)
            quantity = terms.units if sign > 0 else held[bar.sid]
            price, amount = terms.trade(bar.open, quantity, sign)
            reserved = sum((each for _, each in waiting.values()), Decimal(0))
            if sign > 0 and amount > cash - reserved:
                did.append(Did("rejection", event, bar.sid, "buy"))
            else:
                cash -= sign * amount
                held[bar.sid] = terms.units
                if sign < 0:
                    del held[bar.sid]
                side = "buy" if sign > 0 else "sell"
                did.append(Did("fill", event, bar.sid, side, quantity, float(price), amount))
        if sign := signals.get(event, 0):
            side = "buy" if sign > 0 else "sell"
            quantity = terms.units if sign > 0 else held.get(bar.sid, Decimal(0))
            _, amount = terms.trade(bar.close, quantity, sign)
            free = cash - sum((each for _, each in waiting.values()), Decimal(0))
            if (sign > 0 and (bar.sid in held or amount > free)) or not quantity:
                did.append(Did("rejection", event, bar.sid, side))
                continue
            did.append(Did("decision", event, bar.sid, side, quantity, float(bar.close), amount))
            waiting[following.get(event, -event)] = (sign, amount if sign > 0 else Decimal(0))
    cancelled = [event for event in waiting if event < 0]
    for event in sorted(cancelled, key=lambda event: -event):
        side = "buy" if waiting[event][0] > 0 else "sell"
        did.append(Did("rejection", len(bars) + 1, bars[-event - 1].sid, side))
    marks = {bar.sid: Decimal(bar.close) for bar in bars}
    return did, cash + sum((units * marks[sid] for sid, units in held.items()), Decimal(0))


def read(path: Path) -> list[Did]:
    """Read the records that the command wrote."""
    records = map(json.loads, path.read_text().splitlines())
    return [
        Did(
            record["type"],
            record["seq"],
            record["sid"],
            record["side"],
            Decimal(record["quantity"]) if "quantity" in record else None,
            record.get("price", record["quote"] if record["type"] == "decision" else None),
            Decimal(record["cash"]) if "cash" in record else None,
        )
        for record in records
    ]


def compare(backtest: Any, folder: Path, bars: Sequence[Bar], terms: Terms, *source: object) -> list[Did]:
    """Hold a run against what was worked out, and give what was."""
    decisions = folder / "decisions.jsonl"
    told = backtest(*source, *terms.flags(), "--decisions", decisions, "--json").told
    did, equity = worked_out(bars, terms)
    assert read(decisions) == did
    assert Decimal(told["final_equity"]) == equity
    assert told["events"] == len(bars)
    return did


NO_COSTS: dict[str, Decimal] = {}
COSTS = {
    "commission-bps": Decimal("7.5"),
    "commission-per-trade": Decimal("1.25"),
    "slippage-bps": Decimal(3),
    "slippage-per-trade": Decimal("0.4"),
}


# Small steps, so that the averages are often equal, and sometimes a cash that does not suffice.
prices = st.integers(900, 1100).map(lambda cents: str(Decimal(cents).scaleb(-2)))
walks = st.lists(st.tuples(st.sampled_from("AAB"), prices, prices), min_size=30, max_size=60)


@settings(max_examples=40, deadline=None)  # the first run imports what the others find imported
@given(
    walk=walks,
    fast=st.integers(1, 3),
    slow=st.integers(4, 6),
    units=st.sampled_from([Decimal(1), Decimal("2.5"), Decimal(40)]),
    cash=st.sampled_from([Decimal(30), Decimal(450), Decimal(10_000)]),
    costs=st.sampled_from([NO_COSTS, COSTS, {"slippage-bps": Decimal(20)}]),
)
def test_random_walks(
    backtest: Any, tmp_path_factory: pytest.TempPathFactory, walk: Any, cash: Decimal, **terms: Any
) -> None:
    folder = tmp_path_factory.mktemp("walk")
    bars = [Bar(sid, close, begin) for sid, close, begin in walk]
    path = folder / "prices.csv"
    rows = [f"{1_600_000_000 + 60 * at},{bar.sid},{bar.open},{bar.close}" for at, bar in enumerate(bars)]
    path.write_text("\n".join(["time,symbol,open,close", *rows]) + "\n")
    compare(backtest, folder, bars, Terms(cash=cash, **terms), "--data", path)


@pytest.mark.parametrize("seed", [1, 2])
def test_ten_thousand_bars(backtest: Any, tmp_path: Path, seed: int) -> None:
    draw = np.random.default_rng(seed)
    closes = np.maximum(100, 10_000 + np.cumsum(draw.integers(-50, 51, 10_000)))
    opens = np.maximum(100, closes + draw.integers(-20, 21, 10_000))
    bars = [Bar("SYN", f"{close / 100:.2f}", f"{begin / 100:.2f}") for close, begin in zip(closes, opens, strict=True)]
    rows = [f"{1_600_000_000 + 60 * at},{bar.open},{bar.close}" for at, bar in enumerate(bars)]
    path = tmp_path / "SYN.csv"
    path.write_text("\n".join(["time,open,close", *rows]) + "\n")
    did = compare(backtest, tmp_path, bars, Terms(fast=10, slow=30, units=Decimal(3), costs=COSTS), "--data", path)
    assert len(did) > 500


def rows_of(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as text:
        return list(csv.DictReader(text))


@pytest.mark.parametrize("costs", [NO_COSTS, COSTS])
def test_recorded_stocks_that_begin_at_different_times(
    backtest: Any, tmp_path: Path, shipped: Mapping[str, Path], costs: Any
) -> None:
    rows = sorted(rows_of(shipped["stocks"]), key=lambda row: (row["Date"], row["Ticker"]))
    bars = [Bar(row["Ticker"], row["Close"], row["Open"]) for row in rows]
    terms = Terms(fast=20, slow=50, units=Decimal(40), cash=Decimal(25_000), costs=costs)
    did = compare(backtest, tmp_path, bars, terms, "--source", "sample")
    assert {each.type for each in did} == {"decision", "fill", "rejection"}
    assert {each.sid for each in did if each.type == "fill"} == {"AAPL", "FB", "GOOG", "IBM", "MSFT"}


def test_recorded_oil_with_its_gaps(backtest: Any, tmp_path: Path, shipped: Mapping[str, Path]) -> None:
    rows = [row for row in rows_of(shipped["oil"]) if row["DCOILWTICO"] != "."]
    bars = [Bar("DCOILWTICO", row["DCOILWTICO"], row["DCOILWTICO"]) for row in rows]
    terms = Terms(fast=10, slow=30, units=Decimal(1000), costs=COSTS)
    source = ("--data", shipped["oil"], "--param", "source.time_format=%m/%d/%Y")
    did = compare(backtest, tmp_path, bars, terms, *source)
    assert len([each for each in did if each.type == "fill"]) > 200


def test_a_recorded_table_of_twenty_stocks(backtest: Any, tmp_path: Path, shipped: Mapping[str, Path]) -> None:
    bars = []
    for row in rows_of(shipped["sp500"]):
        del row["Date"]
        bars += [Bar(sid, price, price) for sid, price in row.items()]
    terms = Terms(fast=50, slow=200, units=Decimal(10), cash=Decimal(5_000), costs=COSTS)
    did = compare(backtest, tmp_path, bars, terms, "--data", shipped["sp500"])
    assert len(bars) == 166_260
    assert len([each for each in did if each.type == "fill"]) > 800
