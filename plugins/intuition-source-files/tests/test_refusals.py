import gzip
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from intuition_source_files import AmbiguousColumn, BadRow, Csv, JsonLines, NoColumn, NoFile, Parquet, UnreadableFile

from intuition_core.errors import BadParameter

Read = Callable[..., list[dict[str, Any]]]
Write = Callable[..., Path]


def test_a_row_without_a_price_is_a_gap_and_is_told(read: Read, write: Write, caplog: pytest.LogCaptureFixture) -> None:
    gaps = ["", ".", "NaN", "nan", "NA", "null", "-"]
    rows = "".join(f"2024-01-{day:02},{gap},1\n" for day, gap in enumerate(gaps, 1))
    with caplog.at_level(logging.WARNING):
        events = read(Csv, write("date,close,open\n" + rows + "2024-01-09,5,.\n"))
    day = {"start": 1704758400 * 10**9, "ts": 1704844800 * 10**9 - 1}
    assert events == [{"channel": "quotes", "sid": "GOOG", "quote": 5.0, "close": 5.0, **day}]
    assert caplog.messages == ["7 rows without a price gave no event: GOOG 7"] * 2  # read twice


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("2024-01-03,0,1", r"line 4: `close` is 0, which is not above zero; .*`negative_prices`"),
        ("2024-01-03,-37.63,1", r"line 4: `close` is -37.63, which is not above zero"),
        ("2024-01-03,inf,1", r"line 4: `close` is inf, which is beyond what a price can be"),
        ("2024-01-03,1e16,1", r"line 4: `close` is 1e\+16, which is beyond"),
        ("2024-01-03,1,0", r"line 4: `open` is 0, which is not above zero"),
        ("2024-01-03,x,1", r"line 4: `x` in the column `close` is not a number"),
        ("2024-01-03,1", r"line 4: 2 columns, where the header has 3"),
        ("2024-01-03,1,1,1", r"line 4: 4 columns, where the header has 3"),
        (",1,1", r"line 4: there is no time"),
        ("3 January,1,1", r"line 4: `3 January` is no ISO 8601 time; .*`time_format`"),
        (
            "2024-01-01,1,1",
            r"line 4: 2024-01-01T00:00:00Z comes after 2024-01-02T00:00:00Z; .*`sort`",
        ),
        ("9999-01-03,1,1", r"line 4: `9999-01-03` is beyond the years 1677 to 2262"),
    ],
)
def test_bad_rows_are_refused_with_the_line_that_an_editor_shows(read: Read, write: Write, row: str, says: str) -> None:
    path = write(f"date,close,open\n2024-01-02,1,1\n\n{row}\n2024-01-04,1,1\n")
    with pytest.raises(BadRow, match=rf"GOOG\.csv, {says}") as caught:
        read(Csv, path)
    assert (caught.value.path, caught.value.place) == (path, "line 4")


def test_the_line_is_right_far_down_in_a_file(read: Read, write: Write) -> None:
    rows = [f"{1_700_000_000 + second},1.5,{second}\n" for second in range(200_000)]
    rows[150_000] = "1700150000,-1,x\n"
    with pytest.raises(BadRow, match="line 150002: `price` is -1"):
        read(Csv, write("time,price,note\n" + "".join(rows)))
    rows[150_000] = "1700150000,1.5.5,x\n"
    with pytest.raises(BadRow, match=r"line 150002: `1\.5\.5` in the column `price` is not a number"):
        read(Csv, write("time,price,note\n" + "".join(rows)))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"price": [1.0, 2.0, -3.0]}, r"row 3: `price` is -3"),
        (
            {"time": pa.array([5, 7, 6], pa.timestamp("s"))},
            r"row 3: 1970-01-01T00:00:06Z comes after 1970-01-01T00:00:07Z",
        ),
        ({"time": pa.array([5, None, 6], pa.timestamp("s"))}, r"row 2: there is no time"),
        ({"time": pa.array([5, 10**12, 6], pa.timestamp("s"))}, r"row 2: the time is beyond the years"),
        ({"time": [True, True, True]}, r"row 1: `bool` is no type of times"),
        ({"sid": ["A", None, "B"]}, r"row 2: there is no symbol"),
        ({"sid": ["A", "B", " "]}, r"row 3: there is no symbol"),
        ({"sid": ["A", "B\n", "C\tD"]}, r"row 3: expected 1 to 128 printable characters"),
        ({"price": ["a", "b", "c"]}, r"row 1: the column `price` holds `string`, not numbers"),
    ],
)
def test_bad_rows_of_parquet_are_refused_with_their_number(
    read: Read, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    good = {"time": pa.array([5, 6, 7], pa.timestamp("s")), "sid": ["A", "B", "C"], "price": [1.0, 2.0, 3.0]}
    pq.write_table(pa.table(good | change), tmp_path / "x.parquet")
    with pytest.raises(BadRow, match=rf"x\.parquet, {says}"):
        read(Parquet, tmp_path / "x.parquet")


def test_negative_prices_pass_if_they_may(read: Read, write: Write) -> None:
    path = write("date,price\n2020-04-17,18.27\n2020-04-20,-37.63\n2020-04-21,0\n")
    assert [event["quote"] for event in read(Csv, path, negative_prices=True)] == [18.27, -37.63, 0.0]


def test_rows_of_one_time_and_symbol_are_all_kept_in_their_order(read: Read, write: Write) -> None:
    path = write("ts,sid,quote\n2024-01-01,A,2\n2024-01-01,A,1\n2024-01-01,A,2\n")
    assert [event["quote"] for event in read(Csv, path)] == [2.0, 1.0, 2.0]


def test_a_symbol_called_na_is_a_symbol_and_digits_stay_text(read: Read, write: Write) -> None:
    path = write("ts,sid,quote\n2024-01-01,NA,2\n2024-01-01,000001,1\n")
    assert [event["sid"] for event in read(Csv, path)] == ["NA", "000001"]


@pytest.mark.parametrize(
    ("header", "params", "error", "says"),
    [
        (
            "when,close",
            {},
            NoColumn,
            r"known as the time; name it with the option `time`; its columns are `when`, `close`",
        ),
        ("date,sid,last", {}, NoColumn, r"known as the quote or the close; .*`date`, `sid`, `last`"),
        ("date,open,high,low", {}, NoColumn, r"known as the quote or the close"),
        ("date", {}, NoColumn, r"known as the quote or the close"),
        ("date", {"layout": "wide"}, NoColumn, r"no column has prices"),
        ("date,time,close", {}, AmbiguousColumn, r"`date`, `time` could each be the time; choose one with .*`time`"),
        ("date,close,sid,ticker", {}, AmbiguousColumn, r"`sid`, `ticker` could each be the symbol"),
        (
            "date,close",
            {"quote": "clsoe"},
            NoColumn,
            r"called `clsoe`, as the option `quote` says; did you mean `close`;",
        ),
        ("date,close,close", {}, NoColumn, r"two columns are called `close`"),
        ("date,A,B", {"symbols": ["C"]}, BadParameter, r"there is no `C`, only `A`, `B`"),
        (
            "date,close",
            {"symbols": ["GOGO"]},
            BadParameter,
            r"there is no `GOGO`, only `GOOG`; did you mean `GOOG`\?",
        ),
        ("date,close", {"timezone": "America/New York"}, BadParameter, r"did you mean `America/New_York`\?"),
        ("date,close", {"stamp": "open"}, BadParameter, r"parameter `bar`: is missing"),
        ("date,close", {"stamp": "open", "bar": "1d", "close_at": "16:00"}, BadParameter, r"`close_at`: says when"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(
    write: Write, header: str, params: dict[str, Any], error: type[Exception], says: str
) -> None:
    source = Csv()
    path = write(header + "\n")
    with pytest.raises(error, match=says):
        source.initialize(msgspec.convert({"path": str(path), **params}, Csv.Params))


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"path": 5}, "path"),
        ({"path": "x", "bar": "1w"}, "bar"),
        ({"path": "x", "close_at": "24:00"}, "close_at"),
        ({"path": "x", "delimiter": "::"}, "delimiter"),
        ({"path": "x", "compression": "rar"}, "compression"),
        ({"path": "x", "tz": "UTC"}, "tz"),
        ({}, "path"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_by_name(params: dict[str, Any], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(params, Csv.Params)


def test_every_parameter_is_described() -> None:
    for declared in (Csv.Params, JsonLines.Params, Parquet.Params):
        (schema,) = msgspec.json.schema(declared)["$defs"].values()
        assert all(value.get("description") for value in schema["properties"].values())


@pytest.mark.parametrize("source", [Csv, Parquet])
def test_files_that_are_none_are_told(read: Read, source: type[Csv | Parquet], tmp_path: Path) -> None:
    ending = source.Params.part
    for path in (tmp_path / f"none.{ending}", tmp_path / f"*.{ending}", ""):
        with pytest.raises(NoFile, match="no such file"):
            read(source, path)
    with pytest.raises(NoFile, match=rf"a folder without a file that ends in \.{ending} or"):
        read(source, tmp_path)
    with pytest.raises(NoFile, match="no file was named"):
        read(source, [])
    empty = tmp_path / f"empty.{ending}"
    empty.touch()
    with pytest.raises(UnreadableFile, match=rf"empty\.{ending}: is (empty|no Parquet file)"):
        read(source, empty)
    binary = tmp_path / f"binary.{ending}"
    binary.write_bytes(b"\xff\x00\xfe,\n" * 99)
    with pytest.raises(UnreadableFile, match=rf"binary\.{ending}: is no"):
        read(source, binary)


def test_damaged_files_are_told(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_bytes(
        gzip.compress(b"date,close\n" + b"".join(b"%d,%d\n" % (10**9 + i, i + 1) for i in range(9999)))[:-99]
    )
    with pytest.raises(UnreadableFile, match=r"x\.csv\.gz: Truncated compressed stream"):
        read(Csv, path)
    path.write_text("date,close\n")
    with pytest.raises(UnreadableFile, match=r"x\.csv\.gz: .*incorrect header"):
        read(Csv, path)
    table = tmp_path / "x.parquet"
    pq.write_table(
        pa.table({"time": list(range(10**9, 10**9 + 9999)), "price": np.random.default_rng(1).random(9999) + 1}), table
    )
    content = bytearray(table.read_bytes())
    content[4:4000] = b"\xff" * 3996
    table.write_bytes(content)
    with pytest.raises(UnreadableFile, match=r"x\.parquet: "):
        read(Parquet, table)


def test_text_that_is_not_utf8_is_told_with_its_line(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("date,close,name\n2024-01-01,1,a\n2024-01-02,1,Münch\n".encode("latin-1"))
    with pytest.raises(BadRow, match=r"x\.csv, line 3: is no text in UTF-8"):
        read(Csv, path)
