"""How hard to try, and with which seed."""

import os
import random
from collections.abc import Callable
from contextlib import nullcontext

import pytest

from .stage import find_mosquitto


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("chaos", "kill tests and simulations")
    group.addoption("--kills", type=int, help="how many processes to kill at random (default 24)")
    group.addoption("--seeds", type=int, help="how many simulations to run (default 500)")
    group.addoption("--seed", type=int, help="repeat what had this seed")
    group.addoption("--full", action="store_true", default=False, help="1,000 kills and 10,000 simulations")


def _option(request: pytest.FixtureRequest, name: str, default: int, full: int) -> int:
    # Options are unknown where this folder was not named on the command line.
    given: int | None = request.config.getoption(name, None)
    return given if given is not None else full if request.config.getoption("full", False) else default


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    return _option(request, "kills", 24, 1000)  # with those of the matrix's sample, 40


@pytest.fixture
def seeds(request: pytest.FixtureRequest) -> int:
    return _option(request, "seeds", 500, 10_000)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The seed to use: the one asked for, or one that nobody has tried."""
    # A change is judged by what everybody sees; new worlds are looked for by `nox -s chaos`.
    in_ci = os.environ.get("CI", "").lower() in {"1", "true"}
    number = 1 if in_ci else random.SystemRandom().randrange(1_000_000)
    return _option(request, "seed", number, number)


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say something that is shown although the test passes."""
    capture = request.config.pluginmanager.get_plugin("capturemanager")

    def say(text: str) -> None:
        with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
            print(f"\n{request.node.name}: {text}")

    return say


@pytest.fixture(autouse=True)
def _mosquitto(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("mosquitto") and find_mosquitto() is None:
        if os.environ.get("CI", "").lower() in {"1", "true"}:
            pytest.fail("mosquitto is not installed", pytrace=False)
        pytest.skip("mosquitto is not installed")
