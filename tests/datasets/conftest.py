"""What the tests of the catalogue share: a catalogue of their own, and the command in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest
from support.commands import Ran, run_command


@pytest.fixture(autouse=True)
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a catalogue that is empty; the working directory is another one."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home" / "intuition" / "data"


@pytest.fixture
def run() -> Callable[..., Ran]:
    """Run one of our commands."""
    return run_command
