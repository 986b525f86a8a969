"""From what is held to what is wanted: the orders that targets ask for."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

from intuition_core.account.amounts import EXACT, exact, floor_to_step, rounded
from intuition_core.account.market import Market, Unbookable
from intuition_core.contracts import Order, Side, Targets
from intuition_core.errors import BadData
from intuition_core.trading.answers import check_targets
from intuition_core.trading.moment import Moment
from intuition_core.trading.orders import OpenOrder
from intuition_core.trading.outcomes import Outcomes
from intuition_core.trading.paper_broker import PaperBroker
from intuition_core.trading.parts import BoundSleeve
from intuition_core.trading.placement import Placement
from intuition_core.trading.records import Recorder
from intuition_core.trading.risk_gate import RiskGate
from intuition_core.trading.risk_monitor import Fail

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)


class NoMark(Unbookable):
    """A symbol without a quote, of which nobody knows how many units a weight comes to."""

    def __init__(self, sid: str) -> None:
        self.sid = sid
        super().__init__(f"no quote of {sid} is known yet, so that nobody knows what its target comes to")


class Leg(NamedTuple):
    """One symbol of targets.

    Attributes:
        sid: the symbol.
        mark: its latest quote.
        held: the units there are, negative where sold short.
        wanted: the units that are wanted; or, with an equity, the part of it.
        equity: what weights are parts of, in the account's currency; None for units.
    """

    sid: str
    mark: float | None
    held: Decimal
    wanted: Decimal
    equity: Decimal | None

    def orders(self, market: Market, *, minimum: Decimal, ts: int, algorithm: str) -> list[Order]:
        """Return the orders that bring what is held to what is wanted: none, one, or what closes and what opens.

        Args:
            market: what units are worth, and in what steps they are traded.
            minimum: orders that come to less, in the account's currency, are left out.
            ts: the time of the event.
            algorithm: whose orders they are.

        Raises:
            Unbookable: the symbol has no quote yet, one at which nothing can be sized, or no rate.
        """
        if not self.held and not self.wanted:
            return []
        if self.mark is None or self.mark <= 0:
            raise NoMark(self.sid)
        worth = market.unit(self.sid, exact(self.mark))
        step = market.step(self.sid)
        target = self._units(worth, step)
        orders: list[Order] = []
        side_held = self.held > 0
        if self.held and (not target or (target > 0) is not side_held or target.copy_abs() < self.held.copy_abs()):
            left = target.copy_abs() if target and (target > 0) is side_held else _ZERO
            less = EXACT.subtract(self.held.copy_abs(), left)
            if not left or less >= step:
                orders.append(
                    self._order(less, "sell" if side_held else "buy", short=not side_held, of=(ts, algorithm))
                )
        crossing = bool(self.held) and bool(target) and (target > 0) is not side_held
        base = _ZERO if crossing else self.held.copy_abs()
        if target and target.copy_abs() > base and EXACT.subtract(target.copy_abs(), base) >= step:
            side, short = ("buy", False) if target > 0 else ("sell", True)
            units: Decimal | None = EXACT.subtract(target.copy_abs(), base)
            cash: Decimal | None = None
            if self.equity is not None and not short:  # costs included, and whatever the price is by then
                cash = EXACT.subtract(self._cash(self.equity), EXACT.multiply(base, worth))
                units = None
            orders.append(self._order(units, side, short=short, of=(ts, algorithm), cash=cash))
        return [order for order in orders if _amount(order, worth) >= minimum]

    def _cash(self, equity: Decimal) -> Decimal:
        return rounded(EXACT.multiply(self.wanted.copy_abs(), max(equity, _ZERO)))

    def _units(self, worth: Decimal, step: Decimal) -> Decimal:
        """Return the units that are wanted, in whole steps towards none."""
        if self.equity is None:
            return floor_to_step(self.wanted.copy_abs(), _ONE, step).copy_sign(self.wanted)
        return floor_to_step(self._cash(self.equity), worth, step).copy_sign(self.wanted)

    def _order(
        self,
        units: Decimal | None,
        side: str,
        *,
        short: bool,
        of: tuple[int, str],
        cash: Decimal | None = None,
    ) -> Order:
        ts, algorithm = of
        return Order(self.sid, side, self.mark or 0.0, cash, units, None, ts, algorithm, short)  # type: ignore[arg-type]  # a side


def _amount(order: Order, worth: Decimal) -> Decimal:
    return order.cash if order.cash is not None else EXACT.multiply(order.quantity or _ZERO, worth)


class Aim:
    """Places the orders that bring positions to targets.

    Args:
        gate: asks the risk parts.
        placement: places the orders.
        broker: estimates orders that are open.
        moment: the event that is being taken.
        outcomes: takes back orders, and records refusals.
        recorder: says at which time orders are decided.
        market: what units are worth.
        fail: told of parts that fail.
    """

    __slots__ = ("_book", "_broker", "_fail", "_gate", "_market", "_moment", "_outcomes", "_placement", "_recorder")

    def __init__(
        self,
        gate: RiskGate,
        placement: Placement,
        *,
        broker: PaperBroker,
        moment: Moment,
        outcomes: Outcomes,
        recorder: Recorder,
        market: Market,
        fail: Fail,
    ) -> None:
        self._gate = gate
        self._placement = placement
        self._broker = broker
        self._book = broker.book
        self._moment = moment
        self._outcomes = outcomes
        self._recorder = recorder
        self._market = market
        self._fail = fail

    def at(self, sleeve: BoundSleeve, targets: Targets, number: int, method: str, sid: str | None) -> None:
        """Place the orders that bring a sleeve's positions to its targets.

        Args:
            sleeve: whose.
            targets: what it is to hold.
            number: the part that named them.
            method: what it was asked.
            sid: the symbol of the event.
        """
        try:
            numbers = check_targets(targets)
        except (BadData, TypeError, ValueError) as error:
            self._fail(number, method, error, sid)
            return
        coming = self._take_back(sleeve, targets, numbers)
        orders, refused = self._orders(sleeve, targets, numbers, self._units(sleeve, coming))
        passed: list[Order] = []
        for order in orders:
            allowed = self._gate.passed(sleeve, order)
            if allowed is None:
                refused = True
            else:
                passed.append(allowed)
        if refused and not targets.partial:
            for order in passed:
                self._outcomes.refuse(sleeve, order, "another order of the same targets is refused")
            return
        with self._placement.together(sleeve):
            for each in coming:
                if each.order.closing and self._moment.rules > 1:
                    self._placement.expect(sleeve, each, self._broker.estimate(each.order)[1])
            for order in sorted(passed, key=lambda order: not order.closing):
                self._placement.place(sleeve, order)

    def _take_back(self, sleeve: BoundSleeve, targets: Targets, numbers: Mapping[str, Decimal]) -> list[OpenOrder]:
        """Take back a sleeve's open orders for the symbols of its targets; return those that are filled all the same.

        An order at the market is filled already, or will be, whatever is wanted now: it counts as held.
        """
        name = sleeve.names[0]
        mine = [
            each
            for each in self._book
            if each.algorithm == name
            and each.parent is None
            and (targets.others == "close" or each.order.sid in numbers)
        ]
        coming = [each for each in mine if each.order.type == "market" and self._moment.may_be_filled(each, self._book)]
        self._outcomes.take_back([each for each in mine if each not in coming], "other targets have taken its place")
        return coming

    def _units(self, sleeve: BoundSleeve, coming: Sequence[OpenOrder]) -> dict[str, Decimal]:
        """Return the units that a sleeve has of each symbol once these orders are filled."""
        units = {sid: position.quantity for sid, position in sleeve.ledger.positions.items()}
        for each in coming:
            order = each.order
            come = order.quantity if order.quantity is not None else self._broker.estimate(order)[0]
            there = units.get(order.sid, _ZERO)
            units[order.sid] = EXACT.add(there, come) if order.side == "buy" else EXACT.subtract(there, come)
        return units

    def _orders(
        self, sleeve: BoundSleeve, targets: Targets, numbers: Mapping[str, Decimal], units: Mapping[str, Decimal]
    ) -> tuple[list[Order], bool]:
        """Return the orders that lead from units to targets, and whether a symbol was refused, with a record."""
        marks, orders, refused = self._market.marks, [], False
        equity = sleeve.ledger.equity if targets.weights is not None else None
        for each in dict.fromkeys((*numbers, *(sorted(units) if targets.others == "close" else ()))):
            wanted = numbers.get(each, _ZERO)
            leg = Leg(each, marks.get(each), units.get(each, _ZERO), wanted, equity)
            try:
                orders += leg.orders(
                    self._market, minimum=exact(targets.minimum), ts=self._recorder.ts, algorithm=sleeve.names[0]
                )
            except Unbookable as error:
                refused = True
                side: Side = "buy" if wanted > 0 else "sell"
                self._outcomes.refuse(sleeve, Order(each, side, marks.get(each, 0.0)), str(error))
        return orders, refused
