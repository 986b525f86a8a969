"""A session whose part comes from a file that changes: refused, or with --reload gone on with, the account kept."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import eventually

from intuition_core.config.compose import compose
from intuition_core.config.editing import settle
from intuition_core.config.loading import load_config
from intuition_core.plugins.catalogue import discover
from intuition_core.rpc.client import Client
from intuition_core.session.journal import Journal

ALGORITHM = """
from intuition_core import Signal


class Follower:
    def initialize(self, params):
        self.last = None

    def event(self, data):
        last, self.last = self.last, data["quote"]
        if last is not None and data["quote"] {sign} last:
            return Signal(data["sid"], "buy")
"""
FALLS, RISES = ALGORITHM.format(sign="<"), ALGORITHM.format(sign=">")


class Served:
    """`intuition serve` with a part in a file, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
        self.file = folder / "follow.py"
        self.file.write_text(FALLS)
        self.folder = folder
        self.said = folder / "said"
        self.environment = {**os.environ, "XDG_DATA_HOME": str(folder / "data")}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *words: str) -> None:
        with self.said.open("w") as said:
            command = (
                "serve",
                "--algo",
                "./follow.py",
                "--portfolio",
                "fixed",
                "--param",
                "cash=100",
                "--session",
                "s",
            )
            self.process = subprocess.Popen(
                (sys.executable, "-m", "intuition_core", *command, "--addr", self.address, "--journal", "s.db", *words),
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def wait(self, words: str, times: int = 1) -> None:
        eventually(lambda: self.said.read_text().count(words) >= times, lambda: f"{words!r} in {self.said.read_text()}")

    def send(self, *quotes: float) -> list[str]:
        """Publish quotes, and give the types of the records."""
        with Client(self.address, timeout=20) as client:
            return [record["type"] for quote in quotes for record in client.call("event", {"goog": quote})]

    def account(self) -> dict[str, object]:
        with Client(self.address, timeout=20) as client:
            account: dict[str, object] = client.call("account")
            return account

    def end(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(30)

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (sys.executable, "-m", "intuition_core", *words),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    try:
        yield served
    finally:
        if served.process is not None:
            served.end()


def test_saving_the_file_goes_on_with_the_account_and_the_journal(served: Served) -> None:
    served.start("--reload")
    served.wait("ready: ")
    assert served.send(5, 4, 4.5) == ["decision", "fill"]
    before = served.account()
    served.file.write_text(RISES)
    served.wait("ready: ", 2)
    assert served.account() == before
    assert served.send(5) == []  # it knows nothing of the quotes before
    assert served.send(4) == []
    assert "rejection" in served.send(6)  # held already: the account is the same
    assert served.end() == 0
    replayed = served.run("replay", "s.db")
    assert replayed.returncode == 1
    assert "algorithm follow: its file was saved and begun anew after event 3" in replayed.stderr
    assert "event 2 causes another record than the journal holds" in replayed.stderr


def test_what_cannot_be_run_is_told_and_mended(served: Served) -> None:
    served.start("--reload")
    served.wait("ready: ")
    served.file.write_text("def (")
    served.wait("follow.py:1: ")
    served.wait("what was there before goes on")
    assert served.send(5, 4) == ["decision"]
    served.file.write_text("raise ValueError('not yet')")
    served.wait("importing it failed with ValueError: not yet")
    served.wait("nothing is served until the file is saved again")
    served.file.write_text(RISES)
    served.wait("ready: ", 2)
    assert served.send(4.5) == ["fill"]
    assert served.end() == 0


def test_a_file_that_has_changed_is_refused_without_reload_with_the_ways_out(served: Served) -> None:
    served.start()
    served.wait("ready: ")
    served.send(5, 4)
    assert served.end() == 0
    served.file.write_text(RISES)
    served.start()
    assert served.process is not None
    assert served.process.wait(60) == 1
    said = served.said.read_text()
    for way in ("--reload", "put it back", "--session NAME", "intuition sessions archive s"):
        assert way in said
    served.file.write_text(FALLS)
    served.start()
    served.wait("ready: ")
    assert served.send(3) == ["fill", "rejection"]


def test_after_a_crash_a_session_goes_on_with_the_changed_file_from_where_it_changed(
    served: Served, children: Callable[[int], list[int]]
) -> None:
    served.start("--reload")
    served.wait("ready: ")
    served.send(5, 4, 4.5)
    served.file.write_text(RISES)
    served.wait("ready: ", 2)
    served.send(5, 4)
    assert served.process is not None
    (worker,) = children(served.process.pid)
    os.kill(worker, 9)
    served.wait("ready: ", 3)
    assert served.account()["seq"] == 5
    assert "rejection" in served.send(4.5)


@pytest.fixture
def children() -> Callable[[int], list[int]]:
    def find(parent: int) -> list[int]:
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                if int(stat.read_text().rpartition(")")[2].split()[1]) == parent:
                    found.append(int(stat.parent.name))
            except OSError:
                continue
        return found

    return find


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--algo", "random", "--reload"), "no part comes from a file"),
        (("--algo", "follow.py", "--reload", "--no-journal"), "leave --no-journal out"),
    ],
)
def test_reload_says_what_it_needs(served: Served, words: tuple[str, ...], says: str) -> None:
    result = served.run("serve", *words)
    assert (result.returncode, result.stdout) == (2, "")
    assert says in result.stderr


def test_a_session_with_a_file_replays_from_any_folder(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    served.start()
    served.wait("ready: ")
    served.send(5, 4, 3)
    assert served.end() == 0
    assert served.run("replay", "s.db").returncode == 0
    served.folder.joinpath("elsewhere").mkdir()
    served.folder /= "elsewhere"
    assert served.run("replay", "../s.db", "--with", "algorithm=../follow.py").returncode == 0
    with Journal(served.folder.parent / "s.db", read_only=True) as journal:
        version = journal.meta()["composition"]["algorithms"][0]["algorithm"]["version"]
    monkeypatch.chdir(served.folder)
    catalogue = discover()
    composition = compose(settle(load_config(flags={"algorithm.name": "../follow.py"}), catalogue), catalogue)
    assert composition.sleeves[0].algorithm.version == version
