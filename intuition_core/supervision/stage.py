"""The command's process, as parts find it: what they print is told on standard error, with the name of who printed it.

Standard output carries the command's own data, which programs read. A write is followed back to who made it: the
innermost frame that belongs to a part, or to the core where it calls one, is a part's doing. That costs nothing as long
as nobody prints.
"""

import io
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from types import FrameType
from typing import IO, Any, Final, NoReturn, TextIO

_SPEAKING: Final = (
    "intuition_core.cli",
    "intuition_core.session.console",
    "intuition_core.launch",
    "intuition_core.supervision.processes",
)
"""Modules of the core that write to standard output; all others only call those who do."""

PATIENCE: Final = 3.0
"""Seconds that threads and exit handlers of parts have to come to an end once the command has."""

_CORE: Final = "intuition_core"
_LONGEST: Final = 8192
"""Characters of an unfinished line that are kept until its end comes."""


class Stage:
    """Who is in this process, and where what they print goes.

    Attributes:
        is_ours: whether the process is the command's own, rather than a program's that calls it or a notebook's.
        tell: takes the name of a part, and a line that it printed.
        importing: takes the name of a plugin, and the time of its import.
        told: called once it was told which part ends the process.
    """

    def __init__(self) -> None:
        self.is_ours = False
        self.tell: Callable[[str, str], object] = _to_standard_error
        self.importing: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext()
        self.told: Callable[[], object] = bool
        self._pid = os.getpid()
        self._parts: dict[str, str] = {}
        self._commands: set[str] = set()
        self._lines: dict[tuple[int, str], str] = {}
        self._loading: list[str] = []
        self._stdout: int | None = None
        self._exit: Callable[[int], NoReturn] = os._exit

    @contextmanager
    def loading(self, kind: str, label: str, module: str) -> Iterator[None]:
        """Know a plugin from now on by its module, and meanwhile as the one that is imported.

        Args:
            kind: its kind; a command speaks for itself.
            label: what to call it.
            module: where it is.
        """
        root = module.partition(".")[0]
        if kind == "command":
            self._commands.add(root)
        elif self._parts.setdefault(root, label) != label:
            self._parts[root] = ""  # there are several; who was called says which one it is
        if self.is_ours:
            self._set()
        self._loading.append(label)
        try:
            with self.importing(label):
                yield
        finally:
            self._loading.pop()

    @property
    def stdout(self) -> int | None:
        """The descriptor of the command's data, for processes that speak for it; None where it is the usual one."""
        return self._stdout

    def speaker(self, frame: FrameType | None) -> str | None:
        """Give the name of the part that is at work in a frame, empty if it is not known; None for the command."""
        label = ""
        found = False
        while frame is not None:
            name = str(frame.f_globals.get("__name__", ""))
            root = name.partition(".")[0]
            if root == _CORE:
                if not found and name.startswith(_SPEAKING):
                    return None
                found = True
                if label:
                    return label
                if name.startswith(_SPEAKING):
                    break
                if (called := _called(frame.f_locals.get("self"))) is not None:
                    return called
            elif root in self._commands:
                if not found and root not in self._parts:
                    return None  # of one that has both, it is seen further out
            elif root in self._parts:
                found = True
                label = label or self._parts[root]
            frame = frame.f_back
        return label or (self._loading[-1] if self._loading else "")

    def write(self, who: str, text: str) -> None:
        """Take what a part prints, and tell each line of it once it is complete."""
        who = who or f"thread {threading.current_thread().name}"
        key = threading.get_ident(), who
        *lines, rest = (self._lines.pop(key, "") + text).split("\n")
        if len(rest) > _LONGEST:
            lines.append(rest)
            rest = ""
        for line in lines:
            self.tell(who, line)
        if rest:
            self._lines[key] = rest

    def end(self, code: int) -> int:
        """Prepare the end of the process with an exit code, which threads and exit handlers of parts do not hold up."""
        self.finish()
        if self._stdout is not None:
            threading.Thread(target=self._give_up, args=(code,), name="end", daemon=True).start()
        return code

    def _give_up(self, code: int) -> None:
        time.sleep(PATIENCE)
        names = ", ".join(
            thread.name
            for thread in threading.enumerate()
            if not thread.daemon and thread is not threading.main_thread()
        )
        what = f"threads of parts still ran ({names})" if names else "what parts do at the end took too long"
        with suppress(Exception):
            self.finish()
            self.tell("intuition", f"{what}, and ended with the process")
        self._exit(code)

    def finish(self) -> None:
        """Tell what has not come to the end of its line."""
        while self._lines:
            (_, who), line = self._lines.popitem()
            self.tell(who, line)

    def _set(self) -> None:
        """Part standard output from what the command writes; only once."""
        if self._stdout is not None or not isinstance(sys.stdout, io.TextIOWrapper):
            return
        own = sys.stdout
        try:
            own.flush()
            descriptor = own.fileno()
            kept = os.dup(descriptor)
            os.dup2(2, descriptor)
        except (OSError, ValueError):  # closed: there is nothing that could be mistaken for data
            return
        self._stdout = kept
        binary = open(kept, "wb", buffering=-1 if own.buffer is not None else 0)  # noqa: SIM115, PTH123  # it is for as long as the process
        sys.stdout = _Output(
            self,
            binary,
            encoding=own.encoding,
            errors=own.errors,
            line_buffering=own.line_buffering,
            write_through=own.write_through,
        )
        sys.__stdout__ = sys.stdout  # type: ignore[misc]  # whoever looks for the first one is to find this
        self._pid = os.getpid()
        os._exit = self._ended  # type: ignore[assignment]  # whoever calls it says who it was

    def _ended(self, code: int) -> NoReturn:
        """End the process, and say which part wanted that."""
        watched = "--supervised" in sys.argv  # the supervisor says which part it was
        if os.getpid() == self._pid and not watched and (who := self.speaker(_caller(2))) is not None:
            with suppress(Exception):
                self.finish()
                self.tell(who or "a part", f"ended the process, with exit code {code}")
                self.told()
        self._exit(code)


class _Output(io.TextIOWrapper):
    """Standard output of the command, in which parts do not write."""

    def __init__(self, stage: Stage, binary: IO[bytes], **options: Any) -> None:
        super().__init__(binary, **options)
        self._stage = stage

    def write(self, text: str) -> int:
        """Write text, of a part aside."""
        who = self._stage.speaker(_caller(2))
        if who is None:
            return super().write(text)
        self._stage.write(who, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write lines one by one."""
        who = self._stage.speaker(_caller(2))
        if who is None:
            super().writelines(lines)
        else:
            self._stage.write(who, "".join(lines))

    @property
    def buffer(self) -> Any:
        """What bytes are written to: standard error for parts."""
        return super().buffer if self._is_ours() else sys.stderr.buffer

    def fileno(self) -> int:
        """Give the descriptor: for parts the usual one, which leads to standard error."""
        return super().fileno() if self._is_ours() else 1

    def close(self) -> None:
        """Close it, unless it is a part that wants that."""
        if self._is_ours():
            super().close()

    def detach(self) -> Any:
        """Give the buffer; parts get theirs."""
        return super().detach() if self._is_ours() else self.buffer

    def _is_ours(self) -> bool:
        return self._stage.speaker(_caller(3)) is None


def _caller(depth: int) -> FrameType | None:
    """Give the frame of who called; None where that is no Python, as when an exit handler is a built-in function."""
    try:
        return sys._getframe(depth)
    except ValueError:
        return None


def _called(engine: Any) -> str | None:
    """Give the name of the part that a strategy calls; None where this is no strategy."""
    from intuition_core.trading.engine import TradingEngine

    if not isinstance(engine, TradingEngine):
        return None
    number = abs(engine.called)
    return engine.parts[number - 1].label if 0 < number <= len(engine.parts) else ""


def _to_standard_error(who: str, line: str) -> None:
    stream: TextIO | None = sys.stderr
    if stream is not None:
        with suppress(OSError, ValueError):
            stream.write(f"{who}: {line}\n")
            stream.flush()


STAGE: Final = Stage()
"""The one of this process."""
