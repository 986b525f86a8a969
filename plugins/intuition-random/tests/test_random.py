from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from logging import getLogger
from random import Random as Generator

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_random import Random

from intuition_core.contracts import ClosedTrade, Context, Signal

QUOTE = {"channel": "quotes", "sid": "GOOG", "quote": 345.0, "ts": 1}


class Empty:
    """An account that no random draw looks at."""

    cash = equity = 0.0
    positions: Mapping[str, float] = {}
    marks: Mapping[str, float] = {}
    closed_trades: Sequence[ClosedTrade] = ()
    pending: Mapping[str, float] = {}


def algorithm(*, session_seed: int = 7, **params: object) -> Random:
    part = Random()
    context = Context(name="random", rng=Generator(session_seed), account=Empty(), log=getLogger("random"))
    assert part.initialize(msgspec.convert(params, Random.Params), context) == ["quotes"]
    return part


def buys(part: Random, count: int = 200) -> list[bool]:
    return [part.event(QUOTE) is not None for _ in range(count)]


def test_it_is_found_under_its_name() -> None:
    (found,) = entry_points(group="intuition.v1.algorithm", name="random")
    assert found.load() is Random


def test_a_signal_buys_the_symbol_at_its_quote() -> None:
    assert algorithm(threshold=0).event(QUOTE) == Signal("GOOG", "buy", 345.0)


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_it_buys_as_often_as_a_draw_exceeds_the_threshold(threshold: float) -> None:
    share = sum(buys(algorithm(threshold=threshold), 5_000)) / 5_000
    assert abs(share - (1 - threshold)) < 0.03


def test_half_of_the_quotes_are_bought_by_default() -> None:
    assert buys(algorithm()) == buys(algorithm(threshold=0.5))


def test_at_a_threshold_of_one_it_never_buys() -> None:
    assert not any(buys(algorithm(threshold=1)))


def test_one_draw_decides_one_event() -> None:
    rng = Generator(7)
    assert buys(algorithm(session_seed=7, threshold=0.3)) == [rng.random() > 0.3 for _ in range(200)]


def test_a_seed_makes_the_draws_its_own() -> None:
    assert buys(algorithm(seed=3, session_seed=1)) == buys(algorithm(seed=3, session_seed=2))
    assert buys(algorithm(seed=3)) != buys(algorithm(seed=4))


def test_a_seed_of_zero_is_a_seed() -> None:
    assert buys(algorithm(seed=0, session_seed=1)) == buys(algorithm(seed=0, session_seed=2))


def test_without_a_seed_the_session_decides() -> None:
    assert buys(algorithm(session_seed=1)) == buys(algorithm(session_seed=1))
    assert buys(algorithm(session_seed=1)) != buys(algorithm(session_seed=2))


@given(drawn=st.integers(0, 700), seed=st.none() | st.integers())
def test_a_restored_part_draws_on_as_if_nothing_had_happened(drawn: int, seed: int | None) -> None:
    part = algorithm(seed=seed)
    buys(part, drawn)
    state = msgpack.unpackb(msgpack.packb(part.snapshot()))
    other = algorithm(seed=99)
    other.restore(state)
    assert buys(other) == buys(part)


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ({"threshold": 1.5}, "threshold"),
        ({"threshold": -0.1}, "threshold"),
        ({"threshold": float("nan")}, "threshold"),
        ({"threshold": "0.5"}, "threshold"),
        ({"seed": 1.5}, "seed"),
        ({"treshold": 0.5}, "treshold"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_by_name(params: dict[str, object], says: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=says):
        msgspec.convert(params, Random.Params)
