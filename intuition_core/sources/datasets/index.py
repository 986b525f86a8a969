"""The index of a dataset: its files with their hashes, and where they came from."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, TypeAlias

import msgspec

from intuition_core.errors import IntuitionError
from intuition_core.sources.datasets.places import INDEX

FORMAT: Final = 1
_BLOCK: Final = 1 << 20

Series: TypeAlias = tuple[str, str | None]
"""A channel and a symbol; None where events name no symbol."""


class BadIndex(IntuitionError):
    """The index of a dataset that cannot be read."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}; remove the dataset, and add its data again")


class DatasetInUse(IntuitionError):
    """A dataset that another process is changing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"another process is changing the dataset {folder.name}; wait until it is done")


class CannotKeepData(IntuitionError):
    """A folder in which nothing can be written."""

    def __init__(self, folder: Path, problem: str) -> None:
        self.folder = folder
        self.problem = problem
        super().__init__(f"{folder}: {problem}; no data can be kept there")


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One Parquet file: consecutive events of one channel and symbol within one year (UTC)."""

    path: str
    """Its path within the dataset, with ``/``."""
    sha256: str
    bytes: int
    channel: str
    sid: str | None
    rows: int
    first: int
    """The time of its first event, nanoseconds UTC."""
    last: int

    @property
    def series(self) -> Series:
        """The channel and the symbol."""
        return self.channel, self.sid


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """Data that was added at one time, and how it was read."""

    source: str
    """The name of the source that read it."""
    data: str
    """What it read, as it may be shown."""
    contents: tuple[tuple[str, str], ...] = ()
    """The names of what was read, with their SHA-256."""
    lines: tuple[str, ...] = ()
    """How it was read, a line for each layout."""
    adjusted: tuple[str, ...] = ()
    """Whether prices are adjusted for splits and dividends, in words."""
    events: int = 0
    """How many events were new."""
    left_out: tuple[str, ...] = ()
    """What was left out on request, in words."""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A span of time that a source was asked for, from ``start`` up to ``end`` and not with it, nanoseconds UTC."""

    source: str
    sid: str
    start: int
    end: int
    options: str = ""
    """The parameters of the source, by the first digits of their SHA-256."""


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """What a dataset holds."""

    format: Literal[1] = 1
    name: str
    pieces: tuple[Piece, ...] = ()
    """In the order in which their series came, and of time within each."""
    added: tuple[Added, ...] = ()
    asked: tuple[Asked, ...] = ()
    interleaved: bool = False
    """Whether events of one moment have an order among series that the files note."""
    negative_prices: bool = False
    """Whether zero and negative prices may be among them."""

    @property
    def sha256(self) -> str:
        """The hash of the contents: of the paths and hashes of all files, sorted."""
        digest = sha256()
        for piece in sorted(self.pieces, key=lambda piece: piece.path):
            digest.update(f"{piece.sha256}  {piece.path}\n".encode())
        return digest.hexdigest()

    @property
    def rows(self) -> int:
        """The number of events."""
        return sum(piece.rows for piece in self.pieces)

    @property
    def symbols(self) -> list[str]:
        """The symbols, in the order in which they came."""
        return list(dict.fromkeys(piece.sid for piece in self.pieces if piece.sid is not None))

    @property
    def span(self) -> tuple[int, int] | None:
        """The times of the first and the last event, nanoseconds UTC; None without any."""
        if not self.pieces:
            return None
        return min(piece.first for piece in self.pieces), max(piece.last for piece in self.pieces)


def read_index(folder: Path) -> Index:
    """Return the index of the dataset in a folder.

    Raises:
        BadIndex: it cannot be read.
    """
    path = folder / INDEX
    try:
        return msgspec.json.decode(path.read_bytes(), type=Index)
    except OSError as error:
        raise BadIndex(path, error.strerror or str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadIndex(path, f"is no index of a dataset of format {FORMAT} ({error})") from None


def write_index(folder: Path, index: Index) -> None:
    """Write the index of a dataset in one step: a reader sees the old one or the new one."""
    path = folder / INDEX
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(index), indent=1) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sorted_pieces(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Return pieces in the order of their series' first appearance, and of time within each."""
    places = {series: place for place, series in enumerate(dict.fromkeys(piece.series for piece in pieces))}
    return tuple(sorted(pieces, key=lambda piece: (places[piece.series], piece.first, piece.last)))


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """Hold a dataset for this process, and make its folder where there is none.

    Raises:
        DatasetInUse: another process holds it.
        CannotKeepData: nothing can be written there.
    """
    import filelock

    lock = filelock.FileLock(folder.parent / f".{folder.name}.lock")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise DatasetInUse(folder) from None
    except OSError as error:
        raise CannotKeepData(folder, error.strerror or str(error)) from None
    try:
        yield
    finally:
        lock.release()
