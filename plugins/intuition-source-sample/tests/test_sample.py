import gzip
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import entry_points
from pathlib import Path
from zoneinfo import ZoneInfo

import intuition_source_sample.table as table
import msgspec
import pytest
from intuition_source_sample import Sample

from intuition_core.data import normalise
from intuition_core.errors import BadParameter

RECORDED = {"AAPL": 3270, "FB": 196, "GOOG": 2148, "IBM": 3270, "MSFT": 3270}


def events(**params: object) -> list[dict[str, object]]:
    source = Sample()
    source.initialize(msgspec.convert(params, Sample.Params))
    return list(source.events())


@pytest.fixture(scope="module")
def everything() -> list[dict[str, object]]:
    return events()


def test_it_is_found_under_its_name() -> None:
    (found,) = entry_points(group="intuition.v1.source", name="sample")
    assert found.load() is Sample


def test_all_of_the_record_is_there(everything: list[dict[str, object]]) -> None:
    assert len(everything) == 12_154
    assert Counter(event["sid"] for event in everything) == RECORDED


def test_the_first_bar_is_the_one_in_the_file(everything: list[dict[str, object]]) -> None:
    assert everything[0] == {
        "channel": "quotes",
        "sid": "AAPL",
        "quote": 130.31,
        "open": 118.56,
        "high": 132.06,
        "low": 118.5,
        "close": 130.31,
        "volume": 9_616_100,
        "start": int(datetime(2000, 3, 1, 14, 30, tzinfo=UTC).timestamp()) * 10**9,
        "ts": int(datetime(2000, 3, 1, 21, tzinfo=UTC).timestamp()) * 10**9,
    }


def test_time_never_runs_back_and_symbols_follow_their_names(everything: list[dict[str, object]]) -> None:
    order = [(event["ts"], event["sid"]) for event in everything]
    assert order == sorted(order)
    assert len(set(order)) == len(order)


def test_a_bar_is_known_at_four_in_new_york_in_summer_and_in_winter(everything: list[dict[str, object]]) -> None:
    moments = {datetime.fromtimestamp(int(str(event["ts"])) // 10**9, UTC) for event in everything}
    assert {moment.astimezone(ZoneInfo("America/New_York")).hour for moment in moments} == {16}
    assert {moment.hour for moment in moments} == {20, 21}
    # The clocks went forward in New York on Sunday 2 April 2000 and back on Sunday 29 October.
    hours = {moment.date().isoformat(): moment.hour for moment in moments}
    assert (hours["2000-03-31"], hours["2000-04-03"]) == (21, 20)
    assert (hours["2000-10-27"], hours["2000-10-30"]) == (20, 21)


def test_a_bar_begins_with_its_session_after_the_one_before_it_has_ended(everything: list[dict[str, object]]) -> None:
    ends: dict[object, int] = {}
    for event in everything:
        start, ts = int(str(event["start"])), int(str(event["ts"]))
        assert ts - start == 6.5 * 3600 * 10**9
        assert ends.get(event["sid"], start) <= start
        ends[event["sid"]] = ts


def test_the_time_zone_of_the_machine_changes_nothing() -> None:
    code = (
        "from intuition_source_sample import Sample; s = Sample(); s.initialize(Sample.Params(limit=1));"
        "print(next(iter(s.events()))['ts'])"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], env={"TZ": zone}, capture_output=True, text=True, check=True
        ).stdout
        for zone in ("UTC", "Asia/Tokyo", "America/Los_Angeles")
    }
    assert seen == {"951944400000000000\n"}


def test_bars_hold_together(everything: list[dict[str, object]]) -> None:
    for bar in everything:
        assert bar["low"] <= min(bar["open"], bar["close"]) <= max(bar["open"], bar["close"]) <= bar["high"]  # type: ignore[operator,type-var]  # floats, as another test sees


def test_prices_are_as_quoted_and_not_adjusted(everything: list[dict[str, object]]) -> None:
    apple = {event["ts"]: event["quote"] for event in everything if event["sid"] == "AAPL"}
    before, after = (int(datetime(2000, 6, day, 20, tzinfo=UTC).timestamp()) * 10**9 for day in (20, 21))
    assert (apple[before], apple[after]) == (101.25, 55.63)


def test_every_event_is_normalised_as_it_is(everything: list[dict[str, object]]) -> None:
    def clock() -> int:
        raise AssertionError("every event has its time")

    for event in everything:
        assert normalise(event, now=clock) == [event]


def test_chosen_symbols_come_alone_and_in_the_same_order(everything: list[dict[str, object]]) -> None:
    assert events(symbols=["IBM", "FB"]) == [event for event in everything if event["sid"] in {"IBM", "FB"}]


def test_a_symbol_named_twice_comes_once() -> None:
    assert len(events(symbols=["FB", "FB"])) == RECORDED["FB"]


@pytest.mark.parametrize("limit", [1, 7, 100_000])
def test_a_limit_stops_there(everything: list[dict[str, object]], limit: int) -> None:
    assert events(limit=limit) == everything[:limit]


def test_events_can_be_had_again() -> None:
    source = Sample()
    source.initialize(Sample.Params(symbols=("FB",)))
    assert list(source.events()) == list(source.events())


def test_neither_pandas_nor_the_package_of_the_data_is_imported() -> None:
    code = (
        "import sys; from intuition_source_sample import Sample; s = Sample(); s.initialize(Sample.Params());"
        "next(iter(s.events()));"
        "print({name.split('.')[0] for name in sys.modules} & {'pandas', 'numpy', 'bokeh_sampledata'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_symbol_that_was_not_recorded_is_named_with_the_nearest() -> None:
    with pytest.raises(BadParameter, match=r"symbols.*`GOOGL`.*AAPL, FB, GOOG, IBM, MSFT; did you mean `GOOG`\?"):
        events(symbols=["IBM", "GOOGL"])


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1.5}, "limit"),
        ({"symbols": "GOOG"}, "symbols"),
        ({"symbol": ["GOOG"]}, "symbol"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_by_name(params: dict[str, object], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(params, Sample.Params)


def test_a_missing_package_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "PACKAGE", "no_such_package")
    with pytest.raises(table.NoTable, match=r"no_such_package is not installed; `pip install 'bokeh-sampledata"):
        events()


def test_a_missing_file_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "FILE", "_data/none.csv.gz")
    with pytest.raises(table.NoTable, match=r"has no _data/none\.csv\.gz; `pip install"):
        events()


def test_a_table_with_other_columns_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    other = tmp_path / "other_stocks"
    other.mkdir()
    (other / "__init__.py").write_text("raise RuntimeError('imported')\n")
    (other / "stocks.csv.gz").write_bytes(gzip.compress(b"Date,Ticker\n2000-03-01,AAPL\n"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(table, "PACKAGE", "other_stocks")
    monkeypatch.setattr(table, "FILE", "stocks.csv.gz")
    with pytest.raises(table.NoTable, match="other columns"):
        events()
