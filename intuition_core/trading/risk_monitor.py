"""The risk monitor: shows risk parts the account, and only when it may matter to them."""

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

from intuition_core.account.market import Market
from intuition_core.account.readable import Readable
from intuition_core.contracts import Account, Watch
from intuition_core.trading.answers import check_text
from intuition_core.trading.parts import BoundRisk

_ALWAYS: Final = math.inf
_NEVER: Final = 2**63 - 1
_NEAR: Final = 1e-12
"""By how much of a bound floats may err on the way to it."""

_FEW: Final = 16
"""Positions up to which all are read whenever one has changed."""

_MOST: Final = 10_000
"""Steps after which the equity is added up anew."""

_ERROR: Final = 4 * 2.0**-53
"""What floats err at most in a step, as a part of the largest number there is: a product and two sums."""

_EVERYTHING: Final = Watch(below=math.inf, above=-math.inf)
"""What a risk part waits for that does not say: every quote of what is held, and every fill."""

Fail = Callable[[int, str, BaseException, str | None], None]
"""Told that a part failed: its number, the method, what it raised, and the symbol that it was about."""


class RiskMonitor:
    """Combines the thresholds of all risk parts, so that most quotes need one comparison.

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
        "_about",
        "_above",
        "_account",
        "_aimed",
        "_alarm",
        "_below",
        "_cash",
        "_counted",
        "_fail",
        "_ledger",
        "_market",
        "_marks",
        "_observers",
        "_scale",
        "_seen",
        "_status",
        "_steps",
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
        # Of several positions: what the equity comes to but for what floats err, the marks that it was counted with,
        # and how large the numbers were of which it was added up.
        self._counted = False
        self._about = self._scale = 0.0
        self._steps = 0
        self._seen: dict[str, float] = {}

    def open(self, risks: Sequence[BoundRisk]) -> None:
        """Observe the account for these risk parts from now on."""
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
        """Show the account to all risk parts at the next event, whatever their thresholds."""
        if self.needed:
            self.watch = _EVERYTHING

    def settle(self, sid: str | None = None) -> None:
        """Update the positions after a booking.

        Args:
            sid: the only symbol of which a position has changed; None for any.
        """
        # As often as not parts are shown the account next, and it is aimed anew with what they wait for then.
        self.low, self.high = _ALWAYS, -_ALWAYS
        self._aimed = False
        if sid is not None and self._counted and self._settle_one(sid):
            return
        self._counted = False
        self._cash = float(self._ledger.cash)
        self.held.clear()
        for each, position in self._ledger.positions.items():
            self.held[each] = float(position.quantity)

    def within_thresholds(self, quoted: str | None = None) -> bool:
        """Return whether the equity is within the thresholds of all risk parts.

        Args:
            quoted: the only symbol whose mark has changed since this was asked last; None for any.
        """
        held, equity = self.held, self._cash
        if (
            len(held) == 1
            and not self._market.has_instruments
            and (mark := self._marks.get(sid := next(iter(held)))) is not None
        ):
            equity += held[sid] * mark
            self._counted = False  # what it was counted with is not followed here
        elif held:
            followed = quoted is not None and self._counted
            if followed and self._is_clear(quoted):
                self._aimed = True  # at several there is nothing to aim at
                return True
            equity = self._account.equity
            if followed and self._steps < _MOST:
                self._about = equity
            else:
                self._count(equity)
        within_thresholds = self._below < equity < self._above
        if within_thresholds and not self._aimed:
            self._aim()
        return within_thresholds

    # -- the equity of several positions, which takes as long to add up as there are positions

    def _count(self, equity: float) -> None:
        """Note the marks and the equity from which `_is_clear` continues."""
        held, marks = self.held, self._marks
        self._counted = len(held) > 1 and not self._market.has_instruments and all(sid in marks for sid in held)
        if not self._counted:
            return
        self._seen = {sid: marks[sid] for sid in held}
        self._about = equity
        self._scale = abs(self._cash) + sum(abs(units * marks[sid]) for sid, units in held.items())
        self._steps = 0

    def _settle_one(self, sid: str) -> bool:
        """Update the equity for one changed position; return False where all positions have to be read."""
        held, position = self.held, self._ledger.position(sid)
        if len(held) <= _FEW or (position is not None and sid not in self._marks):
            return False
        cash = float(self._ledger.cash)
        self._about += cash - self._cash
        self._scale += abs(cash - self._cash)
        self._cash = cash
        before = held.pop(sid, None)
        if before is not None:
            self._about -= before * self._seen[sid]
        if position is not None:
            held[sid] = units = float(position.quantity)
            self._seen[sid] = mark = self._marks[sid]
            self._about += units * mark
            self._scale += abs(units * mark)
        self._steps += 1
        return True

    def _follow(self, quoted: str | None) -> None:
        """Follow the equity to the latest mark of a symbol."""
        if quoted is not None and (units := self.held.get(quoted)) is not None:
            mark = self._marks[quoted]
            change = units * (mark - self._seen[quoted])
            self._seen[quoted] = mark
            self._about += change
            self._scale += abs(change)
        self._steps += 1

    def _is_clear(self, quoted: str | None) -> bool:
        """Follow the equity to a quote; return whether it is within the thresholds by more than floats may err."""
        self._follow(quoted)
        slack = (self._steps + len(self.held) + _FEW) * _ERROR * self._scale
        return self._steps < _MOST and self._below + slack < self._about < self._above - slack

    def show(self, ts: int, sid: str | None) -> None:
        """Show the account to the risk parts; one may turn the kill switch on. The recorder is at the event.

        Args:
            ts: the time that is told them, nanoseconds UTC.
            sid: the symbol of the event.
        """
        below, above, until = -_ALWAYS, _ALWAYS, _NEVER
        for risk in self._observers:
            self._status[1] = risk.number
            seen = _EVERYTHING
            try:
                reason = risk.observe(self._account, ts)  # type: ignore[misc]  # `_observers` are those with `observe`
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
        if self._counted:
            self._follow(sid)
        self._aim()

    def _aim(self) -> None:
        """Set `low` and `high`: the quotes of a single position between which no threshold is crossed."""
        self._aimed = True
        self.low, self.high = _ALWAYS, -_ALWAYS
        if len(self.held) == 1 and not self._market.has_instruments and self._below < self._above:
            [units] = self.held.values()
            if not units:  # one algorithm holds what another has sold short
                return
            low, high = (self._below - self._cash) / units, (self._above - self._cash) / units
            if units < 0:
                low, high = high, low
            # A hair nearer to each other, as floats err; what is infinite stays so.
            self.low = low + _NEAR * (1.0 + abs(low)) if low > -_ALWAYS else low
            self.high = high - _NEAR * (1.0 + abs(high)) if high < _ALWAYS else high
