"""The events of sources that are open: checked, in order, only those that are asked for; of several as one course."""

import logging
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from typing import Any, Final

from intuition_core.account.actions import ACTIONS, checked
from intuition_core.data import RATES, Event, normalise
from intuition_core.errors import BadData, IntuitionError, PartFailed
from intuition_core.params.secrets import SECRETS
from intuition_core.sources.merge import merge
from intuition_core.sources.taken import Taken, lines

_BATCH: Final = 1000

_log = logging.getLogger(__name__)


class BadEvent(IntuitionError):
    """An event of a source that cannot be used."""

    def __init__(self, source: str, number: int, problem: str) -> None:
        self.source = source
        self.number = number
        self.problem = problem
        super().__init__(f"event {number} of {source}: {problem}")


class SourceReader:
    """A source that has its parameters; its events are read once.

    Attributes:
        name: the plugin's name.

    Args:
        name: the plugin's name.
        label: the plugin in full, for messages.
        source: what it made.
        data: what it reads, as it may be shown.
        start: leave out what is before this, in nanoseconds UTC.
        end: leave out what is not before this.
        symbols: leave out other symbols, but no rates of currencies, which what is left may need.
        negative_prices: let zero and negative prices pass.
    """

    def __init__(
        self,
        name: str,
        label: str,
        source: Any,
        data: str = "",
        *,
        start: int | None = None,
        end: int | None = None,
        symbols: tuple[str, ...] = (),
        negative_prices: bool = False,
    ) -> None:
        self.name = name
        self._label = label
        self._source = source
        self._data = data
        self._start = start
        self._end = end
        self._symbols = frozenset(symbols)
        self._negative_prices = negative_prices

    def __str__(self) -> str:
        """Return which source it is, and what it reads, without passwords."""
        return f"{self.name}: {self._data}" if self._data else self.name

    @property
    def batched(self) -> bool:
        """Whether it gives events in lists, as live sources do not: theirs would have to fill first."""
        return hasattr(self._source, "batches")

    @property
    def _live(self) -> bool:
        return bool(getattr(self._source, "live", False))

    @property
    def progress(self) -> float | None:
        """Which part of the events has been given, from 0 to 1; None where that is not known."""
        progress = getattr(self._source, "progress", None)
        return None if progress is None else progress()

    @property
    def taken(self) -> list[Taken]:
        """How the data was read, as far as it was; nothing where the source does not say so."""
        taken = getattr(self._source, "taken", None)
        return [] if taken is None else list(taken())

    def told(self) -> list[str]:
        """Return a line for each way in which the data was read."""
        return lines(self.taken)

    def events(self) -> Iterator[Event]:
        """Return the events one by one, as soon as the source has each; those of a live source as they arrive.

        Raises:
            BadEvent: one cannot be read, or, of a source that is not live, is earlier than the one before.
            IntuitionError: the source cannot read its data.
            PartFailed: the source raised anything else.
        """
        if self.batched:
            for batch in self.batches():
                yield from batch
        else:
            yield from self._asked_for(self._normalised(live=self._live))

    def batches(self) -> Iterator[list[Event]]:
        """Return the events in lists.

        Raises:
            BadEvent: one cannot be read, or is earlier than the one before.
            IntuitionError: the source cannot read its data.
            PartFailed: the source raised anything else.
        """
        if not self.batched:
            events = self._asked_for(self._normalised())
            while batch := list(islice(events, _BATCH)):
                yield batch
            return
        batches = iter(self._source.batches())
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except IntuitionError:
                raise
            except Exception as error:
                raise PartFailed(self._label, "batches", _what_raised(error)) from error
            if self._start is not None or self._end is not None or self._symbols:
                batch = list(self._asked_for(iter(batch)))
            if batch:
                yield batch

    def _normalised(self, *, live: bool = False) -> Iterator[Event]:
        number, last = 0, -(2**63)
        payloads = iter(self._source.events())
        while True:
            try:
                payload = next(payloads)
            except StopIteration:
                return
            except IntuitionError:
                raise
            except Exception as error:
                raise PartFailed(self._label, "events", _what_raised(error)) from error
            number += 1
            try:
                events = normalise(payload, now=_no_clock, negative_prices=self._negative_prices)
                events = [checked(event) if event["channel"] == ACTIONS else event for event in events]
            except BadData as error:
                raise BadEvent(str(self), number, str(error)) from None
            for event in events:
                if event["ts"] < last and not live:
                    problem = f"its `ts` {event['ts']} is before the last one, {last}"
                    if self._live:
                        problem += "; what a live source gives late is for a session: publish it"
                    raise BadEvent(str(self), number, problem)
                last = event["ts"]
                yield event

    def _asked_for(self, events: Iterator[Event]) -> Iterator[Event]:
        start, end, symbols = self._start, self._end, self._symbols
        for event in events:
            if start is not None and event["ts"] < start:
                continue
            if end is not None and event["ts"] >= end:
                return
            if not symbols or event.get("sid") in symbols or event["channel"] == RATES:
                yield event


class MergedReader:
    """Several sources whose events are one course, in the order of time; it is read once.

    Attributes:
        batched: whether it gives events in lists, as live sources do not.

    Args:
        sources: those of equal time come in this order.
        symbols: what was asked for of all of them together, to tell of what none has.
    """

    batched: Final = True

    def __init__(self, sources: Sequence[SourceReader], *, symbols: Sequence[str] = ()) -> None:
        self._sources = tuple(sources)
        self._symbols = symbols
        self._counts = [0] * len(self._sources)
        self._progress: float | None = 0.0

    def __str__(self) -> str:
        """Return which sources they are, and what they read, without passwords."""
        return "; ".join(map(str, self._sources))

    @property
    def progress(self) -> float | None:
        """Which part of the events has been read, from 0 to 1, as far as that can be told; None where it cannot.

        What each source has given by now, and which part of its own that is, tells how many there may be.
        """
        parts = [source.progress for source in self._sources]
        expected = 0.0
        for count, part in zip(self._counts, parts, strict=True):
            if part is None:
                return None
            expected += count / part if part else count
        if expected and self._progress is not None:
            self._progress = max(self._progress, min(sum(self._counts) / expected, 1.0))  # guesses differ, and it shows
        return self._progress

    @property
    def taken(self) -> list[Taken]:
        """How the data of all sources was read, as far as they say so."""
        return [each for source in self._sources for each in source.taken]

    def told(self) -> list[str]:
        """Return a line for each way in which the data was read."""
        return lines(self.taken)

    def events(self) -> Iterator[Event]:
        """Return the events one by one; raises what `batches` does."""
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[list[Event]]:
        """Return the events in lists.

        Raises:
            BadEvent: one cannot be read, or is earlier than the one before of its source.
            IntuitionError: a source cannot read its data.
            PartFailed: a source raised anything else.
        """
        missing = set(self._symbols)
        for batch in merge([self._counted(place) for place in range(len(self._sources))]):
            if missing:
                missing.difference_update(event.get("sid") for event in batch)
            yield batch
        if missing:
            _log.warning("%s: no event is of %s", self, ", ".join(sorted(missing)))

    def _counted(self, place: int) -> Iterator[list[Event]]:
        for batch in self._sources[place].batches():
            self._counts[place] += len(batch)
            yield batch


def _no_clock() -> int:
    raise BadData("missing, and every event of a source needs one", field="ts")


def _what_raised(error: Exception) -> str:
    return SECRETS.redacted(f"{type(error).__name__}: {error}")
