"""What a journal keeps: its file does not grow for ever, and nothing is run twice or lost by that."""

import math
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sessions import Forgetful, Turns, builder

from intuition_core.cli import main
from intuition_core.errors import BadData
from intuition_core.session import archive, control
from intuition_core.session.batch import Delivery
from intuition_core.session.batch_run import Item
from intuition_core.session.database import Database
from intuition_core.session.errors import (
    BadJournal,
    BeforeBeginning,
    IdTooOld,
    JournalDamaged,
    JournalFailed,
    SegmentUnreadable,
)
from intuition_core.session.former import BYTES, FormerIds, bucket_of, digest_of
from intuition_core.session.journal import Journal
from intuition_core.session.keeping import Keep
from intuition_core.session.recovery import Snapshots, replayed_events, restored
from intuition_core.session.repair import BeyondRepair, repair
from intuition_core.session.retention import Retention
from intuition_core.session.session import Session
from intuition_core.session.verification import verified
from intuition_core.trading.engine import TradingEngine

DAY = 86_400 * 10**9
KEEP = Keep(age=10 * DAY)
A_DAY = 40
"""Events of a day, of which every other one has an id."""


class Days:
    """A clock that a test sets."""

    def __init__(self, day: float = 0) -> None:
        self.day = day

    def __call__(self) -> int:
        return int(self.day * DAY)


def item(n: int, *, client: str | None = None) -> Item:
    event = {"channel": "quotes", "sid": "AB"[n % 2], "quote": 10.0 + n % 3, "ts": n}
    key = f"key:{client}:{n}" if client else None
    return Item([event], f"id:{n}" if n % 2 else key, b"%d" % n, Delivery(key, n, "quotes", "x") if key else None)


def session_of(
    path: Path,
    *,
    keep: Keep | None = KEEP,
    folder: Path | None = None,
    now: Callable[[], int] = Days(),  # noqa: B008  # it is never set
    algorithm: type = Turns,
) -> Session:
    journal = Journal(path, keep=keep, archive=folder, now=now)
    try:
        if "session" not in journal.meta():
            journal.note(session="test", run="test.1", configuration={}, composition={})
        session = Session(builder(algorithm), journal=journal, name="test")
        session.recover()
    except BaseException:
        journal.close()
        raise
    return session


def journal_of(session: Session) -> Journal:
    return session._journal


def retention_of(session: Session) -> Retention:
    retention = session._journal.retention
    assert retention is not None
    return retention


def steps(session: Session) -> Iterator[None]:
    """Take all steps that there are to be taken now."""
    retention = retention_of(session)
    retention._next = 0.0
    while retention.step() < 0.5:
        retention._next = 0.0
        yield


def live(session: Session, clock: Days, days: range, *, client: str | None = None) -> None:
    """Deliver the events of some days, a quarter of a day at a time, without dropping anything."""
    if (retention := session._journal.retention) is not None:
        retention._next = math.inf  # or it looks by itself once a second has passed
    for day in days:
        for quarter in range(4):
            clock.day = day + quarter / 4
            first = day * A_DAY + quarter * A_DAY // 4
            session.deliver([item(n, client=client) for n in range(first, first + A_DAY // 4)], client=client)


def copy(path: Path, target: Path) -> Path:
    """Copy a journal and what belongs to it, as a process leaves it that is killed."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    for each in (path, *archive.companions(path)):
        if each.exists() and not each.name.endswith("-shm"):
            shutil.copyfile(each, target / each.name)
    return target / path.name


def taken(session: Session, numbers: range) -> list[str]:
    """Return what becomes of items that are sent again: ``told`` or ``refused``; some may have ``run``."""
    before = session.last_seq
    replies = session.deliver([item(n) for n in numbers])
    ran = ["run"] * (session.last_seq - before)
    return ["refused" if isinstance(reply, IdTooOld) else "told" for reply in replies] + ran


@pytest.fixture
def whole(tmp_path: Path) -> Any:
    """Give the account of 20 days, of a session that keeps all, and the decisions."""
    with closing(session_of(tmp_path / "whole.sqlite", keep=None)) as session:
        live(session, Days(), range(20))
        return session.statement, [record for some in session.outbox.decisions((0, 0)) for record in some]


def test_old_segments_are_dropped_and_nothing_else_changes(tmp_path: Path, whole: Any) -> None:
    clock, path = Days(), tmp_path / "s.sqlite"
    with closing(session_of(path, now=clock)) as session:
        live(session, clock, range(20))
        list(steps(session))
        beginning = journal_of(session).beginning
        assert 8 * A_DAY <= beginning <= 10 * A_DAY
    with closing(session_of(path, now=clock)) as session:
        assert session.statement == whole[0]
        kept = [record for some in session.outbox.decisions((beginning, 0)) for record in some]
        assert kept == [record for record in whole[1] if record["seq"] > beginning]
        assert [record for some in session.outbox.decisions((0, 0)) for record in some] == kept
        with pytest.raises(BeforeBeginning, match=f"follows event {beginning}"):
            list(session.outbox.decisions((1, 0)))
        assert set(taken(session, range(1, beginning, 2))) == {"refused"}
        assert set(taken(session, range(beginning + 1, 20 * A_DAY, 2))) == {"told"}
    assert verified(path) == (20 * A_DAY, 0, [], beginning)
    with Journal(path, read_only=True) as journal:
        assert journal.meta()["former"] == {"ids": beginning // 2, "buckets": -(-beginning // 120)}
        engine = builder()()
        snapshots = Snapshots(journal)
        with pytest.raises(BeforeBeginning):
            next(replayed_events(engine, journal))
        begun = restored(engine, journal, wanted=False)
        assert begun == beginning
        for _ in replayed_events(engine, journal, after=begun):
            snapshots.compare(engine)
        assert engine.seq == 20 * A_DAY


@pytest.mark.parametrize("folder", [None, "archive"])
def test_a_process_that_is_killed_at_any_step_goes_on(tmp_path: Path, whole: Any, folder: str | None) -> None:
    clock, path = Days(), tmp_path / "s.sqlite"
    archive_folder = tmp_path / folder if folder else None
    with closing(session_of(path, folder=archive_folder, now=clock)) as session:
        live(session, clock, range(14))
        retention_of(session)._ids.former.count()
        killed = [copy(path, tmp_path / "killed-0")]
        for n, _ in enumerate(steps(session), 1):
            killed.append(copy(path, tmp_path / f"killed-{n}"))
        assert len(killed) > 10
        dropped = journal_of(session).beginning
        assert dropped >= 3 * A_DAY
    for each in killed:
        assert not verified(each).damages  # type: ignore[union-attr]  # it has checksums
        clock = Days(14)
        with closing(session_of(each, folder=archive_folder, now=clock)) as session:
            beginning = journal_of(session).beginning
            assert set(taken(session, range(1, beginning, 2))) <= {"refused"}
            assert set(taken(session, range(beginning + 1, 14 * A_DAY, 2))) == {"told"}
            live(session, clock, range(14, 20))
            assert session.statement == whole[0]
            list(steps(session))
            assert journal_of(session).beginning >= 9 * A_DAY
            assert not journal_of(session)._db.execute("SELECT 1 FROM batches WHERE first <= 360").fetchall()
            assert not journal_of(session)._db.execute("SELECT 1 FROM identities WHERE last <= 360").fetchall()
        assert not verified(each).damages  # type: ignore[union-attr]  # the same
    if archive_folder:
        pieces = sorted(archive_folder.glob("*.sqlite"), key=lambda each: int(each.stem.split(".")[1].split("-")[0]))
        ends = [tuple(map(int, each.stem.split(".")[1].split("-"))) for each in pieces]
        assert ends[0][0] == 1
        assert all(one[1] + 1 == other[0] for one, other in pairwise(ends))


def test_an_archived_segment_is_a_journal_that_is_only_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, path, folder = Days(), tmp_path / "s.sqlite", tmp_path / "archive"
    with closing(session_of(path, folder=folder, now=clock)) as session:
        live(session, clock, range(14))
        list(steps(session))
        second = sorted(folder.glob("*.sqlite"), key=lambda each: int(each.stem.split(".")[1].split("-")[0]))[1]
    first, last = map(int, second.stem.split(".")[1].split("-"))
    assert second.stat().st_mode & 0o777 == 0o600
    assert verified(second) == (last, 0, [], first - 1)
    with Journal(second, read_only=True) as journal:
        engine = builder()()
        assert restored(engine, journal, wanted=False) == first - 1
        snapshots = Snapshots(journal)
        for _ in replayed_events(engine, journal, after=first - 1):
            snapshots.compare(engine)
        assert engine.seq == last
    with pytest.raises(BadJournal, match="archived segment"):
        Journal(second)
    assert main(["sessions", "verify", str(second)]) == 0
    assert f"events 1 to {first - 1} are not kept any more" in capsys.readouterr().out


def test_a_file_stays_within_the_size_that_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    sizes, numbers = [], iter(range(1, 10**9))
    with closing(session_of(path, keep=Keep(size=10**6))) as session:
        while journal_of(session).last_seq < 30_000:
            batch = [
                Item([{"channel": "quotes", "sid": "A", "quote": 10.0, "ts": n, "note": "x" * 100}], None)
                for n, _ in zip(numbers, range(100), strict=False)
            ]
            session.deliver(batch)
            list(steps(session))
            sizes.append(path.stat().st_size)
        assert journal_of(session).beginning > 15_000
    assert max(sizes) < 1_500_000
    assert min(sizes[100:]) > 500_000


def test_a_file_that_was_begun_without_a_limit_becomes_smaller(tmp_path: Path) -> None:
    clock, path = Days(), tmp_path / "s.sqlite"
    with closing(session_of(path, keep=None)) as session:
        live(session, clock, range(100))
    before = path.stat().st_size
    with closing(session_of(path, now=clock)) as session:
        live(session, clock, range(100, 115))
        list(steps(session))
        assert journal_of(session).beginning >= 100 * A_DAY
        statement = session.statement
    assert path.stat().st_size >= before
    with closing(session_of(path, now=clock)) as session:
        assert session.statement == statement
        assert path.stat().st_size < before * 2 / 3
        session.deliver([item(n) for n in range(115 * A_DAY, 116 * A_DAY)])
    assert not verified(path).damages  # type: ignore[union-attr]  # it has checksums


def test_what_a_client_has_not_confirmed_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clock, path = Days(), tmp_path / "s.sqlite"
    with closing(session_of(path, now=clock)) as session:
        session.attach("feed")
        live(session, clock, range(5), client="feed")
        published = session.outbox.of_client("feed", 10_000)[-1]["id"]
        session.clients.confirm("feed", acked=f"key:feed:{5 * A_DAY - 1}", published=published)
        live(session, clock, range(5, 20), client="feed")
        list(steps(session))
        assert journal_of(session).beginning <= 5 * A_DAY
        assert "client `feed` has not confirmed" in caplog.text
        assert session.outbox.of_client("feed", 1)[0]["seq"] > 5 * A_DAY
        assert taken(session, range(20 * A_DAY - 1, 20 * A_DAY)) == ["told"]
        published = session.outbox.of_client("feed", 10_000)[-1]["id"]
        session.clients.confirm("feed", acked=f"key:feed:{20 * A_DAY - 1}", published=published)
        list(steps(session))
        assert journal_of(session).beginning >= 8 * A_DAY


def test_a_client_that_is_gone_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, path = Days(), tmp_path / "s.sqlite"
    monkeypatch.setattr(archive, "folder", lambda: tmp_path)
    with closing(session_of(path, now=clock)) as session:
        session.attach("gone")
        live(session, clock, range(20), client="gone")
        list(steps(session))
        assert not journal_of(session).beginning
    assert main(["sessions", "forget", "s", "other"]) == 1
    assert "its clients are gone" in capsys.readouterr().err
    assert main(["sessions", "forget", "s", "gone"]) == 0
    with closing(session_of(path, now=clock)) as session:
        list(steps(session))
        assert journal_of(session).beginning >= 8 * A_DAY


def test_nothing_is_dropped_where_there_is_no_state_to_go_on_from(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clock, path = Days(), tmp_path / "s.sqlite"
    with closing(session_of(path, now=clock, algorithm=Forgetful)) as session:
        live(session, clock, range(20))
        list(steps(session))
        assert not journal_of(session).beginning
    assert caplog.text.count("a part gives no state") == 1


def test_a_snapshot_that_is_damaged_begins_nothing(tmp_path: Path) -> None:
    clock, path = Days(), tmp_path / "s.sqlite"
    session = session_of(path, now=clock)
    live(session, clock, range(14))
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE snapshots SET state = substr(state, 2) WHERE seq = (SELECT min(seq) FROM snapshots)")
        db.commit()
    with pytest.raises(JournalDamaged, match="the snapshot at event"):
        list(steps(session))
    assert not journal_of(session).beginning
    session.close()


def test_the_decisions_of_people_outlive_their_segment(tmp_path: Path) -> None:
    clock, path = Days(), tmp_path / "s.sqlite"
    with closing(session_of(path, now=clock)) as session:
        live(session, clock, range(2))
        session.deliver([Item((control.kill("why", ts=80, by="test"),))], control=True)
        session.deliver([Item((control.clear("why not", ts=81, by="test"),))], control=True)
        before = list(session.outbox.controls((0, 0)))
        assert len(before) >= 2
        live(session, clock, range(2, 20))
        list(steps(session))
        assert journal_of(session).beginning > 5 * A_DAY
    with closing(session_of(path, now=clock)) as session:
        assert list(session.outbox.controls((0, 0))) == before


def test_a_snapshot_that_cannot_be_read_is_told_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, path = Days(), tmp_path / "s.sqlite"
    with closing(session_of(path, now=clock)) as session:
        live(session, clock, range(14))
        list(steps(session))
    monkeypatch.setattr(TradingEngine, "restore", lambda *_: False)  # of another version
    with pytest.raises(SegmentUnreadable, match="begin another session"):
        session_of(path)


def test_a_failure_to_archive_drops_nothing(tmp_path: Path) -> None:
    clock, path = Days(), tmp_path / "s.sqlite"
    (tmp_path / "archive").write_text("no folder")
    with closing(session_of(path, folder=tmp_path / "archive", now=clock)) as session:
        live(session, clock, range(14))
        with pytest.raises(JournalFailed, match="archive"):
            list(steps(session))
        assert not journal_of(session).beginning
        session.deliver([item(10_000)])


def test_what_begins_after_dropped_events_is_repaired_from_there(tmp_path: Path) -> None:
    clock, path = Days(), tmp_path / "s.sqlite"
    with closing(session_of(path, now=clock)) as session:
        live(session, clock, range(14))
        list(steps(session))
        beginning = journal_of(session).beginning
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE batches SET records = x'90' WHERE first = (SELECT min(first) + 10 FROM batches)")
        db.execute("UPDATE former SET digests = substr(digests, 2) WHERE bucket = 0")
        db.commit()
    target = tmp_path / "new.sqlite"
    result = repair(path, target)
    assert (result.beginning, result.last, result.snapshot) == (beginning, beginning + 10, beginning)
    assert result.left_out == ["former"]
    assert not verified(target).damages  # type: ignore[union-attr]  # it has checksums
    with closing(session_of(target)) as session:
        assert session.last_seq == beginning + 10
        session.deliver([item(n) for n in range(100_000, 100_010)])
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE snapshots SET state = substr(state, 2) WHERE seq = ?", (beginning,))
        db.commit()
    with pytest.raises(BeyondRepair, match="with which its events begin"):
        repair(path, tmp_path / "none.sqlite")


FLIPS = int(os.environ.get("DAMAGE_FLIPS", "60"))


@pytest.mark.timeout(1200)
def test_a_flipped_bit_is_harmless_or_told(tmp_path: Path) -> None:
    clock, path = Days(), tmp_path / "s.sqlite"
    with closing(session_of(path, now=clock)) as session:
        live(session, clock, range(14))
        list(steps(session))

    def everything(path: Path) -> Any:
        with closing(session_of(path, now=Days(14))) as session:
            told = [
                session.statement.to_json(),
                [record for some in session.outbox.decisions((0, 0)) for record in some],
                taken(session, range(1, 14 * A_DAY, 2)),
                list(journal_of(session).batches()),
                journal_of(session).meta(),
            ]
            journal_of(session).verify_in_background()
            journal_of(session)._verification.wait()  # type: ignore[union-attr]  # it was begun
            session.attach("feed")
        return told

    expected = everything(copy(path, tmp_path / "whole"))
    content = path.read_bytes()
    random = Random("flips")
    refused = 0
    for _ in range(FLIPS):
        at, bit = random.randrange(len(content)), random.randrange(8)
        damaged = copy(path, tmp_path / "flipped")
        damaged.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
        try:
            told = everything(damaged)
        except (BadJournal, JournalFailed):
            refused += 1
        else:
            assert told == expected, f"byte {at}, bit {bit}"
    assert refused


# -- ids that are not among those verified before the first answer


@pytest.mark.timeout(600)
def test_an_id_that_was_not_verified_yet_is_verified_when_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.sqlite"
    with closing(session_of(path, keep=None)) as session:
        live(session, Days(), range(5))
    monkeypatch.setattr("intuition_core.session.sealing.MOST_IDS", 0)
    monkeypatch.setattr("intuition_core.session.sealing.MOST_BYTES", 0)
    content = path.read_bytes()
    places = [at for at in range(len(content)) if content.startswith(b"id:", at)]
    assert len(places) >= 100
    random = Random("ids")
    outcomes = set()
    for _ in range(FLIPS):
        at, bit = random.choice(places) + random.randrange(-4, 30), random.randrange(8)
        damaged = copy(path, tmp_path / "flipped")
        damaged.write_bytes(content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :])
        try:
            with closing(session_of(damaged, keep=None)) as session:
                assert not session._journal._database.sealer.ids_checked  # type: ignore[union-attr]  # it is written
                first = random.randrange(1, 5 * A_DAY - 20, 2)
                outcomes |= set(taken(session, range(first, first + 20, 2)))
        except (BadJournal, JournalFailed):
            outcomes.add("damaged")
    assert outcomes == {"told", "damaged"}


# -- ids whose events are gone


@given(st.lists(st.integers(0, 5_000), max_size=400), st.integers(1, 50))
@settings(deadline=None, max_examples=20)
def test_former_ids_are_known_and_no_others(numbers: list[int], at_once: int) -> None:
    with closing(Database(":memory:", synchronous="NORMAL", in_memory=True, read_only=False)) as database:
        former = FormerIds(database)
        for start in range(0, len(numbers), at_once):
            with database.transaction():
                former.add(f"id:{n}" for n in numbers[start : start + at_once])
        asked = [f"id:{n}" for n in range(5_001)]
        assert set(former.known(asked)) == {f"id:{n}" for n in numbers}
        assert former.count().ids == len(set(numbers))


def test_former_ids_are_spread_over_rows_of_one_size(tmp_path: Path) -> None:
    with closing(Database(str(tmp_path / "x"), synchronous="NORMAL", in_memory=False, read_only=False)) as database:
        former = FormerIds(database)
        for start in range(0, 20_000, 250):
            with database.transaction():
                former.add(f"id:{n}" for n in range(start, start + 250))
        count = former.count()
        assert (count.ids, count.buckets) == (20_000, 334)
        rows = database.connection.execute("SELECT bucket, digests FROM former").fetchall()
        assert [bucket for bucket, _ in rows] == list(range(334))
        for bucket, digests in rows:
            kept = [int.from_bytes(digests[at : at + BYTES], "little") for at in range(0, len(digests), BYTES)]
            assert {bucket_of(digest, 334) for digest in kept} <= {bucket}
        lost = bucket_of(digest_of("id:7"), 334)
        with database.transaction():
            database.connection.execute("DELETE FROM former WHERE bucket = ?", (lost,))
        with pytest.raises(JournalDamaged, match="former"):
            list(former.known(["id:7"]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("all", None),
        ("30d", Keep(age=30 * DAY)),
        ("90m", Keep(age=90 * 60 * 10**9)),
        ("10GB", Keep(size=10**10)),
        ("2GiB", Keep(size=2**31)),
        ("1MB", Keep(size=10**6)),
    ],
)
def test_what_is_kept_is_read(text: str, expected: Keep | None) -> None:
    assert Keep.read(text) == expected


@pytest.mark.parametrize("text", ["", "30", "0d", "10gb", "GB", "-1d", "1kB", "1.5GB", "10 GB", "none", "999999999d"])
def test_what_cannot_be_kept_is_told(text: str) -> None:
    with pytest.raises(BadData):
        Keep.read(text)
