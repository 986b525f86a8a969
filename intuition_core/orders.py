"""Orders at work: placed, and what filling one brought."""

from decimal import Decimal

import msgspec

from intuition_core.contracts import Order


class OpenOrder(msgspec.Struct, frozen=True, gc=False):
    """An order that was placed: the id is its decision's, the labels say whose it is."""

    id: str
    order: Order
    algorithm: str
    portfolio: str


class Filled(msgspec.Struct, frozen=True, gc=False):
    """What an order brought.

    ``price`` is what a unit cost or brought, slippage included; ``cash`` what moved in all; ``commission`` and
    ``slippage`` are what of it went to whom; ``profit``, for a sell, is over what the units had cost.
    """

    quantity: Decimal
    price: float
    cash: Decimal
    commission: Decimal
    slippage: Decimal
    profit: Decimal | None
