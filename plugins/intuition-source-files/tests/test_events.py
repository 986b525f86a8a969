import json
import math
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from intuition_source_files import Csv, JsonLines, NoColumn, Parquet

from intuition_core.errors import BadParameter

BAR = "timestamp,open,high,low,close,volume\n"

Read = Callable[..., list[dict[str, Any]]]
Write = Callable[..., Path]


@pytest.mark.parametrize(("name", "part"), [("csv", Csv), ("jsonl", JsonLines), ("parquet", Parquet)])
def test_they_are_found_under_their_names(name: str, part: type) -> None:
    (found,) = entry_points(group="intuition.v1.source", name=name)
    assert found.load() is part


def test_a_bar_becomes_an_event_with_the_close_as_its_quote(read: Read, write: Write) -> None:
    path = write(BAR + "2024-01-02T09:30:00Z,10,12.5,9,11,300\n")
    assert read(Csv, path) == [
        {
            "channel": "quotes",
            "sid": "GOOG",
            "quote": 11.0,
            "open": 10.0,
            "high": 12.5,
            "low": 9.0,
            "close": 11.0,
            "volume": 300,
            "ts": 1704187800 * 10**9,
        }
    ]


def test_the_quote_is_the_quote_where_there_is_one(read: Read, write: Write) -> None:
    path = write("Date,Ticker,Close,Price,Bid,Ask\n2024-01-02,IBM,1,2,3,4\n")
    (event,) = read(Csv, path)
    assert (event["sid"], event["quote"], event["close"], event["bid"], event["ask"]) == ("IBM", 2.0, 1.0, 3.0, 4.0)


def test_names_in_any_letters_are_known_and_others_are_mapped(read: Read, write: Write) -> None:
    path = write("When; Last ;Name;VOLUME\n2024-01-02;5;IBM;7\n")
    (event,) = read(Csv, path, time="When", close="last", symbol="name")
    assert event == {
        "channel": "quotes",
        "sid": "IBM",
        "quote": 5.0,
        "close": 5.0,
        "volume": 7,
        "start": 1704153600 * 10**9,
        "ts": 1704240000 * 10**9 - 1,
    }


def test_an_adjusted_close_is_never_taken_for_a_price(read: Read, write: Write) -> None:
    path = write("Date,Open,Adj Close\n2024-01-02,5,1\n")
    with pytest.raises(NoColumn, match=r"GOOG\.csv: no column is known as the quote or the close; .*`Adj Close`"):
        read(Csv, path, layout="long")
    assert read(Csv, path, close="Adj Close")[0]["quote"] == 1.0
    (event,) = read(Csv, write("Date,Close,Adj Close\n2024-01-02,5,1\n"))
    assert (event["quote"], event["Adj Close"]) == (5.0, 1)


def test_other_columns_are_numbers_as_json_has_them_or_text(read: Read, write: Write) -> None:
    header = "ts,quote," + ",".join("abcdefghi") + "\n"
    (event,) = read(Csv, write(header + "2024-01-02,1,5,5.0,-1e3,007,x y,,NaN,true,999999999999999999999\n"))
    extras = {key: event[key] for key in "abcdefghi" if key in event}
    expected = {"a": 5, "b": 5.0, "c": -1000.0, "d": "007", "e": "x y", "h": "true", "i": "999999999999999999999"}
    assert json.dumps(extras) == json.dumps(expected)


def test_columns_that_an_event_has_no_room_for_are_left_out(read: Read, write: Write) -> None:
    (event,) = read(
        Csv, write("time,quote,ts,sid,symbol,,z\n2024-01-02,1,news,B,C,D,E\n"), symbol="symbol", time="time"
    )
    day = {"start": 1704153600 * 10**9, "ts": 1704240000 * 10**9 - 1}
    assert event == {"channel": "quotes", "sid": "C", "quote": 1.0, "z": "E", **day}


def test_parquet_passes_on_what_is_plain(read: Read, tmp_path: Path) -> None:
    table = pa.table(
        {
            "time": pa.array([1, 2], pa.timestamp("s", "UTC")),
            "price": pa.array([1, 2], pa.int32()),
            "note": pa.array(["a", None]).dictionary_encode(),
            "count": pa.array([None, 3], pa.int64()),
            "factor": pa.array([1.5, math.nan]),
            "live": pa.array([True, None]),
            "when": pa.array([1, 2], pa.timestamp("s")),
            "many": pa.array([[1], [2]]),
        }
    )
    pq.write_table(table, tmp_path / "X.parquet")
    assert read(Parquet, tmp_path / "X.parquet") == [
        {"channel": "quotes", "sid": "X", "quote": 1.0, "ts": 10**9, "note": "a", "factor": 1.5, "live": True},
        {"channel": "quotes", "sid": "X", "quote": 2.0, "ts": 2 * 10**9, "count": 3},
    ]


def test_a_volume_is_an_integer_where_it_is_whole(read: Read, write: Write, tmp_path: Path) -> None:
    text = "ts,quote,volume\n2024-01-01,1,5\n2024-01-02,1,5.5\n2024-01-03,1,\n2024-01-04,1,1e3\n2024-01-05,1,1e300\n"
    volumes = [event.get("volume") for event in read(Csv, write(text))]
    assert json.dumps(volumes) == json.dumps([5, 5.5, None, 1000, int(1e300)]).replace(str(int(1e300)), "1e+300")


def test_the_channel_is_chosen(read: Read, write: Write) -> None:
    path = write(BAR + "2024-01-02,1,1,1,1,1\n")
    assert read(Csv, path, channel="bars")[0]["channel"] == "bars"
    with pytest.raises(BadParameter, match=r"csv: parameter `channel`: expected a name without"):
        read(Csv, path, channel="#")
