"""The first lines of a text file: what stands between columns, which line names them, and what some rows have."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from intuition_source_files.errors import UnreadableFile

ROWS: Final = 1000
"""How many rows are looked at."""

_BYTES: Final = 1 << 17
_DELIMITERS: Final = ",;|\t"
_SEPARATOR: Final = re.compile(r"\ufeff?\"?sep=(.)\"?\s*", re.IGNORECASE)
"""A first line by which Excel says what stands between columns."""

_NUMBER: Final = re.compile(r"[+-]?\d[\d.,]*([eE][+-]?\d+)?")
_MOMENT: Final = re.compile(r"\d[\d.:/\-+ TZ]{3,}")


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What the first lines of a file tell."""

    delimiter: str
    skipped: int
    """How many lines are before the first that counts."""
    line: str
    """The first line that counts."""
    first: tuple[str, ...]
    """Its cells."""
    rows: tuple[tuple[str, ...], ...]
    """The cells of the lines after it, as far as they were looked at."""
    titles: tuple[str, ...] = ()
    """Lines before it that are no cells."""

    @property
    def is_row(self) -> bool:
        """Whether the first line looks like a row rather than like the names of columns."""
        first, *others = self.first
        if _NUMBER.fullmatch(first.strip()) is None and _MOMENT.fullmatch(first.strip()) is None:
            return False
        return bool(others) and sum(_NUMBER.fullmatch(cell.strip()) is not None for cell in others) * 2 >= len(others)


def read_head(path: Path, text: Any, *, delimiter: str | None, skip: int | None) -> Head:
    """Look at the first lines of a file.

    Args:
        path: where it is, for messages.
        text: the file, opened as text.
        delimiter: what stands between columns, if that was said.
        skip: how many lines are to be passed over, if that was said.

    Raises:
        UnreadableFile: it is empty, or something else than rows of text.
    """
    begin = text.read(_BYTES)
    _see_kind(path, begin)
    lines = begin.splitlines(keepends=True)
    if len(begin) == _BYTES:
        del lines[-1]  # of which there may be more
        lines = lines or [begin]
    place = 0 if skip is None else skip
    said = None
    while place < len(lines) and (not lines[place].strip() or _SEPARATOR.fullmatch(lines[place])):
        if (separator := _SEPARATOR.fullmatch(lines[place])) is not None:
            said = separator[1]
        place += 1
    if place >= len(lines):
        raise UnreadableFile(path, "is empty; the first line should name the columns")
    titles: list[str] = []
    between = delimiter or said
    if skip is None:
        while (found := _title(lines, place, between)) is not None:
            titles.append(lines[place].strip().strip(",;"))
            place = found
    line = lines[place]
    between = between or _delimiter(line)
    if len(begin) == _BYTES and len(line) < _BYTES // 2 and not begin[sum(map(len, lines[: place + 1])) :].strip():
        # Of which Arrow's reader has one call within another, until the process ends.
        raise UnreadableFile(path, f"has nothing but blank lines after line {place + 1}, as far as was looked")
    cells = [tuple(row) for row in csv.reader(lines[place : place + ROWS + 1], delimiter=between) if row]
    return Head(
        delimiter=between,
        skipped=sum(1 for _ in lines[:place]),
        line=line,
        first=cells[0],
        rows=tuple(cells[1:]),
        titles=tuple(titles),
    )


def _title(lines: Sequence[str], place: int, between: str | None) -> int | None:
    """Return the place of the line after one that is a title above a table; None where it is none.

    A title has one cell, where the two lines after it have as many cells as each other, and at least three.
    """
    rest = [index for index in range(place + 1, min(place + 12, len(lines))) if lines[index].strip()]
    if len(rest) < 2 or len(lines[place]) > 500:
        return None
    mark = between or _delimiter(lines[rest[0]])
    count = [len(next(csv.reader([lines[index]], delimiter=mark))) for index in (place, *rest[:2])]
    filled = [cell for cell in next(csv.reader([lines[place]], delimiter=mark)) if cell.strip()]
    return rest[0] if len(filled) == 1 and count[1] == count[2] >= 3 else None


def _delimiter(line: str) -> str:
    """Return what stands between columns: in a row it is not what stands in its numbers."""
    if re.match(r"\s*\d", line):
        for mark in "\t;|":
            if mark in line:
                return mark
    return max(_DELIMITERS, key=line.count)


def _see_kind(path: Path, begin: str) -> None:
    """Refuse what is no rows of text.

    Raises:
        UnreadableFile: so it is.
    """
    start = begin.lstrip("\ufeff \t\r\n")[:200]
    if re.match(r"(?i)<(!doctype|html|head|body|\?xml|table)", start):
        raise UnreadableFile(
            path, "is a web page or XML, not rows of text; download the file itself, or save it as CSV"
        )
    if start[:1] in ("{", "[") and not start.startswith("[" + "\t"):
        raise UnreadableFile(path, "is JSON; name it so (.json), or choose the source `json` or `jsonl`")
    if start.startswith(("PK\x03\x04", "\udcd0\udccf\x11\udce0")):
        what = "a workbook of Excel" if "xl/" in begin or not start.startswith("PK") else "a zip archive"
        raise UnreadableFile(
            path, f"is {what}, not text; save it as CSV" if "Excel" in what else f"is {what}; name it .zip"
        )
    if start.startswith("PAR1"):
        raise UnreadableFile(path, "is a Parquet file; name it .parquet, or choose the source `parquet`")
    if start.startswith("{\\rtf"):
        raise UnreadableFile(path, "is a text with formats, not rows; save it as CSV")
