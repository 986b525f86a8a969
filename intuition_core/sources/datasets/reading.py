"""The source that reads datasets: their events as they were added, in the order of time."""

from collections.abc import Iterator, Sequence
from itertools import chain, groupby
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from intuition_core.data import RATES, Event
from intuition_core.errors import BadParameter, IntuitionError, did_you_mean
from intuition_core.sources.datasets.index import Index, Piece, Series, file_sha256, read_index
from intuition_core.sources.datasets.places import find_dataset, split_pin
from intuition_core.sources.datasets.tables import PLACE, arrow, events_of
from intuition_core.sources.merge import merge, rank
from intuition_core.sources.taken import Taken

_BATCH: Final = 1024
_FEWEST: Final = 64
_READ: Final = 1 << 14
"""How many rows of a file are read at a time at most."""
_HELD: Final = 1 << 17
"""How many events are held at most of all series that are merged."""

_PRICES: Final = ("quote", "close", "open", "high", "low", "bid", "ask")


class DatasetDamaged(IntuitionError):
    """A file of a dataset that is not what was added."""

    def __init__(self, name: str, path: Path, problem: str) -> None:
        self.name = name
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}; `intuition data verify {name}` tells what of the dataset is whole")


class OtherContents(IntuitionError):
    """A dataset that holds other data than was asked for."""

    def __init__(self, name: str, wanted: str, sha256: str) -> None:
        self.name = name
        self.wanted = wanted
        self.sha256 = sha256
        super().__init__(f"the dataset {name} has the contents {sha256[:12]}, not {wanted}; it was changed since")


class DatasetParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which datasets are read, and what of them."""

    path: Annotated[
        tuple[str, ...] | str,
        Meta(description="A dataset's name or folder, `NAME@HASH` for these contents alone; or several of these."),
    ]
    symbols: Annotated[
        tuple[str, ...], Meta(description="The symbols to give, and rates besides; all by default.")
    ] = ()
    start: Annotated[int | None, Meta(description="The time of the first event, in nanoseconds UTC.")] = None
    end: Annotated[int | None, Meta(description="The time before which events are given, nanoseconds UTC.")] = None
    negative_prices: Annotated[bool, Meta(description="Read datasets that may have zero and negative prices.")] = False

    @property
    def paths(self) -> tuple[str, ...]:
        """The datasets, however many."""
        return (self.path,) if isinstance(self.path, str) else self.path


class Dataset:
    """Events of datasets, each as it was added."""

    Params = DatasetParams

    def initialize(self, params: DatasetParams) -> None:
        """Find the datasets, and check that their files are those that were added.

        Raises:
            BadParameter: no dataset has a symbol, or one has prices that are not let pass.
            DatasetDamaged: a file is another one, or is missing.
            NeedsArrow: the library that reads them is not installed.
            NoSuchDataset: there is none of that name.
            OtherContents: a dataset is not the one whose hash was given.
        """
        arrow()
        self._params = params
        self._given = 0
        self._kept = [_Kept(text, params) for text in params.paths]
        known = {sid for kept in self._kept for sid in kept.index.symbols}
        for symbol in params.symbols:
            if symbol not in known:
                names = sorted(known)
                some = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
                raise BadParameter(
                    "dataset", "symbols", f"there is no `{symbol}`, only {some}{did_you_mean(symbol, names)}"
                )

    @property
    def index(self) -> Index:
        """The index of the first dataset."""
        return self._kept[0].index

    def contents(self) -> list[tuple[str, str]]:
        """Return the names of the datasets, with the SHA-256 of their contents."""
        return [(kept.index.name, kept.index.sha256) for kept in self._kept]

    def events(self) -> Iterator[Event]:
        """Return the events in the order of time."""
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[list[Event]]:
        """Return the same in lists.

        Raises:
            DatasetDamaged: a file cannot be read.
        """
        self._given = 0
        for batch in merge([kept.batches() for kept in self._kept]) if len(self._kept) > 1 else self._kept[0].batches():
            self._given += len(batch)
            yield batch

    def progress(self) -> float:
        """Tell which part of the datasets has been read, from 0 to 1."""
        rows = sum(kept.rows for kept in self._kept)
        return min(self._given / rows, 1.0) if rows else 1.0

    def taken(self) -> list[Taken]:
        """Return how each dataset was read, as far as it was."""
        return [kept.taken() for kept in self._kept]


class _Kept:
    """One dataset, with what of it is wanted."""

    def __init__(self, text: str, params: DatasetParams) -> None:
        self._folder = find_dataset(text)
        self._params = params
        self.index = read_index(self._folder)
        _, pin = split_pin(text)
        if pin is not None and not self.index.sha256.startswith(pin):
            raise OtherContents(self.index.name, pin, self.index.sha256)
        if self.index.negative_prices and not params.negative_prices:
            raise BadParameter(
                "dataset", "negative_prices", f"{self.index.name} was added with it; set it here, too, or add it again"
            )
        self._pieces = [piece for piece in self.index.pieces if self._wanted(piece)]
        for piece in self._pieces:
            self._check(piece)
        self.rows = sum(piece.rows for piece in self._pieces)
        self._seen: dict[str, None] = {}
        self._columns: dict[str, None] = {}
        self._events = 0
        self._first: int | None = None
        self._last: int | None = None

    def _wanted(self, piece: Piece) -> bool:
        params = self._params
        return (
            (params.start is None or piece.last >= params.start)
            and (params.end is None or piece.first < params.end)
            and (not params.symbols or piece.sid in params.symbols or piece.channel == RATES)
        )

    def _check(self, piece: Piece) -> None:
        path = self._folder / piece.path
        try:
            whole = path.stat().st_size == piece.bytes and file_sha256(path) == piece.sha256
        except OSError as error:
            raise DatasetDamaged(self.index.name, path, error.strerror or str(error)) from None
        if not whole:
            raise DatasetDamaged(self.index.name, path, "is not the file that was added")

    def batches(self) -> Iterator[list[Event]]:
        """Return the events in the order of time, those of one moment by kind and then as they were added."""
        self._seen, self._columns, self._events, self._first = {}, {}, 0, None
        series = [(key, list(pieces)) for key, pieces in groupby(self._pieces, key=lambda piece: piece.series)]
        size = max(min(_READ, _HELD // max(len(series), 1)), _FEWEST)
        courses = [self._course(key, pieces, size) for key, pieces in series]
        for batch in courses[0] if len(courses) == 1 else merge(courses):
            if self.index.interleaved:
                if len(courses) > 1:
                    batch.sort(key=lambda event: (event["ts"], rank(event), event[PLACE]))
                for event in batch:
                    del event[PLACE]
            self._note(batch)
            yield batch

    def _course(self, series: Series, pieces: Sequence[Piece], size: int) -> Iterator[list[Event]]:
        from pyarrow import parquet

        start, end = self._params.start, self._params.end
        for piece in pieces:
            path = self._folder / piece.path
            try:
                with parquet.ParquetFile(path) as file:
                    for batch in file.iter_batches(batch_size=size, use_threads=False):
                        events = events_of(batch, series, placed=self.index.interleaved)
                        if start is not None and events[0]["ts"] < start:
                            events = [event for event in events if event["ts"] >= start]
                        if end is not None and events and events[-1]["ts"] >= end:
                            events = [event for event in events if event["ts"] < end]
                        for begin in range(0, len(events), _BATCH):
                            yield events[begin : begin + _BATCH]
            except (OSError, ValueError) as error:  # Arrow's own errors are ValueErrors
                raise DatasetDamaged(self.index.name, path, " ".join(str(error).split())) from None

    def _note(self, batch: list[Event]) -> None:
        self._events += len(batch)
        self._last = batch[-1]["ts"]
        if self._first is None:
            self._first = batch[0]["ts"]
            self._columns = dict.fromkeys(key for event in batch for key in event if key in _PRICES)

    def taken(self) -> Taken:
        """Return how it was read, as far as it was."""
        adjusted = dict.fromkeys(text for added in self.index.added for text in added.adjusted)
        return Taken(
            data=self.index.name,
            time="ts",
            zone="UTC",
            stamp="close",
            prices=tuple(self._columns),
            adjusted=", or ".join(adjusted) or "not told whether prices are adjusted",
            symbols=tuple(sorted(dict.fromkeys(piece.sid for piece in self._pieces if piece.sid is not None))),
            rows=self._events,
            events=self._events,
            first=self._first,
            last=self._last,
            notes=(f"the contents {self.index.sha256[:12]} of the catalogue",),
        )
