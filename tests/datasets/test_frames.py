"""Frames handed over in Python: read by the rules of files, with the same line told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from support.datasets import write_csv

from intuition_core.errors import BadParameter, IntuitionError
from intuition_core.runs import open_source

MAKERS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "pandas": lambda frame: frame,
    "pandas, by its index": lambda frame: frame.set_index("Date"),
    "polars": lambda frame: pl.from_arrow(pa.Table.from_pandas(frame, preserve_index=False)),
    "arrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
    "arrow, in batches": lambda frame: pa.Table.from_batches(
        pa.Table.from_pandas(frame, preserve_index=False).to_batches(max_chunksize=7)
    ),
    "arrow, a stream": lambda frame: pa.Table.from_pandas(frame, preserve_index=False).to_reader(),
    "duckdb": lambda frame: duckdb.from_arrow(pa.Table.from_pandas(frame, preserve_index=False)),
}


def read(data: Any, *, and_then: Any = None, **options: Any) -> tuple[list[dict[str, Any]], list[str]]:
    reader = open_source(data, data=[] if and_then is None else [and_then], **options)
    return [event for batch in reader.batches() for event in batch], reader.told()


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("times", ["naive", "aware", "text"])
def test_a_frame_is_read_as_its_file_is(maker: str, times: str) -> None:
    path = write_csv(Path("AAPL.csv"), 30)
    frame = pd.read_csv(path)
    if times != "text":
        frame["Date"] = pd.to_datetime(frame["Date"], utc=times == "aware").astype(
            "datetime64[us]" if times == "naive" else "datetime64[us, UTC]"
        )
    events, told = read({"AAPL": MAKERS[maker](frame)})
    expected, told_of_file = read(str(path))
    assert events == expected
    assert [type(value) for value in events[0].values()] == [type(value) for value in expected[0].values()]
    zoned = [line.replace("in UTC", "as written") for line in told_of_file]
    assert [line.replace("AAPL: ", "AAPL.csv: ", 1) for line in told] in (told_of_file, zoned)


def test_an_index_of_times_without_a_name_is_the_time() -> None:
    index = pd.date_range("2024-01-02", periods=5, tz="America/New_York")
    events, _ = read({"A": pd.DataFrame({"close": [1.0, 2, 3, 4, 5]}, index=index)})
    assert [event["quote"] for event in events] == [1, 2, 3, 4, 5]
    assert pd.Timestamp(events[0]["start"], tz="UTC") == index[0]


def test_symbols_come_of_a_column_of_an_option_or_of_the_name() -> None:
    frame = pl.DataFrame({"time": ["2024-01-02T10:00:00Z", "2024-01-02T10:01:00Z"], "price": [1.0, 2.0]})
    with pytest.raises(BadParameter, match=r"hand over \{'AAPL': frame\}"):
        open_source(frame)
    assert {event["sid"] for event in read(frame, params={"sid": "X"})[0]} == {"X"}
    assert {event["sid"] for event in read({"Y": frame})[0]} == {"Y"}
    assert [event["sid"] for event in read(frame.with_columns(symbol=pl.Series(["P", "Q"])))[0]] == ["P", "Q"]
    both = read({"Y": frame, "Z": frame})[0]
    assert [event["sid"] for event in both] == ["Y", "Z", "Y", "Z"]


def test_frames_and_files_are_one_course() -> None:
    write_csv(Path("AAPL.csv"), 3)
    frame = pd.read_csv("AAPL.csv")
    events, told = read("AAPL.csv", and_then={"MSFT": frame})
    assert [event["sid"] for event in events] == ["AAPL", "MSFT"] * 3
    assert len(told) == 1
    assert told[0].startswith("AAPL.csv and 1 more: time `Date`")


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        ([1.0, float("nan"), -3.0], "row 3"),
        ([1.0, float("inf"), 3.0], "row 2"),
        (["1", "x", "3"], "holds `string`, not numbers"),
    ],
)
def test_cells_that_are_no_prices_are_refused_with_their_row(column: list[Any], problem: str) -> None:
    frame = pa.table({"time": ["2024-01-02", "2024-01-03", "2024-01-04"], "close": column})
    with pytest.raises(IntuitionError, match=problem):
        read({"A": frame})


@pytest.mark.parametrize("value", [[1.0], 3, {"A": [1.0]}, pl.LazyFrame({"a": [1]})])
def test_what_is_no_frame_is_refused(value: Any) -> None:
    if hasattr(value, "__arrow_c_stream__"):
        pytest.skip("this version of polars hands over lazy frames, too")
    with pytest.raises(IntuitionError, match="is no frame"):
        open_source(value)
