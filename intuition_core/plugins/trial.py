"""Importing a plugin in a process of its own, so that one that hangs or ends the process harms nobody."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress

import msgspec

from intuition_core.plugins import plugin_probe
from intuition_core.plugins.catalogue import REQUIRED, Plugin


class Check(msgspec.Struct, frozen=True):
    """The outcome of importing a plugin in a process of its own."""

    seconds: float | None
    """Seconds that the import took; None where it did not end."""
    problem: str | None
    """The error in one line; None where there was none."""
    missing: tuple[str, ...] = ()
    """The methods of its kind that the class lacks."""


def check(plugin: Plugin, *, deadline: float = 10.0, path: Sequence[str] | None = None) -> Check:
    """Import a plugin in a process of its own; its process group is killed afterwards.

    Args:
        plugin: what to import.
        deadline: seconds that the import may take.
        path: the import path, the interpreter's own by default.
    """
    required = REQUIRED.get(plugin.kind, ())
    arguments = [
        msgspec.json.encode(content).decode() for content in (list(sys.path if path is None else path), required)
    ]
    arguments.append(plugin.target)
    hung = False
    with tempfile.TemporaryFile() as report:
        process = subprocess.Popen(  # noqa: S603  # our own program, with a path and a target, and no shell
            [sys.executable, "-P", plugin_probe.__file__, str(report.fileno()), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(report.fileno(),),
            start_new_session=True,
        )
        try:
            process.wait(deadline)
        except subprocess.TimeoutExpired:
            hung = True
        finally:
            _end_group(process)
        report.seek(0)
        answer = report.read()
    if hung:
        return Check(None, f"still importing after {deadline:g} s")
    try:
        return msgspec.json.decode(answer, type=Check)
    except msgspec.DecodeError:
        return Check(None, f"the process {_ending(process.returncode)} while importing it")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _ending(code: int) -> str:
    return f"ended with exit code {code}" if code >= 0 else f"was killed by a signal ({signal.strsignal(-code)})"
