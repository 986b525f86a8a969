"""What the tests of runs from Python share: a random walk as a frame, and an empty folder to work in."""

from pathlib import Path
from random import Random

import pandas as pd
import pytest

ROWS = 400


@pytest.fixture(scope="session")
def walk() -> pd.DataFrame:
    """Prices of two symbols, a minute apart."""
    rng = Random(7)
    prices, rows = {"A": 100.0, "B": 50.0}, []
    for time in pd.date_range("2024-01-02 14:30", periods=ROWS // 2, freq="min", tz="UTC"):
        for sid in prices:
            prices[sid] = round(prices[sid] * (1 + rng.uniform(-0.02, 0.02)), 2)
            rows.append((time, sid, prices[sid]))
    return pd.DataFrame(rows, columns=["time", "symbol", "price"])


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
