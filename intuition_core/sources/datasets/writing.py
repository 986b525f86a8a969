"""Adding events to a dataset: new Parquet files beside those there are; what overlaps is compared."""

import shutil
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from intuition_core.data import Event
from intuition_core.errors import IntuitionError
from intuition_core.sources.datasets.index import Index, Piece, Series, file_sha256, sorted_pieces
from intuition_core.sources.datasets.tables import PLACE, arrow, events_of, table_of

NO_SYMBOL: Final = "__HIVE_DEFAULT_PARTITION__"
"""What stands in a path for a value that is not there, by Hive's convention."""

STAGING: Final = ".adding"
_HELD: Final = 400_000
"""How many events are held at most, those of one moment aside."""
_GROUP: Final = 1 << 16
_DIGITS: Final = 16

_ts = itemgetter("ts")


class Conflict(IntuitionError):
    """Events that a dataset has otherwise."""

    def __init__(self, dataset: str, sid: str | None, ts: int, kept: Sequence[Event], new: Sequence[Event]) -> None:
        self.dataset = dataset
        self.sid = sid
        self.ts = ts
        self.kept = tuple(kept)
        self.new = tuple(new)
        super().__init__(
            f"{sid or 'an event'} at {moment_text(ts)} is {_differing(kept, new)} in the dataset {dataset}, and "
            f"{_differing(new, kept)} in what is added; nothing was added: say --replace if the new one is right, or "
            "add it under another name"
        )


class Changes(NamedTuple):
    """What an addition did."""

    dataset: Index
    """The index afterwards; the files are there, and the old ones still."""
    obsolete: tuple[Path, ...]
    """Files that are no longer part of the dataset."""
    new: int
    """How many events were new."""
    known: int
    """How many were there already."""
    replaced: int
    """How many took the place of others."""


class Staged(NamedTuple):
    """A file that has been written and is not part of the dataset yet."""

    file: Path
    piece: Piece


class Stage:
    """Writes events, in the order of time, into files of one series and one year each.

    Args:
        folder: the folder for the files, which must be there.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[Series, tuple[list[Event], list[int]]] = {}
        self._count = 0
        self._last: int | None = None
        self._place = 0
        self.interleaved = False
        """Whether several events had one time."""
        self.staged: list[Staged] = []

    def add(self, events: Iterable[Event]) -> None:
        """Take the next events."""
        for event in events:
            ts = event["ts"]
            if ts == self._last:
                self._place += 1
                self.interleaved = True
            else:
                if self._count >= _HELD:
                    self._write()
                self._last, self._place = ts, 0
            series = (event["channel"], event.get("sid"))
            held = self._held.get(series)
            if held is None:
                held = self._held[series] = ([], [])
            held[0].append(event)
            held[1].append(self._place)
            self._count += 1

    def finish(self) -> list[Staged]:
        """Write what is held, and return all files."""
        self._write()
        return self.staged

    def _write(self) -> None:
        for series, (events, places) in self._held.items():
            begin = 0
            while begin < len(events):
                end = bisect_left(events, _year_after(events[begin]["ts"]), begin, key=_ts)
                self.staged.append(write_piece(self._folder, series, events[begin:end], places[begin:end]))
                begin = end
        self._held = {series: ([], []) for series in self._held}  # which keeps their order
        self._count = 0


def write_piece(folder: Path, series: Series, events: Sequence[Event], places: Sequence[int]) -> Staged:
    """Write events of one series and one year into a file of a folder.

    Raises:
        BadData: an event has a key that a dataset needs for itself.
        NeedsArrow: the library is not installed.
    """
    arrow()
    from pyarrow import parquet

    channel, sid = series
    first, last = events[0]["ts"], events[-1]["ts"]
    partial = folder / "partial"
    parquet.write_table(table_of(events, places), partial, compression="zstd", row_group_size=_GROUP)
    digest = file_sha256(partial)
    moment = datetime.fromtimestamp(first // 10**9, UTC)
    symbol = NO_SYMBOL if sid is None else quote(sid, safe=" ")
    path = (
        f"channel={quote(channel, safe=' ')}/sid={symbol}/year={moment.year}/"
        f"{moment:%Y%m%dT%H%M%S}-{digest[:_DIGITS]}.parquet"
    )
    file = folder / digest
    partial.replace(file)
    piece = Piece(
        path=path,
        sha256=digest,
        bytes=file.stat().st_size,
        channel=channel,
        sid=sid,
        rows=len(events),
        first=first,
        last=last,
    )
    return Staged(file, piece)


@contextmanager
def staging(dataset: Path) -> Iterator[Path]:
    """Make a folder for files that are not part of a dataset yet, and remove it with what is left in it."""
    folder = dataset / STAGING
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def join(dataset: Path, index: Index, staged: Sequence[Staged], folder: Path, *, replace: bool) -> Changes:
    """Bring staged files into a dataset; events of moments that it has already are compared.

    Args:
        dataset: the folder of the dataset.
        index: its index.
        staged: the files.
        folder: the folder for files that are made of old and new ones.
        replace: whether new events take the place of old ones of the same moment.

    Raises:
        Conflict: the dataset has other events of a moment, and they are not to be replaced.
    """
    course = _Join(dataset, index, folder, replace=replace)
    for each in staged:
        course.take(each)
    pieces = sorted_pieces([member.piece for member in course.pieces])
    for member in course.pieces:
        if member.file is not None:
            target = dataset / member.piece.path
            target.parent.mkdir(parents=True, exist_ok=True)
            member.file.replace(target)
    kept = {piece.path for piece in pieces}
    obsolete = tuple(dataset / piece.path for piece in index.pieces if piece.path not in kept)
    changed = Index(
        name=index.name,
        pieces=pieces,
        added=index.added,
        asked=index.asked,
        interleaved=index.interleaved,
        negative_prices=index.negative_prices,
    )
    return Changes(changed, obsolete, course.new, course.known, course.replaced)


class _Member(NamedTuple):
    piece: Piece
    file: Path | None
    """The file, where it is not in its place yet."""


class _Join:
    def __init__(self, dataset: Path, index: Index, folder: Path, *, replace: bool) -> None:
        self._dataset = dataset
        self._index = index
        self._folder = folder
        self._replace = replace
        self.pieces = [_Member(piece, None) for piece in index.pieces]
        self._by_series: dict[Series, list[_Member]] = {}
        for member in self.pieces:
            self._by_series.setdefault(member.piece.series, []).append(member)
        self.new = self.known = self.replaced = 0

    def take(self, staged: Staged) -> None:
        piece = staged.piece
        series = self._by_series.setdefault(piece.series, [])
        touched = [each for each in series if each.piece.first <= piece.last and each.piece.last >= piece.first]
        if not touched:
            self.new += piece.rows
            self._put(series, _Member(piece, staged.file))
            return
        if any(each.piece.sha256 == piece.sha256 for each in touched):
            self.known += piece.rows
            return
        old = [event for each in touched for event in self._events(each)]
        events, changed = self._combined(old, self._read(staged.file, piece))
        if not changed:
            return
        for member in touched:
            series.remove(member)
            self.pieces.remove(member)
        places = [event.pop(PLACE) for event in events]
        whole = write_piece(self._folder, piece.series, events, places)
        self._put(series, _Member(whole.piece, whole.file))

    def _put(self, series: list[_Member], member: _Member) -> None:
        series.append(member)
        self.pieces.append(member)

    def _combined(self, old: list[Event], new: list[Event]) -> tuple[list[Event], bool]:
        """Return the events of both, and whether they are others than the old ones."""
        moments = _moments(old)
        changed = False
        for ts, events in _moments(new).items():
            kept = moments.get(ts)
            if kept is None:
                self.new += len(events)
            elif _alike(kept, events):
                self.known += len(events)
                continue
            elif not self._replace:
                raise Conflict(self._index.name, events[0].get("sid"), ts, _bare(kept), _bare(events))
            else:
                self.replaced += len(events)
            changed = True
            moments[ts] = events
        return [event for ts in sorted(moments) for event in moments[ts]], changed

    def _events(self, member: _Member) -> list[Event]:
        return self._read(member.file or self._dataset / member.piece.path, member.piece)

    def _read(self, file: Path, piece: Piece) -> list[Event]:
        arrow()
        from pyarrow import parquet

        with parquet.ParquetFile(file) as opened:
            return events_of(opened.read(), piece.series, placed=True)


def _moments(events: Iterable[Event]) -> dict[int, list[Event]]:
    moments: dict[int, list[Event]] = {}
    for event in events:
        moments.setdefault(event["ts"], []).append(event)
    return moments


def _bare(events: Iterable[Event]) -> list[Event]:
    return [{key: value for key, value in event.items() if key != PLACE} for event in events]


def _alike(one: Iterable[Event], other: Iterable[Event]) -> bool:
    return _bare(one) == _bare(other)


def _differing(one: Sequence[Event], other: Sequence[Event]) -> str:
    """Return what of some events is otherwise in others, for a message."""
    if len(one) != len(other):
        return f"{len(one)} events" if len(one) != 1 else "one event"
    for mine, theirs in zip(one, other, strict=True):
        for key in dict.fromkeys((*mine, *theirs)):
            if mine.get(key) != theirs.get(key):
                return f"{key} {mine[key]}" if key in mine else f"without {key}"
    return "the same"


def moment_text(ts: int) -> str:
    """Return a time, nanoseconds UTC, as a person reads it; that of the end of a day is said as such."""
    seconds, rest = divmod(ts, 10**9)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"{text}.{rest:09}".rstrip("0") + "Z" if rest else f"{text}Z"


def _year_after(ts: int) -> int:
    """Return the first moment of the next year (UTC)."""
    year = datetime.fromtimestamp(ts // 10**9, UTC).year
    return int(datetime(year + 1, 1, 1, tzinfo=UTC).timestamp()) * 10**9
