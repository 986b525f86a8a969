"""A virtual environment with nothing of the project in it, wheels to install there, and the processes that run then."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from support.nodejs import absent, node_client, node_modules
from support.processes import free, start

__all__ = ["free", "node_client", "node_modules", "start"]

ROOT = Path(__file__).parents[2]


class Environment:
    """A virtual environment, and the folder that its programs are run in."""

    def __init__(self, home: Path, folder: Path) -> None:
        self._programs = home / "bin"
        self._folder = folder

    def program(self, name: str) -> str:
        """Give the path of an installed program."""
        return str(self._programs / name)

    def run(self, name: str, *words: str) -> str:
        """Run an installed program to its end; give its standard output."""
        return _run(self.program(name), *words, folder=self._folder)

    def install(self, *what: str) -> None:
        """Install with pip, what is depended on in the versions that the project is tested with."""
        self.run("python", "-m", "pip", "install", "--quiet", "--constraint", str(ROOT / "constraints.txt"), *what)

    def distributions(self) -> set[str]:
        """Give the names of the installed distributions."""
        lines = self.run("python", "-m", "pip", "list", "--format=freeze").splitlines()
        return {line.partition("==")[0] for line in lines}


def _run(*command: str, folder: Path) -> str:
    ended = subprocess.run(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert ended.returncode == 0, f"{' '.join(command)}\n{ended.stdout}{ended.stderr}"
    return ended.stdout


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An empty environment, except for pip; skips where pip finds no index."""
    for name in list(os.environ):
        if name.startswith(("INTUITION_", "PYTHON")) or name == "VIRTUAL_ENV":
            monkeypatch.delenv(name)
    home = tmp_path / "environment"
    _run(sys.executable, "-m", "venv", str(home), folder=tmp_path)
    environment = Environment(home, tmp_path)
    # Python 3.11 puts setuptools beside pip, and it would stand in for what somebody forgot to declare.
    environment.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", "setuptools")
    assert environment.distributions() == {"pip"}
    command = ("-m", "pip", "download", "--quiet", "--retries=1", "--no-deps", "--dest", str(tmp_path / "probe"))
    probe = subprocess.run(
        [environment.program("python"), *command, "hatchling"],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    if probe.returncode:
        reason = probe.stderr.strip().rpartition("\n")[2]
        absent(f"pip cannot install packages here: {reason}")
    return environment


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Sequence[Path]]:
    """Build distributions of the project, as a release does; give their wheels."""
    uv = shutil.which("uv")
    if uv is None:
        absent("uv is not installed")

    def wheels(*names: str) -> Sequence[Path]:
        folder = tmp_path / "wheels"
        for name in names:
            # Without --wheel the wheel is made of the sdist, so that both are known to be complete.
            words = ("--quiet", "--python", sys.executable, "--package", name, "--out-dir", str(folder))
            _run(uv, "build", *words, folder=ROOT)
        return sorted(folder.glob("*.whl"))

    return wheels
