"""The contract of connectors as tests to subclass."""

import threading
from typing import Any, ClassVar

from intuition_core.testing.contract import Contract, Made, must
from intuition_core.testing.effects import observed


class FakeBackend:
    """A backend without a session: `initialize` returns one channel, and events have no records.

    Attributes:
        calls: what was called, in order, as (method, arguments).
        called: set as soon as anything was called.
        closed: how often it was closed.
    """

    address = "memory"

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.called = threading.Event()
        self.closed = 0

    def offers(self, method: str) -> bool:
        """Return whether a method is one of those that every backend has."""
        return method in ("initialize", "event")

    def call(self, method: str, *args: Any) -> Any:
        """Answer a call."""
        self.calls.append((method, args))
        self.called.set()
        return ["quotes"] if method == "initialize" else []

    def close(self) -> None:
        """Count how often the backend is closed."""
        self.closed += 1


class ConnectorContract(Contract):
    """The checks of a connector.

    ::

        class TestMyConnector(ConnectorContract):
            part = MyConnector
            params = {"url": "mqtt://127.0.0.1:1"}  # nobody listens there, which it must bear

    Attributes:
        patience: the most seconds that `run` may take to end.
    """

    kind: ClassVar[str] = "connector"
    patience: ClassVar[float] = 5.0

    def test_initialize_connects_nothing(self) -> None:
        """`initialize` takes parameters, and opens no connection: mistakes are told before anything runs."""
        with observed(getattr(self.factory, "__module__", "")) as calls:
            self.make()
        found = [str(call) for call in calls if call.effect == "network"]
        must(not found, f"`initialize` connects ({', '.join(found)}): do that in `run`")

    def test_initialize_needs_no_backend(self) -> None:
        """`initialize` can be called again, as when a configuration is checked before it is used."""
        made = self.make()
        initialize = made.live.initialize
        try:
            initialize(self.parameters())
        except Exception as error:
            raise AssertionError(
                f"a second `initialize` raised {type(error).__name__}: {error}; it only takes parameters"
            ) from error

    def test_stop_ends_run(self) -> None:
        """`run` ends soon after `stop`, whether or not the other side can be reached."""
        made, backend = self.make(), FakeBackend()
        self._stopped(made, backend, wait=True)

    def test_stop_before_run_holds(self) -> None:
        """A `stop` that comes before `run`, as from an impatient person, is not forgotten."""
        made, backend = self.make(), FakeBackend()
        made.live.stop()
        self._stopped(made, backend, wait=False)

    def _stopped(self, made: Made, backend: FakeBackend, *, wait: bool) -> None:
        failures: list[BaseException] = []

        def run() -> None:
            try:
                made.live.run(backend)
            except BaseException as error:  # noqa: BLE001  # told by the thread that waits
                failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        if wait:
            backend.called.wait(self.patience)
            made.live.stop()
        thread.join(self.patience)
        when = "after `stop`" if wait else "though `stop` had been called before it began"
        if failures:
            raise AssertionError(
                f"`run` raised {type(failures[0]).__name__}: {failures[0]}; wait for what cannot be reached, and try"
                " again until `stop`"
            ) from failures[0]
        alive = thread.is_alive()
        if alive:
            made.live.stop()
        must(
            not alive,
            f"`run` was still running {self.patience:g} s {when}: look for it between two events, and while waiting",
        )
