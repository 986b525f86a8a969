"""The figures of a run, each with the convention by which it was computed; what is not defined has no value.

They are computed with the standard library's `statistics`: importing empyrical or quantstats takes longer than a run
over a million events. The tests hold them against empyrical's.
"""

import math
from collections.abc import Sequence
from decimal import Decimal
from statistics import StatisticsError, fmean, linear_regression, stdev

from intuition_core.contracts import Metric
from intuition_core.history import History
from intuition_report.curves import deepest, drawdowns, longest_under_water
from intuition_report.returns import NANOSECONDS, periods_per_year, rate, rates

_DAY = 86_400 * NANOSECONDS
_ROUNDING = 1e-12
"""Returns that spread no more than this are equal but for rounding: a ratio over their spread would say nothing."""


def figures(history: History) -> dict[str, list[Metric]]:
    """Compute the figures by what they are about: return, risk, the benchmark, trades.

    The returns of days are those of the equity at the end of each day (UTC) that had events, the first on what was put
    in. Rates are fractions of one.
    """
    return {
        "Return": _returned(history),
        "Risk": _risked(history),
        "Against the benchmark": _compared(history),
        "Trades": _traded(history),
    }


def _returned(history: History) -> list[Metric]:
    deposits, equity = history.deposits, history.equity
    total = (equity - deposits) / deposits if deposits > 0 else None
    periods, days = periods_per_year(history.days), len(history.days)
    exact = "equity over deposits, exact"
    year = f"compounded, {days:,} days at {periods} a year"
    return [
        Metric("total_return", "Total return", _number(total), "%", exact),
        Metric("annual_return", "Annualised return", _annual(total, days / periods), "%", year),
        Metric("final_equity", "Equity at the end", _number(equity), "currency", "cash, and positions at their marks"),
        Metric("deposits", "Deposits", _number(deposits), "currency", "what was put in"),
    ]


def _risked(history: History) -> list[Metric]:
    days, slices = history.days, history.slices
    periods = periods_per_year(days)
    root = math.sqrt(periods)
    start = float(history.deposits)
    daily = rates(start, (day.equity for day in days)) or []
    spread = _spread(daily)
    downside = math.sqrt(fmean(min(value, 0.0) ** 2 for value in daily)) if len(daily) > 1 else None
    by_day = deepest(drawdowns(start, ((day.equity,) * 3 for day in days)))
    by_slice = deepest(drawdowns(start, ((part.low, part.high, part.close) for part in slices)))
    annual = _annual(rate(start, days[-1].equity) if days else None, len(days) / periods)
    under = longest_under_water(history)
    year = f"{periods} days a year"
    return [
        Metric(
            "annual_volatility",
            "Annualised volatility",
            _ratio(spread, 1 / root),
            "%",
            f"standard deviation of daily returns, ddof 1, scaled by √{periods}",
        ),
        Metric(
            "sharpe",
            "Sharpe ratio",
            _ratio(_mean(daily), spread, root),
            "ratio",
            f"mean over deviation of daily returns, ddof 1, risk-free 0, scaled by √{periods}",
        ),
        Metric(
            "sortino",
            "Sortino ratio",
            _ratio(_mean(daily), downside, root),
            "ratio",
            f"mean over downside deviation below 0, over all days, scaled by √{periods}",
        ),
        Metric(
            "calmar",
            "Calmar ratio",
            _ratio(annual, None if by_day is None else -by_day),
            "ratio",
            f"annualised return over max drawdown of daily closes, {year}",
        ),
        Metric("max_drawdown", "Max drawdown", by_slice, "%", "from a high to a later low, within days too"),
        Metric("max_drawdown_daily", "Max drawdown, daily", by_day, "%", "of the equity at the ends of days"),
        Metric(
            "longest_drawdown",
            "Longest drawdown",
            None if under is None else under / _DAY,
            "days",
            "calendar days below an earlier high, at the ends of days",
        ),
        Metric(
            "exposure", "Exposure", _exposure(history), "%", f"positions over equity, mean of {len(slices):,} points"
        ),
    ]


def _compared(history: History) -> list[Metric]:
    days = history.days
    periods = periods_per_year(days)
    mine = rates(float(history.deposits), (day.equity for day in days)) or []
    other = rates(1.0, (day.benchmark for day in days)) or []
    both = len(mine) == len(other) and len(mine) > 1
    active = [one - two for one, two in zip(mine, other, strict=True)] if both else []
    alpha = beta = None
    if both and _spread(other) is not None:
        try:
            beta, alpha = linear_regression(other, mine)
        except StatisticsError:  # no spread that could be squared
            alpha = beta = None
    tracking = stdev(active) if active else None
    total = rate(1.0, days[-1].benchmark) if days else None
    worst = deepest(drawdowns(1.0, ((day.benchmark,) * 3 for day in days)))
    root = math.sqrt(periods)
    return [
        Metric("benchmark_return", "Benchmark's total return", total, "%", history.benchmark),
        Metric(
            "benchmark_max_drawdown", "Benchmark's max drawdown", worst, "%", "of the benchmark at the ends of days"
        ),
        Metric("beta", "Beta", beta, "ratio", "slope of daily returns on the benchmark's, least squares"),
        Metric(
            "alpha",
            "Alpha",
            None if alpha is None else _annual(alpha, 1 / periods),
            "%",
            f"intercept of that line, compounded over {periods} days, risk-free 0",
        ),
        Metric(
            "tracking_error",
            "Tracking error",
            None if tracking is None else tracking * root,
            "%",
            f"deviation of daily returns from the benchmark's, ddof 1, scaled by √{periods}",
        ),
    ]


def _traded(history: History) -> list[Metric]:
    profits = [trade.profit for trade in history.trades if trade.profit is not None]
    won = [profit for profit in profits if profit > 0]
    lost = [profit for profit in profits if profit < 0]
    traded = sum((trade.quantity * trade.price for trade in history.trades), Decimal(0))
    commission = sum((trade.commission for trade in history.trades), Decimal(0))
    years = len(history.days) / periods_per_year(history.days)
    equity = _mean([day.equity for day in history.days])
    return [
        Metric("trades", "Trades", len(profits), "count", "fills that close a position or a part of one"),
        Metric("win_rate", "Win rate", _share(Decimal(len(won)), Decimal(len(profits))), "%", "trades with a profit"),
        Metric(
            "profit_factor",
            "Profit factor",
            _share(sum(won, Decimal(0)), -sum(lost, Decimal(0))),
            "ratio",
            "sum of profits over sum of losses",
        ),
        Metric("average_win", "Average win", _average(won), "currency", "profit of a winning trade, commission off"),
        Metric("average_loss", "Average loss", _average(lost), "currency", "loss of a losing trade, commission off"),
        Metric("fills", "Fills", len(history.trades), "count", "buys and sells"),
        Metric("commission", "Commission paid", _number(commission), "currency", "of all fills, exact"),
        Metric(
            "turnover",
            "Turnover",
            _ratio(float(traded) / 2, equity, 1 / years if years else 0.0),
            "%",
            "half of all buys and sells, a year, over mean equity at the ends of days",
        ),
    ]


def _number(value: Decimal | None) -> float | None:
    return None if value is None else _finite(float(value))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if len(values) > 1 else None


def _spread(values: Sequence[float]) -> float | None:
    """Give the sample's standard deviation; None where there is none, or it is but rounding."""
    spread = stdev(values) if len(values) > 1 else 0.0
    return spread if spread > _ROUNDING else None


def _ratio(over: float | None, under: float | None, times: float = 1.0) -> float | None:
    """Divide, and multiply; None where a part is missing or the divisor is not above zero."""
    if over is None or under is None or under <= _ROUNDING:
        return None
    return _finite(over / under * times)


def _share(over: Decimal, under: Decimal) -> float | None:
    return float(over / under) if under else None


def _average(values: Sequence[Decimal]) -> float | None:
    return _share(sum(values, Decimal(0)), Decimal(len(values)))


def _annual(total: Decimal | float | None, years: float) -> float | None:
    """Give what a return over some years comes to in one; None where that is not defined, or beyond all numbers."""
    if total is None or total < -1 or not years:
        return None
    try:
        return _finite(float(1 + total) ** (1 / years) - 1)
    except OverflowError:
        return None


def _exposure(history: History) -> float | None:
    shares = [part.invested / part.close for part in history.slices if part.close > 0]
    return fmean(shares) if shares and len(shares) == len(history.slices) else None
