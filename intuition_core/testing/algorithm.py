"""The contract of algorithms as tests to subclass."""

from typing import ClassVar

from intuition_core.testing.listening import ListeningContract


class AlgorithmContract(ListeningContract):
    """The checks of an algorithm.

    ::

        class TestMyAlgo(AlgorithmContract):
        part = MyAlgo
        params = {"window": 20}
    """

    kind: ClassVar[str] = "algorithm"
