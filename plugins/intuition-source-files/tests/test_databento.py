"""Databento's bars: lengths by their type, prices in billionths, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_source_files import Csv, Parquet, UnreadableFile
from intuition_source_files.cells import read_prices
from intuition_source_files.columns import Columns
from intuition_source_files.errors import BadRow, NoColumn, TwoMeanings

Read = Callable[..., list[dict[str, Any]]]
Write = Callable[..., Path]
NAMES = "ts_event,rtype,publisher_id,instrument_id,open,high,low,close,volume,symbol\n"
NONE = 2**63 - 1
BEGIN = 1_704_205_800 * 10**9


def rows(*closes: object, rtype: int = 33, step: int = 60, symbol: str = ",A") -> str:
    return "".join(
        f"{BEGIN + number * step * 10**9},{rtype},2,38,{close},{close},{close},{close},5{symbol}\n"
        for number, close in enumerate(closes)
    )


@pytest.mark.parametrize(("rtype", "seconds"), [(32, 1), (33, 60), (34, 3600), (35, 86_400)])
def test_how_long_bars_last_is_their_type(read: Read, write: Write, rtype: int, seconds: int) -> None:
    # Moments without trades have no bar: distances would tell another length.
    text = NAMES + rows(*[10**9] * 4, rtype=rtype, step=seconds * 5)
    for event in read(Csv, write(text)):
        assert event["ts"] - event["start"] == seconds * 10**9
        assert (event["sid"], event["quote"], event["volume"]) == ("A", 1.0, 5)
    assert read(Csv, write(text))[0]["start"] == BEGIN


@pytest.mark.parametrize(("kinds", "said"), [((33, 34), "33 and 34"), ((160,), "160")])
def test_bars_of_no_one_length_are_refused(read: Read, write: Write, kinds: tuple[int, ...], said: str) -> None:
    text = NAMES + "".join(rows(10**9, rtype=kind) for kind in kinds)
    with pytest.raises(UnreadableFile, match=rf"`rtype` is {said}, where .*option `bar`"):
        read(Csv, write(text))


@pytest.mark.parametrize("missing", [str(NONE), ""])
def test_a_price_that_is_undefined_is_left_out(read: Read, write: Write, missing: str) -> None:
    events = read(Csv, write(NAMES + rows(1_500_000_000, missing, 2_500_000_001)))
    assert [event["quote"] for event in events] == [1.5, 2.500000001]
    pretty = "" if not missing else f"{NONE // 10**9}.{NONE % 10**9}"
    events = read(Csv, write(NAMES + rows("1.500000000", pretty, "2.500000001")))
    assert [event["quote"] for event in events] == [1.5, 2.500000001]


@given(st.integers(-(2**63) + 1, 2**63 - 2))
def test_billionths_are_divided_exactly(count: int) -> None:
    import pyarrow as pa

    columns = Columns(time="t", quote="p", fixed=("p",))
    (price,) = read_prices(pa.array([count], pa.int64()), "p", columns).tolist()
    assert price == count / 10**9


def test_a_file_without_symbols_has_the_numbers_of_instruments(read: Read, write: Write) -> None:
    text = NAMES.replace(",symbol", "") + rows("1.5", "2.5", symbol="")
    assert {event["sid"] for event in read(Csv, write(text))} == {"38"}


def test_columns_of_parquet_are_read_as_those_of_text(read: Read, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    prices = pa.array([187_150_000_000, NONE, 185_640_000_001], pa.int64())
    table = {
        "ts_event": pa.array([BEGIN + number * 60 * 10**9 for number in range(3)], pa.timestamp("ns", "UTC")),
        "rtype": pa.array([33] * 3, pa.uint8()),
        "instrument_id": pa.array([38] * 3, pa.uint32()),
        **dict.fromkeys(("open", "high", "low", "close"), prices),
        "volume": pa.array([1, 2, 3], pa.uint64()),
        "symbol": pa.array(["A"] * 3),
    }
    parquet.write_table(pa.table(table), tmp_path / "x.parquet")
    assert [event["quote"] for event in read(Parquet, tmp_path / "x.parquet")] == [187.15, 185.640000001]
    floats = {**table, **dict.fromkeys(("open", "high", "low", "close"), pa.array([187.15, None, 185.5]))}
    parquet.write_table(pa.table(floats), tmp_path / "y.parquet")
    assert [event["quote"] for event in read(Parquet, tmp_path / "y.parquet")] == [187.15, 185.5]


@pytest.mark.parametrize("name", ["close", "price"])
def test_billionths_in_another_layout_are_refused(read: Read, write: Write, name: str) -> None:
    path = write(f"ts_recv,ts_event,publisher_id,{name},size\n1,{BEGIN},2,187150000000,5\n")
    with pytest.raises(NoColumn, match="known as the time"):
        read(Csv, path)
    with pytest.raises(UnreadableFile, match=r"187150000000 beside `ts_event`.*`pretty_px`.*`preset`"):
        read(Csv, path, time="ts_event")
    assert read(Csv, path, time="ts_event", preset="none")[0]["quote"] == 187150000000.0


@pytest.mark.parametrize("closes", [("4500", "4501"), ("1.5", "1500000000")])
def test_prices_that_may_be_in_billionths_or_not_are_refused(read: Read, write: Write, closes: tuple[str, ...]) -> None:
    with pytest.raises(TwoMeanings, match=r"a price in billionths \(.*decimal point, or none"):
        read(Csv, write(NAMES + rows(*closes)))


@pytest.mark.parametrize(("usual", "odd"), [("1500000000", "1.5"), ("1.5", "1500000000")])
def test_a_later_price_that_is_written_otherwise_is_refused(read: Read, write: Write, usual: str, odd: str) -> None:
    text = NAMES + rows(*[usual] * 3000, odd)
    with pytest.raises(BadRow, match=r"line 3002: .*(is no whole number|is it in billionths)"):
        read(Csv, write(text))
