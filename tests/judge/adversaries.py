"""Algorithms that would gain from one fault each of a broker, and from nothing else."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from intuition_core.contracts import Cancel, Signal

from . import markets

Answer = Any


class Adversary(NamedTuple):
    """Who tries it, where, and with which rule of fills."""

    algorithm: type
    market: Callable[[int], Iterable[markets.Event]]
    recipe: Mapping[str, Any] = MappingProxyType({})


class _Trader:
    def initialize(self, params: Any, context: Any) -> list[str]:
        self.account = context.account
        self.last: dict[str, float] = {}
        self.n = 0
        return ["quotes", "actions"]

    def closing(self, sid: str) -> list[Signal]:
        """Close what there is of a symbol."""
        return [Signal(sid, "sell")] if sid in self.account.positions else []

    def rose(self, data: Any) -> float:
        """Say by how much a symbol has risen since its last quote."""
        before, self.last[data["sid"]] = self.last.get(data["sid"]), data["quote"]
        return 0.0 if before is None else data["quote"] - before


class OthersOpen(_Trader):
    """Knows A's close, and buys B at the open of the same hour."""

    def event(self, data: Any) -> Answer:
        if data["channel"] != "quotes" or data["sid"] != "A":
            return None
        return [*self.closing("B"), Signal("B", "buy") if self.rose(data) > 4 else None]


class OthersLow(_Trader):
    """Knows that A fell and recovered, and buys B at its low of the same hour."""

    def event(self, data: Any) -> Answer:
        if data["sid"] == "B":
            self.last["B"] = data["quote"]
            return None
        there = self.last.get("B")
        orders: list[Any] = [*self.closing("B")]
        if there is not None and data["quote"] - data["low"] > 6:
            below = there - (data["open"] - data["low"]) / 2
            orders.append(Signal("B", "buy", limit=max(1.0, below), until=data["ts"] + markets.HOUR))
        return orders


class OthersHigh(_Trader):
    """Knows that A rose far, and buys B by a stop a little above its last close, in the hour that is over."""

    def event(self, data: Any) -> Answer:
        if data["sid"] == "B":
            self.last["B"] = data["quote"]
            return None
        there = self.last.get("B")
        orders: list[Any] = [*self.closing("B")]
        if there is not None and data["quote"] - data["open"] > 10:
            orders.append(Signal("B", "buy", stop=there + 6, until=data["ts"] + markets.HOUR))
        return orders


class StaleMark(_Trader):
    """Knows A's close, and trades B at the quote of an hour ago."""

    def event(self, data: Any) -> Answer:
        rose = self.rose(data)
        if data["sid"] == "B":
            return Signal("B", "sell")
        return Signal("B", "buy") if rose > 4 else None


class LateFeed(_Trader):
    """Knows A's present, and buys B at a quote of before."""

    def event(self, data: Any) -> Answer:
        if data["sid"] != "A":
            return None
        return [*self.closing("B"), Signal("B", "buy") if self.rose(data) > 4 else None]


class MixedFrames(_Trader):
    """Knows how the day went so far, and buys at its open."""

    first = 0.0

    def event(self, data: Any) -> Answer:
        if "open" in data:
            return None
        hour = (data["ts"] + 1) // markets.HOUR % 24
        if hour == 1:
            self.first = data["quote"]
            return Signal("A", "sell") if self.account.positions else None
        # At the day's last quote: only its bar still comes.
        return Signal("A", "buy") if hour == 0 and data["quote"] > self.first > 0 else None


class Doubled(_Trader):
    """Knows a bar's close, and buys at the open of its copy."""

    def event(self, data: Any) -> Answer:
        self.n += 1
        if self.n % 2 == 0:
            return Signal("A", "sell")
        return Signal("A", "buy") if data["quote"] > data["open"] + 2 else None


class OwnPrice(_Trader):
    """Buys at the low and sells at the high of the bar that it has seen."""

    def event(self, data: Any) -> Answer:
        self.n += 1
        return Signal("A", "buy", data["low"]) if self.n % 2 else Signal("A", "sell", data["high"])


class Dividends(_Trader):
    """Sells after a dividend at the price from before it."""

    def event(self, data: Any) -> Answer:
        if data["channel"] == "actions":
            return Signal("A", "sell")
        self.n += 1
        return Signal("A", "buy") if self.n % 10 == 3 else None


class Bracket(_Trader):
    """Enters with a stop and a target that the same bar often reaches both."""

    def event(self, data: Any) -> Answer:
        price = data["quote"]
        return Signal("A", "buy", stop_loss=price - 5, take_profit=price + 5)


class Straddle(_Trader):
    """Places a stop on one side and a limit on the other, of which one cancels the other."""

    def event(self, data: Any) -> Answer:
        self.n += 1
        price = data["quote"]
        if self.n % 3 == 1:
            return Signal("A", "buy")
        if self.n % 3 == 0:
            return [Cancel(), Signal("A", "sell")] if self.account.positions else None
        return [
            Signal("A", "sell", stop=price - 4, group="exit"),
            Signal("A", "sell", limit=price + 4, group="exit"),
        ]


class ReplacedOrder(_Trader):
    """Names a limit under its tag again and again, knowing what A did meanwhile."""

    def event(self, data: Any) -> Answer:
        if data["sid"] == "B":
            self.last["B"] = data["quote"]
            return None
        there = self.last.get("B")
        if there is None:
            return None
        rose = data["quote"] - data["open"]
        orders: list[Any] = [*self.closing("B")]
        self.n += 1
        if self.n % 2:
            orders.append(Signal("B", "buy", limit=there + (2 if rose > 6 else -40), tag="entry"))
        return orders


TWO = markets.Bars().events
ONE = markets.Bars(("A",)).events

ADVERSARIES: dict[str, Adversary] = {
    "another symbol's open": Adversary(OthersOpen, TWO),
    "another symbol's low": Adversary(OthersLow, TWO),
    "another symbol's high": Adversary(OthersHigh, TWO),
    "a stale mark under same": Adversary(StaleMark, markets.lagging, {"fill": "same"}),
    "a late feed": Adversary(LateFeed, markets.late),
    "mixed time frames": Adversary(MixedFrames, markets.mixed),
    "a bar that comes twice": Adversary(Doubled, markets.doubled),
    "a price of its own under same": Adversary(OwnPrice, ONE, {"fill": "same"}),
    "a dividend at the close": Adversary(Dividends, markets.paying, {"fill": "same"}),
    "an order that is replaced": Adversary(ReplacedOrder, TWO),
    "a bracket within one bar": Adversary(Bracket, markets.Bars(("A",), steps=200, jump=2).events),
    "a group within one bar": Adversary(Straddle, markets.Bars(("A",), steps=100, jump=2).events),
}
