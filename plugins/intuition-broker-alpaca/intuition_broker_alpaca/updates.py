"""Alpaca's stream of trade updates, as a hint that there is something to ask for."""

import logging
import threading
from collections.abc import Callable
from typing import Final

import msgspec
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

_log: Final = logging.getLogger(__name__)

_LONGEST_WAIT: Final = 30.0


class Updates(threading.Thread):
    """Calls a function at each update of the account's orders, and whenever the stream begins anew.

    What an update says is not looked at: the same is asked for over REST, where nothing is lost.

    Args:
        url: of the stream.
        key: the key's id.
        secret: the key's secret.
        tell: what is called.
    """

    def __init__(self, url: str, *, key: str, secret: str, tell: Callable[[], None]) -> None:
        super().__init__(name="alpaca updates", daemon=True)
        self._url = url
        self._hello = [
            msgspec.json.encode({"action": "auth", "key": key, "secret": secret}).decode(),
            msgspec.json.encode({"action": "listen", "data": {"streams": ["trade_updates"]}}).decode(),
        ]
        self._tell = tell
        self._ended = threading.Event()

    def end(self) -> None:
        """Make the thread end soon."""
        self._ended.set()

    def run(self) -> None:
        """Read until `end`."""
        wait = 0.25
        while not self._ended.is_set():
            try:
                self._read()
                wait = 0.25
            except (OSError, WebSocketException, TimeoutError) as error:
                _log.debug("the stream of trade updates ended: %s; trades are asked for meanwhile", error)
            self._ended.wait(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    def _read(self) -> None:
        with connect(self._url, open_timeout=10, close_timeout=1, proxy=None) as stream:
            for text in self._hello:
                stream.send(text)
            self._tell()
            while not self._ended.is_set():
                try:
                    stream.recv(timeout=1.0)
                except TimeoutError:
                    continue
                self._tell()
