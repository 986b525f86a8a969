"""Which column of a result is what."""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from intuition_core.data import RESERVED
from intuition_core.recordings import COLUMN_NAMES
from intuition_source_sql.errors import AmbiguousColumn, NoColumn

USUAL: Final[Mapping[str, tuple[str, ...]]] = COLUMN_NAMES
"""The names by which columns are known, whatever their case, by what they are."""


class Columns(msgspec.Struct, frozen=True):
    """Where in a row things are, counted from 0."""

    time: int
    quote: int | None
    """The column of quotes; where there is none, that of closes; None where rows need no price."""
    symbol: int | None
    prices: tuple[tuple[str, int], ...]
    """The other prices, by their key in an event."""
    extras: tuple[tuple[str, int], ...]
    """What goes along as it is, by its key in an event."""
    clock: int | None = None
    """The column of times of day, where dates stand in one of their own."""
    sure: bool = False
    """Whether somebody said that this is what that column holds."""

    @property
    def barred(self) -> bool:
        """Whether rows may be bars: they have more than one price of a time, or how much was traded until the close."""
        prices = {key for key, _ in self.prices}
        return not prices.isdisjoint(("open", "high", "low")) or ("close" in prices and "volume" in dict(self.extras))


def find_columns(place: str, names: Sequence[str], given: Mapping[str, str | None], *, priced: bool = True) -> Columns:
    """Return which column is what.

    Args:
        place: what the columns belong to, for messages.
        names: the names of all columns.
        given: names by role, for roles in which a column is not known by its name; None for the others.
        priced: whether each row needs a price, as those of splits and dividends do not.

    Raises:
        NoColumn: there is no time or no price, or not the column that was named.
        AmbiguousColumn: a role has several columns with a usual name.
    """
    clock = _clock(place, names, given)
    if clock is not None and given.get("time") is None:
        given = {**given, "time": "date"}
    found = {role: _find(place, role, names, given.get(role)) for role in USUAL}
    time = found.pop("time")
    if time is None:
        raise NoColumn(place, "time", names)
    symbol, quote = found.pop("symbol"), found.pop("quote")
    if quote is None:
        quote = found["close"]
    if quote is None and priced:
        raise NoColumn(place, "quote", names)
    volume = found.pop("volume")
    prices = tuple((role, index) for role, index in found.items() if index is not None)
    taken = {time, clock, symbol, quote, volume, *(index for _, index in prices)}
    extras = {} if volume is None else {"volume": volume}
    for index, name in enumerate(names):
        # A column such as `id` would say something about the event that the database does not mean.
        if index not in taken and name and name.isprintable() and name.lower() not in RESERVED:
            extras.setdefault(name, index)
    sure = given.get("time_of_day") is not None
    return Columns(time, quote, symbol, prices, tuple(extras.items()), clock, sure)


def _clock(place: str, names: Sequence[str], given: Mapping[str, str | None]) -> int | None:
    """Return the column of times of day: the one that is named, or one called time beside dates."""
    if (named := given.get("time_of_day")) is not None:
        return _find(place, "time_of_day", names, named)
    plain = [name.lower() for name in names]
    if plain.count("time") != 1:
        return None
    if (time := given.get("time")) is None:
        known = sorted(name for name in plain if name in USUAL["time"])
        return plain.index("time") if known == ["date", "time"] else None
    return None if time.lower() == "time" else plain.index("time")


def _find(place: str, role: str, names: Sequence[str], named: str | None) -> int | None:
    if named is not None:
        matching = [name for name in names if name == named] or [
            name for name in names if name.lower() == named.lower()
        ]
        if not matching:
            raise NoColumn(place, role, names, named=named)
    else:
        matching = [name for name in names if name.lower() in USUAL[role]]
    if len(matching) > 1:
        raise AmbiguousColumn(place, role, matching)
    return names.index(matching[0]) if matching else None
