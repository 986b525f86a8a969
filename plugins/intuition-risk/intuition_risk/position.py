"""How much of one symbol may be held."""

from typing import Annotated

import msgspec

from intuition_core.contracts import Account, Order, Rejection
from intuition_risk.amounts import Positive, percent, shown, shrunk, units_for, units_of, value_of, within
from intuition_risk.memory import Nothing

__all__ = ["MaxPosition"]


class MaxPosition(Nothing):
    """Refuses to buy more of a symbol than a limit, over all algorithms of the account.

    What counts is what is held, at its latest quote, what is ordered and not filled yet, and the order itself. Sells
    pass. A position that grows beyond the limit by its price alone is not sold; no more is bought.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """The most of each symbol; one limit at least, and all that are given hold."""

        value: Annotated[
            Positive | None, msgspec.Meta(description="The most in the account's currency, at the latest quote.")
        ] = None
        units: Annotated[Positive | None, msgspec.Meta(description="The most units.")] = None
        fraction: Annotated[
            Positive | None, msgspec.Meta(description="The most as a fraction of the account's equity.")
        ] = None
        shrink: Annotated[
            bool, msgspec.Meta(description="Make an order that is too much smaller instead of refusing it.")
        ] = False

        def __post_init__(self) -> None:
            """Refuse to limit nothing.

            Raises:
                ValueError: no limit is given.
            """
            if self.value is None and self.units is None and self.fraction is None:
                raise ValueError("nothing is limited; give value, units or fraction")

    def initialize(self, params: Params) -> None:
        """Take the limits."""
        self._limits = params

    def check(self, order: Order, account: Account) -> Order | Rejection:
        """Let an order pass after which the position is within its limits.

        Returns:
            The order, as much of it as there is room for, or a refusal with the amounts.
        """
        if order.closing:
            return order
        sid = order.sid
        units = account.positions.get(sid, 0.0)
        pending = account.pending.get(sid, 0.0)
        held = units * account.marks.get(sid, order.quote)
        for limit, text in self._in_currency(account):
            more = value_of(order, account)
            if not within(held + pending + more, limit):
                smaller = shrunk(order, account, value=limit - held - pending) if self._limits.shrink else None
                if smaller is None:
                    return Rejection(
                        f"{sid} would come to {shown(held + pending + more)} "
                        f"({shown(held)} held, {shown(pending)} ordered, {shown(more)} more); at most {text}"
                    )
                order = smaller
        most = self._limits.units
        if most is None:
            return order
        ordered = units_for(pending, order, account)
        more = units_of(order, account)
        if within(units + ordered + more, most):
            return order
        smaller = shrunk(order, account, units=most - units - ordered) if self._limits.shrink else None
        return smaller or Rejection(
            f"{sid} would come to {shown(units + ordered + more)} units "
            f"({shown(units)} held, {shown(ordered)} ordered, {shown(more)} more); at most {shown(most)}"
        )

    def _in_currency(self, account: Account) -> list[tuple[float, str]]:
        """Give the limits in the account's currency, and how to tell them."""
        limits = []
        if self._limits.value is not None:
            limits.append((self._limits.value, shown(self._limits.value)))
        if self._limits.fraction is not None:
            equity = account.equity
            limit = self._limits.fraction * equity
            limits.append((limit, f"{shown(limit)}, {percent(self._limits.fraction)} of the equity of {shown(equity)}"))
        return limits
