"""The events of a source, opened as `publish` is asked to: recorded, live, or from a file that grows."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from intuition_connector_mqtt.progress import Progress
from intuition_connector_mqtt.tail import follow
from intuition_core.data import Event
from intuition_core.errors import IntuitionError
from intuition_core.runs import Catalogue, MergedReader, SourceReader, open_source, reader_of

_TEXT: Final = {"csv": (".csv", ".tsv", ".txt"), "jsonl": (".jsonl", ".ndjson")}
"""Suffixes of files that grow line by line, by their source."""


class BadLines(IntuitionError):
    """Lines of a growing file that cannot be read; the source sees those that are read together as a file."""

    def __init__(self, path: Path, first: int, problem: str) -> None:
        self.path = path
        self.first = first
        self.problem = problem
        super().__init__(f"{path}, among the lines from {first} on, which were read together: {problem}")


class CannotFollow(IntuitionError):
    """Data that does not grow line by line, or of which it is not known how to read what was added."""

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(
            f"--follow: {problem}; it goes with one file of CSV or JSON lines that is not compressed, --data FILE"
        )


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """A recording, or a part of it."""

    source: str | None
    """The source: a plugin's name; without it the data tells."""
    data: tuple[str, ...]
    params: Mapping[str, Any]
    start: int | None
    """Nanoseconds UTC."""
    end: int | None
    """Nanoseconds UTC; what is at this time is left out."""
    symbols: tuple[str, ...]

    @property
    def plugin(self) -> str:
        """The name of the source, or the names of those that the data tells.

        Raises:
            UnknownData: it is not given, and the data does not tell.
        """
        return self.source or "+".join(dict.fromkeys(map(reader_of, self.data)))

    @property
    def reads(self) -> tuple[str, ...]:
        """The files or addresses that it reads, as far as that is known."""
        return self.data or tuple(str(self.params[key]) for key in ("path", "url") if key in self.params)

    def events(self, catalogue: Catalogue, progress: Progress) -> Iterator[Event]:
        """Open the source at once, and give its events.

        Raises:
            IntuitionError: it cannot be opened, or cannot read its data.
        """
        opened = self._open(catalogue, self.data)
        return _measured(opened, progress) if opened.batched else opened.events()

    def followed(self, catalogue: Catalogue) -> Iterator[Event]:
        """The events of a file of CSV or JSON lines, and then those of lines that are added to it, for ever.

        Raises:
            CannotFollow: the data is no such file.
        """
        plugin = self.plugin.rpartition(":")[2]
        if plugin not in _TEXT or len(self.data) != 1:
            raise CannotFollow("there is no one file to follow")
        path = Path(self.data[0])
        if path.suffix.lower() not in _TEXT[plugin]:
            raise CannotFollow(f"lines that are added to {path} cannot be read by themselves")
        return self._growing(catalogue, path, headed=plugin == "csv")

    def _growing(self, catalogue: Catalogue, path: Path, *, headed: bool) -> Iterator[Event]:
        header = b""
        last = -(2**63)
        with tempfile.TemporaryDirectory(prefix="intuition-publish-") as folder:
            # Each piece is a file of its own with the header of the whole. Without a column of symbols, the file's name
            # is the symbol.
            piece = Path(folder, path.name)
            for lines in follow(path):
                content = lines.content
                if headed and not header:
                    header, end, content = content.partition(b"\n")
                    header += end
                if not content.strip():
                    continue
                piece.write_bytes(header + content)
                for event in self._piece(catalogue, piece, path, lines.first):
                    if event["ts"] < last:
                        raise BadLines(path, lines.first, "they begin earlier than the lines before ended")
                    last = event["ts"]
                    yield event

    def _piece(self, catalogue: Catalogue, piece: Path, path: Path, first: int) -> Iterator[Event]:
        try:
            yield from self._open(catalogue, (str(piece),)).events()
        except IntuitionError as error:
            raise BadLines(path, first, str(error).replace(str(piece), path.name)) from None

    def _open(self, catalogue: Catalogue, data: tuple[str, ...]) -> SourceReader | MergedReader:
        return open_source(
            catalogue,
            self.source,
            data=data,
            params=self.params,
            start=self.start,
            end=self.end,
            symbols=self.symbols,
        )


def _measured(opened: SourceReader | MergedReader, progress: Progress) -> Iterator[Event]:
    """The events of batches, with the progress of each."""
    before = 0.0
    for batch in opened.batches():
        after = opened.progress
        for place, event in enumerate(batch, 1):
            if after is not None:
                progress.share = before + (after - before) * place / len(batch)
            yield event
        before = after or 0.0
    for line in opened.told():
        click.echo(line, err=True)
