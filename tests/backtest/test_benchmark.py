"""The benchmark of a run, and to which day an event is counted: what who holds all along comes to."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.account.instruments import Instrument
from intuition_core.backtest.run import Backtest
from intuition_core.contracts import Bet, Data, Signal
from intuition_core.history import History
from intuition_core.trading.composition import Composition, Part, Sleeve

HOUR = 3_600 * 10**9
DAY = 24 * HOUR
FRIDAY = 1_704_412_800 * 10**9  # 2024-01-05, 00:00 UTC

Event = dict[str, Any]


class Holder:
    """Buys each symbol at its first quote at which that can be done, with an equal part of the cash."""

    def initialize(self, params: Any) -> None:
        self._bought: set[str] = set()

    def event(self, data: Data) -> Signal | None:
        if data["sid"] in self._bought or data["quote"] <= 0 or not data.get("known", True):
            return None
        self._bought.add(data["sid"])
        return Signal(data["sid"], "buy", data["quote"])


class Silent:
    def event(self, data: Data) -> None:
        """Never signal."""


class Equal:
    def initialize(self, params: Any) -> None:
        self._cash = Decimal(params["cash"])

    def optimize(self, signal: Signal, account: Any) -> Bet:
        return Bet(cash=self._cash)


def composition(algorithm: Any, cash: str = "10000", **more: Any) -> Composition:
    return Composition(
        sleeves=(
            Sleeve(
                algorithm=Part(kind="algorithm", name="a", factory=algorithm, params={}),
                portfolio=Part(kind="portfolio", name="p", factory=Equal, params={"cash": cash}),
            ),
        ),
        seed=1,
        cash=Decimal(10_000),
        fill="same",
        step=Decimal("1e-12"),
        **more,
    )


def quote(sid: str, price: float, ts: int, **more: Any) -> Event:
    return {"channel": "quotes", "sid": sid, "quote": price, "ts": ts, **more}


def rate(pair: str, price: float, ts: int) -> Event:
    return {"channel": "rates", "sid": pair, "quote": price, "ts": ts}


def dividend(sid: str, amount: str, ts: int) -> Event:
    return {"channel": "actions", "sid": sid, "action": "dividend", "amount": amount, "ts": ts}


def split(sid: str, ratio: str, ts: int) -> Event:
    return {"channel": "actions", "sid": sid, "action": "split", "ratio": ratio, "ts": ts}


def run(recipe: Composition, events: Sequence[Event], *, benchmark: str | None = None, size: int = 100) -> History:
    backtest = Backtest(recipe, benchmark=benchmark)
    for n in range(0, len(events), size):
        backtest.take(events[n : n + size])
    return backtest.finish(source="a story")


USD = {"currency": "EUR", "instruments": (Instrument(symbol="X", currency="USD"),)}
MULTIPLIED = {"currency": "EUR", "instruments": (Instrument(symbol="X", currency="USD", multiplier=Decimal(50)),)}

STORIES: dict[str, tuple[dict[str, Any], list[Event], float]] = {
    "a currency that loses": (
        USD,
        [rate("EUR/USD", 1.0, 0), quote("X", 100, 1), rate("EUR/USD", 1.25, DAY), quote("X", 100, 2 * DAY)],
        0.8,
    ),
    "a rate after the last quote": (
        USD,
        [rate("EUR/USD", 1.0, 0), quote("X", 100, 1), quote("X", 100, DAY), rate("EUR/USD", 1.25, 2 * DAY)],
        0.8,
    ),
    "a rate that comes late": (
        USD,
        [
            quote("X", 50, 1, known=False),
            rate("EUR/USD", 2.0, 2),
            quote("X", 100, DAY),
            rate("EUR/USD", 1.0, 2 * DAY),
            quote("X", 110, 3 * DAY),
        ],
        2.2,
    ),
    "a dividend": ({}, [quote("X", 100, 0), dividend("X", "10", DAY), quote("X", 90, DAY + 1)], 1.0),
    "dividends and a split": (
        {},
        [
            quote("X", 100, 0),
            dividend("X", "10", 1),
            quote("X", 90, 2),
            split("X", "3:1", DAY),
            quote("X", 30, DAY + 1),
            dividend("X", "3", 2 * DAY),
            quote("X", 27, 2 * DAY + 1),
        ],
        1.0,
    ),
    "a split and a dividend between two quotes": (
        {},
        [quote("X", 100, 0), split("X", "2:1", 1), dividend("X", "5", 2), split("X", "1:2", 3), quote("X", 90, 4)],
        1.0,
    ),
    "a split before the first quote": (
        {},
        [split("X", "2:1", 0), dividend("X", "1", 1), quote("X", 100, 2), quote("X", 120, DAY)],
        1.2,
    ),
    "a dividend in another currency": (
        USD,
        [
            rate("EUR/USD", 2.0, 0),
            quote("X", 100, 1),
            dividend("X", "10", 2),
            quote("X", 90, 3),
            rate("EUR/USD", 1.0, DAY),
            quote("X", 90, DAY),
        ],
        1.9,
    ),
    "a dividend of what has a multiplier": (
        MULTIPLIED,
        [rate("EUR/USD", 2.0, 0), quote("X", 2, 1), dividend("X", "10", 2), quote("X", 1.8, 3)],
        1.0,
    ),
    "no price to begin with": (
        {"instruments": ()},
        [quote("X", 0.0, 0), quote("X", -5.0, 1), quote("X", 10.0, 2), quote("X", 11.0, DAY)],
        1.1,
    ),
    "an action that cannot be read": (
        {},
        [quote("X", 100, 0), {**dividend("X", "much", 1)}, {**split("X", "0.5", 2)}, quote("X", 90, 3)],
        0.9,
    ),
    "an action of another symbol": ({}, [quote("X", 100, 0), dividend("Y", "10", 1), quote("X", 90, 3)], 0.9),
}


@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("size", [1, 2, 100])
def test_the_benchmark_is_what_who_holds_has(name: str, size: int) -> None:
    more, events, grown = STORIES[name]
    for recipe in (composition(Holder, **more), composition(Silent, **more)):
        history = run(recipe, events, size=size)
        assert history.days[-1].benchmark == pytest.approx(grown)
        assert history.slices[-1].benchmark == pytest.approx(grown)
        assert run(recipe, events, benchmark="X").days[-1].benchmark == pytest.approx(grown)
    held = run(composition(Holder, **more), events, size=size)
    assert float(held.equity) / 10_000 == pytest.approx(grown)


def test_a_benchmark_that_is_not_quoted_stays_what_it_was() -> None:
    history = run(composition(Silent), [quote("X", 100, 0), quote("X", 90, DAY)], benchmark="Y")
    assert [day.benchmark for day in history.days] == [1.0, 1.0]


moves = st.lists(
    st.tuples(
        st.sampled_from("XYZ"),
        st.sampled_from(["quote"] * 6 + ["split", "dividend", "rate"]),
        st.integers(1, 400),
        st.integers(1, 40),
    ),
    min_size=3,
    max_size=60,
)


@given(moves=moves, size=st.integers(1, 20))
def test_who_buys_equal_amounts_and_holds_has_the_benchmark(moves: list[tuple[str, str, int, int]], size: int) -> None:
    table = (Instrument(symbol="X", currency="USD"), Instrument(symbol="Y", currency="JPY", multiplier=Decimal(5)))
    events: list[Event] = [rate("EUR/USD", 1.1, 0), rate("EUR/JPY", 150.0, 0)]
    ts = 0
    for sid, kind, number, hours in moves:
        ts += hours * HOUR
        if kind == "quote":
            events.append(quote(sid, number / 4, ts))
        elif kind == "split":
            events += [split(sid, f"{1 + number % 5}:{1 + hours % 3}", ts), quote(sid, number / 4, ts)]
        elif kind == "dividend":
            events += [dividend(sid, str(number / 100), ts), quote(sid, number / 4, ts)]
        else:
            events.append(rate("EUR/USD" if number % 2 else "EUR/JPY", number / 100, ts))
    symbols = {event["sid"] for event in events if event["channel"] == "quotes"}
    if not symbols:
        return
    cash = str(Decimal(10_000) / len(symbols))
    history = run(composition(Holder, cash, currency="EUR", instruments=table), events, size=size)
    for day in history.days:
        assert day.benchmark == pytest.approx(day.equity / 10_000, rel=1e-8)


# -- days


def dates(history: History) -> list[tuple[str, bool]]:
    return [(f"{datetime.fromtimestamp(day.ts // 10**9, UTC):%m-%d}", day.quoted) for day in history.days]


def test_a_day_without_quotes_is_no_session() -> None:
    events = [quote("X", 100, FRIDAY), dividend("X", "1", FRIDAY + DAY), rate("EUR/USD", 1.0, FRIDAY + 2 * DAY)]
    events += [quote("X", 100, FRIDAY + 3 * DAY)]
    for algorithm in (Holder, Silent):
        for more in ({}, USD):
            if algorithm is Holder and more:
                continue
            found = dates(run(composition(algorithm, **more), events))
            assert found == [("01-05", True), ("01-06", False), ("01-07", False), ("01-08", True)]


@pytest.mark.parametrize(
    ("bars", "days"),
    [
        # Four hours each, stamped when they close: the last of a day is stamped 00:00.
        ([(hour, hour + 4) for hour in range(0, 72, 4)], ["01-05", "01-06", "01-07"]),
        # Whole days, stamped at midnight, and a nanosecond before it.
        ([(0, 24), (24, 48), (48, 72)], ["01-05", "01-06", "01-07"]),
        ([(0, 24 - 1e-9), (24, 48 - 1e-9)], ["01-05", "01-06"]),
        # Whole days of a zone five hours behind.
        ([(5, 29 - 1e-9), (29, 53 - 1e-9), (53, 77 - 1e-9)], ["01-05", "01-06", "01-07"]),
        # Without a beginning, midnight is of the day that it begins.
        ([(None, 0), (None, 24), (None, 48)], ["01-05", "01-06", "01-07"]),
        # A longer bar that ends later is no reason to go back.
        ([(24, 25), (0, 26), (25, 48), (None, 49)], ["01-06", "01-07"]),
        # Nonsense is counted as what it is known.
        ([(9, 5), (30, 29)], ["01-05", "01-06"]),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_bar_is_counted_to_the_day_on_which_it_began(
    bars: list[tuple[float | None, float]], days: list[str], size: int
) -> None:
    events = []
    for start, end in bars:
        more = {} if start is None else {"start": FRIDAY + round(start * HOUR)}
        events += [quote(sid, 100, FRIDAY + round(end * HOUR), **more) for sid in "XY"]
    history = run(composition(Silent), events, size=size)
    assert dates(history) == [(day, True) for day in days]
    assert history.last_ts == events[-1]["ts"]
