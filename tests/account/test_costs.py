"""What fills pay, worked out a second time in fractions."""

from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.account.amounts import EXACT
from intuition_core.account.costs import Costs, Terms, Tiers, to_tick, volume_share
from intuition_core.contracts import Side

BPS = Fraction(1, 10_000)


def money(most: int, places: int = 2) -> st.SearchStrategy[Decimal]:
    return st.decimals(0, most, places=places, allow_nan=False, allow_infinity=False)


def tiers() -> st.SearchStrategy[Tiers]:
    bounds = st.lists(st.integers(1, 10**6), min_size=1, max_size=4, unique=True)
    return st.builds(
        lambda found, rates: tuple(zip(map(Decimal, sorted(found)), rates, strict=False)),
        bounds,
        st.lists(money(50), min_size=4, max_size=4),
    )


COSTS = st.builds(
    Costs,
    commission_bps=money(100),
    commission_per_trade=money(5),
    slippage_bps=money(100),
    slippage_per_trade=money(2),
    commission_per_unit=st.sampled_from([Decimal(0), Decimal("0.005")]),
    commission_min=st.sampled_from([Decimal(0), Decimal(1)]),
    commission_max=st.sampled_from([None, Decimal(30)]),
    commission_tiers=st.one_of(st.just(()), tiers()),
    slippage_impact=st.sampled_from([Decimal(0), Decimal("0.1")]),
)
PRICES = st.floats(0.01, 10_000).map(lambda price: Decimal(str(price)))  # with all their 17 digits
QUANTITIES = money(10_000, 8)
SIDES: st.SearchStrategy[Side] = st.sampled_from(("buy", "sell"))


def commission(costs: Costs, amount: Fraction, quantity: Fraction) -> Fraction:
    """Walk through the brackets from the top down."""
    paid = Fraction(costs.commission_per_trade) + Fraction(costs.commission_per_unit) * quantity
    rest = amount
    rates = [rate for _, rate in costs.commission_tiers] + [costs.commission_bps]
    floors = [Decimal(0)] + [bound for bound, _ in costs.commission_tiers]
    for floor, rate in sorted(zip(floors, rates, strict=True), reverse=True):
        above = max(Fraction(0), rest - Fraction(floor))
        paid += above * Fraction(rate) * BPS
        rest -= above
    paid = max(paid, Fraction(costs.commission_min))
    return paid if costs.commission_max is None else min(paid, Fraction(costs.commission_max))


@given(COSTS, PRICES, QUANTITIES)
def test_commission_is_exactly_that_of_fractions(costs: Costs, price: Decimal, quantity: Decimal) -> None:
    amount = Fraction(price) * Fraction(quantity)
    got = costs.commission(EXACT.multiply(quantity, price), quantity)
    assert Fraction(got) == commission(costs, amount, Fraction(quantity))


@given(COSTS, SIDES, PRICES, QUANTITIES, st.one_of(st.none(), QUANTITIES))
def test_a_fill_moves_exactly_what_fractions_say(
    costs: Costs, side: Side, quote: Decimal, quantity: Decimal, volume: Decimal | None
) -> None:
    share = Fraction(0)
    if volume is not None:
        share = Fraction(1) if quantity >= volume else round(Fraction(quantity) / Fraction(volume), 12)
    worse = Fraction(costs.slippage_bps) * BPS + Fraction(costs.slippage_impact) * share * share
    sign = 1 if side == "buy" else -1
    price = Fraction(quote) * (1 + sign * worse)
    amount = price * Fraction(quantity)
    fees = commission(costs, amount, Fraction(quantity)) + Fraction(costs.slippage_per_trade)
    terms = Terms(costs, side, quote, volume=volume)
    assert Fraction(terms.price(quantity)) == price
    assert Fraction(terms.cash(quantity)) == amount + sign * fees


@given(
    costs=COSTS,
    quote=PRICES,
    budget=money(100_000),
    step=st.sampled_from([Decimal("1e-8"), Decimal("0.01"), Decimal(1), Decimal(100)]),
    volume=st.one_of(st.none(), QUANTITIES),
    tick=st.sampled_from([None, Decimal("0.01"), Decimal("0.25")]),
    above=st.one_of(st.none(), st.floats(0, 0.1)),
    multiplier=st.sampled_from([None, Decimal(50)]),
)
def test_the_most_units_are_payable_and_one_step_more_is_not(
    costs: Costs,
    quote: Decimal,
    budget: Decimal,
    step: Decimal,
    volume: Decimal | None,
    tick: Decimal | None,
    above: float | None,
    multiplier: Decimal | None,
) -> None:
    limit = None if above is None else Decimal(str(float(quote) * (1 + above)))
    worth = None if multiplier is None else lambda price: price * multiplier
    terms = Terms(costs, "buy", quote, limit, tick, volume, worth)
    most = terms.most(budget, step)
    assert most >= 0
    assert Fraction(most) % Fraction(step) == 0
    assert most == 0 or terms.cash(most) <= budget
    assert terms.cash(most + step) > budget


@given(st.integers(-(10**6), 10**6), st.sampled_from(["0.01", "0.05", "0.25", "1", "3"]), st.booleans())
def test_a_tick_is_the_nearest_on_the_side_asked_for(thousandths: int, step: str, up: bool) -> None:
    price, tick = Decimal(thousandths).scaleb(-3), Decimal(step)
    rounded = to_tick(price, tick, up=up)
    assert Fraction(rounded) % Fraction(tick) == 0
    assert 0 <= (rounded - price if up else price - rounded) < tick


def test_prices_without_ticks_stay_as_they_are() -> None:
    assert to_tick(Decimal("1.2345"), None, up=True) == Decimal("1.2345")


@pytest.mark.parametrize(
    ("terms", "quantity", "price", "cash"),
    [
        (Terms(Costs(slippage_bps=Decimal(50)), "buy", Decimal(100), Decimal("100.2")), "1", "100.2", "100.2"),
        (Terms(Costs(slippage_bps=Decimal(50)), "sell", Decimal(100), Decimal("99.7")), "1", "99.7", "99.7"),
        (Terms(Costs(slippage_bps=Decimal(3)), "buy", Decimal(100), None, Decimal("0.05")), "1", "100.05", "100.05"),
        (Terms(Costs(slippage_bps=Decimal(3)), "sell", Decimal(100), None, Decimal("0.05")), "1", "99.95", "99.95"),
        # Without slippage the market's own price is taken as it is, on a tick or not.
        (Terms(Costs(), "buy", Decimal("100.01"), None, Decimal("0.05")), "1", "100.01", "100.01"),
    ],
)
def test_slippage_stops_at_the_limit_and_goes_in_ticks(terms: Terms, quantity: str, price: str, cash: str) -> None:
    assert terms.price(Decimal(quantity)) == Decimal(price)
    assert terms.cash(Decimal(quantity)) == Decimal(cash)


def test_impact_takes_no_more_than_the_price() -> None:
    costs = Costs(slippage_bps=Decimal(5000), slippage_impact=Decimal(1))
    assert Terms(costs, "sell", Decimal(10), volume=Decimal(5)).price(Decimal(5)) == 0


def test_a_negative_price_gets_worse_too() -> None:
    costs = Costs(slippage_bps=Decimal(100))
    assert costs.price("buy", Decimal(-10)) == Decimal("-9.9")
    assert costs.price("sell", Decimal(-10)) == Decimal("-10.1")


@pytest.mark.parametrize(
    ("quantity", "volume", "share"),
    [("1", None, "0"), ("1", "3", "0.333333333333"), ("2", "3", "0.666666666667"), ("5", "3", "1"), ("1", "0", "1")],
)
def test_a_part_of_the_volume_has_twelve_decimals(quantity: str, volume: str | None, share: str) -> None:
    assert volume_share(Decimal(quantity), None if volume is None else Decimal(volume)) == Decimal(share)


@given(COSTS)
def test_what_is_not_set_is_not_described(costs: Costs) -> None:
    old = {"commission_bps", "commission_per_trade", "slippage_bps", "slippage_per_trade"}
    new = {name for name, value in msgspec.structs.asdict(costs).items() if value not in (0, None, ())} - old
    assert set(costs.to_json()) == old | new
    assert bool(costs) is any(
        value for name, value in msgspec.structs.asdict(costs).items() if name != "commission_max"
    )


def test_costs_of_earlier_versions_are_described_as_they_were() -> None:
    plain: dict[str, Any] = Costs(commission_bps=Decimal("2.50")).to_json()
    assert plain == {
        "commission_bps": "2.5",
        "commission_per_trade": "0",
        "slippage_bps": "0",
        "slippage_per_trade": "0",
    }


def test_costs_that_differ_are_described_differently() -> None:
    tiered = Costs(commission_tiers=((Decimal(1000), Decimal(10)),))
    assert tiered.to_json()["commission_tiers"] == [["1000", "10"]]
    assert Costs(commission_max=Decimal(0), commission_bps=Decimal(1)).to_json()["commission_max"] == "0"
