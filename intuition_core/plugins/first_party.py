"""The project's own plugins, by kind and name, whether they are installed or not."""

from typing import Final

OWN: Final = {("portfolio", "naive"): "Bets a random fraction of the cash, to try an algorithm with"}
"""Summaries of the core's own parts; a distribution has one summary for all its plugins."""

_INDICATORS: Final = (
    *("sma", "ema", "wma", "rsi", "roc", "stddev", "macd", "bollinger"),
    *("atr", "donchian", "stochastic", "obv", "vwap"),
)

_RISKS: Final = (
    "daily-loss",
    "drawdown",
    "exposure",
    "max-position",
    "order-rate",
    "order-size",
    "price-collar",
    "stale-data",
)

FIRST_PARTY: Final = {
    ("algorithm", "random"): "intuition-random",
    ("algorithm", "sma-cross"): "intuition-algorithms",
    ("algorithm", "buy-and-hold"): "intuition-algorithms",
    ("portfolio", "kelly"): "intuition-portfolio-kelly",
    ("portfolio", "fixed"): "intuition-portfolio-fixed",
    ("portfolio", "optimal-weights"): "intuition-portfolio-optimal",
    ("portfolio", "equal-weight"): "intuition-portfolio-weights",
    ("portfolio", "target-weights"): "intuition-portfolio-weights",
    **{("risk", name): "intuition-risk" for name in _RISKS},
    ("broker", "alpaca"): "intuition-broker-alpaca",
    ("connector", "mqtt"): "intuition-connector-mqtt",
    **{("indicator", name): "intuition-indicators" for name in _INDICATORS},
    ("source", "candles"): "intuition-source-candles",
    ("source", "csv"): "intuition-source-files",
    ("source", "parquet"): "intuition-source-files",
    ("source", "jsonl"): "intuition-source-files",
    ("source", "json"): "intuition-source-files",
    ("source", "sample"): "intuition-source-sample",
    ("report", "html"): "intuition-report",
    ("source", "sql"): "intuition-source-sql",
    ("source", "websocket"): "intuition-source-websocket",
    ("calendar", "exchange"): "intuition-calendars",
    ("command", "broker"): "intuition-connector-mqtt",
    ("command", "compare"): "intuition-compare",
    ("command", "publish"): "intuition-connector-mqtt",
    ("command", "venue"): "intuition-venue",
    ("hooks", "notify"): "intuition-notify",
}
"""The distribution of each plugin, by kind and name."""


def how_to_install(*distributions: str) -> str:
    """Return the command that installs first-party distributions, and that for a clone of the repository."""
    folders = " ".join(f"plugins/{distribution}" for distribution in distributions)
    return f"`pip install {' '.join(distributions)}` (from a clone: `pip install {folders}`)"
