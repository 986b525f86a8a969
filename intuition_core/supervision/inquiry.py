"""What the process in front of a command finds out about the one that runs parts: who is at work, where, how long.

Both share a `SharedStatus`. When a part is to be named, the place comes from what Python writes at a fatal signal,
which works also where a part holds the interpreter in a call that never comes back.
"""

import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from intuition_core.supervision.endings import how_it_ended
from intuition_core.supervision.shared_status import Beat, SharedStatus
from intuition_core.supervision.supervisor_status import SupervisorStatus
from intuition_core.supervision.watchdog import Pastime
from intuition_core.system.printable import escaped

_PATIENCE: Final = 0.5
"""Seconds that a call may go on once the end was asked for."""
_LAST: Final = 1.0
"""Seconds that anything may go on once the end was asked for twice."""

_CORE: Final = f"{Path(__file__).parent.parent}{os.sep}"
_FRAME: Final = re.compile(r'  File "(.*)", line (\d+) in ')


class Doing(NamedTuple):
    """The call or the import that a command is at."""

    label: str
    """The part or the plugin."""
    when: str
    """``at event 10``, ``while it was imported``."""
    place: tuple[object, ...]
    """A value that changes while there is progress."""
    deadline: float
    limit: str
    """The name of its time limit in messages."""


class Inquiry:
    """Looks at a command through the memory that both processes share.

    Attributes:
        give_up_at: when to end it for good, by the monotonic clock.

    Args:
        descriptor: of the memory.
    """

    def __init__(self, descriptor: int) -> None:
        self._status = SupervisorStatus(SharedStatus(descriptor))
        self._pastime = Pastime()
        self._beat = Beat(0, 0, awaited=False)
        self._noted_at = 0.0
        self.give_up_at = 0.0

    @property
    def heard(self) -> int:
        """How many Ctrl-C the command received."""
        return self._status.heard

    def look(self, pid: int, asked: Sequence[float]) -> tuple[str, int] | None:
        """Return the message and the exit code if the command must be ended; None while it may go on.

        Args:
            pid: the process.
            asked: when its end was asked for.
        """
        doing = self._doing(alive=True)
        stood = self._pastime.spent_on(None if doing is None else doing.place)
        if doing is not None and stood > doing.deadline and not _is_stopped(pid):
            return f"{doing.label} took longer than the {doing.deadline:g} s of {doing.limit} {doing.when}", 1
        if not asked:
            return None
        waited = time.monotonic() - asked[-1]
        if doing is not None and min(stood, waited) > _PATIENCE:
            return f"interrupted while {doing.label} was {doing.when.removeprefix('while it was ')}", 130
        if len(asked) > 1 and waited > _LAST:
            return "interrupted, and ended without waiting", 130
        return None

    def tell_ended(self, what: str, code: int) -> int:
        """Write why the command was ended, and where it was; return the exit code."""
        self._say(f"{what}{self._where(main=True)}")
        return code

    def tell(self, code: int, *, interrupted: bool) -> int:
        """Write what ended the command, unless it ended by itself; return the exit code."""
        status = self._status
        if status.finished and code >= 0:
            return status.code
        if status.finished:
            self._say(f"the process {how_it_ended(None, code)} after it was done{self._where(main=False)}")
            return status.code or 1
        if status.told:
            return 1
        doing = self._doing(alive=False)
        how = f"the process {how_it_ended(None, code)}"
        if doing is None:
            if interrupted and code == -signal.SIGINT:
                return 130
            self._say(f"{how} before the command was done{self._where(main=False)}")
        else:
            self._say(f"{doing.label}: {how} {doing.when}{self._where(main=False)}")
        return 1

    def _doing(self, *, alive: bool) -> Doing | None:
        status = self._status
        call = status.call
        parts = status.limits.parts if call is not None else []
        if call is not None and abs(call.part) <= len(parts):
            part = parts[abs(call.part) - 1]
            beat = status.beat
            seq = max(call.seq, beat.position)
            about = "" if alive and self._is_noted(beat) else " or later"
            when = f"at event {seq}{about}" if seq else "while it was initialised"
            place = (call, beat.position, beat.number if beat.awaited else 0)
            return Doing(part.label, when, place, part.deadline, "its deadline")
        load = status.importing
        if load is None:
            return None
        limit = "`import_deadline` in [worker]"
        return Doing(load.label, "while it was imported", (load,), load.deadline, limit)

    def _is_noted(self, beat: Beat) -> bool:
        """Return whether the progress of the run is still noted."""
        now = time.monotonic()
        if beat.number != self._beat.number:
            self._beat, self._noted_at = beat, now
        return now - self._noted_at < _PATIENCE

    def _where(self, *, main: bool) -> str:
        """Return the line and the file at which the command was, from what `faulthandler` wrote.

        Args:
            main: whether to look at the main thread, rather than at the one that crashed.
        """
        text = self._status.last_words
        threads = re.split(r"^(?:Current t|T)hread .*$", text, flags=re.MULTILINE)[1:]
        if not threads:
            return ""
        current = [line.startswith("Current") for line in re.findall(r"^(?:Current t|T)hread .*$", text, re.MULTILINE)]
        frames = threads[-1 if main or True not in current else current.index(True)]
        part: tuple[str, str] | None = None
        for file, line in _FRAME.findall(frames):  # the innermost one first
            if file.startswith(_CORE):
                if part is not None:
                    break
            elif not file.startswith("<"):
                part = file, line
        return f" ({part[0]}, line {part[1]})" if part is not None and not part[0].endswith("/bin/intuition") else ""

    def _say(self, what: str) -> None:
        stream = sys.stderr
        if stream is None:
            return
        with suppress(OSError, ValueError):
            # What showed the progress had no time to give the cursor back.
            stream.write("\r\x1b[2K\x1b[?25h" if stream.isatty() else "")
            stream.write(f"intuition: {escaped(what)}\n")
            stream.flush()


def _is_stopped(pid: int) -> bool:
    """Return whether a process is stopped, by a person or a debugger; False where the platform does not tell."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    except (OSError, IndexError):
        return False
