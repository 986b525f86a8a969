"""Running the checks of a contract without a test framework, as those do who plant faults."""

from collections.abc import Callable
from typing import Any
from unittest import SkipTest

import pytest

from intuition_core.testing.contract import Contract


def failures(contract: type[Contract], **attributes: Any) -> dict[str, str]:
    """Run all checks of a contract, with attributes set on it, and give the messages of those that fail."""
    subclass = type("Checked", (contract,), attributes)
    failed = {}
    for name in (name for name in dir(subclass) if name.startswith("test_")):
        try:
            getattr(subclass(), name)()
        except SkipTest:
            continue
        except AssertionError as error:
            failed[name] = str(error)
    return failed


@pytest.fixture
def fails_only() -> Callable[..., str]:
    """Assert that a part fails one check and passes all others; gives the message."""

    def run(contract: type[Contract], check: str, **attributes: Any) -> str:
        failed = failures(contract, **attributes)
        assert list(failed) == [check], failed
        return failed[check]

    return run


@pytest.fixture
def passes() -> Callable[..., None]:
    """Assert that a part passes all checks."""

    def run(contract: type[Contract], **attributes: Any) -> None:
        assert failures(contract, **attributes) == {}

    return run
