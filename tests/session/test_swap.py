"""Parts that take the place of others while a session runs."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from intuition_core import Bet, Message, Order, Rejection, Signal
from intuition_core.config.compose import compose
from intuition_core.config.editing import settle
from intuition_core.config.loading import load_config
from intuition_core.errors import IntuitionError, PartFailed
from intuition_core.plugins.catalogue import discover
from intuition_core.serving.service import AlreadyRunning, Service
from intuition_core.session import control
from intuition_core.session.batch import Batch
from intuition_core.session.batch_run import Item
from intuition_core.session.errors import BehindBoundary, JournalFailed, NothingKept, Stopping
from intuition_core.session.journal import MEMORY, Journal
from intuition_core.session.recovery import replayed_events, restored
from intuition_core.session.session import Session
from intuition_core.supervision.crashes import WorkerCrash
from intuition_core.trading.composition import Composition, Part, Sleeve
from intuition_core.trading.decisions import CONTROL
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.swaps import BadSwap


class Nth:
    """Buys at every ``n``-th event and sells at every ``2n``-th; keeps its count."""

    def initialize(self, params: Any, context: Any) -> Sequence[str]:
        self.n = params.get("n", 3)
        self.count = 0
        self.rng = context.rng
        channels: Sequence[str] = params.get("channels", ["quotes"])
        return channels

    def event(self, data: dict[str, Any]) -> Any:
        self.count += 1
        if self.count % (2 * self.n) == 0:
            return Signal(data["sid"], "sell", data["quote"])
        return Signal(data["sid"], "buy", data["quote"]) if self.count % self.n == 0 else None

    def snapshot(self) -> Any:
        return self.count

    def restore(self, state: Any) -> None:
        self.count = state


class Drawing(Nth):
    """Buys now and then, by chance."""

    def event(self, data: dict[str, Any]) -> Any:
        self.count += 1
        return Signal(data["sid"], "buy" if self.rng.random() < 0.6 else "sell", data["quote"])


class Telling:
    """Says what it hears, and whatever state it takes up."""

    state: Any = None

    def initialize(self, params: Any) -> Sequence[str]:
        return ["quotes", "slow"]

    def event(self, data: dict[str, Any]) -> Any:
        return Message("heard", {"on": data["channel"], "state": self.state})

    def snapshot(self) -> Any:
        return self.state

    def restore(self, state: Any) -> None:
        self.state = state


class Forgetful:
    """Keeps state, and does not say which."""

    def initialize(self, params: Any) -> None:
        self.seen = 0

    def event(self, data: dict[str, Any]) -> None:
        self.seen += 1


class Refusing:
    """Cannot be initialised."""

    def initialize(self, params: Any) -> None:
        raise ValueError("no such file")

    def event(self, data: dict[str, Any]) -> None:
        """Hear nothing."""


class Mute:
    """Is no part at all."""


class Failing(Nth):
    """Raises at every event."""

    def event(self, data: dict[str, Any]) -> Any:
        raise RuntimeError("broken")


class Slow:
    """Tells of every quote on a channel of its own."""

    def initialize(self, params: Any) -> None:
        """Listen to quotes."""

    def event(self, data: dict[str, Any]) -> Any:
        return Message("slow", {"sid": data["sid"], "value": data["quote"]})


class Units:
    """Bets some units."""

    def initialize(self, params: Any) -> None:
        self.units = params.get("units", 1)

    def optimize(self, signal: Signal, account: Any) -> Bet:
        return Bet(units=self.units)

    def snapshot(self) -> Any:
        return None

    def restore(self, state: Any) -> None:
        """Take nothing up."""


class Rebalancing(Units):
    """Bets of its own accord, at every seventh quote."""

    def initialize(self, params: Any) -> None:
        super().initialize(params)
        self.seen = 0

    def observe(self, data: dict[str, Any], account: Any) -> Any:
        self.seen += 1
        return Bet(sid=data["sid"], side="buy", units=1) if self.seen % 7 == 0 else None

    def snapshot(self) -> Any:
        return self.seen

    def restore(self, state: Any) -> None:
        self.seen = state or 0


class AtMost:
    """Lets nobody hold more than some units."""

    def initialize(self, params: Any) -> None:
        self.most = params.get("most", 5)

    def check(self, order: Order, account: Any) -> Order | Rejection:
        held = account.positions.get(order.sid, 0)
        return order if order.side == "sell" or held < self.most else Rejection("enough")

    def snapshot(self) -> Any:
        return None

    def restore(self, state: Any) -> None:
        """Take nothing up."""


class Alarm(AtMost):
    """Turns the kill switch on when the account has lost too much."""

    def observe(self, account: Any, ts: int) -> str | None:
        return "too much was lost" if account.equity < 9_950 else None


PLUGINS: Mapping[str, Mapping[str, type]] = {
    "algorithm": {
        "nth": Nth,
        "drawing": Drawing,
        "telling": Telling,
        "forgetful": Forgetful,
        "refusing": Refusing,
        "mute": Mute,
        "failing": Failing,
    },
    "portfolio": {"units": Units, "rebalancing": Rebalancing},
    "risk": {"at-most": AtMost, "alarm": Alarm},
    "indicator": {"slow": Slow},
}


class Unknown(IntuitionError):
    """A plugin that is not there."""


def part(kind: str, name: str, use: str, params: Mapping[str, Any], **more: Any) -> Part:
    factory = PLUGINS[kind].get(use)
    if factory is None:
        raise Unknown(f"no {kind} is called `{use}`")
    if kind in ("portfolio", "risk"):
        name = use
    return Part(kind=kind, name=name, factory=factory, params=params, distribution="d", version="1", use=use, **more)


def composition(**recipe: Any) -> Composition:
    recipe = {
        "sleeves": (
            Sleeve(algorithm=part("algorithm", "one", "nth", {}), portfolio=part("portfolio", "one", "units", {})),
            Sleeve(
                algorithm=part("algorithm", "two", "nth", {"n": 2}), portfolio=part("portfolio", "two", "units", {})
            ),
        ),
        "risks": (part("risk", "at-most", "at-most", {}),),
        "indicators": (part("indicator", "slow", "slow", {}),),
        "seed": 3,
        "maker": part,
        **recipe,
    }
    return Composition(**recipe)


def quote(n: int) -> dict[str, Any]:
    return {"channel": "quotes", "sid": "AB"[n % 2], "quote": 10.0 + n * 7 % 5, "ts": n}


def swap(kind: str, name: str, use: str, *, ts: int = 0, keep_state: bool = False, **params: Any) -> dict[str, Any]:
    return {
        "channel": CONTROL,
        "ts": ts,
        "action": "swap",
        "by": "test",
        "kind": kind,
        "name": name,
        "use": use,
        "params": params,
        "keep_state": keep_state,
    }


def strategy_of(**recipe: Any) -> TradingEngine:
    return TradingEngine(composition(**recipe), run="test.1")


def make(engine: TradingEngine, event: dict[str, Any]) -> Sequence[dict[str, Any]]:
    return engine.step(engine.prepare(event))


def types(records: Sequence[dict[str, Any]]) -> list[str]:
    return [record["type"] for record in records]


def test_a_swap_is_recorded_and_the_account_stays_with_the_line() -> None:
    engine = strategy_of()
    for n in range(20):
        engine.step(quote(n))
    before = engine.books.ledgers["one"]
    cash, held, placed = before.cash, dict(before.positions), engine.open_orders
    (record,) = make(engine, swap("algorithm", "one", "telling", ts=20))
    assert {key: record[key] for key in ("type", "action", "kind", "name", "use", "place", "by", "keep_state")} == {
        "type": "control",
        "action": "swap",
        "kind": "algorithm",
        "name": "one",
        "use": "telling",
        "place": 3,
        "by": "test",
        "keep_state": False,
    }
    assert record["before"] == {"name": "one", "distribution": "d", "version": "1", "params": {}}
    assert record["channels"] == ["quotes", "slow"] == engine.channels
    assert (before.cash, before.positions, engine.open_orders) == (cash, held, placed)
    told = [record for record in engine.step(quote(21)) if record["type"] == "message"]
    assert [(record["algorithm"], record["data"]["on"]) for record in told] == [("one", "quotes"), ("one", "slow")]
    assert engine.composition.to_json()["algorithms"][0]["algorithm"]["name"] == "one"
    assert engine.composition.sleeves[0].algorithm.factory is Telling


def test_what_a_portfolio_or_a_risk_part_does_is_done_by_the_one_that_took_its_place() -> None:
    engine = strategy_of(risks=(part("risk", "at-most", "at-most", {"most": 0}),))
    first = [record for n in range(12) for record in engine.step(quote(n))]
    assert {record["reason"] for record in first if record["side"] == "buy"} == {"enough"}
    make(engine, swap("risk", "at-most", "alarm", most=1000))
    make(engine, swap("portfolio", "two", "units", units=7))
    later = [record for n in range(24) for record in engine.step(quote(n))]
    placed = [record for record in later if record["type"] == "decision" and record["side"] == "buy"]
    assert {(record["algorithm"], record["quantity"]) for record in placed} == {("one", "1"), ("two", "7")}
    for name in ("one", "two"):
        make(engine, swap("algorithm", name, "telling"))
    make(engine, swap("portfolio", "two", "rebalancing", units=2))
    own = [record for n in range(7) for record in engine.step(quote(2 * n)) if record["type"] == "decision"]
    assert [(record["algorithm"], record["portfolio"]) for record in own] == [("two", "rebalancing")]
    with pytest.raises(BadSwap, match="did you mean `alarm`"):
        engine.prepare(swap("risk", "alarn", "at-most"))


def test_a_risk_part_that_comes_sees_what_is_held_already() -> None:
    engine = strategy_of(risks=(part("risk", "at-most", "at-most", {"most": 1000}),), fill="same")
    make(engine, swap("portfolio", "two", "units", units=50))
    for n in range(10):
        engine.step(quote(n))
    assert not engine.open_orders
    assert engine.account.positions["B"] >= 50
    make(engine, swap("risk", "at-most", "alarm", most=1000))
    assert engine.killed is None
    engine.step({"channel": "quotes", "sid": "B", "quote": 0.5, "ts": 20})
    assert engine.killed == "too much was lost"


@pytest.mark.parametrize(
    ("asked", "error", "problem"),
    [
        (swap("algorithm", "won", "nth"), BadSwap, "algorithm won cannot be swapped: it is not there; did you mean"),
        (swap("risk", "zzz", "at-most"), BadSwap, "there is at-most"),
        (swap("algorithm", "one", "nht"), Unknown, "nht"),
        (swap("algorithm", "one", "refusing"), PartFailed, "no such file"),
        (swap("algorithm", "one", "mute"), PartFailed, "event: missing"),
        (swap("algorithm", "one", "nth", channels="quotes"), PartFailed, "expected a list of channels"),
        (swap("algorithm", "one", "forgetful", keep_state=True), BadSwap, "has no `restore`"),
        (swap("indicator", "slow", "slow", keep_state=True), BadSwap, "has no `snapshot`"),
    ],
)
def test_what_cannot_be_swapped_is_told_and_the_old_part_goes_on(
    asked: dict[str, Any], error: type[Exception], problem: str
) -> None:
    engine, other = strategy_of(), strategy_of()
    for n in range(20):
        assert engine.step(quote(n)) == other.step(quote(n))
        with pytest.raises(error, match=problem):
            engine.prepare(asked)
    assert engine.composition == other.composition


def test_two_parts_of_one_name_are_not_told_apart() -> None:
    engine = strategy_of(risks=(part("risk", "", "at-most", {}), part("risk", "", "at-most", {"most": 3})))
    with pytest.raises(BadSwap, match="2 parts are called so"):
        engine.prepare(swap("risk", "at-most", "alarm"))


def test_a_composition_of_parts_at_hand_knows_no_others() -> None:
    with pytest.raises(BadSwap, match="parts at hand"):
        strategy_of(maker=None).prepare(swap("algorithm", "one", "nth"))


def test_a_part_goes_on_from_the_state_of_the_old_one_where_that_is_asked_for() -> None:
    for keep_state, state in ((True, 9), (False, None)):
        engine = strategy_of()
        for n in range(9):
            engine.step(quote(n))
        make(engine, swap("algorithm", "two", "telling", keep_state=keep_state))
        told = [record for record in engine.step(quote(10)) if record["type"] == "message"]
        assert {record["data"]["state"] for record in told} == {state}


def test_what_was_started_for_another_event_is_not_bound() -> None:
    engine = strategy_of()
    event = engine.prepare(swap("algorithm", "two", "telling", keep_state=True))
    for n in range(5):
        engine.step(quote(n))
    engine.step(event)
    told = [record for record in engine.step(quote(10)) if record["type"] == "message"]
    assert {record["data"]["state"] for record in told} == {5}


def test_a_place_keeps_its_policy_and_its_deadline() -> None:
    careful = part("risk", "at-most", "at-most", {}, policy="raise", deadline=2.5)
    engine = strategy_of(risks=(careful,))
    make(engine, swap("risk", "at-most", "alarm"))
    assert (engine.parts[0].name, engine.parts[0].policy, engine.parts[0].deadline) == ("alarm", "raise", 2.5)


def test_a_swap_ends_a_quarantine() -> None:
    engine = strategy_of()
    engine.quarantine(3, "it fails")
    with pytest.raises(BadSwap, match="in quarantine"):
        engine.prepare(swap("algorithm", "one", "nth", keep_state=True))
    make(engine, swap("algorithm", "one", "telling"))
    assert not engine.quarantined
    assert "message" in types(engine.step(quote(1)))


def test_a_swap_within_a_stretch_of_events_is_heeded_by_the_next_one() -> None:
    alone = {"sleeves": composition().sleeves[:1], "indicators": ()}
    events = [quote(n) for n in range(40)]
    for event in (swap("algorithm", "one", "telling"), swap("portfolio", "one", "rebalancing")):
        one, other = strategy_of(**alone), strategy_of(**alone)
        at = 17
        stretch = [*events[:at], {**strategy_of(**alone).prepare(event)}, *events[at:]]
        expected = [records for data in stretch if (records := other.step(data))]
        assert list(one.run_through(stretch)) == expected
        assert one.seq == other.seq == len(stretch)
        assert len([records for records in expected if records[0]["seq"] > at + 1]) > 3


# -- sessions


def session_of(path: Path | str, **recipe: Any) -> Session:
    recipe_ = composition(**recipe)
    session = Session(lambda: TradingEngine(recipe_, run="test.1"), journal=Journal(path), name="test")
    session.recover()
    return session


def test_a_swap_outlives_one_snapshot_after_the_other(tmp_path: Path) -> None:
    session = session_of(tmp_path / "s.journal")
    session.deliver([Item([session.prepare(swap("algorithm", "two", "telling"))])], control=True)
    for n in range(4):
        session.deliver([Item([quote(n)])])
        session.close()
        session = session_of(tmp_path / "s.journal")
        assert session.engine.parts[4].factory is Telling
    session.close()


SWAPS = st.sampled_from(
    [
        partial(swap, "algorithm", "one", "drawing"),
        partial(swap, "algorithm", "one", "nth", n=2),
        partial(swap, "algorithm", "one", "nth", n=4, keep_state=True),
        partial(swap, "algorithm", "two", "telling"),
        partial(swap, "algorithm", "two", "failing"),
        partial(swap, "portfolio", "one", "rebalancing", units=3),
        partial(swap, "portfolio", "one", "units", units=2),
        partial(swap, "portfolio", "two", "rebalancing", units=5, keep_state=True),
        partial(swap, "risk", "at-most", "alarm", most=50),
        partial(swap, "risk", "alarm", "at-most", most=3),
        partial(swap, "indicator", "slow", "slow"),
    ]
)
"""What may be asked for; some only while the part of that name is there."""


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.one_of(
            st.integers(1, 12),
            st.tuples(SWAPS, st.booleans()),
            st.sampled_from(["snapshot", "crash", "end", "kill", "clear"]),
        ),
        max_size=14,
    )
)
def test_swaps_anywhere_come_back_from_snapshots_and_replays(tmp_path_factory: Any, course: list[Any]) -> None:
    path = tmp_path_factory.mktemp("swaps") / "s.journal"
    policy = [part("algorithm", name, "nth", {"n": 2}, policy="quarantine") for name in ("one", "two")]
    lines = tuple(Sleeve(algorithm=each, portfolio=part("portfolio", "", "units", {})) for each in policy)
    session = session_of(path, sleeves=lines)
    n = 0
    for step in course:
        if isinstance(step, int):
            for _ in range(step):
                n += 1
                session.deliver([Item([quote(n)])])
        elif isinstance(step, tuple):
            n += 1
            asked, taken = step
            try:
                event = session.prepare(asked(ts=n))
            except BadSwap:
                continue
            if taken:  # else the part was started for nothing
                session.deliver([Item([event])], control=True)
        elif step == "snapshot":
            assert session.keep_snapshot()
        elif step in ("kill", "clear"):
            event = {"channel": CONTROL, "ts": n, "action": step, "reason": "x", "by": "test", "flatten": False}
            session.deliver([Item([event])], control=True)
        else:
            seq, account, parts = session.last_seq, session.statement, session.engine.composition.to_json()
            quarantined = dict(session.engine.quarantined)
            session.close() if step == "end" else session._journal.close()
            session = session_of(path, sleeves=lines)
            assert (session.last_seq, session.statement) == (seq, account)
            assert session.engine.composition.to_json() == parts
            assert session.engine.quarantined == quarantined
    account = session.statement
    whole = sum((each.ledger.cash for each in session.engine.roster.sleeves), Decimal(0))
    assert whole + session.engine.books.idle == account.cash
    session.close()
    journal = Journal(path)
    again = TradingEngine(composition(sleeves=lines), run="test.1")
    for _ in replayed_events(again, journal):
        pass
    assert again.ledger.cash == account.cash
    assert again.seq == account.seq
    journal.close()


def test_a_crash_of_the_old_part_is_not_held_against_the_new_one(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "s.journal")
    journal.failures.record_crash(WorkerCrash(1, 3, "the process hung", event=quote(5)))
    journal.close()
    session = session_of(tmp_path / "s.journal")
    session.deliver([Item([session.prepare(swap("algorithm", "one", "telling"))])], control=True)
    (records,) = session.deliver([Item([quote(5)])])
    assert isinstance(records, list)
    assert types(records) == ["message", "message"]
    assert not session._journal.failures.crashes()
    session.close()


def upgrade() -> dict[str, Any]:
    return control.upgrade("algorithm", "one", before=composition().parts[2], version="2", ts=30, by="test")


def test_a_session_that_was_handed_over_takes_nothing_more_and_goes_on_from_there(tmp_path: Path) -> None:
    session = session_of(tmp_path / "s.journal")
    for n in range(20):
        session.deliver([Item([quote(n)])])
    (record,) = session.hand_over(upgrade())
    assert (record["action"], record["before"]["version"], record["after"]["version"]) == ("upgrade", "1", "2")
    with pytest.raises(Stopping):
        session.deliver([Item([quote(20)])])
    session._journal.close()  # and not in order
    again = session_of(tmp_path / "s.journal")
    assert (again.last_seq, again.statement.cash) == (21, session.statement.cash)
    assert [each["action"] for each in again.outbox.controls((0, 0))] == ["upgrade"]
    for n in range(20, 60):
        again.deliver([Item([quote(n)])])
        if n % 7 == 0:
            assert again.keep_snapshot()
    again.close()
    journal = Journal(tmp_path / "s.journal")
    assert journal.boundary == 21
    replaying = TradingEngine(composition(), run="test.1")
    assert restored(replaying, journal, wanted=False) == 21
    assert sum(1 for _ in replayed_events(replaying, journal, after=21)) == 40
    assert replaying.ledger.cash == again.statement.cash
    journal.close()


def test_a_boundary_outlives_later_snapshots_and_is_never_gone_behind(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "s.journal")
    state = TradingEngine(composition(), run="test.1").snapshot()
    journal.commit(Batch(first=1, last=1, events=[quote(1)], snapshot=b"nonsense", boundary=True))
    for n in range(2, 6):
        journal.commit(Batch(first=n, last=n, events=[quote(n)], snapshot=state))
    assert [seq for seq, _ in journal.snapshots()] == [5, 4, 1]
    with pytest.raises(BehindBoundary, match="at event 1"):
        restored(TradingEngine(composition(), run="test.1"), journal, wanted=False)
    journal.close()


def test_a_session_whose_state_cannot_be_kept_goes_on_where_it_was(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = session_of(tmp_path / "s.journal")
    other = opened(session_of(MEMORY))
    for n in range(20):
        session.deliver([Item([quote(n)])])
        other.deliver([Item([quote(n)])])

    def full(self: Journal, batch: Batch) -> None:
        raise JournalFailed(self.path, "the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(Journal, "commit", full)
        with pytest.raises(JournalFailed):
            session.hand_over(upgrade())
        patched.setattr(Nth, "snapshot", lambda self: object())
        assert [part.name for part in session.engine.roster.unkept()] == ["one", "two"]
        with pytest.raises(NothingKept):
            session.hand_over(upgrade())
    for n in range(20, 40):
        assert session.deliver([Item([quote(n)])]) == other.deliver([Item([quote(n)])])
    session.close()


# -- services


def service_at(path: Path | None, **flags: Any) -> Service:
    given = {"algorithm.name": "random", "session": "test", "seed": 5, **flags}
    journal = None if path is None else lambda _name: Journal(path)
    return Service(load_config(None, environment={}, flags=given), discover(), journal=journal)


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (("algorythm", "random", "random"), "not 'algorythm'; did you mean `algorithm`?"),
        ((["algorithm"], "random", "random"), "the kind is one of algorithm, portfolio, risk, indicator"),
        (("algorithm", 7, "random"), "expected the name of a part"),
        (("algorithm", "random", None), "expected the name of a plugin"),
        (("algorithm", "random", "./mine.py"), "callers choose among installed plugins"),
        (("algorithm", "random", "random", [1]), "expected a table of parameters"),
        (("algorithm", "random", "random", {"threshold": float("nan")}), "expected a finite number"),
        (("algorithm", "random", "random", {"treshold": 0.5}), "did you mean `threshold`?"),
        (("algorithm", "random", "random", {}, "yes"), "keep_state is true or false"),
        (("algorithm", "random", "randum"), "did you mean `random`?"),
        (("indicator", "random", "sma"), "the session has no indicator"),
    ],
)
def test_nonsense_is_refused_and_changes_nothing(opened: Any, asked: tuple[Any, ...], problem: str) -> None:
    service = opened(service_at(None))
    with pytest.raises(IntuitionError, match=re.escape(problem)):
        service.swap(*asked)
    assert service.describe()["last_seq"] == 0


def test_a_caller_of_initialize_is_held_to_what_the_session_was_begun_with(opened: Any) -> None:
    service = opened(service_at(None))
    service.event({"goog": 1.0})
    service.swap("algorithm", "random", "random", {"threshold": 0.9})
    assert service.initialize({"threshold": 0.5}) == service.describe()["channels"]
    with pytest.raises(AlreadyRunning):
        service.initialize({"threshold": 0.9})
    described = service.describe()["composition"]["algorithms"][0]["algorithm"]
    assert (described["name"], described["params"]["threshold"]) == ("random", 0.9)


def test_an_upgrade_needs_a_journal_and_another_version(
    opened: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = opened(service_at(None))
    with pytest.raises(IntuitionError, match="install the other one first"):
        service.upgrade("algorithm", "random")
    with pytest.raises(IntuitionError, match=r"it is not there; did you mean `random`\?"):
        service.upgrade("algorithm", "randum")
    with pytest.raises(IntuitionError, match="expected the name of a part"):
        service.upgrade("algorithm", {})
    installed = service.session.engine.parts[0]
    service.session.engine.parts[0] = msgspec.structs.replace(installed, version="0.0.1")
    with pytest.raises(IntuitionError, match="would be gone with its process"):
        service.upgrade("algorithm", "random")
    assert not service.restarting
    assert service.describe()["last_seq"] == 0


def test_a_secret_is_not_kept_by_a_swap(tmp_path: Path) -> None:
    (tmp_path / "secretive.py").write_text(
        """
import msgspec

from intuition_core import Secret


class Secretive:
    class Params(msgspec.Struct):
        token: Secret = ""

    def initialize(self, params):
        pass

    def event(self, data):
        pass
"""
    )
    maker = compose(
        settle(load_config(None, environment={}, flags={"algorithm.name": "random"}), discover()), discover()
    ).maker
    assert maker is not None
    file = f"{tmp_path / 'secretive.py'}"
    assert maker("algorithm", "random", file, {}).name == "random"
    with pytest.raises(IntuitionError, match="`token`: is secret, and a swap is kept") as caught:
        maker("algorithm", "random", file, {"token": "hunter2"})
    assert "hunter2" not in str(caught.value)
