"""Technical indicators, one value a quote; what is computed comes from talipp."""

from intuition_indicators.averages import Ema, Sma, Wma
from intuition_indicators.bands import Bollinger, Donchian
from intuition_indicators.momentum import Macd, Roc, Rsi, Stochastic
from intuition_indicators.volatility import Atr, StdDev
from intuition_indicators.volume import Obv, Vwap

__all__ = [
    "Atr",
    "Bollinger",
    "Donchian",
    "Ema",
    "Macd",
    "Obv",
    "Roc",
    "Rsi",
    "Sma",
    "StdDev",
    "Stochastic",
    "Vwap",
    "Wma",
]
