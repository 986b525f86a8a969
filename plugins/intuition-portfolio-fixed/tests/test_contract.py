from typing import ClassVar

from intuition_portfolio_fixed import Fixed

from intuition_core.testing import PortfolioContract


class TestFraction(PortfolioContract):
    part = Fixed
    params: ClassVar = {"fraction": 0.1, "pyramiding": True}


class TestCash(PortfolioContract):
    part = Fixed
    params: ClassVar = {"cash": 25}


class TestAll(PortfolioContract):
    part = Fixed
