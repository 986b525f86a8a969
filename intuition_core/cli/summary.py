"""The table that a backtest ends with."""

import itertools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from rich.markup import escape
from rich.table import Table

from intuition_core.cli.screen import FILE_WIDTH, console
from intuition_core.contracts import Metric
from intuition_core.history import History

_MEASURABLE: Final = 0.05
"""Seconds that a run must take for its speed to be shown."""

_SAID: Final = frozenset({"final_equity", "deposits"})
"""Metrics that are shown with the facts already."""


def show_summary(history: History, metrics: Sequence[Metric], told: Mapping[str, Any]) -> None:
    """Write what a run came to to standard output.

    Args:
        history: the run.
        metrics: its figures.
        told: what the command tells as JSON.
    """
    out = console(width=FILE_WIDTH)
    table = Table(title=escape(history.title), title_justify="left", show_header=False, box=None, padding=(0, 2, 0, 0))
    facts = _facts(history, told)
    longest = max(len(name) for name, _ in facts)
    table.add_column(no_wrap=True, min_width=min(longest, out.width // 2))  # or a long path would cut it off
    table.add_column(justify="right", no_wrap=True)
    table.add_column(style="dim")
    for name, value in facts:
        table.add_row(name, escape(value), "")
    for metric in metrics:
        if metric.name not in _SAID:
            table.add_row(escape(metric.label), _shown(metric), escape(metric.convention))
    out.print(table)
    for sid, position in history.statement["positions"].items():
        out.print(f"holds {position['quantity']} {sid}, worth {position['value']}", markup=False)
    for reason, count in history.unbooked.items():
        out.print(f"not booked {count:,}: {reason}", markup=False)
    for reason, count in itertools.islice(history.shut_out.items(), _REASONS):
        out.print(f"unfilled {count:,}: {reason}{advice(reason)}", markup=False)
    for reason, count in itertools.islice(history.refusals.items(), _REASONS):
        out.print(f"refused {count:,}: {reason}{advice(reason)}", markup=False)
    out.print(f"decisions {told['decisions_sha256']}", style="dim", markup=False)


_REASONS: Final = 3
"""How many reasons for refusals the summary gives."""

_ADVICE: Final = {
    "cash asked for": "smaller bets, or more --cash",
    "no edge": "a signal may name its edge (probability, win, loss), or --portfolio fixed bets without one",
    "held that is not being sold already": "it is not held; --param margin.initial=1.5 lets a sale open a position",
    "`pyramiding` is off": "--param portfolio.pyramiding=true buys more of what is held",
    "cannot be sold short": "--param margin.initial=1.5 permits it",
    "comes to less than": "larger bets, or a smaller quantity_step",
    "no quote of": "wait for the symbol's first quote, or give the signal one",
    "exchange was closed": "the time of a bar is that of its end: --param source.close_at=16:00 says when days end "
    "whose dates alone are known; or the symbol has another calendar",
    "data ended before": "orders of the last moments have nothing left to be filled by",
    "the kill switch is on": "the records of type control say who turned it on",
}
"""Advice for refusals, by a part of their reason."""


def advice(reason: str) -> str:
    """Return advice for a refusal, in brackets; empty where there is none."""
    return next((f" ({advice})" for part, advice in _ADVICE.items() if part in reason), "")


_NOTICES: Final = {
    "lost open": "Fills at the close, as bars do not say when they began",
    "late quote": "Quotes older than an event before them",
    "stale quote": "Quotes older than their symbol's latest",
    "late action": "Splits and dividends after a later quote",
    "unquoted action": "Splits and dividends without a quote",
}
"""The names in the summary of what the rules of time have left out."""


def _facts(history: History, told: Mapping[str, Any]) -> list[tuple[str, str]]:
    rate = told["events_per_s"] if told["run_s"] >= _MEASURABLE else None
    facts = [
        ("Source", history.source),
        ("Events", f"{history.events:,}" + (f" at {rate:,.0f}/s" if rate else "")),
        ("Orders, fills", f"{told['orders']:,}, {told['fills']:,}"),
    ]
    if history.first_ts is not None and history.last_ts is not None:
        facts.insert(1, ("Period (UTC)", f"{_time(history.first_ts)} to {_time(history.last_ts)}"))
    if errors := history.counts.get("error"):
        facts.append(("Failures of parts", f"{errors:,}"))
    if refused := history.counts.get("rejection"):
        facts.append(("Orders refused", f"{refused:,}"))
    if unbooked := sum(history.unbooked.values()):
        facts.append(("Events not booked", f"{unbooked:,}"))
    if ended := history.counts.get("ended"):
        facts.append(("Orders ended unfilled", f"{ended:,}"))
    facts += [(label, f"{count:,}") for kind, label in _NOTICES.items() if (count := history.notices.get(kind))]
    return [*facts, ("Start with", f"{history.deposits:,f}"), ("Come to", f"{history.equity:,.2f}")]


def _time(ts: int) -> str:
    return datetime.fromtimestamp(ts // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M")


def _shown(metric: Metric) -> str:
    if metric.value is None:
        return "undefined"
    if metric.is_fraction:
        return f"{metric.value:.2%}"
    if metric.unit in ("count", "days"):
        return f"{metric.value:,.0f}{' days' if metric.unit == 'days' else ''}"
    return f"{metric.value:,.2f}"
