"""A database of DuckDB: its types of times, more rows than are read at once, and files that are none."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import msgspec
import pytest
from intuition_source_sql import Sql

from intuition_core.errors import IntuitionError

COUNT = 9_000
BEGIN = 1_704_187_800
"""2024-01-02 09:30:00 in UTC."""
SECOND = 10**9
Make = Callable[[str], str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a table of minutes, each with its time in several types."""
    path = tmp_path_factory.mktemp("duckdb") / "prices.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute("SET TimeZone = 'Asia/Tokyo'")
        database.execute(
            "CREATE TABLE bars AS SELECT "
            "TIMESTAMP '2024-01-02 09:30:00' + INTERVAL (i) MINUTE AS local, "
            "local AT TIME ZONE 'UTC' AS zoned, "
            f"({BEGIN} + 60 * i)::BIGINT AS seconds, "
            "seconds * 1000 AS milliseconds, seconds * 1000000000 AS nanoseconds, "
            "strftime(local, '%Y-%m-%d %H:%M:%S') AS written, "
            "DATE '2000-01-01' + i::INTEGER AS day, "
            "(100 + i / 100)::DECIMAL(12, 2) AS close, 'A' AS symbol "
            f"FROM range({COUNT}) AS numbers(i) ORDER BY hash(i)"
        )
    return path


def read(path: Path | str, **params: Any) -> tuple[list[list[dict[str, Any]]], Sql]:
    source = Sql()
    source.initialize(msgspec.convert({"url": f"duckdb:///{path}", **params}, source.Params))
    return list(source.batches()), source


@pytest.mark.parametrize("time", ["local", "zoned", "seconds", "milliseconds", "nanoseconds", "written"])
def test_times_of_each_type_are_the_same_moments(made: Path, time: str) -> None:
    batches, source = read(made, table="bars", time=time)
    events = [event for batch in batches for event in batch]
    assert len(batches) > 1
    assert [event["ts"] for event in events] == [(BEGIN + 60 * number) * SECOND for number in range(COUNT)]
    assert [event["quote"] for event in events] == [round(100 + number / 100, 2) for number in range(COUNT)]
    (told,) = source.taken()
    units = {"seconds": "s", "milliseconds": "ms", "nanoseconds": "ns"}
    assert (told.rows, told.unit) == (COUNT, units.get(time, ""))


def test_dates_are_whole_days(made: Path) -> None:
    batches, source = read(made, table="main.bars", time="day", timezone="America/New_York")
    first = batches[0][0]
    assert first["start"] == int(datetime(2000, 1, 1, 5, tzinfo=UTC).timestamp()) * SECOND
    assert first["ts"] == first["start"] + 86_400 * SECOND - 1
    assert source.taken()[0].stamp == "date"


@pytest.mark.parametrize("time", ["local", "zoned", "seconds", "written"])
def test_a_span_and_symbols_are_asked_for(made: Path, time: str) -> None:
    start, end = (BEGIN + 600) * SECOND, (BEGIN + 1200) * SECOND
    batches, _ = read(made, table="bars", time=time, start=start, end=end, symbols=["A"])
    assert [event["ts"] // SECOND for batch in batches for event in batch] == list(range(BEGIN + 600, BEGIN + 1200, 60))
    assert read(made, table="bars", time=time, symbols=["B"])[0] == []


def test_a_local_time_is_of_the_zone_that_is_said(made: Path) -> None:
    (batch,) = read(
        made,
        query="SELECT local, close, symbol FROM bars ORDER BY local LIMIT 1",
        time="local",
        timezone="America/New_York",
    )[0]
    assert batch[0]["ts"] == (BEGIN + 5 * 3600) * SECOND


def test_a_database_is_read_while_others_read_it_and_is_never_changed(made: Path) -> None:
    before = made.read_bytes()
    program = (
        "import duckdb, sys; duckdb.connect(sys.argv[1], read_only=True); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(made)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        assert read(made, table="bars", time="local")[0]
        with pytest.raises(IntuitionError, match="read-only"):
            read(made, query="CREATE TABLE other (a INTEGER)")
        other.communicate("")
    assert made.read_bytes() == before


def test_what_is_no_such_file_is_refused_with_what_to_do(made: Path, tmp_path: Path) -> None:
    with pytest.raises(IntuitionError, match="there is no such file"):
        read(tmp_path / "none.duckdb", table="bars")
    assert not (tmp_path / "none.duckdb").exists()
    (tmp_path / "lite.db").write_bytes(b"SQLite format 3\0" + bytes(84))
    with pytest.raises(IntuitionError, match=r"is a file of SQLite, not of DuckDB; name it by --data sqlite:///"):
        read(tmp_path / "lite.db", table="bars")
    source = Sql()
    source.initialize(Sql.Params(url=f"sqlite:///{made}", table="bars"))
    with pytest.raises(IntuitionError, match=r"is a file of DuckDB, not of SQLite; name it by --data duckdb:///"):
        list(source.batches())
    with pytest.raises(IntuitionError, match=r"prices.duckdb: .*none"):
        read(made, table="none")
