"""The workload of benchmarks/backtest.py with backtesting.py; the rate leaves out loading."""

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

warnings.simplefilter("ignore")


def gap(close: "pd.Series") -> np.ndarray:
    """Compare the averages in whole cents, where sums are exact."""
    total = np.concatenate(([0], np.cumsum(np.rint(np.asarray(close) * 100).astype(np.int64))))
    gaps = np.full(len(close), np.nan)
    gaps[29:] = 3 * (total[30:] - total[20:-10]) - (total[30:] - total[:-30])
    return gaps


class Cross(Strategy):
    """Buys and sells where the averages cross."""

    units = 100

    def init(self) -> None:
        """Compute the averages."""
        self.gap = self.I(gap, self.data.Close)

    def next(self) -> None:
        """Look whether they cross here."""
        before, now = self.gap[-2], self.gap[-1]
        if before <= 0 < now and not self.position:
            self.buy(size=self.units)
        elif before >= 0 > now and self.position:
            self.position.close()


def main(path: str, cash: str, units: str) -> None:
    """Run, and print the fills, the final equity and the rate."""
    bars = pd.read_parquet(path).set_index("timestamp")
    bars.columns = [name.capitalize() for name in bars.columns]
    Cross.units = int(units)
    run = Backtest(bars, Cross, cash=float(cash), commission=0.0, finalize_trades=False)
    began = time.perf_counter()
    result = run.run()
    seconds = time.perf_counter() - began
    open_trades = len(result["_strategy"].trades)
    told = {
        "fills": 2 * len(result["_trades"]) + open_trades,
        "equity": float(result["Equity Final [$]"]),
        "events_per_s": len(bars) / seconds,
    }
    print(json.dumps(told))


main(*sys.argv[1:])
