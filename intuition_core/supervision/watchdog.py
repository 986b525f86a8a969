"""The supervisor of a worker, the process in which the parts of a session run.

A worker that exceeds its time or memory limit is killed. The next one is told what happened, and applies the part's
policy. If the supervisor dies, the worker ends as well.
"""

import logging
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from intuition_core.determinism.hashing import seeded_environment
from intuition_core.supervision.crashes import WorkerCrash
from intuition_core.supervision.endings import STEADY, exit_code, how_it_ended, is_from_outside
from intuition_core.supervision.lifeline import lifeline
from intuition_core.supervision.shared_status import Call, Import, SharedStatus
from intuition_core.supervision.stage import STAGE
from intuition_core.supervision.supervisor_status import SupervisorStatus
from intuition_core.system.backoff import Backoff

_TICK: Final = 0.05
"""Seconds between two looks at the worker."""
_LONGEST_TICK: Final = 0.5
"""The most that one look counts against a part; after a longer pause the supervisor itself had been stopped."""
_ONE_REQUEST: Final = 0.5
"""Seconds within which signals to stop count as one: a terminal and a launcher may both send it."""
_YOUNG_DEATHS: Final = 5
"""How many workers in a row may die before they serve."""
_QUIET: Final = 3.0
"""Seconds that an import may take before anybody is told to wait."""
_BLAMED_GROWTH: Final = 16
"""The part of the memory limit, as its divisor, by which the worker must have grown during a call to blame the part."""
_LAST: Final = 8.0
"""Seconds that a worker may take to end once it has nothing left to do."""


class Watchdog:
    """Keeps a worker running.

    Args:
        command: gives the worker's command, from the descriptors of the `SharedStatus` and of the lifeline.
        log: the log for what happens.
        saved: returns whether a file that the worker runs was saved since the last call. Then the worker is sent
            SIGUSR1, and another one is started when it has ended.
    """

    def __init__(
        self,
        command: Callable[[int, int], Sequence[str]],
        *,
        log: logging.Logger,
        saved: Callable[[], bool] | None = None,
    ) -> None:
        self._command = command
        self._log = log
        self._saved = saved
        self._renewing = False
        self._has_served = False
        self._shared = SharedStatus.make()
        self._status = SupervisorStatus(self._shared)
        self._stop_at: float | None = None
        self._forced = False
        self._suspect: Call | None = None
        self._memory = CallMemory()
        self._page = os.sysconf("SC_PAGE_SIZE")

    def stop(self, *_: object) -> None:
        """End `run` after the call in flight; called again, at once. Can be used as a signal handler."""
        now = time.monotonic()
        if self._stop_at is None:
            self._stop_at = now
        elif now - self._stop_at > _ONE_REQUEST:
            self._forced = True

    def run(self) -> int:
        """Keep a worker running until `stop`, or until a restart would not help, and return the exit code."""
        backoff = Backoff(first=0.1, longest=2.0, steady=STEADY)
        young = 0
        try:
            while self._stop_at is None:
                backoff.started()
                problem, code = self._let_work()
                self._has_served |= self._status.ready
                if problem is None and self._stop_at is None and self._is_to_go_on(code):
                    young = 0
                    self._status.renew(None)
                    continue
                if self._status.finished or self._stop_at is not None:
                    return self._end(code, problem)
                served = self._status.ready
                told = not served and self._cannot_start(problem, code)
                young = 0 if served else young + 1
                crash = None if told else self._crash(problem, code)
                if told or not self._goes_on(crash, how_it_ended(problem, code), young):
                    if not self._mended():
                        return 0 if self._stop_at is not None else exit_code(code)
                    young = 0
                    continue
                pause = backoff.next()
                blamed = f" in {self._label(crash.part)} at event {crash.seq}" if crash is not None else ""
                self._log.warning(
                    "the worker %s%s; starting it again in %g s", how_it_ended(problem, code), blamed, pause
                )
                self._status.renew(crash)
                self._wait(pause)
            return 0
        finally:
            self._shared.close()

    def _let_work(self) -> tuple[str | None, int]:
        """Run one worker to its end; return why it was killed, None if it was not, and its exit code.

        Its lifeline ends with it, and so does what parts have forked, which would keep the journal locked.
        """
        with lifeline() as held:
            worker = self._start(held)
            problem = self._attend(worker)
        cut_short = self._status.finished and worker.returncode == -signal.SIGKILL
        return problem, 0 if cut_short else worker.returncode

    def _is_to_go_on(self, code: int) -> bool:
        """Return whether the worker ended in order to be replaced."""
        return (self._status.handed_over and code == 0) or (self._renewing and code in (0, -signal.SIGUSR1))

    def _is_saved(self) -> bool:
        return self._saved is not None and self._saved()

    def _mended(self) -> bool:
        """Wait until a file is saved, where files are watched; return whether one was."""
        if self._saved is None or not self._has_served:
            return False
        self._log.warning("nothing is served until the file is saved again")
        while self._stop_at is None:
            if self._saved():
                self._status.renew(None)
                return True
            time.sleep(_TICK)
        return False

    def _start(self, held: int) -> subprocess.Popen[bytes]:
        self._renewing = False
        # A terminal sends Ctrl-C to the worker too, which must not end it before its handler is set.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            return subprocess.Popen(  # noqa: S603  # our own command
                self._command(self._shared.descriptor, held),
                pass_fds=(self._shared.descriptor, held),
                stdout=STAGE.stdout,
                env=seeded_environment(),
            )
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

    def _attend(self, worker: subprocess.Popen[bytes]) -> str | None:
        """Watch the worker until it ends; return why it was killed, None if it was not."""
        asked = False
        finished: float | None = None
        call, load = Pastime(), Pastime()
        while worker.poll() is None:
            if self._forced:
                worker.kill()
            elif self._stop_at is not None and not asked:
                worker.terminate()
                asked = True
            elif not self._renewing and self._is_saved():
                worker.send_signal(signal.SIGUSR1)
                self._renewing = True
            if finished is None and self._status.finished:
                finished = time.monotonic()
            elif finished is not None and time.monotonic() - finished > _LAST:
                worker.kill()  # everything is committed; a thread or an exit handler of a part delays the end
            time.sleep(_TICK)
            problem = (
                self._too_long(self._status.call, call)
                or self._too_long_to_import(self._status.importing, load)
                or self._too_much(worker.pid)
            )
            if problem is not None:
                worker.kill()
                worker.wait()
                return problem
        return None

    def _too_long_to_import(self, load: Import | None, pastime: "Pastime") -> str | None:
        before, seconds = pastime.seconds, pastime.spent_on(load)
        if load is None:
            return None
        if before <= _QUIET < seconds:
            self._log.info("loading %s …", load.label)
        return f"hung for {load.deadline:g} s" if seconds > load.deadline else None

    def _too_long(self, call: Call | None, pastime: "Pastime") -> str | None:
        seconds = pastime.spent_on(call)
        parts = self._status.limits.parts if call is not None and seconds else []
        if call is None or abs(call.part) > len(parts):
            return None
        deadline = parts[abs(call.part) - 1].deadline
        return f"hung for {deadline:g} s" if seconds > deadline else None

    def _too_much(self, pid: int) -> str | None:
        limit = self._status.limits.memory
        if limit is None:
            return None
        try:
            used = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * self._page
        except (OSError, IndexError):
            return None  # it has just ended, or the platform does not tell
        self._memory.note(self._status.call, used)
        return _used_more(limit) if used > limit else None

    # -- after its end

    def _crash(self, problem: str | None, code: int) -> WorkerCrash | None:
        """Return the part to blame; None if the worker was killed from outside, unless twice in the same call."""
        call = self._status.call
        limit = self._status.limits.memory
        if call is None:
            return None
        if limit is not None and problem == _used_more(limit) and self._memory.grown(call) * _BLAMED_GROWTH < limit:
            self._log.warning(
                "no part is to blame for the memory, which grew from call to call: give more `memory` in [worker], or "
                "fewer `symbols`"
            )
            return None
        how = how_it_ended(problem, code)
        if problem is None and is_from_outside(code):
            if call != self._suspect:
                self._suspect = call
                return None
            how += ", twice"
        return WorkerCrash(call.seq, abs(call.part), f"the process {how}", state=call.part < 0)

    def _cannot_start(self, problem: str | None, code: int) -> bool:
        """Return whether the failure is permanent and was reported, so that a restart would not help."""
        if problem is None and code in (1, 2) and self._status.call is None and self._status.importing is None:
            return True  # the worker has logged the reason
        return self._import_failed(problem, code)

    def _import_failed(self, problem: str | None, code: int) -> bool:
        """Return whether importing a plugin ended the worker, so that a restart would not help; if so, log it."""
        load = self._status.importing
        if load is None or (problem is None and is_from_outside(code)):
            return False
        self._log.error(
            "%s: the process %s while it was imported; `intuition list-plugins --check` tries it by itself, and "
            "`import_deadline` in [worker] gives it more time",
            load.label,
            how_it_ended(problem, code),
        )
        return True

    def _goes_on(self, crash: WorkerCrash | None, how: str, young: int) -> bool:
        if crash is not None and crash.seq == 0:
            self._log.error("%s: the process %s while it was initialised", self._label(crash.part), how)
            return False
        if young >= _YOUNG_DEATHS:
            self._log.error("the worker %s before it served, %d times in a row; giving up", how, young)
            return False
        return True

    def _end(self, code: int, problem: str | None) -> int:
        if self._status.finished and code == 0:
            return 0
        if self._forced:
            self._log.warning("ended without waiting for the call in flight")
            return 130
        if problem is None and -code in (signal.SIGTERM, signal.SIGINT):
            return 0  # the worker had not begun to serve
        self._log.error("the worker %s while it was to end", how_it_ended(problem, code))
        return exit_code(code)

    def _label(self, part: int) -> str:
        parts = self._status.limits.parts
        return parts[part - 1].label if part <= len(parts) else f"part {part}"

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while self._stop_at is None and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, _TICK))


def _used_more(limit: int) -> str:
    return f"used more than {limit // 2**20} MiB of memory"


class CallMemory:
    """By how much a worker has grown during the call that goes on."""

    def __init__(self) -> None:
        self._call: Call | None = None
        self._before = 0  # as last seen in another call
        self._used = 0

    def note(self, call: Call | None, used: int) -> None:
        """Note the bytes that the worker uses now, during a call or between two."""
        if call != self._call:
            self._call, self._before = call, self._used
        self._used = used

    def grown(self, call: Call) -> int:
        """Return the bytes by which it has grown since it was last seen in another call."""
        return self._used - self._before if call == self._call else 0


class Pastime:
    """How long a worker has been doing the same thing."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._doing: object = None
        self._looked = time.monotonic()

    def spent_on(self, doing: object) -> float:
        """Note what the worker does now, None for nothing, and return the seconds since that began."""
        now = time.monotonic()
        same = doing is not None and doing == self._doing
        self.seconds = self.seconds + min(now - self._looked, _LONGEST_TICK) if same else 0.0
        self._doing, self._looked = doing, now
        return self.seconds
