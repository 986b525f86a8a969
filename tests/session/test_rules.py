"""A session that was begun before rules had numbers: kept, gone on with, replayed, and brought to newer rules.

`tests/journals/rules-1.sqlite` was written then: bars of A and B with the same times, a split, a dividend, a late
quote, and two orders for B that are open at its end.
"""

import logging
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from intuition_core.cli import main
from intuition_core.config.loading import Config, convert
from intuition_core.config.portable import recorded
from intuition_core.plugins.catalogue import discover
from intuition_core.serving.service import Service
from intuition_core.session import archive
from intuition_core.session.journal import Journal
from intuition_core.session.recovery import replayed_events
from intuition_core.trading.composition import rules_of
from intuition_core.trading.engine import TradingEngine

KEPT = Path(__file__).parent.parent / "journals" / "rules-1.sqlite"
DAY = 86_400 * 10**9
LAST = 20_045 * DAY
"""After all of the journal's events."""

UPGRADE = ["upgrade", "old", "--rules", "2"]


@pytest.fixture(autouse=True)
def logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have commands that set up logs set them up for a test alone."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", root.handlers[:])
    monkeypatch.setattr(root, "level", root.level)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a copy of the journal, where the sessions are."""
    monkeypatch.setattr(archive, "folder", lambda: tmp_path)
    copy = archive.session_file("old")
    shutil.copyfile(KEPT, copy)
    return copy


def without_snapshots(path: Path) -> None:
    """Leave a journal as a process that was killed leaves it."""
    with Journal(path) as journal, journal._database.transaction():
        journal._db.execute("DELETE FROM snapshots")


@contextmanager
def served(path: Path) -> Iterator[Service]:
    """Go on with the session."""
    with closing(Journal(path, read_only=True)) as journal:
        meta = journal.meta()
    values = convert({**meta["configuration"], "session": meta["session"]}, origin="journal")
    service = Service(Config(values=values), discover(), journal=lambda _: Journal(path), now=lambda: LAST)
    try:
        yield service
    finally:
        service.close()


def replayed(path: Path) -> tuple[int, dict[str, Any]]:
    """Run all of a journal again, each record held against its own, and give how many there were and the account."""
    with closing(Journal(path, read_only=True)) as journal:
        meta = journal.meta()
        composition = recorded(meta["configuration"], discover(), {}, rules=rules_of(meta["composition"]))
        engine = TradingEngine(composition, run=meta["run"])
        count = sum(len(records) for records in replayed_events(engine, journal))
    return count, {sid: str(each.quantity) for sid, each in engine.ledger.positions.items()}


def bar(sid: str = "B", ts: int = LAST, **more: Any) -> dict[str, Any]:
    return {"sid": sid, "quote": 50.0, "open": 40.0, "high": 51.0, "low": 39.0, "volume": 100_000, "ts": ts, **more}


def prices(records: list[dict[str, Any]]) -> list[float]:
    return [record["price"] for record in records if record["type"] == "fill"]


def test_the_journal_is_of_old_rules_and_has_orders_open_at_its_end(path: Path) -> None:
    with closing(Journal(path, read_only=True)) as journal:
        assert rules_of(journal.meta()["composition"]) == 1
    with served(path) as service:
        assert {order.order.sid for order in service.session.engine.open_orders} == {"B"}
        assert {order.since for order in service.session.engine.open_orders} == {None}


def test_each_record_is_as_in_the_journal_when_it_is_replayed(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    count, positions = replayed(path)
    assert count > 30
    assert positions.keys() == {"A", "B"}
    assert main(["replay", "old"]) == 0
    assert f"93 events, {count} records, each as in the journal" in capsys.readouterr().out


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("times", [{}, {"start": LAST - 100 * DAY}, {"ts": LAST - 50 * DAY}])
def test_it_goes_on_under_old_rules_and_says_so(
    path: Path, caplog: pytest.LogCaptureFixture, killed: bool, times: dict[str, int]
) -> None:
    if killed:
        without_snapshots(path)
    with caplog.at_level(logging.WARNING), served(path) as service:
        assert "session old goes on under rules 1" in caplog.text
        assert "intuition upgrade old --rules 2" in caplog.text
        assert service.describe()["rules"] == 1
        assert prices(service.event(bar(**times))) == [40.0, 40.0]  # all prices count, as then
    replayed(path)
    caplog.clear()
    with served(path):
        assert "goes on under rules 1" in caplog.text


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize(
    ("event", "price"),
    [
        (bar(), 50.0),
        (bar(start=LAST - 1), 40.0),
        (bar(start=LAST - 100 * DAY), 50.0),
        (bar(ts=LAST - DAY), None),
        (bar(ask=50.5, bid=49.5), (50.5, 49.5)),
    ],
)
def test_after_an_upgrade_its_open_orders_fill_by_new_rules(
    path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    killed: bool,
    event: dict[str, Any],
    price: Any,
) -> None:
    assert main(UPGRADE) == 0
    assert "orders fill by rules 2 from now on, and by rules 1 before" in capsys.readouterr().err
    assert "goes on under" not in caplog.text
    with closing(Journal(path, read_only=True)) as journal:
        assert next(seq for seq, _ in journal.snapshots()) == 94
        *_, (_, [record]) = journal.batches(0)
    assert (record["type"], record["action"], record["before"], record["rules"]) == ("control", "rules", 1, 2)
    if killed:
        without_snapshots(path)
    caplog.clear()
    with caplog.at_level(logging.WARNING), served(path) as service:
        assert "rules" not in caplog.text
        assert service.describe()["rules"] == 2
        assert {order.since for order in service.session.engine.open_orders} == {LAST - DAY}
        wanted = list(price) if isinstance(price, tuple) else [] if price is None else [price] * 2
        assert prices(service.event(event)) == wanted
    count, _ = replayed(path)
    assert main(["replay", "old"]) == 0
    assert f"95 events, {count} records, each as in the journal" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        ("2", "goes by rules 2 already"),
        ("1", "goes by rules 2 already"),
        ("3", "there are rules 1 to 2, not 3"),
        ("0", "not 0"),
    ],
)
def test_a_second_upgrade_is_refused_and_changes_nothing(
    path: Path, capsys: pytest.CaptureFixture[str], rules: str, why: str
) -> None:
    assert main(UPGRADE) == 0
    before = replayed(path)
    assert main([*UPGRADE[:-1], rules]) == 1
    assert why in capsys.readouterr().err
    assert replayed(path) == before


def test_a_session_that_is_served_is_refused(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = path.read_bytes()
    with archive.held(path):
        assert main(UPGRADE) == 1
    assert "another process" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_session_that_is_not_there_is_refused(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["upgrade", "young", "--rules", "2"]) == 1
    assert "young" in capsys.readouterr().err
