"""Events of one series as a table of Arrow's, and back: columns of plain types that any tool reads."""

from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, Final

import msgspec

from intuition_core.data import Event
from intuition_core.errors import BadData, IntuitionError
from intuition_core.sources.datasets.index import Series

if TYPE_CHECKING:
    import pyarrow as pa

PLACE: Final = "_place"
"""The column with an event's place among all events of its moment, from 0."""

_TIMES: Final = frozenset({"ts", "start"})
_EXACT: Final = 1 << 53
_JSON: Final = {b"intuition": b"json"}


class NeedsArrow(IntuitionError):
    """Datasets without the library that reads and writes them."""

    def __init__(self) -> None:
        super().__init__("datasets and frames need pyarrow; run `pip install pyarrow`")


def arrow() -> Any:
    """Return the module ``pyarrow``.

    Raises:
        NeedsArrow: it is not installed.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise NeedsArrow from None
    return pa


def table_of(events: Sequence[Event], places: Sequence[int]) -> "pa.Table":
    """Return events of one channel and symbol as a table, without these two.

    ``ts`` and ``start`` are timestamps of nanoseconds UTC, numbers int64 or float64, and values that are neither
    numbers, texts nor truths, or of several kinds in one column, JSON text.

    Args:
        events: in their order; at least one.
        places: where each was among all events of its moment.

    Raises:
        BadData: an event has a key that the table needs for itself.
    """
    pa = arrow()
    names = dict.fromkeys(key for event in events for key in event if key not in ("channel", "sid"))
    if PLACE in names:
        raise BadData("is a column of datasets themselves; name it otherwise", field=PLACE)
    fields, columns = [], []
    for name in names:
        kind, values = _column(name, [event.get(name, _ABSENT) for event in events])
        fields.append(pa.field(name, _type(kind), metadata=_JSON if kind == "json" else None))
        columns.append(pa.array(values, type=_type(kind)))
    fields.append(pa.field(PLACE, pa.int64()))
    columns.append(pa.array(places, type=pa.int64()))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def events_of(table: "pa.Table | pa.RecordBatch", series: Series, *, placed: bool) -> list[Event]:
    """Return the events of a table that `table_of` made.

    Args:
        table: the table, or some rows of it.
        series: the channel and the symbol.
        placed: whether events keep their `PLACE`.
    """
    channel, sid = series
    names, columns = ["channel"], [repeat(channel, table.num_rows)]
    if sid is not None:
        names.append("sid")
        columns.append(repeat(sid, table.num_rows))
    absent: list[tuple[str, list[int]]] = []
    for field, column in zip(table.schema, table.columns, strict=True):
        if field.name == PLACE and not placed:
            continue
        values = _values(field, column)
        if column.null_count:
            absent.append((field.name, [place for place, value in enumerate(values) if value is None]))
        if field.metadata == _JSON:
            values = [None if value is None else msgspec.json.decode(value) for value in values]
        names.append(field.name)
        columns.append(values)
    events = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    for name, rows in absent:
        for row in rows:
            del events[row][name]
    return events


_ABSENT: Final = object()


def _column(name: str, values: list[Any]) -> tuple[str, list[Any]]:
    """Return the kind of a column, and its values with None for what is absent."""
    kinds = {type(value) for value in values if value is not _ABSENT}
    plain = [None if value is _ABSENT else value for value in values]
    if name in _TIMES:
        return "time", plain
    if kinds <= {int, float} and float in kinds:
        if all(type(value) is not int or -_EXACT <= value <= _EXACT for value in plain):
            return "float", plain
    elif len(kinds) == 1:
        kind = {int: "int", str: "text", bool: "truth"}.get(kinds.pop())
        if kind is not None:
            return kind, plain
    return "json", [None if value is _ABSENT else msgspec.json.encode(value).decode() for value in values]


def _type(kind: str) -> Any:
    pa = arrow()
    kinds = {
        "time": pa.timestamp("ns", tz="UTC"),
        "int": pa.int64(),
        "float": pa.float64(),
        "truth": pa.bool_(),
    }
    return kinds.get(kind, pa.string())


def _values(field: "pa.Field", column: "pa.ChunkedArray | pa.Array") -> Any:
    pa = arrow()
    if pa.types.is_timestamp(field.type):
        column = column.cast(pa.int64())
    if column.null_count or not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        return column.to_pylist()
    try:
        return column.to_numpy(**({} if isinstance(column, pa.ChunkedArray) else {"zero_copy_only": False})).tolist()
    except ImportError:  # numpy, which makes it faster
        return column.to_pylist()
