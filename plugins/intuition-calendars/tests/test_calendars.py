from datetime import UTC, datetime

import pytest
from intuition_calendars import Exchange, UnknownCalendar

from intuition_core.account.hours import Hours
from intuition_core.testing import CalendarContract


class TestExchange(CalendarContract):
    part = Exchange
    calendars = ("XNYS", "XTKS", "XSHG", "24/7")


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def hours(name: str) -> Hours:
    return Hours(name, Exchange().sessions(name), Exchange().breaks(name))


@pytest.mark.parametrize(
    ("moment", "end"),
    [
        ("2024-03-08T20:59:59", "2024-03-08T21:00:00"),  # a Friday in winter
        ("2024-03-08T21:00:00", "2024-03-11T20:00:00"),  # after its close: Monday, when summer time has begun
        ("2024-07-03T16:59:00", "2024-07-03T17:00:00"),  # the eve of a holiday, closed early
        ("2024-07-04T15:00:00", "2024-07-05T20:00:00"),  # the holiday itself
        ("2024-11-01T19:00:00", "2024-11-01T20:00:00"),  # the last Friday of summer time
        ("2024-11-04T12:00:00", "2024-11-04T21:00:00"),
    ],
)
def test_sessions_of_new_york_end_when_they_did(moment: str, end: str) -> None:
    assert hours("XNYS").end(at(moment)) == at(end)


def test_tokyo_pauses_over_noon() -> None:
    tokyo = hours("XTKS")
    opens = ("2024-03-08T00:00:00", "2024-03-08T02:30:00", "2024-03-08T03:30:00", "2024-03-08T06:00:00")
    closed = ("2024-03-07T23:59:59", "2024-03-08T02:30:01", "2024-03-08T03:29:59", "2024-03-08T06:00:01")
    assert [tokyo.is_open(at(moment)) for moment in opens] == [True] * 4
    assert [tokyo.is_open(at(moment)) for moment in closed] == [False] * 4


def test_the_hours_do_not_depend_on_the_day_on_which_they_are_asked_for() -> None:
    assert next(Exchange().sessions("XNYS")) == (at("1990-01-02T14:30:00"), at("1990-01-02T21:00:00"))
    assert hours("XNYS").end(at("2040-12-31T23:00:00")) is None
    assert hours("XNYS").end(at("2040-12-31T20:00:00")) is not None
    assert hours("NYSE").to_json()["sha256"] == hours("XNYS").to_json()["sha256"]


def test_a_calendar_that_reaches_less_far_gives_what_it_has() -> None:
    assert hours("XSHG").end(at("2025-06-02T03:00:00")) is not None
    assert hours("XSHG").end(at("2039-06-01T03:00:00")) is None


def test_an_unknown_name_asks_what_was_meant() -> None:
    with pytest.raises(UnknownCalendar, match=r"knows no calendar `XLONN`; did you mean `XLON`\?") as caught:
        Exchange().sessions("XLONN")
    assert (caught.value.name, isinstance(caught.value, LookupError)) == ("XLONN", True)
