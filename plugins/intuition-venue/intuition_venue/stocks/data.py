"""Market data as the stocks interface has it: bars, trades and quotes."""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from intuition_venue.stocks.errors import unprocessable
from intuition_venue.stocks.shapes import moment
from intuition_venue.stocks.trading import DAY, count, nanoseconds
from intuition_venue.tape import MINUTE, Bar, Print, Quote
from intuition_venue.venue import Venue

_FRAME: Final = re.compile(r"(\d{1,3})(Min|T|Hour|H|Day|D)")
_UNITS: Final = {"Min": MINUTE, "T": MINUTE, "Hour": 60 * MINUTE, "H": 60 * MINUTE, "Day": DAY, "D": DAY}
KINDS: Final = ("bars", "trades", "quotes")


def bar_json(bar: Bar) -> dict[str, Any]:
    """Return a bar; its time is its beginning."""
    prices = {"o": bar.open, "h": bar.high, "l": bar.low, "c": bar.close, "v": bar.volume}
    mean = round(float(bar.money / bar.volume), 6) if bar.volume else float(bar.close)
    return {"t": moment(bar.start), **{key: float(value) for key, value in prices.items()}, "n": bar.trades, "vw": mean}


def trade_json(made: Print) -> dict[str, Any]:
    """Return a trade at the venue."""
    figures = {"p": float(made.price), "s": float(made.quantity)}
    return {"t": moment(made.at), "x": "V", **figures, "c": ["@"], "i": made.id, "z": "C"}


def quote_json(quote: Quote) -> dict[str, Any]:
    """Return the best bid and ask of a moment; sizes are in shares."""
    size = float(quote.size)
    bid = {"bx": "V", "bp": float(quote.bid), "bs": size}
    ask = {"ax": "V", "ap": float(quote.ask), "as": size}
    return {"t": moment(quote.at), **ask, **bid, "c": ["R"], "z": "C"}


class Data:
    """Requests for market data; each returns its answer as JSON.

    Raises:
        StocksError: a request that cannot be done.
    """

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def several(self, kind: str, query: Mapping[str, str]) -> Any:
        """Return rows of several symbols within a span, by symbol and then by time, in pages."""
        symbols = [name for name in (query.get("symbols") or "").split(",") if name]
        if not symbols:
            raise unprocessable("symbols is required")
        rows, token = self._page(kind, sorted(symbols), query)
        told: dict[str, list[Any]] = {}
        for symbol, row in rows:
            told.setdefault(symbol, []).append(row)
        return {kind: told, "next_page_token": token}

    def one(self, kind: str, symbol: str, query: Mapping[str, str]) -> Any:
        """Return rows of one symbol within a span, by time, in pages."""
        rows, token = self._page(kind, [symbol], query)
        return {kind: [row for _, row in rows], "symbol": symbol, "next_page_token": token}

    def latest(self, kind: str, symbols: Iterable[str]) -> dict[str, Any]:
        """Return the latest row of each symbol."""
        found = {}
        for symbol in symbols:
            if rows := list(self._rows(kind, symbol, MINUTE, self._venue.clock.now() - DAY, None)):
                found[symbol] = rows[-1][1]
        return found

    def snapshot(self, symbol: str) -> dict[str, Any]:
        """Return the latest of everything of a symbol."""
        minute, day = (self._bars(symbol, length)[-2:] for length in (MINUTE, DAY))
        return {
            "latestTrade": self.latest("trades", [symbol]).get(symbol),
            "latestQuote": self.latest("quotes", [symbol]).get(symbol),
            "minuteBar": bar_json(minute[-1]),
            "dailyBar": bar_json(day[-1]),
            "prevDailyBar": bar_json(day[0]),
        }

    def known(self, symbols: Iterable[str]) -> list[str]:
        """Return those of some symbols that are traded."""
        return [symbol for symbol in symbols if symbol in self._venue.exchange.state.instruments]

    def _bars(self, symbol: str, length: int) -> list[Bar]:
        now = self._venue.clock.now()
        return self._venue.tape.bars(symbol, length, now - now % length - length, None)

    def _page(
        self, kind: str, symbols: list[str], query: Mapping[str, str]
    ) -> tuple[list[tuple[str, Any]], str | None]:
        now, limit, length = self._venue.clock.now(), count(query, "limit", 1000, 10_000), MINUTE
        if kind == "bars":
            length = _length(query.get("timeframe") or "")
        start = nanoseconds(query["start"]) if query.get("start") else now - now % DAY
        end = nanoseconds(query["end"]) if query.get("end") else now
        rows = [
            (symbol, at, row)
            for symbol in self.known(symbols)
            for at, row in self._rows(kind, symbol, length, start, end)
        ]
        if query.get("sort") == "desc":
            rows.reverse()
        skipped = _offset(query.get("page_token"))
        page, more = rows[skipped : skipped + limit], len(rows) > skipped + limit
        token = base64.urlsafe_b64encode(str(skipped + limit).encode()).decode() if more else None
        return [(symbol, row) for symbol, _, row in page], token

    def _rows(
        self, kind: str, symbol: str, length: int, start: int, end: int | None
    ) -> Iterable[tuple[int, dict[str, Any]]]:
        tape = self._venue.tape
        if kind == "bars":
            for bar in tape.bars(symbol, length, start, end):
                yield bar.start, bar_json(bar)
            return
        rows: Iterable[Any] = tape.prints[symbol] if kind == "trades" else tape.quotes[symbol]
        told: Callable[[Any], dict[str, Any]] = trade_json if kind == "trades" else quote_json
        for row in rows:
            if row.at >= start and (end is None or row.at <= end):
                yield row.at, told(row)


def _length(text: str) -> int:
    matched = _FRAME.fullmatch(text)
    if matched is None or not int(matched[1]):
        raise unprocessable(f"invalid timeframe: {text}")
    return int(matched[1]) * _UNITS[matched[2]]


def _offset(token: str | None) -> int:
    if not token:
        return 0
    try:
        return int(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error):
        raise unprocessable("invalid page_token") from None
