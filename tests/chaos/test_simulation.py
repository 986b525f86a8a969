import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from intuition_core.session.clients import Clients
from intuition_core.session.session import Session

from .simulation import World, simulate

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_no_seed_loses_or_repeats_anything(
    seeds: int, request: pytest.FixtureRequest, tell: Callable[[str], None]
) -> None:
    asked: int | None = request.config.getoption("seed", None)
    first, count = (0, seeds) if asked is None else (asked, 1)
    workers = min(os.cpu_count() or 1, 8, 1 + count // 250)
    began = time.monotonic()
    shares = [range(first + count * n // workers, first + count * (n + 1) // workers) for n in range(workers)]
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.simulation", str(share.start), str(len(share))],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            text=True,
        )
        for share in shares
    ]
    befell: Counter[str] = Counter()
    bad: list[str] = []
    for worker in running:
        for line in worker.communicate()[0].splitlines():
            said = json.loads(line)
            befell.update(said.get("faults", {}))
            if not said.get("good", True):
                bad.append(f"{said['outcome']} (again: python -m tests.chaos.simulation {said['seed']})")
        assert worker.returncode == 0
    tell(f"{count} seeds in {time.monotonic() - began:.0f} s; {dict(befell)}")
    assert sum(befell.values()) >= 3 * count
    assert not bad, f"{len(bad)} of {count} seeds: {'; '.join(bad[:5])}"


def test_a_seed_gives_the_same_history_each_time(opened: Any) -> None:
    one, other = opened(World(11)), opened(World(11))
    assert one.run().good
    assert other.run().good
    assert one.befell == other.befell
    assert [arrival.input for arrival in one.arrivals] == [arrival.input for arrival in other.arrivals]


@pytest.mark.parametrize("defect", ["forgets what it knows", "answers before it writes", "fences nobody"])
def test_a_defect_of_the_session_is_found(defect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if defect == "forgets what it knows":
        monkeypatch.setattr("intuition_core.session.ids.Ids.find", lambda *_: {})
    elif defect == "fences nobody":
        monkeypatch.setattr(Clients, "check_epoch", lambda *_: None)
    else:
        write = Session._write_pending
        lazy: dict[int, int] = {}

        def write_later(self: Any) -> None:
            lazy[id(self)] = lazy.get(id(self), 0) + 1
            if lazy[id(self)] % 4:
                write(self)

        monkeypatch.setattr(Session, "_write_pending", write_later)
    assert any(not simulate(seed).good for seed in range(300))
