"""Whatever comes, the account keeps its promises: a state machine over whole strategies.

It makes up a composition, then quotes, bars, late events, wishes of algorithms (brackets and groups among them),
splits, dividends, rates, kills, new shares, swaps, newer rules and restarts from snapshots. After every event the
orders are held against `promises` and the books against those that `recomputed` keeps. At the end the same events come
again: one by one, in batches, and without the restarts.

The short form runs with all other tests. The long form takes as many examples as it is told, and a seed if one is to
be tried again; what fails is shrunk and printed as the events that lead to it::

    ACCOUNT_EXAMPLES=3000 pytest -n0 --timeout 0 --hypothesis-seed=1 tests/account/test_machine.py
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import event as note
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from intuition_core.account.amounts import plain_decimal
from intuition_core.account.costs import NO_COSTS, Costs
from intuition_core.account.instruments import Instrument
from intuition_core.account.margin import Margin
from intuition_core.account.statement import Statement
from intuition_core.trading.composition import Composition
from intuition_core.trading.decisions import CONTROL
from intuition_core.trading.digest import Digest
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.orders import FillRules
from intuition_core.trading.records import Record

from .promises import Promises
from .recomputed import Recomputed
from .scripted import RUN, composed, line, part

EXAMPLES = int(os.environ.get("ACCOUNT_EXAMPLES", "60"))

NAMES = ("one", "two", "three")
SIDS = ("PLAIN", "INDEX", "TOKYO", "OIL")
PAIRS = ("EUR/USD", "USD/EUR", "USD/JPY", "EUR/JPY", "CHF/USD", "CHF/EUR")
SECOND = 10**9
AMOUNT = re.compile(r"-?\d+(\.\d+)?(E[+-]\d+)?")
TABLE = (
    Instrument(symbol="INDEX", currency="USD", lot=Decimal(1), tick=Decimal("0.25"), multiplier=Decimal(5)),
    Instrument(symbol="TOKYO", currency="JPY", lot=Decimal(10), tick=Decimal("0.5")),
    Instrument(symbol="OIL", tick=Decimal("0.01"), multiplier=Decimal("0.1")),
)
BROKEN_DOWN = Costs(
    commission_bps=Decimal(2),
    commission_per_unit=Decimal("0.005"),
    commission_min=Decimal(1),
    commission_max=Decimal(20),
    commission_tiers=((Decimal(1000), Decimal(10)), (Decimal(5000), Decimal(5))),
    slippage_bps=Decimal(3),
    slippage_impact=Decimal("0.1"),
)
FLAT = Costs(
    commission_bps=Decimal(10),
    commission_per_trade=Decimal(1),
    slippage_bps=Decimal(50),
    slippage_per_trade=Decimal("0.5"),
)

sids = st.sampled_from(SIDS)
PRICES = (90.0, 95.5, 99.37, 100.0, 101.25, 104.0, 110.0)
prices = st.one_of(st.sampled_from(PRICES), st.sampled_from(PRICES), st.sampled_from([-37.63, 0.0, 0.07, 33.3, 400.0]))
volumes = st.one_of(st.none(), st.integers(0, 400))
seconds = st.sampled_from([0, 1, 1, 60, 3600, 86_400])


@st.composite
def wishes(draw: st.DrawFn) -> dict[str, Any]:
    """Draw what an algorithm may want: mostly a signal, with how much its portfolio is to bet, or a cancellation."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.fixed_dictionaries({}, optional={"sid": sids, "tag": st.sampled_from("xy")}))
    size = draw(st.sampled_from([1, 1, 3, 7.5, 10, 30]))
    more = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "sid": sids,
                "limit": prices,
                "stop": prices,
                "tif": st.sampled_from(["gtc", "day", "ioc", "fok"]),
                "tag": st.sampled_from("xy"),
                "quote": prices,
            },
        )
    )
    if draw(st.integers(0, 5)) == 0:
        more["good_for"] = draw(seconds)
    if draw(st.integers(0, 3)) == 0:
        more |= draw(
            st.fixed_dictionaries(
                {}, optional={"stop_loss": prices, "take_profit": prices, "group": st.sampled_from("pq")}
            )
        )
    stake = {"loss": size * 50.0} if draw(st.booleans()) else {"win": size}
    return {"side": draw(st.sampled_from(["buy", "sell", "close"])), **stake, **more}


def moves() -> st.SearchStrategy[dict[str, Any]]:
    """Draw what a portfolio may bet of its own accord."""
    units = st.sampled_from([1, 5, 20])
    return st.fixed_dictionaries({"sid": sids, "side": st.sampled_from(["buy", "sell"]), "units": units})


def wanted() -> st.SearchStrategy[dict[str, list[dict[str, Any]]]]:
    """Draw what each algorithm wants at an event."""
    return st.dictionaries(st.sampled_from(NAMES), st.lists(wishes(), min_size=1, max_size=3), max_size=2)


@st.composite
def compositions(draw: st.DrawFn) -> Composition:
    """Draw a composition of one to three algorithms."""
    several = draw(st.integers(1, 3))
    table = draw(st.booleans())
    # Where only one listens to quotes, histories take a shorter way through the strategy.
    channels = [["quotes", "orders"], *[draw(st.sampled_from([["orders"], ["quotes", "orders"]]))] * 2]
    shares = [None] if several == 1 else map(Decimal, ("0.5", "0.3", "0.1"))
    lines = [
        line(name, draw(st.sampled_from(["sized", "sized", "whole", "moving"])), heard, share=share)
        for name, heard, share in zip(NAMES[:several], channels, shares, strict=False)
    ]
    return composed(
        lines,
        risks=draw(st.sampled_from([(), (part("risk", "capped", "capped", {"most": 15, "least": 3000.0}),)])),
        cash=Decimal(draw(st.sampled_from(["10000", "10000", "1111.11"]))),
        fill=draw(st.sampled_from(["next", "next", "same"])),
        step=Decimal(draw(st.sampled_from(["1", "0.01", "1e-8"]))),
        costs=draw(st.sampled_from([NO_COSTS, FLAT, BROKEN_DOWN])),
        fills=FillRules(
            volume_share=draw(st.sampled_from([None, Decimal("0.1")])), delay=draw(st.sampled_from([0, 0, 2 * SECOND]))
        ),
        rules=draw(st.sampled_from([1, 2, 2, 2])),
        margin=draw(st.sampled_from([None, Margin()])),
        currency="EUR" if table else None,
        instruments=TABLE if table else (),
    )


def stated(engine: TradingEngine) -> dict[str, Any]:
    """Give the account's statement."""
    return Statement.of(engine.ledger, engine.seq).to_json()


def kept(engine: TradingEngine) -> Any:
    """Give all that a strategy has come to."""
    content = engine.snapshot()
    assert content is not None
    return without_zeros(msgspec.msgpack.decode(content))


def without_zeros(value: Any) -> Any:
    """Write amounts without the zeros at their end: how many there are is no part of what they are."""
    if isinstance(value, dict):
        return {key: without_zeros(each) for key, each in value.items()}
    if isinstance(value, list):
        return [without_zeros(each) for each in value]
    return plain_decimal(Decimal(value)) if isinstance(value, str) and AMOUNT.fullmatch(value) else value


def batches(events: Sequence[Mapping[str, Any]], sizes: Sequence[int]) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Cut events into batches of these sizes, over and over."""
    at = n = 0
    while at < len(events):
        yield events[at : (at := at + sizes[n % len(sizes)])]
        n += 1


class Account(RuleBasedStateMachine):
    """A strategy, and those who look at it."""

    @initialize(
        composition=compositions(),
        sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4),
        rates=st.sampled_from([{}, {"EUR/USD": 1.1, "USD/JPY": 1.5}, {"USD/EUR": 0.9, "EUR/JPY": 2}]),
    )
    def begin(self, composition: Composition, sizes: list[int], rates: dict[str, float]) -> None:
        self.composition, self.sizes = composition, sizes
        self.engine = TradingEngine(composition, run=RUN)
        self.recomputed, self.promises = Recomputed(composition.to_json()), Promises(composition.to_json())
        self.events: list[dict[str, Any]] = []
        self.records: list[Sequence[Record]] = []
        self.ts = 20_000 * 86_400 * SECOND
        self.begun: dict[str, int] = {}
        for pair, rate in rates.items():
            self.take("rates", sid=pair, quote=rate)

    def take(self, channel: str, **content: Any) -> None:
        """Let an event come, and look at what it brought."""
        self.take_event({"channel": channel, "ts": self.ts, **content})

    def take_event(self, event: dict[str, Any]) -> None:
        records = self.engine.step(event)
        self.events.append(event)
        self.records.append(records)
        for record in records:
            note(record["type"])
            assert record["type"] != "error", record["problem"]
        self.promises.take(event, records)
        self.recomputed.take(event, records)

    def meant(self, do: dict[str, list[dict[str, Any]]], sid: str, *quoted: str) -> dict[str, list[dict[str, Any]]]:
        """Make wishes of what was drawn: of algorithms that are there, about symbols that have a quote."""
        marks = {*quoted, *self.engine.account.marks}
        there = [each.algorithm.name for each in self.composition.sleeves]
        meant: dict[str, list[dict[str, Any]]] = {}
        for drawn, wishes in do.items():
            name = there[NAMES.index(drawn) % len(there)]
            held = self.engine.books.ledgers[name].positions
            for wish in wishes:
                about = wish.get("sid", sid)
                if "side" in wish and "quote" not in wish and about not in marks:
                    continue
                own = {key: each for key, each in wish.items() if key != "good_for"}
                if "good_for" in wish:
                    own["until"] = self.ts + wish["good_for"] * SECOND
                if "side" in wish:
                    own["sid"] = about
                if wish.get("side") == "close":
                    own["side"] = "sell" if about in held and held[about].quantity > 0 else "buy"
                meant.setdefault(name, []).append(own)
        return meant

    # -- what may come

    def quoted(self, sid: str, quote: float, do: Any, later: int, volume: int | None, **more: Any) -> None:
        self.ts += later * SECOND
        if volume is not None:
            more["volume"] = volume
        event = {"channel": "quotes", "ts": self.ts, "sid": sid, "quote": quote, **more}
        self.begun[sid] = max(self.begun.get(sid, event["ts"]), event["ts"])
        self.take_event({**event, "do": self.meant(do, sid, sid)})

    @rule(sid=sids, quote=prices, do=wanted(), later=seconds, volume=volumes)
    def quote(self, **drawn: Any) -> None:
        self.quoted(**drawn)

    @rule(
        sid=sids,
        four=st.tuples(prices, prices, prices, prices),
        keys=st.sampled_from([("open", "high", "low")] * 3 + [("open",), ("high", "low"), ()]),
        start=st.sampled_from(["before", "before", "before", "now", "long ago", "unknown"]),
        do=wanted(),
        later=seconds,
        volume=volumes,
    )
    def bar(
        self, sid: str, four: tuple[float, ...], keys: tuple[str, ...], start: str, later: int, **drawn: Any
    ) -> None:
        more: dict[str, Any] = {"open": four[0], "high": max(four), "low": min(four)}
        more = {key: more[key] for key in keys}
        ts = self.ts + later * SECOND
        begun = {"before": self.begun.get(sid, self.ts), "now": ts, "long ago": ts - 90_000 * SECOND}.get(start)
        if begun is not None:
            more["start"] = begun
        self.quoted(sid, four[3], later=later, **more, **drawn)

    @rule(sid=sids, quote=prices, spread=st.sampled_from([0.0, 0.5, 2.0]), do=wanted(), later=seconds)
    def spread(self, quote: float, spread: float, **drawn: Any) -> None:
        self.quoted(quote=quote, bid=quote - spread, ask=quote + spread, volume=None, **drawn)

    @rule(
        sid=sids,
        quote=st.sampled_from(PRICES),
        do=wanted(),
        late=st.sampled_from([1, 60, 3600, 90_000]),
        bar=st.booleans(),
    )
    def late(self, sid: str, quote: float, do: Any, late: int, bar: bool) -> None:
        ts = self.ts - late * SECOND
        more: dict[str, Any] = {"open": 104.0, "high": 400.0, "low": 0.07, "start": ts - 60 * SECOND} if bar else {}
        self.take_event(
            {"channel": "quotes", "ts": ts, "sid": sid, "quote": quote, "do": self.meant(do, sid, sid), **more}
        )

    @rule(sid=sids, what=st.sampled_from([{"ratio": "2:1"}, {"amount": "1.5"}]), late=st.sampled_from([1, 60, 90_000]))
    def act_late(self, sid: str, what: dict[str, Any], late: int) -> None:
        action = "split" if "ratio" in what else "dividend"
        ts = self.ts - late * SECOND
        self.take_event({"channel": "actions", "ts": ts, "sid": sid, "action": action, **what})

    @precondition(lambda self: self.promises.rules == 1)
    @rule()
    def upgrade(self) -> None:
        self.take(CONTROL, action="rules", rules=2, by="test")

    @rule(sid=sids, quote=st.sampled_from(PRICES), do=wanted(), later=st.just(3), volume=st.none())
    def within_thresholds(self, **drawn: Any) -> None:
        self.quoted(**drawn)

    @rule(sid=sids, quote=st.sampled_from(PRICES), bets=st.lists(moves(), min_size=1, max_size=2))
    def move(self, sid: str, quote: float, bets: Any) -> None:
        marks = {sid, *self.engine.account.marks}
        self.take("quotes", sid=sid, quote=quote, move=[bet for bet in bets if bet["sid"] in marks])

    @rule(do=wanted(), sid=sids)
    def order(self, do: Any, sid: str) -> None:
        self.take("orders", do=self.meant(do, sid))

    @rule(pair=st.sampled_from([*PAIRS, *PAIRS, "JPY"]), times=prices)
    def rate(self, pair: str, times: float) -> None:
        self.take("rates", sid=pair, quote=times / 70)

    @rule(
        sid=sids,
        what=st.sampled_from(
            [{"ratio": ratio} for ratio in ("2:1", "1:3", "7:2", "1:1000", "1/2")]
            + [{"amount": amount} for amount in ("0.24", 1.7, "none")]
        ),
    )
    def act(self, sid: str, what: dict[str, Any]) -> None:
        self.take("actions", sid=sid, action="split" if "ratio" in what else "dividend", **what)

    @rule(
        action=st.sampled_from(["kill", "shares", "clear"]),
        flatten=st.booleans(),
        shares=st.lists(st.sampled_from(["0", "0.1", "0.25", "0.333"]), min_size=3, max_size=3),
    )
    def decide(self, action: str, flatten: bool, shares: list[str]) -> None:
        there = [each.algorithm.name for each in self.composition.sleeves]
        if action == "kill":
            self.take(CONTROL, action="kill", reason="x", by="test", flatten=flatten)
        elif action == "clear" or len(there) == 1:
            self.take(CONTROL, action="clear", reason="y", by="test")
        else:
            self.take(CONTROL, action="shares", shares=dict(zip(there, shares, strict=False)), by="test")

    @precondition(lambda self: self.promises.killed)
    @rule()
    def clear(self) -> None:
        self.take(CONTROL, action="clear", reason="y", by="test")

    @rule(
        place=st.sampled_from([("algorithm", "contrary"), ("algorithm", "scripted"), ("portfolio", "moving"), None]),
        keep_state=st.booleans(),
        which=st.integers(0, 2),
        most=st.sampled_from([5, 15]),
    )
    def swap(self, place: tuple[str, str] | None, keep_state: bool, which: int, most: int) -> None:
        lines = self.composition.sleeves
        params: dict[str, Any] = {"channels": ["quotes", "orders"]}
        if place is not None:
            name, (kind, use) = lines[which % len(lines)].algorithm.name, place
        elif self.composition.risks:
            name = kind = use = "capped"
            kind, params = "risk", {"most": most, "least": 100.0}
        else:
            return
        asked = {"action": "swap", "kind": kind, "name": name, "use": use, "params": params, "by": "test"}
        asked["keep_state"] = keep_state and kind != "portfolio"
        self.take_event(dict(self.engine.prepare({"channel": CONTROL, "ts": self.ts, **asked})))

    @rule()
    def restart(self) -> None:
        before, account = kept(self.engine), stated(self.engine)
        content = self.engine.snapshot()
        assert content is not None
        self.engine = TradingEngine(self.composition, run=RUN)
        assert self.engine.restore(content)
        assert kept(self.engine) == before
        assert stated(self.engine) == account

    # -- what must hold

    @invariant()
    def the_books_are_those_that_were_recomputed(self) -> None:
        self.recomputed.check(stated(self.engine))

    @invariant()
    def open_is_what_the_records_say(self) -> None:
        there = {order.id: order for order in self.engine.open_orders}
        assert there.keys() == self.promises.open.keys()
        for order_id, order in there.items():
            told = self.promises.open[order_id]
            if order_id in self.promises.waited:
                continue
            assert (order.algorithm, order.order.sid) == (told.algorithm, told.sid)
            assert (order.order.limit, order.order.stop) == (told.limit, told.stop)
            assert (order.triggered, order.expires) == (told.triggered, told.expires)
            assert (order.since, order.order.group, order.parent) == (told.since, told.group, told.parent)
            assert (order.order.cash if told.by_cash else order.order.quantity) == told.left

    @invariant()
    def what_is_reserved_is_for_open_orders(self) -> None:
        opening = {order.id: order for order in self.promises.open.values() if not order.closing}
        for name, ledger in self.engine.books.ledgers.items():
            assert sum(Fraction(each.cash) for each in ledger.reservations.values()) == Fraction(ledger.reserved)
            for order_id, reservation in ledger.reservations.items():
                assert reservation.cash >= 0
                assert (opening[order_id].algorithm, opening[order_id].sid) == (name, reservation.sid)

    @invariant()
    def without_a_margin_there_are_no_debts(self) -> None:
        for ledger in self.engine.books.ledgers.values():
            for position in ledger.positions.values():
                assert position.quantity
                assert self.composition.margin is not None or position.quantity > 0
            assert self.composition.margin is not None or ledger.available >= 0

    def teardown(self) -> None:
        """Let the same events come again in other ways."""
        if not hasattr(self, "events"):
            return
        wanted = [record for records in self.records for record in records]
        digest = Digest(RUN)
        digest.add(wanted)
        singly, together = TradingEngine(self.composition, run=RUN), TradingEngine(self.composition, run=RUN)
        assert [record for event in self.events for record in singly.step(event)] == wanted
        got: list[Record] = []
        for batch in batches(self.events, self.sizes):
            for records in together.run_through(batch):
                got += records
                assert {record["seq"] for record in records} == {together.seq}
        assert got == wanted
        again = Digest("other.1")
        for records in TradingEngine(self.composition, run="other.1").run_through(self.events):
            again.add(records)
        assert again.hexdigest() == digest.hexdigest()
        for engine in (singly, together):
            assert stated(engine) == stated(self.engine)
            assert kept(engine) == kept(self.engine)
        ended = self.engine.cancel_open_orders(self.ts)
        assert [record["cause"] for record in ended] == [order.id for order in singly.open_orders]
        assert not any(ledger.reserved for ledger in self.engine.books.ledgers.values())


Account.TestCase.settings = settings(max_examples=EXAMPLES, stateful_step_count=50, deadline=None)
TestAccount = Account.TestCase
