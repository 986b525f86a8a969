"""Tables of a run: columns of plain values, handed over to pandas, polars and Arrow."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import escape
from importlib import import_module
from typing import Any, Final, Literal, TypeAlias

from intuition_core.research.errors import MissingExtra

Kind: TypeAlias = Literal["time", "duration", "amount", "number", "count", "text", "truth"]
"""The kind of a column's values: nanoseconds UTC, nanoseconds, ``Decimal``, ``float``, ``int``, ``str`` or ``bool``.
Any may be None, except counts and truths."""

_SHOWN: Final = 10
"""Rows at either end that a notebook shows."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Table:
    """Columns of equal length.

    A column is a list of plain values: times are nanoseconds UTC, amounts exact decimals. In frames times are
    timestamps in UTC with nanoseconds, durations lengths of time, and amounts floats of 64 bits.

    Attributes:
        kinds: the kind of each column, by its name.

    Args:
        kinds: the same, in the order of the columns.
        columns: the values by column.
    """

    def __init__(self, kinds: Mapping[str, Kind], columns: Mapping[str, Sequence[Any]]) -> None:
        self.kinds = dict(kinds)
        self._columns = {name: list(columns[name]) for name in kinds}

    @classmethod
    def of(cls, kinds: Mapping[str, Kind], rows: Iterable[Sequence[Any]]) -> "Table":
        """Return the table of some rows, whose values are in the order of the columns."""
        columns = list(zip(*rows, strict=True)) or [()] * len(kinds)
        return cls(kinds, dict(zip(kinds, columns, strict=True)))

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(self.kinds)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self._columns.values()), ()))

    def __getitem__(self, name: str) -> list[Any]:
        """Return the values of a column."""
        return self._columns[name]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the rows as mappings of names to values."""
        for values in zip(*self._columns.values(), strict=True):
            yield dict(zip(self._columns, values, strict=True))

    def __eq__(self, other: object) -> bool:
        """Return whether another table has the same columns and values."""
        return isinstance(other, Table) and self.kinds == other.kinds and self._columns == other._columns

    __hash__ = None  # type: ignore[assignment]  # mutable content, so not hashable, as lists are not

    def __repr__(self) -> str:
        """Show the number of rows and the columns."""
        return f"<Table of {len(self):,} rows: {', '.join(self.columns)}>"

    def to_pandas(self) -> Any:
        """Return a frame of pandas.

        Raises:
            MissingExtra: pandas is not installed.
        """
        pd = _library("pandas")
        return pd.DataFrame({name: _pandas_column(pd, self[name], kind) for name, kind in self.kinds.items()})

    def to_polars(self) -> Any:
        """Return a frame of polars.

        Raises:
            MissingExtra: polars is not installed.
        """
        pl = _library("polars")
        types = {"amount": pl.Float64, "number": pl.Float64, "text": pl.String, "truth": pl.Boolean}
        casts = {"time": pl.Datetime("ns", "UTC"), "duration": pl.Duration("ns")}
        columns = []
        for name, kind in self.kinds.items():
            column = pl.Series(name, self._plain(name), dtype=types.get(kind, pl.Int64))
            columns.append(column.cast(casts[kind]) if kind in casts else column)
        return pl.DataFrame(columns)

    def to_arrow(self) -> Any:
        """Return a table of Arrow.

        Raises:
            MissingExtra: pyarrow is not installed.
        """
        pa = _library("pyarrow")
        types = {
            "time": pa.timestamp("ns", tz="UTC"),
            "duration": pa.duration("ns"),
            "amount": pa.float64(),
            "number": pa.float64(),
            "count": pa.int64(),
            "text": pa.string(),
            "truth": pa.bool_(),
        }
        return pa.table({name: pa.array(self._plain(name), types[kind]) for name, kind in self.kinds.items()})

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        """Return the columns by Arrow's interface, so that DuckDB and others read the table as it is.

        Raises:
            MissingExtra: pyarrow is not installed.
        """
        return self.to_arrow().__arrow_c_stream__(requested_schema)

    def to_rows(self) -> Iterator[dict[str, Any]]:
        """Yield the rows in plain JSON types: times in ISO 8601, durations in seconds, amounts as text."""
        for row in self:
            yield {name: _readable(value, self.kinds[name]) for name, value in row.items()}

    def _repr_html_(self) -> str:
        """Return the first and the last rows for a notebook."""
        rows = list(zip(*self._columns.values(), strict=True))
        shown = rows if len(rows) <= 2 * _SHOWN else [*rows[:_SHOWN], None, *rows[-_SHOWN:]]
        kinds = list(self.kinds.values())
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>"
            + "".join(
                f"<td>{'…' if row is None else _cell(row[place], kinds[place])}</td>" for place in range(len(kinds))
            )
            + "</tr>"
            for row in shown
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table><p>{len(rows):,} rows</p>"

    def _plain(self, name: str) -> list[Any]:
        """Return a column with amounts as floats."""
        if self.kinds[name] != "amount":
            return self[name]
        return [None if value is None else float(value) for value in self[name]]


def _pandas_column(pd: Any, values: list[Any], kind: Kind) -> Any:
    if kind == "time":
        return pd.Series(pd.to_datetime(pd.array(values, dtype="Int64"), unit="ns", utc=True).astype(_NANOSECONDS))
    if kind == "duration":
        return pd.Series(pd.to_timedelta(pd.array(values, dtype="Int64"), unit="ns").astype("timedelta64[ns]"))
    if kind in ("amount", "number"):
        return pd.Series([None if value is None else float(value) for value in values], dtype="float64")
    texts = "str" if int(pd.__version__.partition(".")[0]) >= 3 else "object"
    return pd.Series(values, dtype={"count": "int64", "truth": "bool", "text": texts}[kind])


_NANOSECONDS: Final = "datetime64[ns, UTC]"


def _readable(value: Any, kind: Kind) -> Any:
    """Return a value in plain JSON types, fit for people."""
    if value is None:
        return None
    if kind == "time":
        return iso(value)
    if kind == "duration":
        return value / 1_000_000_000
    return format(value, "f") if isinstance(value, Decimal) else value


def _cell(value: Any, kind: Kind) -> str:
    if value is None:
        return ""
    if kind == "duration":
        return str(timedelta(seconds=value // 1_000_000_000))
    if kind in ("number", "amount"):
        return f"{value:,.6g}" if kind == "number" else f"{value:,.2f}"
    return escape(str(_readable(value, kind)))


def iso(ts: int) -> str:
    """Return nanoseconds UTC in ISO 8601, with as many digits as there are."""
    seconds, rest = divmod(ts, 1_000_000_000)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{text}{digits}Z"


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise MissingExtra(f"a frame of {name}", name) from None
