import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intuition_report.returns import rates, years

from intuition_core.history import History

HistoryOf = Callable[..., History]

AMOUNT = st.floats(min_value=1.0, max_value=1e6)


def test_months_and_years_by_hand(history_of: HistoryOf) -> None:
    # Sessions from Thursday 28 December 2023 to Tuesday 2 January 2024
    first = 1_703_779_200 * 1_000_000_000
    history = history_of([1100.0, 1210.0, 1089.0, 1200.0], [1.1, 1.2, 1.3, 1.5], first=first)
    before, after = years(history)
    assert (before.year, after.year) == (2023, 2024)
    assert before.months[:11] == (None,) * 11
    assert before.months[11] == before.rate == pytest.approx(0.21)
    assert before.benchmark == pytest.approx(0.2)
    assert after.months[0] == after.rate == pytest.approx(1200 / 1210 - 1)
    assert after.months[1:] == (None,) * 11
    assert after.benchmark == pytest.approx(0.25)


@settings(max_examples=60, deadline=None)
@given(equities=st.lists(AMOUNT, min_size=1, max_size=400))
def test_months_make_years_and_years_make_the_whole(history_of: HistoryOf, equities: list[float]) -> None:
    table = years(history_of(equities, deposits="250"))
    for year in table:
        assert year.rate is not None
        assert math.prod(1 + rate for rate in year.months if rate is not None) == pytest.approx(1 + year.rate)
    assert math.prod(1 + (year.rate or 0.0) for year in table) == pytest.approx(equities[-1] / 250)


def test_no_days_no_years(history_of: HistoryOf) -> None:
    assert years(history_of([])) == []


@given(values=st.lists(AMOUNT, max_size=20))
def test_rates_grow_back_to_the_values(values: list[float]) -> None:
    found = rates(100.0, values)
    assert found is not None
    grown = [100 * math.prod(1 + rate for rate in found[: n + 1]) for n in range(len(found))]
    assert grown == pytest.approx(values)


@pytest.mark.parametrize("values", [[0.0, 1.0], [-5.0, 1.0], [1.0, 0.0, 1.0]])
def test_nothing_returns_on_nothing(values: list[float]) -> None:
    assert rates(1.0, values) is None


def test_nothing_left_at_the_end_is_a_return(history_of: HistoryOf) -> None:
    assert rates(1.0, [0.0]) == [-1.0]
