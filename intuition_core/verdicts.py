"""What is held against parts: deaths of the process while one of them ran, and the consequences."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Casualty(NamedTuple):
    """The end of a process while a part ran.

    Attributes:
        seq: the number that the event had; 0 while the part was initialised.
        part: which part, counted from 1 in the order in which a strategy starts them.
        problem: what happened, to be read after the part's name.
        event: the event, where it had not been committed; another one may get its number.
        state: whether the part was giving or taking a snapshot, rather than answering the event.
    """

    seq: int
    part: int
    problem: str
    event: Mapping[str, Any] | None = None
    state: bool = False


class Verdict(NamedTuple):
    """What was decided about a part at an event; replay follows it rather than to find out again.

    Attributes:
        seq: the event's number.
        part: which part, counted as in `Casualty`.
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
