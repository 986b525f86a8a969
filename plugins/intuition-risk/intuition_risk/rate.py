"""A limit on the number of orders within a time."""

from collections import deque
from collections.abc import Sequence
from typing import Annotated

import msgspec

from intuition_core.contracts import Account, Order, Rejection
from intuition_risk.amounts import Positive, shown

__all__ = ["OrderRate"]


class OrderRate:
    """Refuses an order when so many were let pass within the seconds before it, by the time of the events.

    An order that comes exactly those seconds after the first of them passes. Refused orders do not count; one that is
    refused after it, by another limit or by the account, does, so that it is best asked last. What closes a
    position passes and does not count unless ``closing`` is set. Where the time of the events goes back, orders count
    that are as near either way.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """How many orders in how many seconds."""

        orders: Annotated[int, msgspec.Meta(ge=1, le=1_000_000, description="The most orders in that time.")]
        seconds: Annotated[Positive, msgspec.Meta(description="The time, in seconds.")]
        closing: Annotated[bool, msgspec.Meta(description="Count and refuse orders that reduce a position, too.")] = (
            False
        )

    def initialize(self, params: Params) -> None:
        """Take the limit."""
        self._orders = params.orders
        self._seconds = params.seconds
        self._time = round(params.seconds * 1e9)
        self.opening_only = not params.closing
        self._passed: deque[int] = deque(maxlen=params.orders)

    def check(self, order: Order, account: Account) -> Order | Rejection:  # noqa: ARG002  # the contract gives it
        """Pass an order unless there were too many just before it.

        Returns:
            The order, or a refusal with the limit and how long it takes until one passes again.
        """
        if order.closing and self.opening_only:
            return order
        ts, time = order.ts, self._time
        if len(self._passed) == self._orders and all(abs(ts - before) < time for before in self._passed):
            left = (self._passed[0] + time - ts) / 1e9
            return Rejection(
                f"{self._orders} orders within {shown(self._seconds)} s already; the next one passes in {shown(left)} s"
            )
        self._passed.append(ts)
        return order

    def snapshot(self) -> list[int]:
        """Return the times of the latest orders, nanoseconds UTC."""
        return list(self._passed)

    def restore(self, state: Sequence[int]) -> None:
        """Go on from a snapshot; call `initialize` first."""
        self._passed.clear()
        self._passed.extend(state)
