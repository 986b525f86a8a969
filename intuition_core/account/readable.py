"""What an account is asked, be it of one algorithm or of several."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Protocol

from intuition_core.account.ledger import Ledger
from intuition_core.account.market import Market
from intuition_core.account.positions import Position, Reservation
from intuition_core.account.valuation import Valuation
from intuition_core.contracts import ClosedTrade


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
        """Cash that is neither reserved nor has to cover short positions."""

    @property
    def expected(self) -> Decimal:
        """What sales of the present decision are to bring."""

    @property
    def margin_held(self) -> Decimal:
        """Cash that has to cover short positions."""

    @property
    def realised(self) -> Decimal:
        """Profits of what was sold."""

    @property
    def equity(self) -> Decimal:
        """All cash and all positions at their latest marks."""

    @property
    def positions(self) -> Mapping[str, Position]:
        """Units held, and what they cost, by symbol; negative for what was sold short."""

    def position(self, sid: str) -> Position | None:
        """Return the position in a symbol; None where there is none."""

    @property
    def units(self) -> Mapping[str, float]:
        """The units of each position, as they are now."""

    @property
    def valuation(self) -> Valuation | None:
        """What the positions are worth in floats; None where nobody follows it."""

    @property
    def opened(self) -> Mapping[str, int]:
        """When each position was opened, nanoseconds UTC."""

    @property
    def reservations(self) -> Mapping[str, Reservation]:
        """Cash set aside, by order."""

    @property
    def pending(self) -> Mapping[str, float]:
        """Cash set aside for orders, by symbol, as it is now."""

    @property
    def market(self) -> Market:
        """What a unit is worth."""

    @property
    def marks(self) -> Mapping[str, float]:
        """The latest quotes, by symbol."""

    @property
    def closed(self) -> Iterable[ClosedTrade]:
        """The latest trades that were closed, oldest first."""
