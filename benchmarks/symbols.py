"""What many symbols cost, as ratios in one run: events a second over 1, 1,000 and 10,000 symbols.

Each run has the same number of events, quotes of the symbols by turns, and the same work for each: SMA(10)/SMA(30)
crossings of each symbol by itself, 100 units a crossing. ``limits`` adds a drawdown and an exposure limit, wide enough
to refuse nothing; the same decisions.

Parts that take turns share the noise of the machine; figures are medians of three. Run ``python benchmarks/symbols.py
[--events N]``.
"""

import argparse
import random
import statistics
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import intuition_risk
import msgspec
from intuition_algorithms import SmaCross
from intuition_portfolio_fixed import Fixed

from intuition_core.backtest.run import Backtest
from intuition_core.trading.composition import Composition, Part, Sleeve

EVENTS: Final = 1_000_000
SYMBOLS: Final = (1, 1_000, 10_000)
BATCH: Final = 512
ROUNDS: Final = 3
BEGIN: Final = 1_700_000_000_000_000_000
SECOND: Final = 1_000_000_000
LIMITS: Final[dict[str, dict[str, Any]]] = {
    "Drawdown": {"peak": 0.99, "kill": True},
    "Exposure": {"gross": 100.0},
}


def batches(symbols: int, count: int) -> Iterator[list[dict[str, Any]]]:
    """Give quotes of the symbols by turns, each a walk in cents of its own; one moment is one quote of each."""
    rng = random.Random(1)
    prices = [100_00] * symbols
    names = [f"S{number}" for number in range(symbols)]
    batch: list[dict[str, Any]] = []
    for number in range(count):
        place = number % symbols
        prices[place] = max(100, prices[place] + rng.randrange(-5, 6))
        ts = BEGIN + number // symbols * SECOND
        batch.append({"channel": "quotes", "sid": names[place], "ts": ts, "quote": prices[place] / 100})
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def composition(*, limits: bool = False) -> Composition:
    """Give the workload's recipe, with cash for all symbols at once."""
    line = Sleeve(
        algorithm=Part(kind="algorithm", name="sma-cross", factory=SmaCross, params=SmaCross.Params()),
        portfolio=Part(kind="portfolio", name="fixed", factory=Fixed, params=Fixed.Params(units=Decimal(100))),
    )
    risks = tuple(
        Part(kind="risk", name=name, factory=limit, params=msgspec.convert(params, limit.Params))
        for name, limit, params in ((name, getattr(intuition_risk, name), params) for name, params in LIMITS.items())
    )
    return Composition(sleeves=(line,), risks=risks if limits else (), seed=0, cash=Decimal(10**12))


def run(events: list[list[dict[str, Any]]], recipe: Composition) -> tuple[float, Backtest]:
    """Run events, and give the seconds of the process that it took, and the backtest."""
    backtest = Backtest(recipe)
    began = time.process_time()
    for number, batch in enumerate(events, 1):
        backtest.take(batch, part=number / len(events))
    return time.process_time() - began, backtest


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    count = parser.parse_args().events
    taken: dict[tuple[int, bool], list[float]] = {}
    histories = {symbols: list(batches(symbols, count)) for symbols in SYMBOLS}
    for _ in range(ROUNDS):
        for symbols, events in histories.items():
            told = {}
            for limits in (False, True):
                seconds, backtest = run(events, composition(limits=limits))
                taken.setdefault((symbols, limits), []).append(seconds)
                told[limits] = backtest.decisions_sha256
            assert told[False] == told[True], "the limits change what is decided"
    medians = {key: statistics.median(seconds) for key, seconds in taken.items()}
    for symbols in SYMBOLS:
        rate = medians[1, False] / medians[symbols, False]
        limited = medians[symbols, True] / medians[symbols, False]
        seconds = medians[symbols, False]
        print(
            f"{symbols:,} symbols: {count / seconds:,.0f} events/s, {rate:.2f} x one; two limits {limited:.2f} x none"
        )


if __name__ == "__main__":
    main()
