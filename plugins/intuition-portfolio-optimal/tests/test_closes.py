from collections import defaultdict

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from intuition_portfolio_optimal.closes import Closes

DAY = 86_400_000_000_000


def taken(closes: Closes, *quotes: tuple[str, float, float]) -> Closes:
    for sid, days, price in quotes:
        closes.take({"channel": "quotes", "sid": sid, "quote": price, "ts": round(days * DAY)})
    return closes


def test_a_close_is_the_last_quote_of_a_period_that_is_over() -> None:
    closes = taken(Closes("AB", days=1, window=2), ("A", 0.1, 1), ("B", 0.2, 2), ("A", 0.9, 3))
    assert closes.rows == ()
    taken(closes, ("A", 1.0, 4))
    assert closes.rows == ([3, 2],)
    assert not closes.full
    taken(closes, ("B", 1.5, 5), ("B", 2.5, 6), ("A", 2.5, 7), ("C", 3.0, 9))
    assert closes.rows == ([3, 2], [4, 5], [7, 6])
    assert closes.full


def test_a_period_in_which_a_symbol_has_no_quote_is_left_out() -> None:
    closes = taken(Closes("AB", days=2, window=2), ("A", 0, 1), ("B", 0, 2), ("A", 2, 3), ("A", 5, 4), ("B", 5, 5))
    assert taken(closes, ("A", 6, 9)).rows == ([1, 2], [4, 5])


def test_a_late_quote_changes_nothing() -> None:
    closes = taken(Closes("AB", days=1, window=2), ("A", 0, 1), ("B", 0, 2), ("A", 1, 3), ("B", 0.9, 9), ("B", 1, 4))
    assert taken(closes, ("A", 2, 9)).rows == ([1, 2], [3, 4])


events = st.lists(st.tuples(st.sampled_from("ABC"), st.integers(0, 40), st.integers(1, 99)), max_size=80).map(
    lambda given: [(sid, hours / 4, float(price)) for sid, hours, price in sorted(given, key=lambda each: each[1])]
)


@given(events, st.integers(0, 80))
def test_closes_are_those_of_the_whole_history_and_go_on_from_a_snapshot(
    quotes: list[tuple[str, float, float]], cut: int
) -> None:
    periods: dict[int, dict[str, float]] = defaultdict(dict)
    for sid, days, price in quotes:
        periods[int(days)][sid] = price
    last = max(periods, default=0)
    expected = [[row["A"], row["B"]] for day, row in sorted(periods.items()) if day < last and {"A", "B"} <= row.keys()]
    first = taken(Closes("AB", days=1, window=3), *quotes[:cut])
    again = Closes("AB", days=1, window=3)
    again.restore(msgspec.msgpack.decode(msgspec.msgpack.encode(first.snapshot())))
    assert list(taken(again, *quotes[cut:]).rows) == expected[-4:]
    assert again.full is (len(expected) >= 4)
