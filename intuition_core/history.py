"""What a run over history came to: the account's course, its trades, and what to hold them against."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec


class Slice(NamedTuple):
    """The account over a stretch of time, in its currency: what a curve is drawn from, extremes kept."""

    ts: int
    """Of the last event in it, nanoseconds UTC."""
    low: float
    """The lowest equity after any of its events."""
    high: float
    """The highest."""
    close: float
    """The equity after its last event."""
    invested: float
    """What the positions were worth then, in absolute terms."""
    marks: tuple[float | None, ...]
    """The latest quotes then, in the order of `History.priced`; None for what was not quoted yet.

    May be shorter: the symbols at its end came later.
    """
    benchmark: float | None = None
    """What a benchmark account of 1 had come to then, see `History.benchmark`; None where only days know."""


class Day(NamedTuple):
    """The account at the end of a day (UTC) that had events; what returns are computed from."""

    ts: int
    """Of the day's last event, nanoseconds UTC; a bar is counted to the day on which it began, and no later."""
    equity: float
    benchmark: float
    """What a benchmark account of 1 had come to: see `History.benchmark`."""
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
    """At which it filled, slippage included."""
    cash: Decimal
    """What a buy cost and a sell brought, commission included."""
    commission: Decimal
    profit: Decimal | None
    """Of what closes a position: what a sell brought over what the units had cost, or what a short sale had brought
    over what buying back cost. None for what opens one."""


class Section(NamedTuple):
    """Something that a hook plugin adds to a report: a title, and lines that have a name and a text."""

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
    """Where the events came from, in a few words."""
    events: int
    first_ts: int | None
    last_ts: int | None
    deposits: Decimal
    """What was put in."""
    equity: Decimal
    """What it had come to, exact."""
    slices: Sequence[Slice]
    days: Sequence[Day]
    priced: Sequence[str]
    """The symbols whose quotes the slices hold; not all of them where there are very many."""
    benchmark: str
    """What `Day.benchmark` follows: one symbol held all along, or equal amounts of all symbols, each put in at its
    first quote and cash until then. It is counted in the account's currency; splits multiply what it holds, and
    dividends are kept as cash."""
    trades: Sequence[Trade]
    counts: Mapping[str, int]
    """How many records of each type there were. Of rejections, those that ended an order which had been placed, as
    it was replaced or its time was over, are counted as ``ended``."""
    statement: Mapping[str, Any]
    """The account at the end, see `Statement.to_json`."""
    complete: bool
    """Whether all events were taken, rather than a person having ended it."""
    refusals: Mapping[str, int] = {}
    """Why orders were refused and how often, the most frequent first; numbers are left out of the reasons."""
    unbooked: Mapping[str, int] = {}
    """Why splits, dividends and rates were not booked, and how often; they are not among ``rejection`` in `counts`."""
    shut_out: Mapping[str, int] = {}
    """Why orders never had a price, as their exchange was closed whenever there was one, and how many."""
    notices: Mapping[str, int] = {}
    """How often the rules of time have left something out, see `TradingEngine.told`."""
    unquoted: Mapping[str, int] = {}
    """How many splits and dividends there were of each symbol that was never quoted."""
    sections: Sequence[Section] = ()
    """What hook plugins add to a report."""
