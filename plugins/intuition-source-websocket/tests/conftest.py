"""A feed on this machine that speaks as public exchanges do."""

import json
import threading
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

Script = Callable[["Peer"], None]


class Peer:
    """One client, as the feed sees it."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        self.headers = connection.request.headers if connection.request is not None else {}

    def say(self, message: Any) -> None:
        self._connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    def hear(self) -> Any:
        return json.loads(self._connection.recv(timeout=10))

    def drop(self) -> None:
        """End the connection as a cut cable does, without a word."""
        self._connection.socket.close()

    def wait(self) -> None:
        """Be silent until the client goes."""
        try:
            while True:
                self._connection.recv()
        except ConnectionClosed:
            pass


class Feed:
    """Serves one script to each client, in order, and the last one to all who follow."""

    def __init__(self, *scripts: Script, status: HTTPStatus | None = None) -> None:
        self.scripts = list(scripts)
        self.status = status
        self.clients = 0
        self.gone = threading.Semaphore(0)
        """Counts the clients that have left."""
        self._server: Server = serve(self._serve, "127.0.0.1", 0, process_request=self._answer, close_timeout=1)
        self.port = self._server.socket.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/stream"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _answer(self, connection: ServerConnection, _request: Any) -> Any:
        return None if self.status is None else connection.respond(self.status, "")

    def _serve(self, connection: ServerConnection) -> None:
        script = self.scripts[min(self.clients, len(self.scripts) - 1)]
        self.clients += 1
        try:
            script(Peer(connection))
        except ConnectionClosed:
            pass
        finally:
            self.gone.release()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()


@pytest.fixture
def feed() -> Iterator[Callable[..., Feed]]:
    """Make feeds."""
    feeds: list[Feed] = []

    def make(*scripts: Script, status: HTTPStatus | None = None) -> Feed:
        feeds.append(Feed(*scripts, status=status))
        return feeds[-1]

    yield make
    for made in feeds:
        made.close()
