"""The course of an account over a history: thinned to what can be drawn, with the extremes kept."""

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal
from math import nan
from operator import itemgetter
from typing import Final

from intuition_core.account.actions import ACTIONS, Split, read_action
from intuition_core.account.amounts import added, exact
from intuition_core.account.market import NoRate, OtherCurrency
from intuition_core.account.positions import Position
from intuition_core.account.readable import Readable
from intuition_core.contracts import Data
from intuition_core.data import DEFAULT_CHANNEL
from intuition_core.errors import BadData
from intuition_core.history import Day, Slice

MAX_SLICES: Final = 2048
"""The most slices that are kept; when there would be more, pairs of them become one."""

MAX_PRICED: Final = 100
"""The most symbols whose quotes are kept with the slices."""

_AT_FIRST: Final = 1024
"""Into how many slices the time that is expected is put."""

_SECOND: Final = 1_000_000_000
_DAY: Final = 86_400 * _SECOND
_NEVER: Final = -(2**63)

_ONE: Final = Decimal(1)

_FEW: Final = 16
"""Positions, at least one, up to which the account is read anew whenever one has changed. Of more, only what has
changed is read; what that adds up to drifts, and is read anew at the end of each slice."""

_ts = itemgetter("ts")
_quote = itemgetter("quote")


class EquityCurve:
    """Follows the equity after every event, and keeps it by slices of time and by days (UTC).

    A slice or a day ends where an event of the next one comes: `stretch` says how far the present ones reach, and
    `turn` ends them. Between two calls of `settle` the positions are the same, so that most events need no look at all.

    The benchmark is an account that holds what it is given to until the end: each symbol is bought at its first quote
    above 0 at which its currency has a rate, and is worth what its quotes, its splits, its dividends and the rates
    make of it, in the account's currency.

    Args:
        ledger: the account, which is only read.
        benchmark: the symbol to compare with; None for equal amounts of all symbols.
    """

    def __init__(self, ledger: Readable, *, benchmark: str | None = None) -> None:
        self.slices: list[Slice] = []
        self.days: list[Day] = []
        self.priced: list[str] = []
        self._ledger = ledger
        self._quoted = ledger.marks
        self._no_instruments = not ledger.market.has_instruments
        self._quantity, self._units = _ONE, 1.0
        self._benchmark = benchmark
        self._width = _SECOND
        self._slice_end = self._day_end = self._end = _NEVER
        self._day = _NEVER
        self._quoted_today = False
        self._last_ts = 0
        self._held: dict[str, float] = {}
        self._equity = self._low = self._high = float(ledger.cash)
        self._cash = self._equity
        self._marks: dict[str, float] = {}  # of what is held: up to where it was looked at
        self._first: dict[str, float] = {}  # of the benchmark: what a unit was worth when it was bought
        self._grown_to: dict[str, float] = {}  # how many units splits have made of it
        self._paid: dict[str, float] = {}  # what dividends have paid on it

    def expect(self, span: float) -> None:
        """Choose the width of the next slices by how much time, in nanoseconds, there may be in all."""
        self._width = max(self._width, round(span / _AT_FIRST))

    def stretch(self, events: Sequence[Data], start: int) -> int:
        """Return the place of the first event, from a place on, that the present slice or day does not hold."""
        if events[-1]["ts"] < self._end:
            return len(events)
        return bisect_left(events, self._end, start, key=_ts)

    def turn(self, ts: int, start: int | None = None) -> None:
        """Close the day, and the point of the curve, that ended before an event.

        Args:
            ts: when it is known, nanoseconds UTC.
            start: when it began, if it is a bar that says so: it belongs to that day.
        """
        day = (ts if start is None else min(start, ts)) // _DAY
        if self._end > _NEVER:
            if ts >= self._slice_end:
                self._end_slice()
            if day > self._day:
                self._end_day()
        self._day = max(self._day, day)
        self._slice_end = ts - ts % self._width + self._width
        self._day_end = max((self._day + 1) * _DAY, ts + 1)
        self._end = min(self._slice_end, self._day_end)

    def finish(self) -> None:
        """End the last slice and the last day; now it is known how many symbols share the benchmark's cash."""
        if self._end == _NEVER:
            return
        self._end_slice()
        self._end_day()
        self._end = _NEVER
        share = 1.0 if self._benchmark is not None else 1.0 / max(1, len(self._first))
        self.days = [day._replace(benchmark=1.0 + share * day.benchmark) for day in self.days]
        self.slices = [one._replace(benchmark=1.0 + share * (one.benchmark or 0.0)) for one in self.slices]

    def look(self, events: Sequence[Data], start: int, end: int, *, only_quotes: bool = False) -> None:
        """Follow events that were taken and that changed no position.

        Args:
            events: where they are.
            start: the place of the first.
            end: the place after the last.
            only_quotes: whether all of them are known to be quotes.
        """
        if start == end:
            return
        self._last_ts = events[end - 1]["ts"]
        held = self._held
        if only_quotes:
            self._quoted_today = True
        if not only_quotes or len(self._first) < len(self._quoted):
            for data in events[start:end]:
                self._follow(data)
        if not held:
            return
        if len(held) == 1:
            [(sid, units)] = held.items()
            if only_quotes and len(self._quoted) == 1 and sid in self._quoted:
                quotes = list(map(_quote, events[start:end]))
            else:
                quotes = [
                    data["quote"]
                    for data in events[start:end]
                    if data["channel"] == DEFAULT_CHANNEL and data["sid"] == sid
                ]
            if quotes:
                cash = self._cash
                self._equity = cash + units * quotes[-1]
                low, high = cash + units * min(quotes), cash + units * max(quotes)
                if units < 0:
                    low, high = high, low
                if low < self._low:
                    self._low = low
                if high > self._high:
                    self._high = high
            return
        marks, equity, low, high = self._marks, self._equity, self._low, self._high
        for data in events[start:end]:
            if data["channel"] != DEFAULT_CHANNEL:
                continue
            sid = data["sid"]
            if sid in held:
                quote = data["quote"]
                equity += held[sid] * (quote - marks[sid])
                marks[sid] = quote
                if equity < low:
                    low = equity
                elif equity > high:
                    high = equity
        self._equity, self._low, self._high = equity, low, high

    def settle(self, data: Data) -> None:
        """Follow an event that changed a position, and read what the account holds then."""
        self._last_ts = data["ts"]
        self._follow(data)
        if len(self._held) > _FEW and data["channel"] == DEFAULT_CHANNEL:
            self._read_moved(data["sid"])
        else:
            self._read()
        equity = self._equity
        if equity < self._low:
            self._low = equity
        elif equity > self._high:
            self._high = equity

    def _read(self) -> None:
        """Read the account anew."""
        ledger, held = self._ledger, self._held
        held.clear()
        ledger.market.moved.clear()
        self._cash = equity = float(ledger.cash)
        for sid, position in ledger.positions.items():
            equity += self._hold(sid, position)
        self._equity = equity

    def _read_moved(self, quoted: str) -> None:
        """Read those positions that have changed, and the one whose symbol was quoted."""
        ledger, held, marks = self._ledger, self._held, self._marks
        moved = ledger.market.moved
        moved.add(quoted)
        cash = float(ledger.cash)
        equity = self._equity - self._cash + cash
        for sid in sorted(moved):  # in one order everywhere, as floats are added
            before = held.pop(sid, None)
            if before is not None:
                equity -= before * marks[sid]
            position = ledger.position(sid)
            if position is not None:
                equity += self._hold(sid, position)
        moved.clear()
        self._cash, self._equity = cash, equity

    def _hold(self, sid: str, position: Position) -> float:
        """Note what is held of a symbol, and give what it is worth."""
        if position.quantity is not self._quantity:  # with one symbol it is often the same, and a float is dear
            self._quantity, self._units = position.quantity, float(position.quantity)
        units = self._units
        if not units:  # one algorithm owes what another holds
            return 0.0
        if sid not in self._quoted or (rate := 1.0 if self._no_instruments else self._rate(sid)) is None:
            mark = float(position.cost) / units
        else:
            mark, units = self._quoted[sid], units * rate
        self._held[sid], self._marks[sid] = units, mark
        return units * mark

    def _end_slice(self) -> None:
        if len(self._held) > _FEW:
            self._equity = self._cash + added([units * self._marks[sid] for sid, units in self._held.items()])
        marks = self._ledger.marks
        if len(self.priced) < len(marks) and len(self.priced) < MAX_PRICED:
            known = set(self.priced)
            self.priced += [sid for sid in marks if sid not in known][: MAX_PRICED - len(known)]
        invested = added([abs(units) * marks.get(sid, 0.0) for sid, units in self._held.items()])
        row = tuple(map(marks.get, self.priced))
        grown = self._grown()
        self.slices.append(Slice(self._last_ts, self._low, self._high, self._equity, invested, row, grown))
        self._low = self._high = self._equity
        if len(self.slices) >= MAX_SLICES:
            self._widen()

    def _widen(self) -> None:
        """Double the width of slices until their number is halved; events need not come regularly."""
        while len(self.slices) > MAX_SLICES // 2:
            self._width *= 2
            merged: list[Slice] = []
            number = None
            for one in self.slices:
                if one.ts // self._width == number:
                    before = merged.pop()
                    merged.append(one._replace(low=min(before.low, one.low), high=max(before.high, one.high)))
                else:
                    merged.append(one)
                    number = one.ts // self._width
            self.slices = merged

    def _end_day(self) -> None:
        last = min(self._last_ts, (self._day + 1) * _DAY - 1)
        self.days.append(Day(last, self._equity, self._grown(), self._quoted_today))
        self._quoted_today = False

    def _rate(self, sid: str) -> float | None:
        """Return the factor of a symbol's quotes; None while no rate of its currency is known."""
        try:
            return float(self._ledger.market.unit(sid, _ONE))
        except NoRate:
            return None

    def _follow(self, data: Data) -> None:
        """Book the benchmark's purchase at a symbol's first quote, and what its splits and dividends bring."""
        channel = data["channel"]
        if channel == DEFAULT_CHANNEL:
            self._quoted_today = True
            sid = data["sid"]
            if sid not in self._first and (worth := self._worth(sid, data["quote"])) > 0:
                self._first[sid] = worth
        elif channel == ACTIONS and self._first:
            try:
                action = read_action(data)
            except BadData:  # the account does not book it either
                return
            begun = self._first.get(action.sid)
            if begun is None:
                return
            units = self._grown_to.get(action.sid, 1.0)
            if isinstance(action, Split):
                self._grown_to[action.sid] = units * action.new / action.old
            else:
                try:
                    self._ledger.market.check(action)
                except OtherCurrency:  # nor does it book this
                    return
                cash = units * float(self._ledger.market.convert(action.sid, action.amount)) / begun
                self._paid[action.sid] = self._paid.get(action.sid, 0.0) + cash

    def _worth(self, sid: str, price: float) -> float:
        """Return what a unit is worth at a price, in the account's currency; nan while no rate is known."""
        if self._no_instruments:
            return price
        try:
            return float(self._ledger.market.unit(sid, exact(price)))
        except NoRate:
            return nan

    def _grown(self) -> float:
        """Return the sum of the growth factors of the benchmark's symbols.

        A symbol that a part wrote into an event of another has no mark, and has not grown.
        """
        marks, first, units, paid = self._quoted, self._first, self._grown_to, self._paid
        if self._benchmark is not None:
            first = {sid: begun for sid, begun in first.items() if sid == self._benchmark}
        if (
            self._no_instruments and not units and not paid
        ):  # most of the time, and for all symbols at each end of a slice
            return added([marks.get(sid, begun) / begun - 1.0 for sid, begun in first.items()])
        return added(
            [
                units.get(sid, 1.0) * self._worth(sid, marks[sid]) / begun + paid.get(sid, 0.0) - 1.0
                for sid, begun in first.items()
                if sid in marks
            ]
        )
