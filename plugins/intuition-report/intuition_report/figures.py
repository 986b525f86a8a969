"""The figures of a run, each with the convention by which it was computed; what is not defined has no value.

They are computed with the standard library's `statistics`: importing empyrical or quantstats takes longer than a run
over a million events. The tests hold them against empyrical's.
"""

import math
from collections.abc import Sequence
from decimal import Decimal
from statistics import fmean, stdev

from intuition_core.contracts import Metric
from intuition_core.history import Day, History, Trade
from intuition_report.curves import deepest, drawdowns, longest_under_water
from intuition_report.returns import DAY, rate, rates
from intuition_report.sessions import Annualisation, annualisation, sessions

_ROUNDING = 1e-12
"""Returns that spread no more than this are equal but for rounding: a ratio over their spread would say nothing."""


def figures(history: History) -> dict[str, list[Metric]]:
    """Compute the figures by what they are about: return, risk, the benchmark, trades.

    Returns are those of sessions, days (UTC) with quotes, from the equity at their ends, the first on what was put in.
    How many of them make a year is found out from their days: see `annualisation`. Rates are fractions of one.
    """
    found = sessions(history.days)
    measured = annualisation(found)
    return {
        "Return": _returned(history, measured),
        "Risk": _risked(history, found, measured),
        "Against the benchmark": _compared(history, found, measured),
        "Trades": _traded(history, found, measured),
    }


def _returned(history: History, measured: Annualisation) -> list[Metric]:
    deposits, equity = history.deposits, history.equity
    total = (equity - deposits) / deposits if deposits > 0 else None
    exact = "equity over deposits, exact"
    return [
        Metric("total_return", "Total return", _number(total), "fraction", exact),
        Metric("annual_return", "Annualised return", _annual(total, measured), "fraction", _compounded(measured)),
        Metric("final_equity", "Equity at the end", _number(equity), "currency", "cash, and positions at their marks"),
        Metric("deposits", "Deposits", _number(deposits), "currency", "what was put in"),
    ]


def _risked(history: History, found: Sequence[Day], measured: Annualisation) -> list[Metric]:
    slices = history.slices
    root, scaled = math.sqrt(measured.per_year), f"scaled by √{measured.per_year:g}"
    start = float(history.deposits)
    returns = rates(start, (day.equity for day in found)) or []
    spread = _spread(returns)
    downside = math.sqrt(fmean(min(value, 0.0) ** 2 for value in returns)) if len(returns) > 1 else None
    by_day = deepest(drawdowns(start, ((day.equity,) * 3 for day in history.days)))
    by_slice = deepest(drawdowns(start, ((part.low, part.high, part.close) for part in slices)))
    annual = _annual(rate(start, found[-1].equity) if found else None, measured)
    under = longest_under_water(history)
    return [
        Metric(
            "annual_volatility",
            "Annualised volatility",
            _ratio(spread, 1 / root),
            "fraction",
            f"standard deviation of returns by session, ddof 1, {scaled}",
        ),
        Metric(
            "sharpe",
            "Sharpe ratio",
            _ratio(_mean(returns), spread, root),
            "ratio",
            f"mean over deviation of returns by session, ddof 1, risk-free 0, {scaled}",
        ),
        Metric(
            "sortino",
            "Sortino ratio",
            _ratio(_mean(returns), downside, root),
            "ratio",
            f"mean over downside deviation below 0, over all sessions, {scaled}",
        ),
        Metric(
            "calmar",
            "Calmar ratio",
            _ratio(annual, None if by_day is None else -by_day),
            "ratio",
            "annualised return over max drawdown of daily closes",
        ),
        Metric("max_drawdown", "Max drawdown", by_slice, "fraction", "from a high to a later low, within days too"),
        Metric("max_drawdown_daily", "Max drawdown, daily", by_day, "fraction", "of the equity at the ends of days"),
        Metric(
            "longest_drawdown",
            "Longest drawdown",
            None if under is None else under / DAY,
            "days",
            "calendar days below an earlier high, at the ends of days",
        ),
        Metric(
            "exposure",
            "Exposure",
            _exposure(history),
            "fraction",
            f"positions over equity, mean of {len(slices):,} points",
        ),
    ]


def _compared(history: History, found: Sequence[Day], measured: Annualisation) -> list[Metric]:
    per_year = measured.per_year
    mine = rates(float(history.deposits), (day.equity for day in found)) or []
    other = rates(1.0, (day.benchmark for day in found)) or []
    both = len(mine) == len(other) and len(mine) > 1
    active = [one - two for one, two in zip(mine, other, strict=True)] if both else []
    alpha = beta = None
    if both and _spread(other) is not None:
        beta, alpha = _line(other, mine)
    tracking = stdev(active) if active else None
    total = rate(1.0, history.days[-1].benchmark) if history.days else None
    worst = deepest(drawdowns(1.0, ((day.benchmark,) * 3 for day in history.days)))
    holding = f"{history.benchmark}; with splits and dividends, in the account's currency"
    return [
        Metric("benchmark_return", "Benchmark's total return", total, "fraction", holding),
        Metric(
            "benchmark_max_drawdown",
            "Benchmark's max drawdown",
            worst,
            "fraction",
            "of the benchmark at the ends of days",
        ),
        Metric("beta", "Beta", beta, "ratio", "slope of returns by session on the benchmark's, least squares"),
        Metric(
            "alpha",
            "Alpha",
            _compound(alpha, per_year) if measured.compounds else None,
            "fraction",
            f"intercept of that line, compounded over {per_year:g} sessions, risk-free 0{_too_short(measured)}",
        ),
        Metric(
            "tracking_error",
            "Tracking error",
            None if tracking is None else tracking * math.sqrt(per_year),
            "fraction",
            f"deviation of returns by session from the benchmark's, ddof 1, scaled by √{per_year:g}",
        ),
    ]


def _traded(history: History, found: Sequence[Day], measured: Annualisation) -> list[Metric]:
    profits = [trade.profit for trade in history.trades if trade.profit is not None]
    won = [profit for profit in profits if profit > 0]
    lost = [profit for profit in profits if profit < 0]
    traded = sum(map(_moved, history.trades), Decimal(0))
    commission = sum((trade.commission for trade in history.trades), Decimal(0))
    equity = _mean([day.equity for day in found])
    return [
        Metric("trades", "Trades", len(profits), "count", "fills that close a position or a part of one"),
        Metric(
            "win_rate",
            "Win rate",
            _share(Decimal(len(won)), Decimal(len(profits))),
            "fraction",
            "trades with a profit",
        ),
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
            _ratio(float(traded) / 2, equity, 1 / measured.years if measured.years else 0.0),
            "fraction",
            f"half of all buys and sells, commission off, a year ({measured.told}), over mean equity at the ends of "
            "sessions",
        ),
    ]


def _moved(trade: Trade) -> Decimal:
    """Return the value of a trade without its costs, in the account's currency."""
    return abs(trade.cash - trade.commission if trade.side == "buy" else trade.cash + trade.commission)


def _number(value: Decimal | None) -> float | None:
    return None if value is None else _finite(float(value))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _mean(values: Sequence[float]) -> float | None:
    return fmean(values) if len(values) > 1 else None


def _spread(values: Sequence[float]) -> float | None:
    """Return the sample standard deviation (ddof 1); None where it is not defined, or rounding alone."""
    spread = stdev(values) if len(values) > 1 else 0.0
    return spread if spread > _ROUNDING else None


def _line(along: Sequence[float], values: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the slope and the intercept by least squares; None where ``along`` has no variance.

    Not by `statistics`, whose last digits differ between Pythons.
    """
    centre, middle = fmean(along), fmean(values)
    apart = [each - centre for each in along]
    squares = math.fsum(each * each for each in apart)
    if not squares:
        return None, None
    slope = math.fsum(one * (two - middle) for one, two in zip(apart, values, strict=True)) / squares
    return slope, middle - slope * centre


def _ratio(over: float | None, under: float | None, times: float = 1.0) -> float | None:
    """Divide, and multiply; None where a part is missing or the divisor is not above zero."""
    if over is None or under is None or under <= _ROUNDING:
        return None
    return _finite(over / under * times)


def _share(over: Decimal, under: Decimal) -> float | None:
    return float(over / under) if under else None


def _average(values: Sequence[Decimal]) -> float | None:
    return _share(sum(values, Decimal(0)), Decimal(len(values)))


def _annual(total: Decimal | float | None, measured: Annualisation) -> float | None:
    """Return a total return as compound annual return; None where the time measured is too short for it."""
    return _compound(total, 1 / measured.years) if measured.compounds else None


def _compound(value: Decimal | float | None, times: float) -> float | None:
    """Return a return compounded so many times; None where the result is not defined, or beyond all floats."""
    if value is None or value < -1:
        return None
    try:
        return _finite(float(1 + value) ** times - 1)
    except OverflowError:
        return None


def _compounded(measured: Annualisation) -> str:
    return f"compounded, {measured.told}{_too_short(measured)}"


def _too_short(measured: Annualisation) -> str:
    return "" if measured.compounds else "; undefined in less than 30 days"


def _exposure(history: History) -> float | None:
    shares = [part.invested / part.close for part in history.slices if part.close > 0]
    return fmean(shares) if shares and len(shares) == len(history.slices) else None
