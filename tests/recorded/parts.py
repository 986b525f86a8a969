"""Parts that do what their events say, so that a recorded run is a configuration and a file of events."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from intuition_core import Account, Bet, Cancel, Context, Fill, Message, Signal, Targets


class Scripted:
    """An algorithm that answers what is under ``do`` in each event.

    ``listens`` are channels besides ``quotes``, ``timers`` the timers it asks for. With ``follows`` it answers each
    n-th of its fills with an order for half of it, the other way.
    """

    def initialize(self, params: Mapping[str, Any], context: Context) -> Sequence[str]:
        """Ask for the timers, and name the channels."""
        self.context = context
        self.follows = int(params.get("follows", 0))
        self.fills = 0
        self.heard = 0
        timers = [context.at(when) for when in params.get("timers", ())]
        return ["quotes", *params.get("listens", ()), *timers]

    def event(self, data: Mapping[str, Any]) -> Iterator[Signal | Cancel | Message | Targets]:
        """Answer what the event says; a timer has each symbol that is held reduced by a random number of units."""
        self.heard += 1
        for step in data.get("do", ()):
            if step.get("by", self.context.name) != self.context.name:
                continue
            if "fail" in step:
                raise ValueError(step["fail"])
            yield from answers(step)
        if data["channel"] not in ("quotes", "rates", "actions") and "sid" not in data:
            for sid, holding in list(self.context.account.holdings.items()):
                units = self.context.rng.randrange(1, 5)
                side: Literal["buy", "sell"] = "sell" if holding.quantity > 0 else "buy"
                yield Signal(sid=sid, side=side, mean=float(units), tag="timer")
            yield Message("told", {"heard": self.heard, "equity": self.context.account.equity})

    def filled(self, fill: Fill) -> Signal | None:
        """Answer a fill with an order of the other side."""
        self.fills += 1
        if not self.follows or self.fills % self.follows:
            return None
        other: Literal["buy", "sell"] = "sell" if fill.side == "buy" else "buy"
        return Signal(sid=fill.sid, side=other, mean=float(fill.quantity) / 2, tag=f"after-{self.fills}")

    def snapshot(self) -> dict[str, int]:
        """Return the counts."""
        return {"fills": self.fills, "heard": self.heard}

    def restore(self, state: Mapping[str, int]) -> None:
        """Go on from the counts."""
        self.fills, self.heard = state["fills"], state["heard"]


def answers(step: Mapping[str, Any]) -> Iterator[Signal | Cancel | Message | Targets]:
    """Yield what one step of an event stands for."""
    if "signal" in step:
        yield Signal(**step["signal"])
    if "cancel" in step:
        yield Cancel(**step["cancel"])
    if "message" in step:
        yield Message("told", step["message"])
    if "targets" in step:
        yield Targets(**step["targets"])


class Sized:
    """A portfolio that bets a signal's ``mean`` in units, or else its ``win`` in cash, or else a tenth of the cash."""

    def initialize(self, params: Mapping[str, Any]) -> None:
        """Take no parameters."""

    def optimize(self, signal: Signal, account: Account) -> Bet:
        """Size what opens a position."""
        if signal.mean is not None:
            return Bet(units=Decimal(str(signal.mean)))
        return Bet(cash=signal.win if signal.win is not None else account.cash / 10)

    def release(self, signal: Signal, account: Account) -> Bet:
        """Size what closes one: the units that the signal names, or all."""
        held = abs(account.positions.get(signal.sid, 0.0))
        return Bet(units=held if signal.mean is None else min(signal.mean, held))
