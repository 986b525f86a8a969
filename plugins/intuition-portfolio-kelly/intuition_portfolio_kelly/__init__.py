"""A portfolio that sizes bets by the Kelly criterion."""

from intuition_portfolio_kelly.edge import NoEdge
from intuition_portfolio_kelly.formula import BadEdge, continuous_fraction, discrete_fraction
from intuition_portfolio_kelly.portfolio import Kelly

__all__ = ["BadEdge", "Kelly", "NoEdge", "continuous_fraction", "discrete_fraction"]
