"""A limit on the distance of an order's prices from the market's."""

from typing import Annotated

import msgspec

from intuition_core.contracts import Account, Order, Rejection
from intuition_risk.amounts import Positive, percent, shown, within
from intuition_risk.memory import Nothing

__all__ = ["PriceCollar"]


class PriceCollar(Nothing):
    """Refuses an order whose price is too far from the latest quote of its symbol: a slip of a finger, or of a part.

    The prices of an order are its limit and its stop; of one with neither it is the price that its signal names, and
    where that names none the latest quote itself, which passes. A symbol without a quote has nothing to hold a price
    against, and is refused. A quote that is itself wrong is not found out: a risk part does not hear of the quotes
    before it. What closes a position passes unless ``closing`` is set.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """How far prices may be apart."""

        fraction: Annotated[Positive, msgspec.Meta(description="The most, as a fraction of the latest quote.")]
        closing: Annotated[bool, msgspec.Meta(description="Hold orders to it that reduce a position, too.")] = False

    def initialize(self, params: Params) -> None:
        """Take the limit."""
        self._fraction = params.fraction
        self.opening_only = not params.closing

    def check(self, order: Order, account: Account) -> Order | Rejection:
        """Pass an order whose prices are near the market's; refuse others.

        Returns:
            The order, or a refusal with both prices.
        """
        if order.closing and self.opening_only:
            return order
        mark = account.marks.get(order.sid)
        if order.limit is None and order.stop is None:
            return self._held_to(order, "price", order.quote, mark)
        answer: Order | Rejection = order
        if order.limit is not None:
            answer = self._held_to(order, "limit", order.limit, mark)
        if order.stop is not None and answer is order:
            answer = self._held_to(order, "stop", order.stop, mark)
        return answer

    def _held_to(self, order: Order, name: str, price: float, mark: float | None) -> Order | Rejection:
        """Pass an order if its price of that name is near the market's."""
        if mark is None:
            return Rejection(f"{order.sid} has no quote to hold the {name} of {shown(price)} against")
        if within(abs(price - mark), self._fraction * abs(mark)):
            return order
        away = percent(abs(price - mark) / abs(mark)) if mark else shown(abs(price))
        return Rejection(
            f"the {name} of {shown(price)} is {away} away from the latest quote of {order.sid}, {shown(mark)}; "
            f"at most {percent(self._fraction)}"
        )
