import random
from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from importlib.metadata import entry_points
from itertools import accumulate

import msgpack
import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from intuition_algorithms import SmaCross

from intuition_core.contracts import Signal
from intuition_core.errors import BadParameter
from intuition_core.params.checking import check_params


def algorithm(**params: object) -> SmaCross:
    part = SmaCross()
    assert part.initialize(msgspec.convert(params, SmaCross.Params)) == ["quotes"]
    return part


def sides(part: SmaCross, quotes: Iterable[float], sid: str = "GOOG") -> list[str | None]:
    answers = []
    for ts, quote in enumerate(quotes):
        signal = part.event({"channel": "quotes", "sid": sid, "quote": quote, "ts": ts})
        assert signal is None or signal == Signal(sid, signal.side, quote)
        answers.append(None if signal is None else signal.side)
    return answers


def expected(quotes: Sequence[float], fast: int, slow: int) -> list[str | None]:
    """Compare exact averages of the decimal numbers, each from its whole window."""
    answers: list[str | None] = [None] * min(len(quotes), slow - 1)
    before = None
    with localcontext(prec=100):  # no sum of these prices is rounded
        sums = [Decimal(0), *accumulate(Decimal(str(quote)) for quote in quotes)]
        for end in range(slow, len(quotes) + 1):
            gap = slow * (sums[end] - sums[end - fast]) - fast * (sums[end] - sums[end - slow])
            bought = before is not None and before <= 0 < gap
            sold = before is not None and before >= 0 > gap
            answers.append("buy" if bought else "sell" if sold else None)
            before = gap
    return answers


lengths = st.tuples(st.integers(1, 6), st.integers(1, 6)).map(lambda pair: (pair[0], pair[0] + pair[1]))
cents = st.integers(1, 40).map(lambda count: count / 100)
anything = (
    st.integers(-40, 40).map(lambda count: count / 100)
    | st.floats(-1e15, 1e15, allow_subnormal=False).filter(lambda price: abs(price) >= 1e-12)
    | st.just(0.0)
)
runs = st.lists(st.tuples(cents, st.integers(1, 12)), max_size=25).map(
    lambda pairs: [price for price, times in pairs for _ in range(times)]
)


def test_it_is_found_under_its_name() -> None:
    (found,) = entry_points(group="intuition.v1.algorithm", name="sma-cross")
    assert found.load() is SmaCross


def test_it_buys_when_the_fast_average_comes_above_and_sells_when_it_comes_below() -> None:
    part = algorithm(fast=1, slow=3)
    #                    2   2   2, then 4 > 2.67, 4 > 3.33, 4 = 4, 1 < 3, 1 < 2, 1 = 1, 5 > 2.33
    quotes = [2.0, 2.0, 2.0, 4.0, 4.0, 4.0, 1.0, 1.0, 1.0, 5.0]
    assert sides(part, quotes) == [None, None, None, "buy", None, None, "sell", None, None, "buy"]


def test_a_touch_from_above_that_goes_up_again_buys_again_and_one_that_goes_down_sells() -> None:
    assert sides(algorithm(fast=1, slow=2), [1.0, 2.0, 2.0, 3.0]) == [None, None, None, "buy"]
    assert sides(algorithm(fast=1, slow=2), [1.0, 2.0, 2.0, 1.0]) == [None, None, None, "sell"]


def test_the_first_comparison_is_no_crossing() -> None:
    assert sides(algorithm(fast=1, slow=2), [1.0, 9.0]) == [None, None]
    assert sides(algorithm(fast=1, slow=2), [1.0, 9.0, 1.0]) == [None, None, "sell"]


def test_averages_that_floats_take_for_different_are_equal() -> None:
    assert 0.1 + 0.2 != 0.15 * 2
    assert sides(algorithm(fast=1, slow=3), [0.1, 0.2, 0.15, 0.1, 0.2, 0.15]) == [None, None, None, "sell", "buy", None]


def test_a_price_that_never_moves_is_no_signal() -> None:
    assert set(sides(algorithm(), [0.1] * 10_000)) == {None}


@given(quotes=st.lists(cents, max_size=80) | runs, pair=lengths)
def test_signals_are_those_of_exact_averages(quotes: list[float], pair: tuple[int, int]) -> None:
    fast, slow = pair
    assert sides(algorithm(fast=fast, slow=slow), quotes) == expected(quotes, fast, slow)


@given(quotes=st.lists(anything, max_size=60), pair=lengths)
@example(quotes=[1e15, 0.01, 0.01, 0.01, 0.02, 0.01, 0.01, 0.02], pair=(1, 2))
@example(quotes=[0.01, 0.01, 0.01, -1e15, 0.01, 0.02, 0.01, 0.01, 0.02], pair=(2, 3))
def test_signals_are_exact_whatever_the_prices(quotes: list[float], pair: tuple[int, int]) -> None:
    fast, slow = pair
    assert sides(algorithm(fast=fast, slow=slow), quotes) == expected(quotes, fast, slow)


@pytest.mark.parametrize(("fast", "slow"), [(10, 30), (1, 2), (3, 5000)])
def test_a_hundred_thousand_quotes_leave_no_drift(fast: int, slow: int) -> None:
    rng = random.Random(7)
    walk = accumulate((rng.choice((-2, -1, 0, 0, 1, 2)) for _ in range(100_000)), initial=34_500)
    quotes = [price / 100 for price in walk]
    quotes[40_000] = 1e15  # a wrong print, which floats would not forget
    assert sides(algorithm(fast=fast, slow=slow), quotes) == expected(quotes, fast, slow)


def test_symbols_do_not_mix() -> None:
    rng = random.Random(7)
    streams = {sid: [rng.randint(100, 110) / 100 for _ in range(300)] for sid in ("GOOG", "AAPL", "MSFT")}
    part = algorithm(fast=2, slow=5)
    mixed: dict[str, list[str | None]] = {sid: [] for sid in streams}
    for quotes in zip(*streams.values(), strict=True):
        for sid, quote in zip(streams, quotes, strict=True):
            mixed[sid] += sides(part, [quote], sid)
    assert mixed == {sid: expected(quotes, 2, 5) for sid, quotes in streams.items()}


def test_only_the_symbols_that_are_named_are_traded() -> None:
    part = algorithm(fast=1, slow=2, symbols=["AAPL"])
    assert sides(part, [1.0, 1.0, 2.0]) == [None, None, None]
    assert sides(part, [1.0, 1.0, 2.0], "AAPL") == [None, None, "buy"]
    assert list(part.snapshot()) == ["AAPL"]


@given(before=st.lists(cents, max_size=40), after=st.lists(cents, max_size=40), pair=lengths)
def test_a_restored_part_goes_on_as_if_nothing_had_happened(
    before: list[float], after: list[float], pair: tuple[int, int]
) -> None:
    fast, slow = pair
    part, other = algorithm(fast=fast, slow=slow), algorithm(fast=fast, slow=slow)
    sides(part, before)
    state = part.snapshot()
    assert part.snapshot() == state
    sides(other, [5.0, 1.0] * slow, "OLD")
    other.restore(msgpack.unpackb(msgpack.packb(state)))
    assert other.snapshot() == state
    assert sides(part, after) == sides(other, after) == expected(before + after, fast, slow)[len(before) :]


def test_what_a_snapshot_gave_does_not_change() -> None:
    part = algorithm(fast=1, slow=2)
    for quotes in ([1.0], [1.0, 2.0, 3.0]):
        sides(part, quotes)
        state = part.snapshot()
        kept = msgpack.packb(state)
        sides(part, [9.0, 1.0])
        assert msgpack.packb(state) == kept


def test_the_state_of_longer_averages_is_refused() -> None:
    part = algorithm(fast=1, slow=3)
    sides(part, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="3 quotes of GOOG in a window of 2"):
        algorithm(fast=1, slow=2).restore(part.snapshot())


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"fast": 0}, "fast"),
        ({"fast": 30}, "fast 30 is not below slow 30"),
        ({"slow": 1.5}, "slow"),
        ({"slow": 100_001}, "slow"),
        ({"quick": 3}, "quick"),
        ({"symbols": [1]}, "symbols"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(params: dict[str, object], says: str) -> None:
    with pytest.raises(BadParameter, match=says):
        check_params("algorithm sma-cross", SmaCross, params)
