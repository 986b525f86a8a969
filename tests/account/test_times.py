"""Which prices orders get, and when they end: DESIGN's rules of time, told a second time and in tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intuition_core.account.hours import Hours
from intuition_core.account.instruments import Instrument
from intuition_core.account.margin import Margin
from intuition_core.contracts import Account, Order, Rejection
from intuition_core.trading.composition import Composition
from intuition_core.trading.decisions import CONTROL, UNHEARD
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.orders import FillRules

from . import traded
from .scripted import PARTS, RUN, composed, line, part

MINUTE = 60 * 10**9
DAY = 1440 * MINUTE
BEGIN = 20_000 * DAY + 22 * 60 * MINUTE
SIDS = "ABC"

Event = dict[str, Any]


def recipe(**terms: Any) -> Composition:
    """Make a composition of one algorithm that does what events tell it, with what nothing is refused for."""
    terms = {"cash": Decimal(10**9), **terms}
    return composed([line("one", "sized", ["quotes", "orders"])], **terms)


def begun(composition: Composition) -> TradingEngine:
    """Give a strategy that holds a thousand units of each symbol."""
    live = TradingEngine(composition, run=RUN)
    for sid in SIDS:
        wish = {"sid": sid, "side": "buy", "win": 1000}
        live.step({"channel": "quotes", "sid": sid, "quote": 100.0, "ts": BEGIN - DAY, "do": {"one": [wish]}})
    for sid in SIDS:
        live.step({"channel": "quotes", "sid": sid, "quote": 100.0, "ts": BEGIN})
    return live


Filled = tuple[int, int, float]
"""Which order, at which event, at what price; orders are counted as they were placed."""


def fills(batches: Iterator[Sequence[Mapping[str, Any]]], first: int) -> list[Filled]:
    """Read what was filled from records, with events counted from a first one."""
    placed: dict[str, int] = {}
    found = []
    for records in batches:
        for record in records:
            assert record["type"] != "error", record
            if record["type"] == "decision":
                placed[record["id"]] = len(placed)
            elif record["type"] == "fill":
                found.append((placed[record["cause"]], record["seq"] - first, record["price"]))
    return found


@dataclass
class Wish:
    """An order that is open, in the second telling."""

    number: int
    sid: str
    asked: traded.Order
    tif: str
    span: int


def told(events: Sequence[Event], *, delay: int, at_once: bool) -> list[Filled]:
    """Work out what is filled, from the rules alone; every order is for one unit."""
    now, count, there, found = BEGIN, 0, list[Wish](), list[Filled]()
    moments = [0, 0]
    for at, event in enumerate(events):
        ts = event["ts"]
        now = max(now, ts)
        quoted = event["channel"] == "quotes"
        if quoted and any(wish.asked.end is not None for wish in there) and ts > moments[-1]:
            moments.append(ts)
        left = []
        for wish in there if quoted else ():
            own = wish.sid == event["sid"]
            end = wish.asked.end
            if not own:
                if end is None or min(ts, moments[-2]) <= end + wish.span:
                    left.append(wish)
                continue
            had = traded.had(event, wish.asked)
            got = traded.Got(triggered=wish.asked.triggered) if had is None else traded.got(wish.asked, had)
            if got.price is not None:
                found.append((wish.number, at, got.price))
                continue
            if had is not None and got.triggered and not wish.asked.triggered:
                assert had.first is None or wish.asked.stop is not None
                opened = had.first is not None and wish.asked.sign * (had.first - (wish.asked.stop or 0.0)) >= 0
                since = max(wish.asked.since or 0, had.when if opened else ts)
                wish.asked = replace(wish.asked, triggered=True, since=since)
            waits = wish.asked.stop is not None and not wish.asked.triggered
            if had is not None and wish.tif in ("ioc", "fok") and not waits:
                continue
            if end is None or ts <= end:
                left.append(wish)
        if quoted:
            there = left
        for want in event["do"]["one"]:
            since = now + delay
            ends = [want["until"]] if "until" in want else []
            if want.get("tif") == "day":
                ends.append(((since + 1) // DAY + 1) * DAY)
            asked = traded.Order(want["side"], want.get("limit"), want.get("stop"), since, min(ends) if ends else None)
            span = ts - event.get("start", ts) if quoted else 0
            wish = Wish(count, want["sid"], asked, want.get("tif", "gtc"), span)
            count += 1
            here = quoted and event["sid"] == want["sid"] and ts == now and not delay
            if at_once and here and asked.stop is None and (asked.end is None or ts <= asked.end):
                price = event.get("ask" if want["side"] == "buy" else "bid", event["quote"])
                if asked.limit is None or asked.sign * price <= asked.sign * asked.limit:
                    found.append((wish.number, at, price))
                    continue
                if wish.tif in ("ioc", "fok"):
                    continue
            there.append(wish)
    return found


PRICES = st.sampled_from([90.0, 95.0, 99.0, 100.0, 101.0, 105.0, 110.0])
STEPS = st.sampled_from([0, 0, 1, 1, 5, 30, 120, 720, 1440, -1, -7, -1500])


@st.composite
def courses(draw: st.DrawFn) -> list[Event]:
    """Draw events of three symbols: quotes, bars of all lengths, late ones, and some that orders are decided on."""
    events: list[Event] = []
    now, last = BEGIN, dict.fromkeys(SIDS, BEGIN)
    for _ in range(draw(st.integers(1, 25))):
        ts = now + draw(STEPS) * MINUTE
        now = max(now, ts)
        wishes = draw(st.lists(wanted(now), max_size=1))
        if draw(st.integers(0, 6)) == 0:
            events.append({"channel": "orders", "ts": ts, "do": {"one": wishes}})
            continue
        sid = draw(st.sampled_from(SIDS))
        event: Event = {"channel": "quotes", "sid": sid, "ts": ts, "quote": draw(PRICES), "do": {"one": wishes}}
        four = [event["quote"], *draw(st.tuples(PRICES, PRICES, PRICES))]
        bar = {"open": four[1], "high": max(four), "low": min(four)}
        keys = draw(st.sampled_from([(), ("open", "high", "low"), ("open", "high", "low"), ("open",), ("high", "low")]))
        event |= {key: bar[key] for key in keys}
        start = draw(st.sampled_from([None, min(last[sid], ts), min(last[sid], ts), ts, ts - MINUTE, ts - DAY]))
        if start is not None:
            event["start"] = start
        if draw(st.integers(0, 3)) == 0:
            event |= {"ask": event["quote"] + 0.5, "bid": event["quote"] - 0.5}
        last[sid] = max(last[sid], ts)
        events.append(event)
    return events


def wanted(now: int) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"sid": st.sampled_from(SIDS), "side": st.sampled_from(["buy", "sell"]), "win": st.just(1)},
        optional={
            "limit": PRICES,
            "stop": PRICES,
            "tif": st.sampled_from(["day", "day", "ioc", "fok"]),
            "until": st.sampled_from([0, 1, 5, 60, 1440]).map(lambda minutes: now + minutes * MINUTE),
        },
    )


def protected() -> st.SearchStrategy[dict[str, Any]]:
    entry = {"sid": st.sampled_from(SIDS), "side": st.just("buy"), "win": st.just(1)}
    return st.fixed_dictionaries({**entry, "stop_loss": st.just(94.0), "take_profit": st.sampled_from([102.0, 108.0])})


@settings(max_examples=100, deadline=None)
@given(
    events=courses(),
    delay=st.sampled_from([0, 0, 1, 5 * MINUTE]),
    at_once=st.booleans(),
    size=st.integers(1, 9),
    cut=st.integers(0, 25),
)
def test_orders_fill_as_the_rules_say_step_by_step_in_stretches_and_after_a_restart(
    events: list[Event], delay: int, at_once: bool, size: int, cut: int
) -> None:
    composition = recipe(fills=FillRules(delay=delay), fill="same" if at_once else "next")
    live = begun(composition)
    first = live.seq + 1
    stepped = [live.step(event) for event in events]
    assert fills(iter(stepped), first) == told(events, delay=delay, at_once=at_once)
    together = begun(composition)
    in_batches: list[Any] = []
    for at in range(0, len(events), size):
        for records in together.run_through(events[at : at + size]):
            in_batches += records
    assert in_batches == [record for records in stepped for record in records]
    assert (together.account.marks, together.account.quoted_at) == (live.account.marks, live.account.quoted_at)
    assert (together.now, together.notices) == (live.now, live.notices)
    before = begun(composition)
    for event in events[:cut]:
        before.step(event)
    kept = before.snapshot()
    assert kept is not None
    after = TradingEngine(composition, run=RUN)
    assert after.restore(kept)
    assert [after.step(event) for event in events[cut:]] == stepped[cut:]
    assert after.snapshot() == live.snapshot()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_prices_of_given_orders_do_not_depend_on_the_order_of_rows_of_one_moment(data: st.DataObject) -> None:
    moments: list[list[Event]] = []
    last = dict.fromkeys(SIDS, BEGIN)
    orders: list[Event] = []
    ts = BEGIN
    for _ in range(data.draw(st.integers(1, 6))):
        ts += data.draw(st.sampled_from([1, 10, 1440])) * MINUTE
        rows: list[Event] = []
        for sid in data.draw(st.lists(st.sampled_from(SIDS), unique=True, min_size=2)):
            four = data.draw(st.tuples(PRICES, PRICES, PRICES, PRICES))
            row: Event = {"channel": "quotes", "sid": sid, "ts": ts, "quote": four[0]}
            if data.draw(st.booleans()):
                row |= {"open": four[1], "high": max(four), "low": min(four), "start": last[sid]}
            last[sid] = ts
            rows.append(row)
        moments.append(rows)
        wishes = data.draw(st.lists(st.one_of(wanted(ts), protected()), max_size=3))
        orders.append({"channel": "orders", "ts": ts + data.draw(st.sampled_from([0, 1])), "do": {"one": wishes}})
    outcomes = []
    for turned in (False, True):
        live = begun(recipe())
        prices: dict[str, float] = {}
        names: dict[str, str] = {}
        for rows, order in zip(moments, orders, strict=True):
            for event in [*(reversed(rows) if turned else rows), order]:
                for record in live.step(event):
                    if "parent" in record:
                        names[record["id"]] = f"{names[record['parent']]}, {record['order']}"
                    elif record["type"] == "decision":
                        names[record["id"]] = f"{event['ts']}, {record['id'].rpartition(':')[2]}"
                    elif record["type"] == "fill":
                        prices[names[record["cause"]]] = record["price"]
        outcomes.append(prices)
    assert outcomes[0] == outcomes[1]


@settings(max_examples=60, deadline=None)
@given(
    volume=st.integers(0, 5000),
    begin=st.integers(-1000, 1000),
    decided=st.integers(-1000, 1000),
    length=st.integers(1, 10**13),
    share=st.sampled_from(["0.1", "0.25", "1"]),
    step=st.sampled_from(["1", "0.01"]),
)
def test_of_a_volume_the_part_counts_that_was_traded_after_the_decision(
    volume: int, begin: int, decided: int, length: int, share: str, step: str
) -> None:
    live = begun(recipe(fills=FillRules(volume_share=Decimal(share)), step=Decimal(step)))
    t = BEGIN + 2000
    ts = t + begin + length
    live.step({"channel": "orders", "ts": t + decided, "do": {"one": [{"sid": "A", "side": "buy", "win": 9000}]}})
    records = live.step(
        {"channel": "quotes", "sid": "A", "quote": 10.0, "volume": volume, "start": t + begin, "ts": ts}
    )
    part = Fraction(max(0, min(length, length + begin - decided)), length)
    units = part * volume * Fraction(share) // Fraction(step) * Fraction(step)
    got = sum(Fraction(record["quantity"]) for record in records if record["type"] == "fill")
    assert got == units


# -- tables: what an order that was decided at a time gets


def quote(ts: int, price: float = 100.0, sid: str = "A", **more: Any) -> Event:
    """Give an event at so many minutes after the beginning; so is its `start`."""
    if "start" in more:
        more["start"] = BEGIN + more["start"] * MINUTE
    return {"channel": "quotes", "sid": sid, "quote": price, "ts": BEGIN + ts * MINUTE, **more}


def bar(start: int, ts: int, prices: tuple[float, float, float, float], sid: str = "A", **more: Any) -> Event:
    """Give a bar of open, high, low and close."""
    return quote(ts, prices[3], sid, start=start, open=prices[0], high=prices[1], low=prices[2], **more)


def do(event: Event, *wishes: Mapping[str, Any], sid: str = "A") -> Event:
    return {**event, "do": {"one": [{"sid": sid, **wish} for wish in wishes]}}


def buy(**more: Any) -> dict[str, Any]:
    return {"side": "buy", "win": 10, **more}


def sell(**more: Any) -> dict[str, Any]:
    return {"side": "sell", "win": 10, **more}


Told = list[tuple[Any, ...]]


def outcome(live: TradingEngine, *events: Event) -> Told:
    """Give what became of orders: each fill's price and the seconds, and each rejection's reason."""
    found: Told = []
    for event in events:
        for record in live.step(event):
            assert record["type"] != "error", record
            if record["type"] == "fill":
                found.append((record["side"], record["price"]))
            elif record["type"] == "rejection":
                found.append((record["side"], record["reason"]))
    return found


BAR = (101.0, 120.0, 80.0, 105.0)
OVER = "its time is over"


@pytest.mark.parametrize(
    ("event", "price"),
    [
        (bar(10, 20, BAR), 101.0),
        (bar(11, 20, BAR), 101.0),
        (bar(9, 20, BAR), 105.0),
        (bar(-500, 11, BAR), 105.0),
        (bar(0, 10, BAR), None),
        (bar(10, 10, BAR), None),
        (bar(0, 5, BAR), None),
        (quote(10, 105.0), None),
        (quote(9, 105.0), None),
        (quote(11, 105.0), 105.0),
        (quote(11, 105.0, open=101.0, high=120.0, low=80.0), 105.0),
        (quote(11, 105.0, ask=106.0, bid=104.0), 106.0),
        (bar(9, 20, BAR, ask=106.0), 106.0),
        (bar(10, 20, BAR, ask=106.0), 101.0),
        (quote(20, 105.0, start=10), 105.0),
        (quote(20, 105.0, start=10, ask=106.0), 106.0),
        (quote(20, 105.0, start=10, high=120.0, low=80.0, ask=106.0), 106.0),
    ],
)
@pytest.mark.parametrize("known_by", ["A", "B", "orders"])
@pytest.mark.parametrize("careful", [False, True])
def test_what_a_market_order_gets_that_was_decided_at_ten(
    event: Event, price: float | None, known_by: str, careful: bool
) -> None:
    live = begun(recipe(fills=FillRules(volume_share=Decimal(1)) if careful else FillRules()))
    decided = {"channel": "orders", "ts": BEGIN + 10 * MINUTE} if known_by == "orders" else quote(10, sid=known_by)
    assert outcome(live, do(decided, buy()), event) == ([] if price is None else [("buy", price)])


def test_what_is_decided_on_a_late_event_has_the_time_of_the_session() -> None:
    live = begun(recipe())
    told = outcome(live, quote(60, sid="B"), do(quote(5), buy()), quote(7, 90.0), quote(60, 91.0), bar(30, 90, BAR))
    assert told == [("buy", 105.0)]


def test_a_late_quote_is_no_newer_mark_and_both_are_told() -> None:
    live = begun(recipe())
    outcome(live, quote(10, 101.0), quote(20, 50.0, sid="B"), quote(12, 102.0), quote(11, 99.0))
    assert (live.account.marks["A"], live.account.quoted_at["A"]) == (102.0, BEGIN + 12 * MINUTE)
    assert sum(live.notices.values()) == 2


@pytest.mark.parametrize(
    ("end", "event", "told"),
    [
        (20, bar(10, 20, BAR), [("buy", 99.0)]),
        (19, bar(10, 20, BAR), [("buy", OVER)]),
        (20, bar(10, 21, (98.0, 120.0, 80.0, 105.0)), [("buy", 98.0)]),
        (20, bar(9, 21, (98.0, 120.0, 80.0, 98.0)), [("buy", OVER)]),
        (20, bar(20, 30, (98.0, 120.0, 80.0, 105.0)), [("buy", OVER)]),
        (20, bar(5, 20, (98.0, 120.0, 80.0, 105.0)), []),
        (20, bar(5, 20, (105.0, 120.0, 80.0, 98.0)), [("buy", 98.0)]),
        (20, quote(20, 98.0), [("buy", 98.0)]),
        (20, quote(21, 98.0), [("buy", OVER)]),
        (20, quote(21, 98.0, sid="B"), []),
        (20, quote(20, 98.0, sid="B"), []),
        (20, quote(5, 98.0), []),
    ],
)
def test_what_an_order_gets_that_ends(end: int, event: Event, told: Told) -> None:
    live = begun(recipe())
    until = BEGIN + end * MINUTE
    assert outcome(live, do(quote(10), buy(limit=99.0, until=until)), event) == told


@pytest.mark.parametrize(
    ("event", "opened"),
    [(bar(110, 125, (120.0, 121.0, 98.0, 119.0)), True), (bar(110, 125, (98.0, 121.0, 97.0, 119.0)), False)],
)
def test_a_stop_that_is_triggered_in_a_bar_at_the_end(event: Event, opened: bool) -> None:
    live = begun(recipe())
    until = BEGIN + 120 * MINUTE
    told = outcome(live, do(quote(100), buy(stop=119.5, until=until)), event)
    assert told == [("buy", 120.0) if opened else ("buy", OVER)]


EXCHANGE = Hours("X", [(BEGIN + day * DAY, BEGIN + day * DAY + 390 * MINUTE) for day in range(-1, 9)])
LISTED = {"instruments": (Instrument(symbol="A", calendar="X"),), "hours": (EXCHANGE,)}


@pytest.mark.parametrize(
    ("decided", "events", "told"),
    [
        (10, [bar(10, 390, BAR)], [("buy", 99.0)]),  # the close is part of the session
        (10, [bar(10, 800, BAR)], [("buy", 99.0)]),  # a bar that reaches beyond it has its prices alone
        (10, [quote(391, 98.0)], []),  # nothing is traded then
        (10, [quote(391, 98.0), quote(392, 98.0)], [("buy", OVER)]),
        (-10, [quote(-5, 98.0), quote(1, 98.0)], [("buy", 98.0)]),
        (390, [bar(1440, 1830, BAR)], [("buy", 99.0)]),  # decided at the close: for the next session
        (390, [bar(1440, 1900, BAR)], [("buy", 99.0)]),
        (390, [bar(390, 2000, BAR)], [("buy", 99.0)]),
        (600, [bar(1440, 3300, (98.0, 99.5, 97.0, 98.0))], [("buy", 98.0)]),  # two sessions: the open alone
        (600, [bar(1440, 3300, BAR)], [("buy", OVER)]),
        (10, [bar(1440, 1830, BAR)], [("buy", OVER)]),
        (10, [bar(500, 700, BAR)], []),  # between two sessions
        (600, [bar(500, 700, BAR), quote(900, 98.0)], []),
    ],
)
def test_day_orders_end_with_the_session_of_their_exchange(decided: int, events: list[Event], told: Told) -> None:
    live = begun(recipe(**LISTED))
    assert outcome(live, do(quote(decided, sid="B"), buy(limit=99.0, tif="day")), *events) == told


MIDNIGHT = 120  # minutes after the beginning


@pytest.mark.parametrize(
    ("decided", "event", "told"),
    [
        (60, bar(60, MIDNIGHT, BAR), [("buy", 99.0)]),
        (60, bar(60, MIDNIGHT + 1, BAR), [("buy", OVER)]),
        (60, bar(60, MIDNIGHT + 1, (98.0, *BAR[1:])), [("buy", 98.0)]),
        (MIDNIGHT, bar(MIDNIGHT, MIDNIGHT + 1440, BAR), [("buy", 99.0)]),
        (MIDNIGHT, bar(MIDNIGHT, MIDNIGHT + 1441, BAR), [("buy", OVER)]),
    ],
)
def test_without_a_calendar_a_day_ends_at_midnight(decided: int, event: Event, told: Told) -> None:
    live = begun(recipe())
    assert outcome(live, do(quote(decided), buy(limit=99.0, tif="day")), event) == told


def test_bars_of_whole_days_that_end_a_nanosecond_before_midnight_have_day_orders_for_the_next_day() -> None:
    live = begun(recipe())
    midnight = BEGIN + MIDNIGHT * MINUTE
    decided = {**bar(-1320, MIDNIGHT, BAR), "ts": midnight - 1}
    following = {**bar(MIDNIGHT, MIDNIGHT + 1440, BAR), "ts": midnight + DAY - 1}
    last = {**bar(MIDNIGHT + 1440, MIDNIGHT + 2880, BAR), "ts": midnight + 2 * DAY - 1}
    assert outcome(live, do(decided, buy(limit=99.0, tif="day"), buy(limit=70.0, tif="day")), following, last) == [
        ("buy", 99.0),
        ("buy", OVER),
    ]


# -- at the event of the decision

MISSED = "10 units could not be filled at A's first quote, and ioc waits for no other"


@pytest.mark.parametrize(
    ("event", "wish", "told"),
    [
        (quote(10, 105.0), buy(), [("buy", 105.0)]),
        (quote(10, 105.0, bid=104.0, ask=106.0), buy(), [("buy", 106.0)]),
        (quote(10, 105.0, bid=104.0, ask=106.0), sell(), [("sell", 104.0)]),
        (bar(0, 10, BAR), buy(), [("buy", 105.0)]),
        (bar(0, 10, BAR), buy(limit=105.0), [("buy", 105.0)]),
        (bar(0, 10, BAR), buy(limit=104.0), []),
        (bar(0, 10, BAR), buy(stop=101.0), []),
        (bar(0, 10, BAR), buy(limit=104.0, tif="ioc"), [("buy", MISSED)]),
        (bar(0, 10, BAR), buy(quote=80.0), [("buy", 105.0)]),  # within its range, and yet it has the quote
        (quote(10, 105.0, bid=104.0, ask=106.0), buy(quote=104.5), [("buy", 106.0)]),
        (bar(0, 10, BAR), buy(until=BEGIN + 9 * MINUTE), []),
        (bar(0, 10, BAR), buy(until=BEGIN + 10 * MINUTE), [("buy", 105.0)]),
        (quote(-5, 105.0), buy(), []),  # a late event: the session is further on
        ({"channel": "orders", "ts": BEGIN + 10 * MINUTE}, buy(), []),
        (quote(10, 105.0, sid="B"), buy(), []),
    ],
)
def test_same_fills_at_the_event_of_the_decision_alone(event: Event, wish: dict[str, Any], told: Told) -> None:
    live = begun(recipe(fill="same"))
    assert outcome(live, do(event, wish)) == told


@pytest.mark.parametrize("price", [79.9, 120.1, 1.0])
@pytest.mark.parametrize("wish", [buy(), sell(), buy(limit=110.0)])
def test_same_refuses_a_price_that_the_event_did_not_have(price: float, wish: dict[str, Any]) -> None:
    live = begun(recipe(fill="same"))
    [(_, reason)] = outcome(live, do(bar(0, 10, BAR), {**wish, "quote": price}))
    assert reason == f"a price of {price} is not one that A had at this event, which was from 80.0 to 120.0"
    assert live.ledger.reserved == 0


@pytest.mark.parametrize("sid", ["A", "B"])
def test_what_waits_under_same_waits_as_under_next(sid: str) -> None:
    told = []
    for fill in ("same", "next"):
        live = begun(recipe(fill=fill))
        told.append(outcome(live, do(quote(10, sid="C"), buy(), sid=sid), quote(10, 90.0, sid), bar(5, 20, BAR, sid)))
    assert told[0] == told[1] == [("buy", 105.0)]


@pytest.mark.parametrize("channel", [CONTROL, UNHEARD])
def test_what_people_decide_has_no_time_of_the_market(channel: str) -> None:
    live = begun(recipe())
    later = BEGIN + 1000 * DAY
    live.step({"channel": channel, "ts": later, "action": "shares", "shares": {"one": "1"}, "by": "test"})
    assert live.now == BEGIN
    assert outcome(live, do(quote(10), buy()), quote(11, 101.0)) == [("buy", 101.0)]


# -- brackets, groups, replaced orders


BOTH = {"stop_loss": 95.0, "take_profit": 110.0}
STOP = {"stop_loss": 95.0}
WIDE = (100.0, 111.0, 94.0, 105.0)
BELOW = (94.0, 96.0, 93.0, 96.0)


@pytest.mark.parametrize(
    ("entry", "bars", "prices"),
    [
        # filled at the open: what is left of the bar counts, and of both sides the worse
        (buy(**BOTH), [bar(10, 20, (100.0, 111.0, 99.0, 105.0))], [100.0, 110.0]),
        (buy(**BOTH), [bar(10, 20, WIDE)], [100.0, 95.0]),
        # not at the open: nobody knows what came after, but for later bars
        (buy(limit=99.0, **BOTH), [bar(10, 20, WIDE)], [99.0]),
        (buy(limit=99.0, **STOP), [bar(10, 20, WIDE), bar(15, 25, BELOW)], [99.0]),
        (buy(limit=99.0, **STOP), [bar(10, 20, WIDE), bar(20, 25, (97.0, 98.0, 93.0, 96.0))], [99.0, 95.0]),
        # at the close of a bar that began before the decision
        (buy(**BOTH), [bar(5, 20, WIDE)], [105.0]),
        # at a quote, or at the close of a bar that has no open
        (buy(**STOP), [quote(20, 100.0), bar(15, 25, BELOW)], [100.0]),
        (buy(**STOP), [quote(20, 100.0, start=10), bar(15, 25, BELOW)], [100.0]),
        (buy(**STOP), [quote(20, 100.0, start=10), bar(20, 25, BELOW)], [100.0, 94.0]),
        # a stop entry that the open reaches, and one that it does not
        (buy(stop=101.0, **STOP), [bar(10, 20, (102.0, 103.0, 94.0, 100.0))], [102.0, 95.0]),
        (buy(stop=101.0, **STOP), [bar(10, 20, (100.0, 103.0, 94.0, 100.0))], [101.0]),
        # the next bar's open decides
        (buy(**BOTH), [quote(20), bar(20, 30, (112.0, 113.0, 90.0, 91.0))], [100.0, 112.0]),
        (buy(**BOTH), [quote(20), bar(20, 30, (94.0, 113.0, 90.0, 91.0))], [100.0, 94.0]),
    ],
)
def test_what_a_bracket_comes_to(entry: dict[str, Any], bars: list[Event], prices: list[float]) -> None:
    live = begun(recipe())
    told = outcome(live, do(quote(10), entry), *bars)
    assert [price for _, price in told if isinstance(price, float)] == prices
    closed = len(prices) == 2
    assert bool(live.open_orders) is not closed
    assert live.account.positions["A"] == (1000.0 if closed else 1010.0)


def test_a_bracket_of_a_short_position_is_its_mirror() -> None:
    live = begun(recipe(margin=Margin()))
    events = [
        do(quote(10, sid="D"), sell(stop_loss=105.0, take_profit=90.0), sid="D"),
        bar(10, 20, (100.0, 106.0, 89.0, 100.0), "D"),
    ]
    assert [each for each in outcome(live, *events) if isinstance(each[1], float)] == [("sell", 100.0), ("buy", 105.0)]
    assert "D" not in live.account.positions


@pytest.mark.parametrize(
    ("prices", "price"),
    [
        ((100.0, 104.0, 99.0, 101.0), None),
        ((100.0, 106.0, 99.0, 101.0), 105.0),
        ((100.0, 104.0, 94.0, 101.0), 95.0),
        ((100.0, 106.0, 94.0, 101.0), 95.0),
        ((107.0, 108.0, 94.0, 101.0), 107.0),
        ((93.0, 108.0, 92.0, 101.0), 93.0),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_of_a_group_one_is_filled_whatever_their_order(
    prices: tuple[float, ...], price: float | None, turned: bool
) -> None:
    live = begun(recipe())
    exits = [sell(limit=105.0, group="x"), sell(stop=95.0, group="x")]
    told = outcome(live, do(quote(10), *(reversed(exits) if turned else exits)), bar(10, 20, prices))  # type: ignore[arg-type]  # four
    assert [each for each in told if isinstance(each[1], float)] == ([] if price is None else [("sell", price)])
    assert len(live.open_orders) == (2 if price is None else 0)


def test_one_of_a_group_that_is_triggered_beyond_its_limit_stays_triggered() -> None:
    live = begun(recipe())
    entries = [buy(stop=101.0, limit=100.0, group="x"), buy(limit=80.0, group="x")]
    assert outcome(live, do(quote(10), *entries), quote(11, 103.0)) == []
    assert [order.triggered for order in live.open_orders] == [True, False]
    assert outcome(live, quote(12, 99.0))[0] == ("buy", 99.0)


def test_one_of_a_group_has_its_one_chance_alone_too() -> None:
    live = begun(recipe())
    [(_, reason)] = outcome(live, do(quote(10), buy(limit=80.0, group="x", tif="ioc")), quote(11))
    assert reason == MISSED


def test_a_partial_fill_of_a_group_leaves_the_others_what_is_left() -> None:
    live = begun(recipe(fills=FillRules(volume_share=Decimal(1))))
    exits = [sell(limit=105.0, group="x"), sell(stop=95.0, group="x")]
    outcome(live, do(quote(10), *exits), quote(11, 106.0, volume=4))
    assert [each.order.quantity for each in live.open_orders] == [6, 6]
    assert outcome(live, quote(12, 94.0)) == [("sell", 94.0), ("sell", "another order of its group was filled")]
    assert live.account.positions["A"] == 990.0


def test_a_replaced_order_has_the_time_of_its_replacement_and_an_unchanged_one_its_own() -> None:
    first, again = buy(limit=99.0, tag="x"), bar(10, 30, (100.0, 101.0, 90.0, 100.0))
    same = begun(recipe())
    assert outcome(same, do(quote(10), first), do(quote(20, sid="B"), first), again) == [("buy", 99.0)]
    other = begun(recipe())
    changed = {**first, "limit": 98.0}
    assert outcome(other, do(quote(10), first), do(quote(20, sid="B"), changed), again) == [("buy", "replaced")]
    assert outcome(other, bar(20, 40, (100.0, 101.0, 90.0, 100.0))) == [("buy", 98.0)]


# -- what people decide, and actions


@pytest.mark.parametrize("flatten", [False, True])
def test_a_kill_keeps_what_protects_unless_it_closes_all(flatten: bool) -> None:
    live = begun(recipe())
    live.step(do(quote(10), buy(limit=90.0), sell(stop=95.0), buy(stop_loss=80.0)))
    live.step(quote(11))
    kill = {"channel": CONTROL, "action": "kill", "reason": "x", "by": "test", "flatten": flatten}
    live.step({**kill, "ts": BEGIN + 10**6 * DAY})  # by the clock of who decides, which is no time of the market
    left = [(each.order.sid, each.order.side, each.order.stop) for each in live.open_orders]
    if flatten:
        assert left == [(sid, "sell", None) for sid in SIDS]
        assert {each.since for each in live.open_orders} == {BEGIN + 11 * MINUTE}
        told = outcome(live, quote(12), quote(12, sid="B"), quote(12, sid="C"))
        assert told == [("sell", 100.0)] * 3
        assert live.account.positions == {}
    else:
        assert left == [("A", "sell", 95.0), ("A", "sell", 80.0)]
        assert outcome(live, quote(12, 94.0)) == [("sell", 94.0)]


def action(ts: int, **what: Any) -> Event:
    return {"channel": "actions", "sid": "A", "ts": BEGIN + ts * MINUTE, **what}


@pytest.mark.parametrize(
    ("act", "late", "mark"),
    [
        ({"action": "split", "ratio": "2:1"}, 100.0, 50.0),
        ({"action": "dividend", "amount": "10"}, 100.0, 90.0),
    ],
)
def test_prices_from_before_an_action_count_no_more(act: dict[str, Any], late: float, mark: float) -> None:
    live = begun(recipe())
    worth = live.ledger.equity
    told = outcome(
        live, do(quote(10), sell(win=1000)), action(30, **act), quote(20, late), bar(15, 40, (late, late, mark, mark))
    )
    assert told == [("sell", mark)]
    assert live.ledger.equity == worth


def test_an_order_from_after_a_late_split_is_let_be() -> None:
    live = begun(recipe())
    outcome(live, do(quote(10, 50.0), buy(limit=49.0)), action(5, action="split", ratio="2:1"))
    assert [(each.order.limit, each.order.quantity) for each in live.open_orders] == [(49.0, 10)]
    assert live.account.marks["A"] == 50.0


class Watching:
    """Writes down what the account is worth whenever it may look, and calls a kill below a worth."""

    def initialize(self, params: Mapping[str, Any]) -> None:
        self.least = params["least"]

    def check(self, order: Order, account: Account) -> Order | Rejection:
        return order

    def observe(self, account: Account, ts: int) -> str | None:
        return "too little" if account.equity < self.least else None


PARTS["risk", "watching"] = Watching  # type: ignore[assignment]  # parts are told by their methods


@pytest.mark.parametrize("multiplier", ["1", "5", "0.1"])
@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_dividend_alone_loses_nothing_calls_no_margin_and_kills_nothing(multiplier: str, side: str) -> None:
    risk = part("risk", "watching", "watching", {"least": 9_999.0})
    table = (Instrument(symbol="A", multiplier=Decimal(multiplier)),)
    live = TradingEngine(recipe(cash=Decimal(10_000), margin=Margin(), risks=(risk,), instruments=table), run=RUN)
    units = float(Decimal(100) / Decimal(multiplier))
    outcome(live, do(quote(10), {"side": side, "win": units}), quote(11))
    before = live.ledger.equity
    told = outcome(live, action(20, action="dividend", amount=str(10 * Decimal(multiplier))))
    assert (told, live.killed, live.ledger.equity) == ([], None, before)
    assert live.account.marks["A"] == 90.0
    assert outcome(live, quote(21, 90.0)) == []
    assert (live.killed, live.ledger.equity) == (None, before)


def test_a_short_position_near_its_margin_call_is_not_called_for_a_dividend() -> None:
    live = TradingEngine(recipe(cash=Decimal(5000), margin=Margin()), run=RUN)
    outcome(live, do(quote(10), {"side": "sell", "win": 100}), quote(11))
    assert outcome(live, quote(12, 113.0), action(13, action="dividend", amount="10"), quote(14, 103.0)) == []
    assert live.account.positions["A"] == -100.0
    assert live.ledger.equity == 3700


def test_a_bet_between_a_dividend_and_the_next_quote_is_sized_by_what_there_is() -> None:
    live = TradingEngine(recipe(cash=Decimal(20_000)), run=RUN)
    outcome(live, do(quote(10), {"side": "buy", "win": 100}), quote(11))
    before = live.ledger.equity
    outcome(live, action(12, action="dividend", amount="50"))
    assert live.account.equity == float(before) == 20_000.0


# -- bars that do not say when they began


@pytest.mark.parametrize(
    ("length", "events", "told"),
    [
        (None, [quote(20, 105.0, open=101.0, high=120.0, low=80.0)], 105.0),
        (10, [quote(20, 105.0, open=101.0, high=120.0, low=80.0)], 101.0),
        (11, [quote(20, 105.0, open=101.0, high=120.0, low=80.0)], 105.0),
        (11, [quote(9, open=1.0), quote(10, open=1.0), quote(20, 105.0, open=101.0, high=120.0, low=80.0)], 101.0),
        (11, [bar(5, 20, BAR)], 105.0),  # it says it itself
        (11, [quote(20, 105.0)], 105.0),
    ],
)
@pytest.mark.parametrize("through", [False, True])
def test_bars_without_start_have_one_where_their_length_is_configured(
    length: int | None, events: list[Event], told: float, through: bool
) -> None:
    bars = () if length is None else (("quotes", length * MINUTE),)
    live = begun(recipe(bars=bars))
    *before, last = events
    for event in before:
        live.step(event)
    decided = do({"channel": "orders", "ts": BEGIN + 10 * MINUTE}, buy())
    if through:
        records = [record for each in live.run_through([decided, last]) for record in each]
        assert [record["price"] for record in records if record["type"] == "fill"] == [told]
    else:
        assert outcome(live, decided, last) == [("buy", told)]
