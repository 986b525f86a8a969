"""Node.js on either end, with the npm package zerorpc."""

import logging
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from intuition_core.errors import BackendRefused
from intuition_core.rpc.client import Client
from intuition_core.rpc.server import Method

pytestmark = pytest.mark.node

NodeClient = Callable[..., list[dict[str, Any]]]
Program = Callable[..., tuple[subprocess.Popen[str], str]]


def test_a_node_client_is_served(node_client: NodeClient, serve: Callable[..., str]) -> None:
    confs: list[object] = []

    def initialize(conf: object) -> list[str]:
        confs.append(conf)
        return ["quotes"]

    methods = {"initialize": Method(initialize, queued=True), "event": Method(lambda data: [data], queued=True)}
    answers = node_client(serve(methods), {"cash": 50_000}, {"goog": 3.45}, {"sid": "GOOG", "quote": "345"})
    assert confs == [{"cash": 50_000}]
    assert answers == [
        {"call": "initialize", "answer": ["quotes"]},
        {"call": "event", "answer": [{"goog": 3.45}]},
        {"call": "event", "answer": [{"sid": "GOOG", "quote": "345"}]},
    ]


def test_a_node_client_sees_errors(node_client: NodeClient, serve: Callable[..., str]) -> None:
    def event(data: object) -> None:
        raise ValueError("odd")

    methods = {"event": Method(event, queued=True)}
    answers = node_client(serve(methods), {}, stdin='{"goog": 1}\n')
    assert [answer["error"]["name"] for answer in answers] == ["NameError", "InternalError"]
    assert answers[1]["error"]["message"] == "`event` failed: ValueError: odd"


def test_a_node_client_is_served_with_keys(
    node_client: NodeClient, serve: Callable[..., str], keyring: Any, warnings_of: Callable[[int], list[str]]
) -> None:
    keyring.allow("desk")
    keyring.allow("monitor", '[monitor]\nmay = "read"\n')
    keyring.make("stranger")
    methods = {
        "initialize": Method(lambda conf: ["quotes"], queued=True, drives=False),
        "event": Method(lambda data: [data], queued=True),
    }
    address = serve(methods, **keyring.served)

    def answers(name: str, **variables: object) -> list[dict[str, Any]]:
        keys = {"KEYS": keyring.folder / name, "SERVER_KEY": keyring.folder / "server.public"} if name else {}
        return node_client(address, {}, {"goog": 3.45}, **keys, **variables)

    assert [answer.get("answer") for answer in answers("desk")] == [["quotes"], [{"goog": 3.45}]]
    may, may_not = answers("monitor")
    assert may["answer"] == ["quotes"]
    assert may_not["error"]["name"] == "NotAllowed"
    assert "client `monitor` may only read" in may_not["error"]["message"]
    for name in ("stranger", ""):
        assert [answer["error"]["name"] for answer in answers(name, TIMEOUT=1)] == ["TimeoutExpired"] * 2
    logged = "\n".join(warnings_of(logging.WARNING))
    assert f"its key {keyring.public('stranger')} is not allowed" in logged
    assert "it gave no key" in logged


def test_a_node_backend_is_called(node_modules: Path, program: Program, client: Callable[..., Client]) -> None:
    _, address = program("node", str(node_modules.parent / "backend.js"), "tcp://127.0.0.1:*")
    backend = client(address)
    assert [backend.offers(name) for name in ("initialize", "event", "events")] == [True, True, False]
    assert backend.call("initialize", {}) == ["quotes"]
    records = backend.call("event", {"goog": 3.45, "aapl": "1.2"})
    assert [(record["sid"], record["quote"], record["seq"]) for record in records] == [
        ("goog", 3.45, 1),
        ("aapl", 1.2, 2),
    ]
    with pytest.raises(BackendRefused, match="this symbol is refused") as caught:
        backend.call("event", {"sid": "REFUSED", "quote": 1})
    assert caught.value.name == "RangeError"
    assert len(backend.call("event", [{"sid": "GOOG", "quote": 345}])) == 1
