"""The order book: the open orders, when they end, and the cash that is set aside for them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from intuition_core.account.amounts import EXACT, total
from intuition_core.account.ledger import Ledger
from intuition_core.account.market import BEGINNING, Market
from intuition_core.account.positions import Reservation
from intuition_core.contracts import Order
from intuition_core.trading.orders import OpenOrder, is_simple_market, on_ticks

_ZERO: Final = Decimal(0)
_NONE: Final[tuple[OpenOrder, ...]] = ()


class OrderBook:
    """The open orders of one account, and the reservations for them. Only its methods change either.

    Attributes:
        open: the open orders by symbol, in the order they were placed; always the same object.
        expiring: when events of other symbols end open orders, in nanoseconds UTC, by their ids; empty while nothing
            does, and always the same object.
        on_terms: the ids of the open orders that the next event of their symbol may leave open; always the same object.
        moments: the last two times of events at which orders were `expiring`, nanoseconds UTC.
        changed: the symbols whose open orders have changed since `Ordered` looked, which clears it.
        ledgers: where reservations are booked, by the algorithm that an order is of.
        market: the steps and the days of symbols.
    """

    __slots__ = ("_next_end", "changed", "expiring", "ledgers", "market", "moments", "on_terms", "open")

    def __init__(self, ledgers: Mapping[str, Ledger], market: Market) -> None:
        self.ledgers = ledgers
        self.market = market
        self.open: dict[str, list[OpenOrder]] = {}
        self.expiring: dict[str, int] = {}
        self.on_terms: set[str] = set()
        self.changed: set[str] = set()
        self.moments = BEGINNING, BEGINNING
        self._next_end = 0

    def __iter__(self) -> Iterator[OpenOrder]:
        """Iterate over the open orders, by symbol and in the order in which they were placed."""
        return (each for orders in list(self.open.values()) for each in list(orders))

    # -- what is open

    def open_for(self, sid: str) -> Sequence[OpenOrder]:
        """Return the open orders of a symbol, in the order in which they were placed."""
        return self.open.get(sid, _NONE)

    def current(self, open_order: OpenOrder) -> OpenOrder | None:
        """Return an order as it is in the book now; None where it is not open any more."""
        for each in self.open_for(open_order.order.sid):
            if each.id == open_order.id:
                return each
        return None

    def is_same(self, one: OpenOrder, other: OpenOrder) -> bool:
        """Return whether an order that is not placed yet asks for the same as an open one, and would end with it."""
        meant = self._with_end(msgspec.structs.replace(other, order=self._on_ticks(other.order)))
        ours = msgspec.structs.replace(one.order, quote=0.0, ts=0, reason=None)
        theirs = msgspec.structs.replace(meant.order, quote=0.0, ts=0, reason=None)
        return ours == theirs and one.expires == meant.expires

    # -- what can be closed, and what is set aside

    def sellable(self, algorithm: str, sid: str, group: str | None = None) -> Decimal:
        """Return the units that an algorithm holds and that no open order sells already, but for those of a group."""
        held = self.ledgers[algorithm].positions.get(sid)
        if held is None or held.quantity < 0:
            return _ZERO
        return self._unclosed(held.quantity, algorithm, sid, group) if sid in self.open else held.quantity

    def coverable(self, algorithm: str, sid: str, group: str | None = None) -> Decimal:
        """Return the units that an algorithm has sold short and that no open order buys back, but those of a group."""
        held = self.ledgers[algorithm].positions.get(sid)
        if held is None or held.quantity > 0:
            return _ZERO
        return self._unclosed(held.quantity.copy_abs(), algorithm, sid, group)

    def _unclosed(self, left: Decimal, algorithm: str, sid: str, group: str | None) -> Decimal:
        """Return the part of a position that is left to be closed; of a group one order at most is filled."""
        groups: dict[str, Decimal] = {}
        for open_order in self.open_for(sid):
            order = open_order.order
            if open_order.algorithm != algorithm or not order.closing or open_order.parent is not None:
                continue
            if open_order.recalled is not None:
                continue  # should it turn out to have been filled, others find less left to close
            quantity = order.quantity or _ZERO
            if order.group is None:
                left = EXACT.subtract(left, quantity)
            elif order.group != group:
                groups[order.group] = max(quantity, groups.get(order.group, _ZERO))
        for quantity in groups.values():
            left = EXACT.subtract(left, quantity)
        return max(left, _ZERO)  # a bracket's leg may have closed what others are to close as well

    def reserved(self, open_order: OpenOrder) -> Decimal:
        """Return the cash that is set aside for an order."""
        reservation = self.ledgers[open_order.algorithm].reservations.get(open_order.id)
        return _ZERO if reservation is None else reservation.cash

    def release(self, open_order: OpenOrder) -> None:
        """Make the cash that is set aside for an order available again."""
        self.ledgers[open_order.algorithm].release(open_order.id)

    # -- adding

    def add(self, open_order: OpenOrder, reserve: Decimal, *, simple: bool = False) -> OpenOrder:
        """Add an order, and return it as it is kept; what it needs of the cash is set aside until it fills.

        A ``day`` order ends with the day of the first moment at which it can be filled. An order that closes a position
        reserves nothing.

        Args:
            open_order: the order.
            reserve: the cash to set aside.
            simple: whether the caller knows it to be a simple market order of a long position.

        Raises:
            NotEnough: the cash to reserve is not there.
        """
        order = open_order.order
        opening = order.side == "buy" if simple else not order.closing
        if opening:
            self.ledgers[open_order.algorithm].reserve(open_order.id, order.sid, reserve)
        if not simple and (open_order.waits or not is_simple_market(order)):
            open_order = self._with_end(msgspec.structs.replace(open_order, order=self._on_ticks(order)))
            self._watch(open_order)
        self.changed.add(order.sid)
        there = self.open.get(order.sid)
        if there is None:
            self.open[order.sid] = [open_order]
        else:
            there.append(open_order)
        return open_order

    def restore(self, orders: Iterable[OpenOrder]) -> None:
        """Add the open orders of a snapshot; the ledgers restore what is reserved for them."""
        for open_order in orders:
            self.changed.add(open_order.order.sid)
            self.open.setdefault(open_order.order.sid, []).append(open_order)
            if (
                open_order.waits
                or open_order.after is not None
                or open_order.recalled is not None
                or not is_simple_market(open_order.order)
            ):
                self._watch(open_order)

    def begin(self, since: int) -> None:
        """Count only prices after a time for the open orders that all prices counted for, and for their days."""
        orders = list(self)
        self._clear()
        for each in orders:
            if each.since is None:
                gone = None if each.expires is None else each.expires + 1
                self.restore([msgspec.structs.replace(each, since=since, gone=gone)])
            else:
                self.restore([each])

    # -- changing

    def replace(self, open_order: OpenOrder) -> None:
        """Put an order in the place of the open one that has its id."""
        self.changed.add(open_order.order.sid)
        self.open[open_order.order.sid][self._place(open_order)] = open_order

    def recall(self, open_order: OpenOrder, *, now: int, reach: int | None, reason: str) -> None:
        """Take back an order that may have been filled by what is told later; it is over with its symbol's next event.

        Args:
            open_order: an open one; one that is taken back already stays as it is.
            now: the time at which it is taken back, nanoseconds UTC.
            reach: how long before an event that comes now its symbol may have been traded; None for any time.
            reason: why.
        """
        there = self.current(open_order)
        if there is None or there.recalled is not None:
            return
        gone = there.gone if reach is None else now + reach + 1
        if gone is not None and there.id in self.expiring:
            gone = min(gone, self.expiring[there.id])
        kept = msgspec.structs.replace(there, recalled=now, why=reason, gone=gone)
        self.replace(kept)
        self._watch(kept)

    def unblock(self, order_id: str) -> list[OpenOrder]:
        """Take a sale off the orders that wait for it; return those that wait for none now."""
        freed: list[OpenOrder] = []
        for each in self:
            if order_id in each.waits:
                waits = tuple(sale for sale in each.waits if sale != order_id)
                left = msgspec.structs.replace(each, waits=waits)
                self.replace(left)
                if not waits:
                    freed.append(left)
        return freed

    def free(
        self, freed: OpenOrder, reserve: Decimal, *, order: Order, after: int, ordered: Decimal | None = None
    ) -> OpenOrder:
        """Make an order that waited for sales fillable, as far as the cash there is pays for it; return it as kept.

        Args:
            freed: the order.
            reserve: the cash that is set aside for it.
            order: what is left of it.
            after: the moment of the last of the sales.
            ordered: the cash or the units that it was for, where that is more than what is left.

        Raises:
            NotEnough: the cash to reserve is not there.
        """
        ledger = self.ledgers[freed.algorithm]
        ledger.release(freed.id)
        if reserve:
            ledger.reserve(freed.id, order.sid, reserve)
        kept = msgspec.structs.replace(freed, order=order, after=after, ordered=ordered)
        self.replace(kept)
        return kept

    # -- taking out

    def cancel(self, open_order: OpenOrder) -> None:
        """Take out an order and its reservation; one that is not open any more changes nothing."""
        self.release(open_order)
        sid = open_order.order.sid
        self.keep(sid, [each for each in self.open_for(sid) if each.id != open_order.id])
        self._forget(open_order.id)

    def cancel_all(self, *, opening: bool = False) -> list[OpenOrder]:
        """Take out every open order and its reservation, or those alone that open a position; return them."""
        cancelled = [each for each in self if not (opening and each.order.closing)]
        for open_order in cancelled:
            if opening:
                self.cancel(open_order)
            else:
                self.release(open_order)
        if not opening:
            self._clear()
        return cancelled

    def expire(self, ts: int, *, sid: str | None = None) -> Sequence[OpenOrder]:
        """Take out the orders that end before a time, and return them; asked while there are `expiring` ones.

        Under rules 2 they end with the second moment that is after their end: within the first one the event that may
        still fill them comes before or after those of other symbols, which must make no difference.

        Args:
            ts: the time of an event, nanoseconds UTC.
            sid: the event's symbol, if it is traded: its own orders end once they were held against it.
        """
        if ts > self.moments[1]:
            self.moments = self.moments[1], ts
        if ts < self._next_end:
            return _NONE
        before = min(ts, self.moments[0])
        ended = [
            open_order
            for open_order in self
            if self.expiring.get(open_order.id, ts + 1) <= (ts if open_order.since is None else before)
            and (open_order.order.sid != sid or open_order.since is None)
        ]
        for open_order in ended:
            self.cancel(open_order)
        self._next_end = min(self.expiring.values(), default=0)
        return ended

    def is_late(self, open_order: OpenOrder) -> bool:
        """Return whether an order ends with the present moment, so that no event of this moment may fill it any more.

        An event of another symbol, had it come first, would have ended it already.
        """
        end = self.expiring.get(open_order.id)
        return end is not None and end <= self.moments[0] and open_order.since is not None

    def keep(self, sid: str, orders: list[OpenOrder]) -> None:
        """Leave these open orders of a symbol, and no others of it."""
        self.changed.add(sid)
        if orders:
            self.open[sid] = orders
        else:
            self.open.pop(sid, None)

    def update(self, sid: str, changes: Mapping[str, OpenOrder | None]) -> None:
        """Replace open orders of a symbol by their ids; with None, an order is taken out. Reservations stay."""
        left: list[OpenOrder] = []
        for each in self.open[sid]:
            kept = changes.get(each.id, each)
            if kept is None:
                self._forget(each.id)
            else:
                left.append(kept)
        self.keep(sid, left)

    def _forget(self, order_id: str) -> None:
        self.on_terms.discard(order_id)
        self.expiring.pop(order_id, None)

    def _clear(self) -> None:
        self.changed.update(self.open)
        self.open.clear()
        self.expiring.clear()
        self.on_terms.clear()

    def _place(self, open_order: OpenOrder) -> int:
        """Return the index of an open order among those of its symbol."""
        return [each.id for each in self.open[open_order.order.sid]].index(open_order.id)

    def _on_ticks(self, order: Order) -> Order:
        return on_ticks(order, self.market.tick(order.sid))

    def _with_end(self, open_order: OpenOrder) -> OpenOrder:
        """Return an order with the last moment at which it can be filled."""
        order = open_order.order
        ends = [order.until] if order.until is not None else []
        if order.tif == "day":
            since = open_order.since
            market = self.market
            ends.append(market.day_end(order.sid, order.ts) if since is None else market.last_day(order.sid, since))
        if not ends:
            return open_order
        end = min(ends)
        gone = None if open_order.since is None else end + 1 + (open_order.gone or 0)
        return msgspec.structs.replace(open_order, expires=end, gone=gone)

    def _watch(self, open_order: OpenOrder) -> None:
        """Note an order that is not filled whole by whatever event comes next."""
        self.on_terms.add(open_order.id)
        end = open_order.expires if open_order.gone is None else open_order.gone
        if (open_order.expires is not None or open_order.recalled is not None) and end is not None:
            self._next_end = end if not self.expiring else min(end, self._next_end)
            self.expiring[open_order.id] = end


class Aside:
    """Orders out of the book while a decision is made as if they were not there, and the way back for them."""

    __slots__ = ("_book", "_places", "_reservations", "orders")

    def __init__(self, book: OrderBook, orders: Sequence[OpenOrder]) -> None:
        """Take open orders of one symbol and one algorithm out of the book, with their reservations."""
        self._book = book
        self.orders = orders
        self._places: dict[str, int] = {}
        self._reservations: dict[str, Reservation] = {}
        for each in orders:
            for at, there in enumerate(book.open_for(each.order.sid)):
                self._places.setdefault(there.id, at)
            if (reservation := book.ledgers[each.algorithm].reservations.get(each.id)) is not None:
                self._reservations[each.id] = reservation
        for each in orders:
            book.cancel(each)

    def put_back(self, open_order: OpenOrder, *, most: bool = False) -> None:
        """Put an order back to its place.

        Args:
            open_order: one of them.
            most: set aside for it as much as there is, where that is less than before.

        Raises:
            NotEnough: the cash that it reserved is not there any more.
        """
        ledger, sid = self._book.ledgers[open_order.algorithm], open_order.order.sid
        if (reservation := self._reservations.get(open_order.id)) is not None:
            cash = min(reservation.cash, max(ledger.available, _ZERO)) if most else reservation.cash
            ledger.reserve(open_order.id, sid, cash)
        self._book.restore([open_order])
        self._book.open[sid].sort(key=lambda each: self._places.get(each.id, len(self._places)))


class PooledReservations:
    """The cash that is set aside for an order and for those that are to take its place, together; and the way back."""

    __slots__ = ("_before", "_ledger", "_open_order")

    def __init__(self, book: OrderBook, open_order: OpenOrder, successors: Sequence[OpenOrder]) -> None:
        """Set aside for an order what is set aside for its successors as well."""
        self._ledger = ledger = book.ledgers[open_order.algorithm]
        self._open_order = open_order
        orders = (open_order, *successors)
        self._before = {each.id: book.reserved(each) for each in orders if each.id in ledger.reservations}
        for each in self._before:
            ledger.release(each)
        if self._before:
            needs = total(self._before.values()) if open_order.order.cash is None else open_order.order.cash
            ledger.reserve(open_order.id, open_order.order.sid, min(needs, max(ledger.available, _ZERO)))

    def undo(self, *, ended: bool) -> None:
        """Set aside again what was before; nothing for the order itself where it has ended."""
        self._ledger.release(self._open_order.id)
        for id_, cash in self._before.items():
            if id_ != self._open_order.id or not ended:
                self._ledger.reserve(id_, self._open_order.order.sid, cash)
