"""A limit on the age of the latest quote of an order's symbol."""

from typing import Annotated

import msgspec

from intuition_core.contracts import Account, Order, Rejection
from intuition_risk.amounts import Positive, shown
from intuition_risk.memory import Nothing

__all__ = ["StaleData"]


class StaleData(Nothing):
    """Refuses an order when its symbol was not quoted for too long, by the time of the events.

    It is for orders that something else than a quote of their symbol leads to: news, a message, another symbol, one
    that went silent. What closes a position passes unless ``closing`` is set.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """How old a quote may be."""

        seconds: Annotated[Positive, msgspec.Meta(description="The most seconds since the latest quote.")]
        closing: Annotated[bool, msgspec.Meta(description="Hold orders to it that reduce a position, too.")] = False

    def initialize(self, params: Params) -> None:
        """Take the limit."""
        self._seconds = params.seconds
        self._time = round(params.seconds * 1e9)
        self.opening_only = not params.closing

    def check(self, order: Order, account: Account) -> Order | Rejection:
        """Pass an order whose symbol was quoted lately.

        Returns:
            The order, or a refusal with the age of the quote.
        """
        if order.closing and self.opening_only:
            return order
        quoted_at = account.quoted_at.get(order.sid)
        if quoted_at is None:
            return Rejection(f"{order.sid} was never quoted")
        age = order.ts - quoted_at
        if age <= self._time:
            return order
        return Rejection(f"{order.sid} was last quoted {shown(age / 1e9)} s ago; at most {shown(self._seconds)} s")
