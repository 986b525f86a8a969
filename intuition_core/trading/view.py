"""The account as parts see it: in floats, and with nothing that could change it."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import inf, nan
from types import MappingProxyType
from typing import Final

from intuition_core.account.amounts import EXACT, ROUNDING, exact
from intuition_core.account.market import NoRate
from intuition_core.account.readable import Readable
from intuition_core.account.valuation import Valuation
from intuition_core.contracts import ClosedTrade, Holding, Order
from intuition_core.trading.ordered import Ordered
from intuition_core.trading.orders import OpenOrder

_FEW: Final = 64
"""Positions up to which looking at all of them takes less time than following what changes."""


class LedgerView:
    """The `Account` that parts see: the ledger in floats, and nothing that could change it.

    Args:
        ledger: what is shown.
        quoted_at: when each symbol was last quoted, nanoseconds UTC.
        working: the open orders by symbol; without it there are none.
        algorithm: whose orders are shown; those of all where None.
        ordered: what the orders of all come to at most.
    """

    __slots__ = (
        "_algorithm",
        "_cash",
        "_cash_seen",
        "_ledger",
        "_market",
        "_ordered",
        "_working",
        "marks",
        "quoted_at",
    )

    def __init__(
        self,
        ledger: Readable,
        *,
        quoted_at: Mapping[str, int] | None = None,
        working: Mapping[str, Sequence[OpenOrder]] | None = None,
        algorithm: str | None = None,
        ordered: Ordered | None = None,
    ) -> None:
        self._ledger = ledger
        self._market = ledger.market
        self._working: Mapping[str, Sequence[OpenOrder]] = {} if working is None else working
        self._algorithm = algorithm
        self._ordered = ordered
        self._cash: Decimal | None = None
        self._cash_seen = 0.0
        self.quoted_at: Mapping[str, int] = MappingProxyType(quoted_at if quoted_at is not None else {})
        self.marks: Mapping[str, float] = MappingProxyType(ledger.marks)

    @property
    def cash(self) -> float:
        """Cash that can be bet; 0 where less than nothing is left of it."""
        ledger = self._ledger
        cash = float(EXACT.add(ledger.available, ledger.expected) if ledger.expected else ledger.available)
        return cash if cash > 0 else 0.0

    @property
    def equity(self) -> float:
        """All cash and all positions at their latest marks."""
        ledger = self._ledger
        cash = ledger.cash
        if cash is not self._cash:  # every risk part asks, and most of the time nothing was booked in between
            self._cash, self._cash_seen = cash, float(cash)
        total = self._cash_seen
        positions = ledger.positions
        if not positions:
            return total
        if len(positions) > _FEW and (valuation := self.valuation) is not None:
            return valuation.equity(cash)
        if self._market.has_instruments:
            for worth in self.values.values():
                total += worth
            return total
        marks = self._market.marks
        for sid, position in positions.items():
            total += float(position.quantity) * marks[sid] if sid in marks else float(position.cost)
        return total

    @property
    def valuation(self) -> Valuation | None:
        """What the positions are worth, followed as it changes; None where they are few or of several algorithms."""
        ledger = self._ledger
        return ledger.valuation if not ledger.ledgers and len(ledger.positions) > _FEW else None

    @property
    def values(self) -> Mapping[str, float]:
        """What each position is worth at its latest mark, in the account's currency; negative where sold short.

        One never marked counts at cost, and so does one in a currency of which no rate is known.
        """
        values: dict[str, float] = {}
        positions = self._ledger.positions
        if not positions:
            return values
        if len(positions) > _FEW and (valuation := self.valuation) is not None:
            return valuation.values
        marks, market = self._market.marks, self._market
        for sid, position in positions.items():
            if not market.has_instruments and sid in marks:
                values[sid] = float(position.quantity) * marks[sid]
            else:
                worth = market.worth(sid, position.quantity)
                values[sid] = float(position.cost if worth is None else worth)
        return values

    def worth(self, sid: str, price: float | None = None) -> float:
        """Return the worth of one unit at a price, or at its latest mark; nan without a mark or a rate."""
        if price is None:
            price = self.marks.get(sid, nan)
        if not self._market.has_instruments:
            return price
        try:
            return float(self._market.unit(sid, exact(price)))
        except NoRate:
            return nan

    @property
    def holdings(self) -> Mapping[str, Holding]:
        """Each position with its average cost and since when it is open."""
        opened = self._ledger.opened
        return {
            sid: Holding(
                float(position.quantity),
                float(ROUNDING.divide(position.cost, position.quantity)),
                opened.get(sid, 0),
            )
            for sid, position in self._ledger.positions.items()
            if position.quantity
        }

    @property
    def positions(self) -> Mapping[str, float]:
        """Units held, by symbol; negative for what was sold short."""
        return self._ledger.units

    @property
    def pending(self) -> Mapping[str, float]:
        """Cash set aside for orders that open a position and are not filled yet, by symbol."""
        return self._ledger.pending

    @property
    def orders(self) -> Sequence[Order]:
        """The orders at work, each as what of it is not filled yet."""
        if not self._working:
            return ()
        owner = self._algorithm
        orders = (each.order for there in self._working.values() for each in there)
        return tuple(order for order in orders if owner is None or order.algorithm == owner)

    def orders_for(self, sid: str) -> Sequence[Order]:
        """Return the orders at work for one symbol, as in `orders`."""
        there = self._working.get(sid)
        if there is None:
            return ()
        owner = self._algorithm
        return tuple(each.order for each in there if owner is None or each.order.algorithm == owner)

    @property
    def ordered(self) -> float:
        """An amount that the orders at work do not exceed, at the highest of their prices; infinite where unknown."""
        if not self._working:
            return 0.0
        return inf if self._ordered is None else self._ordered.most()

    @property
    def closed_trades(self) -> Sequence[ClosedTrade]:
        """The latest trades that were closed, oldest first; at most 1,000."""
        return tuple(self._ledger.closed)
