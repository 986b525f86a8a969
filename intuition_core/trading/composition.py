"""The frozen recipe of a `TradingEngine`: its parts with their parameters, its account, its rules."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from intuition_core.account.amounts import EXACT, ROUNDING, total
from intuition_core.account.costs import NO_COSTS, Costs
from intuition_core.account.hours import Hours
from intuition_core.account.instruments import Instrument
from intuition_core.account.margin import Margin
from intuition_core.account.market import DEFAULT_STEP as DEFAULT_STEP
from intuition_core.account.market import Market
from intuition_core.params.checking import shown_params
from intuition_core.trading.orders import NO_RULES, FillRules
from intuition_core.trading.timers import Timer

Fill: TypeAlias = Literal["next", "same"]

RULES: Final = 2
"""The newest number of the rules by which orders fill; a session keeps those that it was begun under."""

Drift: TypeAlias = Literal["halt", "book", "warn"]
"""What is done about books that differ from the venue's: the kill switch, a booking outside, or a record alone."""

Policy: TypeAlias = Literal["raise", "skip", "quarantine"]
"""What follows when a part fails at an event: the session takes no more events until a person starts it again; the
part has no say in that event; or it has none from then on."""

DEFAULT_CASH: Final = Decimal(10_000)
DEFAULT_POLICY: Final[Policy] = "skip"
DEFAULT_DEADLINE: Final = 30.0
"""Seconds that one call of a part may take."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One chosen part: what makes it, and the parameters it will be initialised with.

    ``policy`` says what follows when it fails, ``deadline`` how many seconds a call of it may take. Neither decides
    what comes out of a stream of events that it takes well, and `to_json` leaves them out. ``use`` is the plugin by the
    name that means it and no other; None for a part that is no plugin.
    """

    kind: str
    name: str
    factory: Callable[[], Any]
    params: Any
    distribution: str | None = None
    version: str | None = None
    use: str | None = None
    policy: Policy = DEFAULT_POLICY
    deadline: float = DEFAULT_DEADLINE

    @property
    def label(self) -> str:
        """How messages name the part: its kind, its name, and the distribution it comes from."""
        origin = f" ({self.distribution} {self.version})" if self.distribution else ""
        return f"{self.kind} {self.name}{origin}"

    def to_json(self) -> dict[str, Any]:
        """Describe the part in plain JSON types, without secrets."""
        return {
            "name": self.name,
            "distribution": self.distribution,
            "version": self.version,
            "params": shown_params(self.params),
        }


Maker: TypeAlias = Callable[[str, str, str, Mapping[str, Any]], Part]
"""Makes a part of its kind, the name of its place, the plugin, and the parameters as configured. It raises an
`IntuitionError` where there is no such plugin, or it does not take these parameters."""


class Sleeve(msgspec.Struct, frozen=True, kw_only=True):
    """An algorithm and the portfolio that sizes its signals; ``share`` is theirs of the capital, None an even one."""

    algorithm: Part
    portfolio: Part
    share: Decimal | None = None


class Venue(msgspec.Struct, frozen=True, kw_only=True):
    """Where the orders of a composition are traded, instead of on paper.

    ``broker`` is the plugin that trades there, and ``on_drift`` what is done where the books differ from the venue's.
    """

    broker: str
    on_drift: Drift = "halt"

    def to_json(self) -> dict[str, Any]:
        """Describe it in plain JSON types."""
        return {"broker": self.broker, "on_drift": self.on_drift}


class Composition(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides what comes out of a stream of events.

    ``cash`` is what the account starts with, in its currency; ``step`` the smallest number of units;
    ``seed`` makes every draw of every part repeatable; ``risks`` are asked in their order; ``indicators`` see an event
    in their order, before the algorithms do; ``costs`` are what every fill pays; ``fills`` limit what orders may have
    of the market; ``margin`` is the permission to sell short; ``instruments`` are what is known of symbols, ``hours``
    those of the calendars that they name, and ``currency`` is what the account is kept in. ``bars`` is how many
    nanoseconds the bars of a channel last that do not say when they began; ``timers`` are events by the time of others.
    ``rules`` is the number of the rules by which orders fill (docs/fills.md); a ``venue`` fills them instead.
    ``maker`` makes the parts that take the place of these while a session runs; without one none can.
    """

    sleeves: tuple[Sleeve, ...]
    risks: tuple[Part, ...] = ()
    indicators: tuple[Part, ...] = ()
    seed: int
    cash: Decimal = DEFAULT_CASH
    fill: Fill = "next"
    step: Decimal = DEFAULT_STEP
    costs: Costs = NO_COSTS
    fills: FillRules = NO_RULES
    margin: Margin | None = None
    currency: str | None = None
    instruments: tuple[Instrument, ...] = ()
    hours: tuple[Hours, ...] = ()
    bars: Mapping[str, int] = {}
    timers: tuple[Timer, ...] = ()
    rules: int = RULES
    venue: Venue | None = None
    maker: Maker | None = None

    def market(self) -> Market:
        """Return a market for one run, without quotes.

        Raises:
            NoCurrency: an instrument has a currency, and the account none.
            NoCalendar: an instrument names a calendar without hours.
        """
        return Market(step=self.step, currency=self.currency, instruments=self.instruments, hours=self.hours)

    @property
    def parts(self) -> tuple[Part, ...]:
        """The parts in the order in which they are started."""
        sleeves = (part for sleeve in self.sleeves for part in (sleeve.algorithm, sleeve.portfolio))
        return (*self.risks, *self.indicators, *sleeves)

    @property
    def places(self) -> tuple[tuple[str, str], ...]:
        """The kind and the name of each part's place, in the same order: a portfolio's is called as its algorithm."""
        sleeves = (place for sleeve in self.sleeves for place in _places_of(sleeve.algorithm.name))
        return (*((part.kind, part.name) for part in (*self.risks, *self.indicators)), *sleeves)

    def with_part(self, number: int, part: Part) -> "Composition":
        """Return this composition with another part in a place, counted from 1 in the order of `parts`."""
        parts = list(self.parts)
        parts[number - 1] = part
        return self._with_parts(parts)

    def mapped(self, change: Callable[[Part], Part]) -> "Composition":
        """Return this composition with each part changed, those that take a place later included."""
        maker = self.maker
        changed = self._with_parts([change(part) for part in self.parts])
        return changed if maker is None else replace(changed, maker=lambda *asked: change(maker(*asked)))

    def _with_parts(self, parts: Sequence[Part]) -> "Composition":
        risks, indicators = len(self.risks), len(self.indicators)
        rest = parts[risks + indicators :]
        return replace(
            self,
            risks=tuple(parts[:risks]),
            indicators=tuple(parts[risks : risks + indicators]),
            sleeves=tuple(
                replace(sleeve, algorithm=algorithm, portfolio=portfolio)
                for sleeve, algorithm, portfolio in zip(self.sleeves, rest[::2], rest[1::2], strict=True)
            ),
        )

    @property
    def shares(self) -> dict[str, Decimal]:
        """Which share of the capital each algorithm has; those that name none share what is left evenly."""
        named = {sleeve.algorithm.name: sleeve.share for sleeve in self.sleeves if sleeve.share is not None}
        rest = [sleeve.algorithm.name for sleeve in self.sleeves if sleeve.share is None]
        left = max(Decimal(0), EXACT.subtract(Decimal(1), total(named.values())))
        each = left
        if len(rest) > 1:
            each = ROUNDING.divide(left, Decimal(len(rest))).quantize(Decimal("0.0001"), ROUND_FLOOR, ROUNDING)
        return {sleeve.algorithm.name: named.get(sleeve.algorithm.name, each) for sleeve in self.sleeves}

    def to_json(self) -> dict[str, Any]:
        """Describe the composition in plain JSON types; two that compare equal decide the same."""
        # What a session of an earlier version could not have is only there if it is: its journal still compares equal.
        more: dict[str, Any] = {}
        if self.indicators:
            more["indicators"] = [indicator.to_json() for indicator in self.indicators]
        if self.costs:
            more["costs"] = self.costs.to_json()
        if self.fills:
            more["fills"] = self.fills.to_json()
        if self.margin is not None:
            more["margin"] = self.margin.to_json()
        if self.currency is not None:
            more["currency"] = self.currency
        if self.instruments:
            more["instruments"] = [instrument.to_json() for instrument in self.instruments]
        if self.hours:
            more["hours"] = [hours.to_json() for hours in self.hours]
        if self.bars:
            more["bars"] = dict(self.bars)
        if self.timers:
            more["timers"] = [timer.to_json() for timer in self.timers]
        if self.rules != 1:
            more["rules"] = self.rules
        if self.venue is not None:
            more["venue"] = self.venue.to_json()
        shares = {} if len(self.sleeves) == 1 else {name: format(share, "f") for name, share in self.shares.items()}
        return {
            "algorithms": [
                {
                    "algorithm": sleeve.algorithm.to_json(),
                    "portfolio": sleeve.portfolio.to_json(),
                    **({"share": shares[sleeve.algorithm.name]} if shares else {}),
                }
                for sleeve in self.sleeves
            ],
            "risks": [risk.to_json() for risk in self.risks],
            "seed": self.seed,
            "cash": format(self.cash, "f"),
            "fill": self.fill,
            "quantity_step": format(self.step, "f"),
            **more,
        }


def rules_of(composition: Mapping[str, Any]) -> int:
    """Return the number of the rules of a composition in JSON types; 1 where it is from before rules had numbers."""
    return int(composition.get("rules", 1))


def json_parts(composition: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the kind and the description of each part, in the order of `Composition.parts`, from JSON types."""
    for kind in ("risk", "indicator"):
        for part in composition.get(f"{kind}s", ()):
            yield kind, part
    for sleeve in composition["algorithms"]:
        for kind in ("algorithm", "portfolio"):
            yield kind, sleeve[kind]


def difference(one: Mapping[str, Any], other: Mapping[str, Any], path: str = "") -> str | None:
    """Return the first key in which two descriptions in JSON types differ, or None."""
    for key in [*one, *(key for key in other if key not in one)]:
        here = f"{path}.{key}" if path else key
        if key not in one or key not in other:
            return here
        found = _difference(one[key], other[key], here)
        if found is not None:
            return found
    return None


def _difference(mine: Any, theirs: Any, path: str) -> str | None:
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        return difference(mine, theirs, path)
    if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        for n, pair in enumerate(zip(mine, theirs, strict=True)):
            found = _difference(*pair, path if len(mine) == 1 else f"{path}.{n}")
            if found is not None:
                return found
        return None
    return None if mine == theirs else path


def _places_of(algorithm: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return ("algorithm", algorithm), ("portfolio", algorithm)
