"""The result of a run over recorded events: figures, tables, report, and the file it is saved in."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Final

import msgspec

from intuition_core.contracts import Metric
from intuition_core.history import History
from intuition_core.research import tables
from intuition_core.research.columns import Table
from intuition_core.research.comparison import Comparison
from intuition_core.research.errors import CannotWrite, NotKept
from intuition_core.research.trips import trips_and_positions
from intuition_core.sources.contents import Content

FORMAT: Final = 1
"""The number of the format of saved runs; see `docs/reference/runs.md`."""

_encode: Final = msgspec.json.Encoder().encode_lines
_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode_lines


class Records:
    """The records of a run, kept as lines of JSON: a tenth of what they take as mappings."""

    def __init__(self, lines: bytes = b"") -> None:
        self._lines = bytearray(lines)

    def add(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Keep more records, in order."""
        self._lines += _encode(records)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the records in order."""
        return iter(_decode(self._lines))

    def to_json(self) -> bytes:
        """Return them as an array of JSON."""
        return b"[" + bytes(self._lines).rstrip().replace(b"\n", b",\n") + b"]"


class Metrics(Mapping[str, "float | None"]):
    """Figures of a run by name; one that is not defined is None. `table` has their units and conventions."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = {metric.name: metric for metric in metrics}

    def __getitem__(self, name: str) -> float | None:
        """Return a figure."""
        return self._metrics[name].value

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._metrics)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._metrics)

    def __repr__(self) -> str:
        """Show the figures as a mapping."""
        return repr(dict(self))

    @property
    def given(self) -> list[Metric]:
        """The figures as the report plugin has computed them."""
        return list(self._metrics.values())

    @property
    def table(self) -> Table:
        """The figures with units and conventions."""
        return tables.metrics_table(self.given)

    def to_json(self) -> dict[str, dict[str, Any]]:
        """Return the figures with units and conventions in plain JSON types."""
        return {name: metric.to_json() for name, metric in self._metrics.items()}

    def _repr_html_(self) -> str:
        """Return the figures for a notebook."""
        return self.table._repr_html_()  # notebooks' own protocol


class Run:
    """A run over recorded events.

    Attributes:
        history: the course of the account and its trades, as report plugins receive it.
        decisions_sha256: the SHA-256 of all decisions, fills and rejections; equal wherever the same is decided.
        contents: what was read, with hashes.
        seconds: those of reading events, and those of taking them.
        notes: sentences about how the data was read, and what had no effect.

    Args:
        history: the course of the account and its trades.
        decisions_sha256: the SHA-256 of all decisions, fills and rejections.
        contents: what was read, with hashes.
        records: the records; None where they were not kept.
        seconds: those of reading events, and those of taking them.
        notes: sentences about how the data was read.
        report: returns the report plugin.
        metrics: the figures where they are known; else the report plugin computes them.
        sections: adds what hook plugins say to a history.
    """

    def __init__(
        self,
        history: History,
        decisions_sha256: str,
        *,
        contents: Sequence[Content] = (),
        records: Records | None = None,
        seconds: tuple[float, float] = (0.0, 0.0),
        notes: Sequence[str] = (),
        report: Callable[[], Any] = lambda: None,
        metrics: Sequence[Metric] | None = None,
        sections: Callable[[History], History] = lambda history: history,
    ) -> None:
        self.history = history
        self.decisions_sha256 = decisions_sha256
        self.contents = tuple(contents)
        self.seconds = round(seconds[0], 6), round(seconds[1], 6)
        self.notes = tuple(notes)
        self._records = records
        self._report = report
        self._known = metrics
        self._sections = sections

    def __repr__(self) -> str:
        """Show what was run, and what it came to."""
        history = self.history
        return f"<Run of {history.title}: {history.events:,} events, equity {history.equity:,.2f}>"

    @property
    def records(self) -> Iterator[dict[str, Any]]:
        """The records in their order, as docs/reference/records.md describes them; made anew each time.

        Raises:
            NotKept: they were not kept.
        """
        if self._records is None:
            raise NotKept
        return iter(self._records)

    @cached_property
    def metrics(self) -> Metrics:
        """The figures of the report, with their conventions.

        Raises:
            UnknownPlugin: no report is installed.
        """
        return Metrics(self._report().metrics(self.history) if self._known is None else self._known)

    @cached_property
    def equity(self) -> Table:
        """The course of the account, see `intuition_core.research.tables.EQUITY`."""
        return tables.equity_table(self.history)

    @cached_property
    def returns(self) -> Table:
        """The daily returns, see `intuition_core.research.tables.RETURNS`."""
        return tables.returns_table(self.history)

    @cached_property
    def fills(self) -> Table:
        """The fills, see `intuition_core.research.tables.FILLS`."""
        return tables.fills_table(self.records)

    @cached_property
    def orders(self) -> Table:
        """The orders that were placed, see `intuition_core.research.tables.ORDERS`."""
        return tables.orders_table(self.records)

    @cached_property
    def rejections(self) -> Table:
        """The orders that were refused, see `intuition_core.research.tables.REJECTIONS`."""
        return tables.rejections_table(self.records)

    @cached_property
    def errors(self) -> Table:
        """What parts have raised, see `intuition_core.research.tables.ERRORS`."""
        return tables.errors_table(self.records)

    @property
    def trades(self) -> Table:
        """The round trips, see `intuition_core.research.trips.TRIPS`."""
        return self._walked[0]

    @property
    def positions(self) -> Table:
        """The course of the positions, see `intuition_core.research.trips.POSITIONS`."""
        return self._walked[1]

    @cached_property
    def _walked(self) -> tuple[Table, Table]:
        return trips_and_positions(self.records)

    @property
    def account(self) -> Mapping[str, Any]:
        """The account at the end: cash, equity and positions as exact decimals in text."""
        return self.history.statement

    @property
    def composition(self) -> Mapping[str, Any]:
        """The recipe in plain JSON types: parts with versions and parameters, seed, cash, costs, rules."""
        return self.history.composition

    def to_json(self, *, curve: bool = False) -> dict[str, Any]:
        """Return the object that ``intuition backtest --json`` writes.

        Args:
            curve: whether the equity curve is added, by column.
        """
        history = self.history
        load_s, run_s = self.seconds
        told = {
            "events": history.events,
            "run_s": run_s,
            "events_per_s": round(history.events / run_s, 1) if run_s else None,
            "load_s": load_s,
            "fills": history.counts.get("fill", 0),
            "orders": history.counts.get("decision", 0),
            "final_equity": history.statement["equity"],
            "cash": history.statement["cash"],
            "positions": history.statement["positions"],
            "metrics": self.metrics.to_json(),
            "decisions_sha256": self.decisions_sha256,
            "data": [content.to_json() for content in self.contents],
        }
        if curve:
            told["curve"] = {name: self.equity[name] for name in self.equity.columns}
        return told

    def save(self, path: str | Path) -> None:
        """Write the run to a file, which `load_run` and ``intuition backtest --against`` read.

        Raises:
            CannotWrite: the file cannot be written.
            NotKept: the records were not kept.
        """
        from intuition_core.research.stored import encoded

        if self._records is None:
            raise NotKept
        _written(Path(path), encoded(self, self._sections(self.history), self._records))

    def report(self, path: str | Path) -> None:
        """Write the report, one HTML file that opens without a network.

        Raises:
            CannotWrite: the file cannot be written.
            UnknownPlugin: no report is installed.
        """
        target = Path(path)
        try:
            self._report().write(self._sections(self.history), target)
        except OSError as error:
            raise CannotWrite(target, error.strerror or str(error)) from None

    def compare(self, other: "Run") -> Comparison:
        """Return what differs between this run and another one."""
        return Comparison(self, other)

    def _repr_html_(self) -> str:
        """Return the report for a notebook, in a frame of its own."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "report.html")
            self.report(path)
            page = path.read_text("utf-8")
        return (
            f'<iframe title="{escape(self.history.title)}" srcdoc="{escape(page)}" width="100%" height="720" '
            'style="border:0"></iframe>'
        )


def _written(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        raise CannotWrite(path, error.strerror or str(error)) from None
