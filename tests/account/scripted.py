"""Parts that do what the events tell them, and the compositions that are made of them."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from intuition_core.contracts import Account, Bet, Cancel, Context, Data, Message, Order, Rejection, Signal, Watch
from intuition_core.trading.composition import Composition, Part, Sleeve

RUN = "test.1"
Wish = Mapping[str, Any]


class Scripted:
    """Answers an event with what stands in it under ``do`` and the algorithm's name; tells how many it has heard."""

    def initialize(self, params: Mapping[str, Any], context: Context) -> Sequence[str]:
        self._name = context.name
        self._heard = 0
        channels: Sequence[str] = params["channels"]
        return channels

    def event(self, data: Data) -> Any:
        self._heard += 1
        wishes: Sequence[Wish] = data.get("do", {}).get(self._name, ())
        answers = [self.answer(wish) for wish in wishes]
        if len(answers) == 1:
            return answers[0]
        return [*answers, Message("heard", {"events": self._heard})] if answers else None

    def answer(self, wish: Wish) -> Signal | Cancel:
        return Signal(**wish) if "side" in wish else Cancel(**wish)

    def snapshot(self) -> int:
        return self._heard

    def restore(self, state: int) -> None:
        self._heard = state


class Contrary(Scripted):
    """Wants the other side of what it is told."""

    def answer(self, wish: Wish) -> Signal | Cancel:
        other = {"buy": "sell", "sell": "buy"}
        return super().answer({**wish, "side": other[wish["side"]]} if "side" in wish else wish)


class Whole:
    """Bets what the signal carries, ``win`` units or ``loss`` in cash; says which; closes whole positions."""

    def optimize(self, signal: Signal, account: Account) -> Bet:
        if signal.win is not None:
            return Bet(units=signal.win, reason="units")
        return Bet(cash=signal.loss, reason="cash")


class Sized(Whole):
    """Sizes what closes a position as well."""

    def release(self, signal: Signal, account: Account) -> Bet:
        return Bet(units=signal.win, cash=None if signal.win else signal.loss, reason="units")


class Moving(Sized):
    """Bets of its own accord what stands in a quote under ``move``."""

    def observe(self, data: Data, account: Account) -> Sequence[Bet] | None:
        wishes: Sequence[Wish] = data.get("move", ())
        return [Bet(**wish, reason="units") for wish in wishes] or None


class Capped:
    """Makes large orders smaller, refuses larger ones, and turns the kill switch on when too little is left."""

    def initialize(self, params: Mapping[str, Any]) -> None:
        self._most, self._least = Decimal(params["most"]), params["least"]

    def check(self, order: Order, account: Account) -> Order | Rejection:
        if order.quantity is None or order.closing or order.quantity <= self._most:
            return order
        if order.quantity > 10 * self._most:
            return Rejection(f"more than {10 * self._most} units")
        return Order(**{name: getattr(order, name) for name in Order.__struct_fields__} | {"quantity": self._most})

    def observe(self, account: Account, ts: int) -> Watch | str:
        if account.equity < self._least:
            return f"less than {self._least} is left"
        return Watch(below=self._least)

    def snapshot(self) -> None:
        return None

    def restore(self, state: None) -> None:
        """Take nothing up: all it has are its parameters."""


PARTS = {
    ("algorithm", "scripted"): Scripted,
    ("algorithm", "contrary"): Contrary,
    ("portfolio", "whole"): Whole,
    ("portfolio", "sized"): Sized,
    ("portfolio", "moving"): Moving,
    ("risk", "capped"): Capped,
}


def part(kind: str, name: str, use: str, params: Mapping[str, Any]) -> Part:
    """Make a part as a composition that knows plugins does."""
    return Part(kind=kind, name=name, factory=PARTS[kind, use], params=dict(params), use=use)


def line(name: str, portfolio: str, channels: Sequence[str], **more: Any) -> Sleeve:
    """Make an algorithm and its portfolio."""
    algorithm = part("algorithm", name, "scripted", {"channels": list(channels)})
    return Sleeve(algorithm=algorithm, portfolio=part("portfolio", portfolio, portfolio, {}), **more)


def composed(lines: Sequence[Sleeve], **recipe: Any) -> Composition:
    """Make a composition whose parts can be swapped."""
    return Composition(sleeves=tuple(lines), seed=1, maker=part, **recipe)
