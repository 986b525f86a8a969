"""Variants at work on the same events, and what each came to."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from intuition_report import Html

from intuition_compare.variants import Variant
from intuition_core.backtest.run import Backtest
from intuition_core.cli.channels import check_channels
from intuition_core.cli.failures import Failures
from intuition_core.cli.monitor import Monitor
from intuition_core.contracts import Data, Metric
from intuition_core.errors import IntuitionError
from intuition_core.history import History
from intuition_core.plugins.catalogue import Catalogue
from intuition_core.trading.engine import TradingEngine

FIGURES: Final = ("total_return", "annual_volatility", "sharpe", "max_drawdown")
"""The figures of the report that a comparison shows."""


class Run(NamedTuple):
    """What one variant came to."""

    name: str
    history: History
    sha256: str
    """The hash of its decisions, as every other command gives it."""
    metrics: Mapping[str, Metric]


def run_of(name: str, history: History, sha256: str) -> Run:
    """Give what a variant came to, with its figures: those of the report, each with its convention."""
    metrics = {metric.name: metric for metric in Html().metrics(history)}
    return Run(name, history, sha256, {key: metrics[key] for key in FIGURES})


class Backtests:
    """Variants that take the same recorded events, side by side.

    Raises:
        PartFailed: a part cannot be made or initialised.
    """

    def __init__(
        self,
        variants: Sequence[Variant],
        *,
        monitor: Monitor | None = None,
        failures: Failures | None = None,
        catalogue: Catalogue | None = None,
    ) -> None:
        listen = failures.listening(None) if failures is not None else None
        self._monitor = monitor if monitor is not None else Monitor()
        self._runs = [(each.name, self._begun(each, listen)) for each in variants]
        for _, backtest in self._runs:
            if catalogue is not None:
                check_channels(backtest.engine, catalogue)
        self.events = 0

    def _begun(self, variant: Variant, listen: Callable[[Sequence[Mapping[str, Any]]], None] | None) -> Backtest:
        with self._monitor.starting(variant.composition):
            return Backtest(variant.composition, listen=listen, engine=self._monitor.maker(TradingEngine))

    def take(self, events: Sequence[Data], *, part: float | None = None) -> None:
        """Let every variant take the next events; see `Backtest.take`.

        Raises:
            PartFailed: a part failed whose policy is to end the run.
        """
        for name, backtest in self._runs:
            try:
                # A part that changes an event must not change what the other variants see.
                with self._monitor.watching(backtest.engine):
                    backtest.take(list(map(dict, events)), part=part)
            except IntuitionError as error:
                error.args = (f"{name}: {error}",)
                raise
        self.events += len(events)

    def finish(self, *, source: str, complete: bool = True) -> list[Run]:
        """End every variant, and give what each came to."""
        runs = []
        for name, backtest in self._runs:
            with self._monitor.watching(backtest.engine):
                history = backtest.finish(source=source, complete=complete)
            runs.append(run_of(name, history, backtest.decisions_sha256))
        return runs
