"""A quote published to a real broker becomes a decision, through discovery, composition, RPC and the connector."""

import json
import random
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from intuition_core.rpc.client import Client

NODE = Path(__file__).parent.parent / "node"
ALWAYS = ("--algo", "random", "--param", "threshold=0", "--param", "max_fraction=0.01", "--seed", "7")


def connected(intuition: Callable[..., Any], broker: str, address: str, *words: str) -> Any:
    process = intuition("connect", "--mqtt", broker, "--rpc", address, *words)
    process.line("connected to the broker")
    return process


def test_a_quote_becomes_a_decision_and_the_next_one_fills_it(
    serve: Any, intuition: Any, broker: str, listen: Any
) -> None:
    backend, address = serve(*ALWAYS)
    connector = connected(intuition, broker, address)
    world = listen(broker, "intuition/1/random-naive/#")
    world.publish("quotes", '{"goog": 345}')
    decision = world.next("/decisions")
    assert (decision["sid"], decision["side"], decision["quote"], decision["status"]) == ("goog", "buy", 345, "placed")
    world.publish("quotes/goog", '{"quote": "346"}')
    assert world.next("/fills")["cause"] == decision["id"]
    assert world.next("/portfolio")["positions"]["goog"]["mark"] == 346
    backend.line("buying", "of goog at 345")
    assert connector.end() == 0
    assert backend.end() == 0


BAD = [
    b"",
    b"{",
    b"\xff\xfe",
    b"null",
    b"7",
    b"[]",
    b"{}",
    b"[[[]]]",
    b'"goog"',
    b'{"goog": NaN}',
    b'{"goog": 1e400}',
    b'{"goog": -1}',
    b'{"goog": 0}',
    b'{"goog": "many"}',
    b'{"goog": true}',
    b'{"goog": {"quote": 1}}',
    b'{"sid": "GOOG"}',
    b'{"quote": 3}',
    b'{"sid": "", "quote": 3}',
    b'{"sid": 5, "quote": 3}',
    b'{"sid": "GOOG", "quote": 3, "ts": 1.5}',
    b'{"sid": "GOOG", "quote": 3, "ts": "yesterday"}',
    b'{"sid": "GOOG", "quote": 3, "ts": 18446744073709551616}',
    b'{"sid": "GOOG", "quote": 3, "size": 340282366920938463463374607431768211456}',
    b'{"sid": "\\ud800", "quote": 3}',
    b'{"goog": 1, "aapl": "x"}',
    b"[" * 100_000,
    b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
    b'{"sid": "GOOG", "quote": 3, "deep": ' + b"[" * 40 + b"]" * 40 + b"}",
]


def test_what_cannot_be_read_goes_to_dead_with_its_reason_and_the_next_quote_is_served(
    serve: Any, intuition: Any, broker: str, listen: Any
) -> None:
    _, address = serve(*ALWAYS)
    connected(intuition, broker, address)
    world = listen(broker, "intuition/1/random-naive/#")
    draw = random.Random(5)
    good = b'{"sid": "GOOG", "quote": 345, "venue": "X"}'
    for n in range(4):
        bad = [*BAD, *(bytes(draw.sample(good, k=draw.randrange(1, len(good)))) for _ in range(100))]
        for payload in bad:
            world.publish_soon("quotes", payload)
        world.publish_soon("quotes", good)
        for _ in bad:
            assert world.next("/dead")["reason"]
        assert world.next("/decisions")["seq"] == n + 1
    world.publish("quotes", bytes(10_000_000))
    assert "10000000" in str(world.next("/dead"))
    world.publish("quotes", good)
    assert world.next("/decisions")["seq"] == 5


def test_a_node_program_publishes_quotes_and_reads_decisions(
    serve: Any, intuition: Any, broker: str, node_modules: Path
) -> None:
    _, address = serve(*ALWAYS, "--session", "shared")
    connected(intuition, broker, address)
    command = ["node", str(NODE / "trader.js"), broker, "shared", "5", '{"sid": "GOOG", "quote": "345"}']
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    decisions = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [decision["seq"] for decision in decisions] == [1, 2, 3, 4, 5]
    assert {decision["sid"] for decision in decisions} == {"GOOG"}


def test_a_node_program_drives_the_backend_as_in_the_article(serve: Any, node_modules: Path) -> None:
    backend, address = serve(*ALWAYS)
    events = ['{"sid": "GOOG", "quote": "345"}', '{"goog": 3.45}', '{"goog": "x"}', "[1]", '{"goog": 3.46}']
    command = ["node", str(NODE / "client.js"), address, '{"cash": 50000}', *events]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    first, *answers = [json.loads(line) for line in ran.stdout.splitlines()]
    assert first == {"call": "initialize", "answer": ["quotes"]}
    assert answers[0]["answer"][0]["type"] == "decision"
    assert "goog: expected a number" in answers[2]["error"]["message"]
    assert "error" in answers[3]
    assert [record["type"] for record in answers[4]["answer"]] == ["fill", "decision"]
    backend.line("buying", "of GOOG at 345")


def test_the_connector_drives_a_backend_it_has_never_seen(
    start: Any, intuition: Any, broker: str, listen: Any, node_modules: Path
) -> None:
    backend = start("node", str(NODE / "backend.js"), "tcp://127.0.0.1:*")
    address = backend.line("ready tcp").split()[-1]
    connected(intuition, broker, address, "--name", "stranger")
    world = listen(broker, "intuition/1/stranger/#")
    world.publish("quotes", '{"sid": "REFUSED", "quote": 1}')
    assert "this symbol is refused" in world.next("/dead")["reason"]
    world.publish("quotes", '{"goog": 345, "aapl": 120}')
    assert [world.next("/decisions")["sid"] for _ in range(2)] == ["goog", "aapl"]


def test_each_part_may_die_and_the_others_go_on(
    serve: Any, intuition: Any, mosquitto: str, listen: Any, port: int
) -> None:
    url = f"mqtt://127.0.0.1:{port}"
    broker = intuition("broker", "--port", str(port))
    broker.line("ready")
    backend, address = serve(*ALWAYS)
    connector = connected(intuition, url, address)

    def decides(quote: float) -> None:
        world = listen(url, "intuition/1/random-naive/#")
        world.publish("quotes", {"goog": quote})
        while world.next("/decisions")["quote"] != quote:
            pass

    decides(1)
    backend.kill()
    world = listen(url, "intuition/1/random-naive/#")
    world.publish("quotes", '{"goog": 1.5}')
    connector.line("retrying")
    intuition("serve", "--addr", address, *ALWAYS).line("ready: session")
    assert world.next("/decisions")["quote"] == 1.5
    decides(2)
    connector.kill()
    connector = connected(intuition, url, address)
    decides(3)
    broker.kill()
    connector.line("broker", "retrying")
    intuition("broker", "--port", str(port)).line("ready")
    connector.line("back at the broker")
    decides(4)


def test_garbage_on_the_rpc_port_leaves_the_session_as_it_was(serve: Any) -> None:
    backend, address = serve(*ALWAYS)
    host, port = address.removeprefix("tcp://").split(":")
    draw = random.Random(3)
    for _ in range(200):
        with socket.create_connection((host, int(port)), timeout=5) as stranger:
            stranger.sendall(
                draw.choice([b"GET / HTTP/1.1\r\n\r\n", draw.randbytes(200), b"\xff" + bytes(8) + b"\x7f"])
            )
    with Client(address) as client:
        assert client.call("event", {"goog": 3.45})[0]["type"] == "decision"
        assert client.call("describe")["last_seq"] == 1
    assert backend.end() == 0
