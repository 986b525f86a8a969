"""Calls of parts: what they raise is an answer like any other, but for a person's Ctrl-C."""

from typing import Any

import pytest

from intuition_core.errors import PartFailed
from intuition_core.trading.calls import Raised, attempt, failing
from intuition_core.trading.composition import Part
from intuition_core.trading.parts import is_stateless

PART = Part(kind="risk", name="r", factory=object, params=None)
RAISED = [ValueError("no"), SystemExit(3), GeneratorExit(), MemoryError(), StopIteration(1)]


def raising(error: BaseException) -> Any:
    raise error


@pytest.mark.parametrize("answer", [None, 0, (), Raised, "x"])
def test_an_answer_is_given_as_it_is(answer: Any) -> None:
    assert attempt(lambda _: answer, 1) is answer


@pytest.mark.parametrize("error", RAISED, ids=repr)
def test_whatever_is_raised_is_given_instead(error: BaseException) -> None:
    assert attempt(raising, error) == Raised(error)


@pytest.mark.parametrize("error", RAISED, ids=repr)
def test_whatever_is_raised_names_the_part_and_its_method(error: BaseException) -> None:
    with pytest.raises(PartFailed, match="risk r") as told, failing(PART, "check"):
        raising(error)
    assert told.value.__cause__ is error
    assert f"{type(error).__name__}: {error}" in str(told.value)


def test_an_interrupt_of_a_person_passes() -> None:
    with pytest.raises(KeyboardInterrupt):
        attempt(raising, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt), failing(PART, "check"):
        raising(KeyboardInterrupt())


class Bare:
    pass


class Slots:
    __slots__ = ("x",)


class NoSlots:
    __slots__ = ()


def test_what_has_attributes_of_its_own_keeps_state() -> None:
    kept = Bare()
    assert is_stateless(kept)
    assert is_stateless(NoSlots())
    assert not is_stateless(Slots())
    kept.x = 1  # type: ignore[attr-defined]  # that is what is tested
    assert not is_stateless(kept)
