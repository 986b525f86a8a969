"""docs/accounts.md, as it says."""

import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from intuition_core.account.books import BadShares
from intuition_core.account.costs import Costs
from intuition_core.account.instruments import Instrument
from intuition_core.account.margin import Margin
from intuition_core.config.loading import convert, load_config
from intuition_core.contracts import Bet, Signal
from intuition_core.params.durations import read_duration
from intuition_core.plugins.catalogue import discover
from intuition_core.serving.service import Service
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.orders import FillRules

GUIDE = Path(__file__).parent.parent.parent / "docs" / "accounts.md"
FILLS, COSTS, PER_UNIT, TIERS = range(4)
TABLES = re.findall(r"```toml\n(.*?)```", GUIDE.read_text(), re.DOTALL)


@pytest.mark.parametrize("table", TABLES)
def test_every_table_can_be_read(table: str) -> None:
    convert(tomllib.loads(table), origin="docs/accounts.md")


def test_two_algorithms_and_moved_capital(opened: Any, tmp_path: Path) -> None:
    file = tmp_path / "intuition.toml"
    file.write_text(TABLES[0])
    session = opened(Service(load_config(file, environment={}), discover()))
    parts = session.account()["algorithms"]
    assert (parts["first"]["cash"], parts["second"]["cash"]) == ("600", "400")
    [decision] = session.event({"sid": "A", "quote": 10, "ts": 1})
    assert (decision["algorithm"], decision["cash"]) == ("first", "100")
    [fill] = session.event({"sid": "A", "quote": 20, "ts": 2})
    assert fill["quantity"] == "5"
    session.shares({"first": 0.5, "second": 0.5})
    account = session.account()
    assert account["equity"] == "1000"
    assert {name: part["equity"] for name, part in account["algorithms"].items()} == {"first": "500", "second": "500"}


def test_who_is_not_named_keeps_the_share(opened: Any, tmp_path: Path) -> None:
    file = tmp_path / "intuition.toml"
    file.write_text(TABLES[0])
    session = opened(Service(load_config(file, environment={}), discover()))
    with pytest.raises(BadShares, match=r"1\.1"):
        session.shares({"first": 0.7})
    session.shares({"first": 0.5})
    account = session.account()
    assert {name: part["equity"] for name, part in account["algorithms"].items()} == {"first": "500", "second": "400"}
    assert account["equity"] == "1000"


class Trader:
    def initialize(self, params: Any) -> None:
        pass

    def event(self, data: Any) -> Signal | None:
        do: Any = data["do"]
        return Signal(data["sid"], do) if isinstance(do, str) else do  # type: ignore[arg-type]  # a side


def table(number: int) -> dict[str, Any]:
    """Give one of the guide's tables of costs or fills."""
    tables = [each for each in TABLES if each.startswith(("[costs]", "[fills]"))]
    return tomllib.loads(tables[number])


def engine(bet: Bet, number: int = COSTS, **more: Any) -> TradingEngine:
    class Staking:
        def optimize(self, signal: Any, account: Any) -> Bet:
            return bet

    values = convert(table(number), origin="docs/accounts.md")
    line = Sleeve(
        algorithm=Part(kind="algorithm", name="trader", factory=Trader, params={}),
        portfolio=Part(kind="portfolio", name="staking", factory=Staking, params={}),
    )
    recipe: dict[str, Any] = {
        "cash": Decimal(1000),
        "costs": Costs(**msgspec.structs.asdict(values.costs)),
        "fills": FillRules(volume_share=values.fills.volume_share, delay=read_duration(values.fills.delay)),
        **more,
    }
    return TradingEngine(Composition(sleeves=(line,), seed=0, **recipe), run="r")


def step(at: TradingEngine, quote: float, do: str | Signal | None = None, **more: Any) -> list[dict[str, Any]]:
    """Take a quote a nanosecond after the event before it; with an `open`, a bar that began with that one."""
    if "open" in more:
        more.setdefault("start", at.seq - 1)
    return list(at.step({"channel": "quotes", "sid": "A", "quote": quote, "ts": at.seq, "do": do, **more}))


def test_a_fill_recomputed_by_hand() -> None:
    trading = engine(Bet(units=3))
    step(trading, 100.0, "buy")
    bought, *_ = step(trading, 100.0, "sell")
    sold, *_ = step(trading, 110.0)
    assert (bought["price"], bought["commission"], bought["cash"]) == (100.5, "1.3015", "302.8015")
    assert (sold["price"], sold["commission"], sold["cash"]) == (109.45, "1.32835", "327.02165")
    assert sold["profit"] == "24.22015"
    assert trading.ledger.cash == Decimal("1024.22015")


@pytest.mark.parametrize(("cash", "units"), [("302.8015", "3"), ("302.80", "2")])
def test_quantities_are_floored_with_all_costs(cash: str, units: str) -> None:
    trading = engine(Bet(cash=Decimal(cash)), step=Decimal(1))
    step(trading, 100.0, "buy")
    [fill] = step(trading, 100.0)
    assert fill["quantity"] == units


ROWS = re.findall(r"^\| ((?:buy|sell)[^|]*) \|(.+)\|$", GUIDE.read_text(), re.MULTILINE)


@pytest.mark.parametrize(("order", "cells"), ROWS)
def test_the_price_of_each_order_in_the_table(order: str, cells: str) -> None:
    side, *words = order.split()
    terms: dict[str, Any] = dict(zip(words[::2], map(float, words[1::2]), strict=True))
    first, high, low, close, price = (status.strip() for status in cells.split("|"))
    trading = engine(Bet(units=1), FILLS)
    if side == "sell":
        step(trading, 100.0, "buy")
    [*_, decision] = step(trading, 100.0, Signal("A", "buy" if side == "buy" else "sell", **terms))
    records = step(trading, float(close), open=float(first), high=float(high), low=float(low))
    assert decision["type"] == "decision"
    assert [fill["price"] for fill in records] == ([] if price == "no fill" else [float(price)])


def test_the_table_of_orders_has_been_read() -> None:
    assert len(ROWS) == 13


def test_those_that_were_triggered_are_limit_orders_at_the_next_event() -> None:
    for limit, first in ((102.0, 103.0), (100.0, 100.0)):
        trading = engine(Bet(units=1), FILLS)
        step(trading, 99.0, Signal("A", "buy", stop=101.0, limit=limit))
        assert not step(trading, 104.0, open=first, high=105.0, low=102.5 if first > 101 else 98.0)
        [fill] = step(trading, limit - 1)
        assert fill["price"] == limit - 1


DAY = 86_400 * 10**9


def test_a_day_order_ends_with_quotes_of_two_moments_after_its_day() -> None:
    trading = engine(Bet(units=1), FILLS)
    step(trading, 100.0, Signal("A", "buy", limit=99.0, tif="day"))
    for ts in (DAY, DAY + 1, DAY + 1):
        assert not step(trading, 90.0, sid="B", ts=ts)
    [ended] = step(trading, 90.0, sid="B", ts=DAY + 2)
    assert (ended["type"], ended["sid"]) == ("rejection", "A")
    assert not step(trading, 90.0, ts=DAY + 3)


@pytest.mark.parametrize(
    ("bar", "price"),
    [
        ({"start": DAY // 2, "ts": DAY, "open": 100.0, "low": 98.0}, 99.0),
        ({"start": DAY // 2, "ts": DAY + 5, "open": 98.5, "low": 98.0}, 98.5),
        ({"start": DAY // 2, "ts": DAY + 5, "open": 100.0, "low": 98.0}, None),
        ({"start": DAY, "ts": DAY + 5, "open": 98.5, "low": 98.0}, None),
    ],
)
def test_what_a_day_order_may_have_of_a_bar_at_the_end_of_its_day(bar: dict[str, Any], price: float | None) -> None:
    trading = engine(Bet(units=1), FILLS)
    step(trading, 100.0, Signal("A", "buy", limit=99.0, tif="day"))
    [record] = step(trading, 100.5, **bar)
    assert record.get("price") == price
    assert not trading.open_orders


def test_the_end_of_an_order_that_was_decided_on_a_bar_waits_for_a_bar_that_may_have_begun_before() -> None:
    trading = engine(Bet(units=1), FILLS)
    step(trading, 100.0, Signal("A", "buy", limit=99.0, until=15), start=0, ts=10)
    for ts in (16, 25, 26):
        assert not step(trading, 90.0, sid="B", ts=ts)
    [ended] = step(trading, 90.0, sid="B", ts=27)
    assert ended["sid"] == "A"


def clock(text: str) -> int:
    hours, minutes = text.split(":")
    return (int(hours) * 60 + int(minutes)) * 60 * 10**9


TRADED = re.findall(r"^\| (`(?:start|ts)` .+) \| ([\d.]+|nothing) \|$", GUIDE.read_text(), re.MULTILINE)


@pytest.mark.parametrize(("told", "price"), TRADED)
def test_what_a_market_order_gets_of_an_event(told: str, price: str) -> None:
    event: dict[str, Any] = {}
    for word in told.split(", "):
        key, value = word.replace("`", "").split()
        event[key] = clock(value) if ":" in value else float(value)
    trading = engine(Bet(units=1), FILLS)
    step(trading, 100.0, "buy", ts=clock("10:00"))
    records = step(trading, **event)
    assert [record["price"] for record in records] == ([] if price == "nothing" else [float(price)])


def test_the_table_of_events_has_been_read() -> None:
    assert len(TRADED) == 5


CLOSED = re.findall(r"^\|((?: \d+ \|){9})$", GUIDE.read_text(), re.MULTILINE)


@pytest.mark.parametrize("row", CLOSED)
def test_where_a_bracket_closes_a_position(row: str) -> None:
    *prices, closed = map(float, row.split("|")[:-1])
    trading = engine(Bet(units=1), FILLS)
    step(trading, 100.0, Signal("A", "buy", stop_loss=95.0, take_profit=110.0))
    records = []
    for bar in (prices[:4], prices[4:]):
        records += step(trading, bar[3], open=bar[0], high=bar[1], low=bar[2])
    entry, *legs, last = [record for record in records if record["type"] != "rejection"]
    assert (entry["price"], last["price"]) == (prices[0], closed)
    assert {leg["parent"] for leg in legs} == {entry["cause"]}
    assert [record["reason"] for record in records if record["type"] == "rejection"] == [
        "another order of its group was filled"
    ]
    assert not trading.open_orders


def test_the_table_of_brackets_has_been_read() -> None:
    assert len(CLOSED) == 5


def test_of_two_that_close_the_same_units_in_a_group_one_cancels_the_other() -> None:
    trading = engine(Bet(units=10), FILLS)
    step(trading, 100.0, "buy")
    step(trading, 100.0, Signal("A", "sell", limit=110.0, group="exit"))
    step(trading, 100.0, Signal("A", "sell", stop=95.0, group="exit"))
    filled, taken_back = step(trading, 94.0)
    assert (filled["price"], filled["quantity"]) == (94.0, "10")
    assert taken_back["reason"] == "another order of its group was filled"


def test_same_fills_at_the_event_of_the_decision_and_no_other_price() -> None:
    trading = engine(Bet(units=1), FILLS, fill="same", fills=FillRules())
    _, bought = step(trading, 100.0, "buy", bid=99.5, ask=100.5)
    _, sold = step(trading, 100.0, "sell", bid=99.5, ask=100.5)
    assert (bought["price"], sold["price"]) == (100.5, 99.5)
    [refused] = step(trading, 100.0, Signal("A", "buy", quote=90.0))
    assert "is not one that A had at this event" in refused["reason"]
    [waits] = step(trading, 50.0, Signal("A", "buy", quote=100.0), sid="B")
    assert waits["type"] == "decision"
    [filled] = step(trading, 103.0)
    assert filled["price"] == 103.0


def test_a_delay_has_orders_reach_the_market_later() -> None:
    trading = engine(Bet(units=1), FILLS, fills=FillRules(delay=2))
    step(trading, 100.0, "buy")
    assert not step(trading, 101.0)
    assert not step(trading, 102.0)
    [fill] = step(trading, 103.0)
    assert fill["price"] == 103.0


def test_an_order_that_is_asked_for_again_stays_as_it_is() -> None:
    trading = engine(Bet(units=1), FILLS)
    step(trading, 100.0, Signal("A", "buy", limit=99.0, tag="x"))
    assert not step(trading, 100.0, Signal("A", "buy", limit=99.0, tag="x"))
    assert [order.since for order in trading.open_orders] == [0]
    replaced, decision = step(trading, 100.0, Signal("A", "buy", limit=98.0, tag="x"))
    assert (replaced["reason"], decision["limit"]) == ("replaced", 98.0)
    assert [order.since for order in trading.open_orders] == [2]


def test_a_late_quote_from_before_a_split_fills_nothing_after_it() -> None:
    trading = engine(Bet(units=10), FILLS)
    step(trading, 100.0, "buy", ts=1)
    step(trading, 100.0, "sell", ts=2)
    trading.step({"channel": "actions", "sid": "A", "action": "split", "ratio": "2:1", "ts": 10})
    assert not step(trading, 100.0, ts=5)
    assert trading.account.marks == {"A": 50.0}
    [fill] = step(trading, 50.0, ts=11)
    assert (fill["quantity"], fill["cash"]) == ("20", "1000")


def test_of_the_volume_of_a_bar_that_began_before_the_part_counts_that_is_left() -> None:
    trading = engine(Bet(units=50), FILLS)
    step(trading, 10.0, "buy", ts=10)
    [fill] = step(trading, 10.0, volume=300, start=0, ts=40)
    assert fill["quantity"] == "22.5"
    assert fill["left_quantity"] == "27.5"


def test_a_kill_keeps_what_closes_a_position_unless_it_closes_all() -> None:
    trading = engine(Bet(units=1), FILLS)
    step(trading, 100.0, Signal("A", "buy", stop_loss=95.0))
    step(trading, 100.0, Signal("A", "buy", limit=90.0))
    kill = {"channel": "$control", "ts": 0, "action": "kill", "reason": "x", "by": "test"}
    taken_back, _ = trading.step({**kill, "flatten": False})
    assert taken_back["side"] == "buy"
    [stop] = trading.open_orders
    assert stop.order.stop == 95.0
    *ended, _, closing = trading.step({**kill, "flatten": True})
    assert [record["cause"] for record in ended] == [stop.id]
    assert closing["type"] == "decision"


SPLITS = re.findall(
    r"^\| (\d+) (of cash )?to (buy|sell), (limit|stop) ([\d.]+) \| (\d+)(?: of cash)?, \4 ([\d.]+) \|$",
    GUIDE.read_text(),
    re.MULTILINE,
)


def split(at: TradingEngine, ratio: str) -> None:
    at.step({"channel": "actions", "sid": "A", "action": "split", "ratio": ratio, "ts": at.seq})


@pytest.mark.parametrize(("size", "cash", "side", "kind", "price", "left", "moved"), SPLITS)
def test_what_a_split_makes_of_open_orders(
    size: str, cash: str, side: Any, kind: str, price: str, left: str, moved: str
) -> None:
    bet = Bet(cash=Decimal(size)) if cash else Bet(units=int(size))
    terms: dict[str, Any] = {kind: float(price)}
    instruments = (Instrument(symbol="A", tick=Decimal("0.05")),)
    trading = engine(bet, FILLS, cash=Decimal(10_000), step=Decimal(1), instruments=instruments)
    if side == "sell":
        step(trading, 100.0, "buy")
    step(trading, 100.0, Signal("A", side, **terms))
    split(trading, "3:2")
    reached = float(moved)
    tick = 0.05 if (side == "buy") is (kind == "limit") else -0.05
    assert not step(trading, reached + tick)
    [fill] = step(trading, reached)
    assert fill["price"] == reached
    assert fill["cash" if cash else "quantity"] == left


def test_the_table_of_splits_has_been_read() -> None:
    assert len(SPLITS) == 4


def test_less_than_a_step_is_left_of_an_order_by_a_reverse_split() -> None:
    trading = engine(Bet(units=7), FILLS, step=Decimal(1))
    step(trading, 10.0, Signal("A", "buy", limit=9.0))
    split(trading, "1:10")
    assert not step(trading, 90.5)
    [refused] = step(trading, 90.0)
    assert refused["reason"] == "less than 1 A is left to trade"
    assert trading.ledger.available == 1000


def test_no_second_order_closes_the_same_units_but_one_of_the_same_tag_replaces_it() -> None:
    trading = engine(Bet(units=10), FILLS)
    step(trading, 100.0, "buy")
    step(trading, 100.0, Signal("A", "sell", limit=110.0, tag="exit"))
    [refused] = step(trading, 100.0, Signal("A", "sell", stop=90.0))
    assert refused["reason"] == "no A held that is not being sold already"
    assert "`no A held that is not being sold already`" in GUIDE.read_text()
    replaced, decision = step(trading, 100.0, Signal("A", "sell", stop=90.0, tag="exit"))
    assert (replaced["reason"], decision["stop"]) == ("replaced", 90.0)
    [fill] = step(trading, 90.0)
    assert fill["quantity"] == "10"


def test_the_cash_of_a_decision() -> None:
    trading = engine(Bet(units=10), FILLS, margin=Margin())
    [bought] = step(trading, 100.0, "buy")
    _, sold = step(trading, 100.0, "sell")
    assert (bought["cash"], sold["cash"]) == ("1000", "1000")
    _, short = step(trading, 100.0, "sell")
    filled, back = step(trading, 100.0, "buy")
    assert (short["cash"], filled["cash"], back["cash"]) == ("500", "1000", "1000")
    assert trading.ledger.reserved == 0
    [decision] = engine(Bet(cash=Decimal("999.5")), FILLS, step=Decimal(1)).step(
        {"channel": "quotes", "sid": "A", "quote": 100.0, "ts": 0, "do": "buy"}
    )
    assert decision["cash"] == "999.5"


@pytest.mark.parametrize("price", [0.0, -10.0])
@pytest.mark.parametrize("bet", [Bet(units=1), Bet(cash=10)])
def test_nothing_is_bought_at_a_price_of_nothing_or_less(bet: Bet, price: float) -> None:
    trading = engine(bet)
    [refused] = step(trading, price, "buy")
    assert refused["type"] == "rejection"
    step(trading, 100.0, "buy")
    refused, *_ = step(trading, price)
    assert refused["type"] == "rejection"
    assert trading.ledger.positions == {}


def test_what_is_held_can_be_sold_and_what_is_short_bought_back_below_zero() -> None:
    for first, then in (("buy", "sell"), ("sell", "buy")):
        trading = engine(Bet(units=3), FILLS, margin=Margin())
        step(trading, 100.0, first)
        step(trading, 100.0)
        step(trading, -5.0, then)
        [fill] = step(trading, -5.0)
        assert (fill["type"], fill["price"], trading.ledger.positions) == ("fill", -5.0, {})


def test_slippage_is_worse_below_zero_too() -> None:
    trading = engine(Bet(units=3))
    step(trading, 100.0, "buy")
    step(trading, 100.0, "sell")
    [fill] = step(trading, -10.0)
    assert (fill["price"], fill["commission"], fill["cash"]) == (-10.05, "1.03015", "-31.18015")


def test_a_part_of_the_volume() -> None:
    trading = engine(Bet(units=50), FILLS, cash=Decimal(10_000))
    step(trading, 100.0, "buy")
    [first] = step(trading, 100.0, volume=300)
    [second] = step(trading, 100.0, volume=1000)
    assert (first["quantity"], first["left_quantity"], second["quantity"]) == ("30", "20", "20")
    assert "left_quantity" not in second
    trading = engine(Bet(cash=5000), FILLS, cash=Decimal(10_000))
    step(trading, 100.0, "buy")
    [first] = step(trading, 100.0, volume=300)
    assert (first["quantity"], first["left_cash"]) == ("30", "2000")
    assert trading.ledger.reserved == 2000


@pytest.mark.parametrize(("units", "commission"), [(100, "1"), (300, "1.5"), (2000, "5")])
@pytest.mark.parametrize("price", [0.5, 80.0])
def test_a_commission_for_each_unit(units: int, commission: str, price: float) -> None:
    trading = engine(Bet(units=units), PER_UNIT, cash=Decimal(10**6))
    step(trading, price, "buy")
    [fill] = step(trading, price)
    assert fill["commission"] == commission


def test_tiers_and_impact() -> None:
    trading = engine(Bet(units=600), TIERS, cash=Decimal(100_000))
    step(trading, 100.0, "buy")
    [fill] = step(trading, 100.0, volume=3000)
    assert (fill["price"], fill["commission"], fill["cash"]) == (100.4, "32.048", "60272.048")


def test_cash_buys_the_most_steps_that_tiers_and_impact_let_it_pay() -> None:
    for cash, units in ((Decimal("60272.048"), "600"), (Decimal("60272.047"), "599")):
        trading = engine(Bet(cash=cash), TIERS, cash=Decimal(100_000), step=Decimal(1))
        step(trading, 100.0, "buy")
        [fill] = step(trading, 100.0, volume=3000)
        assert fill["quantity"] == units
