"""Which files are meant, and which symbol a file's name is."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from intuition_core.recordings import COLUMN_NAMES
from intuition_source_files.errors import NoFile
from intuition_source_files.packing import COMPRESSIONS

_HIVE: Final = re.compile(r"([A-Za-z_][\w .-]*)=(.+)")
"""A folder that says a value of all rows in it."""

_ASIDE: Final = re.compile(r"(?i)(read.?me|licen[cs]e|copying|copyright|changelog|notes?)\.txt")
"""Texts beside data that are read by people."""

_TIMES: Final = frozenset({"year", "month", "day", "date", "hour", "week", "quarter", "channel"})
"""What folders say that the rows say too, or that none needs."""


def find_files(paths: Iterable[str], endings: Sequence[str]) -> list[Path]:
    """Return the files that are meant, in the order given; those of a folder or a pattern by name; each once.

    Args:
        paths: files, folders and patterns; ``~`` is the home folder.
        endings: which files of a folder count; those of compressed files count, too.

    Raises:
        NoFile: nothing is there, or nothing of that kind, or nobody may look.
    """
    try:
        found = [file for path in paths for file in _found(path, endings)]
    except OSError as error:
        raise NoFile(str(error.filename), f"cannot be read: {error.strerror}") from None
    if not found:
        raise NoFile("path", "no file was named")
    return list(dict.fromkeys(found))


def stem(path: Path) -> str:
    """Return a file's name up to its ending: ``GOOG`` for ``GOOG.csv.gz``."""
    return _unpacked(path).stem


def _found(text: str, endings: Sequence[str]) -> list[Path]:
    if not text:
        raise NoFile("path", "no such file")
    path = Path(text).expanduser()
    if path.is_dir():
        files = sorted(file for file in _within(path) if _fits(file, endings))
        if not files:
            raise NoFile(text, f"a folder without a file that ends in {' or '.join(endings)}; name the files")
        return files
    if path.exists():
        return [path]
    found = Path(path.anchor or ".").glob(str(path.relative_to(path.anchor)))
    hidden = path.name.startswith(".")
    files = sorted(file for file in found if file.is_file() and file.name.startswith(".") == hidden)
    if not files:
        raise NoFile(text, "no such file")
    return files


def _within(folder: Path) -> Iterator[Path]:
    """Yield the files of a folder, and of folders within it that say a value by their name, as `year=2024` does."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and _HIVE.fullmatch(path.name) is not None:
            yield from _within(path)
        else:
            yield path


def symbol_of_folders(path: Path, named: str | None) -> str | None:
    """Return the symbol that a file's folders say, as ``symbol=AAPL`` does; None where none does.

    Args:
        path: the file.
        named: the name before the sign that says the symbol; without it one of those by which its columns are known.
    """
    known = COLUMN_NAMES["symbol"] if named is None else (named,)
    for folder in reversed(path.parts[:-1]):
        match = _HIVE.fullmatch(folder)
        if match is not None and (match[1] if named else match[1].lower()) in known:
            return unquote(match[2])
    return None


def doubtful_folder(path: Path) -> str | None:
    """Return the first of a file's folders that says what is neither a symbol nor a time; None where none does."""
    found = (match for folder in path.parts[:-1] if (match := _HIVE.fullmatch(folder)) is not None)
    return next((match[0] for match in found if match[1].lower() not in _TIMES), None)


def _fits(path: Path, endings: Sequence[str]) -> bool:
    ending = _unpacked(path).suffix.lower()
    packed = not ending and path.suffix.lower() == ".zip" and ".csv" in endings  # vendors pack text
    if _ASIDE.fullmatch(path.name) is not None:
        return False
    return not path.name.startswith(".") and path.is_file() and (ending in endings or packed)


def _unpacked(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
