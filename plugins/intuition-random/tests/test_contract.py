from typing import ClassVar

from intuition_random import Random

from intuition_core.testing import AlgorithmContract


class TestRandom(AlgorithmContract):
    part = Random


class TestRandomWithASeedOfItsOwn(AlgorithmContract):
    part = Random
    params: ClassVar = {"threshold": 0.9, "seed": 3}
