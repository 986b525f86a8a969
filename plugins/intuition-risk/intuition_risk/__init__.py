"""Risk limits. What is exactly at a limit passes; what reduces a position passes, unless a limit says otherwise."""

from intuition_risk.collar import PriceCollar
from intuition_risk.drawdown import Drawdown
from intuition_risk.exposure import Exposure
from intuition_risk.loss import DailyLoss
from intuition_risk.position import MaxPosition
from intuition_risk.rate import OrderRate
from intuition_risk.size import OrderSize
from intuition_risk.stale import StaleData

__all__ = [
    "DailyLoss",
    "Drawdown",
    "Exposure",
    "MaxPosition",
    "OrderRate",
    "OrderSize",
    "PriceCollar",
    "StaleData",
]
