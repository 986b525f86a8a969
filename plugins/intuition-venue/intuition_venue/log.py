"""The venue's log: JSON lines, appended and never changed. The venue starts from it, and tests judge by it."""

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from intuition_venue.errors import BadLog, LogInUse

_encode = msgspec.json.Encoder().encode
_sync = getattr(os, "fdatasync", os.fsync)
_decode = msgspec.json.Decoder(dict[str, Any]).decode


class Log:
    """A file of entries. Those of one action are written together, and the last of them has `end`.

    What is on the disk counts: `write` returns once the system has confirmed it. An action that was not written to its
    end, because the process was killed, has not happened, and its lines are cut off.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._file)
            raise LogInUse(path) from None

    def entries(self) -> Iterator[dict[str, Any]]:
        """Yield the entries of all whole actions, and cut off what comes after the last of them.

        Raises:
            BadLog: a line that is no entry, or entries that do not follow each other.
        """
        self.count, whole, read, action = 0, 0, 0, list[dict[str, Any]]()
        with self.path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if not line.endswith(b"\n"):
                    break
                read += len(line)
                try:
                    entry = _decode(line)
                except msgspec.MsgspecError as error:
                    raise BadLog(self.path, number, f"no entry of a venue's log ({error})") from None
                if entry.get("n") != number:
                    raise BadLog(self.path, number, f"entry {entry.get('n')} stands where {number} belongs")
                action.append(entry)
                if entry.get("end"):
                    whole, self.count = read, number
                    yield from action
                    action.clear()
        if whole < self.path.stat().st_size:
            os.ftruncate(self._file, whole)

    def write(self, entries: list[dict[str, Any]], *, sure: bool) -> None:
        """Append the entries of one action; `sure` waits until they are on the disk."""
        entries[-1]["end"] = True
        for entry in entries:
            self.count += 1
            entry["n"] = self.count
        data = b"".join(_encode(entry) + b"\n" for entry in entries)
        written = 0
        while written < len(data):
            written += os.write(self._file, data[written:])
        if sure:
            _sync(self._file)

    def close(self) -> None:
        """Close the file, so that another venue may have it."""
        os.close(self._file)
