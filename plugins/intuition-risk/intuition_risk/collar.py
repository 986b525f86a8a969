"""How far an order's price may be from the market's."""

from typing import Annotated

import msgspec

from intuition_core.contracts import Account, Order, Rejection
from intuition_risk.amounts import Positive, percent, shown, within
from intuition_risk.memory import Nothing

__all__ = ["PriceCollar"]


class PriceCollar(Nothing):
    """Refuses an order whose price is too far from the latest quote of its symbol: a slip of a finger, or of a part.

    An order's price is the one that its signal names; where a signal names none it is the latest quote itself, and
    passes. A symbol without a quote has nothing to hold a price against, and is refused. A quote that is itself wrong
    is not found out: a risk part does not hear of the quotes before it. Sells pass unless ``closing`` is set.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """How far prices may be apart."""

        fraction: Annotated[Positive, msgspec.Meta(description="The most, as a fraction of the latest quote.")]
        closing: Annotated[bool, msgspec.Meta(description="Hold orders to it that reduce a position, too.")] = False

    def initialize(self, params: Params) -> None:
        """Take the limit."""
        self._fraction = params.fraction
        self._closing = params.closing

    def check(self, order: Order, account: Account) -> Order | Rejection:
        """Let an order pass whose price is near the market's.

        Returns:
            The order, or a refusal with both prices.
        """
        if order.closing and not self._closing:
            return order
        mark = account.marks.get(order.sid)
        if mark is None:
            return Rejection(f"{order.sid} has no quote to hold the price of {shown(order.quote)} against")
        if within(abs(order.quote - mark), self._fraction * abs(mark)):
            return order
        away = percent(abs(order.quote - mark) / abs(mark)) if mark else shown(abs(order.quote))
        return Rejection(
            f"the price of {shown(order.quote)} is {away} away from the latest quote of {order.sid}, {shown(mark)}; "
            f"at most {percent(self._fraction)}"
        )
