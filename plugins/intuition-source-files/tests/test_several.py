import itertools
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intuition_source_files import Csv, Parquet

from intuition_core.recordings import merge

BAR = "timestamp,open,high,low,close,volume\n"

Read = Callable[..., list[dict[str, Any]]]
Write = Callable[..., Path]


@settings(max_examples=60, deadline=None)
@given(
    files=st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), max_size=12), min_size=1, max_size=4),
    piece=st.integers(1, 5),
)
def test_several_files_are_merged_by_time_then_file_then_row(
    files: list[list[tuple[int, int]]], piece: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rows: list[tuple[int, int, int, dict[str, Any]]] = []
    sources = []
    for index, steps in enumerate(files):
        times = list(itertools.accumulate(step for step, _ in steps))
        events = [{"channel": "quotes", "file": index, "row": row, "ts": ts} for row, ts in enumerate(times)]
        rows += [(ts, index, row, event) for row, (ts, event) in enumerate(zip(times, events, strict=True))]
        cuts = range(0, len(times), piece)
        sources.append(iter([events[cut : cut + piece] for cut in cuts]))
    oracle = [event for _, _, _, event in sorted(rows, key=lambda row: row[:3])]
    assert list(itertools.chain.from_iterable(merge(sources))) == oracle


def test_files_keep_the_order_in_which_they_are_given(read: Read, tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.csv").write_text(
            "date,close\n" + "".join(f"{day},1\n" for day in ("2024-01-01", "2024-01-02"))
        )
    (tmp_path / "notes.md").write_text("nothing")
    (tmp_path / ".hidden.csv").write_text("nothing")

    def order(path: Any, **params: Any) -> list[str]:
        return [event["sid"] for event in read(Csv, path, **params)]

    assert order([tmp_path / "b.csv", tmp_path / "a.csv"]) == ["b", "a"] * 2
    assert order(tmp_path) == ["a", "b", "c"] * 2
    assert order(tmp_path / "[bc].csv") == ["b", "c"] * 2
    assert order([tmp_path / "c.csv", tmp_path / "*.csv"]) == ["c", "a", "b"] * 2
    assert order(tmp_path, symbols=["c", "a"]) == ["a", "c"] * 2


def test_long_files_are_merged_in_batches_of_some_hundred(read: Read, tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    for name in "abc":
        times = np.sort(rng.integers(10**9, 10**9 + 10**6, 30_000))
        pq.write_table(pa.table({"time": times, "price": rng.random(30_000) + 1}), tmp_path / f"{name}.parquet")
    assert len(read(Parquet, tmp_path)) == 90_000
    source = Parquet()
    source.initialize(Parquet.Params(path=str(tmp_path)))
    sizes = [len(batch) for batch in source.batches()]
    assert 100 < min(sizes[:-1]) < max(sizes) < 2000


def test_files_of_several_shapes_make_one_course(read: Read, tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text("date,sid,price\n2024-01-01,A,1\n2024-01-03,B,2\n")
    (tmp_path / "wide.csv").write_text("date,C,D\n2024-01-02,3,4\n")
    (tmp_path / "GOOG.csv").write_text("date,close\n2024-01-02,5\n")
    assert [event["sid"] for event in read(Csv, tmp_path)] == ["A", "GOOG", "C", "D", "B"]
    assert [event["sid"] for event in read(Csv, tmp_path, symbols=["GOOG", "B", "D"])] == ["GOOG", "D", "B"]


def test_symbols_may_be_spread_over_wide_files(read: Read, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("date,A,B\n2024-01-01,1,2\n")
    (tmp_path / "2.csv").write_text("date,C,D\n2024-01-01,3,nonsense\n")
    assert [event["sid"] for event in read(Csv, tmp_path, symbols=["C", "A"])] == ["A", "C"]
    assert [event["sid"] for event in read(Csv, tmp_path, symbols=["B"])] == ["B"]


def test_progress_goes_up_to_the_end(tmp_path: Path) -> None:
    for name in "ab":
        pq.write_table(
            pa.table({"time": range(10**9, 10**9 + 400_000), "price": [1.0] * 400_000}), tmp_path / f"{name}.parquet"
        )
    source = Parquet()
    source.initialize(Parquet.Params(path=str(tmp_path)))
    assert source.progress() == 0.0
    seen = [source.progress() for _ in source.batches()]
    assert seen == sorted(seen)
    assert len(set(seen)) > 2
    assert source.progress() == 1.0


def test_symbols_that_no_row_has_are_told(read: Read, write: Write, caplog: pytest.LogCaptureFixture) -> None:
    path = write("date,sid,close\n2024-01-01,A,1\n")
    assert read(Csv, path, symbols=["A", "Z"])[0]["sid"] == "A"
    assert caplog.messages == ["no row is of `Z`"] * 2


def test_reading_can_end_early(read: Read, write: Write) -> None:
    path = write("time,price\n" + "".join(f"{10**9 + second},1\n" for second in range(300_000)))
    for _ in range(20):
        source = Csv()
        source.initialize(Csv.Params(path=str(path)))
        batches = source.batches()
        next(batches)
        del batches
    assert len(read(Csv, path, end=(10**9 + 5) * 10**9)) == 5


def test_what_is_after_the_end_is_not_even_looked_at(read: Read, write: Write) -> None:
    rows = "".join(f"{10**9 + second},1\n" for second in range(300_000))
    path = write("time,price\n" + rows + "1,nonsense,,\n")
    assert len(read(Csv, path, end=(10**9 + 5) * 10**9)) == 5


@pytest.mark.parametrize("source", ["Csv", "Parquet"])
@pytest.mark.parametrize(
    "text",
    [
        BAR + "2024-01-02,1,1,1,1,\n2024-03-02,1,1,1,1,5\n",
        "timestamp,sid,channel,close,action,ratio\n2024-01-02,A,,1,,\n2024-03-02,A,actions,,split,2:1\n",
    ],
)
def test_neither_arrow_nor_pandas_is_imported_before_or_without_need(write: Write, source: str, text: str) -> None:
    path = write(text)
    if source == "Parquet":
        table = arrow.read_csv(path, convert_options=arrow.ConvertOptions(strings_can_be_null=True))
        path = path.with_suffix(".parquet")
        pq.write_table(table, path)
    code = (
        f"import sys; from intuition_source_files import {source}; heavy = {{'pandas', 'numpy', 'pyarrow'}};"
        f"print(sorted(heavy & set(sys.modules))); source = {source}();"
        f"source.initialize(source.Params(path={str(path)!r}, timezone='America/New_York', stamp='open', bar='1d'));"
        "print(len(list(source.events())), sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n2 ['numpy', 'pyarrow']\n"
