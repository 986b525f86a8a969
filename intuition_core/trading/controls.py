"""Decisions of people, carried out: the kill switch, shares, swaps, upgrades, newer rules."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from intuition_core.contracts import Data
from intuition_core.trading.booking import Booking
from intuition_core.trading.decisions import Clear, Kill, NewRules, Shares, Upgrade, read_decision
from intuition_core.trading.order_manager import OrderManager
from intuition_core.trading.roster import Roster
from intuition_core.trading.swaps import Swaps


class Controls:
    """Carries out what people decide, and records it.

    Args:
        manager: has the kill switch and the shares.
        booking: counts the bars of the rules.
        roster: the live parts.
        swaps: puts parts in the place of others.
    """

    def __init__(self, manager: OrderManager, booking: Booking, roster: Roster, swaps: Swaps) -> None:
        self._manager = manager
        self._booking = booking
        self._roster = roster
        self._swaps = swaps

    def take(self, seq: int, data: Data) -> None:
        """Carry out the decision of an event, and record it."""
        self._manager.recorder.open(seq, data["ts"])
        decision = read_decision(data)
        match decision:
            case Kill() | Clear() | Shares():
                self._manager.interventions.control(decision)
                return
            case NewRules():
                told: Mapping[str, Any] = self._take_rules(decision.rules)
            case Upgrade():
                told = {name: getattr(decision, name) for name in ("kind", "name", "before", "after")}
            case _:
                swap, place = self._swaps.take(seq, data)
                changed = {"place": place, "before": decision.before, "after": decision.after}
                told = {**msgspec.structs.asdict(swap), **changed, "channels": list(self._roster.listeners)}
        self._manager.recorder.write("control", None, action=data["action"], by=decision.by, **told)

    def _take_rules(self, rules: int) -> Mapping[str, Any]:
        """Fill orders by other rules from now on; those that are open are taken as decided at this moment."""
        manager = self._manager
        before, manager.moment.rules = manager.moment.rules, rules
        manager.books.go_by(rules)
        self.use(rules)
        manager.book.begin(manager.books.market.now)
        return {"rules": rules, "before": before}

    def use(self, rules: int) -> None:
        """Set the number of the rules in the composition, and count its bars."""
        self._roster.composition = composition = replace(self._roster.composition, rules=rules)
        self._booking.bars = dict(composition.bars)
