"""The standard output of a command, kept free of what parts print: that goes to standard error with their names.

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
from typing import Any, Final, NoReturn, TextIO

from intuition_core.supervision.streams import Screen, binary, caller, is_styled, settings
from intuition_core.system.printable import escaped

_SPEAKING: Final = (
    "intuition_core.cli",
    "intuition_core.session.console",
    "intuition_core.launch",
    "intuition_core.supervision.outlet",
    "intuition_core.supervision.processes",
    "intuition_core.supervision.streams",
)
"""Modules of the core that write to standard output."""

PATIENCE: Final = 3.0
"""Seconds that threads and exit handlers of parts have to end after the command."""

_CORE: Final = "intuition_core"
_LONGEST: Final = 8192
"""Characters of an unfinished line that are kept until it is complete."""


class Stage:
    """The parts in this process, and the streams to which they print.

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
        """Attribute a module to a plugin, and what is printed in the block to its import.

        Args:
            kind: its kind; what commands print is data, and stays on standard output.
            label: its name in messages.
            module: the module of its class.
        """
        root = module.partition(".")[0]
        if kind == "command":
            self._commands.add(root)
        elif self._parts.setdefault(root, label) != label:
            self._parts[root] = ""  # several plugins have this package; the engine's call tells which one it is
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
        """The descriptor of the command's data, for child processes; None where it is the usual one."""
        return self._stdout

    def speaker(self, frame: FrameType | None) -> str | None:
        """Return the name of the part whose code runs in a frame; empty if unknown, None for the command itself."""
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
        """Write what a part prints to standard error, each line once it is complete."""
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
        """Prepare the end of the process with an exit code; threads and exit handlers of parts cannot delay it."""
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
        """Write lines that are not complete."""
        while self._lines:
            (_, who), line = self._lines.popitem()
            self.tell(who, line)

    def _set(self) -> None:
        """Separate the standard output of parts from that of the command; has an effect only once."""
        if self._stdout is not None or not isinstance(sys.stdout, io.TextIOWrapper):
            return
        own = sys.stdout
        try:
            own.flush()
            descriptor = own.fileno()
            kept = os.dup(descriptor)
            os.dup2(2, descriptor)
        except (OSError, ValueError):  # it is closed, so that nothing can be taken for data
            return
        self._stdout = kept
        sys.stdout = _Output(self, binary(kept, buffered=not own.write_through), **settings(own))
        sys.__stdout__ = sys.stdout  # type: ignore[misc]  # code that uses the original stream gets this one
        self._pid = os.getpid()
        os._exit = self._ended  # type: ignore[assignment]  # its caller is reported

    def _ended(self, code: int) -> NoReturn:
        """End the process, and write which part asked for it."""
        watched = "--supervised" in sys.argv  # then the supervisor reports the part
        if os.getpid() == self._pid and not watched and (who := self.speaker(caller(2))) is not None:
            with suppress(Exception):
                self.finish()
                self.tell(who or "a part", f"ended the process, with exit code {code}")
                self.told()
        self._exit(code)


class _Output(Screen):
    """The standard output of the command, to which parts cannot write."""

    def __init__(self, stage: Stage, stream: Any, **options: Any) -> None:
        super().__init__(stream, **options)
        self._stage = stage

    def write(self, text: str) -> int:
        """Write text; that of a part goes to standard error."""
        frame = caller(2)
        who = self._stage.speaker(frame)
        if who is None:
            self.styled(text if is_styled(frame) else escaped(text))
        else:
            self._stage.write(who, text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Write lines one by one."""
        frame = caller(2)
        who = self._stage.speaker(frame)
        text = "".join(lines)
        if who is None:
            self.styled(text if is_styled(frame) else escaped(text))
        else:
            self._stage.write(who, text)

    @property
    def buffer(self) -> Any:
        """The stream for bytes: that of standard error for parts."""
        return super().buffer if self._is_ours() else sys.stderr.buffer

    def fileno(self) -> int:
        """Return the descriptor; for parts the usual one, which is that of standard error."""
        return super().fileno() if self._is_ours() else 1

    def close(self) -> None:
        """Close the stream, unless a part asks for it."""
        if self._is_ours():
            super().close()

    def detach(self) -> Any:
        """Return the underlying stream of bytes; for parts that of standard error."""
        return super().detach() if self._is_ours() else self.buffer

    def _is_ours(self) -> bool:
        return self._stage.speaker(caller(3)) is None


def _called(engine: Any) -> str | None:
    """Return the name of the part that an engine calls; None where the frame is no engine's."""
    from intuition_core.trading.engine import TradingEngine

    if not isinstance(engine, TradingEngine):
        return None
    number = abs(engine.roster.called)
    return engine.parts[number - 1].label if 0 < number <= len(engine.parts) else ""


def _to_standard_error(who: str, line: str) -> None:
    stream: TextIO | None = sys.stderr
    if stream is not None:
        with suppress(OSError, ValueError):
            stream.write(f"{who}: {escaped(line)}\n")
            stream.flush()


STAGE: Final = Stage()
"""The one of this process."""
