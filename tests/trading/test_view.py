"""What parts see of an account, kept while everything changes under it."""

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.account.books import Books
from intuition_core.account.instruments import Instrument
from intuition_core.account.margin import Margin
from intuition_core.account.market import Market, read_rate
from intuition_core.contracts import Account, Order
from intuition_core.testing.account import FakeAccount
from intuition_core.trading.orders import OpenOrder
from intuition_core.trading.view import LedgerView

INSTRUMENTS = (
    Instrument(symbol="US", currency="USD"),
    Instrument(symbol="FUTURE", multiplier=Decimal(50)),
    Instrument(symbol="BOTH", currency="USD", multiplier=Decimal("0.1")),
)
prices = st.floats(0.01, 1000).map(lambda price: round(price, 2))
deals = st.tuples(
    st.sampled_from(["buy", "sell", "short", "cover", "mark", "rate"]),
    st.sampled_from(["one", "two"]),
    st.sampled_from(["PLAIN", "US", "FUTURE", "BOTH"]),
    st.integers(1, 5).map(Decimal),
    prices,
)


def books(*, instruments: tuple[Instrument, ...] = INSTRUMENTS) -> Books:
    shares = {"one": Decimal("0.5"), "two": Decimal("0.3")}
    market = Market(currency="EUR", instruments=instruments)
    return Books(Decimal(10**9), shares, market=market, margin=Margin())


def deal(account: Books, what: str, name: str, sid: str, quantity: Decimal, price: float) -> None:
    """Do as a deal says where the account allows it."""
    ledger, market = account.ledgers[name], account.market
    held = ledger.positions.get(sid)
    there = held.quantity if held is not None else Decimal(0)
    if what == "rate":
        market.rate(read_rate({"sid": "USD/EUR", "quote": price}))
    elif what == "mark":
        market.marks[sid] = price
    elif {"sell": there >= quantity, "cover": -there >= quantity, "buy": there >= 0, "short": there <= 0}[what]:
        amounts: Any = (sid, quantity, Decimal(str(price)))
        getattr(ledger, what)(*amounts, *((0,) if what in ("sell", "cover") else ()))


@given(deals=st.lists(deals, max_size=30), instruments=st.sampled_from([INSTRUMENTS, ()]))
def test_a_view_follows_its_ledger_and_its_values_sum_to_the_equity(
    deals: list[Any], instruments: tuple[Instrument, ...]
) -> None:
    account = books(instruments=instruments)
    kept = [(ledger, LedgerView(ledger)) for ledger in (account, *account.ledgers.values())]
    for each in deals:
        deal(account, *each)
        for ledger, view in kept:
            assert view.equity == pytest.approx(float(ledger.equity), rel=1e-12)
            assert view.equity == pytest.approx(float(ledger.cash) + sum(view.values.values()), rel=1e-12)
            assert view.equity == LedgerView(ledger).equity
            for sid, units in view.positions.items():
                if not math.isnan(view.worth(sid)):
                    assert view.values[sid] == pytest.approx(units * view.worth(sid))
    whole, *parts = (view.equity for _, view in kept)
    assert whole == pytest.approx(sum(parts) + float(account.idle))


def test_a_unit_is_worth_its_price_times_multiplier_times_rate() -> None:
    account = books()
    view = LedgerView(account)
    account.market.marks.update({"PLAIN": 7.0, "US": 10.0, "FUTURE": 20.0, "BOTH": 30.0})
    assert [view.worth(sid) for sid in ("PLAIN", "FUTURE")] == [7.0, 1000.0]
    assert math.isnan(view.worth("US"))  # no rate yet
    account.market.rate(read_rate({"sid": "USD/EUR", "quote": 0.5}))
    assert [view.worth(sid) for sid in ("US", "BOTH")] == [5.0, 1.5]
    assert [view.worth(sid, 100.0) for sid in ("PLAIN", "US", "FUTURE", "BOTH")] == [100.0, 50.0, 5000.0, 5.0]
    assert math.isnan(view.worth("NEVER QUOTED"))
    assert math.isnan(LedgerView(books(instruments=())).worth("NEVER QUOTED"))


def test_a_position_that_cannot_be_valued_counts_at_cost() -> None:
    account = books()
    account.ledgers["one"].buy("US", Decimal(3), Decimal(5))
    account.ledgers["two"].buy("PLAIN", Decimal(1), Decimal(9))
    account.market.marks["US"] = 100.0  # in a currency without a rate
    assert LedgerView(account).values == {"US": 15.0, "PLAIN": 9.0}
    assert LedgerView(account).equity == 1e9


def test_orders_at_work_are_shown_as_long_as_they_are_and_to_whom_they_belong() -> None:
    account, working = books(), {}
    view = LedgerView(account, working=working)
    own = LedgerView(account.ledgers["one"], working=working, algorithm="one")
    assert view.orders == own.orders == ()
    orders = [
        Order("A", side, 1.0, quantity=Decimal(1), algorithm=name)
        for side in ("buy", "sell")
        for name in ("one", "two")
    ]
    working["A"] = [OpenOrder(str(n), order, order.algorithm, "") for n, order in enumerate(orders)]
    assert view.orders == tuple(orders)
    assert own.orders == (orders[0], orders[2])
    working.clear()
    assert view.orders == own.orders == ()


def test_the_account_of_tests_can_be_asked_the_same() -> None:
    fake = FakeAccount(
        cash=5.0, margin=3.0, pending={"A": 1.0}, positions={"A": -2.0, "B": 4.0, "C": 9.0}, marks={"A": 5.0, "B": 10.0}
    )
    assert isinstance(fake, Account)
    assert isinstance(LedgerView(books()), Account)
    assert fake.values == {"A": -10.0, "B": 40.0, "C": 0.0}
    assert fake.equity == 39.0
    abroad = FakeAccount(cash=0.0, positions={"A": 2.0}, marks={"A": 5.0}, rates={"A": 10.0})
    assert (abroad.worth("A"), abroad.worth("A", 6.0), abroad.equity) == (50.0, 60.0, 100.0)
    assert math.isnan(abroad.worth("B"))


@given(deals=st.lists(deals, max_size=30), asked=st.lists(st.booleans(), min_size=30, max_size=30))
def test_positions_stay_as_they_were_when_they_were_asked_for(deals: list[Any], asked: list[bool]) -> None:
    account = books(instruments=())
    views = [LedgerView(ledger) for ledger in (account, *account.ledgers.values())]
    kept: list[tuple[Any, dict[str, float]]] = []
    for each, ask in zip(deals, asked, strict=False):
        if ask:
            for view, ledger in zip(views, (account, *account.ledgers.values()), strict=True):
                there = {sid: float(held.quantity) for sid, held in ledger.positions.items() if held.quantity}
                kept.append((view.positions, there))
        deal(account, *each)
        for shown, there in kept:
            assert dict(shown) == there
            assert (len(shown), repr(shown)) == (len(there), repr(there))
            assert all(sid in shown and shown[sid] == units for sid, units in there.items())
            assert "nothing" not in shown
