"""What many symbols cost, as ratios in one run: events a second over 1, 1,000 and 10,000 symbols.

Each run has the same number of events, quotes of the symbols by turns, and the same work for each: SMA(10)/SMA(30)
crossings of each symbol by itself, 100 units a crossing. ``limits`` adds a drawdown and an exposure limit, wide enough
to refuse nothing; the same decisions.

Parts that take turns share the noise of the machine; figures are medians of three. Run ``python benchmarks/symbols.py
[--events N]``.

``--served`` measures sessions with 1 and with 5,000 positions instead: events a second over RPC in batches, one event
in ten an order with its fill, and, where mosquitto is installed, the bytes a fill that a connector publishes of fills
and of the account.
"""

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import intuition_risk
import msgspec
import soak
from intuition_algorithms import SmaCross
from intuition_connector_mqtt.address import Address
from intuition_connector_mqtt.broker import find_mosquitto, mosquitto_config
from intuition_connector_mqtt.publisher import Publisher
from intuition_portfolio_fixed import Fixed
from paho.mqtt.client import Client as Paho
from paho.mqtt.client import MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from intuition_core.backtest.run import Backtest
from intuition_core.rpc.client import Client
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

POSITIONS: Final = (1, 5_000)
SERVED_BATCH: Final = 500
SERVED_BATCHES: Final = 30
PUBLISHED_FILLS: Final = 1_000
PARTS: Final = """
from intuition_core import Bet, Signal

class Holder:
    \"\"\"Buys ten of each symbol at its first quote, then buys and sells one by turns, at every tenth event.\"\"\"

    def initialize(self, params):
        self.held = set()
        self.seen = 0

    def event(self, data):
        if data["sid"] not in self.held:
            self.held.add(data["sid"])
            return Signal(data["sid"], "buy", data["quote"], mean=10.0)
        self.seen += 1
        if self.seen % 10:
            return None
        return Signal(data["sid"], "buy" if self.seen % 20 else "sell", data["quote"], mean=1.0)

    def snapshot(self):
        return [sorted(self.held), self.seen]

    def restore(self, state):
        self.held, self.seen = set(state[0]), state[1]

class Sized:
    def optimize(self, signal, account):
        return Bet(units=signal.mean)

    def release(self, signal, account):
        return Bet(units=signal.mean)
"""


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


class Served:
    """A session of ``intuition serve`` with a journal, in processes of its own.

    Args:
        positions: how many symbols it is to hold.
        stack: ends it.
    """

    def __init__(self, positions: int, stack: ExitStack) -> None:
        self.positions = positions
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.address = f"tcp://127.0.0.1:{soak.free_port()}"
        self._stack = stack
        self._sent = 0
        (self.folder / "parts.py").write_text(PARTS)
        parts = ("--algo", "parts.py:Holder", "--portfolio", "parts.py:Sized", "--cash", "1000000000000")
        kept = ("--session", "held", "--journal", "held.sqlite", "--seed", "1", "--addr", self.address)
        self.start(sys.executable, "-m", "intuition_core", "serve", *parts, *kept)
        soak.wait_for(lambda: soak.last_seq(self.address) == 0, "the session")
        self.client = stack.enter_context(Client(self.address, timeout=60))
        for _ in range(0, 2 * positions + SERVED_BATCH, SERVED_BATCH):
            self.call(self.batch())

    def start(self, *command: str) -> None:
        """Start a process in the session's folder."""
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=log, env=os.environ)
        self._stack.callback(lambda: (process.terminate(), process.wait(20)))

    def batch(self) -> list[dict[str, Any]]:
        """Return the next quotes, of the symbols by turns."""
        first = self._sent
        self._sent += SERVED_BATCH
        return [
            {"sid": f"S{number % self.positions}", "quote": 100 + number % 7 / 4}
            for number in range(first, first + SERVED_BATCH)
        ]

    def call(self, batch: list[dict[str, Any]]) -> int:
        """Send a batch and return the number of its fills."""
        entries = self.client.call("events", batch)
        return sum(record["type"] == "fill" for entry in entries for record in entry)

    def rate(self) -> float:
        """Return the events a second over some batches."""
        made = [self.batch() for _ in range(SERVED_BATCHES)]
        began = time.perf_counter()
        for batch in made:
            self.call(batch)
        return SERVED_BATCH * SERVED_BATCHES / (time.perf_counter() - began)

    def published(self, program: str) -> dict[str, float]:
        """Have a connector publish what quotes from MQTT lead to; return the bytes a fill, by topic, and the fills."""
        port = soak.free_port()
        (self.folder / "mosquitto.conf").write_text(mosquitto_config(port, None))
        self.start(program, "-c", "mosquitto.conf")
        rpc = ("--mqtt", f"mqtt://127.0.0.1:{port}", "--rpc", self.address)
        soak.wait_for(lambda: soak.listens(port), "mosquitto")
        size: Counter[str] = Counter()
        count: Counter[str] = Counter()
        watch = Paho(CallbackAPIVersion.VERSION2, protocol=MQTTv5)

        def on_message(_client: object, _data: object, message: Any) -> None:
            topic = message.topic.rpartition("/")[2]
            size[topic] += len(message.payload)
            count[topic] += 1

        watch.on_message = on_message
        watch.connect("127.0.0.1", port)
        watch.subscribe("intuition/1/held/#", 1)
        watch.loop_start()
        self._stack.callback(watch.loop_stop)
        self.start(sys.executable, "-m", "intuition_core", "connect", *rpc)
        soak.wait_for(lambda: "connected to the broker" in (self.folder / "log").read_text(), "the connector")
        began = time.monotonic()
        with Publisher(Address("127.0.0.1", port)) as publisher:
            while count["fills"] < PUBLISHED_FILLS and time.monotonic() - began < 60:
                for quote in self.batch()[:100]:
                    publisher.publish(f"quotes/{quote['sid']}", b'{"quote":%f}' % quote["quote"])
                time.sleep(0.05)
        seconds = time.monotonic() - began
        fills = max(count["fills"], 1)
        return {
            "fills": size["fills"] / fills,
            "account": size["portfolio"] / fills,
            "accounts": count["portfolio"],
            "an account": size["portfolio"] / max(count["portfolio"], 1),
            "fills a second": fills / seconds,
        }


def served() -> None:
    """Print the figures of sessions."""
    with ExitStack() as stack:
        sessions = [Served(positions, stack) for positions in POSITIONS]
        rates: dict[int, list[float]] = {positions: [] for positions in POSITIONS}
        for _ in range(ROUNDS):
            for session in sessions:
                rates[session.positions].append(session.rate())
        one = statistics.median(rates[POSITIONS[0]])
        for session in sessions:
            rate = statistics.median(rates[session.positions])
            print(f"{session.positions:,} positions: {rate:,.0f} events/s over RPC, {rate / one:.2f} x one", flush=True)
        program = find_mosquitto()
        for session in sessions if program is not None else ():
            told = session.published(str(program))
            print(
                f"{session.positions:,} positions: a fill publishes {told['fills']:,.0f} bytes, and its part of the "
                f"account's {told['account']:,.0f}, at {told['fills a second']:,.0f} fills/s; the account "
                f"{told['accounts']:,.0f} times, {told['an account']:,.0f} bytes each"
            )


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS)
    parser.add_argument("--served", action="store_true")
    given = parser.parse_args()
    if given.served:
        served()
        return
    count = given.events
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
