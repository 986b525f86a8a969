"""Which vendor's layout a file has, and what follows from that for its options."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from intuition_source_files.errors import TwoLayouts, UnreadableFile, listed
from intuition_source_files.params import FileParams
from intuition_source_files.preset import Preset
from intuition_source_files.presets import PRESETS

_COLUMNS: Final = frozenset(
    {"time", "time_of_day", "symbol", "quote", "open", "high", "low", "close", "volume", "bid", "ask"}
)
"""Options that name a column."""

_BAR: Final = re.compile(r"(?P<unit>[smhdwSMHDW]?)(?P<count>\d{0,5})_?(?P<word>[A-Za-z]*)")
_UNITS: Final = {
    "s": "s",
    "m": "m",
    "min": "m",
    "h": "h",
    "hour": "h",
    "d": "d",
    "day": "d",
    "w": "w",
    "": "m",
}
_ADJUSTED: Final = {
    "adjsplitdiv": "adjusted for splits and dividends",
    "adjsplit": "adjusted for splits, not for dividends",
    "unadjusted": "not adjusted: trades as they were",
}


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one file's layout."""

    preset: Preset | None = None
    names: tuple[str, ...] = ()
    """What the columns are called, where the file itself does not say so."""
    sid: str | None = None
    """The symbol that the file's name says, where it is not all of it."""
    bar: str | None = None
    """How long bars last by the file's name."""
    adjusted: str = "not told whether prices are adjusted"
    day: str | None = None
    """The day by the file's name from which times are counted."""

    def settled(self, params: FileParams, names: Sequence[str]) -> FileParams:
        """Return the options with what the layout says where nobody said otherwise.

        Args:
            params: the options as they were given.
            names: the file's columns.
        """
        if self.preset is None:
            return params
        changes: dict[str, Any] = {}
        for option, value in self.preset.options.items():
            if getattr(params, option, "") not in (None, False) or option not in params.__struct_fields__:
                continue
            if option in _COLUMNS:
                value = next((name for name in names if fnmatchcase(name.strip(), value)), None)
            if value is not None:
                changes[option] = value
        return replace(params, **changes)


def find_layout(
    path: Path, first: Sequence[str] | None, names: Sequence[str] | None, params: FileParams, *, packed: bool = False
) -> Layout:
    """Find the layout of a file.

    Args:
        path: the file, by whose name some layouts are known.
        first: the cells of its first line, where that may be a row.
        names: its columns, where the first line may name them.
        params: what was said of it.
        packed: whether it is in an archive of its own name.

    Raises:
        TwoLayouts: two layouts of different meaning fit.
        UnreadableFile: it has not the layout that it is said to have.
    """
    if params.preset == "none":
        return Layout()
    said = params.preset != "auto"
    known = [preset for preset in PRESETS if not said or preset.name == params.preset]
    fitting = [preset for preset in known if _fits(preset, first, names)]
    fitting = [
        preset
        for preset in fitting
        if said or (set(preset.folders).isdisjoint(path.parts) and (packed or not preset.packed))
    ]
    called = {id(preset): _called(preset, path) for preset in fitting}
    if not said:
        fitting = [preset for preset in fitting if called[id(preset)] is not None or not preset.named]
    if len(fitting) > 1:
        fitting = [preset for preset in fitting if called[id(preset)] is not None and preset.file] or fitting
    if len({preset.name for preset in fitting}) > 1:
        raise TwoLayouts(path, [preset.name for preset in fitting])
    if not fitting:
        if said:
            wanted = " or ".join(f"`{preset.header or ','.join(preset.columns)}`" for preset in known)
            raise UnreadableFile(
                path,
                f"is not laid out as `{params.preset}` is, with {wanted}; its first line has "
                f"{listed(first or names or ())}",
            )
        return Layout()
    preset = fitting[0]
    match = called[id(preset)]
    found = match.groupdict() if match is not None else {}
    adjusted = _ADJUSTED.get((found.get("adjusted") or "").lower(), preset.adjusted)
    return Layout(
        preset=preset,
        names=preset.columns,
        sid=found.get("symbol") or None,
        bar=_length(found),
        adjusted=adjusted,
        day=found.get("day"),
    )


def _called(preset: Preset, path: Path) -> "re.Match[str] | None":
    return re.fullmatch(preset.file, path.name) if preset.file else None


def _fits(preset: Preset, first: Sequence[str] | None, names: Sequence[str] | None) -> bool:
    if preset.header:
        return names is not None and _has(preset, names)
    if preset.cells:
        return (
            first is not None
            and len(first) == len(preset.cells)
            and all(re.fullmatch(like, cell.strip()) for like, cell in zip(preset.cells, first, strict=True))
        )
    return False


def _has(preset: Preset, names: Sequence[str]) -> bool:
    """Whether a file has the columns of a layout, and no others but where it lets there be any."""
    fold = str if preset.exact else str.casefold
    left = [fold(name.strip()) for name in names]
    if preset.ordered:
        wanted_names = [each.split("|") for each in map(fold, preset.header.split(","))]
        return len(left) == len(wanted_names) and all(
            name in alternatives for name, alternatives in zip(left, wanted_names, strict=True)
        )
    if len(set(left)) < len(left):
        return False
    for wanted in map(fold, preset.header.split(",")):
        if wanted == "...":
            return True
        optional = wanted.endswith("?")
        alternatives = wanted.removesuffix("?").split("|")
        found = next((name for name in left for like in alternatives if _alike(name, like)), None)
        if found is not None:
            left.remove(found)
        elif not optional:
            return False
    return not left


def _alike(name: str, like: str) -> bool:
    return fnmatchcase(name, like) if "*" in like else name == like


def _length(found: Mapping[str, str | None]) -> str | None:
    """Return how long bars last as the option `bar` has it; None where the name does not say so."""
    minutes, bar = found.get("minutes"), found.get("bar")
    if minutes is not None:
        return f"{int(minutes)}m" if int(minutes) else None
    match = None if bar is None else _BAR.fullmatch(bar)
    if bar is None or match is None:
        return None
    if bar in ("M", "1M") or match["word"].lower() == "mo":  # a month has no one length
        return None
    unit = _UNITS.get((match["unit"] or match["word"]).lower())
    count = int(match["count"] or 1)
    if unit is None or not count:
        return None
    return f"{count * 7}d" if unit == "w" else f"{count}{unit}"
