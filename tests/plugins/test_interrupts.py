import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from intuition_core.plugins.catalogue import discover
from intuition_core.plugins.files import BrokenFile
from intuition_core.plugins.interrupts import is_raised_by_plugin


def raised(call: Callable[[], object]) -> KeyboardInterrupt:
    with pytest.raises(KeyboardInterrupt) as found:
        call()
    return found.value


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)
    for _ in range(10**9):
        pass


def throw() -> None:
    raise KeyboardInterrupt


def test_a_raise_is_told_from_a_signal() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert not is_raised_by_plugin(raised(press))
        assert is_raised_by_plugin(raised(throw))
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_import_that_raises_it_is_a_broken_plugin(tmp_path: Path) -> None:
    file = tmp_path / "stops.py"
    file.write_text("raise KeyboardInterrupt\n")
    with pytest.raises(BrokenFile, match="importing it failed with KeyboardInterrupt") as found:
        discover().load("algorithm", str(file))
    assert "stops.py" in str(found.value)


@pytest.mark.parametrize("ends", ["raise KeyboardInterrupt", "import os; os._exit(3)", "raise SystemExit(4)"])
@pytest.mark.parametrize("command", ["backtest", "serve", "config"])
def test_who_ends_a_command_at_import_is_named(ends: str, command: str, tmp_path: Path) -> None:
    (tmp_path / "stops.py").write_text(f"{ends}\n")
    (tmp_path / "intuition.toml").write_text('[algorithm]\nname = "./stops.py"\n')
    (tmp_path / "prices.csv").write_text("ts,sid,quote\n2024-01-01,G,1\n")
    words = {
        "backtest": ("backtest", "--data", "prices.csv"),
        "serve": ("serve", "--no-journal", "--addr", "tcp://127.0.0.1:0"),
        "config": ("config", "check"),
    }
    done = subprocess.run(
        [sys.executable, "-m", "intuition_core", *words[command]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode not in (0, 130)
    assert "stops" in done.stderr
    assert "Traceback" not in done.stderr
