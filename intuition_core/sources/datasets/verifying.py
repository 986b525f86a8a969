"""Holding the files of a dataset against its index."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from intuition_core.sources.datasets.index import Index, Piece, file_sha256, read_index
from intuition_core.sources.datasets.places import INDEX
from intuition_core.sources.datasets.tables import arrow
from intuition_core.sources.datasets.writing import STAGING


class Defect(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a dataset that is not as its index has it."""

    kind: Literal["missing", "changed", "unreadable", "stray"]
    path: str
    """Within the dataset."""
    problem: str
    sid: str | None = None
    first: int | None = None
    """The time of the first event that is lost, nanoseconds UTC."""
    last: int | None = None


def verify(folder: Path) -> Iterator[Defect]:
    """Yield what is wrong with the dataset in a folder; nothing where each file is as it was added.

    Raises:
        BadIndex: the index cannot be read.
    """
    index = read_index(folder)
    for piece in index.pieces:
        problem = _problem(folder / piece.path, piece)
        if problem is not None:
            kind, text = problem
            yield Defect(kind=kind, path=piece.path, problem=text, sid=piece.sid, first=piece.first, last=piece.last)
    for path in _strays(folder, index):
        yield Defect(kind="stray", path=path, problem="is not in the index")


def _problem(path: Path, piece: Piece) -> tuple[Literal["missing", "changed", "unreadable"], str] | None:
    arrow()
    from pyarrow import parquet

    if not path.is_file():
        return "missing", "is not there"
    try:
        digest = file_sha256(path)
        if digest != piece.sha256:
            return "changed", f"has the SHA-256 {digest[:12]}…, and had {piece.sha256[:12]}… when it was added"
        with parquet.ParquetFile(path) as file:
            rows = file.metadata.num_rows
    except (OSError, ValueError) as error:  # Arrow's own errors are ValueErrors
        return "unreadable", " ".join(str(error).split())
    return None if rows == piece.rows else ("changed", f"has {rows:,} rows, and the index {piece.rows:,}")


def _strays(folder: Path, index: Index) -> Iterator[str]:
    known = {piece.path for piece in index.pieces} | {INDEX}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in known and not name.startswith(f"{STAGING}/"):
            yield name
