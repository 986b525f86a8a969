"""Tables of instruments in files: CSV with a header, or TOML with ``[[instruments]]``."""

import csv
from collections.abc import Iterator
from pathlib import Path

from intuition_core.account.instruments import BadInstrument, Instrument, Row
from intuition_core.config.files import UnreadableFile, parse_toml, read_text
from intuition_core.errors import IntuitionError, did_you_mean

__all__ = ["BadListing", "Row", "read_listing"]


class BadListing(IntuitionError):
    """A file from which no table of instruments can be read."""

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}")


def read_listing(path: Path) -> Iterator[Row]:
    """Return the rows of a file, unchecked; a line that is no row is returned as its mistake.

    Raises:
        BadListing: it cannot be read, or has no table of instruments.
    """
    try:
        text = read_text(path)
    except FileNotFoundError:
        raise BadListing(path, "there is no such file; name the table of instruments in [instruments] file") from None
    except UnreadableFile as error:
        raise BadListing(path, str(error)) from None
    return _toml(path, text) if path.suffix.lower() == ".toml" else _csv(path, text)


def _csv(path: Path, text: str) -> Iterator[Row]:
    lines = csv.reader(text.splitlines(), strict=True)
    try:
        header = [name.strip() for name in next(lines, [])]
    except csv.Error as error:
        raise BadListing(path, f"line {lines.line_num}: no valid CSV: {error}") from None
    _check_header(path, header)
    while True:
        try:
            cells = next(lines, None)
        except csv.Error as error:
            where = f"{path}, line {lines.line_num}"
            yield where, BadInstrument(where, None, f"no valid CSV: {error}")
            continue
        if cells is None:
            return
        if not any(status.strip() for status in cells):
            continue
        where = f"{path}, line {lines.line_num}"
        if len(cells) == len(header):
            yield where, {name: status.strip() for name, status in zip(header, cells, strict=True)}
        else:
            problem = f"expected {len(header)} cells as in the first line, got {len(cells)}; one may be empty"
            yield where, BadInstrument(where, None, problem)


def _check_header(path: Path, header: list[str]) -> None:
    fields = Instrument.__struct_fields__
    if "symbol" not in header:
        raise BadListing(path, f"the first line has no `symbol`; it names the columns, of {', '.join(fields)}")
    for name in header:
        if name not in fields:
            hint = did_you_mean(name, fields) or ";"
            raise BadListing(path, f"the first line has an unknown column `{name}`{hint} valid are {', '.join(fields)}")
        if header.count(name) > 1:
            raise BadListing(path, f"the first line has the column `{name}` twice")


def _toml(path: Path, text: str) -> Iterator[Row]:
    try:
        tree = parse_toml(text)
    except UnreadableFile as error:
        raise BadListing(path, str(error)) from None
    rows = tree.get("instruments")
    if set(tree) != {"instruments"} or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadListing(path, "expected tables [[instruments]] and nothing else")
    for number, row in enumerate(rows, 1):
        yield f"{path}: [[instruments]] no. {number}", row
