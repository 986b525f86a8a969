"""``intuition venue`` as a process: what it prints, how it ends, and that it goes on with its log."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from intuition_venue.running import read_log
from support import environment, eventually, free_port

from intuition_core.cli import main

CODE = "import sys; from intuition_core.cli import main; sys.exit(main(['venue', *sys.argv[1:]]))"


class Command:
    """The command, and what it has said until it was ready."""

    def __init__(self, folder: Path, *arguments: str, **variables: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment(**variables),
        )
        self.said = ""

    def ready(self) -> str:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said += line
            if matched := re.search(r"venue ready: .* at (\S+), ", line):
                return matched[1]
        pytest.fail(f"it ended without being ready: {self.said}")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(30)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.said += "".join(self.process.communicate())


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Callable[..., Command]]:
    with ExitStack() as stack:

        def begin(*arguments: str, **variables: str) -> Command:
            made = Command(tmp_path, "--port", str(free_port()), *arguments, **variables)
            stack.callback(made.close)
            return made

        yield begin


def test_it_says_how_it_is_reached_and_ends_when_told_to(command: Callable[..., Command], tmp_path: Path) -> None:
    venue = command("--every", "0")
    url = venue.ready()
    assert httpx.get(f"{url}/api/v3/ping", trust_env=False).json() == {}
    assert f"REST: {url}/api/v3" in venue.said
    assert re.search(r"^key \(made up; .*\): practice[0-9a-f]{24}$", venue.said, re.MULTILINE)
    assert re.search(r"^secret \(made up; .*\): [0-9a-f]{40}$", venue.said, re.MULTILINE)
    assert venue.end() == 0
    assert read_log(tmp_path / "venue-spot.jsonl")[0]["type"] == "opened"


def test_keys_that_were_given_are_used_and_not_said(command: Callable[..., Command]) -> None:
    venue = command("--shape", "stocks", "--every", "0", VENUE_KEY="mykey", VENUE_SECRET="mysecret")
    url = venue.ready()
    headers = {"APCA-API-KEY-ID": "mykey", "APCA-API-SECRET-KEY": "mysecret"}
    assert httpx.get(f"{url}/v2/account", headers=headers, trust_env=False).json()["status"] == "ACTIVE"
    assert venue.end(signal.SIGINT) == 0
    venue.close()
    assert "mykey" not in venue.said
    assert "mysecret" not in venue.said


def test_prices_move_by_themselves(command: Callable[..., Command], tmp_path: Path) -> None:
    venue = command("--every", "0.01", "--symbols", "BTCUSDT=50000", "--seed", "5")
    venue.ready()
    log = tmp_path / "venue-spot.jsonl"
    prices = eventually(
        lambda: (found := [row["last"] for row in read_log(log) if row["type"] == "price"])[5:] and found
    )
    assert prices[0] == "50000"
    assert len(set(prices)) > 3


def test_what_was_answered_outlives_a_kill(command: Callable[..., Command], tmp_path: Path) -> None:
    variables = {"VENUE_KEY": "k", "VENUE_SECRET": "s"}
    venue = command("--shape", "stocks", "--every", "0", "--balance", "USD=5000", **variables)
    url, headers = venue.ready(), {"APCA-API-KEY-ID": "k", "APCA-API-SECRET-KEY": "s"}
    order = {"symbol": "AAPL", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day"}
    with httpx.Client(headers=headers, trust_env=False) as client:
        placed = client.post(f"{url}/v2/orders", json=order).json()
        venue.end(signal.SIGKILL)
        again = command("--shape", "stocks", "--every", "0", **variables)
        shown = client.get(f"{again.ready()}/v2/orders/{placed['id']}").json()
        assert (shown["status"], shown["filled_avg_price"]) == ("filled", "200.01")


def test_a_plan_of_faults_is_followed(command: Callable[..., Command], tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('[{"on": "GET /api/v3/ping", "do": "status", "status": 502}]')
    url = command("--every", "0", "--faults", "plan.json").ready()
    answers = [httpx.get(f"{url}/api/v3/ping", trust_env=False).status_code for _ in range(2)]
    assert answers == [502, 200]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--host", "0.0.0.0"], "0.0.0.0 is no loopback address"),
        (["--symbols", "DOGE"], "--symbols: DOGE is not traded here; there are BTCUSDT"),
        (["--symbols", "BTCUSDT=cheap"], "cheap is no price of BTCUSDT"),
        (["--balance", "USDT"], "`USDT` is not like USD=1000"),
        (["--faults", "none.json"], "none.json: No such file"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["venue", *arguments]) == 1
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told


def test_a_port_that_is_taken_and_a_log_that_is_in_use_are_told(
    command: Callable[..., Command], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port = command("--every", "0").ready().rpartition(":")[2]
    monkeypatch.chdir(tmp_path)
    for arguments, said in (
        (["--log", "other.jsonl", "--port", port], "another program listens"),
        ([], "another venue"),
    ):
        assert main(["venue", *arguments]) == 1
        assert said in capsys.readouterr().err


def test_its_secrets_are_in_no_log_and_no_process_list(command: Callable[..., Command], tmp_path: Path) -> None:
    venue = command("--every", "0", VENUE_KEY="mykey", VENUE_SECRET="mysecret")
    venue.ready()
    line = Path(f"/proc/{venue.process.pid}/cmdline")
    texts = [(tmp_path / "venue-spot.jsonl").read_bytes()] + ([line.read_bytes()] if line.exists() else [])
    assert not any(b"mysecret" in text for text in texts)
    assert (tmp_path / "venue-spot.jsonl").stat().st_mode & 0o077 == 0 or os.name == "nt"


def test_everything_of_it_is_imported_when_it_runs(tmp_path: Path) -> None:
    code = "import sys, intuition_venue.command; print('aiohttp' in sys.modules)"
    done: Any = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.strip() == "False"
