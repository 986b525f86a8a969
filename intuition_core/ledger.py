"""The account, exact: cash, reservations, and positions at what they cost.

Everything booked here is a `Decimal` made by ``Decimal(str(x))``. Additions and multiplications are exact: a context
that would have to round raises instead. The one division, the cost of a part of a position, is rounded once and the
rest stays with the position, so that cash and positions at cost always add up to what was put in and what was realised.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, Inexact, InvalidOperation, Overflow
from types import MappingProxyType
from typing import Any, ClassVar, Final, NamedTuple, Protocol

import msgspec

from intuition_core.contracts import ClosedTrade
from intuition_core.errors import IntuitionError
from intuition_core.records import plain_decimal

EXACT: Final = Context(prec=250, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow])
"""Arithmetic that raises rather than rounds; wide enough for any price and any amount that the edges let in."""

_ROUNDING: Final = Context(prec=250, rounding=ROUND_HALF_EVEN)
_COST_STEP: Final = Decimal("1e-12")
_ZERO: Final = Decimal(0)
_KEPT_TRADES: Final = 1000


class NotEnough(IntuitionError):
    """An amount of cash or a number of units that the account does not have."""

    def __init__(self, what: str, asked: Decimal, there: Decimal) -> None:
        self.what = what
        self.asked = asked
        self.there = there
        super().__init__(f"{plain_decimal(asked)} {what} asked for, {plain_decimal(there)} available")


class Position(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Units of one symbol and what they cost together, in the account's currency."""

    quantity: Decimal
    cost: Decimal


def exact(number: float | str | Decimal) -> Decimal:
    """Give the decimal that a number is written as: ``exact(0.1)`` is one tenth, not the nearest binary fraction."""
    kind = type(number)
    if kind is Decimal:
        return number  # type: ignore[return-value]  # as just looked at
    return Decimal(number) if kind is int else Decimal(str(number))


def floor_to_step(amount: Decimal, price: Decimal, step: Decimal) -> Decimal:
    """Give the most units, in whole steps, that an amount buys at a price."""
    return EXACT.multiply(EXACT.divide_int(amount, EXACT.multiply(price, step)), step)


class Reservation(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Cash set aside for an order to buy one symbol."""

    sid: str
    cash: Decimal


class LedgerState(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger as it can be kept: exact amounts, marks, and the latest closed trades."""

    deposits: Decimal
    cash: Decimal
    realised: Decimal
    reservations: dict[str, Reservation]
    positions: dict[str, Position]
    marks: dict[str, float]
    closed: list[ClosedTrade]


class Ledger:
    """Books what happened; decides nothing.

    Args:
        cash: what is put in at the start, in the account's currency.
        marks: the latest quotes, where they are shared.
    """

    ledgers: ClassVar[Mapping[str, "Ledger"]] = {}
    """The ledgers that this one sums up: none."""

    __slots__ = ("cash", "closed", "deposits", "marks", "positions", "realised", "reservations", "reserved")

    def __init__(self, cash: Decimal, *, marks: dict[str, float] | None = None) -> None:
        self.deposits = cash
        self.cash = cash
        self.realised = _ZERO
        self.reserved = _ZERO
        self.reservations: dict[str, Reservation] = {}
        self.positions: dict[str, Position] = {}
        self.marks: dict[str, float] = {} if marks is None else marks
        self.closed: deque[ClosedTrade] = deque(maxlen=_KEPT_TRADES)

    @property
    def available(self) -> Decimal:
        """Cash that is not reserved."""
        return EXACT.subtract(self.cash, self.reserved)

    @property
    def equity(self) -> Decimal:
        """All cash and all positions at their latest marks; a position never marked counts at cost."""
        total = self.cash
        for sid, position in self.positions.items():
            mark = self.marks.get(sid)
            worth = position.cost if mark is None else EXACT.multiply(position.quantity, exact(mark))
            total = EXACT.add(total, worth)
        return total

    def snapshot(self) -> LedgerState:
        """Give the ledger as it can be kept."""
        return LedgerState(
            deposits=self.deposits,
            cash=self.cash,
            realised=self.realised,
            reservations=self.reservations,
            positions=self.positions,
            marks=self.marks,
            closed=list(self.closed),
        )

    def restore(self, state: LedgerState) -> None:
        """Take up what was kept. The marks stay the same object: views look at it."""
        self.deposits = state.deposits
        self.cash = state.cash
        self.realised = state.realised
        self.reservations = dict(state.reservations)
        self.reserved = _ZERO
        for reservation in self.reservations.values():
            self.reserved = EXACT.add(self.reserved, reservation.cash)
        self.positions = dict(state.positions)
        self.marks.update(state.marks)
        self.closed.extend(state.closed)

    def reserve(self, order_id: str, sid: str, amount: Decimal) -> None:
        """Set cash aside for an order to buy a symbol.

        Raises:
            NotEnough: more than is available.
        """
        if amount > self.available:
            raise NotEnough("cash", amount, self.available)
        self.reservations[order_id] = Reservation(sid, amount)
        self.reserved = EXACT.add(self.reserved, amount)

    def release(self, order_id: str) -> Decimal:
        """Give the cash set aside for an order back to what is available, and say how much it was."""
        reservation = self.reservations.pop(order_id, None)
        if reservation is None:
            return _ZERO
        self.reserved = EXACT.subtract(self.reserved, reservation.cash)
        return reservation.cash

    def buy(self, sid: str, quantity: Decimal, price: Decimal, fees: Decimal = _ZERO) -> Decimal:
        """Book units bought, and give what they cost with the fees, which are part of a position's cost.

        Raises:
            NotEnough: more than the cash that is available.
        """
        cost = EXACT.multiply(quantity, price)
        if fees:
            cost = EXACT.add(cost, fees)
        if cost > self.available:
            raise NotEnough("cash", cost, self.available)
        self.cash = EXACT.subtract(self.cash, cost)
        held = self.positions.get(sid)
        if held is not None:
            quantity = EXACT.add(held.quantity, quantity)
            total = EXACT.add(held.cost, cost)
        else:
            total = cost
        self.positions[sid] = Position(quantity, total)
        return cost

    def sell(
        self, sid: str, quantity: Decimal, price: Decimal, ts: int, fees: Decimal = _ZERO
    ) -> tuple[Decimal, Decimal]:
        """Book units sold; give what they brought, less the fees, and the profit over what they had cost.

        Raises:
            NotEnough: more than the units held, or more fees than all that is brought and available.
        """
        held = self.positions.get(sid)
        if held is None or quantity > held.quantity:
            raise NotEnough(f"units of {sid}", quantity, held.quantity if held else _ZERO)
        proceeds = EXACT.multiply(quantity, price)
        if fees:
            proceeds = EXACT.subtract(proceeds, fees)
            if EXACT.add(self.available, proceeds) < 0:
                raise NotEnough("cash", EXACT.minus(proceeds), self.available)
        if quantity == held.quantity:
            cost = held.cost
            del self.positions[sid]
        else:
            share = _ROUNDING.divide(_ROUNDING.multiply(held.cost, quantity), held.quantity)
            cost = share.quantize(_COST_STEP, context=_ROUNDING)
            self.positions[sid] = Position(EXACT.subtract(held.quantity, quantity), EXACT.subtract(held.cost, cost))
        profit = EXACT.subtract(proceeds, cost)
        self.cash = EXACT.add(self.cash, proceeds)
        self.realised = EXACT.add(self.realised, profit)
        self.closed.append(ClosedTrade(sid, float(quantity), float(cost), float(proceeds), ts))
        return proceeds, profit


class Readable(Protocol):
    """What a ledger, or the books of several algorithms together, can be asked."""

    @property
    def ledgers(self) -> Mapping[str, Ledger]:
        """The ledgers of single algorithms that this sums up, by their names."""

    @property
    def deposits(self) -> Decimal:
        """What was put in."""

    @property
    def cash(self) -> Decimal:
        """All cash, reserved or not."""

    @property
    def reserved(self) -> Decimal:
        """Cash set aside for open orders."""

    @property
    def available(self) -> Decimal:
        """Cash that is not reserved."""

    @property
    def realised(self) -> Decimal:
        """Profits of what was sold."""

    @property
    def equity(self) -> Decimal:
        """All cash and all positions at their latest marks."""

    @property
    def positions(self) -> Mapping[str, Position]:
        """Units held, and what they cost, by symbol."""

    @property
    def reservations(self) -> Mapping[str, Reservation]:
        """Cash set aside, by order."""

    @property
    def marks(self) -> Mapping[str, float]:
        """The latest quotes, by symbol."""

    @property
    def closed(self) -> Iterable[ClosedTrade]:
        """The latest trades that were closed, oldest first."""


class LedgerView:
    """The `Account` that parts see: the ledger in floats, and nothing that could change it."""

    __slots__ = ("_ledger", "marks", "quoted_at")

    def __init__(self, ledger: Readable, *, quoted_at: Mapping[str, int] | None = None) -> None:
        self._ledger = ledger
        self.quoted_at: Mapping[str, int] = MappingProxyType(quoted_at if quoted_at is not None else {})
        self.marks: Mapping[str, float] = MappingProxyType(ledger.marks)

    @property
    def cash(self) -> float:
        """Cash that can be bet."""
        return float(self._ledger.available)

    @property
    def equity(self) -> float:
        """All cash and all positions at their latest marks."""
        ledger = self._ledger
        total = float(ledger.cash)
        for sid, position in ledger.positions.items():
            mark = ledger.marks.get(sid)
            total += float(position.cost) if mark is None else float(position.quantity) * mark
        return total

    @property
    def positions(self) -> Mapping[str, float]:
        """Units held, by symbol."""
        return {sid: float(position.quantity) for sid, position in self._ledger.positions.items()}

    @property
    def pending(self) -> Mapping[str, float]:
        """Cash set aside for orders to buy that are not filled yet, by symbol."""
        pending: dict[str, float] = {}
        for reservation in self._ledger.reservations.values():
            pending[reservation.sid] = pending.get(reservation.sid, 0.0) + float(reservation.cash)
        return pending

    @property
    def closed_trades(self) -> Sequence[ClosedTrade]:
        """The latest trades that were closed, oldest first; at most 1,000."""
        return tuple(self._ledger.closed)


class Statement(NamedTuple):
    """The account at one moment, cheap to take and safe to read from another thread."""

    seq: int
    deposits: Decimal
    cash: Decimal
    reserved: Decimal
    realised: Decimal
    positions: Mapping[str, Position]
    marks: Mapping[str, float]
    algorithms: Mapping[str, "Statement"] = {}
    """Where several algorithms share the account: each one's part of it; together with idle cash they are the whole."""

    @classmethod
    def of(cls, ledger: Readable, seq: int) -> "Statement":
        """Take the statement of a ledger after an event."""
        return cls(
            seq,
            ledger.deposits,
            ledger.cash,
            ledger.reserved,
            ledger.realised,
            dict(ledger.positions),
            dict(ledger.marks),
            {name: cls.of(own, seq) for name, own in ledger.ledgers.items()},
        )

    def plain(self) -> dict[str, Any]:
        """Give the statement as plain JSON types: amounts in the account's currency and units as decimal strings."""
        equity = self.cash
        positions = {}
        for sid, position in self.positions.items():
            mark = self.marks.get(sid)
            worth = position.cost if mark is None else EXACT.multiply(position.quantity, exact(mark))
            equity = EXACT.add(equity, worth)
            positions[sid] = {
                "quantity": plain_decimal(position.quantity),
                "cost": plain_decimal(position.cost),
                "mark": mark,
                "value": plain_decimal(worth),
            }
        return {
            "seq": self.seq,
            "deposits": plain_decimal(self.deposits),
            "cash": plain_decimal(EXACT.subtract(self.cash, self.reserved)),
            "reserved": plain_decimal(self.reserved),
            "realised": plain_decimal(self.realised),
            "equity": plain_decimal(equity),
            "positions": positions,
            **({"algorithms": {name: own.plain() for name, own in self.algorithms.items()}} if self.algorithms else {}),
        }
