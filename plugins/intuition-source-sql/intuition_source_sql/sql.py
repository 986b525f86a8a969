"""The source itself: a table or a query becomes events, in the order of time."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from datetime import time as clock_time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from intuition_core.data import RATES, check_channel, check_sid
from intuition_core.errors import BadData, BadParameter
from intuition_core.recordings import ACTIONS, DAY, Taken, opening_note, shown_length

if TYPE_CHECKING:
    from sqlalchemy import ColumnClause, Select

    from intuition_source_sql.bars import Bars
    from intuition_source_sql.columns import Columns
    from intuition_source_sql.database import Connection
    from intuition_source_sql.moments import Moments
    from intuition_source_sql.rows import Rows

_log: Final = logging.getLogger(__name__)
_PART: Final = "source sql"
_BAR: Final = re.compile(r"([1-9]\d{0,5})(s|m|h|d)", re.ASCII)
_CLOCK: Final = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_FOLDS: Final[dict[str, Literal[0, 1] | None]] = {"refuse": None, "earlier": 0, "later": 1}
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_LEARNT: Final = 4096
"""How many rows tell how long bars last."""

_ROLES: Final = ("time", "time_of_day", "symbol", "quote", "open", "high", "low", "close", "bid", "ask", "volume")

_Column = str | None


class SqlParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to read, and what its columns mean. However it is shown, passwords are left out."""

    url: Annotated[
        str,
        msgspec.Meta(description="The database, as SQLAlchemy writes it; with `adbc+` before it, through ADBC."),
    ]
    table: Annotated[str | None, msgspec.Meta(description="The table or view to read, as `name` or `schema.name`.")] = (
        None
    )
    query: Annotated[str | None, msgspec.Meta(description="A SELECT to read instead, in the order of time.")] = None
    password_file: Annotated[
        str | None, msgspec.Meta(description="A file whose first line is the password; goes before the URL's.")
    ] = None
    time: Annotated[
        _Column, msgspec.Meta(description="The column of times, if it is not timestamp, datetime, ts, date or time.")
    ] = None
    time_of_day: Annotated[
        _Column,
        msgspec.Meta(
            description="The column of times of day, where dates stand in a column of their own; found by itself under "
            "time beside one called date."
        ),
    ] = None
    symbol: Annotated[
        _Column, msgspec.Meta(description="The column of symbols, if it is not symbol, sid or ticker.")
    ] = None
    quote: Annotated[
        _Column,
        msgspec.Meta(description="The column of quotes, if it is not quote or price; without one, the close counts."),
    ] = None
    open: Annotated[_Column, msgspec.Meta(description="The column of opens, if it is not open.")] = None
    high: Annotated[_Column, msgspec.Meta(description="The column of highs, if it is not high.")] = None
    low: Annotated[_Column, msgspec.Meta(description="The column of lows, if it is not low.")] = None
    close: Annotated[_Column, msgspec.Meta(description="The column of closes, if it is not close.")] = None
    bid: Annotated[_Column, msgspec.Meta(description="The column of bids, if it is not bid.")] = None
    ask: Annotated[_Column, msgspec.Meta(description="The column of asks, if it is not ask.")] = None
    volume: Annotated[_Column, msgspec.Meta(description="The column of volumes, if it is not volume.")] = None
    sid: Annotated[
        str | None,
        msgspec.Meta(description="The symbol of all rows, where no column has it; by default the table's name."),
    ] = None
    timezone: Annotated[
        str, msgspec.Meta(description="Where times without an offset were written down, such as Europe/Berlin.")
    ] = "UTC"
    ambiguous: Annotated[
        Literal["refuse", "earlier", "later"],
        msgspec.Meta(description="What a local time means that a clock set back shows twice."),
    ] = "refuse"
    time_unit: Annotated[
        Literal["auto", "s", "ms", "us", "ns", "date", "julian"],
        msgspec.Meta(
            description="What numbers count since 1970, `date` for dates in digits such as 20240102, or `julian` for "
            "day numbers; `auto` goes by the size of the first one, and refuses both."
        ),
    ] = "auto"
    stamp: Annotated[
        Literal["open", "close"],
        msgspec.Meta(description="Whether a bar's time is that of its opening; it is then released one `bar` later."),
    ] = "close"
    bar: Annotated[
        str | None,
        msgspec.Meta(
            description="How long a bar is, such as 30s, 1m, 1h or 1d; without it, as long as most are apart. Needed "
            "for `stamp` open."
        ),
    ] = None
    close_at: Annotated[
        str | None,
        msgspec.Meta(
            description="When the session of a date ends in `timezone`, such as 16:00; else when the day ends."
        ),
    ] = None
    start: Annotated[int | None, msgspec.Meta(description="Leave out what is before this, in nanoseconds UTC.")] = None
    end: Annotated[int | None, msgspec.Meta(description="Leave out what is not before this.")] = None
    symbols: Annotated[tuple[str, ...], msgspec.Meta(description="The symbols to give; none given means all.")] = ()
    channel: Annotated[str, msgspec.Meta(description="The channel of the events.")] = "quotes"
    negative_prices: Annotated[
        bool, msgspec.Meta(description="Let zero and negative prices pass, for instruments that have them.")
    ] = False

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(field, self._shown(field)) for field in self.__struct_fields__]

    def __repr__(self) -> str:
        return f"Params({', '.join(f'{key}={value!r}' for key, value in self.__rich_repr__())})"

    def _shown(self, field: str) -> Any:
        value = getattr(self, field)
        return re.sub(r"(://).*(@)|\?.*", r"\1***\2", value) if field == "url" else value


class Sql:
    """Reads a table, or what a query gives, from any database that SQLAlchemy or ADBC can reach.

    Rows are read some thousands at a time, so memory does not grow with the table.
    """

    Params = SqlParams

    def initialize(self, params: SqlParams) -> None:
        """Check the parameters; the database is reached when events are asked for.

        Raises:
            BadParameter: one makes no sense, or does not go with another.
        """
        if (params.table is None) == (params.query is None):
            raise BadParameter(_PART, "table", "give either `table` or `query`: one of them")
        try:
            check_channel(params.channel)
        except BadData as error:
            raise BadParameter(_PART, "channel", error.problem) from None
        self._moments = _moments(params)  # fails early; made anew for each reading
        self._database = _database(params)
        self._params = params
        self._share: float | None = None
        self._sid = _sid(params)
        self._taken: list[Taken] = []

    def events(self) -> Iterator[dict[str, Any]]:
        """Return the events in the order of time.

        Raises:
            IntuitionError: as `batches` says.
        """
        for batch in self.batches():
            yield from batch

    def batches(self) -> Iterator[list[dict[str, Any]]]:
        """Return the events in lists of at most 4,096, each read when it is asked for.

        An event holds ``channel``, ``sid``, ``quote``, ``ts`` (nanoseconds UTC), the other prices and the volume where
        the row has them, and under its own name every other column whose value is a number, a text or a truth value.
        A row without a price gives no event. Rows of a table come by time, then symbol, then prices; those of a query
        in the order that it gives them.

        Raises:
            NoDriver: a package is missing.
            DatabaseFailed: the database cannot be reached, or refuses the table or the query.
            NoColumn, AmbiguousColumn: it is not clear what a column is.
            BadRow: a row cannot be read, or is earlier than the one before.
        """
        from intuition_source_sql.bars import Bars
        from intuition_source_sql.rows import Rows

        params, place = self._params, self._place
        moments = _moments(params)
        bars = Bars(moments, stated=_length(params))
        self._share = None
        spans: list[int] = []
        given = 0
        with self._database.connect() as connection:
            statement: Select[Any] | str
            first: int | None = None
            last: int | None = None
            if params.query is not None:
                statement = params.query
            else:
                statement, first, last = self._table(connection, moments, bars)
            with connection.ask(statement) as (names, answer):
                columns = self._columns(names)
                rows = Rows(
                    place,
                    names,
                    columns,
                    moments,
                    channel=params.channel,
                    sid=self._sid,
                    negative_prices=params.negative_prices,
                    bars=bars,
                )
                for partition in answer:
                    if params.query is not None:
                        self._learn(bars, moments, partition, columns)
                    batch, done = self._asked_for(rows.read(partition))
                    if batch:
                        spans += [batch[0]["ts"], batch[-1]["ts"]]
                        del spans[1:-1]
                        given += len(batch)
                        if first is not None and last is not None and last > first:
                            self._share = max(0.0, min(1.0, (batch[-1]["ts"] - first) / (last - first)))
                        yield batch
                    if done:
                        break
        self._taken = [self._told(names, columns, rows, moments, bars, spans, given)]
        self._tell(bars, rows)

    def _tell(self, bars: "Bars", rows: "Rows") -> None:
        """Warn of what was found once all rows are read."""
        place = self._place
        for told in (bars.told, _doubles(bars.doubles)):
            if told:
                _log.warning("%s: %s", place, told)
        if self._params.table is not None:
            self._share = 1.0
        if rows.without_price:
            _log.warning(
                "%s: %d of %d rows have no price, and gave no event", place, rows.without_price, rows.read_so_far
            )

    def taken(self) -> list[Taken]:
        """Return how the rows were read; nothing before all were."""
        return self._taken

    def _told(
        self,
        names: Sequence[str],
        columns: "Columns",
        rows: "Rows",
        moments: "Moments",
        bars: "Bars",
        spans: Sequence[int],
        given: int,
    ) -> Taken:
        params = self._params
        prices = dict.fromkeys(
            index for index in (columns.quote, *(place for _, place in columns.prices)) if index is not None
        )
        barred = bool(bars.length)
        guessed = bars.length if params.bar is None and not moments.alone else 0
        return Taken(
            data=self._place,
            time=" and ".join(names[index] for index in (columns.time, columns.clock) if index is not None),
            zone=params.timezone,
            unit=moments.unit,
            stamp="date" if moments.alone else params.stamp if barred else "tick",
            bars=(shown_length(bars.length),) if barred else (),
            prices=tuple(names[index] for index in prices),
            symbols=rows.symbols,
            rows=rows.read_so_far,
            events=given,
            first=spans[0] if spans else None,
            last=spans[-1] if spans else None,
            notes=(opening_note(bars.length),) if 0 < guessed < DAY else (),
            left_out=(f"{rows.without_price:,} rows without a price",) if rows.without_price else (),
        )

    def progress(self) -> float | None:
        """Return which part of a table's time has been read, from 0 to 1; None for a query, which has no known end."""
        return self._share

    @property
    def _place(self) -> str:
        what = "the query" if self._params.table is None else self._params.table
        return f"{self._database}, {what}"

    def _columns(self, names: list[str]) -> "Columns":
        from intuition_source_sql.columns import find_columns
        from intuition_source_sql.errors import NoColumn

        named = {role: getattr(self._params, role) for role in _ROLES}
        columns = find_columns(self._place, names, named, priced=self._params.channel != ACTIONS)
        if columns.symbol is None and self._sid is None:
            raise NoColumn(self._place, "symbol", names)
        return columns

    def _learn(self, bars: "Bars", moments: "Moments", rows: Sequence[Sequence[Any]], columns: "Columns") -> None:
        try:
            times = [moments.whole(row, columns) for row in rows]
        except ValueError:  # it is told with its row
            return
        symbols = [None if columns.symbol is None else row[columns.symbol] for row in rows]
        try:
            bars.learn(times, symbols, barred=columns.barred)
        except BadData as error:
            raise BadParameter(_PART, "bar", error.problem) from None

    def _table(
        self, connection: "Connection", moments: "Moments", bars: "Bars"
    ) -> "tuple[Select[Any], int | None, int | None]":
        """Return what to ask for a table's rows, and the time of its first and its last."""
        from sqlalchemy import column, false, literal_column, select, table

        params = self._params
        schema, _, name = (params.table or "").rpartition(".")
        source = table(name, schema=schema or None)
        with connection.ask(select(literal_column("*")).select_from(source).where(false())) as (names, _):
            columns = self._columns(names)
        # Untyped, so that values come as the driver gives them.
        named: list[ColumnClause[Any]] = [column(name) for name in names]
        time = named[columns.time]
        stamps = [time] if columns.clock is None else [time, named[columns.clock]]
        symbol = None if columns.symbol is None else named[columns.symbol]
        chosen: Select[Any] = select(*named).select_from(source)
        ends: list[Any] = []
        for order in ([each.asc() for each in stamps], [each.desc() for each in stamps]):
            one = select(*named).select_from(source).where(time.is_not(None)).order_by(*order).limit(1)
            with connection.ask(one) as (_, answer):
                ends += [row for rows in answer for row in rows]
        if not ends:
            return chosen, None, None
        beginning = select(*named).select_from(source).where(time.is_not(None)).order_by(*stamps).limit(_LEARNT)
        with connection.ask(beginning) as (_, answer):
            self._learn(bars, moments, [row for rows in answer for row in rows], columns)
        margin = 0 if columns.clock is None else 2 * DAY
        try:
            known = moments.read(moments.whole(ends[0], columns)), moments.read(moments.whole(ends[1], columns))
            lower, upper = moments.bounds(
                ends[0][columns.time],
                None if params.start is None else params.start - bars.length - margin,
                None if params.end is None else params.end + margin,
            )
        except ValueError:  # it is told with its row, when the rows are read
            return chosen.order_by(*stamps), None, None
        if lower is not None:
            chosen = chosen.where(time >= lower)
        if upper is not None:
            chosen = chosen.where(time < upper)
        if params.symbols and symbol is not None and isinstance(ends[0][columns.symbol or 0], str):
            chosen = chosen.where(symbol.in_(params.symbols))
        quote = () if columns.quote is None else (columns.quote,)
        prices = dict.fromkeys([*quote, *(index for _, index in columns.prices)])
        # Rows of one time come in no order of their own, and another one would be another history.
        order_by = [*stamps, *([] if symbol is None else [symbol]), *(named[index] for index in prices)]
        return (
            chosen.order_by(*order_by),
            max(known[0], params.start if params.start is not None else known[0]),
            min(known[1], params.end if params.end is not None else known[1]),
        )

    def _asked_for(self, events: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
        """Leave out what is not asked for, and tell whether all that follows is to be left out too."""
        params = self._params
        start, end = params.start, params.end
        if not events:
            return events, False
        done = end is not None and events[-1]["ts"] >= end
        if start is not None and events[0]["ts"] < start:
            events = [event for event in events if event["ts"] >= start]
        if done:
            events = [event for event in events if event["ts"] < (end or 0)]
        if params.symbols:
            wanted = frozenset(params.symbols)
            events = [event for event in events if event["sid"] in wanted]
        return events, done


def _length(params: SqlParams) -> int | None:
    """Return how long a bar is said to last, in nanoseconds."""
    bar = None if params.bar is None else _BAR.fullmatch(params.bar)
    return None if bar is None else int(bar[1]) * _SECONDS[bar[2]] * 10**9


def _doubles(doubles: Mapping[str, int]) -> str:
    """Return the warning of symbols with several bars of one time; nothing where none has."""
    if not doubles:
        return ""
    sid, ts = next(iter(doubles.items()))
    moment = datetime.fromtimestamp(ts // 10**9, UTC).isoformat(sep=" ")
    more = f" ({len(doubles) - 1} symbols more have such)" if len(doubles) > 1 else ""
    return (
        f"{sid} has several bars of {moment}{more}, so that nothing tells when they began, and orders have their "
        "closes alone; select one series with a `query`"
    )


def _moments(params: SqlParams) -> "Moments":
    from intuition_source_sql.moments import Moments

    try:
        zone = ZoneInfo(params.timezone)
    except (KeyError, ValueError, OSError):
        problem = f"no time zone is called `{params.timezone}`; expected a name such as Europe/Berlin or UTC"
        raise BadParameter(_PART, "timezone", problem) from None
    length = _length(params)
    if params.bar is not None and length is None:
        raise BadParameter(_PART, "bar", f"`{params.bar}` is no length of time such as 30s, 1m, 1h or 1d")
    if params.stamp == "open" and length is None:
        raise BadParameter(_PART, "bar", "`stamp` open needs it: how long a bar is, such as 1m")
    shift = length if length is not None and params.stamp == "open" else 0
    if params.close_at is not None and _CLOCK.fullmatch(params.close_at) is None:
        raise BadParameter(_PART, "close_at", f"`{params.close_at}` is no time of day such as 16:00")
    return Moments(
        zone,
        unit=None if params.time_unit == "auto" else params.time_unit,
        shift=shift,
        fold=_FOLDS[params.ambiguous],
        early=params.channel in (ACTIONS, RATES),
        close=None if params.close_at is None else clock_time.fromisoformat(params.close_at),
    )


def _database(params: SqlParams) -> Any:
    from intuition_source_sql.database import BadAddress, Database

    password = None
    if params.password_file is not None:
        try:
            lines = Path(params.password_file).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            problem = getattr(error, "strerror", None) or "no text"
            raise BadParameter(_PART, "password_file", f"{params.password_file}: {problem}") from None
        if not lines:
            raise BadParameter(_PART, "password_file", f"{params.password_file} is empty")
        password = lines[0]
    try:
        return Database(params.url, password=password)
    except BadAddress as error:
        raise BadParameter(_PART, "url", str(error)) from None


def _sid(params: SqlParams) -> str | None:
    sid = params.sid if params.sid is not None else params.table and params.table.rpartition(".")[2]
    try:
        return None if sid is None else check_sid(sid)
    except BadData as error:
        raise BadParameter(_PART, "sid", error.problem) from None
