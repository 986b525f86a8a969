"""What the columns of a file mean."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from intuition_core.data import DEFAULT_CHANNEL, check_sid
from intuition_core.errors import BadData, did_you_mean
from intuition_core.recordings import (
    ACTIONS,
    CLOCK_COLUMNS,
    COLUMN_NAMES,
    DAY_COLUMNS,
    DIVIDEND_COLUMNS,
    MARKET_COLUMNS,
    PRICE_FIELDS,
    SPLIT_COLUMNS,
    known_name,
    plain_name,
)
from intuition_source_files.errors import AmbiguousColumn, NoColumn
from intuition_source_files.params import FileParams

NAMES: Final = {**COLUMN_NAMES, "channels": ("channel",)}
"""By what names, in small letters, the columns are known."""

_CLOCK: Final = re.compile(r"\d{1,2}:\d.*|\d{3,6}")
_PARTS: Final = frozenset(
    {
        *("open", "high", "low", "close", "last", "price", "bid", "ask", "mid", "vwap", "settle", "adjusted"),
        *("volume", "vol", "turnover", "trades", "count", "dividend", "dividends", "split", "splits", "return"),
    }
)
"""Words that say what of a symbol a column has, as in `AAPL_Volume`."""

_TAKEN: Final = frozenset({"channel", "sid", "ts", "start", *NAMES} - {"channels"})
_UNNAMED: Final = ("", "__index_level_0__")
"""What the index of a pandas table is called when it has no name."""


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of one file that are read; names are those in the file."""

    time: str
    clocks: str | None = None
    """The times of day, where `time` holds dates."""
    series: str | None = None
    dividends: str | None = None
    splits: str | None = None
    symbol: str | None = None
    quote: str | None = None
    """None where each of `wide` is a symbol's quotes, or where no row needs any."""
    channels: str | None = None
    numbers: dict[str, str] = {}
    """Fields of the event that hold numbers, and the column of each: prices besides the quote, and the volume."""
    extras: tuple[str, ...] = ()
    """Columns that are passed on under their own names."""
    left_out: tuple[str, ...] = ()
    """Columns that are not passed on, since an event means something else by their names, or cannot have such a key."""
    wide: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    """Columns of prices that are whole numbers of billionths."""
    undefined: float | None = None
    """What stands where there is no price, besides an empty cell."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that hold few different texts: symbols, and channels."""
        return tuple(name for name in (self.symbol, self.channels) if name is not None)

    @property
    def read(self) -> list[str]:
        """All columns that are read, each once."""
        beside = [name for name in (self.clocks, self.series) if name is not None]
        return list(dict.fromkeys((self.time, *beside, *self.numeric, *self.extras, *self.names)))

    @property
    def barred(self) -> bool:
        """Whether rows may be bars: they have more than one price of a time, or how much was traded until the close."""
        return any(key in self.numbers for key in ("open", "high", "low")) or (
            "volume" in self.numbers and "close" in self.numbers
        )

    @property
    def numeric(self) -> tuple[str, ...]:
        """All columns that must hold numbers."""
        quote = () if self.quote is None else (self.quote,)
        actions = tuple(name for name in (self.dividends, self.splits) if name is not None)
        return tuple(dict.fromkeys((*quote, *self.numbers.values(), *self.wide, *actions)))


def find_columns(path: Path, names: Sequence[str], params: FileParams, first: Callable[[str], str | None]) -> Columns:
    """Return what the columns of a file mean.

    Args:
        path: where the file is, for messages.
        names: its columns.
        params: what was said of them.
        first: gives the first value of a column as text.

    Raises:
        AmbiguousColumn: two columns could be the same thing.
        NoColumn: there is no time, no price where rows need one, or no column that an option names.
    """
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise NoColumn(path, twice, names, f"two columns are called `{twice}`; rename one of them")
    found = _roles(path, names, params, clocks := _clocks(path, names, params, first))
    time = found.pop("time", None)
    if time is None:
        time = next((name for name in names if name in _UNNAMED and name not in found.values()), None)
    if time is None:
        raise NoColumn(path, "time", names, "no column is known as the time; name it with the option `time`")
    quote = found.pop("quote", None) or found.get("close")
    wide = params.layout == "wide"
    needed = params.channel == DEFAULT_CHANNEL and "channels" not in found
    rows = params.channel == ACTIONS or "channels" in found  # whose columns cannot each be a symbol's prices
    if params.layout == "auto" and quote is None and "symbol" not in found and not rows:
        # One of these alone may be a symbol: LOW is one, and OPEN.
        wide = len(names) > 1 and len(found.keys() - {"symbol"}) < 2
        if wide:
            _see_symbols(path, [name for name in names if name not in (time, clocks)], names)
    if wide:
        return _wide(path, [name for name in names if name not in (time, clocks)], time, clocks)
    if quote is None and needed:
        problem = "no column is known as the quote or the close; name it with the option `quote` or `close`"
        raise NoColumn(path, "quote", names, f"{problem}, or say that each column is a symbol with `layout` = wide")
    symbol, channels = found.pop("symbol", None), found.pop("channels", None)
    series = None if params.series is None else _named(path, "series", params.series, names)
    dividends = splits = None
    if needed and params.actions != "ignore":
        dividends, splits = (_one(names, known) for known in (DIVIDEND_COLUMNS, SPLIT_COLUMNS))
    used = {time, clocks, symbol, quote, channels, dividends, splits, *found.values()}
    others = [name for name in names if name not in used]
    extras = tuple(name for name in others if name not in _TAKEN and 0 < len(name) <= 128 and name.isprintable())
    return Columns(
        time=time,
        clocks=clocks,
        series=series,
        dividends=dividends,
        splits=splits,
        symbol=symbol,
        quote=quote,
        channels=channels,
        numbers={role: found[role] for role in (*PRICE_FIELDS[:4], "volume", *PRICE_FIELDS[4:]) if role in found},
        extras=extras,
        left_out=tuple(name for name in others if name not in extras),
    )


def _one(names: Sequence[str], known: frozenset[str]) -> str | None:
    return next((name for name in names if plain_name(name) in known), None)


def _see_symbols(path: Path, columns: Sequence[str], names: Sequence[str]) -> None:
    """Refuse a file whose columns would each be a symbol, and say something else by their names.

    Raises:
        NoColumn: so it is.
    """
    # One that is written as symbols are may be one: LOW and OPEN are.
    composed = [name for name in columns if not _PARTS.isdisjoint(_ends(name))]
    odd = composed or [
        name
        for name in columns
        if plain_name(name) in MARKET_COLUMNS or (plain_name(name) in ("open", "high", "low") and not name.isupper())
    ]
    if composed or (odd and (len(odd) * 2 >= len(columns) or not all(map(str.isupper, odd)))):
        problem = f"no column is known as the close, and `{odd[0]}` is no symbol to buy; name the close with the option"
        raise NoColumn(
            path, "close", names, f"{problem} `close`, or say that each column is a symbol with `layout` = wide"
        )


def _ends(name: str) -> set[str]:
    """Return the first and the last word of a name of several, in small letters; nothing of a single word."""
    words = re.findall(r"[^\W_]+", name.lower())
    return {words[0], words[-1]} if len(words) > 1 else set()


def _clocks(path: Path, names: Sequence[str], params: FileParams, first: Callable[[str], str | None]) -> str | None:
    """Return the column of times of day, where dates stand in one of their own."""
    if params.time_of_day is not None:
        return _named(path, "time_of_day", params.time_of_day, names)
    known = {plain_name(name): name for name in names}
    clock = next((known[name] for name in CLOCK_COLUMNS if name in known), None)
    date = (
        next((known[name] for name in DAY_COLUMNS if name in known), None)
        if params.time is None
        else _named(path, "time", params.time, names)
    )
    if clock is None or date is None or clock == date:
        return None
    written, day = first(clock), first(date)
    if written is None or day is None or _CLOCK.fullmatch(written.strip()) is None or ":" in day:
        return None
    return clock


def _roles(path: Path, names: Sequence[str], params: FileParams, clocks: str | None) -> dict[str, str]:
    """Return the column of each role that one was named for, or is known for by its name."""
    named = {role: _named(path, role, name, names) for role in NAMES if (name := getattr(params, role)) is not None}
    free = [name for name in names if name not in named.values() and name != clocks]
    found = dict(named)
    for role, known in NAMES.items():
        candidates = [name for name in free if known_name(name) in known]
        if role in named or not candidates:
            continue
        if len(candidates) > 1 and params.layout != "wide":
            raise AmbiguousColumn(path, role, candidates)
        found[role] = candidates[0]
    return found


def _named(path: Path, role: str, name: str, names: Sequence[str]) -> str:
    if name in names:
        return name
    near = [other for other in names if other.strip().lower() == name.strip().lower()]
    if len(near) == 1:
        return near[0]
    hint = did_you_mean(name, names).removesuffix("?")
    raise NoColumn(path, role, names, f"no column is called `{name}`, as the option `{role}` says{hint}")


def _wide(path: Path, columns: Sequence[str], time: str, clocks: str | None) -> Columns:
    if not columns:
        raise NoColumn(path, "quote", [time], "no column has prices")
    for name in columns:
        try:
            check_sid(name)
        except BadData as error:
            raise NoColumn(path, "symbol", columns, f"a column's name is no symbol: {error.problem}") from None
    return Columns(time=time, clocks=clocks, wide=tuple(columns))
