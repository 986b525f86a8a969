"""Positions of a ledger, cash that is reserved, and the units as parts see them."""

from collections.abc import Iterator, Mapping
from decimal import Decimal

import msgspec

from intuition_core.account.amounts import added
from intuition_core.contracts import ClosedTrade


class Position(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Units of one symbol and what they cost together, in the account's currency.

    Both are negative for what was sold short: the units that are owed, and what their sale brought less its fees.
    """

    quantity: Decimal
    cost: Decimal


class Reservation(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """Cash set aside for an order to open a position in one symbol."""

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
    opened: dict[str, int] = {}


class Reserved(Mapping[str, float]):
    """The cash reserved by symbol, as it was when it was asked for: it is a copy only once a reservation changes.

    Args:
        reservations: by order.
        by_symbol: the same, by symbol.
    """

    __slots__ = ("__weakref__", "_by_symbol", "_reservations")

    def __init__(
        self, reservations: Mapping[str, Reservation], by_symbol: Mapping[str, tuple[Reservation, ...]]
    ) -> None:
        self._reservations = reservations
        self._by_symbol = by_symbol

    def __getitem__(self, sid: str) -> float:
        """Return the cash reserved for the orders of a symbol."""
        return added(float(each.cash) for each in self._by_symbol[sid])

    def __contains__(self, sid: object) -> bool:
        """Whether cash is reserved for a symbol."""
        return sid in self._by_symbol

    def __iter__(self) -> Iterator[str]:
        """Return the symbols in the order of their first reservations."""
        return iter(dict.fromkeys(each.sid for each in self._reservations.values()))

    def __len__(self) -> int:
        """Return for how many symbols cash is reserved."""
        return len(self._by_symbol)

    def __repr__(self) -> str:
        """Show it as the dict that it stands for."""
        return repr(dict(self))

    def keep(self) -> None:
        """Stay as it is now, whatever is reserved."""
        self._reservations, self._by_symbol = dict(self._reservations), dict(self._by_symbol)


class Units(Mapping[str, float]):
    """The units of each position, as they were when it was asked for: it is a copy only once one of them changes."""

    __slots__ = ("__weakref__", "_positions")

    def __init__(self, positions: Mapping[str, Position]) -> None:
        self._positions = positions

    def __getitem__(self, sid: str) -> float:
        """Return the units of a symbol, negative for what was sold short."""
        return float(self._positions[sid].quantity)

    def __contains__(self, sid: object) -> bool:
        """Whether there is a position in a symbol."""
        return sid in self._positions

    def __iter__(self) -> Iterator[str]:
        """Return the symbols in the order in which their positions were opened."""
        return iter(self._positions)

    def __len__(self) -> int:
        """Return how many positions there are."""
        return len(self._positions)

    def __repr__(self) -> str:
        """Show it as the dict that it stands for."""
        return repr(dict(self))

    def keep(self) -> None:
        """Stay as it is now, whatever is booked."""
        self._positions = dict(self._positions)
