"""Child processes that are kept running: started in order, restarted when they end, stopped in reverse order.

Their output is copied line by line, with their names. They end with this process, by a lifeline
(`intuition_core.supervision.lifeline`).
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Final, TextIO

import msgspec

from intuition_core.supervision.endings import STEADY, how_it_ended
from intuition_core.supervision.lifeline import PATIENCE, VARIABLE, lifeline
from intuition_core.supervision.streams import styled
from intuition_core.system.backoff import Backoff
from intuition_core.system.printable import escaped

READY_WITHIN: Final = 30.0
"""Seconds that a child has to become ready."""


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """A process to keep running.

    It is ready once it has written a line that holds ``ready``, or at once where that is None; only then is the next
    child started. A child that is ``finite`` may end with exit code 0 and is then left alone.
    """

    name: str
    command: tuple[str, ...]
    ready: str | None = None
    environment: Mapping[str, str] = {}
    finite: bool = False


class Supervisor:
    """Starts children in order, restarts those that end, and stops them in reverse order.

    Args:
        children: in the order they are to be started.
        out: where the children's standard output goes, each line with the child's name before it.
        err: the same for their standard error, and for what the supervisor says.
        prefix: writes a child's name.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        out: TextIO = sys.stdout,
        err: TextIO = sys.stderr,
        prefix: Callable[[str], str] = "{:<9} | ".format,
    ) -> None:
        self._running = [_Running(child, out, err, prefix) for child in children]
        self._err = err
        self._prefix = prefix
        self._stopping = False

    def stop(self, *_: object) -> None:
        """End `run` soon; can be used as a signal handler."""
        # No lock and no event: a second signal can come while the first one holds it.
        self._stopping = True

    def run(self, started: Callable[[], None]) -> int:
        """Run until `stop`, and return the exit code: 1 where a child never became ready.

        Args:
            started: called once all children are ready.
        """
        with lifeline() as held:
            try:
                return self._run(started, held)
            finally:
                for running in reversed(self._running):
                    running.stop()

    def _run(self, started: Callable[[], None], held: int) -> int:
        for running in self._running:
            running.start(held)
            if not self._wait_until_ready(running):
                return 0 if self._stopping else 1
        started()
        while not self._stopping:
            time.sleep(0.1)
            for running in self._running:
                self._look_after(running, held)
        return 0

    def _wait_until_ready(self, running: "_Running") -> bool:
        deadline = time.monotonic() + READY_WITHIN
        while not self._stopping:
            if running.ready.is_set():
                return True
            code = running.exit_code()
            if code is not None:
                running.drain()
                self._say(running, f"{how_it_ended(None, code)} before it was ready; its last words are above")
                return False
            if time.monotonic() > deadline:
                self._say(running, f"is not ready after {READY_WITHIN:g} s")
                return False
            time.sleep(0.05)
        return False

    def _look_after(self, running: "_Running", held: int) -> None:
        code = running.exit_code()
        if code is None or running.over:
            return
        if running.child.finite and code == 0:
            running.over = True
            self._say(running, "is done")
        elif running.restart_at is None:
            pause = running.backoff.next()
            running.restart_at = time.monotonic() + pause
            self._say(running, f"{how_it_ended(None, code)}; starting it again in {pause:g} s")
        elif time.monotonic() >= running.restart_at:
            running.start(held)

    def _say(self, running: "_Running", sentence: str) -> None:
        styled(self._err, f"{self._prefix(running.child.name)}{sentence}\n")
        self._err.flush()


class _Running:
    """A child with the process that runs it at present."""

    def __init__(self, child: Child, out: TextIO, err: TextIO, prefix: Callable[[str], str]) -> None:
        self.child = child
        self.over = False
        self.ready = threading.Event()
        self.restart_at: float | None = None
        self._streams = (out, err)
        self._prefix = prefix(child.name)
        self._process: subprocess.Popen[str] | None = None
        self._readers: list[threading.Thread] = []
        self.backoff = Backoff(first=0.5, longest=10.0, steady=STEADY)

    def start(self, held: int) -> None:
        """Start the child in a process group of its own, which the terminal's Ctrl-C does not reach.

        Args:
            held: the descriptor of the lifeline.
        """
        self._signal(signal.SIGKILL)  # processes that an earlier run left in its group would hold its ports
        self.restart_at = None
        self.backoff.started()
        if self.child.ready is None:
            self.ready.set()
        self._process = subprocess.Popen(  # noqa: S603  # our own commands
            self.child.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1", VARIABLE: str(held), **self.child.environment},
            pass_fds=(held,),
            text=True,
            errors="replace",
            start_new_session=True,
        )
        pipes = (self._process.stdout, self._process.stderr)
        self._readers = [
            threading.Thread(target=self._copy, args=pair, daemon=True, name=f"{self.child.name} output")
            for pair in zip(pipes, self._streams, strict=True)
        ]
        for reader in self._readers:
            reader.start()

    def exit_code(self) -> int | None:
        """Return the exit code, or None while it runs."""
        return self._process.poll() if self._process is not None else None

    def stop(self) -> None:
        """End the process group: by SIGTERM, and after `PATIENCE` by SIGKILL."""
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            self._signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._signal(signal.SIGKILL)
                process.wait()
        self._signal(signal.SIGKILL)  # processes that are left in its group
        self.drain()

    def drain(self) -> None:
        """Wait until the output of the child is copied."""
        for reader in self._readers:
            reader.join(2)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _copy(self, source: IO[str], target: TextIO) -> None:
        with source, contextlib.suppress(OSError, ValueError):  # the reader of our output may be gone
            for line in source:
                if self.child.ready is not None and self.child.ready in line:
                    self.ready.set()
                styled(target, f"{self._prefix}{escaped(line.rstrip())}\n")
                target.flush()
