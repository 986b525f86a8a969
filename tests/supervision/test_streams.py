"""What reaches a terminal, and what becomes of processes that nobody waits for."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from support import eventually

ATTACK = "\x1b[2J\x1b]0;title\x07\u202e\x9b31m"

PROGRAM = """
import sys
import click
from intuition_core.supervision.streams import set_up_streams
set_up_streams()
attack = sys.argv[1]
print("printed", attack)
click.echo(f"echoed {attack}")
click.echo(f"told {attack}", err=True)
print("error", attack, file=sys.stderr)
sys.stdout.writelines([f"lines {attack}", "\\n"])
from intuition_core.cli.screen import console
from rich.table import Table
from rich.text import Text
table = Table("key")
table.add_row(Text(f"cell {attack}"))
console(width=200).print(table, Text(f"text {attack}", style="bold"))
from intuition_core.cli.logs import set_up_logging
log = set_up_logging()
log.warning("logged %s\\nforged", attack)
import warnings
warnings.warn(f"warned {attack}")
raise RuntimeError(f"raised {attack}")
"""


def on_a_terminal(*words: str) -> str:
    """Run a program on a terminal of its own, and return what it has written there."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        words, stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "COLUMNS": "300", "TERM": "xterm"}
    )
    os.close(slave)
    found = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux says so at the end
            break
        if not part:
            break
        found += part
    process.wait()
    os.close(master)
    return found.decode()


def test_nothing_from_outside_reaches_a_terminal() -> None:
    written = on_a_terminal(sys.executable, "-c", PROGRAM, ATTACK)
    for what in ("printed", "echoed", "told", "error", "lines", "cell", "text", "logged", "warned", "raised"):
        assert f"{what} \\u001b[2J" in written, what
    assert "\u202e" not in written
    assert "\x1b[2J" not in written
    assert "\x1b]" not in written
    assert "\x9b" not in written
    assert "\x1b[1m" in written  # of our own, colours are left
    assert "\r\n    forged" in written


@pytest.mark.parametrize("stream", ["1", "2"])
def test_a_stream_in_ascii_takes_any_text(stream: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, "zürich"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
    )
    written = {"1": done.stdout, "2": done.stderr}[stream]
    assert b"z\\u00fcrich" in written
    assert written.isascii()


def test_orphans_are_reaped_by_the_first_process_of_a_container(tmp_path: Path) -> None:
    unshare = ("unshare", "--fork", "--pid", "--mount-proc", "--kill-child")
    try:
        tried = subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode
    except OSError:
        tried = 1
    if tried:
        pytest.skip("needs the right to make namespaces")
    program = """
import os, subprocess, sys, time
from intuition_core.supervision.first import work_in_second
code = work_in_second()
if code is not None:
    sys.exit(code)
for _ in range(5):
    subprocess.run(["sh", "-c", "sleep 0.1 & exit 0"])
def state(n):
    try:
        return open(f"/proc/{n}/stat").read().rpartition(")")[2].split()
    except FileNotFoundError:
        return None
def left():
    states = [*filter(None, (state(n) for n in os.listdir("/proc") if n.isdigit()))]
    return [state for state in states if state[1] == "1" and state[0] == "Z"], len(states)
while left()[1] > 2:
    time.sleep(0.01)
os.kill(1, 15)
time.sleep(60)
"""
    done = subprocess.run([*unshare, sys.executable, "-c", program], check=False, timeout=60)
    assert done.returncode == 128 + 15


def test_the_exit_code_of_the_second_process_is_that_of_the_first() -> None:
    program = (
        "import sys; from intuition_core.supervision.first import work_in_second; c = work_in_second(); "
        "sys.exit(7 if c is None else c)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 7


def test_a_slow_reader_of_the_log_delays_nobody() -> None:
    reading, writing = os.pipe()
    program = (
        "from intuition_core.cli.logs import set_up_logging; log = set_up_logging(); "
        "[log.info('%d %s', n, 'x' * 100) for n in range(2000)]; print('done', flush=True)"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=writing)
    os.close(writing)
    assert process.stdout is not None
    assert process.stdout.readline() == b"done\n"  # though nobody has read the log
    with os.fdopen(reading, "rb") as log:
        lines = log.read().splitlines()
    process.stdout.close()
    eventually(lambda: process.poll() == 0)
    assert [int(line.split()[0]) for line in lines] == list(range(2000))


def test_lines_for_the_systems_journal_begin_with_their_priority() -> None:
    program = (
        "import os; status = os.fstat(2); os.environ['JOURNAL_STREAM'] = f'{status.st_dev}:{status.st_ino}'; "
        "from intuition_core.cli.logs import set_up_logging; log = set_up_logging(); "
        "log.info('told'); log.warning('a\\nb'); log.error('c')"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "<6>told\n<4>WARNING: a\n<4>    b\n<3>ERROR: c\n"
