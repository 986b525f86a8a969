from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from intuition_core.ledger import EXACT, Ledger, LedgerView, NotEnough, Position, Statement, exact, floor_to_step

STEP = Decimal("1e-8")
prices = st.floats(min_value=1e-6, max_value=1e9, allow_nan=False)
symbols = st.sampled_from(["GOOG", "AAPL", "goog"])


class Books(RuleBasedStateMachine):
    """Any sequence of bookings, against an oracle that keeps rational numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(Decimal(10000))
        self.cash = Fraction(10000)
        self.orders = 0

    @rule(sid=symbols, price=prices, share=st.floats(0, 1))
    def buy(self, sid: str, price: float, share: float) -> None:
        budget = EXACT.multiply(self.ledger.available, exact(share))
        quantity = floor_to_step(budget, exact(price), STEP)
        if quantity:
            cost = self.ledger.buy(sid, quantity, exact(price))
            self.cash -= Fraction(quantity) * Fraction(exact(price))
            assert cost <= budget

    @precondition(lambda self: self.ledger.positions)
    @rule(data=st.data(), price=prices, share=st.floats(0, 1))
    def sell(self, data: st.DataObject, price: float, share: float) -> None:
        sid = data.draw(st.sampled_from(sorted(self.ledger.positions)))
        held = self.ledger.positions[sid].quantity
        quantity = held if share == 1 else floor_to_step(EXACT.multiply(held, exact(share)), Decimal(1), STEP)
        if quantity:
            self.ledger.sell(sid, quantity, exact(price), 0)
            self.cash += Fraction(quantity) * Fraction(exact(price))

    @rule(share=st.sampled_from([0.0, 1e-9, 0.1, 1 / 3, 1.0]))
    def reserve_and_release(self, share: float) -> None:
        self.orders += 1
        amount = EXACT.multiply(self.ledger.available, exact(share))
        before = self.ledger.available
        self.ledger.reserve(str(self.orders), "GOOG", amount)
        assert self.ledger.available == EXACT.subtract(before, amount)
        if self.orders % 2:
            assert self.ledger.release(str(self.orders)) == amount
            assert self.ledger.available == before

    @rule(sid=symbols, price=prices)
    def mark(self, sid: str, price: float) -> None:
        self.ledger.marks[sid] = price

    @invariant()
    def what_was_put_in_and_realised_is_cash_and_positions_at_cost(self) -> None:
        ledger = self.ledger
        at_cost = sum((Fraction(position.cost) for position in ledger.positions.values()), Fraction(0))
        assert Fraction(ledger.cash) + at_cost == Fraction(ledger.deposits) + Fraction(ledger.realised)

    @invariant()
    def cash_is_exact_and_never_negative(self) -> None:
        assert Fraction(self.ledger.cash) == self.cash
        assert self.ledger.cash >= 0
        assert self.ledger.available >= 0

    @invariant()
    def no_position_is_empty_or_negative(self) -> None:
        assert all(position.quantity > 0 and position.cost >= 0 for position in self.ledger.positions.values())

    @invariant()
    def the_statement_tells_the_same(self) -> None:
        plain = Statement.of(self.ledger, 0).plain()
        assert Decimal(plain["equity"]) == self.ledger.equity
        assert EXACT.add(Decimal(plain["cash"]), Decimal(plain["reserved"])) == self.ledger.cash
        assert LedgerView(self.ledger).equity == pytest.approx(float(self.ledger.equity))


Books.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestBooks = Books.TestCase


def test_a_million_debits_of_a_tenth_do_not_drift() -> None:
    ledger = Ledger(Decimal(100_000))
    tenth = exact(0.1)
    one = Decimal(1)
    for _ in range(1_000_000):
        ledger.buy("x", one, tenth)
    assert ledger.cash == 0
    assert ledger.positions["x"] == Position(Decimal(1_000_000), Decimal(100_000))


def test_quantities_are_floored_to_whole_steps() -> None:
    assert floor_to_step(Decimal(10), Decimal(3), Decimal("0.01")) == Decimal("3.33")
    assert floor_to_step(Decimal("9.999"), Decimal(10), Decimal(1)) == 0


def test_a_buy_beyond_the_cash_books_nothing_and_says_both_amounts() -> None:
    ledger = Ledger(Decimal(10))
    ledger.reserve("a", "GOOG", Decimal(4))
    with pytest.raises(NotEnough, match=r"7 cash asked for, 6 available") as caught:
        ledger.buy("GOOG", Decimal(7), Decimal(1))
    assert (caught.value.asked, caught.value.there) == (7, 6)
    assert (ledger.cash, ledger.positions) == (10, {})


def test_a_sell_beyond_the_units_held_is_refused() -> None:
    ledger = Ledger(Decimal(10))
    ledger.buy("GOOG", Decimal(1), Decimal(10))
    with pytest.raises(NotEnough, match=r"2 units of GOOG asked for, 1 available"):
        ledger.sell("GOOG", Decimal(2), Decimal(10), 0)


def test_a_third_of_a_position_leaves_the_rest_of_the_cost_with_the_rest() -> None:
    ledger = Ledger(Decimal(10))
    ledger.buy("GOOG", Decimal(3), Decimal(3))
    proceeds, profit = ledger.sell("GOOG", Decimal(1), Decimal(4), 7)
    assert (proceeds, profit) == (4, 1)
    assert ledger.positions["GOOG"] == Position(Decimal(2), Decimal(6))
    assert ledger.closed[-1] == ("GOOG", 1.0, 3.0, 4.0, 7)
    assert ledger.closed[-1].rate == pytest.approx(1 / 3)


def test_the_view_cannot_change_the_ledger() -> None:
    view = LedgerView(Ledger(Decimal(10)))
    with pytest.raises(TypeError):
        view.marks["GOOG"] = 1.0  # type: ignore[index]  # that is the point
    with pytest.raises(AttributeError):
        view.cash = 1.0  # type: ignore[misc]  # that is the point
