"""A venue on this machine, and waits that are noted alone."""

import threading
from collections.abc import Iterator

import pytest
from support.candles import Venue

from intuition_core.sources import asking


@pytest.fixture
def venue() -> Iterator[Venue]:
    server = Venue()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note the waits between requests instead of waiting."""
    noted: list[float] = []
    monkeypatch.setattr(asking, "sleep", lambda seconds: noted.append(seconds) if seconds else None)
    return noted
