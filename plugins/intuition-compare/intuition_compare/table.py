"""The table of a comparison: a column for each variant, the differences to the first below, and the conventions."""

import io
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from intuition_compare.comparison import Comparison
from intuition_compare.differences import METHOD, Difference, Interval
from intuition_compare.runs import FIGURES, Run
from intuition_core.contracts import Metric

_FILE_WIDTH: Final = 160
"""Columns where the output is no terminal, and nothing says how wide a line may be."""

_NAMES: Final = 24
_CELL: Final = 22
"""Columns that the figures' names take at most, and those of a variant."""

_COUNTS: Final = (("Orders", "decision"), ("Fills", "fill"), ("Rejections", "rejection"))
_NANOSECONDS: Final = 1_000_000_000


def console() -> Console:
    """Give where to write: standard output, whatever its locale can write."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # not every locale can write the root in √252
    found = Console(highlight=False)
    if not found.is_terminal:
        found.width = _FILE_WIDTH
    return found


def table(comparison: Comparison, *, width: int, title: str) -> RenderableType:
    """Lay a comparison out.

    Args:
        comparison: what was found.
        width: of a line, in columns: where the variants do not fit, there are several tables, each with the first.
        title: what was compared on what.
    """
    others = range(1, len(comparison.runs))
    each = max(1, (width - _NAMES) // _CELL - 1)
    parts: list[RenderableType] = [Text(title, style="bold")]
    parts += [_columns(comparison, others[n : n + each]) for n in range(0, len(others), each)]
    return Group(*parts, *(Text(note, style="dim") for note in _notes(comparison)))


def headline(comparison: Comparison) -> str:
    """Say on what the variants were compared, in a line."""
    history = comparison.history
    if history.first_ts is None or history.last_ts is None:
        return f"{history.source}: no events"
    return f"{history.source}: {history.events:,} events, {moment(history.first_ts)} to {moment(history.last_ts)} UTC"


def moment(ts: int) -> str:
    """Give nanoseconds UTC as a time for people, to the minute."""
    return datetime.fromtimestamp(ts // _NANOSECONDS, UTC).strftime("%Y-%m-%d %H:%M")


def _columns(comparison: Comparison, others: Sequence[int]) -> Table:
    first = comparison.runs[0]
    shown = [first, *(comparison.runs[n] for n in others)]
    found = [comparison.differences[n - 1] for n in others]
    drawn = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    drawn.add_column(no_wrap=True)
    for run in shown:
        drawn.add_column(Text(run.name), justify="right", overflow="fold")
    for label, cells in _figures(shown):
        drawn.add_row(label, *cells)
    drawn.add_row()
    drawn.add_row(Text(f"Less {first.name}", style="bold"), style="bold")
    drawn.add_row("Equity at the end", "", *(f"{each.equity:+,.2f}" for each in found))
    names = {interval.name: interval.label for each in found for interval in each.intervals}
    for name, label in names.items():
        drawn.add_row(label, "", *(_interval(each, name) for each in found))
    return drawn


def _figures(runs: Sequence[Run]) -> Iterator[tuple[str, list[str]]]:
    yield "Equity at the end", [f"{run.history.equity:,.2f}" for run in runs]
    for name in FIGURES:
        yield runs[0].metrics[name].label, [_figure(run.metrics[name]) for run in runs]
    for label, kind in _COUNTS:
        yield label, [f"{run.history.counts.get(kind, 0):,}" for run in runs]
    if any(run.history.counts.get("error") for run in runs):
        yield "Failures of parts", [f"{run.history.counts.get('error', 0):,}" for run in runs]


def _figure(metric: Metric) -> str:
    if metric.value is None:
        return "undefined"
    return f"{metric.value:.2%}" if metric.unit == "%" else f"{metric.value:,.2f}"


def _interval(found: Difference, name: str) -> Text:
    interval = next((each for each in found.intervals if each.name == name), None)
    if interval is None:
        return Text("undefined")
    apart = interval.low > 0 or interval.high < 0
    return Text(f"{_number(interval, interval.value)}\n{between(interval)}", style="bold" if apart else "")


def between(interval: Interval) -> str:
    """Give the ends of an interval."""
    return f"[{_number(interval, interval.low)}, {_number(interval, interval.high)}]"


def _number(interval: Interval, value: float) -> str:
    return f"{value:+.2%}" if interval.unit == "%" else f"{value:+,.2f}"


def _notes(comparison: Comparison) -> Iterator[str]:
    first = comparison.runs[0]
    for metric in first.metrics.values():
        yield f"{metric.label}: {metric.convention}"
    mean = next((each for found in comparison.differences for each in found.intervals), None)
    if mean is not None:
        yield f"{mean.label}: {mean.convention}"
        level, replications, seed = comparison.drawing
        blocks = ", ".join(
            f"{each.block_length} ({each.variant})" for each in comparison.differences if each.block_length
        )
        yield f"[ , ]: {level:.0%} of the time such an interval holds the true difference; {METHOD}"
        yield f"{replications:,} replications, seed {seed}, expected length of blocks in days: {blocks}"
    for each in comparison.differences:
        if each.undefined is not None:
            yield f"{each.variant}: no interval: {each.undefined}"
