"""The table of the kinds of events: what it says of each is what the engine does."""

from decimal import Decimal
from typing import Any

import pytest

from intuition_core.account.actions import ACTIONS
from intuition_core.contracts import Bet, Signal
from intuition_core.data import DEFAULT_CHANNEL, RATES
from intuition_core.trading.composition import RULES, Composition, Part, Sleeve
from intuition_core.trading.decisions import CONTROL, DECISIONS, UNHEARD
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.events import EVENTS, MESSAGE, EventKind
from intuition_core.trading.timers import TIMER, Timer

NOW = 1_700_000_000_000_000_000
CHANNELS = [DEFAULT_CHANNEL, RATES, ACTIONS, CONTROL, UNHEARD, TIMER, "news"]
FIRST: dict[str, Any] = {"channel": DEFAULT_CHANNEL, "sid": "A", "quote": 10.0, "ts": NOW}
NEXT: dict[str, dict[str, Any]] = {
    DEFAULT_CHANNEL: {"sid": "A", "quote": 11.0},
    RATES: {"sid": "EUR/USD", "quote": 1.1},
    ACTIONS: {"sid": "A", "action": "split", "ratio": "2:1"},
    CONTROL: {"action": "kill", "reason": "enough", "flatten": True, "by": "me"},
    UNHEARD: {"action": "kill", "reason": "enough", "flatten": True, "by": "me"},
    TIMER: {"name": "hourly", "missed": 0},
    "news": {"text": "x"},
}


class Holds:
    """Buys at the first quote, and notes what it hears from then on."""

    def initialize(self, params: list[Any]) -> list[str]:
        self.heard = params
        return [DEFAULT_CHANNEL, RATES, ACTIONS, "hourly", "news"]

    def event(self, data: Any) -> Any:
        self.heard.append(data)
        return Signal("A", "buy") if len(self.heard) == 1 else None


class Units:
    def optimize(self, *_: Any) -> Bet:
        return Bet(units=10)


def taken(channel: str, rules: int) -> tuple[TradingEngine, list[Any], list[dict[str, Any]]]:
    """Give an engine that holds units and has taken an event of a channel, what was heard of it, and its records."""
    heard: list[Any] = []
    algorithm = Part(kind="algorithm", name="holds", factory=Holds, params=heard)
    portfolio = Part(kind="portfolio", name="units", factory=Units, params=None)
    engine = TradingEngine(
        Composition(
            sleeves=(Sleeve(algorithm=algorithm, portfolio=portfolio),),
            seed=1,
            fill="same",
            cash=Decimal(1000),
            timers=(Timer(name="hourly", every=3600 * 10**9),),
            rules=rules,
        ),
        run="r",
    )
    engine.step(FIRST)
    assert engine.ledger.units == {"A": 10.0}
    heard.clear()
    heard.append(None)
    records = list(engine.step({"channel": channel, "ts": NOW + 5, **NEXT[channel]}))
    return engine, heard[1:], records


@pytest.mark.parametrize("rules", range(1, RULES + 1))
@pytest.mark.parametrize("channel", CHANNELS)
def test_an_event_is_taken_as_the_table_says(channel: str, rules: int) -> None:
    kind = EVENTS.get(channel, MESSAGE)
    engine, heard, records = taken(channel, rules)
    assert engine.now == (NOW + 5 if kind.is_timed else NOW)
    assert {record["type"] for record in records} <= set(kind.records)
    event = {"channel": channel, "ts": NOW + 5, **NEXT[channel]}
    assert heard == ([] if kind.heard is None else [kind.heard(event)])
    assert (channel in engine.came) is (channel != DEFAULT_CHANNEL)


def test_what_is_no_kind_of_its_own_books_nothing() -> None:
    engine, _, records = taken("news", RULES)
    assert MESSAGE.booker is None
    assert not records
    assert engine.ledger.units == {"A": 10.0}


@pytest.mark.parametrize("kind", EVENTS.values(), ids=lambda kind: kind.channel)
def test_a_kind_that_is_booked_says_so(kind: EventKind) -> None:
    assert kind.booker is not None or not (kind.fills or kind.records)


def test_every_decision_has_its_type() -> None:
    assert set(DECISIONS) == {"kill", "clear", "shares", "swap", "upgrade", "rules"}
