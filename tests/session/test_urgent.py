"""A batch that makes room for urgent calls between two of its items."""

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intuition_core import Signal
from intuition_core.session import control
from intuition_core.session.batch import Delivery
from intuition_core.session.batch_run import Item
from intuition_core.session.errors import IdReused, Unheard
from intuition_core.session.journal import Journal
from intuition_core.session.recovery import replayed_events
from intuition_core.session.session import Session
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.naive import Naive
from intuition_core.trading.records import record_key

NOW = 1_900_000_000_000_000_000


class Marking:
    """Buys on every event, and leaves a mark in the event, as parts should not."""

    def initialize(self, params: Any) -> list[str]:
        return ["quotes"]

    def event(self, data: dict[str, Any]) -> Signal:
        signal = Signal(data["sid"], "buy", data["quote"])
        data["seen"] = True
        return signal


COMPOSITION = Composition(
    sleeves=(
        Sleeve(
            algorithm=Part(kind="algorithm", name="marking", factory=Marking, params={}),
            portfolio=Part(kind="portfolio", name="naive", factory=Naive, params=Naive.Params(max_fraction=0.001)),
        ),
    ),
    seed=11,
)


class Switch:
    """An urgent call that comes after so many looks: the kill switch, on and off by turns."""

    def __init__(self, looks: Sequence[int]) -> None:
        self.session: Session
        self.looks = set(looks)
        self.count = 0
        self.waiting_calls = 0
        self.done: list[int] = []

    @property
    def waiting(self) -> bool:
        self.count += 1
        self.waiting_calls += self.count in self.looks
        return bool(self.waiting_calls)

    def run_waiting(self) -> None:
        for _ in range(self.waiting_calls):
            self.waiting_calls = 0
            turn = control.clear if self.session.engine.killed else control.kill
            self.session.deliver((Item((turn("urgent", ts=NOW, by="rpc"),)),), control=True)
            self.done.append(self.session.last_seq)


def session_at(path: Path | str) -> Session:
    session = Session(lambda: TradingEngine(COMPOSITION, run="test.1"), journal=Journal(path), name="test")
    session.recover()
    return session


def item(n: int, *, keyed: bool = True) -> Item:
    event = {"channel": "quotes", "sid": f"S{n}", "quote": 10.0, "ts": NOW + n}
    key = f"c:1:{n}"
    return Item((event,), key, b"x", Delivery(key, n, "quotes", "x")) if keyed else Item((event,))


def seqs(reply: Any) -> list[int]:
    assert not isinstance(reply, IdReused)
    return [record["seq"] for record in reply]


@pytest.fixture
def cut(tmp_path: Path, opened: Any) -> Callable[..., tuple[Session, Switch]]:
    def make(*looks: int) -> tuple[Session, Switch]:
        session = opened(session_at(tmp_path / "s.sqlite"))
        switch = Switch(looks)
        switch.session = session
        session.make_room_for(switch)
        return session, switch

    return make


def test_a_kill_comes_after_the_item_in_hand_and_the_rest_follows_it(cut: Any) -> None:
    session, switch = cut(3)
    replies = session.deliver([item(n) for n in range(6)], client="c")
    assert switch.done == [3]
    assert len(replies) == 6
    # What the kill cancelled is withheld; what follows it is rejected.
    assert [seqs(reply) for reply in replies[:2]] == [[], []]
    assert [seqs(reply) for reply in replies[2:]] == [[4], [5], [6], [7]]
    assert {record["type"] for reply in replies[2:] for record in reply} == {"rejection"}


def test_what_was_cut_is_known_when_it_is_sent_again(cut: Any) -> None:
    session, switch = cut(3)
    items = [item(n) for n in range(6)]
    replies = session.deliver(items, client="c")
    assert session.deliver(items, client="c") == replies
    assert session.last_seq == 7
    assert [each.key for each in session.attach("c").window] == [f"c:1:{n}" for n in range(6)]
    assert len(switch.done) == 1


def test_who_publishes_all_records_has_those_of_the_kill_in_their_place(cut: Any) -> None:
    session, switch = cut(3)
    session.attach("c")
    replies = session.deliver([item(n) for n in range(4)], client="c", heard=(0, 0))
    told = [record for reply in replies for record in reply]
    assert [record_key(record["id"]) for record in told] == sorted(record_key(record["id"]) for record in told)
    assert [record["seq"] for record in told if record["type"] == "control"] == switch.done
    assert {record["seq"] for record in replies[1]} == {3}
    with pytest.raises(Unheard):
        session.deliver([item(9)], client="c", heard=(0, 0))


def test_records_of_the_kill_are_not_put_where_a_payload_could_not_be_read(cut: Any) -> None:
    session, _ = cut(3)
    session.attach("c")
    unreadable = Item((), delivery=Delivery("c:1:9", 9, "quotes", "x"))
    replies = session.deliver([unreadable, unreadable, item(1)], client="c", heard=(0, 0))
    assert replies[:2] == [[], []]
    assert next(record["type"] for record in replies[2]) == "control"


def test_a_caller_who_publishes_nothing_is_told_of_its_own_events_alone(cut: Any) -> None:
    session, _ = cut(3)
    replies = session.deliver([item(n, keyed=False) for n in range(4)])
    assert not [record for reply in replies for record in reply if record["type"] == "control"]


def test_events_are_kept_as_they_came_though_a_part_marks_them(cut: Any) -> None:
    session, _ = cut(3)
    session.deliver([item(n) for n in range(5)], client="c")
    kept = [event for events, _ in session._journal.batches() for event in events]
    assert len(kept) == 6
    assert not any("seen" in event for event in kept)


@settings(max_examples=60, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    looks=st.lists(st.integers(1, 60), max_size=6),
    keyed=st.booleans(),
)
def test_cuts_change_nothing_but_the_order_in_which_the_kill_comes(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], looks: list[int], keyed: bool
) -> None:
    path = tmp_path_factory.mktemp("any") / "s.sqlite"
    with closing(session_at(path)) as session:
        switch = Switch(looks)
        switch.session = session
        session.make_room_for(switch)
        first = 0
        for size in sizes:
            replies = session.deliver([item(n, keyed=keyed) for n in range(first, first + size)], client="c")
            assert len(replies) == size
            first += size
        kept = [(event, records) for events, records in session._journal.batches() for event in [events] if event]
        assert session.last_seq == first + len(switch.done)
        events = [event for batch, _ in kept for event in batch]
        assert [event["sid"] for event in events if event["channel"] == "quotes"] == [f"S{n}" for n in range(first)]
        replayed = TradingEngine(COMPOSITION, run="test.1")
        assert sum(1 for _ in replayed_events(replayed, session._journal, after=0)) == session.last_seq
        records = [record for _, each in kept for record in each]
    # One at a time, with the kill between two of them, the same events cause the same records.
    with closing(session_at(path.with_name("one.sqlite"))) as alone:
        for event in events:
            alone.deliver([Item((event,))], control=event["channel"] == "control")
        assert [record for _, each in alone._journal.batches() for record in each] == records
