"""Datasets as folders: what goes in comes out, whole or not at all, and any tool reads it."""

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pandas as pd
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.datasets import DAY, JANUARY, added, bar

from intuition_core.errors import BadData, BadParameter, IntuitionError
from intuition_core.sources.datasets import writing
from intuition_core.sources.datasets.index import DatasetInUse, changing, read_index
from intuition_core.sources.datasets.places import BadName, DatasetOrFile, NoSuchDataset, find_dataset
from intuition_core.sources.datasets.reading import Dataset, DatasetDamaged, DatasetParams, OtherContents
from intuition_core.sources.datasets.verifying import verify
from intuition_core.sources.datasets.writing import STAGING, Conflict
from intuition_core.sources.merge import rank
from intuition_core.testing import SourceContract


def read(path: Path | str, **params: Any) -> list[dict[str, Any]]:
    source = Dataset()
    source.initialize(DatasetParams(path=str(path), **params))
    return list(source.events())


VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
    st.booleans(),
    st.none(),
    st.lists(st.integers(0, 9), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=2),
)
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "channel": st.sampled_from(["quotes", "news", "a/b c"]),
            "ts": st.integers(JANUARY, JANUARY + 400 * DAY).map(lambda ts: ts // DAY * DAY),
            "quote": st.floats(1e-9, 1e9),
        },
        optional={
            "sid": st.sampled_from(["A", "BTC/USD", "ä ö", "..", "100%"]),
            "x": VALUES,
            "y": VALUES,
        },
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS, size=st.integers(1, 10))
def test_what_is_added_is_read_as_it_was(tmp_path: Path, events: list[dict[str, Any]], size: int) -> None:
    events.sort(key=lambda event: (event["ts"], rank(event)))
    shutil.rmtree(tmp_path / "any", ignore_errors=True)
    batches = [copy.deepcopy(events[begin : begin + size]) for begin in range(0, len(events), size)]
    added(tmp_path / "any", *batches)
    got = read(tmp_path / "any")
    assert got == events
    for one, other in zip(got, events, strict=True):  # 1 and 1.0 are equal, and so are true and 1
        for key, value in other.items():
            mixed = {type(event.get(key)) for event in events} >= {int, float}
            assert type(one[key]) is type(value) or (mixed and type(one[key]) is float)


def test_no_more_events_are_held_than_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "_HELD", 10)
    events = [bar(day, sid=sid) for day in range(400) for sid in ("B", "A")]
    added(tmp_path / "many", events)
    assert read(tmp_path / "many") == events
    pieces = read_index(tmp_path / "many").pieces
    assert len(pieces) > 10
    assert {piece.path.split("/")[2] for piece in pieces} == {"year=2024", "year=2025"}


def test_order_of_rows_of_one_moment_is_kept_over_series(tmp_path: Path) -> None:
    events = [bar(0, sid="B"), bar(0, sid="A"), bar(1, sid="A"), bar(1, sid="B")]
    added(tmp_path / "both", events)
    assert read(tmp_path / "both") == events


def test_additions_that_follow_precede_or_fill_gaps_make_one_course(tmp_path: Path) -> None:
    days = [bar(day) for day in range(10)]
    for part in (days[4:6], days[8:], days[:2], days[5:9], days):
        added(tmp_path / "grown", part)
    assert read(tmp_path / "grown") == [*days[:2], *days[4:]][:2] + days[2:]
    again = added(tmp_path / "grown", days)
    assert (again.new, again.known, again.replaced) == (0, 10, 0)
    assert len(again.dataset.added) == 5  # what brought nothing leaves no trace


def test_other_prices_of_one_time_are_refused_and_nothing_is_added(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    added(folder, [bar(0), bar(1)])
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(Conflict, match=r"A at 2024-01-03 .* is quote 100.0 in the dataset kept, and quote 7.0 in what"):
        added(folder, [bar(1, 7.0), bar(2)])
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    done = added(folder, [bar(1, 7.0), bar(2)], replace=True)
    assert (done.new, done.known, done.replaced) == (1, 0, 1)
    assert read(folder) == [bar(0), bar(1, 7.0), bar(2)]
    assert list(verify(folder)) == []


def test_interrupted_addition_leaves_the_dataset_as_it_was(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    added(folder, [bar(0)])
    sha256 = read_index(folder).sha256

    def interrupted() -> Iterator[dict[str, Any]]:
        yield bar(1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        added(folder, interrupted())  # type: ignore[arg-type]  # any iterable of events will do
    assert read_index(folder).sha256 == sha256
    assert list(verify(folder)) == []
    assert not (folder / STAGING).exists()
    with pytest.raises(KeyboardInterrupt):
        added(tmp_path / "fresh", interrupted())  # type: ignore[arg-type]  # the same
    assert not (tmp_path / "fresh").exists()


def test_a_killed_addition_is_cleared_by_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    added(folder, [bar(0)])
    (folder / STAGING).mkdir()
    (folder / STAGING / "half").write_bytes(b"PAR1")
    assert read(folder) == [bar(0)]
    added(folder, [bar(1)])
    assert read(folder) == [bar(0), bar(1)]
    assert not (folder / STAGING).exists()


def test_two_processes_do_not_change_one_dataset(tmp_path: Path) -> None:
    with changing(tmp_path / "kept"), pytest.raises(DatasetInUse):
        added(tmp_path / "kept", [bar(0)])


def test_a_column_of_the_dataset_itself_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadData, match="_place"):
        added(tmp_path / "odd", [bar(0, _place=3)])
    assert not (tmp_path / "odd").exists()


# -- reading


class TestDatasetIsASource(SourceContract):
    part = Dataset
    params: ClassVar[dict[str, Any]] = {"path": "contract"}

    @pytest.fixture(autouse=True)
    def _dataset(self, catalogue: Path) -> None:
        added(catalogue / "contract", [bar(day, 100.0 + day, sid) for day in range(40) for sid in ("A", "B", "C")])


@pytest.mark.parametrize("harm", ["missing", "changed", "truncated"])
def test_damaged_files_are_never_read(tmp_path: Path, harm: str) -> None:
    folder = tmp_path / "kept"
    added(folder, [bar(day, sid=sid) for day in range(3) for sid in ("A", "B")])
    [piece] = [piece for piece in read_index(folder).pieces if piece.sid == "B"]
    file = folder / piece.path
    content = file.read_bytes()
    if harm == "missing":
        file.unlink()
    elif harm == "changed":
        file.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
    else:
        file.write_bytes(content[:-9])
    with pytest.raises(DatasetDamaged, match="intuition data verify kept"):
        read(folder)
    assert read(folder, symbols=("A",)) == [bar(day) for day in range(3)]  # which is whole
    [defect] = verify(folder)
    assert (defect.sid, defect.first, defect.last) == ("B", piece.first, piece.last)


def test_files_that_nobody_added_are_told_and_not_read(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    added(folder, [bar(0)])
    [piece] = read_index(folder).pieces
    shutil.copy(folder / piece.path, (folder / piece.path).with_name("other.parquet"))
    assert [defect.kind for defect in verify(folder)] == ["stray"]
    assert read(folder) == [bar(0)]


def test_a_dataset_is_held_to_the_hash_that_was_given(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    added(folder, [bar(0)])
    sha256 = read_index(folder).sha256
    assert read(f"{folder}@{sha256[:8]}") == [bar(0)]
    added(folder, [bar(1)])
    with pytest.raises(OtherContents, match=sha256[:8]):
        read(f"{folder}@{sha256[:8]}")


def test_negative_prices_are_let_pass_by_who_asks_for_them(tmp_path: Path) -> None:
    added(tmp_path / "oil", [bar(0, -37.6)], negative_prices=True)
    with pytest.raises(BadParameter, match="negative_prices"):
        read(tmp_path / "oil")
    assert read(tmp_path / "oil", negative_prices=True) == [bar(0, -37.6)]


def test_unknown_symbols_and_datasets_are_refused_with_the_nearest(tmp_path: Path, catalogue: Path) -> None:
    added(catalogue / "stocks", [bar(0, sid="AAPL")])
    with pytest.raises(BadParameter, match="did you mean `AAPL`"):
        read("stocks", symbols=("APPL",))
    with pytest.raises(NoSuchDataset, match="did you mean `stocks`"):
        read("stock")
    with pytest.raises(BadName):
        added(tmp_path / "a b", [bar(0)])


def test_a_name_that_a_file_here_has_too_is_refused(catalogue: Path) -> None:
    added(catalogue / "prices", [bar(0)])
    assert find_dataset("prices") == catalogue / "prices"
    Path("prices").mkdir()
    with pytest.raises(DatasetOrFile, match=r"\./prices"):
        find_dataset("prices")
    assert find_dataset(str(catalogue / "prices")) == catalogue / "prices"


def test_an_index_of_another_format_is_refused(catalogue: Path) -> None:
    added(catalogue / "kept", [bar(0)])
    index = json.loads((catalogue / "kept" / "dataset.json").read_bytes())
    (catalogue / "kept" / "dataset.json").write_text(json.dumps({**index, "format": 2}))
    with pytest.raises(IntuitionError, match="no index of a dataset of format 1"):
        read("kept")


# -- other tools


def test_other_tools_read_the_same_prices(catalogue: Path) -> None:
    events = [bar(day, 100.0 + day, sid) for day in range(400) for sid in ("BTC/USD", "AAPL")]
    added(catalogue / "kept", events, [bar(400, sid="AAPL", channel="news")])
    expected = [(event["sid"], event["ts"], event["close"]) for event in events]
    pattern = f"{catalogue}/kept/channel=quotes/*/*/*.parquet"

    relation = duckdb.sql(
        f"select sid, epoch_ns(ts), close from read_parquet('{pattern}', hive_partitioning = true) order by ts, _place"
    )
    assert relation is not None
    assert relation.fetchall() == expected

    frame = pl.read_parquet(pattern, hive_partitioning=True).sort("ts", "_place")
    assert frame.select("sid", pl.col("ts").dt.epoch("ns"), "close").rows() == expected

    table = pd.read_parquet(catalogue / "kept" / "channel=quotes").sort_values(["ts", "_place"])
    times = table["ts"].astype("int64")
    assert list(zip(table["sid"].astype(str), times, table["close"], strict=True)) == expected
