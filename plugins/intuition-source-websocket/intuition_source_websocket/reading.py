"""From a message of a feed to events."""

import time
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

from intuition_core.data import Event, normalise
from intuition_core.errors import BadData
from intuition_core.recordings import TIME_UNITS
from intuition_source_websocket.errors import BadMessage
from intuition_source_websocket.paths import MISSING, Path
from intuition_source_websocket.sequence import Sequence, Step

UNITS: Final = TIME_UNITS
"""Nanoseconds in each unit in which a feed can count time since 1970."""

AHEAD: Final = 3600 * 10**9
"""Nanoseconds that a feed's clock can be before ours; more is a misread time."""

_decode: Final = msgspec.json.Decoder().decode


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """Where in a message things are, and what they mean."""

    quote: Path
    symbol: Path | None = None
    sid: str | None = None
    time: Path | None = None
    factor: int = 10**6
    """Nanoseconds in the unit of times that are numbers."""
    items: Path | None = None
    sequence: Path | None = None
    by_symbol: bool = True
    """Whether the feed counts per symbol, or per connection."""
    where: tuple[tuple[Path, Any], ...] = ()
    fields: tuple[tuple[str, Path], ...] = ()
    symbols: frozenset[str] = frozenset()
    channel: str = "quotes"
    negative_prices: bool = False


class Reader:
    """Reads the messages of one feed, in the order in which they come.

    Args:
        layout: where things are.
        stray: told how a number of the feed follows the one before, and of what, where it is not the next one.
        bad: told what is wrong with a message or with one quote of it; the others count.
        now: gives the time in nanoseconds UTC.
    """

    def __init__(
        self,
        layout: Format,
        *,
        stray: Callable[[str, Step], None],
        bad: Callable[[BadMessage], None],
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._format = layout
        self._stray = stray
        self._bad = bad
        self._now = now
        self._sequence = Sequence()

    def connected(self) -> None:
        """Take note that what comes now comes over another connection."""
        if not self._format.by_symbol:
            self._sequence = Sequence()

    def read(self, message: str | bytes) -> list[Event]:
        """Return the events of a message; none where it holds no quotes, or none that are asked for."""
        try:
            content = _decode(message)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            self._bad(BadMessage(f"no JSON: {error}"))
            return []
        events = []
        try:
            if not self._format.by_symbol and self._is_again("the connection", content):
                return []
            for item in self._items(content):
                try:
                    event = self._event(item, content)
                except BadMessage as problem:
                    self._bad(problem)
                else:
                    if event is not None:
                        events.append(event)
        except BadMessage as problem:
            self._bad(problem)
        return events

    def _items(self, content: Any) -> Iterator[Any]:
        layout = self._format
        for path, expected in layout.where:
            if path.find(content) != expected:
                return
        if layout.items is None:
            yield content
            return
        items = layout.items.find(content)
        if items is MISSING or items is None:
            return
        if not isinstance(items, list):
            raise BadMessage(f"expected an array at `{layout.items}`")
        yield from items

    def _event(self, item: Any, content: Any) -> Event | None:
        layout = self._format
        quote = layout.quote.find(item, content)
        sid = layout.sid if layout.symbol is None else layout.symbol.find(item, content)
        if quote is MISSING and (sid is MISSING or layout.symbol is None):
            return None  # feeds send other things too: what we subscribed to, whether all is well
        if quote is MISSING or sid is MISSING:
            raise BadMessage(f"nothing at `{layout.quote if quote is MISSING else layout.symbol}`")
        if layout.symbols and sid not in layout.symbols:
            return None
        if layout.by_symbol and self._is_again(str(sid), item, content):
            return None
        payload: dict[str, Any] = {"channel": layout.channel, "sid": sid, "quote": quote}
        for name, path in layout.fields:
            value = self._sent(path, item, content) if name == "start" else path.find(item, content)
            if value is not MISSING and value is not None:
                payload[name] = value
        now = self._now()
        sent = None if layout.time is None else self._sent(layout.time, item, content)
        payload["ts"] = now if sent is None else sent
        try:
            (event,) = normalise(payload, now=self._now, negative_prices=layout.negative_prices)
        except BadData as error:
            raise BadMessage(str(error)) from None
        if event["ts"] > now + AHEAD:
            raise BadMessage(
                f"its time is {(event['ts'] - now) / 1e9:.0f} s ahead of this machine's; is `time_unit` right?"
            )
        return event

    def _sent(self, path: Path, *contents: Any) -> Any:
        """Return the time at which an item was sent: nanoseconds UTC or as text with its offset; None if unknown."""
        sent = path.find(*contents)
        if sent is MISSING or sent is None:
            return None
        try:
            number = None if isinstance(sent, bool) else Decimal(str(sent))
            return sent if number is None else int(number * self._format.factor)
        except InvalidOperation:
            return sent
        except (ValueError, OverflowError):
            raise BadMessage(f"{sent!r:.60} at `{path}` is no time") from None

    def _is_again(self, counted: str, *contents: Any) -> bool:
        path = self._format.sequence
        if path is None:
            return False
        number = path.find(*contents)
        if isinstance(number, str) and number.isdecimal():
            number = int(number)
        if not isinstance(number, int) or isinstance(number, bool):
            return False
        step = self._sequence.follow(counted, number)
        if step is None:
            return False
        self._stray(counted, step)
        return step.kind == "again"
