"""Portfolios of given weights: the same for each symbol, or a table of them."""

from intuition_portfolio_weights.equal import EqualWeight
from intuition_portfolio_weights.rebalance import Rebalance
from intuition_portfolio_weights.schedule import Schedule
from intuition_portfolio_weights.target import TargetWeights

__all__ = ["EqualWeight", "Rebalance", "Schedule", "TargetWeights"]
