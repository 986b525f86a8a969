"""What a comparison found: what each variant came to, and its difference to the first."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from intuition_compare.differences import METHOD, Difference, difference
from intuition_compare.runs import Run
from intuition_core.history import History


class Drawing(NamedTuple):
    """How the intervals are drawn."""

    level: float
    replications: int
    seed: int


class Comparison(NamedTuple):
    """Variants that saw the same events; the first is what the others are held against."""

    runs: Sequence[Run]
    differences: Sequence[Difference]
    drawing: Drawing

    @property
    def history(self) -> History:
        """What the first came to: its events and their times are those of all."""
        return self.runs[0].history

    def plain(self) -> dict[str, Any]:
        """Give it in plain JSON types: exact amounts as decimal text, rates as fractions of one, times in ns UTC."""
        history = self.history
        return {
            "source": history.source,
            "events": history.events,
            "first_ts": history.first_ts,
            "last_ts": history.last_ts,
            "complete": history.complete,
            "variants": [_variant(run) for run in self.runs],
            "bootstrap": {"method": METHOD, **self.drawing._asdict()},
            "differences": [_difference(each) for each in self.differences],
        }


def compared(runs: Sequence[Run], drawing: Drawing, *, open_day: bool = False) -> Comparison:
    """Hold each of several runs against the first.

    Args:
        runs: of variants that saw the same events.
        drawing: how the intervals are drawn.
        open_day: whether the last day goes on still, so that it does not count yet.
    """
    found = [difference(runs[0], run, **drawing._asdict(), open_day=open_day) for run in runs[1:]]
    return Comparison(runs, found, drawing)


def _variant(run: Run) -> dict[str, Any]:
    history = run.history
    return {
        "name": run.name,
        "composition": history.composition,
        "final_equity": history.statement["equity"],
        "cash": history.statement["cash"],
        "positions": history.statement["positions"],
        "orders": history.counts.get("decision", 0),
        "fills": history.counts.get("fill", 0),
        "rejections": history.counts.get("rejection", 0),
        "errors": history.counts.get("error", 0),
        "metrics": {
            name: {"value": metric.value, "unit": metric.unit, "convention": metric.convention}
            for name, metric in run.metrics.items()
        },
        "decisions_sha256": run.sha256,
    }


def _difference(found: Difference) -> dict[str, Any]:
    return {
        "variant": found.variant,
        "to": found.to,
        "final_equity": found.equity,
        "days": found.days,
        "block_length": found.block_length,
        "undefined": found.undefined,
        "intervals": {
            each.name: {
                "value": each.value,
                "low": each.low,
                "high": each.high,
                "unit": each.unit,
                "convention": each.convention,
            }
            for each in found.intervals
        },
    }
