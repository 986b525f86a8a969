import sqlite3
import sys
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.sessions import Forgetful, Turns, builder, item, quote, session_of, uninterrupted

from intuition_core import Signal
from intuition_core.session import journal
from intuition_core.session.batch import Batch, Delivery
from intuition_core.session.batch_run import Item
from intuition_core.session.errors import BadJournal, BatchFailed, IdReused, JournalFailed, ReplayDiffers, StaleEpoch
from intuition_core.session.journal import MEMORY, Journal
from intuition_core.session.recovery import replayed_events
from intuition_core.session.session import SNAPSHOT_EVERY, Session
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record, record_key


def decisions(session: Session, after: tuple[int, int] = (0, 0)) -> list[Record]:
    return [record for some in session.outbox.decisions(after) for record in some]


def test_a_known_item_is_answered_from_the_journal_and_runs_once(tmp_path: Path) -> None:
    session = session_of(tmp_path / "s.sqlite")
    first = session.deliver([item(n, key=f"c:1:{n}") for n in range(10)], client="c")
    assert any(first)
    again = session.deliver([item(n, key=f"c:1:{n}") for n in range(12)], client="c")
    assert again[:10] == first
    assert session.last_seq == 12
    session.close()
    back = session_of(tmp_path / "s.sqlite")
    assert back.deliver([item(n, key=f"c:1:{n}") for n in range(10)]) == first
    assert back.last_seq == 12
    back.close()


def test_a_known_id_with_other_content_is_refused_and_runs_nothing(tmp_path: Path) -> None:
    session = session_of(tmp_path / "s.sqlite")
    session.deliver([item(0, key="a")])
    (refused,) = session.deliver([item(1, key="a", content=b"y")])
    assert isinstance(refused, IdReused)
    same_batch = session.deliver([item(1, key="b"), item(1, key="b"), item(1, key="b", content=b"y")])
    assert same_batch[0] == same_batch[1]
    assert isinstance(same_batch[2], IdReused)
    assert session.last_seq == 2
    session.close()


@pytest.mark.parametrize("algorithm", [Turns, Forgetful])
@pytest.mark.parametrize("clean", [True, False])
def test_a_session_goes_on_where_it_ended_however_it_ended(
    opened: Any, tmp_path: Path, algorithm: type, clean: bool
) -> None:
    expected = uninterrupted(100)
    path = tmp_path / "s.sqlite"
    session = session_of(path, algorithm)
    got = [session.deliver([item(n)])[0] for n in range(60)]
    if clean:
        session.close()
    else:
        opened(session)
    resumed = Session(builder(algorithm), journal=Journal(path), name="test")
    recovery = resumed.recover()
    assert recovery.last_seq == 60
    assert (recovery.snapshot == 60) == (clean and algorithm is Turns)
    got += [resumed.deliver([item(n)])[0] for n in range(60, 100)]
    assert got == expected
    assert decisions(resumed) == [r for records in expected for r in records if r["type"] == "decision"]
    resumed.close()


def test_snapshots_bound_what_is_replayed(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    session = session_of(path)
    for start in range(0, 3 * SNAPSHOT_EVERY, 1000):
        session.deliver([Item([quote(n) for n in range(start, start + 1000)])])
    resumed = Session(builder(), journal=Journal(path), name="test")
    recovery = resumed.recover()
    assert recovery.last_seq == 3 * SNAPSHOT_EVERY
    assert recovery.replayed <= SNAPSHOT_EVERY
    assert resumed.statement == session.statement
    resumed.close()
    session.close()


class Failing:
    """A connection to SQLite whose statements fail when told so."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self.failing: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def execute(self, statement: str, *parameters: Any) -> Any:
        if self.failing is not None and statement.startswith(self.failing):
            raise sqlite3.OperationalError("disk I/O error")
        return self._db.execute(statement, *parameters)


@pytest.mark.parametrize("statement", ["BEGIN", "INSERT", "COMMIT"])
def test_what_cannot_be_committed_is_not_answered_and_never_run_again(tmp_path: Path, statement: str) -> None:
    expected = uninterrupted(9)
    session = session_of(tmp_path / "s.sqlite")
    failing = session._journal._database.connection = Failing(session._journal._database.connection)  # type: ignore[assignment]  # a fault made by hand
    heard: list[Any] = []
    session.listen(heard.extend)
    got = [session.deliver([item(n, key=str(n))])[0] for n in range(6)]
    before = len(heard)
    failing.failing = statement
    for _ in range(3):
        with pytest.raises(JournalFailed, match="disk I/O error; nothing is acknowledged"):
            session.deliver([item(n, key=str(n)) for n in range(6, 9)])
    assert (session.last_seq, len(heard)) == (6, before)
    failing.failing = None
    got += session.deliver([item(n, key=str(n)) for n in range(6, 9)])
    assert got == expected
    assert heard == [record for records in expected for record in records]
    session.close()
    resumed = session_of(tmp_path / "s.sqlite")
    assert resumed.last_seq == 9
    resumed.close()


def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    session = session_of(tmp_path / "s.sqlite")
    session.deliver([item(0, key="0")])
    pages = session._journal._database.connection.execute("PRAGMA page_count").fetchone()[0]
    session._journal._database.connection.execute(f"PRAGMA max_page_count = {pages}")
    big = Item([{**quote(1), "note": "x" * 100_000}], "1", b"x")
    with pytest.raises(JournalFailed, match="full"):
        session.deliver([big])
    session._journal._database.connection.execute("PRAGMA max_page_count = 1000000")
    assert session.deliver([big]) == [[]]
    assert session.last_seq == 2
    session.close()


def test_a_defect_in_the_middle_of_a_batch_leaves_nothing_of_it(tmp_path: Path, monkeypatch: Any) -> None:
    session = session_of(tmp_path / "s.sqlite")
    session.deliver([item(n) for n in range(5)])
    step = TradingEngine.step

    def broken(self: TradingEngine, data: Any) -> Any:
        if data["ts"] == 7:
            raise AssertionError("a defect")
        return step(self, data)

    monkeypatch.setattr(TradingEngine, "step", broken)
    with pytest.raises(BatchFailed, match="a defect"):
        session.deliver([item(n) for n in range(5, 9)])
    monkeypatch.undo()
    assert session.engine.seq == session.last_seq == 5
    assert [session.deliver([item(n)])[0] for n in range(5, 20)] == uninterrupted(20)[5:]
    session.close()


# -- clients


def test_what_is_settled_is_forgotten_and_the_rest_is_the_window(tmp_path: Path) -> None:
    session = session_of(tmp_path / "s.sqlite")
    epoch = session.attach("c").epoch
    bad = Item((), delivery=Delivery("c:1:2", 2, "quotes", "y"))
    session.deliver([item(0, key="c:1:0"), item(1, key="c:1:1"), bad, item(3, key="c:1:3")], client="c")
    other = session.attach("other")
    session.deliver([item(4, key="other:1:0")], client="other")
    assert [delivery.key for delivery in session.attach("c").window] == ["c:1:0", "c:1:1", "c:1:2", "c:1:3"]
    session.deliver([], client="c", acked="c:1:2")
    assert session.attach("c").window == [Delivery("c:1:3", 3, "quotes", "x")]
    session.clients.confirm("c", acked="c:1:3")
    session.clients.confirm("c", acked="c:1:3")
    attached = session.attach("c")
    assert (attached.window, attached.epoch) == ([], epoch + 3)
    assert [delivery.key for delivery in session.attach("other").window] == ["other:1:0"]
    assert other.epoch == 1
    session.close()


def test_the_outbox_holds_what_is_not_confirmed_as_published(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    session = session_of(path)
    session.attach("c")
    replies = session.deliver([item(n, key=f"c:1:{n}") for n in range(30)], client="c")
    session.deliver([item(n) for n in range(30, 40)])
    records = [record for reply in replies for record in reply]  # type: ignore[union-attr]  # all are known
    assert len(records) > 4
    assert session.outbox.of_client("c", 1000) == records
    assert session.outbox.of_client("c", 2) == records[:2]
    session.clients.confirm("c", published=records[2]["id"])
    session.close()
    back = session_of(path)
    assert back.outbox.of_client("c", 1000) == records[3:]
    assert back.attach("c").published == records[2]["id"]
    assert back.outbox.of_client("nobody", 10)[:1] == []
    back.close()


def test_epochs_are_kept_and_fence_only_their_own_client(tmp_path: Path) -> None:
    session = session_of(tmp_path / "s.sqlite")
    session.attach("c")
    session.attach("d")
    session.close()
    back = session_of(tmp_path / "s.sqlite")
    back.clients.check_epoch("c", 1)
    assert back.attach("c").epoch == 2
    with pytest.raises(StaleEpoch, match="epoch 1 is over, 2 goes on"):
        back.clients.check_epoch("c", 1)
    back.clients.check_epoch("d", 1)
    with pytest.raises(StaleEpoch, match="has not attached"):
        back.clients.check_epoch("e", 0)
    back.close()


# -- replay


def test_replay_stops_at_the_first_difference_and_shows_both(tmp_path: Path) -> None:
    class Changed(Turns):
        def event(self, data: dict[str, Any]) -> Signal | None:
            signal = super().event(data)
            return None if data["ts"] > 50 else signal

    path = tmp_path / "s.sqlite"
    session = session_of(path)
    for n in range(80):
        session.deliver([item(n)])
    session.close()
    journal_ = Journal(path)
    assert sum(1 for _ in replayed_events(builder()(), journal_)) == 80
    assert sum(1 for _ in replayed_events(builder()(), journal_, until=30)) == 30
    with pytest.raises(ReplayDiffers) as caught:
        list(replayed_events(builder(Changed)(), journal_))
    assert caught.value.seq > 50
    assert caught.value.journaled is not None
    assert "replay:  nothing" in str(caught.value)
    assert sum(1 for _ in replayed_events(builder(Changed)(), journal_, compare=False)) == 80
    journal_.close()


def test_recovery_with_a_part_that_changed_stops_rather_than_goes_on(tmp_path: Path) -> None:
    class Changed(Forgetful):
        def event(self, data: dict[str, Any]) -> None:
            return None

    session = session_of(tmp_path / "s.sqlite", Forgetful)
    for n in range(10):
        session.deliver([item(n)])
    session.close()
    changed = Session(builder(Changed), journal=Journal(tmp_path / "s.sqlite"), name="test")
    with pytest.raises(ReplayDiffers, match="not deterministic, or has changed"):
        changed.recover()
    changed.close()


def test_a_file_that_is_no_journal_is_said_to_be_none(tmp_path: Path) -> None:
    file = tmp_path / "x.sqlite"
    file.write_text("not a database at all, but long enough to look at" * 20)
    with pytest.raises(BadJournal, match="no journal"):
        Journal(file)
    with pytest.raises(BadJournal):
        Journal(tmp_path / "none.sqlite", read_only=True)
    with pytest.raises(JournalFailed):
        Journal(tmp_path / "no folder" / "x.sqlite")
    Journal(tmp_path / "empty.sqlite").close()
    with pytest.raises(BadJournal, match="no session was begun in it"):
        Journal(tmp_path / "empty.sqlite", read_only=True)


def test_a_journal_in_memory_keeps_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_KEPT_IN_MEMORY", 20)
    kept = Journal(MEMORY)
    for n in range(1, 101):
        kept.commit(Batch(first=n, last=n, events=[quote(n)]))
    assert sum(len(events) for events, _ in kept.batches()) == 21
    kept.close()


@pytest.mark.parametrize("memory", [True, False])
def test_decisions_are_read_from_the_journal_and_none_is_kept_in_memory(tmp_path: Path, memory: bool) -> None:
    session = session_of(MEMORY if memory else tmp_path / "s.sqlite")
    made: list[Record] = []
    for start in range(0, 3000, 50):
        for reply in session.deliver([item(n) for n in range(start, start + 50)]):
            made += [record for record in reply if record["type"] == "decision"]  # type: ignore[union-attr]  # no ids
    assert decisions(session) == made
    for record in made[:: len(made) // 40]:
        seq, n = record_key(record["id"])
        assert decisions(session, (seq, n)) == [each for each in made if record_key(each["id"]) > (seq, n)]
        assert decisions(session, (seq - 1, 10**30)) == [each for each in made if each["seq"] >= seq]
    assert decisions(session, (10**30, 0)) == []
    alone: list[Record] = [{}]
    of_earlier_batches = made[:-50]
    del made
    assert {sys.getrefcount(record) for record in of_earlier_batches} == {sys.getrefcount(each) for each in alone}
    session.close()


@pytest.mark.parametrize("memory", [True, False])
def test_decisions_are_those_committed_while_a_transaction_is_under_way(tmp_path: Path, memory: bool) -> None:
    session = session_of(MEMORY if memory else tmp_path / "s.sqlite")
    session.deliver([item(n) for n in range(20)])
    before = decisions(session)
    written, go_on = threading.Event(), threading.Event()

    class Waiting(Failing):
        def execute(self, statement: str, *parameters: Any) -> Any:
            if statement == "COMMIT":
                written.set()
                assert go_on.wait(20)
            return super().execute(statement, *parameters)

    session._journal._database.connection = Waiting(session._journal._database.connection)  # type: ignore[assignment]  # to stop it half-way
    writer = threading.Thread(target=session.deliver, args=([item(n) for n in range(20, 40)],))
    writer.start()
    assert written.wait(20)
    if memory:  # a journal in memory has one connection, which commits in no time
        threading.Timer(0.1, go_on.set).start()
        assert len(decisions(session)) > len(before)
    else:
        assert decisions(session) == before
        go_on.set()
    writer.join(20)
    assert len(decisions(session)) > len(before)
    session.close()


def test_a_journal_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    session = session_of(tmp_path / "s.sqlite")
    session.close()
    with pytest.raises(BadJournal, match="cannot be read"):
        decisions(session)


# -- any history of deliveries, faults and restarts


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([Turns, Forgetful]))
def test_whatever_dies_and_is_sent_again_each_event_counts_once(
    tmp_path_factory: pytest.TempPathFactory, seed: int, algorithm: type
) -> None:
    draw = Random(seed)
    path = tmp_path_factory.mktemp("any") / "s.sqlite"
    session = session_of(path, algorithm)
    answers: dict[int, Any] = {}
    sent, total = 0, 60
    while sent < total:
        count = draw.randint(1, 8)
        items = [item(n, key=f"c:1:{n}") for n in range(max(0, sent - draw.randint(0, 5)), min(total, sent + count))]
        fault = draw.random()
        if fault < 0.3:
            failing = session._journal._database.connection = Failing(session._journal._database.connection)  # type: ignore[assignment]  # as above
            failing.failing = draw.choice(["BEGIN", "COMMIT"])
            with pytest.raises(JournalFailed):
                session.deliver(items, client="c")
            session._journal._database.connection = failing._db
            if fault < 0.15:  # and then it dies, with what it had only in memory
                session._journal.close()
                session = session_of(path, algorithm)
            continue
        replies = session.deliver(items, client="c")
        if fault < 0.5:  # the reply is lost, or the process dies after the commit
            if fault < 0.4:
                session._journal.close()
                session = session_of(path, algorithm)
            continue
        for each, reply in zip(items, replies, strict=True):
            n = each.events[0]["ts"]
            assert answers.setdefault(n, reply) == reply
        sent = max(sent, items[-1].events[0]["ts"] + 1)
    assert [answers[n] for n in range(total)] == uninterrupted(total)
    assert session.last_seq == total
    session.close()
