"""Textbook algorithms: to start from, and to hold others against."""

from intuition_algorithms.buy_and_hold import BuyAndHold
from intuition_algorithms.sma_cross import SmaCross

__all__ = ["BuyAndHold", "SmaCross"]
