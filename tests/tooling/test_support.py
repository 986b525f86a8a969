"""What tests wait with."""

import socket
from itertools import count

import pytest
from support import PATIENCE, accepts, environment, eventually, free_port


def test_a_condition_is_asked_until_it_holds_and_what_it_gave_is_given() -> None:
    numbers = count()
    assert eventually(lambda: (number := next(numbers)) > 2 and number) == 3
    assert next(numbers) == 4


@pytest.mark.parametrize("what", ["the moon", lambda: "the moon"])
def test_what_never_holds_is_named(what: object) -> None:
    with pytest.raises(AssertionError, match="waited 0 s in vain for the moon"):
        eventually(lambda: None, what, patience=0)  # type: ignore[arg-type]  # either is one


def test_the_patience_is_scaled_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    from support import waiting

    monkeypatch.setenv("TESTS_PATIENCE", "2.5")
    assert importlib.reload(waiting).PATIENCE == 150
    monkeypatch.delenv("TESTS_PATIENCE")
    assert importlib.reload(waiting).PATIENCE == 60
    assert PATIENCE > 0


def test_a_free_port_accepts_once_somebody_listens() -> None:
    port = free_port()
    assert not accepts(port)
    with socket.create_server(("127.0.0.1", port)):
        assert accepts(port)


def test_programs_get_no_configuration_and_no_look_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTUITION_CASH", "7")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("OTHER", "kept")
    made = environment(INTUITION_SEED="3")
    assert (made["OTHER"], made["INTUITION_SEED"]) == ("kept", "3")
    assert not {"INTUITION_CASH", "NO_COLOR"} & made.keys()
