"""A session: one composition and its journal, one writer.

Items are delivered in order by one thread. What is known is answered from the journal; what is new is run, committed,
and only then answered. Status is read from the last committed state by any thread, without waiting for a part.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec

from intuition_core.account.statement import Statement
from intuition_core.data import Event
from intuition_core.determinism.apart import passing
from intuition_core.errors import IntuitionError
from intuition_core.session.answers import Answers
from intuition_core.session.batch import CLOCK, Batch
from intuition_core.session.batch_run import BatchRun, Item, NoUrgentCalls, Plan, UrgentCalls, plan_batch
from intuition_core.session.clients import Attachment, Clients
from intuition_core.session.errors import (
    BatchFailed,
    Halted,
    IdReused,
    NothingKept,
    Stopping,
    Unheard,
)
from intuition_core.session.journal import Journal
from intuition_core.session.judging import decision_after
from intuition_core.session.known import find_known
from intuition_core.session.listeners import Listener, Listeners
from intuition_core.session.monitor import Unwatched, WorkerMonitor
from intuition_core.session.outbox import Outbox
from intuition_core.session.recovery import Recovery, replayed_events, restored, swapped
from intuition_core.session.tidying import Tidying
from intuition_core.supervision.crashes import WorkerCrash
from intuition_core.trading.composition import Part
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record
from intuition_core.trading.roster import Quarantine
from intuition_core.trading.wall import Wall

SNAPSHOT_EVERY: Final = 10_000
"""Events between two snapshots; recovery replays at most so many."""

MAX_TIMERS: Final = 10_000
"""Timers told in one batch of the wall clock."""

_log = logging.getLogger(__name__)


class Session:
    """Delivers events to an engine and keeps what came of them.

    Args:
        build: makes the live parts, new; `recover` brings them to where the journal ends.
        journal: where everything is kept.
        name: how people and topics call the session.
        watch: who watches the parts.

    Attributes:
        name: the session's name.
        clients: the clients that have attached.
        outbox: the committed records that go out.
        tidying: drops what the journal is not to keep.
    """

    def __init__(
        self, build: Callable[[], TradingEngine], *, journal: Journal, name: str, watch: WorkerMonitor | None = None
    ) -> None:
        self.name = name
        self._watch = watch if watch is not None else Unwatched()
        self._build = build = self._watched(build)
        self._halted: Halted | None = None
        self._handed_over = False
        self._crashes: dict[int, WorkerCrash] = {}
        self._keeps_snapshots = True
        self._engine = engine = build()
        self._wall: Wall | None = None
        self._journal = journal
        self._listeners = Listeners()
        self._statement = Statement.of(engine.ledger, 0)
        self._urgent: UrgentCalls = NoUrgentCalls()
        self._unwritten: Batch | None = None
        self._astray = False
        self._snapshot_at = 0
        self.tidying = Tidying(journal)
        self.clients = Clients(journal)
        self.outbox = Outbox(journal)

    @property
    def engine(self) -> TradingEngine:
        """The live parts."""
        return self._engine

    @property
    def last_seq(self) -> int:
        """The number of the last event, as last committed."""
        return self._statement.seq

    @property
    def statement(self) -> Statement:
        """The account as last committed."""
        return self._statement

    @property
    def halted(self) -> str | None:
        """Why no more events are taken; None as long as they are."""
        return None if self._halted is None else self._halted.problem

    def quarantined(self) -> list[tuple[Part, Quarantine]]:
        """Return the parts in quarantine, which are called no more, each with the reason."""
        engine = self._engine
        return [(engine.parts[number - 1], why) for number, why in engine.quarantined.copy().items()]

    def make_room_for(self, urgent: UrgentCalls) -> None:
        """Run urgent calls between the items of a batch from now on; what ran before them is committed first."""
        self._urgent = urgent

    def run_urgent(self) -> None:
        """Run the urgent calls that wait; only between batches, on the thread that delivers them."""
        if self._urgent.waiting:
            self._urgent.run_waiting()

    def listen(self, listener: Listener) -> None:
        """Add a listener; it is called with the records of each delivery after the commit."""
        self._listeners.add(listener)

    def replace(self, build: Callable[[], TradingEngine]) -> None:
        """Start over with another engine; only before the first event."""
        build = self._watched(build)
        self._engine = engine = build()
        self._build = build
        self._statement = Statement.of(engine.ledger, 0)

    def _watched(self, build: Callable[[], TradingEngine]) -> Callable[[], TradingEngine]:
        def watched() -> TradingEngine:
            with self._watch.running():
                return build()

        return watched

    # -- recovery

    def recover(self) -> Recovery:
        """Bring the engine to where the journal ends: the latest snapshot, then the events after it.

        Where the last process ended while a part ran, the part's policy is applied.

        Raises:
            ReplayDiffers: the events do not cause what the journal holds.
            BehindBoundary: events would have to be run again that are never to be.
            Halted: the process ended over an event that was committed before, and the part's policy is `raise`.
            JournalFailed: a decision cannot be kept.
        """
        crash, self._watch.crash = self._watch.crash, None
        if self._watch.halted is not None:
            self.halt(self._watch.halted, remedy=None)
        if crash is not None:
            self._take_up(crash)
        self._crashes = self._journal.failures.crashes()
        replayed = 0
        with self._watch.running(), passing():
            start = restored(self._engine, self._journal, wanted=self._keeps_snapshots)
            for _ in replayed_events(self._engine, self._journal, after=start):
                replayed += 1
        self._watch.introduce(self._engine.parts)
        self._snapshot_at = start
        self._statement = Statement.of(self._engine.ledger, self._engine.seq)
        return Recovery(self._engine.seq, start, replayed)

    def _rebuild(self) -> None:
        """Bring a new engine to where the journal ends, in place of one that may be elsewhere.

        Where that fails, it is tried again before anything else is run.
        """
        self._astray = True
        self._unwritten = None
        self._engine = self._build()
        self.recover()
        self._astray = False

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Return a context of a batch that is not committed; after a defect, the engine is rebuilt from the journal.

        Raises:
            BatchFailed: nothing of the batch counts.
        """
        try:
            yield
        except BaseException as error:
            self._engine.leave_if_forked()
            self._rebuild()
            raise BatchFailed(error) from error

    def _take_up(self, crash: WorkerCrash) -> None:
        """Apply a part's policy to the end of the last process."""
        part = self._engine.parts[crash.part - 1]
        if crash.state:
            # A replay serves as well, and does not ask the part for the state that it did not survive giving.
            self._keeps_snapshots = False
            _log.warning("no snapshots until the next start: %s: %s", part.label, crash.problem)
        elif part.policy == "raise":
            problem = f"{part.label}: {crash.problem}, at event {crash.seq}"
            if crash.seq <= self._journal.last_seq:
                raise Halted(problem)
            self.halt(problem, remedy=None)
        elif crash.seq <= self._journal.last_seq:
            self._journal.failures.record_decision(decision_after(self._engine, crash, crash.seq))
        elif crash.event is not None:
            self._journal.failures.record_crash(crash)

    # -- timers

    def go_by(self, wall: Wall) -> None:
        """Use a wall clock for timers, too; `tell_timers` then takes those that are due."""
        self._wall = wall

    def tell_timers(self) -> float | None:
        """Deliver the timers that are due by the wall clock; return the seconds until the next one, None without one.

        Raises:
            JournalFailed, BatchFailed, Halted, Stopping: as `deliver` does.
        """
        wall = self._wall
        if wall is None:
            return None
        self._write_pending()
        if due := self._engine.timers.due(wall, MAX_TIMERS):
            self.deliver([Item((dict(event),)) for event in due], client=CLOCK)
        following = self._engine.timers.next(wall)
        return None if following is None else wall.wait(following)

    # -- events

    def deliver(
        self,
        items: Sequence[Item],
        *,
        client: str | None = None,
        acked: str | None = None,
        published: str | None = None,
        heard: tuple[int, int] | None = None,
        control: bool = False,
    ) -> list[list[Record] | IdReused]:
        """Run what is new, answer what is known, and return each item's records.

        Where urgent calls wait, what has run is committed, they are run, and the other items follow as a batch of their
        own. Decisions whose orders a kill has cancelled are left out: nobody is to act on them.

        Args:
            items: in the order of their arrival.
            client: whose items they are.
            acked: the key of the client's last settled delivery.
            published: the id of the last record that the client has published.
            heard: the place up to which the client has heard of control events and of timers of the wall clock; records
                of those that come between two items are in its answer, too. None for callers that need not.
            control: whether the items are control events.

        Raises:
            Stopping: the session has been handed over.
            Unheard: there was a control event or a timer that the client has not heard of; nothing was run.
            JournalFailed: nothing can be promised; the same items are to be sent again.
            BatchFailed: nothing was run of the batch, or of what followed an urgent call.
            Halted: the session takes no more events; items before that were taken, and are answered when it goes on.
        """
        self._write_pending()
        if heard is not None and heard < self.outbox.last:
            raise Unheard(client)
        answers = Answers(self.outbox, whole=heard is not None)
        left = items
        while True:
            replies = self._deliver(left, client=client, acked=acked, published=published, control=control)
            answers.add(left[: len(replies)], replies)
            left = left[len(replies) :]
            if not left:
                return answers.given()
            before = self.outbox.last
            self._urgent.run_waiting()
            answers.note_controls(before)

    def _deliver(
        self, items: Sequence[Item], *, client: str | None, acked: str | None, published: str | None, control: bool
    ) -> list[list[Record] | IdReused]:
        """Run and commit the items up to the first one at which urgent calls wait; return their replies.

        It raises what `deliver` does.
        """
        self._write_pending()  # again, as urgent calls may have run since `deliver` did, and left a batch in hand
        if self._handed_over:
            raise Stopping
        if self._halted is not None:
            raise self._halted
        plan = self._plan(items, client)
        killed = self._engine.killed
        run = self._run(plan)
        with self._all_or_nothing():
            if control:
                self._settle_swapped(run)
            controls = run.controls() if control or self._engine.killed is not killed else ()
            batch = run.batch(
                self._engine,
                client=client,
                acked=acked,
                published=published,
                controls=controls,
                snapshot=self._snapshot(),
            )
        self._commit(batch, run)
        if len(run.replies) < len(plan.items) and self._engine.halted is not None:
            raise Halted(str(self._engine.halted))
        return run.replies

    def _plan(self, items: Sequence[Item], client: str | None) -> Plan:
        """Find what is known of a batch, and have its new events kept by who watches."""
        items, known = find_known(self._journal, items, self._urgent)
        plan = plan_batch(self._engine, items, known, wall=self._wall, timers=client != CLOCK)
        self._watch.carry(plan.first, plan.content)
        return plan

    def _run(self, plan: Plan) -> BatchRun:
        """Run a batch; after a defect, rebuild the engine from the journal.

        It raises `BatchFailed` where nothing of the batch counts.
        """
        run = BatchRun(plan, self._crashes)
        with self._watch.running(), passing(), self._all_or_nothing():
            run.run(self._engine, self._urgent)
        return run

    def _settle_swapped(self, run: BatchRun) -> None:
        """Clear the crash records of parts that were swapped out."""
        for record in swapped(run.records):
            run.settled += [n for n, crash in self._crashes.items() if crash.part == record["place"]]
            self._watch.introduce(self._engine.parts)

    def _commit(self, batch: Batch, run: BatchRun) -> None:
        """Write a batch that has something to be written, and take up what follows from it.

        Raises:
            JournalFailed: the batch stays in hand, and is written before anything else is run.
            BatchFailed: the journal can never hold it; nothing of it counts.
        """
        engine = self._engine
        ran = batch.last >= batch.first
        if engine.halted is not None:
            self.halt(str(engine.halted), remedy=None)
        if ran or batch.deliveries or batch.acked is not None or batch.published is not None:
            self._unwritten = batch
            self._write(batch)
            self.tidying.step_if_time()
        if self._wall is not None and batch.client != CLOCK and ran:
            self._wall.note(engine.now)
        for n in run.settled:
            self._crashes.pop(n, None)

    def _write_pending(self) -> None:
        """Commit the batch in hand. Memory may be one batch ahead of the journal, and never runs on from there.

        Raises:
            JournalFailed: nothing was written.
        """
        if self._astray:
            self._rebuild()
        if self._unwritten is not None:
            try:
                self._write(self._unwritten)
            except BatchFailed as error:
                _log.error("%s; its caller was told to send it again", error)

    def _write(self, batch: Batch) -> None:
        try:
            self._journal.commit(batch)
        except IntuitionError:
            raise
        except Exception as error:
            self._rebuild()
            raise BatchFailed(error) from error
        self._unwritten = None
        if batch.snapshot is not None:
            self._snapshot_at = batch.last
        self.outbox.note(batch)
        self._statement = Statement.of(self._engine.ledger, self._engine.seq)
        if batch.records:
            self._listeners.tell(batch.records)

    def knows(self, item: Item) -> bool:
        """Return whether an item was taken before; False where it has no identity.

        Raises:
            JournalFailed: the last batch is not kept yet, and cannot be.
        """
        self._write_pending()
        return bool(find_known(self._journal, (item,), self._urgent)[1])

    # -- other parts, other processes

    def prepare(self, swap: Event) -> Event:
        """Start the part that a swap asks for, and return the event to be delivered next; see `TradingEngine.prepare`.

        Raises:
            BadSwap, PartFailed: it cannot take that place; nothing has changed.
            IntuitionError: there is no such plugin, or it does not take these parameters.
        """
        engine = self._engine
        deadline = engine.parts[engine.swaps.place(swap["kind"], swap["name"]) - 1].deadline
        label = f"{swap['kind']} {swap['use']} in place of {swap['name']}"
        with self._watch.trying(label, deadline):
            return dict(engine.prepare(swap))

    def hand_over(self, event: Event) -> list[Record]:
        """Take a last event, up to which nothing is ever to be run again, and leave the session to another process.

        Raises:
            NothingKept: a part gives no state.
            JournalFailed: it cannot be kept; the session goes on here.
        """
        self._write_pending()
        engine = self._engine
        seq = engine.seq + 1
        try:
            with self._watch.running(), passing():
                records = list(engine.step(event))
                engine.leave_if_forked()
                state = engine.snapshot() if self._keeps_snapshots else None
            if state is None:
                raise NothingKept  # noqa: TRY301  # what the event did is undone below
            last = Batch(first=seq, last=seq, events=[event], records=records, controls=[seq])
            self._journal.commit(msgspec.structs.replace(last, snapshot=state, boundary=True))
        except BaseException:
            engine.leave_if_forked()
            self._rebuild()
            raise
        self._handed_over = True
        self._snapshot_at = seq
        self._statement = Statement.of(engine.ledger, seq)
        self._listeners.tell(records)
        return records

    def halt(self, problem: str, *, remedy: str | None = "mend that, or declare it inessential") -> None:
        """Take no more events, because something failed without which there is no trading."""
        self._halted = Halted(problem, remedy=remedy)
        self._watch.halted = problem
        _log.error("%s", self._halted)

    # -- snapshots

    def _snapshot(self) -> bytes | None:
        seq = self._engine.seq
        if seq - self._snapshot_at < SNAPSHOT_EVERY and not self.tidying.is_due(seq):
            return None
        state = self._state()
        if state is None:
            self.tidying.tell_no_state()
            self._snapshot_at = seq  # a part cannot be kept; do not ask again for every batch
        return state

    def _state(self) -> bytes | None:
        if not self._keeps_snapshots:
            return None
        with self._watch.running():
            return self._engine.snapshot()

    def keep_snapshot(self) -> bool:
        """Keep the state after the last event; return whether every part gave its own.

        Raises:
            JournalFailed: it cannot be kept.
        """
        state = self._state()
        if state is not None:
            self._journal.keep_snapshot(self._engine.seq, state)
            self._snapshot_at = self._engine.seq
        return state is not None

    def close(self) -> None:
        """Keep a snapshot, so that the next start replays nothing, and close the journal."""
        with self._journal:
            try:
                self._write_pending()
                state = self._state() if self._engine.seq > self._snapshot_at else None
                if state is not None:
                    self._journal.keep_snapshot(self._engine.seq, state)
            except IntuitionError as error:
                _log.warning("%s", error)

    # -- clients

    def attach(self, client: str) -> Attachment:
        """Begin a new epoch of one client; an older instance of the same name is fenced, no other is.

        Raises:
            JournalFailed: the epoch cannot be kept.
        """
        self._write_pending()
        return self.clients.attach(client, self._engine, session=self.name)
