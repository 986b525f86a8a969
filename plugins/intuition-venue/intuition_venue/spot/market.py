"""What the spot interface shows of its market: symbols, prices, depth, trades and bars."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from intuition_venue.spot.errors import SpotError
from intuition_venue.spot.params import Params
from intuition_venue.spot.shapes import amount, symbol_json
from intuition_venue.spot.weights import Weights
from intuition_venue.tape import DAY, MINUTE, Bar, Print
from intuition_venue.venue import Venue

_HOUR: Final = 60 * MINUTE
INTERVALS: Final = {
    "1m": MINUTE,
    "3m": 3 * MINUTE,
    "5m": 5 * MINUTE,
    "15m": 15 * MINUTE,
    "30m": 30 * MINUTE,
    "1h": _HOUR,
    "2h": 2 * _HOUR,
    "4h": 4 * _HOUR,
    "6h": 6 * _HOUR,
    "8h": 8 * _HOUR,
    "12h": 12 * _HOUR,
    "1d": DAY,
}
"""Intervals of bars, in nanoseconds."""


class Market:
    """Requests about the market; each returns its answer as JSON.

    Raises:
        SpotError: a request that cannot be done.
    """

    def __init__(self, venue: Venue, weights: Weights) -> None:
        self._venue = venue
        self._weights = weights

    def ping(self, _: Params) -> Any:
        """Return nothing."""
        return {}

    def time(self, _: Params) -> Any:
        """Return the venue's time, in milliseconds."""
        return {"serverTime": self._venue.clock.milliseconds()}

    def info(self, params: Params) -> Any:
        """Return the symbols with their filters, and the limits of requests."""
        instruments = self._venue.exchange.state.instruments
        return {
            "timezone": "UTC",
            "serverTime": self._venue.clock.milliseconds(),
            "rateLimits": self._weights.told(),
            "exchangeFilters": [],
            "symbols": [symbol_json(instruments[name]) for name in params.symbols(instruments) or instruments],
        }

    def price(self, params: Params) -> Any:
        """Return the last price, of a symbol or of all."""
        return self._each(params, lambda symbol: {"symbol": symbol, "price": amount(self._book(symbol).last)})

    def average(self, params: Params) -> Any:
        """Return a price that stands for the last minutes."""
        symbol = params.symbol(self._venue.exchange.state.instruments)
        now = self._venue.clock.milliseconds()
        return {"mins": 5, "price": amount(self._book(symbol).last), "closeTime": now}

    def best(self, params: Params) -> Any:
        """Return the best bid and ask, of a symbol or of all."""
        return self._each(params, self.best_of)

    def day(self, params: Params) -> Any:
        """Return the last 24 hours, of a symbol or of all."""
        return self._each(params, self._day_of)

    def depth(self, params: Params) -> Any:
        """Return a symbol's book."""
        symbol = params.symbol(self._venue.exchange.state.instruments)
        return self.depth_of(symbol, params.limit(100, 5000))

    def trades(self, params: Params) -> Any:
        """Return the latest trades of a symbol, the oldest first."""
        symbol = params.symbol(self._venue.exchange.state.instruments)
        limit, first = params.limit(500, 1000), params.whole("fromId")
        prints = list(self._venue.tape.prints[symbol])
        found = prints[-limit:] if first is None else [each for each in prints if each.id >= first][:limit]
        return [print_json(each) for each in found]

    def together(self, params: Params) -> Any:
        """Return the latest trades of a symbol, each as a sum of one."""
        symbol = params.symbol(self._venue.exchange.state.instruments)
        limit, start, end = params.limit(500, 1000), params.whole("startTime"), params.whole("endTime")
        found = [
            each
            for each in self._venue.tape.prints[symbol]
            if (start is None or each.at >= start * 1_000_000) and (end is None or each.at <= end * 1_000_000)
        ]
        return [sum_json(each) for each in (found[:limit] if start is not None else found[-limit:])]

    def bars(self, params: Params) -> Any:
        """Return bars of a symbol, the oldest first: from a time on, or the latest."""
        symbol = params.symbol(self._venue.exchange.state.instruments)
        length = INTERVALS.get(params.text("interval"))
        if length is None:
            raise SpotError(-1120, "Invalid interval.")
        start, end = (params.whole(name) for name in ("startTime", "endTime"))
        begin, until = (None if each is None else each * 1_000_000 for each in (start, end))
        found, limit = self._venue.tape.bars(symbol, length, begin, until), params.limit(500, 1000)
        return [bar_json(bar, length) for bar in (found[-limit:] if start is None else found[:limit])]

    def best_of(self, symbol: str) -> dict[str, Any]:
        """Return the best bid and ask of a symbol."""
        bids, asks = (self._book(symbol).within(side, None) for side in ("sell", "buy"))
        return {
            "symbol": symbol,
            "bidPrice": amount(bids[0].price if bids else None),
            "bidQty": amount(bids[0].size if bids else None),
            "askPrice": amount(asks[0].price if asks else None),
            "askQty": amount(asks[0].size if asks else None),
        }

    def depth_of(self, symbol: str, limit: int) -> dict[str, Any]:
        """Return so many levels of each side of a symbol's book."""
        book = self._book(symbol)
        return {
            "lastUpdateId": book.number,
            **{
                name: [[amount(level.price), amount(level.size)] for level in book.within(side, None)[:limit]]
                for name, side in (("bids", "sell"), ("asks", "buy"))
            },
        }

    def _day_of(self, symbol: str) -> dict[str, Any]:
        now = self._venue.clock.now()
        bars = self._venue.tape.bars(symbol, MINUTE, now - DAY, None)
        whole = Bar(**{name: getattr(bars[0], name) for name in Bar.__slots__})
        for bar in bars[1:]:
            whole.add(bar)
        change, best = whole.close - whole.open, self.best_of(symbol)
        return {
            "symbol": symbol,
            "priceChange": amount(change),
            "priceChangePercent": f"{change / whole.open * 100:.3f}",
            "weightedAvgPrice": amount(whole.money / whole.volume if whole.volume else Decimal(0)),
            "prevClosePrice": amount(whole.open),
            "lastPrice": amount(whole.close),
            "lastQty": amount(None),
            **{name: value for name, value in best.items() if name != "symbol"},
            "openPrice": amount(whole.open),
            "highPrice": amount(whole.high),
            "lowPrice": amount(whole.low),
            "volume": amount(whole.volume),
            "quoteVolume": amount(whole.money),
            "openTime": (now - DAY) // 1_000_000,
            "closeTime": now // 1_000_000,
            "firstId": 1,
            "lastId": whole.trades,
            "count": whole.trades,
        }

    def _each(self, params: Params, told: Callable[[str], dict[str, Any]]) -> Any:
        instruments = self._venue.exchange.state.instruments
        symbols = params.symbols(instruments)
        if "symbol" in params and symbols:
            return told(symbols[0])
        return [told(symbol) for symbol in symbols or instruments]

    def _book(self, symbol: str) -> Any:
        return self._venue.exchange.state.books[symbol]


def print_json(made: Print) -> dict[str, Any]:
    """Return a trade at the venue."""
    return {
        "id": made.id,
        "price": amount(made.price),
        "qty": amount(made.quantity),
        "quoteQty": amount(made.price * made.quantity),
        "time": made.at // 1_000_000,
        "isBuyerMaker": made.sold,
        "isBestMatch": True,
    }


def sum_json(made: Print) -> dict[str, Any]:
    """Return a trade at the venue as a sum of trades."""
    figures = {"a": made.id, "p": amount(made.price), "q": amount(made.quantity), "f": made.id, "l": made.id}
    return figures | {"T": made.at // 1_000_000, "m": made.sold, "M": True}


def bar_json(bar: Bar, length: int) -> list[Any]:
    """Return a bar as a row."""
    start, end = bar.start // 1_000_000, (bar.start + length) // 1_000_000 - 1
    prices = [amount(price) for price in (bar.open, bar.high, bar.low, bar.close)]
    half = [amount(bar.volume / 2), amount(bar.money / 2), "0"]
    return [start, *prices, amount(bar.volume), end, amount(bar.money), bar.trades, *half]
