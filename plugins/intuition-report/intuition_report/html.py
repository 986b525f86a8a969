"""The report itself: figures at little cost, the page and what draws it only when it is asked for."""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Context, localcontext
from pathlib import Path
from typing import Final

from intuition_core.contracts import Metric
from intuition_core.history import History
from intuition_report.figures import figures

_CONTEXT: Final = Context(prec=28, rounding=ROUND_HALF_EVEN)
"""In which figures are computed and amounts written, whatever a part has made of the process's own."""


class Html:
    """A page for people, in one HTML file that opens without a network."""

    def metrics(self, history: History) -> Sequence[Metric]:
        """Compute the figures, each with its convention; undefined ones have no value."""
        with localcontext(_CONTEXT):
            return [metric for group in figures(history).values() for metric in group]

    def write(self, history: History, path: Path) -> None:
        """Write the page; the same history gives the same bytes.

        Raises:
            OSError: the file cannot be written.
        """
        from intuition_report.page import render  # imports Jinja, which a run without a report can do without

        with localcontext(_CONTEXT):
            content = render(history)
        path.write_bytes(content)
