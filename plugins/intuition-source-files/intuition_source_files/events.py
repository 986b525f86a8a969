"""Chunks of rows become events: plain dicts, made as fast as Python makes them."""

from collections.abc import Iterable
from math import isfinite, isnan
from typing import TYPE_CHECKING, Any, Final

from intuition_source_files.chunk import NO_START, Chunk

if TYPE_CHECKING:
    import numpy as np

_BAR: Final = ("open", "high", "low", "close", "volume")
_LARGEST_EXACT: Final = 2.0**53

Event = dict[str, Any]


def events(chunk: Chunk, channel: str) -> list[Event]:
    """Make each row an event of its own.

    Prices are floats. A volume that is a whole number is an integer, however its column is stored.

    Args:
        chunk: the rows.
        channel: the channel of those that have none of their own.
    """
    ts, quotes = chunk.ts.tolist(), chunk.quotes.tolist()
    quoted = _full(chunk.quotes)
    fields = {key: quotes if of is chunk.quotes and quoted else _plain(key, of) for key, of in chunk.fields.items()}
    bar = all(key in fields and _full(chunk.fields[key]) for key in _BAR)
    columns: list[Any] = [fields.pop(key) for key in _BAR] if bar else []
    starts = chunk.starts
    if bar and starts is not None and (starts != NO_START).all():
        columns.append(starts.tolist())
        starts = None
    begun = len(columns) > len(_BAR)
    if isinstance(chunk.sids, str):
        of_one = (_begun_bars_of_one if begun else _bars_of_one) if bar else _quotes_of_one
        made = of_one(channel, chunk.sids, ts, quotes, *columns)
    else:
        of_many = (_begun_bars if begun else _bars) if bar else _quotes
        made = of_many(channel, chunk.sids.tolist(), ts, quotes, *columns)
    if starts is not None:
        for event, start in zip(made, starts.tolist(), strict=True):
            if start != NO_START:
                event["start"] = start
    for key, column in fields.items():
        _add(made, key, column, full=_full(chunk.fields[key]))
    if chunk.channels is not None:
        for event, own in zip(made, chunk.channels.tolist(), strict=True):
            event["channel"] = own
    if not quoted:
        for event in made:
            if isnan(event["quote"]):
                del event["quote"]
    return made


# A display with its keys written out is twice as fast as any loop over keys.


def _bars_of_one(
    channel: str,
    sid: str,
    ts: list[int],
    quotes: list[float],
    opens: list[float],
    highs: list[float],
    lows: list[float],
    closes: list[float],
    volumes: list[float],
) -> list[Event]:
    return [
        {
            "channel": channel,
            "sid": sid,
            "quote": quote,
            "ts": t,
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
        }
        for t, quote, open_, high, low, close, volume in zip(
            ts, quotes, opens, highs, lows, closes, volumes, strict=True
        )
    ]


def _bars(
    channel: str,
    sids: list[str],
    ts: list[int],
    quotes: list[float],
    opens: list[float],
    highs: list[float],
    lows: list[float],
    closes: list[float],
    volumes: list[float],
) -> list[Event]:
    return [
        {
            "channel": channel,
            "sid": sid,
            "quote": quote,
            "ts": t,
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
        }
        for sid, t, quote, open_, high, low, close, volume in zip(
            sids, ts, quotes, opens, highs, lows, closes, volumes, strict=True
        )
    ]


def _begun_bars_of_one(
    channel: str,
    sid: str,
    ts: list[int],
    quotes: list[float],
    opens: list[float],
    highs: list[float],
    lows: list[float],
    closes: list[float],
    volumes: list[float],
    starts: list[int],
) -> list[Event]:
    return [
        {
            "channel": channel,
            "sid": sid,
            "quote": quote,
            "ts": t,
            "start": start,
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
        }
        for t, quote, open_, high, low, close, volume, start in zip(
            ts, quotes, opens, highs, lows, closes, volumes, starts, strict=True
        )
    ]


def _begun_bars(
    channel: str,
    sids: list[str],
    ts: list[int],
    quotes: list[float],
    opens: list[float],
    highs: list[float],
    lows: list[float],
    closes: list[float],
    volumes: list[float],
    starts: list[int],
) -> list[Event]:
    return [
        {
            "channel": channel,
            "sid": sid,
            "quote": quote,
            "ts": t,
            "start": start,
            "open": open_,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
        }
        for sid, t, quote, open_, high, low, close, volume, start in zip(
            sids, ts, quotes, opens, highs, lows, closes, volumes, starts, strict=True
        )
    ]


def _quotes_of_one(channel: str, sid: str, ts: list[int], quotes: list[float]) -> list[Event]:
    return [{"channel": channel, "sid": sid, "quote": quote, "ts": t} for t, quote in zip(ts, quotes, strict=True)]


def _quotes(channel: str, sids: list[str], ts: list[int], quotes: list[float]) -> list[Event]:
    return [
        {"channel": channel, "sid": sid, "quote": quote, "ts": t}
        for sid, t, quote in zip(sids, ts, quotes, strict=True)
    ]


def _add(made: Iterable[Event], key: str, column: list[Any], *, full: bool) -> None:
    """Return the events one more field, those that have it."""
    if full:
        for event, value in zip(made, column, strict=True):
            event[key] = value
    else:
        for event, value in zip(made, column, strict=True):
            if value is not None:
                event[key] = value


def _full(column: "np.ndarray[Any, Any]") -> bool:
    """Whether every row has a value."""
    import numpy as np

    if column.dtype == object:
        return None not in column
    return column.dtype.kind != "f" or bool(np.isfinite(column).all())


def _plain(key: str, column: "np.ndarray[Any, Any]") -> list[Any]:
    """Return the values as Python's own; what is none, or not finite, is None."""
    import numpy as np

    if column.dtype.kind != "f":
        return column.tolist()  # type: ignore[no-any-return]  # an array has one dimension here, and a list comes of it
    values = column.tolist()
    if key == "volume":
        if (np.trunc(column) == column).all() and (np.abs(column) < _LARGEST_EXACT).all():
            return column.astype(np.int64).tolist()  # type: ignore[no-any-return]  # as above
        values = [int(value) if value.is_integer() and abs(value) < _LARGEST_EXACT else value for value in values]
    if _full(column):
        return values  # type: ignore[no-any-return]  # as above
    return [value if isfinite(value) else None for value in values]
