from intuition_indicators import (
    Atr,
    Bollinger,
    Donchian,
    Ema,
    Macd,
    Obv,
    Roc,
    Rsi,
    Sma,
    StdDev,
    Stochastic,
    Vwap,
    Wma,
)

from intuition_core.testing import IndicatorContract


class TestAtr(IndicatorContract):
    part = Atr


class TestBollinger(IndicatorContract):
    part = Bollinger


class TestDonchian(IndicatorContract):
    part = Donchian


class TestEma(IndicatorContract):
    part = Ema


class TestMacd(IndicatorContract):
    part = Macd
    warmup = 26


class TestObv(IndicatorContract):
    part = Obv
    warmup = 1


class TestRoc(IndicatorContract):
    part = Roc


class TestRsi(IndicatorContract):
    part = Rsi


class TestSma(IndicatorContract):
    part = Sma


class TestStdDev(IndicatorContract):
    part = StdDev


class TestStochastic(IndicatorContract):
    part = Stochastic


class TestVwap(IndicatorContract):
    part = Vwap
    warmup = 1


class TestWma(IndicatorContract):
    part = Wma
