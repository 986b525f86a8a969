import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import eventually


def python(program: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-c", program, *arguments)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


PARENT = """
import sys
from intuition_core.supervision.processes import Child, Supervisor
child = Child(name="child", command=(sys.executable, "-c", sys.argv[1]), ready="ready")
sys.exit(Supervisor([child]).run(lambda: print("started", flush=True)))
"""
CHILD = """
import os, signal, subprocess, sys, threading, time
from intuition_core.supervision import lifeline
lifeline.PATIENCE = 0.3
lifeline.end_with_parent()
assert lifeline.VARIABLE not in os.environ
grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
def end(*_):
    open("ended", "w").close()
    grandchild.kill()
    sys.exit(0)
signal.signal(signal.SIGTERM, STUBBORN)
print("ready", os.getpid(), grandchild.pid, flush=True)
while True:
    time.sleep(60)
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes under /proc")
@pytest.mark.parametrize("stubborn", [False, True])
def test_children_end_with_a_supervisor_that_is_killed(tmp_path: Path, stubborn: bool) -> None:
    program = CHILD.replace("STUBBORN", "signal.SIG_IGN" if stubborn else "end")
    parent = subprocess.Popen(
        python(PARENT, program), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()[-2:]]
        assert all(map(lives, pids))
        parent.kill()
        try:
            eventually(lambda: not any(map(lives, pids)))
        finally:
            for pid in filter(lives, pids):
                os.kill(pid, signal.SIGKILL)
    assert (tmp_path / "ended").exists() is not stubborn
