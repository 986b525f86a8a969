"""Algorithms that would gain from one fault each of a broker, and from nothing else."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from intuition_core.contracts import Cancel, Signal, Targets

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


class Splits(_Trader):
    """Sells after a split at the price from before it."""

    def event(self, data: Any) -> Answer:
        if data["channel"] == "actions":
            return Signal("A", "sell")
        self.n += 1
        return Signal("A", "buy") if self.n % 10 == 3 else None


class TakesBack(_Trader):
    """Orders B every hour, and takes the order back where A has fallen since."""

    def event(self, data: Any) -> Answer:
        if data["sid"] != "A":
            return None
        fell = self.rose(data) < 0 and "B" not in self.account.positions
        return [Cancel("B") if fell else None, *self.closing("B"), Signal("B", "buy")]


class TakesLimitsBack(_Trader):
    """Orders B below its price every hour, and takes the order back where A has fallen since."""

    def event(self, data: Any) -> Answer:
        if data["sid"] == "B":
            self.last["B"] = data["quote"]
            return None
        fell = self.rose(data) < 0
        there = self.last.get("B")
        if there is None or "B" in self.account.positions:
            return self.closing("B")
        return [Cancel("B") if fell else None, Signal("B", "buy", limit=there - 2)]


class Exchanges(_Trader):
    """Orders B every hour; where A has fallen since, an order far away takes the place of that under its tag."""

    def event(self, data: Any) -> Answer:
        if data["sid"] == "B":
            self.last["B"] = data["quote"]
            return None
        fell = self.rose(data) < 0
        there = self.last.get("B")
        if there is None or "B" in self.account.positions:
            self.n = 0
            return self.closing("B")
        self.n += 1
        if self.n % 2:
            return Signal("B", "buy", limit=there + 5, tag="entry")
        return Signal("B", "buy", limit=there - 60, tag="entry") if fell else None


class TwoOfAGroup(_Trader):
    """Lets a fall of A take back what B would have bought before it."""

    def event(self, data: Any) -> Answer:
        self.last[data["sid"]] = data["quote"]
        if data["sid"] != "B":
            return None
        self.n += 1
        if self.n % 2:
            return [Signal(sid, "sell") for sid in self.account.positions]
        group, until = f"g{self.n}", data["ts"] + markets.HOUR
        return [
            Signal("B", "buy", limit=self.last["B"] - 4, group=group, until=until),
            Signal("A", "buy", limit=self.last["A"] - 8, group=group, until=until),
        ]


class OtherTargets(_Trader):
    """Wants B every other hour, and nothing any more where A has fallen since."""

    def event(self, data: Any) -> Answer:
        if data["sid"] != "A":
            return None
        fell = self.rose(data) < 0
        self.n += 1
        if self.n % 4 == 1:
            return Targets(quantities={"B": 1})
        return Targets(quantities={}) if self.n % 4 == 3 or (fell and self.n % 4 == 2) else None


class UnderWay(_Trader):
    """Knows how A's hour goes, and buys B ten minutes before its bar of that hour ends."""

    def event(self, data: Any) -> Answer:
        if data["sid"] == "B":
            return Signal("B", "sell")
        self.n += 1
        if self.n % 6 == 1:
            self.last["A"] = data["quote"]
        return Signal("B", "buy") if self.n % 6 == 5 and data["quote"] > self.last["A"] else None


class LateSame(_Trader):
    """Buys B at a bar of before, at once, where A has risen since."""

    move = 0.0

    def event(self, data: Any) -> Answer:
        if data["sid"] == "A":
            self.move = self.rose(data)
            return None
        return [*self.closing("B"), Signal("B", "buy") if self.move > 4 else None]


class Sides(_Trader):
    """Buys and sells at each quote."""

    def event(self, data: Any) -> Answer:
        return Signal("A", "sell") if "A" in self.account.positions else Signal("A", "buy")


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
    "a split at the close": Adversary(Splits, markets.splitting, {"fill": "same"}),
    "a late bar under same": Adversary(LateSame, markets.belated, {"fill": "same"}),
    "a bar that is under way": Adversary(UnderWay, markets.under_way),
    "the wrong side of the spread": Adversary(Sides, markets.spread),
    "an order that is taken back": Adversary(TakesBack, TWO),
    "a limit that is taken back": Adversary(TakesLimitsBack, TWO),
    "an order that another takes the place of": Adversary(Exchanges, TWO),
    "a group of two symbols": Adversary(TwoOfAGroup, TWO),
    "other targets": Adversary(OtherTargets, TWO),
    "a bracket within one bar": Adversary(Bracket, markets.Bars(("A",), steps=200, jump=2).events),
    "a group within one bar": Adversary(Straddle, markets.Bars(("A",), steps=100, jump=2).events),
}
