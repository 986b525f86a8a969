"""The process in front of a command: what it says of parts that hang, crash or end the run, and what it passes on."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pexpect
import pytest
from support import eventually

COMMAND = (sys.executable, "-m", "intuition_core")
WORDS = {
    "backtest": ("backtest", "--portfolio", "fixed", "--json"),
    "compare": ("compare", "--portfolio", "fixed,naive", "--json"),
}

PART = """\
import ctypes, os, re, signal, sys, time
{imported}


class Part:
    def __init__(self):
        self.n = 0
        {made}

    def initialize(self, params):
        {initialised}

    def event(self, data):
        self.n += 1
        if self.n == 10:
            {called}
"""

HOG = "re.match('(a+)+$', 'a' * 60 + 'b')"
"""A call that holds the interpreter: no other thread of the process runs, and no signal is answered."""

CATCHES = """
            while True:
                try:
                    time.sleep(60)
                except BaseException:
                    pass
"""


@pytest.fixture
def part(tmp_path: Path) -> Callable[..., Path]:
    def written(**places: str) -> Path:
        given = {"imported": "", "made": "pass", "initialised": "pass", "called": "pass", **places}
        path = tmp_path / "part.py"
        path.write_text(PART.format(**given))
        return path

    return written


def words(command: str, path: Path) -> list[str]:
    return [*COMMAND, *WORDS[command], "--algo", str(path), "--source", "sample", "--symbols", "IBM"]


def run(command: str, path: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    given = {**os.environ, **environment}
    return subprocess.run(words(command, path), capture_output=True, text=True, check=False, env=given)


@pytest.fixture
def begun(part: Callable[..., Path], tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Give what starts a run and waits until its part is at its tenth event."""
    processes: list[subprocess.Popen[str]] = []

    def start(what: str, **options: Any) -> "subprocess.Popen[str]":
        note = tmp_path / "begun"
        path = part(called=f"os.write(os.open({str(note)!r}, os.O_CREAT | os.O_WRONLY), b'%d' % os.getpid()); {what}")
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
        process = subprocess.Popen(words("backtest", path), **options)
        processes.append(process)
        eventually(lambda: (note.exists() and note.read_text()) or process.poll() is not None, "the part to be called")
        assert process.poll() is None
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize("command", WORDS)
@pytest.mark.parametrize(
    ("place", "when"),
    [
        ("imported", "while it was imported"),
        ("made", "while it was initialised"),
        ("initialised", "while it was initialised"),
        ("called", "at event 10"),
    ],
)
@pytest.mark.parametrize("what", ["time.sleep(600)", HOG])
def test_a_part_that_hangs_is_named_with_its_line(
    command: str, place: str, when: str, what: str, part: Callable[..., Path]
) -> None:
    path = part(**{place: what})
    done = run(command, path, INTUITION_WORKER__DEADLINE="0.5", INTUITION_WORKER__IMPORT_DEADLINE="0.5")
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("intuition: algorithm part ")
    assert "took longer than the 0.5 s of " in line
    assert when in line
    number = path.read_text().splitlines().index(next(x for x in path.read_text().splitlines() if what in x)) + 1
    assert line.endswith(f"({path}, line {number})")


@pytest.mark.parametrize("command", WORDS)
@pytest.mark.parametrize(
    ("what", "how"),
    [
        ("os._exit(0)", "exit code 0"),
        ("os._exit(3)", "exit code 3"),
        ("ctypes.string_at(0)", "ended by SIGSEGV"),
        ("os.abort()", "ended by SIGABRT"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "ended by SIGKILL"),
        ("os.kill(os.getpid(), signal.SIGTERM)", "ended by SIGTERM"),
        ("os.execv('/bin/true', ['true'])", "exit code 0"),
        ("sys.exit(0)", "SystemExit: 0"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    ],
)
@pytest.mark.parametrize("place", ["imported", "called"])
def test_a_part_that_ends_the_process_is_named(
    command: str, what: str, how: str, place: str, part: Callable[..., Path]
) -> None:
    if (what, place) == ("raise KeyboardInterrupt", "imported"):
        pytest.skip("it cannot be told from Ctrl-C there")
    done = run(command, part(**{place: what}))
    assert done.returncode == 1
    assert done.stdout == ""
    assert how in done.stderr
    assert "part" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_crash_tells_the_line(part: Callable[..., Path]) -> None:
    path = part(called="ctypes.string_at(0)")
    [line] = run("backtest", path).stderr.splitlines()
    assert line.endswith(f"({path}, line 16)")


@pytest.mark.parametrize("group", [False, True], ids=["the process alone", "as a terminal does"])
@pytest.mark.parametrize("what", ["time.sleep(600)", HOG, CATCHES])
def test_ctrl_c_is_answered_whatever_a_part_does(what: str, group: bool, begun: Any) -> None:
    process = begun(what, start_new_session=True)
    (os.killpg if group else os.kill)(process.pid, signal.SIGINT)
    _, told = process.communicate()
    assert process.returncode == 130
    assert told.startswith("intuition: interrupted while algorithm part")
    assert "at event 10" in told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_run_ends_with_who_stands_in_front(number: signal.Signals, begun: Any, tmp_path: Path) -> None:
    process = begun(HOG)
    worker = int((tmp_path / "begun").read_text())
    process.send_signal(number)
    process.communicate()
    assert process.returncode == -number
    while True:  # whoever takes up orphans may take a moment
        try:
            state = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            break
        if state in "ZX":
            break


def test_a_person_at_a_debugger_has_no_deadline(part: Callable[..., Path]) -> None:
    path = part(called="breakpoint()")
    child = pexpect.spawn(
        COMMAND[0],
        words("backtest", path)[1:],
        env={**os.environ, "INTUITION_WORKER__DEADLINE": "0.2"},
        encoding="utf-8",
        timeout=60,
    )
    child.expect(r"\(Pdb\)")
    child.sendline("import time; time.sleep(2); self.n")
    child.expect("10")
    child.sendline("continue")
    child.expect("final_equity")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_what_goes_in_and_comes_out_is_passed_on(part: Callable[..., Path]) -> None:
    path = part(imported="print('given', sys.stdin.read())")
    done = subprocess.run(words("backtest", path), input="words", capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert json.loads(done.stdout)["fills"] == 0
    assert done.stderr == "algorithm part: given words\n"


def test_closed_streams_stay_closed(part: Callable[..., Path]) -> None:
    given = " ".join(words("backtest", part()))
    done = subprocess.run(["/bin/sh", "-c", f"{given} 0<&- 1>&-"], stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


def test_the_exit_code_is_the_commands_own(part: Callable[..., Path]) -> None:
    given = [*COMMAND, "backtest", "--nonsense"]
    assert subprocess.run(given, capture_output=True, check=False).returncode == 2
    given = [*COMMAND, "show", "nothing-like-this"]
    assert subprocess.run(given, capture_output=True, check=False).returncode == 1


def test_show_names_a_part_whose_import_hangs(part: Callable[..., Path]) -> None:
    path = part(imported="time.sleep(600)")
    done = subprocess.run(
        [*COMMAND, "show", str(path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "INTUITION_WORKER__IMPORT_DEADLINE": "0.5"},
    )
    assert done.returncode == 1
    assert "part took longer than the 0.5 s of `import_deadline` in [worker] while it was imported" in done.stderr


@pytest.mark.parametrize(("place", "method"), [("initialised", "initialize"), ("called", "event")])
def test_check_names_the_call_that_hangs(place: str, method: str, part: Callable[..., Path]) -> None:
    path = part(**{place: "time.sleep(600)"})
    done = subprocess.run(
        [*COMMAND, "check", "--deadline", "15", str(path)],  # of all checks, most of which hang
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "INTUITION_WORKER__DEADLINE": "0.5"},
    )
    assert done.returncode == 1
    assert f"`{method}` took longer than the 0.5 s of its deadline ({path}, line " in done.stdout
