"""The market's course: seeded prices, the trades and quotes of late, and bars from before the venue was there."""

import random
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from intuition_venue.exchange import Event
from intuition_venue.instruments import Instrument
from intuition_venue.state import State

MINUTE: Final = 60_000_000_000
DAY: Final = 1440 * MINUTE
_BEFORE: Final = 10 * 1440
"""Minutes of bars from before the venue was first started."""

_KEPT: Final = 5000
"""Trades and quotes of each symbol that are kept."""

_STEP: Final = 0.0004
"""The standard deviation of one step of the prices, as a fraction."""


@dataclass(slots=True)
class Bar:
    """Prices of an interval that began at `start`, in nanoseconds UTC; prices are in the quote currency."""

    start: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    money: Decimal
    trades: int

    def add(self, other: "Bar") -> None:
        """Add a later part of the same interval."""
        self.high, self.low = max(self.high, other.high), min(self.low, other.low)
        self.close = other.close
        self.volume += other.volume
        self.money += other.money
        self.trades += other.trades


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """A trade at the venue, of whomever."""

    symbol: str
    id: int
    at: int
    price: Decimal
    quantity: Decimal
    sold: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The best bid and ask of the market, and how much of each."""

    symbol: str
    at: int
    bid: Decimal
    ask: Decimal
    size: Decimal


def next_price(seed: int, instrument: Instrument, last: Decimal, number: int) -> tuple[Decimal, Decimal]:
    """Return the price that follows the price of a number, and its size; both are drawn from the seed alone."""
    draw = random.Random(f"{seed}/{instrument.symbol}/{number}")  # noqa: S311  # repeatable, not secret
    moved = instrument.to_tick(last * Decimal(str(round(1 + draw.gauss(0, _STEP), 6))))
    share = Decimal(str(round(draw.uniform(0.2, 1.0), 2)))
    return moved, max(instrument.floor(instrument.depth * share), instrument.step)


class Tape:
    """The prints, quotes and bars of each symbol, by listening to the exchange."""

    def __init__(self, state: State, seed: int) -> None:
        self._state = state
        self._seed = seed
        self.prints: dict[str, deque[Print]] = {symbol: deque(maxlen=_KEPT) for symbol in state.instruments}
        self._counts = dict.fromkeys(state.instruments, 0)
        self._minutes: dict[str, dict[int, Bar]] = {symbol: {} for symbol in state.instruments}
        self._before: dict[str, list[Bar]] = {}
        self.quotes: dict[str, deque[Quote]] = {symbol: deque(maxlen=_KEPT) for symbol in state.instruments}

    def hear(self, event: Event) -> Print | None:
        """Process an event of the exchange; return the print that it makes."""
        entry = event.entry
        if entry["type"] == "price":
            symbol, offered = entry["symbol"], Decimal(entry["size"])
            instrument, best = self._state.instruments[symbol], {name: Decimal(entry[name]) for name in ("bid", "ask")}
            self.quotes[symbol].append(Quote(symbol=symbol, at=entry["time"], size=offered, **best))
            size = max(instrument.floor(offered / 10), instrument.step)
            return self._print(entry["symbol"], entry["time"], Decimal(entry["last"]), size, sold=False)
        if event.trade is not None and entry["type"] == "filled":
            trade = event.trade
            return self._print(
                trade.symbol, trade.at, trade.price, trade.quantity, sold=(trade.side == "sell") != trade.maker
            )
        return None

    def bars(self, symbol: str, length: int, start: int | None, end: int | None) -> list[Bar]:
        """Return the bars of a length in nanoseconds that began within [`start`, `end`], the oldest first."""
        older, bars = self._older(symbol), list[Bar]()
        first = 0 if start is None else bisect_left(older, start, key=lambda bar: bar.start)
        for minute in (*older[first:], *self._minutes[symbol].values()):
            begun = minute.start - minute.start % length
            if (start is not None and begun < start) or (end is not None and begun > end):
                continue
            part = Bar(begun, *(getattr(minute, name) for name in _PARTS))
            if bars and bars[-1].start == begun:
                bars[-1].add(part)
            else:
                bars.append(part)
        return bars

    def _print(self, symbol: str, at: int, price: Decimal, quantity: Decimal, *, sold: bool) -> Print:
        self._counts[symbol] += 1
        made = Print(symbol=symbol, id=self._counts[symbol], at=at, price=price, quantity=quantity, sold=sold)
        self.prints[symbol].append(made)
        minute = at - at % MINUTE
        part = Bar(minute, price, price, price, price, quantity, price * quantity, 1)
        if (bar := self._minutes[symbol].get(minute)) is not None:
            bar.add(part)
        else:
            self._minutes[symbol][minute] = part
        return made

    def _older(self, symbol: str) -> list[Bar]:
        """Return bars of minutes from before the venue was there, which lead to its first price."""
        if symbol not in self._before:
            instrument, first = self._state.instruments[symbol], self._state.opened
            draw = random.Random(f"{self._seed}/{symbol}/before")  # noqa: S311  # repeatable, not secret
            tick, step, deep = instrument.tick, instrument.step, int(instrument.depth / instrument.step)
            close, bars = int(instrument.start / tick), list[Bar]()
            for number in range(1, _BEFORE + 1):
                begun = first - first % MINUTE - number * MINUTE
                opened = max(round(close * (1 + draw.gauss(0, 2 * _STEP))), 1)
                apart = round(close * abs(draw.gauss(0, _STEP)))
                volume, price = int(deep * draw.uniform(0.1, 3.0)) * step, close * tick
                high, low = (max(opened, close) + apart) * tick, max(min(opened, close) - apart, 1) * tick
                bars.append(Bar(begun, opened * tick, high, low, price, volume, volume * price, 10))
                close = opened
            self._before[symbol] = bars[::-1]
        return self._before[symbol]


_PARTS: Final = ("open", "high", "low", "close", "volume", "money", "trades")
