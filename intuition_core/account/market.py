"""What all ledgers of an account share about the market: the latest quotes, rates, and what a unit is worth."""

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Context, Decimal
from math import isfinite
from typing import Any, Final, Protocol

import msgspec

from intuition_core.account.actions import Dividend, Split
from intuition_core.account.amounts import EXACT, ROUNDING, exact
from intuition_core.account.hours import Hours
from intuition_core.account.instruments import Instrument, check_currency
from intuition_core.contracts import Data
from intuition_core.data import RATES
from intuition_core.errors import BadData, IntuitionError

DEFAULT_STEP: Final = Decimal("1e-8")
DAY: Final = 86_400 * 10**9
"""A day in nanoseconds."""

BEGINNING: Final = -(2**63)
"""Before every time: the session's, as long as nothing has happened."""

_KEPT_MARKS: Final = 4096
"""Marks of which valuations are told one by one; after more, they value everything anew."""

_INVERSE: Final = Context(prec=15, rounding=ROUND_HALF_EVEN)
_ONE: Final = Decimal(1)


class Valued(Protocol):
    """What follows the worth of positions.

    Attributes:
        marked: symbols whose mark has changed since their positions were valued.
        stale: whether all positions have to be valued anew.
    """

    marked: set[str]
    stale: bool


class Unbookable(IntuitionError):
    """Something that an account cannot book: a reason to refuse an order, not a failure."""


class NoRate(Unbookable):
    """A currency in which nothing can be counted, as no rate of it is known yet."""

    def __init__(self, sid: str, currency: str, account: str) -> None:
        self.sid = sid
        self.currency = currency
        self.account = account
        super().__init__(
            f"{sid} is quoted in {currency} and no rate of {currency} and {account} is known yet; "
            f"publish one on the channel `{RATES}` as {currency}/{account} or {account}/{currency}"
        )


class OtherCurrency(Unbookable):
    """A dividend in another currency than the symbol's, or in one where nothing says what the symbol's is."""

    def __init__(self, sid: str, currency: object, quoted: str | None) -> None:
        self.sid = sid
        self.currency = currency
        self.quoted = quoted
        if quoted is None:
            known = f'nothing says what {sid} is quoted in; say what the account is kept in, such as currency = "EUR"'
        else:
            known = f"{sid} is quoted in {quoted}; give the amount in {quoted}, or {sid} its currency"
        super().__init__(f"its amount is in {currency!s:.20}, and {known}")


class NoCurrency(IntuitionError):
    """Instruments in currencies, on an account that does not say what its own is."""

    def __init__(self, symbol: str, currency: str) -> None:
        self.symbol = symbol
        self.currency = currency
        super().__init__(f'{symbol} is quoted in {currency}; say what the account is kept in, such as currency = "EUR"')


class NoCalendar(IntuitionError):
    """An instrument whose trading calendar is not there."""

    def __init__(self, symbol: str, calendar: str) -> None:
        self.symbol = symbol
        self.calendar = calendar
        super().__init__(f"{symbol} trades by the calendar {calendar}, whose hours are not there")


class Rate(msgspec.Struct, frozen=True):
    """The price of one unit of a currency, ``base``, in another, ``quoted``."""

    base: str
    quoted: str
    price: Decimal


def read_rate(data: Mapping[str, Any]) -> Rate:
    """Return the rate of an event of the channel `rates`.

    Raises:
        BadData: the symbol is no pair of currencies, or the quote no number above zero.
    """
    base, other = _pair(data.get("sid"))
    quote = data.get("quote")
    if isinstance(quote, bool) or not isinstance(quote, int | float | Decimal) or not isfinite(quote) or quote <= 0:
        raise BadData(f"expected a rate above zero, got {quote!r:.60}", field="quote")
    return Rate(base, other, exact(quote))


class Market:
    """The latest quotes of all symbols, and how units, prices, currencies and days are counted.

    A symbol without an instrument is quoted in the account's currency, a unit of it is worth its price, it is ordered
    in the account's steps, and its days end at midnight UTC.

    Attributes:
        marks: the latest quote by symbol, in the currency that the symbol is quoted in. It stays the same object:
            views look at it.
        quoted_at: the ``ts`` of each symbol's latest quote, nanoseconds UTC; always the same object. Under rules 1 it
            is only kept where there are risk parts.
        acted_at: the ``ts`` of each symbol's latest split or dividend, nanoseconds UTC; always the same object.
        moved: the symbols of which a position has changed since a backtest's equity was read; it clears them.
        requoted: symbols whose mark has changed, latest last, until valuations are told. Who changes a mark adds its
            symbol; always the same object.
        valuations: who follows marks.
        now: the session's time: the largest ``ts`` of all events but those of people, nanoseconds UTC.
        splits: how many units there are now for one at a symbol's first quote, for symbols that were split since.
        has_instruments: whether there are any. Without them `unit`, `step`, `tick` and `value` need not be asked.
        currency: the account's; None where nothing is in another.

    Args:
        step: the smallest number of units, where no instrument has another.
        currency: the account's.
        instruments: what is known of symbols.
        hours: the trading hours of the calendars that instruments name.

    Raises:
        NoCurrency: an instrument has a currency, and the account none.
        NoCalendar: an instrument names a calendar without hours.
    """

    __slots__ = (
        "_foreign",
        "_hours",
        "_instruments",
        "_pairs",
        "_rates",
        "_step",
        "acted_at",
        "currency",
        "has_instruments",
        "marks",
        "moved",
        "now",
        "quoted_at",
        "requoted",
        "splits",
        "valuations",
    )

    def __init__(
        self,
        *,
        step: Decimal = DEFAULT_STEP,
        currency: str | None = None,
        instruments: Iterable[Instrument] = (),
        hours: Iterable[Hours] = (),
    ) -> None:
        self.marks: dict[str, float] = {}
        self.quoted_at: dict[str, int] = {}
        self.acted_at: dict[str, int] = {}
        self.now = BEGINNING
        self.moved: set[str] = set()
        self.requoted: deque[str] = deque(maxlen=_KEPT_MARKS)
        self.valuations: list[Valued] = []
        self.splits: dict[str, float] = {}
        self.currency = currency
        self._step = step
        self._instruments = {instrument.symbol: instrument for instrument in instruments}
        self.has_instruments = bool(self._instruments)
        self._foreign: set[str] = set()
        self._pairs: dict[tuple[str, str], Decimal] = {}
        self._rates: dict[str, Decimal] = {}
        known = {each.name: each for each in hours}
        self._hours: dict[str, Hours] = {}
        for sid, instrument in self._instruments.items():
            if instrument.currency is not None and currency is None:
                raise NoCurrency(sid, instrument.currency)
            if instrument.currency not in (None, currency):
                self._foreign.add(instrument.currency)
            if instrument.calendar is not None:
                if instrument.calendar not in known:
                    raise NoCalendar(sid, instrument.calendar)
                self._hours[sid] = known[instrument.calendar]

    # -- what a unit is worth

    def unit(self, sid: str, price: Decimal) -> Decimal:
        """Return the worth of one unit at a price, in the account's currency: price * multiplier * rate, exactly.

        Raises:
            NoRate: the symbol is quoted in a currency of which no rate is known yet.
        """
        instrument = self._instruments.get(sid)
        if instrument is None:
            return price
        if instrument.multiplier != 1:
            price = EXACT.multiply(price, instrument.multiplier)
        return self.convert(sid, price)

    def convert(self, sid: str, amount: Decimal) -> Decimal:
        """Return an amount in the currency of a symbol in that of the account: amount * rate, exactly.

        Raises:
            NoRate: no rate of the currency is known yet.
        """
        instrument = self._instruments.get(sid)
        if instrument is None or instrument.currency in (None, self.currency):
            return amount
        rate = self._rates.get(instrument.currency or "")
        if rate is None:
            raise NoRate(sid, str(instrument.currency), str(self.currency))
        return EXACT.multiply(amount, rate)

    def check(self, dividend: Dividend) -> None:
        """Check that a dividend is in the currency of its symbol.

        Raises:
            OtherCurrency: it says that it is in another, or in one while that of the symbol is not known.
        """
        if dividend.currency is None:
            return
        instrument = self._instruments.get(dividend.sid)
        quoted = self.currency if instrument is None or instrument.currency is None else instrument.currency
        if dividend.currency != quoted:
            raise OtherCurrency(dividend.sid, dividend.currency, quoted)

    def value(self, sid: str) -> Decimal | None:
        """Return the worth of one unit at its latest quote; None without a quote, or without a rate so far."""
        mark = self.marks.get(sid)
        if mark is None:
            return None
        try:
            return self.unit(sid, exact(mark))
        except NoRate:
            return None

    def worth(self, sid: str, quantity: Decimal) -> Decimal | None:
        """Return the worth of units at the latest quote, negative for units sold short; None as in `value`."""
        value = self.value(sid)
        return None if value is None else EXACT.multiply(quantity, value)

    # -- in what steps

    def step(self, sid: str) -> Decimal:
        """Return the smallest number of units that can be ordered: the instrument's lot, or the account's step."""
        instrument = self._instruments.get(sid)
        return self._step if instrument is None or instrument.lot is None else instrument.lot

    def grain(self, sid: str) -> Decimal:
        """Return the smallest number of units that can be held: the smaller of the account's step and the lot."""
        return min(self._step, self.step(sid))

    def tick(self, sid: str) -> Decimal | None:
        """Return the smallest step of a symbol's price; None where prices have none."""
        instrument = self._instruments.get(sid)
        return None if instrument is None else instrument.tick

    # -- when

    def day_end(self, sid: str, ts: int) -> int:
        """Return the end of a time's day for a symbol, nanoseconds UTC: the first moment after it.

        With a calendar that is right after the close of the session that is not over yet, or else of the next one;
        without, and after the last session that the calendar knows, midnight UTC.
        """
        if self._hours and (hours := self._hours.get(sid)) is not None and (end := hours.end(ts)) is not None:
            return end + 1
        return (ts // DAY + 1) * DAY

    def last_day(self, sid: str, since: int) -> int:
        """Return the last moment of the day of the first moment after ``since``, for a symbol, nanoseconds UTC.

        With a calendar that is the close of the session in which it can be traded first, otherwise midnight UTC: a bar
        that ends at midnight is the last one of its day.
        """
        if self._hours and (hours := self._hours.get(sid)) is not None and (end := hours.end(since)) is not None:
            return end
        return ((since + 1) // DAY + 1) * DAY

    def is_open(self, sid: str, ts: int) -> bool:
        """Return whether a symbol is traded at a time, nanoseconds UTC; without a calendar it always is."""
        hours = self._hours.get(sid)
        return hours is None or hours.is_open(ts)

    def calendar_of(self, sid: str) -> str | None:
        """Return the name of a symbol's calendar; None where it has none."""
        hours = self._hours.get(sid)
        return None if hours is None else hours.name

    def traded_until(self, sid: str, data: Data) -> int | None:
        """Return the last moment of an event at which its symbol is traded, nanoseconds UTC; None where it never is.

        Without a calendar that is the event's ``ts``. A bar that reaches beyond a session has that session's prices.
        """
        ts: int = data["ts"]
        hours = self._hours.get(sid)
        if hours is None or hours.is_open(ts):
            return ts
        start = data.get("start")
        return None if start is None else hours.overlap(start, ts)

    # -- what events change

    def rate(self, rate: Rate) -> None:
        """Book a rate: with ``EUR/USD`` and 1.08, one EUR is 1.08 USD from now on, and one USD is 1 / 1.08 EUR.

        The inverse is rounded once, here, half to even to 15 significant digits. What is in a currency without a rate
        of its own to the account's is counted through one that has rates to both, the first by name, as the product of
        the two. A pair that no instrument needs is forgotten.
        """
        base, other = rate.base, rate.quoted
        if base != self.currency and other != self.currency and not {base, other} & self._foreign:
            return
        self._pairs[base, other] = rate.price
        self._pairs[other, base] = _INVERSE.divide(_ONE, rate.price)
        self._find_rates()

    def split(self, split: Split, *, marked: bool = True) -> None:
        """Bring the latest quote of a symbol to what it is after a split, unless it is from after it already."""
        mark = self.marks.get(split.sid)
        if mark is None:
            return
        self.splits[split.sid] = self.splits.get(split.sid, 1.0) * split.new / split.old
        if marked:
            self.requoted.append(split.sid)
            self.marks[split.sid] = float(
                ROUNDING.divide(ROUNDING.multiply(exact(mark), Decimal(split.old)), Decimal(split.new))
            )

    def dividend(self, dividend: Dividend) -> None:
        """Lower the latest quote of a symbol by a dividend, but not below 0: its next quote is without it, too.

        A unit is worth its multiplier times the quote, and the dividend is that of a unit.
        """
        mark = self.marks.get(dividend.sid)
        if mark is None or mark <= 0:
            return
        amount = dividend.amount
        instrument = self._instruments.get(dividend.sid)
        if instrument is not None and instrument.multiplier != 1:
            amount = ROUNDING.divide(amount, instrument.multiplier)
        self.requoted.append(dividend.sid)
        self.marks[dividend.sid] = float(max(ROUNDING.subtract(exact(mark), amount), Decimal(0)))

    def tell_valuations(self) -> None:
        """Tell all valuations which symbols were marked since the last time."""
        requoted = self.requoted
        for valuation in self.valuations:
            if len(requoted) == _KEPT_MARKS:  # there may have been more
                valuation.stale = True
            else:
                valuation.marked.update(requoted)
        requoted.clear()

    def forget_valuations(self) -> None:
        """Discard the values of all positions, after a change that is not one of single marks."""
        for valuation in self.valuations:
            valuation.stale = True

    def snapshot(self) -> dict[str, Decimal]:
        """Return the rates by pair, as a state; the marks are kept with the ledgers."""
        return {f"{base}/{other}": rate for (base, other), rate in self._pairs.items()}

    def restore(self, rates: Mapping[str, Decimal]) -> None:
        """Restore rates."""
        self._pairs.update((_pair(sid), rate) for sid, rate in rates.items())
        self._find_rates()

    def _find_rates(self) -> None:
        account = str(self.currency)
        for currency in self._foreign:
            rate = self._pairs.get((currency, account))
            if rate is None:
                rate = self._crossed(currency, account)
            if rate is not None:
                self._rates[currency] = rate
        self.forget_valuations()

    def _crossed(self, currency: str, account: str) -> Decimal | None:
        commons = sorted(other for base, other in self._pairs if base == currency and (other, account) in self._pairs)
        if not commons:
            return None
        return EXACT.multiply(self._pairs[currency, commons[0]], self._pairs[commons[0], account])


def _pair(sid: object) -> tuple[str, str]:
    base, slash, other = sid.partition("/") if isinstance(sid, str) else ("", "", "")
    try:
        pair = check_currency(base), check_currency(other)
    except BadData:
        pair = None
    if pair is None or not slash or pair[0] == pair[1]:
        raise BadData(f"expected two currencies such as EUR/USD, got {sid!r:.60}", field="sid")
    return pair
