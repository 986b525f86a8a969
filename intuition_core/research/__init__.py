"""Runs over recorded events as programs in Python have them: `run_backtest`, and the result."""

from typing import TYPE_CHECKING, Final

from intuition_core.system.lazy import finder

if TYPE_CHECKING:
    from intuition_core.research.call import run_backtest as run_backtest
    from intuition_core.research.columns import Table as Table
    from intuition_core.research.comparison import Comparison as Comparison
    from intuition_core.research.errors import BadArgument as BadArgument
    from intuition_core.research.errors import CannotWrite as CannotWrite
    from intuition_core.research.errors import MissingExtra as MissingExtra
    from intuition_core.research.errors import NoPart as NoPart
    from intuition_core.research.errors import NotKept as NotKept
    from intuition_core.research.errors import UnreadableRun as UnreadableRun
    from intuition_core.research.run import Metrics as Metrics
    from intuition_core.research.run import Run as Run
    from intuition_core.research.stored import load_run as load_run
else:
    PLACES: Final = {
        "BadArgument": "research.errors",
        "CannotWrite": "research.errors",
        "Comparison": "research.comparison",
        "Metrics": "research.run",
        "MissingExtra": "research.errors",
        "NoPart": "research.errors",
        "NotKept": "research.errors",
        "Run": "research.run",
        "Table": "research.columns",
        "UnreadableRun": "research.errors",
        "load_run": "research.stored",
        "run_backtest": "research.call",
    }
    __all__ = list(PLACES)
    __getattr__ = finder(__name__, PLACES)
