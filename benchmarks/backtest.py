"""The backtest against a loop written by hand, and against its peers, on one workload.

SMA(10)/SMA(30) crossover, long only, one instrument: buy 100 units when the fast average crosses above the slow one,
sell all when it crosses below, fills at the next bar's open, no costs; synthetic one-minute bars with a fixed seed.
Everything that takes part must come to the same fills and the same equity to the cent.

- ``floor``: a minimal loop by hand, which makes a dict of each bar from the columns and keeps fills and equity.
- ``ours``: the same columns through `Backtest`, with portfolio, paper broker, exact ledger, decision records and hash.
- ``quiet``: the same history without a signal, against the same loop with the algorithm called directly.
- ``process``: ``intuition backtest --json`` from a Parquet file to the printed result, against vectorbt doing the same.
- ``memory``: the peak while a Parquet file of 50 million rows streams through (``--rows`` for another number).

Parts that take turns share the noise of the machine; figures are medians of five. The peers get an environment of their
own, which needs the network once; without them they are left out. Run ``python benchmarks/backtest.py [--peers]
[--memory] [--bars N]``.
"""

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from intuition_algorithms import SmaCross
from intuition_portfolio_fixed import Fixed

from intuition_core.backtest.run import Backtest
from intuition_core.trading.composition import Composition, Part, Sleeve

ROUNDS: Final = 5
BARS: Final = 1_000_000
CASH: Final = 1_000_000
UNITS: Final = 100
BATCH: Final = 512
MINUTE: Final = 60_000_000_000
NOTHING: Final = 1e-4
BEGIN: Final = 1_600_000_000_000_000_000
PEERS: Final = Path(__file__).parent / "peers"
REQUIREMENTS: Final = ("vectorbt>=0.27", "backtesting>=0.6", "pyarrow")
GOALS: Final = {"ours / floor": 0.30, "with the strategy / called directly": 1.5, "process / vectorbt": 0.35}

Columns = dict[str, list[Any]]


def columns(count: int) -> Columns:
    """Make bars whose opens and closes are whole cents."""
    rng = random.Random(7)
    opens, highs, lows, closes, volumes = [], [], [], [], []
    cents = 10_000
    for _ in range(count):
        begin = max(100, cents + round(rng.gauss(0, 1)))
        cents = max(100, begin + round(rng.gauss(0, 5)))
        opens.append(begin / 100)
        closes.append(cents / 100)
        highs.append(max(begin, cents) / 100)
        lows.append(min(begin, cents) / 100)
        volumes.append(rng.randrange(1, 1000))
    times = [BEGIN + number * MINUTE for number in range(count)]
    return {"ts": times, "open": opens, "high": highs, "low": lows, "close": closes, "volume": volumes}


def floor(bars: Columns) -> tuple[int, float]:
    """Do it by hand. Differences of averages of whole cents are either nothing or far larger than the sums drift."""
    fast_window, slow_window = [0.0] * 10, [0.0] * 30
    fast = slow = 0.0
    before: float | None = None
    cash, held, pending = float(CASH), 0, 0
    fills: list[tuple[int, int, float]] = []
    equity: list[float] = []
    for number, (ts, begin, high, low, close, volume) in enumerate(zip(*bars.values(), strict=True)):
        event = {
            "channel": "quotes",
            "sid": "X",
            "ts": ts,
            "start": ts - MINUTE,
            "open": begin,
            "high": high,
            "low": low,
            "close": close,
            "volume": volume,
            "quote": close,
        }
        if pending:
            price = event["open"]
            cash -= pending * price
            held += pending
            fills.append((event["ts"], pending, price))
            pending = 0
        price = event["quote"]
        at, place = number % 10, number % 30
        fast += price - fast_window[at]
        fast_window[at] = price
        slow += price - slow_window[place]
        slow_window[place] = price
        if number >= 29:
            gap = 3 * fast - slow
            if before is not None:
                if before <= NOTHING < gap and not held:
                    pending = UNITS
                elif before >= -NOTHING > gap and held:
                    pending = -held
            before = gap
        equity.append(cash + held * price)
    return len(fills), round(equity[-1], 2)


def batches(bars: Columns) -> Iterator[list[dict[str, Any]]]:
    """Give the bars as a source does."""
    for start in range(0, len(bars["ts"]), BATCH):
        rows = zip(*(column[start : start + BATCH] for column in bars.values()), strict=True)
        yield [
            {
                "channel": "quotes",
                "sid": "X",
                "ts": ts,
                "start": ts - MINUTE,
                "open": begin,
                "high": high,
                "low": low,
                "close": close,
                "volume": volume,
                "quote": close,
            }
            for ts, begin, high, low, close, volume in rows
        ]


class Silent(SmaCross):
    """The same work, and nothing to say."""

    def event(self, data: Any) -> None:
        """Look, and keep quiet."""
        super().event(data)


def composition(algorithm: type[SmaCross] = SmaCross) -> Composition:
    """Give the workload's recipe."""
    line = Sleeve(
        algorithm=Part(kind="algorithm", name="sma-cross", factory=algorithm, params=SmaCross.Params()),
        portfolio=Part(kind="portfolio", name="fixed", factory=Fixed, params=Fixed.Params(units=Decimal(UNITS))),
    )
    return Composition(sleeves=(line,), seed=0, cash=Decimal(CASH))


def ours(bars: Columns, recipe: Composition) -> tuple[int, float]:
    """Run the columns through a backtest."""
    run = Backtest(recipe)
    for number, batch in enumerate(batches(bars), 1):
        run.take(batch, part=min(1.0, number * BATCH / len(bars["ts"])))
    assert run.decisions_sha256
    return run.counts["fill"], round(float(run.engine.ledger.equity), 2)


def direct(bars: Columns) -> None:
    """Run the columns through the same loop, with the algorithm called directly."""
    run = Backtest(composition(Silent))
    algorithm = Silent()
    algorithm.initialize(SmaCross.Params())
    run.engine.play = lambda events: _called(algorithm.event, events)  # type: ignore[method-assign]  # that is it
    for number, batch in enumerate(batches(bars), 1):
        run.take(batch, part=min(1.0, number * BATCH / len(bars["ts"])))


def _called(event: Callable[[Any], Any], events: Sequence[Any]) -> Iterator[None]:
    for data in events:
        if event(data) is not None:
            yield


def in_turns(**tasks: Callable[[], Any]) -> dict[str, list[float]]:
    """Time tasks in turns; seconds of the process, so that what others do counts less."""
    taken: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(ROUNDS):
        for name, task in tasks.items():
            began = time.process_time()
            task()
            taken[name].append(time.process_time() - began)
    return taken


def ratio(taken: dict[str, list[float]], one: str, other: str) -> str:
    """Give how the medians compare, and how the single rounds did."""
    each = sorted(first / second for first, second in zip(taken[one], taken[other], strict=True))
    whole = statistics.median(taken[one]) / statistics.median(taken[other])
    return f"{whole:.2f} (rounds {each[0]:.2f} to {each[-1]:.2f})"


def write_parquet(bars: Columns, path: Path) -> None:
    """Write the bars to a file."""
    import pyarrow as pa
    from pyarrow import parquet

    renamed = {
        "timestamp": pa.array(bars["ts"], pa.timestamp("ns", tz="UTC")),
        **{k: bars[k] for k in bars if k != "ts"},
    }
    parquet.write_table(pa.table(renamed), path)


def peers_python(cache: Path) -> Path | None:
    """Give the interpreter of the environment that the peers live in; make it where it is not there yet."""
    python = cache / "bin" / "python"
    if not python.exists():
        made = subprocess.run(["uv", "venv", "--quiet", str(cache)], check=False)
        installed = subprocess.run(
            ["uv", "pip", "install", "--quiet", "--python", str(python), *REQUIREMENTS], check=False
        )
        if made.returncode or installed.returncode:
            return None
    return python


def whole_process(command: Sequence[str]) -> tuple[float, dict[str, Any]]:
    """Run a command, and give the seconds it took from its start to its end, and the JSON it printed."""
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - began, json.loads(done.stdout.splitlines()[-1])


def our_command(path: Path) -> list[str]:
    """Give the command that runs the workload."""
    words = ["--algo", "sma-cross", "--portfolio", "fixed", "--param", f"units={UNITS}", "--cash", str(CASH)]
    return [str(Path(sys.executable).with_name("intuition")), "backtest", *words, "--data", str(path), "--json"]


def show_peers(path: Path, expected: tuple[int, float]) -> None:
    """Compare whole processes, and the rate of the fastest event-driven peer."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "intuition-benchmark-peers"
    python = peers_python(cache)
    if python is None:
        print("the peers cannot be installed; left out")
        return
    taken: dict[str, list[float]] = {"ours": [], "vectorbt": []}
    rates: dict[str, list[float]] = {"ours": [], "backtesting.py": []}
    for _ in range(ROUNDS):
        seconds, told = whole_process(our_command(path))
        taken["ours"].append(seconds)
        rates["ours"].append(told["events_per_s"])
        assert (told["fills"], round(float(told["final_equity"]), 2)) == expected, told
        for peer in ("vectorbt", "backtesting.py"):
            program = PEERS / f"{peer.removesuffix('.py')}_peer.py"
            seconds, told = whole_process([str(python), str(program), str(path), str(CASH), str(UNITS)])
            assert (told["fills"], round(told["equity"], 2)) == expected, (peer, told, expected)
            if peer in taken:
                taken[peer].append(seconds)
            else:
                rates[peer].append(told["events_per_s"])
    print(
        f"process: ours {statistics.median(taken['ours']):.2f} s, vectorbt {statistics.median(taken['vectorbt']):.2f} s"
    )
    print(f"process / vectorbt: {ratio(taken, 'ours', 'vectorbt')}; goal at most {GOALS['process / vectorbt']}")
    print(f"rate / backtesting.py: {ratio(rates, 'ours', 'backtesting.py')}; goal at least 5")


def show_memory(rows: int, folder: Path) -> None:
    """Stream a large file, and give the peak of the process."""
    import pyarrow as pa
    from pyarrow import parquet

    path = folder / "large.parquet"
    chunk = 1_000_000
    bars = columns(chunk)
    schema = pa.schema([("timestamp", pa.timestamp("ns", tz="UTC")), ("close", pa.float64())])
    with parquet.ParquetWriter(path, schema) as writer:
        for number in range(math.ceil(rows / chunk)):
            times = [
                ts + number * chunk * MINUTE // 60 for ts in range(BEGIN, BEGIN + chunk * MINUTE // 60, MINUTE // 60)
            ]
            writer.write_table(pa.table([pa.array(times, schema.field(0).type), bars["close"]], schema=schema))
    command = [*our_command(path), "--portfolio", "naive", "--algo", "buy-and-hold"]
    command = [word for word in command if word not in ("--param", f"units={UNITS}")]
    program = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)"
    )
    done = subprocess.run([sys.executable, "-c", program, *command], capture_output=True, text=True, check=True)
    told, peak = done.stdout.splitlines()
    print(f"memory: {json.loads(told)['events']:,} rows, peak {peak} MB; goal under 400 MB")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=BARS)
    parser.add_argument("--peers", action="store_true", help="compare with vectorbt and backtesting.py")
    parser.add_argument("--memory", action="store_true", help="stream a large file")
    parser.add_argument("--rows", type=int, default=50_000_000, help="of the large file")
    chosen = parser.parse_args()
    bars = columns(chosen.bars)
    expected = floor(bars)
    recipe, silent = composition(), composition(Silent)
    got = ours(bars, recipe)
    assert got == expected, f"ours {got}, by hand {expected}"
    print(f"{chosen.bars:,} bars, {expected[0]:,} fills, final equity {expected[1]:,.2f} on both ways")
    taken = in_turns(floor=lambda: floor(bars), ours=lambda: ours(bars, recipe))
    for name, seconds in taken.items():
        print(f"{name}: {chosen.bars / statistics.median(seconds):,.0f} bars/s")
    print(f"ours / floor: {ratio(taken, 'floor', 'ours')}; goal at least {GOALS['ours / floor']}")
    taken = in_turns(quiet=lambda: ours(bars, silent), direct=lambda: direct(bars))
    print(f"no signal, with the strategy / called directly: {ratio(taken, 'quiet', 'direct')}; goal at most 1.5")
    with tempfile.TemporaryDirectory() as name:
        if chosen.peers:
            path = Path(name) / "X.parquet"
            write_parquet(bars, path)
            show_peers(path, expected)
        if chosen.memory:
            show_memory(chosen.rows, Path(name))


if __name__ == "__main__":
    main()
