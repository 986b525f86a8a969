"""Answers of vendors' interfaces, saved as JSON: candles as arrays, as objects, by their times or by column."""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from intuition_source_files.arrays import objects
from intuition_source_files.columns import Columns
from intuition_source_files.errors import BadCell, UnreadableFile
from intuition_source_files.layouts import Layout, find_layout
from intuition_source_files.numerals import GAPS
from intuition_source_files.packing import DAMAGED, compression_of, inner_path, told, unpacked
from intuition_source_files.params import FileParams
from intuition_source_files.preset import Preset
from intuition_source_files.presets import PRESETS

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_ROWS: Final = 4096
_SHORT: Final = {
    "t": "timestamp",
    "o": "open",
    "h": "high",
    "l": "low",
    "c": "close",
    "v": "volume",
    "n": "trades",
    "vw": "vwap",
}
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_KRAKEN: Final = ("timestamp", "open", "high", "low", "close", "vwap", "volume", "trades")
_TOLD: Final = ("Error Message", "Note", "Information", "error", "message", "msg", "Message")
"""Under what keys an answer says why it holds no prices."""


class AnswerFile:
    """A file that holds one JSON value, read as a table; it has to fit into memory.

    Raises:
        UnreadableFile: it is no JSON, or holds no candles that are known.
    """

    def __init__(self, path: Path, params: FileParams) -> None:
        self.path = path
        self._given = 0
        try:
            self.size = path.stat().st_size
            compression = compression_of(path, "auto")
            self._name = inner_path(path, compression)
            content = self._content(compression)
        except DAMAGED as error:
            raise UnreadableFile(path, told(error)) from None
        if not content.strip():
            raise UnreadableFile(path, "is empty")
        try:
            value = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            hint = "; for one event a line choose the source `jsonl`" if content.count(b"\n{") else ""
            raise UnreadableFile(path, f"is no JSON: {error}{hint}") from None
        self._params = params
        self._columns: dict[str, list[Any]] = {}
        self.layout = self._read(value)
        self.names = tuple(self._columns)
        lengths = {len(column) for column in self._columns.values()}
        self._rows = max(lengths, default=0)
        if len(lengths) > 1:
            raise UnreadableFile(path, f"has columns of {min(lengths)} to {max(lengths)} values")

    def _content(self, compression: str) -> bytes:
        import pyarrow as pa

        with unpacked(pa.OSFile(str(self.path)), compression) as stream:
            return bytes(stream.read())

    @property
    def done(self) -> float:
        """Which part of the file has been given, from 0 to 1."""
        return self._given / self._rows if self._rows else 1.0

    @property
    def samples(self) -> tuple[tuple[str, ...], ...]:
        """The first rows, as text."""
        columns = [column[:1000] for column in self._columns.values()]
        return tuple(tuple("" if cell is None else str(cell) for cell in row) for row in zip(*columns, strict=True))

    def first(self, name: str) -> str | None:
        """Return what the first row has in a column, as text; None where there is nothing."""
        column = self._columns[name]
        return str(column[0]) if column and column[0] is not None else None

    def batches(self, columns: Columns, *, share: int) -> "Iterator[pa.RecordBatch]":  # noqa: ARG002  # it is in memory
        """Return the rows: numbers as floats, all else as it is."""
        import pyarrow as pa

        wanted = columns.read
        self._given = 0
        for begin in range(0, self._rows, _ROWS):
            arrays = {}
            for name in wanted:
                cells = self._columns[name][begin : begin + _ROWS]
                arrays[name] = (
                    pa.array(_floats(cells, name), pa.float64()) if name in columns.numeric else _array(cells)
                )
            self._given = min(begin + _ROWS, self._rows)
            yield pa.RecordBatch.from_pydict(arrays)

    def values(self, column: "pa.Array") -> "np.ndarray[Any, Any] | None":
        """Return numbers, texts and truths as they are."""
        return objects(column.to_pylist())

    def place(self, row: int) -> str:
        """Return the number of an entry, counted from 1."""
        return f"entry {row + 1}"

    def _read(self, value: Any) -> Layout:
        if isinstance(value, list):
            return self._of_list(value, None)
        if not isinstance(value, dict):
            raise UnreadableFile(self.path, "holds one value, and no candles")
        series = next((key for key in value if key.startswith(("Time Series", "Weekly", "Monthly"))), None)
        if series is not None and isinstance(value[series], dict):
            return self._of_alpha_vantage(value[series], value.get("Meta Data") or {})
        if isinstance(value.get("t"), list) and isinstance(value.get("c"), list):
            self._columns = {_SHORT[key]: value[key] for key in _SHORT if isinstance(value.get(key), list)}
            return Layout(sid=_text(value, "symbol"))
        for key in ("results", "bars", "data", "values", "candles", "result", "Data"):
            if key in value:
                found = self._within(value, value[key])
                if found is not None:
                    return found
        said = next((str(value[key]) for key in _TOLD if value.get(key)), None)
        problem = "holds no candles that are known" if said is None else f"holds no prices, but `{said[:200]}`"
        raise UnreadableFile(self.path, problem)

    def _within(self, whole: Mapping[str, Any], rows: Any) -> Layout | None:
        sid = _text(whole, "ticker") or _text(whole, "symbol")
        if isinstance(rows, list) and rows:
            layout = self._of_list(rows, sid)
            if "ticker" in whole and "results" in whole:
                adjusted = "adjusted for splits, not for dividends" if whole.get("adjusted") else "not adjusted"
                return replace(layout, preset=_preset("polygon", sort=False, time="timestamp"), adjusted=adjusted)
            return layout
        if isinstance(rows, dict):
            lists = {key: each for key, each in rows.items() if isinstance(each, list)}
            if len(lists) == 1:
                ((name, candles),) = lists.items()
                if candles and isinstance(candles[0], list) and len(candles[0]) == len(_KRAKEN):
                    self._of_arrays(candles, _KRAKEN)
                    return Layout(preset=_preset("kraken"), sid=name, adjusted="nothing to adjust")
                return self._of_list(candles, name)
        return None

    def _of_list(self, rows: list[Any], sid: str | None) -> Layout:
        if not rows:
            raise UnreadableFile(self.path, "holds an empty array")
        first = rows[0]
        name = self._name.with_suffix("")
        if isinstance(first, list) and all(not isinstance(cell, list | dict) for cell in first):
            if len(first) == 6:
                layout = find_layout(name, None, ("date", "open", "high", "low", "close", "volume"), self._params)
                if layout.preset is None and self._params.preset == "auto" and not getattr(self._params, "columns", ()):
                    raise UnreadableFile(
                        self.path,
                        "holds arrays of six without names, whose order is not told; say that they are time, open, "
                        "high, low, close and volume with the option `preset`, `freqtrade`",
                    )
                names: Sequence[str] = ("date", "open", "high", "low", "close", "volume")
            else:
                layout = find_layout(name, [str(cell) for cell in first], None, self._params)
                names = layout.names
            if not names:
                raise UnreadableFile(self.path, f"holds arrays of {len(first)} whose meaning is not known")
            self._of_arrays(rows, names)
            return replace(layout, sid=layout.sid or sid)
        if isinstance(first, dict):
            self._of_objects(rows)
            return replace(find_layout(name, None, tuple(self._columns), self._params), sid=sid)
        raise UnreadableFile(self.path, "holds an array of neither arrays nor objects")

    def _of_arrays(self, rows: list[Any], names: Sequence[str]) -> None:
        for number, row in enumerate(rows, 1):
            if not isinstance(row, list) or len(row) != len(names):
                raise UnreadableFile(self.path, f"entry {number} is no array of {len(names)}, as the first is")
        self._columns = {name: [row[place] for row in rows] for place, name in enumerate(names)}

    def _of_objects(self, rows: list[Any]) -> None:
        names: dict[str, str] = {}
        for number, row in enumerate(rows, 1):
            if not isinstance(row, dict):
                raise UnreadableFile(self.path, f"entry {number} is no object, as the first is")
            for key in row:
                names.setdefault(key, key)
        if {"t", "c"} <= names.keys() and not {"timestamp", "close"} & names.keys():
            names = {key: _SHORT.get(key, key) for key in names}
        flat = {key for key in names if not any(isinstance(row.get(key), list | dict) for row in rows)}
        self._columns = {names[key]: [row.get(key) for row in rows] for key in names if key in flat}

    def _of_alpha_vantage(self, series: Mapping[str, Any], meta: Mapping[str, Any]) -> Layout:
        self._columns = {"timestamp": list(series)}
        for time, fields in series.items():
            if not isinstance(fields, dict):
                raise UnreadableFile(self.path, f"holds no fields for {time}")
            for key in fields:
                self._columns.setdefault(_spelled(key), [])
        for name, column in list(self._columns.items())[1:]:
            column.extend({_spelled(key): cell for key, cell in fields.items()}.get(name) for fields in series.values())
        said = {_spelled(key): str(value) for key, value in meta.items()}
        adjusted = "adjusted_close" in self._columns
        options: dict[str, Any] = {"time": "timestamp"}
        if adjusted:
            options["actions"] = "book"
        elif "time_zone" in said:
            options["timezone"] = said["time_zone"]
        preset = _preset("alphavantage", place=0 if adjusted else 1, **options)
        return Layout(preset=preset, sid=said.get("symbol"), adjusted=preset.adjusted)


def _preset(name: str, *, place: int = 0, **options: Any) -> Preset:
    """Return a vendor's layout with some other options."""
    preset = [preset for preset in PRESETS if preset.name == name][place]
    return replace(preset, options={**preset.options, **options})


def _text(value: Mapping[str, Any], key: str) -> str | None:
    found = value.get(key)
    return found if isinstance(found, str) and found else None


def _spelled(key: str) -> str:
    """Return a key such as ``5. adjusted close`` as a column's name."""
    return re.sub(r"^\d+[a-z]?\. ", "", key).strip().lower().replace(" ", "_")


def _floats(cells: Sequence[Any], name: str) -> list[float | None]:
    found: list[float | None] = []
    for index, cell in enumerate(cells):
        if cell is None or (isinstance(cell, str) and cell.strip() in GAPS):
            found.append(None)
        elif type(cell) in (int, float) or (isinstance(cell, str) and _NUMBER.fullmatch(cell) is not None):
            found.append(float(cell))
        else:
            raise BadCell(index, f"`{str(cell)[:60]}` in the column `{name}` is not a number")
    return found


def _array(cells: Sequence[Any]) -> "pa.Array":
    """Return values as they are; of several kinds as text."""
    import pyarrow as pa

    kinds = {type(cell) for cell in cells if cell is not None}
    try:
        if len(kinds) < 2 or kinds == {int, float}:
            return pa.array(cells)
    except (pa.ArrowInvalid, OverflowError):
        pass
    return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())
