"""Damage to a journal is never served: a flipped bit is without effect, or it is told at the start or at the read.

`DAMAGE_FLIPS=1000 pytest tests/session/test_damage.py` tries more bits.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from intuition_core import Signal
from intuition_core.cli import main
from intuition_core.session import archive
from intuition_core.session import session as sessions
from intuition_core.session.batch import Batch, Delivery
from intuition_core.session.batch_run import Item
from intuition_core.session.errors import (
    BadJournal,
    JournalDamaged,
    JournalFailed,
    JournalGone,
    JournalLost,
    SnapshotDiffers,
)
from intuition_core.session.journal import Journal
from intuition_core.session.recovery import Snapshots, replayed_events
from intuition_core.session.repair import repair
from intuition_core.session.session import Session
from intuition_core.session.verification import verified
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.naive import Naive

FLIPS = int(os.environ.get("DAMAGE_FLIPS", "60"))
"""Bits that are flipped in each file."""
COUNT = 240
ENDINGS = ("", "-wal", "-head")


class Turns:
    """Buys on every third event, sells on every seventh."""

    def initialize(self, params: Any) -> None:
        self.count = 0

    def event(self, data: dict[str, Any]) -> Signal | None:
        self.count += 1
        if self.count % 7 == 0:
            return Signal(data["sid"], "sell", data["quote"])
        return Signal(data["sid"], "buy", data["quote"]) if self.count % 3 == 0 else None

    def snapshot(self) -> int:
        return self.count

    def restore(self, state: int) -> None:
        self.count = state


def build() -> TradingEngine:
    part = Part(kind="algorithm", name="turns", factory=Turns, params={})
    naive = Part(kind="portfolio", name="naive", factory=Naive, params=Naive.Params(max_fraction=0.2))
    return TradingEngine(Composition(sleeves=(Sleeve(algorithm=part, portfolio=naive),), seed=11), run="test.1")


def item(n: int) -> Item:
    event = {"channel": "quotes", "sid": "AB"[n % 2], "quote": 10.0 + n % 13, "ts": n}
    key = f"feed:1:{n}" if n % 2 else None
    return Item([event], key, b"content %d" % n, Delivery(key, n, "quotes", "x") if key else None)


def session_of(path: Path) -> Session:
    journal = Journal(path)
    try:
        if "session" not in journal.meta():
            journal.note(session="test", run="test.1", configuration={}, composition={})
        session = Session(build, journal=journal, name="test")
        session.recover()
    except BaseException:
        journal.close()
        raise
    return session


def fill(session: Session, start: int, end: int) -> None:
    session.attach("feed")
    for n in range(start, end, 5):
        session.deliver(list(map(item, range(n, n + 5))), client="feed")


def copy(path: Path, target: Path) -> Path:
    """Copy a journal and what belongs to it."""
    target.mkdir(exist_ok=True)
    for ending in ENDINGS:
        there = Path(f"{path}{ending}")
        Path(f"{target / path.name}{ending}").unlink(missing_ok=True)
        if there.exists():
            shutil.copyfile(there, f"{target / path.name}{ending}")
    return target / path.name


def everything(path: Path) -> Any:
    """Return all that a session would serve, and what a further event causes."""
    session = session_of(path)
    try:
        told = [
            session.statement.to_json(),
            [record for some in session.outbox.decisions((0, 0)) for record in some],
            session.outbox.of_client("feed", 10_000),
            session.deliver(list(map(item, range(COUNT - 99, COUNT, 2)))),
            session.deliver([item(COUNT)]),
            session.attach("feed").window,
            list(session._journal.batches()),
            session._journal.meta(),
        ]
        session._journal.verify_in_background()
        session._journal._verification.wait()  # type: ignore[union-attr]  # it was begun
        session.clients.confirm("feed", acked=f"feed:1:{COUNT - 1}")
    finally:
        session.close()
    return told


@pytest.fixture(params=["ended", "killed"])
def kept(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a journal with two snapshots, closed or as a killed process leaves it."""
    monkeypatch.setattr(sessions, "SNAPSHOT_EVERY", 100)
    path = tmp_path / "s.sqlite"
    with closing(session_of(path)) as session:
        fill(session, 0, COUNT // 2)
    with closing(session_of(path)) as session:
        fill(session, COUNT // 2, COUNT)
        if request.param == "killed":
            yield copy(path, tmp_path / "kept")
    if request.param == "ended":
        yield copy(path, tmp_path / "kept")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("where", [*ENDINGS, "snapshots"])
def test_a_flipped_bit_is_harmless_or_refused(kept: Path, where: str, tmp_path: Path) -> None:
    whole = everything(copy(kept, tmp_path / "whole"))
    ending = "" if where == "snapshots" else where
    damaged = Path(f"{kept}{ending}")
    if not damaged.exists():
        pytest.skip("a session that was ended has no log")
    content = damaged.read_bytes()
    places = list(bytes_of_snapshots(kept)) if where == "snapshots" else range(len(content))
    if not places:
        pytest.skip("the snapshots are in the log")
    random = Random(f"{kept.parent.parent.name}{where}")
    refused = 0
    for _ in range(FLIPS):
        at, bit = random.choice(places), random.randrange(8)
        path = copy(kept, tmp_path / "flipped")
        Path(f"{path}{ending}").write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
        try:
            told = everything(path)
        except (BadJournal, JournalFailed) as error:
            refused += 1
            advised = "intuition sessions" in str(error) or "remove" in str(error)
            assert advised, error  # noqa: PT017  # which of many it is, is not known before
        else:
            assert told == whole, f"byte {at}, bit {bit}"
    assert refused or ending == "-head"  # of its two lines one is enough


def bytes_of_snapshots(path: Path) -> Iterator[int]:
    """Yield where in the file the bytes of the snapshots are, which may lie on several pages."""
    content = path.read_bytes()
    with closing(sqlite3.connect(copy(path, path.parent.parent / "looked-at"))) as db:
        for (state,) in db.execute("SELECT state FROM snapshots"):
            for start in range(0, len(state) - 16, 16):
                at = content.find(state[start : start + 16])
                yield from range(at, at + 16) if at >= 0 else ()


# -- files that are lost, cut or another's


def last_commits_missing(path: Path, folder: Path) -> None:
    Path(f"{path}-wal").unlink()


def log_shortened(path: Path, folder: Path) -> None:
    log = Path(f"{path}-wal")
    os.truncate(log, log.stat().st_size - 2_000)


def emptied(path: Path, folder: Path) -> None:
    os.truncate(path, 0)


def removed(path: Path, folder: Path) -> None:
    path.unlink()


def replaced(path: Path, folder: Path) -> None:
    with closing(session_of(folder / "other.sqlite")) as other:
        fill(other, 0, COUNT + 100)
    Path(f"{path}-wal").unlink()
    path.write_bytes((folder / "other.sqlite").read_bytes())


def head_lost(path: Path, folder: Path) -> None:
    Path(f"{path}-head").unlink()


def cut(path: Path, folder: Path) -> None:
    session_of(path).close()
    os.truncate(path, path.stat().st_size // 2)


@pytest.fixture
def unclosed(tmp_path: Path) -> Path:
    """Give a journal as a killed process leaves it."""
    path = tmp_path / "s.sqlite"
    with closing(session_of(path)) as session:
        fill(session, 0, COUNT)
        return copy(path, tmp_path / "kept")


@pytest.mark.parametrize("harm", [last_commits_missing, log_shortened, emptied, removed, replaced, head_lost, cut])
def test_no_fresh_and_no_shorter_account_is_begun(
    unclosed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: Any
) -> None:
    harm(unclosed, tmp_path)
    before = unclosed.read_bytes() if unclosed.exists() else None
    with pytest.raises(BadJournal) as caught:
        session_of(unclosed)
    assert isinstance(caught.value, JournalGone if harm in (emptied, removed, last_commits_missing) else JournalDamaged)
    assert "begin anew" in str(caught.value) or "intuition sessions repair" in str(caught.value)
    assert (unclosed.read_bytes() if unclosed.exists() else None) == before
    assert verified(unclosed).damages  # type: ignore[union-attr]  # it has checksums
    if harm is head_lost:  # a copy may be read
        with Journal(unclosed, read_only=True) as journal:
            assert journal.last_seq == COUNT
        assert "-head is not beside it" in caplog.text
    elif unclosed.exists() and before:
        with pytest.raises(BadJournal):
            Journal(unclosed, read_only=True)


@pytest.mark.parametrize("harm", [emptied, removed, replaced])
def test_nothing_is_acknowledged_once_the_file_is_another(tmp_path: Path, harm: Any) -> None:
    path = tmp_path / "s.sqlite"
    session = session_of(path)
    fill(session, 0, COUNT)
    if harm is replaced:
        path.rename(tmp_path / "away.sqlite")
        path.write_bytes((tmp_path / "away.sqlite").read_bytes())
    else:
        harm(path, tmp_path)
    for _ in range(2):
        with pytest.raises(JournalLost, match="nothing is acknowledged any more"):
            session.deliver([item(COUNT)])
    session.close()


def test_a_commit_whose_head_was_not_written_is_kept(unclosed: Path, tmp_path: Path) -> None:
    head = Path(f"{unclosed}-head")
    before = head.read_bytes()
    with closing(session_of(unclosed)) as session:
        session.deliver([item(COUNT)])
        statement = session.statement
    head.write_bytes(before)
    with closing(session_of(unclosed)) as session:
        assert session.statement == statement


def test_a_backup_of_a_served_journal_goes_with_a_head_of_before(tmp_path: Path) -> None:
    path, target = tmp_path / "s.sqlite", tmp_path / "backup.sqlite"
    with closing(session_of(path)) as session:
        fill(session, 0, COUNT // 2)
        shutil.copyfile(f"{path}-head", f"{target}-head")
        fill(session, COUNT // 2, COUNT)
        with closing(sqlite3.connect(path)) as db, closing(sqlite3.connect(target)) as copied:
            db.backup(copied)
        statement = session.statement
    assert not verified(target).damages  # type: ignore[union-attr]  # it has checksums
    with closing(session_of(target)) as session:
        assert session.statement == statement


# -- verify and repair


def test_a_whole_journal_is_verified_as_such(kept: Path) -> None:
    found = verified(kept)
    assert found is not None
    assert (found.last, found.since, found.damages) == (COUNT, 0, [])


def test_repair_keeps_events_up_to_the_first_that_is_damaged(kept: Path, tmp_path: Path) -> None:
    session_of(kept).close()
    with closing(sqlite3.connect(kept)) as db:
        db.execute("UPDATE batches SET events = CAST(replace(events, 'quotes', 'quotas') AS BLOB) WHERE first = 126")
        db.execute("UPDATE batches SET records = x'90' WHERE first = 126")
        db.commit()
    with pytest.raises(BadJournal, match=r"events 126 to 130 are not what was written"), Journal(kept) as journal:
        list(journal.batches())
    assert [damage.what for damage in verified(kept).damages] == ["events"]  # type: ignore[union-attr]  # it has checksums
    target = tmp_path / "new.sqlite"
    result = repair(kept, target)
    assert result == (125, COUNT - 125, 120, [], 0)
    assert not verified(target).damages  # type: ignore[union-attr]  # the same
    expected = session_of(tmp_path / "expected.sqlite")
    fill(expected, 0, 125)
    with closing(expected), closing(session_of(target)) as session:
        assert session.statement == expected.statement
        session.deliver([item(125), item(127)])
        assert session.last_seq == 127
        assert [record["seq"] for record in session.outbox.of_client("feed", 1_000) if record["seq"] > 125] == []


def test_what_proves_nothing_is_not_repaired(kept: Path, tmp_path: Path) -> None:
    session_of(kept).close()
    with closing(sqlite3.connect(kept)) as db:
        db.execute("DELETE FROM seal")
        db.commit()
    with pytest.raises(BadJournal):
        repair(kept, tmp_path / "new.sqlite")


def test_the_commands_verify_and_repair(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(archive, "folder", lambda: kept.parent)
    assert main(["sessions", "verify", "s"]) == 0
    assert f"all {COUNT} events are what was written" in capsys.readouterr().out
    session_of(kept).close()
    with closing(sqlite3.connect(kept)) as db:
        db.execute("UPDATE snapshots SET state = substr(state, 2)")
        db.commit()
    assert main(["sessions", "verify", "s"]) == 1
    assert "snapshots: the one at event" in capsys.readouterr().out
    assert main(["sessions", "repair", "s"]) == 0
    assert f"holds events 1 to {COUNT} now" in capsys.readouterr().err
    assert main(["sessions", "verify", "s"]) == 0
    with closing(session_of(kept)) as session:
        assert session.last_seq == COUNT
    assert len(archive.session_names()) == 2


# -- rights and names


def test_what_is_kept_is_for_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "data" / "sessions"
    monkeypatch.setattr(archive, "folder", lambda: folder)
    path = folder / "s.sqlite"
    before = os.umask(0)
    try:
        with archive.held(path), closing(session_of(path)) as session:
            fill(session, 0, 10)
            rights = {each.name: each.stat().st_mode & 0o777 for each in folder.iterdir()}
    finally:
        os.umask(before)
    assert set(rights.values()) == {0o600}
    assert len(rights) == 5
    assert [each.stat().st_mode & 0o777 for each in (folder, folder.parent)] == [0o700, 0o700]


def test_the_lock_goes_by_the_file_and_not_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    path.touch()
    link = tmp_path / "link.sqlite"
    link.symlink_to(path)
    with archive.held(path), pytest.raises(archive.SessionInUse), archive.held(link):
        pass
    (tmp_path / "hard.sqlite").hardlink_to(path)
    with pytest.raises(archive.CannotKeep, match="hard link"), archive.held(path):
        pass


def test_a_replay_holds_snapshots_against_the_events(kept: Path) -> None:
    with Journal(kept) as journal:
        at, content = journal.snapshots()[0]
        assert len(list(replay_of(journal))) == COUNT
        state = msgspec.msgpack.decode(content)
        state["killed"] = "somebody"
        journal.keep_snapshot(at, msgspec.msgpack.encode(state))
        with pytest.raises(SnapshotDiffers, match=f"after event {at}, .* other `killed`"):
            list(replay_of(journal))


def replay_of(journal: Journal) -> Iterator[Any]:
    engine, snapshots = build(), Snapshots(journal)
    for records in replayed_events(engine, journal):
        snapshots.compare(engine)
        yield records


def test_damage_found_in_the_background_ends_all_writing(kept: Path) -> None:
    session_of(kept).close()
    with closing(sqlite3.connect(kept)) as db:
        db.execute("UPDATE batches SET records = x'90' WHERE first = 6")
        db.commit()
    with closing(session_of(kept)) as session:  # a start relies on nothing of it
        session.deliver([item(COUNT)])
        session._journal.verify_in_background()
        session._journal._verification.wait()  # type: ignore[union-attr]  # it was begun
        with pytest.raises(JournalLost, match=r"events 6 to 10 are not what was written"):
            session.deliver([item(COUNT + 1)])


def test_an_older_journal_has_checksums_from_now_on(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    shutil.copyfile(Path(__file__).parent.parent / "journals" / "rules-1.sqlite", path)
    assert verified(path) is None
    with Journal(path, read_only=True) as journal:
        before = list(journal.batches()), journal.snapshots()
        last = journal.last_seq
    with Journal(path) as journal:
        event = {"channel": "quotes", "sid": "A", "quote": 1.0, "ts": 1}
        journal.commit(Batch(first=last + 1, last=last + 1, events=[event], snapshot=b"state"))
    with Journal(path, read_only=True) as journal:
        batches, snapshots = list(journal.batches()), journal.snapshots()
    assert batches[:-1] == before[0]
    assert snapshots[0][1] == b"state"
    assert set(snapshots[1:]) <= set(before[1])
    assert verified(path) == (last + 1, last, [], 0)
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE batches SET events = x'90' WHERE first = ?", (last + 1,))
        db.commit()
    with pytest.raises(JournalDamaged), Journal(path, read_only=True) as journal:
        list(journal.batches())
