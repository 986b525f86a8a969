"""A composition that follows a session's journal, from its beginning or from an upgrade of the session."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from intuition_core import Signal
from intuition_core.backtest.run import Backtest
from intuition_core.config.compose import compose
from intuition_core.config.editing import settle
from intuition_core.config.loading import Config, convert
from intuition_core.config.portable import portable
from intuition_core.plugins.catalogue import discover
from intuition_core.runs import FollowedSession, Follower, NotAtBoundary, SessionChanged, VersionChanged
from intuition_core.runs.places import places
from intuition_core.session import control
from intuition_core.session.batch_run import Item
from intuition_core.session.errors import BeforeBeginning
from intuition_core.session.journal import MEMORY, Journal
from intuition_core.session.keeping import Keep
from intuition_core.session.session import Session
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.decisions import UNHEARD
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.naive import Naive

HOUR = 3_600 * 1_000_000_000
BEGIN = 20_000 * 24 * HOUR


class Turns:
    """Buys on every third event, sells on every seventh; begins at a count of the class's own."""

    first = 0

    def initialize(self, params: Any) -> None:
        self.count = self.first

    def event(self, data: dict[str, Any]) -> Signal | None:
        self.count += 1
        if self.count % 7 == 0:
            return Signal(data["sid"], "sell", data["quote"])
        return Signal(data["sid"], "buy", data["quote"]) if self.count % 3 == 0 else None

    def snapshot(self) -> int:
        return self.count

    def restore(self, state: int) -> None:
        self.count = state


class Newer(Turns):
    """Decides otherwise from its beginning, so that it cannot have run what the older one has."""

    def event(self, data: dict[str, Any]) -> Signal | None:
        self.count += 1
        return Signal(data["sid"], "buy" if self.count % 2 else "sell", data["quote"])


def recipe(factory: type[Turns] = Turns, fraction: float = 0.5, **more: Any) -> Composition:
    portfolio = Part(kind="portfolio", name="naive", factory=Naive, params=Naive.Params(max_fraction=fraction))
    algorithm = Part(kind="algorithm", name="turns", factory=factory, params={}, version=more.pop("version", "1"))
    return Composition(sleeves=(Sleeve(algorithm=algorithm, portfolio=portfolio),), seed=1, **more)


NEWER = recipe(Newer, version="2")


def quotes(prices: Sequence[int], first: int = 0) -> list[dict[str, Any]]:
    return [
        {"channel": "quotes", "sid": "AB"[n % 2], "quote": price / 100, "ts": BEGIN + (first + n) * HOUR}
        for n, price in enumerate(prices)
    ]


def upgraded(path: Path, before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Journal:
    """Give the journal of a session that took some events with one version and the others with another."""
    session = session_of(path, recipe())
    session.deliver([Item([dict(event)]) for event in before])
    hand_over(session)
    session = session_of(path, NEWER)
    if after:
        session.deliver([Item([dict(event)]) for event in after])
    session.close()
    return Journal(path, read_only=True)


def session_of(path: Path, composition: Composition) -> Session:
    journal = Journal(path)
    journal.note(session="s")
    session = Session(lambda: TradingEngine(composition, run="s.1"), journal=journal, name="s")
    session.recover()
    return session


def hand_over(session: Session) -> None:
    part = recipe().sleeves[0].algorithm
    ts = BEGIN + (session.last_seq + 1) * HOUR
    session.hand_over(control.upgrade("algorithm", "turns", before=part, version="2", ts=ts, by="test"))
    session._journal.close()


PRICES = st.lists(st.integers(100, 9_000), min_size=1, max_size=30)


@settings(deadline=None, max_examples=25)
@given(PRICES, PRICES, st.sampled_from([0.1, 0.9]))
@example(early=[100] * 14, late=[100, 347, 100, 100, 100, 100, 7233], fraction=0.9)  # it ends 130 times as rich
def test_they_begin_where_the_newer_version_did_as_if_they_were_swapped_in_there(
    early: list[int], late: list[int], fraction: float
) -> None:
    before, after = quotes(early), quotes(late, len(early) + 2)
    with TemporaryDirectory() as folder:
        journal = upgraded(Path(folder) / "s.sqlite", before, after)
        session, variant = (
            Follower("s", NEWER, run="s.1"),
            Follower("v", recipe(Turns, fraction), run="s.1", session=NEWER),
        )
        for follower in (session, variant):
            follower.take(journal, until=len(before))  # which it has behind it
            assert follower.seq == len(before) + 1
            follower.take(journal, until=journal.last_seq)
        journal.close()
    # The same by hand: the old parts, then the others in their places, with what the account had come to.
    expected, course = {}, {}
    for name, composition in {"s": NEWER, "v": recipe(Turns, fraction)}.items():
        [line] = composition.sleeves
        made = {"algorithm": line.algorithm, "portfolio": line.portfolio}
        engine = TradingEngine(recipe(maker=lambda kind, *_, made=made: made[kind]), run="s.1")
        for event in before:
            engine.step(event)
        worth = engine.ledger.equity
        for kind in made if name == "v" else ["algorithm"]:
            swap = control.swap(kind, "turns", "x", ts=before[-1]["ts"], by="test", keep_state=name == "s")
            engine.step(engine.prepare(swap))
        records, course[name] = [], [float(worth)]
        for event in after:
            records += engine.step(event)
            course[name].append(float(engine.ledger.equity))
        fills = sum(record["type"] == "fill" for record in records)
        expected[name] = (worth, engine.ledger.equity, fills, len(after))
    for follower in (session, variant):
        history = follower.history(follower.name)
        found = (history.deposits, history.equity, history.counts.get("fill", 0), history.events)
        assert found == expected[follower.name]
        assert history.source == f"{follower.name} from event {len(before) + 2} on, with another version"
        assert history.first_ts == after[0]["ts"]
        assert history.days[-1].equity == pytest.approx(float(history.equity))
        assert min(each.low for each in history.slices) == pytest.approx(min(course[follower.name]))
        assert max(each.high for each in history.slices) == pytest.approx(max(course[follower.name]))
        assert all(each.low <= each.close <= each.high for each in history.slices)


def test_the_course_begins_with_what_the_positions_are_worth(tmp_path: Path) -> None:
    journal = upgraded(tmp_path / "s.sqlite", quotes([100] * 8), quotes([100], 10))
    follower = Follower("s", NEWER, run="s.1")
    follower.take(journal, until=10)
    history = follower.history("s")
    assert history.statement["positions"]
    assert [(each.low, each.high) for each in history.slices] == [(10_000.0, 10_000.0)]
    assert [day.ts for day in history.days] == [BEGIN + 10 * HOUR]
    assert history.deposits == history.equity == Decimal(10_000)
    journal.close()


def test_nothing_is_taken_yet_and_the_account_is_there(tmp_path: Path) -> None:
    journal = upgraded(tmp_path / "s.sqlite", quotes([100] * 8), [])
    follower = Follower("s", NEWER, run="s.1")
    follower.take(journal, until=journal.last_seq)
    history = follower.history("s")
    assert (history.events, history.first_ts, history.equity) == (0, None, Decimal(10_000))
    journal.close()


@pytest.mark.parametrize(("key", "change"), [("cash", {"cash": Decimal(5)}), ("seed", {"seed": 2})])
def test_what_only_a_beginning_decides_is_refused(tmp_path: Path, key: str, change: dict[str, Any]) -> None:
    journal = upgraded(tmp_path / "s.sqlite", quotes([100] * 8), quotes([100], 10))
    variant = Follower("v", msgspec.structs.replace(NEWER, **change), run="s.1", session=NEWER)
    with pytest.raises(NotAtBoundary, match=f"after event 9, .* its `{key}` cannot be another"):
        variant.take(journal, until=10)
    journal.close()


def test_a_version_that_is_taken_up_while_it_is_followed_ends_it(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    session = session_of(path, recipe())
    session.deliver([Item([event]) for event in quotes([100] * 8)])
    follower = Follower("s", recipe(), run="s.1")
    journal = Journal(path, read_only=True)
    follower.take(journal, until=8)
    hand_over(session)
    with pytest.raises(VersionChanged, match="after event 9; start the comparison again"):
        follower.take(journal, until=9)
    journal.close()


EVENTS = st.lists(
    st.tuples(st.sampled_from("AB"), st.integers(1, 9_000), st.integers(0, 60 * HOUR)), min_size=1, max_size=60
)


@settings(deadline=None, max_examples=40)
@given(EVENTS, st.lists(st.integers(0, 60), max_size=5))
def test_a_run_that_follows_is_a_backtest_however_often_it_is_looked_at(
    rows: list[tuple[str, int, int]], looks: list[int]
) -> None:
    ts, events = 0, []
    for sid, quote, later in rows:
        ts += later
        events.append({"channel": "quotes", "sid": sid, "quote": quote / 100, "ts": ts})
    journal = Journal(MEMORY)
    session = Session(lambda: TradingEngine(recipe(), run="s.1"), journal=journal, name="s")
    session.deliver([Item([dict(event)]) for event in events])
    for fraction in (0.5, 0.9):
        follower = Follower("it", recipe(fraction=fraction), run="s.1", session=recipe() if fraction != 0.5 else None)
        for until in sorted({*looks, len(events)}):
            follower.take(journal, until=until)
            found = follower.history("x")
        backtest = Backtest(recipe(fraction=fraction))
        backtest.take(events)
        open_orders = len(backtest.engine.open_orders)
        history = backtest.finish(source="x")
        assert follower.decisions_sha256 == backtest.decisions_sha256
        assert (found.equity, found.events) == (history.equity, history.events)
        # Between fills a backtest adds up what marks change, so that the last digits of floats may differ.
        assert [day.ts for day in found.days] == [day.ts for day in history.days]
        for mine, alone in zip(found.days, history.days, strict=True):
            assert mine[1:] == pytest.approx(alone[1:], rel=1e-9)
        assert found.counts.get("fill", 0) == history.counts.get("fill", 0)
        # The end of a history cancels what is open, and what follows a session does not end.
        assert history.counts.get("rejection", 0) == found.counts.get("rejection", 0)
        assert history.counts.get("ended", 0) == open_orders
    session.close()


def test_what_people_decided_about_parts_is_for_those_who_have_them() -> None:
    session = recipe()
    [line] = session.sleeves
    kelly = msgspec.structs.replace(line.portfolio, name="kelly")
    other = msgspec.structs.replace(line.algorithm, name="other")
    variant = msgspec.structs.replace(
        session, sleeves=(msgspec.structs.replace(line, algorithm=other, portfolio=kelly),)
    )
    renamed = msgspec.structs.replace(session, sleeves=(msgspec.structs.replace(line, algorithm=other),))
    swap = {"channel": "$control", "action": "swap", "kind": "portfolio", "name": "turns", "use": "fixed", "ts": 1}
    shares = {"channel": "$control", "action": "shares", "shares": {"turns": "0.5"}, "ts": 2}
    kill = {"channel": "$control", "action": "kill", "reason": "why not", "flatten": True, "ts": 3}
    quote = {"channel": "quotes", "sid": "A", "quote": 1.0, "ts": 4}
    assert places(variant, session).event(swap)["channel"] == UNHEARD
    assert places(renamed, session).event(swap) == {**swap, "name": "other"}
    assert places(renamed, session).event({**swap, "kind": "algorithm"})["channel"] == UNHEARD
    assert places(renamed, session).event(shares) == {**shares, "shares": {"other": "0.5"}}
    assert places(session, session).event(swap) == swap
    for event in (kill, quote):
        assert places(variant, session).event(event) is event


# -- a session that is followed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The journal of a session that has taken thirty quotes."""
    configuration = {
        "algorithms": [{"name": "random", "portfolio": {"use": "fixed", "params": {"fraction": 0.5}}}],
        "seed": 1,
    }
    catalogue = discover()
    config = settle(Config(values=convert(configuration, origin="test")), catalogue)
    composition = compose(config, catalogue)
    journal = Journal(tmp_path / "first.sqlite")
    journal.note(
        session="first",
        run="first.1",
        composition=composition.to_json(),
        configuration=portable(config, composition),
    )
    session = Session(lambda: TradingEngine(composition, run="first.1"), journal=journal, name="first")
    session.deliver([Item([event]) for event in quotes([100 + n % 7 for n in range(30)])])
    session.close()
    return tmp_path / "first.sqlite"


def test_all_that_follow_a_session_take_what_it_has_committed(path: Path) -> None:
    session = FollowedSession(str(path), discover())
    assert session.name == "session first"
    assert session.config().values.algorithms[0].name == "random"
    itself, other = session.follow("itself"), session.follow("other", session.composition)
    assert session.followers == [itself, other]
    assert session.catch_up()
    assert (itself.seq, other.seq) == (30, 30)
    assert itself.decisions_sha256 == other.decisions_sha256
    assert itself.history("x").counts == other.history("x").counts != {}
    assert not session.catch_up()


def test_the_end_that_is_asked_for_leaves_the_rest_for_later(path: Path) -> None:
    session = FollowedSession(str(path), discover())
    itself = session.follow("itself")
    assert not session.catch_up(ended=lambda: True)
    assert itself.seq == 0
    assert session.catch_up()
    assert itself.seq == 30


def test_one_that_comes_later_takes_all_that_the_others_have(path: Path) -> None:
    session = FollowedSession(str(path), discover())
    first = session.follow("first")
    session.catch_up()
    late = session.follow("late")
    assert session.catch_up()
    assert late.decisions_sha256 == first.decisions_sha256


def test_a_session_nobody_follows_takes_no_time(path: Path) -> None:
    assert not FollowedSession(str(path), discover()).catch_up()


@pytest.mark.parametrize("note", [{"run": "first.2"}, {"configuration": {}}])
def test_a_session_that_was_begun_anew_is_told(path: Path, note: dict[str, Any]) -> None:
    session = FollowedSession(str(path), discover())
    session.follow("itself")
    with Journal(path) as journal:
        journal.note(**note)
    with pytest.raises(SessionChanged, match=r"^session first was begun anew"):
        session.catch_up()


def test_they_begin_after_the_events_that_were_dropped(tmp_path: Path) -> None:
    path, now = tmp_path / "s.sqlite", [0]
    journal = Journal(path, keep=Keep(age=100), now=lambda: now[0])
    journal.note(session="s")
    session = Session(lambda: TradingEngine(recipe(), run="s.1"), journal=journal, name="s")
    session.recover()
    behind = Follower("b", recipe(), run="s.1")
    events = quotes([100 + 7 * n % 40 for n in range(300)])
    for n, event in enumerate(events, 1):
        now[0] = n
        session.deliver([Item([dict(event)])])
        if n == 10:
            with Journal(path, read_only=True) as reading:
                behind.take(reading, until=n)
    assert journal.retention is not None
    for _ in range(1_000):
        journal.retention._next = 0.0
        session.tidying.step()
    with Journal(path, read_only=True) as reading:
        begun = reading.beginning
        assert 150 < begun < 250
        session_itself = Follower("s", recipe(), run="s.1")
        variant = Follower("v", recipe(Newer), run="s.1", session=recipe())
        for follower in (session_itself, variant):
            follower.take(reading, until=10)
            assert follower.seq == begun
            follower.take(reading, until=reading.last_seq)
        history = session_itself.history("s")
        assert history.statement == session.statement.to_json()
        assert history.events == len(events) - begun
        assert history.source == f"s from event {begun + 1} on"
        assert variant.history("v").deposits == history.deposits != history.equity
        with pytest.raises(NotAtBoundary, match="not kept any more"):
            Follower("c", recipe(cash=Decimal(5)), run="s.1", session=recipe()).take(reading, until=10)
        with pytest.raises(BeforeBeginning, match="b: events 1 to"):
            behind.take(reading, until=reading.last_seq)
    session.close()
