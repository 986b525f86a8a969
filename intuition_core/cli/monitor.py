"""What the process in front of a run sees of its parts: which one is called, and how far the run is.

Parts note who is called where both processes can see it. How far a run is in the midst of a stretch, where nothing is
noted, a thread tells; that it tells nothing any more is a sign, too.
"""

import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Final

from intuition_core.supervision.attended import ATTENDED

if TYPE_CHECKING:
    from intuition_core.contracts import Data
    from intuition_core.trading.composition import Composition
    from intuition_core.trading.engine import TradingEngine

_TICK: Final = 0.05
"""Seconds between two looks."""

_DEBUGGERS: Final = frozenset({"bdb", "pdb", "cmd", "code", "pydevd"})
"""Who is in one of these reads what a person types, and may take long."""


class Monitor:
    """Shows one strategy at a time."""

    def __init__(self) -> None:
        self._engine: TradingEngine | None = None
        self._called: dict[int, int] = {}
        self._main = threading.main_thread().ident

    @property
    def words(self) -> Any:
        """The ``cell`` of a strategy that is to be shown; None where nobody looks."""
        return ATTENDED.words

    def maker(self, engine: "Callable[..., TradingEngine]") -> "Callable[..., TradingEngine]":
        """Give what makes live parts that note who is called."""
        return partial(engine, status=ATTENDED.words)

    @contextmanager
    def starting(self, composition: "Composition") -> Iterator[None]:
        """Show the parts of a composition while they are made, and what they do then where nothing else is watched."""
        with ATTENDED.calling(composition.parts, seq=0, part=0):
            yield

    def read(self, batches: "Iterable[Sequence[Data]]") -> "Iterator[Sequence[Data]]":
        """Give batches; reading them is nobody's call."""
        reading = iter(batches)
        while True:
            with ATTENDED.aside():
                batch = next(reading, None)
            if batch is None:
                return
            yield batch

    @contextmanager
    def running(self) -> Iterator[None]:
        """Tell, meanwhile, how far what `watching` names is."""
        if ATTENDED.words is None:
            yield
            return
        over = threading.Event()
        thread = threading.Thread(target=self._tell, args=(over,), name="monitor", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    @contextmanager
    def watching(self, engine: "TradingEngine") -> Iterator[None]:
        """Show this strategy while it takes events.

        Raises:
            PartFailed: a part raised what stands for Ctrl-C.
        """
        words = ATTENDED.words
        if words is None:
            yield
            return
        key = id(engine)
        before = self._called.get(key, engine.first)
        self._engine = engine
        try:
            with ATTENDED.calling(engine.parts, seq=engine.seq, part=before):
                yield
        except KeyboardInterrupt as error:
            if ATTENDED.interrupted:
                raise
            raise engine.failed(error) from error  # it was the part's own
        finally:
            self._engine = None
            self._called[key] = words[1]  # of several strategies each finds what it has noted

    def _tell(self, over: threading.Event) -> None:
        from intuition_core.supervision.shared_status import Beat

        count = 0
        while not over.wait(_TICK):
            engine = self._engine
            if engine is not None:
                count += 1
                ATTENDED.note(Beat(engine.position, count, awaited=self._is_debugged()))

    def _is_debugged(self) -> bool:
        """Say whether the main thread waits for what a person types into a debugger."""
        if _DEBUGGERS.isdisjoint(sys.modules):
            return False
        frame: FrameType | Any = sys._current_frames().get(self._main or 0)  # there is no other way
        while frame is not None:
            if str(frame.f_globals.get("__name__", "")).partition(".")[0] in _DEBUGGERS:
                return True
            frame = frame.f_back
        return False
