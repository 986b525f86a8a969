import pytest
from hypothesis import given
from hypothesis import strategies as st

from intuition_core.system import backoff
from intuition_core.system.backoff import Backoff

seconds = st.floats(0.001, 100.0)


@given(first=seconds, longest=seconds, failures=st.integers(1, 40))
def test_waits_double_up_to_the_longest(first: float, longest: float, failures: int) -> None:
    waits = Backoff(first=first, longest=longest)
    assert [waits.next() for _ in range(failures)] == [min(first * 2**n, longest) for n in range(failures)]


@given(spread=st.floats(0.0, 1.0), failures=st.integers(1, 20))
def test_a_wait_is_shortened_by_the_spread_at_most(spread: float, failures: int) -> None:
    waits = Backoff(first=1.0, longest=8.0, spread=spread)
    for whole in [min(2.0**n, 8.0) for n in range(failures)]:
        assert whole * (1 - spread) <= waits.next() <= whole


def test_waits_of_several_clients_differ() -> None:
    assert len({Backoff(first=1.0, spread=0.5).next() for _ in range(20)}) > 1


def test_a_success_begins_with_the_first_wait_again() -> None:
    waits = Backoff(first=1.0, longest=8.0)
    assert waits.fresh
    assert [waits.next(), waits.next()] == [1.0, 2.0]
    assert not waits.fresh
    waits.reset()
    assert waits.fresh
    assert waits.next() == 1.0


@pytest.mark.parametrize(
    ("steady", "lived", "expected"), [(10.0, 10.5, 1.0), (10.0, 9.5, 4.0), (None, 1e6, 4.0), (0.0, 0.5, 1.0)]
)
def test_only_what_ran_long_enough_fails_for_the_first_time_again(
    monkeypatch: pytest.MonkeyPatch, steady: float | None, lived: float, expected: float
) -> None:
    now = 1000.0
    monkeypatch.setattr(backoff.time, "monotonic", lambda: now)
    waits = Backoff(first=1.0, longest=8.0, steady=steady)
    for _ in range(2):
        waits.started()
        waits.next()
    waits.started()
    now += lived
    assert waits.next() == expected
