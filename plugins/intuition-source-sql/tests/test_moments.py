"""Times of databases."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_source_sql.moments import UNITS, Moments

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.datetimes(datetime.fromisoformat("1971-01-01"), datetime.fromisoformat("2100-01-01"))


def nanoseconds(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(microseconds=1) * 1000


@given(moments, st.sampled_from(ZONES))
def test_a_local_time_is_read_as_its_zone_has_it_or_refused(naive: datetime, name: str) -> None:
    zone = ZoneInfo(name)
    possible = {
        nanoseconds(naive.replace(tzinfo=zone, fold=fold))
        for fold in (0, 1)
        if naive.replace(tzinfo=zone, fold=fold).astimezone(UTC).astimezone(zone).replace(tzinfo=None) == naive
    }
    try:
        assert {Moments(zone).read(naive)} == possible
    except ValueError:
        assert len(possible) != 1
    if possible:
        assert Moments(zone, fold=0).read(naive) == min(possible)
        assert Moments(zone, fold=1).read(naive) == max(possible)


@given(moments, st.sampled_from([*ZONES, None]), st.sampled_from("T "), st.integers(0, 999))
def test_text_is_read_to_the_nanosecond(naive: datetime, zone: str | None, separator: str, more: int) -> None:
    aware = naive.replace(tzinfo=UTC if zone is None else ZoneInfo(zone))
    text = aware.isoformat(separator, "microseconds")
    assert Moments(ZoneInfo("UTC")).read(f"{text[:26]}{more:03}{text[26:]}") == nanoseconds(aware) + more
    assert Moments(ZoneInfo("UTC")).read(text) == nanoseconds(aware)


@given(st.integers(0, 4_000_000_000), st.sampled_from(sorted(UNITS)), st.sampled_from([int, float, Decimal, str]))
def test_numbers_count_in_the_unit_that_is_given(seconds: int, unit: str, kind: Any) -> None:
    count = seconds * 10**9 // UNITS[unit]
    assert Moments(ZoneInfo("UTC"), unit=unit).read(kind(count)) == int(Decimal(kind(count)) * UNITS[unit])


@given(st.integers(100_000_000, 4_000_000_000), st.sampled_from(sorted(UNITS)))
def test_the_size_of_the_first_number_tells_the_unit(seconds: int, unit: str) -> None:
    found = Moments(ZoneInfo("UTC"))
    for count in (seconds * 10**9 // UNITS[unit], 1):
        assert found.read(count) == count * UNITS[unit]


LIKE = {
    "aware": lambda moment: moment,
    "naive": lambda moment: moment.replace(tzinfo=None),
    "date": lambda moment: moment.date(),
    "text": lambda moment: moment.isoformat(),
    "day": lambda moment: moment.date().isoformat(),
    "seconds": lambda moment: int(moment.timestamp()),
    "milliseconds": lambda moment: int(moment.timestamp() * 1000),
}


@given(
    st.lists(moments, min_size=1, max_size=8),
    moments,
    moments,
    st.sampled_from(sorted(LIKE)),
    st.sampled_from(ZONES),
    st.sampled_from([0, 60 * 10**9, 86_400 * 10**9]),
    st.integers(0, 999),
    st.sampled_from([None, 0, 1]),
    st.one_of(st.none(), st.times().map(lambda moment: moment.replace(second=0, microsecond=0))),
)
def test_no_time_that_is_wanted_is_out_of_bounds(
    written: list[datetime],
    start: datetime,
    end: datetime,
    like: str,
    name: str,
    shift: int,
    more: int,
    fold: Any,
    close: Any,
) -> None:
    zone = ZoneInfo(name)
    unit = {"seconds": "s", "milliseconds": "ms"}.get(like)
    reader = Moments(zone, unit=unit, shift=shift, fold=fold, close=close)
    values = [LIKE[like](moment.replace(tzinfo=zone)) for moment in written]
    first, last = (nanoseconds(moment.replace(tzinfo=UTC)) + more for moment in (start, end))
    lower, upper = reader.bounds(values[0], first, last)
    for value in values:
        try:
            ts = reader.read(value)
        except ValueError:
            continue
        if first <= ts < last:
            assert lower <= value < upper
    assert reader.bounds(values[0], None, None) == (None, None)


def test_a_date_can_be_the_end_of_its_session() -> None:
    reader = Moments(ZoneInfo("America/New_York"), close=time(16))
    for day, ts in [(date(2024, 1, 2), "2024-01-02T21:00Z"), (date(2024, 7, 2), "2024-07-02T20:00Z")]:
        assert reader.read(day) == reader.read(day.isoformat()) == nanoseconds(datetime.fromisoformat(ts))
    assert reader.read("2024-01-02T10:00Z") == nanoseconds(datetime.fromisoformat("2024-01-02T10:00Z"))


@pytest.mark.parametrize(
    ("day", "zone", "ts"),
    [
        (date(2024, 1, 2), "UTC", "2024-01-02T00:00Z"),
        (date(2024, 7, 2), "America/New_York", "2024-07-02T04:00Z"),
        (date(2024, 3, 10), "America/Havana", "2024-03-10T05:00Z"),  # clocks skip midnight
        (date(2024, 11, 3), "America/Havana", "2024-11-03T04:00Z"),  # clocks have it twice
    ],
)
def test_a_date_begins_with_its_first_moment_and_is_known_after_its_last(day: date, zone: str, ts: str) -> None:
    first = nanoseconds(datetime.fromisoformat(ts))
    last = Moments(ZoneInfo(zone)).begin(day + timedelta(days=1)) - 1
    for written in (day, day.isoformat(), f"{day:%Y%m%d}", int(f"{day:%Y%m%d}")):
        unit = None if str(written).count("-") else "date"
        moments = Moments(ZoneInfo(zone), unit=unit)
        assert moments.read(written) == last
        assert moments.day(written) == day
        assert Moments(ZoneInfo(zone), unit=unit, early=True).read(written) == moments.begin(day) == first


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        b"2024",
        "2024",
        2024,
        45293,
        2460311.5,
        20241301,
        "2024-13-01",
        "20240102T0000",
        "now",
        "2024-01-02T25:00",
        [],
        1e30,
        float("nan"),
    ],
)
def test_what_is_no_time_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"(is (empty|no time|beyond|too small)|may be a date)"):
        Moments(ZoneInfo("UTC")).read(value)


@pytest.mark.parametrize(
    ("value", "unit"),
    [
        (1_704_205_800, "s"),
        (1_704_205_800.5, "s"),
        ("1704205800", "s"),
        (1_704_205_800_000, "ms"),
        (1_704_205_800_000_000, "us"),
        (1_704_205_800_000_000_000, "ns"),
        ("2024-01-02T14:30:00", ""),
        (date(2024, 1, 2), ""),
    ],
)
def test_the_unit_of_numbers_is_told(value: object, unit: str) -> None:
    moments = Moments(ZoneInfo("UTC"))
    assert moments.unit == ""
    moments.read(value)
    assert moments.unit == unit


def test_a_number_in_another_unit_than_those_before_is_refused() -> None:
    moments = Moments(ZoneInfo("UTC"))
    moments.read(1_704_205_800)
    with pytest.raises(ValueError, match="in another unit than those before"):
        moments.read(1_704_205_860_000)


def test_day_numbers_are_refused_with_their_unit() -> None:
    with pytest.raises(ValueError, match="written as dates, or said to be so by the option `time_unit`, `julian`"):
        Moments(ZoneInfo("UTC")).read(2_460_311.5)
    assert Moments(ZoneInfo("UTC"), unit="julian").unit == ""
