"""Child processes that are kept running: named, logged line by line, restarted when they die, stopped in order.

They do not outlive who keeps them running, however that one ends: each holds one end of a pipe whose other end closes
with it.
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

FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 10.0
STEADY_AFTER: Final = 10.0
"""Seconds of life after which a death counts as the first one again."""
PATIENCE: Final = 8.0
"""Seconds that a child has to end by itself before it is killed."""
LIFELINE: Final = "INTUITION_LIFELINE"
"""The variable that tells a child which of its descriptors ends with its parent."""


class Backoff:
    """How long to wait before a process that died is started again: longer each time while it keeps dying young.

    Args:
        first: the first pause, in seconds.
        longest: what it doubles up to.
    """

    def __init__(self, first: float = FIRST_PAUSE, longest: float = LONGEST_PAUSE) -> None:
        self._first = first
        self._longest = longest
        self._pause = first
        self._since = 0.0

    def started(self) -> None:
        """Note that the process lives."""
        self._since = time.monotonic()

    def next(self) -> float:
        """Give the seconds to wait, now that it has died."""
        if time.monotonic() - self._since > STEADY_AFTER:
            self._pause = self._first
        pause = self._pause
        self._pause = min(pause * 2, self._longest)
        return pause


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


def end_with_parent() -> None:
    """End this process when the `Supervisor` that started it ends, however that comes about.

    It ends as by SIGTERM; if that does not help, its whole process group is killed. A child calls this first of all;
    where no supervisor started the process, nothing happens.
    """
    lifeline = os.environ.pop(LIFELINE, None)  # it is not for children of this process, who do not have the descriptor
    if lifeline is not None:
        os.set_inheritable(int(lifeline), False)  # noqa: FBT003  # it takes no keyword
        threading.Thread(target=_follow, args=(int(lifeline),), name="lifeline", daemon=True).start()


def _follow(lifeline: int) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the threads that expect them
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(PATIENCE)
    os.killpg(os.getpid(), signal.SIGKILL)  # a child leads a group of its own


class Supervisor:
    """Starts children in order, restarts those that die, and stops them in the reverse order.

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
        """End `run` soon; fit to be a signal handler."""
        # No lock and no event: a second signal can come while the first one holds it.
        self._stopping = True

    def run(self, started: Callable[[], None]) -> int:
        """Run until `stop`, and give the exit code: 1 where a child never became ready.

        Args:
            started: called once all children are ready.
        """
        lifeline, held = os.pipe()
        try:
            for running in self._running:
                running.start(lifeline)
                if not self._wait_until_ready(running):
                    return 0 if self._stopping else 1
            started()
            while not self._stopping:
                time.sleep(0.1)
                for running in self._running:
                    self._look_after(running, lifeline)
            return 0
        finally:
            for running in reversed(self._running):
                running.stop()
            os.close(lifeline)
            os.close(held)

    def _wait_until_ready(self, running: "_Running") -> bool:
        deadline = time.monotonic() + 30
        while not self._stopping:
            if running.ready.is_set():
                return True
            code = running.exit_code()
            if code is not None:
                running.drain()
                self._say(running, f"ended with exit code {code} before it was ready; its last words are above")
                return False
            if time.monotonic() > deadline:
                self._say(running, "is not ready after 30 s")
                return False
            time.sleep(0.05)
        return False

    def _look_after(self, running: "_Running", lifeline: int) -> None:
        code = running.exit_code()
        if code is None or running.over:
            return
        if running.child.finite and code == 0:
            running.over = True
            self._say(running, "is done")
        elif running.restart_at is None:
            pause = running.backoff.next()
            running.restart_at = time.monotonic() + pause
            how = f"exit code {code}" if code >= 0 else f"signal {-code}"
            self._say(running, f"died ({how}); starting it again in {pause:g} s")
        elif time.monotonic() >= running.restart_at:
            running.start(lifeline)

    def _say(self, running: "_Running", sentence: str) -> None:
        self._err.write(f"{self._prefix(running.child.name)}{sentence}\n")
        self._err.flush()


class _Running:
    """One child, and the processes it has been."""

    def __init__(self, child: Child, out: TextIO, err: TextIO, prefix: Callable[[str], str]) -> None:
        self.child = child
        self.over = False
        self.ready = threading.Event()
        self.restart_at: float | None = None
        self._streams = (out, err)
        self._prefix = prefix(child.name)
        self._process: subprocess.Popen[str] | None = None
        self._readers: list[threading.Thread] = []
        self.backoff = Backoff()

    def start(self, lifeline: int) -> None:
        """Start the child in a process group of its own, so that the terminal's Ctrl-C reaches only us.

        Args:
            lifeline: a descriptor that ends with this process.
        """
        self._signal(signal.SIGKILL)  # what a predecessor that died has left behind would be in the way
        self.restart_at = None
        self.backoff.started()
        if self.child.ready is None:
            self.ready.set()
        self._process = subprocess.Popen(  # noqa: S603  # our own commands
            self.child.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1", LIFELINE: str(lifeline), **self.child.environment},
            pass_fds=(lifeline,),
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
        """Give the exit code, or None while it runs."""
        return self._process.poll() if self._process is not None else None

    def stop(self) -> None:
        """End the whole process group: politely, and after a while not."""
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
        self._signal(signal.SIGKILL)  # whatever it has left behind in its group
        self.drain()

    def drain(self) -> None:
        """Wait until everything that the child wrote is copied."""
        for reader in self._readers:
            reader.join(2)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _copy(self, source: IO[str], target: TextIO) -> None:
        with source, contextlib.suppress(OSError, ValueError):  # our own reader may be gone
            for line in source:
                if self.child.ready is not None and self.child.ready in line:
                    self.ready.set()
                target.write(f"{self._prefix}{line.rstrip()}\n")
                target.flush()
