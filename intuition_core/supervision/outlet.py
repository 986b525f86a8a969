"""Lines on a stream that delay and stop nobody: a reader that is slow, a disk that is full, an encoding that lacks one.

A line is written at once where the stream takes it. Where it does not, a thread goes on with what is kept, in order;
beyond a bound lines are left out, and their number is told.
"""

import errno
import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TextIO

from intuition_core.system.printable import ERRORS

ROOM: Final = 4 << 20
"""Bytes that are kept for a stream that takes none."""
PATIENCE: Final = 2.0
"""Seconds that `Outlet.close` waits for a stream to take what is kept."""

_AT_ONCE: Final = 4096
"""Bytes that a pipe takes without waiting when it can be written to at all (PIPE_BUF)."""
_PAUSE: Final = 0.1
"""Seconds between two tries at a stream that fails."""
_TOLERATED: Final = 0.5
"""Seconds that a stream may take nothing without a word."""


class Outlet:
    """Writes lines to a stream; writing never raises and never waits.

    Args:
        stream: with a descriptor, which is then written to directly, or any other.
        told: called with a sentence when the stream begins to fail, and with the number of lines left out when it
            takes lines again.
        room: the bytes that are kept.
    """

    def __init__(self, stream: TextIO, *, told: Callable[[str], object] = bool, room: int = ROOM) -> None:
        self._stream = stream
        self._told = told
        self._room = room
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._descriptor = _descriptor(stream)
        self._lock = threading.RLock()
        self._kept = bytearray()
        self._left_out = 0
        self._fails = False
        self._is_closed = False
        self._drain: threading.Thread | None = None
        self._pid = os.getpid()

    def write(self, lines: str) -> None:
        """Write lines, each with its end."""
        with self._lock:
            if self._is_closed:
                return
            if self._descriptor is None:
                self._write_to_stream(lines)
                return
            content = lines.encode(self._encoding, ERRORS)
            if self._drain is None:
                content, problem = self._try(content)
                if not content or self._is_closed:
                    return
                self._begin(problem)
            self._keep(content)

    def close(self, patience: float = PATIENCE) -> None:
        """Wait until what is kept is written, or until nothing of it was for that many seconds."""
        drain = self._drain
        if drain is None or drain is threading.current_thread() or os.getpid() != self._pid:
            return
        kept = -1
        while drain.is_alive() and len(self._kept) != kept:
            kept = len(self._kept)
            drain.join(patience)

    def _write_to_stream(self, lines: str) -> None:
        try:
            self._stream.write(lines.encode(self._encoding, ERRORS).decode(self._encoding))
            self._stream.flush()
        except (BrokenPipeError, ValueError):  # closed at the other end, or by us
            self._is_closed = True
        except OSError as error:
            self._left_out += lines.count("\n")
            if not self._fails:
                self._fails = True
                self._told(f"{error.strerror or error}; what it does not take is left out")
        else:
            self._fails = False
            self._tell_left_out()

    def _keep(self, content: bytes) -> None:
        if not self._kept or len(self._kept) + len(content) <= self._room:
            self._kept += content
        else:
            self._left_out += content.count(b"\n")

    def _begin(self, problem: str) -> None:
        """Start a thread that writes the bytes that are kept."""
        self._drain = threading.Thread(target=self._write_kept, args=(problem,), name="output", daemon=True)
        self._drain.start()

    def _write_kept(self, problem: str) -> None:
        began: float | None = time.monotonic()
        while True:
            if began is not None and time.monotonic() - began > _TOLERATED:
                began = None
                self._told(f"{problem}; lines are kept, up to {self._room >> 10:,} KiB, and written later")
            with self._lock:
                rest, problem = self._try(bytes(self._kept))
                del self._kept[: len(self._kept) - len(rest)]
                if self._is_closed or not self._kept:
                    self._drain = None
                    break
            self._wait()
        self._tell_left_out()

    def _tell_left_out(self) -> None:
        with self._lock:
            left_out, self._left_out = self._left_out, 0
        if left_out:
            self._told(f"it takes lines again; {left_out:,} lines were left out")

    def _try(self, content: bytes) -> tuple[bytes, str]:
        """Write what the stream takes now, and return the rest and why it takes no more."""
        assert self._descriptor is not None  # noqa: S101  # the callers have looked
        while content:
            try:
                if not _is_ready(self._descriptor, 0):
                    return content, "its reader takes nothing"
                written = os.write(self._descriptor, content[:_AT_ONCE])
            except BlockingIOError:
                return content, "its reader takes nothing"
            except (BrokenPipeError, ValueError):
                self._is_closed = True
                self._kept.clear()
                return b"", ""
            except OSError as error:
                if error.errno == errno.EBADF:
                    self._is_closed = True
                    return b"", ""
                return content, error.strerror or str(error)
            content = content[written:]
        return b"", ""

    def _wait(self) -> None:
        with suppress(OSError, ValueError):
            if not _is_ready(self._descriptor or 0, 1000 * _PAUSE):
                return
        time.sleep(_PAUSE)


def _is_ready(descriptor: int, milliseconds: float) -> bool:
    """Return whether a descriptor can be written to, or has an error that a write tells."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(milliseconds))


def _descriptor(stream: Any) -> int | None:
    try:
        stream.flush()
        return int(stream.fileno())
    except (OSError, ValueError, AttributeError):
        return None
