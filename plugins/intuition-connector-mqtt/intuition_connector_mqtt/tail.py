"""Reading a file that grows, some lines at a time."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from intuition_core.errors import IntuitionError

PIECE: Final = 4 * 1024 * 1024
"""Bytes that are read at once, at most, unless a line is longer."""

_PAUSE: Final = 0.2


class FileChanged(IntuitionError):
    """A file that does not go on where it was: it was cut, or another has taken its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        super().__init__(f"{path} was cut or replaced while it was followed; start again to read it from its beginning")


class NoFile(IntuitionError):
    """A file that cannot be read."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class Lines(NamedTuple):
    """Some whole lines of a file."""

    content: bytes
    first: int
    """The number of the first line, counted from 1."""


def follow(path: Path, *, pause: Callable[[float], None] = time.sleep) -> Iterator[Lines]:
    """The lines of a file, and then those that are added to it, for ever.

    A line is given when its end is there.

    Args:
        path: the file.
        pause: waits so many seconds before the file is looked at again.

    Raises:
        NoFile: it cannot be read.
        FileChanged: it was cut, or another file has taken its place.
    """
    try:
        file = path.open("rb")
        place = path.stat().st_ino
    except OSError as error:
        raise NoFile(path, error.strerror or str(error)) from None
    with file:
        rest, first = b"", 1
        while True:
            piece = file.read(PIECE)
            whole, end, rest = (rest + piece).rpartition(b"\n")
            if end:
                yield Lines(whole + end, first)
                first += whole.count(b"\n") + 1
            if piece:
                continue
            try:
                state = path.stat()
            except OSError:
                raise FileChanged(path) from None
            if state.st_size < file.tell() or state.st_ino != place:
                raise FileChanged(path)
            pause(_PAUSE)
