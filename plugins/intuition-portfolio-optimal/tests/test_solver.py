"""The weights, against what NumPy computes on its own."""

from decimal import Decimal
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_portfolio_optimal.solver import DECIMALS, NoWeights, Objective, Solver, rounded
from numpy.typing import NDArray

Array = NDArray[np.float64]
OBJECTIVES = get_args(Objective)
STEP = Decimal(1).scaleb(-DECIMALS)


def closes(seed: int, *, count: int = 4, returns: int = 250) -> Array:
    """Give prices that move together, each with a volatility of its own, and rather up than down."""
    draw = np.random.default_rng(seed)
    market = draw.normal(0, 0.008, (returns, 1))
    own = draw.normal(0.001, 1, (returns, count)) * np.linspace(0.005, 0.02, count)
    moves: Array = np.vstack([np.zeros(count), market + own + 0.001])
    return 100 * np.cumprod(1 + moves, axis=0)


def covariance(prices: Array) -> Array:
    returns = prices[1:] / prices[:-1] - 1
    deviations = returns - returns.mean(axis=0)
    matrix: Array = deviations.T @ deviations / (len(returns) - 1)
    return matrix


def solved(objective: Objective, prices: Array, **params: Any) -> Array:
    symbols = [f"S{number}" for number in range(prices.shape[1])]
    weights = Solver(symbols, objective=objective, **params).weights(prices.tolist())
    assert list(weights) == symbols
    return np.array([float(weight) for weight in weights.values()])


@pytest.mark.parametrize("seed", range(5))
def test_minimum_variance_is_that_of_the_closed_form(seed: int) -> None:
    matrix = covariance(prices := closes(seed))
    closed: Array = np.linalg.solve(matrix, np.ones(4))
    closed /= closed.sum()
    found = solved("minimum-variance", prices)
    if closed.min() >= 0:
        assert found == pytest.approx(closed, abs=5e-6)
    # Where the closed form sells short, no other weights that do not can be better.
    others = np.random.default_rng(seed).dirichlet(np.ones(4), 2000)
    assert found @ matrix @ found <= np.einsum("ij,jk,ik->i", others, matrix, others).min() * (1 + 1e-6)


def test_some_closed_forms_are_met_within_the_bounds() -> None:
    forms = [np.linalg.solve(covariance(closes(seed)), np.ones(4)) for seed in range(5)]
    assert sum(form.min() >= 0 for form in forms) >= 2


@pytest.mark.parametrize("seed", range(5))
def test_with_risk_parity_each_contributes_the_same(seed: int) -> None:
    matrix = covariance(prices := closes(seed))
    found = solved("risk-parity", prices)
    contributions = found * (matrix @ found)
    assert contributions / contributions.sum() == pytest.approx(np.full(4, 0.25), abs=5e-6)


@pytest.mark.parametrize("seed", range(5))
def test_maximum_sharpe_is_that_of_the_closed_form(seed: int) -> None:
    prices = closes(seed)
    matrix, mean = covariance(prices), (prices[1:] / prices[:-1] - 1).mean(axis=0)
    closed: Array = np.linalg.solve(matrix, mean - 0.0001)
    closed /= closed.sum()
    found = solved("maximum-sharpe", prices, risk_free=0.0001)
    if closed.min() >= 0:
        assert found == pytest.approx(closed, abs=5e-6)
    others = np.random.default_rng(seed).dirichlet(np.ones(4), 2000)

    def sharpe(weights: Array) -> Any:
        return (weights @ mean - 0.0001) / np.sqrt(np.einsum("...j,jk,...k->...", weights, matrix, weights))

    assert sharpe(found) >= sharpe(others).max() * (1 - 1e-6)


@pytest.mark.parametrize("objective", ["hierarchical-risk-parity", "hierarchical-equal-risk"])
def test_of_two_each_hierarchy_weighs_by_the_inverse_variance(objective: Objective) -> None:
    prices = closes(1, count=2)
    inverse = 1 / np.diag(covariance(prices))
    assert solved(objective, prices) == pytest.approx(inverse / inverse.sum(), abs=1e-6)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_weights_keep_to_their_bounds_and_are_the_same_again(objective: Objective) -> None:
    prices = closes(3, count=6)
    found = solved(objective, prices, min_weight=0.1, max_weight=0.25)
    assert found.min() >= 0.1 - 1e-6
    assert found.max() <= 0.25 + 1e-6
    assert found.sum() == pytest.approx(1, abs=1e-5)
    assert (found == solved(objective, prices, min_weight=0.1, max_weight=0.25)).all()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_singular_covariance_has_no_weights(objective: Objective) -> None:
    prices = closes(2)
    prices[:, 1] = 2 * prices[:, 0]
    with pytest.raises(NoWeights, match=f"^no weights of {objective}: The covariance matrix is not positive definite"):
        solved(objective, prices)


@given(st.lists(st.floats(-1e-9, 1), min_size=1, max_size=60).filter(lambda raw: sum(raw) > 0.01))
def test_rounded_weights_are_steps_that_come_to_no_more_than_one(raw: list[float]) -> None:
    whole = [each / max(1.0, sum(raw)) for each in raw]
    weights = rounded(whole)
    assert sum(weights) <= 1
    assert all(weight >= 0 and weight % STEP == 0 for weight in weights)
    slack = STEP * len(raw) + STEP
    assert all(abs(weight - Decimal(each)) <= slack for weight, each in zip(weights, whole, strict=True))


def test_thirteen_equal_weights_do_not_come_to_more_than_one() -> None:
    assert rounded([1 / 13] * 13) == [Decimal("0.076923")] * 13
    assert sum(rounded([1 / 6] * 6)) == 1
    assert rounded([1 / 6] * 6)[0] == Decimal("0.166665")
    assert max(rounded([0.5000004, 0.5000004])) == Decimal("0.5")
    assert rounded([0.6, 0.4000006]) == [Decimal("0.599999"), Decimal("0.400001")]
