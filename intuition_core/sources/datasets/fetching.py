"""Fetching from a source into a dataset: span by span, what was not asked for yet, kept as it comes."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec

from intuition_core.data import Event
from intuition_core.errors import IntuitionError
from intuition_core.sources.asking import PAUSE, Asking
from intuition_core.sources.datasets.adding import Addition, add
from intuition_core.sources.datasets.index import Added, Asked, Index, read_index
from intuition_core.sources.datasets.places import INDEX
from intuition_core.sources.pages import Answer, TryLater

_KEPT: Final = 50_000
"""How many events are held at most before they are written."""


class Asker(Protocol):
    """A source that can be asked for a span of time."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def options(self) -> str:
        """The first digits of the hash of its parameters."""

    @property
    def pause(self) -> float | None:
        """The seconds that it wants between two requests; None where it does not say."""

    def fetch(self, sid: str, start: int, end: int) -> Answer:
        """Return the first events of a span, and up to when they are all of them."""


class NothingKnown(IntuitionError):
    """A symbol that is fetched for the first time, without a time to begin at."""

    def __init__(self, sid: str) -> None:
        self.sid = sid
        super().__init__(f"{sid} was never fetched into this dataset; say --from")


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A span that could not be fetched, nanoseconds UTC."""

    sid: str
    start: int
    end: int
    problem: str


class Fetched(NamedTuple):
    """What came of fetching one symbol."""

    sid: str
    new: int
    """How many events were new."""
    known: int
    """How many the dataset had already."""
    requests: int
    """How many requests were made."""
    failure: Failure | None
    """What could not be fetched; the same command goes on there."""


def missing(
    asked: Sequence[Asked], source: str, options: str, sid: str, span: tuple[int, int]
) -> list[tuple[int, int]]:
    """Return the parts of a span that a source was not asked for yet, in order."""
    start, end = span
    parts = []
    for each in sorted(asked, key=lambda one: one.start):
        if (each.source, each.options, each.sid) != (source, options, sid) or each.end <= start:
            continue
        if each.start >= end:
            break
        if each.start > start:
            parts.append((start, each.start))
        start = max(start, each.end)
    if start < end:
        parts.append((start, end))
    return parts


class Fetching:
    """Asks a source for spans, and adds what it gives to a dataset.

    What has come is kept however it ends, and is not asked for again.

    Args:
        folder: the folder of the dataset.
        source: the source.
        name: what the source is called in commands.
        pause: the seconds between two requests; None for the source's own.
        replace: whether events take the place of others of the same symbol and time.
        again: whether to ask again for what was asked for.
        negative_prices: whether zero and negative prices are let pass.
    """

    def __init__(
        self,
        folder: Path,
        source: Asker,
        *,
        name: str,
        pause: float | None = None,
        replace: bool = False,
        again: bool = False,
        negative_prices: bool = False,
    ) -> None:
        self._folder = folder
        self._source = source
        self._name = name
        own = source.pause
        self._asking = Asking(pause if pause is not None else PAUSE if own is None else own)
        self._replace = replace
        self._again = again
        self._negative_prices = negative_prices

    def fetch(self, sid: str, start: int | None, end: int) -> Fetched:
        """Fetch the events of a symbol from ``start`` up to ``end`` and not with it, nanoseconds UTC.

        Args:
            sid: the symbol.
            start: None for where the last fetch ended.
            end: the end.

        Raises:
            BadPage: the source gave what cannot be used.
            Conflict: the dataset has other events of a moment.
            NothingKnown: there is no start, and the symbol was never fetched.
        """
        requests = self._asking.requests
        new = known = 0
        failure = None
        for span in self._spans(sid, start, end):
            for done in self._kept(sid, *span):
                if isinstance(done, Failure):
                    failure = done
                    break
                new += done.new + done.replaced
                known += done.known
            if failure is not None:
                break
        return Fetched(sid, new, known, self._asking.requests - requests, failure)

    def _index(self) -> Index:
        return read_index(self._folder) if (self._folder / INDEX).is_file() else Index(name=self._folder.name)

    def _spans(self, sid: str, start: int | None, end: int) -> list[tuple[int, int]]:
        name, options = self._name, self._source.options
        asked = self._index().asked
        if start is None:
            ends = [each.end for each in asked if (each.source, each.options, each.sid) == (name, options, sid)]
            if not ends:
                raise NothingKnown(sid)
            start = max(ends)
        if self._again:
            return [(start, end)] if start < end else []
        return missing(asked, name, options, sid, (start, end))

    def _kept(self, sid: str, start: int, end: int) -> Iterator[Addition | Failure]:
        """Fetch a span, and yield what was added each time some was written, and what failed."""
        held: list[Event] = []
        since = cursor = start
        failure = None
        last = False
        try:
            while cursor < end and not last:
                try:
                    events, upto, last = self._asking.ask(partial(self._source.fetch, sid, cursor, end))
                except TryLater as error:
                    failure = Failure(sid=sid, start=cursor, end=end, problem=error.problem)
                    break
                held += events
                cursor = min(upto, end)
                if len(held) >= _KEPT:
                    written, held = held, []
                    span, since = (since, cursor), cursor
                    yield self._add(sid, written, *span)
        except BaseException:
            if cursor > since:  # which an interruption must not lose
                self._add(sid, held, since, cursor)
            raise
        if cursor > since:
            yield self._add(sid, held, since, cursor)
        if failure is not None:
            yield failure

    def _add(self, sid: str, events: list[Event], start: int, end: int) -> Addition:
        asked = Asked(source=self._name, sid=sid, start=start, end=end, options=self._source.options)
        return add(
            self._folder,
            [events] if events else [],
            lambda: Added(source=self._source.name, data=f"{self._name}: {sid}"),
            replace=self._replace,
            negative_prices=self._negative_prices,
            asked=(asked,),
        )
