"""A reader who follows a page: types its commands into a shell, leaves programs running, looks at what they say."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

import pytest
from support import free_port
from support.nodejs import node_modules

HERE = Path(__file__).parent
ADDRESS = "tcp://127.0.0.1:4242"
FEED = "8765"


def _load(name: str, file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


__all__ = ["node_modules"]


class Running:
    """A program that was left running, and what it has said so far."""

    def __init__(self, code: str, folder: Path, environment: dict[str, str]) -> None:
        self.said = ""
        self._more = threading.Condition()
        self._process = subprocess.Popen(
            ["sh", "-c", f"exec {code}"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for(self, expression: str) -> None:
        """Wait until it has said this."""
        end = time.monotonic() + 30
        with self._more:
            while not re.search(expression, self.said):
                assert self._reader.is_alive(), f"it has ended: {self.said}"
                assert time.monotonic() < end, f"it has not said {expression!r}: {self.said}"
                self._more.wait(0.5)

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with self._more:
                    self.said += line
                    self._more.notify_all()


class Reader:
    """Follows one page, in a folder and with addresses of its own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.running: list[Running] = []
        self._stack = stack
        self._rpc = f"tcp://127.0.0.1:{free_port()}"
        self._broker = free_port()
        self._feed = free_port()
        programs = folder.parent / "programs"
        installed = folder.parent / "installed"
        programs.mkdir()
        self._pip(programs / "pip", installed)
        self.environment = {key: value for key, value in os.environ.items() if not key.startswith("INTUITION_")} | {
            "PATH": os.pathsep.join([str(programs), str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
            "PYTHONPATH": str(installed),
            "XDG_DATA_HOME": str(folder.parent / "data"),
            "XDG_CONFIG_HOME": str(folder.parent / "settings"),
            "INTUITION_RPC__ADDR": self._rpc,
        }

    def run(self, code: str, *program: str, extra: dict[str, str] | None = None) -> str:
        """Run commands, or a program of another language, and give what it said."""
        done = subprocess.run(
            [*(program or ("sh", "-e", "-c")), code.replace(ADDRESS, self._rpc).replace(FEED, str(self._feed))],
            cwd=self.folder,
            env={**self.environment, **(extra or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == 0, (code, done.stdout)
        return done.stdout

    def leave_running(self, code: str, ready: str) -> Running:
        """Start what goes on until it is stopped, and wait until it is ready."""
        code = code.strip().replace(FEED, str(self._feed))
        if code.startswith("intuition up"):
            code += f" --mqtt-port {self._broker}"
            self.environment["INTUITION_CONNECTORS__MQTT__URL"] = f"mqtt://127.0.0.1:{self._broker}"
        alone = {key: value for key, value in self.environment.items() if key != "INTUITION_CONNECTORS__MQTT__URL"}
        left = Running(code, self.folder, alone)
        self._stack.callback(left.close)
        self.running.append(left)
        left.wait_for(re.escape(ready))
        return left

    @staticmethod
    def _pip(file: Path, installed: Path) -> None:
        """Let `pip install` put what is in the page's folder beside the environment of the tests, not into it."""
        file.write_text(
            f'#!/bin/sh -e\nshift\nexec uv pip install --quiet --no-deps --python "{sys.executable}" '
            f'--target "{installed}" "$@"\n'
        )
        file.chmod(0o755)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """Somebody who follows a page; what they left running is stopped in the end."""
    folder = tmp_path / "work"
    folder.mkdir()
    with ExitStack() as stack:
        yield Reader(folder, stack)


@pytest.fixture
def need() -> Callable[[str], None]:
    """Skip the test on a person's machine that has not got a program; fail in CI."""

    def check(program: str) -> None:
        if shutil.which(program) is None:
            reason = f"{program} is not installed"
            if os.environ.get("CI", "").lower() in {"1", "true"}:
                pytest.fail(reason, pytrace=False)
            pytest.skip(reason)

    return check
