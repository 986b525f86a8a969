"""A comparison beside a session that has gone on with another version of a part: it begins there."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from intuition_core.connections import Client
from intuition_core.errors import BackendLost, BackendRefused

HOUR = 3_600 * 1_000_000_000
BEGIN = 20_000 * 24 * HOUR


def quotes(prices: list[int], first: int = 0) -> list[dict[str, Any]]:
    return [
        {"channel": "quotes", "sid": "AB"[n % 2], "quote": price / 100, "ts": BEGIN + (first + n) * HOUR}
        for n, price in enumerate(prices)
    ]


MOVES = """
from intuition_core import Signal

class Moves:
    def initialize(self, params):
        self.count = 0

    def event(self, data):
        self.count += 1
        return Signal(data["sid"], "{}" if self.count % 2 else "{}", data["quote"])

    def snapshot(self):
        return self.count

    def restore(self, state):
        self.count = state
"""


def install(folder: Path, version: str, *sides: str) -> None:
    (folder / "acme_moves.py").write_text(MOVES.format(*sides))
    for old in folder.glob("acme_moves-*"):
        shutil.rmtree(old)
    info = folder / f"acme_moves-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-moves\nVersion: {version}\n")
    (info / "entry_points.txt").write_text("[intuition.v1.algorithm]\nmoves = acme_moves:Moves\n")


def typed(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "intuition_core", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=dict(os.environ))


def call(address: str, method: str, *arguments: Any) -> Any:
    """Call a session that may be about to go on in another process."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with Client(address, timeout=10) as client:
                return client.call(method, *arguments)
        except (BackendLost, BackendRefused):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_session_that_was_restarted_with_a_newer_version(
    serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")  # two versions written within a second look the same to a cache
    install(tmp_path, "1.0", "buy", "sell")
    _, address = serve("--algo", "moves", "--portfolio", "naive", "--session", "first")
    call(address, "events", quotes([100, 101, 103, 102, 105]))
    install(tmp_path, "1.1", "sell", "buy")
    swapped = typed("swap", "algorithm", "moves", "--restart", "--rpc", address)
    assert swapped.returncode == 0, swapped.stderr
    call(address, "events", quotes([104, 103, 106, 109, 108], 10))
    account = call(address, "account")
    compared = typed("compare", "--session", "first", "--portfolio", "fixed,kelly", "--json")
    assert compared.returncode == 0, compared.stderr
    told = json.loads(compared.stdout)
    assert told["source"] == "session first from event 7 on, with another version"
    assert told["events"] == 5
    session, fixed, _ = told["variants"]
    assert (session["final_equity"], session["cash"]) == (account["equity"], account["cash"])
    assert session["composition"]["algorithms"][0]["algorithm"]["version"] == "1.1"
    assert fixed["final_equity"] != account["equity"]
    refused = typed("compare", "--session", "first", "--portfolio", "fixed", "--cash", "7")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "after event 6, and comparisons begin there" in refused.stderr
    assert "Traceback" not in refused.stderr
