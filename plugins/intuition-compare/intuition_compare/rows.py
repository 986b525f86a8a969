"""A comparison in words: what tables, pages and lines of it are made from."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from intuition_compare.comparison import Comparison
from intuition_compare.differences import METHOD, Interval
from intuition_compare.runs import FIGURES, Run
from intuition_core.contracts import Metric

_COUNTS: Final = (("Orders", "decision"), ("Fills", "fill"), ("Rejections", "rejection"))
_NANOSECONDS: Final = 1_000_000_000


class SharedStatus(NamedTuple):
    """A difference, the ends of the interval around it (empty where there is none), and whether that leaves out 0."""

    value: str
    ends: str = ""
    apart: bool = False


def headline(comparison: Comparison) -> str:
    """Return a line on the events of the comparison: source, number, times."""
    history = comparison.history
    if history.first_ts is None or history.last_ts is None:
        return f"{history.source}: no events"
    return f"{history.source}: {history.events:,} events, {_moment(history.first_ts)} to {_moment(history.last_ts)} UTC"


def line(comparison: Comparison) -> str:
    """Return a line with the time, the number of events and the equity of all variants."""
    first, *others = comparison.runs
    history = comparison.history
    when = "before the first event" if history.last_ts is None else f"{_moment(history.last_ts)} UTC"
    told = [f"{first.name} {first.history.equity:,.2f}"]
    told += [
        f"{run.name} {run.history.equity:,.2f} ({apart:+,.2f})"
        for run, apart in zip(others, comparison.apart, strict=True)
    ]
    return f"{when}, event {history.events:,}: {'; '.join(told)}"


def figures(runs: Sequence[Run]) -> Iterator[tuple[str, list[str]]]:
    """Yield for each figure its name and one text for each run."""
    yield "Equity at the end", [f"{run.history.equity:,.2f}" for run in runs]
    for name in FIGURES:
        yield runs[0].metrics[name].label, [_figure(run.metrics[name]) for run in runs]
    for label, kind in _COUNTS:
        yield label, [f"{run.history.counts.get(kind, 0):,}" for run in runs]
    if any(run.history.counts.get("error") for run in runs):
        yield "Failures of parts", [f"{run.history.counts.get('error', 0):,}" for run in runs]


def differences(comparison: Comparison, others: Sequence[int]) -> Iterator[tuple[str, list[SharedStatus]]]:
    """Yield for each figure its name and a cell for each variant but the first: the difference to the first.

    Args:
        comparison: what was found.
        others: which of the runs, by their place; the first's is 0.
    """
    yield "Equity at the end", [SharedStatus(f"{comparison.apart[n - 1]:+,.2f}") for n in others]
    rows = [{each.name: each for each in comparison.differences[n - 1].intervals} for n in others]
    for name, label in {each.name: each.label for row in rows for each in row.values()}.items():
        yield label, [_status(row.get(name)) for row in rows]


def notes(comparison: Comparison) -> Iterator[str]:
    """Yield lines on the conventions of the figures and the intervals, and on the reasons for missing ones."""
    for metric in comparison.runs[0].metrics.values():
        yield f"{metric.label}: {metric.convention}"
    mean = next((each for found in comparison.differences for each in found.intervals), None)
    if mean is not None:
        yield f"{mean.label}: {mean.convention}"
        level, replications, seed = comparison.drawing
        yield f"[ , ]: in {level:.1%} of samples such an interval holds the true difference; {METHOD}"
        blocks = [f"{each.block_length} ({each.variant})" for each in comparison.differences if each.block_length]
        yield f"{replications:,} replications, seed {seed}; expected length of blocks in days: {', '.join(blocks)}"
    for each in comparison.differences:
        if each.undefined is not None:
            yield f"{each.variant}: no interval: {each.undefined}"


def _moment(ts: int) -> str:
    return datetime.fromtimestamp(ts // _NANOSECONDS, UTC).strftime("%Y-%m-%d %H:%M")


def _figure(metric: Metric) -> str:
    if metric.value is None:
        return "undefined"
    return f"{metric.value:.2%}" if metric.is_fraction else f"{metric.value:,.2f}"


def _status(interval: Interval | None) -> SharedStatus:
    if interval is None:
        return SharedStatus("undefined")
    value, low, high = (
        f"{number:+.2%}" if interval.unit == "fraction" else f"{number:+,.2f}"
        for number in (interval.value, interval.low, interval.high)
    )
    return SharedStatus(value, f"[{low}, {high}]", apart=interval.low > 0 or interval.high < 0)
