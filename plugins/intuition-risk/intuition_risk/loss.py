"""A limit on the loss of a day."""

import math
from typing import Annotated, Any, ClassVar, Final
from zoneinfo import ZoneInfo

import msgspec

from intuition_core.contracts import Account, Context, Order, Rejection, Watch
from intuition_risk.amounts import Positive, above, percent, shown, within
from intuition_risk.days import Day, day_of
from intuition_risk.memory import Alarm

__all__ = ["DailyLoss"]

_BEFORE: Final = Day(-(2**63), -(2**63), "")


class DailyLoss:
    """Refuses to open a position when the account has lost too much since the day began, by the time of the events.

    The loss is against the equity at the end of the day before, profits and losses on paper included; on the first day
    against what the account started with. Gained back, it counts no more. What closes a position passes. A day once
    begun does not end because an event of an earlier time comes late. With ``kill`` the kill switch is turned on at the
    quote that brings the loss; it refuses closing orders as well.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """The most that may be lost; one limit at least, and all that are given hold."""

        cash: Annotated[Positive | None, msgspec.Meta(description="The most in the account's currency.")] = None
        fraction: Annotated[
            Annotated[float, msgspec.Meta(gt=0, le=1)] | None,
            msgspec.Meta(description="The most as a fraction of the equity at the end of the day before."),
        ] = None
        zone: Annotated[
            str, msgspec.Meta(description="The time zone in which days begin, such as `America/New_York`.")
        ] = "UTC"
        kill: Annotated[bool, msgspec.Meta(description="Turn the kill switch on, too.")] = False

        def __post_init__(self) -> None:
            """Refuse to limit nothing, and a time zone that is none.

            Raises:
                ValueError: no limit is given, or nobody knows the time zone.
            """
            if self.cash is None and self.fraction is None:
                raise ValueError("nothing is limited; give cash or fraction")
            try:
                ZoneInfo(self.zone)
            except (OSError, ValueError, LookupError):
                raise ValueError(f"no time zone is called {self.zone}; write it as in Europe/Berlin") from None

    opening_only: ClassVar[bool] = True

    def initialize(self, params: Params, context: Context) -> None:
        """Take the limits, and what the account has now."""
        self._limits = params
        self._zone = ZoneInfo(params.zone)
        self._alarm = Alarm(armed=params.kill)
        self._day = _BEFORE
        self._equity = context.account.equity
        self._begin(self._equity)

    def check(self, order: Order, account: Account) -> Order | Rejection:
        """Pass an order unless the loss of the day is beyond the limit.

        Returns:
            The order, or a refusal with the amounts.
        """
        if order.closing:
            return order
        reason = self._broken(account, order.ts)
        return order if reason is None else Rejection(reason)

    def observe(self, account: Account, ts: int) -> str | Watch | None:
        """See how the account fares, and give the reason for the kill switch when the limit is passed.

        Returns:
            The reason; or what to wait for: the end of the day, or a loss up to the limit.
        """
        reason = self._alarm.ring(self._broken(account, ts))
        if reason is not None or self._alarm.rung:
            return reason
        return Watch(below=self._safe, until=self._day.end) if self._alarm.armed else Watch(until=self._day.end)

    def _begin(self, equity: float) -> None:
        """Begin a day, and find above which equity no limit is broken, beyond the noise of the last digits."""
        self._start = equity
        cash, fraction = self._limits.cash, self._limits.fraction
        most = min(math.inf if cash is None else cash, math.inf if fraction is None else fraction * equity)
        self._safe = above(equity - most)

    def _broken(self, account: Account, ts: int) -> str | None:
        """Return a sentence on the limit that is broken, or None."""
        if ts >= self._day.end:
            self._day = day_of(ts, self._zone)
            self._begin(self._equity)
        self._equity = account.equity
        if self._equity >= self._safe:
            return None
        lost = self._start - self._equity
        cash, fraction = self._limits.cash, self._limits.fraction
        if cash is not None and not within(lost, cash):
            return f"the account has lost {shown(lost)} on {self._day.name}; at most {shown(cash)}"
        if fraction is not None and not within(lost, fraction * self._start):
            most = f"{shown(fraction * self._start)}, {percent(fraction)} of {shown(self._start)}"
            return f"the account has lost {shown(lost)} on {self._day.name}; at most {most}"
        return None

    def snapshot(self) -> dict[str, Any]:
        """Return the day, the equity it began with and the latest, and whether the kill switch was asked for."""
        return {"day": list(self._day), "start": self._start, "equity": self._equity, "rung": self._alarm.rung}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot; call `initialize` first."""
        self._day = Day(*state["day"])
        self._begin(state["start"])
        self._equity = state["equity"]
        self._alarm.rung = state["rung"]
