"""The report itself: figures at little cost, the page and what draws it only when it is asked for."""

from collections.abc import Sequence
from pathlib import Path

from intuition_core.contracts import Metric
from intuition_core.history import History
from intuition_report.figures import figures


class Html:
    """A page for people, in one HTML file that opens without a network."""

    def metrics(self, history: History) -> Sequence[Metric]:
        """Compute the figures, each with its convention; undefined ones have no value."""
        return [metric for group in figures(history).values() for metric in group]

    def write(self, history: History, path: Path) -> None:
        """Write the page; the same history gives the same bytes.

        Raises:
            OSError: the file cannot be written.
        """
        from intuition_report.page import render  # imports Jinja, which a run without a report can do without

        path.write_bytes(render(history))
