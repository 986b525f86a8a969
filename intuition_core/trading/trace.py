"""A trace of events: the calls of parts in their order, with their time and their answers."""

import functools
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from intuition_core.contracts import Data
from intuition_core.trading.calls import CallStatus
from intuition_core.trading.composition import Composition, Part
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.parts import is_stateless
from intuition_core.trading.records import Record

CALLS: Final = frozenset({"event", "optimize", "release", "check", "observe"})
"""The methods of parts that are called because of an event."""

_WIDTH: Final = 400
"""Characters of an event or of an answer that are shown."""


class Trace:
    """Tells of the calls of parts, a line each, for one event or for all of them.

    Attributes:
        seq: the number of the event; None for all.

    Args:
        seq: the same.
        write: takes each line.
        clock: the time in nanoseconds, from any beginning.
    """

    def __init__(
        self, seq: int | None, *, write: Callable[[str], object], clock: Callable[[], int] = time.perf_counter_ns
    ) -> None:
        self.seq = seq
        self._write = write
        self._clock = clock
        self._open = False
        self._calls = 0

    def engine(
        self, composition: Composition, *, run: str, log: logging.Logger | None = None, status: CallStatus | None = None
    ) -> TradingEngine:
        """Return an engine that decides as `TradingEngine` does, and whose calls are told.

        Args:
            composition: the recipe.
            run: what the ids of the records start with.
            log: where parts log; the engine's own logger where None.
            status: where to note which part is called.

        Raises:
            PartFailed: a part cannot be made or initialised.
        """
        more: dict[str, Any] = {} if log is None else {"log": log}
        return _TracedEngine(self, self._traced(composition), run=run, status=status, **more)

    def step(self, seq: int, data: Data, step: Callable[[Data], Sequence[Record]]) -> Sequence[Record]:
        """Take an event by ``step``, tell of it if it was asked for, and return its records."""
        if self.seq not in (None, seq):
            return step(data)
        self._write(f"event {seq}: {_shown(dict(data))}")
        self._open, self._calls = True, 0
        try:
            records = step(data)
        finally:
            self._open = False
        caused = ", ".join(f"{record['type']} {record['id']}" for record in records)
        self._write(f"  caused {caused or 'nothing'}")
        return records

    def call(self, part: Part, method: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Return a method of a part as one that tells of its calls."""

        @functools.wraps(method)
        def traced(*arguments: Any) -> Any:
            if not self._open:
                return method(*arguments)
            began = self._clock()
            try:
                answer = method(*arguments)
            except BaseException as error:
                self._tell(part, name, f"raised {_raised(error)}", self._clock() - began)
                raise
            spent = self._clock() - began
            if isinstance(answer, Iterator):  # what it gives is worked out as it is asked for it
                return self._each(part, name, answer, spent)
            self._tell(part, name, _shown(answer), spent)
            return answer

        return traced

    def _each(self, part: Part, name: str, answers: Iterator[Any], spent: int) -> Iterator[Any]:
        given: list[str] = []
        while True:
            began = self._clock()
            try:
                answer = next(answers)
            except StopIteration:
                self._tell(part, name, f"[{', '.join(given)}]", spent + self._clock() - began)
                return
            except BaseException as error:
                self._tell(part, name, f"[{', '.join(given)}], raised {_raised(error)}", spent + self._clock() - began)
                raise
            spent += self._clock() - began
            given.append(_shown(answer))
            yield answer

    def _tell(self, part: Part, name: str, answer: str, spent: int) -> None:
        self._calls += 1
        self._write(f"  {self._calls}. {part.label}.{name}: {answer} ({spent / 1000:,.1f} µs)")

    def _traced(self, composition: Composition) -> Composition:
        return composition.mapped(self._part)

    def _part(self, part: Part) -> Part:
        return replace(part, factory=lambda: _TracedPart(part.factory(), part, self))


_NEVER: Final = object()
"""What no field is equal to."""


class _TracedEngine(TradingEngine):
    """An engine whose every event goes through the trace."""

    def __init__(self, trace: Trace, composition: Composition, **options: Any) -> None:
        self._trace = trace
        super().__init__(composition, **options)

    def step(self, data: Data) -> Sequence[Record]:
        """Take one normalised event, and return the records it caused, in the order they came about."""
        return self._trace.step(self.seq + 1, data, super().step)


class _TracedPart:
    """A live part, whose calls are told."""

    __slots__ = ("_live", "_part", "_trace")

    def __init__(self, live: Any, part: Part, trace: Trace) -> None:
        self._live = live
        self._part = part
        self._trace = trace

    def __getattr__(self, name: str) -> Any:
        if name == "snapshot" and not hasattr(self._live, name) and is_stateless(self._live):
            return _nothing  # the engine would take our own attributes for the state of the part
        found = getattr(self._live, name)
        return self._trace.call(self._part, found, name) if name in CALLS and callable(found) else found


def _nothing() -> None:
    """Return no state."""


def _raised(error: BaseException) -> str:
    return _shortened(f"{type(error).__name__}: {_printable(str(error))}")


def _shown(answer: Any) -> str:
    """Return an answer on one line; of the contracts' own kinds only the fields that differ from their defaults."""
    try:
        if isinstance(answer, list | tuple) and type(answer) in (list, tuple):
            return _shortened(f"[{', '.join(map(_shown, answer))}]")
        if isinstance(answer, msgspec.Struct):
            fields = [(name, getattr(answer, name)) for name in answer.__struct_fields__]
            usual = (_NEVER,) * (len(fields) - len(answer.__struct_defaults__)) + answer.__struct_defaults__
            each = zip(fields, usual, strict=True)
            told = ", ".join(f"{name}={value!r}" for (name, value), default in each if value != default)
            return _shortened(_printable(f"{type(answer).__name__}({told})"))
        return _shortened(_printable(repr(answer)))
    except Exception:  # noqa: BLE001  # the repr of a stranger's object may raise anything
        return f"<{type(answer).__name__}>"


def _printable(text: str) -> str:
    """Return a text with the characters that would move a terminal's cursor escaped."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…"
