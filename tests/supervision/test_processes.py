import io
import os
import signal
import sys
import threading
import time
from pathlib import Path

from support import eventually

from intuition_core.supervision.processes import Child, Supervisor


def python(program: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", program, *arguments)


class Run:
    """A supervisor at work in a thread."""

    def __init__(self, *children: Child) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.started = threading.Event()
        self.supervisor = Supervisor(children, out=self.out, err=self.err)
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.code = self.supervisor.run(self.started.set)

    def end(self) -> None:
        self.supervisor.stop()
        self._thread.join(30)
        assert not self._thread.is_alive()


STEADY = "import time; print('ready now', flush=True); time.sleep(60)"


def test_children_start_in_order_each_when_the_one_before_is_ready_and_stop_in_reverse(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = f"""
import signal, sys, time
def note(what):
    with open({str(log)!r}, "a") as file: file.write(what + " " + sys.argv[1] + "\\n")
signal.signal(signal.SIGTERM, lambda *_: (note("stop"), sys.exit(0)))
time.sleep(0.2); note("start"); print("ready", flush=True); time.sleep(60)
"""
    names = ("one", "two", "three")
    run = Run(*(Child(name=name, command=python(program, name), ready="ready") for name in names))
    assert run.started.wait(20)
    run.end()
    starts, stops = [f"start {name}" for name in names], [f"stop {name}" for name in reversed(names)]
    assert log.read_text().splitlines() == starts + stops
    assert run.code == 0


def test_each_line_carries_the_childs_name_and_keeps_its_stream() -> None:
    program = "import sys, time; print('data'); print('log', file=sys.stderr); sys.stdout.flush(); time.sleep(60)"
    run = Run(Child(name="part", command=python(program), ready="log"))
    assert run.started.wait(20)
    eventually(run.out.getvalue)
    run.end()
    assert run.out.getvalue() == "part      | data\n"
    assert run.err.getvalue() == "part      | log\n"


def test_a_child_that_dies_is_started_again_and_the_death_is_told() -> None:
    run = Run(Child(name="part", command=python("import os; print(os.getpid(), flush=True);" + STEADY), ready="ready"))
    assert run.started.wait(20)
    first = int(run.out.getvalue().split()[2])
    os.kill(first, signal.SIGKILL)
    eventually(lambda: run.out.getvalue().count("ready") == 2)
    run.end()
    assert "ended by SIGKILL; starting it again in 0.5 s" in run.err.getvalue()


def test_pauses_grow_while_a_child_keeps_dying() -> None:
    run = Run(
        Child(name="good", command=python(STEADY), ready="ready"),
        Child(name="bad", command=python("raise SystemExit(3)")),
    )
    eventually(lambda: run.err.getvalue().count("ended with exit code 3; starting") >= 2)
    run.end()
    assert "again in 0.5 s" in run.err.getvalue()
    assert "again in 1 s" in run.err.getvalue()


def test_a_child_that_never_becomes_ready_ends_everything_with_its_last_words() -> None:
    run = Run(
        Child(name="good", command=python(STEADY), ready="ready"),
        Child(name="bad", command=python("import sys; sys.exit('no such file')"), ready="ready"),
    )
    eventually(lambda: run.code is not None)
    run.end()
    assert run.code == 1
    assert not run.started.is_set()
    assert "bad       | no such file" in run.err.getvalue()
    assert "before it was ready" in run.err.getvalue()


def test_a_finite_child_may_end_well() -> None:
    run = Run(Child(name="demo", command=python("pass"), finite=True))
    eventually(lambda: "is done" in run.err.getvalue())
    time.sleep(0.7)
    run.end()
    assert run.err.getvalue() == "demo      | is done\n"


def test_nothing_of_a_childs_process_group_survives(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    program = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open({str(file)!r}, "w").write(str(child.pid)); print("ready", flush=True); time.sleep(60)
"""
    run = Run(Child(name="part", command=python(program), ready="ready"))
    assert run.started.wait(20)
    grandchild = int(file.read_text())
    run.end()

    def gone() -> bool:
        stat = Path(f"/proc/{grandchild}/stat")
        return not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"

    eventually(gone)
