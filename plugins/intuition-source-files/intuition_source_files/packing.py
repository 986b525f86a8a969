"""Files as a stream of bytes, however they are compressed."""

import lzma
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

Compression: TypeAlias = Literal["auto", "none", "gzip", "bz2", "xz", "zstd", "lz4"]

COMPRESSIONS: Final = {".gz": "gzip", ".bz2": "bz2", ".xz": "xz", ".zst": "zstd", ".lz4": "lz4"}
"""What the ending of a compressed file says."""

DAMAGED: Final = (OSError, EOFError, lzma.LZMAError)
"""What is raised where a file cannot be read, or is not compressed as it should be."""


def compression_of(path: Path, chosen: str) -> str:
    """Say how a file is compressed: as chosen, or, for ``auto``, as its ending says; ``none`` if it is not."""
    return COMPRESSIONS.get(path.suffix.lower(), "none") if chosen == "auto" else chosen


def unpacked(raw: Any, compression: str) -> Any:
    """Give what is in an open file of Arrow's, as a stream.

    Raises:
        OSError: it is not compressed as it should be, and so do `DAMAGED` ones when they are read.
    """
    import pyarrow as pa

    if compression == "none":
        return raw
    if compression == "xz":  # Arrow does not know it
        return _Xz(raw)
    return pa.CompressedInputStream(raw, compression)


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
    """Give what Arrow or the operating system says, on one line."""
    said = getattr(error, "strerror", None) or str(error)
    return " ".join(said.split()) or type(error).__name__
