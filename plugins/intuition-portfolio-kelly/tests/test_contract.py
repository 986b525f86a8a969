from typing import ClassVar

from intuition_portfolio_kelly import Kelly

from intuition_core.testing import PortfolioContract


class TestKelly(PortfolioContract):
    part = Kelly


class TestKellyWithFewTrades(PortfolioContract):
    part = Kelly
    params: ClassVar = {"fraction": 1.0, "min_trades": 2}
