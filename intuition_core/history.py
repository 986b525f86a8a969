"""The result of a run over recorded events: the course of the account, its trades, and a benchmark."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec


class Slice(NamedTuple):
    """The account over a stretch of time, in its currency, with the extremes kept: a point of the equity curve."""

    ts: int
    """The time of its last event, nanoseconds UTC."""
    low: float
    """The lowest equity after any of its events."""
    high: float
    """The highest."""
    close: float
    """The equity after its last event."""
    invested: float
    """The sum of the absolute values of all positions after its last event."""
    marks: tuple[float | None, ...]
    """The latest quotes after its last event, in the order of `History.priced`; None for a symbol not quoted yet.

    May be shorter: the symbols at its end came later.
    """
    benchmark: float | None = None
    """The equity of a benchmark account that began with 1, see `History.benchmark`; None where only days have it."""


class Day(NamedTuple):
    """The account at the end of a day (UTC) that had events; returns are computed from these."""

    ts: int
    """The time of the day's last event, nanoseconds UTC; a bar belongs to the day on which it began."""
    equity: float
    benchmark: float
    """The equity of a benchmark account that began with 1, see `History.benchmark`."""
    quoted: bool = True
    """Whether there was a quote: a day of rates, splits and dividends alone is no session."""


class Trade(NamedTuple):
    """One fill; amounts in the account's currency."""

    ts: int
    sid: str
    side: str
    """``buy`` or ``sell``."""
    quantity: Decimal
    price: Decimal
    """The price of one unit, slippage included, in the currency of the quotes."""
    cash: Decimal
    """The cost of a buy, or the proceeds of a sell, commission included."""
    commission: Decimal
    profit: Decimal | None
    """The realised profit of a closing trade: the proceeds of a sell less the cost of the units, or the proceeds of a
    short sale less the cost of buying back. None for an opening trade."""


class Section(NamedTuple):
    """An addition of a hook plugin to a report: a title, and lines that have a name and a text."""

    title: str
    lines: Sequence[tuple[str, str]]


class History(msgspec.Struct, frozen=True, kw_only=True):
    """A run over recorded events, finished or interrupted.

    Times are nanoseconds UTC, amounts in the account's currency.
    """

    title: str
    """The composition in a few words, such as ``sma-cross with fixed``."""
    composition: Mapping[str, Any]
    """The recipe in plain types, see `Composition.to_json`."""
    source: str
    """The origin of the events, in a few words."""
    events: int
    first_ts: int | None
    last_ts: int | None
    deposits: Decimal
    """The cash that was deposited."""
    equity: Decimal
    """The equity at the end, exact."""
    slices: Sequence[Slice]
    days: Sequence[Day]
    priced: Sequence[str]
    """The symbols whose quotes the slices hold; not all of them where there are very many."""
    benchmark: str
    """The benchmark of `Day.benchmark`: one symbol held all along, or equal amounts of all symbols, each invested at
    its first quote and cash until then. It is counted in the account's currency; splits multiply what it holds, and
    dividends are kept as cash."""
    trades: Sequence[Trade]
    counts: Mapping[str, int]
    """The number of records of each type. Rejections that ended a placed order, which was replaced or whose time was
    over, are counted as ``ended``."""
    statement: Mapping[str, Any]
    """The account at the end, see `Statement.to_json`."""
    complete: bool
    """Whether all events were taken; False where a person ended the run."""
    refusals: Mapping[str, int] = {}
    """The reasons for which orders were refused, with counts, the most frequent first; numbers are left out of them."""
    unbooked: Mapping[str, int] = {}
    """The reasons for which splits, dividends and rates were not booked, with counts; `counts` leaves them out."""
    shut_out: Mapping[str, int] = {}
    """The reasons for which orders never had a price while their exchange was open, with counts."""
    notices: Mapping[str, int] = {}
    """Counts of events and prices that the rules of time left out, see `TradingEngine.told`."""
    unquoted: Mapping[str, int] = {}
    """The number of splits and dividends of each symbol that was never quoted."""
    sections: Sequence[Section] = ()
    """Additions of hook plugins to a report."""
