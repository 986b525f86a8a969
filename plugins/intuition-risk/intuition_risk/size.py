"""A limit on the size of one order."""

import math
from typing import Annotated

import msgspec

from intuition_core.contracts import Account, Order, Rejection
from intuition_risk.amounts import Positive, shown, shrunk, units_of, value_of, within, without_rate
from intuition_risk.memory import Nothing

__all__ = ["OrderSize"]


class OrderSize(Nothing):
    """Refuses an order that is too large.

    An order of units comes to what they are worth, in the account's currency, at the highest of its quote, its limit,
    its stop and the symbol's latest quote; one of cash to the units that it buys at the lowest of these. What closes a
    position passes unless ``closing`` is set.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """The most that one order may come to; one limit at least, and all that are given hold."""

        cash: Annotated[Positive | None, msgspec.Meta(description="The most in the account's currency.")] = None
        units: Annotated[Positive | None, msgspec.Meta(description="The most units.")] = None
        shrink: Annotated[
            bool, msgspec.Meta(description="Make an order that is too large smaller instead of refusing it.")
        ] = False
        closing: Annotated[bool, msgspec.Meta(description="Hold orders to it that reduce a position, too.")] = False

        def __post_init__(self) -> None:
            """Refuse to limit nothing.

            Raises:
                ValueError: no limit is given.
            """
            if self.cash is None and self.units is None:
                raise ValueError("nothing is limited; give cash or units")

    def initialize(self, params: Params) -> None:
        """Take the limits."""
        self._limits = params
        self.opening_only = not params.closing

    def check(self, order: Order, account: Account) -> Order | Rejection:
        """Pass an order that is within the limits on its size.

        Returns:
            The order, as much of it as the limits allow, or a refusal with the amounts.
        """
        limits = self._limits
        if order.closing and not limits.closing:
            return order
        if limits.cash is not None and not within(value := value_of(order, account), limits.cash):
            smaller = shrunk(order, account, value=limits.cash) if limits.shrink else None
            if smaller is None:
                if math.isnan(value):
                    return without_rate(order)
                return Rejection(f"an order of {shown(value)}; at most {shown(limits.cash)}")
            order = smaller
        if limits.units is not None and not within(units := units_of(order, account), limits.units):
            smaller = shrunk(order, account, units=limits.units) if limits.shrink else None
            return smaller or Rejection(f"an order of {shown(units)} {order.sid}; at most {shown(limits.units)}")
        return order
