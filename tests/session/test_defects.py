"""What the journal can never hold is refused alone, and nothing of it stays behind: memory is rebuilt from disk."""

import sqlite3
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sessions import builder, item, session_of, uninterrupted

from intuition_core.session import journal
from intuition_core.session.batch import Batch, Delivery
from intuition_core.session.batch_run import Item
from intuition_core.session.control import clear, kill
from intuition_core.session.errors import BatchFailed, JournalFailed
from intuition_core.session.journal import Journal
from intuition_core.session.recovery import replayed_events
from intuition_core.session.session import Session

POISON = Delivery("k", 2**63, "t", "h")
CONTENT_ERRORS = [
    OverflowError("Python int too large to convert to SQLite INTEGER"),
    UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"),
    TypeError("cannot be encoded"),
    sqlite3.IntegrityError("UNIQUE constraint failed: batches.first"),
    sqlite3.DataError("string or blob too big"),
    sqlite3.InterfaceError("Error binding parameter 1"),
]


def one(n: int, **options: Any) -> Item:
    return item(n, key=f"c:1:{n}", **options)


def test_one_delivery_that_cannot_be_kept_is_refused_alone(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    session = session_of(path)
    session.attach("c")
    first = session.deliver([one(n) for n in range(5)], client="c")
    with pytest.raises(BatchFailed, match="OverflowError"):
        session.deliver([one(5)._replace(delivery=POISON), one(6)], client="c")
    assert session.last_seq == 5
    killed = session.deliver([Item((kill("now", ts=9, by="desk"),))], control=True)
    assert killed[0]
    session.deliver([Item((clear("then", ts=9, by="desk"),))], control=True)
    assert session.attach("c").last_seq == 7
    assert session.deliver([one(n) for n in range(4)], client="c") == first[:4]
    assert session.last_seq == 7
    session.close()
    back = session_of(path)
    assert back.last_seq == 7
    back.close()
    with Journal(path) as kept:
        assert len(list(replayed_events(builder()(), kept))) == 7


@pytest.mark.parametrize("error", CONTENT_ERRORS, ids=lambda error: type(error).__name__)
def test_what_sqlite_or_its_encoding_refuses_is_never_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    session = session_of(tmp_path / "s.sqlite")
    session.deliver([item(0)])

    def refuse(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "_write_items", refuse)
        with pytest.raises(BatchFailed, match=type(error).__name__):
            session.deliver([one(1)])
    replies = [session.deliver([item(n)])[0] for n in range(1, 40)]
    assert replies == uninterrupted(40)[1:]
    session.close()


def test_a_batch_that_waits_for_the_disk_and_then_proves_unfit_keeps_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = session_of(tmp_path / "s.sqlite")
    errors: list[Exception] = [JournalFailed("s.sqlite", "the disk is full"), OverflowError("too large")]
    commit = Journal.commit

    def failing(self: Journal, batch: Batch) -> None:
        if errors:
            raise errors.pop(0)
        commit(self, batch)

    monkeypatch.setattr(Journal, "commit", failing)
    with pytest.raises(JournalFailed):
        session.deliver([item(0)])
    assert [session.deliver([item(n)])[0] for n in range(30)] == uninterrupted(30)
    assert "too large; its caller was told to send it again" in caplog.text
    session.close()


def test_a_snapshot_that_fails_undoes_its_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_of(tmp_path / "s.sqlite")
    session.deliver([item(0)])

    def fail(self: Session) -> bytes:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(Session, "_snapshot", fail)
        with pytest.raises(BatchFailed, match="MemoryError"):
            session.deliver([item(1)])
    assert [session.deliver([item(n)])[0] for n in range(1, 30)] == uninterrupted(30)[1:]
    session.close()


def test_nothing_is_run_until_memory_is_rebuilt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = session_of(tmp_path / "s.sqlite")
    session.deliver([item(0)])
    recover = Session.recover
    failures = [JournalFailed("s.sqlite", "locked"), JournalFailed("s.sqlite", "locked")]

    def failing(self: Session) -> Any:
        if failures:
            raise failures.pop(0)
        return recover(self)

    monkeypatch.setattr(Session, "recover", failing)
    with pytest.raises(JournalFailed, match="locked"):
        session.deliver([one(1)._replace(delivery=POISON)], client="c")
    with pytest.raises(JournalFailed, match="locked"):
        session.deliver([item(1)])
    assert [session.deliver([item(n)])[0] for n in range(1, 30)] == uninterrupted(30)[1:]
    session.close()


def test_a_session_that_could_not_be_rebuilt_still_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    session = session_of(tmp_path / "s.sqlite")
    session.deliver([item(0)])

    def fail(self: Session) -> Any:
        raise JournalFailed("s.sqlite", "locked")

    with monkeypatch.context() as patched:
        patched.setattr(Session, "recover", fail)
        with pytest.raises(JournalFailed):
            session.deliver([one(1)._replace(delivery=POISON)], client="c")
        session.close()
    assert "locked" in caplog.text
    back = session_of(tmp_path / "s.sqlite")
    assert back.last_seq == 1
    back.close()


def test_settings_that_cannot_be_built_leave_the_session_as_it_was(tmp_path: Path) -> None:
    session = session_of(tmp_path / "s.sqlite")

    def fail() -> Any:
        raise MemoryError

    with pytest.raises(MemoryError):
        session.replace(fail)
    with pytest.raises(BatchFailed):
        session.deliver([one(0)._replace(delivery=POISON)], client="c")
    assert [session.deliver([item(n)])[0] for n in range(30)] == uninterrupted(30)
    session.close()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_whatever_cannot_be_kept_each_event_counts_once(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    draw = Random(seed)
    path = tmp_path_factory.mktemp("any") / "s.sqlite"
    session = session_of(path)
    answers: list[Any] = []
    while len(answers) < 40:
        items = [one(n) for n in range(len(answers), min(40, len(answers) + draw.randint(1, 6)))]
        if draw.random() < 0.4:
            spoiled = list(items)
            place = draw.randrange(len(items))
            unfit = draw.choice([POISON, Delivery("\ud800", 1, "t", "h"), Delivery("k", 1, "t", object())])  # type: ignore[arg-type]  # the point
            spoiled[place] = spoiled[place]._replace(delivery=unfit)
            with pytest.raises(BatchFailed):
                session.deliver(spoiled, client="c")
            continue
        if draw.random() < 0.3:
            session.close()
            session = session_of(path)
        answers += session.deliver(items, client="c")
    assert answers == uninterrupted(40)
    session.close()


def test_a_journal_in_memory_forgets_whole_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_KEPT_IN_MEMORY", 20)
    session = session_of(journal.MEMORY)
    large = Item([event for n in range(15) for event in item(n).events], "large", b"x")
    (first,) = session.deliver([large])
    for n in range(15, 30):
        session.deliver([item(n)])
        assert session.deliver([large]) == [first]  # its identity is kept, and so are its records
    session.close()


def test_control_events_are_noted_one_by_one_and_those_of_before_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    session = session_of(path)
    for n in range(6):
        make = clear if n % 2 else kill
        session.deliver([Item((make("r", ts=n, by="desk"),))], control=True)
        session.deliver([item(n)])
    noted = session._journal.records.control_events()
    assert noted == [(seq, seq) for seq in (1, 3, 5, 7, 9, 11)]
    assert session._journal.records.control_events(6) == noted[3:]
    assert session._journal.records.control_events(7) == noted[3:]
    records = list(session.outbox.controls((0, 0)))
    session.close()
    with Journal(path) as kept, kept._database.transaction():
        kept._db.execute("DELETE FROM meta WHERE key LIKE 'controls:%' AND key < 'controls:00000000000000000006'")
        kept._db.execute("INSERT INTO meta VALUES ('controls', '[[1,1],[3,3],[5,5]]')")
    back = session_of(path)
    assert back._journal.records.control_events() == noted
    assert back._journal.records.control_events(4) == noted[2:]
    assert list(back.outbox.controls((0, 0))) == records
    assert [record["seq"] for record in back.outbox.controls((7, 0))] == [9, 11]
    assert not any(key.startswith("controls") for key in back._journal.meta())
    back.close()
