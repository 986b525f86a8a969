"""Files as others have published them, of packages that are not imported."""

import csv
import gzip
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.csv as arrow
import pyarrow.parquet as pq
import pytest
from intuition_source_files import BadRow, Csv, Parquet

Read = Callable[..., list[dict[str, Any]]]


def shipped(package: str, *names: str) -> Path:
    """Give a file that a package ships, without importing the package."""
    spec = find_spec(package)
    assert spec is not None
    path = Path(str(files(module_from_spec(spec)).joinpath(*names)))
    assert path.is_file()
    return path


def rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as text:
        return list(csv.DictReader(text))


def in_new_york(day: str, time_format: str = "%Y-%m-%d", hour: int = 16) -> int:
    zone = ZoneInfo("America/New_York")
    return int(datetime.strptime(day, time_format).replace(hour=hour, tzinfo=zone).timestamp()) * 10**9


def test_stocks_that_go_symbol_by_symbol_are_put_in_order(read: Read) -> None:
    path = shipped("bokeh_sampledata", "_data", "stocks.csv.gz")
    with pytest.raises(BadRow, match=r"line 3272: 2012-05-18T04:00:00Z comes after 2013-03-01T05:00:00Z"):
        read(Csv, path, timezone="America/New_York", close_at="16:00")
    found = read(Csv, path, timezone="America/New_York", close_at="16:00", sort=True)
    oracle = [
        {
            "channel": "quotes",
            "sid": row["Ticker"],
            "quote": float(row["Close"]),
            **{key.lower(): float(row[key]) for key in ("Open", "High", "Low", "Close")},
            "volume": int(row["Volume"]),
            "start": in_new_york(row["Date"]) - 16 * 3600 * 10**9,
            "ts": in_new_york(row["Date"]),
            "Adj Close": float(row["Adj Close"]),
        }
        for row in sorted(rows(path), key=lambda row: row["Date"])
    ]
    assert len(found) == 12_154
    assert found == oracle


def test_the_same_stocks_in_a_file_each_are_the_same_events(read: Read, tmp_path: Path) -> None:
    path = shipped("bokeh_sampledata", "_data", "stocks.csv.gz")
    table = arrow.read_csv(path)
    for sid in ("AAPL", "FB", "GOOG"):
        part = table.filter(pa.compute.equal(table["Ticker"], sid)).drop_columns(["Ticker"])
        pq.write_table(part, tmp_path / f"{sid}.parquet", compression="zstd")
    assert read(Parquet, tmp_path) == read(Csv, path, sort=True, symbols=["FB", "GOOG", "AAPL"])


def test_oil_has_gaps_and_no_symbol_but_its_columns(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    path = shipped("arch", "data", "wti", "wti.csv.gz")
    found = read(Csv, path, timezone="America/New_York", close_at="14:30")  # a day beyond the twelfth tells the format
    oracle = [
        (in_new_york(row["DATE" if "DATE" in row else "Date"], "%m/%d/%Y", 14) + 1800 * 10**9, float(row["DCOILWTICO"]))
        for row in rows(path)
        if row["DCOILWTICO"] != "."
    ]
    assert [(event["ts"], event["quote"]) for event in found] == oracle
    assert len(found) == 8_611 - 290
    assert caplog.messages == ["290 rows without a price gave no event: DCOILWTICO 290"] * 2


def test_a_table_of_stocks_gives_each_its_events(read: Read) -> None:
    path = shipped("skfolio", "datasets", "data", "sp500_dataset.csv.gz")
    found = read(Csv, path)
    table = rows(path)
    symbols = [name for name in table[0] if name != "Date"]
    assert Counter(event["sid"] for event in found) == dict.fromkeys(symbols, 8_313)
    assert [event["quote"] for event in found] == [float(row[sid]) for row in table for sid in symbols]
    assert [event["sid"] for event in found[:20]] == symbols
    chosen = read(Csv, path, symbols=["XOM", "AAPL"])
    assert chosen == [event for event in found if event["sid"] in {"XOM", "AAPL"}]
