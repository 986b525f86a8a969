import importlib
import math
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from intuition_report import Html

from intuition_core.contracts import Metric
from intuition_core.history import History, Slice, Trade

HistoryOf = Callable[..., History]


def values(history: History) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in Html().metrics(history)}


RATE = st.integers(-3_000, 4_000)
RETURNS = st.lists(st.tuples(RATE, RATE), min_size=3, max_size=60).map(lambda rows: np.array(rows) / 10_000)
"""Returns of days: the account's and the benchmark's."""


@pytest.fixture(scope="module")
def empyrical() -> Any:
    return importlib.import_module("empyrical")


def test_sharpe_is_the_textbooks(history_of: HistoryOf) -> None:
    # Returns of .011 and -.009 in turn have the mean .001; 2n of them the deviation .01 * sqrt(2n / (2n - 1)).
    n = 500
    rates = [0.011, -0.009] * n
    course = (1000 * np.cumprod(1 + np.array(rates))).tolist()
    spread = 0.01 * math.sqrt(2 * n / (2 * n - 1))
    sharpe = values(history_of(course))["sharpe"]
    assert sharpe == pytest.approx(0.001 / spread * math.sqrt(252), rel=1e-9)
    assert sharpe == pytest.approx(1.587, abs=1e-3)


def test_by_hand(history_of: HistoryOf) -> None:
    # 1000 → 1100 → 990 → 1089: returns .1, -.1, .1; the benchmark's .05, -.05, .05.
    course = [1100.0, 990.0, 1089.0]
    found = values(history_of(course, [1.05, 0.9975, 1.047375]))
    mean, spread = 0.1 / 3, math.sqrt(((0.1 - 0.1 / 3) ** 2 * 2 + (-0.1 - 0.1 / 3) ** 2) / 2)
    assert found["total_return"] == 0.089
    assert found["annual_return"] is None  # of three days it would be 128,900 %
    assert found["calmar"] is None
    assert found["alpha"] is None
    assert found["annual_volatility"] == pytest.approx(spread * math.sqrt(252))
    assert found["sharpe"] == pytest.approx(mean / spread * math.sqrt(252))
    assert found["sortino"] == pytest.approx(mean / math.sqrt(0.01 / 3) * math.sqrt(252))
    assert found["max_drawdown_daily"] == pytest.approx(-0.1)
    assert found["longest_drawdown"] == pytest.approx(2)  # from the first day to the end
    assert found["benchmark_return"] == pytest.approx(0.047375)
    assert found["benchmark_max_drawdown"] == pytest.approx(-0.05)
    assert found["beta"] == pytest.approx(2)
    assert found["tracking_error"] == pytest.approx(spread / 2 * math.sqrt(252))


def test_trades_by_hand(history_of: HistoryOf) -> None:
    def trade(side: str, price: str, profit: str | None) -> Trade:
        gain = None if profit is None else Decimal(profit)
        amount, commission = Decimal(price) * 2, Decimal("0.1")
        cash = amount + commission if side == "buy" else amount - commission
        return Trade(0, "GOOG", side, Decimal(2), Decimal(price), cash, commission, gain)

    trades = [
        trade("buy", "100", None),
        trade("sell", "110", "19.8"),
        trade("buy", "110", None),
        trade("sell", "105", "-10.2"),
        trade("buy", "105", None),
        trade("sell", "105", "0"),
    ]
    found = values(history_of([1000.0, 1000.0], trades=trades))
    assert found["trades"] == 3
    assert found["fills"] == 6
    assert found["win_rate"] == pytest.approx(1 / 3)
    assert found["profit_factor"] == pytest.approx(19.8 / 10.2)
    assert found["average_win"] == pytest.approx(19.8)
    assert found["average_loss"] == pytest.approx(-10.2)
    assert found["commission"] == 0.6
    # 1,270 bought and sold, half of it over an equity of 1,000 in 2 of 252 days
    assert found["turnover"] == pytest.approx(0.635 * 252 / 2)


def test_drawdown_sees_extremes_within_a_day_but_only_what_happened(history_of: HistoryOf) -> None:
    def drawdown(*rows: tuple[float, float, float]) -> float | None:
        slices = [Slice(n, low, high, close, 0.0, ()) for n, (low, high, close) in enumerate(rows)]
        return values(history_of([row[2] for row in rows], slices=slices))["max_drawdown"]

    assert drawdown((1000, 1200, 1200), (900, 1200, 1200)) == pytest.approx(-0.25)  # below the high of before
    assert drawdown((1000, 1200, 1080)) == pytest.approx(-0.1)  # a close is later than the high
    assert drawdown((900, 1200, 1200)) == pytest.approx(-0.1)  # the low may have come before the high
    assert drawdown((1000, 1100, 1100), (1100, 1200, 1200)) == 0


def test_exposure_is_the_mean_share_in_positions(history_of: HistoryOf) -> None:
    slices = [Slice(0, 1000, 1000, 1000, 0.0, ()), Slice(1, 1000, 1000, 1000, 500.0, ())]
    assert values(history_of([1000.0], slices=slices))["exposure"] == 0.25


def test_longest_drawdown_may_begin_with_what_was_put_in(history_of: HistoryOf) -> None:
    assert values(history_of([900.0, 950.0, 1000.0, 1200.0]))["longest_drawdown"] == 2
    assert values(history_of([1000.0, 1000.0, 1100.0]))["longest_drawdown"] == 0


def test_a_market_that_never_closes_has_a_year_of_365_and_it_is_told(history_of: HistoryOf) -> None:
    course = [1010.0, 1000.0, 1020.0, 1010.0, 1030.0, 1020.0]
    week, always = history_of(course), history_of(course, weekends=True)
    assert values(always)["annual_volatility"] == pytest.approx(
        (values(week)["annual_volatility"] or 0) * math.sqrt(365 / 252)
    )
    for history, periods in ((week, "252"), (always, "365")):
        told = [metric.convention for metric in Html().metrics(history) if metric.name.startswith(("annual", "sharpe"))]
        assert len(told) == 3
        assert all(periods in convention for convention in told)


def test_total_return_is_exact(history_of: HistoryOf) -> None:
    history = history_of([1000.0], deposits="3", equity=Decimal("3.3"))
    assert values(history)["total_return"] == 0.1  # in floats (3.3 - 3) / 3 is 0.0999…


@pytest.mark.parametrize("course", [[], [1010.0], [1000.0, 1000.0, 1000.0], [1010.0, 1020.1, 1030.301]])
def test_what_is_not_defined_has_no_value(history_of: HistoryOf, course: list[float]) -> None:
    found = values(history_of(course))
    assert found["sharpe"] is None
    assert found["sortino"] is None
    assert found["calmar"] is None
    assert found["beta"] is None
    assert found["alpha"] is None
    assert found["win_rate"] is None
    assert found["profit_factor"] is None


def test_an_account_that_owes_has_no_rates_of_return(history_of: HistoryOf) -> None:
    found = values(history_of([500.0, -100.0, 50.0]))
    assert found["sharpe"] is None
    assert found["annual_volatility"] is None
    assert found["total_return"] == -0.95
    assert found["max_drawdown_daily"] == pytest.approx(-1.1)


def test_a_return_beyond_all_numbers_has_no_value(history_of: HistoryOf) -> None:
    assert values(history_of([1e12]))["annual_return"] is None


@settings(max_examples=80, deadline=None)
@given(returns=RETURNS, weekends=st.booleans())
def test_they_are_empyricals(history_of: HistoryOf, empyrical: Any, returns: Any, weekends: bool) -> None:
    mine, other = returns.T
    assume(np.std(mine) > 1e-6)
    assume(np.std(other) > 1e-6)
    history = history_of(*grown(mine, other), weekends=weekends)
    found = values(history)
    periods = 365 if weekends and len(mine) > 5 else 252  # they begin on a Monday
    by_year = {"annualization": periods}
    compounds = history.days[-1].ts - history.days[0].ts >= 30 * 86_400 * 10**9
    if not compounds:
        assert found["annual_return"] is found["calmar"] is found["alpha"] is None
    assert_near(found["annual_volatility"], empyrical.annual_volatility(mine, **by_year))
    assert_near(found["sharpe"], empyrical.sharpe_ratio(mine, **by_year))
    assert_near(found["sortino"], empyrical.sortino_ratio(mine, **by_year))
    if compounds:
        assert_near(found["annual_return"], empyrical.annual_return(mine, **by_year))
        assert_near(found["calmar"], empyrical.calmar_ratio(mine, **by_year))
    assert_near(found["max_drawdown_daily"], empyrical.max_drawdown(mine) or 0.0)
    assert_near(found["beta"], empyrical.beta(mine, other))
    if (
        compounds and mine.mean() - (found["beta"] or 0.0) * other.mean() > -1
    ):  # else empyrical raises a negative number to a power
        with np.errstate(over="ignore"):
            assert_near(found["alpha"], empyrical.alpha(mine, other, **by_year), loose=1e-6)
    assert_near(found["benchmark_max_drawdown"], empyrical.max_drawdown(other) or 0.0)


@settings(max_examples=80, deadline=None)
@given(returns=RETURNS)
def test_they_are_numpys(history_of: HistoryOf, returns: Any) -> None:
    mine, other = returns.T
    equities, market = grown(mine, other)
    assume(np.std(mine) > 1e-6)
    assume(np.std(other) > 1e-6)
    found = values(history_of(equities, market))
    slope, height = np.polyfit(other, mine, 1)
    peaks = np.maximum.accumulate([1000.0, *equities])
    assert_near(found["sharpe"], mine.mean() / mine.std(ddof=1) * np.sqrt(252))
    assert_near(found["annual_volatility"], mine.std(ddof=1) * np.sqrt(252))
    assert_near(found["tracking_error"], (mine - other).std(ddof=1) * np.sqrt(252))
    assert_near(found["beta"], slope, loose=1e-6)
    assert_near(found["max_drawdown_daily"], (np.array([1000.0, *equities]) / peaks).min() - 1)
    assert found["max_drawdown"] == found["max_drawdown_daily"]
    if height > -1 and found["alpha"] is not None:
        with np.errstate(over="ignore"):
            assert_near(found["alpha"], (1 + height) ** 252 - 1, loose=1e-4)


def grown(mine: Any, other: Any) -> tuple[list[float], list[float]]:
    return (1000 * np.cumprod(1 + mine)).tolist(), np.cumprod(1 + other).tolist()


def assert_near(found: float | None, expected: float, *, loose: float = 1e-8) -> None:
    if math.isfinite(expected):
        assert found == pytest.approx(expected, rel=loose, abs=loose)
    else:
        assert found is None


def test_every_figure_has_its_name_its_unit_and_its_convention(sample: History, empty: History) -> None:
    for history in (sample, empty):
        metrics = list(Html().metrics(history))
        assert len({metric.name for metric in metrics}) == len(metrics)
        for metric in metrics:
            assert isinstance(metric, Metric)
            assert metric.unit in {"fraction", "ratio", "days", "count", "currency"}
            assert metric.convention
            assert metric.value is None or math.isfinite(metric.value)
    assert all(value is not None for value in values(sample).values())


def test_figures_alone_import_no_heavy_library() -> None:
    heavy = ("numpy", "pandas", "scipy", "jinja2")
    program = f"import sys, intuition_report; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
