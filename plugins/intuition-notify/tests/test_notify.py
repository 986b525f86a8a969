"""Notices as a service on this machine receives them."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from intuition_notify import Notify
from intuition_notify.dispatch import Dispatch, Notice
from support import eventually

from intuition_core.errors import BadParameter
from intuition_core.params.checking import check_params, shown_params
from intuition_core.plugins.hooks import Hooks

# Apprise looks at images with a module that Python 3.13 has no more; it does without it there.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

REJECTION = {"type": "rejection", "sid": "GOOG", "side": "buy", "reason": "no cash"}


@pytest.fixture
def service() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Give the address of a service, and what it has received."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"json://127.0.0.1:{server.server_port}/token", received
    server.shutdown()
    server.server_close()
    thread.join()


def notifier(url: str, **params: Any) -> Notify:
    notify = Notify()
    notify.initialize(check_params("hooks notify", Notify, {"urls": [url], **params}))
    return notify


def test_a_session_is_told_from_its_beginning_to_its_end(service: tuple[str, list[dict[str, Any]]]) -> None:
    url, received = service
    hooks = Hooks("s", [("notify", notifier(url))])
    hooks.session_started({})
    hooks([REJECTION, {"type": "error", "sid": "GOOG", "problem": "algorithm x.event: no"}])
    hooks.session_finished()
    assert [notice["message"] for notice in received] == [
        "ready for events",
        "not buying GOOG: no cash",
        "failed: algorithm x.event: no",
        "finished",
    ]
    assert {notice["title"] for notice in received} == {"Intuition: s"}


def test_only_the_topics_that_were_named_are_told(service: tuple[str, list[dict[str, Any]]]) -> None:
    url, received = service
    hooks = Hooks("s", [("notify", notifier(url, topics=["rejection"]))])
    hooks.session_started({})
    hooks([REJECTION])
    hooks.session_finished()
    assert [notice["message"] for notice in received] == ["not buying GOOG: no cash"]


def test_an_address_that_apprise_does_not_know_is_refused_without_showing_it() -> None:
    with pytest.raises(BadParameter, match="is no address that Apprise knows") as caught:
        notifier("nonsense-with-a-token")
    assert "nonsense-with-a-token" not in str(caught.value)


def test_addresses_are_secret() -> None:
    params = check_params("hooks notify", Notify, {"urls": ["json://127.0.0.1/token"]})
    assert shown_params(params)["urls"] == "***"


def test_what_exceeds_the_rate_is_counted_in_one_notice() -> None:
    sent: list[str] = []
    dispatch = Dispatch(lambda _title, text: sent.append(text), per_minute=2, minute=2)
    for number in range(5):
        dispatch.put(Notice("fill", "", str(number)))
    eventually(lambda: len(sent) == 3)
    dispatch.close()
    assert sent == ["0", "1", "besides: 3 fills"]


def test_a_service_that_hangs_holds_nobody_up() -> None:
    hanging = threading.Event()
    dispatch = Dispatch(lambda *_: bool(hanging.wait(30)), per_minute=600)
    began = time.monotonic()
    for _ in range(5000):
        dispatch.put(Notice("decision", "", ""))
    assert time.monotonic() - began < 5
    hanging.set()
    dispatch.close()


def test_a_failing_service_is_logged_and_the_next_notice_sent(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[str] = []

    def send(_title: str, text: str) -> None:
        if text == "bad":
            raise OSError("away")
        sent.append(text)

    dispatch = Dispatch(send, per_minute=600)
    dispatch.put(Notice("fill", "", "bad"))
    dispatch.put(Notice("fill", "", "good"))
    dispatch.close()
    assert sent == ["good"]
    assert "a notification was not sent: away" in caplog.text
