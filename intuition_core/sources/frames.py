"""Frames of pandas, polars, Arrow and DuckDB as data: whatever hands over its columns by Arrow's interface."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from intuition_core.errors import IntuitionError

UNNAMED: Final = "frame"
"""What a frame is called that has no name; it is no symbol."""


class NoFrame(IntuitionError):
    """A value that is neither the name of data nor a frame."""

    def __init__(self, value: object) -> None:
        self.kind = f"{type(value).__module__}.{type(value).__qualname__}"
        lazy = "; collect it first" if hasattr(value, "collect") else ""
        super().__init__(
            f"{self.kind} is no frame: expected the name of a file or a dataset, or what has `__arrow_c_stream__`, "
            f"such as a frame of pandas 2.2 or polars, a table of Arrow, or a relation of DuckDB{lazy}"
        )


class NamedFrame(NamedTuple):
    """A frame, and what it is called; the name is the symbol of rows that name none."""

    name: str
    frame: Any


def is_frame(value: object) -> bool:
    """Return whether a value hands over columns by Arrow's interface."""
    return hasattr(value, "__arrow_c_stream__")


def name_frames(data: Iterable[object]) -> list[str | NamedFrame]:
    """Return names of data as they are, and frames with theirs; a mapping gives a frame for each of its keys.

    Raises:
        NoFrame: something is neither.
    """
    found: list[str | NamedFrame] = []
    for each in data:
        if isinstance(each, str | NamedFrame):
            found.append(each)
        elif isinstance(each, Mapping) and not is_frame(each):
            for name, frame in each.items():
                if not is_frame(frame):
                    raise NoFrame(frame)
                found.append(NamedFrame(str(name), frame))
        elif is_frame(each):
            found.append(NamedFrame(UNNAMED, each))
        else:
            raise NoFrame(each)
    return found


def shown_name(data: str | NamedFrame) -> str:
    """Return what a piece of data is called."""
    return data if isinstance(data, str) else data.name
