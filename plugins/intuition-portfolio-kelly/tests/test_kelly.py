import contextlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from importlib.metadata import entry_points

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from intuition_portfolio_kelly import BadEdge, Kelly, continuous_fraction, discrete_fraction

from intuition_core.contracts import Account, Bet, ClosedTrade, Holding, Order, Signal


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


def kelly(**params: object) -> Kelly:
    part = Kelly()
    part.initialize(msgspec.convert(params, Kelly.Params))
    return part


def signal(**edge: object) -> Signal:
    return Signal("GOOG", "buy", 345.0, **edge)  # type: ignore[arg-type]  # some tests give nonsense


def trades(*rates: float, sid: str = "GOOG") -> tuple[ClosedTrade, ...]:
    return tuple(ClosedTrade(sid, 1.0, 100.0, 100.0 * (1 + rate), ts) for ts, rate in enumerate(rates))


def nothing(bet: Bet) -> str:
    """Give the reason of a bet of nothing."""
    assert bet.cash == 0
    assert bet.units is None
    assert bet.reason
    return bet.reason


EDGE = {"probability": 0.6, "loss": 1.0, "win": 1.0}  # f* = 0.2


def test_it_is_found_under_its_name() -> None:
    (found,) = entry_points(group="intuition.v1.portfolio", name="kelly")
    assert found.load() is Kelly


def test_the_purse_is_an_account() -> None:
    assert isinstance(Purse(), Account)


# The formulas


@pytest.mark.parametrize(
    ("probability", "loss", "win", "fraction"),
    [(0.6, 1, 1, 0.20), (0.5, 1, 2, 0.25), (0.6, 0.5, 0.4, 0.20), (0.5, 1, 1, 0.0), (0.4, 1, 1, -0.2), (1, 0.5, 1, 2)],
)
def test_discrete_reference_values(probability: float, loss: float, win: float, fraction: float) -> None:
    assert discrete_fraction(probability, loss, win) == pytest.approx(fraction, abs=1e-12)


def test_continuous_reference_value() -> None:
    assert continuous_fraction(mean=0.10, variance=0.2**2, risk_free=0.02) == pytest.approx(2.0)


@given(
    probability=st.floats(0.01, 0.99),
    loss=st.floats(0.01, 10),
    win=st.floats(0.01, 10),
    step=st.floats(1e-3, 0.5),
)
def test_no_other_stake_grows_faster(probability: float, loss: float, win: float, step: float) -> None:
    def growth(fraction: float) -> float:
        after_win, after_loss = 1 + win * fraction, 1 - loss * fraction
        if after_win <= 0 or after_loss <= 0:
            return -math.inf
        return probability * math.log(after_win) + (1 - probability) * math.log(after_loss)

    best = discrete_fraction(probability, loss, win)
    assert 1 - loss * best > 0
    assert growth(best) >= growth(best + step) - 1e-12
    assert growth(best) >= growth(best - step) - 1e-12


@given(mean=st.floats(-1, 1), variance=st.floats(1e-4, 4), risk_free=st.floats(-0.1, 0.2), step=st.floats(1e-3, 1))
def test_no_other_holding_grows_faster(mean: float, variance: float, risk_free: float, step: float) -> None:
    def growth(fraction: Fraction) -> Fraction:
        return fraction * (Fraction(mean) - Fraction(risk_free)) - fraction**2 * Fraction(variance) / 2

    best = Fraction(continuous_fraction(mean, variance, risk_free))
    assert growth(best) >= growth(best + Fraction(step)) - Fraction(1, 10**9)
    assert growth(best) >= growth(best - Fraction(step)) - Fraction(1, 10**9)


def test_half_of_it_keeps_three_quarters_of_the_growth_and_twice_of_it_none() -> None:
    mean, variance, risk_free = 0.10, 0.04, 0.02
    best = continuous_fraction(mean, variance, risk_free)

    def excess(fraction: float) -> float:
        return fraction * (mean - risk_free) - fraction**2 * variance / 2

    assert excess(best / 2) == pytest.approx(0.75 * excess(best))
    assert excess(best * 2) == pytest.approx(0, abs=1e-12)


ANY = st.floats(allow_nan=True, allow_infinity=True)


@given(numbers=st.tuples(ANY, ANY, ANY))
def test_a_formula_gives_a_finite_number_or_says_what_is_wrong(numbers: tuple[float, float, float]) -> None:
    for formula in (discrete_fraction, continuous_fraction):
        with contextlib.suppress(BadEdge):
            assert math.isfinite(formula(*numbers))


def test_an_error_keeps_the_culprit() -> None:
    with pytest.raises(BadEdge, match=r"^loss must be finite and above zero, not -2\.0$") as caught:
        discrete_fraction(0.5, -2.0, 1.0)
    assert (caught.value.name, caught.value.value) == ("loss", -2.0)


# Stakes


def test_half_of_the_kelly_stake_by_default() -> None:
    assert kelly().optimize(signal(**EDGE), Purse()) == Bet(cash=Decimal("1000.00"))


def test_the_fraction_can_be_chosen() -> None:
    assert kelly(fraction=1.0).optimize(signal(**EDGE), Purse()).cash == 2_000
    assert kelly(fraction=0.1).optimize(signal(**EDGE), Purse()).cash == 200


def test_a_continuous_edge_is_capped_at_all_of_the_equity() -> None:
    edge = {"mean": 0.10, "variance": 0.04, "risk_free": 0.02}
    assert kelly(fraction=1).optimize(signal(**edge), Purse()).cash == 10_000
    assert kelly(fraction=0.25).optimize(signal(**edge), Purse()).cash == 5_000
    assert kelly(fraction=1, max_fraction=0.3).optimize(signal(**edge), Purse()).cash == 3_000


def test_the_risk_free_rate_is_nothing_unless_given() -> None:
    assert kelly(fraction=1).optimize(signal(mean=0.01, variance=0.04), Purse()).cash == 2_500


def test_a_discrete_edge_counts_before_a_continuous_one() -> None:
    assert kelly().optimize(signal(**EDGE, mean=0.01, variance=0.04), Purse()).cash == 1_000


def test_the_stake_is_a_part_of_the_equity_and_held_back_by_the_cash() -> None:
    assert kelly().optimize(signal(**EDGE), Purse(cash=4_000)).cash == 1_000
    assert kelly().optimize(signal(**EDGE), Purse(cash=400)).cash == 400


def test_what_is_held_of_the_symbol_counts_towards_the_stake() -> None:
    purse = Purse(cash=9_310, positions={"GOOG": 2.0}, marks={"GOOG": 345.0})
    assert kelly().optimize(signal(**EDGE), purse).cash == 310
    other = Purse(cash=9_310, positions={"AAPL": 2.0}, marks={"AAPL": 345.0})
    assert kelly().optimize(signal(**EDGE), other).cash == 1_000


def test_what_is_ordered_and_not_filled_counts_towards_the_stake() -> None:
    assert kelly().optimize(signal(**EDGE), Purse(cash=9_310, equity=10_000, pending={"GOOG": 690.0})).cash == 310
    assert kelly().optimize(signal(**EDGE), Purse(cash=9_000, equity=10_000, pending={"GOOG": 1_000.0})).cash == 0


def test_what_was_never_marked_counts_at_the_quote_of_the_signal() -> None:
    assert kelly().optimize(signal(**EDGE), Purse(positions={"GOOG": 2.0})).cash == 310


def test_a_bet_is_in_whole_cents() -> None:
    assert kelly().optimize(signal(**EDGE), Purse(equity=1_234.5678)).cash == Decimal("123.46")
    assert kelly().optimize(signal(**EDGE), Purse(cash=12.349)).cash == Decimal("12.34")


# Nothing, and why


@pytest.mark.parametrize(
    ("edge", "says"),
    [
        ({"probability": 0.5, "loss": 1, "win": 1}, "no edge: the Kelly fraction is 0"),
        ({"probability": 0.4, "loss": 1, "win": 1}, "no edge: the Kelly fraction is -0.2"),
        ({"mean": 0.01, "variance": 0.04, "risk_free": 0.02}, "no edge: the Kelly fraction is -0.25"),
        ({"probability": 1.3, "loss": 1, "win": 1}, "probability must be from 0 to 1, not 1.3"),
        ({"probability": math.nan, "loss": 1, "win": 1}, "probability must be from 0 to 1, not nan"),
        ({"probability": 0.6, "loss": 0, "win": 1}, "loss must be finite and above zero, not 0"),
        ({"probability": 0.6, "loss": 1, "win": -1}, "win must be finite and above zero, not -1"),
        ({"probability": 0.6, "loss": 1, "win": math.inf}, "win must be finite and above zero, not inf"),
        ({"probability": "much", "loss": 1, "win": 1}, "probability must be a number, not 'much'"),
        ({"probability": 10**400, "loss": 1, "win": 1}, "probability must be a number, not 1000"),
        ({"mean": math.inf, "variance": 1}, "mean must be finite, not inf"),
        ({"mean": 0.1, "variance": 0}, "variance must be finite and above zero, not 0"),
        ({"mean": 0.1, "variance": 0.04, "risk_free": math.nan}, "risk_free must be finite, not nan"),
        ({"mean": 1, "variance": 5e-324}, "the fraction must be finite, not inf"),
        ({"probability": 0.6}, "the signal gives probability but no loss and no win"),
        ({"probability": 0.6, "win": 1}, "the signal gives probability and win but no loss"),
        ({"mean": 0.1}, "the signal gives mean but no variance"),
        ({"risk_free": 0.1}, "the signal gives risk_free but no mean and no variance"),
    ],
)
def test_an_edge_that_is_none_is_not_bet_on(edge: dict[str, object], says: str) -> None:
    enough = trades(*[0.1, 0.1, -0.1] * 10)  # nonsense is not replaced by an estimate
    assert says in nothing(kelly().optimize(signal(**edge), Purse(closed_trades=enough)))


@pytest.mark.parametrize("cash", [0.0, 0.004, -3.0])
def test_without_cash_nothing_is_bet(cash: float) -> None:
    assert "no cash available" in nothing(kelly().optimize(signal(**EDGE), Purse(cash=cash)))


@pytest.mark.parametrize("equity", [0.0, -100.0, 0.05])
def test_without_equity_nothing_is_bet(equity: float) -> None:
    assert "less than a cent" in nothing(kelly().optimize(signal(**EDGE), Purse(equity=equity)))


def test_a_stake_that_is_held_already_is_not_bet_again() -> None:
    purse = Purse(cash=8_620, positions={"GOOG": 4.0}, marks={"GOOG": 345.0})
    assert nothing(kelly().optimize(signal(**EDGE), purse)) == (
        "1380.00 of GOOG held or ordered already, and the Kelly stake is 1000.00"
    )


@pytest.mark.parametrize("broken", [{"equity": math.nan}, {"cash": math.inf}, {"marks": {"GOOG": math.nan}}])
def test_an_account_that_makes_no_sense_is_not_bet(broken: dict[str, object]) -> None:
    purse = Purse(**{"positions": {"GOOG": 1.0}, **broken})  # type: ignore[arg-type]  # some nonsense
    assert "makes no sense" in nothing(kelly().optimize(signal(**EDGE), purse))


# The estimate


def test_too_few_closed_trades_give_no_edge() -> None:
    few = trades(0.1, 0.2, -0.1)
    assert nothing(kelly().optimize(signal(), Purse(closed_trades=few))) == (
        "no edge given, and only 3 of 20 closed trades to estimate one from"
    )


def test_an_edge_is_estimated_from_enough_closed_trades() -> None:
    rates = [0.4] * 12 + [-0.5] * 8  # p = .6, a = .5, b = .4
    assert kelly(fraction=1).optimize(signal(), Purse(closed_trades=trades(*rates))).cash == pytest.approx(
        Decimal(2_000), abs=Decimal("0.01")
    )
    assert "only 19 of 20" in nothing(kelly().optimize(signal(), Purse(closed_trades=trades(*rates[:19]))))
    assert kelly(min_trades=19).optimize(signal(), Purse(closed_trades=trades(*rates[:19]))).cash


def test_gains_and_losses_are_means() -> None:
    rates = [0.2, 0.6] * 6 + [-0.4, -0.6] * 4
    assert kelly(fraction=1).optimize(signal(), Purse(closed_trades=trades(*rates))).cash == pytest.approx(
        Decimal(2_000), abs=Decimal("0.01")
    )


def test_trades_of_the_symbol_count_alone_if_there_are_enough() -> None:
    own = trades(*[0.4] * 12, *[-0.5] * 8)
    others = trades(*[-0.5] * 500, sid="AAPL")
    assert kelly().optimize(signal(), Purse(closed_trades=others + own)).cash
    assert "no edge" in nothing(kelly().optimize(signal(), Purse(closed_trades=others + own[:19])))


def test_trades_that_neither_won_nor_lost_change_nothing() -> None:
    rates = [0.4] * 12 + [-0.5] * 8
    plain = kelly().optimize(signal(), Purse(closed_trades=trades(*rates)))
    assert kelly().optimize(signal(), Purse(closed_trades=trades(*rates, *[0.0] * 50))) == plain
    assert "only 0 of 20" in nothing(kelly().optimize(signal(), Purse(closed_trades=trades(*[0.0] * 50))))


def test_without_a_loser_there_is_no_loss_to_size_by() -> None:
    reason = nothing(kelly().optimize(signal(), Purse(closed_trades=trades(*[0.1] * 25))))
    assert reason == "none of the 25 closed trades of GOOG lost, so there is no loss to size a bet by"


def test_without_a_winner_there_is_no_edge() -> None:
    reason = nothing(kelly().optimize(signal(), Purse(closed_trades=trades(*[-0.1] * 25, sid="AAPL"))))
    assert reason == "no edge: all 25 closed trades lost"


def test_an_estimate_without_an_edge_bets_nothing() -> None:
    rates = [0.1] * 10 + [-0.2] * 10
    assert "no edge: the Kelly fraction is -2.5" in nothing(
        kelly().optimize(signal(), Purse(closed_trades=trades(*rates)))
    )


# Whatever comes


def closed() -> st.SearchStrategy[ClosedTrade]:
    return st.builds(ClosedTrade, st.sampled_from(["GOOG", "AAPL"]), ANY, ANY, ANY, st.integers())


@given(
    edge=st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("probability", "win", "loss", "mean", "variance", "risk_free"), ANY)
    ),
    purse=st.builds(
        Purse,
        cash=ANY,
        equity=ANY,
        positions=st.dictionaries(st.sampled_from(["GOOG", "AAPL"]), ANY),
        marks=st.dictionaries(st.sampled_from(["GOOG", "AAPL"]), ANY),
        closed_trades=st.lists(closed(), max_size=6),
    ),
    fraction=st.floats(0, 1, exclude_min=True),
    max_fraction=st.floats(0, 1, exclude_min=True),
)
def test_a_bet_is_never_negative_never_nan_and_never_more_than_the_cash(
    edge: dict[str, float], purse: Purse, fraction: float, max_fraction: float
) -> None:
    part = kelly(fraction=fraction, max_fraction=max_fraction, min_trades=2)
    bet = part.optimize(signal(**edge), purse)
    assert isinstance(bet.cash, Decimal)
    assert bet.cash.is_finite()
    assert bet.cash >= 0
    assert (bet.cash == 0) == (bet.reason is not None)
    if bet.cash:
        assert bet.cash <= Decimal(str(purse.cash))


@given(
    probability=st.floats(0.01, 0.99),
    loss=st.floats(0.01, 5),
    win=st.floats(0.01, 5),
    equity=st.floats(1, 1e9),
    held=st.floats(0, 1),
    fraction=st.floats(0.01, 1),
    max_fraction=st.floats(0.01, 1),
)
def test_position_and_bet_together_are_the_stake(
    probability: float, loss: float, win: float, equity: float, held: float, fraction: float, max_fraction: float
) -> None:
    best = discrete_fraction(probability, loss, win)
    assume(best > 0)
    purse = Purse(equity * (1 - held), equity, {"GOOG": equity * held}, {"GOOG": 1.0})
    bet = kelly(fraction=fraction, max_fraction=max_fraction).optimize(
        signal(probability=probability, loss=loss, win=win), purse
    )
    stake = min(fraction * best, max_fraction) * equity
    assert isinstance(bet.cash, Decimal)
    assert float(bet.cash) == pytest.approx(max(stake - equity * held, 0), abs=0.011, rel=1e-9)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"fraction": 0}, "fraction"),
        ({"fraction": 1.5}, "fraction"),
        ({"fraction": math.nan}, "fraction"),
        ({"min_trades": 1}, "min_trades"),
        ({"min_trades": 1001}, "min_trades"),
        ({"max_fraction": 2.0}, "max_fraction"),
        ({"max_fraction": 0}, "max_fraction"),
        ({"leverage": 2}, "leverage"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_by_name(params: dict[str, object], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(params, Kelly.Params)
