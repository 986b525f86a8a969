"""Servers to call: in a thread of this process, or in a process of their own."""

import logging
import queue
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import gevent
import pytest
import zerorpc
from support.nodejs import node_client, node_modules

from intuition_core.rpc.client import Client
from intuition_core.rpc.keys import new_pair
from intuition_core.rpc.server import Method, Server

HERE = Path(__file__).parent

__all__ = ["node_client", "node_modules"]

Serve = Callable[..., str]


class Keyring:
    """Key pairs in a folder, and a folder of allowed clients beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "keys"
        self.clients = folder / "clients"
        self.clients.mkdir()
        self.make("server")

    def make(self, name: str) -> Path:
        """Make a pair; give the file of its secret half."""
        new_pair(name, self.folder)
        return self.secret(name)

    def allow(self, name: str, table: str = "") -> Path:
        """Make a pair whose owner may call."""
        secret = self.make(name)
        if table:
            (self.clients / "clients.toml").write_text(table)
        shutil.copy(self.folder / f"{name}.public", self.clients)
        return secret

    def secret(self, name: str) -> Path:
        return self.folder / f"{name}.secret"

    def public(self, name: str) -> str:
        return (self.folder / f"{name}.public").read_text().strip()

    @property
    def served(self) -> dict[str, Path]:
        """What a server takes."""
        return {"key": self.secret("server"), "clients": self.clients}

    def called(self, name: str) -> dict[str, Any]:
        """What a caller takes."""
        return {"key": self.secret(name), "server_key": self.public("server")}


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    """Keys for a server and those who call it."""
    return Keyring(tmp_path)


@contextmanager
def _served(methods: Mapping[str, Method], options: dict[str, Any]) -> Iterator[tuple[str, Server]]:
    """Serve from a thread; gevent gives each thread a hub of its own, so caller and server do not share one."""
    started: queue.Queue[tuple[str, Server]] = queue.Queue()

    def serve() -> None:
        with Server(methods, name="test", **options) as server:
            started.put((server.bind("tcp://127.0.0.1:0"), server))
            server.run()
        gevent.get_hub().destroy(destroy_loop=True)

    thread = threading.Thread(target=serve)
    thread.start()
    address, server = started.get(timeout=60)
    try:
        yield address, server
    finally:
        server.stop()
        thread.join(timeout=60)
        assert not thread.is_alive()


@pytest.fixture
def start() -> Iterator[Callable[..., tuple[str, Server]]]:
    """Serve methods and give the address, and the server to stop."""
    with ExitStack() as stack:

        def begin(methods: Mapping[str, Method], **options: Any) -> tuple[str, Server]:
            return stack.enter_context(_served(methods, options))

        yield begin


@pytest.fixture
def serve(start: Callable[..., tuple[str, Server]]) -> Serve:
    """Serve methods and give the address."""
    return lambda methods, **options: start(methods, **options)[0]


@pytest.fixture
def client() -> Iterator[Callable[..., Client]]:
    """Our client."""
    with ExitStack() as stack:
        yield lambda address, **options: stack.enter_context(Client(address, **options))


@pytest.fixture
def plain() -> Iterator[Callable[..., zerorpc.Client]]:
    """zerorpc's own client, as strangers use it."""
    clients: list[zerorpc.Client] = []

    def connect(address: str, **options: Any) -> zerorpc.Client:
        client = zerorpc.Client(address, **options)
        client._events.setsockopt(zerorpc.zmq.LINGER, 0)
        clients.append(client)
        return client

    yield connect
    for one in clients:
        one.close()


@pytest.fixture
def program() -> Iterator[Callable[..., tuple[subprocess.Popen[str], str]]]:
    """Start a program that prints a line when it is ready; give it and the last word of that line."""
    with ExitStack() as stack:

        def run(*command: str) -> tuple[subprocess.Popen[str], str]:
            process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
            stack.callback(process.kill)
            assert process.stdout is not None
            words = process.stdout.readline().split()
            assert words, "it ended before it was ready"
            return process, words[-1]

        yield run


@pytest.fixture
def python(
    program: Callable[..., tuple[subprocess.Popen[str], str]],
) -> Callable[..., tuple[subprocess.Popen[str], str]]:
    """Start one of the programs beside this file."""
    return lambda name, *args: program(sys.executable, str(HERE / name), *args)


@pytest.fixture
def warnings_of(caplog: pytest.LogCaptureFixture) -> Callable[[int], list[str]]:
    """The lines logged at a level or above."""
    caplog.set_level(logging.DEBUG, logger="intuition_core.rpc")
    return lambda level: [record.getMessage() for record in caplog.records if record.levelno >= level]
