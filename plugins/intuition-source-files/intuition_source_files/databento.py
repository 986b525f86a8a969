"""Databento's bars: by what they are known, how long they last, and prices that are counted in billionths."""

import re
from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from intuition_source_files.columns import Columns
from intuition_source_files.errors import TwoMeanings, UnreadableFile
from intuition_source_files.params import FileParams
from intuition_source_files.preset import Preset
from intuition_source_files.table import Table

NAME: Final = "databento"
UNDEFINED: Final = 2**63 - 1
"""What stands where there is no price, in billionths."""

_LENGTHS: Final = {"32": "1s", "33": "1m", "34": "1h", "35": "1d"}
"""How long bars last, by the column `rtype`."""

_BEFORE: Final = "ts_recv?,ts_event,rtype?,publisher_id?"
_PRICES: Final = "open,high,low,close,volume"
_MARKS: Final = frozenset({"rtype", "publisher_id", "instrument_id"})
_WHOLE: Final = re.compile(r"-?\d+(\.0+)?([eE]\+\d+)?")
_LARGE: Final = 100_000_000
_SMALL: Final = 100_000
_SHARED: Final[dict[str, Any]] = {
    "name": NAME,
    "adjusted": "not adjusted: trades as they were",
    "left_out": ("ts_recv", "rtype"),
}
_OPTIONS: Final = {"stamp": "open", "timezone": "UTC", "time": "ts_event"}

DATABENTO: Final = (
    Preset(
        title="Databento's bars (`ohlcv`), with symbols",
        header=f"{_BEFORE},instrument_id?,{_PRICES},symbol",
        options={**_OPTIONS, "symbol": "symbol"},
        **_SHARED,
    ),
    Preset(
        title="Databento's bars (`ohlcv`), with numbers for symbols",
        header=f"{_BEFORE},instrument_id,{_PRICES}",
        options={**_OPTIONS, "symbol": "instrument_id"},
        **_SHARED,
    ),
)
"""The layouts; prices are in billionths where none has a decimal point."""


def with_databento(table: Table, columns: Columns, params: FileParams) -> tuple[Columns, FileParams]:
    """Return which prices are in billionths, and how long bars last; both as they were for other files.

    Args:
        table: the file.
        columns: its columns.
        params: the options, with what the layout says.

    Raises:
        TwoMeanings: prices may be in billionths or not.
        UnreadableFile: they are in billionths in a file of another layout, or bars are of no one known length.
    """
    names = {name.strip() for name in table.names}
    if "ts_event" not in names or (params.preset == "none" and table.layout.preset is None):
        return columns, params
    prices = [name for name in columns.numeric if name != columns.numbers.get("volume")]
    written = [cell for name in prices for cell in _cells(table, name)]
    sizes = [abs(float(cell)) for cell in written if _WHOLE.fullmatch(cell)]
    whole = bool(sizes) and len(sizes) == len(written)
    preset = table.layout.preset
    if preset is None or preset.name != NAME:
        if whole and max(sizes) > _LARGE and not names.isdisjoint(_MARKS):
            problem = f"has prices such as {written[0]} beside `ts_event`, which are in billionths in Databento's files"
            remedy = "ask for them with a decimal point (`pretty_px`), or for bars (`ohlcv`)"
            raise UnreadableFile(
                table.path, f"{problem}; {remedy}; with the option `preset`, none, they count as they are"
            )
        return columns, params
    large = next((cell for cell in written if _WHOLE.fullmatch(cell) and abs(float(cell)) > _LARGE), None)
    if (whole and max(sizes) < _SMALL) or (not whole and large is not None):
        shown = written[0] if large is None else large
        raise TwoMeanings(
            table.path,
            f"`{shown}`",
            f"a price in billionths ({float(shown) / 1e9:g})",
            "a price as it is",
            "write all prices with a decimal point, or none",
        )
    params = params if params.bar is not None or "rtype" not in names else replace(params, bar=_length(table))
    return replace(columns, fixed=tuple(prices) if whole else (), undefined=UNDEFINED / 1e9), params


def _cells(table: Table, name: str) -> list[str]:
    """Return what the first rows have in a column, but for gaps; of some files what the first row has."""
    samples: Sequence[Sequence[str]] = getattr(table, "samples", ())
    place = table.names.index(name)
    cells = [row[place].strip() for row in samples if place < len(row)] or [(table.first(name) or "").strip()]
    return [cell for cell in cells if cell[:1].isdigit() or cell[:1] == "-"]


def _length(table: Table) -> str:
    """Return how long bars last by the column `rtype`.

    Raises:
        UnreadableFile: its numbers are of no bars, or of several lengths.
    """
    name = next(each for each in table.names if each.strip() == "rtype")
    tail: Sequence[Sequence[str]] = getattr(table, "tail", tuple)()
    place = table.names.index(name)
    found = sorted({*_cells(table, name), *(row[place].strip() for row in tail if place < len(row))})
    known = [_LENGTHS[kind] for kind in found if kind in _LENGTHS]
    if len(known) != 1 or len(found) != 1:
        said = " and ".join(found) or "nothing"
        problem = f"`rtype` is {said}, where bars of one length have one of {', '.join(_LENGTHS)}"
        raise UnreadableFile(table.path, f"{problem}; say how long they last with the option `bar`, or part the file")
    return known[0]
