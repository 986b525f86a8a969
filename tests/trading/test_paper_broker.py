"""How open orders fill, against a second telling of the rules, and under everything at once."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from intuition_core.account.costs import NO_COSTS, Costs
from intuition_core.account.instruments import Instrument
from intuition_core.account.ledger import Ledger
from intuition_core.account.margin import Margin
from intuition_core.account.market import DAY, Market
from intuition_core.contracts import Order, OrderType, Rejection, Side, Tif
from intuition_core.trading.order_book import OrderBook
from intuition_core.trading.orders import NO_RULES, Filled, FillRules, OpenOrder
from intuition_core.trading.paper_broker import PaperBroker

STEP = Decimal("0.01")
TIFS: tuple[Tif, ...] = ("gtc", "day", "ioc", "fok")
ME = "me"


class Account:
    """A broker, its ledger, and the means to trade by hand."""

    def __init__(
        self,
        cash: str = "10000",
        *,
        costs: Costs = NO_COSTS,
        rules: FillRules = NO_RULES,
        step: Decimal = STEP,
        instruments: Iterable[Instrument] = (),
        margin: Margin | None = None,
    ) -> None:
        market = Market(step=step, instruments=instruments)
        self.ledger = Ledger(Decimal(cash), market=market, margin=margin)
        self.book = OrderBook({ME: self.ledger}, market)
        self.broker = PaperBroker(self.book, costs=costs, rules=rules)
        self.placed = 0

    def place(self, side: Side, quote: float = 100.0, sid: str = "A", **order: Any) -> OpenOrder:
        self.placed += 1
        wanted = Order(sid, side, quote, **order)
        units, cash = self.broker.estimate(wanted)
        assert units
        return self.book.add(OpenOrder(f"o{self.placed}", wanted, ME, "portfolio"), cash)

    def hold(self, units: str, price: str = "100", sid: str = "A") -> None:
        self.ledger.buy(sid, Decimal(units), Decimal(price))

    def quote(self, price: float, sid: str = "A", ts: int = 0, **more: Any) -> list[tuple[OpenOrder, Any]]:
        if sid not in self.book.open:
            return []
        return self.broker.on_quote(sid, {"channel": "quotes", "sid": sid, "quote": price, "ts": ts, **more})

    def one(self, price: float, **more: Any) -> Any:
        [(_, outcome)] = self.quote(price, **more)
        return outcome


def units(number: float | str) -> Decimal:
    return Decimal(str(number))


# -- which price of a bar, told a second time: a sell is a buy of prices below zero

Prices = tuple[float, float, float, float]
"""Open, high, low and close."""


def priced(kind: OrderType, side: Side, limit: float, stop: float, bars: Iterable[Prices]) -> tuple[int, float] | None:
    sign = 1 if side == "buy" else -1
    most, trigger = sign * limit, sign * stop
    waiting = kind in ("stop", "stop_limit")
    for n, bar in enumerate(bars):
        first = sign * bar[0]
        worst, best = max(sign * price for price in bar), min(sign * price for price in bar)
        if waiting:
            if worst < trigger:
                continue
            waiting = False
            if kind == "stop":
                return n, sign * max(first, trigger)
            if first < trigger:
                if trigger <= most:
                    return n, sign * trigger
                continue
        if kind in ("market", "stop"):
            return n, sign * first
        if best <= most:
            return n, sign * min(first, most)
    return None


PRICES = st.integers(8, 16).map(float)
BARS = st.lists(st.tuples(PRICES, PRICES, PRICES, PRICES), min_size=1, max_size=6)
KINDS: st.SearchStrategy[OrderType] = st.sampled_from(("market", "limit", "stop", "stop_limit"))
SIDES: st.SearchStrategy[Side] = st.sampled_from(("buy", "sell"))


def event(bar: Prices, shape: str) -> dict[str, Any]:
    first, high, low, _ = bar
    if shape == "quote":
        return {}
    if shape == "open":
        return {"open": first}
    return {"open": first, "high": max(bar) if shape == "bar" else high, "low": min(bar) if shape == "bar" else low}


@settings(max_examples=400, deadline=None)
@given(KINDS, SIDES, PRICES, PRICES, BARS, st.sampled_from(["bar", "quote", "open", "odd"]))
def test_orders_get_the_prices_that_the_rules_give_them(
    kind: OrderType, side: Side, limit: float, stop: float, bars: list[Prices], shape: str
) -> None:
    # "odd" bars have highs below their lows; what the others show counts as well.
    seen = [
        (bar[3],) * 4 if shape == "quote" else (bar[0], bar[0], bar[0], bar[3]) if shape == "open" else bar
        for bar in bars
    ]
    wanted = priced(kind, side, limit, stop, seen)
    account = Account()
    account.hold("5", "10")
    more: dict[str, Any] = {"limit": limit} if "limit" in kind else {}
    more |= {"stop": stop} if "stop" in kind else {}
    account.place(side, 12.0, quantity=units(5), **more)
    got = None
    for n, bar in enumerate(bars):
        if outcomes := account.quote(bar[3], ts=n, **event(bar, shape)):
            [(_, filled)] = outcomes
            got = (n, filled.price)
            break
    assert got == wanted
    assert bool(account.book.open) is (wanted is None)


@pytest.mark.parametrize(
    ("order", "bar", "price"),
    [
        ({"side": "buy", "limit": 99.0}, (100, 101, 98, 100), 99),
        ({"side": "buy", "limit": 99.0}, (97, 101, 96, 100), 97),
        ({"side": "buy", "limit": 99.0}, (100, 101, 99.5, 100), None),
        ({"side": "sell", "limit": 101.0}, (100, 102, 98, 100), 101),
        ({"side": "sell", "limit": 101.0}, (103, 104, 98, 100), 103),
        ({"side": "buy", "stop": 101.0}, (100, 102, 98, 100), 101),
        ({"side": "buy", "stop": 101.0}, (105, 106, 98, 100), 105),
        ({"side": "sell", "stop": 95.0}, (93, 94, 90, 92), 93),
        ({"side": "sell", "stop": 95.0}, (100, 101, 94, 96), 95),
        ({"side": "buy", "stop": 101.0, "limit": 102.0}, (100, 105, 98, 100), 101),
        ({"side": "buy", "stop": 101.0, "limit": 100.0}, (100, 105, 98, 100), None),
        ({"side": "buy", "stop": 101.0, "limit": 102.0}, (103, 105, 101, 104), 102),
        ({"side": "buy", "stop": 101.0, "limit": 102.0}, (103, 105, 102.5, 104), None),
    ],
)
def test_prices_of_one_bar(order: dict[str, Any], bar: Prices, price: float | None) -> None:
    account = Account()
    account.hold("1")
    account.place(quantity=units(1), **order)
    outcomes = account.quote(bar[3], open=bar[0], high=bar[1], low=bar[2])
    assert [filled.price for _, filled in outcomes] == ([] if price is None else [price])


def test_a_triggered_stop_stays_triggered_and_a_snapshot_knows() -> None:
    account = Account()
    account.place("buy", stop=101.0, limit=100.0, quantity=units(1))
    assert account.quote(101.5) == []  # reached, and beyond the limit
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(account.book.open["A"]), type=list[OpenOrder])
    assert [each.triggered for each in kept] == [True]
    again = OrderBook({ME: account.ledger}, account.book.market)
    again.restore(kept)
    [(_, filled)] = PaperBroker(again).on_quote("A", {"quote": 99.0, "ts": 2})
    assert isinstance(filled, Filled)
    assert filled.price == 99


def test_slippage_worsens_a_stop_and_never_a_limit() -> None:
    costs = Costs(slippage_bps=Decimal(100))
    account = Account(costs=costs)
    account.place("buy", stop=101.0, quantity=units(1))
    assert account.one(102.0, open=100.0, high=102.0, low=100.0).price == 102.01
    account.place("buy", limit=101.0, quantity=units(1))
    filled = account.one(100.5)
    assert (filled.price, filled.slippage) == (101, units("0.5"))
    account.place("buy", limit=101.0, quantity=units(1))
    assert account.one(90.0).price == 90.9


def test_a_limit_reserves_its_worst_and_gives_back_what_it_did_not_need() -> None:
    account = Account("1000")
    account.place("buy", limit=90.0, quantity=units(10))
    assert account.ledger.available == 100
    account.quote(80.0)
    assert (account.ledger.cash, account.ledger.reserved) == (units(200), units(0))


@pytest.mark.parametrize(
    ("order", "cash"),
    [
        ({"side": "buy", "stop": 110.0}, 1100),
        ({"side": "buy", "stop": 90.0}, 1000),
        ({"side": "buy", "stop": 110.0, "limit": 120.0}, 1200),
        ({"side": "sell", "stop": 90.0}, 900),
        ({"side": "sell", "stop": 110.0}, 1000),
        ({"side": "sell", "limit": 120.0}, 1200),
    ],
)
def test_an_estimate_takes_the_worst_price_that_is_foreseen(order: dict[str, Any], cash: int) -> None:
    wanted = Order("A", quote=100.0, quantity=units(10), **order)
    assert Account().broker.estimate(wanted) == (units(10), units(cash))


@pytest.mark.parametrize("price", [0.0, -0.01, -37.63])
@pytest.mark.parametrize("costs", [Costs(), Costs(commission_bps=Decimal(10))])
@pytest.mark.parametrize("terms", [{}, {"limit": 0.0}, {"limit": -37.63}])
def test_cash_buys_no_units_at_a_price_that_is_not_above_zero(
    price: float, costs: Costs, terms: dict[str, float]
) -> None:
    wanted = Order("A", "buy", price, cash=units(1000), **terms)  # type: ignore[arg-type]  # terms are numbers
    assert Account(costs=costs).broker.estimate(wanted) == (units(0), units(1000))


def test_orders_wait_for_their_limits_when_others_are_gone() -> None:
    account = Account()
    account.place("buy", limit=90.0, quantity=units(1))
    account.place("buy", limit=90.0, quantity=units(1), sid="B")
    gone = account.place("buy", limit=90.0, quantity=units(1), sid="C")
    account.book.cancel(gone)
    assert len(account.quote(90.0)) == 1
    assert account.quote(100.0, sid="B") == []


# -- how long an order is good

NOON = 20_000 * DAY + DAY // 2


@pytest.mark.parametrize(
    ("terms", "end"),
    [
        ({"tif": "gtc"}, None),
        ({"tif": "day"}, 20_001 * DAY),
        ({"until": NOON + 5}, NOON + 5),
        ({"tif": "day", "until": NOON + 5}, NOON + 5),
        ({"tif": "day", "until": NOON + 2 * DAY}, 20_001 * DAY),
    ],
)
def test_an_order_ends_with_its_day_or_when_it_says(terms: dict[str, Any], end: int | None) -> None:
    account = Account()
    order = account.place("buy", limit=50.0, quantity=units(1), ts=NOON, **terms)
    assert order.expires == end
    assert bool(account.book.expiring) is (end is not None)
    if end is None:
        assert not account.book.expire(NOON + 1000 * DAY)
        return
    assert not account.book.expire(end - 1)
    assert account.ledger.reserved == 50
    assert account.book.expire(end) == [order]
    assert account.ledger.reserved == 0
    assert not account.book.open
    assert not account.book.expiring


def test_a_market_order_can_end_before_its_next_quote() -> None:
    account = Account()
    account.place("buy", quantity=units(1), ts=NOON, tif="day")
    assert len(account.book.expire(NOON + DAY)) == 1
    assert account.quote(100.0, ts=NOON + DAY) == []


def test_orders_end_each_in_its_own_time_after_a_restart_too() -> None:
    account = Account()
    first, second, third = (
        account.place("buy", limit=50.0, quantity=units(1), until=end, sid=sid)
        for end, sid in ((300, "A"), (100, "B"), (200, "A"))
    )
    again = OrderBook({ME: account.ledger}, account.book.market)
    again.restore([order for orders in account.book.open.values() for order in orders])
    for book in (account.book, again):
        assert book.expire(99) == ()
        assert book.expire(100) == [second]
        assert book.expire(150) == ()
        assert book.expire(250) == [third]
        book.cancel(first)
        assert not book.expiring


@pytest.mark.parametrize(
    ("tif", "volume", "filled", "rest"),
    [
        ("ioc", 100, "10", False),
        ("ioc", 40, "4", True),
        ("ioc", 0, None, True),
        ("ioc", None, "10", False),
        ("fok", 100, "10", False),
        ("fok", 40, None, True),
        ("fok", None, "10", False),
        ("gtc", 0, None, False),
    ],
)
def test_one_chance_with_little_volume(tif: Tif, volume: int | None, filled: str | None, rest: bool) -> None:
    account = Account(rules=FillRules(volume_share=units("0.1")))
    account.place("buy", quantity=units(10), tif=tif)
    more: dict[str, Any] = {} if volume is None else {"volume": volume}
    outcomes = [outcome for _, outcome in account.quote(100.0, **more)]
    assert [outcome.quantity for outcome in outcomes if isinstance(outcome, Filled)] == (
        [units(filled)] if filled else []
    )
    assert any(isinstance(outcome, Rejection) for outcome in outcomes) is rest
    assert bool(account.book.open) is (tif == "gtc")
    if tif != "gtc":
        assert account.ledger.reserved == 0


@pytest.mark.parametrize("tif", ["ioc", "fok"])
def test_the_first_quote_is_the_only_chance_of_a_limit_and_the_trigger_that_of_a_stop(tif: Tif) -> None:
    account = Account()
    account.place("buy", limit=90.0, quantity=units(1), tif=tif)
    reason = account.one(100.0).reason
    assert "at A's first quote, " in reason
    assert tif in reason
    account.place("buy", stop=110.0, limit=105.0, quantity=units(1), tif=tif)
    assert account.quote(100.0) == []
    reason = account.one(111.0).reason
    assert "at the quote of A that triggered its stop, " in reason
    assert tif in reason
    assert not account.book.open
    assert account.ledger.reserved == 0


@pytest.mark.parametrize(
    ("costs", "price", "reason"),
    [
        (NO_COSTS, 100.01, "100 buys less than 1 A at 100.01"),
        (Costs(commission_per_trade=Decimal(1)), 100.0, "100 buys less than 1 A at 100.0 with its costs"),
        (Costs(commission_min=Decimal(1)), 100.0, "100 buys less than 1 A at 100.0 with its costs"),
    ],
)
def test_cash_that_costs_leave_too_little_of_is_refused_for_them(costs: Costs, price: float, reason: str) -> None:
    account = Account(costs=costs, step=Decimal(1))
    account.place("buy", quote=50.0, cash=units(100))
    assert account.one(price).reason == reason


# -- parts of the volume


def test_orders_share_an_events_volume_in_their_order_and_the_rest_waits() -> None:
    account = Account(rules=FillRules(volume_share=units("0.25")))
    account.place("buy", quantity=units(10))
    account.place("buy", cash=units(1000))
    [(_, first)] = account.quote(100.0, volume=30)
    assert (first.quantity, first.left_quantity) == (units("7.5"), units("2.5"))
    (_, first), (_, second) = account.quote(100.0, volume=18)
    assert (first.quantity, first.left_quantity, first.left_cash) == (units("2.5"), None, None)
    assert (second.quantity, second.left_cash, second.left_quantity) == (2, units(800), None)
    assert account.ledger.reserved == 800
    last = account.one(50.0)  # says nothing of a volume
    assert (last.quantity, last.left_cash) == (16, None)
    assert (account.ledger.cash, account.ledger.reserved) == (units(8000), units(0))


def test_volume_is_floored_to_steps() -> None:
    account = Account(rules=FillRules(volume_share=units("0.1")), step=Decimal(1))
    account.place("buy", quantity=units(10))
    assert account.one(100.0, volume="39").quantity == 3
    assert account.quote(100.0, volume=9.9) == []


@pytest.mark.parametrize("volume", [None, "many", True, -5, float("nan"), [1]])
def test_what_is_no_volume_limits_nothing(volume: Any) -> None:
    account = Account(rules=FillRules(volume_share=units("0.1")))
    account.place("buy", quantity=units(10))
    assert account.one(100.0, volume=volume).quantity == 10


def test_what_is_left_of_a_sell_is_what_is_still_held() -> None:
    account = Account(rules=FillRules(volume_share=units(1)))
    account.hold("10")
    account.place("sell", quantity=units(10))
    assert account.book.sellable(ME, "A") == 0
    assert account.one(100.0, volume=4).left_quantity == 6
    assert account.book.sellable(ME, "A") == 0
    account.ledger.sell("A", units(5), units(100), 0)
    filled = account.one(100.0, volume=4)
    assert (filled.quantity, filled.left_quantity) == (1, None)
    assert not account.ledger.positions


# -- taking back, at once, short, in ticks


def test_a_cancelled_order_gives_its_cash_back_and_fills_no_more() -> None:
    account = Account()
    kept, other = (account.place("buy", limit=90.0, cash=units(100), tag=tag) for tag in "ab")
    account.book.cancel(other)
    account.book.cancel(other)
    assert account.ledger.reserved == 100
    assert [order for order, _ in account.quote(80.0)] == [kept]


def test_all_is_taken_back() -> None:
    account = Account()
    account.place("buy", limit=90.0, cash=units(100), until=5)
    account.place("buy", cash=units(100), sid="B")
    assert len(account.book.cancel_all()) == 2
    assert not account.book.expiring
    assert account.ledger.reserved == 0
    assert not account.book.open


@pytest.mark.parametrize(
    ("terms", "price"),
    [({}, 100.0), ({"limit": 100.0}, 100.0), ({"limit": 99.0}, None), ({"stop": 99.0}, None), ({"until": 7}, None)],
)
def test_what_fills_at_once(terms: dict[str, Any], price: float | None) -> None:
    account = Account(rules=FillRules(volume_share=units("0.5")))
    order = account.place("buy", quantity=units(1), **terms)
    filled = account.broker.fill_now(order, 100.0, 7)
    assert (None if filled is None else filled.price) == price  # type: ignore[union-attr]  # none of these is refused
    assert bool(account.book.open) is (price is None)
    assert bool(account.ledger.reserved) is (price is None)


def test_what_has_one_chance_and_misses_it_at_once_is_cancelled() -> None:
    account = Account()
    order = account.place("buy", quantity=units(1), limit=99.0, tif="ioc")
    assert isinstance(account.broker.fill_now(order, 100.0, 7), Rejection)
    assert account.ledger.reserved == 0
    assert not account.book.open


def test_short_by_a_limit_and_back_by_a_stop() -> None:
    account = Account(margin=Margin(), costs=Costs(commission_per_trade=Decimal(1)))
    account.place("sell", limit=105.0, quantity=units(10), short=True)
    assert account.quote(104.0) == []
    sold = account.one(106.0)
    assert (sold.price, sold.cash, sold.profit) == (106, 1059, None)
    assert account.book.coverable(ME, "A") == 10
    assert account.book.sellable(ME, "A") == 0
    account.place("buy", stop=110.0, quantity=units(10), short=True)
    assert account.book.coverable(ME, "A") == 0
    assert account.ledger.reserved == 0
    bought = account.one(112.0, open=108.0, high=113.0, low=107.0)
    assert (bought.price, bought.cash, bought.profit) == (110, 1101, -42)
    assert not account.ledger.positions


def test_a_part_of_a_short_sale_keeps_the_rest_of_its_margin() -> None:
    account = Account("1000", margin=Margin(), rules=FillRules(volume_share=units(1)))
    order = Order("A", "sell", 100.0, quantity=units(8), short=True)
    account.book.add(OpenOrder("s", order, ME, ""), units(400))  # half of its worth; the sale brings the rest
    assert account.one(100.0, volume=2).left_quantity == 6
    assert account.ledger.reserved == 300
    assert account.ledger.available == 600
    assert account.one(100.0).quantity == 6
    assert account.ledger.reserved == 0


@pytest.mark.parametrize("order", [{"side": "buy", "limit": -5.0}, {"side": "sell", "short": True}])
def test_nothing_is_opened_at_a_price_below_zero(order: dict[str, Any]) -> None:
    account = Account(margin=Margin())
    account.book.add(OpenOrder("o", Order("A", quote=100.0, quantity=units(1), **order), ME, ""), units(0))
    assert "at -6.0" in account.one(-6.0).reason
    assert account.ledger.cash == 10_000


def test_a_limit_below_zero_reserves_nothing() -> None:
    account = Account()
    account.place("buy", limit=-5.0, quantity=units(10))
    assert account.ledger.available == 10_000
    assert account.quote(1.0) == []


def test_what_turned_to_the_other_side_meanwhile_is_refused_on_both_ways() -> None:
    for tif in TIFS[:2]:
        account = Account(margin=Margin())
        order = Order("A", "buy", 100.0, quantity=units(1), tif=tif)
        account.book.add(OpenOrder("b", order, ME, ""), units(100))
        account.ledger.short("A", units(1), units(100))
        assert "sold short" in account.one(100.0).reason
        assert account.ledger.reserved == 0


def test_nothing_is_sold_short_without_margin_and_nothing_bought_back_that_is_not_short() -> None:
    account = Account()
    account.place("sell", quantity=units(10), short=True)
    assert "margin" in account.one(100.0).reason
    account.place("buy", quantity=units(10), short=True)
    assert account.one(100.0).reason == "no A left to buy back"


def test_prices_go_in_ticks_and_limits_and_stops_away_from_trading() -> None:
    future = Instrument(symbol="A", tick=units("0.25"), lot=Decimal(1), multiplier=Decimal(50))
    account = Account("100000", instruments=[future], costs=Costs(slippage_bps=Decimal(10)))
    assert account.place("buy", limit=99.9, quantity=units("2.5")).order.limit == 99.75
    assert account.place("sell", limit=100.1, quantity=units(1)).order.limit == 100.25
    assert account.place("buy", stop=100.1, quantity=units(1)).order.stop == 100.25
    assert account.place("sell", stop=99.9, quantity=units(1)).order.stop == 99.75
    account.book.cancel_all()
    account.place("buy", cash=units(12_000))
    filled = account.one(100.0)  # 100.1 with slippage, 100.25 in ticks, times 50 for a unit
    assert (filled.price, filled.quantity, filled.cash, filled.slippage) == (100.25, 2, 10_025, 25)


# -- the long way and the short one

TERMS = st.fixed_dictionaries(
    {},
    optional={
        "limit": st.sampled_from([95.0, 99.5, 105.0]),
        "stop": st.sampled_from([95.0, 99.5, 105.0]),
        "tif": st.sampled_from(TIFS),
        "until": st.integers(0, 40),
    },
)
SOME_COSTS = st.sampled_from(
    [
        NO_COSTS,
        Costs(commission_bps=Decimal(10), slippage_bps=Decimal(7), slippage_per_trade=Decimal("0.5")),
        Costs(commission_min=Decimal(1), commission_per_unit=Decimal("0.005"), slippage_impact=Decimal("0.1")),
        Costs(commission_tiers=((Decimal(500), Decimal(20)),), commission_bps=Decimal(5), commission_max=Decimal(2)),
    ]
)


@given(
    st.lists(st.tuples(SIDES, st.integers(1, 2000), st.booleans(), st.floats(50, 150)), min_size=1, max_size=8),
    st.booleans(),
    st.booleans(),
)
def test_plain_orders_fill_alike_on_both_ways(
    story: list[tuple[Side, int, bool, float]], at_once: bool, costly: bool
) -> None:
    costs = Costs(commission_bps=Decimal(10), slippage_bps=Decimal(7), commission_per_trade=Decimal(1))
    outcomes = []
    # No event here has a volume, so that the second account's rule limits nothing, and only makes it take the long way.
    for rules in (NO_RULES, FillRules(volume_share=Decimal(1))):
        account = Account("2000", rules=rules, costs=costs if costly else NO_COSTS)
        account.hold("3")
        told: list[Any] = []
        for side, size, by_cash, price in story:
            amount: dict[str, Any] = (
                {"cash": units(size)} if by_cash and side == "buy" else {"quantity": units(size) / 100}
            )
            wanted = Order("A", side, 100.0, **amount)
            number, reserve = account.broker.estimate(wanted)
            told.append((number, reserve))
            if side == "buy" and reserve > account.ledger.available:
                continue
            order = account.book.add(OpenOrder(str(len(told)), wanted, ME, ""), reserve)
            told.append(account.broker.fill_now(order, 100.0, 0) if at_once else account.quote(price))
        outcomes.append((told, account.ledger.snapshot()))
    assert outcomes[0] == outcomes[1]


# -- everything at once


class Trading(RuleBasedStateMachine):
    """Two algorithms on two symbols; what happened is told to a second ledger that knows fractions and fills only."""

    @initialize(costs=SOME_COSTS, share=st.sampled_from([None, "0.1", "1"]))
    def begin(self, costs: Costs, share: str | None) -> None:
        self.costs = costs
        self.share = None if share is None else Decimal(share)
        self.ledgers = {name: Ledger(Decimal(2000)) for name in ("one", "two")}
        self.orders, self.broker = self.make_broker()
        self.ts = 0
        self.placed: dict[str, tuple[Order, int]] = {}
        self.filled: dict[str, list[Filled]] = {}
        self.ended: set[str] = set()
        self.cash = {name: Fraction(2000) for name in self.ledgers}
        self.units: dict[tuple[str, str], Fraction] = {}

    def make_broker(self) -> tuple[OrderBook, PaperBroker]:
        rules = NO_RULES if self.share is None else FillRules(volume_share=self.share)
        book = OrderBook(self.ledgers, Market(step=STEP))
        return book, PaperBroker(book, costs=self.costs, rules=rules)

    @rule(
        who=st.sampled_from(["one", "two"]),
        sid=st.sampled_from("AB"),
        side=SIDES,
        size=st.integers(1, 60_000),
        by_cash=st.booleans(),
        terms=TERMS,
    )
    def place(self, who: str, sid: str, side: Side, size: int, by_cash: bool, terms: dict[str, Any]) -> None:
        if "until" in terms:
            terms = {**terms, "until": self.ts + terms["until"]}
        amount: dict[str, Any] = (
            {"cash": Decimal(size) / 100} if by_cash and side == "buy" else {"quantity": Decimal(size) / 100}
        )
        if side == "sell":
            held = self.orders.sellable(who, sid)
            assert held >= 0
            amount["quantity"] = min(amount["quantity"], held)
        order = Order(sid, side, 100.0, ts=self.ts, **amount, **terms)
        number, reserve = self.broker.estimate(order)
        if not number or (side == "buy" and reserve > self.ledgers[who].available):
            return
        order_id = f"o{len(self.placed)}"
        self.orders.add(OpenOrder(order_id, order, who, ""), reserve)
        self.placed[order_id] = order, self.ts

    @rule(
        sid=st.sampled_from("AB"),
        prices=st.tuples(*[st.sampled_from([90.0, 94.5, 99.5, 100.0, 101.0, 107.0])] * 4),
        bar=st.booleans(),
        volume=st.one_of(st.none(), st.integers(0, 60)),
    )
    def quote(self, sid: str, prices: Prices, bar: bool, volume: int | None) -> None:
        self.ts += 7
        if self.orders.expiring:
            for order in self.orders.expire(self.ts):
                assert order.expires is not None
                assert self.ts - 7 <= order.expires <= self.ts
                self.ended.add(order.id)
        if sid not in self.orders.open:
            return
        data = {"quote": prices[3], "ts": self.ts}
        if bar:
            data |= {"open": prices[0], "high": max(prices), "low": min(prices)}
        if volume is not None:
            data["volume"] = volume
        traded = Decimal(0)
        for placed, outcome in self.broker.on_quote(sid, data):
            assert placed.id not in self.ended
            if isinstance(outcome, Filled):
                self.book(placed, outcome)
                traded += outcome.quantity
            if isinstance(outcome, Rejection) or (outcome.left_quantity is None and outcome.left_cash is None):
                self.ended.add(placed.id)
        if self.share is not None and volume is not None:
            assert traded <= volume * self.share

    def book(self, placed: OpenOrder, filled: Filled) -> None:
        order, ts = self.placed[placed.id]
        assert ts < self.ts
        assert filled.quantity > 0
        assert filled.quantity % STEP == 0
        sign = 1 if order.side == "buy" else -1
        if order.limit is not None:
            assert sign * filled.price <= sign * order.limit
        self.filled.setdefault(placed.id, []).append(filled)
        who = placed.algorithm, order.sid
        self.cash[placed.algorithm] -= sign * Fraction(filled.cash)
        self.units[who] = self.units.get(who, Fraction(0)) + sign * Fraction(filled.quantity)

    @rule(pick=st.integers(0, 20))
    def cancel(self, pick: int) -> None:
        there = [order for orders in self.orders.open.values() for order in orders]
        if there:
            order = there[pick % len(there)]
            self.orders.cancel(order)
            self.ended.add(order.id)

    @rule()
    def restart(self) -> None:
        there = [order for orders in self.orders.open.values() for order in orders]
        kept = msgspec.msgpack.encode(there)
        self.orders, self.broker = self.make_broker()
        self.orders.restore(msgspec.msgpack.decode(kept, type=list[OpenOrder]))
        assert [order for orders in self.orders.open.values() for order in orders] == there

    @invariant()
    def books_agree_with_the_fills(self) -> None:
        if not hasattr(self, "broker"):
            return
        for name, ledger in self.ledgers.items():
            assert Fraction(ledger.cash) == self.cash[name]
            assert ledger.available >= 0
            held = {sid: Fraction(position.quantity) for sid, position in ledger.positions.items()}
            assert held == {sid: n for (who, sid), n in self.units.items() if who == name and n}

    @invariant()
    def what_is_open_is_what_has_not_ended(self) -> None:
        if not hasattr(self, "broker"):
            return
        there = {order.id: order for orders in self.orders.open.values() for order in orders}
        assert set(there) == set(self.placed) - self.ended
        reserved = {order_id for ledger in self.ledgers.values() for order_id in ledger.reservations}
        assert reserved <= {order_id for order_id, order in there.items() if order.order.side == "buy"}
        ends = {order_id: order.expires for order_id, order in there.items() if order.expires is not None}
        assert self.orders.expiring == ends

    @invariant()
    def nothing_is_filled_beyond_what_was_ordered(self) -> None:
        for order_id, fills in getattr(self, "filled", {}).items():
            order, _ = self.placed[order_id]
            if order.quantity is not None:
                assert sum(filled.quantity for filled in fills) <= order.quantity
            elif order.cash is not None:
                assert sum(filled.cash for filled in fills) <= order.cash


Trading.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestTrading = Trading.TestCase
