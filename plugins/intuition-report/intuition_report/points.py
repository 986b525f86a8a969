"""The data of the charts: columns of numbers, one row for each point in time."""

import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from intuition_core.history import History, Slice, Trade
from intuition_report.curves import drawdowns
from intuition_report.returns import DAY, NANOSECONDS

MAX_SYMBOLS = 12
"""The number of symbols with a chart of their own: those traded most."""
MAX_MARKS = 512
"""In how many places a chart marks trades."""

_HOUR = 3_600 * NANOSECONDS


def points(history: History) -> dict[str, Any]:
    """Return the columns of the charts: seconds UTC, equity, the benchmark with the same deposits, trades by symbol.

    A share is a fraction of one. None stands where there is nothing to draw.
    """
    slices = _apart(history.slices)
    ends = [part.ts for part in slices]
    start = float(history.deposits)
    falls = drawdowns(start, ((part.low, part.high, part.close) for part in slices))
    benchmark = [part.benchmark for part in slices]
    for day in history.days:
        n = bisect_left(ends, day.ts)
        if n < len(slices) and benchmark[n] is None:
            benchmark[n] = day.benchmark
    return {
        "intraday": _often(ends),
        "time": [_seconds(part.ts, _unit(ends)) for part in slices],
        "equity": [_short(part.close) for part in slices],
        "low": [_short(part.low) for part in slices],
        "high": [_short(part.high) for part in slices],
        "drawdown": [_short(fall, 4) for fall in falls],
        "exposure": [_short(part.invested / part.close, 4) if part.close > 0 else None for part in slices],
        "benchmark": [None if value is None else _short(value * start) for value in benchmark],
        "symbols": _symbols(history, slices, ends),
    }


def charted(history: History) -> list[str]:
    """Return the symbols that have a chart, those traded most first; at most `MAX_SYMBOLS`."""
    traded = Counter(trade.sid for trade in history.trades)
    return sorted(history.priced, key=lambda sid: -traded[sid])[:MAX_SYMBOLS]


def _symbols(history: History, slices: Sequence[Slice], ends: Sequence[int]) -> list[dict[str, Any]]:
    shown = charted(history)
    traded: dict[str, list[Trade]] = {sid: [] for sid in shown}
    for trade in history.trades:
        if trade.sid in traded:
            traded[trade.sid].append(trade)
    return [
        {
            "sid": sid,
            "price": [_short(part.marks[column], 7) if column < len(part.marks) else None for part in slices],
            "trades": _marks(traded[sid], ends),
        }
        for sid, column in ((sid, list(history.priced).index(sid)) for sid in shown)
    ]


def _marks(trades: Sequence[Trade], ends: Sequence[int]) -> dict[str, list[Any]]:
    """Put trades together that a chart cannot show apart: those of one side in so many neighbouring points."""
    at = [min(bisect_left(ends, trade.ts), len(ends) - 1) for trade in trades] if ends else []
    together = 1
    while len({n // together for n in at}) > MAX_MARKS:
        together *= 2
    marks: dict[tuple[int, str], list[Trade]] = defaultdict(list)
    last: dict[int, int] = {}
    for n, trade in zip(at, trades, strict=False):
        marks[n // together, trade.side].append(trade)
        last[n // together] = n
    rows = sorted(marks.items())
    return {
        "at": [last[n] for (n, _), _ in rows],
        "side": [side for (_, side), _ in rows],
        "count": [len(group) for _, group in rows],
        "quantity": [_short(float(sum(trade.quantity for trade in group))) for _, group in rows],
        "price": [_short(_mean_price(group), 7) for _, group in rows],
    }


def _mean_price(trades: Sequence[Trade]) -> float | None:
    quantity = sum(trade.quantity for trade in trades)
    return float(sum(trade.quantity * trade.price for trade in trades) / quantity) if quantity else None


def _apart(slices: Iterable[Slice]) -> list[Slice]:
    """Make one slice of those that end at the same point in time: a chart has one value a point."""
    kept: list[Slice] = []
    unit = _unit([part.ts for part in slices])
    for part in slices:
        if kept and kept[-1].ts // unit == part.ts // unit:
            before = kept.pop()
            part = part._replace(low=min(before.low, part.low), high=max(before.high, part.high))
        kept.append(part)
    return kept


def _unit(ends: Sequence[int]) -> int:
    """Return the resolution of the charts in nanoseconds: a second, or a microsecond within an hour."""
    return NANOSECONDS if not ends or ends[-1] - ends[0] > _HOUR else 1_000


def _seconds(ts: int, unit: int) -> float:
    return ts // unit if unit == NANOSECONDS else ts // unit / 1_000_000


def _often(ends: Sequence[int]) -> bool:
    """Tell whether the time of day matters: whether points are, on the whole, closer than half a day."""
    return len(ends) > 1 and (ends[-1] - ends[0]) / (len(ends) - 1) < DAY / 2


def _short(value: float | None, digits: int = 8) -> float | None:
    """Keep no more digits than a screen can show."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{digits}g}")
