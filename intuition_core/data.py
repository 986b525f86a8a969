"""Normalisation: whatever a publisher sent becomes a list of events of one shape, or one clear error."""

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from intuition_core.errors import BadData

DEFAULT_CHANNEL: Final = "quotes"
MAX_DEPTH: Final = 16
MAX_BATCH: Final = 1000
MAX_PRICE: Final = 1e15
MIN_PRICE: Final = 1e-12

_PRICES: Final = frozenset({"quote", "open", "high", "low", "close", "bid", "ask"})
RESERVED: Final = _PRICES | {"channel", "sid", "ts", "volume", "id", "source", "seq"}
"""Keys that never name a symbol."""

_INT64: Final = range(-(2**63), 2**63)
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00+00:00")

Event = dict[str, Any]


def normalise(
    payload: object,
    *,
    now: Callable[[], int],
    channel: str = DEFAULT_CHANNEL,
    sid: str | None = None,
    negative_prices: bool = False,
) -> list[Event]:
    """Turn one payload into events.

    Args:
        payload: a mapping with ``sid`` and ``quote``; or, without ``sid``, a mapping of symbols to prices, which gives
            one event per symbol in the order of the keys; or an array of such mappings.
        now: gives the time in nanoseconds UTC; asked once, and only if an event lacks its ``ts``.
        channel: the channel of events that do not name one.
        sid: the symbol of an event that has a ``quote`` but names no symbol.
        negative_prices: let zero and negative prices pass, for instruments that have them.

    Raises:
        BadData: anything in the payload is unreadable. Nothing of the payload counts then.
    """
    items = payload if isinstance(payload, list | tuple) else (payload,)
    if len(items) > MAX_BATCH:
        raise BadData(f"an array of {len(items)} events; at most {MAX_BATCH} at once")
    if not items:
        raise BadData("an empty array")
    stamp = _Stamp(now)
    events: list[Event] = []
    for item in items:
        _normalise_one(item, stamp, channel, sid, events, negative_prices)
    return events


class _Stamp:
    """One time for all events of a payload, asked for only when one needs it."""

    __slots__ = ("_now", "_ts")

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._ts: int | None = None

    def __call__(self) -> int:
        if self._ts is None:
            self._ts = self._now()
        return self._ts


def _normalise_one(
    item: object, stamp: _Stamp, channel: str, sid: str | None, events: list[Event], negative_prices: bool
) -> None:
    if not isinstance(item, Mapping):
        if sid is None or isinstance(item, bool) or not isinstance(item, int | float | str):
            raise BadData(f"expected an object such as {{\"goog\": 3.45}}, got {_name(item)}")
        item = {"sid": sid, "quote": item}
    common: Event = {}
    symbols: list[tuple[str, object]] = []
    named = "sid" in item
    for key, value in item.items():
        if not isinstance(key, str):
            raise BadData(f"expected text as a key, got {_name(key)}")
        if named or key in RESERVED:
            common[key] = _field(key, value, negative_prices)
        else:
            symbols.append((key, value))
    common.setdefault("channel", channel)
    if "ts" not in common:
        common["ts"] = stamp()
    if not named and "quote" in common and sid is not None:
        common["sid"] = sid
        named = True
        for key, value in symbols:
            common[key] = _field(key, value, negative_prices)
    if named or common["channel"] != DEFAULT_CHANNEL:
        if not named:
            for key, value in symbols:
                common[key] = _field(key, value, negative_prices)
        elif common["channel"] == DEFAULT_CHANNEL and "quote" not in common:
            raise BadData("missing, and every quote needs one", field="quote")
        events.append(common)
        return
    if "quote" in common:
        raise BadData("missing, and a `quote` needs one", field="sid")
    if not symbols:
        raise BadData("no symbol: expected {\"sid\": \"GOOG\", \"quote\": 345} or {\"goog\": 3.45}")
    for symbol, value in symbols:
        events.append({**common, "sid": _sid(symbol), "quote": _price(symbol, value, negative_prices)})


def _field(key: str, value: object, negative_prices: bool) -> Any:
    """Check one field; most fields of most events leave by the first lines."""
    if key in _PRICES:
        return _price(key, value, negative_prices)
    if key == "sid":
        return _sid(value)
    if key == "ts":
        return _ts(value)
    if key == "channel":
        return check_channel(value)
    if type(value) is str:
        return _text(key, value)
    _plain(key, value, MAX_DEPTH)
    return value


def _price(key: str, value: object, negative_prices: bool) -> float:
    if type(value) is not float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise BadData(f"expected a number, got {_name(value)}", field=key)
        try:
            value = float(value)
        except ValueError:
            raise BadData(f"expected a number, got {_shown(value)}", field=key) from None
        except OverflowError:
            raise BadData("a number beyond what a price can be", field=key) from None
    if not math.isfinite(value):
        raise BadData(f"expected a finite number, got {value}", field=key)
    if value <= 0 and not negative_prices:
        raise BadData(f"expected a price above zero, got {value}", field=key)
    if not (MIN_PRICE <= abs(value) <= MAX_PRICE) and value != 0:
        raise BadData(f"{value} is beyond what a price can be ({MIN_PRICE} to {MAX_PRICE})", field=key)
    return value


def _sid(value: object) -> str:
    if type(value) is not str:
        raise BadData(f"expected text, got {_name(value)}", field="sid")
    if not value or len(value) > 128 or not value.isprintable():
        raise BadData(f"expected 1 to 128 printable characters, got {_shown(value)}", field="sid")
    return value


def _ts(value: object) -> int:
    if type(value) is int:
        if value not in _INT64:
            raise BadData("an integer beyond 64 bits", field="ts")
        return value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise BadData(
                f"expected nanoseconds UTC or an ISO 8601 time with its offset, got {_shown(value)}", field="ts"
            )
        since = moment - _EPOCH
        return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000
    raise BadData(f"expected nanoseconds UTC as an integer, got {_name(value)}", field="ts")


def check_channel(value: object) -> str:
    """Give a channel's name back if it can be one.

    Raises:
        BadData: it is no text, or holds what a topic filter cannot carry.
    """
    if type(value) is not str:
        raise BadData(f"expected text, got {_name(value)}", field="channel")
    if not value or len(value) > 256 or not value.isprintable() or "+" in value or "#" in value or value[0] == "$":
        raise BadData(
            f"expected a name without `+`, `#` or a leading `$`, got {_shown(value)}", field="channel"
        )
    return value


def _text(key: str, value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadData("text that is no valid Unicode", field=key) from None
    return value


def _plain(key: str, value: object, depth: int) -> None:
    """Refuse what cannot cross a process boundary unchanged."""
    kind = type(value)
    if value is None or kind is bool:
        return
    if kind is int:
        if value not in _INT64:
            raise BadData("an integer beyond 64 bits", field=key)
    elif kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]  # mypy does not narrow by `type(...) is`
            raise BadData(f"expected a finite number, got {value}", field=key)
    elif kind is str:
        _text(key, value)  # type: ignore[arg-type]  # the same
    elif depth == 0:
        raise BadData(f"nested deeper than {MAX_DEPTH} levels", field=key)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if type(name) is not str:
                raise BadData(f"expected text as a key, got {_name(name)}", field=key)
            _text(key, name)
            _plain(key, inner, depth - 1)
    elif isinstance(value, list | tuple):
        for inner in value:
            _plain(key, inner, depth - 1)
    else:
        raise BadData(f"expected plain JSON, got {_name(value)}", field=key)


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


def _shown(value: object) -> str:
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
