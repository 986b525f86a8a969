"""What a run changes of its process meanwhile: what is logged, and how often cycles are looked for."""

import gc
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

_FAILURES: Final = ("intuition_core.trading.engine.failures", "intuition_core.trading.engine.unquoted")
"""Loggers of single failures, which a run over recorded events counts instead."""

_THRESHOLDS: Final = (50_000, 20, 20)
"""How rarely the interpreter looks for cycles in a run, which makes hardly any."""

_CORE: Final = "intuition_core"

_MOST: Final = 1000
"""Warnings that are kept; who logs more says the same over and over."""


class _SharedChange:
    """A change of the process that the first thread makes and the last one undoes."""

    def __init__(self, change: Callable[[], Callable[[], object]]) -> None:
        self._change = change
        self._lock = threading.Lock()
        self._within = 0
        self._put_back: Callable[[], object] = bool

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Make the change for as long as the context is entered."""
        with self._lock:
            if not self._within:
                self._put_back = self._change()
            self._within += 1
        try:
            yield
        finally:
            with self._lock:
                self._within -= 1
                if not self._within:
                    self._put_back()


def _silence() -> Callable[[], None]:
    logs = [(log, log.level) for log in map(logging.getLogger, _FAILURES) if not log.isEnabledFor(logging.DEBUG)]
    for log, _ in logs:
        log.setLevel(logging.CRITICAL)

    def put_back() -> None:
        for log, level in logs:
            log.setLevel(level)

    return put_back


def _collect_rarely() -> Callable[[], None]:
    before = gc.get_threshold()
    frozen = gc.get_freeze_count()
    gc.collect()
    if not frozen:
        gc.freeze()
    gc.set_threshold(*_THRESHOLDS)

    def put_back() -> None:
        gc.set_threshold(*before)
        if not frozen:
            gc.unfreeze()

    return put_back


failures_counted: Final = _SharedChange(_silence)
"""A block in which single failures of parts are kept out of the log; at the level DEBUG they stay in it."""

collecting_rarely: Final = _SharedChange(_collect_rarely)
"""A block in which the interpreter looks for cycles rarely, and never among what is there by now."""


class _Collector(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._thread = threading.get_ident()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning."""
        if record.thread == self._thread and len(self.lines) < _MOST:
            self.lines.append(record.getMessage())


@contextmanager
def warnings_collected() -> Iterator[list[str]]:
    """Collect warnings that the core and parts log on this thread in the block; without handlers none is printed."""
    collector = _Collector()
    log = logging.getLogger(_CORE)
    log.addHandler(collector)
    try:
        yield collector.lines
    finally:
        log.removeHandler(collector)
