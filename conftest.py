"""What holds for all tests."""

import sqlite3
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from typing import Any, Protocol, TypeVar

import pytest


class Closes(Protocol):
    """What has to be closed."""

    def close(self) -> object:
        """Let it go."""


T = TypeVar("T", bound=Closes)


class Opened:
    """Closes what it was given, the latest first."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self, thing: T) -> T:
        """Give it back, and close it at the end of the test; closing it before does no harm."""
        return self._stack.enter_context(closing(thing))


@pytest.fixture
def opened() -> Iterator[Opened]:
    """What closes the journals, sessions and services of a test at its end."""
    with ExitStack() as stack:
        yield Opened(stack)


_latest = threading.local()
_connections: list[tuple[sqlite3.Connection, object]] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "sqlite3.connect":
        _latest.address = arguments[0]
    elif event == "sqlite3.connect/handle":
        _connections.append((arguments[0], _latest.address))


sys.addaudithook(_note)


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        return connection.total_changes >= 0
    except sqlite3.ProgrammingError:
        return False


@pytest.fixture(autouse=True)
def _no_connection_left_open() -> Iterator[None]:
    """Let a test fail that leaves a connection to SQLite open, on every Python: only from 3.13 on they tell."""
    _connections.clear()
    yield
    left = [address for connection, address in _connections if _is_open(connection)]
    _connections.clear()
    assert not left, f"connections to SQLite were not closed: {', '.join(map(str, left))}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let reports travel from the processes that the tests run in: some log text that is no valid Unicode."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "replace").decode()) for name, text in report.sections]
    return report
