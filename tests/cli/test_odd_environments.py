"""Each command in each odd environment, as a process: a sentence and an exit code, never a traceback or a default."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from support import accepts, eventually, free_port

from intuition_core.rpc.client import Client

COMMANDS = {
    "help": ("--help",),
    "list-plugins": ("list-plugins",),
    "list-plugins --json": ("list-plugins", "--json"),
    "show": ("show", "random"),
    "schema": ("schema",),
    "sessions": ("sessions",),
    "sessions show": ("sessions", "show", "nothing"),
    "doctor": ("doctor",),
    "keys list": ("keys", "list"),
    "keys new": ("keys", "new", "made"),
    "config check": ("config", "check"),
    "completion": ("completion", "bash"),
    "init": ("init", "-o", "-"),
    "new": ("new", "algorithm", "my-algo"),
    "backtest": ("backtest", "--algo", "random", "--portfolio", "fixed", "--data", "prices.csv"),
    "backtest --json": ("backtest", "--algo", "random", "--portfolio", "fixed", "--data", "prices.csv", "--json"),
    "replay": ("replay", "nothing"),
    "kill": ("kill", "enough", "--rpc", "tcp://127.0.0.1:9", "--timeout", "0.2"),
    "swap": ("swap", "algorithm", "x", "--use", "random", "--rpc", "tcp://127.0.0.1:9", "--timeout", "0.2"),
    "serve": ("serve", "--algo", "nothing-like-this", "--no-journal", "--addr", "tcp://127.0.0.1:0"),
    "up": ("up", "--algo", "nothing-like-this"),
    "connect": ("connect", "--rpc", "tcp://nowhere"),
    "indicate": ("indicate", "nothing-like-this"),
    "publish": ("publish", "nowhere.csv"),
    "compare": ("compare", "--algo", "nothing-like-this", "--data", "prices.csv"),
}
"""Command lines that come to an end by themselves."""

THOROUGH = ("config check",)
"""Commands that are tried in each environment."""
COMMON = ("a full standard output", "a folder that was removed")
"""Environments in which each command is tried. All others of the table are for `nox -s chaos`."""

PRICES = "ts,sid,quote\n2024-01-01,G,1\n2024-01-02,G,2\n"


class Outcome(NamedTuple):
    """How a command ended, and what it wrote."""

    code: int
    out: bytes
    err: bytes


Run = Callable[..., Outcome]


def _run(command: tuple[str, ...], folder: Path, *, shell: str = "", **more: Any) -> Outcome:
    given = [sys.executable, "-m", "intuition_core", *command]
    if shell:  # descriptors are closed by a shell, as by who starts daemons
        given = ["/bin/sh", "-c", f'exec "$@" {shell}', "sh", *given]
    environment = {
        **{name: text for name, text in os.environ.items() if not name.startswith(("INTUITION_", "XDG_"))},
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
        **more.pop("environment", {}),
    }
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **more}
    process = subprocess.Popen(given, cwd=folder, env=environment, **options)
    out, err = process.communicate(timeout=100)
    return Outcome(process.returncode, out or b"", err or b"")


def _full(command: tuple[str, ...], folder: Path) -> Outcome:
    with Path("/dev/full").open("wb") as full:
        return _run(command, folder, stdout=full)


def _full_errors(command: tuple[str, ...], folder: Path) -> Outcome:
    with Path("/dev/full").open("wb") as full:
        return _run(command, folder, stderr=full)


def _reader_gone(command: tuple[str, ...], folder: Path) -> Outcome:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return _run(command, folder, stdout=writing)
    finally:
        os.close(writing)


def _not_blocking(command: tuple[str, ...], folder: Path) -> Outcome:
    """A pipe that does not block, as some programs make it, and a reader that begins late."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    child = (
        "import os, subprocess, sys; done = subprocess.run(sys.argv[1:], stderr=subprocess.PIPE); "
        "sys.stderr.buffer.write(done.stderr); sys.exit(done.returncode)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", child, sys.executable, "-m", "intuition_core", *command],
        cwd=folder,
        stdout=writing,
        stderr=subprocess.PIPE,
        env={**os.environ, "XDG_DATA_HOME": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config")},
    )
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        out = stream.read()
    _, err = process.communicate(timeout=100)
    return Outcome(process.returncode, out, err)


def _gone(command: tuple[str, ...], folder: Path) -> Outcome:
    """A working folder that was removed."""
    inner = folder / "inner"
    inner.mkdir()
    given = " ".join(f"'{word}'" for word in (sys.executable, "-m", "intuition_core", *command))
    text = f"cd '{inner}' && rmdir '{inner}' && exec {given}"
    done = subprocess.run(
        ["/bin/sh", "-c", text],
        capture_output=True,
        check=False,
        timeout=100,
        env={**os.environ, "XDG_DATA_HOME": str(folder / "data"), "XDG_CONFIG_HOME": str(folder / "config")},
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def _config(content: bytes) -> Run:
    def run(command: tuple[str, ...], folder: Path) -> Outcome:
        (folder / "intuition.toml").write_bytes(content)
        return _run(command, folder)

    return run


def _dangling(command: tuple[str, ...], folder: Path) -> Outcome:
    (folder / "intuition.toml").symlink_to("nowhere.toml")
    return _run(command, folder)


def _folder(command: tuple[str, ...], folder: Path) -> Outcome:
    (folder / "intuition.toml").mkdir()
    return _run(command, folder)


NARROW = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
HOMELESS = {"HOME": "", "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": ""}

ENVIRONMENTS: dict[str, Run] = {
    "no standard input": lambda command, folder: _run(command, folder, shell="0<&-"),
    "no standard output": lambda command, folder: _run(command, folder, shell="1>&-"),
    "no standard error": lambda command, folder: _run(command, folder, shell="2>&-"),
    "no standard streams": lambda command, folder: _run(command, folder, shell="0<&- 1>&- 2>&-"),
    "a full standard output": _full,
    "a full standard error": _full_errors,
    "a reader that has gone": _reader_gone,
    "an output that does not block": _not_blocking,
    "a narrow encoding": lambda command, folder: _run(command, folder, environment=NARROW),
    "an encoding of one byte": lambda command, folder: _run(
        command, folder, environment={"PYTHONIOENCODING": "cp1252"}
    ),
    "an empty home": lambda command, folder: _run(command, folder, environment=HOMELESS),
    "a folder that was removed": _gone,
    "a variable that is no text": lambda command, folder: _run(
        command, folder, environment={"INTUITION_CASH": "\udcff"}
    ),
    "a variable of thousands of digits": lambda command, folder: _run(
        command, folder, environment={"INTUITION_SEED": "9" * 5000}
    ),
    "a variable that is deep": lambda command, folder: _run(
        command, folder, environment={"INTUITION_ALGORITHM__PARAMS__X": "[" * 3000}
    ),
    "a configuration with a byte order mark": _config(b"\xef\xbb\xbfcash = 5000\n"),
    "a configuration in UTF-16": _config("cash = 5000\n".encode("utf-16")),
    "a configuration in Latin-1": _config(b"cash = 5000 # \xfc\n"),
    "a configuration with zero bytes": _config(b"cash = 5000\n\0\0"),
    "a configuration of thousands of digits": _config(b"seed = " + b"9" * 5000),
    "a configuration that is deep": _config(b"a = " + b"[" * 3000 + b"]" * 3000),
    "a configuration of deep tables": _config(b"[" + b".".join([b"a"] * 3000) + b"]\n"),
    "a configuration that is huge": _config(b"# " + b"x" * (9 << 20)),
    "a configuration that is a dangling link": _dangling,
    "a configuration that is a folder": _folder,
}

REFUSED = {name for name in ENVIRONMENTS if name.startswith("a configuration")} - {
    "a configuration with a byte order mark"
} | {"a variable that is no text", "a variable of thousands of digits"}
"""Environments in which a command that reads the configuration must not go on with defaults."""

READING = ("config check", "backtest", "backtest --json", "serve", "up", "kill")


def _cases() -> list[Any]:
    return [
        pytest.param(
            command,
            place,
            id=f"{command} with {place}",
            marks=() if command in THOROUGH or place in COMMON else pytest.mark.chaos,
        )
        for command in COMMANDS
        for place in ENVIRONMENTS
    ]


@pytest.mark.parametrize(("command", "place"), _cases())
def test_odd_environments_end_in_a_sentence(command: str, place: str, tmp_path: Path) -> None:
    (tmp_path / "prices.csv").write_text(PRICES)
    done = ENVIRONMENTS[place](COMMANDS[command], tmp_path)
    told = done.err + done.out
    assert b"Traceback" not in told
    assert b"Exception ignored" not in told
    assert done.code in (0, 1, 2), told
    reported = command == "doctor" and b"\nBAD  configuration: " in done.out  # what it finds is its output
    silenced = "standard error" in place or "streams" in place or "gone" in place
    assert done.code in (0, 2) or done.err or reported or silenced, told
    if place == "a full standard output" and command in ("list-plugins", "backtest --json", "schema", "show"):
        sentences = [line for line in done.err.splitlines() if not line.startswith(b"prices.csv: ")]  # what was read
        assert (done.code, len(sentences)) == (1, 1)
    if place in REFUSED and command in READING:
        assert done.code == 1
    if place == "a narrow encoding":
        assert told.isascii()


@pytest.mark.parametrize("place", ["no standard error", "no standard streams", "a full standard error"])
def test_a_session_serves_without_standard_streams(place: str, tmp_path: Path) -> None:
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    shell = {"no standard error": "2>&-", "no standard streams": "0<&- 1>&- 2>&-"}.get(place, "2>/dev/full")
    words = [sys.executable, "-m", "intuition_core", "serve", "--algo", "random", "--no-journal", "--addr", address]
    process = subprocess.Popen(
        ["/bin/sh", "-c", f'exec "$@" {shell}', "sh", *words], cwd=tmp_path, stdout=subprocess.DEVNULL
    )
    try:
        eventually(lambda: accepts(port))
        with Client(address, timeout=30) as client:
            client.call("event", {"sid": "G", "quote": 1.0})
            assert client.call("describe")["last_seq"] == 1
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
