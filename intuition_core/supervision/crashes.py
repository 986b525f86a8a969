"""Worker crashes attributed to a part, and the decisions that followed."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class WorkerCrash(NamedTuple):
    """The end of a process while a part ran.

    Attributes:
        seq: the number that the event had; 0 while the part was initialised.
        part: which part, counted from 1 in the order in which an engine starts them.
        problem: what happened, to be read after the part's name.
        event: the event, where it had not been committed; another one may get its number.
        state: whether the part was giving or taking a snapshot, rather than answering the event.
    """

    seq: int
    part: int
    problem: str
    event: Mapping[str, Any] | None = None
    state: bool = False


class FailureDecision(NamedTuple):
    """What was decided about a part at an event; replay follows it rather than to find out again.

    Attributes:
        seq: the event's number.
        part: which part, counted as in `WorkerCrash`.
        name: its kind and name, so that it is not held against another one that has taken its place.
        called: whether the part was called for this event, and failed; else it was spared the event.
        quarantined: whether it is not called any more after the event.
        problem: what happened.
    """

    seq: int
    part: int
    name: str
    called: bool
    quarantined: bool
    problem: str


class Release(NamedTuple):
    """The end of a part's quarantine, by a person's order.

    Attributes:
        seq: the last event before; from the next one on the part is called again.
        part: which part, counted as in `WorkerCrash`.
        name: its kind and name, as in `FailureDecision`.
    """

    seq: int
    part: int
    name: str


def in_quarantine(decisions: Iterable[FailureDecision], releases: Iterable[Release]) -> list[FailureDecision]:
    """Return the decisions, in order, by which parts are still in quarantine."""
    freed = {(release.part, release.name): release.seq for release in sorted(releases)}
    standing: dict[tuple[int, str], FailureDecision] = {}
    for decision in sorted(decisions):
        part = decision.part, decision.name
        if decision.quarantined and decision.seq > freed.get(part, -1):
            standing.setdefault(part, decision)
    return list(standing.values())
