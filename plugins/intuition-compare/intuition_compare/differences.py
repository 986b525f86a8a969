"""By how much a variant differs from another, and how sure that is: intervals from a block bootstrap of paired days.

Both variants saw the same days, so whole days are drawn, with the returns of both: what the market did to both alike
does not widen the interval. Neighbouring days are drawn together, in blocks, since returns and their spread persist.
"""

import math
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from intuition_report.returns import rates
from intuition_report.sessions import annualisation, sessions

from intuition_compare.runs import Run
from intuition_core.history import History

LEVEL: Final = 0.95
REPLICATIONS: Final = 2000
MIN_DAYS: Final = 30
"""Days below which nothing is said: neither the length of blocks nor the ends of an interval could be told."""

MIN_BLOCKS: Final = 5
"""Blocks below which nothing is said: the days hang together so much that there are few to draw from."""

METHOD: Final = "stationary block bootstrap of paired returns by session, percentile interval"

_ROUNDING: Final = 1e-12
"""Returns that spread no more than this are equal but for rounding."""


class Interval(NamedTuple):
    """The difference in one figure: the variant's less the other's, and the interval around it."""

    name: str
    label: str
    value: float
    low: float
    high: float
    unit: str
    """``fraction`` (of one, shown in per cent) or ``ratio``."""
    convention: str


class Difference(NamedTuple):
    """The difference of a variant to the first one."""

    variant: str
    to: str
    days: int
    """On how many days both returned something."""
    level: float
    replications: int
    block_length: int | None
    """Expected number of days drawn together; None where nothing was drawn."""
    intervals: tuple[Interval, ...]
    undefined: str | None
    """Why there is no interval; None where there is."""


def difference(
    first: Run,
    other: Run,
    *,
    level: float = LEVEL,
    replications: int = REPLICATIONS,
    seed: int = 0,
    open_day: bool = False,
) -> Difference:
    """Hold a variant against the first.

    The intervals are those of Politis and Romano's stationary bootstrap (1994), blocks as long as Politis and White's
    rule finds best for the mean of the paired differences (2004, corrected 2009), as `arch` has them.

    Args:
        first: what is compared with.
        other: the variant, run on the same events.
        level: how much of the time such an interval is to hold the true difference.
        replications: how often the days are drawn anew.
        seed: of the draws.
        open_day: whether the last day goes on still, so that it does not count yet.
    """
    one, two = _returns(first.history, open_day=open_day), _returns(other.history, open_day=open_day)
    block: int | None = None
    intervals: tuple[Interval, ...] = ()
    undefined = _why_not(one, two)
    if undefined is None:
        block = _block_length(one, two)
        if len(one) < MIN_BLOCKS * block:
            undefined = (
                f"{len(one)} days of returns, which are best drawn {block} at a time, and an interval takes "
                f"{MIN_BLOCKS} times as many"
            )
        else:
            per_year = annualisation(sessions(first.history.days)).per_year
            intervals = _drawn(one, two, per_year, block, level=level, replications=replications, seed=seed)
    return Difference(
        variant=other.name,
        to=first.name,
        days=len(one),
        level=level,
        replications=replications,
        block_length=block,
        intervals=intervals,
        undefined=undefined,
    )


def _returns(history: History, *, open_day: bool) -> list[float]:
    """Return the returns by session, the first one on the deposits; nan for all where one is not defined."""
    days = sessions(history.days[:-1] if open_day else history.days)
    found = rates(float(history.deposits), (day.equity for day in days))
    return found if found is not None else [math.nan] * len(days)


def _why_not(one: Sequence[float], two: Sequence[float]) -> str | None:
    """Return the reason why there is no interval; None where there is one."""
    if len(one) < MIN_DAYS:
        return f"{len(one)} days of returns, and an interval takes {MIN_DAYS}"
    active = [mine - theirs for mine, theirs in zip(two, one, strict=True)]
    if not all(map(math.isfinite, active)):
        return "an account was at or below zero, where returns are not defined"
    if max(active) - min(active) <= _ROUNDING:
        return "the returns are the same on every day"
    return None


def _block_length(one: Sequence[float], two: Sequence[float]) -> int:
    """Return the optimal block length of the stationary bootstrap, in days (Politis and White 2004)."""
    import numpy as np
    from arch.bootstrap import optimal_block_length

    best = float(optimal_block_length(np.subtract(two, one))["stationary"].iloc[0])
    return max(1, math.ceil(best)) if math.isfinite(best) else 1


def _drawn(
    one: Sequence[float],
    two: Sequence[float],
    per_year: float,
    block: int,
    *,
    level: float,
    replications: int,
    seed: int,
) -> tuple[Interval, ...]:
    """Draw the days anew, and give the intervals that are defined."""
    import numpy as np
    from arch.bootstrap import StationaryBootstrap

    pairs = np.column_stack([one, two])
    root = math.sqrt(per_year)

    def figures(drawn: Any) -> Any:
        mean, spread = drawn.mean(axis=0), drawn.std(axis=0, ddof=1)
        sharpe = np.divide(mean, spread, out=np.full(2, np.nan), where=spread > _ROUNDING)
        return np.array([mean[1] - mean[0], spread[1] - spread[0], sharpe[1] - sharpe[0]]) * (per_year, root, root)

    drawn = StationaryBootstrap(block, pairs, seed=np.random.default_rng(abs(seed))).apply(figures, replications)
    tail = (1 - level) / 2
    intervals = []
    for column, (name, label, unit, convention) in enumerate(_STATISTICS):
        value, found = float(figures(pairs)[column]), drawn[:, column]
        if math.isfinite(value) and np.isfinite(found).all():  # or some drawn days have no spread, and no Sharpe ratio
            low, high = map(float, np.quantile(found, (tail, 1 - tail)))
            intervals.append(Interval(name, label, value, low, high, unit, convention.format(per_year=per_year)))
    return tuple(intervals)


_STATISTICS: Final = (
    ("mean_return", "Mean return", "fraction", "mean of returns by session times {per_year:g}, not compounded"),
    (
        "annual_volatility",
        "Annualised volatility",
        "fraction",
        "deviation of returns by session, ddof 1, scaled by √{per_year:g}",
    ),
    (
        "sharpe",
        "Sharpe ratio",
        "ratio",
        "mean over deviation of returns by session, ddof 1, risk-free 0, scaled by √{per_year:g}",
    ),
)
"""The statistics that are compared: name, label, unit, convention."""
