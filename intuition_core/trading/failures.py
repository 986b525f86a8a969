"""Failures of parts: the record of each, and the policy that follows."""

import logging
import os
from collections.abc import Callable, Sequence
from traceback import walk_tb
from typing import Any

from intuition_core.contracts import Data
from intuition_core.determinism.apart import leave_if_forked
from intuition_core.errors import PartFailed
from intuition_core.trading.calls import what_raised
from intuition_core.trading.composition import Part
from intuition_core.trading.records import Recorder


class NotCalled(Exception):
    """Raised in place of a part that is not called for an event."""


class Failures:
    """Records the failures of parts, and applies their policies.

    Attributes:
        halted: the failure after which, by the part's policy, no more events are to be taken.
        judging: whether policies apply; a replay follows the decisions of the first run instead.

    Args:
        parts: the parts by their number, counted from 1.
        recorder: writes the records; it is at the event of a failure.
        quarantine: called with the number of a part, the problem and the number of the event, where the policy asks
            for it.
        log: the engine's.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        recorder: Recorder,
        *,
        quarantine: Callable[[int, str, int], object],
        log: logging.Logger,
    ) -> None:
        self.halted: PartFailed | None = None
        self.judging = True
        self._parts = parts
        self._recorder = recorder
        self._quarantine = quarantine
        self._log = log
        self._process = os.getpid()
        self._event_id: Any = None

    def begin(self, seq: int, data: Data) -> None:
        """Write records of an event from now on, which failures name by its id."""
        self._recorder.open(seq, data["ts"])
        self._event_id = data.get("id")

    def record(self, number: int, method: str, error: BaseException, sid: str | None) -> None:
        """Record what a part raised, tell of it, and apply the part's policy.

        Args:
            number: the part, counted from 1.
            method: the method that failed.
            error: what it raised.
            sid: the symbol that it was called about.
        """
        part, seq = self._parts[number - 1], self._recorder.seq
        leave_if_forked(self._process, part.label, error)
        called = not isinstance(error, NotCalled)
        what = what_raised(part, error) if called else str(error)
        problem = str(PartFailed(part.label, method, what))
        where = f"event {seq}" if self._event_id is None else f"event {seq} (id {self._event_id!r:.60})"
        close = self._log.isEnabledFor(logging.DEBUG)
        line = line_of(error) if called else ""
        advice = "" if close or not line else " (-v shows how it came there)"
        failures = self._log.getChild("failures")  # a log of their own, for those who tell of them otherwise
        failures.warning("%s: %s%s%s", where, problem, line, advice, exc_info=error if close else None)
        if self.judging and called:
            if part.policy == "quarantine":
                self._quarantine(number, problem, seq)
            elif part.policy == "raise":
                self.halted = PartFailed(part.label, method, f"{what}, at {where}{line}")
                self.halted.__cause__ = error  # what a debugger or a notebook shows of where it was raised
        more = {} if self._event_id is None else {"event_id": self._event_id}
        self._recorder.write(
            "error",
            sid,
            kind=part.kind,
            part=part.name,
            distribution=part.distribution,
            version=part.version,
            method=method,
            problem=problem.encode(errors="replace").decode(),
            **more,
        )


def line_of(error: BaseException) -> str:
    """Return the line and the file in which a part has raised, in brackets; empty where its answer was at fault."""
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in walk_tb(error.__traceback__)
        if str(frame.f_globals.get("__name__", "")).partition(".")[0] != "intuition_core"
    ]
    return f" ({frames[0][0]}, line {frames[0][1]})" if frames else ""


def not_called(problem: str) -> Callable[..., Any]:
    """Return what answers in place of a part that is not called for an event, because of a problem."""

    def stand_in(*_: Any) -> None:
        raise NotCalled(f"not called for this event: {problem}")

    return stand_in
