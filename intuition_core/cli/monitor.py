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
"""Modules of debuggers, which wait for a person."""


class Monitor:
    """Reports the progress of one engine at a time."""

    def __init__(self) -> None:
        self._engine: TradingEngine | None = None
        self._called: dict[int, int] = {}
        self._main = threading.main_thread().ident

    @property
    def words(self) -> Any:
        """The words of memory in which an engine notes its calls; None where no process looks."""
        return ATTENDED.words

    def maker(self, engine: "Callable[..., TradingEngine]") -> "Callable[..., TradingEngine]":
        """Return a function that makes engines which note the part that is called."""
        return partial(engine, status=ATTENDED.words)

    @contextmanager
    def starting(self, composition: "Composition") -> Iterator[None]:
        """Report calls of the parts of a composition in the block, in which they are made."""
        with ATTENDED.calling(composition.parts, seq=0, part=0):
            yield

    def read(self, batches: "Iterable[Sequence[Data]]") -> "Iterator[Sequence[Data]]":
        """Yield batches; the time of reading them is counted to no part."""
        reading = iter(batches)
        while True:
            with ATTENDED.aside():
                batch = next(reading, None)
            if batch is None:
                return
            yield batch

    @contextmanager
    def running(self) -> Iterator[None]:
        """Report in the block how far the run is that `watching` names."""
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
        """Report the progress of an engine in the block.

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
        """Return whether the main thread waits for what a person types into a debugger."""
        if _DEBUGGERS.isdisjoint(sys.modules):
            return False
        frame: FrameType | Any = sys._current_frames().get(self._main or 0)  # there is no other way
        while frame is not None:
            if str(frame.f_globals.get("__name__", "")).partition(".")[0] in _DEBUGGERS:
                return True
            frame = frame.f_back
        return False
