"""What a year is, on all kinds of bars."""

import importlib
import math
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intuition_report import Html
from intuition_report.sessions import annualisation, sessions

from intuition_core.history import Day, History

HistoryOf = Callable[..., History]

MONDAY = date(2023, 1, 2)
NANOSECONDS = 1_000_000_000


def stamp(day: date, hour: int = 16) -> int:
    return int(datetime(day.year, day.month, day.day, hour, tzinfo=UTC).timestamp()) * NANOSECONDS


def every(length: int, count: int, first: date = MONDAY) -> list[date]:
    return [first + timedelta(length * n) for n in range(count)]


def on(weekdays: Iterable[int], count: int, first: date = MONDAY) -> list[date]:
    """Give the first days from a Monday on that are certain days of the week, 0 for Mondays."""
    wanted = set(weekdays)
    return [day for day in every(1, 8 * count, first) if day.weekday() in wanted][:count]


def monthly(count: int, day: int = 27) -> list[date]:
    return [date(2023 + n // 12, 1 + n % 12, day) for n in range(count)]


def quarterly(count: int) -> list[date]:
    return monthly(3 * count)[::3]


HOLIDAYS = {MONDAY + timedelta(27 * n + n % 5) for n in range(40)}

COURSES: dict[str, tuple[list[date], float]] = {
    "an exchange with holidays": ([day for day in on(range(5), 261) if day not in HOLIDAYS], 252),
    "weekdays without holidays": (on(range(5), 261), 252),
    "many years of weekdays": (on(range(5), 2600), 252),
    "Sunday to Thursday": (on([6, 0, 1, 2, 3], 261), 252),
    "Tuesday to Saturday, as stamped at the next midnight": (on(range(1, 6), 261), 252),
    "currencies with Sunday evenings": (on([6, 0, 1, 2, 3, 4], 313), 313),
    "every day": (every(1, 366), 365),
    "weekly": (every(7, 53, date(2023, 1, 6)), 52),
    "weekly, on Sundays": (every(7, 53, date(2023, 1, 1)), 52),
    "monthly": (monthly(13), 12),
    "monthly, on the first": (monthly(13, 1), 12),
    "quarterly": (quarterly(5), 4),
    "yearly": ([date(2020 + n, 12, 30) for n in range(5)], 1),
    "Mondays, Wednesdays and Fridays": (on([0, 2, 4], 157), 157),
}
"""Days of sessions over a year or more, and how many sessions make a year there."""


def linear(days: list[date], a_year: float = 0.1) -> list[float]:
    """Give an account of 1000 that grows by so much a year, by the calendar."""
    return [1000 * (1 + a_year) ** ((day - days[0]).days / 365.25) for day in days]


def at(days: list[date], equities: list[float]) -> list[Day]:
    return [Day(stamp(day), equity, 1.0) for day, equity in zip(days, equities, strict=True)]


def told(history: History) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in Html().metrics(history)}


@pytest.mark.parametrize("name", COURSES)
def test_a_gain_in_a_year_is_the_annualised_return_whatever_the_bars_are(history_of: HistoryOf, name: str) -> None:
    days, per_year = COURSES[name]
    equities = linear(days)
    found = told(history_of(equities, days=at(days, equities)))
    assert found["annual_return"] == pytest.approx(0.1, rel=1e-3)
    assert annualisation(at(days, equities)).per_year == per_year


@pytest.mark.parametrize("name", COURSES)
def test_the_spread_of_a_year_does_not_depend_on_how_often_it_is_looked_at(name: str) -> None:
    # Returns of ±s·√(time), s a year's deviation: their deviation, scaled to a year, is s on any bars.
    days, per_year = COURSES[name]
    root = math.sqrt(per_year)
    assert root * math.sqrt((days[-1] - days[0]).days / 365.25 / (len(days) - 1)) == pytest.approx(1, rel=0.03)


@pytest.mark.parametrize(
    ("days", "per_year", "years"),
    [
        ([], 252, 0),
        (on(range(5), 1), 252, 1 / 252),
        (on(range(5), 4), 252, 4 / 252),
        (on(range(5), 2, date(2023, 1, 6)), 252, 2 / 252),  # a Friday and a Monday
        (on(range(5), 100), 252, 100 / 252),
        (every(1, 6), 365, 6 / 365),
        (every(1, 100), 365, 100 / 365),
        (on([6, 0, 1, 2, 3, 4], 60), 313, 60 / 313),
        (every(7, 2), 52, 7 / 365.25),
        (every(7, 10), 52, 63 / 365.25),
        (monthly(4), 12, 90 / 365.25),
    ],
)
def test_short_histories(days: list[date], per_year: float, years: float) -> None:
    found = annualisation(at(days, [1.0] * len(days)))
    assert found.per_year == per_year
    assert found.years == pytest.approx(years)


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(COURSES)),
    others=st.lists(st.tuples(st.integers(0, 364), st.floats(-0.001, 0.001)), max_size=6),
)
def test_rates_splits_and_dividends_on_any_day_are_no_sessions(
    history_of: HistoryOf, name: str, others: list[tuple[int, float]]
) -> None:
    days, _ = COURSES[name]
    equities = linear(days)
    whole = {day.ts: day for day in at(days, equities)}
    for offset, change in others:
        ts = stamp(days[0] + timedelta(offset), 12)
        if not any(known // (86_400 * NANOSECONDS) == ts // (86_400 * NANOSECONDS) for known in whole):
            whole[ts] = Day(ts, equities[0] * (1 + change), 1.0, quoted=False)
    mixed = sorted(whole.values())
    plain = told(history_of(equities, days=at(days, equities)))
    found = told(history_of(equities, days=mixed))
    for figure in ("annual_return", "annual_volatility", "sharpe", "sortino", "turnover", "beta", "tracking_error"):
        if mixed[-1].quoted:
            assert found[figure] == plain[figure]


def test_what_happens_after_the_last_session_is_part_of_it() -> None:
    friday, saturday = date(2023, 1, 6), date(2023, 1, 7)
    days = [Day(stamp(friday), 1000.0, 1.0), Day(stamp(saturday), 1010.0, 1.1, quoted=False)]
    assert sessions(days) == [Day(stamp(friday), 1010.0, 1.1)]
    assert sessions([days[1]]) == []


@pytest.mark.parametrize("count", [1, 5, 40, 252, 1000])
def test_one_session_on_a_saturday_changes_next_to_nothing(history_of: HistoryOf, count: int) -> None:
    days = on(range(5), count)
    n = next((n for n in range(count // 2, count) if days[n].weekday() == 4), None)
    if n is None:
        return
    moved = [*days[:n], days[n] + timedelta(1), *days[n + 1 :]]
    equities = [1000 + n + n % 2 for n in range(count)]
    plain, other = (told(history_of(equities, days=at(course, equities))) for course in (days, moved))
    for figure in ("annual_return", "annual_volatility", "sharpe", "sortino"):
        before, after = plain[figure], other[figure]
        if count < 7 and before is not None and after is not None:
            continue  # a week with a Saturday may be one of a market that never closes
        assert after == (None if before is None else pytest.approx(before, rel=0.01))


def test_a_hole_in_the_data_does_not_make_the_account_livelier(history_of: HistoryOf) -> None:
    days = [day for day in on(range(5), 1300) if not 400 < (day - MONDAY).days < 700]
    found = annualisation(at(days, [1.0] * len(days)))
    assert found.years == pytest.approx((days[-1] - days[0]).days / 365.25)
    assert found.per_year == pytest.approx((len(days) - 1) / found.years, abs=0.5)


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(COURSES)),
    seed=st.integers(0, 2**32 - 1),
)
def test_they_are_those_of_pandas_and_empyrical_on_any_bars(history_of: HistoryOf, name: str, seed: int) -> None:
    pandas: Any = importlib.import_module("pandas")
    empyrical: Any = importlib.import_module("empyrical")
    days, per_year = COURSES[name]
    equities = list(1000 * np.cumprod(1 + np.random.default_rng(seed).normal(0.001, 0.02, len(days))))
    found = told(history_of(equities, days=at(days, equities)))
    series = pandas.Series([1000.0, *equities]).pct_change().iloc[1:]
    index = pandas.to_datetime([stamp(day) for day in days])
    years = (index[-1] - index[0]) / pandas.Timedelta(days=365.25)
    assert found["annual_volatility"] == pytest.approx(series.std() * math.sqrt(per_year))
    assert found["annual_return"] == pytest.approx((equities[-1] / 1000) ** (1 / years) - 1)
    assert found["sharpe"] == pytest.approx(empyrical.sharpe_ratio(series, annualization=per_year))
    if (series < 0).any():
        assert found["sortino"] == pytest.approx(empyrical.sortino_ratio(series, annualization=per_year))
    deepest = empyrical.max_drawdown(series) or 0.0
    assert found["max_drawdown_daily"] == pytest.approx(deepest)
    if deepest:
        assert found["calmar"] == pytest.approx((found["annual_return"] or 0.0) / -deepest)


def test_a_rate_of_long_before_is_no_time_under_water(history_of: HistoryOf) -> None:
    days = on(range(5), 3)
    long_before = Day(stamp(date(1999, 1, 1)), 1000.0, 1.0, quoted=False)
    history = history_of(
        [990.0, 980.0, 970.0],
        days=[long_before, *at(days, [990.0, 980.0, 970.0])],
        first_ts=long_before.ts,
    )
    assert told(history)["longest_drawdown"] == pytest.approx(2 + 16 / 24)


def test_short_histories_are_not_compounded_and_say_so(history_of: HistoryOf) -> None:
    for metric in Html().metrics(history_of([1010.0, 1000.0, 1050.0])):
        if metric.name in ("annual_return", "alpha"):
            assert metric.value is None
            assert "less than 30 days" in metric.convention
