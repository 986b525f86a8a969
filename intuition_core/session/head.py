"""The head of a journal: a small file beside it that names the last commit.

A journal whose end was cut off, whose write-ahead log was lost, or in whose place there is another file is whole in
itself; only something outside can tell that it is not the one that was acknowledged.
"""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from intuition_core.session.integrity import Seal

SUFFIX: Final = "-head"
_SLOT: Final = 128
"""Bytes of one of the two lines, which are written in turn: while one is being written the other stands."""
_LINE: Final = re.compile(rb"(intuition head 1 ([0-9a-f]{16}) (\d+) (\d+) ([0-9a-f]{32})) ([0-9a-f]{8}) *\n")


class Place(NamedTuple):
    """A commit of a journal.

    Attributes:
        journal: the random bytes of the journal, in hexadecimal.
        commit: its number.
        seq: the last event.
        chain: the link of the last batch, in hexadecimal.
    """

    journal: str
    commit: int
    seq: int
    chain: str

    @classmethod
    def of(cls, seal: Seal) -> "Place":
        """Return the place of a seal."""
        return cls(seal.journal.hex(), seal.commit, seal.seq, seal.chain.hex())


def head_of(path: str) -> str:
    """Return the path of a journal's head."""
    return path + SUFFIX


class Head:
    """The file that names the last commit of a journal.

    Args:
        path: the journal.
        power: whether each write is to survive a loss of power.

    Attributes:
        path: the file.
    """

    def __init__(self, path: str, *, power: bool = False) -> None:
        self.path = head_of(path)
        self._power = power
        self._descriptor: int | None = None

    def read(self) -> Place | None:
        """Return the latest place that was written whole; None where there is no file.

        Raises:
            ValueError: there is a file, and no place in it.
            OSError: the file cannot be read.
        """
        try:
            content = Path(self.path).read_bytes()
        except FileNotFoundError:
            return None
        places = list(filter(None, (_place(content[at : at + _SLOT]) for at in (0, _SLOT))))
        if not places:
            raise ValueError(self.path)
        return max(places, key=lambda place: place.commit)

    def write(self, place: Place) -> None:
        """Write a place, over the last but one.

        Raises:
            OSError: it cannot be written.
        """
        text = f"intuition head 1 {place.journal} {place.commit} {place.seq} {place.chain}".encode()
        line = b"%s %08x" % (text, crc32(text))
        line = line.ljust(_SLOT - 1) + b"\n"
        if self._descriptor is None:
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        os.pwrite(self._descriptor, line, _SLOT * (place.commit % 2))
        if self._power:
            os.fdatasync(self._descriptor)

    def create(self, place: Place) -> None:
        """Write the file anew, and its name into the folder.

        Raises:
            OSError: it cannot be written.
        """
        self.close()
        with suppress(FileNotFoundError):
            Path(self.path).unlink()
        self.write(place)
        if self._power:
            folder = os.open(Path(self.path).absolute().parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _place(line: bytes) -> Place | None:
    found = _LINE.fullmatch(line)
    if found is None or int(found[6], 16) != crc32(found[1]):
        return None
    return Place(found[2].decode(), int(found[3]), int(found[4]), found[5].decode())
