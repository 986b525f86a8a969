"""Contracts as tests to subclass, and fakes, for authors of parts; a running system imports none of it.

A contract is a class to subclass in a test module, and pytest finds the checks::

    from intuition_core.testing import AlgorithmContract

    class TestMyAlgo(AlgorithmContract):
        part = MyAlgo

The checks themselves need no test framework: ``intuition check`` runs them, too. ``pip install
'intuition-core[testing]'`` brings pytest along.
"""

from intuition_core.testing.account import FakeAccount
from intuition_core.testing.algorithm import AlgorithmContract
from intuition_core.testing.broker import BrokerContract, FakeVenue
from intuition_core.testing.calendar import CalendarContract
from intuition_core.testing.composing import strategy_of
from intuition_core.testing.connector import ConnectorContract, FakeBackend
from intuition_core.testing.indicator import IndicatorContract
from intuition_core.testing.instruments import InstrumentsContract
from intuition_core.testing.memory import MemoryBroker
from intuition_core.testing.portfolio import PortfolioContract
from intuition_core.testing.recording import quotes
from intuition_core.testing.report import ReportContract, empty_history, recorded_history
from intuition_core.testing.risk import RiskContract
from intuition_core.testing.source import SourceContract

__all__ = [
    "AlgorithmContract",
    "BrokerContract",
    "CalendarContract",
    "ConnectorContract",
    "FakeAccount",
    "FakeBackend",
    "FakeVenue",
    "IndicatorContract",
    "InstrumentsContract",
    "MemoryBroker",
    "PortfolioContract",
    "ReportContract",
    "RiskContract",
    "SourceContract",
    "empty_history",
    "quotes",
    "recorded_history",
    "strategy_of",
]
