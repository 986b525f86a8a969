import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.metadata import entry_points

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_portfolio_fixed import Fixed

from intuition_core.contracts import Account, Bet, ClosedTrade, Data, Holding, Order, Signal
from intuition_core.errors import BadParameter
from intuition_core.params.checking import check_params, json_params
from intuition_core.params.typed import Typed
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine


@dataclass
class Purse:
    """An account as a part sees it, with whatever is in it."""

    cash: float = 10_000.0
    equity: float = 10_000.0
    positions: Mapping[str, float] = field(default_factory=dict)
    marks: Mapping[str, float] = field(default_factory=dict)
    closed_trades: Sequence[ClosedTrade] = ()
    pending: Mapping[str, float] = field(default_factory=dict)
    quoted_at: Mapping[str, int] = field(default_factory=dict)
    orders: Sequence[Order] = ()
    holdings: Mapping[str, Holding] = field(default_factory=dict)

    @property
    def values(self) -> Mapping[str, float]:
        return {sid: units * self.worth(sid) for sid, units in self.positions.items()}

    def worth(self, sid: str, price: float | None = None) -> float:
        return self.marks.get(sid, 0.0) if price is None else price


BUY = Signal("GOOG", "buy", 345.0)
ANY = st.floats(allow_nan=True, allow_infinity=True)


def fixed(**params: object) -> Fixed:
    part = Fixed()
    part.initialize(check_params("portfolio fixed", Fixed, params))
    return part


def nothing(bet: Bet) -> str:
    """Give the reason of a bet of nothing."""
    assert bet.cash == 0
    assert bet.units is None
    assert bet.reason
    return bet.reason


def test_it_is_found_under_its_name() -> None:
    (found,) = entry_points(group="intuition.v1.portfolio", name="fixed")
    assert found.load() is Fixed


def test_the_purse_is_an_account() -> None:
    assert isinstance(Purse(), Account)


def test_an_amount_is_bet_as_it_is() -> None:
    assert fixed(cash=1000).optimize(BUY, Purse()) == Bet(cash=Decimal(1000))
    assert fixed(cash="0.1").optimize(BUY, Purse(cash=0.0)) == Bet(cash=Decimal("0.1"))


def test_a_number_of_units_is_bet_as_it_is() -> None:
    assert fixed(units=100).optimize(BUY, Purse()) == Bet(units=Decimal(100))
    assert fixed(units="0.001").optimize(BUY, Purse()) == Bet(units=Decimal("0.001"))


def test_what_is_typed_is_read_as_a_number() -> None:
    assert fixed(units=Typed("0.1")).optimize(BUY, Purse()).units == Decimal("0.1")
    assert fixed(fraction=Typed("0.5")).optimize(BUY, Purse()).cash == 5_000


def test_a_fraction_is_one_of_the_equity_held_back_by_the_cash() -> None:
    assert fixed(fraction=0.25).optimize(BUY, Purse()).cash == 2_500
    assert fixed(fraction=0.25).optimize(BUY, Purse(cash=4_000)).cash == 2_500
    assert fixed(fraction=0.25).optimize(BUY, Purse(cash=1_234.567)).cash == Decimal("1234.56")
    assert fixed(fraction=0.3).optimize(BUY, Purse(equity=0.7)).cash == Decimal("0.21")


def test_all_of_the_equity_is_bet_by_default() -> None:
    assert fixed().optimize(BUY, Purse()).cash == 10_000


def test_what_is_held_or_ordered_is_not_bought_again() -> None:
    for part in (fixed(), fixed(cash=10), fixed(units=1)):
        assert nothing(part.optimize(BUY, Purse(positions={"GOOG": 2.0}))) == (
            "GOOG is held already, and `pyramiding` is off"
        )
        assert nothing(part.optimize(BUY, Purse(pending={"GOOG": 2.0}))) == (
            "GOOG is ordered already, and `pyramiding` is off"
        )
        assert part.optimize(BUY, Purse(positions={"AAPL": 2.0}, pending={"MSFT": 1.0})).reason is None


def test_with_pyramiding_it_is() -> None:
    purse = Purse(positions={"GOOG": 2.0}, pending={"GOOG": 2.0})
    assert fixed(units=1, pyramiding=True).optimize(BUY, purse) == Bet(units=Decimal(1))


@pytest.mark.parametrize(
    ("purse", "says"),
    [
        (Purse(cash=0.0), "less than a cent of cash is available"),
        (Purse(cash=0.009), "less than a cent of cash is available"),
        (Purse(cash=-3.0), "less than a cent of cash is available"),
        (Purse(equity=0.004), "50% of the equity of 0.00 is less than a cent"),
        (Purse(equity=-10.0), "less than a cent"),
        (Purse(equity=math.nan), "the account makes no sense"),
        (Purse(cash=math.inf), "the account makes no sense"),
    ],
)
def test_a_fraction_of_nothing_is_nothing_with_the_reason(purse: Purse, says: str) -> None:
    assert says in nothing(fixed(fraction=0.5).optimize(BUY, purse))


@given(cash=ANY, equity=ANY, fraction=st.floats(0, 1, exclude_min=True))
def test_a_fraction_is_never_negative_never_nan_and_never_more_than_the_cash(
    cash: float, equity: float, fraction: float
) -> None:
    bet = fixed(fraction=fraction).optimize(BUY, Purse(cash=cash, equity=equity))
    assert isinstance(bet.cash, Decimal)
    assert bet.cash.is_finite()
    assert (bet.cash == 0) == (bet.reason is not None)
    assert bet.cash >= 0
    if bet.cash:
        assert bet.cash <= Decimal(str(cash))
        assert abs(bet.cash - Decimal(str(fraction)) * Decimal(str(equity))) <= Decimal("0.005") or bet.cash < equity


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"cash": 10, "units": 1}, "cash and units are given, and a bet has one size; keep one of them"),
        ({"cash": 10, "fraction": 0.1, "units": 1}, "cash and fraction and units are given"),
        ({"cash": 0}, "cash is a number above 0"),
        ({"cash": -1}, "cash is a number above 0"),
        ({"cash": "NaN"}, "cash is a number above 0"),
        ({"units": "Infinity"}, "units is a number above 0"),
        ({"units": "1e-19"}, "at most 18 decimals"),
        ({"units": "1e19"}, "to 1e18"),
        ({"fraction": 0}, "fraction"),
        ({"fraction": 1.1}, "fraction"),
        ({"fraction": math.nan}, "fraction"),
        ({"size": 1}, "size"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(params: dict[str, object], says: str) -> None:
    with pytest.raises(BadParameter, match=says):
        check_params("portfolio fixed", Fixed, params)


def test_parameters_survive_the_journal() -> None:
    params = check_params("portfolio fixed", Fixed, {"units": "0.1"})
    assert msgspec.convert(json_params(params), Fixed.Params) == params


class Eager:
    """Wants to buy at each quote."""

    def initialize(self, params: object) -> None:
        pass

    def event(self, data: Data) -> Signal:
        return Signal(data["sid"], "buy", data["quote"])


def bought(quotes: Sequence[float], **params: object) -> list[tuple[str, str]]:
    """Run a composition, and give each record's type with its quantity or reason."""
    composition = Composition(
        sleeves=(
            Sleeve(
                algorithm=Part(kind="algorithm", name="eager", factory=Eager, params={}),
                portfolio=Part(
                    kind="portfolio",
                    name="fixed",
                    factory=Fixed,
                    params=check_params("portfolio fixed", Fixed, params),
                ),
            ),
        ),
        seed=7,
        cash=Decimal(1000),
    )
    engine = TradingEngine(composition, run="test")
    records = [
        record
        for ts, quote in enumerate(quotes)
        for record in engine.step({"channel": "quotes", "sid": "GOOG", "quote": quote, "ts": ts})
    ]
    return [(record["type"], record.get("reason") or record["quantity"]) for record in records]


def test_an_account_holds_one_bet_of_a_symbol() -> None:
    ordered = ("decision", "2"), ("fill", "2")
    assert bought([100.0, 100.0, 100.0], units=2) == [
        *ordered,
        ("rejection", "GOOG is held already, and `pyramiding` is off"),
        ("rejection", "GOOG is held already, and `pyramiding` is off"),
    ]
    assert bought([100.0, 100.0], fraction=0.5)[0] == ("decision", "5")
    assert bought([100.0, 100.0, 100.0], units=2, pyramiding=True)[-1] == ("decision", "2")


def test_a_bet_that_the_cash_does_not_suffice_for_is_refused() -> None:
    (refusal,) = bought([100.0], units=11)
    assert refusal[0] == "rejection"
    assert "1100" in refusal[1]
