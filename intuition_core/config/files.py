"""Files that people write, read as text or as TOML; each mistake is a sentence."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

LARGEST: Final = 8 << 20
"""Bytes of the largest file that is read."""
DEEPEST: Final = 32
"""Tables and lists within one another, at most."""

_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "UTF-32"),
    (b"\x00\x00\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)


class UnreadableFile(Exception):
    """A file that cannot be read, with a sentence without the file's name."""


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a file.

    Raises:
        FileNotFoundError: there is no such file.
        UnreadableFile: it cannot be read, or is no TOML.
    """
    return parse_toml(read_text(path))


def read_text(path: Path) -> str:
    """Return the text of a file, with or without a byte order mark.

    Raises:
        FileNotFoundError: there is no such file.
        UnreadableFile: it cannot be read, or is no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        if path.is_symlink():
            raise UnreadableFile(f"it is a link to {path.readlink()}, which is not there") from None
        raise
    except IsADirectoryError:
        raise UnreadableFile("it is a folder; expected a file") from None
    except (OSError, ValueError) as error:
        raise UnreadableFile(f"it cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(content) > LARGEST:
        raise UnreadableFile(f"it is larger than {LARGEST >> 20} MiB")
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            raise UnreadableFile(f"it cannot be read: it is {encoding}; save it as UTF-8")
    if b"\0" in content:
        raise UnreadableFile("it cannot be read: it holds zero bytes, as UTF-16 does; save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(
            f"it cannot be read: line {line} holds bytes that are no UTF-8; save it as UTF-8"
        ) from None


def parse_toml(text: str) -> dict[str, Any]:
    """Return the tables of a text.

    Raises:
        UnreadableFile: it is no TOML.
    """
    try:
        tree = tomllib.loads(text)
    except RecursionError:
        raise UnreadableFile(_TOO_DEEP) from None
    except ValueError as error:  # TOMLDecodeError is one; a number of thousands of digits another
        problem = str(error)
        if problem.startswith("Exceeds the limit"):
            problem = "a number has too many digits"
        raise UnreadableFile(f"no valid TOML: {problem}") from None
    if is_too_deep(tree):
        raise UnreadableFile(_TOO_DEEP)
    return tree


def is_too_deep(tree: Any) -> bool:
    """Return whether more than `DEEPEST` tables and lists are within one another."""
    level: list[Any] = [tree]
    for _ in range(DEEPEST + 1):
        level = [inner for value in level for inner in _inner(value)]
        if not level:
            return False
    return True


_TOO_DEEP: Final = f"more than {DEEPEST} tables or lists are within one another"


def _inner(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    return value if isinstance(value, list) else ()
