"""What a command does while a composition runs over recorded events."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

from intuition_core.cli.interruption import Interruption
from intuition_core.cli.monitor import Monitor
from intuition_core.data import Event
from intuition_core.research.execution import Observer
from intuition_core.trading.composition import Composition
from intuition_core.trading.engine import TradingEngine


class CommandObserver(Observer):
    """Shows the parts to the process in front, heeds Ctrl-C, and shows the progress.

    Attributes:
        interruption: asked whether Ctrl-C came; until it is there, nothing of it is heeded.
        progress: called with the number of events of each batch.

    Args:
        monitor: reports the progress of the engine.
    """

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor
        self.interruption: Interruption | None = None
        self.progress: Callable[[int], None] | None = None

    @property
    def asked(self) -> bool:
        """Whether Ctrl-C came."""
        return self.interruption is not None and self.interruption.asked

    def starting(self, composition: Composition) -> AbstractContextManager[None]:
        """Return a context in which calls of parts that are made are reported."""
        return self._monitor.starting(composition)

    def watching(self, engine: TradingEngine) -> AbstractContextManager[None]:
        """Return a context in which the progress of an engine is reported."""
        return self._monitor.watching(engine)

    def next(self, batches: Iterator[list[Event]]) -> list[Event] | None:
        """Return the next events; None after the last ones, or once Ctrl-C came."""
        if self.interruption is None:
            return super().next(batches)
        return self.interruption.unless_asked(partial(next, batches, None))

    def advance(self, events: int) -> None:
        """Show how many events were taken."""
        if self.progress is not None:
            self.progress(events)
