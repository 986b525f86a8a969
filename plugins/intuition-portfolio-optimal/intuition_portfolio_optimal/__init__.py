"""A portfolio whose weights are optimised over several symbols, on a schedule."""

from intuition_portfolio_optimal.portfolio import OptimalWeights
from intuition_portfolio_optimal.solver import NoWeights

__all__ = ["NoWeights", "OptimalWeights"]
