"""Ctrl-C in commands that end in good order."""

import signal

import pytest

from intuition_core.cli.interruption import interruptible


def test_ctrl_c_ends_what_waits_and_a_second_one_what_runs() -> None:
    with interruptible() as interruption:

        def wait() -> None:
            signal.raise_signal(signal.SIGINT)
            pytest.fail("it went on")

        interruption.unless_asked(wait)
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_what_runs_goes_on_after_the_first_and_nothing_is_waited_for_then() -> None:
    with interruptible() as interruption:
        assert interruption.unless_asked(lambda: "what there is") == "what there is"
        signal.raise_signal(signal.SIGINT)
        assert interruption.asked
        assert interruption.unless_asked(lambda: pytest.fail("it waited")) is None


def test_what_ctrl_c_did_before_it_does_again() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interruptible():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
