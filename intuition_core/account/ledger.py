"""The exact account of one algorithm: cash, reservations, and positions at what they cost.

Everything booked here is a `Decimal` made by ``Decimal(str(x))``. Additions and multiplications are exact: a context
that would have to round raises instead. The one division, the cost of a part of a position, is rounded once and the
rest stays with the position, so that cash and positions at cost always add up to what was put in and what was realised.

What was sold short is a position of less than no units. Its cost is negative, too: what the sales brought, less their
fees. The same sum holds with it: a short sale adds to the cash what it takes from the cost, and realises nothing until
units are bought back.
"""

from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar, Final
from weakref import ref

from intuition_core.account.actions import Action, Booked, Dividend, Split
from intuition_core.account.amounts import EXACT, ROUNDING, exact, part_of_cost, plain_decimal, rounded
from intuition_core.account.margin import Margin
from intuition_core.account.market import Market, Unbookable
from intuition_core.account.positions import LedgerState, Position, Reservation, Reserved, Units
from intuition_core.account.valuation import Valuation
from intuition_core.contracts import ClosedTrade

_ZERO: Final = Decimal(0)
_KEPT_TRADES: Final = 1000


class NotEnough(Unbookable):
    """An amount of cash or a number of units that the account does not have."""

    def __init__(self, what: str, asked: Decimal, there: Decimal) -> None:
        self.what = what
        self.asked = asked
        self.there = there
        super().__init__(f"{plain_decimal(asked)} {what} asked for, {plain_decimal(there)} available")


class WrongSide(Unbookable):
    """An order that opens on one side of a symbol while there are units on the other."""

    def __init__(self, sid: str, *, short: bool) -> None:
        self.sid = sid
        self.short = short
        way = "is sold short; buy it back" if short else "is held; sell it"
        super().__init__(f"{sid} {way} first: one order never both closes a position and opens the opposite one")


class NoMargin(Unbookable):
    """A short sale on an account that has no permission for it."""

    def __init__(self, sid: str) -> None:
        self.sid = sid
        super().__init__(
            f"{sid} cannot be sold short without a margin; the table [margin] of the configuration permits it"
        )


class Ledger:
    """Books what happened; decides nothing.

    Prices and fees are in the account's currency: `Market.unit` gives what a unit is worth. Always and exactly, what
    was put in and what was realised is the cash and the positions at cost.

    Attributes:
        deposits: what was put in, less what was taken out.
        cash: all of it: reserved or not, what short sales brought included. Negative only where buying back what was
            sold short, or a dividend on it, took more than there was.
        realised: profits over what was sold or bought back, and dividends.
        reserved: cash set aside for orders.
        positions: units and their cost by symbol, negative for what was sold short; none of no units.
        margin: what has to cover short positions; None where nothing may be sold short.
        market: the latest quotes, and what they come to.
        marks: the market's.
        opened: when each position was opened, nanoseconds UTC.
        expected: what sales of the present decision are to bring, which orders that wait for them may use.
        rules: the number of the rules that it books by. Under rules 1 a closed trade does not say whether it was short.

    Args:
        cash: what is put in at the start, in the account's currency.
        market: where it is shared with others; one of its own, without instruments, where None.
        margin: the permission to sell short.
        rules: the number of the rules to book by.
    """

    ledgers: ClassVar[Mapping[str, "Ledger"]] = {}
    """The ledgers that this one sums up: none."""

    __slots__ = (
        "_closed",
        "_pending",
        "_reserved_by",
        "_shown",
        "_valuation",
        "cash",
        "deposits",
        "expected",
        "margin",
        "market",
        "marks",
        "opened",
        "positions",
        "realised",
        "reservations",
        "reserved",
        "rules",
    )

    def __init__(
        self, cash: Decimal, *, market: Market | None = None, margin: Margin | None = None, rules: int = 2
    ) -> None:
        self.rules = rules
        self.deposits = cash
        self.cash = cash
        self.realised = _ZERO
        self.reserved = _ZERO
        self.expected = _ZERO
        self.reservations: dict[str, Reservation] = {}
        self._reserved_by: dict[str, tuple[Reservation, ...]] = {}
        self._pending: ref[Reserved] | None = None
        self.positions: dict[str, Position] = {}
        self.opened: dict[str, int] = {}
        self._shown: ref[Units] | None = None
        self._valuation: Valuation | None = None
        self.market = Market() if market is None else market
        self.marks = self.market.marks
        self.margin = margin
        # Exact; converted to floats when `closed` is asked for, which is rare.
        self._closed: deque[tuple[str, Decimal, Decimal, Decimal, int, bool]] = deque(maxlen=_KEPT_TRADES)

    def position(self, sid: str) -> Position | None:
        """Return the position in a symbol; None where there is none."""
        return self.positions.get(sid)

    @property
    def units(self) -> Mapping[str, float]:
        """The units of each position, as they are now."""
        there = None if self._shown is None else self._shown()
        if there is None:
            there = Units(self.positions)
            self._shown = ref(there)
        return there

    @property
    def valuation(self) -> Valuation:
        """What the positions are worth in floats; followed from the first time that it is asked for."""
        if self._valuation is None:
            self._valuation = Valuation(self.positions, self.market)
        return self._valuation

    @property
    def pending(self) -> Mapping[str, float]:
        """Cash set aside for orders, by symbol, as it is now."""
        there = None if self._pending is None else self._pending()
        if there is None:
            there = Reserved(self.reservations, self._reserved_by)
            self._pending = ref(there)
        return there

    def _keep_pending(self) -> None:
        """Keep what parts have read of reservations, which are about to change."""
        if self._pending is not None:
            there = self._pending()
            if there is not None:
                there.keep()
            self._pending = None

    def _list_reservations(self) -> None:
        """List all reservations by their symbols anew."""
        self._reserved_by = {}
        for each in self.reservations.values():
            self._reserved_by[each.sid] = (*self._reserved_by.get(each.sid, ()), each)

    def _move(self, sid: str) -> None:
        """Note that the position in a symbol is about to change, and keep the units that parts have read."""
        self.market.moved.add(sid)
        if self._valuation is not None:
            self._valuation.move(sid)
        if self._shown is not None:
            there = self._shown()
            if there is not None:
                there.keep()
            self._shown = None

    @property
    def closed(self) -> list[ClosedTrade]:
        """The latest trades that were closed, oldest first; at most 1,000."""
        return [
            ClosedTrade(sid, float(quantity), float(cost), float(proceeds), ts, short)
            for sid, quantity, cost, proceeds, ts, short in self._closed
        ]

    @property
    def available(self) -> Decimal:
        """Cash that is neither reserved nor has to cover short positions; negative where these have risen too far."""
        return self._free()

    def _free(self) -> Decimal:
        """Return the cash that is available: until Python 3.12 a method takes a quarter of the time of a property."""
        free = EXACT.subtract(self.cash, self.reserved) if self.reserved else self.cash
        return free if self.margin is None else EXACT.subtract(free, self.margin_held)

    @property
    def margin_held(self) -> Decimal:
        """Cash that has to cover short positions: ``Margin.initial`` times what buying them back would take."""
        return _ZERO if self.margin is None else EXACT.multiply(self.margin.initial, self._owed())

    @property
    def margin_call(self) -> bool:
        """Whether too little stands behind the short positions.

        That is when all cash and what is held are worth less than ``Margin.maintenance`` times what buying back would
        take; in other words, when the equity is less than ``maintenance - 1`` times that.
        """
        if self.margin is None:
            return False
        owed = self._owed()
        return bool(owed) and EXACT.add(self.equity, owed) < EXACT.multiply(self.margin.maintenance, owed)

    @property
    def equity(self) -> Decimal:
        """All cash and all positions at their latest marks; a position never marked counts at cost.

        So does one in a currency of which no rate is known. What was sold short counts negative.
        """
        total = self.cash
        no_instruments = not self.market.has_instruments
        for sid, position in self.positions.items():
            mark = self.marks.get(sid)
            if mark is None:
                worth: Decimal | None = position.cost
            elif no_instruments:
                worth = EXACT.multiply(position.quantity, exact(mark))
            else:
                worth = self.market.worth(sid, position.quantity)
            total = EXACT.add(total, position.cost if worth is None else worth)
        return total

    def snapshot(self) -> LedgerState:
        """Return the state of the ledger: exact amounts, positions, the latest closed trades."""
        return LedgerState(
            deposits=self.deposits,
            cash=self.cash,
            realised=self.realised,
            reservations=self.reservations,
            positions=self.positions,
            marks=self.marks,
            closed=self.closed,
            opened={sid: ts for sid, ts in self.opened.items() if sid in self.positions},
        )

    def restore(self, state: LedgerState) -> None:
        """Restore a state. The marks stay the same object, which views read."""
        self.deposits = state.deposits
        self.cash = state.cash
        self.realised = state.realised
        self.reservations = dict(state.reservations)
        self.reserved = _ZERO
        for reservation in self.reservations.values():
            self.reserved = EXACT.add(self.reserved, reservation.cash)
        self._pending = None
        self._list_reservations()
        self.positions = dict(state.positions)
        self.opened = dict(state.opened)
        self.marks.update(state.marks)
        self._valuation = None
        self.market.forget_valuations()
        self._closed.extend(
            (trade.sid, exact(trade.quantity), exact(trade.cost), exact(trade.proceeds), trade.ts, trade.short)
            for trade in state.closed
        )

    def reserve(self, order_id: str, sid: str, amount: Decimal) -> None:
        """Reserve cash for an order: to buy a symbol, or, as much as `Margin.to_short` says, to sell it short.

        Raises:
            NotEnough: more than is available.
        """
        if amount > self._free():
            raise NotEnough("cash", amount, self.available)
        self.reserved = EXACT.add(self.reserved, amount) if self.reservations else amount
        self._keep_pending()
        before = self.reservations.get(order_id)
        self.reservations[order_id] = reservation = Reservation(sid, amount)
        if before is None:
            self._reserved_by[sid] = (*self._reserved_by.get(sid, ()), reservation)
        else:
            self._list_reservations()

    def release(self, order_id: str) -> Decimal:
        """Release the cash reserved for an order, and return it; 0 where there is none."""
        if order_id not in self.reservations:
            return _ZERO
        self._keep_pending()
        reservation = self.reservations.pop(order_id)
        left = tuple(each for each in self._reserved_by.pop(reservation.sid) if each is not reservation)
        if left:
            self._reserved_by[reservation.sid] = left
        self.reserved = EXACT.subtract(self.reserved, reservation.cash) if self.reservations else _ZERO
        return reservation.cash

    def buy(self, sid: str, quantity: Decimal, price: Decimal, fees: Decimal = _ZERO) -> Decimal:
        """Book units bought, and return their cost with the fees, which are part of the position's cost.

        Raises:
            NotEnough: more than the cash that is available.
            WrongSide: the symbol is sold short, which `cover` buys back.
        """
        cost = EXACT.multiply(quantity, price)
        if fees:
            cost = EXACT.add(cost, fees)
        if cost > self._free():
            raise NotEnough("cash", cost, self.available)
        held = self.positions.get(sid)
        if held is not None and held.quantity < 0:
            raise WrongSide(sid, short=True)
        self.cash = EXACT.subtract(self.cash, cost)
        if held is not None:
            quantity = EXACT.add(held.quantity, quantity)
            total = EXACT.add(held.cost, cost)
        else:
            total = cost
            self.opened[sid] = self.market.now
        self._move(sid)
        self.positions[sid] = Position(quantity, total)
        return cost

    def sell(
        self, sid: str, quantity: Decimal, price: Decimal, ts: int, fees: Decimal = _ZERO
    ) -> tuple[Decimal, Decimal]:
        """Book units sold, and return the proceeds less the fees, and the profit over their cost.

        Raises:
            NotEnough: more than the units held; or fees, or a price below nothing, take more than is available.
        """
        held = self.positions.get(sid)
        if held is None or quantity > held.quantity:
            raise NotEnough(f"units of {sid}", quantity, max(_ZERO, held.quantity) if held else _ZERO)
        proceeds = EXACT.multiply(quantity, price)
        if fees:
            proceeds = EXACT.subtract(proceeds, fees)
        if proceeds < 0 and EXACT.add(self.available, proceeds) < 0:  # at a negative price the seller pays
            raise NotEnough("cash", EXACT.minus(proceeds), self.available)
        cost = self._take(sid, held, quantity)
        profit = EXACT.subtract(proceeds, cost)
        self.cash = EXACT.add(self.cash, proceeds)
        self.realised = EXACT.add(self.realised, profit)
        self._closed.append((sid, quantity, cost, proceeds, ts, False))
        return proceeds, profit

    def settle_purchase(self, sid: str, quantity: Decimal, cost: Decimal) -> None:
        """Book units that a venue has bought at a cost with its fees, whatever cash there is: it has happened."""
        held = self.positions.get(sid)
        self.cash = EXACT.subtract(self.cash, cost)
        if held is None:
            self.opened[sid] = self.market.now
        else:
            quantity, cost = EXACT.add(held.quantity, quantity), EXACT.add(held.cost, cost)
        self._move(sid)
        self.positions[sid] = Position(quantity, cost)

    def settle_sale(self, sid: str, quantity: Decimal, proceeds: Decimal, ts: int) -> Decimal:
        """Book units, at most those held, that a venue has sold for proceeds less its fees; return the profit."""
        held = self.positions.get(sid)
        cost = self._take(sid, held, quantity) if held is not None and quantity else _ZERO
        profit = EXACT.subtract(proceeds, cost)
        self.cash = EXACT.add(self.cash, proceeds)
        self.realised = EXACT.add(self.realised, profit)
        self._closed.append((sid, quantity, cost, proceeds, ts, False))
        return profit

    def short(self, sid: str, quantity: Decimal, price: Decimal, fees: Decimal = _ZERO) -> Decimal:
        """Book units sold short, and return the proceeds less the fees.

        Nothing is realised: the proceeds are the position's cost, negative, until the units are bought back.

        Raises:
            NoMargin: nothing may be sold short.
            NotEnough: the sale's margin, less what it brings, is more than the cash that is available.
            WrongSide: units of the symbol are held, which `sell` sells.
        """
        if self.margin is None:
            raise NoMargin(sid)
        held = self.positions.get(sid)
        if held is not None and held.quantity > 0:
            raise WrongSide(sid, short=False)
        proceeds = EXACT.multiply(quantity, price)
        needed = self.margin.to_short(proceeds, fees)
        if needed > self.available:
            raise NotEnough("cash", needed, self.available)
        proceeds = EXACT.subtract(proceeds, fees)
        owed, cost = EXACT.minus(quantity), EXACT.minus(proceeds)
        if held is not None:
            owed, cost = EXACT.add(held.quantity, owed), EXACT.add(held.cost, cost)
        else:
            self.opened[sid] = self.market.now
        self._move(sid)
        self.positions[sid] = Position(owed, cost)
        self.cash = EXACT.add(self.cash, proceeds)
        return proceeds

    def cover(
        self, sid: str, quantity: Decimal, price: Decimal, ts: int, fees: Decimal = _ZERO
    ) -> tuple[Decimal, Decimal]:
        """Book units bought back that were sold short, and return their cost with the fees, and the profit.

        The profit is what their sale had brought, less what they cost now. It is never refused for want of cash: who
        loses must be able to end it, and what is missing is a debt, as negative cash.

        Raises:
            NotEnough: more than the units that are short.
        """
        held = self.positions.get(sid)
        if held is None or quantity > EXACT.minus(held.quantity):
            there = max(_ZERO, EXACT.minus(held.quantity)) if held else _ZERO
            raise NotEnough(f"units of {sid} sold short", quantity, there)
        paid = EXACT.add(EXACT.multiply(quantity, price), fees)
        brought = EXACT.minus(self._take(sid, held, EXACT.minus(quantity)))
        profit = EXACT.subtract(brought, paid)
        self.cash = EXACT.subtract(self.cash, paid)
        self.realised = EXACT.add(self.realised, profit)
        self._closed.append((sid, quantity, paid, brought, ts, self.rules > 1))
        return paid, profit

    def act(self, action: Action) -> Booked | None:
        """Book a split or a dividend, and return what it did to the position; None without one. It changes no mark.

        A split multiplies the units and leaves their cost, exactly. What comes to less than a whole `Market.grain` is
        paid out (cash in lieu): it is booked as if it had been sold at the latest mark, or at what it had cost where
        there is none, rounded half to even to 12 decimals. A dividend is cash for every unit, and realised; who is
        short pays it, if need be with cash that is not there.

        Call it before `Market.split`, which brings the mark to what it is after the split.

        Raises:
            NoRate: a dividend is in a currency of which no rate is known.
        """
        held = self.positions.get(action.sid)
        if held is None:
            return None
        return self._split(held, action) if isinstance(action, Split) else self._dividend(held, action)

    def _split(self, held: Position, split: Split) -> Booked:
        self._move(split.sid)
        new, old = Decimal(split.new), Decimal(split.old)
        times = EXACT.multiply(held.quantity, new)  # the units after the split, times `old`
        grain = EXACT.multiply(self.market.grain(split.sid), old)
        rest = EXACT.remainder(times, grain)
        after = EXACT.divide(EXACT.subtract(times, rest), old)
        if not rest:
            self.positions[split.sid] = Position(after, held.cost)
            return Booked(before=held.quantity, after=after, paid_out=_ZERO, cash=_ZERO, profit=_ZERO)
        if after:
            cost = part_of_cost(held.cost, rest, times)
            self.positions[split.sid] = Position(after, EXACT.subtract(held.cost, cost))
        else:
            cost = held.cost
            self._close(split.sid)
        value = self.market.value(split.sid)
        cash = cost if value is None else rounded(ROUNDING.divide(ROUNDING.multiply(rest, value), new))
        profit = EXACT.subtract(cash, cost)
        self.cash = EXACT.add(self.cash, cash)
        self.realised = EXACT.add(self.realised, profit)
        return Booked(
            before=held.quantity, after=after, paid_out=rounded(ROUNDING.divide(rest, old)), cash=cash, profit=profit
        )

    def _dividend(self, held: Position, dividend: Dividend) -> Booked:
        cash = EXACT.multiply(held.quantity, self.market.convert(dividend.sid, dividend.amount))
        self.cash = EXACT.add(self.cash, cash)
        self.realised = EXACT.add(self.realised, cash)
        return Booked(before=held.quantity, after=held.quantity, paid_out=_ZERO, cash=cash, profit=cash)

    def _take(self, sid: str, held: Position, quantity: Decimal) -> Decimal:
        """Remove units from a position, of its sign, and return their part of its cost."""
        self._move(sid)
        if quantity == held.quantity:
            self._close(sid)
            return held.cost
        cost = part_of_cost(held.cost, quantity, held.quantity)
        self.positions[sid] = Position(EXACT.subtract(held.quantity, quantity), EXACT.subtract(held.cost, cost))
        return cost

    def _close(self, sid: str) -> None:
        del self.positions[sid]
        if self._valuation is not None:
            self._valuation.close(sid)

    def _owed(self) -> Decimal:
        """Return the cash that buys back all short positions at the latest marks; at their cost without a mark."""
        total = _ZERO
        for sid, position in self.positions.items():
            if position.quantity < 0:
                worth = self.market.worth(sid, position.quantity)
                total = EXACT.add(total, EXACT.abs(position.cost if worth is None else worth))
        return total
