"""How much of the account may be in the market."""

from typing import Annotated

import msgspec

from intuition_core.contracts import Account, Order, Rejection
from intuition_risk.amounts import Positive, percent, shown, shrunk, value_of, within
from intuition_risk.memory import Nothing

__all__ = ["Exposure"]


class Exposure(Nothing):
    """Refuses to buy beyond a fraction of the equity, over all symbols and all algorithms of the account.

    Gross exposure adds up what all positions are worth, whatever their sign; net exposure lets those of the other sign
    count against it. Cash that is set aside for orders counts as spent. Sells pass.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """The limits as fractions of the equity; one at least, and all that are given hold."""

        gross: Annotated[
            Positive | None, msgspec.Meta(description="The most that all positions come to, whatever their sign.")
        ] = None
        net: Annotated[Positive | None, msgspec.Meta(description="The most that longs less shorts come to.")] = None
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

    def initialize(self, params: Params) -> None:
        """Take the limits."""
        self._gross = params.gross
        self._net = params.net
        self._shrink = params.shrink

    def check(self, order: Order, account: Account) -> Order | Rejection:
        """Let an order pass after which the account is within its limits.

        Returns:
            The order, as much of it as there is room for, or a refusal with the amounts.
        """
        if order.closing:
            return order
        equity = account.equity
        if not equity > 0:
            return Rejection(f"the equity is {shown(equity)}, and nothing can be bought on it")
        net = equity - account.cash  # what positions are worth, and what is set aside for orders
        for name, fraction, there in (("gross", self._gross, None), ("net", self._net, net)):
            if fraction is None:
                continue
            exposed = net + 2 * _short(account) if there is None else there
            more = value_of(order, account)
            limit = fraction * equity
            if within(exposed + more, limit):
                continue
            smaller = shrunk(order, account, value=limit - exposed) if self._shrink else None
            if smaller is None:
                return Rejection(
                    f"the {name} exposure would come to {shown(exposed + more)} ({shown(exposed)} now, "
                    f"{shown(more)} more); at most {shown(limit)}, {percent(fraction)} of the equity of {shown(equity)}"
                )
            order = smaller
        return order


def _short(account: Account) -> float:
    """Give what positions of a negative worth come to, as a positive amount."""
    marks = account.marks
    return -sum(min(0.0, units * marks.get(sid, 0.0)) for sid, units in account.positions.items())
