"""What the columns of a file mean."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from intuition_core.actions import ACTIONS
from intuition_core.data import DEFAULT_CHANNEL, check_sid
from intuition_core.errors import BadData, did_you_mean
from intuition_source_files.errors import AmbiguousColumn, NoColumn
from intuition_source_files.params import FileParams

NAMES: Final = {
    "time": ("timestamp", "datetime", "date", "time", "ts"),
    "symbol": ("symbol", "sid", "ticker"),
    "quote": ("quote", "price"),
    "open": ("open",),
    "high": ("high",),
    "low": ("low",),
    "close": ("close",),
    "volume": ("volume",),
    "bid": ("bid",),
    "ask": ("ask",),
    "channels": ("channel",),
}
"""By what names, in small letters, the columns are known."""

PRICES: Final = ("open", "high", "low", "close", "bid", "ask")
"""The fields of an event that are prices, besides its quote."""

_TAKEN: Final = frozenset({"channel", "sid", "ts", *NAMES} - {"channels"})
_UNNAMED: Final = ("", "__index_level_0__")
"""What the index of a pandas table is called when it has no name."""


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of one file that are read; names are those in the file."""

    time: str
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

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that hold few different texts: symbols, and channels."""
        return tuple(name for name in (self.symbol, self.channels) if name is not None)

    @property
    def numeric(self) -> tuple[str, ...]:
        """All columns that must hold numbers."""
        quote = () if self.quote is None else (self.quote,)
        return tuple(dict.fromkeys((*quote, *self.numbers.values(), *self.wide)))


def find_columns(path: Path, names: Sequence[str], params: FileParams) -> Columns:
    """Find out what the columns of a file mean.

    Raises:
        AmbiguousColumn: two columns could be the same thing.
        NoColumn: there is no time, no price where rows need one, or no column that an option names.
    """
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise NoColumn(path, twice, names, f"two columns are called `{twice}`; rename one of them")
    found = _roles(path, names, params)
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
        return _wide(path, [name for name in names if name != time], time)
    if quote is None and needed:
        problem = "no column is known as the quote or the close; name it with the option `quote` or `close`"
        raise NoColumn(path, "quote", names, f"{problem}, or say that each column is a symbol with `layout` = wide")
    symbol, channels = found.pop("symbol", None), found.pop("channels", None)
    used = {time, symbol, quote, channels, *found.values()}
    others = [name for name in names if name not in used]
    extras = tuple(name for name in others if name not in _TAKEN and 0 < len(name) <= 128 and name.isprintable())
    return Columns(
        time=time,
        symbol=symbol,
        quote=quote,
        channels=channels,
        numbers={role: found[role] for role in (*PRICES[:4], "volume", *PRICES[4:]) if role in found},
        extras=extras,
        left_out=tuple(name for name in others if name not in extras),
    )


def _roles(path: Path, names: Sequence[str], params: FileParams) -> dict[str, str]:
    """Give the column of each role that one was named for, or is known for by its name."""
    named = {role: _named(path, role, name, names) for role in NAMES if (name := getattr(params, role)) is not None}
    free = [name for name in names if name not in named.values()]
    found = dict(named)
    for role, known in NAMES.items():
        candidates = [name for name in free if name.strip().lower() in known]
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


def _wide(path: Path, columns: Sequence[str], time: str) -> Columns:
    if not columns:
        raise NoColumn(path, "quote", [time], "no column has prices")
    for name in columns:
        try:
            check_sid(name)
        except BadData as error:
            raise NoColumn(path, "symbol", columns, f"a column's name is no symbol: {error.problem}") from None
    return Columns(time=time, wide=tuple(columns))
