from collections.abc import Callable
from decimal import Decimal

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from intuition_report.points import MAX_MARKS, MAX_SYMBOLS, charted, points

from intuition_core.history import Day, History, Slice, Trade

HistoryOf = Callable[..., History]

SECOND = 1_000_000_000
NOON = 1_704_110_400 * SECOND


def flat(ts: int, equity: float, *marks: float | None, benchmark: float | None = None) -> Slice:
    return Slice(ts, equity, equity, equity, 0.0, marks, benchmark)


def bought(ts: int, sid: str, quantity: str = "1", price: str = "10", side: str = "buy") -> Trade:
    return Trade(ts, sid, side, Decimal(quantity), Decimal(price), Decimal(0), Decimal(0), None)


@settings(max_examples=100, deadline=None)
@given(
    steps=st.lists(st.integers(0, 3 * SECOND), min_size=1, max_size=50),
    scale=st.sampled_from([1, 1_000, 1_000_000]),
    data=st.data(),
)
def test_time_only_goes_on_and_no_extreme_is_lost(
    history_of: HistoryOf, steps: list[int], scale: int, data: st.DataObject
) -> None:
    slices, ts = [], NOON
    for step in steps:
        ts += step * scale
        low, close, high = sorted(data.draw(st.tuples(*[st.integers(1, 10_000)] * 3)))
        slices.append(Slice(ts, low, high, close, 0.0, ()))
    found = points(history_of([1000.0], slices=slices))
    assert all(one < two for one, two in zip(found["time"], found["time"][1:], strict=False))
    assert min(found["low"]) == min(part.low for part in slices)
    assert max(found["high"]) == max(part.high for part in slices)
    assert found["equity"][-1] == slices[-1].close
    assert all(len(found[name]) == len(found["time"]) for name in ("equity", "drawdown", "exposure", "benchmark"))


def test_the_benchmark_is_drawn_where_it_is_known(history_of: HistoryOf) -> None:
    day = 86_400 * SECOND
    slices = [flat(NOON + n * day // 2, 1000.0) for n in range(5)]
    days = [Day(NOON, 1000.0, 1.1), Day(NOON + day - SECOND, 1000.0, 1.2), Day(NOON + 2 * day, 1000.0, 1.3)]
    history = history_of([1000.0] * 3, slices=slices, days=days)
    assert points(history)["benchmark"] == [1100.0, None, 1200.0, None, 1300.0]
    known = [part._replace(benchmark=1 + n / 10) for n, part in enumerate(slices)]
    assert points(msgspec.structs.replace(history, slices=known))["benchmark"] == [
        1000.0,
        1100.0,
        1200.0,
        1300.0,
        1400.0,
    ]


def test_trades_stand_at_the_point_that_holds_them(history_of: HistoryOf) -> None:
    slices = [flat(NOON + n * 60 * SECOND, 1000.0, 10.0 + n) for n in range(3)]
    trades = [
        bought(NOON + 1, "GOOG", "1", "10"),
        bought(NOON + 60 * SECOND, "GOOG", "3", "12"),
        bought(NOON + 60 * SECOND, "GOOG", "2", "11", side="sell"),
        bought(NOON + 61 * SECOND, "OTHER"),
    ]
    (symbol,) = points(history_of([1000.0] * 3, slices=slices, priced=("GOOG",), trades=trades))["symbols"]
    assert symbol["price"] == [10.0, 11.0, 12.0]
    assert symbol["trades"] == {
        "at": [1, 1],
        "side": ["buy", "sell"],
        "count": [2, 1],
        "quantity": [4.0, 2.0],
        "price": [11.5, 11.0],
    }


def test_a_symbol_that_comes_late_has_no_price_before(history_of: HistoryOf) -> None:
    slices = [flat(NOON, 1000.0), flat(NOON + SECOND, 1000.0, 5.0), flat(NOON + 2 * SECOND, 1000.0, 6.0, 7.0)]
    symbols = points(history_of([1000.0] * 3, slices=slices, priced=("GOOG", "FB")))["symbols"]
    assert [symbol["price"] for symbol in symbols] == [[None, 5.0, 6.0], [None, None, 7.0]]


def test_many_trades_are_marked_together(history_of: HistoryOf) -> None:
    course = [1000.0] * 4096
    slices = [flat(NOON + n * 60 * SECOND, 1000.0, 10.0) for n in range(4096)]
    trades = [bought(part.ts, "GOOG", side="buy" if n % 3 else "sell") for n, part in enumerate(slices)]
    (symbol,) = points(history_of(course, slices=slices, priced=("GOOG",), trades=trades))["symbols"]
    marks = symbol["trades"]
    assert len(set(marks["at"])) == MAX_MARKS
    assert sum(marks["count"]) == sum(marks["quantity"]) == 4096
    assert marks["at"] == sorted(marks["at"])


def test_the_symbols_traded_most_are_charted(history_of: HistoryOf) -> None:
    symbols = [f"S{n}" for n in range(20)]
    trades = [bought(NOON, "S19"), bought(NOON, "S19"), bought(NOON, "S7")]
    found = charted(history_of([1000.0], priced=symbols, trades=trades))
    assert found[:4] == ["S19", "S7", "S0", "S1"]
    assert len(found) == MAX_SYMBOLS


def test_a_debt_has_no_exposure(history_of: HistoryOf) -> None:
    assert points(history_of([1000.0, -5.0]))["exposure"] == [0.0, None]
