"""The moment of a decision: the event that is being taken, and what it says of the prices that an order may have."""

from collections.abc import Iterator
from contextlib import contextmanager

from intuition_core.account.market import BEGINNING, Market
from intuition_core.contracts import Data
from intuition_core.data import DEFAULT_CHANNEL
from intuition_core.trading.composition import Composition
from intuition_core.trading.matching import close_of
from intuition_core.trading.order_book import OrderBook
from intuition_core.trading.orders import OpenOrder
from intuition_core.trading.timers import TIMER


class Moment:
    """The event that is being taken, by the rules of a composition.

    Attributes:
        root: the event; an indicator's message is not one.
        rules: the number of the rules by which orders fill.
        at_once: whether orders fill at the event that they are decided on, where they can.
        at_venue: whether orders are filled by a venue, which tells of it later.
        reach: how long before the session's time events have been traded at most, nanoseconds, by symbol: bars from
            their start, and what comes late; of events that found an order. Always the same object.

    Args:
        composition: says how orders fill.
        market: the session's time and the latest quotes.
    """

    __slots__ = ("_delay", "_market", "at_once", "at_venue", "reach", "root", "rules")

    def __init__(self, composition: Composition, market: Market) -> None:
        self._market = market
        self._delay = composition.fills.delay
        self.root: Data = {}
        self.rules = composition.rules
        self.at_once = composition.fill == "same"
        self.at_venue = composition.venue is not None
        self.reach: dict[str, int] = {}

    @property
    def since(self) -> int:
        """The time after which prices count for an order that is decided now, nanoseconds UTC."""
        return self._market.now + self._delay

    @property
    def bar_length(self) -> int:
        """How many nanoseconds the bar lasts that is being taken; 0 for a quote."""
        root = self.root
        return root["ts"] - root["start"] if "start" in root and root["channel"] == DEFAULT_CHANNEL else 0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Fill orders placed within at later events, also with ``fill = "same"``."""
        at_once, self.at_once = self.at_once, False
        try:
            yield
        finally:
            self.at_once = at_once

    def is_about_root(self, sid: str) -> bool:
        """Return whether the event that is being taken is the latest quote of a symbol."""
        root = self.root
        return bool(root["channel"] == DEFAULT_CHANNEL and root["sid"] == sid and root["ts"] == self._market.now)

    def price_now(self, open_order: OpenOrder) -> float | None:
        """Return the price that an order gets at the event that it is decided on; None where it waits for another."""
        order = open_order.order
        if self.rules == 1:
            return order.quote
        if self._delay:
            return None
        if self.root["channel"] == TIMER:
            quoted = self._market.quoted_at.get(order.sid) == self._market.now
            return self._market.marks[order.sid] if quoted else None
        return close_of(self.root, order.side) if self.is_about_root(order.sid) else None

    def note_reach(self, sid: str, data: Data) -> None:
        """Note how long before the session's time a symbol was traded by an event that finds orders of it open."""
        reach = self._market.now - data.get("start", data["ts"])
        if reach > self.reach.get(sid, -1):
            self.reach[sid] = reach

    def reach_of(self, sid: str) -> int | None:
        """Return how long before an event of a symbol that comes now it may have been traded, nanoseconds.

        None where nobody knows: no event of it has found an order yet.
        """
        seen = self.reach.get(sid)
        return None if seen is None else max(seen, self.bar_length)

    def may_be_filled(self, open_order: OpenOrder, book: OrderBook) -> bool:
        """Return whether an order may have been filled by now, without anybody having been told.

        That is where its symbol has bars, or comes late, as far as is known, and its latest event is older than the
        session's time: a bar of it may still come that began before. Who takes the order back now may know from another
        symbol how that bar went.

        Args:
            open_order: the order.
            book: where it is open, and so are the sales that it waits for.
        """
        if self.at_venue:
            return True
        since, now, sid = open_order.since, self._market.now, open_order.order.sid
        if since is None or since >= now:
            return False
        if open_order.waits and any(self.may_be_filled(each, book) for each in book if each.id in open_order.waits):
            return True
        known, root = self._market.quoted_at.get(sid, BEGINNING), self.root
        if root.get("sid") == sid and root["channel"] == DEFAULT_CHANNEL:
            known = max(known, root["ts"])
        return known < now and self.reach_of(sid) != 0
