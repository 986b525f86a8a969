"""A progress bar of a replay, on a terminal."""

import time
from contextlib import AbstractContextManager
from typing import Self


class Progress:
    """Takes note of how far a replay is, and shows nothing."""

    share: float | None = None
    """The part of all events that has been read, from 0 to 1; None where that is not known."""

    def published(self, count: int) -> None:
        """Show the number of messages published."""


class Bar(Progress, AbstractContextManager["Bar"]):
    """A progress bar on standard error, shown while the context is entered."""

    def __enter__(self) -> Self:
        """Show the bar."""
        from rich import progress
        from rich.console import Console

        said = (
            progress.TextColumn("{task.completed:,} messages"),
            progress.TextColumn("{task.fields[rate]:,.0f}/s"),
            progress.BarColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left:"),
            progress.TimeRemainingColumn(),
        )
        self._bar = progress.Progress(*said, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("", total=None, rate=0.0)
        self._started = self._shown = time.monotonic()
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the bar."""
        self._bar.stop()

    def published(self, count: int) -> None:
        """Show the count, ten times a second at most."""
        now = time.monotonic()
        if now - self._shown < 0.1:
            return
        self._shown = now
        total = count / self.share if self.share else None
        self._bar.update(self._task, completed=count, total=total, rate=count / (now - self._started))
