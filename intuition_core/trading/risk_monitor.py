"""The risk monitor: shows risk parts how the account fares, and only when it may matter to them."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from intuition_core.account.ledger import Readable
from intuition_core.account.market import Market
from intuition_core.contracts import Account, Watch
from intuition_core.trading.answers import check_text
from intuition_core.trading.parts import BoundRisk

_ALWAYS: Final = math.inf
_NEVER: Final = 2**63 - 1
_NEAR: Final = 1e-12
"""By how much of a bound floats may err on the way to it."""

_EVERYTHING: Final = Watch(below=math.inf, above=-math.inf)
"""What a risk part waits for that does not say: every quote of what is held, and every fill."""

Fail = Callable[[int, str, BaseException, str | None], None]
"""Told that a part failed: its number, the method, what it raised, and the symbol that it was about."""


class RiskMonitor:
    """Keeps what risk parts wait for, all together, so that most quotes need no more than a comparison.

    Attributes:
        needed: whether any risk part wants to see how the account fares; without one it does nothing.
        until: the time, in nanoseconds UTC, from which on one wants to.
        held: the units by symbol; always the same object.
        low, high: between these quotes of the one symbol that is held, nobody waits for anything.

    Args:
        ledger: the account.
        account: the same as parts see it.
        market: the latest quotes.
        status: where to note which part is called.
        fail: told of parts that fail.
        alarm: told which risk part wants the kill switch turned on, and why.
    """

    __slots__ = (
        "_above",
        "_account",
        "_aimed",
        "_alarm",
        "_below",
        "_cash",
        "_fail",
        "_ledger",
        "_market",
        "_marks",
        "_observers",
        "_status",
        "held",
        "high",
        "low",
        "needed",
        "until",
    )

    def __init__(
        self,
        ledger: Readable,
        account: Account,
        market: Market,
        *,
        status: Any,
        fail: Fail,
        alarm: Callable[[BoundRisk, str], None],
    ) -> None:
        self._ledger = ledger
        self._account = account
        self._market = market
        self._marks = market.marks
        self._status = status
        self._fail = fail
        self._alarm = alarm
        self._observers: Sequence[BoundRisk] = ()
        self.needed = False
        self._cash = 0.0
        self.held: dict[str, float] = {}
        self._below, self._above, self.until = -_ALWAYS, _ALWAYS, _NEVER
        self.low, self.high = _ALWAYS, -_ALWAYS
        self._aimed = True

    def open(self, risks: Sequence[BoundRisk]) -> None:
        """Begin to look out for these."""
        self._observers = [risk for risk in risks if risk.observe is not None]
        self.needed = bool(self._observers)
        self.settle()
        self.invalidate()

    @property
    def watch(self) -> Watch:
        """What is waited for."""
        return Watch(self._below, self._above, self.until)

    @watch.setter
    def watch(self, watch: Watch) -> None:
        self._below, self._above, self.until = watch.below, watch.above, watch.until
        self._aim()

    def invalidate(self) -> None:
        """Show the account at the next occasion, whatever is waited for."""
        if self.needed:
            self.watch = _EVERYTHING

    def settle(self) -> None:
        """Look at what is held anew: something was booked."""
        self._cash = float(self._ledger.cash)
        self.held.clear()
        for sid, position in self._ledger.positions.items():
            self.held[sid] = float(position.quantity)
        # As often as not parts are shown the account next, and it is aimed anew with what they wait for then.
        self.low, self.high = _ALWAYS, -_ALWAYS
        self._aimed = False

    def within_thresholds(self) -> bool:
        """Say whether the account fares so that there is nothing that is waited for."""
        held, marks = self.held, self._marks
        equity = self._cash
        if held:
            [sid, *others] = held
            if others or sid not in marks or not self._market.plain:
                equity = self._account.equity
            else:
                equity += held[sid] * marks[sid]
        within_thresholds = self._below < equity < self._above
        if within_thresholds and not self._aimed:
            self._aim()
        return within_thresholds

    def show(self, ts: int, sid: str | None) -> None:
        """Let risk parts see how the account fares; one may turn the kill switch on. The recorder is at the event.

        Args:
            ts: the time that is told them, nanoseconds UTC.
            sid: the symbol of the event.
        """
        below, above, until = -_ALWAYS, _ALWAYS, _NEVER
        for risk in self._observers:
            self._status[1] = risk.number
            seen = _EVERYTHING
            try:
                reason = risk.observe(self._account, ts)  # type: ignore[misc]  # these have it
                if isinstance(reason, Watch):
                    seen, reason = reason, None
                elif reason is not None:
                    check_text("what `observe` returns", reason)
                below, above = max(below, seen.below), min(above, seen.above)
                until = min(until, seen.until)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  # a part may raise anything; the others go on
                self._fail(risk.number, "observe", error, sid)
                below, above = _ALWAYS, -_ALWAYS
                continue
            if reason is not None:
                self._alarm(risk, reason)
        self._below, self._above, self.until = below, above, until
        self._aim()

    def _aim(self) -> None:
        """Find between which quotes of what is held nobody waits for anything; nowhere, if there are several."""
        self._aimed = True
        self.low, self.high = _ALWAYS, -_ALWAYS
        if len(self.held) == 1 and self._market.plain and self._below < self._above:
            [units] = self.held.values()
            if not units:  # one algorithm holds what another has sold short
                return
            low, high = (self._below - self._cash) / units, (self._above - self._cash) / units
            if units < 0:
                low, high = high, low
            # A hair nearer to each other, as floats err; what is infinite stays so.
            self.low = low + _NEAR * (1.0 + abs(low)) if low > -_ALWAYS else low
            self.high = high - _NEAR * (1.0 + abs(high)) if high < _ALWAYS else high
