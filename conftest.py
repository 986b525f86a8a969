"""What holds for all tests."""

import sqlite3
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing
from typing import Any, Protocol, TypeVar

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("support")

if settings.get_current_profile_name() == "default":  # and no other was asked for, or is that of a CI
    settings.register_profile("default", deadline=None)  # the first example imports what others find imported
    settings.load_profile("default")


class Closes(Protocol):
    """What has to be closed."""

    def close(self) -> object:
        """Let it go."""


T = TypeVar("T", bound=Closes)


class SourceReader:
    """Closes what it was given, the latest first."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self, thing: T) -> T:
        """Give it back; it is closed at the end of the test."""
        return self._stack.enter_context(closing(thing))


@pytest.fixture
def opened() -> Iterator[SourceReader]:
    """What closes the journals, sessions and services of a test at its end: ``opened(Journal(path))``."""
    with ExitStack() as stack:
        yield SourceReader(stack)


class Connections:
    """The connections to SQLite that this process makes, each with the address that it was made with."""

    def __init__(self) -> None:
        self._made: list[tuple[sqlite3.Connection, object]] = []
        self._thread = threading.local()
        sys.addaudithook(self._note)

    def begin(self) -> None:
        """Forget those made so far."""
        self._made = []

    def left_open(self) -> list[object]:
        """Give the addresses of those made since that are not closed."""
        return [address for connection, address in self._made if _is_open(connection)]

    def _note(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "sqlite3.connect":
            self._thread.address = arguments[0]
        elif event == "sqlite3.connect/handle":
            self._made.append((arguments[0], self._thread.address))


def _is_open(connection: sqlite3.Connection) -> bool:
    try:
        return connection.total_changes >= 0
    except sqlite3.ProgrammingError:
        return False


CONNECTIONS = Connections()
FAILED = pytest.StashKey[bool]()


@pytest.fixture(autouse=True)
def _no_connection_left_open(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let a test fail that leaves a connection to SQLite open: Python itself tells from 3.13 on only, and later."""
    CONNECTIONS.begin()
    yield
    left = CONNECTIONS.left_open()
    CONNECTIONS.begin()
    if left and not request.node.stash.get(FAILED, False):
        pytest.fail(f"connections to SQLite were not closed: {', '.join(map(str, left))}", pytrace=False)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let reports travel from the processes that the tests run in: some log text that is no valid Unicode."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "replace").decode()) for name, text in report.sections]
    if report.failed:
        item.stash[FAILED] = True
    return report
