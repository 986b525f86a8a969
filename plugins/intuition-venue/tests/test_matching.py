"""The exchange: whatever is asked of it, money adds up and the best order comes first."""

from collections import defaultdict
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from intuition_venue.errors import BadSetting, Refused
from intuition_venue.exchange import Rules
from intuition_venue.state import State
from intuition_venue.venue import ACCOUNT, RULES

PRICES = st.integers(95, 105)
ACTIONS = st.one_of(
    st.tuples(
        st.just("order"),
        st.sampled_from(["buy", "sell"]),
        st.sampled_from(["market", "limit", "stop", "stop_limit", "take_profit", "take_profit_limit"]),
        st.sampled_from(["gtc", "ioc", "fok"]),
        st.integers(1, 30),
        PRICES,
        PRICES,
    ),
    st.tuples(st.just("oco"), st.integers(1, 10), st.integers(101, 105), st.integers(95, 99)),
    st.tuples(st.just("bracket"), st.integers(1, 10), PRICES, st.integers(101, 106), st.integers(93, 99)),
    st.tuples(st.just("amount"), st.integers(10, 3000)),
    st.tuples(st.just("price"), PRICES, st.integers(0, 12), st.integers(1, 4)),
    st.tuples(st.just("cancel"), st.integers(0, 40)),
    st.tuples(st.just("replace"), st.integers(0, 40), PRICES),
)


def act(floor: Any, action: tuple[Any, ...]) -> None:
    kind, *rest = action
    exchange, orders = floor.exchange, list(floor.state.orders.values())
    if kind == "order":
        side, name, tif, quantity, price, stop = rest
        limit = price if "limit" in name else None
        floor.submit(side, name, quantity, limit, stop if name not in {"limit", "market"} else None, tif=tif)
    elif kind == "oco":
        quantity, high, low = rest
        legs = [("limit", high, None, "take_profit"), ("stop", None, low, "stop_loss")]
        grouped(
            floor,
            "oco",
            [floor.order("sell", name, quantity, price, stop, role=role) for name, price, stop, role in legs],
        )
    elif kind == "bracket":
        quantity, entry, high, low = rest
        legs = [("limit", high, None, "take_profit"), ("stop", None, low, "stop_loss")]
        held = [
            floor.order("sell", name, quantity, price, stop, role=role, status="held")
            for name, price, stop, role in legs
        ]
        grouped(floor, "bracket", [floor.order("buy", "limit", quantity, entry, role="entry"), *held])
    elif kind == "amount":
        floor.submit("buy", "market", None, amount=Decimal(rest[0]))
    elif kind == "price":
        floor.price(*rest)
    elif orders:
        order = orders[rest[0] % len(orders)]
        if kind == "cancel":
            exchange.cancel(order)
        elif order.price is not None:
            wanted = floor.order(order.side, order.kind, order.remaining or 1, rest[1], order.stop, role=order.role)
            wanted.group, wanted.group_kind = order.group, order.group_kind
            if order.status == "held":
                wanted.status = "held"
            exchange.replace(order, wanted)


def grouped(floor: Any, kind: str, orders: list[Any]) -> None:
    number = floor.exchange.next_group()
    for order in orders:
        order.group, order.group_kind = number, kind
    floor.exchange.submit(*orders)


def recounted(entries: list[dict[str, Any]], base: str, quote: str) -> dict[str, Decimal]:
    """The balances, counted again from the log alone."""
    totals: defaultdict[str, Decimal] = defaultdict(Decimal)
    for entry in entries:
        if entry["type"] == "transferred":
            totals[entry["asset"]] += Decimal(entry["amount"])
        elif entry["type"] == "filled":
            sign = 1 if entry["side"] == "buy" else -1
            quantity, price = Decimal(entry["quantity"]), Decimal(entry["price"])
            totals[base] += sign * quantity
            totals[quote] -= sign * quantity * price
            totals[entry["fee_asset"]] -= Decimal(entry["fee"])
    return totals


@pytest.mark.parametrize("shape", ["spot", "stocks"])
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(ACTIONS, max_size=40))
def test_money_adds_up_and_no_order_has_more_than_it_asked_for(
    floor: Any, shape: str, actions: list[tuple[Any, ...]]
) -> None:
    here = floor(shape, cash=2000, units=20)
    instrument = here.state.instruments[here.symbol]
    for action in actions:
        with suppress(Refused):
            act(here, action)
        totals = recounted(here.log.entries, instrument.base, instrument.quote)
        for asset, amount in here.account.total.items():
            assert amount == totals[asset]
            assert amount >= here.account.locked[asset] >= 0, (action, asset)
    filled: defaultdict[int, Decimal] = defaultdict(Decimal)
    for entry in here.log.entries:
        if entry["type"] == "filled":
            filled[entry["order"]] += Decimal(entry["quantity"])
    for (_, number), order in here.state.orders.items():
        assert order.filled == filled[number]
        if order.quantity is not None:
            assert order.filled <= order.quantity
            assert (order.filled == order.quantity) == (order.status == "filled")
        else:
            assert order.spent <= order.amount
    assert not any(amount for asset, amount in here.account.locked.items()) or here.state.open_orders(ACCOUNT)


@pytest.mark.parametrize("shape", ["spot", "stocks"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(ACTIONS, max_size=40))
def test_the_log_alone_makes_the_same_state(floor: Any, shape: str, actions: list[tuple[Any, ...]]) -> None:
    here = floor(shape, cash=2000, units=20)
    for action in actions:
        with suppress(Refused):
            act(here, action)
    again = State(tuple(here.state.instruments.values()))
    for entry in here.log.entries:
        again.apply(entry)
    assert again.orders == here.state.orders
    assert again.trades == here.state.trades
    assert again.books == here.state.books
    for name in ("total", "locked", "cost"):
        amounts, others = (getattr(each, name) for each in (again.accounts[ACCOUNT], here.account))
        assert {asset: amount for asset, amount in amounts.items() if amount} == {
            asset: amount for asset, amount in others.items() if amount
        }


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    orders=st.lists(st.tuples(st.integers(90, 99), st.integers(1, 10)), min_size=1, max_size=12),
    last=st.integers(88, 99),
    size=st.integers(0, 15),
    levels=st.integers(1, 3),
)
def test_the_better_price_is_filled_first_and_of_equal_ones_the_older(
    floor: Any, orders: list[tuple[int, int]], last: int, size: int, levels: int
) -> None:
    here = floor(cash=100_000)
    placed = [here.submit("buy", "limit", quantity, price) for price, quantity in orders]
    before = len(here.log.entries)
    here.price(last, size, levels)
    fills = [entry for entry in here.log.entries[before:] if entry["type"] == "filled"]
    asks = [Decimal(last) + Decimal("0.01") * step for step in range(1, levels + 1)]
    left = {ask: Decimal(size) for ask in asks}
    expected = []
    for order in sorted(placed, key=lambda order: (-order.price, order.id)):
        wanted = order.quantity
        for ask in asks:
            part = min(wanted, left[ask]) if ask <= order.price else Decimal(0)
            if part:
                left[ask] -= part
                wanted -= part
                expected.append((order.id, part, order.price))
    assert [(entry["order"], Decimal(entry["quantity"]), Decimal(entry["price"])) for entry in fills] == expected


def test_what_the_market_offers_is_taken_once(floor: Any) -> None:
    here = floor()
    here.price(100, size=3, levels=1)
    assert here.submit("buy", "limit", 5, 101, tif="ioc").filled == 3
    second = here.submit("buy", "limit", 5, 101)
    assert (second.filled, second.status) == (0, "working")
    here.price(100, size=2, levels=1)
    assert (second.filled, second.status) == (2, "working")


def test_a_fill_or_kill_is_filled_whole_or_not_at_all(floor: Any) -> None:
    here = floor()
    here.price(100, size=3, levels=1)
    assert here.submit("buy", "limit", 4, 101, tif="fok").status == "expired"
    assert here.submit("buy", "limit", 3, 101, tif="fok").status == "filled"


def test_a_stop_is_triggered_by_its_price_and_taken_from_what_there_is(floor: Any) -> None:
    here = floor()
    order = here.submit("sell", "stop", 4, None, 98)
    here.price(99)
    assert order.status == "waiting"
    here.price(97, size=3, levels=2)
    assert (order.status, order.spent) == ("filled", 3 * Decimal("96.99") + Decimal("96.98"))
    with pytest.raises(Refused, match="reached already"):
        here.submit("sell", "stop", 1, None, 98)


def test_one_leg_ends_the_other(floor: Any) -> None:
    here = floor()
    profit, loss = (here.order("sell", *leg) for leg in (("limit", 10, 105), ("stop", 10, None, 95)))
    profit.role, loss.role = "take_profit", "stop_loss"
    grouped(here, "oco", [profit, loss])
    assert here.account.locked["BTC"] == 10
    here.price(106, size=4, levels=1)
    states = [here.state.orders[here.symbol, each.id] for each in (profit, loss)]
    assert [(order.status, order.filled) for order in states] == [("working", 4), ("expired", 0)]
    assert here.account.locked["BTC"] == 6


def test_one_leg_that_is_partly_filled_makes_the_other_smaller_where_that_is_the_rule(floor: Any) -> None:
    here = floor("stocks")
    profit, loss = (here.order("sell", *leg) for leg in (("limit", 10, 105), ("stop", 10, None, 95)))
    profit.role, loss.role = "take_profit", "stop_loss"
    grouped(here, "oco", [profit, loss])
    here.price(106, size=4, levels=1)
    stop = here.state.orders[here.symbol, loss.id]
    assert (stop.status, stop.quantity) == ("waiting", 6)
    here.price(94)
    assert stop.status == "filled"
    assert here.state.orders[here.symbol, profit.id].status == "cancelled"


def test_legs_that_the_fee_has_left_too_little_for_end(floor: Any) -> None:
    rules = Rules(maker_fee=Decimal("0.001"), taker_fee=Decimal("0.001"))
    here = floor("spot", rules, cash=1000, units=0)
    legs = [here.order("sell", "stop", 5, None, 90, role="stop_loss", status="held")]
    grouped(here, "oto", [here.order("buy", "limit", 5, 99, role="entry"), *legs])
    here.price(98)
    leg = here.state.orders[here.symbol, legs[0].id]
    assert (leg.status, leg.reason) == ("expired", "funds")
    assert here.account.total["BTC"] == Decimal("4.995")


@pytest.mark.parametrize(("shape", "again"), [("spot", True), ("stocks", False)])
def test_a_client_id_may_be_used_again_only_where_that_is_the_rule(floor: Any, shape: str, again: bool) -> None:
    here = floor(shape)
    here.submit("buy", "limit", 1, 90, client_id="mine")
    with pytest.raises(Refused, match="in use"):
        here.submit("buy", "limit", 1, 90, client_id="mine")
    here.price(89)
    if again:
        assert here.submit("buy", "limit", 1, 80, client_id="mine").status == "working"
    else:
        with pytest.raises(Refused, match="in use"):
            here.submit("buy", "limit", 1, 80, client_id="mine")


def test_a_fee_in_another_asset_is_taken_while_there_is_enough_of_it(floor: Any) -> None:
    here = floor("spot", Rules(maker_fee=Decimal("0.001"), taker_fee=Decimal("0.001")))
    here.exchange.price("BNBUSDT", Decimal(50))
    here.exchange.transfer(ACCOUNT, "BNB", Decimal("0.003"))
    here.exchange.fee_asset = "BNB"
    for _ in range(2):
        here.submit("buy", "market", 1)
    fees = [(trade.fee_asset, trade.fee) for trade in here.state.fills]
    assert fees == [("BNB", Decimal("0.00200020")), ("BTC", Decimal("0.00100000"))]


def test_a_trade_that_is_taken_back_leaves_no_trace_in_the_balances(floor: Any) -> None:
    here = floor("spot", RULES["spot"])
    before = dict(here.account.total)
    here.submit("buy", "market", 2)
    here.exchange.bust(here.symbol, 1)
    assert dict(here.account.total) == before
    with pytest.raises(BadSetting, match="no trade 1"):
        here.exchange.bust(here.symbol, 1)
