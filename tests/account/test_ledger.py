import math
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from intuition_core.account.actions import Dividend, Split
from intuition_core.account.amounts import EXACT, exact, floor_to_step, plain_decimal
from intuition_core.account.instruments import Instrument
from intuition_core.account.ledger import Ledger, NoMargin, NotEnough, WrongSide
from intuition_core.account.margin import Margin
from intuition_core.account.market import Market, NoRate, read_rate
from intuition_core.account.positions import LedgerState, Position
from intuition_core.account.statement import Statement
from intuition_core.contracts import ClosedTrade
from intuition_core.trading.view import LedgerView

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
        plain = Statement.of(self.ledger, 0).to_json()
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
    assert ledger.closed[-1] == ClosedTrade("GOOG", 1.0, 3.0, 4.0, 7)
    assert ledger.closed[-1].rate == pytest.approx(1 / 3)


def test_the_view_cannot_change_the_ledger() -> None:
    view = LedgerView(Ledger(Decimal(10)))
    with pytest.raises(TypeError):
        view.marks["GOOG"] = 1.0  # type: ignore[index]  # that is the point
    with pytest.raises(AttributeError):
        view.cash = 1.0  # type: ignore[misc]  # that is the point


# -- short selling, currencies, splits and dividends


class Fill(NamedTuple):
    """Something that was booked, and the value of a unit then, all in the account's currency."""

    what: str
    sid: str
    quantity: Fraction = Fraction(0)
    price: Fraction | None = Fraction(0)
    fees: Fraction = Fraction(0)
    grain: Fraction = Fraction(1)


def product(*amounts: Decimal) -> Fraction:
    """Multiply without rounding."""
    return math.prod(map(Fraction, amounts))


def rounded(amount: Fraction) -> Fraction:
    """Round to 12 decimals, half to even, as Python rounds a fraction."""
    return Fraction(round(amount * 10**12), 10**12)


def recount(start: Fraction, fills: list[Fill]) -> tuple[Fraction, Fraction, dict[str, tuple[Fraction, Fraction]]]:
    """Give the cash, what was realised, and units and cost by symbol, from what was booked alone.

    Units and cost are signed throughout: what is bought counts up, what is sold counts down, on either side.
    """
    cash, realised = start, Fraction(0)
    positions: dict[str, tuple[Fraction, Fraction]] = {}
    for what, sid, quantity, price, fees, grain in fills:
        units, cost = positions.get(sid, (Fraction(0), Fraction(0)))
        if what == "dividend":
            cash += units * (price or 0)
            realised += units * (price or 0)
            continue
        if what == "split":
            whole = int(units * quantity / grain) * grain  # `int` cuts off towards zero
            rest = units * quantity - whole
            gone = (cost if not whole else rounded(cost * rest / (units * quantity))) if rest else Fraction(0)
            paid = gone if price is None else rounded(rest * price / quantity)
            flow, units, cost = (paid if rest else Fraction(0)), whole, cost - gone
            realised += flow - gone
        else:
            signed = quantity if what in ("buy", "cover") else -quantity
            flow = -signed * (price or 0) - fees
            if units * signed >= 0:
                cost -= flow
            else:
                gone = cost if units + signed == 0 else rounded(cost * -signed / units)
                cost -= gone
                realised += flow - gone
            units += signed
        cash += flow
        if units:
            positions[sid] = units, cost
        else:
            positions.pop(sid, None)
    return cash, realised, positions


INSTRUMENTS = (
    Instrument(symbol="US", currency="USD", lot=Decimal(1)),
    Instrument(symbol="JP", currency="JPY", multiplier=Decimal(50), lot=Decimal("0.1")),
)
GRAIN = Decimal("0.001")
amounts = st.integers(1, 10**6).map(lambda n: Decimal(n) / 1000)
few = st.integers(1, 2000).map(lambda n: Decimal(n) / 1000)
dear = st.floats(0.01, 1000).map(lambda price: round(price, 4))
places = st.sampled_from(["EU", "US", "JP"])
ratios = st.tuples(st.integers(1, 12), st.integers(1, 12))


class Shorts(RuleBasedStateMachine):
    """Anything that can happen to an account in several currencies, beside a second count of what was booked."""

    margin: Margin | None

    @initialize(margin=st.sampled_from([None, Margin(), Margin(initial=Decimal(1), maintenance=Decimal(1))]))
    def open(self, margin: Margin | None) -> None:
        self.margin = margin
        self.ledger = Ledger(Decimal(10_000), market=self.new_market(), margin=margin)
        self.market = self.ledger.market
        self.fills: list[Fill] = []
        self.orders = 0

    def new_market(self) -> Market:
        return Market(step=GRAIN, currency="EUR", instruments=INSTRUMENTS)

    def units(self, sid: str, wanted: Decimal) -> Decimal:
        return floor_to_step(wanted, Decimal(1), self.market.grain(sid))

    def value(self, sid: str, price: float) -> Decimal | None:
        try:
            return self.market.unit(sid, exact(price))
        except NoRate:
            assert sid != "EU"
            return None

    def book(self, what: str, sid: str, quantity: Decimal, price: Decimal, fees: Decimal = Decimal(0)) -> None:
        self.fills.append(Fill(what, sid, Fraction(quantity), Fraction(price), Fraction(fees)))

    @rule(pair=st.sampled_from(["EUR/USD", "USD/EUR", "USD/JPY", "JPY/USD", "JPY/EUR", "GBP/CHF"]), quote=dear)
    def rate(self, pair: str, quote: float) -> None:
        self.market.rate(read_rate({"sid": pair, "quote": quote}))

    @rule(sid=places, price=dear)
    def mark(self, sid: str, price: float) -> None:
        self.market.marks[sid] = price

    @rule(sid=places, price=dear, wanted=few, fees=st.sampled_from([Decimal(0), Decimal("0.35")]))
    def buy(self, sid: str, price: float, wanted: Decimal, fees: Decimal) -> None:
        unit, quantity, ledger = self.value(sid, price), self.units(sid, wanted), self.ledger
        if unit is None or not quantity:
            return
        cost, there, held = product(quantity, unit) + Fraction(fees), ledger.available, ledger.positions.get(sid)
        if cost > there:
            with pytest.raises(NotEnough):
                ledger.buy(sid, quantity, unit, fees)
        elif held is not None and held.quantity < 0:
            with pytest.raises(WrongSide, match=f"{sid} is sold short; buy it back first"):
                ledger.buy(sid, quantity, unit, fees)
        else:
            assert ledger.buy(sid, quantity, unit, fees) == cost
            self.book("buy", sid, quantity, unit, fees)

    @rule(sid=places, price=dear, part=st.fractions(0, 2, max_denominator=4))
    def sell(self, sid: str, price: float, part: Fraction) -> None:
        held, unit = self.ledger.positions.get(sid), self.value(sid, price)
        there = held.quantity if held is not None and held.quantity > 0 else Decimal(0)
        quantity = self.units(sid, max(there, Decimal(1)) * part.numerator / part.denominator)
        if unit is None or not quantity:
            return
        if quantity > there:
            with pytest.raises(NotEnough, match=f"units of {sid} asked for, {plain_decimal(there)} available"):
                self.ledger.sell(sid, quantity, unit, 0)
            return
        proceeds, _ = self.ledger.sell(sid, quantity, unit, 0)
        assert proceeds == product(quantity, unit)
        self.book("sell", sid, quantity, unit)

    @rule(sid=places, price=dear, wanted=few, fees=st.sampled_from([Decimal(0), Decimal("0.35")]))
    def short(self, sid: str, price: float, wanted: Decimal, fees: Decimal) -> None:
        unit, quantity, ledger = self.value(sid, price), self.units(sid, wanted), self.ledger
        if unit is None or not quantity:
            return
        held = ledger.positions.get(sid)
        self.market.marks[sid] = price
        if self.margin is None:
            with pytest.raises(NoMargin, match=r"\[margin\]"):
                ledger.short(sid, quantity, unit, fees)
        elif held is not None and held.quantity > 0:
            with pytest.raises(WrongSide, match=f"{sid} is held; sell it first"):
                ledger.short(sid, quantity, unit, fees)
        elif product(self.margin.initial - 1, quantity, unit) + Fraction(fees) > ledger.available:
            with pytest.raises(NotEnough):
                ledger.short(sid, quantity, unit, fees)
        else:
            assert ledger.short(sid, quantity, unit, fees) == product(quantity, unit) - Fraction(fees)
            assert ledger.available >= 0
            assert not ledger.margin_call or held is not None or len(ledger.positions) > 1 or fees
            self.book("short", sid, quantity, unit, fees)

    @rule(sid=places, price=dear, part=st.fractions(0, 2, max_denominator=4))
    def cover(self, sid: str, price: float, part: Fraction) -> None:
        held, unit = self.ledger.positions.get(sid), self.value(sid, price)
        owed = -held.quantity if held is not None and held.quantity < 0 else Decimal(0)
        quantity = self.units(sid, max(owed, Decimal(1)) * part.numerator / part.denominator)
        if unit is None or not quantity:
            return
        if quantity > owed:
            with pytest.raises(NotEnough, match=f"units of {sid} sold short asked for"):
                self.ledger.cover(sid, quantity, unit, 0)
            return
        realised = self.ledger.realised
        paid, profit = self.ledger.cover(sid, quantity, unit, 0, Decimal("0.35"))
        assert paid == product(quantity, unit) + Fraction("0.35")
        assert self.ledger.realised == EXACT.add(realised, profit)
        assert self.ledger.closed[-1].profit == pytest.approx(float(profit), abs=1e-6)
        self.book("cover", sid, quantity, unit, Decimal("0.35"))

    @rule(sid=places, ratio=ratios)
    def split(self, sid: str, ratio: tuple[int, int]) -> None:
        split, before = Split(sid, *ratio), self.market.value(sid)
        equity = self.ledger.equity
        booked = self.ledger.act(split)
        self.market.split(split)
        if booked is None:
            assert sid not in self.ledger.positions
            return
        self.fills.append(
            Fill(
                "split",
                sid,
                Fraction(*ratio),
                None if before is None else Fraction(before),
                grain=Fraction(self.market.grain(sid)),
            )
        )
        assert float(self.ledger.equity) == pytest.approx(float(equity), abs=1e-6)

    @rule(sid=places, amount=amounts)
    def dividend(self, sid: str, amount: Decimal) -> None:
        before = self.ledger.snapshot()
        try:
            worth = self.market.convert(sid, amount)
        except NoRate:
            if sid in self.ledger.positions:
                with pytest.raises(NoRate):
                    self.ledger.act(Dividend(sid, amount))
                assert self.ledger.snapshot() == before
            return
        if self.ledger.act(Dividend(sid, amount)) is not None:
            self.fills.append(Fill("dividend", sid, price=Fraction(worth)))

    @rule(part=st.fractions(0, 1, max_denominator=3))
    def reserve_and_release(self, part: Fraction) -> None:
        ledger = self.ledger
        self.orders += 1
        amount = self.units("EU", max(Decimal(0), ledger.available)) * part.numerator // part.denominator
        before = ledger.available
        if before < 0:
            with pytest.raises(NotEnough):
                ledger.reserve(str(self.orders), "EU", Decimal(0))
            return
        ledger.reserve(str(self.orders), "EU", amount)
        assert ledger.available == EXACT.subtract(before, amount)
        if self.orders % 3:
            assert ledger.release(str(self.orders)) == amount

    @rule()
    def keep(self) -> None:
        state, rates = self.ledger.snapshot(), self.market.snapshot()
        kind = tuple[LedgerState, dict[str, Decimal]]
        kept = msgspec.msgpack.decode(msgspec.msgpack.encode((state, rates)), type=kind)
        ledger = Ledger(Decimal(1), market=self.new_market(), margin=self.margin)
        ledger.restore(kept[0])
        ledger.market.restore(kept[1])
        assert ledger.snapshot() == state
        assert ledger.market.snapshot() == rates
        assert (ledger.equity, ledger.available) == (self.ledger.equity, self.ledger.available)
        self.ledger, self.market = ledger, ledger.market

    @invariant()
    def it_is_what_follows_from_what_was_booked(self) -> None:
        ledger = self.ledger
        cash, realised, positions = recount(Fraction(10_000), self.fills)
        assert Fraction(ledger.cash) == cash
        assert Fraction(ledger.realised) == realised
        held = {sid: (Fraction(each.quantity), Fraction(each.cost)) for sid, each in ledger.positions.items()}
        assert held == positions

    @invariant()
    def what_was_put_in_and_realised_is_cash_and_positions_at_cost(self) -> None:
        ledger = self.ledger
        at_cost = sum((Fraction(position.cost) for position in ledger.positions.values()), Fraction(0))
        assert Fraction(ledger.deposits) + Fraction(ledger.realised) == Fraction(ledger.cash) + at_cost

    @invariant()
    def without_permission_there_is_no_debt_of_any_kind(self) -> None:
        ledger = self.ledger
        if self.margin is None:
            assert ledger.available >= 0
            assert ledger.margin_held == 0
            assert not ledger.margin_call
            assert all(position.quantity > 0 for position in ledger.positions.values())

    @invariant()
    def what_is_short_is_covered_and_counts_negative(self) -> None:
        ledger, market = self.ledger, self.market
        worth = {
            sid: Fraction(position.cost) if (unit := market.value(sid)) is None else product(unit, position.quantity)
            for sid, position in ledger.positions.items()
        }
        owed = sum((abs(worth[sid]) for sid, each in ledger.positions.items() if each.quantity < 0), Fraction(0))
        assert Fraction(ledger.equity) == Fraction(ledger.cash) + sum(worth.values(), Fraction(0))
        if self.margin is not None:
            initial, maintenance = Fraction(self.margin.initial), Fraction(self.margin.maintenance)
            assert Fraction(ledger.margin_held) == initial * owed
            assert Fraction(ledger.available) == Fraction(ledger.cash) - Fraction(ledger.reserved) - initial * owed
            assert ledger.margin_call is (owed > 0 and Fraction(ledger.equity) + owed < maintenance * owed)

    @invariant()
    def views_and_statements_tell_the_same(self) -> None:
        ledger, view = self.ledger, LedgerView(self.ledger)
        plain = Statement.of(ledger, 0).to_json()
        assert Decimal(plain["equity"]) == ledger.equity
        assert Decimal(plain["cash"]) == ledger.available
        parts = (plain["cash"], plain["reserved"], plain.get("margin", "0"))
        assert sum(map(Fraction, parts)) == ledger.cash
        assert view.cash == max(0.0, float(ledger.available))
        assert view.equity == pytest.approx(float(ledger.equity))
        assert view.equity == pytest.approx(float(ledger.cash) + sum(view.values.values()))
        assert view.positions == {sid: float(each.quantity) for sid, each in ledger.positions.items()}


Shorts.TestCase.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
TestShorts = Shorts.TestCase


def short_of_ten(price: int = 100) -> Ledger:
    """Give an account with 5,000, short of ten at a price."""
    ledger = Ledger(Decimal(5_000), margin=Margin())
    ledger.marks["GOOG"] = float(price)
    ledger.short("GOOG", Decimal(10), Decimal(price))
    return ledger


def test_a_short_sale_adds_its_proceeds_to_the_cash_and_keeps_the_margin_out_of_it() -> None:
    ledger = short_of_ten()
    assert ledger.positions["GOOG"] == Position(Decimal(-10), Decimal(-1000))
    assert (ledger.cash, ledger.margin_held, ledger.available, ledger.equity) == (6000, 1500, 4500, 5000)
    ledger.marks["GOOG"] = 120.0
    assert (ledger.cash, ledger.margin_held, ledger.available, ledger.equity) == (6000, 1800, 4200, 4800)


def test_a_margin_call_comes_when_the_equity_is_below_three_tenths_of_what_is_owed() -> None:
    ledger = short_of_ten()
    at = 6000 / 1.3 / 10
    ledger.marks["GOOG"] = at - 0.01
    assert not ledger.margin_call
    ledger.marks["GOOG"] = at + 0.01
    assert ledger.margin_call


@pytest.mark.parametrize(
    ("back", "rate"), [("50", 0.5), ("140", -0.4), ("100", 0.0), ("0", 1.0), ("300", -2.0), ("99.5", 0.005)]
)
def test_what_a_short_sale_returned_is_over_what_it_brought(back: str, rate: float) -> None:
    trades = []
    for rules in (1, 2):
        ledger = Ledger(Decimal(1000), margin=Margin(), rules=rules)
        ledger.short("GOOG", Decimal(2), Decimal(100))
        ledger.cover("GOOG", Decimal(2), Decimal(back), 7)
        trades += ledger.closed
    old, new = trades
    assert new.rate == pytest.approx(rate)
    assert new.profit == old.profit == pytest.approx(rate * 200)
    assert (old.short, new.short) == (False, True)  # by rules 1 a part sees what it saw before


def test_a_closed_trade_of_before_can_be_taken_up() -> None:
    ledger = Ledger(Decimal(10))
    state = msgspec.to_builtins(ledger.snapshot())
    state["closed"] = [["GOOG", 4.0, 361.0, 400.0, 7]]
    ledger.restore(msgspec.convert(state, LedgerState))
    assert ledger.closed == [ClosedTrade("GOOG", 4.0, 361.0, 400.0, 7, short=False)]


def test_buying_back_realises_what_was_gained_and_more_than_is_owed_is_refused() -> None:
    ledger = short_of_ten()
    assert ledger.cover("GOOG", Decimal(4), Decimal(90), 7, Decimal(1)) == (361, 39)
    assert ledger.positions["GOOG"] == Position(Decimal(-6), Decimal(-600))
    assert ledger.closed[-1] == ClosedTrade("GOOG", 4.0, 361.0, 400.0, 7, short=True)
    assert ledger.closed[-1].rate == pytest.approx(39 / 400)  # over what the sale brought
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(ledger.snapshot()), type=LedgerState)
    again = Ledger(Decimal(0), margin=Margin())
    again.restore(kept)
    assert again.closed == ledger.closed
    with pytest.raises(NotEnough, match="7 units of GOOG sold short asked for, 6 available"):
        ledger.cover("GOOG", Decimal(7), Decimal(90), 8)
    with pytest.raises(NotEnough, match="1 units of GOOG asked for, 0 available"):
        ledger.sell("GOOG", Decimal(1), Decimal(90), 8)


def test_who_loses_more_than_there_is_can_still_buy_back_and_owes_the_rest() -> None:
    ledger = short_of_ten()
    assert ledger.cover("GOOG", Decimal(10), Decimal(700), 7) == (7000, -6000)
    assert (ledger.cash, ledger.available, ledger.equity) == (-1000, -1000, -1000)
    assert LedgerView(ledger).cash == 0.0


@pytest.mark.parametrize(("held", "after", "cash", "cost"), [(3, 1, 50, 20), (-3, -1, -50, -20), (2, 1, 0, 30)])
def test_what_a_split_leaves_over_is_paid_out(held: int, after: int, cash: int, cost: int) -> None:
    ledger = Ledger(Decimal(100), market=Market(step=Decimal(1)), margin=Margin())
    if held > 0:
        ledger.buy("GOOG", Decimal(held), Decimal(30) / abs(held) if held == 3 else Decimal(15))
    else:
        ledger.short("GOOG", Decimal(-held), Decimal(10))
    ledger.marks["GOOG"] = 50.0
    booked = ledger.act(Split("GOOG", 1, 2))
    assert booked is not None
    assert (booked.before, booked.after, booked.cash) == (held, after, cash)
    assert ledger.positions["GOOG"] == Position(Decimal(after), Decimal(cost))


def test_a_reverse_split_can_leave_nothing() -> None:
    ledger = Ledger(Decimal(100), market=Market(step=Decimal(1)))
    ledger.buy("GOOG", Decimal(3), Decimal(10))
    ledger.marks["GOOG"] = 12.0
    booked = ledger.act(Split("GOOG", 1, 10))
    assert booked is not None
    assert booked.to_json() == {"before": "3", "after": "0", "paid_out": "0.3", "cash": "36", "profit": "6"}
    assert (ledger.positions, ledger.cash, ledger.realised) == ({}, 106, 6)


def test_dividends_are_paid_to_holders_and_by_the_short() -> None:
    ledger = short_of_ten()
    ledger.buy("IBM", Decimal(2), Decimal(50))
    assert ledger.act(Dividend("IBM", Decimal("0.25"))) is not None
    assert (ledger.cash, ledger.realised) == (Decimal("5900.5"), Decimal("0.5"))
    assert ledger.act(Dividend("GOOG", Decimal("0.24"))) is not None
    assert (ledger.cash, ledger.realised) == (Decimal("5898.1"), Decimal("-1.9"))
    assert ledger.act(Dividend("MSFT", Decimal(1))) is None


def test_a_sale_at_a_price_below_nothing_takes_no_cash_that_is_not_there() -> None:
    ledger = Ledger(Decimal(100))
    ledger.buy("OIL", Decimal(10), Decimal(10))
    with pytest.raises(NotEnough):
        ledger.sell("OIL", Decimal(10), Decimal(-1), 7)
    assert ledger.cash == 0
    assert ledger.positions["OIL"].quantity == 10
