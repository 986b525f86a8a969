"""What a run comes to: tables, round trips, figures, the file it is saved in, and its comparison with another."""

import csv
import json
import math
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from intuition_core import IntuitionError, Run, Signal, load_run, run_backtest
from intuition_core.research import CannotWrite, MissingExtra, Table, UnreadableRun
from intuition_core.research.columns import iso
from intuition_core.research.trips import trips_and_positions
from intuition_core.sources.contents import EarlierRun

INTUITION = Path(sys.executable).with_name("intuition")
START = 1_704_205_800_000_000_000
MINUTE = 60_000_000_000
TABLES = ("equity", "returns", "trades", "positions", "fills", "orders", "rejections", "errors")


@pytest.fixture
def run(walk: pd.DataFrame) -> Run:
    return run_backtest(
        "sma-cross",
        data=walk,
        portfolio="fixed",
        params={"fast": 2, "slow": 4, "portfolio.fraction": 0.3},
        costs={"commission_bps": 3},
        margin={"initial": "1.5"},
    )


class Says:
    """Does what it is told by the number of the event."""

    plan: Mapping[int, Any] = {}

    def initialize(self, params: Any) -> None:
        self.n = 0

    def event(self, data: Mapping[str, Any]) -> Any:
        if data["channel"] != "quotes":
            return None
        self.n += 1
        return self.plan.get(self.n)


def course(*quotes: float, sid: str = "A") -> list[dict[str, Any]]:
    return [{"sid": sid, "quote": quote, "ts": START + n * MINUTE} for n, quote in enumerate(quotes)]


def told_to(plan: Mapping[int, Any]) -> type:
    return type("Says", (Says,), {"plan": plan})


# -- tables


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_the_same_in_every_library(run: Run, name: str) -> None:
    table = getattr(run, name)
    arrow, pandas, polars = table.to_arrow(), table.to_pandas(), table.to_polars()
    assert arrow.num_rows == len(pandas) == polars.height == len(table)
    assert tuple(arrow.column_names) == tuple(pandas.columns) == tuple(polars.columns) == table.columns
    handed = table  # noqa: F841  # DuckDB finds it by its name
    assert duckdb.sql("SELECT count(*) FROM handed").fetchall() == [(len(table),)]
    for column, kind in table.kinds.items():
        values = table[column]
        if kind in ("time", "duration"):
            assert arrow[column].cast("int64").to_pylist() == polars[column].cast(pl.Int64).to_list() == values
            wanted = "datetime64[ns, UTC]" if kind == "time" else "timedelta64[ns]"
            assert str(pandas[column].dtype) == wanted
            assert [None if pd.isna(each) else each.value for each in pandas[column]] == values
        elif kind in ("amount", "number"):
            floats = [None if value is None else float(value) for value in values]
            assert arrow[column].to_pylist() == polars[column].to_list() == floats
            assert [None if math.isnan(each) else each for each in pandas[column]] == floats
        else:
            assert arrow[column].to_pylist() == polars[column].to_list() == values
            assert [None if pd.isna(each) else each for each in pandas[column]] == values


def test_tables_show_themselves_in_a_notebook(run: Run) -> None:
    page = run.fills._repr_html_()
    assert page.count("<tr>") == 1 + 21
    assert f"{len(run.fills):,} rows" in page
    assert "<script>" not in Table.of({"sid": "text"}, [("<script>",)])._repr_html_()
    assert "0 rows" in Table.of({"sid": "text", "time": "time"}, [])._repr_html_()


def test_a_library_that_is_not_there_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for library, convert in (
        ("pandas", run.fills.to_pandas),
        ("polars", run.fills.to_polars),
        ("pyarrow", run.fills.to_arrow),
    ):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(MissingExtra, match=f"pip install {library}"):
            convert()


@pytest.mark.parametrize("ts", [0, 1, START, START + 120_000_000, -1, -(10**18), 2**62])
def test_times_are_written_to_the_last_digit(ts: int) -> None:
    assert pd.Timestamp(iso(ts)).value == ts


# -- what they hold


def test_tables_hold_what_the_records_hold(run: Run) -> None:
    records = list(run.records)
    fills = [record for record in records if record["type"] == "fill"]
    assert [str(cash) for cash in run.fills["cash"]] == [fill["cash"] for fill in fills]
    assert len(run.orders) == run.history.counts["decision"]
    assert sum(run.fills["quantity"]) == sum(run.orders["filled"])
    assert run.equity["equity"][-1] == pytest.approx(float(run.history.equity))
    assert math.prod(1 + each for each in run.returns["return"]) * 10_000 == pytest.approx(float(run.history.equity))
    assert run.metrics["trades"] == sum("profit" in fill for fill in fills)
    assert run.metrics["max_drawdown"] is not None
    assert set(run.metrics.table["unit"]) <= {"fraction", "ratio", "days", "count", "currency"}


def test_profits_of_round_trips_and_what_is_held_add_up_to_the_account(run: Run) -> None:
    trades = list(run.trades)
    assert len(trades) > 20
    realised = sum(trade["profit"] for trade in trades)
    unrealised = sum(Decimal(each["value"]) - Decimal(each["cost"]) for each in run.account["positions"].values())
    assert realised + unrealised == run.history.equity - run.history.deposits
    assert sum(run.trades["commission"]) == sum(run.fills["commission"])
    held = {}
    for row in run.positions:
        held[row["sid"]] = row["quantity"]
    assert {sid: units for sid, units in held.items() if units} == {
        sid: Decimal(each["quantity"]) for sid, each in run.account["positions"].items()
    }
    for trade in trades:
        if not trade["open"]:
            assert trade["held"] == trade["exit_time"] - trade["entry_time"] > 0


def test_a_round_trip_goes_from_nothing_to_nothing() -> None:
    plan = {
        1: Signal("A", "buy", tag="in"),
        3: Signal("A", "buy", tag="more"),
        5: Signal("A", "sell", tag="out"),
    }
    run = run_backtest(
        told_to(plan),
        data=course(10, 10, 10, 20, 20, 30, 30),
        portfolio={"name": "fixed", "params": {"units": 2, "pyramiding": True}},
    )
    [trade] = run.trades
    assert (trade["side"], trade["quantity"], trade["fills"], trade["open"]) == ("long", 4, 3, False)
    assert (trade["entry_price"], trade["exit_price"], trade["profit"]) == (15.0, 30.0, 60)
    assert (trade["entry_time"], trade["exit_time"]) == (START + MINUTE, START + 5 * MINUTE)
    assert trade["held"] == 4 * MINUTE
    assert (trade["entry_reason"], trade["exit_reason"]) == ("in", "out")
    assert trade["rate"] == 1.0
    assert run.positions["quantity"] == [2, 4, 0]
    assert run.positions["price"] == [10.0, 15.0, None]


def test_a_short_sale_is_a_round_trip_too() -> None:
    run = run_backtest(
        told_to({1: Signal("A", "sell"), 3: Signal("A", "buy")}),
        data=course(10, 10, 10, 8, 8),
        portfolio={"name": "fixed", "params": {"units": 4}},
        margin={"initial": 1.5},
    )
    assert [trade["side"] for trade in run.trades] == ["short"]
    assert run.positions["quantity"] == [-4, 0]
    assert run.trades["profit"] == [8]
    assert run.trades["rate"] == [0.2]
    assert run.history.equity == 10_008


def test_why_a_bracket_closed_is_told() -> None:
    run = run_backtest(
        told_to({1: Signal("A", "buy", stop_loss=9.0, take_profit=20.0), 4: Signal("A", "buy", stop_loss=9.0)}),
        data=course(10, 10, 25, 10, 10, 8, 8),
        portfolio={"name": "fixed", "params": {"units": 1}},
    )
    assert run.trades["exit_reason"] == ["take profit", "stop loss"]
    assert run.trades["entry_reason"] == ["signal", "signal"]


def test_a_split_and_a_dividend_belong_to_the_round_trip() -> None:
    events: list[dict[str, Any]] = course(100, 100, 50, 60, 60, 60)
    events[2:2] = [
        {"channel": "actions", "sid": "A", "action": "split", "ratio": "2:1", "ts": START + MINUTE + 1},
        {"channel": "actions", "sid": "A", "action": "dividend", "amount": "1", "ts": START + MINUTE + 2},
    ]
    run = run_backtest(
        told_to({1: Signal("A", "buy"), 4: Signal("A", "sell")}),
        data=events,
        portfolio={"name": "fixed", "params": {"units": 3}},
    )
    [trade] = run.trades
    assert (trade["quantity"], trade["entry_price"], trade["exit_price"]) == (6, 50.0, 60.0)
    assert trade["profit"] == run.history.equity - run.history.deposits == 66
    assert run.positions["quantity"] == [3, 6, 0]


def test_a_fill_that_turns_a_position_ends_one_trip_and_begins_another() -> None:
    head = {"sid": "A", "algorithm": "a", "portfolio": "p", "cause": "0:0"}
    trips, positions = trips_and_positions(
        [
            {**head, "id": "1:0", "type": "fill", "ts": 1, "side": "buy", "quantity": "2", "price": 10.0, "cash": "20"},
            {**head, "id": "2:0", "type": "fill", "ts": 5, "side": "sell", "quantity": "5", "price": 12.0, "cash": "60",
             "profit": "4", "commission": "1"},
        ]
    )  # fmt: skip
    assert trips["side"] == ["long", "short"]
    assert trips["quantity"] == [2, 3]
    assert trips["open"] == [False, True]
    assert trips["profit"] == [4, 0]
    assert [float(each) for each in trips["commission"]] == [0.4, 0.6]
    assert positions["quantity"] == [2, -3]


# -- files


def test_a_saved_run_is_the_run(run: Run, tmp_path: Path) -> None:
    run.save(tmp_path / "run.json")
    again = load_run(tmp_path / "run.json")
    assert again.to_json(curve=True) == run.to_json(curve=True)
    for name in TABLES:
        assert getattr(again, name) == getattr(run, name)
    assert list(again.records) == list(run.records)
    assert again.notes == run.notes
    assert again.metrics.table == run.metrics.table
    assert again.history.trades == run.history.trades
    run.report(tmp_path / "one.html")
    again.report(str(tmp_path / "other.html"))
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "other.html").read_bytes()
    assert EarlierRun(tmp_path / "run.json").decisions_sha256 == run.decisions_sha256
    again.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "run.json").read_bytes()


def test_an_empty_run_is_saved_too(tmp_path: Path) -> None:
    run = run_backtest("sma-cross", data=[])
    run.save(tmp_path / "run.json")
    assert load_run(tmp_path / "run.json").to_json() == run.to_json()
    assert [len(getattr(run, name)) for name in TABLES] == [0] * len(TABLES)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "No such file"),
        (b"", "no saved run"),
        (b"\xff\xfe", "no saved run"),
        (b"[]", "no saved run"),
        (b'{"decisions_sha256": "0", "metrics": {}}', "what --json writes has none"),
        (b'{"decisions_sha256": "0", "metrics": {}, "history": {}}', "no saved run"),
        (b'{"decisions_sha256": "0", "metrics": {}, "history": {}, "format": 2}', "format 2 is newer"),
    ],
)
def test_a_file_that_is_no_run_is_told(tmp_path: Path, content: bytes | None, problem: str) -> None:
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(UnreadableRun, match=problem):
        load_run(tmp_path / "run.json")


def test_a_file_that_cannot_be_written_is_told(run: Run, tmp_path: Path) -> None:
    for write in (run.save, run.report):
        with pytest.raises(CannotWrite, match="No such file or directory"):
            write(tmp_path / "nowhere" / "file.html")


def test_the_command_saves_what_python_loads_and_writes_tables(tmp_path: Path, walk: pd.DataFrame) -> None:
    walk.to_csv("walk.csv", index=False)
    options = (
        "--algo",
        "sma-cross",
        "--portfolio",
        "fixed",
        "--data",
        "walk.csv",
        "--param",
        "slow=5",
        "--param",
        "fast=2",
    )
    files = ("--save", "run.json", "--equity", "equity.parquet", "--trades", "trades.csv", "--json", "--curve")
    ran = subprocess.run([INTUITION, "backtest", *options, *files], capture_output=True, text=True, check=True)
    told = json.loads(ran.stdout)
    loaded = load_run("run.json")
    wanted = run_backtest("sma-cross", data="walk.csv", portfolio="fixed", params={"fast": 2, "slow": 5})
    assert loaded.decisions_sha256 == wanted.decisions_sha256 == told["decisions_sha256"]
    assert loaded.to_json(curve=True) == told
    assert told["curve"] == {name: wanted.equity[name] for name in wanted.equity.columns}
    assert pq.read_table("equity.parquet").equals(wanted.equity.to_arrow())
    with Path("trades.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [Decimal(row["profit"]) for row in rows] == wanted.trades["profit"]
    [first, *_] = wanted.trades
    assert datetime.fromisoformat(rows[0]["entry_time"]) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(
        microseconds=first["entry_time"] // 1000
    )
    assert [line for line in ran.stderr.splitlines() if "written to" in line] == [
        "equity written to equity.parquet",
        "trades written to trades.csv",
        "run written to run.json",
    ]
    against = subprocess.run(
        [INTUITION, "backtest", *options, "--against", "run.json"], capture_output=True, text=True, check=True
    )
    assert "the same decisions on the same data" in against.stderr


@pytest.mark.parametrize(
    ("files", "code", "sentence"),
    [
        (("--save", "nowhere/run.json"), 1, "there is no such folder"),
        (("--equity", "equity.xlsx"), 1, "cannot tell the format"),
        (("--curve",), 2, "--curve is a part of what --json writes"),
    ],
)
def test_files_that_cannot_be_written_are_told_before_the_run(files: tuple[str, ...], code: int, sentence: str) -> None:
    command = [INTUITION, "backtest", "--algo", "sma-cross", "--source", "sample", *files]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert sentence in ran.stderr


def test_no_cell_of_a_csv_file_is_a_formula(tmp_path: Path) -> None:
    plan = {1: Signal("=1+1", "buy", tag="@in"), 3: Signal("=1+1", "sell", tag="-out")}
    run = run_backtest(told_to(plan), data=course(10, 10, 20, 20, sid="=1+1"))
    from intuition_core.cli.outputs import write_table

    write_table(run.trades, tmp_path / "trades.csv")
    content = (tmp_path / "trades.csv").read_text()
    assert ",'=1+1," in content
    assert ",'@in," in content
    assert ",'-out," in content


# -- comparison


def test_runs_compare(run: Run, walk: pd.DataFrame) -> None:
    same = run_backtest(**_again(walk))
    assert run.compare(same).same_decisions
    assert run.compare(same).first_difference is None
    assert str(run.compare(same)) == "the same decisions on the same data"
    other = run_backtest(**{**_again(walk), "params": {"fast": 2, "slow": 5, "portfolio.fraction": 0.3}})
    compared = run.compare(other)
    assert not compared.same_decisions
    assert compared.same_data
    differing = compared.first_difference
    assert differing is not None
    assert differing[0] != differing[1]
    figures = {row["name"]: row for row in compared.metrics}
    assert figures["fills"]["difference"] == len(other.fills) - len(run.fills)
    assert "first difference" in compared._repr_html_()
    shorter = run_backtest(**{**_again(walk), "data": walk.head(100)})
    assert run.compare(shorter).same_data is False
    unknown = run_backtest(**{**_again(walk), "hashed": False})
    assert run.compare(unknown).same_data is None


def _again(walk: pd.DataFrame) -> dict[str, Any]:
    return {
        "algorithm": "sma-cross",
        "data": walk,
        "portfolio": "fixed",
        "params": {"fast": 2, "slow": 4, "portfolio.fraction": 0.3},
        "costs": {"commission_bps": 3},
        "margin": {"initial": "1.5"},
    }


def test_a_notebook_shows_the_report(run: Run) -> None:
    page = run._repr_html_()
    assert page.startswith('<iframe title="sma-cross with fixed" srcdoc="')
    assert "<script" not in page
    assert "sma-cross with fixed: 400 events" in repr(run)


def test_figures_without_a_report_are_asked_for(run: Run) -> None:
    bare = Run(run.history, run.decisions_sha256, report=_no_report)
    with pytest.raises(IntuitionError, match="pip install"):
        bare.metrics  # noqa: B018  # asking raises
    with pytest.raises(IntuitionError, match="records of this run were not kept"):
        bare.trades  # noqa: B018  # the same


def _no_report() -> Any:
    from intuition_core.plugins.catalogue import Catalogue
    from intuition_core.research.setup import report_part

    return report_part(Catalogue(()), required=True)
