"""What goes wrong for people: each told in a sentence that says what to do, without a traceback."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import free_port

Run = Callable[..., str]


@pytest.fixture
def fails(tmp_path: Path) -> Run:
    """Type a command that is to fail, and give what it says."""

    def run(*words: str, **environment: str) -> str:
        where = {"XDG_DATA_HOME": str(tmp_path / "data"), "XDG_CONFIG_HOME": str(tmp_path / "config")}
        done = subprocess.run(
            [sys.executable, "-m", "intuition_core", *words],
            cwd=tmp_path,
            env={**os.environ, **where, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode in (1, 2), done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert done.stdout == ""
        return done.stderr

    return run


def installed(folder: Path, name: str, entry: str, *, version: int = 1, module: str = "") -> str:
    """Lay a distribution out as an installer would, and give the path to find it on."""
    information = folder / f"{name.replace('-', '_')}-1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\nSummary: For a test\n")
    (information / "entry_points.txt").write_text(f"[intuition.v{version}.algorithm]\n{entry}\n")
    if module:
        (folder / f"{entry.partition('=')[2].partition(':')[0].strip()}.py").write_text(module)
    return str(folder)


def test_a_broken_plugin(fails: Run, tmp_path: Path) -> None:
    path = installed(tmp_path / "site", "dist-bad", "bad = bad_module:Bad", module="import no_such_library_at_all\n")
    told = fails("serve", "--algo", "bad", PYTHONPATH=path)
    assert "no_such_library_at_all" in told
    assert "dist-bad 1" in told


def test_a_missing_plugin(fails: Run) -> None:
    told = fails("serve", "--algo", "randm")
    assert "did you mean `random`" in told
    assert "Installed: " in told


def test_a_blocked_plugin(fails: Run) -> None:
    told = fails("serve", "--algo", "random", INTUITION_PLUGINS__BLOCKED='["random"]')
    assert "blocked" in told


def test_an_incompatible_plugin(fails: Run, tmp_path: Path) -> None:
    path = installed(tmp_path / "site", "dist-old", "old = old_module:Old", version=9)
    told = fails("serve", "--algo", "old", PYTHONPATH=path)
    assert "dist-old" in told
    assert "9" in told


def test_a_shadowed_plugin(fails: Run, tmp_path: Path) -> None:
    path = installed(tmp_path / "site", "dist-other", "random = other_module:Other")
    told = fails("serve", "--algo", "random", PYTHONPATH=path)
    assert "dist-other:random" in told
    assert "intuition-random:random" in told


def test_a_wrong_parameter(fails: Run) -> None:
    told = fails("serve", "--algo", "random", "--param", "threshhold=0.5")
    assert "did you mean `threshold`" in told


def test_a_broker_that_is_not_there(fails: Run, port: int) -> None:
    told = fails("publish", "quotes", "{}", "--mqtt", f"mqtt://127.0.0.1:{port}")
    assert "intuition broker" in told
    assert "--mqtt" in told


def test_a_port_in_use(fails: Run, port: int) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        told = fails("serve", "--algo", "random", "--no-journal", "--addr", f"tcp://127.0.0.1:{port}")
    assert "already listens" in told
    assert "--addr" in told


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (("serve", "--algo", "random", "--journal"), "--no-journal"),
        (("backtest", "--algo", "sma-cross", "--source", "sample", "--report"), "cannot write"),
        (("backtest", "--algo", "sma-cross", "--source", "sample", "--decisions"), "cannot write"),
    ],
)
def test_a_place_that_cannot_be_written(fails: Run, words: tuple[str, ...], remedy: str) -> None:
    # Not even root makes a folder here, which it does wherever permission alone would be missing.
    ending = {"--decisions": ".csv", "--report": ".html"}.get(words[-1], "")
    told = fails(*words, f"/proc/nowhere/file{ending}")
    assert "/proc/nowhere" in told
    assert remedy in told


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(fails: Run, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    told = fails("serve", "--algo", "random", "--journal", str(closed / "session.sqlite"))
    assert "Permission denied" in told
    assert "--no-journal" in told


@pytest.fixture
def port() -> int:
    return free_port()
