"""Files that would be read as something else: read as they are meant, or refused, and never without a word."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_source_files import BadRow, Csv, JsonLines, NoColumn, Parquet, UnreadableFile
from intuition_source_files.errors import AmbiguousColumn, TwoMeanings

from intuition_core.errors import BadParameter, IntuitionError
from intuition_core.sources.opening import open_source, reader_of

Write = Callable[..., Path]
HOUR = 3600 * 10**9


def read(path: Any, source: type[Any] = Csv, **params: Any) -> list[dict[str, Any]]:
    made = source()
    made.initialize(msgspec.convert({"path": str(path), **params}, source.Params))
    return list(made.events())


def told(path: Path, source: type[Any] = Csv, **params: Any) -> str:
    made = source()
    made.initialize(msgspec.convert({"path": str(path), **params}, source.Params))
    for _ in made.batches():
        pass
    [taken] = made.taken()
    return str(taken.line())


def hive(folder: Path, key: str, values: dict[str, list[float]], name: str = "part-0.parquet") -> Path:
    for symbol, closes in values.items():
        (folder / f"{key}={symbol}").mkdir(parents=True)
        days = [f"2024-01-{day:02}" for day in range(2, 2 + len(closes))]
        pq.write_table(pa.table({"date": days, "close": closes}), folder / f"{key}={symbol}" / name)
    return folder


@pytest.mark.parametrize("key", ["symbol", "sid", "ticker", "Symbol"])
def test_folders_that_say_the_symbol_are_read_so(tmp_path: Path, key: str) -> None:
    folder = hive(tmp_path / "kept", key, {"A": [1.0, 2.0], "BRK%2FB": [3.0, 4.0]})
    for path in (folder, folder / "*" / "*.parquet"):
        events = read(path, Parquet)
        assert [(event["sid"], event["quote"]) for event in events] == [("A", 1), ("BRK/B", 3), ("A", 2), ("BRK/B", 4)]
    assert reader_of(str(folder)) == "parquet"


def test_folders_of_years_are_looked_into(tmp_path: Path) -> None:
    for year in (2023, 2024):
        (tmp_path / f"year={year}").mkdir()
        (tmp_path / f"year={year}" / "A.csv").write_text(f"date,close\n{year}-01-02,{year}\n")
    assert [(event["sid"], event["quote"]) for event in read(tmp_path)] == [("A", 2023), ("A", 2024)]
    assert reader_of(str(tmp_path)) == "csv"


def test_a_folder_that_may_say_the_symbol_is_refused_until_that_is_said(tmp_path: Path) -> None:
    folder = hive(tmp_path / "kept", "instrument", {"A": [1.0], "B": [2.0]})
    with pytest.raises(UnreadableFile, match=r"`instrument=A`, which may say its symbol.*`symbol`, instrument"):
        read(folder, Parquet)
    assert {event["sid"] for event in read(folder, Parquet, symbol="instrument")} == {"A", "B"}


PAIRS = {
    "('Close', 'A')": [1.0, 2.0],
    "('Close', 'B')": [3.0, 4.0],
    "('Volume', 'A')": [100, 200],
    "('Volume', 'B')": [300, 400],
}
TURNED = {
    "('A', 'Close')": [1.0, 2.0],
    "('A', 'Volume')": [100, 200],
    "('B', 'Close')": [3.0, 4.0],
    "('B', 'Volume')": [300, 400],
}


@pytest.mark.parametrize("columns", [PAIRS, TURNED])
def test_columns_called_by_field_and_symbol_are_those_of_symbols(tmp_path: Path, columns: dict[str, Any]) -> None:
    table = pa.table({"Date": ["2024-01-02", "2024-01-03"], **columns})
    pq.write_table(table, tmp_path / "download.parquet")
    events = read(tmp_path / "download.parquet", Parquet)
    wanted = [("A", 1.0, 100.0), ("B", 3.0, 300.0), ("A", 2.0, 200.0), ("B", 4.0, 400.0)]
    assert [(event["sid"], event["quote"], event["volume"]) for event in events] == wanted
    frame = open_source(table)
    assert [event["sid"] for batch in frame.batches() for event in batch] == ["A", "B", "A", "B"]


@pytest.mark.parametrize(
    "names",
    [
        "AAPL_Close,AAPL_Volume,MSFT_Close,MSFT_Volume",
        "SPY,SPY Volume,VIX",
        "AAPL.close,MSFT.close",
        "Close AAPL,Close MSFT",
        "AAPL,MSFT (volume)",
        "AAPL/Vol,AAPL",
        "\"('Close', 'A')\",\"('Other', 'A')\"",
    ],
)
def test_columns_that_say_what_they_have_of_a_symbol_are_no_symbols(write: Write, names: str) -> None:
    count = 2 if names.startswith('"') else names.count(",") + 1
    rows = "".join(f"2024-01-0{day}{',10' * count}\n" for day in (2, 3))
    with pytest.raises(NoColumn, match="is no symbol to buy"):
        read(write(f"Date,{names}\n{rows}", "wide.csv"))


@pytest.mark.parametrize("names", ["AAPL,MSFT", "BRK.B,BF-A", "LOW,V", "EUR/USD,GBP/USD", "ES Z24,NQ Z24"])
def test_symbols_are_symbols(write: Write, names: str) -> None:
    rows = "".join(f"2024-01-0{day}{',10' * (names.count(',') + 1)}\n" for day in (2, 3))
    path = write(f"Date,{names}\n{rows}", "wide.csv")
    assert sorted({event["sid"] for event in read(path)}) == sorted(names.split(","))


@pytest.mark.parametrize("cells", [("16.622", "16.571"), ("1.139", "1.141"), ("16.622", "500")])
def test_numbers_of_three_places_beside_semicolons_have_two_readings(write: Write, cells: tuple[str, str]) -> None:
    path = write(f"Datum;Schluss\n15.01.2024;{cells[0]}\n16.01.2024;{cells[1]}\n", "DAX.csv")
    with pytest.raises(TwoMeanings, match=rf"`{cells[0]}`.*{cells[0]}.*{cells[0].replace('.', '')}.*`decimal`"):
        read(path)
    assert read(path, decimal=",")[0]["quote"] == float(cells[0].replace(".", ""))
    assert read(path, decimal=".")[0]["quote"] == float(cells[0])


@given(st.lists(st.decimals("0.001", "999999", places=2), min_size=1, max_size=5))
def test_numbers_of_other_places_beside_semicolons_have_one(tmp_path_factory: Any, prices: list[Any]) -> None:
    path = tmp_path_factory.mktemp("written") / "A.csv"
    path.write_text("Datum;Schluss\n" + "".join(f"{n:02}.01.2024;{p}\n" for n, p in enumerate(prices, 1) if p > 0))
    wanted = [float(price) for price in prices if price > 0]
    if wanted:
        assert [event["quote"] for event in read(path)] == wanted


FALL = ["2024-11-03 00:00", "2024-11-03 01:00", "2024-11-03 01:00", "2024-11-03 02:00"]
NEW_YORK = {"timezone": "America/New_York", "ambiguous": "order"}


def test_a_bar_whose_time_comes_twice_is_the_later_one_the_second_time(write: Write) -> None:
    rows = "".join(f"{time},1,2,1,{1 + n}\n" for n, time in enumerate(FALL))
    events = read(write(f"time,open,high,low,close\n{rows}", "A.csv"), stamp="open", bar="1h", **NEW_YORK)
    hours = [event["ts"] // HOUR - events[0]["ts"] // HOUR for event in events]
    assert hours == [0, 1, 2, 3]
    assert [event["start"] + HOUR for event in events] == [event["ts"] for event in events]


def test_bars_of_several_symbols_whose_time_comes_twice_are_told_apart(write: Write) -> None:
    rows = "".join(f"{time},{sid},1,2,1,1\n" for time in FALL for sid in "AB")
    events = read(write(f"time,symbol,open,high,low,close\n{rows}", "all.csv"), stamp="open", bar="1h", **NEW_YORK)
    for sid in "AB":
        own = [event["ts"] // HOUR for event in events if event["sid"] == sid]
        assert [ts - own[0] for ts in own] == [0, 1, 2, 3]


def test_single_prices_of_one_time_are_of_one_moment(write: Write) -> None:
    rows = "".join(f"2024-11-03 {time},1\n" for time in ("00:30", "01:30", "01:30", "01:15", "02:30"))
    events = read(write(f"time,price\n{rows}", "A.csv"), **NEW_YORK)
    assert [(event["ts"] - events[0]["ts"]) / HOUR for event in events] == [0, 1, 1, 1.75, 3]


@pytest.mark.parametrize(
    ("times", "line"),
    [
        (["2024-01-03T01:30:00", "2024-01-03T02:00:00-05:00"], 3),
        (["2024-01-03T01:30:00Z", "2024-01-03T02:00:00"], 3),
        (["2024-01-03T01:30:00Z", "2024-01-03T02:00:00Z", "2024-01-04T02:00:00"], 4),
    ],
)
def test_times_of_which_some_have_an_offset_are_refused_until_the_zone_is_said(
    write: Write, times: list[str], line: int
) -> None:
    path = write("time,close\n" + "".join(f"{time},1\n" for time in times), "A.csv")
    with pytest.raises(BadRow, match=rf"line {line}: the time has (an|no) offset, unlike those before.*`timezone`"):
        read(path)
    assert len(read(path, timezone="UTC")) == len(times)


def test_two_columns_of_times_are_refused(write: Write) -> None:
    path = write("unix,date,close\n1704153660,2024-01-05 00:00:00,1\n", "A.csv")
    with pytest.raises(AmbiguousColumn, match=r"unix.*date"):
        read(path)
    assert read(path, time="unix")[0]["ts"] == 1_704_153_660 * 10**9


@pytest.mark.parametrize(
    "line", ['"quote": 1.5, "quote": 9', '"quote": 1.5, "sid": "B"', '"quote": 1, "ts": 1704153600']
)
def test_a_key_that_is_there_twice_is_refused(write: Write, line: str) -> None:
    path = write(f'{{"sid": "A", "ts": "2024-01-02T00:00:00Z", {line}}}\n', "a.jsonl")
    with pytest.raises(BadRow, match=r"line 1: (quote|sid|ts): is there twice"):
        read(path, JsonLines)


def test_an_array_has_each_key_in_each_event(write: Write) -> None:
    path = write('[{"a": 1, "ts": 1704153600}, {"b": 2, "ts": 1704153600}]\n', "a.jsonl")
    assert len(read(path, JsonLines)) == 2


def test_truths_are_no_prices(tmp_path: Path) -> None:
    pq.write_table(pa.table({"time": ["2024-01-02", "2024-01-03"], "close": [True, True]}), tmp_path / "A.parquet")
    with pytest.raises(BadRow, match="`close` holds `bool`"):
        read(tmp_path / "A.parquet", Parquet)


def test_a_last_line_without_an_end_is_told(write: Write) -> None:
    assert "the last line has no end" in told(write("date,close\n2024-01-15,1000\n2024-01-16,10", "A.csv"))
    assert "the last line" not in told(write("date,close\n2024-01-15,1000\n2024-01-16,10\n", "B.csv"))
    assert "the last line" in told(write("date,close\n2024-01-16,1000\n2024-01-15,10", "C.csv"))


def test_bars_with_a_high_below_the_low_are_told(write: Write) -> None:
    rows = "2024-01-02,100,99,102,101\n2024-01-03,100,103,99,101\n2024-01-04,100,,102,101\n"
    assert "1 bar has a high below the low" in told(write(f"Date,Open,High,Low,Close\n{rows}", "A.csv"))


def test_a_field_without_an_end_is_refused_in_words(write: Write) -> None:
    for path in (
        write("time,close\n2024-01-02,1\n" + f'2024-01-03,"{"1" * 200_000}"\n', "A.csv"),
        write("time,close\n" + "2024-01-02,1\n" * 20_000 + f'2024-01-03,"{"1," * 200_000}"\n', "B.csv"),
    ):
        with pytest.raises(IntuitionError, match=path.name):
            read(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Date,Close\n2024-01-02,1\nDate,Close\n2024-01-03,1\n", r"line 3: .*(names|totals)"),
        (
            "Date,Close\n2024-01-02,1\nTotal,1\n",
            r"line 3: `Total` is no ISO 8601 time; is it a line of names, or of tot",
        ),
        ("time,close\n2024-01-02 09:30:00 EST,1\n", r"line 2: .*`EST`, which may be several; take it out.*`timezone`"),
        ("Date,Close\n2024-01-02,1\n2263-01-03,1\n", r"line 3: `2263-01-03` is beyond the years 1677 to 2262"),
        ('Date,Open,Close\n2024-01-02,1,1\n"Source: A, B"\n', r"line 3: 1 columns, .*a line below the table"),
        ('Date,Open,Close\n2024-01-02,1,1\n2024-01-03,"1,1\n2024-01-04,1,1\n', r"is a quote left open"),
        ("Date,Close\n45306,1\n", r"line 2: 45306 is too small .*days, such as those of Excel"),
        ("Date,Close\n2460324.5,1\n", r"line 2: 2460324.5 is too small .*Julian"),
        ("Date,Close\n2023,1\n", r"line 2: 2023 is too small .*a year alone"),
    ],
)
def test_a_refusal_says_what_to_do(write: Write, text: str, said: str) -> None:
    with pytest.raises(IntuitionError, match=said):
        read(write(text, "A.csv"))


def test_a_line_of_names_within_numbers_is_told(write: Write) -> None:
    with pytest.raises(
        BadRow, match="`Close` in the column `Close` is not a number; it is the line of names once more"
    ):
        read(write("Date,Close\n2024-01-02,1\n2024-01-03,Close\n", "A.csv"))


def test_texts_for_people_are_no_data_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("hello\n")
    (tmp_path / "A.csv").write_text("date,close\n2024-01-02,1\n")
    assert [event["sid"] for event in read(tmp_path)] == ["A"]


def test_a_file_without_rows_is_told(write: Write) -> None:
    assert "there are no rows" in told(write("date,close\n", "A.csv"))


def test_a_file_that_was_cut_is_to_be_got_again(tmp_path: Path) -> None:
    whole = gzip.compress(b"date,close\n" + b"2024-01-02,1\n" * 5000)
    (tmp_path / "A.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(IntuitionError, match="it was cut: get it again"):
        read(tmp_path / "A.csv.gz")


class Series:
    """Hands over a column, which is no frame."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return pa.chunked_array([[1.0, 2.0]]).__arrow_c_stream__(requested_schema)


def test_a_frame_without_columns_is_refused_with_what_is_one() -> None:
    with pytest.raises(BadParameter, match=r"`A` has no columns that Arrow knows .*to_frame"):
        open_source({"A": Series()})


@pytest.mark.parametrize("name", ["A (1)", "HistoricalData_1704300000000", "aapl_us_d", "download"])
def test_a_symbol_that_is_hardly_one_is_told(write: Any, name: str) -> None:
    made = Csv()
    path = write("date,close\n2024-01-02,1\n", f"{name}.csv")
    for params, notes in (({}, ("the symbol is the file's name; `sid` says another",)), ({"sid": "A"}, ())):
        made.initialize(Csv.Params(path=str(path), **params))
        list(made.batches())
        assert made.taken()[0].notes == notes


def test_a_date_of_two_readings_in_a_column_of_texts_has_both(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.table({"date": ["01/02/2024"], "close": [1.0]}), tmp_path / "a.parquet")
    made = Parquet()
    made.initialize(Parquet.Params(path=str(tmp_path / "a.parquet")))
    with pytest.raises(BadRow, match=r"`%m/%d/%Y` or as `%d/%m/%Y`; say which with the option `time_format`"):
        list(made.batches())
