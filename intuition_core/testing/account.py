"""An account that says what a test wants it to say."""

from collections.abc import Mapping, Sequence

import msgspec

from intuition_core.contracts import ClosedTrade


class FakeAccount(msgspec.Struct, kw_only=True):
    """An `Account` of plain fields; amounts in its currency, as floats.

    ``equity`` follows from the others: the cash, what is set aside, and the positions at their marks.
    """

    cash: float = 10_000.0
    positions: Mapping[str, float] = {}
    """Units held, by symbol."""
    pending: Mapping[str, float] = {}
    """Cash set aside for orders to buy, by symbol."""
    marks: Mapping[str, float] = {}
    """The latest quote, by symbol; a position without one counts nothing."""
    quoted_at: Mapping[str, int] = {}
    """When each symbol was last quoted, nanoseconds UTC."""
    closed_trades: Sequence[ClosedTrade] = ()

    @property
    def equity(self) -> float:
        """All cash, and all positions at their marks."""
        held = sum(units * self.marks.get(sid, 0.0) for sid, units in self.positions.items())
        return self.cash + sum(self.pending.values()) + held
