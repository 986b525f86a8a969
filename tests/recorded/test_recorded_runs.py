"""Twelve runs as they were before the packages: the same decisions, records and accounts, to the byte.

`expected.json` holds the hashes, and ``journals/NAME-RULES.sqlite.gz`` the session of a run after its first 97 to 147
events, under rules 1 and under rules 2, with what was open then: orders, brackets, groups, sales that buys wait for,
timers, swapped parts, the kill switch.
"""

import gzip
import json
import logging
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from intuition_core.session.journal import Journal

from .played import (
    FOLDER,
    NAMES,
    RUNS,
    STOP,
    STOPS,
    backtested,
    begun,
    events_of,
    gone_on,
    opened,
    play,
    replayed,
    result,
)

EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text(encoding="utf-8"))["runs"]
ANSWERED = {"decision", "fill", "rejection", "message", "error", "control", "action"}
RULES = (1, 2)

each_run = pytest.mark.parametrize("name", NAMES)
each_rules = pytest.mark.parametrize("rules", RULES)


@pytest.fixture(autouse=True)
def logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have commands that set up logs set them up for a test alone."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    monkeypatch.setattr(root, "level", root.level)


@pytest.fixture
def journal(name: str, rules: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copy the kept journal of a run; it names its parts' file from the folder of the tests."""
    monkeypatch.chdir(FOLDER)
    copy = tmp_path / f"{name}.sqlite"
    copy.write_bytes(gzip.decompress((FOLDER / "journals" / f"{name}-{rules}.sqlite.gz").read_bytes()))
    return copy


def test_there_are_twelve_runs_and_all_kinds_of_records(tmp_path: Path) -> None:
    assert len(NAMES) == 12
    assert set(EXPECTED) == set(NAMES) == {path.name.partition(".")[0] for path in RUNS.iterdir()}
    seen: set[str] = set()
    for name in NAMES:
        for rules in RULES:
            seen.update(EXPECTED[name][f"rules {rules}"]["replayed"]["by_type"])
    assert seen == ANSWERED


@each_run
def test_a_backtest_is_as_it_was(name: str, tmp_path: Path) -> None:
    assert backtested(name, tmp_path) == EXPECTED[name]["backtest"]


@each_run
def test_a_session_from_its_beginning_is_as_it_was(name: str, tmp_path: Path) -> None:
    path = tmp_path / f"{name}.sqlite"
    expected = EXPECTED[name]["rules 2"]
    assert begun(name, path) == expected["begun"]
    assert gone_on(name, path) == expected["gone on"]
    with opened(name, tmp_path / "at once.sqlite") as session:
        stop = STOPS.get(name, STOP)
        records = play(session, events_of(name), after=stop) + play(session, events_of(name), first=stop)
        assert len(records) == expected["replayed"]["records"]
        assert result(session, records)["account"] == expected["gone on"]["account"]


@each_run
@each_rules
@pytest.mark.parametrize("killed", [False, True])
def test_a_kept_session_goes_on_as_it_did(name: str, rules: int, killed: bool, journal: Path) -> None:
    if killed:
        with Journal(journal) as kept, kept._database.transaction():
            kept._db.execute("DELETE FROM snapshots")
    expected = EXPECTED[name][f"rules {rules}"]
    assert gone_on(name, journal) == expected["gone on"]
    assert replayed(journal) == expected["replayed"]


@each_run
@each_rules
def test_a_kept_session_is_replayed_to_the_byte(name: str, rules: int, journal: Path) -> None:
    told = replayed(journal)
    expected = EXPECTED[name][f"rules {rules}"]["begun"]
    assert told["code"] == 0
    assert told["events"] >= STOPS.get(name, STOP)
    assert told["records"] == expected["records"]["count"]
    assert told["account"]["equity"] == expected["equity"]


def test_another_recipe_is_told_from_the_recorded_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    path = tmp_path / "costs.sqlite"
    path.write_bytes(gzip.decompress((FOLDER / "journals" / "costs-2.sqlite.gz").read_bytes()))
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE meta SET value = replace(value, '\"0.35\"', '\"0.36\"') WHERE key = 'configuration'")
        db.commit()
    assert replayed(path) == {"code": 1}
