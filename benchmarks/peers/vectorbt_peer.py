"""The workload of benchmarks/backtest.py with vectorbt, from the file to the printed result."""

import json
import sys

import numpy as np
import pandas as pd
import vectorbt as vbt


def main(path: str, cash: str, units: str) -> None:
    """Run, and print the fills and the final equity."""
    bars = pd.read_parquet(path)
    close = bars["close"].to_numpy()
    # In whole cents, where sums are exact.
    total = np.concatenate(([0], np.cumsum(np.rint(close * 100).astype(np.int64))))
    gap = np.full(len(close), np.nan)
    gap[29:] = 3 * (total[30:] - total[20:-10]) - (total[30:] - total[:-30])
    before = np.concatenate(([np.nan], gap[:-1]))
    entries, exits = (before <= 0) & (gap > 0), (before >= 0) & (gap < 0)
    index = bars["timestamp"]
    run = vbt.Portfolio.from_signals(
        close=pd.Series(close, index=index),
        entries=pd.Series(np.concatenate(([False], entries[:-1])), index=index),
        exits=pd.Series(np.concatenate(([False], exits[:-1])), index=index),
        price=pd.Series(bars["open"].to_numpy(), index=index),
        size=float(units),
        init_cash=float(cash),
        freq="1min",
    )
    print(json.dumps({"fills": int(run.orders.count()), "equity": float(run.final_value())}))


main(*sys.argv[1:])
