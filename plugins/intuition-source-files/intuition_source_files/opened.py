"""One file, opened: its layout, its columns, how its times are read, and which way its rows go."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec.structs import replace

from intuition_core.data import check_sid
from intuition_core.errors import BadData, IntuitionError
from intuition_core.recordings import DAY, ENOUGH_DISTANCES, usual_distance
from intuition_source_files.clock import Clock
from intuition_source_files.columns import Columns, find_columns
from intuition_source_files.databento import with_databento
from intuition_source_files.errors import BadCell, NotTold, TwoMeanings, UnreadableFile, listed
from intuition_source_files.layouts import Layout
from intuition_source_files.params import FileParams
from intuition_source_files.paths import doubtful_folder, symbol_of_folders
from intuition_source_files.rule import Rule, read_rule
from intuition_source_files.table import Table
from intuition_source_files.written import TwoFormats, find_format, zone_of

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

_EXAMPLES: Final = {"timezone": "Europe/Helsinki", "stamp": "open"}
_SECOND: Final = 10**9

_log = logging.getLogger(__name__)


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A file whose meaning is settled; one with columns for several symbols is several."""

    table: Table
    columns: Columns
    sid: str
    """The symbol of rows that name none."""
    params: FileParams
    """The options, with what the layout and the file itself say."""
    rule: Rule
    layout: Layout
    backwards: bool = False
    """Whether its rows go back in time."""
    titles: tuple[str, ...] = ()
    """Lines above the table that are passed over."""
    dates: bool = True
    """Whether times may all be dates alone, as the first ones are."""


class Backwards:
    """A file read from its last row to its first, in memory."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._count = 0
        self.path, self.names, self.size, self.layout = table.path, table.names, table.size, table.layout

    @property
    def done(self) -> float:
        """Which part of the file has been read, from 0 to 1."""
        return self._table.done

    @property
    def unended(self) -> bool:
        """Whether the file's last line has no end."""
        return bool(getattr(self._table, "unended", False))

    def first(self, name: str) -> str | None:
        """Return what the first row of the file has in a column."""
        return self._table.first(name)

    def batches(self, columns: Columns, *, share: int) -> "Iterator[pa.RecordBatch]":
        """Return the rows, the last first."""
        import numpy as np

        batches = list(self._table.batches(columns, share=share))
        self._count = sum(map(len, batches))
        for batch in reversed(batches):
            yield batch.take(_numbers(np.arange(len(batch) - 1, -1, -1)))

    def values(self, column: "pa.Array") -> "np.ndarray[Any, Any] | None":
        """Return a column as the file's own way of reading does."""
        return self._table.values(column)

    def place(self, row: int) -> str:
        """Return where a row is in the file."""
        return self._table.place(self._count - 1 - row)


def _numbers(values: "np.ndarray[Any, Any]") -> "pa.Array":
    import pyarrow as pa

    return pa.array(values)


def open_table(table: Table, params: FileParams, stem: str) -> list[Opened]:
    """Return what a file means.

    Args:
        table: the file.
        params: the options as they were given.
        stem: its name without endings, which is the symbol where nothing else says one.

    Raises:
        AmbiguousColumn: two columns could be the same thing.
        BadParameter: two options contradict each other.
        NoColumn: a column that is needed is missing.
        NotTold: the layout does not say what is needed.
        TwoMeanings: numbers or times may be read in two ways.
        UnreadableFile: the file's name is no symbol, and it has no other.
    """
    layout = table.layout
    of_folder = symbol_of_folders(table.path, params.symbol)
    if of_folder is not None and params.symbol not in table.names:
        params = replace(params, symbol=None)
    settled = layout.settled(params, table.names)
    grouped = getattr(table, "grouped", None)
    if grouped is not None:
        found = [(_of_group(of, grouped.time), sid) for sid, of in grouped.symbols.items()]
        adjusted = not any("adjusted" in of for of in grouped.symbols.values())
        settled = replace(settled, actions=settled.actions or ("adjusted" if adjusted else "dividends"))
    else:
        columns = find_columns(table.path, table.names, settled, table.first)
        found = [(_without(columns, layout, table), params.sid or of_folder or layout.sid or stem)]
    _see_names(table, found, told=bool(grouped is not None or params.sid or of_folder))
    columns, settled = with_databento(table, found[0][0], settled)
    found[0] = (columns, found[0][1])
    learn = getattr(table, "learn", None)
    if learn is not None:
        learn(columns)
    settled = _with_times(table, columns, settled)
    settled, peek = _peeked(table, columns, settled)
    if layout.preset is None and params.preset == "auto":
        _see_alpha_vantage(table, settled, peek)
    settled = _with_length(table.path, settled, layout, peek, params)
    rule = read_rule(settled)
    titles = getattr(table, "titles", ())
    backwards = peek.backwards and not settled.sort
    if backwards:
        table = Backwards(table)
    return [
        Opened(
            table=table,
            columns=each,
            sid=sid,
            params=settled,
            rule=rule,
            layout=layout,
            backwards=backwards,
            titles=titles,
            dates=peek.dates or not peek.looked,
        )
        for each, sid in found
    ]


def _of_group(fields: dict[str, str], time: str) -> Columns:
    numbers: dict[str, str] = {key: fields[key] for key in ("open", "high", "low", "close", "volume") if key in fields}
    return Columns(
        time=time,
        quote=fields["close"],
        numbers=numbers,
        dividends=fields.get("dividends"),
        splits=fields.get("splits"),
    )


def _without(columns: Columns, layout: Layout, table: Table) -> Columns:
    """Leave out what the layout says."""
    preset = layout.preset
    if preset is None:
        return columns
    names = {name for name in table.names if name.strip() in preset.left_out}
    extras = tuple(name for name in columns.extras if name not in names)
    left_out = (*columns.left_out, *(name for name in columns.extras if name in names))
    numbers = dict(columns.numbers)
    volume = numbers.get("volume")
    if volume is not None and not preset.traded and (table.first(volume) or "0").strip() in ("0", "0.0"):
        del numbers["volume"]  # a volume of zero would fill nothing
        left_out = (*left_out, volume)
    return replace(columns, extras=extras, left_out=left_out, numbers=numbers)


def _see_symbol(path: Path, sid: str) -> None:
    try:
        check_sid(sid)
    except BadData as error:
        raise UnreadableFile(path, f"its name is taken for the symbol, and is none: {error.problem}") from None


def _see_names(table: Table, found: Sequence[tuple[Columns, str]], *, told: bool) -> None:
    """Check the symbols of rows that name none, and log which columns are left out.

    Args:
        table: the file.
        found: its columns and its symbol, or those of its symbols.
        told: whether something else than the file's name says the symbol.

    Raises:
        UnreadableFile: a symbol can be none, or a folder may say it.
    """
    for columns, sid in found:
        if columns.symbol is None and not columns.wide:
            if not told:
                _see_folders(table.path)
            _see_symbol(table.path, sid)
        if columns.left_out:
            _log.info("%s: the columns %s are left out", table.path, listed(columns.left_out))


def _see_folders(path: Path) -> None:
    """Refuse a file whose symbol may be said by a folder, which nobody named.

    Raises:
        UnreadableFile: so it is.
    """
    folder = doubtful_folder(path)
    if folder is not None:
        key = folder.partition("=")[0]
        problem = f"is in the folder `{folder}`, which may say its symbol; say so with the option `symbol`, {key}"
        raise UnreadableFile(path, f"{problem}, or what the symbol is with `sid`")


def _with_times(table: Table, columns: Columns, params: FileParams) -> FileParams:
    """Return how times are written, and of which zone they say they are."""
    samples: Sequence[Sequence[str]] = getattr(table, "samples", ())
    place = table.names.index(columns.time)
    texts = [row[place] for row in samples if place < len(row)]
    if params.time_format is not None or not texts:
        return params
    preset = table.layout.preset
    name = table.names[place].casefold()
    if params.timezone is None and name in ("gmt time", "time (utc)", "time (gmt)"):
        params = replace(params, timezone="UTC")
    elif params.timezone is None and name == "time (eet)":
        params = replace(params, timezone="EET")
    zone = zone_of(texts)
    if zone is not None and params.timezone is None:
        params = replace(params, timezone=zone)
    known = preset.formats if preset else ()
    try:
        written = find_format(_whole_times(table, columns, samples, zone), known)
    except TwoFormats:
        tail: Sequence[Sequence[str]] = getattr(table, "tail", tuple)()
        written = _one_format(table, _whole_times(table, columns, (*samples, *tail), zone), known)
    return params if written is None else replace(params, time_format=written)


def _whole_times(table: Table, columns: Columns, rows: Sequence[Sequence[str]], zone: str | None) -> list[str]:
    """Return the times of some rows as text, with the time of day of another column, and without the zone's name."""
    places = [table.names.index(name) for name in (columns.time, columns.clocks) if name is not None]
    texts = [" ".join(row[place].strip() for place in places) for row in rows if max(places) < len(row)]
    return [" ".join(text.removesuffix(zone or "").split()) for text in texts]


def _one_format(table: Table, texts: Sequence[str], known: Sequence[str]) -> str | None:
    try:
        return find_format(texts, known)
    except TwoFormats as error:
        one, other = (f"written as `{each}`" for each in error.formats[:2])
        raise TwoMeanings(
            table.path, f"`{error.text}`", one, other, "say which with the option `time_format`"
        ) from None


class _Peek:
    """What the times of a file's first rows show."""

    def __init__(self, table: Table, columns: Columns, rule: Rule) -> None:
        self.dates = self.backwards = self.zoned = self.looked = False
        self.distances: list[int] = []
        with suppress(BadCell, IntuitionError):  # it is told with its row when that is read
            self._look(table, columns, rule)

    def _look(self, table: Table, columns: Columns, rule: Rule) -> None:
        import numpy as np

        wanted = Columns(time=columns.time, clocks=columns.clocks, symbol=columns.symbol)
        clock = Clock(rule)
        for batch in table.batches(wanted, share=64):
            if not len(batch):
                continue
            batch = batch.slice(0, 4 * ENOUGH_DISTANCES)
            column = batch.column(columns.time)
            clocks = None if columns.clocks is None else batch.column(columns.clocks)
            times = clock.read(column, clocks)
            self.zoned = clock.zoned
            ts = times.begins
            self.dates = clock.midnights(column, clocks)
            apart = np.diff(ts)
            if columns.symbol is not None:
                names = batch.column(columns.symbol).to_pylist()
                self.distances = self._by_symbol(ts, names)
            else:
                self.distances = np.abs(apart[apart != 0]).tolist()
            moves = np.diff(ts)
            self.looked = True
            self.backwards = bool(len(moves)) and bool((moves <= 0).all()) and bool((moves < 0).any())
            return

    def _by_symbol(self, ts: "np.ndarray[Any, Any]", names: Sequence[Any]) -> list[int]:
        last: dict[Any, int] = {}
        found = []
        for moment, name in zip(ts.tolist(), names, strict=True):
            before = last.get(name)
            if before is not None and moment != before:
                found.append(abs(moment - before))
            last[name] = moment
        return found


def _peeked(table: Table, columns: Columns, params: FileParams) -> tuple[FileParams, _Peek]:
    """Look at the first times; where they are midnights of their column's own zone, that zone counts."""
    peek = _Peek(table, columns, read_rule(params, length_known=False))
    zone = getattr(table, "zones", {}).get(columns.time)
    if zone is not None and params.timezone is None and not peek.dates:
        of_zone = replace(params, timezone=zone)
        again = _Peek(table, columns, read_rule(of_zone, length_known=False))
        if again.dates:
            return of_zone, again
    return params, peek


def _see_alpha_vantage(table: Table, params: FileParams, peek: _Peek) -> None:
    """Refuse a file that may be Alpha Vantage's, whose times mean something else than they would otherwise.

    Raises:
        TwoMeanings: so it is.
    """
    names = [name.strip() for name in table.names]
    told = peek.dates or peek.zoned or params.timezone is not None or params.stamp is not None
    if not told and peek.backwards and names[:5] == ["timestamp", "open", "high", "low", "close"] and len(names) < 7:
        raise TwoMeanings(
            table.path,
            "times that go back",
            "Alpha Vantage's, of New York and stamped at the open,",
            "in UTC and stamped at the close",
            "say which with the option `preset`, `alphavantage` or `none`",
        )


def _with_length(path: Path, params: FileParams, layout: Layout, peek: _Peek, given: FileParams) -> FileParams:
    """Return how long bars last that are stamped when they open, where the layout says that they are."""
    preset = layout.preset
    if preset is not None and not peek.dates:
        for option, why in preset.ask.items():
            if getattr(params, option) is None and not (option == "timezone" and peek.zoned):
                raise NotTold(path, preset.name, option, why, _EXAMPLES[option])
    if (
        preset is None
        or params.stamp != "open"
        or params.bar is not None
        or (given.stamp == "open" and given.bar is None)
    ):
        return params
    if params.close_at is not None:
        return replace(params, stamp="close")
    length = usual_distance(peek.distances) if peek.distances else None
    if length is None and layout.bar is None and not peek.dates:
        raise NotTold(path, preset.name, "bar", "it has too few rows to tell how long a bar lasts", "1m")
    bar = _spelled(length) if length is not None else layout.bar
    return replace(params, bar=bar or layout.bar or "1d")


def _spelled(length: int) -> str | None:
    """Return a length of time as the option `bar` has it; None where that is not in whole seconds."""
    for unit, size in (("d", DAY), ("h", 3600 * _SECOND), ("m", 60 * _SECOND), ("s", _SECOND)):
        if length % size == 0:
            return f"{length // size}{unit}"
    return None
