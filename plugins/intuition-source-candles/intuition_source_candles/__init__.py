"""Candles of public venues, asked for over HTTP."""

from intuition_source_candles.candles import Candles

__all__ = ["Candles"]
