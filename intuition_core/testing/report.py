"""The contract of reports as tests to subclass."""

import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Final

from intuition_core.contracts import Metric
from intuition_core.history import Day, History, Slice, Trade
from intuition_core.testing.asked import plain_number
from intuition_core.testing.contract import Contract, Made, must
from intuition_core.testing.recording import quotes
from intuition_core.trading.composition import DEFAULT_CASH

UNITS: Final = frozenset({"fraction", "%", "ratio", "days", "count", "currency"})
"""The units that a figure can have; ``%`` is the older name of ``fraction``."""


class ReportContract(Contract):
    """The checks of a report.

    ::

        class TestMyReport(ReportContract):
        part = MyReport
    """

    kind: ClassVar[str] = "report"

    def histories(self) -> dict[str, History]:
        """Return histories to report on, by names that say what is special about each."""
        return {"recorded": recorded_history(), "empty": empty_history(), "one day": recorded_history(days=1)}

    def exercise(self, made: Made) -> None:
        """Compute the figures of a history."""
        made.live.metrics(recorded_history())

    # -- the checks

    def test_metrics_are_finite_or_none(self) -> None:
        """Each figure is a finite number, or None where it is not defined; also of a run in which nothing happened."""
        for name, history in self.histories().items():
            for metric in self._metrics(name, history):
                try:
                    plain_number("it", metric.value)
                except (TypeError, ValueError) as error:
                    raise AssertionError(
                        f"`{metric.name}` of the history `{name}`: {error}; give None where it is not defined"
                    ) from None

    def test_metrics_say_what_they_are(self) -> None:
        """Each figure has a name of its own, a label, a unit, and the convention by which it was computed."""
        metrics = self._metrics("recorded", recorded_history())
        twice = [name for name, count in Counter(metric.name for metric in metrics).items() if count > 1]
        must(not twice, f"`{'`, `'.join(twice)}` is given more than once: a name means one figure")
        for metric in metrics:
            must(metric.name.isidentifier(), f"a figure is called {metric.name!r}: use snake case")
            must(
                metric.unit in UNITS,
                f"the unit of `{metric.name}` is {metric.unit!r}: one of {', '.join(sorted(UNITS))}",
            )
            must(
                bool(metric.label and metric.convention),
                f"`{metric.name}` has no label or no convention: a number without it can mean anything",
            )

    def test_writes_a_file(self) -> None:
        """The report writes one file at the path that it is given, and the same bytes a second time."""
        for name, history in self.histories().items():
            with tempfile.TemporaryDirectory() as folder:
                first = self._written(name, history, Path(folder, "report"))
                again = self._written(name, history, Path(folder, "report"))
            must(first == again, f"two reports on the history `{name}` differ: leave out when and where it is written")

    def test_history_is_not_changed(self) -> None:
        """The report changes nothing of the history, which other reports read, too."""
        made, history = self.make(), recorded_history()
        made.live.metrics(history)
        with tempfile.TemporaryDirectory() as folder:
            made.live.write(history, Path(folder, "report"))
        must(history == recorded_history(), "the history was changed by the report: copy what you change")

    def _metrics(self, name: str, history: History) -> list[Metric]:
        try:
            return [Metric(*metric) for metric in self.make().live.metrics(history)]
        except Exception as error:
            raise AssertionError(
                f"`metrics` of the history `{name}` raised {type(error).__name__}: {error}; give figures that are"
                " not defined there the value None"
            ) from error

    def _written(self, name: str, history: History, path: Path) -> bytes:
        try:
            self.make().live.write(history, path)
        except Exception as error:
            raise AssertionError(
                f"`write` of the history `{name}` raised {type(error).__name__}: {error}; a run without events or"
                " trades is reported, too"
            ) from error
        must(path.is_file(), f"`write` of the history `{name}` wrote no file where it was told to")
        must(
            [each.name for each in path.parent.iterdir()] == [path.name],
            "`write` wrote more than one file: put all in it",
        )
        content = path.read_bytes()
        must(bool(content), f"`write` of the history `{name}` wrote an empty file")
        return content


def empty_history() -> History:
    """Return the history of a run without events."""
    return _history([])


def recorded_history(*, days: int = 100) -> History:
    """Return the history of a run on the recorded quotes of IBM: ten units bought on the first day, and sold later.

    Args:
        days: how many days it takes.
    """
    return _history([event for event in quotes() if event["sid"] == "IBM"][:days])


def _history(events: list[dict[str, Any]]) -> History:
    cash, held = DEFAULT_CASH, Decimal(0)
    trades: list[Trade] = []
    slices: list[Slice] = []
    days: list[Day] = []
    for number, event in enumerate(events):
        price, ts = Decimal(str(event["quote"])), event["ts"]
        if number in (0, 60):
            cost, units = price * 10, Decimal(10)
            profit = None if not number else cost - trades[0].cash
            side = "sell" if number else "buy"
            cash, held = (cash + cost, Decimal(0)) if number else (cash - cost, units)
            trades.append(Trade(ts, "IBM", side, units, price, cost, Decimal(0), profit))
        equity = float(cash + held * price)
        benchmark = event["quote"] / events[0]["quote"]
        slices.append(Slice(ts, equity, equity, equity, float(held * price), (event["quote"],), benchmark))
        days.append(Day(ts, equity, benchmark))
    worth = held * Decimal(str(events[-1]["quote"])) if events else Decimal(0)
    return History(
        title="buy-and-hold with fixed",
        composition={"seed": 7, "cash": str(DEFAULT_CASH)},
        source="recorded quotes of IBM",
        events=len(events),
        first_ts=events[0]["ts"] if events else None,
        last_ts=events[-1]["ts"] if events else None,
        deposits=DEFAULT_CASH,
        equity=cash + worth,
        slices=slices,
        days=days,
        priced=("IBM",) if events else (),
        benchmark="IBM, held",
        trades=trades,
        counts={"decision": len(trades), "fill": len(trades)} if trades else {},
        statement={"deposits": str(DEFAULT_CASH), "cash": str(cash), "equity": str(cash + worth), "positions": {}},
        complete=True,
    )
