"""Sources of events: which one reads a file or an address; opened with its parameters, and read in order."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import PurePath
from typing import Any, Final

from intuition_core.data import Event, normalise
from intuition_core.errors import BadData, BadParameter, IntuitionError, PartFailed
from intuition_core.parameters import check_params, parameter_names
from intuition_core.plugins import Catalogue

BY_SUFFIX: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".parq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".db": "sql",
    ".sqlite": "sql",
    ".sqlite3": "sql",
}
"""Which source reads a file, by how its name ends."""

COMPRESSED: Final = frozenset({".gz", ".bz2", ".xz", ".zst", ".lz4"})
"""Endings that say how a file is packed, not what is in it."""

BY_SCHEME: Final = {"ws": "websocket", "wss": "websocket"}
"""Which source reads an address, by how it begins; `sql` reads the others."""

_BATCH: Final = 1000
_PARAMETERS: Final = re.compile(r"[?#]")


class UnknownData(IntuitionError):
    """Data of which it is not known which source reads it."""

    def __init__(self, data: str) -> None:
        self.data = data
        known = ", ".join(sorted({*BY_SUFFIX}))
        super().__init__(f"{data}: cannot tell which source reads this (known endings: {known}); name it by --source")


class BadEvent(IntuitionError):
    """An event of a source that cannot be used."""

    def __init__(self, source: str, number: int, problem: str) -> None:
        self.source = source
        self.number = number
        self.problem = problem
        super().__init__(f"event {number} of {source}: {problem}")


def reader_of(data: str) -> str:
    """Name the source that reads a file or an address.

    Raises:
        UnknownData: nothing tells.
    """
    scheme, separator, _ = data.partition("://")
    if separator:
        return BY_SCHEME.get(scheme, "sql")
    suffixes = [suffix.lower() for suffix in PurePath(data).suffixes]
    while suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    name = BY_SUFFIX.get(suffixes[-1]) if suffixes else None
    if name is None:
        raise UnknownData(data)
    return name


def shown(data: str) -> str:
    """Give what of a file or an address may be shown and kept: of an address no user, no password and no parameters."""
    scheme, separator, rest = data.partition("://")
    if not separator:
        return data
    if not rest.startswith("/"):  # or else it names a file, and nobody
        credentials, _, rest = rest.rpartition("@")
        if any(character in credentials for character in "/?#"):
            return f"{scheme}://***"  # where the password ends is not certain
    return f"{scheme}://{_PARAMETERS.split(rest, 1)[0]}"


def open_source(
    catalogue: Catalogue,
    name: str | None = None,
    *,
    data: Sequence[str] = (),
    params: Mapping[str, Any] | None = None,
    start: int | None = None,
    end: int | None = None,
    symbols: Sequence[str] = (),
    negative_prices: bool = False,
) -> "Opened":
    """Load a source and give it its parameters.

    Args:
        catalogue: the plugins there are.
        name: the source; without it the data tells.
        data: files or addresses, given to the source as its parameter ``path`` or ``url``.
        params: its other parameters.
        start: leave out what is before this, in nanoseconds UTC.
        end: leave out what is not before this.
        symbols: leave out other symbols; none given means all.
        negative_prices: let zero and negative prices pass.

    Raises:
        UnknownData: neither the name nor the data says which source it is.
        BadParameter: the source does not take a parameter, or needs one.
        IntuitionError: the plugin cannot be used, or cannot read the data.
    """
    if name is None:
        if not data:
            raise UnknownData("no data")
        name = reader_of(data[0])
    plugin = catalogue.find("source", name)
    factory: Any = catalogue.load("source", name)
    label = f"source {plugin.name} ({plugin.distribution} {plugin.version})"
    declared = parameter_names(factory)
    takes = declared if declared is not None else ()
    given = dict(params or {})
    if data:
        given.update(_data_parameter(label, takes, data))
    wanted = {"start": start, "end": end, "symbols": tuple(symbols), "negative_prices": negative_prices}
    rest: dict[str, Any] = {}
    for key, value in wanted.items():
        if value in (None, (), False):
            continue
        if key in takes:
            given[key] = value
        else:
            rest[key] = value
    try:
        source = factory()
        if hasattr(source, "initialize"):
            source.initialize(check_params(f"source {plugin.name}", factory, given))
    except IntuitionError:
        raise
    except Exception as error:
        raise PartFailed(label, "initialize", f"{type(error).__name__}: {error}") from error
    return Opened(plugin.name, label, source, ", ".join(map(shown, data)), **rest)


def _data_parameter(label: str, takes: Sequence[str], data: Sequence[str]) -> dict[str, Any]:
    if "path" in takes:
        return {"path": tuple(data)}
    if "url" in takes:
        if len(data) > 1:
            raise BadParameter(label, "url", f"it reads one address, and {len(data)} are given")
        return {"url": data[0] if "://" in data[0] else f"sqlite:///{data[0]}"}
    raise BadParameter(label, None, "it takes no `path` and no `url`, so --data means nothing to it")


class Opened:
    """A source that has its parameters; its events are read once.

    Attributes:
        name: the plugin's name.
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
        """Say which source it is, and what it reads, without passwords."""
        return f"{self.name}: {self._data}" if self._data else self.name

    @property
    def progress(self) -> float | None:
        """Which part of the events has been given, from 0 to 1; None where that is not known."""
        progress = getattr(self._source, "progress", None)
        return None if progress is None else progress()

    def events(self) -> Iterator[Event]:
        """Give the events one by one, as soon as the source has each.

        Raises:
            BadEvent: one cannot be read, or is earlier than the one before.
            IntuitionError: the source cannot read its data.
            PartFailed: the source raised anything else.
        """
        if hasattr(self._source, "batches"):
            for batch in self.batches():
                yield from batch
        else:
            yield from self._asked_for(self._normalised())

    def batches(self) -> Iterator[list[Event]]:
        """Give the events in lists.

        Raises:
            BadEvent: one cannot be read, or is earlier than the one before.
            IntuitionError: the source cannot read its data.
            PartFailed: the source raised anything else.
        """
        if not hasattr(self._source, "batches"):
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
                raise PartFailed(self._label, "batches", f"{type(error).__name__}: {error}") from error
            if self._start is not None or self._end is not None or self._symbols:
                batch = list(self._asked_for(iter(batch)))
            if batch:
                yield batch

    def _normalised(self) -> Iterator[Event]:
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
                raise PartFailed(self._label, "events", f"{type(error).__name__}: {error}") from error
            number += 1
            try:
                events = normalise(payload, now=_no_clock, negative_prices=self._negative_prices)
            except BadData as error:
                raise BadEvent(str(self), number, str(error)) from None
            for event in events:
                if event["ts"] < last:
                    raise BadEvent(str(self), number, f"its `ts` {event['ts']} is before the last one, {last}")
                last = event["ts"]
                yield event

    def _asked_for(self, events: Iterator[Event]) -> Iterator[Event]:
        start, end, symbols = self._start, self._end, self._symbols
        for event in events:
            if start is not None and event["ts"] < start:
                continue
            if end is not None and event["ts"] >= end:
                return
            if not symbols or event.get("sid") in symbols:
                yield event


def _no_clock() -> int:
    raise BadData("missing, and every event of a source needs one", field="ts")
