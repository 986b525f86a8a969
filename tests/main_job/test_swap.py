"""Parts of a served session that others take the place of, under load and across ends of the process."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import pytest
from support import eventually

from intuition_core.errors import BackendLost, BackendRefused
from intuition_core.rpc.client import Client
from intuition_core.session.journal import Journal

SWITCHING = '''
import os, time

from intuition_core import Signal

VERSION = "{version}"


class Turns:
    """Buys and sells in turn, at every so many events; keeps its count."""

    def initialize(self, params):
        self.every = params.get("every", 3)
        self.count = 0
        if "at_start" in params:
            time.sleep(3600) if params["at_start"] == "hang" else os._exit(9)

    def event(self, data):
        self.count += 1
        if self.count % self.every:
            return None
        side = "buy" if self.count // self.every % 2 else "sell"
        return Signal(data["sid"], side, data["quote"], tag=VERSION)

    def snapshot(self):
        return self.count

    def restore(self, state):
        self.count = state


class Forgetful:
    """Keeps state, and does not say which."""

    def initialize(self, params):
        self.count = 0

    def event(self, data):
        self.count += 1
'''

CONFIGURATION = """
seed = 1
session = "swapped"
[[algorithms]]
name = "trend"
use = "{use}"
deadline = 3
params = {{ {params} }}
[portfolio]
name = "naive"
params = {{ min_fraction = 0.001, max_fraction = 0.01 }}
"""


def install(folder: Path, version: str) -> None:
    (folder / "acme_turns.py").write_text(SWITCHING.replace("{version}", version))
    for old in folder.glob("acme_turns-*.dist-info"):
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
    info = folder / f"acme_turns-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-turns\nVersion: {version}\n")
    entries = "turns = acme_turns:Turns\nforgetful = acme_turns:Forgetful\n"
    (info / "entry_points.txt").write_text(f"[intuition.v1.algorithm]\n{entries}")


class Served:
    """A served session."""

    def __init__(self, folder: Path, start: Callable[..., Any], address: str) -> None:
        self.folder = folder
        self.address = address
        self._start = start
        self.process: Any = None

    def begin(self, use: str = "turns", params: str = "every = 3", *, until: str = "ready: session") -> None:
        (self.folder / "intuition.toml").write_text(CONFIGURATION.format(use=use, params=params))
        self.process = self._start(*self._command("serve", "--addr", self.address), **self._environment)
        self.process.line(until)

    def call(self, method: str, *args: Any, seconds: float = 30) -> Any:
        """Call until there is an answer, as a connector does."""
        deadline = time.monotonic() + seconds
        while True:
            with Client(self.address, timeout=10) as client:
                try:
                    return client.call(method, *args)
                except BackendLost:
                    assert time.monotonic() < deadline, self.process.lines
            time.sleep(0.05)

    def typed(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        environment = {**os.environ, "XDG_DATA_HOME": str(self.folder / "data"), **self._environment}
        return subprocess.run(
            self._command(*words), cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60
        )

    def swap(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.typed("swap", *words, "--rpc", self.address)

    @property
    def journal(self) -> Path:
        [path] = (self.folder / "data").rglob("swapped.sqlite")
        return path

    @property
    def _environment(self) -> dict[str, str]:
        # Two versions of a module that are written within one second would look the same to a cache of bytecode.
        return {"PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}

    def _command(self, *words: str) -> tuple[str, ...]:
        return (sys.executable, "-m", "intuition_core", *words)


@pytest.fixture
def served(tmp_path: Path, start: Callable[..., Any], free: Callable[[], int]) -> Served:
    """A session that can be served, with version 1.0 of a tiny distribution installed."""
    install(tmp_path, "1.0")
    return Served(tmp_path, start, f"tcp://127.0.0.1:{free()}")


class Load:
    """Sends events, each once, until it is told to stop; whatever happens to the session meanwhile."""

    def __init__(self, served: Served) -> None:
        self.sent = 0
        self._served = served
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._stopped.is_set():
            ids = range(self.sent, self.sent + 50)
            batch = [{"id": f"e{n}", "sid": "GOOG", "quote": 100 + n % 7, "ts": n} for n in ids]
            while True:
                try:
                    entries = self._served.call("events", batch)
                except BackendRefused:  # it is about to end, and another process goes on
                    continue
                break
            assert not [entry for entry in entries if isinstance(entry, dict)]
            self.sent += 50

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def wait(self, events: int) -> None:
        until = self.sent + events
        eventually(lambda: self.sent >= until, "events to be sent")

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()


def recounted(journal: Path) -> tuple[Decimal, dict[str, Decimal], list[str]]:
    """Work an account out from the fills alone; and give the ids of the events that were taken."""
    cash, units = Decimal(10_000), Decimal(0)
    ids: list[str] = []
    with Journal(journal, read_only=True) as kept:
        for events, records in kept.batches():
            ids += [event["id"] for event in events if "id" in event]
            for record in records:
                if record["type"] == "fill":
                    sign = 1 if record["side"] == "buy" else -1
                    cash -= sign * Decimal(record["cash"])
                    units += sign * Decimal(record["quantity"])
    return cash, {"GOOG": units} if units else {}, ids


def check_account(served: Served, load: Load, account: dict[str, Any]) -> None:
    cash, units, ids = recounted(served.journal)
    assert Decimal(account["cash"]) + Decimal(account["reserved"]) == cash
    assert {sid: Decimal(each["quantity"]) for sid, each in account["positions"].items()} == units
    assert ids == [f"e{n}" for n in range(load.sent)]


def check_replay(served: Served) -> dict[str, Any]:
    replayed = served.typed("replay", "swapped", "--json")
    assert replayed.returncode == 0, replayed.stderr
    told: dict[str, Any] = json.loads(replayed.stdout)
    assert "each as in the journal" in served.typed("replay", "swapped").stdout
    return told


def test_parts_are_swapped_under_load_and_the_session_comes_back(served: Served) -> None:
    served.begin()
    with Load(served) as load:
        load.wait(200)
        told = served.swap("algorithm", "trend", "--use", "turns", "--param", "every=2", "--keep-state")
        assert "swapped (rpc): algorithm trend is turns (acme-turns 1.0) now" in told.stderr, told.stderr
        assert "goes on from its state" in told.stderr
        load.wait(200)
        told = served.swap("portfolio", "trend", "--use", "fixed", "--param", 'cash="250"')
        assert "portfolio trend is fixed" in told.stderr, told.stderr
        load.wait(200)
    described, account = served.call("describe"), served.call("account")
    line = described["composition"]["algorithms"][0]
    assert (line["algorithm"]["params"], line["portfolio"]["name"]) == ({"every": 2}, "fixed")
    check_account(served, load, account)
    served.process.kill()
    served.process.process.wait(10)
    served.begin()  # with the configuration that it was begun with
    assert served.call("account") == account
    assert served.call("describe")["composition"] == described["composition"]
    with load_again(load) as load:
        load.wait(100)
    check_account(served, load, served.call("account"))
    account = served.call("account")
    assert served.process.end() == 0
    assert check_replay(served)["account"] == account


def load_again(load: Load) -> Load:
    again = Load(load._served)
    again.sent = load.sent
    return again


def test_whatever_is_wrong_is_told_and_the_old_part_goes_on(served: Served) -> None:
    served.begin()
    before = served.call("describe")
    for words, problem in {
        ("algorithm", "trend", "--use", "trens"): "did you mean `turns`?",
        ("algorithm", "trent", "--use", "turns"): "did you mean `trend`?",
        ("algorithm", "trend", "--use", "./mine.py"): "callers choose among installed plugins",
        ("portfolio", "trend", "--use", "fixed", "--param", "cahs=1"): "did you mean `cash`?",
        ("algorithm", "trend", "--use", "forgetful", "--keep-state"): "has no `restore`",
        ("algorithm", "trend", "--restart"): "the version that is installed; install the other one first",
        ("risk", "none", "--use", "at-most"): "the session has no risk",
    }.items():
        told = served.swap(*words)
        assert told.returncode == 1
        assert problem in told.stderr
        assert "Traceback" not in told.stderr
    assert served.swap("algorithm", "trend").returncode == 2
    assert served.call("describe") == before


@pytest.mark.parametrize("deed", ["hang", "end"])
def test_a_part_that_ends_or_hangs_the_process_at_its_start_is_given_up(served: Served, deed: str) -> None:
    served.begin()
    served.call("event", {"sid": "GOOG", "quote": 1.0, "id": "e0"})
    told = served.swap("algorithm", "trend", "--use", "turns", "--param", f"at_start={deed}", "--timeout", "5")
    assert told.returncode == 1
    served.process.line("starting it again", seconds=20)
    assert served.call("describe")["composition"]["algorithms"][0]["algorithm"]["params"] == {"every": 3}
    assert served.call("describe")["last_seq"] == 1
    assert served.call("describe")["quarantined"] == []


def test_a_session_goes_on_with_a_configuration_that_names_what_swaps_have_made_of_it(served: Served) -> None:
    served.begin()
    with Load(served) as load:
        load.wait(100)
        served.call("swap", "algorithm", "trend", "turns", {"every": 2})
        load.wait(100)
    account = served.call("account")
    served.process.kill()
    served.process.process.wait(10)
    served.begin(params="every = 2")
    assert served.call("account") == account
    assert served.call("initialize", {"every": 2}) == ["quotes"]
    served.process.end()
    served.begin(params="every = 4", until="was begun with another composition")
    assert "all as they are since the swaps of algorithm trend" in "".join(served.process.lines)


def test_a_newer_version_goes_on_where_the_older_one_was(served: Served) -> None:
    served.begin()
    with Load(served) as load:
        load.wait(200)
        install(served.folder, "1.1")
        told = served.swap("algorithm", "trend", "--restart")
        assert "algorithm trend (acme-turns) goes on as 1.1, was 1.0" in told.stderr, told.stderr
        load.wait(200)
    assert served.call("describe")["composition"]["algorithms"][0]["algorithm"]["version"] == "1.1"
    check_account(served, load, served.call("account"))
    tags: dict[str, list[int]] = {}
    with Journal(served.journal, read_only=True) as journal:
        for _, records in journal.batches():
            for record in records:
                if "tag" in record:
                    tags.setdefault(record["tag"], []).append(record["seq"])
        boundary = journal.boundary
    assert max(tags["1.0"]) < boundary < min(tags["1.1"])
    account = served.call("account")
    served.process.kill()
    served.process.process.wait(10)
    served.begin()
    assert served.call("account") == account
    served.process.end()
    told = check_replay(served)
    assert (told["account"], told["events"]) == (account, account["seq"] - boundary)
    shown = served.typed("sessions", "show", "swapped").stdout
    assert "  algorithm trend (acme-turns 1.1): " in shown
    assert f"  event {boundary}: upgraded (rpc): algorithm trend (acme-turns) goes on as 1.1, was 1.0" in shown
    early = served.typed("replay", "swapped", "--until", "10")
    assert early.returncode == 1
    assert f"another version of a part was taken up after event {boundary}" in early.stderr


def test_a_part_without_a_snapshot_is_not_upgraded(served: Served) -> None:
    served.begin(use="forgetful", params="")
    install(served.folder, "1.1")
    told = served.swap("algorithm", "trend", "--restart")
    assert told.returncode == 1
    assert "would be lost: it gives no state by `snapshot()`" in told.stderr
    install(served.folder, "1.2")
    (served.folder / "acme_turns.py").write_text("import nothing_of_that_name\n")
    assert "cannot be imported" in served.swap("algorithm", "trend", "--restart").stderr
    served.process.process.send_signal(signal.SIGTERM)
    assert served.process.process.wait(20) == 0
