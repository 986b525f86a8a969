"""A session whose part does something to its process: what is decided, written and kept is as if it had not."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from intuition_core.rpc.client import Client

PART = """
import atexit, decimal, locale, os, random, signal, subprocess, sys, threading, time
from intuition_core import Signal


def fork(end):
    child = os.fork()
    if child == 0:
        end()
    else:
        os.waitpid(child, 0)


def stop():
    raise ValueError("the child")


DEEDS = {
    "nothing": lambda: None,
    "decimal": lambda: decimal.setcontext(decimal.Context(prec=3, traps=[decimal.Inexact])),
    "decimal in place": lambda: setattr(decimal.getcontext(), "prec", 3),
    "folder": lambda: os.chdir("/"),
    "environment": os.environ.clear,
    "locale": lambda: locale.setlocale(locale.LC_ALL, "C"),
    "seed": lambda: random.seed(1),
    "print": lambda: print("noise"),
    "descriptor": lambda: os.write(1, b"noise\\n"),
    "process": lambda: subprocess.run(["echo", "noise"], check=True),
    "thread": lambda: threading.Thread(target=time.sleep, args=(600,)).start(),
    "exit handler": lambda: atexit.register(time.sleep, 600),
    "fork": lambda: fork(lambda: sys.exit(0)),
    "fork that returns": lambda: fork(lambda: None),
    "fork that raises": lambda: fork(stop),
}


class Meddler:
    def initialize(self, params):
        self.n = 0

    def event(self, data):
        self.n += 1
        DEEDS[data.get("do", "nothing")]()
        return Signal(data["sid"], "buy" if self.n % 2 else "sell", data["quote"])


class Sets:
    def initialize(self, params):
        self.sids = set()

    def event(self, data):
        self.sids.add(data["sid"])
        return [Signal(sid, "buy") for sid in self.sids] if len(self.sids) == 8 else None
"""

DEEDS = [line.split('"')[1] for line in PART.splitlines() if line.startswith('    "')]


def serve_part(serve: Callable[..., tuple[Any, str]], folder: Path, *more: str, cls: str = "Meddler") -> Any:
    (folder / "part.py").write_text(PART)
    return serve("--algo", f"./part.py:{cls}", "--portfolio", "fixed", "--session", "m", *more)


def essence(records: list[Any]) -> list[Any]:
    return [{key: record[key] for key in record if key not in ("id", "ts", "cause", "event_id")} for record in records]


def events(do: str) -> list[dict[str, Any]]:
    return [{"sid": "G", "quote": 3.1234567 + n, "id": n, **({"do": do} if n == 2 else {})} for n in range(6)]


@pytest.mark.slow
@pytest.mark.parametrize("do", DEEDS[1:])
def test_a_session_decides_and_ends_as_if_the_part_had_not(
    do: str, serve: Callable[..., tuple[Any, str]], tmp_path: Path
) -> None:
    process, address = serve_part(serve, tmp_path, "--cash", "12345678.91", "--log-format", "json")
    with Client(address) as client:
        told = [essence(client.call("event", event)) for event in events(do)]
        account = client.call("account")
    assert process.end() == 0
    assert [record["type"] for records in told for record in records].count("decision") == 6
    assert account["seq"] == 6
    for line in process.lines:
        if line and line != "noise":  # what other programs write to the descriptor is no line of ours
            json.loads(line)
    assert (do in ("print", "descriptor", "process")) is any("noise" in line for line in process.lines)
    # The journal gives the same account once more, in a process in which the part does the same again.
    again = subprocess.run(
        [sys.executable, "-m", "intuition_core", "replay", "m", "--json"],
        cwd=tmp_path, env={**os.environ, "XDG_DATA_HOME": str(tmp_path / "data")}, capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["account"] == account


@pytest.mark.parametrize("do", [deed for deed in DEEDS if deed.startswith("decimal")])
def test_decisions_of_a_part_that_changes_the_decimal_context_are_published(
    do: str, serve: Callable[..., tuple[Any, str]], intuition: Any, broker: str, listen: Any, tmp_path: Path
) -> None:
    _, address = serve_part(serve, tmp_path, "--cash", "12345678.91")
    intuition("connect", "--mqtt", broker, "--rpc", address).line("connected to the broker")
    world = listen(broker, "intuition/1/m/#")
    published: dict[str, list[dict[str, Any]]] = {"decisions": [], "fills": [], "dead": []}
    for number in range(6):  # one by one: what a failure holds back goes out with what comes next
        world.publish("quotes", {"sid": "G", "quote": 3.1234567 + number, "id": number, "do": do})
        while len(published["decisions"]) <= number or len(published["fills"]) < number:
            topic, payload = world.messages.get(timeout=20)
            published.get(topic.rpartition("/")[2], []).append(json.loads(payload))
            assert published["dead"] == []
    with Client(address) as client:
        decided = client.call("decisions", 0)
    amounts = ("id", "side", "cash", "quantity", "quote")
    assert [[record[key] for key in amounts] for record in published["decisions"]] == [
        [record[key] for key in amounts] for record in decided
    ]
    assert [fill["cause"] for fill in published["fills"]] == [record["id"] for record in decided][:-1]


def test_a_session_whose_part_goes_through_a_set_goes_on(serve: Callable[..., tuple[Any, str]], tmp_path: Path) -> None:
    process, address = serve_part(serve, tmp_path, cls="Sets")
    symbols = ["IBM", "MSFT", "AAPL", "GOOG", "AMZN", "XOM", "GLD", "TLT"]
    with Client(address) as client:
        for sid in symbols:
            records = client.call("event", {"sid": sid, "quote": 10.0})
    assert records
    process.end()
    _, address = serve_part(serve, tmp_path, cls="Sets")
    with Client(address) as client:
        assert client.call("account")["seq"] == len(symbols)
