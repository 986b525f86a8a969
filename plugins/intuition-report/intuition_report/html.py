"""The report itself: figures at little cost, the page and what draws it only when it is asked for."""

from collections.abc import Sequence
from pathlib import Path

from intuition_core.contracts import Metric
from intuition_core.errors import IntuitionError
from intuition_core.history import History
from intuition_report.figures import figures


class NotWritten(IntuitionError):
    """The report could not be written to its file."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"the report cannot be written to {path}: {problem}; name a file in a folder you may write to")


class Html:
    """A page for people, in one HTML file that opens without a network."""

    def metrics(self, history: History) -> Sequence[Metric]:
        """Compute the figures, each with its convention; undefined ones have no value."""
        return [metric for group in figures(history).values() for metric in group]

    def write(self, history: History, path: Path) -> None:
        """Write the page; the same history gives the same bytes.

        Raises:
            NotWritten: the file cannot be written.
        """
        from intuition_report.page import render  # needs Jinja, which a run without a report does not

        try:
            path.write_bytes(render(history))
        except OSError as error:
            raise NotWritten(path, error.strerror or str(error)) from error
