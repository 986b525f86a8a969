import logging
import random
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from importlib.metadata import entry_points
from random import Random
from typing import Any

import intuition_indicators
import msgpack
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_indicators import Rsi, Sma, Vwap
from intuition_indicators.indicator import Indicator

from intuition_core.contracts import Context, Message
from intuition_core.errors import BadParameter
from intuition_core.params.checking import check_params
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine

Numbers = Sequence[float]
DAY = 86_400_000_000_000


def indicator(name: str, **params: object) -> Any:
    (found,) = entry_points(group="intuition.v1.indicator", name=name)
    factory = found.load()
    part = factory()
    context = Context(name=name, rng=Random(1), account=None, log=logging.getLogger(name))  # type: ignore[arg-type]  # nobody looks at it
    part.initialize(check_params(f"indicator {name}", factory, params), context)
    return part


def bars(count: int, seed: int = 7) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    price, events = 100.0, []
    for ts in range(count):
        price = round(max(5.0, price + rng.gauss(0, 1)), 2)
        high, low = round(price + rng.random(), 2), round(price - rng.random(), 2)
        bar = {"quote": price, "close": price, "open": price, "high": high, "low": low, "volume": rng.randint(0, 50)}
        events.append({"channel": "quotes", "sid": "GOOG", "ts": ts, **bar})
    return events


def said(part: Any, events: Iterable[dict[str, Any]]) -> list[dict[str, float] | None]:
    """Give what an indicator says at each event, without the symbol."""
    messages = [part.event(event) for event in events]
    for message in messages:
        assert message is None or message.data["sid"] == "GOOG"
    return [
        None if message is None else {key: value for key, value in message.data.items() if key != "sid"}
        for message in messages
    ]


# The oracle: each value recomputed from the arrays, whole windows and whole pasts


def windows(values: Numbers, window: int, of: Callable[[Any], float]) -> list[float | None]:
    array = np.array(values)
    return [None if n < window else float(of(array[n - window : n])) for n in range(1, len(array) + 1)]


def recursive(values: Numbers, window: int, weight: float) -> list[float | None]:
    """Average exponentially, beginning with the mean of the first window."""
    answers: list[float | None] = [None] * min(len(values), window - 1)
    if len(values) >= window:
        answers.append(float(np.mean(values[:window])))
        for value in values[window:]:
            before = answers[-1]
            assert before is not None
            answers.append(weight * value + (1 - weight) * before)
    return answers


def ema(values: Numbers, window: int) -> list[float | None]:
    return recursive(values, window, 2 / (window + 1))


def column(events: list[dict[str, Any]], name: str) -> Any:
    return np.array([event[name] for event in events], dtype=float)


def single(values: list[float | None]) -> list[dict[str, float] | None]:
    return [None if value is None else {"value": value} for value in values]


def named(**columns: list[float | None]) -> list[dict[str, float] | None]:
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    return [None if None in row.values() else row for row in rows]  # type: ignore[misc]  # no None is left


def rsi(events: list[dict[str, Any]], window: int) -> list[dict[str, float] | None]:
    changes = np.diff(column(events, "quote"))
    gains = recursive(list(np.maximum(changes, 0)), window, 1 / window)
    losses = recursive(list(np.maximum(-changes, 0)), window, 1 / window)
    pairs = zip(gains, losses, strict=True)
    return single(
        [None, *(None if gain is None else 100 * gain / (gain + loss) if loss else 100.0 for gain, loss in pairs)]
    )


def macd(events: list[dict[str, Any]]) -> list[dict[str, float] | None]:
    quotes = list(column(events, "quote"))
    line = [None if s is None else f - s for f, s in zip(ema(quotes, 12), ema(quotes, 26), strict=True)]
    lead = line.count(None)
    signal = [None] * lead + ema(line[lead:], 9)
    histogram = [None if s is None else m - s for m, s in zip(line, signal, strict=True)]
    return named(macd=line, signal=signal, histogram=histogram)


def bollinger(events: list[dict[str, Any]]) -> list[dict[str, float] | None]:
    quotes = column(events, "quote")
    return named(
        lower=windows(quotes, 20, lambda w: w.mean() - 2 * w.std()),
        middle=windows(quotes, 20, np.mean),
        upper=windows(quotes, 20, lambda w: w.mean() + 2 * w.std()),
    )


def donchian(events: list[dict[str, Any]]) -> list[dict[str, float] | None]:
    lower, upper = windows(column(events, "low"), 20, np.min), windows(column(events, "high"), 20, np.max)
    middle = [None if low is None else (low + high) / 2 for low, high in zip(lower, upper, strict=True)]
    return named(lower=lower, middle=middle, upper=upper)


def atr(events: list[dict[str, Any]]) -> list[dict[str, float] | None]:
    high, low, close = (column(events, name) for name in ("high", "low", "close"))
    ranges = high - low
    ranges[1:] = np.maximum(ranges[1:], np.maximum(abs(high[1:] - close[:-1]), abs(low[1:] - close[:-1])))
    return single(recursive(list(ranges), 14, 1 / 14))


def stochastic(events: list[dict[str, Any]]) -> list[dict[str, float] | None]:
    lowest, highest = windows(column(events, "low"), 14, np.min), windows(column(events, "high"), 14, np.max)
    rows = zip(column(events, "close"), lowest, highest, strict=True)
    k = [None if low is None else 100 * (close - low) / (high - low) for close, low, high in rows]
    d = [None] * 13 + windows(k[13:], 3, np.mean)
    return named(k=k, d=d)


def obv(events: list[dict[str, Any]]) -> list[dict[str, float] | None]:
    close, volume = column(events, "close"), column(events, "volume")
    flow = np.concatenate([volume[:1], np.sign(np.diff(close)) * volume[1:]])
    return single(list(np.cumsum(flow)))


def vwap(events: list[dict[str, Any]]) -> list[dict[str, float] | None]:
    typical = (column(events, "high") + column(events, "low") + column(events, "close")) / 3
    volume = column(events, "volume")
    return single(list(np.cumsum(typical * volume) / np.cumsum(volume)))


def roc(events: list[dict[str, Any]]) -> list[dict[str, float] | None]:
    return single(windows(column(events, "quote"), 11, lambda w: 100 * (w[-1] - w[0]) / w[0]))


ORACLES: dict[str, Callable[[list[dict[str, Any]]], list[dict[str, float] | None]]] = {
    "sma": lambda events: single(windows(column(events, "quote"), 20, np.mean)),
    "ema": lambda events: single(ema(list(column(events, "quote")), 20)),
    "wma": lambda events: single(
        windows(column(events, "quote"), 20, lambda w: np.average(w, weights=np.arange(1, 21)))
    ),
    "rsi": lambda events: rsi(events, 14),
    "roc": roc,
    "stddev": lambda events: single(windows(column(events, "quote"), 20, np.std)),
    "macd": macd,
    "bollinger": bollinger,
    "atr": atr,
    "donchian": donchian,
    "stochastic": stochastic,
    "obv": obv,
    "vwap": vwap,
}


SLOW = {"wma", "stddev", "bollinger", "stochastic", "donchian"}
"""Those that talipp computes from the whole window each time."""


def same(mine: list[dict[str, float] | None], theirs: list[dict[str, float] | None]) -> None:
    assert [each and list(each) for each in mine] == [each and list(each) for each in theirs]
    for ours, expected in zip(mine, theirs, strict=True):
        if ours is not None and expected is not None:
            assert list(ours.values()) == pytest.approx(list(expected.values()), rel=1e-9, abs=1e-9)


def test_every_indicator_is_found_and_has_an_oracle() -> None:
    found = {entry.name: entry.load().__name__ for entry in entry_points(group="intuition.v1.indicator")}
    ours = {name: factory for name, factory in found.items() if factory in intuition_indicators.__all__}
    assert sorted(ours) == sorted(ORACLES)
    assert sorted(ours.values()) == sorted(intuition_indicators.__all__)


@pytest.mark.parametrize("name", ORACLES)
def test_values_are_those_of_whole_windows_and_pasts(name: str) -> None:
    events = bars(3_000)
    events[0]["volume"] = 5
    same(said(indicator(name), events), ORACLES[name](events))


@given(
    quotes=st.lists(st.integers(1, 50).map(lambda cents: cents / 100), max_size=120),
    window=st.integers(2, 7),
    name=st.sampled_from(["sma", "ema", "wma", "stddev", "rsi"]),
)
def test_values_are_right_for_any_quotes_and_windows(quotes: list[float], window: int, name: str) -> None:
    events = [{"channel": "quotes", "sid": "GOOG", "quote": quote, "ts": ts} for ts, quote in enumerate(quotes)]
    oracle: dict[str, Callable[[], list[dict[str, float] | None]]] = {
        "sma": lambda: single(windows(quotes, window, np.mean)),
        "ema": lambda: single(ema(quotes, window)),
        "wma": lambda: single(windows(quotes, window, lambda w: np.average(w, weights=np.arange(1, window + 1)))),
        "stddev": lambda: single(windows(quotes, window, np.std)),
        "rsi": lambda: rsi(events, window) if events else [],
    }
    mine, theirs = said(indicator(name, window=window), events), oracle[name]()
    assert [each is None for each in mine] == [each is None for each in theirs]
    for ours, expected in zip(mine, theirs, strict=True):
        if ours is not None and expected is not None:
            assert ours["value"] == pytest.approx(expected["value"], rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("name", ORACLES)
def test_a_hundred_thousand_events_leave_no_more_behind_than_a_thousand(name: str) -> None:
    part, events = indicator(name), bars(1_000)

    def kept() -> int:
        return sum(map(len, part.snapshot()[0][2]))

    most = 0
    for event in events:
        part.event(event)
        most = max(most, kept())
    for n in range(1_000, 20_000 if name in SLOW else 100_000):
        part.event(events[n % 1_000])
        if n % 977 == 0:
            assert kept() <= most


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("cut", [0, 3, 19, 20, 55, 56, 57, 150])
def test_a_restored_indicator_goes_on_to_the_last_bit(name: str, cut: int) -> None:
    events = bars(400)
    part, other = indicator(name), indicator(name)
    said(part, events[:cut])
    said(other, bars(50, seed=8))
    other.restore(msgpack.unpackb(msgpack.packb(part.snapshot())))
    assert said(other, events[cut:]) == said(part, events[cut:])


def test_the_state_of_another_indicator_is_refused() -> None:
    part = indicator("macd")
    said(part, bars(50))
    with pytest.raises(ValueError, match="the state of another indicator"):
        indicator("sma").restore(part.snapshot())


def test_the_first_value_comes_with_the_last_of_the_window() -> None:
    answers = said(indicator("sma", window=3), bars(5))
    assert [answer is None for answer in answers] == [True, True, False, False, False]


def test_a_wrong_print_is_forgotten() -> None:
    events = bars(100)
    events[10]["quote"] = 1e15
    same(said(indicator("sma", window=3), events)[50:], single(windows(column(events, "quote"), 3, np.mean))[50:])


def test_symbols_do_not_mix() -> None:
    part = indicator("sma", window=2)
    say = [
        part.event({"channel": "quotes", "sid": sid, "quote": quote, "ts": 1})
        for sid, quote in [("GOOG", 1.0), ("AAPL", 5.0), ("GOOG", 2.0), ("AAPL", 6.0)]
    ]
    assert say == [
        None,
        None,
        Message("sma", {"sid": "GOOG", "value": 1.5}),
        Message("sma", {"sid": "AAPL", "value": 5.5}),
    ]


def test_channels_and_field_can_be_chosen() -> None:
    part = indicator("sma", window=1, on="rsi", channel="smooth", field="value")
    assert part.event({"channel": "rsi", "sid": "GOOG", "value": 30, "ts": 1}) == Message(
        "smooth", {"sid": "GOOG", "value": 30.0}
    )
    assert part.event({"channel": "rsi", "value": 40.0, "ts": 1}) == Message("smooth", {"value": 40.0})


def test_events_without_the_numbers_are_passed_over_and_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    part = indicator("atr", window=1)
    quote = {"channel": "quotes", "sid": "GOOG", "quote": 3.5, "ts": 1}
    bar = {**quote, "high": 4.0, "low": 3.0, "close": 3.5}
    assert [part.event(event) is None for event in (quote, bar, quote, {**bar, "high": "4"}, bar)] == [
        True,
        False,
        True,
        True,
        False,
    ]
    (record,) = caplog.records
    assert "has no number as its `high`" in record.getMessage()


@pytest.mark.parametrize("value", [True, None, "3", float("nan"), float("inf"), [1]])
def test_what_is_no_finite_number_does_not_count(value: object) -> None:
    part = indicator("sma", window=2, field="size")
    events = [{"channel": "quotes", "sid": "GOOG", "size": each, "ts": 1} for each in (1.0, value, 2.0)]
    assert said(part, events) == [None, None, {"value": 1.5}]


def test_a_change_against_nothing_is_not_said() -> None:
    events = [{"channel": "quotes", "sid": "GOOG", "quote": quote, "ts": 1} for quote in (0.0, 1.0, 2.0, 0.0, 3.0)]
    assert said(indicator("roc", window=1), events) == [None, None, {"value": 100.0}, {"value": -100.0}, None]


def test_the_volume_weighted_price_begins_anew_with_the_day() -> None:
    def bar(price: float, volume: float, ts: int) -> dict[str, Any]:
        prices = dict.fromkeys(("quote", "high", "low", "close"), price)
        return {"channel": "quotes", "sid": "GOOG", "volume": volume, "ts": ts, **prices}

    events = [bar(9.0, 0, 0), bar(1.0, 1, 1), bar(4.0, 2, DAY - 1), bar(8.0, 5, DAY)]
    assert said(indicator("vwap"), events) == [None, {"value": 1.0}, {"value": 3.0}, {"value": 8.0}]
    assert said(indicator("vwap", reset="never"), events)[-1] == {"value": (1 + 8 + 40) / 8}
    part, other = indicator("vwap"), indicator("vwap")
    said(part, events[:3])
    other.restore(part.snapshot())
    assert said(other, events[3:]) == [{"value": 8.0}]


def test_it_does_not_speak_where_it_listens_or_where_prices_are() -> None:
    with pytest.raises(BadParameter, match="it would answer itself on `sma`"):
        indicator("sma", on="sma")
    with pytest.raises(BadParameter, match="its values would look like prices on `quotes`"):
        indicator("sma", on="rsi", channel="quotes")


@pytest.mark.parametrize(
    ("name", "params", "says"),
    [
        ("sma", {"window": 0}, "window"),
        ("sma", {"window": 10_001}, "window"),
        ("sma", {"windw": 3}, "did you mean `window`"),
        ("rsi", {"window": 1}, "window"),
        ("macd", {"fast": 26}, "fast 26 is not below slow 26"),
        ("bollinger", {"width": 0}, "width"),
        ("atr", {"field": "quote"}, "field"),
        ("vwap", {"reset": "week"}, "reset"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(name: str, params: dict[str, object], says: str) -> None:
    with pytest.raises(BadParameter, match=says):
        indicator(name, **params)


def test_every_class_says_what_it_is() -> None:
    for name in intuition_indicators.__all__:
        factory = getattr(intuition_indicators, name)
        assert issubclass(factory, Indicator)
        assert factory.__doc__
        assert factory is not Indicator


class Listener:
    """Keeps what it hears."""

    def initialize(self, params: object) -> list[str]:
        self.heard: list[dict[str, Any]] = []
        return ["fast", "vwap"]

    def event(self, data: Any) -> Message:
        return Message("heard", dict(data))


def test_in_a_composition_algorithms_hear_them() -> None:
    def part(kind: str, name: str, factory: Any, **params: object) -> Part:
        return Part(kind=kind, name=name, factory=factory, params=check_params(f"{kind} {name}", factory, params))

    composition = Composition(
        sleeves=(
            Sleeve(
                algorithm=part("algorithm", "listener", Listener),
                portfolio=part("portfolio", "none", type("None", (), {"optimize": lambda *_: None})),
            ),
        ),
        indicators=(
            part("indicator", "fast", Sma, window=2),
            part("indicator", "rsi", Rsi),
            part("indicator", "vwap", Vwap),
        ),
        seed=7,
        cash=Decimal(1000),
    )
    engine = TradingEngine(composition, run="test")
    quotes = [{"channel": "quotes", "sid": "GOOG", "quote": quote, "ts": ts} for ts, quote in enumerate((1.0, 2.0))]
    records = [record for quote in quotes for record in engine.step(quote)]
    assert [record["data"] for record in records] == [{"channel": "fast", "sid": "GOOG", "value": 1.5, "ts": 1}]
