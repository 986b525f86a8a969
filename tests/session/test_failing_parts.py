"""Parts that fail, under each policy: what is recorded, what is kept, and that replay comes to the same."""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intuition_core import Rejection, Signal
from intuition_core.config.loading import BadConfiguration, load_config
from intuition_core.session.batch_run import Item
from intuition_core.session.errors import Halted
from intuition_core.session.journal import MEMORY, Journal
from intuition_core.session.monitor import Unwatched
from intuition_core.session.recovery import replayed_events
from intuition_core.session.session import Session
from intuition_core.supervision.crashes import FailureDecision, Release, WorkerCrash, in_quarantine
from intuition_core.supervision.shared_status import SharedStatus
from intuition_core.supervision.supervisor_status import SupervisorStatus
from intuition_core.supervision.worker_status import WorkerStatus
from intuition_core.trading.composition import Composition, Part, Policy, Sleeve
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record

ALGORITHM, PORTFOLIO = 2, 3
"""The parts' numbers: the risk is started first."""


def fail(how: str) -> Any:
    if how == "raise":
        raise ValueError("no")
    if how == "exit":
        sys.exit(3)
    if how == "cancel":
        raise asyncio.CancelledError
    if how == "nonsense":
        return "buy!"
    if how == "address":
        return object()
    raise AssertionError(how)


class Algorithm:
    """Fails as the event says, and counts what it sees."""

    def __init__(self) -> None:
        self.seen = 0

    def event(self, data: dict[str, Any]) -> Any:
        self.seen += 1
        if "algorithm" in data:
            data["touched"] = True
            return fail(data["algorithm"])
        return Signal(data["sid"], "buy", data["quote"], mean=float(self.seen))


class Portfolio:
    """Fails at the prices 13 and 14, in two ways."""

    def optimize(self, signal: Signal, account: Any) -> Any:
        if signal.quote in (13, 14):
            return fail("raise" if signal.quote == 13 else "nonsense")
        return signal.mean


class Risk:
    """Fails at the price 15."""

    def check(self, order: Any, account: Any) -> Any:
        return fail("nonsense") if order.quote == 15 else order


class Keeping(Algorithm):
    """Keeps its count."""

    def snapshot(self) -> int:
        return self.seen

    def restore(self, state: int) -> None:
        self.seen = state


def builder(policy: Policy = "skip", algorithm: type = Algorithm) -> Callable[[], TradingEngine]:
    def part(kind: str, factory: type) -> Part:
        return Part(kind=kind, name=kind, factory=factory, params={}, distribution="acme", version="1", policy=policy)

    line = Sleeve(algorithm=part("algorithm", algorithm), portfolio=part("portfolio", Portfolio))
    recipe = Composition(sleeves=(line,), risks=(part("risk", Risk),), seed=1)
    return lambda: TradingEngine(recipe, run="test.1")


def quote(n: int, price: float = 10, **more: Any) -> dict[str, Any]:
    return {"channel": "quotes", "sid": "GOOG", "quote": price, "ts": n, **more}


def deliver(session: Session, *events: dict[str, Any]) -> list[list[str]]:
    """Give the types of the records of each event."""
    return [[record["type"] for record in reply] for reply in session.deliver([Item([event]) for event in events])]  # type: ignore[union-attr]  # no ids, no errors


class Told(Unwatched):
    """Tells how the last process ended."""

    def __init__(self, crash: WorkerCrash | None = None, halted: str | None = None) -> None:
        super().__init__()
        self.crash = crash
        self.halted = halted


@pytest.fixture
def open_session(opened: Any, tmp_path: Path) -> Callable[..., Session]:
    def begin(build: Callable[[], TradingEngine], watch: Told | None = None) -> Session:
        journal = opened(Journal(tmp_path / "session.sqlite"))
        session = Session(build, journal=journal, name="test", watch=watch)
        session.recover()
        return session

    return begin


def replay(session: Session, build: Callable[[], TradingEngine]) -> list[Record]:
    return [record for records in replayed_events(build(), session._journal) for record in records]


# -- what a part may do within its process


@pytest.mark.parametrize("how", ["raise", "exit", "cancel", "nonsense"])
def test_a_failure_names_the_part_and_the_event(how: str) -> None:
    engine = builder()()
    (error,) = engine.step(quote(1, algorithm=how, id="x-7"))
    assert (error["type"], error["part"], error["distribution"], error["version"]) == (
        *("error", "algorithm", "acme"),
        "1",
    )
    assert (error["seq"], error["event_id"]) == (1, "x-7")
    assert error["problem"].startswith("algorithm algorithm (acme 1).event: ")
    assert "event_id" not in engine.step(quote(2, algorithm=how))[0]


def test_ctrl_c_is_not_a_parts_failure() -> None:
    class Interrupted(Algorithm):
        def event(self, data: dict[str, Any]) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        builder(algorithm=Interrupted)().step(quote(1))


def test_a_part_in_quarantine_is_not_called() -> None:
    engine = builder("quarantine")()
    assert engine.step(quote(1, algorithm="raise"))
    for n in range(2, 5):
        assert not engine.step(quote(n))
    assert engine.roster.sleeves[0].number == ALGORITHM
    assert list(engine.quarantined) == [ALGORITHM]


def test_without_its_portfolio_an_algorithm_places_nothing_and_without_its_risk_all_is_refused() -> None:
    engine = builder("quarantine")()
    assert [record["type"] for record in engine.step(quote(1, 15))] == ["error", "rejection"]
    (rejection,) = engine.step(quote(2))
    assert rejection["reason"] == "risk risk (acme 1) is in quarantine, and what cannot be checked is not placed"
    assert [record["type"] for record in engine.step(quote(3, 13))] == ["error"]
    assert not engine.step(quote(4))
    assert sorted(engine.quarantined) == [1, PORTFOLIO]


def test_the_policy_raise_takes_no_more_and_says_so_until_the_next_start(open_session: Any) -> None:
    session = open_session(builder("raise"))
    with pytest.raises(Halted, match="mend the part"):
        deliver(session, quote(1), quote(2, algorithm="raise"), quote(3))
    assert session.last_seq == 2
    assert "acme 1" in session.halted
    with pytest.raises(Halted, match="at event 2"):
        deliver(session, quote(3))
    again = open_session(builder("raise"))
    assert again.halted is None
    assert again.last_seq == 2
    assert deliver(again, quote(3)) == [["decision"]]


# -- what ends the process


def test_the_event_that_ended_the_process_comes_again_and_is_spared_the_part(open_session: Any) -> None:
    deliver(open_session(builder()), quote(1))
    session = open_session(builder(), Told(WorkerCrash(2, ALGORITHM, "the process hung for 30 s", quote(2, 12))))
    # Another event may come first, and the time may be another.
    assert deliver(session, quote(3), quote(9, 12), quote(9, 12)) == [
        *(["fill", "decision"], ["fill", "error"]),
        ["decision"],
    ]
    assert open_session(builder())._crashes == {}
    (error,) = [record for record in replay(session, builder()) if record["type"] == "error"]
    assert error["problem"] == (
        "algorithm algorithm (acme 1).event: not called for this event: the process hung for 30 s"
    )


def test_it_is_remembered_until_the_event_comes(open_session: Any) -> None:
    open_session(builder(), Told(WorkerCrash(1, PORTFOLIO, "the process ended by SIGSEGV", quote(1))))
    session = open_session(builder())
    assert deliver(session, quote(1), quote(2)) == [["error"], ["decision"]]


def test_two_parts_may_be_spared_one_event(open_session: Any) -> None:
    open_session(builder(), Told(WorkerCrash(1, PORTFOLIO, "x", quote(1))))
    session = open_session(builder(), Told(WorkerCrash(1, ALGORITHM, "y", quote(1))))
    assert deliver(session, quote(1), quote(1)) == [["error"], ["decision"]]


def test_a_quarantine_outlasts_processes_and_other_policies(open_session: Any) -> None:
    session = open_session(builder("quarantine", Keeping), Told(WorkerCrash(1, ALGORITHM, "x", quote(1))))
    assert deliver(session, quote(1), quote(2)) == [["error"], []]
    for build in (builder("skip", Keeping), builder("quarantine", Keeping)):
        again = open_session(build)
        assert [(part.kind, why.seq) for part, why in again.quarantined()] == [("algorithm", 1)]
        assert deliver(again, quote(3)) == [[]]
        again._journal.keep_snapshot(again.engine.seq, again.engine.snapshot())


def test_with_the_policy_raise_the_event_is_not_run(open_session: Any) -> None:
    session = open_session(builder("raise"), Told(WorkerCrash(1, ALGORITHM, "the process hung for 30 s", quote(1))))
    with pytest.raises(Halted, match="hung for 30 s, at event 1, and its policy is `raise`"):
        deliver(session, quote(1))
    with pytest.raises(Halted):
        deliver(open_session(builder("raise"), Told(halted="it failed")), quote(1))
    assert deliver(open_session(builder("raise")), quote(1)) == [["decision"]]


def test_a_part_that_does_not_survive_its_own_snapshot_is_not_asked_for_one(open_session: Any) -> None:
    asked = []

    class Asked(Keeping):
        def snapshot(self) -> int:
            asked.append("snapshot")
            return super().snapshot()

        def restore(self, state: int) -> None:
            asked.append("restore")

    session = open_session(builder(algorithm=Asked))
    deliver(session, quote(1))
    session.close()
    assert asked == ["snapshot"]
    again = open_session(builder(algorithm=Asked), Told(WorkerCrash(1, ALGORITHM, "x", state=True)))
    deliver(again, quote(2))
    again.close()
    assert asked == ["snapshot"]


def test_a_part_that_dies_in_replay_is_spared_the_event_or_stops_the_start(open_session: Any) -> None:
    session = open_session(builder())
    deliver(session, quote(1, algorithm="raise"), quote(2, 13))
    with pytest.raises(Halted):
        open_session(builder("raise"), Told(WorkerCrash(2, PORTFOLIO, "x")))


def test_events_are_kept_as_they_came_whatever_parts_do_to_them(open_session: Any) -> None:
    session = open_session(builder())
    event = quote(1, algorithm="raise")
    deliver(session, event)
    assert event["touched"]
    ((events, _),) = session._journal.batches()
    assert events == [quote(1, algorithm="raise")]


def test_what_an_error_says_may_differ_in_replay(open_session: Any) -> None:
    session = open_session(builder())
    deliver(session, quote(1, algorithm="address"), quote(2))
    assert "object at 0x" in replay(session, builder())[0]["problem"]


PRICES = st.sampled_from([10, 11, 13, 14, 15])
EVENTS = st.lists(st.tuples(PRICES, st.sampled_from([None, None, "raise", "nonsense", "die"])), max_size=25)


@settings(max_examples=60, deadline=None)
@given(EVENTS, st.sampled_from(["skip", "quarantine"]), st.integers(1, 6))
def test_replay_comes_to_the_same_whatever_failed(
    script: list[tuple[float, str | None]], policy: Policy, size: int
) -> None:
    """Deaths are told as a watchdog tells them, before the event is delivered again."""
    session = Session(builder(policy), journal=Journal(MEMORY), name="test", watch=Told())
    session.recover()
    events = [quote(n, price, **({"algorithm": how} if how else {})) for n, (price, how) in enumerate(script)]
    happened: list[Record] = []
    for start in range(0, len(events), size):
        batch = events[start : start + size]
        for event in batch:
            if event.get("algorithm") == "die" and not session.engine.quarantined.get(ALGORITHM):
                crash = WorkerCrash(session.last_seq + 1, ALGORITHM, "the process died", dict(event))
                session._journal.failures.record_crash(crash)
        session._crashes = session._journal.failures.crashes()
        for reply in session.deliver([Item([event]) for event in batch]):
            happened.extend(reply)  # type: ignore[arg-type]  # no ids, no errors
    assert replay(session, builder(policy)) == happened
    other: Policy = "skip" if policy == "quarantine" else "quarantine"
    assert replay(session, builder(other)) == happened
    assert session._journal.failures.crashes() == {}
    session._journal.close()


# -- the end of a quarantine


def release(session: Session, part: int = ALGORITHM) -> None:
    name = {1: "risk risk", ALGORITHM: "algorithm algorithm", PORTFOLIO: "portfolio portfolio"}[part]
    session._journal.failures.record_release(Release(session._journal.last_seq, part, name))


@pytest.mark.parametrize("algorithm", [Algorithm, Keeping])
@pytest.mark.parametrize("kept", [True, False])
def test_a_part_that_is_released_begins_anew_and_replay_follows(open_session: Any, algorithm: type, kept: bool) -> None:
    build = builder("quarantine", algorithm)
    session = open_session(build)
    assert deliver(session, quote(1), quote(2, algorithm="raise"), quote(3)) == [["decision"], ["fill", "error"], []]
    if kept and algorithm is Keeping:
        session._journal.keep_snapshot(session.engine.seq, session.engine.snapshot())
    release(session)
    again = open_session(build)
    assert again.quarantined() == []
    assert deliver(again, quote(4), quote(5)) == [["decision"], ["fill", "decision"]]
    amounts = [record["cash"] for some in again.outbox.decisions((3, 9)) for record in some]
    assert amounts == ["1", "2"]  # it bets what it has seen
    assert deliver(again, quote(6, algorithm="raise"), quote(7)) == [["fill", "error"], []]
    third = open_session(build)
    assert [why.seq for _, why in third.quarantined()] == [6]
    assert [record["type"] for record in replay(third, build)].count("decision") == 3


def test_a_mended_part_goes_on_from_a_snapshot_since_it_failed(open_session: Any) -> None:
    class Mended(Algorithm):
        def event(self, data: dict[str, Any]) -> Any:
            return super().event({key: value for key, value in data.items() if key != "algorithm"})

    session = open_session(builder("quarantine"))
    deliver(session, quote(1), quote(2, algorithm="raise"))
    session.close()
    release(open_session(builder("quarantine")))
    assert deliver(open_session(builder("quarantine", Mended)), quote(3, algorithm="raise")) == [["decision"]]


def test_a_released_part_is_listened_to_on_the_channels_that_it_now_names(open_session: Any) -> None:
    made = []

    class Moving(Algorithm):
        def initialize(self, params: Any) -> list[str]:
            made.append(self)
            return ["quotes" if len(made) == 1 else "news"]

    build = builder("quarantine", Moving)
    session = open_session(build)
    deliver(session, quote(1, algorithm="raise"))
    release(session)
    made.clear()
    again = open_session(build)
    assert again.engine.channels == ["news"]
    assert deliver(again, quote(2), {**quote(3), "channel": "news"}) == [[], ["decision"]]


def test_all_kinds_of_parts_are_called_again(open_session: Any) -> None:
    build = builder("quarantine")
    session = open_session(build)
    deliver(session, quote(1, 15), quote(2, 13))
    assert [part.kind for part, _ in session.quarantined()] == ["risk", "portfolio"]
    release(session, 1)
    session = open_session(build)
    assert [part.kind for part, _ in session.quarantined()] == ["portfolio"]
    release(session, PORTFOLIO)
    assert deliver(open_session(build), quote(3)) == [["decision"]]


def test_a_release_of_another_part_in_its_place_is_not_followed(open_session: Any) -> None:
    session = open_session(builder("quarantine"))
    deliver(session, quote(1, algorithm="raise"))
    session._journal.failures.record_release(Release(1, ALGORITHM, "algorithm other"))
    assert len(open_session(builder("quarantine")).quarantined()) == 1


def test_who_is_in_quarantine_is_known_from_the_journal_alone() -> None:
    def verdict(seq: int, part: int, quarantined: bool = True) -> FailureDecision:
        return FailureDecision(seq, part, f"part {part}", called=True, quarantined=quarantined, problem="x")

    verdicts = [verdict(5, 1), verdict(7, 2), verdict(8, 2, quarantined=False), verdict(9, 3)]
    assert in_quarantine(verdicts, []) == [verdicts[0], verdicts[1], verdicts[3]]
    assert in_quarantine(verdicts, [Release(9, 2, "part 2"), Release(9, 3, "part 3")]) == [verdicts[0]]
    assert in_quarantine([*verdicts, verdict(10, 2)], [Release(9, 2, "part 2")])[-1].seq == 10


STEPS = st.lists(
    st.tuples(st.sampled_from(["event", "event", "raise", "release", "snapshot", "open"]), PRICES), max_size=25
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.sampled_from([Algorithm, Keeping]))
def test_replay_comes_to_the_same_whenever_parts_are_released(
    tmp_path_factory: pytest.TempPathFactory, script: list[tuple[str, float]], algorithm: type
) -> None:
    build = builder("quarantine", algorithm)
    path = tmp_path_factory.mktemp("any") / "session.sqlite"

    def begin() -> Session:
        session = Session(build, journal=Journal(path), name="test")
        session.recover()
        return session

    session = begin()
    happened: list[Record] = []
    for n, (step, price) in enumerate(script):
        if step == "snapshot":
            state = session.engine.snapshot()
            if state is not None and session.engine.seq:
                session._journal.keep_snapshot(session.engine.seq, state)
        elif step in ("release", "open"):
            if step == "release":
                for number in session.engine.quarantined:
                    release(session, number)
            session._journal.close()
            session = begin()
            assert step == "open" or not session.quarantined()
        else:
            event = quote(n, price, **({"algorithm": "raise"} if step == "raise" else {}))
            (reply,) = session.deliver([Item([event])])
            happened.extend(reply)  # type: ignore[arg-type]  # no ids, no errors
    assert replay(session, build) == happened
    session._journal.close()


# -- the cell


@contextmanager
def status() -> Iterator[tuple[SupervisorStatus, WorkerStatus]]:
    made = SharedStatus.make()
    try:
        yield SupervisorStatus(made), WorkerStatus(made)
    finally:
        made.close()


def test_the_cell_shows_the_call_that_goes_on() -> None:
    calls: list[Any] = []

    class Looking(Algorithm):
        def event(self, data: dict[str, Any]) -> Any:
            calls.append(shared.call)
            return super().event(data)

    class LookingPortfolio(Portfolio):
        def optimize(self, signal: Signal, account: Any) -> Any:
            calls.append(shared.call)
            return super().optimize(signal, account)

    class LookingRisk:
        def check(self, order: Any, account: Any) -> Any:
            calls.append(shared.call)
            return Rejection("no")

    def part(kind: str, factory: type) -> Part:
        return Part(kind=kind, name=kind, factory=factory, params={}, deadline=3)

    line = Sleeve(algorithm=part("algorithm", Looking), portfolio=part("portfolio", LookingPortfolio))
    recipe = Composition(sleeves=(line,), risks=(part("risk", LookingRisk),), seed=1)
    with status() as (shared, worker):
        watch = worker.watch()
        watch.introduce(recipe.parts)
        engine = TradingEngine(recipe, run="test.1", status=watch.status)
        assert [part.label for part in shared.limits.parts] == [part.label for part in engine.parts]
        assert shared.call is None
        with watch.running():
            engine.step(quote(1))
            engine.step(quote(2))
        assert shared.call is None
        watch.status.release()
    assert calls == [(n, part) for n in (1, 2) for part in (ALGORITHM, PORTFOLIO, 1)]


def test_the_next_worker_learns_which_event_it_was() -> None:
    events = [quote(n) for n in range(5)]
    with status() as (shared, worker):
        session = Session(builder(), journal=Journal(MEMORY), name="test", watch=worker.watch())
        session.deliver([Item([event]) for event in events])
        assert not shared.ready
        worker.serve()
        assert shared.ready
        assert not shared.finished
        shared.renew(WorkerCrash(4, ALGORITHM, "the process hung"))
        assert not shared.ready
        assert worker.watch().crash == WorkerCrash(4, ALGORITHM, "the process hung", events[3])
        shared.renew(None)
        assert worker.watch().crash is None
        session._journal.close()


# -- the configuration


def test_policies_and_deadlines_are_configured_for_all_parts_or_for_one(tmp_path: Path) -> None:
    from intuition_core.config.compose import compose
    from intuition_core.config.editing import settle
    from intuition_core.plugins.catalogue import discover

    file = tmp_path / "intuition.toml"
    file.write_text(
        '[algorithm]\nname = "random"\ndeadline = 2\n[portfolio]\nname = "naive"\npolicy = "raise"\n'
        '[worker]\npolicy = "quarantine"\ndeadline = 9\nmemory = 100'
    )
    catalogue = discover()
    parts: Sequence[Part] = compose(settle(load_config(file, environment={}), catalogue), catalogue).parts
    assert [(part.policy, part.deadline) for part in parts] == [("quarantine", 2), ("raise", 9)]


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        ("[worker]\nmemory = 0", r"worker.*memory"),
        ("[worker]\nimport_deadline = 0", r"worker.*import_deadline"),
        ("[worker]\ndeadline = -1", r"worker.*deadline"),
        ('[algorithm]\nname = "x"\ndeadline = 0', r"algorithm.*deadline"),
        ('[[risks]]\nname = "x"\ndeadline = inf', r"risks.*deadline"),
        ('[[algorithms]]\nname = "x"\nportfolio = {use = "y", deadline = 0}', r"algorithms.*portfolio.*deadline"),
        ('[worker]\npolicy = "forgive"', r"worker.*policy"),
    ],
)
def test_what_makes_no_sense_as_a_limit_is_refused(tmp_path: Path, toml: str, says: str) -> None:
    file = tmp_path / "intuition.toml"
    file.write_text(toml)
    with pytest.raises(BadConfiguration, match=says):
        load_config(file, environment={})
