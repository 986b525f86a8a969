"""Each fill against the way that the price really went: what was traded after the decision, and before the order's end.

Some faults gain nothing in a random market: an order that is filled after its end, or has more of a volume than was
traded while it was there. Here orders of all kinds are placed at random, and each of their fills is looked up in the
course of its symbol, of which the events tell only bars and quotes.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intuition_core.account.market import Market
from intuition_core.contracts import Bet, Cancel, Side, Signal, Targets
from intuition_core.trading import matching as bars
from intuition_core.trading import paper_broker as paper
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.moment import Moment
from intuition_core.trading.orders import FillRules

from . import markets

MINUTE = 60 * 10**9
DAY = 24 * markets.HOUR
SHARE = Decimal("0.1")
DELAY = 7 * MINUTE
LENGTHS = {"A": 20, "B": 60, "C": 180, "D": 60}
"""How many minutes an event of each symbol tells of; those of A are quotes, the others bars."""


class Course(NamedTuple):
    """What a symbol was traded at, minute by minute, and what is told of it."""

    prices: list[tuple[int, float]]
    events: list[markets.Event]

    def between(self, first: int, last: int) -> set[float]:
        """Give the prices from one time to another."""
        return {price for ts, price in self.prices if first <= ts <= last}


def course(sid: str, random: Random, hours: int) -> Course:
    """Draw the course of a symbol."""
    length, price = LENGTHS[sid], 10_000
    prices: list[tuple[int, float]] = []
    events: list[markets.Event] = []
    for number in range(hours * 60 // length):
        start = markets.BEGIN + number * length * MINUTE
        price += random.choice((-1, 1)) * random.randint(0, 2)
        path = [(start, float(price))]
        for step in range(1, length + 1):
            price += random.choice((-1, 1))
            path.append((start + step * MINUTE, float(price)))
        prices += path
        ts, quotes = path[-1][0], [each for _, each in path]
        told = {"channel": "quotes", "sid": sid, "ts": ts, "quote": quotes[-1], "volume": random.randint(0, 3000)}
        if sid != "A":
            told |= {"start": start, "open": quotes[0], "high": max(quotes), "low": min(quotes)}
        events.append(told)
    return Course(prices, events)


def told(courses: dict[str, Course], random: Random, *, late: bool) -> Iterator[markets.Event]:
    """Give the events of all in time, those of one moment in any order; those of D come later, where they are late."""
    events = [
        (each["ts"], each["sid"] == "A", random.random(), each) for course in courses.values() for each in course.events
    ]
    if late:
        events = [(ts + 45 * MINUTE * (each["sid"] == "D"), quote, by, each) for ts, quote, by, each in events]
    for *_, event in sorted(events, key=lambda each: each[:3]):
        yield event


class AnyOrder:
    """Orders anything, and takes it back, at random."""

    random = Random(0)

    def initialize(self, params: Any, context: Any) -> None:
        self.account = context.account
        self.marks: dict[str, float] = {}

    def event(self, data: Any) -> Any:
        self.marks[data["sid"]] = data["quote"]
        return [self.answer(data["ts"]) for _ in range(self.random.choice((0, 0, 1, 2)))]

    def answer(self, ts: int) -> Any:
        random = self.random
        sid = random.choice(sorted(self.marks))
        kind = random.randrange(20)
        if kind == 18:
            return Cancel(random.choice((sid, None)))
        if kind == 19:
            wanted = {each: random.randrange(300) for each in sorted(self.marks)}
            return Targets(quantities=wanted, others="keep") if random.random() < 0.5 else Targets(quantities={sid: 50})
        there = self.marks[sid]
        terms: dict[str, Any] = {}
        if kind < 12:
            terms["limit"] = there + random.randint(-12 if kind < 8 else -40, 6)
        if 10 < kind < 15:
            terms["stop"] = there + random.randint(-6, 12)
        if random.random() < 0.25:
            terms["until"] = ts + random.randint(1, 400) * MINUTE
        terms["tif"] = random.choice(("gtc", "day", "day", "ioc", "fok"))
        terms["tag"] = random.choice((None, None, "one"))
        side: Side = random.choice(("buy", "buy", "sell")) if sid in self.account.positions else "buy"
        if side == "sell":
            terms["group"] = random.choice((None, "out"))
        elif random.random() < 0.3:
            at = terms.get("limit", terms.get("stop", there))
            terms |= {"stop_loss": at - random.randint(15, 20), "take_profit": at + random.randint(15, 20)}
        return Signal(sid, side, **terms)


class AnySize:
    """Bets any number of units."""

    def optimize(self, signal: Any, account: Any) -> Bet:
        return Bet(units=AnyOrder.random.randint(1, 200))


def trespasses(seed: int, *, hours: int = 96, **more: Any) -> Counter[str]:
    """Count the fills at prices, and of volumes, that their orders could not have had; and all fills."""
    random = AnyOrder.random = Random(seed)
    courses = {sid: course(sid, random, hours) for sid in LENGTHS}
    line = Sleeve(
        algorithm=Part(kind="algorithm", name="any", factory=AnyOrder, params={}),
        portfolio=Part(kind="portfolio", name="any", factory=AnySize, params={}),
    )
    rules = FillRules(volume_share=SHARE, delay=random.choice((0, 0, DELAY)))
    recipe = Composition(sleeves=(line,), seed=1, cash=Decimal(10**8), fills=rules, **more)
    engine = TradingEngine(recipe, run="r")
    found: Counter[str] = Counter()
    decided: dict[str, tuple[int, Any]] = {}
    filled: dict[Any, int] = {}
    now = markets.BEGIN
    for event in told(courses, random, late=random.random() < 0.5):
        now = max(now, event["ts"])
        had = Decimal(0)
        here = set()
        for record in engine.step(event):
            assert record["type"] != "error", record
            if record["type"] == "decision":
                # What a fill has brought to life is there from that fill on; all else is decided now, and delayed.
                decided[record["id"]] = filled.get(record.get("parent"), now + rules.delay), record
                here.add(record["id"])
            elif record["type"] == "fill":
                since, decision = decided[record["cause"]]
                found["fills"] += 1
                if recipe.fill == "same" and record["cause"] in here and "parent" not in decision:
                    found["prices"] += record["sid"] != event["sid"] or record["price"] != event["quote"]
                    filled[record["cause"]] = event["ts"]
                    continue
                opened = record["price"] == event.get("open") and event["start"] >= since
                filled[record["cause"]] = event["start"] if opened else event["ts"]
                found["prices"] += not _traded(courses, record, decision, event, since)
                had += Decimal(record["quantity"])
                found["volumes"] += had > SHARE * event["volume"] * Decimal(_part(event, since, decision))
    return found


def _began(event: markets.Event) -> int:
    """Give when the first of an event's prices was traded."""
    begun: int = event["start"] if "start" in event else event["ts"]
    return begun


def _traded(courses: dict[str, Course], fill: Any, decision: Any, event: markets.Event, since: int) -> bool:
    """Say whether a fill's price was traded while its order was there, in what its event tells of."""
    begin = max(since, _began(event))
    end = min(event["ts"], decision.get("expires", event["ts"]))
    if decision.get("tif") == "day":  # that of the first moment at which it is there
        end = min(end, ((since + 1) // DAY + 1) * DAY)
    sid = fill["sid"]
    # What waits for a sale is filled at the event of its own symbol of the same moment.
    if sid != event["sid"]:
        told = [each for each in courses[sid].events if each["ts"] == event["ts"]]
        begin = max(since, *map(_began, told)) if told else end + 1
    return fill["price"] in courses[sid].between(begin, end)


def _part(event: markets.Event, since: int, decision: Any) -> float:
    """Give the part of an event's time in which an order was there."""
    start, ts = _began(event), event["ts"]
    if start == ts:
        return 1.0
    end = min(ts, decision.get("expires", ts))
    return max(0.0, float(Fraction(end - max(start, since), ts - start))) + 1e-9


@settings(max_examples=25)
@given(st.integers(0, 2**32), st.sampled_from(("next", "same")))
def test_every_fill_was_traded_while_its_order_was_there(seed: int, fill: str) -> None:
    found = trespasses(seed, hours=48, fill=fill)
    assert (found["prices"], found["volumes"]) == (0, 0)


# -- mutants, each with one fault


def no_end(patch: pytest.MonkeyPatch) -> None:
    """A bar counts whole that ends after an order's end."""
    sees = bars.seen
    patch.setattr(paper, "seen", lambda data, side, *, end=None, **more: sees(data, side, **more))


def another_day(patch: pytest.MonkeyPatch) -> None:
    """A `day` order is there for another day."""
    ends = Market.last_day
    patch.setattr(Market, "last_day", lambda self, sid, since: ends(self, sid, since) + DAY)


def whole_volume(patch: pytest.MonkeyPatch) -> None:
    """An order may have of the volume of the bar in which it was decided what was traded before."""
    patch.setattr(bars.Bar, "traded", property(lambda self: self.volume))


def no_delay(patch: pytest.MonkeyPatch) -> None:
    """An order is at the market at once."""
    patch.setattr(Moment, "since", property(lambda self: self._market.now))


def own_time(patch: pytest.MonkeyPatch) -> None:
    """An order has the time of its event, and not the session's."""
    patch.setattr(Moment, "since", property(lambda self: self.root["ts"] + self._delay))


def whole_bars(patch: pytest.MonkeyPatch) -> None:
    """Every price of a bar counts that ends after the decision."""
    sees = bars.seen

    def seen(data: Any, side: Any, *, since: int, **more: Any) -> Any:
        begun = data["ts"] > since and "start" in data
        return sees({**data, "start": max(since, data["start"])} if begun else data, side, since=since, **more)

    patch.setattr(paper, "seen", seen)


MUTANTS: Sequence[tuple[str, Callable[[pytest.MonkeyPatch], None]]] = [
    ("prices", no_end),
    ("prices", another_day),
    ("volumes", whole_volume),
    ("prices", no_delay),
    ("prices", own_time),
    ("prices", whole_bars),
]


@pytest.mark.parametrize(("what", "mutant"), MUTANTS)
def test_each_mutant_trespasses(what: str, mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: Any) -> None:
    mutant(monkeypatch)
    found = sum((trespasses(seed) for seed in range(5)), Counter[str]())
    assert found[what] > 2


def test_rules_1_trespass() -> None:
    found = sum((trespasses(seed, rules=1) for seed in range(2)), Counter[str]())
    assert found["prices"] > 20
