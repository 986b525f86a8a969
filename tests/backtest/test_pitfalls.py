"""Mistakes that other backtesters have made, each with a test that names it."""

import json
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

CROSSING = ("--param", "fast=1", "--param", "slow=2")
"""Averages that cross with every turn of the price."""


@pytest.fixture
def records(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    """Read the records that a run wrote to ``records.jsonl``."""

    def read() -> list[dict[str, Any]]:
        return [json.loads(line) for line in (tmp_path / "records.jsonl").read_text().splitlines()]

    return read


def daily(*quotes: object) -> list[str]:
    return [f"2024-01-{day:02},{quote}" for day, quote in enumerate(quotes, 1)]


# -- lots


@pytest.mark.parametrize(
    ("size", "cash", "costs", "bought"),
    [
        # Ten units would cost 1,001 with commission: nine are bought, rather than none.
        ("portfolio.cash=1000", 1000, ("--commission-bps", "10"), "9"),
        ("fraction=1", 1000, ("--commission-bps", "10"), "9"),
        ("portfolio.cash=1000", 1000, ("--commission-per-trade", "100"), "9"),
        ("portfolio.cash=1000", 1000, (), "10"),
        # 9.99 units come to nine whole ones, for which 950 suffices.
        ("units=9.99", 950, (), "9"),
        ("units=9.99", 950, ("--commission-bps", "10"), "9"),
    ],
)
def test_lots_are_floored_before_the_cash_is_looked_at(
    backtest: Any, table: Any, records: Any, size: str, cash: int, costs: tuple[str, ...], bought: str
) -> None:
    prices = table("time,quote", daily(100, 90, 100, 100))
    flags = ("--cash", cash, "--param", size, "--param", "quantity_step=1", *CROSSING, *costs)
    told = backtest("--data", prices, *flags, "--decisions", "records.jsonl", "--json").told
    decision, fill = records()
    assert (decision["quantity"], fill["quantity"]) == (bought, bought)
    assert 0 <= Decimal(told["cash"]) < 150


# -- drift


def test_cash_does_not_drift_over_ten_thousand_small_trades(backtest: Any, table: Any) -> None:
    rows = [f"{1_700_000_000 + at},{0.3 if at % 2 else 0.1}" for at in range(20_002)]
    flags = ("--cash", "5000", "--param", "units=0.1", "--commission-per-trade", "0.1")
    told = backtest("--data", table("time,quote", rows), *flags, *CROSSING, "--json").told
    # Each buy is signalled at 0.3 and filled at 0.1, each sell the other way round.
    fills = told["fills"]
    assert fills == 19_998
    assert Decimal(told["cash"]) == 5000 - Decimal("0.1") * fills + Decimal("0.02") * (fills // 2)
    naive = 5000.0
    for at in range(fills):
        naive -= 0.1 - (0.03 if at % 2 else -0.01)
    assert naive != float(told["cash"])


# -- duplicates


def test_rows_that_are_there_twice_are_two_events(backtest: Any, table: Any) -> None:
    # Two trades may well be of one moment, so a file's rows are all taken. What comes twice over MQTT counts
    # once, by its id: see test_parity.py.
    rows = daily(10, 11, 12)
    told = backtest("--data", table("time,quote", [row for row in rows for _ in range(2)]), "--json").told
    assert told["events"] == 6


# -- out of order


@pytest.mark.parametrize(("form", "place"), [("csv", "line 4"), ("parquet", "row 3")])
def test_input_out_of_order_is_refused_with_the_row(
    backtest: Any, table: Any, tmp_path: Path, form: str, place: str
) -> None:
    path = table("time,quote", ["2024-01-01,1", "2024-01-03,2", "2024-01-02,3"])
    if form == "parquet":
        import pyarrow.csv as arrow
        import pyarrow.parquet as pq

        pq.write_table(arrow.read_csv(path), path := tmp_path / "prices.parquet")
    ran = backtest("--data", path)
    assert (ran.code, ran.out) == (1, "")
    assert f"{path}, {place}: 2024-01-02T00:00:00Z comes after 2024-01-03T00:00:00Z" in ran.err


# -- NaN


@pytest.mark.parametrize("gap", ["NaN", "", ".", "null"])
def test_nan_of_an_asset_not_held_does_not_touch_equity(backtest: Any, table: Any, gap: str) -> None:
    alone = table("time,A", daily(10, 9, 10, 12, 11), "alone.csv")
    other = table("time,A,B", daily(f"10,{gap}", "9,5", f"10,{gap}", f"12,{gap}", f"11,{gap}"), "both.csv")
    flags = ("--param", "units=3", *CROSSING, "--json")
    expected = backtest("--data", alone, *flags).told
    told = backtest("--data", other, *flags, "--param", "algorithm.symbols=A").told
    assert told["final_equity"] == expected["final_equity"] != "10000"
    for name in ("total_return", "final_equity", "annual_volatility", "sharpe", "max_drawdown"):
        assert told["metrics"][name] == expected["metrics"][name]
    assert "NaN" not in json.dumps(told)


# -- negative prices


def test_a_negative_price_is_refused_unless_it_is_asked_for(backtest: Any, table: Any) -> None:
    ran = backtest("--data", table("time,quote", daily("18.27", "-37.63")))
    assert ran.code == 1
    assert "line 3" in ran.err
    assert "-37.63" in ran.err


def test_profit_and_loss_are_valid_at_negative_prices(backtest: Any, table: Any, records: Any) -> None:
    # The contract of May 2020, in whose last days whoever held it paid to be rid of it.
    prices = table("time,quote", daily("20", "18", "19", "18.27", "-37.63", "10.01"))
    flags = ("--param", "negative_prices=true", "--param", "units=100", *CROSSING, "--decisions", "records.jsonl")
    told = backtest("--data", prices, *flags, "--to", "2024-01-06", "--json").told
    bought, sold = (record for record in records() if record["type"] == "fill")
    assert (bought["cash"], sold["price"], sold["cash"], sold["profit"]) == ("1827", -37.63, "-3763", "-5590")
    assert told["final_equity"] == "4410"
    assert told["metrics"]["total_return"]["value"] == pytest.approx(-0.559)


def test_a_position_is_marked_at_negative_prices(backtest: Any, table: Any) -> None:
    prices = table("time,quote", daily("18.27", "18.27", "-37.63"))
    flags = ("--algo", "buy-and-hold", "--param", "negative_prices=true", "--param", "units=100")
    told = backtest("--data", prices, *flags, "--json").told
    assert told["positions"]["prices"]["value"] == "-3763"
    assert told["final_equity"] == "4410"


@pytest.mark.parametrize("size", ["fraction=0.5", "portfolio.cash=1000"])
def test_a_bet_of_cash_is_not_sized_at_a_negative_price(backtest: Any, table: Any, records: Any, size: str) -> None:
    prices = table("time,quote", daily("-50", "-60", "-37.63", "5"))
    flags = ("--param", "negative_prices=true", "--param", size, *CROSSING, "--decisions", "records.jsonl")
    told = backtest("--data", prices, *flags, "--json").told
    refused, *_ = records()
    assert (refused["type"], refused["reason"]) == ("rejection", "a bet cannot be sized at a price of -37.63")
    assert (told["fills"], told["final_equity"]) == (0, "10000")


# -- short cash


def test_one_unit_that_costs_more_than_the_cash_is_no_order_but_a_reason(
    backtest: Any, table: Any, records: Any
) -> None:
    prices = table("time,quote", daily(*[100, 90, 100, 110] * 5), "DEAR.csv")
    flags = ("--cash", "50", "--param", "units=1", *CROSSING, "--decisions", "records.jsonl")
    told = backtest("--data", prices, *flags, "--json").told
    assert (told["orders"], told["fills"], told["final_equity"]) == (0, 0, "50")
    refused = [record for record in records() if record["side"] == "buy"]
    assert {record["type"] for record in refused} == {"rejection"}
    assert {record["reason"] for record in refused} == {"100 cash asked for, 50 available"}
    assert told["metrics"]["sharpe"]["value"] is None  # of returns that do not vary it is undefined, not 0
    assert told["metrics"]["total_return"]["value"] == 0


# -- days on which clocks change

ZONES = ("Asia/Kathmandu", "America/New_York")


@pytest.mark.parametrize(
    ("morning", "ambiguous", "hours"),
    [
        # 01:59 was followed by 03:00 in the one, by 01:00 in the other.
        (["01:00", "01:30", "03:00", "03:30"], "refuse", ["06:00", "06:30", "07:00", "07:30"]),
        (
            ["00:30", "01:00", "01:30", "01:00", "01:30", "02:00"],
            "order",
            ["04:30", "05:00", "05:30", "06:00", "06:30", "07:00"],
        ),
    ],
    ids=["2020-03-08", "2020-11-01"],
)
def test_both_days_on_which_clocks_change_are_the_same_everywhere(
    backtest: Any,
    table: Any,
    records: Any,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    morning: list[str],
    ambiguous: str,
    hours: list[str],
) -> None:
    day = request.node.callspec.id
    quotes = [10, 9, 10, 9, 10, 9]
    rows = [f"{day}T{hour},{quote}" for hour, quote in zip(morning, quotes, strict=False)]
    prices = table("time,quote", rows)
    hashes, ends = set(), set()
    for zone in ZONES:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        try:
            flags = ("--param", "source.timezone=America/New_York", "--param", f"source.ambiguous={ambiguous}")
            ran = backtest("--data", prices, *CROSSING, *flags, "--decisions", "records.jsonl", "--json")
            hashes.add(ran.told["decisions_sha256"])
            ends.add(
                backtest("--data", prices, *CROSSING, *flags, "--to", f"{day}T{hours[2]}", "--json").told["events"]
            )
        finally:
            monkeypatch.delenv("TZ")
            time.tzset()
        minutes = [record["ts"] // 60_000_000_000 % (24 * 60) for record in records() if record["type"] == "fill"]
        shown = [f"{minute // 60:02}:{minute % 60:02}" for minute in minutes]
        assert shown == hours[3:]  # a signal at the third quote, filled at the fourth, and so on
    assert len(hashes) == 1
    assert ends == {2}


def test_a_time_that_never_was_and_one_that_was_twice_are_refused(backtest: Any, table: Any) -> None:
    for row, problem in (("2020-03-08T02:30,1", "line 2"), ("2020-11-01T01:30,1", "line 2")):
        ran = backtest("--data", table("time,quote", [row]), "--param", "source.timezone=America/New_York")
        assert ran.code == 1
        assert problem in ran.err


# -- splits


def test_a_split_of_raw_prices_seems_to_lose_half(backtest: Any, shipped: Mapping[str, Path]) -> None:
    # On 21 June 2000 two shares of Apple were given for one: nobody lost anything, and raw prices do not know it.
    flags = ("--algo", "buy-and-hold", "--from", "2000-06-19", "--to", "2000-06-24", "--symbols", "AAPL")
    raw = backtest("--source", "sample", *flags, "--json").told
    adjusting = ("--param", "source.close=Adj Close", "--param", "source.sort=true", "--param", "source.open=Adj Close")
    adjusted = backtest("--data", shipped["stocks"], *flags, *adjusting, "--json")
    assert raw["metrics"]["total_return"]["value"] < -0.4
    assert abs(adjusted.told["metrics"]["total_return"]["value"]) < 0.15


# -- stamps of bars


def test_bars_stamped_when_they_open_are_known_when_they_close(backtest: Any, table: Any, records: Any) -> None:
    # The bar of 09:32 closes at 10, above the average; nobody knew before 09:33, and the next bar opens at 11.
    rows = ["09:30,10,10", "09:31,10,9", "09:32,9,10", "09:33,11,12"]
    prices = table("time,open,close", [f"2024-01-02T{row}" for row in rows])
    flags = (*CROSSING, "--param", "units=1", "--decisions", "records.jsonl", "--json")
    at = 1_704_187_800_000_000_000  # 09:30
    minute = 60_000_000_000
    for stamp, later in (((), 0), (("--param", "source.stamp=open", "--param", "source.bar=1m"), 1)):
        backtest("--data", prices, *stamp, *flags)
        decision, fill = records()
        assert decision["ts"] == at + (2 + later) * minute
        assert (fill["ts"], fill["price"]) == (at + (3 + later) * minute, 11.0)


# -- back-filled averages


def test_nothing_is_decided_before_the_slow_window_is_full(backtest: Any, table: Any, records: Any) -> None:
    prices = table("time,quote", daily(*range(20, 10, -1), *range(10, 25)))
    flags = ("--param", "fast=2", "--param", "slow=9", "--decisions", "records.jsonl")
    assert backtest("--data", prices, *flags).code == 0
    assert min(record["seq"] for record in records()) > 9


# -- the Sharpe ratio of nothing, and its convention


def test_the_convention_of_every_figure_is_told(backtest: Any) -> None:
    metrics = backtest("--source", "sample", "--symbols", "FB", "--json").told["metrics"]
    assert all(metric["convention"] for metric in metrics.values())
    assert "ddof 1" in metrics["sharpe"]["convention"]
    assert "risk-free 0" in metrics["sharpe"]["convention"]
    assert "√252" in metrics["sharpe"]["convention"]


def test_days_with_weekends_make_a_year_of_365_days(backtest: Any, table: Any) -> None:
    told = backtest("--data", table("time,quote", daily(*[10, 11, 9] * 9)), *CROSSING, "--json").told
    assert "√365" in told["metrics"]["sharpe"]["convention"]
