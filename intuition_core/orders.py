"""Orders at work: placed, what filling one brought, and how much of the market one may have."""

from decimal import Decimal
from typing import Any, Final

import msgspec

from intuition_core.contracts import Order


class OpenOrder(msgspec.Struct, frozen=True, gc=False):
    """An order that was placed: the id is its decision's, the labels say whose it is.

    ``order`` says what is still to be filled: after a partial fill its quantity or cash is what is left.
    ``expires`` is when it ends unfilled, in nanoseconds UTC, None for never; ``triggered`` whether the market has
    reached its stop.
    """

    id: str
    order: Order
    algorithm: str
    portfolio: str
    expires: int | None = None
    triggered: bool = False


class Filled(msgspec.Struct, frozen=True, gc=False):
    """What an order brought.

    ``price`` is what a unit cost or brought, slippage included, in the currency of the quotes; ``cash`` what moved in
    all, in the account's; ``commission`` and ``slippage`` are what of it went to whom; ``profit``, for what closes a
    position, is over what the units had cost. After a partial fill that leaves the order open, ``left_quantity`` is how
    many units, or ``left_cash`` how much cash, is still to be filled; otherwise both are None.
    """

    quantity: Decimal
    price: float
    cash: Decimal
    commission: Decimal
    slippage: Decimal
    profit: Decimal | None
    left_quantity: Decimal | None = None
    left_cash: Decimal | None = None


class FillRules(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the market orders may have.

    ``volume_share`` is the part of an event's ``volume``, above 0 and at most 1, that all orders for its symbol
    together can fill at that event; None for no limit.
    """

    volume_share: Decimal | None = None

    def __bool__(self) -> bool:
        """Whether anything is limited."""
        return self.volume_share is not None

    def plain(self) -> dict[str, Any]:
        """Describe the rules in plain JSON types; what is not limited is not there."""
        return {} if self.volume_share is None else {"volume_share": format(self.volume_share.normalize(), "f")}


NO_RULES: Final = FillRules()
