"""A session: one strategy and its journal, one writer.

Items are delivered in order by one thread. What is known is answered from the journal; what is new is run, committed,
and only then answered. Status is read from the last committed state by any thread, without waiting for a part.
"""

import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from hashlib import blake2b
from heapq import merge
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from intuition_core.account.statement import Statement
from intuition_core.data import Event
from intuition_core.determinism.apart import passing
from intuition_core.errors import IntuitionError
from intuition_core.session.journal import CLOCK, Batch, Delivery, Identity, Journal, JournalFailed, encoded
from intuition_core.supervision.crashes import FailureDecision, Release, WorkerCrash
from intuition_core.trading.composition import Part
from intuition_core.trading.engine import CallStatus, Quarantine, TradingEngine
from intuition_core.trading.records import Record, record_key
from intuition_core.trading.timers import TIMER
from intuition_core.trading.wall import Wall

SNAPSHOT_EVERY: Final = 10_000
"""Events between two snapshots; recovery replays at most so many."""

MAX_TIMERS: Final = 10_000
"""Timers that the clock tells in one batch."""

_OF_THE_DELIVERY: Final = frozenset({"ts", "start", "seq"})

Listener = Callable[[Sequence[Record]], None]

_UNSEEDED: Final = (
    "\n  The event was run before all processes had the same hash seed. A part that goes through a set may have had it "
    "in another order then, which no process can repeat. Keep the journal as it is, and begin another session with "
    "--session NAME; its replay is the same each time."
)

_log = logging.getLogger(__name__)


class StaleEpoch(IntuitionError):
    """A call from an instance of a client that a newer instance has replaced."""

    def __init__(self, client: str, epoch: int, current: int) -> None:
        self.client = client
        self.epoch = epoch
        self.current = current
        why = f"attached again since: epoch {epoch} is over, {current} goes on" if current else "has not attached"
        super().__init__(f"client `{client}` {why}; attach to go on")


class IdReused(IntuitionError):
    """An id that was seen before with other content."""

    def __init__(self, identity: str) -> None:
        self.identity = identity
        super().__init__(f"the id {identity} was given to other content before; nothing was run")


class ReplayDiffers(IntuitionError):
    """A journal whose events, run again, cause other records than it holds.

    Args:
        seq: the event.
        journaled: the record that the journal holds.
        replayed: the one that it causes now.
        seeded: whether the event was run by a process with the hash seed that all have.
    """

    def __init__(self, seq: int, journaled: Record | None, replayed: Record | None, *, seeded: bool = True) -> None:
        self.seq = seq
        self.journaled = journaled
        self.replayed = replayed
        super().__init__(
            f"event {seq} causes another record than the journal holds; a part is not deterministic, or has changed\n"
            f"  journal: {_shown(journaled)}\n  replay:  {_shown(replayed)}{'' if seeded else _UNSEEDED}"
        )


class Stopping(IntuitionError):
    """A session that another process goes on with."""

    def __init__(self) -> None:
        super().__init__("another process goes on with the session; nothing was run, and the same can be sent again")


class NothingKept(IntuitionError):
    """A session whose state cannot be kept now, so that no other process could go on with it."""

    def __init__(self) -> None:
        super().__init__("what the parts have come to cannot be kept now; start the session again, and try again")


class BehindBoundary(IntuitionError):
    """A journal whose events before a boundary would have to be run again, by parts that are others than then."""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        super().__init__(
            f"what the session had come to at event {seq}, where another version of a part was taken up, cannot be "
            "read, and what was before is never run with that version; begin another session with --session NAME"
        )


class BatchFailed(IntuitionError):
    """A defect of the core while a batch ran; nothing of the batch counts, and memory was rebuilt from the journal."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        super().__init__(f"nothing of the batch was run, because of a defect: {type(error).__name__}: {error}")


class Unheard(IntuitionError):
    """A batch from a client that has not heard what was decided meanwhile by others, or at a timer of the clock.

    Others decide with the kill switch, the shares and swaps. The client publishes records in the order in which they
    came about, and must take those of that decision first.
    """

    def __init__(self, client: str | None) -> None:
        self.client = client
        super().__init__(
            f"client `{client}` has not heard what was decided since; nothing was run: ask for `controls`, then go on"
        )


class Halted(IntuitionError):
    """A session that takes no more events, because something failed without which it must not go on."""

    def __init__(self, problem: str, *, remedy: str | None = None) -> None:
        self.problem = problem
        why = f"; {remedy}" if remedy else ", and its policy is `raise`; mend the part, or give it another policy"
        super().__init__(f"the session takes no more events: {problem}{why}, and start the session again")


class WorkerMonitor(Protocol):
    """Those who watch from outside what the parts do, and know how the last process ended."""

    casualty: WorkerCrash | None
    """How the last process ended, where a part is to blame."""
    halted: str | None
    """Why no more events are to be taken, until a person starts the session again."""

    @property
    def status(self) -> CallStatus | None:
        """Where the strategy notes which part it calls."""

    def introduce(self, parts: Sequence[Part]) -> None:
        """Know these parts by their place, from 1."""

    def running(self) -> AbstractContextManager[None]:
        """Take the time of parts meanwhile."""

    def trying(self, label: str, deadline: float) -> AbstractContextManager[None]:
        """Take the time of a part that is started meanwhile, and may be given up without harm.

        Args:
            label: the part, for messages.
            deadline: the seconds that it may take.
        """

    def carry(self, first: int, events: bytes) -> None:
        """Keep the events that are about to be run, from that number on, for the case that the process ends."""


class Unwatched:
    """Nobody watches."""

    def __init__(self) -> None:
        self.status: CallStatus | None = None
        self.casualty: WorkerCrash | None = None
        self.halted: str | None = None

    def introduce(self, parts: Sequence[Part]) -> None:
        """Do nothing."""

    def running(self) -> AbstractContextManager[None]:
        """Do nothing."""
        return nullcontext()

    def trying(self, label: str, deadline: float) -> AbstractContextManager[None]:  # noqa: ARG002  # as it is asked
        """Do nothing."""
        return nullcontext()

    def carry(self, first: int, events: bytes) -> None:
        """Do nothing."""


class Item(NamedTuple):
    """One payload, normalised: its events, and what makes it known again (None: nothing does)."""

    events: Sequence[Event]
    identity: str | None = None
    content: bytes = b""
    delivery: Delivery | None = None


class Attachment(NamedTuple):
    """What a client learns when it attaches."""

    session: str
    run: str
    epoch: int
    channels: list[str]
    last_seq: int
    window: list[Delivery]
    published: str | None


class Recovery(NamedTuple):
    """How a session came back: up to which event, from which snapshot, and how many events were replayed."""

    last_seq: int
    snapshot: int
    replayed: int


class Session:
    """Delivers events to a strategy and keeps what came of them.

    Args:
        build: makes the live parts, new; `recover` brings them to where the journal ends.
        journal: where everything is kept.
        name: how people and topics call the session.
        watch: who watches the parts.
    """

    def __init__(
        self, build: Callable[[], TradingEngine], *, journal: Journal, name: str, watch: WorkerMonitor | None = None
    ) -> None:
        self.name = name
        self._watch = watch if watch is not None else Unwatched()
        self._build = build = self._watched(build)
        self._halted: Halted | None = None
        self._handed_over = False
        self._casualties: dict[int, WorkerCrash] = {}
        self._keeps_snapshots = True
        self._engine = engine = build()
        self._wall: Wall | None = None
        self._journal = journal
        self._listeners: list[Listener] = []
        self._statement = Statement.of(engine.ledger, 0)
        self._unwritten: Batch | None = None
        self._snapshot_at = 0
        self._clients = {name: epoch for name, (epoch, _) in journal.clients().items()}
        self._controls = tuple(journal.control_events())
        self._controlled = (0, 0)
        self._withheld: frozenset[str] = frozenset()
        self._heed(journal.records_of(self._controls))
        if (told := journal.told_last) is not None:
            self._controlled = max(self._controlled, record_key(told["id"]))

    @property
    def engine(self) -> TradingEngine:
        """The live parts."""
        return self._engine

    @property
    def last_seq(self) -> int:
        """How many events were taken, as last committed."""
        return self._statement.seq

    @property
    def statement(self) -> Statement:
        """The account as last committed."""
        return self._statement

    def listen(self, listener: Listener) -> None:
        """Have a listener told of the records of each delivery, after it is committed."""
        self._listeners.append(listener)

    def replace(self, build: Callable[[], TradingEngine]) -> None:
        """Start over with another strategy; only before the first event."""
        self._build = build = self._watched(build)
        self._engine = engine = build()
        self._statement = Statement.of(engine.ledger, 0)

    def _watched(self, build: Callable[[], TradingEngine]) -> Callable[[], TradingEngine]:
        def watched() -> TradingEngine:
            with self._watch.running():
                return build()

        return watched

    @property
    def halted(self) -> str | None:
        """Why no more events are taken; None as long as they are."""
        return None if self._halted is None else self._halted.problem

    def quarantined(self) -> list[tuple[Part, Quarantine]]:
        """Give the parts that are not called any more, and why."""
        engine = self._engine
        return [(engine.parts[number - 1], why) for number, why in engine.quarantined.copy().items()]

    def recover(self) -> Recovery:
        """Bring the strategy to where the journal ends: the latest snapshot, then the events after it.

        Where the last process ended while a part ran, the part's policy is applied.

        Raises:
            ReplayDiffers: the events do not cause what the journal holds.
            BehindBoundary: what would have to be run again is never to be.
            Halted: the process ended over an event that was committed before, and the part's policy is `raise`.
            JournalFailed: a verdict cannot be kept.
        """
        casualty, self._watch.casualty = self._watch.casualty, None
        if self._watch.halted is not None:
            self._halt(self._watch.halted)
        if casualty is not None:
            self._take_up(casualty)
        self._casualties = self._journal.casualties()
        replayed = 0
        with self._watch.running(), passing():
            start = restored(self._engine, self._journal, wanted=self._keeps_snapshots)
            for _ in replayed_events(self._engine, self._journal, after=start):
                replayed += 1
        self._watch.introduce(self._engine.parts)
        self._snapshot_at = start
        self._statement = Statement.of(self._engine.ledger, self._engine.seq)
        return Recovery(self._engine.seq, start, replayed)

    def go_by(self, wall: Wall) -> None:
        """Have timers told by the wall clock from now on, too, each time that `tell_timers` is called."""
        self._wall = wall

    def tell_timers(self) -> float | None:
        """Tell the timers that are due by the wall clock, and give in how many seconds the next one is; None for none.

        Raises:
            JournalFailed, BatchFailed, Halted, Stopping: as `deliver` does.
        """
        wall = self._wall
        if wall is None:
            return None
        self._write_what_was_not()
        if due := self._engine.timers_due(wall, MAX_TIMERS):
            self.deliver([Item((dict(event),)) for event in due], client=CLOCK)
        following = self._engine.next_timer(wall)
        return None if following is None else wall.wait(following)

    def prepare(self, swap: Event) -> Event:
        """Start the part that a swap asks for, and give the event to be delivered next; see `TradingEngine.prepare`.

        Raises:
            BadSwap, PartFailed: it cannot take that place; nothing has changed.
            IntuitionError: there is no such plugin, or it does not take these parameters.
        """
        engine = self._engine
        deadline = engine.parts[engine.place(swap["kind"], swap["name"]) - 1].deadline
        label = f"{swap['kind']} {swap['use']} in place of {swap['name']}"
        with self._watch.trying(label, deadline):
            return dict(engine.prepare(swap))

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
        """Run what is new, answer what is known, and give each item's records.

        Decisions whose orders a kill has cancelled are left out: from its commit on nobody is to act on them.

        Args:
            items: in the order of their arrival.
            client: whose items they are.
            acked: the key of the client's last settled delivery.
            published: the id of the last record that the client has published.
            heard: the place up to which the client has heard of control events and of timers that the clock told; it
                need not, where None.
            control: whether the items are control events.

        Raises:
            Stopping: the session has been handed over.
            Unheard: there was one of these that the client has not heard of; nothing was run.
            JournalFailed: nothing can be promised; the same items are to be sent again.
            BatchFailed: nothing of the batch was run.
            Halted: the session takes no more events; items before the one at which that came about were taken, and
                are answered from the journal when the session goes on.
        """
        self._write_what_was_not()
        if self._handed_over:
            raise Stopping
        if self._halted is not None:
            raise self._halted
        if heard is not None and heard < self._controlled:
            raise Unheard(client)
        known = self._journal.find(item.identity for item in items if item.identity is not None)
        engine = self._engine
        first = engine.seq + 1
        killed = engine.killed
        replies: list[list[Record] | IdReused] = []
        if client != CLOCK:
            items = _with_timers(engine, items, known, self._wall)
        ahead = list(_new_events(items, known))
        content_ahead = encoded(ahead)  # before a part can change them
        self._watch.carry(first, content_ahead)
        run = _Run(self._casualties)
        happened: list[Record] = []
        identities: list[Identity] = []
        fresh: dict[str, tuple[bytes, list[Record]]] = {}
        with self._watch.running(), passing():
            for item in items:
                if item.identity is not None:
                    before = known.get(item.identity) or fresh.get(item.identity)
                    if before is not None:
                        content, stored = before
                        replies.append(stored if content == item.content else IdReused(item.identity))
                        continue
                if engine.halted is not None:
                    break
                start = engine.seq + 1
                records: list[Record] = []
                try:
                    for event in item.events:
                        records.extend(run.step(engine, event))
                        engine.leave_if_forked()
                except BaseException as error:
                    engine.leave_if_forked()
                    self._engine = self._build()
                    self.recover()
                    raise BatchFailed(error) from error
                happened.extend(records)
                replies.append(records)
                if item.identity is not None:
                    fresh[item.identity] = (item.content, records)
                    identities.append(Identity(item.identity, item.content, start, engine.seq))
        if control:
            self._heed_swaps(happened, run)
        ran = engine.seq - first + 1
        controls: Sequence[int] = ()
        if control or engine.killed is not killed:
            controls = list(dict.fromkeys(record["seq"] for record in happened if record["type"] == "control"))
        batch = Batch(
            first=first,
            last=engine.seq,
            client=client,
            events=content_ahead if ran == len(ahead) else ahead[:ran],
            records=happened,
            identities=identities,
            deliveries=[item.delivery for item in items[: len(replies)] if item.delivery is not None],
            acked=acked,
            published=published,
            snapshot=self._snapshot(),
            verdicts=run.verdicts(engine, first),
            settled=run.settled,
            controls=controls,
        )
        if engine.halted is not None:
            self._halt(str(engine.halted))
        if ran or batch.deliveries or acked is not None or published is not None:
            self._unwritten = batch
            self._write_what_was_not()
        if self._wall is not None and client != CLOCK and ran:
            self._wall.note(engine.now)
        for n in run.settled:
            self._casualties.pop(n, None)
        if len(replies) < len(items):
            raise Halted(str(engine.halted))
        if self._withheld:
            return [reply if isinstance(reply, IdReused) else self._without_withheld(reply) for reply in replies]
        return replies

    def _heed_swaps(self, records: Iterable[Record], run: "_Run") -> None:
        """Clear the crash records of parts that were swapped out."""
        for record in swapped(records):
            run.settled += [n for n, casualty in self._casualties.items() if casualty.part == record["place"]]
            self._watch.introduce(self._engine.parts)

    def hand_over(self, event: Event) -> list[Record]:
        """Take a last event, up to which nothing is ever to be run again, and leave the session to another process.

        Raises:
            NothingKept: a part gives no state.
            JournalFailed: it cannot be kept; the session goes on here.
        """
        self._write_what_was_not()
        engine = self._engine
        seq = engine.seq + 1
        with self._watch.running(), passing():
            records = list(engine.step(event))
            engine.leave_if_forked()
            state = engine.snapshot() if self._keeps_snapshots else None
        batch = Batch(
            first=seq, last=seq, events=[event], records=records, snapshot=state, controls=[seq], boundary=True
        )
        try:
            self._commit_boundary(batch)
        except (JournalFailed, NothingKept):
            self._engine = self._build()
            self.recover()
            raise
        self._handed_over = True
        self._snapshot_at = seq
        self._statement = Statement.of(engine.ledger, seq)
        self._tell(records)
        return records

    def _commit_boundary(self, batch: Batch) -> None:
        if batch.snapshot is None:
            raise NothingKept
        self._journal.commit(batch)

    def knows(self, identity: str | None) -> bool:
        """Say whether an item was taken before; what nothing makes known again was not.

        Raises:
            JournalFailed: what was run last is not kept yet, and cannot be.
        """
        self._write_what_was_not()
        return identity is not None and bool(self._journal.find((identity,)))

    def _without_withheld(self, records: list[Record]) -> list[Record]:
        withheld = self._withheld
        return [record for record in records if record["id"] not in withheld] if withheld else records

    def _heed(self, records: Iterable[Record]) -> None:
        """Take note of the records of control events: which came last, and which decisions nobody is to act on."""
        cancelled: list[str] = []
        for record in records:
            self._controlled = max(self._controlled, record_key(record["id"]))
            if record["type"] == "rejection":
                cancelled.append(record["cause"])
        self._withheld = self._withheld.union(cancelled)

    def _write_what_was_not(self) -> None:
        """Commit the batch in hand. Memory may be one batch ahead of the journal, and never runs on from there."""
        batch = self._unwritten
        if batch is None:
            return
        self._journal.commit(batch)
        self._unwritten = None
        if batch.snapshot is not None:
            self._snapshot_at = batch.last
        if batch.controls:
            self._controls += tuple((batch.first, seq) for seq in batch.controls)
            self._heed(record for record in batch.records if record["seq"] in batch.controls)
        if batch.client == CLOCK and batch.records:
            self._controlled = max(self._controlled, record_key(batch.records[-1]["id"]))
        self._statement = Statement.of(self._engine.ledger, self._engine.seq)
        if batch.records:
            self._tell(batch.records)

    def _tell(self, records: Sequence[Record]) -> None:
        """Tell listeners what was committed; whatever goes wrong with one, that stays done, and the others are told."""
        for listener in self._listeners:
            try:
                listener(records)
            except Exception as error:  # noqa: BLE001  # what is committed is answered, whoever cannot take note of it
                _log.error(
                    "seq %d: %s failed with %s: %s; the records are kept all the same",
                    records[-1]["seq"],
                    type(listener).__name__,
                    type(error).__name__,
                    error,
                    exc_info=error if _log.isEnabledFor(logging.DEBUG) else None,
                )

    def _snapshot(self) -> bytes | None:
        if self._engine.seq - self._snapshot_at < SNAPSHOT_EVERY:
            return None
        state = self._state()
        if state is None:
            self._snapshot_at = self._engine.seq  # a part cannot be kept; do not ask again for every batch
        return state

    def _state(self) -> bytes | None:
        if not self._keeps_snapshots:
            return None
        with self._watch.running():
            return self._engine.snapshot()

    def keep_snapshot(self) -> bool:
        """Keep what the events so far have made; say whether every part gave its state.

        Raises:
            JournalFailed: it cannot be kept.
        """
        state = self._state()
        if state is not None:
            self._journal.keep_snapshot(self._engine.seq, state)
            self._snapshot_at = self._engine.seq
        return state is not None

    def close(self) -> None:
        """Keep a snapshot, so that the next start replays nothing, and let the journal go."""
        with self._journal:
            try:
                self._write_what_was_not()
                state = self._state() if self._engine.seq > self._snapshot_at else None
                if state is not None:
                    self._journal.keep_snapshot(self._engine.seq, state)
            except JournalFailed as error:
                _log.warning("%s", error)

    # -- parts during which a process ended

    def _take_up(self, casualty: WorkerCrash) -> None:
        """Apply a part's policy to the end of the last process."""
        part = self._engine.parts[casualty.part - 1]
        if casualty.state:
            # Replay serves as well, and does not ask the part for anything that it did not survive.
            self._keeps_snapshots = False
            _log.warning("no snapshots until the next start: %s: %s", part.label, casualty.problem)
        elif part.policy == "raise":
            problem = f"{part.label}: {casualty.problem}, at event {casualty.seq}"
            if casualty.seq <= self._journal.last_seq:
                raise Halted(problem)
            self._halt(problem)
        elif casualty.seq <= self._journal.last_seq:
            self._journal.judge(_verdict(self._engine, casualty, casualty.seq))
        elif casualty.event is not None:
            self._journal.mourn(casualty)

    def halt(self, problem: str) -> None:
        """Take no more events, for a reason that is no part's: something failed without which there is no trading."""
        self._halt(problem, remedy="mend that, or declare it inessential")

    def _halt(self, problem: str, *, remedy: str | None = None) -> None:
        self._halted = Halted(problem, remedy=remedy)
        self._watch.halted = problem
        _log.error("%s", self._halted)

    # -- clients

    def attach(self, client: str) -> Attachment:
        """Begin a new epoch of one client; an older instance of the same name is fenced, no other is.

        Raises:
            JournalFailed: the epoch cannot be kept.
        """
        self._write_what_was_not()
        seq = self._engine.seq
        # A new client receives only records that were written after it first attached.
        before = f"{self._engine.run}:{seq}:{sys.maxsize}" if seq else None
        epoch = self._journal.attach(client, before=before)
        self._clients = {**self._clients, client: epoch}
        _, published = self._journal.clients()[client]
        return Attachment(
            self.name,
            self._engine.run,
            epoch,
            self._engine.inlets,
            self._engine.seq,
            self._journal.window(client),
            published,
        )

    def check_epoch(self, client: str, epoch: int) -> None:
        """Refuse what has been replaced.

        Raises:
            StaleEpoch: a newer instance of the client has attached, or the client never did.
        """
        current = self._clients.get(client, 0)
        if epoch != current or not current:
            raise StaleEpoch(client, epoch, current)

    def confirm(self, client: str, *, acked: str | None = None, published: str | None = None) -> None:
        """Note what a client has passed on: its last settled delivery, and the last record it published.

        Raises:
            JournalFailed: it cannot be kept.
        """
        if acked is not None or published is not None:
            self._journal.confirm(client, acked, published)

    def outbox(self, client: str, limit: int) -> list[Record]:
        """Give the records that a client has not confirmed as published, oldest first.

        They are those of its own items, of control events and of timers that the clock told, without decisions whose
        orders a kill has cancelled.
        """
        _, published = self._journal.clients().get(client, (0, None))
        after = record_key(published) if published else (0, 0)
        while found := self._journal.outbox(client, after, limit):
            if kept := self._without_withheld(found):
                return kept
            after = record_key(found[-1]["id"])
        return []

    def clients(self) -> Mapping[str, int]:
        """Give the clients that have attached, and their epochs."""
        return self._clients

    # -- status, for any thread

    def controls(self, after: tuple[int, int]) -> Iterator[Record]:
        """Give the records after a (seq, n) of all that came about by no client's items, oldest first.

        That are events by which the switch, the shares or parts were changed, and timers that the clock told.

        Raises:
            BadJournal: the journal cannot be read.
        """
        if after < self._controlled:
            events = [(first, seq) for first, seq in self._controls if seq >= after[0]]
            decided = (record for record in self._journal.records_of(events) if record_key(record["id"]) > after)
            switched = {seq for _, seq in events}  # such as by a part that turned the switch at a timer
            left_out = self._withheld
            told = (
                each
                for each in self._journal.told_by_clock(after)
                if each["seq"] not in switched and each["id"] not in left_out
            )
            yield from merge(decided, told, key=lambda each: record_key(each["id"]))

    def decisions(self, after: tuple[int, int]) -> Iterator[list[Record]]:
        """Give the decisions after a (seq, n), oldest first, some at a time, as `Journal.decisions` does.

        Those whose orders a kill has cancelled are left out: nobody is to act on them any more.

        Raises:
            BadJournal: the journal cannot be read.
        """
        return map(self._without_withheld, self._journal.decisions(after))


def restored(engine: TradingEngine, journal: Journal, *, wanted: bool = True) -> int:
    """Bring a strategy to the latest snapshot that it can take up, and give the event; 0 where there is none.

    Args:
        engine: before its first event.
        journal: where the snapshots are.
        wanted: whether to take one that is not needed, rather than to run all again.

    Raises:
        BehindBoundary: there is none after which everything may be run again.
    """
    boundary = journal.boundary
    for seq, state in journal.snapshots():
        if (wanted or seq == boundary) and seq >= boundary and engine.restore(state):
            return seq
    if boundary:
        raise BehindBoundary(boundary)
    return 0


def swapped(records: Iterable[Record]) -> Iterator[Record]:
    """Give those of some records that tell of a part that took the place of another."""
    return (record for record in records if record["type"] == "control" and record["action"] == "swap")


def replayed_events(
    engine: TradingEngine, journal: Journal, *, after: int = 0, until: int | None = None, compare: bool = True
) -> Iterator[Sequence[Record]]:
    """Run a journal's events through a strategy, and give each event's records.

    Args:
        engine: at event ``after``.
        journal: read from there.
        after: the last event that is not to be run.
        until: the last event to be run.
        compare: hold the records against the journal's.

    Raises:
        ReplayDiffers: at the first record that is not the journal's, byte for byte; what an error says is left out.
    """
    verdicts = journal.verdicts()
    releases = journal.releases()
    unseeded = journal.meta().get("seeded_after", sys.maxsize)
    engine.judging = False
    try:
        for events, records in journal.batches(after):
            place = 0
            for event in events:
                if until is not None and engine.seq >= until:
                    return
                _release(engine, releases)
                seq = engine.seq + 1
                again = engine.step(event) if seq not in verdicts else _follow(engine, event, verdicts[seq])
                engine.leave_if_forked()
                if compare:
                    stored = []
                    while place < len(records) and records[place]["seq"] == seq:
                        stored.append(records[place])
                        place += 1
                    _hold_against(seq, stored, again, seeded=seq > unseeded)
                yield again
        _release(engine, releases)
    finally:
        engine.judging = True


def _follow(engine: TradingEngine, event: Event, verdicts: Sequence[FailureDecision]) -> Sequence[Record]:
    """Run an event as it was run when parts failed at it."""
    own = [verdict for verdict in verdicts if verdict.name == _name(engine, verdict.part)]
    records = engine.step_without(event, {verdict.part: verdict.problem for verdict in own if not verdict.called})
    for verdict in own:
        if verdict.quarantined:
            engine.quarantine(verdict.part, verdict.problem)
    return records


def _release(engine: TradingEngine, releases: Sequence[Release]) -> None:
    """Call again the parts whose quarantine ended after the event that the strategy has come to."""
    for release in releases:
        if release.seq == engine.seq and release.name == _name(engine, release.part):
            engine.release(release.part)


class _Run:
    """One batch on its way through the strategy; events at which a process ended before are recognised."""

    def __init__(self, casualties: Mapping[int, WorkerCrash]) -> None:
        self.settled: list[int] = []
        self._casualties = casualties
        self._verdicts: list[FailureDecision] = []

    def step(self, engine: TradingEngine, event: Event) -> Sequence[Record]:
        found = self._found(event) if self._casualties else {}
        if not found:
            return engine.step(event)
        verdicts = [
            _verdict(engine, casualty, engine.seq + 1)
            for casualty in found.values()
            if casualty.part not in engine.quarantined
        ]
        self.settled.extend(found)
        self._verdicts.extend(verdicts)
        return _follow(engine, event, verdicts)

    def verdicts(self, engine: TradingEngine, first: int) -> list[FailureDecision]:
        """Give what was decided, and what the strategy itself has decided since an event."""
        judged = {verdict.part for verdict in self._verdicts}
        return self._verdicts + [
            FailureDecision(why.seq, part, _name(engine, part), called=True, quarantined=True, problem=why.problem)
            for part, why in engine.quarantined.items()
            if why.seq >= first and part not in judged
        ]

    def _found(self, event: Event) -> dict[int, WorkerCrash]:
        content = _content(event)
        alike = {
            n: casualty
            for n, casualty in self._casualties.items()
            if n not in self.settled and casualty.event is not None and _content(casualty.event) == content
        }
        if event["channel"] != TIMER:
            return alike
        same = {n: casualty for n, casualty in alike.items() if _stands_for(event, casualty.event)}
        self.settled += alike.keys() - same.keys()  # a moment that was skipped never comes again
        return same


def _content(event: Mapping[str, Any]) -> bytes:
    # As for `identity_of`; but what has no id may be told from others by its number alone.
    left_out = _OF_THE_DELIVERY if "id" in event else ("ts", "start")
    if event["channel"] == TIMER:
        left_out = ("ts", "missed")  # see `_stands_for`
    return msgspec.msgpack.encode({key: value for key, value in event.items() if key not in left_out}, order="sorted")


def _stands_for(timer: Mapping[str, Any], earlier: Mapping[str, Any] | None) -> bool:
    """Say whether a timer is one that was told before and not kept, or a later one that is told in its place now."""
    if earlier is None:
        return False
    return bool(timer["ts"] == earlier["ts"] or (timer["ts"] > earlier["ts"] and timer["missed"]))


def _verdict(engine: TradingEngine, casualty: WorkerCrash, seq: int) -> FailureDecision:
    quarantined = engine.parts[casualty.part - 1].policy == "quarantine"
    name = _name(engine, casualty.part)
    return FailureDecision(seq, casualty.part, name, called=False, quarantined=quarantined, problem=casualty.problem)


def _name(engine: TradingEngine, number: int) -> str:
    if number > len(engine.parts):
        return ""
    part = engine.parts[number - 1]
    return f"{part.kind} {part.name}"


def _with_timers(
    engine: TradingEngine, items: Sequence[Item], known: Mapping[str, Any], wall: Wall | None
) -> Sequence[Item]:
    """Give items with the timers that are due before their events: they are events of the session like any other."""
    if not engine.timed:
        return items
    expanded = iter(engine.with_timers(list(_new_events(items, known)), wall))
    new = frozenset(id(event) for event in _new_events(items, known))
    given = []
    for item in items:
        events: list[Event] = []
        for event in item.events:
            if id(event) not in new:
                events.append(event)
                continue
            for each in expanded:
                events.append(dict(each) if each is not event else event)
                if each is event:
                    break
        given.append(item._replace(events=events))
    return given


def _new_events(items: Sequence[Item], known: Mapping[str, Any]) -> Iterator[Event]:
    seen: set[str] = set()
    for item in items:
        if item.identity is not None:
            if item.identity in known or item.identity in seen:
                continue
            seen.add(item.identity)
        yield from item.events


def _hold_against(seq: int, stored: Sequence[Record], again: Sequence[Record], *, seeded: bool) -> None:
    if not stored and not again:
        return
    for n in range(max(len(stored), len(again))):
        one = stored[n] if n < len(stored) else None
        other = again[n] if n < len(again) else None
        if _compared(one) != _compared(other):
            raise ReplayDiffers(seq, one, other, seeded=seeded)


def _compared(record: Record | None) -> bytes:
    # What an exception says may hold an address, or a set in any order, and decides nothing.
    if record is not None and record["type"] == "error":
        record = {**record, "problem": None}
    return msgspec.msgpack.encode(record)


def _shown(record: Record | None) -> str:
    return "nothing" if record is None else msgspec.json.encode(record).decode()


def identity_of(payload: Any, delivery: Delivery | None) -> tuple[str | None, bytes]:
    """Give what makes a payload known again, and a digest of its content.

    A publisher's own ``id`` counts before a connector's key; it is scoped by channel and source. A payload is known as
    a whole: one of several symbols by its id; an array by the ids of its elements, if each has one. Where all have the
    same, the array is known by it as a single payload would be.
    """
    if isinstance(payload, Mapping):
        elements: Sequence[Any] = (payload,)
    else:
        elements = payload if isinstance(payload, list | tuple) else ()
    if elements and all(map(_has_id, elements)):
        scopes = [[element.get("channel"), element.get("source"), element["id"]] for element in elements]
        # The time may have been stamped on the way, a bar's start is known to some sources and not to others, and a
        # replay from another place counts its messages anew: all of these may differ each time.
        said = [{key: value for key, value in element.items() if key not in _OF_THE_DELIVERY} for element in elements]
        try:
            distinct = list(dict.fromkeys(msgspec.json.encode(scope).decode() for scope in scopes))
            content = _digest(said if isinstance(payload, list | tuple) else said[0])
            return f"id:{distinct[0]}" if len(distinct) == 1 else f"ids:{_digest(distinct).hex()}", content
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError, UnicodeError):
            return None, b""  # it cannot be read anyway
    if delivery is not None:
        return delivery.key, delivery.hash.encode()
    return None, b""


def _has_id(payload: Any) -> bool:
    return isinstance(payload, Mapping) and isinstance(payload.get("id"), str | int)


def _digest(content: Any) -> bytes:
    return blake2b(msgspec.msgpack.encode(content), digest_size=16).digest()
