"""What becomes of orders: their records, and what follows from a fill or an end for other orders."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from intuition_core.account.amounts import EXACT, exact, floor_to_step, total
from intuition_core.account.books import Books
from intuition_core.account.market import DEFAULT_STEP
from intuition_core.contracts import Data, Fill, Order
from intuition_core.trading.moment import Moment
from intuition_core.trading.order_book import OrderBook
from intuition_core.trading.orders import Filled, OpenOrder
from intuition_core.trading.paper_broker import OrderResult, PaperBroker
from intuition_core.trading.parts import BoundSleeve
from intuition_core.trading.records import Recorder
from intuition_core.trading.risk_monitor import RiskMonitor

_ZERO: Final = Decimal(0)

GROUPED: Final = "another order of its group was filled"
"""Why the rest of a group is taken back."""

_CLOSED: Final = "the position that it protects is closed"
"""Why an order that protects a position is taken back with it."""


class Outcomes:
    """Records what becomes of orders, and does what follows from it.

    Attributes:
        fills: what is to be told to those whose orders it filled; always the same object.
        ask_to_cancel: asks a venue to cancel an order, which stays open until the venue has ended it; None on paper,
            where an order is over as soon as it is taken back.

    Args:
        books: the account.
        broker: fills orders.
        moment: the event that is being taken.
        recorder: writes the records.
        monitor: told that positions have changed.
    """

    __slots__ = (
        "_book",
        "_books",
        "_born",
        "_broker",
        "_ended",
        "_market",
        "_moment",
        "_monitor",
        "_recorder",
        "_told",
        "ask_to_cancel",
        "fills",
    )

    def __init__(
        self, books: Books, broker: PaperBroker, *, moment: Moment, recorder: Recorder, monitor: RiskMonitor
    ) -> None:
        self._books = books
        self._market = books.market
        self._broker = broker
        self._book: OrderBook = broker.book
        self._moment = moment
        self._recorder = recorder
        self._monitor = monitor
        self._born: list[str] = []
        self._ended: list[str] | None = None  # sales that are over, while what else was booked is not recorded yet
        self._told: Mapping[str, BoundSleeve] = {}
        self.fills: deque[tuple[BoundSleeve, Fill]] = deque()
        self.ask_to_cancel: Callable[[OpenOrder, str], None] | None = None

    def tell(self, sleeves: Mapping[str, BoundSleeve]) -> None:
        """Note the fills of these algorithms, by name, from now on."""
        self._told = sleeves

    # -- records

    def fill_with(self, sid: str, data: Data) -> None:
        """Fill a symbol's open orders with an event; what that brings to life may have of the same event, too."""
        born = self._born
        born.clear()
        outcomes = self._broker.on_quote(sid, data)
        if len(outcomes) == 1:
            [(open_order, outcome)] = outcomes
            self.record(open_order, outcome)
        else:
            self._record_all(outcomes)
        if born and sid in self._book.open:
            self._record_all(self._broker.on_quote(sid, data, only=frozenset(born)))

    def _record_all(self, outcomes: Sequence[tuple[OpenOrder, OrderResult]]) -> None:
        """Record what became of several orders, in the order in which it was booked, before what follows from it."""
        ended: list[str] = []
        self._ended = ended
        try:
            for open_order, outcome in outcomes:
                self.record(open_order, outcome)
        finally:
            self._ended = None
        for order_id in ended:
            self._unblock(order_id)

    def record(self, open_order: OpenOrder, outcome: OrderResult) -> None:
        """Record what became of one order, and do what follows."""
        if not isinstance(outcome, Filled):  # to be found no `Rejection` would take seven times as long
            self.reject(open_order, outcome.reason)
            return
        order = open_order.order
        self._books.moves += 1
        if self._monitor.needed:
            self._monitor.settle(order.sid)
        self._recorder.fill(open_order, outcome)
        if self._told and (sleeve := self._told.get(open_order.algorithm)) is not None:
            self.fills.append((sleeve, _fill(open_order, outcome, self._recorder.ts)))
        bracket = order.stop_loss is not None or order.take_profit is not None
        if open_order.since is None or not (bracket or self._book.on_terms):
            return  # no order waits for it, protects its position or shares its group
        closing = order.closing
        if closing and outcome.left_quantity is None:
            self._unblock(open_order.id)
        if bracket:
            self._protect(open_order, outcome)
        if order.group is not None:
            self._settle_group(open_order, outcome)
        if closing:
            self.end_orphans(open_order.algorithm, order.sid)

    def reject(self, open_order: OpenOrder, reason: str) -> None:
        """Record that an order has ended, and let those go on that waited for it."""
        self._recorder.rejection(open_order, reason)
        if open_order.order.closing and open_order.since is not None:
            self._unblock(open_order.id)

    def refuse(self, sleeve: BoundSleeve, order: Order, reason: str, *, risk: str | None = None) -> None:
        """Record that an order is not placed."""
        self._recorder.refusal(order, reason, names=sleeve.names, risk=risk)

    # -- taking back

    def take_back(self, orders: Sequence[OpenOrder], reason: str) -> None:
        """Take back open orders; those that may be filled by what is not told yet are over once it is.

        An order that waits for a sale goes before it, or else the end of the sale would let it go.
        """
        for open_order in sorted(orders, key=lambda each: not each.waits):
            if self._book.current(open_order) is None:
                continue  # the end of another one was its end
            if self._moment.may_be_filled(open_order, self._book):
                self.recall(open_order, reason)
            else:
                self.cancel(open_order, reason)

    def cancel(self, open_order: OpenOrder, reason: str) -> None:
        """Take back an open order at once; at a venue, ask for it."""
        if self.ask_to_cancel is not None:
            self.ask_to_cancel(open_order, reason)
            return
        self._book.cancel(open_order)
        self.reject(open_order, reason)

    def recall(self, open_order: OpenOrder, reason: str) -> None:
        """Take back an open order that may be filled by what is not told yet."""
        if self.ask_to_cancel is not None:
            self.ask_to_cancel(open_order, reason)
            return
        reach = self._moment.reach_of(open_order.order.sid)
        self._book.recall(open_order, now=self._market.now, reach=reach, reason=reason)

    def end_orphans(self, algorithm: str, sid: str) -> None:
        """Take back the orders that protect a position which is no more."""
        if sid not in self._book.open or sid in self._books.ledgers[algorithm].positions:
            return
        for each in list(self._book.open_for(sid)):
            protects = each.parent is not None and each.algorithm == algorithm
            if protects and self._book.current(each) is not None:  # the end of another one may have been its end
                self.cancel(each, _CLOSED)

    # -- what follows

    def _unblock(self, order_id: str) -> None:
        """Release the orders that waited for a sale that has ended, and for no other.

        Where the cash that there is does not pay for all of them, they become smaller in proportion.
        """
        if self._ended is not None:
            self._ended.append(order_id)
            return
        freed = self._book.unblock(order_id)
        if not freed:
            return
        ledger, root = self._books.ledgers[freed[0].algorithm], self._moment.root
        needs = [each.order.cash or self._broker.estimate(each.order)[1] for each in freed]
        if freed[0].order.short:
            needs = [self._book.reserved(each) for each in freed]
        pool = ledger.available
        for each in freed:
            pool = EXACT.add(pool, self._book.reserved(each))
        need = total(needs)
        for each, part in zip(freed, needs, strict=True):
            order = each.order
            ordered = order.quantity if order.cash is None else order.cash
            if need > pool:
                order, part = self._smaller(order, part, pool=max(pool, _ZERO), need=need)
            there = max(EXACT.add(ledger.available, self._book.reserved(each)), _ZERO)
            if part > there:  # one that was released before it has cost more than its part
                order, part = self._smaller(order, part, pool=there, need=part)
            if not part or order.quantity == 0:
                self.cancel(each, "the sales that were to pay for it have brought too little")
                continue
            if ordered in (order.cash, order.quantity):
                ordered = None
            kept = self._book.free(each, part, order=order, after=root["ts"], ordered=ordered)
            if kept.glimpse is not None and kept.glimpse["ts"] == root["ts"]:
                for placed, outcome in self._broker.on_quote(order.sid, kept.glimpse, only=(kept.id,)):
                    self.record(placed, outcome)

    def _smaller(self, order: Order, part: Decimal, *, pool: Decimal, need: Decimal) -> tuple[Order, Decimal]:
        """Return an order as a share of the cash that there is pays for it, and that share.

        Args:
            order: the order.
            part: what it needs.
            pool: the cash that there is for all.
            need: what all need.
        """
        part = floor_to_step(EXACT.multiply(part, pool), need, DEFAULT_STEP)
        if order.cash is not None:
            return msgspec.structs.replace(order, cash=part), part
        if order.quantity is None or order.short:
            return order, part
        fewer = floor_to_step(EXACT.multiply(order.quantity, pool), need, self._market.step(order.sid))
        return msgspec.structs.replace(order, quantity=fewer), part

    def _protect(self, entry: OpenOrder, filled: Filled) -> None:
        """Place the stop and the limit that close the units that an entry's fill has opened; one cancels the other.

        No part is asked about them: the entry named them when it was placed.
        """
        order = entry.order
        prices = [each for each in ((order.stop_loss, None), (None, order.take_profit)) if each != (None, None)]
        group = self._recorder.next_id() if len(prices) == 2 else None
        since = self._market.now if filled.since is None else filled.since
        cash = self._market.unit(order.sid, EXACT.multiply(filled.quantity, exact(filled.price)))
        for stop, limit in prices:
            leg = Order(
                order.sid,
                "sell" if order.side == "buy" else "buy",
                filled.price,
                quantity=filled.quantity,
                ts=self._recorder.ts,
                algorithm=entry.algorithm,
                short=order.short,
                limit=limit,
                stop=stop,
                group=group,
            )
            id_ = self._recorder.next_id()
            placed = OpenOrder(id_, leg, entry.algorithm, entry.portfolio, since=since, parent=entry.id)
            self._born.append(id_)
            self._recorder.decision(self._book.add(placed, _ZERO), filled.quantity, cash)

    def _settle_group(self, open_order: OpenOrder, filled: Filled) -> None:
        """Take back the rest of a filled order's group."""
        order = open_order.order
        for each in self._members(open_order):
            there = self._book.current(each)
            if there is None:
                continue
            if filled.left_quantity is not None and order.closing and each.order.closing:
                if there.order.quantity is not None and there.order.quantity > filled.left_quantity:
                    less = msgspec.structs.replace(there.order, quantity=filled.left_quantity)
                    self._book.replace(msgspec.structs.replace(there, order=less))
            elif each.order.sid != order.sid and self._moment.may_be_filled(each, self._book):
                self.recall(each, GROUPED)
            else:
                self.cancel(each, GROUPED)

    def _members(self, open_order: OpenOrder) -> list[OpenOrder]:
        """Return the other open orders of an order's group."""
        group, algorithm = open_order.order.group, open_order.algorithm
        return [
            each
            for each in self._book
            if each.order.group == group and each.algorithm == algorithm and each.id != open_order.id
        ]


def _fill(open_order: OpenOrder, filled: Filled, ts: int) -> Fill:
    """Return a fill as those are told it whose order it filled."""
    order = open_order.order
    return Fill(
        order=open_order.id,
        sid=order.sid,
        side=order.side,
        quantity=filled.quantity,
        price=filled.price,
        cash=filled.cash,
        profit=filled.profit,
        closing=order.closing,
        done=filled.left_quantity is None and filled.left_cash is None,
        tag=order.tag,
        ts=ts,
    )
