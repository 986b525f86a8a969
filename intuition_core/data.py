"""Normalisation: whatever a publisher sent becomes a list of events of one shape, or one clear error."""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from intuition_core.epoch import DOUBTFUL, NAMES, SMALLEST, UNITS, unit_of
from intuition_core.errors import BadData

DEFAULT_CHANNEL: Final = "quotes"

RATES: Final = "rates"
"""The channel of what currencies are worth."""

MAX_DEPTH: Final = 16
MAX_BATCH: Final = 1000
MAX_PRICE: Final = 1e15
MIN_PRICE: Final = 1e-12

_PRICES: Final = frozenset({"quote", "open", "high", "low", "close", "bid", "ask"})
RESERVED: Final = _PRICES | {"channel", "sid", "ts", "start", "volume", "id", "source", "seq"}
"""Keys that never name a symbol."""

_INT64: Final = range(-(2**63), 2**63)
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
_SECOND: Final = 1_000_000_000

_COUNTED: Final = 10_000
"""Numbers below this size are no time in any unit: whoever sends them counts."""

_LONGEST_ID: Final = 1_024
"""Characters of an id."""

_NANOSECONDS: Final = re.compile(r"[.,]\d{6}(\d{1,3})")
"""The digits of a second that `datetime` does not keep."""

Event = dict[str, Any]
_ReadPrice = Callable[[str, object], float]


def normalise(
    payload: object,
    *,
    now: Callable[[], int],
    channel: str = DEFAULT_CHANNEL,
    sid: str | None = None,
    negative_prices: bool = False,
) -> list[Event]:
    """Turn one payload into events.

    An event owns what is in it: nested values are copied, and tuples and mappings of any kind become lists and dicts.

    Args:
        payload: a mapping with ``sid`` and ``quote``; or, without ``sid``, a mapping of symbols to prices, which gives
            one event per symbol in the order of the keys; or an array of such mappings. A ``ts`` is nanoseconds UTC or
            an ISO 8601 time with its offset; so is a ``start``, when the bar that ends at ``ts`` began. Times and
            prices are checked on every channel.
        now: gives the time in nanoseconds UTC; asked once, and only if an event lacks its ``ts``.
        channel: the channel of events that do not name one.
        sid: the symbol of an event that has a ``quote`` but names no symbol.
        negative_prices: let zero and negative prices pass, for instruments that have them.

    Raises:
        BadData: anything in the payload is unreadable, or it holds too many events. Nothing of the payload counts then.
    """
    items = payload if isinstance(payload, list | tuple) else (payload,)
    if not items:
        raise BadData("an empty array")
    read_price = _any_price if negative_prices else _price
    events: list[Event] = []
    for item in items:
        events += _read(item, channel, sid, read_price)
        if len(events) > MAX_BATCH:
            raise BadData(f"more than {MAX_BATCH} events; at most {MAX_BATCH} at once")
    stamp: int | None = None
    for event in events:
        if "ts" not in event:
            if stamp is None:
                stamp = now()
            event["ts"] = stamp
        if "start" in event and event["start"] > event["ts"]:
            raise BadData(f"{event['start']} is after the event's `ts`, {event['ts']}", field="start")
    return events


def _read(item: object, channel: str, sid: str | None, read_price: _ReadPrice) -> list[Event]:
    """Read one item of a payload into events, which may still lack their ``ts``."""
    if type(item) is not dict and not isinstance(item, Mapping):  # the first for speed
        if sid is None or isinstance(item, bool) or not isinstance(item, int | float | str):
            raise BadData(f'expected an object such as {{"goog": 3.45}}, got {_name(item)}')
        item = {"quote": item}
    event: Event = {"channel": channel}
    symbols: list[tuple[str, object]] = []
    wide = False  # whether keys that are not reserved name symbols
    if "sid" not in item:
        if sid is not None and "quote" in item:
            event["sid"] = check_sid(sid)
        else:
            wide = item.get("channel", channel) == DEFAULT_CHANNEL
    for key, value in item.items():
        if key in _PRICES:
            event[key] = read_price(key, value)
        elif wide and key not in RESERVED:
            symbols.append((key, value))
        else:
            event[key] = _field(key, value)
    if not wide:
        if "quote" not in event and event["channel"] == DEFAULT_CHANNEL:
            raise BadData("missing, and every quote needs one", field="quote")
        return [event]
    if "quote" in event:
        raise BadData("missing, and a `quote` needs one", field="sid")
    if not symbols:
        raise BadData('no symbol: expected {"sid": "GOOG", "quote": 345} or {"goog": 3.45}')
    if len(symbols) > MAX_BATCH:
        raise BadData(f"an object of {len(symbols)} symbols; at most {MAX_BATCH} at once")
    return [{**event, "sid": _symbol(key), "quote": read_price(key, value)} for key, value in symbols]


def _field(key: object, value: object) -> Any:
    """Read one field that is no price."""
    if key == "sid":
        return check_sid(value)
    if key == "ts" or key == "start":  # for speed
        return _time(key, value)
    if key == "channel":
        return check_channel(value)
    if key == "id":
        return check_id(value)
    if type(key) is not str:
        raise BadData(f"expected text as a key, got {_name(key)}")
    if not key or len(key) > 128 or not key.isprintable():
        raise BadData(f"expected a key of 1 to 128 printable characters, got {_shown(key)}")
    return _as_json(key, value, MAX_DEPTH)


def _price(key: str, value: object) -> float:
    if type(value) is float and MIN_PRICE <= value <= MAX_PRICE:
        return value
    price = _any_price(key, value)
    if price <= 0:
        raise BadData(f"expected a price above zero, got {price}", field=key)
    return price


def _any_price(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadData(f"expected a number, got {_name(value)}", field=key)
    try:
        price = float(value)
    except ValueError:
        price = None
    except OverflowError:
        raise BadData("a number beyond what a price can be", field=key) from None
    # Python reads "1_000", " 1 " and the digits of every script; nobody else does, so a publisher that sends these
    # means something else.
    odd = isinstance(value, str) and ("_" in value or not value.isascii() or value != value.strip())
    if price is None or odd:
        raise BadData(f"expected a number, got {_shown(str(value))}", field=key)
    if not math.isfinite(price):
        raise BadData(f"expected a finite number, got {price}", field=key)
    if not (MIN_PRICE <= abs(price) <= MAX_PRICE) and price != 0:
        raise BadData(f"{price} is beyond what a price can be ({MIN_PRICE} to {MAX_PRICE})", field=key)
    return price


def read_price(key: str, value: object, *, negative: bool = False) -> float:
    """Return a price as a float: a number, or a text as JSON writes a number; the one check of all sources.

    Args:
        key: what it is called, for the error.
        value: what was sent, or read.
        negative: let zero and negative prices pass.

    Raises:
        BadData: it is no number, or none that a market gives.
    """
    return _any_price(key, value) if negative else _price(key, value)


def _symbol(key: object) -> str:
    if type(key) is not str:
        raise BadData(f"expected text as a key, got {_name(key)}")
    return check_sid(key)


def check_sid(value: object) -> str:
    """Return a value that can be a symbol.

    Raises:
        BadData: it is no text, or holds what cannot be shown on a line.
    """
    if type(value) is not str:
        raise BadData(f"expected text, got {_name(value)}", field="sid")
    if not value or len(value) > 128 or not value.isprintable():
        raise BadData(f"expected 1 to 128 printable characters, got {_shown(value)}", field="sid")
    return value


def _time(key: str, value: object) -> int:
    if type(value) is int:
        ts = value
    elif type(value) is float and value.is_integer():  # JavaScript has no integers of this size to send
        ts = int(value)
    elif isinstance(value, str):
        return _iso_time(key, value)
    else:
        hint = _unit(int(abs(value))) if type(value) is float and SMALLEST <= abs(value) < DOUBTFUL else ""
        raise BadData(f"expected nanoseconds UTC as an integer, got {_name(value)}{hint}", field=key)
    if -DOUBTFUL < ts < DOUBTFUL and not -_COUNTED < ts < _COUNTED:
        raise BadData(f"{ts} as nanoseconds UTC is in {_year(ts)}{_unit(abs(ts))}", field=key)
    if ts not in _INT64:
        raise BadData("nanoseconds UTC beyond 64 bits, which end in the years 1677 and 2262", field=key)
    return ts


def sent(ts: int) -> int | str:
    """Return a time, nanoseconds UTC, in the form in which `normalise` reads it from a publisher.

    That is the number, or an ISO 8601 time where the number would be taken for one in another unit: of 1970.
    """
    if not -DOUBTFUL < ts < DOUBTFUL or -_COUNTED < ts < _COUNTED:
        return ts
    seconds, rest = divmod(ts, _SECOND)
    return f"{(_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]}.{rest:09}+00:00"


def _year(ts: int) -> str:
    return "the first days of 1970" if ts >= 0 else "the last days of 1969"


def _unit(size: int) -> str:
    """Return a sentence on the unit that a number too small for nanoseconds may have, and on what to send instead."""
    unit = unit_of(size)
    if unit is None:
        return "; if it is a date, send an ISO 8601 time with its offset, such as 2024-01-02T21:00:00Z"
    return f"; if it is {NAMES[unit]}, send it times {UNITS[unit]:_}, or an ISO 8601 time with its offset"


def _iso_time(key: str, value: str) -> int:
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadData(f"expected nanoseconds UTC or an ISO 8601 time with its offset, got {_shown(value)}", field=key)
    since = moment - _EPOCH
    ts = ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
    if len(value) > 26 and (digits := _NANOSECONDS.search(value)) is not None:
        ts += int(digits[1].ljust(3, "0"))
    if ts not in _INT64:
        raise BadData("nanoseconds UTC beyond 64 bits, which end in the years 1677 and 2262", field=key)
    return ts


def check_channel(value: object) -> str:
    """Return a value that can be the name of a channel.

    Raises:
        BadData: it is no text, or holds what a topic filter cannot carry.
    """
    if type(value) is not str:
        raise BadData(f"expected text, got {_name(value)}", field="channel")
    if not value or len(value) > 256 or not value.isprintable() or "+" in value or "#" in value or value[0] == "$":
        raise BadData(f"expected a name without `+`, `#` or a leading `$`, got {_shown(value)}", field="channel")
    return value


def check_id(value: object) -> str | int:
    """Return a value that can be the id by which a payload is known again: text, or a whole number as an integer.

    Raises:
        BadData: it is neither text of 1 to 1,024 characters nor a whole number within 64 bits.
    """
    if type(value) is str and 0 < len(value) <= _LONGEST_ID:
        return _text("id", value)
    number = int(value) if type(value) is float and value.is_integer() else value
    if type(number) is int and number in _INT64:
        return number
    got = _shown(value) if type(value) is str else _shown(repr(value)) if type(value) in (int, float) else _name(value)
    raise BadData(
        f"expected text of 1 to {_LONGEST_ID:,} characters or a whole number within 64 bits, got {got}", field="id"
    )


def as_json(key: str, value: object) -> Any:
    """Copy a value that is plain JSON; ``key`` names it in the error.

    Raises:
        BadData: it cannot cross a process boundary unchanged.
    """
    return _as_json(key, value, MAX_DEPTH)


def _as_json(key: str, value: object, depth: int) -> Any:
    if value is None or type(value) is bool:
        return value
    if type(value) is str:
        return _text(key, value)
    if type(value) is int:
        if value not in _INT64:
            raise BadData("an integer beyond 64 bits", field=key)
        return value
    if type(value) is float:
        if not math.isfinite(value):
            raise BadData(f"expected a finite number, got {value}", field=key)
        return value
    if depth == 0:
        raise BadData(f"nested deeper than {MAX_DEPTH} levels", field=key)
    if isinstance(value, list | tuple):
        return [_as_json(key, inner, depth - 1) for inner in value]
    if isinstance(value, Mapping):
        return {_name_within(key, name): _as_json(key, inner, depth - 1) for name, inner in value.items()}
    raise BadData(f"expected plain JSON, got {_name(value)}", field=key)


def _name_within(key: str, name: object) -> str:
    if type(name) is not str:
        raise BadData(f"expected text as a key, got {_name(name)}", field=key)
    return _text(key, name)


def _text(key: str, value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadData("text that is no valid Unicode", field=key) from None
    return value


_NAMES: Final = {
    "NoneType": "nothing",
    "str": "text",
    "dict": "an object",
    "list": "an array",
    "tuple": "an array",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
    "bytes": "raw bytes",
}


def _name(value: object) -> str:
    name = type(value).__name__
    return _NAMES.get(name, name)


def _shown(value: str) -> str:
    text = ascii(value[:60])
    return text if len(text) <= 60 else f"{text[:57]}..."
