from typing import ClassVar

from intuition_algorithms import BuyAndHold, SmaCross

from intuition_core.testing import AlgorithmContract


class TestSmaCross(AlgorithmContract):
    part = SmaCross


class TestShortSmaCross(AlgorithmContract):
    part = SmaCross
    params: ClassVar = {"fast": 2, "slow": 5, "symbols": ["IBM"]}


class TestBuyAndHold(AlgorithmContract):
    part = BuyAndHold
