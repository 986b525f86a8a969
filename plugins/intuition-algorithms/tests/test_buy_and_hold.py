from importlib.metadata import entry_points

import msgpack
import msgspec
import pytest
from intuition_algorithms import BuyAndHold

from intuition_core.contracts import Signal


def algorithm(**params: object) -> BuyAndHold:
    part = BuyAndHold()
    assert part.initialize(msgspec.convert(params, BuyAndHold.Params)) == ["quotes"]
    return part


def bought(part: BuyAndHold, *sids: str) -> list[Signal | None]:
    return [part.event({"channel": "quotes", "sid": sid, "quote": 3.5, "ts": 1}) for sid in sids]


def test_it_is_found_under_its_name() -> None:
    (found,) = entry_points(group="intuition.v1.algorithm", name="buy-and-hold")
    assert found.load() is BuyAndHold


def test_each_symbol_is_bought_once_at_its_first_quote() -> None:
    goog, aapl = Signal("GOOG", "buy", 3.5), Signal("AAPL", "buy", 3.5)
    assert bought(algorithm(), "GOOG", "GOOG", "AAPL", "GOOG", "AAPL") == [goog, None, aapl, None, None]


def test_only_the_symbols_that_are_named_are_bought() -> None:
    part = algorithm(symbols=["AAPL"])
    assert bought(part, "GOOG", "AAPL", "GOOG") == [None, Signal("AAPL", "buy", 3.5), None]


def test_a_restored_part_buys_nothing_twice() -> None:
    part, other = algorithm(), algorithm()
    bought(part, "GOOG", "AAPL")
    other.restore(msgpack.unpackb(msgpack.packb(part.snapshot())))
    assert bought(other, "AAPL", "GOOG", "MSFT") == [None, None, Signal("MSFT", "buy", 3.5)]


def test_parameters_that_make_no_sense_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="amount"):
        msgspec.convert({"amount": 3}, BuyAndHold.Params)
