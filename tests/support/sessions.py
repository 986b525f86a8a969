"""Sessions of one small algorithm, and items to deliver to them."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from intuition_core import Signal
from intuition_core.session.batch import Delivery
from intuition_core.session.batch_run import Item
from intuition_core.session.journal import MEMORY, Journal
from intuition_core.session.session import Session
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.naive import Naive


class Turns:
    """Buys on every third event of a symbol, sells on every seventh; keeps its counts."""

    def initialize(self, params: Any) -> None:
        self.counts: dict[str, int] = {}

    def event(self, data: dict[str, Any]) -> Signal | None:
        count = self.counts[data["sid"]] = self.counts.get(data["sid"], 0) + 1
        if count % 7 == 0:
            return Signal(data["sid"], "sell", data["quote"])
        return Signal(data["sid"], "buy", data["quote"]) if count % 3 == 0 else None

    def snapshot(self) -> Any:
        return self.counts

    def restore(self, state: Any) -> None:
        self.counts = dict(state)


class Forgetful(Turns):
    """The same, but keeps no snapshot: it is rebuilt by replay."""

    snapshot = restore = None  # type: ignore[assignment]  # taken away


def builder(algorithm: type = Turns) -> Callable[[], TradingEngine]:
    composition = Composition(
        sleeves=(
            Sleeve(
                algorithm=Part(kind="algorithm", name="turns", factory=algorithm, params={}),
                portfolio=Part(kind="portfolio", name="naive", factory=Naive, params=Naive.Params(max_fraction=0.2)),
            ),
        ),
        seed=11,
    )
    return lambda: TradingEngine(composition, run="test.1")


def quote(n: int, price: float | None = None) -> dict[str, Any]:
    return {"channel": "quotes", "sid": "AB"[n % 2], "quote": price or 10.0 + n % 13, "ts": n}


def item(n: int, *, key: str | None = None, content: bytes = b"x") -> Item:
    return Item([quote(n)], key, content, Delivery(key, n, "quotes", "x") if key else None)


def session_of(path: Path | str, algorithm: type = Turns) -> Session:
    session = Session(builder(algorithm), journal=Journal(path), name="test")
    session.recover()
    return session


def uninterrupted(count: int) -> list[Any]:
    with closing(session_of(MEMORY)) as session:
        return [session.deliver([item(n)])[0] for n in range(count)]
