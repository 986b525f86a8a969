"""A limit on the position in one symbol."""

import math
from typing import Annotated, ClassVar

import msgspec

from intuition_core.contracts import Account, Order, Rejection
from intuition_core.exact import worth_of
from intuition_risk.amounts import (
    Positive,
    alongside,
    percent,
    shown,
    shrunk,
    units_of,
    units_of_all,
    value_of,
    value_of_all,
    within,
    without_rate,
)
from intuition_risk.memory import Nothing

__all__ = ["MaxPosition"]


class MaxPosition(Nothing):
    """Refuses to buy, or to sell short, more of a symbol than a limit, over all algorithms of the account.

    What counts is what is held, or sold short, at its latest quote, what is ordered on the same side and not filled
    yet, and the order itself. What closes a position passes. A position that grows beyond the limit by its price alone
    is not closed; no more is opened.
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

    opening_only: ClassVar[bool] = True

    def initialize(self, params: Params) -> None:
        """Take the limits."""
        self._limits = params

    def check(self, order: Order, account: Account) -> Order | Rejection:
        """Pass an order, or as much of it as leaves the position within its limits.

        Returns:
            The order, as much of it as there is room for, or a refusal with the amounts.
        """
        if order.closing:
            return order
        sid, limits = order.sid, self._limits
        sign = 1 if order.side == "buy" else -1
        ahead = alongside(order, account, sid=sid)
        if limits.value is not None or limits.fraction is not None:
            held = sign * worth_of(account, sid)
            ordered = value_of_all(ahead, account)
            for limit, fraction in self._in_currency(account):
                more = value_of(order, account)
                if not within(held + ordered + more, limit):
                    smaller = shrunk(order, account, value=limit - held - ordered) if limits.shrink else None
                    if smaller is None:
                        return _refusal(order, held, ordered, more, _told(limit, fraction, account))
                    order = smaller
        if limits.units is not None:
            held = sign * account.positions.get(sid, 0.0)
            ordered = units_of_all(ahead, account)
            more = units_of(order, account)
            if not within(held + ordered + more, limits.units):
                smaller = shrunk(order, account, units=limits.units - held - ordered) if limits.shrink else None
                if smaller is None:
                    return _refusal(order, held, ordered, more, f"{shown(limits.units)} units")
                order = smaller
        return order

    def _in_currency(self, account: Account) -> list[tuple[float, float | None]]:
        """Return the limits in the account's currency, and the fraction of the equity that each is of."""
        limits: list[tuple[float, float | None]] = []
        if self._limits.value is not None:
            limits.append((self._limits.value, None))
        if self._limits.fraction is not None:
            limits.append((self._limits.fraction * account.equity, self._limits.fraction))
        return limits


def _told(limit: float, fraction: float | None, account: Account) -> str:
    if fraction is None:
        return shown(limit)
    return f"{shown(limit)}, {percent(fraction)} of the equity of {shown(account.equity)}"


def _refusal(order: Order, held: float, ordered: float, more: float, most: str) -> Rejection:
    if math.isnan(more):
        return without_rate(order)
    name = order.sid if order.side == "buy" else f"{order.sid} sold short"
    return Rejection(
        f"{name} would come to {shown(held + ordered + more)} "
        f"({shown(held)} held, {shown(ordered)} ordered, {shown(more)} more); at most {most}"
    )
