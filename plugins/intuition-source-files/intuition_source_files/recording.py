"""What is recorded in some files, as one course of events."""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from intuition_core.data import RATES, check_channel
from intuition_core.errors import BadData, BadParameter, did_you_mean
from intuition_core.recordings import Taken, merge
from intuition_source_files.errors import listed
from intuition_source_files.events import Event, events
from intuition_source_files.opened import Opened, open_table
from intuition_source_files.params import FileParams
from intuition_source_files.paths import stem
from intuition_source_files.reader import Reader
from intuition_source_files.table import Table
from intuition_source_files.telling import tell

BATCH: Final = 512
"""How many events are given at a time; the last of a file's chunks may be fewer."""

_HELD: Final = 1 << 16
"""How many events are held at most of all files that are merged."""

_log = logging.getLogger(__name__)


class Recording:
    """Files of prices and other events, ready to be read as often as wanted.

    Raises:
        AmbiguousColumn: two columns of a file could be the same thing.
        BadParameter: the parameters contradict each other or the files.
        NoColumn: a file lacks a column that is needed.
        UnreadableFile: a file's name is no symbol, and it has no other.
    """

    def __init__(self, tables: Sequence[Table], params: FileParams) -> None:
        self._params = params
        self._all = not params.symbols or params.channel == RATES  # whatever is asked for may need rates
        self._ended = False
        self._readers: list[tuple[Opened, Reader]] = []
        self._given: dict[Path, float] = {}
        try:
            check_channel(params.channel)
        except BadData as error:
            raise BadParameter(params.part, "channel", error.problem) from None
        self._files = [opened for table in tables for opened in open_table(table, params, stem(table.path))]
        unnamed = self._all or any(file.columns.names for file in self._files)
        known = [sid for file in self._files for sid in file.columns.wide or (file.sid,)]
        for symbol in params.symbols:
            if symbol not in known and not unnamed:
                hint = did_you_mean(symbol, known)
                raise BadParameter(params.part, "symbols", f"there is no `{symbol}`, only {listed(known)}{hint}")

    def _wanted(self) -> Iterator[Opened]:
        """Return the files, and the columns of wide ones, that have anything that is asked for."""
        symbols = self._params.symbols
        for file in self._files:
            if self._all or file.columns.names:
                yield file
            elif file.columns.wide:
                chosen = tuple(name for name in file.columns.wide if name in symbols)
                if chosen:
                    yield replace(file, columns=replace(file.columns, wide=chosen))
            elif file.sid in symbols:
                yield file

    def batches(self) -> Iterator[list[Event]]:
        """Return all events in their order, some thousand at a time.

        Raises:
            BadRow: a row cannot be read, has a price that no market gives, or goes back in time.
            UnreadableFile: a file is damaged.
        """
        self._ended = False
        self._readers = [
            (file, Reader(file.table, file.columns, sid=file.sid, rule=file.rule, params=file.params, dates=file.dates))
            for file in self._wanted()
        ]
        readers = [reader for _, reader in self._readers]
        share = max(len(readers), 1)
        size = max(min(BATCH, _HELD // share), 64)
        self._given = dict.fromkeys((file.table.path for file in self._files), 0.0)
        pieces = [self._pieces(reader, share, size) for reader in readers]
        if len(pieces) == 1:
            yield from pieces[0]
        else:
            yield from merge(pieces)
        self._ended = True
        self._tell(readers)

    @property
    def opened(self) -> Sequence[Opened]:
        """The files, with what they mean."""
        return self._files

    def files(self) -> list[Path]:
        """Name the files that are read."""
        return list(dict.fromkeys(file.table.path for file in self._files))

    def taken(self) -> list[Taken]:
        """Return how each file was read, as far as it was."""
        return [tell(file, reader) for file, reader in self._readers]

    def progress(self) -> float:
        """Return which part of all files has been given, from 0 to 1."""
        if self._ended:
            return 1.0
        tables = [file.table for file in self._files]
        size = sum(table.size for table in tables)
        return sum(table.size * self._given.get(table.path, 0.0) for table in tables) / size if size else 0.0

    def _pieces(self, reader: Reader, share: int, size: int) -> Iterator[list[Event]]:
        table, before = reader.table, 0.0
        for chunk in reader.chunks(share=share):
            count, now = len(chunk.ts), table.done
            for begin in range(0, count, size):
                part = chunk.take(slice(begin, begin + size))
                # What was read ahead has not been given yet.
                self._given[table.path] = before + (now - before) * min(1.0, (begin + size) / count)
                yield events(part, self._params.channel)
            before = now

    def _tell(self, readers: Sequence[Reader]) -> None:
        """Log once what was asked for and not there."""
        gaps = sum((reader.gaps for reader in readers), Counter[str]())
        if gaps:
            shown = ", ".join(f"{sid} {count}" for sid, count in gaps.most_common(5))
            more = f" and {len(gaps) - 5} symbols more" if len(gaps) > 5 else ""
            _log.warning("%d rows without a price gave no event: %s%s", gaps.total(), shown, more)
        for reader in readers:
            for told in reader.told:
                _log.warning("%s", told)
        seen = set().union(*(reader.seen for reader in readers))
        absent = [symbol for symbol in self._params.symbols if symbol not in seen and not self._all]
        if absent:
            _log.warning("no row is of %s", listed(absent))


class Recorded:
    """A source of what its `initialize` made a `Recording` of."""

    _recording: Recording

    def events(self) -> Iterator[Event]:
        """Return the events in the order of time; those of equal time by file or frame, then as they are in it.

        Raises:
            BadRow: a row cannot be read, has a price that no market gives, or goes back in time.
            UnreadableFile: a file is damaged.
        """
        return chain.from_iterable(self.batches())

    def batches(self) -> Iterator[list[Event]]:
        """Return the same in lists of some thousand."""
        return self._recording.batches()

    def taken(self) -> list[Taken]:
        """Return how each file or frame was read, as far as it was."""
        return self._recording.taken()

    def progress(self) -> float:
        """Return which part of all has been read, from 0 to 1."""
        return self._recording.progress()


class RecordedFiles(Recorded):
    """One whose recording is in files."""

    def files(self) -> list[Path]:
        """Name the files that are read."""
        return self._recording.files()
