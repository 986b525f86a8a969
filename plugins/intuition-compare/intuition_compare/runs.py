"""Runs of variants over the same recorded events, and their results."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from intuition_report import Html

from intuition_compare.variants import Variant
from intuition_core.commands import Failures, Monitor
from intuition_core.contracts import Data, Metric
from intuition_core.errors import IntuitionError
from intuition_core.history import History
from intuition_core.runs import Catalogue, RecordedRun

FIGURES: Final = ("total_return", "annual_volatility", "sharpe", "max_drawdown")
"""The figures of the report that a comparison shows."""


class Run(NamedTuple):
    """The result of one variant."""

    name: str
    history: History
    sha256: str
    """The SHA-256 of its decisions, as every command prints it."""
    metrics: Mapping[str, Metric]


def run_of(name: str, history: History, sha256: str) -> Run:
    """Return the result of a variant, with its figures as in the report, each with its convention."""
    metrics = {metric.name: metric for metric in Html().metrics(history)}
    return Run(name, history, sha256, {key: metrics[key] for key in FIGURES})


class Backtests:
    """Variants that run over the same recorded events, side by side.

    Attributes:
        events: the number of events taken.

    Args:
        variants: the recipes, by name.
        monitor: shows the parts to the process in front; None where nothing looks after them.
        failures: counts the failures of parts; None where nobody counts them.
        catalogue: the plugins there are; with them, channels that nobody can send are refused.

    Raises:
        NobodySends: a part listens to a channel that nobody can send.
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
        self._runs = [(each.name, RecordedRun(each.composition, listen=listen, monitor=monitor)) for each in variants]
        if catalogue is not None:
            for _, run in self._runs:
                run.check_channels(catalogue)
        self.events = 0

    def take(self, events: Sequence[Data], *, part: float | None = None) -> None:
        """Run every variant over the next events.

        Args:
            events: in the order of their ``ts``; left as they are.
            part: the share of all events that has been given with these, from 0 to 1; None where it is not known.

        Raises:
            PartFailed: a part failed whose policy is to end the run.
        """
        for name, run in self._runs:
            try:
                # A part that changes an event must not change what the other variants see.
                run.take(list(map(dict, events)), part=part)
            except IntuitionError as error:
                error.args = (f"{name}: {error}",)
                raise
        self.events += len(events)

    def finish(self, *, source: str, complete: bool = True) -> list[Run]:
        """End every variant and return their results, in order.

        Args:
            source: a short text for people that names the origin of the events.
            complete: whether all events were taken.
        """
        histories = [(name, run.finish(source=source, complete=complete), run) for name, run in self._runs]
        return [run_of(name, history, run.decisions_sha256) for name, history, run in histories]
