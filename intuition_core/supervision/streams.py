"""The standard streams of a command: nothing that is written to them steers a terminal, and none is missing.

Every text that a command writes passes one of two places: `Screen.write`, or `intuition_core.cli.screen.console`,
which makes the consoles of rich, whose own colours are left alone.
"""

import codecs
import errno
import io
import os
import select
import sys
from contextlib import suppress
from types import FrameType
from typing import Any, BinaryIO, Final, TextIO, cast

from intuition_core.system.printable import ERRORS, escaped

_ASCII: Final = "ascii_escaped"
"""ASCII under another name: click takes ASCII for a mistake, and writes UTF-8 past the stream."""


class Screen(io.TextIOWrapper):
    """A text stream that writes escapes for what would steer a terminal, and for what its encoding lacks."""

    def write(self, text: str) -> int:
        """Write a text, escaped unless it comes from rich."""
        super().write(text if is_styled(caller(2)) else escaped(text))
        return len(text)

    def styled(self, text: str) -> None:
        """Write a text as it is, with the colours in it."""
        super().write(text)


class ErrorScreen(Screen):
    """The standard error of a command, which fails for nobody: where it cannot be written, what it is told is lost."""

    def write(self, text: str) -> int:
        """Write a text, escaped unless it comes from rich."""
        with suppress(OSError, ValueError):
            super().styled(text if is_styled(caller(2)) else escaped(text))
        return len(text)

    def styled(self, text: str) -> None:
        """Write a text as it is, with the colours in it."""
        with suppress(OSError, ValueError):
            super().styled(text)

    def flush(self) -> None:
        """Write what is buffered."""
        with suppress(OSError, ValueError):
            super().flush()


class _Patient(io.FileIO):
    """A file whose writes wait where it does not block, as pipes that other programs have made."""

    def write(self, content: Any, /) -> int:
        """Write bytes, some of them at least."""
        while (written := super().write(content)) is None:
            poll = select.poll()
            poll.register(self.fileno(), select.POLLOUT)
            poll.poll()
        return written


def binary(descriptor: int, *, buffered: bool) -> BinaryIO:
    """Return a stream of bytes that writes to a descriptor, and waits where that does not block."""
    raw = _Patient(descriptor, "wb")
    return cast("BinaryIO", io.BufferedWriter(raw) if buffered else raw)


def settings(stream: io.TextIOWrapper) -> dict[str, Any]:
    """Return the options with which a `Screen` takes the place of a stream."""
    ascii_alone = codecs.lookup(stream.encoding).name == "ascii"
    return {
        "encoding": _ASCII if ascii_alone else stream.encoding,
        "errors": ERRORS,
        "line_buffering": stream.line_buffering,
        "write_through": stream.write_through,
    }


def set_up_streams() -> None:
    """Replace the standard streams of this process by those of this module; missing ones are opened."""
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115  # for as long as the process
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115  # the same
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False, buffering=1)  # noqa: SIM115  # the same
    os.environ.setdefault("PYTHON_COLORS", "0")  # of tracebacks, which would be escaped
    sys.stdout = sys.__stdout__ = _replaced(sys.stdout, Screen)  # type: ignore[assignment,misc]  # the original is empty from now on
    sys.stderr = sys.__stderr__ = _replaced(sys.stderr, ErrorScreen)  # type: ignore[assignment,misc]  # the same


def styled(stream: TextIO, text: str) -> None:
    """Write a text with colours of our own to a stream that would escape them."""
    if isinstance(stream, Screen):
        stream.styled(text)
    else:
        stream.write(text)


def caller(depth: int) -> FrameType | None:
    """Return the frame of the caller; None where the caller is not Python code, such as a built-in exit handler."""
    try:
        return sys._getframe(depth)
    except ValueError:
        return None


def is_styled(frame: FrameType | None) -> bool:
    """Return whether the code of a frame is rich's, which knows what is text and what is colour."""
    return frame is not None and str(frame.f_globals.get("__name__", "")).startswith("rich.")


def is_output_lost(error: OSError) -> bool:
    """Return whether an error says that a stream without a name could not be written."""
    return error.filename is None and error.errno in _LOST


_LOST: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF, errno.EAGAIN, errno.ENXIO})


def _replaced(stream: TextIO, kind: type[Screen]) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper) or isinstance(stream, Screen):
        return stream  # of a notebook, or of a test
    options = settings(stream)
    stream.flush()
    bare = stream.detach()
    with suppress(OSError, ValueError):
        if not os.get_blocking(bare.fileno()):
            # Closed by nobody: the old stream would close the descriptor.
            _KEPT.append(bare)
            bare = binary(bare.fileno(), buffered=not options["write_through"])
    return kind(cast("Any", bare), **options)


_KEPT: Final[list[object]] = []


def _ascii(name: str) -> codecs.CodecInfo | None:
    if name != _ASCII:
        return None
    plain = codecs.lookup("ascii")
    return codecs.CodecInfo(
        plain.encode,
        plain.decode,
        streamreader=plain.streamreader,
        streamwriter=plain.streamwriter,
        incrementalencoder=plain.incrementalencoder,
        incrementaldecoder=plain.incrementaldecoder,
        name=_ASCII,
    )


codecs.register(_ascii)
