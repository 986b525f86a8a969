"""Placement: an order that has passed all checks goes into the order book, or the account does not have its cash."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Final

import msgspec

from intuition_core.account.amounts import EXACT, exact, plain_decimal
from intuition_core.account.books import Books
from intuition_core.account.ledger import NoMargin, NotEnough
from intuition_core.account.margin import Margin
from intuition_core.account.market import Unbookable
from intuition_core.contracts import Order
from intuition_core.trading.moment import Moment
from intuition_core.trading.order_book import Aside
from intuition_core.trading.orders import Filled, OpenOrder, is_simple_market, misplaced
from intuition_core.trading.outcomes import GROUPED, Outcomes
from intuition_core.trading.paper_broker import PaperBroker
from intuition_core.trading.parts import BoundSleeve
from intuition_core.trading.records import Recorder
from intuition_core.trading.venue_booking import VenueBooking

_ZERO: Final = Decimal(0)

_REPLACED: Final = "replaced"
"""Why an order is taken back whose tag another one has."""


class Placement:
    """Places orders, and fills them at the event of their decision where they can.

    Attributes:
        venue: books what a venue says, where one fills the orders; None on paper.

    Args:
        books: the account.
        broker: estimates orders, and fills them at once.
        moment: the event that is being taken.
        recorder: writes the decisions.
        outcomes: records refusals, and what becomes of orders at once.
        margin: the permission to sell short; None where nothing may be sold short.
        costly: whether fills pay costs.
    """

    __slots__ = (
        "_aside",
        "_book",
        "_broker",
        "_costly",
        "_margin",
        "_market",
        "_moment",
        "_outcomes",
        "_recorder",
        "_sales",
        "_settled",
        "_settled_at",
        "venue",
    )

    def __init__(
        self,
        books: Books,
        broker: PaperBroker,
        *,
        moment: Moment,
        recorder: Recorder,
        outcomes: Outcomes,
        margin: Margin | None,
        costly: bool,
    ) -> None:
        self._market = books.market
        self._broker = broker
        self._book = broker.book
        self._moment = moment
        self._recorder = recorder
        self._outcomes = outcomes
        self._margin = margin
        self._costly = costly
        self._aside: Sequence[OpenOrder] = ()
        self._sales: list[str] | None = None
        self._settled: set[tuple[str, str]] = set()  # groups of which an order was filled at once, at that event
        self._settled_at = 0
        self.venue: VenueBooking | None = None

    def forget_settled(self) -> None:
        """Begin the answers to another event: groups that were settled at once may be used again."""
        self._settled.clear()

    @contextmanager
    def together(self, sleeve: BoundSleeve) -> Iterator[None]:
        """Make opening orders placed within wait for the sales placed before them that are to pay for them."""
        if self._sales is not None or self._moment.rules == 1 or self._moment.at_venue:
            yield
            return
        self._sales = []
        try:
            yield
        finally:
            self._sales = None
            sleeve.ledger.expected = _ZERO

    @contextmanager
    def in_place_of(self, replaced: Sequence[OpenOrder]) -> Iterator[None]:
        """Replace open orders by an order placed within the context; without one, they stay.

        Parts see the account without them meanwhile: their cash can be bet, their units can be closed, and nothing is
        ordered twice. Those that may be filled already stay until that is known, before the order that replaces them.
        """
        aside = Aside(self._book, replaced)
        self._aside = replaced
        yield
        if not self._aside:
            for each in replaced:
                if self._moment.may_be_filled(each, self._book):
                    aside.put_back(each, most=True)
                    self._outcomes.recall(each, _REPLACED)
            return
        self._aside = ()
        for each in replaced:
            try:
                aside.put_back(each)
            except NotEnough as error:
                self._outcomes.reject(each, f"other orders were placed with what it needs: {error}")

    def place(self, sleeve: BoundSleeve, order: Order, *, simple: bool = False) -> None:
        """Place an order that has passed all checks.

        Args:
            sleeve: whose it is.
            order: the order.
            simple: whether the caller knows it to be a simple market order of a long position, without a tag.
        """
        if self.venue is not None and (why := self.venue.refuses(order)) is not None:
            self._outcomes.refuse(sleeve, order, why)
            return
        try:
            quantity, cash = self._broker.estimate(order)
            if order.short and not order.closing:
                cash = self._to_short(order, quantity, cash)
        except Unbookable as error:
            self._outcomes.refuse(sleeve, order, str(error))
            return
        if not quantity:
            step = plain_decimal(self._market.step(order.sid))
            costs = " with its costs" if self._costly else ""
            what = f"{plain_decimal(cash)} comes to less than {step} {order.sid} at {order.quote}{costs}"
            self._outcomes.refuse(sleeve, order, what)
            return
        if self.venue is not None:  # it trades units, whatever cash they turn out to cost
            order = msgspec.structs.replace(order, quantity=quantity, cash=None)
        elif order.quantity is not None and order.quantity is not quantity:
            order = msgspec.structs.replace(order, quantity=quantity)
        algorithm, portfolio = sleeve.names
        since = self._moment.since if self._moment.rules > 1 else None
        open_order = OpenOrder(self._recorder.next_id(), order, algorithm, portfolio, None, False, since)  # noqa: FBT003  # by place, for speed
        if self._sales and not order.closing and (cash > sleeve.ledger.available or _turns(sleeve, order)):
            open_order = msgspec.structs.replace(open_order, waits=tuple(self._sales))
        simple = simple or (order.tag is None and not order.short and is_simple_market(order))
        if simple and not open_order.waits:
            try:
                self._book.add(open_order, cash, simple=True)
            except NotEnough as error:
                self._outcomes.refuse(sleeve, order, str(error))
                return
            self._recorder.decision(open_order, quantity, cash, simple=True)
        else:
            placed = self._place_on_terms(sleeve, open_order, quantity, cash)
            if placed is None:
                return
            open_order = placed
        if self._sales is not None and order.closing:
            self.expect(sleeve, open_order, cash)
        if self._moment.at_once and not open_order.waits:
            self._fill_now(open_order)

    def _fill_now(self, open_order: OpenOrder) -> None:
        """Fill an order at the event of its decision, where it can have a price of that."""
        price = self._moment.price_now(open_order)
        if price is None:
            return
        outcome = self._broker.fill_now(open_order, price, self._recorder.ts)
        if outcome is None:
            return
        if open_order.order.group is not None and isinstance(outcome, Filled):
            self._settle_at_once(open_order.algorithm, open_order.order.group)
        self._outcomes.record(open_order, outcome)

    def expect(self, sleeve: BoundSleeve, sale: OpenOrder, cash: Decimal) -> None:
        """Make orders placed `together` with a sale wait for its proceeds, unless it is filled at once.

        Args:
            sleeve: whose sale it is.
            sale: an order that closes a position.
            cash: its proceeds, in the account's currency.
        """
        if self._sales is None or (self._moment.at_once and self._moment.price_now(sale) is not None):
            return
        self._sales.append(sale.id)
        if sale.order.side == "sell":
            sleeve.ledger.expected = EXACT.add(sleeve.ledger.expected, max(cash, _ZERO))

    def _settle_at_once(self, algorithm: str, group: str) -> None:
        """Note that an order of a group was filled at the event of its decision: the rest of the group is refused."""
        if self._settled_at != self._recorder.seq:
            self._settled.clear()
            self._settled_at = self._recorder.seq
        self._settled.add((algorithm, group))

    def _to_short(self, order: Order, quantity: Decimal, proceeds: Decimal) -> Decimal:
        """Return the cash that has to be available for a short sale: the margin, less the proceeds."""
        if self._margin is None:
            raise NoMargin(order.sid)
        highest = order.quote if order.limit is None else max(order.quote, order.limit)
        value = EXACT.multiply(quantity, self._market.unit(order.sid, exact(highest)))
        needed = EXACT.subtract(EXACT.multiply(self._margin.initial, value), proceeds)
        return max(_ZERO, needed)  # at a price below 0 nothing is sold short, nor does it make room for other orders

    def _place_on_terms(
        self, sleeve: BoundSleeve, open_order: OpenOrder, quantity: Decimal, cash: Decimal
    ) -> OpenOrder | None:
        """Place an order that is no simple market order of a long position, and return it as it is kept.

        Returns:
            None, with a record, where it is refused; and where it is an open one again, which goes on as it is.
        """
        order, there = open_order.order, sleeve.ledger.available
        if (problem := self._problem(sleeve, open_order, cash)) is not None:
            self._outcomes.refuse(sleeve, order, problem)
            return None
        reserve = min(cash, max(there, _ZERO)) if open_order.waits else cash
        if open_order.since is not None:
            open_order = msgspec.structs.replace(open_order, gone=self._moment.bar_length)
        replaced: Sequence[OpenOrder] = ()
        if order.tag is not None:
            if self._moment.rules > 1 and len(self._aside) == 1 and self._book.is_same(self._aside[0], open_order):
                return None  # it goes on as it is: `in_place_of` puts it back
            replaced, self._aside = self._aside, ()
        instead: tuple[str, ...] = ()
        for each in replaced:
            if self._moment.may_be_filled(each, self._book):
                instead = (*instead, each.id, *each.instead)
            else:
                self._outcomes.reject(each, _REPLACED)
                instead = (*instead, *each.instead)
        open_order = msgspec.structs.replace(open_order, id=self._recorder.next_id(), instead=instead)
        open_order = self._book.add(open_order, reserve)
        self._recorder.decision(open_order, quantity, cash, replaces=replaced)
        return open_order

    def _problem(self, sleeve: BoundSleeve, open_order: OpenOrder, cash: Decimal) -> str | None:
        """Return why an order on terms cannot be placed; None where it can."""
        order, ledger = open_order.order, sleeve.ledger
        bracket = order.stop_loss is not None or order.take_profit is not None
        if not order.closing and cash > (there := EXACT.add(ledger.available, ledger.expected)):
            return str(NotEnough("cash", cash, there))
        if self._moment.rules == 1 and (bracket or order.group is not None):
            return "brackets and groups come with rules 2, and the session goes by rules 1"
        if (problem := misplaced(order)) is not None:
            return problem
        if (open_order.algorithm, order.group) in self._settled and self._settled_at == self._recorder.seq:
            return GROUPED
        if order.closing and bracket:
            return "an order that closes a position has nothing left to protect"
        return None


def _turns(sleeve: BoundSleeve, order: Order) -> bool:
    """Return whether an order opens a position on one side of a symbol while there are units on the other."""
    held = sleeve.ledger.positions.get(order.sid)
    return held is not None and (held.quantity > 0) is order.short
