"""Random markets that nobody can beat.

A price moves by one tick a step, up or down alike, so that within a bar every price between its low and its high was
traded; between bars it may jump, up or down alike. Whatever is known before a step, its price is expected to stay: who
buys and sells at prices that were traded after the decision gains nothing on average.
"""

from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

HOUR = 3600 * 10**9
TICK = 1.0
BEGIN = 19_000 * 24 * HOUR
"""Midnight UTC of a day of 2022."""

Event = dict[str, Any]


class Walk:
    """The price of one symbol."""

    def __init__(self, random: Random, price: int = 10_000) -> None:
        self.price = price
        self._random = random

    def bar(self, steps: int, jump: int, drift: list[int] | None = None) -> tuple[float, float, float, float]:
        """Give the open, high, low and close of so many steps after a jump; ``drift`` are steps made elsewhere."""
        self.price += self._random.choice((-1, 1)) * self._random.randint(0, jump)
        path = [self.price]
        for step in drift if drift is not None else self.steps(steps):
            path.append(path[-1] + step)
        self.price = path[-1]
        return float(path[0]), float(max(path)), float(min(path)), float(path[-1])

    def steps(self, count: int) -> list[int]:
        """Draw steps."""
        return [self._random.choice((-1, 1)) for _ in range(count)]


class Bars(NamedTuple):
    """Hourly bars of symbols that move alike, each hour's in the order of the names."""

    sids: tuple[str, ...] = ("A", "B")
    hours: int = 40
    steps: int = 60
    jump: int = 5

    def events(self, seed: int) -> Iterator[Event]:
        """Give the bars of a market."""
        random = Random(seed)
        walks = {sid: Walk(random) for sid in self.sids}
        for hour in range(1, self.hours + 1):
            common = next(iter(walks.values())).steps(self.steps)
            for sid, walk in walks.items():
                yield bar(sid, hour, *walk.bar(self.steps, self.jump, common))


def bar(sid: str, hour: int, opened: float, high: float, low: float, close: float, **more: Any) -> Event:
    """Give the bar that ends after so many hours."""
    ts = BEGIN + hour * HOUR
    prices = {"open": opened, "high": high, "low": low, "quote": close}
    return {"channel": "quotes", "sid": sid, "start": ts - HOUR, "ts": ts, "volume": 1000, **prices, **more}


def tick(sid: str, ts: int, price: float, **more: Any) -> Event:
    """Give a quote."""
    return {"channel": "quotes", "sid": sid, "quote": price, "ts": ts, **more}


def mixed(seed: int) -> Iterator[Event]:
    """Give hourly quotes of a symbol and, after those of a day, the day's bar of the same symbol."""
    random = Random(seed)
    walk = Walk(random)
    for day in range(12):
        path = []
        for hour in range(1, 25):
            walk.bar(30, 3)
            path.append(float(walk.price))
            yield tick("A", BEGIN + (day * 24 + hour) * HOUR - 1, path[-1])
        yield {**bar("A", (day + 1) * 24, path[0], max(path), min(path), path[-1]), "start": BEGIN + day * 24 * HOUR}


def late(seed: int) -> Iterator[Event]:
    """Give quotes of A in time, and those of B, which moves alike, half an hour after their time."""
    random = Random(seed)
    one, other = Walk(random), Walk(random)
    for hour in range(1, 60):
        common = one.steps(40)
        one.bar(40, 2, common)
        yield tick("A", BEGIN + hour * HOUR, float(one.price))
        yield tick("B", BEGIN + hour * HOUR - HOUR // 2, float(other.price))
        other.bar(40, 2, common)


def doubled(seed: int) -> Iterator[Event]:
    """Give each bar of a symbol twice."""
    for event in Bars(("A",)).events(seed):
        yield event
        yield dict(event)


def lagging(seed: int) -> Iterator[Event]:
    """Give hourly bars of A, and of B, which moves alike, quotes an instant after them."""
    random = Random(seed)
    one, other = Walk(random), Walk(random)
    for hour in range(1, 60):
        common = one.steps(40)
        yield bar("A", hour, *one.bar(40, 2, common))
        other.bar(40, 2, common)
        yield tick("B", BEGIN + hour * HOUR + 1, float(other.price))


def belated(seed: int) -> Iterator[Event]:
    """Give bars of A in time, and those of B, which moves alike, after the next bar of A."""
    waiting: list[Event] = []
    for event in Bars(hours=60).events(seed):
        if event["sid"] == "B":
            waiting.append(event)
        else:
            yield event
            yield from waiting
            waiting.clear()


def under_way(seed: int) -> Iterator[Event]:
    """Give quotes of A every ten minutes, and hourly bars of B, which moves alike."""
    random = Random(seed)
    one, other = Walk(random), Walk(random)
    for hour in range(1, 60):
        common: list[int] = []
        for part in range(6):
            steps = one.steps(10)
            one.bar(10, 0, steps)
            common += steps
            yield tick("A", BEGIN + (hour - 1) * HOUR + (part + 1) * HOUR // 6 - (part == 5), float(one.price))
        yield bar("B", hour, *other.bar(60, 2, common))


def spread(seed: int) -> Iterator[Event]:
    """Give quotes of a symbol with its bid and ask."""
    random = Random(seed)
    walk = Walk(random)
    for minute in range(1, 60):
        walk.bar(4, 1)
        price = float(walk.price)
        yield tick("A", BEGIN + minute * HOUR // 60, price, bid=price - 2, ask=price + 2)


def splitting(seed: int) -> Iterator[Event]:
    """Give hourly quotes of a symbol that is split in two every tenth hour, and put together again after five."""
    random = Random(seed)
    walk = Walk(random)
    for hour in range(1, 80):
        walk.bar(20, 2)
        halved = hour % 10 > 5
        ts = BEGIN + hour * HOUR
        yield tick("A", ts, float(walk.price) / (2 if halved else 1))
        if hour % 10 in (0, 5) and hour > 1:
            yield {
                "channel": "actions",
                "sid": "A",
                "action": "split",
                "ratio": "2:1" if hour % 10 else "1:2",
                "ts": ts + 1,
            }


def paying(seed: int) -> Iterator[Event]:
    """Give hourly quotes of a symbol that pays a dividend every tenth hour, by which its price falls."""
    random = Random(seed)
    walk = Walk(random)
    for hour in range(1, 80):
        walk.bar(20, 2)
        ts = BEGIN + hour * HOUR
        yield tick("A", ts, float(walk.price))
        if hour % 10 == 5:
            yield {"channel": "actions", "sid": "A", "action": "dividend", "amount": "50", "ts": ts + 1}
            walk.price -= 50
