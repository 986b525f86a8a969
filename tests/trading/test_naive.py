import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from logging import getLogger
from random import Random

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.contracts import Account, Bet, ClosedTrade, Context, Holding, Order, Signal
from intuition_core.determinism.randomness import restore_rng, rng_state
from intuition_core.trading.naive import Naive

SIGNAL = Signal("GOOG", "buy", 345.0)


@dataclass
class Purse:
    """An account with nothing but cash."""

    cash: float
    positions: Mapping[str, float] = field(default_factory=dict)
    marks: Mapping[str, float] = field(default_factory=dict)
    closed_trades: Sequence[ClosedTrade] = ()
    pending: Mapping[str, float] = field(default_factory=dict)
    quoted_at: Mapping[str, int] = field(default_factory=dict)
    orders: Sequence[Order] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    holdings: Mapping[str, Holding] = field(default_factory=dict)

    def worth(self, _sid: str, price: float | None = None) -> float:
        return 0.0 if price is None else price

    @property
    def equity(self) -> float:
        return self.cash


def naive(*, session_seed: int = 7, **params: object) -> Naive:
    part = Naive()
    context = Context(name="naive", rng=Random(session_seed), account=Purse(0.0), log=getLogger("naive"))
    part.initialize(msgspec.convert(params, Naive.Params), context)
    return part


def stakes(part: Naive, count: int, cash: float = 10_000.0) -> list[Decimal]:
    return [bet.cash for bet in (part.optimize(SIGNAL, Purse(cash)) for _ in range(count))]  # type: ignore[misc]  # Naive bets Decimals


def test_the_purse_is_an_account() -> None:
    assert isinstance(Purse(1.0), Account)


def test_fractions_spread_over_all_of_the_cash() -> None:
    bets = stakes(naive(), 2_000)
    assert min(bets) < 100
    assert max(bets) > 9_900
    assert 4_700 < sum(bets) / len(bets) < 5_300


def test_fractions_keep_to_their_bounds() -> None:
    bets = stakes(naive(min_fraction=0.1, max_fraction=0.2), 500)
    assert all(1_000 <= bet <= 2_000 for bet in bets)
    assert len(set(bets)) > 400


def test_a_fixed_fraction_bets_exactly_that() -> None:
    assert stakes(naive(min_fraction=0.25, max_fraction=0.25), 2) == [Decimal("2500.00")] * 2


def test_amounts_are_whole_cents() -> None:
    assert all(bet == bet.quantize(Decimal("0.01")) for bet in stakes(naive(), 100, 1_234.56789))


@pytest.mark.parametrize("cash", [0.0, 0.009, -5.0])
def test_no_cash_is_a_bet_of_nothing_with_its_reason(cash: float) -> None:
    bet = naive().optimize(SIGNAL, Purse(cash))
    assert bet.cash == 0
    assert bet.reason is not None
    assert "cash" in bet.reason
    assert f"{cash:.2f}" in bet.reason


@given(
    cash=st.floats(min_value=0, max_value=1e300, allow_subnormal=True),
    bounds=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    seed=st.integers(0, 2**64),
)
def test_never_more_than_the_cash_and_never_less_than_nothing(cash: float, bounds: list[float], seed: int) -> None:
    bet = naive(min_fraction=bounds[0], max_fraction=bounds[1], seed=seed).optimize(SIGNAL, Purse(cash))
    assert isinstance(bet.cash, Decimal)
    assert 0 <= bet.cash <= Decimal(str(cash))
    assert (bet.cash == 0) == (bet.reason is not None)


def test_a_seed_makes_the_bets_its_own() -> None:
    assert stakes(naive(seed=3, session_seed=1), 5) == stakes(naive(seed=3, session_seed=2), 5)
    assert stakes(naive(seed=3), 5) != stakes(naive(seed=4), 5)


def test_without_a_seed_the_session_decides() -> None:
    assert stakes(naive(session_seed=1), 5) == stakes(naive(session_seed=1), 5)
    assert stakes(naive(session_seed=1), 5) != stakes(naive(session_seed=2), 5)


@given(drawn=st.integers(0, 700), seed=st.none() | st.integers())
def test_a_restored_part_bets_on_as_if_nothing_had_happened(drawn: int, seed: int | None) -> None:
    part = naive(seed=seed)
    stakes(part, drawn)
    state = msgpack.unpackb(msgpack.packb(part.snapshot()))
    other = naive(seed=99)
    other.restore(state)
    assert stakes(other, 5) == stakes(part, 5)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"min_fraction": -0.1}, "min_fraction"),
        ({"max_fraction": 1.1}, "max_fraction"),
        ({"max_fraction": float("nan")}, "max_fraction"),
        ({"min_fraction": 0.6, "max_fraction": 0.5}, "min_fraction 0.6 is above max_fraction 0.5"),
        ({"maximum": 0.5}, "maximum"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_by_name(params: dict[str, float], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(params, Naive.Params)


@given(seed=st.integers(), normals=st.integers(0, 3))
def test_the_state_of_a_generator_survives_json_and_msgpack(seed: int, normals: int) -> None:
    rng = Random(seed)
    for _ in range(normals):  # leaves a second normal waiting after an odd number
        rng.gauss(0, 1)
    copies = [json.loads(json.dumps(rng_state(rng))), msgpack.unpackb(msgpack.packb(rng_state(rng)))]
    expected = [rng.gauss(0, 1), rng.random(), rng.gauss(0, 1)]
    for state in copies:
        other = Random()
        restore_rng(other, state)
        assert [other.gauss(0, 1), other.random(), other.gauss(0, 1)] == expected


@pytest.mark.parametrize(
    "state", [None, [], [3, [1, 2, 3], None], [9, [0] * 625, None], [3, [-1] * 625, None], [3, "x", None]]
)
def test_a_state_that_is_none_is_refused(state: object) -> None:
    with pytest.raises(ValueError, match="not the state of a random generator"):
        restore_rng(Random(), state)  # type: ignore[arg-type]  # that is the point


def test_a_bet_is_what_the_contract_asks_for() -> None:
    assert isinstance(naive().optimize(SIGNAL, Purse(100.0)), Bet)
