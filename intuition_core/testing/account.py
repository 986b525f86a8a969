"""An account of plain fields, for tests of portfolios and risk parts."""

import math
from collections.abc import Mapping, Sequence

import msgspec

from intuition_core.account.amounts import added
from intuition_core.contracts import ClosedTrade, Holding, Order


class FakeAccount(msgspec.Struct, kw_only=True):
    """An `Account` of plain fields; amounts in its currency, as floats.

    ``equity`` follows from the others: the cash, what is set aside or covers short positions, and the positions at
    their marks. ``values`` and ``worth`` follow from the marks and the rates.
    """

    cash: float = 10_000.0
    positions: Mapping[str, float] = {}
    """Units held, by symbol; negative for what was sold short."""
    pending: Mapping[str, float] = {}
    """Cash set aside for orders that open a position, by symbol."""
    orders: Sequence[Order] = ()
    """The orders at work; what is set aside for them is ``pending``, which does not follow from them."""
    margin: float = 0.0
    """Cash that has to cover short positions, and is not in ``cash``."""
    marks: Mapping[str, float] = {}
    """The latest quote, by symbol; a position without one counts nothing."""
    rates: Mapping[str, float] = {}
    """The value of a price of 1 in the account's currency, by symbol: multiplier times rate; 1 where absent."""
    quoted_at: Mapping[str, int] = {}
    """When each symbol was last quoted, nanoseconds UTC."""
    closed_trades: Sequence[ClosedTrade] = ()
    holdings: Mapping[str, Holding] = {}
    """Positions with their average cost and since when they are open; they do not follow from ``positions``."""

    @property
    def values(self) -> Mapping[str, float]:
        """The value of each position at its mark, by symbol."""
        return {sid: units * self.worth(sid) if sid in self.marks else 0.0 for sid, units in self.positions.items()}

    @property
    def equity(self) -> float:
        """All cash, reserved or not, and all positions at their marks."""
        return self.cash + added(self.pending.values()) + self.margin + added(self.values.values())

    def worth(self, sid: str, price: float | None = None) -> float:
        """Return the value of one unit at a price, or at the symbol's mark; nan where it has none."""
        if price is None:
            price = self.marks.get(sid, math.nan)
        return price * self.rates.get(sid, 1.0)
