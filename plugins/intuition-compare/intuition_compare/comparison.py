"""The result of a comparison: each variant's, and its difference to the first."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from intuition_compare.differences import METHOD, Difference, difference
from intuition_compare.runs import Run
from intuition_core.exact import EXACT, plain_decimal
from intuition_core.history import History


class Drawing(NamedTuple):
    """The options of the intervals: level, number of replications, seed."""

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
        """The history of the first variant; its events and their times are those of all."""
        return self.runs[0].history

    @property
    def apart(self) -> list[Decimal]:
        """The equity of each variant but the first, less that of the first: exact, in its currency."""
        first, *others = (run.history.equity for run in self.runs)
        return [EXACT.subtract(equity, first) for equity in others]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON types: exact amounts as decimal text, rates as fractions of one, times in ns UTC."""
        history = self.history
        return {
            "source": history.source,
            "events": history.events,
            "first_ts": history.first_ts,
            "last_ts": history.last_ts,
            "complete": history.complete,
            "variants": [_variant(run) for run in self.runs],
            "bootstrap": {"method": METHOD, **self.drawing._asdict()},
            "differences": [
                {"final_equity": plain_decimal(apart), **_difference(each)}
                for apart, each in zip(self.apart, self.differences, strict=True)
            ],
        }


def compared(runs: Sequence[Run], drawing: Drawing) -> Comparison:
    """Compare each of several runs over the same events with the first."""
    return Comparison(runs, [difference(runs[0], run, **drawing._asdict()) for run in runs[1:]], drawing)


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
        "metrics": {name: metric.to_json() for name, metric in run.metrics.items()},
        "decisions_sha256": run.sha256,
    }


def _difference(found: Difference) -> dict[str, Any]:
    return {
        "variant": found.variant,
        "to": found.to,
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
