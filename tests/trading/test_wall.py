"""Timers by the wall clock: told while the market is silent, once each whatever ends, and replayed without a clock."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import quote

from intuition_core.config.loading import BadConfiguration, load_config
from intuition_core.contracts import Context, Signal
from intuition_core.plugins.catalogue import discover
from intuition_core.serving.arguments import BadCall
from intuition_core.serving.service import Service
from intuition_core.session import control
from intuition_core.session.batch_run import Item
from intuition_core.session.errors import Halted, JournalFailed, Unheard
from intuition_core.session.journal import MEMORY, Journal
from intuition_core.session.monitor import Unwatched
from intuition_core.session.recovery import replayed_events
from intuition_core.session.session import Session
from intuition_core.supervision.crashes import WorkerCrash
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.digest import Digest
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record, record_key
from intuition_core.trading.timers import TIMER, Timer, read_timer
from intuition_core.trading.wall import HUNG, Wall

SECOND = 10**9
HOUR = 3600 * SECOND
DAY = 24 * HOUR
RUN = "r.1"


def ns(text: str) -> int:
    return int(datetime.fromisoformat(f"2024-05-06 {text}").replace(tzinfo=UTC).timestamp() * 1000) * 10**6


class Buys:
    """Buys one unit each time that a timer is told."""

    def initialize(self, params: Any) -> list[str]:
        return ["quotes", "t", "u"]

    def event(self, data: Any) -> Any:
        return Signal("A", "buy") if data["channel"] != "quotes" else None


class One:
    def optimize(self, signal: Any, account: Any) -> float:
        return 10.0


HOURLY = read_timer("t", every="1h")


def recipe(*timers: Timer, algorithm: Callable[[], Any] = Buys, policy: Any = "skip") -> Composition:
    part = Part(kind="algorithm", name="buys", factory=algorithm, params={}, policy=policy)
    line = Sleeve(algorithm=part, portfolio=Part(kind="portfolio", name="one", factory=One, params={}))
    return Composition(sleeves=(line,), seed=1, cash=Decimal(1_000_000), timers=timers)


class Times:
    """A session in a world whose clock the test turns.

    Attributes:
        now: what the clock says.
        journal: where the session is kept.
        session: the present one.
    """

    def __init__(
        self,
        *timers: Timer,
        start: str = "15:00",
        grace: int = SECOND,
        journal: Journal,
        algorithm: Callable[[], Any] = Buys,
        policy: Any = "skip",
    ) -> None:
        self.now = self.begun = ns(start)
        self._composition = recipe(*timers, algorithm=algorithm, policy=policy)
        self._grace = grace
        self.journal = journal
        self.start()

    def start(self, crash: WorkerCrash | None = None) -> None:
        """Start a session, in place of the one before, which just ends."""
        watch = Unwatched()
        watch.crash = crash
        self.session = Session(
            lambda: TradingEngine(self._composition, run=RUN), journal=self.journal, name="s", watch=watch
        )
        self.session.recover()
        self.session.go_by(Wall(lambda: self.now, grace=self._grace, begun=self.begun))

    def at(self, text: str) -> float | None:
        """Look at the timers at a time of the day."""
        self.now = ns(text)
        return self.session.tell_timers()

    def take(self, *events: dict[str, Any]) -> list[Record]:
        return [record for reply in self.session.deliver([Item([event]) for event in events]) for record in reply]  # type: ignore[union-attr]  # no item has an id

    @property
    def events(self) -> list[Any]:
        return [event for events, _ in self.journal.batches() for event in events]

    @property
    def records(self) -> list[Record]:
        return [record for _, records in self.journal.batches() for record in records]

    @property
    def told(self) -> list[tuple[str, int]]:
        """The timers of the journal: the time of the day, and how many were left out."""
        return [(clock(event["ts"]), event["missed"]) for event in self.events if event["channel"] == TIMER]

    def replayed(self) -> str:
        """Run the journal again, without a clock, and give the hash of what it leads to."""
        records = replayed_events(TradingEngine(self._composition, run=RUN), self.journal)
        return hashed(record for each in records for record in each)


@pytest.fixture
def world(opened: Any) -> Callable[..., Times]:
    """Make a world whose journal is closed in the end."""
    return lambda *timers, **more: Times(*timers, journal=opened(Journal(MEMORY)), **more)


def clock(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts // SECOND, UTC):%H:%M:%S}"


def hashed(records: Iterator[Record] | Sequence[Record]) -> str:
    digest = Digest(RUN)
    digest.add(records)
    return digest.hexdigest()


def test_a_silent_market_has_its_timers_told_after_the_grace(world: Any) -> None:
    times = world(HOURLY)
    times.take(quote(ts=ns("15:00:10")))
    assert times.at("16:00:00") == 1.0
    assert times.told == []
    assert times.at("16:00:01") == 3600.0
    assert times.told == [("16:00:00", 0)]
    assert times.at("16:00:02") == 3599.0
    assert times.told == [("16:00:00", 0)]
    [decision] = [record for record in times.records if record["type"] == "decision"]
    assert decision["ts"] == ns("16:00:00")
    assert times.replayed() == hashed(times.records)


def test_a_session_that_never_had_an_event_has_timers_from_its_beginning_on(world: Any) -> None:
    times = world(HOURLY)
    times.at("15:59")
    times.at("16:01")
    assert times.told == [("16:00:00", 0)]


@pytest.mark.parametrize("first", ["the event", "the clock"])
def test_an_event_and_the_clock_tell_a_timer_once(world: Any, first: str) -> None:
    times = world(HOURLY)
    times.take(quote(ts=ns("15:30")))
    later = quote(ts=ns("16:00:00.5"))
    if first == "the clock":
        times.at("16:00:01")
        times.take(later)
    else:
        times.now = ns("16:00:00.6")
        times.take(later)
        times.at("16:00:01")
    assert [event["channel"] for event in times.events] == ["quotes", TIMER, "quotes"]
    assert times.replayed() == hashed(times.records)


def test_with_the_first_event_after_the_moment_the_timer_comes_before_it(world: Any) -> None:
    times = world(HOURLY)
    times.now = ns("16:00:00.6")
    times.take(quote(ts=ns("16:00:00.5")))
    assert [event["channel"] for event in times.events] == [TIMER, "quotes"]


def test_what_comes_after_the_clock_has_told_a_timer_is_late(world: Any) -> None:
    times = world(HOURLY)
    times.take(quote(ts=ns("15:30")))
    times.at("16:00:01")
    assert times.take(quote(7.0, ns("15:59:59"))) == []
    assert times.session.engine.told == {"late quote": 1}
    assert dict(times.session.engine.account.marks) == {"A": 7.0}
    [fill] = times.take(quote(11.0, ns("16:00:02")))
    assert (fill["type"], fill["price"]) == ("fill", 11.0)
    assert times.replayed() == hashed(times.records)


@pytest.mark.parametrize(
    ("missed", "told"),
    [
        ("once", [("20:00:00", 3), ("21:00:00", 0)]),
        ("skip", [("21:00:00", 0)]),
        ("all", [("17:00:00", 0), ("18:00:00", 0), ("19:00:00", 0), ("20:00:00", 0), ("21:00:00", 0)]),
    ],
)
def test_what_fell_due_while_the_session_was_down(world: Any, missed: Any, told: Any) -> None:
    times = world(read_timer("t", every="1h", missed=missed))
    times.take(quote(ts=ns("15:30")))
    times.at("16:00:01")
    times.now = ns("20:30")
    times.start()
    assert times.at("20:30:00.5") == (
        1800.5 if missed == "skip" else 0.5
    )  # the grace again, for what was kept meanwhile
    times.at("20:30:01")
    times.at("21:00:01")
    assert times.told == [("16:00:00", 0), *told]
    assert times.replayed() == hashed(times.records)


@pytest.mark.parametrize("missed", ["once", "skip", "all"])
def test_a_moment_whose_grace_had_not_ended_at_the_start_is_not_missed(world: Any, missed: Any) -> None:
    times = world(read_timer("t", every="1h", missed=missed), grace=30 * SECOND)
    times.take(quote(ts=ns("15:30")))
    times.now = ns("16:00:20")
    times.start()
    times.at("16:00:50")
    assert times.told == [("16:00:00", 0)]


def test_what_was_kept_while_the_session_was_down_has_its_timers_in_their_places(world: Any) -> None:
    times = world(HOURLY)
    times.take(quote(ts=ns("15:30")))
    times.now = ns("18:30")
    times.start()
    for n, text in enumerate(("15:45", "16:30", "16:50", "17:10")):
        times.now = ns("18:30") + n * SECOND * 3 // 4
        times.session.tell_timers()
        times.take(quote(ts=ns(text)))
    times.at("18:30:05")
    assert times.told == [("16:00:00", 0), ("17:00:00", 0), ("18:00:00", 0)]
    assert [event["ts"] for event in times.events] == sorted(event["ts"] for event in times.events)


def test_what_is_to_be_skipped_is_so_too_where_events_come_before_the_clock_has_looked(world: Any) -> None:
    times = world(read_timer("t", every="1h", missed="skip"))
    times.take(quote(ts=ns("15:30")))
    times.now = ns("18:30")
    times.start()
    times.take(quote(ts=ns("16:30")), quote(ts=ns("18:30:01")))
    assert times.told == []


def test_what_came_due_while_the_machine_slept_counts_as_missed(world: Any) -> None:
    for missed, told in (("skip", []), ("once", [("16:00:00", 0)])):
        times = world(read_timer("t", every="1h", missed=missed))  # type: ignore[arg-type]  # as they are
        times.at("15:59")
        times.now = ns("16:00") + SECOND + HUNG
        times.session.tell_timers()
        assert times.told == [("16:00:00", 0)]
        times = world(read_timer("t", every="1h", missed=missed))  # type: ignore[arg-type]  # the same
        times.at("15:59")
        times.at("16:30")
        assert times.told == told


def test_a_part_that_is_slow_does_not_keep_the_next_moment_from_being_told(world: Any) -> None:
    times = world(read_timer("t", every="1s", missed="skip"))
    times.at("15:00:02")
    times.at("15:00:05")
    assert times.told == [("15:00:01", 0), ("15:00:04", 2)]


@pytest.mark.parametrize(
    ("course", "told"),
    [
        (["10:30", "10:50", "11:10"], ["11:00:00"]),
        (["10:30", "12:10"], []),
        (["10:30", "12:10", "12:50", "13:01"], ["13:00:00"]),
    ],
)
def test_by_events_several_moments_between_two_of_them_are_skipped(course: list[str], told: list[str]) -> None:
    engine = TradingEngine(recipe(read_timer("t", every="1h", missed="skip")), run=RUN)
    events = engine.timers.between([quote(ts=ns(text)) for text in course])
    for event in events:
        engine.step(event)
    given = [clock(event["ts"]) for event in events if event["channel"] == TIMER]
    assert given == told


def test_timers_of_one_look_come_in_the_order_of_their_moments(world: Any) -> None:
    times = world(read_timer("t", every="2h"), read_timer("u", every="30m", missed="all"))
    times.at("16:31")
    assert [(event["name"], clock(event["ts"])) for event in times.events] == [
        ("u", "15:30:00"),
        ("t", "16:00:00"),
        ("u", "16:00:00"),
        ("u", "16:30:00"),
    ]


def test_more_moments_than_one_batch_takes_are_told_in_several(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("intuition_core.session.session.MAX_TIMERS", 7)
    times = world(read_timer("t", every="1m", missed="all"), read_timer("u", every="3m", missed="all"))
    times.now = ns("15:21:01")
    looks = 1
    while times.session.tell_timers() == 0:
        looks += 1
    assert looks == 4
    minutes = [(event["name"], clock(event["ts"])[3:5]) for event in times.events]
    expected = [(name, f"{n:02}") for n in range(1, 22) for name, every in (("t", 1), ("u", 3)) if n % every == 0]
    assert minutes == expected


# -- who is told what came of it


def test_records_of_the_clock_are_everybodys_and_in_their_place(world: Any) -> None:
    times = world(HOURLY)
    session = times.session
    attached = session.attach("c")
    session.deliver([Item([quote(ts=ns("15:30"))])], client="c", heard=(0, 0))
    times.at("16:00:01")
    [decision] = [record for record in times.records if record["type"] == "decision"]
    assert session.outbox.of_client("c", 10) == [decision]
    assert list(session.outbox.controls((0, 0))) == [decision]
    with pytest.raises(Unheard):
        session.deliver([Item([quote(ts=ns("16:01"))])], client="c", heard=(0, 0))
    place = (decision["seq"], 0)
    [[fill]] = session.deliver([Item([quote(ts=ns("16:01"))])], client="c", heard=place)  # type: ignore[misc]  # no ids
    assert session.outbox.of_client("c", 10) == [decision, fill]
    session.clients.confirm("c", published=decision["id"])
    times.start()
    assert times.session.outbox.of_client("c", 10) == [fill]
    assert list(times.session.outbox.controls(place)) == []
    with pytest.raises(Unheard):
        times.session.deliver([Item([quote(ts=ns("16:02"))])], client="c", heard=(0, 0))
    assert attached.epoch == 1


def test_a_kill_takes_back_what_a_timer_has_decided(world: Any) -> None:
    times = world(HOURLY)
    session = times.session
    session.attach("c")
    times.take(quote(ts=ns("15:30")))
    times.at("16:00:01")
    [decision] = [record for record in times.records if record["type"] == "decision"]
    event = control.kill("enough", ts=times.now, by="test", flatten=False)
    [killed] = session.deliver([Item([event])], control=True)
    assert decision["id"] in {record.get("cause") for record in killed}
    assert list(session.outbox.controls((0, 0))) == killed == session.outbox.of_client("c", 10)
    with pytest.raises(Unheard):
        session.deliver([Item([quote(ts=ns("16:01"))])], client="c", heard=(decision["seq"], 0))
    place = record_key(killed[-1]["id"])
    assert session.deliver([Item([quote(ts=ns("16:01"))])], client="c", heard=place) == [[]]


def test_where_there_are_no_timers_no_clock_is_asked(world: Any) -> None:
    times = world()
    asked = []
    times.session.go_by(Wall(lambda: asked.append(1) or times.now, grace=SECOND, begun=times.begun))
    asked.clear()
    times.take(*(quote(ts=times.now + n) for n in range(100)))
    assert asked == []


def test_what_a_timer_refuses_takes_nothing_back(world: Any) -> None:
    class Replaces(Buys):
        def event(self, data: Any) -> Any:
            return (
                Signal("A", "buy", limit=5.0 + data["ts"] // SECOND % 3, tag="x")
                if data["channel"] != "quotes"
                else None
            )

    times = world(read_timer("t", every="1s", missed="all"), algorithm=Replaces)
    times.take(quote(ts=ns("15:00:00.5")))
    times.at("15:00:01")
    times.take(quote(ts=ns("15:00:01.5")))
    times.at("15:00:04")
    times.take(quote(ts=ns("15:00:04.5")))
    replaced = [record["cause"] for record in times.records if record["type"] == "rejection"]
    assert replaced
    decided = {record["id"] for found in times.session.outbox.decisions((0, 0)) for record in found}
    assert decided.issuperset(replaced)


# -- what ends, fails and comes again


def test_a_timer_that_could_not_be_kept_is_told_once(world: Any) -> None:
    class Full:
        def __init__(self, db: Any) -> None:
            self.db = db

        def execute(self, statement: str, *args: Any) -> Any:
            if statement.startswith("COMMIT"):
                raise sqlite3.OperationalError("disk I/O error")
            return self.db.execute(statement, *args)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.db, name)

    times = world(HOURLY)
    times.take(quote(ts=ns("15:30")))
    real = times.journal._database.connection
    times.journal._database.connection = Full(real)  # type: ignore[assignment]  # as good as one
    with pytest.raises(JournalFailed):
        times.at("16:00:01")
    with pytest.raises(JournalFailed):
        times.at("16:00:02")
    times.journal._database.connection = real
    times.at("16:00:03")
    times.at("16:00:04")
    assert times.told == [("16:00:00", 0)]
    assert times.replayed() == hashed(times.records)


class Keeps(Buys):
    """The same, with a count of what it was called for."""

    def __init__(self) -> None:
        self.called: list[int] = []

    def event(self, data: Any) -> Any:
        self.called.append(data["ts"])
        return super().event(data)


@pytest.mark.parametrize(
    ("missed", "back", "then", "told", "failures"),
    [
        ("once", "16:00:05", "17:00:01", [("16:00:00", 0), ("17:00:00", 0)], ["16:00:00"]),
        ("once", "18:10:00", "19:00:01", [("18:00:00", 2), ("19:00:00", 0)], ["18:00:00"]),
        ("all", "17:00:05", "18:00:01", [("16:00:00", 0), ("17:00:00", 0), ("18:00:00", 0)], ["16:00:00"]),
        ("skip", "16:00:05", "17:00:01", [("17:00:00", 0)], []),
    ],
)
def test_a_part_at_whose_timer_the_process_ended_is_spared_that_timer_alone(
    world: Any, missed: Any, back: str, then: str, told: Any, failures: Any
) -> None:
    times = world(read_timer("t", every="1h", missed=missed), algorithm=Keeps)
    times.take(quote(ts=ns("15:30")))
    event = {"channel": TIMER, "name": "t", "ts": ns("16:00"), "missed": 0}
    times.now = ns(back)
    times.start(WorkerCrash(2, 1, "the process hung", event))
    times.at(back)
    times.now += SECOND
    times.session.tell_timers()
    times.at(then)
    assert times.told == told
    assert [clock(record["ts"]) for record in times.records if record["type"] == "error"] == failures
    assert times.journal.failures.crashes() == {}
    assert times.replayed() == hashed(times.records)


def test_a_session_that_takes_no_more_events_is_told_no_timers(world: Any) -> None:
    class Raises(Buys):
        def event(self, data: Any) -> Any:
            raise ValueError("no")

    times = world(HOURLY, algorithm=Raises, policy="raise")
    times.at("16:00:01")
    with pytest.raises(Halted):
        times.at("17:00:01")
    assert times.told == [("16:00:00", 0)]


timers = st.lists(
    st.builds(
        Timer,
        name=st.sampled_from(["t", "u"]),
        every=st.sampled_from([7 * SECOND, 20 * SECOND, 60 * SECOND]),
        missed=st.sampled_from(["once", "skip", "all"]),
    ),
    min_size=1,
    max_size=2,
    unique_by=lambda timer: timer.name,
)
steps = st.lists(
    st.tuples(st.sampled_from(["look", "event", "late", "restart"]), st.integers(0, 50 * SECOND)),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(timers, steps, st.sampled_from([0, SECOND, 10 * SECOND]))
def test_whatever_comes_first_and_ends_each_moment_is_told_at_most_once(
    timers: list[Timer], steps: list[tuple[str, int]], grace: int
) -> None:
    with closing(Journal(MEMORY)) as journal:
        _check_any_course(Times(*timers, grace=grace, journal=journal), timers, steps, grace)


def _check_any_course(times: Times, timers: list[Timer], steps: list[tuple[str, int]], grace: int) -> None:
    for step, later in steps:
        times.now += later
        if step == "look":
            while times.session.tell_timers() == 0.0:
                pass
        elif step == "restart":
            times.start()
        else:
            times.take(quote(ts=times.now - (later if step == "late" else 0)))
    times.now += 1000 * SECOND
    times.session.tell_timers()
    times.now += 1000 * SECOND
    times.session.tell_timers()
    latest = 0
    moments: dict[str, list[int]] = {timer.name: [] for timer in timers}
    for event in times.events:
        if event["channel"] == TIMER:
            assert event["ts"] >= latest  # after everything of its moment
            moments[event["name"]].append(event["ts"])
        latest = max(latest, event["ts"])
    for timer in timers:
        assert timer.every is not None
        given = moments[timer.name]
        assert given == sorted(set(given))
        assert all(moment % timer.every == 0 and moment > times.begun for moment in given)
        if timer.missed == "all":
            first, last = times.begun // timer.every + 1, (times.now - grace) // timer.every
            assert given == [n * timer.every for n in range(first, last + 1)]
        elif timer.missed == "once":
            left_out = sum(e["missed"] for e in times.events if e["channel"] == TIMER and e["name"] == timer.name)
            assert len(given) + left_out == (times.now - grace) // timer.every - times.begun // timer.every
    assert times.replayed() == hashed(times.records)


# -- a service and its configuration

TOML = """
[algorithm]
name = "random"

[[timers]]
name = "t"
every = "1h"
"""


def configured(tmp_path: Path, more: str = "", timers: str = TOML) -> Any:
    path = tmp_path / "intuition.toml"
    path.write_text(timers + more)
    return load_config(path, environment={})


def test_a_service_goes_by_the_clock_where_that_is_configured(opened: Any, tmp_path: Path) -> None:
    now = [ns("15:00")]
    config = configured(tmp_path, '\n[clock]\ntime = "wall"\ngrace = "2s"\n')
    service = opened(Service(config, discover(), now=lambda: now[0]))
    assert service.clock is not None
    assert service.clock.tell() == 1.0
    now[0] = ns("16:00:01")
    assert service.clock.tell() == 1.0
    assert service.session.last_seq == 0
    now[0] = ns("16:00:02")
    service.clock.tell()
    assert service.session.last_seq == 1
    service.session.halt("enough")
    now[0] = ns("17:00:02")
    assert service.clock.tell() is None


def test_where_it_is_not_no_clock_tells_anything(opened: Any, tmp_path: Path) -> None:
    now = [ns("15:00")]
    service = opened(Service(configured(tmp_path), discover(), now=lambda: now[0]))
    assert service.clock is None
    now[0] = ns("18:00")
    assert service.session.tell_timers() is None
    assert service.session.last_seq == 0


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('[clock]\ntime = "sun"', r"\[clock\] `time`.*events.*wall"),
        ('[clock]\ngrace = "soon"', r"\[clock\] `grace`.*"),
        ("[clock]\ngrace = 5", r"\[clock\] `grace`"),
        ('[clock]\ngraze = "1s"', r"\[clock\] `graze`.*grace"),
        ('[[timers]]\nname = "u"\nevery = "1h"\nmissed = "never"', r"\[\[timers\]\].*`missed`.*all.*once.*skip"),
    ],
)
def test_what_cannot_be_is_told_with_its_key_and_what_can(tmp_path: Path, more: str, said: str) -> None:
    with pytest.raises(BadConfiguration, match=said):
        configured(tmp_path, f"\n{more}\n")


def test_a_part_says_what_becomes_of_moments_that_its_timer_missed(world: Any) -> None:
    class Asks:
        def initialize(self, params: Any, context: Context) -> list[str]:
            self.name = context.at("every 1h", name="t", missed="all")
            return ["quotes"]

        def event(self, data: Any) -> None:
            return None

    times = world(algorithm=Asks)
    times.at("17:30")
    assert times.told == [("16:00:00", 0), ("17:00:00", 0)]


def test_nobody_can_be_called_as_the_clock_is(opened: Any, tmp_path: Path) -> None:
    service = opened(Service(configured(tmp_path), discover()))
    with pytest.raises(BadCall, match="a client's name"):
        service.attach("")
