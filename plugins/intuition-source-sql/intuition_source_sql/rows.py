"""Rows become events, many at once."""

import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise, repeat
from typing import Any, Final

from intuition_core.data import DEFAULT_CHANNEL, MAX_PRICE, MIN_PRICE, check_sid, read_price
from intuition_core.errors import BadData
from intuition_core.recordings import ACTIONS, checked_action
from intuition_source_sql.bars import Bars
from intuition_source_sql.columns import Columns
from intuition_source_sql.errors import BadRow
from intuition_source_sql.moments import Moments

Row = Sequence[Any]
_ACT: Final = ("action", "ratio", "amount", "currency")
"""What events of the channel `actions` say."""

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INT64: Final = range(-(2**63), 2**63)


class Rows:
    """Reads the rows of one result, in order.

    Args:
        place: what the rows belong to, for messages.
        names: the names of all columns.
        columns: which of them is what.
        moments: reads times.
        channel: the channel of all events.
        sid: the symbol of rows where no column has it.
        negative_prices: let zero and negative prices pass.
        bars: knows when bars began.
    """

    def __init__(
        self,
        place: str,
        names: Sequence[str],
        columns: Columns,
        moments: Moments,
        *,
        channel: str,
        sid: str | None,
        negative_prices: bool,
        bars: Bars,
    ) -> None:
        self._bars = bars
        self._place = place
        self._names = names
        self._columns = columns
        self._moments = moments
        self._channel = channel
        self._sid = sid
        self._price = _any_price if negative_prices else _price
        self._keys: dict[str, str] = {}
        """What columns of splits and dividends are called in events, where that is not their name."""
        if channel == ACTIONS:
            written = {name: name.lower() for name, _ in columns.extras}
            self._keys = {name: key for name, key in written.items() if key in _ACT and key not in written}
        self._symbols: dict[Any, str] = {}
        self._last = -(2**63)
        self.read_so_far = 0
        """How many rows have been read."""
        self.without_price = 0
        """How many of them had no price, and so gave no event."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """The symbols that there were."""
        return tuple(self._symbols.values()) if self._columns.symbol is not None else (self._sid or "",)

    def read(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Return the events of some rows: those that have a price.

        Raises:
            BadRow: a row cannot be read, or is earlier than the one before.
        """
        if not rows:
            return []
        fields = list(zip(*rows, strict=True))
        columns = self._columns
        if columns.clock is not None:
            fields[columns.time] = self._whole(rows)
        times = self._each(columns.time, fields, self._moments.read)
        self._check_order(times)
        priced = columns.quote is not None and self._channel != ACTIONS
        quotes = [] if columns.quote is None else self._each(columns.quote, fields, self._price)
        symbols = repeat(self._sid) if columns.symbol is None else self._each(columns.symbol, fields, self._symbol)
        keys = ["channel", "sid"]
        values: list[Any] = [repeat(self._channel), symbols]
        sparse = set()
        if columns.quote is not None:
            keys.append("quote")
            values.append(quotes)
            if not priced:
                sparse.add("quote")
        for key, index in columns.prices:
            column: Sequence[Any] = quotes if index == columns.quote else self._each(index, fields, self._price)
            keys.append(key)
            values.append(column)
            if None in column:
                sparse.add(key)
        for name, index in columns.extras:
            key = self._keys.get(name, name)
            column = list(map(_plain, fields[index])) if set(map(type, fields[index])) - {str} else fields[index]
            keys.append(key)
            values.append(column)
            if None in column:
                sparse.add(key)
        keys.append("ts")
        values.append(times)
        events = [dict(zip(keys, row, strict=True)) for row in zip(*values)]  # noqa: B905  # repeat() has no end
        if self._channel == DEFAULT_CHANNEL:
            self._bars.begin(events, fields[columns.time])
        elif self._channel == ACTIONS:
            for number, event in enumerate(events, self.read_so_far + 1):
                try:
                    event.update(checked_action({key: value for key, value in event.items() if value is not None}))
                except BadData as error:
                    raise BadRow(self._place, number, error.field or "action", error.problem) from None
        self.read_so_far += len(rows)
        if priced and None in quotes:
            events = [event for event in events if event["quote"] is not None]
            self.without_price += len(rows) - len(events)
        for key in sparse:
            for event in events:
                if event[key] is None:
                    del event[key]
        return events

    def _each(self, index: int, fields: Sequence[Sequence[Any]], convert: Callable[[Any], Any]) -> list[Any]:
        column = fields[index]
        if convert is _price and _are_prices(column):
            return list(column)
        try:
            return list(map(convert, column))
        except (ValueError, OverflowError):
            pass
        for number, value in enumerate(column, self.read_so_far + 1):
            try:
                convert(value)
            except (ValueError, OverflowError) as error:
                raise BadRow(self._place, number, self._names[index], str(error)) from None
        raise AssertionError("what failed for a column fails for one of its values")

    def _whole(self, rows: Sequence[Row]) -> tuple[Any, ...]:
        """Return the times of rows whose dates and times of day are in two columns."""
        whole, columns = self._moments.whole, self._columns
        try:
            return tuple([whole(row, columns) for row in rows])
        except ValueError:
            pass
        for number, row in enumerate(rows, self.read_so_far + 1):
            try:
                whole(row, columns)
            except ValueError as error:
                what = f"{self._names[columns.time]} and {self._names[columns.clock or 0]}"
                raise BadRow(self._place, number, what, str(error)) from None
        raise AssertionError("what failed for some rows fails for one of them")

    def _check_order(self, times: Sequence[int]) -> None:
        if times[0] >= self._last and all(a <= b for a, b in pairwise(times)):
            self._last = times[-1]
            return
        for number, (before, after) in enumerate(pairwise([self._last, *times]), self.read_so_far + 1):
            if after < before:
                problem = "is earlier than in the row before; put the rows in the order of time"
                raise BadRow(self._place, number, self._names[self._columns.time], problem)

    def _symbol(self, value: Any) -> str:
        known = self._symbols.get(value)
        if known is None:
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise ValueError("is empty" if value is None else f"is no symbol: {value!r:.60}")
            try:
                known = self._symbols[value] = check_sid(str(value).strip())
            except BadData as error:
                raise ValueError(f"is no symbol: {error.problem}") from None
        return known


def _are_prices(column: Sequence[Any]) -> bool:
    """Return whether values are all prices already; most are."""
    if set(map(type, column)) != {float}:
        return False
    # What is compared with NaN is never less; a sum shows that it is there.
    return min(column) >= MIN_PRICE and max(column) <= MAX_PRICE and not math.isnan(sum(column))


def _price(value: Any) -> float | None:
    return _read_price(value, negative=False)


def _any_price(value: Any) -> float | None:
    return _read_price(value, negative=True)


def _read_price(value: Any, *, negative: bool) -> float | None:
    """Return a price, or None where there is none.

    Raises:
        ValueError: it is none that a market gives; says why.
    """
    if value is None or (isinstance(value, float | Decimal) and math.isnan(value)):
        return None
    if isinstance(value, str) and value.strip().lower() == "nan":  # as numerics are given by some drivers
        return None
    number = float(value) if isinstance(value, Decimal) else value
    try:
        return read_price("price", number, negative=negative)
    except BadData:
        if isinstance(number, str) and _NUMBER.fullmatch(number) is not None:
            number = float(number)
        if type(number) not in (int, float):
            raise ValueError(f"is no number: {value!r:.60}") from None
    if number <= 0 and not negative:
        raise ValueError(f"is {number:g}, and prices are above zero; `negative_prices` lets others pass")
    raise ValueError(f"is {number:g}, beyond what a price can be ({MIN_PRICE:g} to {MAX_PRICE:g})")


def _plain(value: Any) -> Any:
    """Return what JSON has a word for; None for everything else."""
    if isinstance(value, float | Decimal):
        value = float(value)
        return value if math.isfinite(value) else None
    if isinstance(value, int):
        return value if value in _INT64 else None
    return value if isinstance(value, str) else None
