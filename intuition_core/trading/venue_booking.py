"""Books what a venue says: its trades fill orders at its prices, its ends release them, its account is compared."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, Literal, NamedTuple

import msgspec

from intuition_core.account.amounts import EXACT, plain_decimal
from intuition_core.account.books import Books
from intuition_core.account.ledger import Ledger
from intuition_core.account.market import Unbookable
from intuition_core.account.positions import Position
from intuition_core.contracts import Data, Order
from intuition_core.errors import BadData
from intuition_core.trading.composition import Drift
from intuition_core.trading.decisions import Kill
from intuition_core.trading.executions import (
    AnyExecution,
    Ended,
    Foreign,
    Standing,
    Taken,
    Trade,
    Unknown,
    read_execution,
)
from intuition_core.trading.order_book import OrderBook
from intuition_core.trading.orders import Filled, OpenOrder
from intuition_core.trading.outcomes import Outcomes
from intuition_core.trading.records import Recorder

_ZERO: Final = Decimal(0)

SETTLE: Final = 5_000_000_000
"""Nanoseconds for which a difference between the books and the venue has to last before it counts."""


class Working(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the venue has said of an open order.

    Attributes:
        state: ``sent`` before it has said anything.
        booked: the units that its trades have filled so far.
        filled: the units that it has filled in all, once the venue has ended it; None before.
        reason: why it has ended.
    """

    state: Literal["sent", "working", "unknown", "ended"] = "sent"
    booked: Decimal = _ZERO
    filled: Decimal | None = None
    reason: str | None = None


class VenueState(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a venue has said, as it is kept in a snapshot.

    Attributes:
        working: the open orders of which it has said something, by the decision's id.
        outside_cash, outside_units: what the venue's account holds beside the algorithms' ledgers, by currency and by
            symbol; None before the venue has said what it holds.
        differing: since when each currency or symbol has differed by how much, nanoseconds UTC.
        as_of: when the venue said last what it holds, nanoseconds UTC.
        closing: the symbols that are sold or bought back as soon as no order of them is open.
    """

    working: dict[str, Working] = {}
    outside_cash: dict[str, Decimal] | None = None
    outside_units: dict[str, Decimal] = {}
    differing: dict[str, tuple[Decimal, int]] = {}
    as_of: int = 0
    closing: list[str] = []


class _Compared(NamedTuple):
    """What the venue and the books hold of a currency or a symbol.

    Attributes:
        name: the currency or the symbol.
        beside: what is held of all of its kind beside the algorithms' ledgers.
        there: what the venue holds.
        ours: what the books hold, that beside them included.
        busy: whether orders are under way that may be filled without having been told.
    """

    name: str
    beside: dict[str, Decimal]
    there: Decimal
    ours: Decimal
    busy: bool

    @property
    def difference(self) -> Decimal:
        """The venue's holding less that of the books."""
        return EXACT.subtract(self.there, self.ours)


class VenueBooking:
    """Books the executions of one session.

    Attributes:
        state: what the venue has said; part of a snapshot.

    Args:
        books: the account.
        book: the open orders.
        outcomes: records fills and ends.
        recorder: writes what else is said.
        currency: the account's.
        on_drift: what is done where the books differ from the venue's.
        kill: turns the kill switch on.
        close: places orders that close the positions in a symbol.
    """

    __slots__ = ("_book", "_books", "_close", "_currency", "_kill", "_on_drift", "_outcomes", "_recorder", "state")

    def __init__(
        self,
        books: Books,
        book: OrderBook,
        *,
        outcomes: Outcomes,
        recorder: Recorder,
        currency: str,
        on_drift: Drift,
        kill: Callable[[Kill], None],
        close: Callable[[str], None],
    ) -> None:
        self.state = VenueState()
        self._books = books
        self._book = book
        self._outcomes = outcomes
        self._recorder = recorder
        self._currency = currency
        self._on_drift = on_drift
        self._kill = kill
        self._close = close

    # -- what the session asks of the venue

    def ask_to_cancel(self, open_order: OpenOrder, reason: str) -> None:
        """Record that an order is to be cancelled at the venue; it stays open until the venue has ended it."""
        there = self._book.current(open_order)
        if there is None or there.recalled is not None:
            return
        self._book.replace(msgspec.structs.replace(there, recalled=self._books.market.now, why=reason))
        self._recorder.write("cancel", there.order.sid, order=there.id, reason=reason)

    def close_when_clear(self, sids: list[str]) -> None:
        """Close the positions in these symbols, each as soon as no order of it is open."""
        for sid in sids:
            if self._book.open_for(sid):
                self.state.closing = [*self.state.closing, *([sid] if sid not in self.state.closing else [])]
            else:
                self._close(sid)

    def refuses(self, order: Order) -> str | None:
        """Return why an order is not placed; None where it may be."""
        if self.state.outside_cash is None:
            return "the venue has not said yet what its account holds"
        if order.short:
            return "nothing is sold short at a venue"
        if order.group is not None or order.stop_loss is not None or order.take_profit is not None:
            return "brackets and groups are for paper: no venue has taken any yet"
        for each in self._book.open_for(order.sid):
            if self._said(each).state == "unknown":
                return f"whether the venue has taken the order {each.id} of {order.sid} is not known yet"
        return None

    # -- what the venue says

    def take(self, seq: int, data: Data) -> None:
        """Book one execution."""
        self._recorder.open(seq, data["ts"])
        try:
            said = read_execution(data)
        except BadData as error:
            self._recorder.write("rejection", data.get("sid"), reason=f"an execution: {error}")
            return
        try:
            self._book_it(said)
        except Unbookable as error:  # of a currency without a rate; nothing of it is booked
            self._recorder.write("rejection", data.get("sid"), reason=f"an execution: {error}")
            self._kill_for(f"what the venue says cannot be booked: {error}")

    def _book_it(self, said: AnyExecution) -> None:
        match said:
            case Standing():
                self._compare(said)
            case Foreign():
                self._book_outside(said)
            case Trade():
                self._fill(said)
            case Taken() | Ended() | Unknown():
                self._note(said)

    def _find(self, order_id: str) -> OpenOrder | None:
        return next((each for each in self._book if each.id == order_id), None)

    def _said(self, open_order: OpenOrder) -> Working:
        return self.state.working.get(open_order.id, Working())

    def _note(self, said: Taken | Ended | Unknown) -> None:
        """Note what has become of an order; one that is over already changes nothing."""
        there = self._find(said.order)
        if there is None:
            return
        known = self._said(there)
        match said:
            case Taken():
                if known.state != "ended":
                    self.state.working[there.id] = msgspec.structs.replace(known, state="working")
                    self._write("taken", there, venue_order=said.venue_order)
            case Unknown():
                if known.state != "ended":
                    self.state.working[there.id] = msgspec.structs.replace(known, state="unknown")
                    self._write("unknown", there, reason=said.reason)
            case Ended():
                reason = there.why or said.reason or f"the venue has ended it: {said.state}"
                ended = Working(state="ended", booked=known.booked, filled=said.filled, reason=reason)
                self.state.working[there.id] = ended
                self._finish(there, ended)

    def _finish(self, open_order: OpenOrder, said: Working) -> None:
        """Take an order out of the book if the venue has ended it and all that it filled is booked."""
        if said.filled is None or said.booked < said.filled:
            return
        self.state.working.pop(open_order.id, None)
        sid = open_order.order.sid
        self._book.cancel(open_order)
        self._outcomes.reject(open_order, said.reason or "the venue has ended it")
        self._clear(sid)

    def _clear(self, sid: str) -> None:
        """Close the positions in a symbol that were to be closed once no order of it is open."""
        if sid in self.state.closing and not self._book.open_for(sid):
            self.state.closing = [each for each in self.state.closing if each != sid]
            self._close(sid)

    def _fill(self, trade: Trade) -> None:
        """Book a trade of an order; what is beyond the order, or of none that is open, is booked outside."""
        there = self._find(trade.order)
        left = _ZERO if there is None or there.order.quantity is None else there.order.quantity
        if there is None or (trade.sid, trade.side) != (there.order.sid, there.order.side) or trade.quantity > left:
            reason = f"it is no part of what was open of the order {trade.order}"
            traded = {name: getattr(trade, name) for name in Foreign.__struct_fields__ if name != "reason"}
            self._book_outside(Foreign(**traded, reason=reason))
            self._kill_for(f"the trade {trade.trade} is booked outside: {reason}")
            return
        ledger = self._books.ledgers[there.algorithm]
        filled = self._booked(ledger, there, trade, left=EXACT.subtract(left, trade.quantity))
        self._pay(trade.other_fees)
        known = self._said(there)
        said = msgspec.structs.replace(
            known,
            state="ended" if known.state == "ended" else "working",
            booked=EXACT.add(known.booked, trade.quantity),
        )
        if filled.left_quantity is None:
            self.state.working.pop(there.id, None)
        else:
            self.state.working[there.id] = said
            rest = msgspec.structs.replace(there.order, quantity=filled.left_quantity)
            there = msgspec.structs.replace(there, order=rest)
            self._book.replace(there)
        self._outcomes.record(there, filled)
        if filled.left_quantity is not None:
            self._finish(there, said)
        else:
            self._clear(trade.sid)

    def _booked(self, ledger: Ledger, open_order: OpenOrder, trade: Trade, *, left: Decimal) -> Filled:
        """Book a trade on a ledger, whatever cash there is: it has happened.

        Args:
            ledger: the algorithm's.
            open_order: the order.
            trade: the trade.
            left: the units of the order that are still to be filled.
        """
        value, fee = self._worth(trade)
        reserved = ledger.release(open_order.id)
        profit: Decimal | None = None
        if trade.side == "buy":
            cash = EXACT.add(value, fee)
            ledger.settle_purchase(trade.sid, EXACT.subtract(trade.quantity, trade.fee_units), cash)
        else:
            cash = EXACT.subtract(value, fee)
            units = EXACT.add(trade.quantity, trade.fee_units)
            there = _held(ledger.positions, trade.sid)
            if units > there:  # the venue has taken what is beside the ledger
                beside = self.state.outside_units
                beside[trade.sid] = EXACT.subtract(beside.get(trade.sid, _ZERO), EXACT.subtract(units, there))
            profit = ledger.settle_sale(trade.sid, min(units, there), cash, self._recorder.ts)
        if left and not open_order.order.closing:
            rest = max(_ZERO, min(EXACT.subtract(reserved, cash), ledger.available))
            ledger.reserve(open_order.id, trade.sid, rest)
        if not left:
            self._book.cancel(open_order)
        return Filled(trade.quantity, float(trade.price), cash, fee, _ZERO, profit, left or None)

    def _worth(self, trade: Trade | Foreign) -> tuple[Decimal, Decimal]:
        """Return what a trade comes to before its fee, and the fee, both in the account's currency."""
        market = self._books.market
        value = market.unit(trade.sid, EXACT.multiply(trade.quantity, trade.price))
        return value, market.convert(trade.sid, trade.fee)

    # -- what the venue holds beside

    def _book_outside(self, trade: Foreign) -> None:
        """Book a trade that no open order has caused beside the algorithms' ledgers."""
        value, fee = self._worth(trade)
        bought = trade.side == "buy"
        self._pay({self._currency: EXACT.add(value if bought else EXACT.minus(value), fee), **trade.other_fees})
        change = EXACT.subtract(trade.quantity if bought else EXACT.minus(trade.quantity), trade.fee_units)
        units = self.state.outside_units
        units[trade.sid] = EXACT.add(units.get(trade.sid, _ZERO), change)
        self._recorder.write(
            "execution",
            trade.sid,
            execution="foreign",
            trade=trade.trade,
            side=trade.side,
            quantity=plain_decimal(trade.quantity),
            price=float(trade.price),
            **({} if trade.reason is None else {"reason": trade.reason}),
        )

    def _pay(self, amounts: Mapping[str, Decimal]) -> None:
        """Subtract amounts from the outside cash; nothing before the venue's first account, which includes them."""
        outside = self.state.outside_cash
        if outside is not None:
            for currency, amount in amounts.items():
                outside[currency] = EXACT.subtract(outside.get(currency, _ZERO), amount)

    def _compare(self, said: Standing) -> None:
        """Hold the books against what the venue's account holds; at first, note what is beside them."""
        state = self.state
        state.as_of = max(state.as_of, said.as_of)
        if state.outside_cash is None:
            self._begin(said)
            return
        for side in self._sides(said):
            key = side.name if side.beside is state.outside_units else f"cash {side.name}"
            difference = side.difference
            before = state.differing.pop(key, None)
            if not difference or side.busy:
                continue
            if before is None or before[0] != difference:
                state.differing[key] = difference, said.as_of
            elif said.as_of - before[1] < SETTLE:
                state.differing[key] = before
            else:
                self._drifted(side)

    def _begin(self, said: Standing) -> None:
        """Note what the account holds beside the algorithms' cash, at the beginning of a session."""
        state = self.state
        outside = {currency: amount for currency, amount in said.cash.items() if amount}
        free = EXACT.subtract(said.cash.get(self._currency, _ZERO), self._books.cash)
        outside[self._currency] = free
        state.outside_cash = outside
        held = self._books.positions
        units = {sid: EXACT.subtract(amount, _held(held, sid)) for sid, amount in said.positions.items()}
        state.outside_units = {sid: amount for sid, amount in units.items() if amount}
        self._recorder.write(
            "execution",
            None,
            execution="account",
            cash={currency: plain_decimal(amount) for currency, amount in said.cash.items()},
            positions={sid: plain_decimal(amount) for sid, amount in said.positions.items()},
            outside={sid: plain_decimal(amount) for sid, amount in state.outside_units.items()},
            as_of=said.as_of,
        )
        if free < 0:
            there = plain_decimal(said.cash.get(self._currency, _ZERO))
            ours = plain_decimal(self._books.cash)
            self._kill_for(f"the venue's account holds {there} {self._currency}, less than the {ours} of the session")

    def _sides(self, said: Standing) -> list[_Compared]:
        """Return what the venue and the books hold of each currency and symbol."""
        outside = self.state.outside_cash or {}
        busy = {each.order.sid for each in self._book if self._said(each).state != "working" or each.recalled}
        sides = []
        for currency in sorted(said.cash.keys() | outside.keys()):
            ours = outside.get(currency, _ZERO)
            if currency == self._currency:
                ours = EXACT.add(ours, self._books.cash)
            sides.append(_Compared(currency, outside, said.cash.get(currency, _ZERO), ours, bool(busy)))
        held, units = self._books.positions, self.state.outside_units
        for sid in sorted(said.positions.keys() | held.keys() | units.keys()):
            ours = EXACT.add(_held(held, sid), units.get(sid, _ZERO))
            sides.append(_Compared(sid, units, said.positions.get(sid, _ZERO), ours, sid in busy))
        return sides

    def _drifted(self, side: _Compared) -> None:
        """Do what is configured where the books differ from the venue's."""
        left = EXACT.add(side.beside.get(side.name, _ZERO), side.difference)
        booked = self._on_drift == "book" and left >= 0
        there, ours = plain_decimal(side.there), plain_decimal(side.ours)
        self._recorder.write(
            "execution",
            None,
            execution="reconciled",
            of=side.name,
            venue=there,
            books=ours,
            difference=plain_decimal(side.difference),
            booked=booked,
        )
        if booked:
            side.beside[side.name] = left
        elif self._on_drift != "warn":
            self._kill_for(f"the venue holds {there} {side.name}, and the books {ours}")

    def _kill_for(self, reason: str) -> None:
        self._kill(Kill(reason=reason, by="venue"))

    def _write(self, execution: str, open_order: OpenOrder, **more: str | None) -> None:
        told = {key: value for key, value in more.items() if value is not None}
        self._recorder.write("execution", open_order.order.sid, execution=execution, order=open_order.id, **told)


def _held(positions: Mapping[str, Position], sid: str) -> Decimal:
    """Return the units of a symbol."""
    position = positions.get(sid)
    return _ZERO if position is None else position.quantity
