import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import eventually

from intuition_core import contracts
from intuition_core.plugins.catalogue import REQUIRED, Plugin
from intuition_core.plugins.trial import Check, check


def checked(tmp_path: Path, code: str, *, deadline: float = 30.0) -> Check:
    (tmp_path / "checked.py").write_text(code)
    plugin = Plugin("algorithm", "a", "acme-algos", "1.0", "checked:A", "")
    return check(plugin, deadline=deadline, path=[str(tmp_path), *sys.path])


def test_a_check_tells_how_long_the_import_took(tmp_path: Path) -> None:
    outcome = checked(tmp_path, "import time; time.sleep(0.2)\nclass A: pass")
    assert outcome.problem is None
    assert outcome.seconds is not None
    assert 0.2 <= outcome.seconds < 10
    assert "checked" not in sys.modules


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import nowhere_to_be_found", "ModuleNotFoundError: No module named 'nowhere_to_be_found'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("pass", "AttributeError: module 'checked' has no attribute 'A'"),
        ("import os; os._exit(7)", "the process ended with exit code 7 while importing it"),
        ("import os; os.closerange(3, 100)\nclass A: pass", "ended with exit code 1"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "(Segmentation fault)"),
        ("import os; os.fork() or os._exit(5)\nraise ValueError('parent')", "ValueError: parent"),
    ],
)
def test_a_check_contains_whatever_an_import_does(tmp_path: Path, code: str, problem: str) -> None:
    assert problem in str(checked(tmp_path, code).problem)


@pytest.mark.parametrize(
    ("kind", "target", "missing"),
    [
        ("algorithm", "json:JSONDecoder", ("initialize", "event")),
        ("portfolio", "intuition_core.trading.naive:Naive", ()),
        ("risk", "intuition_core.trading.naive:Naive", ("check",)),
        ("connector", "intuition_core.trading.naive:Naive", ("run", "stop")),
        ("algorithm", "json:loads", ()),  # a factory: what it makes shows when it is called
        ("algorithm", "json", ("initialize", "event")),
        ("command", "intuition_core.cli:cli", ()),
        ("command", "json:loads", ("main",)),
        ("hooks", "json:JSONDecoder", ()),
    ],
)
def test_a_check_names_the_methods_that_a_class_lacks(kind: str, target: str, missing: tuple[str, ...]) -> None:
    outcome = check(Plugin(kind, "a", "acme-algos", "1.0", target, ""))
    assert (outcome.problem, outcome.missing) == (None, missing)


@pytest.mark.parametrize("kind", sorted(REQUIRED.keys() - {"command", "indicator"}))
def test_what_a_check_asks_for_is_in_the_contract(kind: str) -> None:
    contract = getattr(contracts, kind.capitalize())
    assert all(callable(getattr(contract, method)) for method in REQUIRED[kind])


@pytest.mark.parametrize(
    "code",
    [
        "print('noise'); import sys; sys.stderr.write('noise')\nclass A: pass",
        "import threading, time; threading.Thread(target=time.sleep, args=(1000,)).start()\nclass A: pass",
        "import os; os.fork()\nclass A: pass",
        "import atexit, time; atexit.register(time.sleep, 1000)\nclass A: pass",
    ],
)
def test_a_plugin_that_is_merely_odd_passes(tmp_path: Path, code: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert checked(tmp_path, code).problem is None
    assert capfd.readouterr() == ("", "")


def test_a_hanging_import_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    note = tmp_path / "pids"
    code = f"""
import os, pathlib, time
child = os.fork()
if child:
    pathlib.Path({str(note)!r}).write_text(f"{{os.getpid()}} {{child}}")
time.sleep(1000)
"""
    started = time.monotonic()
    assert checked(tmp_path, code, deadline=2.0).problem == "still importing after 2 s"
    assert time.monotonic() - started < 20
    for pid in map(int, note.read_text().split()):
        eventually(lambda pid=pid: not runs(pid))


def runs(pid: int) -> bool:
    """Tell whether a process runs; one that is dead and not yet waited for by its parent does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return bool(state.strip()) and not state.startswith("Z")
