"""The uninterrupted run: the same parts in this process, fed what was published."""

import importlib.util
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from intuition_core.account.statement import Statement
from intuition_core.data import normalise
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine

NUMBERED: Final = Path(__file__).parent / "numbered"
"""A folder with a distribution: on PYTHONPATH, its parts are installed."""

CASH: Final = 100_000_000


@cache
def parts() -> ModuleType:
    """Import the parts that the distribution installs."""
    spec = importlib.util.spec_from_file_location("intuition_numbered", NUMBERED / "intuition_numbered.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def composition(*, saved: bool = True) -> Composition:
    """Give the recipe; the parts save their state or they do not."""
    module = parts()
    algorithm, portfolio = ("SavedNumbered", "SavedCounted") if saved else ("Numbered", "Counted")
    line = Sleeve(
        algorithm=Part(kind="algorithm", name="numbered", factory=getattr(module, algorithm), params={}),
        portfolio=Part(kind="portfolio", name="counted", factory=getattr(module, portfolio), params={}),
    )
    return Composition(sleeves=(line,), seed=7, cash=Decimal(CASH))


def account(events: Iterable[Any]) -> dict[str, Any]:
    """Give the account after an uninterrupted run over events as they were published."""
    engine = TradingEngine(composition(), run="reference")
    moments = count(1)
    for event in events:
        for data in normalise(event, now=lambda: next(moments)):
            engine.step(data)
    return Statement.of(engine.ledger, engine.seq).to_json()
