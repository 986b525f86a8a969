"""The source as a whole, on SQLite and on PostgreSQL, through SQLAlchemy and ADBC."""

import logging
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intuition_source_sql import Sql

from intuition_core.data import normalise, sent
from intuition_core.errors import BadParameter, IntuitionError
from intuition_core.params.checking import check_params
from intuition_core.plugins.catalogue import discover
from intuition_core.sources.opening import open_source

START = datetime(2024, 1, 2, 21, tzinfo=UTC)
DAY = 86_400 * 10**9
FIRST = int(START.timestamp()) * 10**9

Rows = Sequence[Sequence[Any]]
Make = Callable[[str, Rows], str]
"""Makes a table with a definition and rows, and gives its name."""


def source(**params: Any) -> Sql:
    made = Sql()
    made.initialize(check_params("source sql", Sql, params))
    return made


def events(**params: Any) -> list[dict[str, Any]]:
    return list(source(**params).events())


class Place:
    """A database in which tests make tables."""

    def __init__(self, urls: Sequence[str], connect: Callable[[], Any], mark: str) -> None:
        self.urls = list(urls)
        self._connect = connect
        self._mark = mark

    def make(self, columns: str, rows: Rows) -> str:
        name = f"t{uuid4().hex[:12]}"
        connection = self._connect()
        try:
            cursor = connection.cursor()
            cursor.execute(f"CREATE TABLE {name} ({columns})")
            if rows:
                cursor.executemany(f"INSERT INTO {name} VALUES ({', '.join([self._mark] * len(rows[0]))})", rows)
            connection.commit()
        finally:
            connection.close()
        return name

    def do(self, statement: str) -> None:
        connection = self._connect()
        try:
            connection.cursor().execute(statement)
            connection.commit()
        finally:
            connection.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Place:
    file = tmp_path / "prices.db"
    sqlite3.connect(file).close()
    file.touch()
    return Place([f"sqlite:///{file}", f"adbc+sqlite:///{file}"], lambda: sqlite3.connect(file), "?")


@pytest.fixture
def postgres(postgresql: Any) -> Place:
    urls = [postgresql.url(), postgresql.url(scheme="adbc+postgresql")]
    return Place(urls, lambda: psycopg.connect(postgresql.url()), "%s")


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(request.param)
    return found


def test_it_is_found_under_its_name() -> None:
    (found,) = entry_points(group="intuition.v1.source", name="sql")
    assert found.load() is Sql


def test_bars_of_a_table(postgres: Place) -> None:
    table = postgres.make(
        "id bigserial, Ticker text, date timestamptz, open numeric, high numeric, low numeric, close numeric,"
        " volume bigint, venue text, note text, halted boolean, tags jsonb",
        [
            (1, "GOOG", START, "138.5", "140", "138", "139.25", 1000, "XNAS", None, False, None),
            (2, "AAPL", START, "185", "186", "184", "185.64", 2000, "XNAS", "split", True, "{}"),
            (3, "GOOG", START + timedelta(days=1), "139", None, "138.1", "NaN", 1000, None, None, None, None),
        ],
    )
    expected = [
        {
            "channel": "quotes",
            "sid": "AAPL",
            "quote": 185.64,
            "open": 185.0,
            "high": 186.0,
            "low": 184.0,
            "close": 185.64,
            "volume": 2000,
            "venue": "XNAS",
            "note": "split",
            "halted": True,
            "start": FIRST - DAY,
            "ts": FIRST,
        },
        {
            "channel": "quotes",
            "sid": "GOOG",
            "quote": 139.25,
            "open": 138.5,
            "high": 140.0,
            "low": 138.0,
            "close": 139.25,
            "volume": 1000,
            "venue": "XNAS",
            "halted": False,
            "start": FIRST - DAY,
            "ts": FIRST,
        },
    ]
    for url in postgres.urls:
        found = events(url=url, table=table)
        for event in found:
            event.pop("tags", None)  # a text to one driver, and not to the other
        assert found == expected
        assert [list(event)[:3] for event in found] == [["channel", "sid", "quote"]] * 2


def test_quotes_of_a_query(place: Place) -> None:
    table = place.make("at bigint, what text, price double precision", [(FIRST // 10**9, "GOOG", 1.5)])
    query = f"SELECT at AS ts, what AS symbol, price, 'a:b::c %d \\: ' AS note FROM {table} WHERE what LIKE 'G%G'"
    for url in place.urls:
        (event,) = events(url=url, query=query)
        assert event == {
            "channel": "quotes",
            "sid": "GOOG",
            "quote": 1.5,
            "note": "a:b::c %d \\: ",
            "ts": FIRST,
        }


def test_columns_of_other_names_are_mapped(place: Place) -> None:
    table = place.make(
        "at text, isin text, px double precision, price text", [("2024-01-02T21:00:00Z", "DE1", 2.5, "?")]
    )
    for url in place.urls:
        (event,) = events(url=url, table=table, time="at", symbol="ISIN", quote="px", channel="closes")
        assert event == {"channel": "closes", "sid": "DE1", "quote": 2.5, "price": "?", "ts": FIRST}


def test_a_table_without_symbols_is_one_symbol(place: Place) -> None:
    table = place.make("ts bigint, price double precision", [(1, 2.5)])
    for url in place.urls:
        assert [event["sid"] for event in events(time_unit="s", url=url, table=table)] == [table]
        assert [event["sid"] for event in events(time_unit="s", url=url, table=table, sid="GOOG")] == ["GOOG"]
        assert [
            event["sid"] for event in events(time_unit="s", url=url, query=f"SELECT * FROM {table}", sid="GOOG")
        ] == ["GOOG"]
        with pytest.raises(IntuitionError, match="no column is known as the symbol"):
            events(time_unit="s", url=url, query=f"SELECT * FROM {table}")


@pytest.mark.parametrize(
    ("kind", "write"),
    [
        ("timestamptz", lambda moment: moment),
        ("timestamp", lambda moment: moment.replace(tzinfo=None)),
        ("date", lambda moment: moment.date()),
        ("bigint", lambda moment: int(moment.timestamp())),
        ("double precision", lambda moment: moment.timestamp() * 1000),
        ("numeric", lambda moment: int(moment.timestamp()) * 10**9),
        ("text", lambda moment: moment.isoformat()),
        ("varchar(10)", lambda moment: moment.date().isoformat()),
    ],
)
def test_what_is_not_asked_for_is_left_out(place: Place, kind: str, write: Callable[[datetime], Any]) -> None:
    start = START.replace(hour=0) if "date" in kind or "10" in kind else START
    first = int(start.timestamp()) * 10**9
    moments = [write(start + timedelta(days=day)) for day in range(6)]
    if place.urls[0].startswith("sqlite"):
        moments = [str(moment) if "t" in kind[:1] and not isinstance(moment, str) else moment for moment in moments]
        moments = [moment if isinstance(moment, str | int | float) else str(moment) for moment in moments]
    rows = [(moment, sid, price) for price, moment in enumerate(moments, 1) for sid in ("A", "B", "C")]
    table = place.make(f"ts {kind}, sid text, price double precision", rows)
    for url in place.urls:
        for which in ({"table": table}, {"query": f"SELECT * FROM {table} ORDER BY ts, sid"}):
            read = source(url=url, **which, start=first + DAY, end=first + 3 * DAY, symbols=["C", "A"])
            found = [(event["ts"], event["sid"], event["quote"]) for event in read.events()]
            days = "date" in kind or "10" in kind
            known = first + DAY - 1 if days else first  # what is of a date alone is known when the date ends
            assert found == [(known + day * DAY, sid, day + 1.0) for day in (1, 2) for sid in ("A", "C")]
            assert [event["ts"] for event in events(url=url, **which, end=first)] == []
            assert len(events(url=url, **which, start=known + 1)) == 15


def test_the_database_is_asked_for_no_more_than_is_wanted(sqlite: Place) -> None:
    # The row that is outside cannot be read: it is seen only if it is fetched.
    table = sqlite.make("ts integer, sid text, price", [(10, "A", 1.0), (20, "A", "?"), (30, "B", "?"), (30, "A", 3.0)])
    for url in sqlite.urls[:1]:
        assert len(events(time_unit="s", url=url, table=table, start=25 * 10**9, symbols=["A"])) == 1
        with pytest.raises(IntuitionError, match="row 2: `price` is no number"):
            events(time_unit="s", url=url, table=table, symbols=["A"])


def test_rows_of_one_time_come_in_an_order_of_their_own(postgres: Place) -> None:
    rows = [(START, sid, price) for sid, price in [("B", 2), ("A", 9), ("A", 3), ("B", 1)]]
    for order in (rows, rows[::-1]):
        table = postgres.make("ts timestamptz, sid text, price numeric", order)
        found = [(event["sid"], event["quote"]) for event in events(url=postgres.urls[0], table=table)]
        assert found == [("A", 3.0), ("A", 9.0), ("B", 1.0), ("B", 2.0)]


def test_a_query_out_of_order_is_refused_with_its_row(place: Place) -> None:
    table = place.make("ts bigint, sid text, price double precision", [(n, "A", 1.0) for n in range(1, 6000)])
    query = f"SELECT CASE WHEN ts = 5000 THEN 1 ELSE ts END AS ts, sid, price FROM {table} ORDER BY {table}.ts"
    for url in place.urls:
        with pytest.raises(IntuitionError, match="the query, row 5000: `ts` is earlier than in the row before"):
            events(time_unit="s", url=url, query=query)


def test_times_of_the_hour_that_comes_twice_are_told_apart_by_their_offset(postgresql: Any) -> None:
    # The driver gives times in the session's zone, where both look the same but for their fold.
    url = f"{postgresql.url()}?options=-c%20timezone%3DEurope/Berlin"
    query = (
        "SELECT t AS ts, 'A' AS sid, 1.0::float8 AS price FROM generate_series("
        "timestamptz '2024-10-26 22:30:00+00', timestamptz '2024-10-27 03:30:00+00', interval '30 minutes') AS t"
    )
    moments = [event["ts"] for event in events(url=url, query=query)]
    assert {after - before for before, after in pairwise(moments)} == {1800 * 10**9}


@pytest.mark.parametrize(
    ("moment", "says"),
    [("2024-10-27 02:30:00", "showed twice"), ("2024-03-31 02:30:00", "showed never")],
)
def test_a_local_time_that_says_nothing_is_refused(place: Place, moment: str, says: str) -> None:
    kind = "text" if place.urls[0].startswith("sqlite") else "timestamp"
    table = place.make(f"ts {kind}, sid text, price double precision", [(moment, "A", 1.0)])
    for url in place.urls:
        with pytest.raises(IntuitionError, match=f"row 1: `ts` is {moment}, which the clocks of Europe/Berlin {says}"):
            events(url=url, table=table, timezone="Europe/Berlin")
        assert len(events(url=url, table=table)) == 1
    if says == "showed twice":
        both = [
            event["ts"]
            for which in ("earlier", "later")
            for event in events(url=place.urls[0], table=table, timezone="Europe/Berlin", ambiguous=which)
        ]
        assert both[1] - both[0] == 3600 * 10**9


def test_local_times_are_read_where_they_were_written_down(place: Place) -> None:
    kind = "text" if place.urls[0].startswith("sqlite") else "timestamp"
    rows = [("2024-01-02 16:00:00", "A", 1.0), ("2024-07-02 16:00:00", "A", 2.0)]
    table = place.make(f"ts {kind}, sid text, price double precision", rows)
    hours = [
        datetime.fromtimestamp(event["ts"] // 10**9, UTC).hour
        for event in events(url=place.urls[0], table=table, timezone="America/New_York")
    ]
    assert hours == [21, 20]


def test_a_bar_stamped_at_its_opening_is_released_at_its_close(place: Place) -> None:
    rows = [(day * 86_400, "A", 1.0) for day in range(1, 5)]
    table = place.make("ts bigint, sid text, close double precision", rows)
    for url in place.urls:
        found = events(url=url, table=table, stamp="open", bar="1d", time_unit="s", start=3 * DAY - 1, end=5 * DAY - 1)
        assert [(event["start"], event["ts"]) for event in found] == [(2 * DAY, 3 * DAY - 1), (3 * DAY, 4 * DAY - 1)]


def test_rows_without_a_price_are_counted(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    table = place.make("ts bigint, sid text, price double precision", [(1, "A", None), (2, "A", 1.0), (3, "A", None)])
    with caplog.at_level(logging.WARNING):
        assert len(events(time_unit="s", url=place.urls[0], table=table)) == 1
    (record,) = caplog.records
    assert record.getMessage().endswith(f"{table}: 2 of 3 rows have no price, and gave no event")


def test_prices_at_and_below_zero_are_refused_unless_wanted(place: Place) -> None:
    table = place.make("ts bigint, sid text, price double precision", [(1, "A", 1.0), (2, "A", -37.63), (3, "A", 0.0)])
    for url in place.urls:
        with pytest.raises(IntuitionError, match=r"row 2: `price` is -37\.63, and prices are above zero"):
            events(time_unit="s", url=url, table=table)
        found = [event["quote"] for event in events(time_unit="s", url=url, table=table, negative_prices=True)]
        assert found == [1.0, -37.63, 0.0]


def test_progress_is_the_part_of_time_that_was_read(place: Place) -> None:
    table = place.make("ts bigint, sid text, price double precision", [(n, "A", 1.0) for n in range(1, 10_001)])
    for url in place.urls:
        read = source(time_unit="s", url=url, table=table)
        assert read.progress() is None
        shares = [read.progress() for _ in read.batches()]
        assert shares == sorted(shares)
        assert 0.3 < shares[0] < 0.5
        assert read.progress() == 1.0
        assert {len(batch) for batch in read.batches()} <= {4096, 10_000 - 2 * 4096}
        read = source(time_unit="s", url=url, query=f"SELECT * FROM {table} ORDER BY ts")
        assert [(len(batch), read.progress()) for batch in read.batches()] == [(4096, None)] * 2 + [(1808, None)]


def test_an_empty_table_has_no_events(place: Place) -> None:
    table = place.make("ts bigint, sid text, price double precision", [])
    for url in place.urls:
        assert events(time_unit="s", url=url, table=table) == []


def test_events_can_be_had_again_and_given_up_halfway(place: Place) -> None:
    table = place.make("ts bigint, sid text, price double precision", [(n, "A", 1.0) for n in range(1, 10_001)])
    for url in place.urls:
        read = source(time_unit="s", url=url, table=table)
        begun = read.events()
        next(begun)
        begun.close()  # type: ignore[attr-defined]  # it is a generator
        assert len(list(read.events())) == len(list(read.events())) == 10_000


def test_a_query_that_writes_changes_nothing(place: Place) -> None:
    table = place.make("ts bigint, sid text, price double precision", [(1, "A", 1.0)])
    for url in place.urls:
        with pytest.raises(IntuitionError):
            events(time_unit="s", url=url, query=f"DELETE FROM {table}")
        assert len(events(time_unit="s", url=url, table=table)) == 1


def test_a_table_of_a_schema_with_capitals(postgres: Place) -> None:
    schema = f"S{uuid4().hex[:8]}"
    postgres.do(f'CREATE SCHEMA "{schema}"')
    postgres.do(f'CREATE TABLE "{schema}"."Prices" ("Ts" bigint, "Price" numeric)')
    postgres.do(f'INSERT INTO "{schema}"."Prices" VALUES (1, 2.5)')
    for url in postgres.urls:
        assert [event["sid"] for event in events(time_unit="s", url=url, table=f"{schema}.Prices")] == ["Prices"]


@pytest.mark.parametrize("kind", ["integer", "text", "real"])
def test_dates_in_digits_are_dates(sqlite: Place, kind: str) -> None:
    table = sqlite.make(f"ts {kind}, sid text, close real", [(20240102, "A", 1.0), (20240103, "A", 1.0)])
    minutes = sqlite.make("ts integer, sid text, close real", [(202401020930, "A", 1.0), (202401020931, "A", 1.0)])
    for url in sqlite.urls:
        first = FIRST - 21 * 3600 * 10**9
        for made in (table, minutes):
            with pytest.raises(IntuitionError, match=r"row 1: `ts` may be a date in digits; say so .*`time_unit`"):
                events(url=url, table=made)
        found = events(url=url, table=table, time_unit="date")
        assert [(event["start"], event["ts"]) for event in found] == [
            (first, first + DAY - 1),
            (first + DAY, first + 2 * DAY - 1),
        ]
        nine = first + 34_200 * 10**9
        assert [event["ts"] for event in events(url=url, table=minutes, time_unit="date")] == [nine, nine + 60 * 10**9]
        assert len(events(url=url, table=table, time_unit="date", start=first + DAY)) == 1


def test_day_numbers_are_told_apart_from_all_else(sqlite: Place) -> None:
    # select julianday('2024-01-02 21:00') and a minute later
    rows = [(2460312.375, "A", 1.0), (2460312.3756944444, "A", 1.0)]
    table = sqlite.make("ts real, sid text, close real", rows)
    nine = 1704229200 * 10**9
    for url in sqlite.urls:
        with pytest.raises(IntuitionError, match="too small to tell what it counts"):
            events(url=url, table=table)
        assert [event["ts"] for event in events(url=url, table=table, time_unit="julian")] == [nine, nine + 60 * 10**9]
        later = events(url=url, table=table, time_unit="julian", start=nine + 1)
        assert [event["ts"] for event in later] == [nine + 60 * 10**9]


def test_a_price_is_one_rule_for_all_sources(sqlite: Place) -> None:
    for text in ("1_000", "\u0663\u0664", " 5", "0x10", "1,5"):
        table = sqlite.make("ts text, sid text, close text", [("2024-01-02T21:00:00Z", "A", text)])
        for url in sqlite.urls:
            with pytest.raises(IntuitionError, match="row 1: `close` is no number"):
                events(url=url, table=table)
    table = sqlite.make("ts text, sid text, close text", [("2024-01-02T21:00:00Z", "A", "1.5e1")])
    for url in sqlite.urls:
        assert [event["quote"] for event in events(url=url, table=table)] == [15.0]


def test_bars_begin_where_the_one_before_ended(sqlite: Place, caplog: pytest.LogCaptureFixture) -> None:
    times = ["09:31", "09:32", "09:33", "09:40"]
    rows = [(f"2024-01-02T{time}:00Z", sid, 1.0, 1.0) for time in times for sid in ("A", "B")]
    table = sqlite.make("ts text, sid text, open real, close real", rows)
    for url in sqlite.urls:
        whole = events(url=url, table=table)
        assert [event["ts"] - event["start"] for event in whole] == [60 * 10**9] * 8
        assert events(url=url, table=table, start=whole[4]["ts"]) == whole[4:]
        assert [event["ts"] - event["start"] for event in events(url=url, table=table, bar="1m")] == [60 * 10**9] * 8
        with pytest.raises(BadParameter, match=r"`bar`: is longer than most distances between bars, which are 1m"):
            events(url=url, table=table, bar="5m")
    double = sqlite.make("ts text, sid text, open real, close real", [*rows, rows[-1]])
    with caplog.at_level(logging.WARNING):
        found = events(url=sqlite.urls[0], table=double)
    assert ["start" in event for event in found if event["sid"] == "A"] == [True] * 4
    assert "B has several bars of 2024-01-02 09:40:00+00:00" in caplog.text


def test_midnights_alone_are_days_and_a_time_among_them_is_told(sqlite: Place) -> None:
    rows = [(f"2024-01-{day:02}T00:00:00", "A", 1.0) for day in range(2, 6)]
    table = sqlite.make("ts text, sid text, close real", rows)
    late = sqlite.make(
        "ts text, sid text, close real",
        [("2024-01-02T00:00:00", "A", 1.0)] * 5000 + [("2024-01-03T10:00:00", "A", 1.0)],
    )
    for url in sqlite.urls:
        found = events(url=url, table=table, timezone="America/New_York", close_at="16:00")
        assert [(event["ts"] - event["start"]) // (3600 * 10**9) for event in found] == [16] * 4
        with pytest.raises(IntuitionError, match="row 5001: `ts` is no midnight, as all times before are"):
            events(url=url, table=late)


def test_every_event_is_normalised_as_it_is(place: Place) -> None:
    rows = [(n, "A", n + 0.5, n, "x") for n in range(1, 100)]
    table = place.make("ts bigint, sid text, price double precision, volume integer, note text", rows)

    def clock() -> int:
        raise AssertionError("every event has its time")

    for url in place.urls:
        for event in events(time_unit="s", url=url, table=table):
            as_sent = {key: sent(value) if key == "ts" else value for key, value in event.items()}
            assert normalise(as_sent, now=clock) == [event]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 6),
            st.sampled_from("ABC"),
            st.floats(0.01, 1e6),
            st.one_of(st.none(), st.floats(0.01, 1e6)),
        ),
        max_size=30,
    ),
    st.integers(1, 7),
    st.integers(1, 7),
    st.sets(st.sampled_from("ABC")),
)
def test_a_table_gives_what_a_simple_reading_gives(
    rows: list[tuple[int, str, float, float | None]], start: int, end: int, symbols: set[str]
) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "prices.db")
        connection = sqlite3.connect(file)
        connection.execute("CREATE TABLE prices (ts, sid, price, open)")
        connection.executemany("INSERT INTO prices VALUES (?, ?, ?, ?)", rows)
        connection.commit()
        connection.close()
        found = events(
            url=f"sqlite:///{file}",
            table="prices",
            start=start * 10**9,
            end=end * 10**9,
            symbols=sorted(symbols),
            time_unit="s",
        )
    expected = [
        {"channel": "quotes", "sid": sid, "quote": price, "ts": ts * 10**9}
        | ({} if opening is None else {"open": opening})
        for ts, sid, price, opening in sorted(rows, key=lambda row: (*row[:3], row[3] or 0.0))
        if start <= ts < end and sid in (symbols or "ABC")
    ]
    for event in found:
        assert event.pop("start", event["ts"]) <= event["ts"]
    assert found == expected


# What is wrong is said


@pytest.mark.parametrize(
    ("columns", "params", "says"),
    [
        (
            "sid text, price real",
            {},
            r"no column is known as the time; name it by the parameter `time` \(there are: sid, price\)",
        ),
        ("ts int, sid text", {}, r"no column is known as the quote; name it by the parameter `quote`"),
        (
            "ts int, price real",
            {"quote": "prise"},
            r"no column `prise`; did you mean `price`\? That is the parameter `quote`",
        ),
        (
            "datetime text, time text, price real",
            {},
            r"each of `datetime`, `time` could be the time; choose one by the parameter `time`",
        ),
        ("ts int, sid text, ticker text, price real", {}, r"each of `sid`, `ticker` could be the symbol"),
    ],
)
def test_columns_that_are_not_clear(place: Place, columns: str, params: dict[str, str], says: str) -> None:
    table = place.make(columns, [])
    for url in place.urls:
        with pytest.raises(IntuitionError, match=says):
            events(url=url, table=table, **params)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ((None, "A", 1.0), "row 1: `ts` is empty"),
        ((20241301, "A", 1.0), "row 1: `ts` may be a date in digits"),
        ((45293, "A", 1.0), "row 1: `ts` 45293 is too small to tell what it counts"),
        ((2460311.5, "A", 1.0), "row 1: `ts` 2460311.5 is too small to tell what it counts"),
        (("soon", "A", 1.0), "row 1: `ts` is no time in ISO 8601: 'soon'"),
        (
            ("01/02/2024", "A", 1.0),
            r"`ts` .*'01/02/2024', which may be written as `%m/%d/%Y` or as `%d/%m/%Y`; convert",
        ),
        (("2024-01-02 09:30 EST", "A", 1.0), r"`ts` .*which has a zone as `EST`, which may be several; take it out"),
        (("2263-01-02", "A", 1.0), "`ts` is beyond the years 1677 to 2262"),
        ((FIRST, None, 1.0), "row 1: `sid` is empty"),
        ((FIRST, "\n", 1.0), "row 1: `sid` is no symbol"),
        ((FIRST, "A", "n/a"), "row 1: `price` is no number: 'n/a'"),
        ((FIRST, "A", 1e300), "row 1: `price` is 1e[+]300, beyond what a price can be"),
        ((FIRST, "A", b"1"), "row 1: `price` is no number"),
    ],
)
def test_a_row_that_cannot_be_read_is_named(sqlite: Place, row: tuple[Any, ...], says: str) -> None:
    table = sqlite.make("ts, sid, price", [row])
    with pytest.raises(IntuitionError, match=says):
        events(url=sqlite.urls[0], table=table)


@pytest.mark.parametrize(
    ("params", "key"),
    [
        ({}, "table"),
        ({"table": "a", "query": "SELECT 1"}, "table"),
        ({"table": "a", "timezone": "Europe/Berlinn"}, "timezone"),
        ({"table": "a", "timezone": "../x"}, "timezone"),
        ({"table": "a", "stamp": "open"}, "bar"),
        ({"table": "a", "bar": "5 minutes"}, "bar"),
        ({"table": "a", "channel": "a/#"}, "channel"),
        ({"table": "a", "sid": ""}, "sid"),
        ({"table": "a", "password_file": "nowhere"}, "password_file"),
        ({"table": "a", "url": "prices.db"}, "url"),
        ({"table": "a", "time_unit": "minutes"}, "time_unit"),
        ({"table": "a", "close_at": "4 pm"}, "close_at"),
        ({"table": "a", "ambiguous": "order"}, "ambiguous"),
        ({"tabel": "a"}, "tabel"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named(params: dict[str, Any], key: str) -> None:
    with pytest.raises(BadParameter) as caught:
        source(**{"url": "sqlite://", **params})
    assert caught.value.key == key


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    file = tmp_path / "prices.db"
    for scheme in ("sqlite", "adbc+sqlite"):
        with pytest.raises(IntuitionError, match=r"prices\.db: there is no such file"):
            events(url=f"{scheme}:///{file}", table="prices")
    assert not file.exists()


def test_a_table_that_is_not_there(place: Place) -> None:
    for url in place.urls:
        with pytest.raises(IntuitionError, match="nowhere") as caught:
            events(url=url, table="nowhere")
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql+nothing://h/db", "SQLAlchemy knows no `mysql[+]nothing`"),
        ("oracle://h/db", "pip install cx_Oracle|pip install oracledb"),
        ("adbc+nothing://h/db", "pip install adbc-driver-nothing"),
    ],
)
def test_a_missing_driver_is_said_with_what_to_install(url: str, says: str) -> None:
    with pytest.raises(IntuitionError, match=says):
        events(url=url, table="prices")


def test_a_password_is_never_shown(postgresql: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    told = []
    for scheme in ("postgresql", "adbc+postgresql"):
        for password in ("geheim", "p%40ss%2Fgeheim"):
            url = postgresql.url(password=password, scheme=scheme) + "?application_name=geheim"
            params = check_params("source sql", Sql, {"url": url, "table": "prices"})
            with pytest.raises(IntuitionError) as caught:
                events(url=url, table="prices")
            assert caught.value.__suppress_context__
            told += [str(caught.value), repr(params), repr(caught.value)]
    told += [caplog.text]
    assert not [text for text in told if "geheim" in text]
    assert "password authentication failed" in told[0]


def test_a_password_comes_from_a_file(postgresql: Any, postgres: Place, tmp_path: Path) -> None:
    table = postgres.make("ts bigint, price numeric", [(1, 2.5)])
    file = tmp_path / "password"
    file.write_text("p@ss/w:rd?\n")
    for scheme in ("postgresql", "adbc+postgresql"):
        url = postgresql.url(password=None, scheme=scheme)
        assert len(events(time_unit="s", url=url, table=table, password_file=str(file))) == 1
    file.write_text("")
    with pytest.raises(BadParameter, match="is empty"):
        source(time_unit="s", url=url, table=table, password_file=str(file))


def test_a_server_that_is_not_there() -> None:
    with pytest.raises(IntuitionError, match=r"postgresql://127.0.0.1:1/postgres: .*refused"):
        events(url="postgresql://ann:geheim@127.0.0.1:1/postgres", table="prices")


# Together with the core


def test_the_core_opens_a_file(tmp_path: Path) -> None:
    file = tmp_path / "prices.sqlite"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE prices (ts, sid, price)")
    connection.executemany("INSERT INTO prices VALUES (?, 'A', 1.5)", [(n,) for n in range(1, 6)])
    connection.commit()
    connection.close()
    opened = open_source(
        discover(), data=[str(file)], params={"table": "prices", "time_unit": "s"}, start=2 * 10**9, end=4 * 10**9
    )
    assert [event["ts"] for event in opened.events()] == [2 * 10**9, 3 * 10**9]


def test_nothing_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys; from intuition_source_sql import Sql;"
        "print({name.split('.')[0] for name in sys.modules} & {'sqlalchemy', 'pyarrow', 'psycopg'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_memory_does_not_grow_with_the_table(tmp_path: Path) -> None:
    file = tmp_path / "prices.db"
    connection = sqlite3.connect(file)
    connection.execute("CREATE TABLE prices (ts INTEGER PRIMARY KEY, sid TEXT, price REAL)")
    connection.executemany("INSERT INTO prices VALUES (?, 'GOOG', 1.5)", ((n,) for n in range(1, 200_001)))
    connection.commit()
    connection.close()
    code = f"""
import resource
from intuition_source_sql import Sql
source = Sql()
source.initialize(Sql.Params(url="sqlite:///{file}", table="prices", time_unit="s"))
batches = source.batches()
count = len(next(batches))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count += sum(map(len, batches))
print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    count, kilobytes = map(int, done.stdout.split())
    assert count == 200_000
    assert kilobytes < 20_000  # all rows at once take more than 60 MB


def test_parameters_are_described() -> None:
    fields = msgspec.json.schema(Sql.Params)["$defs"]["SqlParams"]["properties"]
    assert all(
        "description" in field or any("description" in x for x in field.get("anyOf", [])) for field in fields.values()
    )


@pytest.mark.parametrize(
    ("address", "said"),
    [("snowflake://host/a", "pip install snowflake-sqlalchemy"), ("postgrs://host/a", "is it spelled right")],
)
def test_a_database_that_is_not_known_is_refused_with_what_to_do(address: str, said: str) -> None:
    with pytest.raises(IntuitionError, match=said):
        events(url=address, table="t")


@pytest.mark.parametrize("second", [1_704_153_660_000, 1_704_153_660_000_000, 10**18, 10**30])
def test_a_unit_that_changes_within_a_table_is_refused_with_its_row(sqlite: Place, second: int) -> None:
    table = sqlite.make("time, close", [(1_704_153_600, 1.0), (min(second, 2**62), 2.0)])
    with pytest.raises(IntuitionError, match=r"row 2: `time` is beyond the years 1677 to 2262: .*in another unit"):
        events(url=sqlite.urls[0], table=table)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_the_unit_of_times_is_told(sqlite: Place, unit: str) -> None:
    factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    table = sqlite.make("time, close", [(1_704_205_800 * factor, 1.0), (1_704_205_860 * factor, 2.0)])
    for url in sqlite.urls:
        made = source(url=url, table=table)
        assert [event["ts"] // 10**9 for event in made.events()] == [1_704_205_800, 1_704_205_860]
        assert [taken.unit for taken in made.taken()] == [unit]
