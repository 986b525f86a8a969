"""Daily bars, and datasets and files of them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from intuition_core.sources.datasets.adding import Addition, add
from intuition_core.sources.datasets.index import Added

DAY = 86_400 * 10**9
JANUARY = int(datetime(2024, 1, 2, tzinfo=UTC).timestamp()) * 10**9
"""Midnight of 2 January 2024, in nanoseconds UTC."""


def bar(day: int, close: float = 100.0, sid: str = "A", **more: Any) -> dict[str, Any]:
    """Return the bar of a whole day, counted from 2 January 2024."""
    start = JANUARY + day * DAY
    return {
        "channel": "quotes",
        "sid": sid,
        "quote": close,
        "ts": start + DAY - 1,
        "start": start,
        "open": close,
        "high": close + 1,
        "low": close - 1,
        "close": close,
        "volume": 1000,
        **more,
    }


def added(folder: Path, *batches: Sequence[dict[str, Any]], **options: Any) -> Addition:
    """Add events to the dataset in a folder."""
    return add(folder, map(list, batches), lambda: Added(source="test", data="test"), **options)


def write_csv(path: Path, days: int, *, price: Callable[[int], float] = lambda day: 100.0 + day) -> Path:
    """Write a file of daily bars, which begins on 2 January 2024."""
    begin = datetime(2024, 1, 2, tzinfo=UTC)
    rows = []
    for day in range(days):
        close = price(day)
        rows.append(f"{begin + timedelta(days=day):%Y-%m-%d},{close},{close + 1},{close - 1},{close},{1000 + day}")
    path.write_text("Date,Open,High,Low,Close,Volume\n" + "\n".join(rows) + "\n")
    return path
