import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from intuition_source_files import BadRow, Csv, Parquet
from intuition_source_files.errors import AmbiguousColumn

from intuition_core.errors import BadParameter

Read = Callable[..., list[dict[str, Any]]]
Write = Callable[..., Path]

NEW_YORK = "America/New_York"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ns(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


def prices(times: list[str]) -> str:
    return "time,price\n" + "".join(f"{time},1\n" for time in times)


@pytest.fixture
def moments(read: Read, write: Write) -> Callable[..., list[str]]:
    def moments(*times: str, **params: Any) -> list[str]:
        """Read the times of a CSV file, and give them as ISO 8601 in UTC."""
        found = read(Csv, write(prices(list(times))), **params)
        return [(EPOCH + timedelta(microseconds=event["ts"] // 1000)).isoformat()[:-6] for event in found]

    return moments


Moments = Callable[..., list[str]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-02", 1704240000 * 10**9 - 1),
        ("2024.01.02", 1704240000 * 10**9 - 1),
        ("2024/01/02 09:30", 1704187800 * 10**9),
        ("2024-01-02 09:30", 1704187800 * 10**9),
        ("2024-01-02T09:30:00.000000001", 1704187800 * 10**9 + 1),
        (" 2024-01-02 09:30:00 ", 1704187800 * 10**9),
        ("2024-01-02T09:30:00Z", 1704187800 * 10**9),
        ("2024-01-02 09:30:00.5-05:00", 1704205800 * 10**9 + 5 * 10**8),
        ("2024-01-02T09:30:00+0100", 1704184200 * 10**9),
        ("1969-12-31T23:59:59", -(10**9)),
        ("20240102", 1704240000 * 10**9 - 1),
        ("202401020930", 1704187800 * 10**9),
        ("20240102093000", 1704187800 * 10**9),
        ("1704187800", 1704187800 * 10**9),
        ("1704187800.25", 1704187800 * 10**9 + 25 * 10**7),
        ("1704187800123", 1704187800123 * 10**6),
        ("1704187800123456", 1704187800123456 * 10**3),
        ("1704187800123456789", 1704187800123456789),
    ],
)
def test_times_are_read_as_they_are_usually_written(read: Read, write: Write, text: str, expected: int) -> None:
    (event,) = read(Csv, write(f"time,price\n{text},1\n"))
    assert event["ts"] == expected


def test_a_file_may_have_times_with_and_without_offsets_where_the_zone_is_said(moments: Moments) -> None:
    times = ["2024-01-02T09:30", "2024-01-02T09:31-05:00", "2024-01-02T10:00", "2024-01-03T09:31Z"]
    assert moments(*times, timezone=NEW_YORK) == [
        "2024-01-02T14:30:00",
        "2024-01-02T14:31:00",
        "2024-01-02T15:00:00",
        "2024-01-03T09:31:00",
    ]
    with pytest.raises(BadRow, match="line 4: `2024-01-32T10:00Z` is no ISO 8601 time"):
        moments("2024-01-02T09:30", "2024-01-02T09:31-05:00", "2024-01-32T10:00Z", timezone=NEW_YORK)


def test_what_numbers_count_is_said_where_their_size_does_not_tell(moments: Moments) -> None:
    assert moments("60", "61.5", time_unit="s") == ["1970-01-01T00:01:00", "1970-01-01T00:01:01.500000"]
    assert moments("20240102", time_unit="ms") == ["1970-01-01T05:37:20.102000"]
    with pytest.raises(BadRow, match=r"line 2: 60 is too small to tell what it counts since 1970; .*`time_unit`"):
        moments("60")
    with pytest.raises(BadRow, match="line 2: the time is beyond the years 1677 to 2262"):
        moments("99999999999", time_unit="s")


def test_the_first_number_settles_what_all_count(moments: Moments) -> None:
    assert moments("99999999998", "100000000000", time_unit="ms")[1] == "1973-03-03T09:46:40"
    with pytest.raises(BadRow, match="line 3: the time is beyond the years"):
        moments("9000000000", "9999999999999")


@pytest.mark.parametrize(
    ("text", "time_format", "expected"),
    [
        ("1/2/1986", "%m/%d/%Y", "1986-01-02T23:59:59.999999"),
        ("02.01.1986 16:30", "%d.%m.%Y %H:%M", "1986-01-02T16:30:00"),
        ("20120201 093000.25", "%Y%m%d %H%M%S.%f", "2012-02-01T09:30:00.250000"),
        ("2012-02-01 09:30 +0100", "%Y-%m-%d %H:%M %z", "2012-02-01T08:30:00"),
    ],
)
def test_times_may_be_written_otherwise(moments: Moments, text: str, time_format: str, expected: str) -> None:
    assert moments(text, time_format=time_format) == [expected]


@pytest.mark.parametrize("text", ["31/02/2021", "2021-02-28", "28/02/2021 x", ""])
def test_times_that_do_not_fit_what_was_said_are_refused(moments: Moments, text: str) -> None:
    with pytest.raises(BadRow, match=f"line 3: `{text}` is no time written as `%d/%m/%Y`"):
        moments("01/02/2021", text, time_format="%d/%m/%Y")


@pytest.mark.parametrize(
    "kind",
    [
        pa.timestamp("s"),
        pa.timestamp("us", "Asia/Tokyo"),
        pa.date32(),
        pa.date64(),
        pa.int64(),
        pa.float64(),
        pa.string(),
    ],
)
def test_parquet_has_many_types_of_times(read: Read, tmp_path: Path, kind: pa.DataType) -> None:
    days = [1_704_153_600, 1_704_240_000]
    if pa.types.is_date(kind):
        column = pa.array([date(2024, 1, 2), date(2024, 1, 3)], kind)
    elif pa.types.is_timestamp(kind):
        column = pa.array(days, pa.timestamp("s", "UTC" if kind.tz else None)).cast(kind)
    elif pa.types.is_string(kind):
        column = pa.array(["2024-01-02", "2024-01-03T00:00Z"]).dictionary_encode()
    else:
        column = pa.array(days, kind)
    pq.write_table(pa.table({"date": column, "price": [1, 2]}), tmp_path / "x.parquet")
    found = read(Parquet, tmp_path / "x.parquet", **({"timezone": "UTC"} if pa.types.is_string(kind) else {}))
    assert [event["start"] for event in found] == [day * 10**9 for day in days]
    assert [event["ts"] for event in found] == [(day + 86_400) * 10**9 - 1 for day in days]


# The two days on which clocks change


def test_times_that_never_were_are_refused_with_their_row(moments: Moments) -> None:
    before = "2024-03-10 01:59"
    with pytest.raises(BadRow, match="line 3: 2024-03-10 02:30:00 never was in America/New_York: clocks went"):
        moments(before, "2024-03-10 02:30", timezone=NEW_YORK)
    assert moments(before, "2024-03-10 03:00", timezone=NEW_YORK) == ["2024-03-10T06:59:00", "2024-03-10T07:00:00"]


def test_times_that_were_twice_are_refused_until_it_is_said_which_is_meant(moments: Moments) -> None:
    times = ["2024-11-03 00:30", "2024-11-03 01:30", "2024-11-03 02:30"]
    with pytest.raises(BadRow, match=r"line 3: 2024-11-03 01:30:00 was twice in America/New_York: .*`ambiguous`"):
        moments(*times, timezone=NEW_YORK)
    for meant, hour in (("earlier", "05"), ("later", "06"), ("order", "05")):
        found = moments(*times, timezone=NEW_YORK, ambiguous=meant)
        assert found == ["2024-11-03T04:30:00", f"2024-11-03T{hour}:30:00", "2024-11-03T07:30:00"]


def test_the_order_of_rows_tells_which_of_two_hours_is_meant(moments: Moments) -> None:
    times = [f"2024-11-03 {hour:02}:{minute:02}" for hour in (0, 1, 1, 2) for minute in range(0, 60, 15)]
    found = moments(*times, timezone=NEW_YORK, ambiguous="order")
    start = datetime(2024, 11, 3, 4, tzinfo=UTC)
    assert found == [(start + timedelta(minutes=15 * step)).isoformat()[:-6] for step in range(16)]


@pytest.mark.parametrize("zone", [NEW_YORK, "Europe/London", "Australia/Lord_Howe", "Asia/Kolkata"])
@settings(max_examples=25, deadline=None)
@given(start=st.integers(0, 2 * 365 * 24), minutes=st.lists(st.integers(0, 90), min_size=1, max_size=40))
def test_local_times_mean_what_zoneinfo_says(
    read: Read, tmp_path_factory: pytest.TempPathFactory, zone: str, start: int, minutes: list[int]
) -> None:
    moment = datetime(2023, 1, 1, tzinfo=UTC) + timedelta(hours=start)
    known, texts = [], []
    for step in minutes:
        moment += timedelta(minutes=step)
        local = moment.astimezone(ZoneInfo(zone))
        if local.fold == 0 and local.replace(fold=1).utcoffset() == local.utcoffset():
            known.append(ns(moment))
            texts.append(local.replace(tzinfo=None).isoformat(" "))
    assume(not all(text.endswith("00:00:00") for text in texts))  # or else they are dates
    path = tmp_path_factory.mktemp("local") / "x.csv"
    path.write_text(prices(texts))
    assert [event["ts"] for event in read(Csv, path, timezone=zone)] == known


@pytest.mark.parametrize(("day", "opens", "closes"), [("2024-03-10", 5, 28), ("2024-11-03", 4, 29)])
def test_days_last_from_midnight_to_midnight_whatever_clocks_do(
    moments: Moments, day: str, opens: int, closes: int
) -> None:
    start = datetime.fromisoformat(f"{day}T00:00+00:00")
    end = (start + timedelta(hours=closes, microseconds=-1)).isoformat()[:-6]
    assert moments(day, timezone=NEW_YORK) == moments(day, timezone=NEW_YORK, stamp="open", bar="1d") == [end]
    begin = (start + timedelta(hours=opens)).isoformat()[:-6]
    assert moments(day, timezone=NEW_YORK, channel="rates") == [begin]
    (found,) = moments(day, timezone=NEW_YORK, close_at="16:00")
    assert found == (start + timedelta(hours=closes - 8)).isoformat()[:-6]


@pytest.mark.parametrize("host", ["Asia/Tokyo", "America/Los_Angeles"])
def test_the_time_zone_of_the_machine_changes_nothing(write: Write, host: str) -> None:
    path = write(prices(["2024-03-09", "2024-03-10", "2024-03-11", "2024-11-02", "2024-11-03", "2024-11-04"]))
    code = (
        "from intuition_source_files import Csv; source = Csv();"
        f"source.initialize(Csv.Params(path={str(path)!r}, timezone={NEW_YORK!r}, close_at='16:00'));"
        "print([event['ts'] // 10**9 % 86400 // 3600 for event in source.events()])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "TZ": host}, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[21, 20, 20, 20, 21, 21]\n"


def test_a_date_whose_midnight_never_was_begins_with_the_first_moment_of_its_day(moments: Moments) -> None:
    rates = {"channel": "rates"}
    assert moments("2024-09-08", timezone="America/Santiago", **rates) == ["2024-09-08T04:00:00"]
    assert moments("2024-11-03", timezone="America/Havana", **rates) == ["2024-11-03T04:00:00"]  # this one was twice


# When a bar is known


def test_bars_stamped_when_they_open_are_known_when_they_close(moments: Moments) -> None:
    times = ["2024-03-10 01:59", "2024-03-10 03:00"]
    found = moments(*times, timezone=NEW_YORK, stamp="open", bar="1m")
    assert found == ["2024-03-10T07:00:00", "2024-03-10T07:01:00"]
    assert moments("2024-01-02T09:30Z", stamp="open", bar="4h") == ["2024-01-02T13:30:00"]
    assert moments("1704187800", stamp="open", bar="30s") == ["2024-01-02T09:30:30"]
    assert moments("2024-01-02T09:30Z", bar="4h") == ["2024-01-02T09:30:00"]


def test_days_with_offsets_go_by_the_calendar_too(moments: Moments) -> None:
    times = ["2024-03-09T00:00-05:00", "2024-03-10T00:00-05:00", "2024-03-11T00:00-04:00"]
    found = moments(*times, timezone=NEW_YORK, stamp="open", bar="1d")
    assert found == ["2024-03-10T04:59:59.999999", "2024-03-11T03:59:59.999999", "2024-03-12T03:59:59.999999"]
    found = moments(*times, "2024-03-11T09:00-04:00", timezone=NEW_YORK, close_at="08:00")
    assert found == ["2024-03-09T13:00:00", "2024-03-10T12:00:00", "2024-03-11T12:00:00", "2024-03-11T13:00:00"]


def test_what_is_asked_for_goes_by_when_a_bar_is_known(read: Read, write: Write) -> None:
    path = write(prices(["2024-01-02T09:30", "2024-01-02T09:31", "2024-01-02T09:32"]))
    first = 1_704_187_800 * 10**9
    found = read(Csv, path, stamp="open", bar="1m", start=first + 2 * 60 * 10**9, end=first + 3 * 60 * 10**9)
    assert [event["ts"] for event in found] == [first + 2 * 60 * 10**9]


# When a bar began

BARS = "time,open,high,low,close\n"


def bars(times: list[str]) -> str:
    return BARS + "".join(f"{time},1,1,1,1\n" for time in times)


def lengths(events: list[dict[str, Any]]) -> list[float | None]:
    """Give how long bars lasted, in minutes."""
    return [(event["ts"] - event["start"]) / 60e9 if "start" in event else None for event in events]


@pytest.mark.parametrize(
    ("times", "params", "expected"),
    [
        (["09:31", "09:32", "09:33", "09:40"], {}, [1, 1, 1, 1]),
        (["09:31", "09:32", "09:33", "09:40"], {"bar": "1m"}, [1, 1, 1, 1]),
        (["09:30", "09:31", "09:32", "09:39"], {"stamp": "open", "bar": "1m"}, [1, 1, 1, 1]),
        (["10:00", "11:00", "11:30", "12:30"], {}, [60, 60, 30, 60]),
        (["10:00"], {}, [None]),
        (["10:00"], {"bar": "1h"}, [60]),
        (["10:00", "11:00", "11:00"], {}, [None, None, None]),
    ],
)
def test_a_bar_began_its_length_before_or_when_the_one_before_it_ended(
    read: Read, write: Write, times: list[str], params: dict[str, str], expected: list[float | None]
) -> None:
    path = write(bars([f"2024-01-02 {time}" for time in times]))
    assert lengths(read(Csv, path, **params)) == expected


def test_a_stated_length_is_held_against_the_distances(
    read: Read, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(bars(["2024-01-02 10:00", "2024-01-02 11:00", "2024-01-02 12:00"]))
    with pytest.raises(
        BadParameter, match=r"`bar`: is longer than most distances between bars, which are 1h in .*GOOG"
    ):
        read(Csv, path, bar="1d", stamp="open")
    assert lengths(read(Csv, path, bar="5m")) == [5, 5, 5]
    assert "bars are said to last 5m, and are mostly 1h apart" in caplog.text


def test_several_bars_of_one_time_are_told_apart_by_a_column(
    read: Read, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    rows = [f"2024-01-02 1{hour}:{minute:02},5m,1,1" for hour in (0, 1) for minute in range(0, 60, 5)]
    rows += ["2024-01-02 11:00,1h,1,1", "2024-01-02 10:00,1h,1,1"]
    path = write("time,every,open,close\n" + "\n".join(sorted(rows)) + "\n")
    found = read(Csv, path)
    assert lengths(found) == [None] * 26
    assert caplog.text.count("GOOG has several bars of 2024-01-02T10:00:00Z") == 2  # read twice
    caplog.clear()
    found = read(Csv, path, series="every")
    assert {(event["every"], length) for event, length in zip(found, lengths(found), strict=True)} == {
        ("5m", 5.0),
        ("1h", 60.0),
    }
    assert not caplog.text


def test_symbols_of_one_file_may_have_bars_of_other_lengths(read: Read, write: Write) -> None:
    rows = [f"2024-01-02 1{hour}:{minute:02},A,1,1" for hour in (0, 1) for minute in range(0, 60, 5)]
    rows += [f"2024-01-02 1{hour}:00,B,1,1" for hour in (0, 1)] + ["2024-01-02 11:30,C,1,1"]
    found = read(Csv, write("time,sid,open,close\n" + "\n".join(sorted(rows)) + "\n"))
    began = zip(found, lengths(found), strict=True)
    # Of C nothing is known, so that it may have begun as early as the longest.
    assert {(event["sid"], length) for event, length in began} == {("A", 5.0), ("B", 60.0), ("C", 60.0)}


def test_a_double_that_comes_late_ends_the_starts(read: Read, write: Write) -> None:
    minutes = [f"2024-01-{2 + minute // 1440:02} {minute // 60 % 24:02}:{minute % 60:02}" for minute in range(1, 6001)]
    found = read(Csv, write(bars([*minutes[:5000], *minutes[4999:]])))
    assert lengths(found[:5000]) == [1] * 5000
    assert lengths(found[5000:]) == [None] * 1001


def test_quotes_have_no_start_and_rows_of_days_do(read: Read, write: Write) -> None:
    ticks = read(Csv, write("time,price,volume\n2024-01-02 10:00:01,1,5\n2024-01-02 10:00:02,1,5\n"))
    assert lengths(ticks) == [None, None]
    closes = read(Csv, write("time,close,volume\n2024-01-02 10:00,1,5\n2024-01-02 10:01,1,5\n"))
    assert lengths(closes) == [1, 1]
    (day,) = read(Csv, write("date,price\n2024-01-02,1\n"))
    assert day["ts"] - day["start"] == 86_400 * 10**9 - 1


@pytest.mark.parametrize(
    ("days", "params", "expected"),
    [
        (["2024-01-05", "2024-01-12", "2024-01-18", "2024-01-26"], {}, [8, 7, 6, 8]),
        (["2024-01-01", "2024-01-08", "2024-01-15"], {"stamp": "open", "bar": "7d"}, [7, 7, 7]),
        (["2024-01-31", "2024-02-29", "2024-03-29", "2024-04-30"], {}, [32, 29, 29, 32]),
        (["2024-01-04", "2024-01-05", "2024-01-08", "2024-01-09"], {}, [1, 1, 1, 1]),
        (["2024-01-05", "2024-01-08"], {}, [1, 1]),
    ],
)
def test_weeks_and_months_with_dates_alone_begin_where_the_one_before_ended(
    read: Read, write: Write, days: list[str], params: dict[str, str], expected: list[int]
) -> None:
    found = read(Csv, write(bars(days)), **params)
    assert [round((event["ts"] - event["start"]) / 86_400e9) for event in found] == expected


def test_midnights_alone_are_dates_and_with_other_times_they_are_times(read: Read, write: Write) -> None:
    midnights = ["2024-01-02 00:00:00", "2024-01-03 00:00:00"]
    assert lengths(read(Csv, write(bars(midnights)))) == [pytest.approx(1440), pytest.approx(1440)]
    hours = [*midnights[:1], "2024-01-02 01:00:00", "2024-01-02 02:00:00"]
    assert [event["ts"] % (86_400 * 10**9) for event in read(Csv, write(bars(hours)))] == [0, 3600e9, 7200e9]
    offsets = ["2024-01-02T00:00-05:00", "2024-07-03T00:00-04:00"]
    found = read(Csv, write(bars(offsets)), timezone=NEW_YORK)
    assert [event["start"] % (86_400 * 10**9) / 3600e9 for event in found] == [5, 4]


@pytest.mark.parametrize("written", ["%Y-%m-%d %H:%M %Z", "%H:%M", "%m-%d", "%Y %Q", "%Y %H"])
def test_a_format_that_cannot_tell_a_moment_is_refused(read: Read, write: Write, written: str) -> None:
    with pytest.raises(BadParameter, match="csv: parameter `time_format`"):
        read(Csv, write(prices(["2024-01-02 15:00 UTC"])), time_format=written)


@pytest.mark.parametrize("digits", ["45293", "45293.5", "2460311.5", "2024", "738887"])
def test_days_of_other_calendars_are_refused(moments: Moments, digits: str) -> None:
    with pytest.raises(BadRow, match=r"line 2: .* is too small to tell what it counts since 1970"):
        moments(digits)


@pytest.mark.parametrize(
    ("header", "row", "params"),
    [
        ("Date,Time", "2024.01.02,09:30", {}),
        ("<DATE>,<TIME>", "2024-01-02,09:30:00", {}),
        ("date,time", "20240102,0930", {}),
        ("date,time", "20240102,093000", {"time": "date"}),
        ("time,date", "9:30,2024-01-02", {}),
        ("Day,At", "2024/01/02,09:30", {"time": "Day", "time_of_day": "At"}),
        ("Date,Time", "02.01.2024,09:30", {"time_format": "%d.%m.%Y %H:%M"}),
    ],
)
def test_a_date_and_a_time_of_day_in_two_columns_are_one_time(
    read: Read, write: Write, header: str, row: str, params: dict[str, str]
) -> None:
    (event,) = read(Csv, write(f"{header},close\n{row},5\n"), **params)
    assert event == {"channel": "quotes", "sid": "GOOG", "quote": 5.0, "close": 5.0, "ts": 1704187800 * 10**9}


@pytest.mark.parametrize("clock", ["930", "93000", "9:3", "2460"])
@pytest.mark.parametrize("params", [{}, {"time": "date"}, {"time": "date", "time_of_day": "time"}])
def test_what_may_be_several_times_of_day_is_refused(
    read: Read, write: Write, clock: str, params: dict[str, str]
) -> None:
    with pytest.raises((BadRow, AmbiguousColumn)):
        read(Csv, write(f"date,time,close\n2024-01-02,{clock},5\n"), **params)


def test_parquet_has_times_of_day_too(read: Read, tmp_path: Path) -> None:
    table = pa.table({"date": [date(2024, 1, 2)], "time": pa.array([34_200], pa.time32("s")), "price": [1.0]})
    pq.write_table(table, tmp_path / "x.parquet")
    assert read(Parquet, tmp_path / "x.parquet")[0]["ts"] == 1704187800 * 10**9
