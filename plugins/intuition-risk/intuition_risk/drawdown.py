"""A limit on the drawdown of the account."""

import math
from typing import Annotated, Any, ClassVar, TypeAlias

import msgspec

from intuition_core.contracts import Account, Context, Order, Rejection, Watch
from intuition_risk.amounts import above, percent, shown, within
from intuition_risk.memory import Alarm

__all__ = ["Drawdown"]

_Fall: TypeAlias = Annotated[float, msgspec.Meta(gt=0, le=1)]


class Drawdown:
    """Refuses to open a position when the equity has fallen too far below its peak, or below where it started.

    The equity is looked at after each quote of what is held, each fill, and at each order; profits and losses on paper
    are in it. What closes a position passes. With ``kill`` the kill switch is turned on at the quote that brings the
    fall; it refuses closing orders as well.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """How far the equity may fall, as fractions; one limit at least, and all that are given hold."""

        peak: Annotated[_Fall | None, msgspec.Meta(description="The most that may be lost of the highest equity.")] = (
            None
        )
        start: Annotated[
            _Fall | None, msgspec.Meta(description="The most that may be lost of what the account started with.")
        ] = None
        kill: Annotated[bool, msgspec.Meta(description="Turn the kill switch on, too.")] = False

        def __post_init__(self) -> None:
            """Refuse to limit nothing.

            Raises:
                ValueError: no limit is given.
            """
            if self.peak is None and self.start is None:
                raise ValueError("nothing is limited; give peak or start")

    opening_only: ClassVar[bool] = True

    def initialize(self, params: Params, context: Context) -> None:
        """Take the limits, and what the account has now."""
        self._limits = params
        self._alarm = Alarm(armed=params.kill)
        self._start = context.account.equity
        self._rise(self._start)

    def check(self, order: Order, account: Account) -> Order | Rejection:
        """Pass an order unless the drawdown of the account is beyond a limit.

        Returns:
            The order, or a refusal with the amounts.
        """
        if order.closing:
            return order
        reason = self._broken(account)
        return order if reason is None else Rejection(reason)

    def observe(self, account: Account, ts: int) -> str | Watch | None:  # noqa: ARG002  # the contract gives it
        """See how the account fares, and give the reason for the kill switch when a limit is passed.

        Returns:
            The reason; or what to wait for: a new peak, or a fall to the limit.
        """
        reason = self._alarm.ring(self._broken(account))
        if reason is not None or self._alarm.rung or self._peak <= 0 or self._start <= 0:
            return reason
        return Watch(below=self._safe, above=self._peak) if self._alarm.armed else Watch(above=self._peak)

    def _rise(self, peak: float) -> None:
        """Take a new peak, and find above which equity no limit is broken, beyond the noise of the last digits."""
        self._peak = peak
        of_peak, of_start = self._limits.peak, self._limits.start
        lowest = -math.inf if of_peak is None else peak * (1 - of_peak)
        if of_start is not None:
            lowest = max(lowest, self._start * (1 - of_start))
        self._safe = above(lowest) if peak > 0 and self._start > 0 else math.inf

    def _broken(self, account: Account) -> str | None:
        """Return a sentence on the limit that is broken, or None."""
        equity = account.equity
        if equity > self._peak:
            self._rise(equity)
        if equity >= self._safe:
            return None
        if self._limits.peak is not None and not within(self._peak - equity, self._limits.peak * self._peak):
            return _told(equity, self._peak, "its peak", self._limits.peak)
        if self._limits.start is not None and not within(self._start - equity, self._limits.start * self._start):
            return _told(equity, self._start, "its start", self._limits.start)
        return None

    def snapshot(self) -> dict[str, Any]:
        """Return the start, the peak, and whether the kill switch was asked for."""
        return {"start": self._start, "peak": self._peak, "rung": self._alarm.rung}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot; call `initialize` first."""
        self._start = state["start"]
        self._rise(state["peak"])
        self._alarm.rung = state["rung"]


def _told(equity: float, high: float, name: str, most: float) -> str:
    lost = percent((high - equity) / high) if high > 0 else "more than all"
    return f"the equity of {shown(equity)} is {lost} below {name} of {shown(high)}; at most {percent(most)}"
