"""Numbers as people and vendors write them: with signs of currencies, thousands set apart, a comma for the point."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import msgspec

from intuition_source_files.errors import BadCell

if TYPE_CHECKING:
    import pyarrow as pa

GAPS: Final = frozenset(
    {"", " ", ".", "-", "--", "NaN", "nan", "NAN", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "None", "none"}
)
"""What stands in a column of numbers where there is none."""

_SIGNS: Final = "$€£¥₹"
_SPACES: Final = "\\s\u00a0\u202f"
_BARE: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity)", re.IGNORECASE)
_CORE: Final = re.compile(
    rf"[+-]?[{_SIGNS}]?[{_SPACES}]?(?P<number>\d[\d.,'\u2019{_SPACES}]*)[{_SPACES}]?[{_SIGNS}]?[KMBT%]?"
)
_GROUP: Final = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
"""A number in thousands, where a comma stands before fractions."""

_POWERS: Final = {"K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}


class Numerals(msgspec.Struct, frozen=True):
    """How the numbers of a file are written."""

    decimal: str = "."
    thousands: str = ""
    dressed: bool = False
    """Whether they are to be read as text first: signs, thousands and shortened volumes are no numbers yet."""

    @property
    def plain(self) -> bool:
        """Whether Arrow reads them as they are."""
        return not self.dressed and not self.thousands


class TwoReadings(Exception):
    """Numbers that may be written in two ways; becomes an error with the file's name."""

    def __init__(self, cell: str) -> None:
        self.cell = cell
        super().__init__(cell)


def find_numerals(
    cells: Iterable[str], *, decimal: str | None, thousands: str | None, commas: bool = False
) -> Numerals:
    """Return how numbers are written.

    Args:
        cells: some of them.
        decimal: what stands before fractions, if that was said.
        thousands: what stands between thousands, if that was said.
        commas: whether a comma may stand before fractions, as it does where columns have semicolons between them.

    Raises:
        TwoReadings: a mark may be either.
    """
    numbers = [cell.strip() for cell in cells if cell.strip() not in GAPS]
    odd = [cell for cell in numbers if _BARE.fullmatch(cell) is None]
    if decimal is None and thousands is None and not odd:
        grouped = [cell for cell in numbers if "." in cell]
        if commas and grouped and all(_GROUP.fullmatch(cell) for cell in grouped):
            raise TwoReadings(grouped[0])
        return Numerals()
    cores = [match["number"].strip() for cell in numbers if (match := _CORE.fullmatch(cell)) is not None]
    found = _marks(cores, decimal, thousands)
    dressed = any(not set(cell) <= set("+-0123456789eE.,") for cell in odd) or thousands is not None
    return Numerals(*found, dressed=dressed)


def _marks(cores: list[str], decimal: str | None, thousands: str | None) -> tuple[str, str]:
    """Return what stands before fractions, and what between thousands."""
    if decimal is not None:
        return decimal, _between(cores, decimal) if thousands is None else thousands
    if thousands is not None:
        return ("," if thousands == "." else "."), thousands
    for one, other in ((",", "."), (".", ",")):
        if any(one in core and other in core and core.rindex(other) > core.rindex(one) for core in cores):
            return other, one
        if any(core.count(one) > 1 for core in cores):
            return other, one
    for mark in (",", "."):
        if any(mark in core and not re.fullmatch(rf"\d{{1,3}}{re.escape(mark)}\d{{3}}", core) for core in cores):
            return mark, _between(cores, mark)
    doubtful = next((core for core in cores if "," in core), None)
    if doubtful is not None and not any("." in core for core in cores):
        raise TwoReadings(doubtful)
    if any("," in core for core in cores):  # and points elsewhere: one of them is for thousands, and which is not told
        raise TwoReadings(next(core for core in cores if "," in core))
    return ".", _between(cores, ".")


def _between(cores: list[str], decimal: str) -> str:
    """Return what stands between thousands, which is not what stands before fractions."""
    for mark in ("'", "\u2019", "\u00a0", "\u202f", " ", "," if decimal == "." else "."):
        if any(mark in core for core in cores):
            return mark
    return ""


def read_numbers(column: "pa.Array", numerals: Numerals, name: str, *, amounts: bool = False) -> "pa.Array":
    """Return written numbers as floats, and nulls for gaps.

    Args:
        column: the texts.
        numerals: how they are written.
        name: what the column is called, for messages.
        amounts: whether they may be shortened, as 5.2M.

    Raises:
        BadCell: the first that is none.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    text = pc.utf8_trim_whitespace(column)
    text = pc.if_else(pc.is_in(text, value_set=pa.array(sorted(GAPS))), pa.scalar(None, pa.string()), text)
    bare = pc.replace_substring_regex(text, rf"^([+-]?)[{_SIGNS}]\s*|\s*[{_SIGNS}]$", r"\1")
    shortened = amounts and bool(pc.any(pc.match_substring_regex(bare, "[KMBT]$")).as_py())
    digits = pc.replace_substring_regex(bare, "[KMBT]$", "") if shortened else bare
    decimal, thousands = re.escape(numerals.decimal), re.escape(numerals.thousands)
    groups = rf"|\d{{1,3}}({thousands}\d{{3}})+" if numerals.thousands else ""
    right = pc.match_substring_regex(digits, rf"^[+-]?(\d+{groups})({decimal}\d+)?([eE][+-]?\d+)?$")
    wrong = pc.index(pc.fill_null(right, fill_value=True), value=False).as_py()
    if wrong >= 0:
        raise BadCell(wrong, not_a_number(column[wrong].as_py(), name))
    digits = pc.replace_substring_regex(digits, r"^\+", "")
    if numerals.thousands:
        digits = pc.replace_substring(digits, numerals.thousands, "")
    if numerals.decimal != ".":
        digits = pc.replace_substring(digits, numerals.decimal, ".")
    try:
        numbers = digits.cast(pa.float64())
    except pa.ArrowInvalid:
        for index, digit in enumerate(digits.to_pylist()):
            if digit is not None and _BARE.fullmatch(digit) is None:
                raise BadCell(index, not_a_number(column[index].as_py(), name)) from None
        raise
    return _lengthened(numbers, bare) if shortened else numbers


def _lengthened(numbers: "pa.Array", written: "pa.Array") -> "pa.Array":
    import pyarrow as pa
    import pyarrow.compute as pc

    for letter, power in _POWERS.items():
        ends = pc.fill_null(pc.ends_with(written, letter), fill_value=False)
        # Shortened numbers have few digits: a product that is rounded to as many is what was meant.
        numbers = pc.if_else(ends, pc.round(pc.multiply(numbers, pa.scalar(power)), ndigits=0), numbers)
    return numbers


def not_a_number(cell: Any, name: str) -> str:
    """Return the sentence for a cell that is no number."""
    problem = f"`{' '.join(str(cell).split())[:60]}` in the column `{name}` is not a number"
    if isinstance(cell, str) and cell.strip() == name.strip():
        problem += "; it is the line of names once more: take it out"
    elif isinstance(cell, str) and _CORE.fullmatch(cell.strip()) is not None and not cell.strip().isdigit():
        problem += "; say how numbers are written with the options `decimal` and `thousands`"
    return problem
