"""A program that is started, killed, stopped for a while, and started again."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path


class Program:
    """A command that runs in a process group of its own; what it says is added to a file.

    Args:
        name: how the harness calls it.
        command: what to run.
        log: where its output goes.
        environment: what to add to ours.
    """

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> None:
        self.name = name
        self.log = log
        self._command = tuple(command)
        self._environment = {**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._groups: list[int] = []

    def start(self) -> None:
        """Start it; it must not be running."""
        assert self.code is not None or self._process is None
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment,
                cwd=self.log.parent,
                start_new_session=True,
            )
        self._groups.append(self._process.pid)

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def workers(self) -> list[int]:
        """Give the processes at the leaves: those it started, and itself if it started none."""
        return list(_leaves(self.pid))

    def signal(self, number: signal.Signals, pids: Sequence[int] = ()) -> None:
        """Send a signal to the whole group, or to some of its processes."""
        with suppress(ProcessLookupError):
            if pids:
                for pid in pids:
                    os.kill(pid, number)
            else:
                os.killpg(self.pid, number)

    def wait(self, seconds: float = 20) -> int:
        """Wait until it has ended; give its code."""
        assert self._process is not None
        return self._process.wait(seconds)

    def end(self) -> None:
        """Kill it and everything it left behind."""
        for group in self._groups:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        if self._process is not None:
            self._process.wait(20)

    def last_words(self, lines: int = 15) -> str:
        """Give the end of what it said."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""


def _leaves(pid: int) -> Iterator[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    if not children:
        yield pid
    for child in children:
        yield from _leaves(int(child))
