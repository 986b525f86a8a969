"""From closes to weights, by skfolio.

skfolio, and the solver and the data frames that it brings along, take seconds to import. They are imported when a
solver is made.
"""

import math
import warnings
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, Literal, TypeAlias

from intuition_core.errors import IntuitionError

Objective: TypeAlias = Literal[
    "minimum-variance", "maximum-sharpe", "risk-parity", "hierarchical-risk-parity", "hierarchical-equal-risk"
]

DECIMALS: Final = 6
"""How many decimals of a weight count: the same closes give the same weights whatever the machine's last digits are."""

_STEP: Final = Decimal(1).scaleb(-DECIMALS)
_SHOWN: Final = 200
_TOLERANCES: Final = {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12}
"""Of Clarabel. With what skfolio asks for, weights that should be 0 come to some millionths, which would be traded."""


class NoWeights(IntuitionError):
    """Closes for which an objective has no solution."""

    def __init__(self, objective: str, reason: str) -> None:
        self.objective = objective
        self.reason = reason
        super().__init__(f"no weights of {objective}: {reason}")


class Solver:
    """Computes the weights of an objective; never negative, together at most 1.

    Returns are simple ones, from close to close; their mean and covariance are the sample's, with one degree of freedom
    less than there are returns.

    - ``minimum-variance`` and ``maximum-sharpe``: H. Markowitz, "Portfolio Selection", Journal of Finance 7 (1952);
      W. F. Sharpe, "Mutual Fund Performance", Journal of Business 39 (1966).
    - ``risk-parity``, where each symbol contributes the same to the variance: S. Maillard, T. Roncalli, J. Teïletche,
      "The Properties of Equally Weighted Risk Contribution Portfolios", Journal of Portfolio Management 36 (2010).
    - ``hierarchical-risk-parity``: M. López de Prado, "Building Diversified Portfolios that Outperform Out of Sample",
      Journal of Portfolio Management 42 (2016).
    - ``hierarchical-equal-risk``: T. Raffinot, "The Hierarchical Equal Risk Contribution Portfolio" (2018).

    Args:
        symbols: whose closes there are, in their order.
        objective: which weights.
        min_weight: the least that each symbol gets.
        max_weight: the most that each symbol gets.
        risk_free: what is earned without risk per period, for ``maximum-sharpe``.
    """

    def __init__(
        self,
        symbols: Sequence[str],
        *,
        objective: Objective,
        min_weight: float = 0.0,
        max_weight: float = 1.0,
        risk_free: float = 0.0,
    ) -> None:
        # Not at the module's top: see its documentation.
        import pandas as pd
        from skfolio import RiskMeasure, optimization
        from skfolio.exceptions import SkfolioError

        bounds: dict[str, Any] = {"min_weights": min_weight, "max_weights": max_weight}
        self._symbols = tuple(symbols)
        self._objective = objective
        self._frame = pd.DataFrame
        self._failures = (SkfolioError, ValueError, ArithmeticError, UserWarning)
        self._estimator: Any
        match objective:
            case "minimum-variance":
                self._estimator = optimization.MeanRisk(solver_params=_TOLERANCES, **bounds)
            case "maximum-sharpe":
                self._estimator = optimization.MeanRisk(
                    objective_function=optimization.ObjectiveFunction.MAXIMIZE_RATIO,
                    risk_measure=RiskMeasure.STANDARD_DEVIATION,
                    risk_free_rate=risk_free,
                    solver_params=_TOLERANCES,
                    **bounds,
                )
            case "risk-parity":
                self._estimator = optimization.RiskBudgeting(solver_params=_TOLERANCES, **bounds)
            case "hierarchical-risk-parity":
                self._estimator = optimization.HierarchicalRiskParity(**bounds)
            case "hierarchical-equal-risk":
                self._estimator = optimization.HierarchicalEqualRiskContribution(**bounds)

    def weights(self, closes: Sequence[Sequence[float]]) -> dict[str, Decimal]:
        """Return the weight of each symbol, rounded to `DECIMALS`.

        Args:
            closes: oldest first, each in the order of the symbols.

        Raises:
            NoWeights: there are none for these closes: a price is not above zero, a covariance matrix is singular, no
                weights are within the bounds, or the solver is not sure of its solution.
        """
        prices = self._frame(closes, columns=self._symbols, dtype=float)
        for sid, lowest in prices.min().items():
            if not lowest > 0:
                raise NoWeights(self._objective, f"a close of {sid} is {lowest:g}, from which there is no return")
        returns = prices.pct_change().iloc[1:]
        try:
            with warnings.catch_warnings():
                # A covariance that had to be mended and a solution that may be wrong are only warned of.
                warnings.simplefilter("error", UserWarning)
                found = self._estimator.fit(returns).weights_
        except self._failures as error:
            raise NoWeights(self._objective, _shortened(str(error))) from error
        weights = [float(weight) for weight in found]
        if not all(map(math.isfinite, weights)):
            raise NoWeights(self._objective, f"the solver found {weights}")
        return dict(zip(self._symbols, rounded(weights), strict=True))


def rounded(weights: Sequence[float]) -> list[Decimal]:
    """Round weights to `DECIMALS`, so that none is negative and they come to 1 at most.

    What they come to more than 1 when each is rounded is taken off the largest.
    """
    each = [max(Decimal(0), Decimal(str(weight)).quantize(_STEP)) for weight in weights]
    if (excess := sum(each, Decimal(0)) - 1) > 0:
        largest = each.index(max(each))
        each[largest] -= excess
    return each


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."
