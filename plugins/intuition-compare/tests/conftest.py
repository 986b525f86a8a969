"""What the tests of ``intuition compare`` share: runs of commands, processes, recorded prices, made-up histories."""

import importlib.util
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from intuition_compare.runs import Run, run_of

from intuition_core.history import Day, History, Slice

ROOT = Path(__file__).parents[3]


def _load(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_backtests = _load("backtests", ROOT / "tests" / "backtest" / "conftest.py")
run = _backtests.run
start = _backtests.start
intuition = _backtests.intuition
serve = _backtests.serve
shipped = _backtests.shipped
_elsewhere = _backtests._elsewhere
browser = _load("reports", ROOT / "plugins" / "intuition-report" / "tests" / "conftest.py").browser

DAY = 86_400 * 1_000_000_000
MONDAY = 1_704_124_800 * 1_000_000_000  # 2024-01-01, 16:00 UTC


@pytest.fixture(scope="session")
def run_from() -> Callable[..., Run]:
    """Make what a variant came to from the returns of its days, Mondays to Fridays."""

    def make(name: str, returns: Sequence[float], *, deposits: float = 10_000.0) -> Run:
        equity = deposits
        days = []
        for n, rate in enumerate(returns):
            equity *= 1 + rate
            days.append(Day(MONDAY + (n + n // 5 * 2) * DAY, equity, 1.0))
        history = History(
            title=name,
            composition={},
            source="made up",
            events=len(days),
            first_ts=days[0].ts if days else None,
            last_ts=days[-1].ts if days else None,
            deposits=Decimal(str(deposits)),
            equity=Decimal(str(equity)),
            slices=[Slice(day.ts, day.equity, day.equity, day.equity, 0.0, ()) for day in days],
            days=days,
            priced=(),
            benchmark="cash",
            trades=(),
            counts={"fill": 3},
            statement={"equity": str(equity), "cash": str(equity), "positions": {}},
            complete=True,
        )
        return run_of(name, history, "0" * 64)

    return make


@pytest.fixture
def compare(run: Any) -> Callable[..., Any]:
    """Run ``intuition compare``."""
    return lambda *arguments: run("compare", *arguments)
