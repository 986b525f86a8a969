"""A thread that looks at the parts of a run from outside: who exceeds its deadline, and who keeps Ctrl-C waiting.

A part is not argued with: the command says which part it was, where it was, and ends with its process.
"""

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Final, NoReturn

import click

if TYPE_CHECKING:
    from intuition_core.cli.interruption import Interruption
    from intuition_core.strategy import Strategy

_TICK: Final = 0.05
"""Seconds between two looks."""

_LONGEST_TICK: Final = 0.5
"""More is not counted against a part: the whole machine was busy meanwhile."""

_PATIENCE: Final = 0.5
"""Seconds that a call may go on once the end was asked for."""


class Monitor:
    """Looks at one strategy at a time.

    Args:
        interruption: whether a person has asked for the end.
    """

    def __init__(self, interruption: "Interruption") -> None:
        self._interruption = interruption
        self._strategy: Strategy | None = None
        self._main = threading.main_thread().ident

    @contextmanager
    def running(self) -> Iterator[None]:
        """Look, meanwhile, at what `watching` names."""
        over = threading.Event()
        thread = threading.Thread(target=self._look, args=(over,), name="monitor", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    @contextmanager
    def watching(self, strategy: "Strategy") -> Iterator[None]:
        """Look at this strategy meanwhile."""
        self._strategy = strategy
        try:
            yield
        finally:
            self._strategy = None

    def _look(self, over: threading.Event) -> None:
        before: tuple[int, int, int] | None = None
        stood = 0.0
        looked = time.monotonic()
        while not over.wait(_TICK):
            now = time.monotonic()
            passed, looked = min(now - looked, _LONGEST_TICK), now
            strategy = self._strategy
            if strategy is None:
                before = None
                continue
            number = abs(strategy.called)
            place = id(strategy), strategy.position, number
            stood = stood + passed if place == before else 0.0
            before = place
            part = strategy.parts[number - 1] if 0 < number <= len(strategy.parts) else strategy.parts[-1]
            if stood > part.deadline:
                what = f"took longer than the {part.deadline:g} s of its deadline"
                self._end(f"{part.label} {what} at event {place[1]}{self._where()}", 1)
            if self._interruption.asked and stood > _PATIENCE:
                self._end(f"interrupted while {part.label} was at event {place[1]}{self._where()}", 130)

    def _where(self) -> str:
        """Say in which line of which file the main thread is, outside of the core."""
        frame: FrameType | None = sys._current_frames().get(self._main or 0)  # there is no other way
        while frame is not None and str(frame.f_globals.get("__name__", "")).partition(".")[0] == "intuition_core":
            frame = frame.f_back
        if frame is None or frame.f_globals.get("__name__") == "__main__":
            return ""
        return f" ({frame.f_code.co_filename}, line {frame.f_lineno})"

    def _end(self, what: str, code: int) -> NoReturn:
        with suppress(Exception):
            click.echo(f"intuition: {what}", err=True)
            sys.stdout.flush()
        os._exit(code)
