"""Installed distributions: their entry points are read first, their headers only on demand.

`importlib.metadata` would do, but takes 50 ms to import and parses headers as e-mail; a listing takes a few.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Distribution(NamedTuple):
    """A distribution, with the name and version that its metadata folder has."""

    name: str
    version: str
    read: Callable[[str], str | None]
    """Returns the text of a metadata file, None where there is no such file; may raise anything."""


def normal(name: str) -> str:
    """Return a distribution's name as PEP 503 normalises it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def distributions(path: Iterable[str]) -> Iterator[Distribution]:
    """Yield each distribution once; of one in several folders, the one that Python would import.

    Args:
        path: folders and zip archives, in the order of precedence. What cannot be listed is passed over: Python
            imports nothing from there either.
    """
    names: set[str] = set()
    for entry in path:
        here = {normal(distribution.name): distribution for distribution in _listed(entry or ".")}
        yield from (distribution for name, distribution in here.items() if name not in names)
        names.update(here)


def headers(text: str) -> dict[str, str]:
    """Return the ``name``, ``version`` and ``summary`` of a METADATA text, those that are there."""
    return {key.lower(): value.strip() for key, value in _HEADER.findall(text.partition("\n\n")[0])}


_HEADER = re.compile(r"^(name|version|summary)[ \t]*:[ \t]*(.*(?:\n[ \t]+.*)*)", re.IGNORECASE | re.MULTILINE)


def _listed(folder: str) -> Iterator[Distribution]:
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if _holds_metadata(entry.name)]
    except NotADirectoryError:
        yield from _archived(folder)
        return
    except OSError:
        return
    if len({normal(_split(entry.name)[0]) for entry in found}) < len(found):
        # An interrupted upgrade leaves the metadata of two versions; the code is that of the later one.
        found.sort(key=_modified)
    for entry in found:
        yield Distribution(*_split(entry.name), _reader(entry.path))


def _archived(archive: str) -> Iterator[Distribution]:
    import zipfile  # archives on the path are rare

    try:
        with zipfile.ZipFile(archive) as opened:
            folders = {name.partition("/")[0] for name in opened.namelist()}
    except (OSError, zipfile.BadZipFile):
        return
    for folder in sorted(filter(_holds_metadata, folders)):
        yield Distribution(*_split(folder), _archive_reader(archive, folder))


def _holds_metadata(folder: str) -> bool:
    # pip renames what it is about to remove to a name that starts with a tilde.
    return folder.endswith((".dist-info", ".egg-info")) and folder[0] not in "~."


def _split(folder: str) -> tuple[str, str]:
    name, _, version = folder.rpartition(".")[0].partition("-")
    return name, version


def _modified(entry: os.DirEntry[str]) -> int:
    with suppress(OSError):
        return entry.stat().st_mtime_ns
    return 0


def _reader(folder: str) -> Callable[[str], str | None]:
    def read(file: str) -> str | None:
        try:
            return Path(folder, file).read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, NotADirectoryError):
            return None

    return read


def _archive_reader(archive: str, folder: str) -> Callable[[str], str | None]:
    def read(file: str) -> str | None:
        import zipfile

        with zipfile.ZipFile(archive) as opened, suppress(KeyError):
            return opened.read(f"{folder}/{file}").decode(errors="replace").replace("\r\n", "\n")
        return None

    return read
