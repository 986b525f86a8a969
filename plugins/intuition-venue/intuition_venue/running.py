"""A venue on a thread of this process, for tests: ``with running(Settings(...)) as venue``."""

import asyncio
import json
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from intuition_venue.server import Server
from intuition_venue.shapes import shape_of
from intuition_venue.venue import Settings, Venue

HOST = "127.0.0.1"


class Running:
    """A venue that is served. `key` and `secret` are those of its account."""

    def __init__(self, settings: Settings, port: int) -> None:
        self.port = port
        self.url = f"http://{HOST}:{port}"
        self.websocket = f"ws://{HOST}:{port}"
        self.key = settings.key
        self.secret = settings.secret
        self._log = settings.log

    def tell(self, what: str, body: Mapping[str, Any] | Sequence[Any] | None = None) -> dict[str, Any]:
        """Ask something of the venue itself, such as a `price`; return the answer.

        Raises:
            urllib.error.HTTPError: it was refused.
        """
        data = b"" if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(f"{self.url}/_venue/{what}", data=data, timeout=30) as answer:  # noqa: S310  # http
            told: dict[str, Any] = json.load(answer)
        return told

    def entries(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return the entries of the venue's log, or those of one kind."""
        return [entry for entry in read_log(self._log) if kind is None or entry["type"] == kind]


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a log, whoever writes it, up to the last whole action."""
    lines = path.read_bytes().split(b"\n")[:-1]
    entries: list[dict[str, Any]] = [msgspec.json.decode(line) for line in lines]
    while entries and not entries[-1].get("end"):
        entries.pop()
    return entries


@contextmanager
def running(settings: Settings, *, port: int = 0) -> Iterator[Running]:
    """Serve a venue until the block is left. Its prices move only when they are told to.

    Raises:
        BadLog: the log is another venue's.
        PortTaken: another program listens on the port.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="venue", daemon=True)
    thread.start()

    async def start() -> tuple[Server, int]:
        venue = Venue(settings)
        server = Server(venue, shape_of(venue))
        return server, await server.start(HOST, port)

    try:
        server, chosen = asyncio.run_coroutine_threadsafe(start(), loop).result()
        try:
            yield Running(settings, chosen)
        finally:
            asyncio.run_coroutine_threadsafe(server.stop(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
