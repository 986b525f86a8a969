"""What the market offers of a symbol: prices with sizes on both sides, made anew by each price."""

from dataclasses import dataclass, field
from decimal import Decimal

from intuition_venue.instruments import Instrument
from intuition_venue.orders import ZERO

LEVELS = 20
"""Prices on each side of a book, unless a price says otherwise."""


@dataclass(slots=True)
class Level:
    """A price of the market, and how much of it is left."""

    price: Decimal
    size: Decimal


@dataclass(slots=True)
class Book:
    """The market of one symbol. `asks` rise and `bids` fall from the best; what orders take from them is gone."""

    instrument: Instrument
    last: Decimal
    number: int = 0
    asks: list[Level] = field(default_factory=list)
    bids: list[Level] = field(default_factory=list)

    def quote(self, last: Decimal, bid: Decimal, ask: Decimal, size: Decimal, levels: int) -> None:
        """Set a new price: `size` is offered at each of so many `levels` from `bid` down and from `ask` up."""
        tick = self.instrument.tick
        self.number += 1
        self.last = last
        self.asks = [Level(ask + tick * steps, size) for steps in range(levels)]
        self.bids = [Level(bid - tick * steps, size) for steps in range(levels) if bid > tick * steps]

    def against(self, side: str) -> list[Level]:
        """Return the levels that orders of a side are filled from."""
        return self.asks if side == "buy" else self.bids

    def offered(self, side: str, limit: Decimal | None) -> Decimal:
        """Return how much an order of a side could take at its limit or better."""
        return sum((level.size for level in self.within(side, limit)), ZERO)

    def within(self, side: str, limit: Decimal | None) -> list[Level]:
        """Return the levels at a limit or better that have something left, the best first."""
        levels = [level for level in self.against(side) if level.size]
        if limit is None:
            return levels
        return [level for level in levels if (level.price <= limit if side == "buy" else level.price >= limit)]

    def take(self, side: str, price: Decimal, quantity: Decimal) -> None:
        """Remove a quantity from the level at a price."""
        for level in self.against(side):
            if level.price == price:
                level.size -= quantity
                return
