"""A session, its executor and a venue as processes that are killed at random; the venue's own log is the judge."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from intuition_venue.instruments import chosen
from intuition_venue.running import Running, running
from intuition_venue.venue import Settings
from support import eventually

from intuition_core.errors import BackendLost, BackendRefused
from intuition_core.rpc.client import Client

TOML = """
session = "kills"
currency = "USD"
cash = 10000
[rpc]
addr = "{addr}"
[broker]
name = "alpaca"
mode = "live"
max_age = "60s"
[broker.params]
url = "{url}"
timeout = 2
[algorithm]
name = "asked.py:Asked"
[portfolio]
name = "fixed"
[portfolio.params]
cash = 500
pyramiding = true
"""

ASKED = """
from intuition_core import Cancel, Signal


class Asked:
    def initialize(self, params):
        return ["quotes"]

    def event(self, data):
        match data.get("do"):
            case "buy" | "sell":
                return Signal(data["sid"], data["do"], data["quote"])
            case "limit":
                return Signal(data["sid"], "buy", data["quote"], limit=data["limit"], tag=data["sid"])
            case "cancel":
                return Cancel(sid=data["sid"])
"""


class Stage:
    """The processes of one run."""

    def __init__(self, folder: Path, venue: Running, port: int, seed: int) -> None:
        self.folder = folder
        self.venue = venue
        self.addr = f"tcp://127.0.0.1:{port}"
        self.rng = random.Random(seed)
        (folder / "asked.py").write_text(ASKED)
        (folder / "intuition.toml").write_text(TOML.format(addr=self.addr, url=venue.url))
        keys = {"KEY": venue.key, "SECRET": venue.secret}
        self.environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("INTUITION_")},
            **{f"INTUITION_BROKER__PARAMS__{name}": value for name, value in keys.items()},
            "XDG_DATA_HOME": str(folder / "data"),
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.client = Client(self.addr, timeout=20)
        self.sent = 0

    def start(self, name: str, *words: str) -> None:
        log = (self.folder / f"{name}.log").open("ab")
        command = [sys.executable, "-m", "intuition_core", name, *words]
        self.processes[name] = subprocess.Popen(
            command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, start_new_session=True
        )
        log.close()

    def start_all(self) -> None:
        self.start("serve")
        self.start("trade", "--live", "PA0000000001")

    def kill(self, name: str) -> None:
        """End a process and all that it has started, at once, and start it again."""
        os.killpg(self.processes[name].pid, signal.SIGKILL)
        self.processes[name].wait()
        self.start(name, *(("--live", "PA0000000001") if name == "trade" else ()))

    def send(self, **data: Any) -> list[dict[str, Any]]:
        """Publish a quote until it is confirmed, and return its records: its id makes it one event."""
        self.sent += 1
        payload = {"sid": "AAPL", "quote": 200.0, "id": f"q{self.sent}", "ts": time.time_ns(), **data}
        records: list[dict[str, Any]] = self._asked("event", payload)
        return records

    def account(self) -> dict[str, Any]:
        found: dict[str, Any] = self._asked("account")
        return found

    def _asked(self, method: str, *args: Any) -> Any:
        answers: list[Any] = []

        def answered() -> bool:
            with contextlib.suppress(BackendLost, BackendRefused):
                answers.append(self.client.call(method, *args))
            return bool(answers)

        eventually(answered)
        return answers[0]

    def wait_for_trading(self) -> None:
        """Wait until the session knows what the account holds, without which it places no order."""

        def known() -> bool:
            time.sleep(0.2)
            return any(each["type"] == "decision" for each in self.send(do="buy"))

        eventually(known, lambda: (self.folder / "trade.log").read_text()[-1000:])

    def close(self) -> None:
        self.client.close()
        for process in self.processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def stage(tmp_path: Path, free: Callable[[], int]) -> Iterator[Callable[[int], Stage]]:
    with contextlib.ExitStack() as stack:

        def begin(seed: int) -> Stage:
            settings = Settings(shape="stocks", instruments=chosen("stocks", ()), log=tmp_path / "venue.jsonl")
            venue = stack.enter_context(running(settings))
            for symbol in ("AAPL", "MSFT"):
                venue.tell("price", {"symbol": symbol, "price": "200", "size": "3", "levels": 1})
            made = Stage(tmp_path, venue, free(), seed)
            stack.callback(made.close)
            made.start_all()
            return made

        yield begin


def judged(stage: Stage) -> tuple[int, int]:
    """Hold the venue's log against the session's books; return how many orders and trades there were."""
    placed = [each["client_id"] for each in stage.venue.entries("placed")]
    assert len(placed) == len(set(placed)), "an order was placed twice"
    trades = stage.venue.entries("filled")
    held: dict[str, Decimal] = {}
    cash = Decimal(10000)
    for each in trades:
        sign = 1 if each["side"] == "buy" else -1
        units = Decimal(each["quantity"])
        held[each["symbol"]] = held.get(each["symbol"], Decimal(0)) + sign * units
        cash -= sign * units * Decimal(each["price"])
    account = stage.account()
    assert Decimal(account["cash"]) == cash, "a trade was lost or booked twice"
    ours = {sid: Decimal(position["quantity"]) for sid, position in account["positions"].items()}
    assert ours == {sid: units for sid, units in held.items() if units}
    return len(placed), len(trades)


def course(stage: Stage, steps: int) -> None:
    """Do things at random; a process dies in every fourth step."""
    rng = stage.rng
    stage.wait_for_trading()
    for _ in range(steps):
        sid = rng.choice(("AAPL", "MSFT"))
        do = rng.choice(("buy", "buy", "sell", "limit", "cancel", ""))
        stage.send(sid=sid, do=do, limit=rng.choice((150.0, 201.0)))
        if rng.random() < 0.3:
            acted = rng.random() < 0.5
            on, fault = rng.choice(("POST /v2/orders", "GET /v2/*", "DELETE /v2/*")), rng.choice(("lose", "status"))
            stage.venue.tell("faults", [{"on": on, "do": fault, "acted": acted}])
        if rng.random() < 0.5:
            stage.venue.tell("price", {"symbol": sid, "price": rng.choice(("199", "200", "201")), "size": "3"})
        if rng.random() < 0.25:
            stage.kill(rng.choice(("serve", "trade")))
        time.sleep(rng.random())  # so that the kill falls into whatever is under way


def settle(stage: Stage) -> None:
    """Cancel what is open, and wait until the session and the venue agree that nothing is."""
    for sid in ("AAPL", "MSFT"):
        stage.send(sid=sid, do="cancel")

    def done() -> bool:
        stage.venue.tell("price", {"symbol": "AAPL", "price": "200", "size": "50"})
        stage.venue.tell("price", {"symbol": "MSFT", "price": "200", "size": "50"})
        return stage.account()["reserved"] == "0" and judged_quietly(stage)

    eventually(done)


def judged_quietly(stage: Stage) -> bool:
    try:
        judged(stage)
    except AssertionError:
        return False
    return True


def play(stage: Stage, steps: int) -> tuple[int, int]:
    course(stage, steps)
    settle(stage)
    counts = judged(stage)
    stage.processes["serve"].terminate()
    stage.processes["serve"].wait(30)
    replayed = subprocess.run(
        [sys.executable, "-m", "intuition_core", "replay", "kills"],
        env=stage.environment,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert replayed.returncode == 0, replayed.stderr
    assert b"each as in the journal" in replayed.stdout
    return counts


def test_kills_place_nothing_twice_and_lose_no_trade(stage: Callable[[int], Stage]) -> None:
    placed, trades = play(stage(1), 16)
    assert placed
    assert trades


@pytest.mark.chaos
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(2, 12))
def test_many_kills(stage: Callable[[int], Stage], seed: int) -> None:
    assert play(stage(seed), 60)[0]
