"""What the positions of a ledger are worth in floats, followed by what changes and not by what is held."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from intuition_core.account.market import Market
from intuition_core.account.positions import Position
from intuition_core.account.sums import OrderedSum

_LARGE_PART: Final = 2
"""All positions are valued anew where more than one in so many has changed."""


class Valuation:
    """The worth of each position at its latest mark, and sums of them, in the order in which positions were opened.

    A position never marked counts at cost, and so does one in a currency of which no rate is known. Each worth and
    each sum is the same to the last digit as when all positions are looked at.

    Args:
        positions: the ledger's.
        market: what a unit is worth. It tells the valuation which symbols were marked.
    """

    __slots__ = (
        "_equity",
        "_equity_of",
        "_gross",
        "_market",
        "_moved",
        "_positions",
        "_signed",
        "_sized",
        "_units",
        "_values",
        "marked",
        "stale",
    )

    def __init__(self, positions: Mapping[str, Position], market: Market) -> None:
        self._positions = positions
        self._market = market
        self.marked: set[str] = set()
        self.stale = True
        self._moved: dict[str, None] = {}
        self._units: dict[str, float] = {}
        self._values: dict[str, float] = {}
        self._signed = OrderedSum({})
        self._sized: OrderedSum | None = None  # made when it is first asked for
        self._equity_of: Decimal | None = None
        self._equity = 0.0
        self._gross: float | None = None
        market.valuations.append(self)

    # -- what changes

    def move(self, sid: str) -> None:
        """Note that the position in a symbol has changed."""
        self._moved[sid] = None

    def close(self, sid: str) -> None:
        """Note that there is no position in a symbol any more; the next one is the last in order."""
        self._moved.pop(sid, None)
        if self._values.pop(sid, None) is None:
            return
        del self._units[sid]
        self._signed.remove(sid)
        if self._sized is not None:
            self._sized.remove(sid)
        self._equity_of = self._gross = None

    # -- what they are worth

    def equity(self, cash: Decimal) -> float:
        """Return cash and what all positions are worth, added one after the other."""
        self._refresh()
        if cash is not self._equity_of:
            self._equity = self._signed.after(float(cash))
            self._equity_of = cash
        return self._equity

    @property
    def gross(self) -> float:
        """The absolute worth of all positions, added one after the other."""
        self._refresh()
        if self._gross is None:
            if self._sized is None:
                self._sized = OrderedSum({sid: abs(worth) for sid, worth in self._values.items()})
            self._gross = self._sized.after(0.0)
        return self._gross

    @property
    def net(self) -> float:
        """The worth of all positions, added one after the other."""
        self._refresh()
        return self._signed.after(0.0)

    @property
    def values(self) -> dict[str, float]:
        """The worth of each position; a copy."""
        self._refresh()
        return self._values.copy()

    def worth(self, sid: str) -> float:
        """Return the worth of a symbol's position; 0 without one."""
        self._refresh()
        return self._values.get(sid, 0.0)

    def _refresh(self) -> None:
        """Value what was moved or marked since the last time."""
        if self._market.requoted:
            self._market.tell_valuations()
        changed, values, positions, units = self._moved, self._values, self._positions, self._units
        for sid in changed:
            units[sid] = float(positions[sid].quantity)
        if self.marked:
            changed.update(dict.fromkeys(self.marked & values.keys()))
            self.marked.clear()
        if not changed and not self.stale:
            return
        if self.stale or len(changed) > len(values) // _LARGE_PART or self._signed.is_sparse:
            self._value_all()
        else:
            signed, sized = self._signed, self._sized
            for sid in changed:
                values[sid] = worth = self._worth(sid, positions[sid])
                signed.put(sid, worth)
                if sized is not None:
                    sized.put(sid, abs(worth))
        changed.clear()
        self._equity_of = self._gross = None

    def _value_all(self) -> None:
        positions = self._positions
        self._units = {sid: float(position.quantity) for sid, position in positions.items()}
        self._values = {sid: self._worth(sid, position) for sid, position in positions.items()}
        self._signed = OrderedSum(self._values)
        self._sized = None
        self.stale = False

    def _worth(self, sid: str, position: Position) -> float:
        market = self._market
        if not market.has_instruments:
            mark = market.marks.get(sid)
            return float(position.cost) if mark is None else self._units[sid] * mark
        worth = market.worth(sid, position.quantity)
        return float(position.cost if worth is None else worth)
