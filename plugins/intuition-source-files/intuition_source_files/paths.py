"""Which files are meant, and which symbol a file's name is."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from intuition_source_files.errors import NoFile
from intuition_source_files.packing import COMPRESSIONS


def find_files(paths: Iterable[str], endings: Sequence[str]) -> list[Path]:
    """Return the files that are meant, in the order given; those of a folder or a pattern by name; each once.

    Args:
        paths: files, folders and patterns; ``~`` is the home folder.
        endings: which files of a folder count; those of compressed files count, too.

    Raises:
        NoFile: nothing is there, or nothing of that kind.
    """
    found = [file for path in paths for file in _found(path, endings)]
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
        files = sorted(file for file in path.iterdir() if _fits(file, endings))
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


def _fits(path: Path, endings: Sequence[str]) -> bool:
    ending = _unpacked(path).suffix.lower()
    packed = not ending and path.suffix.lower() == ".zip" and ".csv" in endings  # vendors pack text
    return not path.name.startswith(".") and path.is_file() and (ending in endings or packed)


def _unpacked(path: Path) -> Path:
    return path.with_suffix("") if path.suffix.lower() in COMPRESSIONS else path
