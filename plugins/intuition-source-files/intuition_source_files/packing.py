"""Files as a stream of bytes, however they are compressed."""

import errno
import io
import lzma
import os
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

Compression: TypeAlias = Literal["auto", "none", "gzip", "bz2", "xz", "zstd", "lz4", "zip"]

COMPRESSIONS: Final = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".lz4": "lz4", ".zip": "zip"}
"""What the ending of a compressed file says."""

_CUT: Final = re.compile(r"(?i)truncated|end.of.(stream|file)|unexpected end|ended before")
DAMAGED: Final = (OSError, EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile)
"""What is raised where a file cannot be read, or is not compressed as it should be."""

_BARRED: Final = (errno.EACCES, errno.EPERM)


def compression_of(path: Path, chosen: str) -> str:
    """Return how a file is compressed: as chosen, or, for ``auto``, as its ending says; ``none`` if it is not."""
    return COMPRESSIONS.get(path.suffix.lower(), "none") if chosen == "auto" else chosen


def unpacked(raw: Any, compression: str) -> Any:
    """Return what is in an open file of Arrow's, as a stream.

    Raises:
        OSError: it is not compressed as it should be, and so do `DAMAGED` ones when they are read.
    """
    import pyarrow as pa

    if compression == "none":
        return raw
    if compression == "zip":
        with _understood():
            return _Member(zipfile.ZipFile(_File(raw)), raw)
    if compression == "xz":  # Arrow does not know it
        return _Xz(raw)
    return pa.CompressedInputStream(raw, compression)


def inner_path(path: Path, compression: str) -> Path:
    """Return the path of a file as its content is called: of a zip archive with one file, as that is.

    Raises:
        OSError: the archive has none or several, asks for a password, or is packed in a way that is not known.
    """
    if compression != "zip":
        return path.with_suffix("") if compression != "none" and path.suffix.lower() in COMPRESSIONS else path
    with _understood(), zipfile.ZipFile(path) as archive:
        return path.with_name(Path(_only(archive).filename).name)


@contextmanager
def _understood() -> Iterator[None]:
    """Refuse archives whose method, version or cipher `zipfile` does not know, as damaged ones are."""
    try:
        yield
    except NotImplementedError as error:
        raise OSError(f"is an archive that cannot be read here ({error}); unpack it first") from None


def _only(archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    found = [
        each
        for each in archive.infolist()
        if not each.is_dir() and not Path(each.filename).name.startswith((".", "__"))
    ]
    tables = [each for each in found if each.filename.lower().endswith((".csv", ".tsv"))]
    if len(tables) == 1:  # vendors put a text about it beside it
        found = tables
    if len(found) != 1:
        names = ", ".join(each.filename for each in found[:5]) + (", …" if len(found) > 5 else "")
        raise OSError(f"is an archive of {len(found)} files ({names or 'none'}); unpack it and name the folder")
    if found[0].flag_bits & 1:
        raise OSError("is an archive that asks for a password; unpack it first")
    return found[0]


class _File(io.RawIOBase):
    """An open file of Arrow's, as `zipfile` wants it."""

    def __init__(self, raw: Any) -> None:
        super().__init__()
        self._raw = raw

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return int(self._raw.seek(offset, whence))
        except ValueError as error:  # as Arrow's own errors are
            raise OSError(f"the archive is damaged: {error}") from None

    def tell(self) -> int:
        return int(self._raw.tell())

    def read(self, size: int = -1) -> bytes:
        return bytes(self._raw.read(None if size is None or size < 0 else size))


class _Member(io.BufferedIOBase):
    """What is in a zip archive of one file; closing it closes the file that it is read from."""

    def __init__(self, archive: zipfile.ZipFile, raw: Any) -> None:
        super().__init__()
        self._stream: Any = archive.open(_only(archive))
        self._raw = raw

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1) -> bytes:
        return bytes(self._stream.read(-1 if size is None else size))

    def read1(self, size: int = -1) -> bytes:
        return bytes(self._stream.read(size))

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
            self._raw.close()
        super().close()


class _Xz(lzma.LZMAFile):
    """What was packed by xz; closing it closes the file that it is read from."""

    def __init__(self, raw: Any) -> None:
        super().__init__(raw)
        self._packed = raw

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._packed.close()


def told(error: Exception) -> str:
    """Return what Arrow or the operating system says, on one line."""
    number = getattr(error, "errno", None)  # with which Arrow says more than is to be told
    said = (
        f"cannot be read: {os.strerror(number)}"
        if number in _BARRED
        else getattr(error, "strerror", None) or str(error)
    )
    cut = "; it was cut: get it again" if _CUT.search(said) is not None else ""
    return f"{' '.join(said.split()) or type(error).__name__}{cut}"
