"""Several files at once: splits, dividends and rates beside prices."""

import csv
import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

SPLIT = '{"channel": "actions", "sid": "AAPL", "action": "split", "ratio": "2:1", "ts": "%s"}\n'
APPLE = ("2000-06-21T09:30:00-04:00", "2005-02-28T09:30:00-05:00")
"""When two shares of Apple were given for one, in the years of which there are prices."""

Write = Callable[..., Path]


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    path = tmp_path / "splits.jsonl"
    path.write_text("".join(SPLIT % ts for ts in APPLE))
    return path


def test_raw_prices_with_splits_beside_them_grow_as_adjusted_ones_do(
    run: Any, splits: Path, shipped: Mapping[str, Path]
) -> None:
    """Apple paid no dividend until 2012: adjusted closes differ from raw ones by the splits alone."""
    flags = ("backtest", "--algo", "buy-and-hold", "--portfolio", "fixed", "--param", "units=10", "--symbols", "AAPL")
    flags = (*flags, "--fill", "same", "--to", "2012-08-01", "--source", "sample", "--json")
    raw, split = run(*flags).told, run(*flags, "--data", splits).told
    with gzip.open(shipped["stocks"], "rt") as text:
        days = [row for row in csv.DictReader(text) if row["Ticker"] == "AAPL" and row["Date"] < "2012-08-01"]
    spent = 10 * float(days[0]["Close"])
    growth = float(days[-1]["Adj Close"]) / float(days[0]["Adj Close"])
    assert split["positions"]["AAPL"]["quantity"] == "40"
    assert float(split["final_equity"]) - 10_000 == pytest.approx(spent * (growth - 1), rel=0.002)
    assert split["events"] == raw["events"] + 2
    assert float(raw["final_equity"]) - 10_000 < 0.3 * spent * growth


def test_a_split_of_a_date_comes_before_its_quote_wherever_it_is_named(
    backtest: Any, table: Write, tmp_path: Path
) -> None:
    prices = table("date,sid,close", ["2024-01-02,A,10", "2024-01-03,A,10", "2024-01-04,A,5"])
    actions = table("date,sid,channel,action,ratio", ["2024-01-04,A,actions,split,2:1"], name="actions.csv")
    lines = tmp_path / "actions.jsonl"
    lines.write_text((SPLIT % "2024-01-04T00:00:00Z").replace("AAPL", "A"))
    holding = ("--algo", "buy-and-hold", "--json")
    for first in (actions, lines):
        for order in ((first, prices), (prices, first)):
            told = backtest(*holding, "--data", order[0], "--data", order[1]).told
            assert (told["final_equity"], told["metrics"]["max_drawdown"]["value"]) == ("10000", 0.0)
    told = backtest(*holding, "--data", prices).told
    assert told["final_equity"] == "5000"


def test_one_file_of_all_channels_decides_as_several_do(backtest: Any, table: Write, tmp_path: Path) -> None:
    rows = [f"2024-01-{day:02},quotes,A,{price},," for day, price in enumerate((10, 9, 8, 11, 13, 6, 5, 7, 8), 1)]
    split = "2024-01-06,actions,A,,split,2:1"
    mixed = table("date,channel,sid,close,action,ratio", [*rows[:5], split, *rows[5:]], name="mixed.csv")
    prices = table("date,channel,sid,close,action,ratio", rows)
    actions = table("date,sid,action,ratio", ["2024-01-06,A,split,2:1"], name="actions.csv")
    how = ("--param", "fast=1", "--param", "slow=2", "--json")
    one = backtest(*how, "--data", mixed).told
    numbered = ("--param", "source.1.channel=actions")
    two = backtest(*how, "--data", actions, "--data", prices, *numbered, "--decisions", tmp_path / "r.jsonl").told
    assert (one["decisions_sha256"], one["final_equity"]) == (two["decisions_sha256"], two["final_equity"])
    assert one["fills"] > 2
    kinds = [json.loads(line)["type"] for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert "action" in kinds


@pytest.mark.parametrize("ending", ["jsonl", "csv"])
def test_rates_beside_prices_make_an_account_of_two_currencies(
    backtest: Any, table: Write, tmp_path: Path, ending: str
) -> None:
    config = tmp_path / "eur.toml"
    config.write_text('currency = "EUR"\n[[instruments.table]]\nsymbol = "AAPL"\ncurrency = "USD"\n')
    closes = table("date,AAPL,SAP", [f"2024-01-{day:02},200,100" for day in (2, 3, 4)], name="closes.csv")
    rates = table("date,EUR/USD", ["2024-01-02,1.25", "2024-01-04,1.28"], name="rates.csv")
    how: tuple[Any, ...] = ("--param", "source.1.channel=rates")
    if ending == "jsonl":
        rates, how = tmp_path / "rates.jsonl", ()
        quotes = (("2024-01-02", 1.25), ("2024-01-04", 1.28))
        rates.write_text(
            "".join(
                json.dumps({"channel": "rates", "sid": "EUR/USD", "quote": rate, "ts": f"{day}T00:00:00Z"}) + "\n"
                for day, rate in quotes
            )
        )
    flags = ("--algo", "buy-and-hold", "--param", "units=10", "--config", config, "--json")
    data = ("--data", rates, "--data", closes)
    told = backtest(*flags, *data, *how).told
    assert told["final_equity"] == "9962.5"
    only = backtest(*flags, *data, *how, "--symbols", "AAPL").told
    assert (only["final_equity"], list(only["positions"])) == ("9962.5", ["AAPL"])
    assert backtest(*flags, "--data", closes).told["fills"] == 1, "without a rate nothing can be bought in dollars"


def test_the_guard_looks_at_merged_files_too(backtest: Any, splits: Path) -> None:
    flags = ("--algo", "buy-and-hold", "--symbols", "AAPL", "--from", "2000-06-01", "--to", "2000-08-01")
    ran = backtest("--source", "sample", "--data", splits, *flags, "--check-lookahead", "--decisions", "r.jsonl")
    assert ran.code == 0
    assert "no look-ahead" in ran.err
    assert f"jsonl: {splits}; sample" in " ".join(ran.out.split())
    assert '"type":"action"' in Path("r.jsonl").read_text()


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--data", "a.foo"), "(known endings: .arrow, .csv, .db, .duckdb, .feather"),
        (("--data", "none.jsonl"), "none.jsonl: no such file"),
        (("--data", "bad.jsonl"), "bad.jsonl, line 2: ts: missing"),
        (("--data", "splits.jsonl", "--data", "bad.jsonl"), "bad.jsonl, line 2: ts: missing"),
        (("--data", "splits.jsonl", "--source", "sample", "--param", "source.3.x=1"), "`3.x`: is for --data number 3"),
        (("--data", "splits.jsonl", "--source", "sample", "--param", "source.clsoe=1"), "`clsoe`: unknown"),
        (("--data", "splits.jsonl", "--config", "sample.toml"), "sample.toml: [source] "),
    ],
)
def test_a_mistake_is_one_sentence(backtest: Any, splits: Path, flags: tuple[str, ...], says: str) -> None:
    Path("bad.jsonl").write_text('{"a": 1, "ts": 1}\n{"a": 1}\n')
    Path("sample.toml").write_text('[source]\nname = "sample"\n')
    ran = backtest(*flags)
    assert ran.code == 1
    assert says in ran.err
    assert len(ran.err.splitlines()) == 1


def test_several_variants_are_compared_on_merged_files(run: Any, splits: Path) -> None:
    flags = ("--algo", "buy-and-hold", "--portfolio", "fixed,naive", "--symbols", "AAPL", "--to", "2000-09-01")
    told = run("compare", *flags, "--source", "sample", "--data", splits, "--json").told
    alone = run("compare", *flags, "--source", "sample", "--json").told
    assert told["events"] == alone["events"] + 1


@pytest.mark.parametrize("more", [(), ("--json",), ("--check-lookahead",)])
def test_a_misspelt_symbol_of_an_action_is_told_once(backtest: Any, table: Write, more: tuple[str, ...]) -> None:
    prices = table("date,symbol,close", [f"2024-01-0{day},AAPL,10" for day in range(2, 6)])
    header = "date,symbol,channel,action,ratio"
    early, later = "2024-01-01,AAPL,actions,split,2:1", "2024-01-04,APPL,actions,split,4:1"
    ran = backtest("--data", prices, "--data", table(header, [early, later], name="actions.csv"), *more)
    assert ran.code == 0
    assert [line for line in ran.err.splitlines() if "quote" in line] == [
        "a split or dividend of APPL, which was never quoted; did you mean `AAPL`?"
    ]
    if not more:
        assert "Splits and dividends without a quote" in ran.out
    ran = backtest("--data", prices, "--data", table(header, [early], name="actions.csv"), *more)
    assert "quoted" not in ran.err


def test_a_comparison_tells_it_too(run: Any, table: Write) -> None:
    prices = table("date,symbol,close", [f"2024-01-0{day},AAPL,10" for day in range(2, 6)])
    actions = table("date,symbol,channel,action,amount", ["2024-01-04,APPL,actions,dividend,1"], name="actions.csv")
    words = ("compare", "--algo", "buy-and-hold", "--portfolio", "fixed", "--vary", "portfolio.fraction=0.1,0.2")
    ran = run(*words, "--data", prices, "--data", actions)
    assert "a split or dividend of APPL, which was never quoted; did you mean `AAPL`?" in ran.err.splitlines()
