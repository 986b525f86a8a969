import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from intuition_source_files import Csv, Json, Parquet, UnreadableFile
from intuition_source_files.errors import NotTold, TwoLayouts, TwoMeanings
from intuition_source_files.layouts import find_layout
from intuition_source_files.params import PresetName
from intuition_source_files.presets import NAMES, PRESETS
from support.vendors import files

from intuition_core.sources.taken import Taken, together

Read = Callable[..., list[dict[str, Any]]]
Write = Callable[..., Path]
BY_VENDOR = {file.vendor: file for file in files()}
BAR = "time,open,high,low,close,volume\n"


def taken(path: Path, source: Any = Csv, **params: Any) -> Taken:
    """Read a file, and give what is told of it."""
    made = source()
    made.initialize(msgspec.convert({"path": str(path), **params}, made.Params))
    for _ in made.batches():
        pass
    (told,) = together(made.taken())
    return told


def write_vendor(folder: Path, vendor: str, name: str | None = None) -> Path:
    """Write the file of a vendor, or what is in it under another name."""
    file = BY_VENDOR[vendor]
    path = folder / (name or file.name)
    path.write_bytes(file.content if isinstance(file.content, bytes) else file.content.encode())
    return path


def test_every_layout_can_be_named_and_no_other() -> None:
    assert typing.get_args(PresetName.__value__ if hasattr(PresetName, "__value__") else PresetName) == (
        "auto",
        "none",
        *NAMES,
    )
    for preset in PRESETS:
        assert bool(preset.cells) == bool(preset.columns)
        assert len(preset.cells) == len(preset.columns)
        assert preset.title


@pytest.mark.parametrize(
    ("vendor", "asked"),
    [("MetaTrader 4, bars", "timezone"), ("MetaTrader 5, bars", "timezone"), ("Stooq, bulk intraday", "timezone")],
)
def test_what_a_file_cannot_tell_is_asked_for(read: Read, tmp_path: Path, vendor: str, asked: str) -> None:
    with pytest.raises(NotTold, match=rf"say it with the option `{asked}`") as caught:
        read(Csv, write_vendor(tmp_path, vendor))
    assert caught.value.option == asked


def test_how_long_bars_last_is_asked_for_where_one_row_cannot_tell(read: Read, write: Write) -> None:
    path = write("1704070800,1,2,1,2,3,4\n", "XBTUSD.csv")
    with pytest.raises(NotTold, match=r"too few rows to tell how long a bar lasts.*option `bar`, such as 1m"):
        read(Csv, path)
    (event,) = read(Csv, path, bar="1h")
    assert event["ts"] - event["start"] == 3600 * 10**9
    (named,) = read(Csv, write("1704070800,1,2,1,2,3,4\n", "XBTUSD_60.csv"))
    assert (named["sid"], named["ts"], named["start"]) == ("XBTUSD", event["ts"], event["start"])


def test_a_layout_that_fits_two_readings_is_refused_with_both(read: Read, tmp_path: Path) -> None:
    path = write_vendor(tmp_path, "Alpha Vantage, intraday", "prices.csv")
    with pytest.raises(TwoMeanings, match=r"Alpha Vantage's.* or in UTC.*`alphavantage` or `none`") as caught:
        read(Csv, path)
    assert len(caught.value.readings) == 2
    new_york = read(Csv, path, preset="alphavantage")
    as_it_stands = read(Csv, path, preset="none")
    assert new_york[0]["ts"] - as_it_stands[0]["ts"] == (5 * 3600 + 60) * 10**9
    # The cells of these two are alike, and their names decide; without one of them both fit.
    cells = ("2024.01.02", "09:00", "1", "2", "1", "2", "3")
    params = Csv.Params(path="x")
    assert find_layout(Path("DAT_MT_EURUSD_M1_2024"), cells, None, params).adjusted == "nothing to adjust"
    assert find_layout(Path("EURUSD"), cells, None, params).preset is not None
    assert str(TwoLayouts(Path("x"), ["a", "b"])).startswith("x: the layouts `a` and `b` fit")


def test_a_layout_that_is_said_must_be_the_files(read: Read, write: Write) -> None:
    with pytest.raises(UnreadableFile, match=r"is not laid out as `nasdaq` is, with `Date,Close/Last,.*has `date`"):
        read(Csv, write("date,close\n2024-01-02,1\n"), preset="nasdaq")


def test_prices_in_ten_thousandths_are_known_by_their_archive_alone(read: Read, tmp_path: Path, write: Write) -> None:
    rows = "20240102 00:00,100000,120000,90000,110000,5\n20240103 00:00,100000,120000,90000,110000,5\n"
    with pytest.raises(UnreadableFile, match="its first line is a row"):
        read(Csv, write(rows, "aapl.csv"))
    assert [event["quote"] for event in read(Csv, tmp_path / "aapl.csv", preset="lean-daily")] == [11.0, 11.0]
    (tmp_path / "crypto").mkdir()
    with pytest.raises(UnreadableFile, match="its first line is a row"):
        read(Csv, write_vendor(tmp_path / "crypto", "LEAN, minutes"))


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("2024-01-02T10:00Z,1,2,1,2,5\n", {"columns": BAR.strip().split(",")}),
        ("a,b,c,d,e,f\n2024-01-02T10:00Z,1,2,1,2,5\n", {"columns": BAR.strip().split(","), "header": True}),
        (f"title\nanother, with a comma\n{BAR}2024-01-02T10:00Z,1,2,1,2,5\n", {"skip": 2}),
        (f"Prices of GOOG\n\n{BAR}2024-01-02T10:00Z,1,2,1,2,5\n2024-01-02T11:00Z,1,2,1,2,5\n", {}),
        (f"sep=;\n{BAR}2024-01-02T10:00Z,1,2,1,2,5\n".replace(",", ";"), {}),
        (f"{BAR}2024-01-02T10:00Z,$1.00,$2.00,$1.00,$2.00,5\n", {}),
        (f"{BAR}2024-01-02T10:00Z,1.00 €,2.00 €,1.00 €,2.00 €,5\n", {}),
        (f"{BAR}2024-01-02T10:00Z,1.00,2.00,1.00,2.00,0.005K\n", {}),
        (f"{BAR}2024-01-02T10:00Z,1,2,1,2,5\n".replace(",", ";").replace(";1;2;", ";1,0;2,0;"), {}),
        (f"{BAR}2024-01-02T10:00Z,1,2,1,2,5\n".replace(",", "\t"), {"decimal": ","}),
        (f"\ufeff{BAR}2024-01-02T10:00Z,1,2,1,2,5\n", {}),
        (f"{BAR}02.01.2024 10:00,1,2,1,2,5\n", {}),
        (f"{BAR}1/2/2024 10:00:00 AM,1,2,1,2,5\n1/13/2024 10:00:00 AM,1,2,1,2,5\n", {}),
        (f'{BAR}"Jan 2, 2024",1,2,1,2,5\n', {"close_at": "10:00"}),
        (f"{BAR}2024-01-02 11:00 Europe/Berlin,1,2,1,2,5\n", {}),
        ("time;open;high;low;close;volume\n2024-01-02T10:00Z;1'000;2'000;1'000;2'000;5\n", {"divide": 1000}),
        ("time;open;high;low;close;volume\n2024-01-02T10:00Z;1.000,0;2.000,0;1.000,0;2.000,0;5\n", {"divide": 1000}),
    ],
)
def test_text_is_read_however_it_is_written(read: Read, write: Write, text: str, params: dict[str, Any]) -> None:
    options = dict(params)
    factor = options.pop("divide", 1)
    event = read(Csv, write(text), **options)[0]
    assert event["ts"] == 1704189600 * 10**9
    found = [event[key] for key in ("open", "high", "low", "close", "volume")]
    assert found == [1.0 * factor, 2.0 * factor, 1.0 * factor, 2.0 * factor, 5]


def test_a_file_whose_unit_changes_is_read_to_its_end(read: Read, write: Write) -> None:
    seconds = [1_735_600_000 + 60 * number for number in range(40)]
    scales = [1] * 10 + [1000] * 10 + [10**6] * 10 + [10**9] * 10
    rows = "".join(f"{second * scale},1\n" for second, scale in zip(seconds, scales, strict=True))
    assert [event["ts"] for event in read(Csv, write("time,price\n" + rows))] == [second * 10**9 for second in seconds]
    back = "".join(f"{second * scale},1\n" for second, scale in zip(seconds, reversed(scales), strict=True))
    assert [event["ts"] for event in read(Csv, write("time,price\n" + back))] == [second * 10**9 for second in seconds]


def test_dates_with_offsets_are_days_of_their_zone(read: Read, write: Write) -> None:
    path = write("Date,Close\n2024-03-08 00:00:00-05:00,1\n2024-03-11 00:00:00-04:00,2\n")
    first, second = read(Csv, path)
    assert (first["start"], first["ts"]) == (1709874000 * 10**9, (1709874000 + 86_400) * 10**9 - 1)
    assert (second["start"], second["ts"]) == (1710129600 * 10**9, (1710129600 + 86_400) * 10**9 - 1)


def test_what_was_taken_is_told(tmp_path: Path, write: Write) -> None:
    told = taken(write_vendor(tmp_path, "CryptoDataDownload"))
    assert told.line() == (
        "Bitstamp_BTCUSD_minute.csv: layout cryptodatadownload, time `unix` in seconds since 1970, bars of 1m stamped "
        "at the open; prices close, open, high, low, nothing to adjust; 1 symbol (BTC/USD), 40 rows from "
        "2024-01-02 00:02:00Z to 2024-01-02 00:41:00Z; rows went back in time and are turned round; "
        "left out: the column date, the line "
        "`https://www.CryptoDataDownload.com`"
    )
    told = taken(write("date,close,Dividends\n2024-01-02,1,0.5\n2024-01-03,.,0\n"), actions="ignore")
    assert told.line() == (
        "GOOG.csv: time `date` in UTC, dates of whole days; prices close, not told whether prices are adjusted; 1 "
        "symbol (GOOG), 2 rows, 1 event from 2024-01-02 to 2024-01-02; left out: 1 row without a price, the column "
        "Dividends, unbooked"
    )
    folder = tmp_path / "of"
    folder.mkdir()
    for name in ("A", "B", "C"):
        (folder / f"{name}.csv").write_text("date,close\n2024-01-02,1\n2024-01-03,1\n")
    told = taken(folder)
    assert (told.data, told.symbols, told.rows) == ("A.csv and 2 more", ("A", "B", "C"), 6)


def test_arrow_files_are_read_as_parquet_is(read: Read, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import feather

    moments = pa.array([1704067200000 + 60_000 * number for number in range(40)], pa.timestamp("ms", "UTC"))
    prices = {key: [1.0 + number for number in range(40)] for key in ("open", "high", "low", "close", "volume")}
    path = tmp_path / "BTC_USDT-1m.feather"
    feather.write_feather(pa.table({"date": moments, **prices}), path)
    events = read(Parquet, path)
    assert (len(events), events[0]["sid"], events[-1]["quote"]) == (40, "BTC_USDT", 40.0)
    assert events[0]["start"] == 1704067200 * 10**9
    assert events[0]["ts"] == 1704067260 * 10**9
    told = taken(path, Parquet)
    assert (told.preset, told.stamp, told.bars, told.rows) == ("freqtrade", "open", ("1m",), 40)


def test_many_symbols_in_the_columns_of_one_file_are_symbols_each(read: Read, write: Write) -> None:
    text = (
        "Price,Close,Close,High,High,Low,Low,Open,Open,Volume,Volume\n"
        "Ticker,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT,AAPL,MSFT\n"
        "Date,,,,,,,,,,\n"
        "2024-01-02,2,20,3,30,1,10,2,20,5,50\n"
        "2024-01-03,3,,4,,2,,3,,6,\n"
    )
    events = read(Csv, write(text))
    assert [(event["sid"], event["quote"], event["high"]) for event in events] == [
        ("AAPL", 2.0, 3.0),
        ("MSFT", 20.0, 30.0),
        ("AAPL", 3.0, 4.0),
    ]
    swapped = text.splitlines()
    swapped[0], swapped[1] = swapped[1], swapped[0]
    assert read(Csv, write("\n".join(swapped) + "\n")) == events
    assert read(Csv, write(text), symbols=["MSFT"]) == [events[1]]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "2", "30"], [1, 2, 30]),
        (["1.5", "2.25", "3.0"], [1.5, 2.25, 3.0]),
        (["1.5", "2", "3.5"], [1.5, 2, 3.5]),
        (["7", "007", "8"], [7, "007", 8]),
        (["7.5", "00.5", "8.5"], [7.5, "00.5", 8.5]),
        (["7.5", ".5", "8.5"], [7.5, ".5", 8.5]),
        (["7.5", "5.", "8.5"], [7.5, "5.", 8.5]),
        (["-1.5", "-01.5", "1.5"], [-1.5, "-01.5", 1.5]),
        (["1.5", "inf", "nan"], [1.5, "inf", None]),
        (["1", "", "x"], [1, None, "x"]),
        (["1", "9" * 19, "2"], [1, "9" * 19, 2]),
    ],
)
def test_other_columns_hold_what_json_would_call_a_number_or_text(
    read: Read, write: Write, cells: list[str], expected: list[Any]
) -> None:
    rows = "".join(f"{1_700_000_000 + 60 * place},1,{cell}\n" for place, cell in enumerate(cells))
    found = [event.get("other") for event in read(Csv, write("time,price,other\n" + rows))]
    assert [(type(value), value) for value in found] == [(type(value), value) for value in expected]


HOURS = [f"2024.01.{2 + hour // 24:02},{hour % 24:02}:00,1.1,1.2,1.0,1.15,5\n" for hour in range(40)]
OLDER = [f"2019-05-13 {hour:02}-AM,BTC/USD,7000,7100,6900,7050,5,6\n" for hour in range(11, 0, -1)]
NUMBERED = (
    "ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,sip_timestamp,size,tape,trf_id,"
    "trf_timestamp\n"
    'A,"12,37",0,11,1,1704186000000000000,130.5,1,1704186000000100000,10,1,0,0\n'
    "B,,0,11,1,1704185000000000000,13.5,1,1704185000000100000,10,1,0,0\n"
)
OTHERS = [
    ("EURUSD60.csv", "".join(HOURS), {"timezone": "UTC"}, ("metatrader", "open", ("1h",), ("EURUSD",), 40)),
    (
        "CDD.csv",
        f"www.CryptoDataDownload.com\nDate,Symbol,Open,High,Low,Close,Volume BTC,Volume USD\n{''.join(OLDER)}",
        {},
        ("cryptodatadownload", "open", ("1h",), ("BTC/USD",), 11),
    ),
    ("trades.csv", NUMBERED, {}, ("polygon-trades", "tick", (), ("A", "B"), 2)),
    (
        "BTCUSDT-trades-2024-01.csv",
        "1,42000.1,0.5,21000,1704067200123,true\n2,42000.2,0.5,21000,1704067200124,false\n",
        {},
        ("binance-trades", "tick", (), ("BTCUSDT",), 2),
    ),
    (
        "BTCUSDT-aggTrades-2024-01.csv",
        "1,42000.1,0.5,1,2,1704067200123,true,true\n2,42000.2,0.5,3,4,1704067200124,false,true\n",
        {},
        ("binance-aggtrades", "tick", (), ("BTCUSDT",), 2),
    ),
    (
        "ES_full_1min.txt",
        "2024-01-02 09:30:00,1,2,1,2,5\n2024-01-02 09:31:00,1,2,1,2,5\n",
        {"timezone": "America/New_York"},
        ("firstrate", "open", ("1m",), ("ES",), 2),
    ),
    (
        "GOOG.csv",
        "Datum;Zeit;Eröffnung;Hoch;Tief;Schluss\n02.01.2024;09:30;1,5;2,5;1;2\n02.01.2024;09:31;1,5;2,5;1;2\n",
        {},
        (None, "close", ("1m",), ("GOOG",), 2),
    ),
    (
        "GOOG.csv",
        "date;open;high;low;close\n2024-01-01;1;2;1;2\n2024-02-01;1;2;1;2\n2024-03-01;1;2;1;2\n2024-04-01;1;2;1;2\n",
        {},
        (None, "date", ("31d",), ("GOOG",), 4),
    ),
]


@pytest.mark.parametrize(("name", "text", "params", "expected"), OTHERS)
def test_what_is_told_of_other_files(
    write: Write, name: str, text: str, params: dict[str, str], expected: tuple[Any, ...]
) -> None:
    told = taken(write(text, name), **params)
    assert (told.preset, told.stamp, told.bars, told.symbols, told.events) == expected


@pytest.mark.parametrize(
    ("answer", "preset", "sid", "closes"),
    [
        (
            (
                '{"error":[],"result":{"XXBTZUSD":[[1704067260,"1","2","1","2","1.5","5",3],'
                '[1704067320,"1","3","1","3","1.5","5",3]],"last":1704067320}}'
            ),
            "kraken",
            "XXBTZUSD",
            [2.0, 3.0],
        ),
        (
            (
                '{"bars":[{"t":"2024-01-02T05:00:00Z","o":1,"h":2,"l":1,"c":2,"v":5},'
                '{"t":"2024-01-03T05:00:00Z","o":1,"h":3,"l":1,"c":3,"v":5}],"symbol":"AAPL"}'
            ),
            None,
            "AAPL",
            [2.0, 3.0],
        ),
        ('{"s":"ok","t":[1704067260,1704067320],"o":[1,1],"h":[2,3],"l":[1,1],"c":[2,3],"v":[5,5]}', None, "x", [2, 3]),
        ('[{"date":"2024-01-02","close":"2"},{"date":"2024-01-03","close":3.0}]', None, "x", [2.0, 3.0]),
        (
            (
                '{"Meta Data":{"2. Symbol":"IBM"},"Time Series (Daily)":{"2024-01-03":{"1. open":"1","4. close":"3",'
                '"5. adjusted close":"3","7. dividend amount":"0.5"},"2024-01-02":{"1. open":"1","4. close":"2",'
                '"5. adjusted close":"2","7. dividend amount":"0"}}}'
            ),
            "alphavantage",
            "IBM",
            [2.0, 3.0],
        ),
    ],
)
def test_saved_answers_are_read(
    read: Read, write: Write, answer: str, preset: str | None, sid: str, closes: list[float]
) -> None:
    path = write(answer, "x.json")
    events = read(Json, path)
    assert [event["quote"] for event in events if event["channel"] == "quotes"] == closes
    assert {event["sid"] for event in events} == {sid}
    assert taken(path, Json).preset == preset
    assert sum(event["channel"] == "actions" for event in events) == (preset == "alphavantage")


def test_an_archive_of_a_table_and_a_text_about_it_is_the_table(read: Read, tmp_path: Path) -> None:
    import zipfile

    file = BY_VENDOR["HistData, bars"]
    with zipfile.ZipFile(tmp_path / "HISTDATA_COM_ASCII_EURUSD_M1_202401.zip", "w") as archive:
        archive.writestr(file.name, str(file.content))
        archive.writestr("DAT_ASCII_EURUSD_M1_202401.txt", "gaps: none")
    events = read(Csv, tmp_path / "HISTDATA_COM_ASCII_EURUSD_M1_202401.zip")
    assert (len(events), events[0]["sid"]) == (40, "EURUSD")


def test_the_end_of_a_file_tells_how_dates_are_written(read: Read, write: Write) -> None:
    minutes = [f"01/{day:02}/2024,{minute // 60:02}:{minute % 60:02},1\n" for day in (2, 3) for minute in range(1440)]
    later = [line.replace("01/02/", "01/15/").replace("01/03/", "01/16/") for line in minutes]
    with pytest.raises(TwoMeanings, match=r"`01/02/2024 00:00` may be written as `%m/%d/%Y %H:%M` or"):
        read(Csv, write("Date,Time,Close\n" + "".join(minutes)))
    events = read(Csv, write("Date,Time,Close\n" + "".join(minutes + later)))
    assert len(events) == 4 * 1440
    assert events[-1]["ts"] == (1705363200 + 86_340) * 10**9
