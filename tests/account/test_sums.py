"""Sums that follow what changes are those of all numbers, added one after the other."""

import math
from functools import reduce
from operator import add

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.account import sums
from intuition_core.account.sums import OrderedSum

numbers = st.one_of(
    st.floats(-1e4, 1e4),
    st.integers(-4000, 4000).map(lambda eighths: eighths / 8),
    st.builds(math.ldexp, st.integers(-3, 3), st.integers(-60, 60)),
    st.sampled_from([0.0, 1.0, 0.5, 2.0**52, 2.0**52 + 1, 2.0**53, 1.5, 0.1, 1e-300, 1e300]),
)
changes = st.lists(st.tuples(st.sampled_from(["put", "put", "put", "remove", "add"]), st.integers(0, 60), numbers))
"""Changes between two sums."""


def bits(number: float) -> str:
    return (number + 0.0).hex()  # a zero without its sign


@given(
    first=st.lists(numbers, max_size=40),
    starts=st.lists(numbers, min_size=1, max_size=3),
    story=st.lists(changes, max_size=12),
    size=st.sampled_from([1, 2, 3, 7]),
)
def test_a_sum_is_the_same_to_the_last_digit(
    first: list[float], starts: list[float], story: list[list[tuple[str, int, float]]], size: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sums, "_SIZE", size)
        patch.setattr(sums, "_SETTLED", 1)
        plain = {str(place): number for place, number in enumerate(first)}
        followed = OrderedSum(plain)
        for number, step in enumerate(story):
            for what, place, value in step:
                key = str(place if what != "add" else len(plain) + 1000 * number)
                if what == "remove":
                    plain.pop(key, None)
                    followed.remove(key)
                else:
                    plain[key] = value
                    followed.put(key, value)
            assert len(followed) == len(plain)
            for start in (*starts, *starts):
                assert bits(followed.after(start)) == bits(reduce(add, plain.values(), start))


def test_numbers_that_change_are_not_all_added_again() -> None:
    plain = {f"S{place}": 100.0 + place / 7 for place in range(10_000)}
    followed = OrderedSum(plain)
    for cash in range(sums._SETTLED):
        followed.after(1e6 + cash)
    added_up = [block for block in followed._blocks if block.low == math.inf]
    assert len(added_up) < 20  # of 79: those in which the sum passes a power of two, or with a number in the middle
    plain["S5000"] = 3.3
    followed.put("S5000", 3.3)
    assert followed.after(1e6) == reduce(add, plain.values(), 1e6)


def test_a_market_neutral_book_is_added_up_all_the_same() -> None:
    plain = {f"S{place}": (1e9 + place / 3) * (-1) ** place for place in range(1000)}
    followed = OrderedSum(plain)
    for place in range(0, 1000, 7):
        plain[f"S{place}"] *= 1.001
        followed.put(f"S{place}", plain[f"S{place}"])
        assert followed.after(5.0) == reduce(add, plain.values(), 5.0)
