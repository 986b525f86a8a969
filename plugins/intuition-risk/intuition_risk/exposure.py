"""Limits on the exposure of the account."""

import math
from typing import Annotated, ClassVar

import msgspec

from intuition_core.contracts import Account, Order, Rejection
from intuition_core.exact import gross, most_ordered, net
from intuition_risk.amounts import (
    Positive,
    alongside,
    opening,
    percent,
    shown,
    shrunk,
    value_of,
    value_of_all,
    within,
    without_rate,
)
from intuition_risk.memory import Nothing

__all__ = ["Exposure"]


class Exposure(Nothing):
    """Refuses to buy, or to sell short, beyond a fraction of the equity, over the whole account.

    Gross exposure adds up what all positions are worth, longs and shorts of all algorithms alike, and what orders come
    to that open more.
    Net exposure is longs less shorts. It is limited either way: for a buy, with all orders to buy counted as filled and
    none to sell; for a short sale, the other way round. What closes a position passes.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """The limits as fractions of the equity; one at least, and all that are given hold."""

        gross: Annotated[
            Positive | None, msgspec.Meta(description="The most that all positions come to, whatever their sign.")
        ] = None
        net: Annotated[
            Positive | None, msgspec.Meta(description="The most that longs less shorts come to, or shorts less longs.")
        ] = None
        shrink: Annotated[
            bool, msgspec.Meta(description="Make an order that is too much smaller instead of refusing it.")
        ] = False

        def __post_init__(self) -> None:
            """Refuse to limit nothing.

            Raises:
                ValueError: no limit is given.
            """
            if self.gross is None and self.net is None:
                raise ValueError("nothing is limited; give gross or net")

    opening_only: ClassVar[bool] = True

    def initialize(self, params: Params) -> None:
        """Take the limits."""
        self._gross = params.gross
        self._net = params.net
        self._shrink = params.shrink

    def check(self, order: Order, account: Account) -> Order | Rejection:
        """Pass an order, or as much of it as leaves the account within its limits.

        Returns:
            The order, as much of it as there is room for, or a refusal with the amounts.
        """
        if order.closing:
            return order
        equity = account.equity
        if not equity > 0:
            return Rejection(f"the equity is {shown(equity)}, and nothing can be opened on it")
        more, ordered = value_of(order, account), most_ordered(account)
        if self._gross is not None and not (held := gross(account)) + ordered + more <= self._gross * equity:
            there = held + value_of_all(opening(order, account), account)
            if not within(there + more, self._gross * equity):
                answer = self._less("gross", self._gross, there, order, account)
                if isinstance(answer, Rejection):
                    return answer
                order, more = answer, value_of(answer, account)
        if self._net is not None:
            buying = order.side == "buy"
            held = net(account) if buying else -net(account)
            if held + ordered + more <= self._net * equity:
                return order
            there = held + value_of_all(alongside(order, account), account)
            if not within(there + more, self._net * equity):
                return self._less("net" if buying else "net short", self._net, there, order, account)
        return order

    def _less(self, name: str, fraction: float, there: float, order: Order, account: Account) -> Order | Rejection:
        """Return the order, reduced to the room beside an exposure, or a refusal."""
        equity, more = account.equity, value_of(order, account)
        limit = fraction * equity
        smaller = shrunk(order, account, value=limit - there) if self._shrink else None
        if smaller is not None:
            return smaller
        if math.isnan(more):
            return without_rate(order)
        return Rejection(
            f"the {name} exposure would come to {shown(there + more)} ({shown(there)} now, {shown(more)} more); "
            f"at most {shown(limit)}, {percent(fraction)} of the equity of {shown(equity)}"
        )
