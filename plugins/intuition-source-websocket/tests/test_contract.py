from collections.abc import Callable
from typing import Any

import pytest
from intuition_source_websocket import WebSocket

from intuition_core.testing import SourceContract


class TestWebSocket(SourceContract):
    part = WebSocket
    live = True
    limit = 20

    @pytest.fixture(autouse=True)
    def spoken(self, request: pytest.FixtureRequest, feed: Callable[..., Any]) -> None:
        """Let a feed say twenty quotes to whoever comes."""

        def say(peer: Any) -> None:
            for number in range(self.limit):
                peer.say({"s": "GOOG", "p": 100 + number, "t": 1_700_000_000_000 + number})
            peer.wait()

        request.instance.params = {"url": feed(say).url, "symbol": "s", "quote": "p", "time": "t"}
