"""Tables with a line of fields and a line of symbols above the rows, as `yfinance.download` gives them."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from intuition_source_files.head import Head
from intuition_source_files.preset import Preset
from intuition_source_files.presets import PRESETS

GROUPED: Final = "yfinance-download"
_FIELDS: Final = {
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "volume": "volume",
    "adj close": "adjusted",
    "dividends": "dividends",
    "stock splits": "splits",
    "capital gains": "gains",
}
_TIMES: Final = frozenset({"Date", "Datetime", "date", "datetime", "index"})
_TEXT: Final = r"(?:'([^']*)'|\"([^\"]*)\")"
_PAIR: Final = re.compile(rf"\({_TEXT}, {_TEXT}\)")
_LEVELS: Final = frozenset({"", "Price", "Ticker", "Symbols", "Attributes"})


class Groups(msgspec.Struct, frozen=True, kw_only=True):
    """What the lines above the rows say."""

    preset: Preset
    names: tuple[str, ...]
    """A name for each column, none twice."""
    lines: int
    """How many lines there are above the rows."""
    symbols: dict[str, dict[str, str]]
    """The column of each field, by symbol."""
    time: str = "Date"
    """The column of times."""

    @property
    def adjusted(self) -> str:
        """Whether prices are adjusted: beside an adjusted close, they are for splits alone."""
        raw = any("adjusted" in fields for fields in self.symbols.values())
        return "adjusted for splits, not for dividends" if raw else self.preset.adjusted


def find_groups(head: Head) -> Groups | None:
    """Find the fields and symbols of a file's columns; None where it has not such lines."""
    lines = (head.first, *head.rows[:2])
    if len(lines) < 2 or len({len(line) for line in lines[:2]}) > 1 or len(head.first) < 2:
        return None
    first, second = ([cell.strip() for cell in line] for line in lines[:2])
    if first[0] not in _LEVELS or second[0] not in _LEVELS:
        return None
    fields, symbols = (first, second) if _are_fields(first) else (second, first)
    if not _are_fields(fields) or not all(symbols[1:]):
        return None
    count = 2
    if len(lines) > 2 and lines[2][0].strip() in ("Date", "Datetime") and not any(map(str.strip, lines[2][1:])):
        count = 3
    found: dict[str, dict[str, str]] = {}
    names = ["Date"]
    for field, symbol in zip(fields[1:], symbols[1:], strict=True):
        names.append(f"{symbol} {field}")
        found.setdefault(symbol, {})[_FIELDS[field.casefold()]] = names[-1]
    if len(set(names)) < len(names) or not all("close" in columns for columns in found.values()):
        return None
    preset = next(preset for preset in PRESETS if preset.name == GROUPED)
    return Groups(preset=preset, names=tuple(names), lines=count, symbols=found)


def find_pairs(names: Sequence[str]) -> Groups | None:
    """Find the fields and symbols of columns called by both, such as ``('Close', 'AAPL')``, as pandas keeps them."""
    pairs = {name: pair for name in names if (pair := _pair(name)) is not None}
    others = [name for name in names if name not in pairs]
    times = [name for name, pair in pairs.items() if pair[0] in _TIMES and not pair[1]] or others
    fields = {name: pair for name, pair in pairs.items() if name not in times}
    if len(times) != 1 or not fields or {*names} - {*fields} - {*times}:
        return None
    if not all(pair[0].casefold() in _FIELDS for pair in fields.values()):
        fields = {name: (pair[1], pair[0]) for name, pair in fields.items()}
    found: dict[str, dict[str, str]] = {}
    for name, (field, symbol) in fields.items():
        known = _FIELDS.get(field.casefold())
        if known is None or not symbol or known in found.get(symbol, ()):
            return None
        found.setdefault(symbol, {})[known] = name
    if not all("close" in columns for columns in found.values()):
        return None
    preset = next(preset for preset in PRESETS if preset.name == GROUPED)
    return Groups(preset=preset, names=tuple(names), lines=0, symbols=found, time=times[0])


def _pair(name: str) -> tuple[str, str] | None:
    """Return the two parts of a column's name; None where it has not two."""
    match = _PAIR.fullmatch(name)
    return None if match is None else (match[1] or match[2] or "", match[3] or match[4] or "")


def _are_fields(cells: list[str]) -> bool:
    return all(cell.casefold() in _FIELDS for cell in cells[1:])
