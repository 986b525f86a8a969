"""Trades at Alpaca over its REST interface; its stream of trade updates says when there is something to ask for."""

from intuition_broker_alpaca.broker import Alpaca

__all__ = ["Alpaca"]
