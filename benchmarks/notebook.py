"""`run_backtest` on a frame in memory against ``intuition backtest --json`` on a file of the same rows, in CPU time.

The workload is that of ``benchmarks/backtest.py``: SMA(10)/SMA(30), one instrument, bars of one minute. Pairs take
turns, and figures are medians of five ratios; CPU time of user and system, so that neighbours count less.

- ``call / command``: the import of `run_backtest` and the call, against the command's processes.
- ``per row``: what each more row costs in the call, with the events hashed, against the command.
- ``per row, not hashed``: the same with ``hashed=False``.
- ``events / run``: the frame turned into events, against the call as a whole.

Run ``python benchmarks/notebook.py [--bars N]``.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

ROUNDS: Final = 5
BEGIN: Final = 1_600_000_000_000_000_000
MINUTE: Final = 60_000_000_000
FEW: Final = 1000
GOALS: Final = {"call / command": 1.1, "per row": 1.1, "per row, not hashed": 1.1, "events / run": 0.5}

CALL: Final = """
import json, sys, time
import pyarrow.parquet as pq
frame = pq.read_table(sys.argv[1])
began = time.process_time()
from intuition_core import run_backtest
run = run_backtest("sma-cross", data=frame, portfolio="fixed", cash=1_000_000, params={"units": 100},
                   hashed=sys.argv[2] == "hashed")
print(json.dumps([time.process_time() - began, run.decisions_sha256]))
"""
EVENTS: Final = """
import sys, time
import pyarrow.parquet as pq
from intuition_core.runs import open_source
frame = pq.read_table(sys.argv[1])
source = open_source(frame)
began = time.process_time()
count = sum(map(len, source.batches()))
events = time.process_time() - began
from intuition_core import run_backtest
began = time.process_time()
run_backtest("sma-cross", data=frame, portfolio="fixed", cash=1_000_000, params={"units": 100})
print(events / (time.process_time() - began))
"""


def rows(count: int, path: Path) -> None:
    """Write bars of one minute."""
    rng = random.Random(7)
    close, table = 100.0, {name: [] for name in ("time", "symbol", "open", "close")}
    for n in range(count):
        table["time"].append(BEGIN + n * MINUTE)
        table["symbol"].append("X")
        table["open"].append(close)
        close = round(max(1.0, close + rng.gauss(0, 0.05)), 2)
        table["close"].append(close)
    frame = pa.table({**table, "time": pa.array(table["time"], pa.timestamp("ns", "UTC"))})
    pq.write_table(frame, path)


def cpu(command: list[str]) -> tuple[float, str]:
    """Return the CPU seconds of a process and those that it waited for, and what it printed."""
    before = os.times()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return spent, done.stdout


def call(path: Path, how: str) -> tuple[float, str]:
    """Return the CPU seconds of a call, and the hash of its decisions."""
    spent, sha256 = json.loads(cpu([sys.executable, "-c", CALL, str(path), how])[1])
    return spent, sha256


def command(path: Path) -> tuple[float, str]:
    """Return the same of the command."""
    parts = ("--algo", "sma-cross", "--portfolio", "fixed", "--cash", "1000000", "--param", "units=100")
    program = str(Path(sys.executable).with_name("intuition"))
    spent, told = cpu([program, "backtest", *parts, "--data", str(path), "--json"])
    return spent, json.loads(told)["decisions_sha256"]


def main() -> int:
    """Measure, print, and return 1 where a goal is missed or the decisions differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=1_000_000)
    bars = parser.parse_args().bars
    ratios: dict[str, list[float]] = {name: [] for name in GOALS}
    with tempfile.TemporaryDirectory() as folder:
        few, many = Path(folder, "few.parquet"), Path(folder, "many.parquet")
        rows(FEW, few)
        rows(bars, many)
        for _ in range(ROUNDS):
            (own, wanted), (own_few, _) = command(many), command(few)
            (hashed, one), (plain, other) = call(many, "hashed"), call(many, "plain")
            if {one, other} != {wanted}:
                print("other decisions")
                return 1
            few_rows = call(few, "hashed")[0]
            ratios["call / command"].append(hashed / own)
            ratios["per row"].append((hashed - few_rows) / (own - own_few))
            ratios["per row, not hashed"].append((plain - few_rows) / (own - own_few))
            ratios["events / run"].append(float(cpu([sys.executable, "-c", EVENTS, str(many)])[1]))
    missed = False
    for name, found in ratios.items():
        median = statistics.median(found)
        missed |= median > GOALS[name]
        print(f"{name:20} {median:6.2f}  (goal {GOALS[name]:.2f}; {min(found):.2f} to {max(found):.2f})")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
