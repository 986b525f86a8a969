"""What a source answers that is asked for a span of time."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from intuition_core.data import Event
from intuition_core.errors import IntuitionError


class Page(NamedTuple):
    """The answer to one request: the first events of a span, oldest first."""

    events: Sequence[Mapping[str, Any]]
    """The events, each with its ``ts``."""
    upto: int
    """The time before which nothing is missing, nanoseconds UTC; the end of the span where that is all of it."""
    last: bool = False
    """Whether the rest of the span has not happened yet, so that asking on gives nothing today."""


class Answer(NamedTuple):
    """A page whose events are checked."""

    events: list[Event]
    upto: int
    last: bool = False


class TryLater(IntuitionError):
    """A request that may succeed later: the venue asks to wait, or does not answer."""

    def __init__(self, problem: str, *, seconds: float | None = None) -> None:
        self.problem = problem
        self.seconds = seconds
        super().__init__(problem)


class NotAsked(IntuitionError):
    """A source that cannot be asked for a span of time."""

    def __init__(self, source: str) -> None:
        self.source = source
        super().__init__(f"the source {source} cannot be asked for a span of time; it has no method `fetch`")


class BadPage(IntuitionError):
    """An answer that cannot be used."""

    def __init__(self, source: str, sid: str, problem: str) -> None:
        self.source = source
        self.sid = sid
        self.problem = problem
        super().__init__(f"{source} gave {problem} for {sid}; report it to its author")
