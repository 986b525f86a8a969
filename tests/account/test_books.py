"""One account of several algorithms: what is conserved, whose the profit is, and the kill switch over all of them."""

import itertools
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from intuition_core.account.actions import Dividend, Split
from intuition_core.account.amounts import EXACT, exact, floor_to_step
from intuition_core.account.books import BadShares, Books
from intuition_core.account.costs import Costs
from intuition_core.account.instruments import Instrument
from intuition_core.account.margin import Margin
from intuition_core.account.market import Market, NoRate, read_rate
from intuition_core.account.positions import Position
from intuition_core.contracts import Bet, Data, Order, Signal
from intuition_core.session import control
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.view import LedgerView

NAMES = ("one", "two", "three")
START = Decimal("10000.03")
STEP = Decimal("0.001")
ZERO = Decimal(0)

names = st.sampled_from(NAMES)
symbols = st.sampled_from("AB")
prices = st.floats(0.01, 1000).map(lambda price: round(price, 2))
parts = st.fractions(0, 1, max_denominator=7)
tables = st.lists(st.integers(0, 100), min_size=3, max_size=3).map(
    lambda each: {
        name: Decimal(share) / 1000 if sum(each) > 100 else Decimal(share) / 100
        for name, share in zip(NAMES, each, strict=True)
    }
)


def total(amounts: Any) -> Decimal:
    """Add up without rounding."""
    whole = ZERO
    for amount in amounts:
        whole = EXACT.add(whole, amount)
    return whole


def part_of(amount: Decimal, part: Any) -> Decimal:
    """Give a part of an amount, cut off at six decimals; all of it exactly."""
    if part == 1:
        return amount
    return floor_to_step(EXACT.multiply(amount, part.numerator), Decimal(part.denominator), Decimal("1e-6"))


class BooksMachine(RuleBasedStateMachine):
    """Anything that can be booked, in any order, beside a second count of cash and units."""

    def __init__(self) -> None:
        super().__init__()
        self.books = Books(START, {"one": Decimal("0.5"), "two": Decimal("0.3333"), "three": ZERO})
        self.cash = START
        self.units: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.orders: dict[str, str] = {}
        self.count = 0

    @rule(sid=symbols, price=prices)
    def quote(self, sid: str, price: float) -> None:
        self.books.marks[sid] = price

    @rule(name=names, sid=symbols, price=prices, part=parts)
    def buy(self, name: str, sid: str, price: float, part: Any) -> None:
        ledger = self.books.ledgers[name]
        quantity = floor_to_step(part_of(ledger.available, part), exact(price), STEP)
        if quantity:
            self.cash = EXACT.subtract(self.cash, ledger.buy(sid, quantity, exact(price)))
            self.units[name, sid] += quantity

    @rule(name=names, sid=symbols, price=prices, part=parts)
    def sell(self, name: str, sid: str, price: float, part: Any) -> None:
        quantity = floor_to_step(part_of(self.units[name, sid], part), Decimal(1), STEP)
        if quantity:
            proceeds, _ = self.books.ledgers[name].sell(sid, quantity, exact(price), 0)
            self.cash = EXACT.add(self.cash, proceeds)
            self.units[name, sid] -= quantity

    @rule(name=names, sid=symbols, part=parts)
    def reserve(self, name: str, sid: str, part: Any) -> None:
        self.count += 1
        ledger = self.books.ledgers[name]
        ledger.reserve(str(self.count), sid, part_of(ledger.available, part))
        self.orders[str(self.count)] = name

    @precondition(lambda self: self.orders)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        order = data.draw(st.sampled_from(sorted(self.orders)))
        self.books.ledgers[self.orders.pop(order)].release(order)

    @rule(shares=tables)
    def share_out(self, shares: dict[str, Decimal]) -> None:
        books = self.books
        before = {name: ledger.equity for name, ledger in books.ledgers.items()}
        equity, idle, positions = books.equity, books.idle, books.positions
        moved = books.share_out(shares)
        assert (books.equity, books.positions) == (equity, positions)
        assert total([books.idle, *moved.values()]) == idle
        for name, ledger in books.ledgers.items():
            amount = moved.get(name, ZERO)
            assert ledger.equity == EXACT.add(before[name], amount)
            wanted = EXACT.multiply(equity, shares[name])
            assert not amount > 0 or ledger.equity <= wanted
            assert not amount < 0 or ledger.equity > EXACT.subtract(wanted, Decimal("0.01"))
            if ledger.equity < EXACT.subtract(wanted, Decimal("0.01")):  # only for want of free cash
                assert books.idle < Decimal("0.01") * len(NAMES)
            if ledger.equity > wanted:
                assert ledger.available == 0 or EXACT.subtract(ledger.equity, wanted) < Decimal("0.01")
        assert books.shares == shares

    @rule(shares=st.sampled_from([{"one": Decimal("1.01")}, {"one": Decimal(-1)}, {"four": ZERO}]))
    def refuse_shares(self, shares: dict[str, Decimal]) -> None:
        before = self.books.snapshot()
        with pytest.raises(BadShares):
            self.books.share_out(shares)
        assert self.books.snapshot() == before

    @rule()
    def keep(self) -> None:
        state = self.books.snapshot()
        books = Books(Decimal(1), dict.fromkeys(NAMES, ZERO))
        books.restore(state)
        assert books.snapshot() == state
        assert (books.cash, books.available, books.equity) == (
            self.books.cash,
            self.books.available,
            self.books.equity,
        )
        self.books = books

    @invariant()
    def cash_and_units_are_those_counted(self) -> None:
        assert self.books.cash == self.cash
        for name, ledger in self.books.ledgers.items():
            held = {sid: units for (whose, sid), units in self.units.items() if whose == name and units}
            assert {sid: position.quantity for sid, position in ledger.positions.items()} == held

    @invariant()
    def the_parts_and_what_is_idle_are_the_whole(self) -> None:
        books, ledgers = self.books, self.books.ledgers.values()
        assert books.deposits == START == total([books.idle, *(ledger.deposits for ledger in ledgers)])
        assert books.cash == total([books.idle, *(ledger.cash for ledger in ledgers)])
        assert books.equity == total([books.idle, *(ledger.equity for ledger in ledgers)])
        assert books.realised == total(ledger.realised for ledger in ledgers)
        assert books.available == EXACT.subtract(books.cash, books.reserved)
        assert len(books.reservations) == len(self.orders)

    @invariant()
    def nobody_has_less_than_nothing(self) -> None:
        assert self.books.idle >= 0
        for ledger in self.books.ledgers.values():
            assert ledger.available >= 0
            assert ledger.reserved >= 0
            costs = total(position.cost for position in ledger.positions.values())
            assert EXACT.add(ledger.cash, costs) == EXACT.add(ledger.deposits, ledger.realised)


TestBooks = BooksMachine.TestCase


# -- what concerns all algorithms at once


def three(**more: Any) -> Books:
    """Give books of which two hold A, and one is short of it."""
    shares = {"one": Decimal("0.4"), "two": Decimal("0.4"), "three": Decimal("0.2")}
    books = Books(Decimal(10_000), shares, margin=Margin(), **more)
    books.marks["A"] = 10.0
    books.ledgers["one"].buy("A", Decimal(7), Decimal(10))
    books.ledgers["two"].buy("A", Decimal(1), Decimal(10))
    books.ledgers["three"].short("A", Decimal(8), Decimal(10))
    return books


def test_one_can_be_short_of_what_another_holds() -> None:
    books = three()
    assert books.positions == {"A": Position(ZERO, ZERO)}
    assert LedgerView(books).positions == {}
    assert (books.cash, books.margin_held, books.available) == (10_000, 120, 9_880)
    books.marks["A"] = 11.0
    assert books.equity == 10_000
    assert [ledger.equity for ledger in books.ledgers.values()] == [4_007, 4_001, 1_992]


def test_a_split_is_booked_with_everybody_and_divides_the_mark_once() -> None:
    books = three(market=Market(step=Decimal(1)))
    booked = books.act(Split("A", 1, 2))
    assert {name: (done.after, done.cash) for name, done in booked.items()} == {
        "one": (3, 10),
        "two": (0, 10),
        "three": (-4, 0),
    }
    assert books.marks == {"A": 20.0}
    assert books.equity == 10_000
    assert books.act(Split("B", 2, 1)) == {}


def test_a_dividend_goes_from_the_short_to_the_holders() -> None:
    books = three()
    booked = books.act(Dividend("A", Decimal("0.5")))
    assert {name: done.cash for name, done in booked.items()} == {
        "one": Decimal("3.5"),
        "two": Decimal("0.5"),
        "three": -4,
    }
    assert books.equity == 10_000
    assert books.realised == 0


def test_rates_are_kept_with_the_books() -> None:
    dollars = {"currency": "EUR", "instruments": [Instrument(symbol="A", currency="USD")]}
    books = three(market=Market(**dollars))  # type: ignore[arg-type]  # each is what it takes
    with pytest.raises(NoRate):
        books.act(Dividend("A", Decimal("0.5")))
    assert books.realised == 0
    books.market.rate(read_rate({"sid": "USD/EUR", "quote": 0.9}))
    again = three(market=Market(**dollars))  # type: ignore[arg-type]  # the same
    again.restore(books.snapshot())
    assert again.snapshot() == books.snapshot()
    assert again.market.unit("A", Decimal(10)) == 9
    assert "rates" not in msgspec.to_builtins(three().snapshot())


# -- through a whole strategy


class Scripted:
    """Signals as the events say: ``do`` is what, ``by`` which of the algorithms, all of them where None."""

    def initialize(self, params: str) -> None:
        self.name = params

    def event(self, data: Data) -> Signal | None:
        if data.get("do") is None or data.get("by", self.name) not in (None, self.name):
            return None
        return Signal(data["sid"], data["do"], data["quote"])

    def snapshot(self) -> None:
        pass

    def restore(self, state: None) -> None:
        pass


class Half:
    """Bets half of the cash that its own algorithm has."""

    def optimize(self, signal: Signal, account: Any) -> Bet:
        return Bet(cash=account.cash / 2)


class Broken:
    def check(self, order: Order, account: Any) -> Order:
        raise ZeroDivisionError("as always")


def engine(*risks: type, algorithms: Sequence[str] = NAMES, **more: Any) -> TradingEngine:
    recipe = Composition(
        sleeves=tuple(
            Sleeve(
                algorithm=Part(kind="algorithm", name=name, factory=Scripted, params=name),
                portfolio=Part(kind="portfolio", name="half", factory=Half, params={}),
            )
            for name in algorithms
        ),
        risks=tuple(Part(kind="risk", name=risk.__name__.lower(), factory=risk, params={}) for risk in risks),
        seed=1,
        **more,
    )
    return TradingEngine(recipe, run="r")


TIMES = itertools.count(100)


def quote(price: float, ts: int | None = None, sid: str = "A", **more: Any) -> dict[str, Any]:
    """Give an event after all before it."""
    return {"channel": "quotes", "sid": sid, "quote": price, "ts": next(TIMES) if ts is None else ts, **more}


wishes = st.sampled_from([None, "buy", "buy", "sell"])
quotes = st.builds(quote, prices, ts=st.just(0), sid=symbols, do=wishes, by=st.none() | names)
decisions = st.one_of(
    tables.map(
        lambda shares: control.share_out(shares, there=dict.fromkeys(NAMES, ZERO), ts=0, by="me"),
    ),
    st.booleans().map(lambda flatten: control.kill("enough", ts=0, by="me", flatten=flatten)),
    st.just(control.clear("on we go", ts=0, by="me")),
)
steps = st.sampled_from([0, 1, 1, 1, 5, -2])


def timed(story: Sequence[tuple[dict[str, Any], int]]) -> list[dict[str, Any]]:
    """Give events their times: each so much after the one before it, or before it, where it is late."""
    return [{**event, "ts": ts} for ts, (event, _) in zip(accumulate(step for _, step in story), story, strict=True)]


stories = st.lists(st.tuples(st.one_of(*[quotes] * 8, decisions), steps), min_size=1, max_size=60).map(timed)
recipes = st.fixed_dictionaries(
    {
        "fill": st.sampled_from(["next", "same"]),
        "costs": st.sampled_from([Costs(), Costs(commission_bps=Decimal(10), slippage_bps=Decimal(7))]),
    }
)


@given(story=stories, recipe=recipes)
def test_profits_are_of_those_who_made_them_and_sum_to_the_whole(story: list[Any], recipe: Any) -> None:
    live = engine(**recipe)
    records = [record for event in story for record in live.step(event)]
    placed = {record["id"]: record["algorithm"] for record in records if record["type"] == "decision"}
    profits: dict[str, Decimal] = defaultdict(Decimal)
    flows: dict[str, Decimal] = defaultdict(Decimal)
    units: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for record in records:
        if record["type"] == "fill":
            name, sign = record["algorithm"], 1 if record["side"] == "buy" else -1
            assert name == placed[record["cause"]]
            profits[name] = EXACT.add(profits[name], Decimal(record.get("profit", 0)))
            flows[name] = EXACT.subtract(flows[name], sign * Decimal(record["cash"]))
            units[name, record["sid"]] += sign * Decimal(record["quantity"])
        elif record["type"] == "control" and record["action"] == "shares":
            for name, amount in record["moved"].items():
                flows[name] = EXACT.add(flows[name], Decimal(amount))
    begun = engine(**recipe).books
    for name, ledger in live.books.ledgers.items():
        assert ledger.realised == profits[name]
        assert ledger.cash == EXACT.add(begun.ledgers[name].cash, flows[name])
        held = {sid: count for (whose, sid), count in units.items() if whose == name and count}
        assert {sid: position.quantity for sid, position in ledger.positions.items()} == held
    assert live.ledger.realised == total(profits.values())


@given(story=stories, recipe=recipes, data=st.data())
def test_a_replay_is_the_same_from_the_beginning_and_from_a_snapshot(story: list[Any], recipe: Any, data: Any) -> None:
    live, other = engine(**recipe), engine(**recipe)
    records = [list(live.step(event)) for event in story]
    assert [list(other.step(event)) for event in story] == records
    cut = data.draw(st.integers(0, len(story)))
    begun = engine(**recipe)
    for event in story[:cut]:
        begun.step(event)
    kept = begun.snapshot()
    assert kept is not None
    resumed = engine(**recipe)
    assert resumed.restore(kept)
    assert [list(resumed.step(event)) for event in story[cut:]] == records[cut:]
    assert resumed.books.snapshot() == live.books.snapshot()
    assert resumed.killed == live.killed


# -- the kill switch


def kill(*, flatten: bool = False, ts: int = 5) -> dict[str, Any]:
    return control.kill("a fire", ts=ts, by="me", flatten=flatten)


def told(live: TradingEngine, *events: Any) -> list[tuple[Any, ...]]:
    """Give each record's type with whose it is, and its side."""
    records = [record for event in events for record in live.step(event)]
    return [(record["type"], record.get("algorithm"), record.get("side")) for record in records]


def test_killing_cancels_what_is_open_and_gives_the_cash_back() -> None:
    live = engine()
    live.step(quote(10.0, do="buy"))
    assert live.ledger.reserved > 0
    control_record, *rest = sorted(live.step(kill()), key=lambda record: str(record["type"]))
    assert (control_record["action"], control_record["reason"], control_record["by"]) == ("kill", "a fire", "me")
    assert [(record["type"], record["algorithm"]) for record in rest] == [("rejection", name) for name in NAMES]
    assert {record["reason"] for record in rest} == {"the kill switch is on: a fire"}
    assert (live.ledger.reserved, live.open_orders) == (ZERO, [])
    assert told(live, quote(10.0)) == []


def test_while_it_is_on_nothing_is_placed_and_clearing_it_lets_orders_pass() -> None:
    live = engine(algorithms=["one"])
    assert told(live, quote(10.0, do="buy"), quote(10.0), kill()) == [
        ("decision", "one", "buy"),
        ("fill", "one", "buy"),
        ("control", None, None),
    ]
    assert told(live, quote(10.0, do="buy"), quote(10.0, do="sell")) == [
        ("rejection", "one", "buy"),
        ("rejection", "one", "sell"),
    ]
    assert told(live, control.clear("over", ts=6, by="me")) == [("control", None, None)]
    assert told(live, quote(10.0, do="sell")) == [("decision", "one", "sell")]


@pytest.mark.parametrize("fill", ["next", "same"])
def test_flattening_sells_what_every_algorithm_holds_also_what_was_being_sold(fill: Any) -> None:
    live = engine(fill=fill)
    live.step(quote(10.0, do="buy"))
    live.step(quote(20.0, sid="B", do="buy"))
    live.step(quote(10.5))
    live.step(quote(20.0, sid="B", do="sell", by="two"))
    told(live, kill(flatten=True), quote(11.0), quote(21.0, sid="B"))
    assert live.books.positions == {}
    assert live.killed == "a fire"
    assert live.ledger.realised > 0
    assert told(live, kill(flatten=True)) == [("control", None, None)]


@pytest.mark.parametrize("flatten", [True, False])
def test_with_nothing_held_and_nothing_open_there_is_nothing_to_stop(*, flatten: bool) -> None:
    live = engine()
    assert told(live, kill(flatten=flatten), quote(10.0, do="buy", by="two")) == [
        ("control", None, None),
        ("rejection", "two", "buy"),
    ]


def test_a_risk_part_that_always_fails_stops_no_flattening() -> None:
    live = engine()
    live.step(quote(10.0, do="buy"))
    live.step(quote(10.0))
    broken = engine(Broken)
    broken.books.restore(live.books.snapshot())
    assert told(broken, quote(10.0, do="sell", by="one")) == [("error", None, None), ("rejection", "one", "sell")]
    assert told(broken, kill(flatten=True), quote(10.0))[-3:] == [("fill", name, "sell") for name in NAMES]
    assert told(broken, quote(10.0, do="buy", by="one")) == [("rejection", "one", "buy")]  # nobody is asked any more
    assert broken.books.positions == {}


def test_it_stays_on_in_a_snapshot() -> None:
    live = engine()
    live.step(quote(10.0, do="buy"))
    live.step(kill())
    kept = live.snapshot()
    assert kept is not None
    other = engine()
    assert other.restore(kept)
    assert other.killed == "a fire"
    assert told(other, quote(10.0, do="buy", by="one")) == [("rejection", "one", "buy")]
    other.step(control.clear("over", ts=6, by="me"))
    kept = other.snapshot()
    assert kept is not None
    last = engine()
    assert last.restore(kept)
    assert last.killed is None
