"""Processes that are killed while they drop what their journal is not to keep.

`RETENTION_KILLS=300 pytest tests/session/test_retention_killed.py` kills more.
"""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest
from support.sessions import builder

from intuition_core.session.batch_run import Item
from intuition_core.session.errors import IdTooOld
from intuition_core.session.journal import Journal
from intuition_core.session.keeping import Keep
from intuition_core.session.session import Session
from intuition_core.session.verification import verified

KILLS = int(os.environ.get("RETENTION_KILLS", "6"))
AT_ONCE = 50


def session_of(path: Path) -> Session:
    journal = Journal(path, keep=Keep(size=400_000), archive=path.parent / "archive")
    if "session" not in journal.meta():
        journal.note(session="test", run="test.1", configuration={}, composition={})
    session = Session(builder(), journal=journal, name="test")
    session.recover()
    return session


def item(n: int) -> Item:
    event = {"channel": "quotes", "sid": "AB"[n % 2], "quote": 10.0, "ts": n, "note": "x" * 60}
    return Item([event], f"id:{n}" if n % 4 else None, b"%d" % n)


def go_on(path: Path) -> None:
    """Deliver events, and write the number of those that are acknowledged, until the process is killed."""
    with closing(session_of(path)) as session:
        while True:
            first = session.last_seq
            session.deliver([item(n) for n in range(first, first + AT_ONCE)])
            sys.stdout.write(f"{session.last_seq}\n")
            sys.stdout.flush()
            for _ in range(5):
                session.tidying.step()


@pytest.mark.timeout(1800)
def test_a_process_that_is_killed_loses_nothing_and_runs_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    random = Random(7)
    program = f"import sys; sys.path[:0] = {sys.path!r}; from {__name__} import go_on; from pathlib import Path; "
    acknowledged = 0
    beginnings = set()
    for _ in range(KILLS):
        command = [sys.executable, "-c", f"{program} go_on(Path({str(path)!r}))"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as child:
            assert child.stdout is not None
            lines = 20 + random.randrange(60)
            for _, line in zip(range(lines), child.stdout, strict=False):
                acknowledged = int(line)
            child.send_signal(signal.SIGKILL)
            for line in child.stdout:
                acknowledged = int(line) if line.endswith("\n") else acknowledged
        assert not verified(path).damages  # type: ignore[union-attr]  # it has checksums
        with closing(session_of(path)) as session:
            assert acknowledged <= session.last_seq <= acknowledged + AT_ONCE
            beginning = session.tidying.beginning
            beginnings.add(beginning)
            ends = (range(beginning + 200), range(max(0, beginning - 200), session.last_seq))
            numbers = [n for n in sorted({*random.sample(ends[0], 200), *ends[1]}) if n % 4]
            before = session.last_seq
            replies: list[Any] = session.deliver([item(n) for n in numbers])
            assert session.last_seq == before
            assert [n for n, reply in zip(numbers, replies, strict=True) if isinstance(reply, IdTooOld)] == [
                n for n in numbers if n < beginning
            ]
    assert len(beginnings) > 1
    pieces = sorted(int(each.stem.rpartition("-")[2]) for each in (tmp_path / "archive").glob("*.sqlite"))
    assert max(beginnings) in pieces
    for each in (tmp_path / "archive").glob("*.sqlite"):
        assert not verified(each).damages  # type: ignore[union-attr]  # the same
