"""Interventions: what people decide of the account, and positions that are closed without asking any part."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from intuition_core.account.amounts import plain_decimal
from intuition_core.account.books import Books
from intuition_core.contracts import Order, Side
from intuition_core.trading.decisions import Clear, Kill, Shares
from intuition_core.trading.moment import Moment
from intuition_core.trading.order_book import OrderBook
from intuition_core.trading.outcomes import Outcomes
from intuition_core.trading.parts import BoundRisk, BoundSleeve
from intuition_core.trading.placement import Placement
from intuition_core.trading.records import Recorder
from intuition_core.trading.risk_gate import RiskGate
from intuition_core.trading.venue_booking import VenueBooking


class Interventions:
    """Turns the kill switch on and off, moves the shares of the capital, and closes positions.

    Attributes:
        sleeves: whose positions are closed.
        venue: books what a venue says, where one fills the orders; None on paper.

    Args:
        books: the account.
        book: the open orders.
        gate: holds the kill switch.
        placement: places what closes positions.
        moment: the event that is being taken.
        outcomes: records the orders that have ended.
        recorder: writes what was decided.
    """

    __slots__ = ("_book", "_books", "_gate", "_moment", "_outcomes", "_placement", "_recorder", "sleeves", "venue")

    def __init__(
        self,
        books: Books,
        book: OrderBook,
        *,
        gate: RiskGate,
        placement: Placement,
        moment: Moment,
        outcomes: Outcomes,
        recorder: Recorder,
    ) -> None:
        self._books = books
        self._book = book
        self._gate = gate
        self._placement = placement
        self._moment = moment
        self._outcomes = outcomes
        self._recorder = recorder
        self.sleeves: Sequence[BoundSleeve] = ()
        self.venue: VenueBooking | None = None

    def control(self, decision: Kill | Clear | Shares) -> None:
        """Carry out what a person has decided, and record it; the recorder is at the event."""
        match decision:
            case Kill(reason=why, flatten=flatten):
                self._gate.killed = why
                everything = self._moment.rules == 1 or flatten
                reason = f"the kill switch is on: {why}"
                if self.venue is not None:
                    for open_order in [each for each in self._book if everything or not each.order.closing]:
                        self._outcomes.cancel(open_order, reason)
                else:
                    for open_order in self._book.cancel_all(opening=not everything):
                        self._outcomes.reject(open_order, reason)
                self._record("kill", decision.by, reason=why, flatten=flatten)
                if flatten:
                    self._flatten()
            case Clear(reason=why):
                self._gate.killed = None
                self._record("clear", decision.by, reason=why)
            case Shares(shares=asked):
                moved = self._books.share_out({name: Decimal(share) for name, share in asked.items()})
                shares = {name: format(share, "f") for name, share in self._books.shares.items()}
                told = {name: plain_decimal(amount) for name, amount in moved.items()}
                self._record("shares", decision.by, shares=shares, moved=told)

    def _record(self, action: str, by: str | None, **more: Any) -> None:
        self._recorder.write("control", None, action=action, by=by, **more)

    def kill_for(self, risk: BoundRisk, reason: str) -> None:
        """Turn the kill switch on at a risk part's request, unless it is on."""
        if self._gate.killed is None:
            self.control(Kill(reason=reason, by=f"risk {risk.part.name}"))

    def call_margins(self) -> None:
        """Buy back short positions of ledgers with a margin call; the recorder is at the event."""
        for sleeve in self.sleeves:
            ledger = sleeve.ledger
            if not ledger.margin_call:
                continue
            for sid, position in list(ledger.positions.items()):
                if position.quantity < 0 and (owed := self._book.coverable(sleeve.names[0], sid)):
                    self._liquidate(sleeve, sid, "buy", owed, "margin call")

    def _flatten(self) -> None:
        """Place orders that close every position; at a venue, those of a symbol once no order of it is open."""
        if self.venue is not None:
            self.venue.close_when_clear(
                list(dict.fromkeys(sid for each in self.sleeves for sid in each.ledger.positions))
            )
            return
        for sleeve in self.sleeves:
            for sid, position in list(sleeve.ledger.positions.items()):
                side: Side = "sell" if position.quantity > 0 else "buy"
                self._liquidate(sleeve, sid, side, position.quantity.copy_abs(), "kill switch")

    def close(self, sid: str) -> None:
        """Place orders that close the positions in a symbol, as the kill switch asks."""
        for sleeve in self.sleeves:
            if (held := sleeve.ledger.positions.get(sid)) is not None and held.quantity > 0:
                self._liquidate(sleeve, sid, "sell", held.quantity, "kill switch")

    def _liquidate(self, sleeve: BoundSleeve, sid: str, side: Side, quantity: Decimal, reason: str) -> None:
        """Place an order that closes a position."""
        quote = self._books.marks.get(sid, 0.0)
        short = side == "buy"
        order = Order(sid, side, quote, None, quantity, reason, self._recorder.ts, sleeve.names[0], short)
        self._placement.place(sleeve, order)
