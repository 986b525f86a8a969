"""The look-ahead guard: a beginning of the history must decide as the whole does.

Whoever knows the future decides otherwise where there is less of it. So the history is cut off at several places, each
beginning is run by parts made anew, on a source that was told to end there, and what was decided up to the cut is
compared. A source is only tried as a whole if it takes ``end`` as a parameter; of others the events are cut off.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from intuition_core.contracts import Data
from intuition_core.trading.composition import Composition
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record

CUTS: Final = 7
"""At how many places the history is cut off."""

_RUN: Final = "lookahead"

Batches = Iterable[Sequence[Data]]


class Finding(NamedTuple):
    """A beginning that differs from the whole."""

    ts: int
    """Where the history was cut off, nanoseconds UTC: its events are before this."""
    seq: int
    """The first event at which it differs."""
    problem: str

    def __str__(self) -> str:
        """Return what differs, and where."""
        return f"cut off at {self.ts}, event {self.seq}: {self.problem}"


def check(
    composition: Composition,
    batches: Callable[[int | None], Batches],
    *,
    engine: Callable[..., TradingEngine] = TradingEngine,
) -> list[Finding]:
    """Run the history and beginnings of it, and compare.

    Args:
        composition: the recipe; its parts are made anew for each run.
        batches: gives the events, up to a time in nanoseconds UTC that is not included, or all of them for None.
        engine: makes the live parts.

    Returns:
        What differs; nothing where there is no sign of a look ahead.
    """
    whole = list(_traced(engine(composition, run=_RUN), batches(None)))
    findings = []
    for cut in _cuts(whole):
        expected = [step for step in whole if step.ts < cut]
        if finding := _compare(cut, expected, _traced(engine(composition, run=_RUN), batches(cut))):
            findings.append(finding)
    return findings


class _Step(NamedTuple):
    """What one event held and led to, short enough to keep for all of them."""

    seq: int
    ts: int
    event: bytes
    records: bytes | None


def _traced(engine: TradingEngine, batches: Batches) -> Iterator[_Step]:
    for batch in batches:
        for data in engine.timers.between(batch):
            event = hashlib.blake2b(msgspec.msgpack.encode(data), digest_size=8).digest()
            records = engine.step(data)
            yield _Step(engine.seq, data["ts"], event, msgspec.json.encode(records) if records else None)


def _cuts(steps: Sequence[_Step]) -> list[int]:
    """Return the times to cut off at: spread over the events, and right after events that led to something."""
    if not steps:
        return []
    places = {len(steps) * number // (CUTS + 1) for number in range(1, CUTS + 1)}
    decided = [place for place, step in enumerate(steps) if step.records is not None]
    places |= {decided[len(decided) * number // CUTS] + 1 for number in range(CUTS)} if decided else set()
    return sorted({steps[place].ts for place in places if 0 < place < len(steps)})


def _compare(cut: int, expected: Sequence[_Step], got: Iterator[_Step]) -> Finding | None:
    count = 0
    for step in got:
        if count >= len(expected):
            return Finding(cut, step.seq, "the source gives more events than it gives of the whole history up to there")
        whole = expected[count]
        count += 1
        if step.event != whole.event:
            return Finding(cut, step.seq, "the source gives another event than when it knows what comes later")
        if step.records != whole.records:
            return Finding(cut, step.seq, f"decided {_shown(step)}; with what comes later known, {_shown(whole)}")
    if count < len(expected):
        return Finding(cut, count + 1, "the source gives fewer events than it gives of the whole history up to there")
    return None


def _shown(step: _Step) -> str:
    if step.records is None:
        return "nothing"
    records: list[Record] = msgspec.json.decode(step.records)
    return ", ".join(_sentence(record) for record in records)


def _sentence(record: Record) -> str:
    words: list[Any] = [record["type"], record.get("side"), record.get("quantity"), record["sid"]]
    return " ".join(str(word) for word in words if word is not None)
