"""The main job with all its processes, on ports of their own: a broker, a backend, a connector; and whom it serves."""

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from support import free_port

from intuition_core.errors import BackendLost
from intuition_core.rpc.client import Client

from .checker import FailureDecision, judge, read_arrivals, read_published, took_place
from .executor import Executor
from .program import Program
from .publisher import Publisher
from .reference import CASH, NUMBERED, account

SESSION: Final = "chaos"
_SILENCE: Final = 1.5
"""Seconds without a decision after which none is under way, once all events were taken."""
_PATIENCE: Final = 30.0
"""The same before that: a busy machine takes so long to start a backend, and a connector to give up a call."""
_INTUITION: Final = (sys.executable, "-m", "intuition_core")


class Stuck(Exception):
    """Nothing goes on any more."""


def find_mosquitto() -> str | None:
    """Give the broker's program."""
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin")


def wait_for(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait for a condition.

    Raises:
        Stuck: it does not come about.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise Stuck(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.02)


class Stage:
    """Everything that runs.

    Args:
        folder: where logs, journal and the broker's data go.
        seed: decides what is published.
        named: whether events carry ids, see `Publisher`.
        broker_via: gives the port at which the connector finds the broker at a port, for a proxy in between.
        backend_via: the same for the backend.
        saved: whether the parts save their state.
        slow: a file; while it exists, the algorithm takes its time.
        feeding: whether anything is published; else that is left to the test.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        named: bool,
        rate: float = 250,
        saved: bool = True,
        slow: Path | None = None,
        feeding: bool = True,
        broker_via: Callable[[int], int] = lambda port: port,
        backend_via: Callable[[int], int] = lambda port: port,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._feeding = feeding
        self.broker_port, self.backend_port = free_port(), free_port()
        self.broker = Program("broker", (_mosquitto(), "-c", str(self._mosquitto_conf())), folder / "broker.log")
        prefix = "saved-" if saved else ""
        environment = {"PYTHONPATH": str(NUMBERED)} | ({"NUMBERED_SLOW": str(slow)} if slow is not None else {})
        self.backend = Program(
            "backend",
            (
                *(*_INTUITION, "serve", "--algo", f"{prefix}numbered", "--portfolio", f"{prefix}counted"),
                *("--seed", "7", "--cash", str(CASH), "--session", SESSION),
                *("--addr", f"tcp://127.0.0.1:{self.backend_port}", "--journal", str(folder / "session.sqlite")),
            ),
            folder / "backend.log",
            environment,
        )
        self.connector = Program(
            "connector",
            (
                *(*_INTUITION, "connect", "--mqtt", f"mqtt://127.0.0.1:{broker_via(self.broker_port)}"),
                *("--rpc", f"tcp://127.0.0.1:{backend_via(self.backend_port)}"),
                *("--timeout", "4", "--param", "keepalive=5"),
            ),
            folder / "connector.log",
            environment,
        )
        self.publisher = Publisher(self.broker_port, folder / "published.jsonl", seed=seed, named=named, rate=rate)
        self.executor = Executor(self.broker_port, folder / "executor.sqlite", session=SESSION)
        self.ended: list[str] = []
        """Programs that ended by themselves, and how."""

    @property
    def programs(self) -> tuple[Program, Program, Program]:
        return self.broker, self.backend, self.connector

    def __enter__(self) -> Self:
        try:
            self.broker.start()
            wait_for(lambda: _listens(self.broker_port), "the broker")
            self.executor.start()
            wait_for(self.executor.subscribed.is_set, "the executor to be subscribed")
            self.backend.start()
            self.connector.start()
            wait_for(lambda: "connected to the broker" in self.connector.last_words(100), "the connector")
            if self._feeding:
                self.publisher.start()
                wait_for(lambda: self.executor.executed, "the first decision")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.publisher.abandon()
        self.executor.stop()
        for program in self.programs:
            program.end()

    def tend(self) -> None:
        """Start again what ended by itself, and note it."""
        for program in self.programs:
            if program.code is not None:
                self.ended.append(f"{program.name} ended with {program.code}: {program.last_words(3)}")
                time.sleep(0.2)
                program.start()

    def progress(self, events: int, seconds: float = 60) -> None:
        """Wait until so many more decisions were executed.

        Raises:
            Stuck: they were not.
        """
        goal = self.executor.executed + events

        def reached() -> bool:
            self.tend()
            return self.executor.executed >= goal

        wait_for(reached, f"{events} more decisions", seconds)

    def settle(self, *, asking: bool) -> FailureDecision:
        """Let everything come to rest, and judge it.

        Args:
            asking: whether the executor asks the session for the decisions that it has not received.

        Raises:
            Stuck: it does not come to rest.
        """
        self.publisher.finish()
        try:
            wait_for(lambda: self.tend() or self.publisher.settled, "the publisher to have all confirmed", 60)
        finally:
            self.publisher.abandon()
        published = read_published(self.folder / "published.jsonl")
        confirmed = sum(entry.confirmed for entry in published)
        since = time.monotonic()
        before = -1
        complete = False
        while time.monotonic() - since < (_SILENCE if complete else _PATIENCE):
            self.tend()
            if self.executor.arrived != before:
                before, since = self.executor.arrived, time.monotonic()
            elif not complete and time.monotonic() - since > _SILENCE:
                # What a broker has lost of the decisions never comes; who asks need not wait for it.
                complete = self.executor.executed >= confirmed or (asking and self.call("account")["seq"] >= confirmed)
            time.sleep(0.05)
        self.executor.stop()
        if asking:
            self.executor.ask(self._decisions())
        arrivals = read_arrivals(self.folder / "executor.sqlite")
        events = [entry.event for entry in took_place(published, arrivals)]
        return judge(published, arrivals, ledger=self.call("account"), expected=account(events), forgetful=asking)

    def last_words(self) -> str:
        """Give the ends of what the programs said."""
        return "\n".join(f"--- {program.name}:\n{program.last_words()}" for program in self.programs)

    def call(self, method: str, *args: Any) -> Any:
        """Ask the backend, which may be about to start."""
        for attempt in range(20):
            with Client(f"tcp://127.0.0.1:{self.backend_port}", timeout=10) as client:
                try:
                    return client.call(method, *args)
                except BackendLost:
                    if attempt == 19:
                        raise
                    time.sleep(0.5)
        raise AssertionError

    def _decisions(self) -> list[dict[str, Any]]:
        decisions: list[dict[str, Any]] = []
        while page := self.call("decisions", decisions[-1]["seq"] if decisions else 0, 1000):
            decisions += page
        return decisions

    def _mosquitto_conf(self) -> Path:
        data = self.folder / "broker"
        data.mkdir()
        file = self.folder / "mosquitto.conf"
        lines = [
            f"listener {self.broker_port} 127.0.0.1",
            "allow_anonymous true",
            "max_inflight_messages 1000",
            "max_queued_messages 0",
            "set_tcp_nodelay true",
            "persistence true",
            f"persistence_location {data}/",
            "autosave_interval 1",
            "sys_interval 0",
            "log_dest stderr",
            "log_type all",  # every packet, for who has to find out what happened
            "user root" if os.geteuid() == 0 else "",
        ]
        file.write_text("\n".join(lines) + "\n")
        return file


def _mosquitto() -> str:
    program = find_mosquitto()
    assert program is not None, "mosquitto is not installed"
    return program


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
