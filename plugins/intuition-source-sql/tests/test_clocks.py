"""Dates in one column and times of day in another."""

import sqlite3
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intuition_source_sql import Sql
from intuition_source_sql.columns import Columns
from intuition_source_sql.errors import BadRow
from intuition_source_sql.moments import Moments

from intuition_core.params.checking import check_params

NINE = 1704187800 * 10**9
"""2024-01-02 09:30 UTC."""
MINUTE = 60 * 10**9

Make = Callable[..., str]


@pytest.fixture
def made(tmp_path: Path) -> Make:
    """Make a table `prices` with columns and rows; give the address of its database."""

    def make(columns: str, *rows: Sequence[Any]) -> str:
        file = tmp_path / "prices.db"
        connection = sqlite3.connect(file)
        connection.execute(f"CREATE TABLE prices ({columns})")
        connection.executemany(f"INSERT INTO prices VALUES ({', '.join('?' * len(rows[0]))})", rows)
        connection.commit()
        connection.close()
        return f"sqlite:///{file}"

    return make


def events(url: str, **params: Any) -> list[dict[str, Any]]:
    source = Sql()
    wanted = {"query": params["query"]} if "query" in params else {"table": "prices"}
    source.initialize(check_params("source sql", Sql, {"url": url, "sid": "A", **wanted, **params}))
    return list(source.events())


@pytest.mark.parametrize("adbc", ["", "adbc+"])
@pytest.mark.parametrize(
    ("columns", "row", "params"),
    [
        ("Date, Time, price", ("2024-01-02", "09:30", 5.0), {}),
        ("date, time, price", ("2024-01-02", "0930", 5.0), {"time": "date"}),
        ("price, time, date", (5.0, "09:30:00.000", "2024-01-02"), {}),
        ("date, time, price", ("2024-01-02 00:00:00", "093000", 5.0), {}),
        ("date, time, price", (20240102, "0930", 5.0), {"time_unit": "date"}),
        ("day, at, price", ("2024-01-02", "09:30", 5.0), {"time": "day", "time_of_day": "at"}),
        ("day, time, price", ("2024-01-02", "09:30", 5.0), {"time": "day"}),
        ("date, at, price", ("2024-01-02", "09:30", 5.0), {"time_of_day": "AT"}),
        ("date, time, price", ("2024-01-02", "10:30+01:00", 5.0), {}),
        ("date, time, price", ("2024-01-02", "04:30", 5.0), {"timezone": "America/New_York"}),
    ],
)
def test_a_date_and_a_time_of_day_are_one_time(
    made: Make, columns: str, row: Sequence[Any], params: dict[str, str], adbc: str
) -> None:
    url = adbc + made(columns, row)
    expected = [{"channel": "quotes", "sid": "A", "quote": 5.0, "ts": NINE}]
    assert events(url, **params) == expected
    assert events(url, **params, query="SELECT * FROM prices") == expected


def test_bars_of_a_day_are_not_the_day(made: Make) -> None:
    rows = [("2024-01-02", f"09:{minute}", 5.0, 6.0) for minute in (31, 30, 33, 32)]
    found = events(made("date, time, close, high", *rows))
    assert [event["ts"] for event in found] == [NINE + number * MINUTE for number in range(4)]
    assert [event["start"] for event in found[1:]] == [NINE + number * MINUTE for number in range(3)]
    assert all("time" not in event for event in found)


@pytest.mark.parametrize("query", [{}, {"query": "SELECT * FROM prices"}])
@pytest.mark.parametrize(
    ("row", "params", "problem"),
    [
        (("2024-01-03", None, 5.0), {}, "row 2: `date and time` have no time of day"),
        (("2024-01-03", 930, 5.0), {}, "row 2: `date and time` have no time of day such as 09:30 or 0930: 930; name"),
        (("2024-01-03", "half past nine", 5.0), {}, "row 2: `date and time` have no time of day such as"),
        (("2024-01-03", "25:00", 5.0), {}, "row 2: `date` is no time in ISO 8601"),
        (("2024-01-03T09:30", "09:30", 5.0), {"time_of_day": "time"}, "row 2: `date and time` say two times of day"),
    ],
)
def test_what_is_no_time_of_day_is_refused_with_its_row(
    made: Make, row: Sequence[Any], params: dict[str, str], problem: str, query: dict[str, str]
) -> None:
    with pytest.raises(BadRow) as raised:
        events(made("date, time, price", ("2024-01-02", "09:30", 5.0), row), **params, **query)
    assert problem in str(raised.value)


def test_whole_times_stay_what_they_are_beside_a_column_called_time(made: Make) -> None:
    url = made("stamp, time, price", ("2024-01-02T09:30", 17, 5.0))
    assert [event["ts"] for event in events(url, time="stamp")] == [NINE]


@pytest.mark.parametrize(
    ("day", "clock"),
    [
        (date(2024, 1, 2), time(9, 30)),
        (datetime(2024, 1, 2), timedelta(hours=9, minutes=30)),  # noqa: DTZ001  # as drivers give it
        ("2024-01-02", time(9, 30, 0, 0)),
    ],
)
def test_types_of_databases_are_read(day: object, clock: object) -> None:
    moments = Moments(ZoneInfo("UTC"))
    assert moments.read(moments.whole((day, clock), Columns(0, None, None, (), (), 1))) == NINE


@settings(max_examples=60, deadline=None)
@given(
    times=st.lists(st.integers(1, 4 * 1440 - 1).filter(lambda minute: minute % 1440), min_size=1, max_size=12),
    start=st.integers(0, 5 * 1440),
    length=st.integers(1, 3 * 1440),
    zone=st.sampled_from(["UTC", "Asia/Tokyo", "America/New_York"]),
)
def test_what_is_asked_for_is_what_two_columns_say_together(
    tmp_path_factory: pytest.TempPathFactory, times: list[int], start: int, length: int, zone: str
) -> None:
    file = tmp_path_factory.mktemp("clocks") / "prices.db"
    first = datetime(2024, 3, 4)  # noqa: DTZ001  # as it is written
    stamps = [first + timedelta(minutes=minute) for minute in times]
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE prices (date, time, price)")
    connection.executemany(
        "INSERT INTO prices VALUES (?, ?, 1.0)", [(str(each.date()), str(each.time())) for each in stamps]
    )
    connection.commit()
    connection.close()

    def moment(stamp: datetime) -> int:
        return int(stamp.replace(tzinfo=ZoneInfo(zone)).timestamp()) * 10**9

    low = moment(first + timedelta(minutes=start))
    high = moment(first + timedelta(minutes=start + length))
    found = events(f"sqlite:///{file}", timezone=zone, start=low, end=high)
    assert [event["ts"] for event in found] == sorted(ts for ts in map(moment, stamps) if low <= ts < high)


def test_splits_and_dividends_need_no_price(made: Make) -> None:
    url = made(
        "date, symbol, Action, RATIO, amount, Currency",
        ("2024-01-02", "A", "split", "2/1", None, None),
        ("2024-01-03", "B", "Dividend", None, 0.25, "USD"),
    )
    split, dividend = events(url, channel="actions")
    day = NINE - 570 * MINUTE
    assert split == {"channel": "actions", "sid": "A", "action": "split", "ratio": "2:1", "ts": day}
    assert dividend == {
        "channel": "actions",
        "sid": "B",
        "action": "dividend",
        "amount": 0.25,
        "currency": "USD",
        "ts": day + 1440 * MINUTE,
    }
