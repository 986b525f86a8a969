"""After a wild value every indicator is what its definition says, as far as floats can tell."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import pairwise
from math import sqrt
from typing import Any

import intuition_indicators
import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intuition_core.contracts import Context
from intuition_core.params.checking import check_params
from intuition_core.testing.account import FakeAccount

Event = dict[str, float]
Values = dict[str, float]

WINDOW = 5

PARAMS: dict[str, dict[str, int]] = {
    "Sma": {"window": WINDOW},
    "Ema": {"window": WINDOW},
    "Wma": {"window": WINDOW},
    "StdDev": {"window": WINDOW},
    "Rsi": {"window": WINDOW},
    "Roc": {"window": WINDOW},
    "Macd": {"fast": 3, "slow": WINDOW, "signal": 2},
    "Bollinger": {"window": WINDOW},
    "Atr": {"window": WINDOW},
    "Stochastic": {"window": WINDOW, "smoothing": 3},
    "Donchian": {"window": WINDOW},
    "Obv": {},
    "Vwap": {},
}


def made(name: str, **params: int) -> Any:
    factory = getattr(intuition_indicators, name)
    part = factory()
    context = Context(name=name.lower(), rng=None, account=FakeAccount(), log=None)  # type: ignore[arg-type]
    part.initialize(check_params("indicator", factory, params or PARAMS[name]), context)
    return part


def said(part: Any, events: Sequence[Event]) -> list[Values | None]:
    answers = [part.event({"channel": "quotes", "sid": "A", "ts": n, **event}) for n, event in enumerate(events)]
    return [answer and {key: value for key, value in answer.data.items() if key != "sid"} for answer in answers]


# -- the definitions, in fractions


def closes(events: Sequence[Event]) -> list[Fraction]:
    return [Fraction(event["close"]) for event in events]


def mean(values: Sequence[Fraction]) -> Fraction:
    return sum(values, Fraction(0)) / len(values)


def faded(values: Sequence[Fraction], weight: Fraction, begun: int) -> list[Fraction]:
    """Average all of the past, begun with the mean of the first values."""
    found = [mean(values[:begun])]
    for value in values[begun:]:
        found.append(found[-1] * (1 - weight) + value * weight)
    return found


def spread(values: Sequence[Fraction]) -> float:
    middle = mean(values)
    return sqrt(mean([(value - middle) ** 2 for value in values]))


def rsi(events: Sequence[Event]) -> Values:
    changes = [two - one for one, two in pairwise(closes(events))]
    sides = [
        faded([max(sign * change, Fraction(0)) for change in changes], Fraction(1, WINDOW), WINDOW - 1)
        for sign in (1, -1)
    ]
    gain, loss = (side[-1] for side in sides)
    return {"value": float(100 * gain / (gain + loss)) if loss else 100.0}


def atr(events: Sequence[Event]) -> Values:
    rows = [tuple(Fraction(event[name]) for name in ("high", "low", "close")) for event in events]
    ranges = [rows[0][0] - rows[0][1]]
    ranges += [max(high, close) - min(low, close) for (_, _, close), (high, low, _) in pairwise(rows)]
    return {"value": float(faded(ranges, Fraction(1, WINDOW), WINDOW)[-1])}


def macd(events: Sequence[Event]) -> Values:
    values = closes(events)
    fast, slow = (faded(values, Fraction(2, window + 1), window) for window in (3, WINDOW))
    lines = [one - two for one, two in zip(fast[WINDOW - 3 :], slow, strict=True)]
    signal = faded(lines, Fraction(2, 3), 2)
    return {"macd": float(lines[-1]), "signal": float(signal[-1]), "histogram": float(lines[-1] - signal[-1])}


def of_range(events: Sequence[Event]) -> Fraction:
    highest, lowest = (
        pick(Fraction(event[name]) for event in events[-WINDOW:]) for pick, name in ((max, "high"), (min, "low"))
    )
    return Fraction(100) if highest == lowest else 100 * (Fraction(events[-1]["close"]) - lowest) / (highest - lowest)


def stochastic(events: Sequence[Event]) -> Values:
    smooth = [of_range(events[: len(events) - n]) for n in range(3)]
    return {"k": float(smooth[0]), "d": float(mean(smooth))}


def donchian(events: Sequence[Event]) -> Values:
    lowest, highest = min(e["low"] for e in events[-WINDOW:]), max(e["high"] for e in events[-WINDOW:])
    return {"lower": lowest, "middle": float((Fraction(lowest) + Fraction(highest)) / 2), "upper": highest}


def obv(events: Sequence[Event]) -> Values:
    total = Fraction(events[0]["volume"])
    for before, event in pairwise(events):
        sign = (event["close"] > before["close"]) - (event["close"] < before["close"])
        total += sign * Fraction(event["volume"])
    return {"value": float(total)}


def vwap(events: Sequence[Event]) -> Values:
    paid = sum((Fraction(e["volume"]) * sum(Fraction(e[n]) for n in ("high", "low", "close")) / 3) for e in events)
    return {"value": float(paid / sum(Fraction(event["volume"]) for event in events))}


def bollinger(events: Sequence[Event]) -> Values:
    values = closes(events)[-WINDOW:]
    middle, reach = float(mean(values)), 2 * spread(values)
    return {"lower": middle - reach, "middle": middle, "upper": middle + reach}


def weighted(events: Sequence[Event]) -> Values:
    values = closes(events)[-WINDOW:]
    total = sum(((n + 1) * value for n, value in enumerate(values)), Fraction(0))
    return {"value": float(total / sum(range(WINDOW + 1)))}


DEFINITIONS: dict[str, Callable[[Sequence[Event]], Values]] = {
    "Sma": lambda events: {"value": float(mean(closes(events)[-WINDOW:]))},
    "Ema": lambda events: {"value": float(faded(closes(events), Fraction(2, WINDOW + 1), WINDOW)[-1])},
    "Wma": weighted,
    "StdDev": lambda events: {"value": spread(closes(events)[-WINDOW:])},
    "Rsi": rsi,
    "Roc": lambda events: {"value": float(100 * (closes(events)[-1] / closes(events)[-1 - WINDOW] - 1))},
    "Macd": macd,
    "Bollinger": bollinger,
    "Atr": atr,
    "Stochastic": stochastic,
    "Donchian": donchian,
    "Obv": obv,
    "Vwap": vwap,
}


def bar(price: float, range_: float = 0.0, volume: float = 1.0) -> Event:
    return {"quote": price, "close": price, "high": price + range_, "low": price, "volume": volume}


tame = st.integers(1, 900).map(lambda cents: cents / 1000)
wild = st.sampled_from([1e15, 92_439.2344, 1e-12, 7e14, 123_456_789.123])


@st.composite
def stories(draw: st.DrawFn) -> list[Event]:
    """Draw bars with some wild ones, and enough tame ones after the last of them for windows to be full of these."""
    prices = draw(st.lists(tame | wild, min_size=1, max_size=25)) + draw(st.lists(tame, min_size=12, max_size=40))
    return [bar(price, draw(tame), draw(tame | wild)) for price in prices]


@pytest.mark.parametrize("name", PARAMS)
@settings(max_examples=20, deadline=None)
@given(events=stories())
def test_it_is_what_its_definition_says(name: str, events: list[Event]) -> None:
    found = said(made(name), events)
    for n in range(len(events) - 4, len(events)):
        expected = DEFINITIONS[name](events[: n + 1])
        answer = found[n]
        assert answer is not None
        for key, value in expected.items():
            # The difference of two averages is as exact as these are.
            slack = 1e-9 * max(100.0 if name == "Rsi" else 0.0, *map(abs, expected.values()))
            if name == "Macd":
                slack += 1e-12 * DEFINITIONS["Ema"](events[: n + 1])["value"]
            assert answer[key] == pytest.approx(value, rel=1e-9, abs=slack)


@pytest.mark.parametrize("name", ["Sma", "Wma", "StdDev", "Roc", "Bollinger", "Stochastic", "Donchian"])
@settings(max_examples=20, deadline=None)
@given(events=stories())
def test_what_has_a_window_is_what_it_would_be_if_it_had_begun_with_that(name: str, events: list[Event]) -> None:
    assert said(made(name), events)[-1] == said(made(name), events[-10:])[-1]


@settings(max_examples=20, deadline=None)
@given(fields=st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=5, max_size=40))
def test_no_finite_value_is_beyond_a_mean(fields: list[float]) -> None:
    events = [{"quote": field} for field in [*fields, 1.0, 2.0, 3.0, 4.0, 5.0]]
    assert said(made("Sma"), events)[-1] == {"value": 3.0}


@settings(max_examples=20, deadline=None)
@given(
    fields=st.lists(st.floats(allow_nan=False, allow_infinity=False) | tame, min_size=65, max_size=200),
    window=st.integers(60, 70),
)
def test_long_windows_forget_as_well(fields: list[float], window: int) -> None:
    fields += [1.5, 2.5] * window
    found = said(made("Sma", window=window), [{"quote": field} for field in fields])
    for n in range(window - 1, len(fields)):
        answer, exact = found[n], float(mean([Fraction(field) for field in fields[n - window + 1 : n + 1]]))
        assert answer is not None
        assert answer["value"] == pytest.approx(exact, rel=1e-15, abs=0)


@pytest.mark.parametrize("name", ["Obv", "Vwap"])
@settings(max_examples=20, deadline=None)
@given(events=stories(), cut=st.integers(0, 10))
def test_a_state_as_talipp_kept_it_is_taken_up(name: str, events: list[Event], cut: int) -> None:
    from talipp.indicators import OBV, VWAP
    from talipp.ohlcv import OHLCV

    before, after = events[: cut + 1], events[cut + 1 :]
    old = (OBV if name == "Obv" else VWAP)()
    for event in before:
        old.add(OHLCV(None, event["high"], event["low"], event["close"], event["volume"]))
    rows = [[None, row.high, row.low, row.close, row.volume, None] for row in old.input_values]
    lists = [rows, old.output_values, *old.managed_sequences]
    part = made(name)
    session = None if name == "Obv" else 0
    part.restore(msgpack.unpackb(msgpack.packb([["A", session, lists]])))
    found, expected = said(part, after)[-1], DEFINITIONS[name](events)["value"]
    assert found is not None
    assert found["value"] == pytest.approx(expected, rel=1e-9, abs=1e-12 * sum(event["volume"] for event in events))
