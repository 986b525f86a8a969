"""Monthly targets of 100 symbols over 20 years of daily bars: the whole process beside a loop by hand.

The goal is a rate of at least 0.2 of the loop's: python benchmarks/targets.py
"""

import json
import random
import statistics
import subprocess
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet

SYMBOLS = 100
DAYS = 5_040
CASH = 1_000_000
ROUNDS = 5
HERE = Path(__file__).parent


def write(path: Path) -> None:
    """Write random bars of weekdays, all symbols of a day after each other."""
    draw = random.Random(7)
    closes = dict.fromkeys((f"S{n:03}" for n in range(SYMBOLS)), 100.0)
    rows: dict[str, list[object]] = {name: [] for name in ("date", "symbol", "open", "high", "low", "close", "volume")}
    day = date(2000, 1, 3)
    for _ in range(DAYS):
        for sid, before in closes.items():
            opened = round(before * (1 + draw.gauss(0, 0.004)), 2)
            closes[sid] = close = max(1.0, round(opened * (1 + draw.gauss(0.0003, 0.012)), 2))
            high, low = max(opened, close) + 0.05, min(opened, close) - 0.05
            for name, value in zip(rows, (day, sid, opened, high, low, close, 1000), strict=True):
                rows[name].append(value)
        day += timedelta(days=3 if day.weekday() == 4 else 1)
    parquet.write_table(pa.table(rows), path)


def seconds(command: list[str]) -> tuple[float, dict[str, float]]:
    """Run a command, and give the processor time it took, its start included, and what it printed."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    told = json.loads(done.stdout.splitlines()[-1])
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime), told


def main() -> None:
    """Compare, in turns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bars.parquet"
        write(path)
        ours = [str(Path(sys.executable).with_name("intuition")), "backtest", "--algo", str(HERE / "monthly.py")]
        ours += ["--data", str(path), "--cash", str(CASH), "--json"]
        hand = [sys.executable, str(HERE / "peers" / "monthly_by_hand.py"), str(path), str(CASH)]
        ratios = []
        for _ in range(ROUNDS):
            by_hand, one = seconds(hand)
            whole, other = seconds(ours)
            ratios.append(by_hand / whole)
            print(f"by hand {by_hand:.2f} s, {one['fills']} fills, {one['equity']:,.2f}")
            print(f"ours    {whole:.2f} s, {other['fills']} fills, {float(other['final_equity']):,.2f}")
        median, least, most = statistics.median(ratios), min(ratios), max(ratios)
        print(f"ours / by hand: {median:.2f} ({least:.2f} to {most:.2f}); goal at least 0.2")


if __name__ == "__main__":
    main()
