"""The events of sources that are open: checked, in order, only those that are asked for; of several as one course."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import chain, islice
from pathlib import Path
from typing import Any, Final

import msgspec

from intuition_core.account.actions import ACTIONS, checked
from intuition_core.data import RATES, Event, normalise
from intuition_core.errors import BadData, IntuitionError, PartFailed
from intuition_core.params.secrets import SECRETS
from intuition_core.sources.contents import Content, check_unchanged, digest_of, files_of, of_files, stamps_of
from intuition_core.sources.merge import merge
from intuition_core.sources.pages import Answer, BadPage, NotAsked, Page, TryLater
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
        options: the parameters, by the first digits of their hash.

    Args:
        name: the plugin's name.
        label: the plugin in full, for messages.
        source: what it made.
        data: what it reads, as it may be shown.
        start: leave out what is before this, in nanoseconds UTC.
        end: leave out what is not before this.
        symbols: leave out other symbols, but no rates of currencies, which what is left may need.
        negative_prices: let zero and negative prices pass.
        options: the parameters that it has, without those that name the data.
        hashed: whether events are hashed as they are read, where the source has neither files nor datasets.
    """

    def __init__(
        self,
        name: str,
        label: str,
        source: Any,
        data: str = "",
        *,
        options: Mapping[str, Any] | None = None,
        start: int | None = None,
        end: int | None = None,
        symbols: tuple[str, ...] = (),
        negative_prices: bool = False,
        hashed: bool = False,
    ) -> None:
        self.name = name
        self._label = label
        self._source = source
        self._data = data
        self._start = start
        self._end = end
        self._symbols = frozenset(symbols)
        self._negative_prices = negative_prices
        self._hashed = hashed
        span = {"start": start, "end": end, "symbols": symbols, "negative_prices": negative_prices}
        self._options = digest_of({**span, **(options or {})})
        self.options = digest_of(options or {})
        self._files: dict[Path, tuple[int, int]] | None = None
        self._contents: list[Content] | None = None
        self._digest = sha256()
        self._complete = False

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

    @property
    def pause(self) -> float | None:
        """The seconds that the source wants between two requests; None where it does not say."""
        pause = getattr(self._source, "pause", None)
        return None if pause is None else float(pause)

    def fetch(self, sid: str, start: int, end: int) -> Answer:
        """Return the first events of a symbol of a span of time, and up to when they are all, by one request.

        Args:
            sid: the symbol.
            start: the time of the first event, nanoseconds UTC.
            end: the time before which events are wanted, nanoseconds UTC.

        Raises:
            BadPage: the source gave events that cannot be read, or of another symbol or time.
            NotAsked: the source cannot be asked.
            PartFailed: the source raised what is neither an error of its own nor one of the network.
            TryLater: it may answer later.
        """
        ask = getattr(self._source, "fetch", None)
        if ask is None:
            raise NotAsked(self.name)
        try:
            payloads, upto, last = Page(*ask(sid, start, end))
        except IntuitionError:
            raise
        except OSError as error:  # as errors of the network are
            raise TryLater(f"{type(error).__name__}: {error}") from None
        except Exception as error:
            raise PartFailed(self._label, "fetch", f"{type(error).__name__}: {error}") from error
        if type(upto) is not int or upto < start or (upto == start and not last):
            raise BadPage(self.name, sid, f"an answer that is complete up to {upto!r}, from {start} on")
        events: list[Event] = []
        for payload in payloads:
            try:
                events += normalise(payload, now=_no_clock, negative_prices=self._negative_prices)
            except BadData as error:
                raise BadPage(self.name, sid, f"{payload!r:.100} ({error})") from None
        before = start
        for event in events:
            if event.get("sid") != sid or not before <= event["ts"] < min(upto, end):
                raise BadPage(self.name, sid, f"an event of {event.get('sid')} at {event['ts']} after one at {before}")
            before = event["ts"]
        return Answer(events, upto, last)

    def contents(self) -> list[Content]:
        """Return what is read, with hashes: of files and datasets at any time, of events after the last of `batches`.

        A hash of events that is not known yet, or was not asked for by ``hashed``, is empty.

        Raises:
            DataChanged: a file was changed since it was opened.
        """
        datasets = getattr(self._source, "contents", None)
        if datasets is not None:
            return [
                Content(source=self.name, data=name, kind="dataset", sha256=digest, options=self._options)
                for name, digest in datasets()
            ]
        files = self._stamps()
        if files is not None:
            if self._contents is None:
                self._contents = of_files(self.name, files, self._options)
            else:
                check_unchanged(files)
            return list(self._contents)
        digest = self._digest.hexdigest() if self._complete else ""
        return [Content(source=self.name, data=self._data or self.name, kind="events", sha256=digest, options="")]

    def check_unchanged(self) -> None:
        """Check that no file was written to while it was read.

        Raises:
            DataChanged: one was.
        """
        check_unchanged(self._stamps() or {})

    def _stamps(self) -> dict[Path, tuple[int, int]] | None:
        """Return the files that are read, as they were when first asked for; None where it is not known which."""
        if self._files is None:
            files = files_of(self._source)
            self._files = None if files is None else stamps_of(files)
        return self._files

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
        if hasattr(self._source, "contents") or self._stamps() is not None or not self._hashed:
            yield from self._batches()
            return
        self._digest, self._complete = sha256(), False
        for batch in self._batches():
            self._digest.update(msgspec.json.encode(batch))
            yield batch
        self._complete = True

    def _batches(self) -> Iterator[list[Event]]:
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

    def contents(self) -> list[Content]:
        """Return what all sources read, see `SourceReader.contents`."""
        return [each for source in self._sources for each in source.contents()]

    def check_unchanged(self) -> None:
        """Check that no file was written to while it was read; raises what `SourceReader.check_unchanged` does."""
        for source in self._sources:
            source.check_unchanged()

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
