"""What a backtest keeps in memory: bytes for each event, and for each fill, as slopes between two numbers of events.

Each run is a process of its own that makes its events as it goes, so that no history is held; its figure is the most
memory that was resident until its result was there. ``event`` is the slope over runs that decide nothing, ``fill`` that
over runs in which every eighth event is an order with its fill, less the events. Goals: 0 and at most 400 bytes. Run
``python benchmarks/memory.py [--events N]``.
"""

import argparse
import random
import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from intuition_core import Bet, Signal

EVENTS: Final = 2_000_000
"""Those of the larger run; the smaller one has a quarter."""
ROUNDS: Final = 3
BATCH: Final = 512
ONE_IN: Final = 8
BEGIN: Final = 1_700_000_000_000_000_000
SECOND: Final = 1_000_000_000
GOALS: Final = {"event": 1, "fill": 400}


class Turns:
    """An algorithm that buys and sells by turns, at every eighth event; never where told not to trade."""

    def initialize(self, params: Mapping[str, Any]) -> None:
        """Begin."""
        self.trading = params["trading"]
        self.seen = 0

    def event(self, data: Mapping[str, Any]) -> Signal | None:
        """Count, and answer every eighth event."""
        self.seen += 1
        if not self.trading or self.seen % ONE_IN:
            return None
        return Signal(data["sid"], "buy" if self.seen // ONE_IN % 2 else "sell", data["quote"])


class Hundred:
    """A portfolio of a hundred units."""

    def optimize(self, _signal: Signal, _account: object) -> Bet:
        """Return the same bet each time."""
        return Bet(units=100)


def batches(count: int) -> Iterator[list[dict[str, Any]]]:
    """Yield quotes of one symbol, a walk in cents."""
    rng = random.Random(1)
    cents = 10_000
    for first in range(0, count, BATCH):
        batch = []
        for number in range(first, min(first + BATCH, count)):
            cents = max(1_000, cents + rng.randrange(-5, 6))
            batch.append({"channel": "quotes", "sid": "S", "ts": BEGIN + number * SECOND, "quote": cents / 100})
        yield batch


def run(count: int, *, trading: bool) -> tuple[int, int]:
    """Run a backtest; return its fills, and the most bytes that were resident."""
    from decimal import Decimal

    from intuition_core.backtest.run import Backtest
    from intuition_core.trading.composition import Composition, Part, Sleeve

    sleeve = Sleeve(
        algorithm=Part(kind="algorithm", name="turns", factory=Turns, params={"trading": trading}),
        portfolio=Part(kind="portfolio", name="hundred", factory=Hundred, params={}),
    )
    backtest = Backtest(Composition(sleeves=(sleeve,), seed=0, cash=Decimal(10**9)))
    for number, batch in enumerate(batches(count), 1):
        backtest.take(batch, part=min(1.0, number * BATCH / count))
    history = backtest.finish(source="walk", complete=True)
    return history.counts.get("fill", 0), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measured(count: int, *, trading: bool) -> tuple[int, int]:
    """Return what `run` gives in a process of its own."""
    command = [sys.executable, __file__, "--one", str(count), *(["--trading"] if trading else [])]
    fills, resident = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(fills), int(resident)


def slopes(events: int) -> dict[str, float]:
    """Return the bytes an event and a fill, each between a quarter of the events and all of them."""
    sizes = (events // 4, events)
    silent = [measured(count, trading=False)[1] for count in sizes]
    (few, small), (many, large) = (measured(count, trading=True) for count in sizes)
    event = (silent[1] - silent[0]) / (sizes[1] - sizes[0])
    return {"event": event, "fill": (large - small - (silent[1] - silent[0])) / (many - few)}


def main() -> None:
    """Print the figures, or run one size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--trading", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        print(*run(given.one, trading=given.trading))
        return
    rounds = [slopes(given.events) for _ in range(ROUNDS)]
    for name, goal in GOALS.items():
        figure = statistics.median(each[name] for each in rounds)
        print(f"{figure:,.1f} bytes a{'n' if name == 'event' else ''} {name} (goal: at most {goal})")


if __name__ == "__main__":
    main()
