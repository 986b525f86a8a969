"""A session: one strategy and its journal, one writer.

Items are delivered in order by one thread. What is known is answered from the journal; what is new is run, committed,
and only then answered. Status is read from the last committed state by any thread, without waiting for a part.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from intuition_core.data import Event
from intuition_core.errors import IntuitionError
from intuition_core.journal import Batch, Delivery, Identity, Journal, JournalFailed, position
from intuition_core.ledger import Statement
from intuition_core.records import Record
from intuition_core.strategy import Strategy

KEPT_DECISIONS: Final = 100_000
SNAPSHOT_EVERY: Final = 10_000
"""Events between two snapshots; recovery replays at most so many."""

Listener = Callable[[Sequence[Record]], None]

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
    """A journal whose events, run again, cause other records than it holds."""

    def __init__(self, seq: int, journaled: Record | None, replayed: Record | None) -> None:
        self.seq = seq
        self.journaled = journaled
        self.replayed = replayed
        super().__init__(
            f"event {seq} causes another record than the journal holds; a part is not deterministic, or has changed\n"
            f"  journal: {_shown(journaled)}\n  replay:  {_shown(replayed)}"
        )


class BatchFailed(IntuitionError):
    """A defect of the core while a batch ran; nothing of the batch counts, and memory was rebuilt from the journal."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        super().__init__(f"nothing of the batch was run, because of a defect: {type(error).__name__}: {error}")


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
    """

    def __init__(self, build: Callable[[], Strategy], *, journal: Journal, name: str) -> None:
        self.name = name
        self._build = build
        self._strategy = strategy = build()
        self._journal = journal
        self._listeners: list[Listener] = []
        self._decisions: deque[Record] = deque(maxlen=KEPT_DECISIONS)
        self._statement = Statement.of(strategy.ledger, 0)
        self._unwritten: Batch | None = None
        self._snapshot_at = 0
        self._clients = {name: epoch for name, (epoch, _) in journal.clients().items()}

    @property
    def strategy(self) -> Strategy:
        """The live parts."""
        return self._strategy

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

    def replace(self, build: Callable[[], Strategy]) -> None:
        """Start over with another strategy; only before the first event."""
        self._strategy = strategy = build()
        self._build = build
        self._statement = Statement.of(strategy.ledger, 0)

    def recover(self) -> Recovery:
        """Bring the strategy to where the journal ends: the latest snapshot, then the events after it.

        Raises:
            ReplayDiffers: the events do not cause what the journal holds.
        """
        start = 0
        for seq, state in self._journal.snapshots():
            if self._strategy.restore(state):
                start = seq
                break
        replayed = 0
        for _ in replayed_events(self._strategy, self._journal, after=start):
            replayed += 1
        self._snapshot_at = start
        self._decisions.clear()
        latest = self._journal.latest_records(KEPT_DECISIONS)
        self._decisions.extend(record for record in latest if record["type"] == "decision")
        self._statement = Statement.of(self._strategy.ledger, self._strategy.seq)
        return Recovery(self._strategy.seq, start, replayed)

    def deliver(
        self,
        items: Sequence[Item],
        *,
        client: str | None = None,
        acked: str | None = None,
        published: str | None = None,
    ) -> list[list[Record] | IdReused]:
        """Run what is new, answer what is known, and give each item's records.

        Args:
            items: in the order of their arrival.
            client: whose items they are.
            acked: the key of the client's last settled delivery.
            published: the id of the last record that the client has published.

        Raises:
            JournalFailed: nothing can be promised; the same items are to be sent again.
            BatchFailed: nothing of the batch was run.
        """
        self._write_what_was_not()
        known = self._journal.find(item.identity for item in items if item.identity is not None)
        strategy = self._strategy
        first = strategy.seq + 1
        replies: list[list[Record] | IdReused] = []
        events: list[Event] = []
        happened: list[Record] = []
        identities: list[Identity] = []
        fresh: dict[str, tuple[bytes, list[Record]]] = {}
        for item in items:
            if item.identity is not None:
                before = known.get(item.identity) or fresh.get(item.identity)
                if before is not None:
                    content, stored = before
                    replies.append(stored if content == item.content else IdReused(item.identity))
                    continue
            start = strategy.seq + 1
            records: list[Record] = []
            try:
                for event in item.events:
                    records.extend(strategy.step(event))
            except Exception as error:
                self._strategy = self._build()
                self.recover()
                raise BatchFailed(error) from error
            events.extend(item.events)
            happened.extend(records)
            replies.append(records)
            if item.identity is not None:
                fresh[item.identity] = (item.content, records)
                identities.append(Identity(item.identity, item.content, start, strategy.seq))
        batch = Batch(
            first=first,
            last=strategy.seq,
            client=client,
            events=events,
            records=happened,
            identities=identities,
            deliveries=[item.delivery for item in items if item.delivery is not None],
            acked=acked,
            published=published,
            snapshot=self._snapshot(),
        )
        if events or batch.deliveries or acked is not None or published is not None:
            self._unwritten = batch
            self._write_what_was_not()
        return replies

    def _write_what_was_not(self) -> None:
        """Commit the batch in hand. Memory may be one batch ahead of the journal, and never runs on from there."""
        batch = self._unwritten
        if batch is None:
            return
        self._journal.commit(batch)
        self._unwritten = None
        if batch.snapshot is not None:
            self._snapshot_at = batch.last
        self._decisions.extend(record for record in batch.records if record["type"] == "decision")
        self._statement = Statement.of(self._strategy.ledger, self._strategy.seq)
        if batch.records:
            for listener in self._listeners:
                listener(batch.records)

    def _snapshot(self) -> bytes | None:
        if self._strategy.seq - self._snapshot_at < SNAPSHOT_EVERY:
            return None
        state = self._strategy.snapshot()
        if state is None:
            self._snapshot_at = self._strategy.seq  # a part cannot be kept; do not ask again for every batch
        return state

    def close(self) -> None:
        """Keep a snapshot, so that the next start replays nothing, and let the journal go."""
        try:
            self._write_what_was_not()
            state = self._strategy.snapshot() if self._strategy.seq > self._snapshot_at else None
            if state is not None:
                self._journal.keep_snapshot(self._strategy.seq, state)
        except JournalFailed as error:
            _log.warning("%s", error)
        self._journal.close()

    # -- clients

    def attach(self, client: str) -> Attachment:
        """Begin a new epoch of one client; an older instance of the same name is fenced, no other is.

        Raises:
            JournalFailed: the epoch cannot be kept.
        """
        self._write_what_was_not()
        epoch = self._journal.attach(client)
        self._clients = {**self._clients, client: epoch}
        _, published = self._journal.clients()[client]
        return Attachment(
            self.name,
            self._strategy.run,
            epoch,
            self._strategy.channels,
            self._strategy.seq,
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
        """Give the records of a client's items that it has not confirmed as published, oldest first."""
        _, published = self._journal.clients().get(client, (0, None))
        return self._journal.outbox(client, position(published) if published else (0, 0), limit)

    def clients(self) -> Mapping[str, int]:
        """Give the clients that have attached, and their epochs."""
        return self._clients

    # -- status, for any thread

    def decisions(self, since_seq: int, limit: int) -> list[Record]:
        """Give decisions of events after a sequence number, oldest first; the latest 100,000 are kept."""
        kept = tuple(self._decisions)
        return list(islice((record for record in kept if record["seq"] > since_seq), limit))


def replayed_events(
    strategy: Strategy, journal: Journal, *, after: int = 0, until: int | None = None, compare: bool = True
) -> Iterator[Sequence[Record]]:
    """Run a journal's events through a strategy, and give each event's records.

    Args:
        strategy: at event ``after``.
        journal: read from there.
        after: the last event that is not to be run.
        until: the last event to be run.
        compare: hold the records against the journal's.

    Raises:
        ReplayDiffers: at the first record that is not the journal's, byte for byte.
    """
    for events, records in journal.batches(after):
        place = 0
        for event in events:
            if until is not None and strategy.seq >= until:
                return
            again = strategy.step(event)
            if compare:
                stored = []
                while place < len(records) and records[place]["seq"] == strategy.seq:
                    stored.append(records[place])
                    place += 1
                _hold_against(strategy.seq, stored, again)
            yield again


def _hold_against(seq: int, stored: Sequence[Record], again: Sequence[Record]) -> None:
    if not stored and not again:
        return
    for n in range(max(len(stored), len(again))):
        one = stored[n] if n < len(stored) else None
        other = again[n] if n < len(again) else None
        if msgspec.msgpack.encode(one) != msgspec.msgpack.encode(other):
            raise ReplayDiffers(seq, one, other)


def _shown(record: Record | None) -> str:
    return "nothing" if record is None else msgspec.json.encode(record).decode()


def identity_of(payload: Any, delivery: Delivery | None) -> tuple[str | None, bytes]:
    """Give what makes a payload known again, and a digest of its content.

    A publisher's own ``id`` counts before a connector's key; it is scoped by channel and source. A payload of several
    events has none of its own.
    """
    if isinstance(payload, Mapping) and isinstance(payload.get("id"), str | int):
        scope = [payload.get("channel"), payload.get("source"), payload["id"]]
        # The time may have been stamped on the way, and then differs each time.
        content = {key: value for key, value in payload.items() if key != "ts"}
        try:
            return "id:" + msgspec.json.encode(scope).decode(), _digest(content)
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError, UnicodeError):
            return None, b""  # it cannot be read anyway
    if delivery is not None:
        return delivery.key, delivery.hash.encode()
    return None, b""


def _digest(content: Any) -> bytes:
    from hashlib import blake2b

    return blake2b(msgspec.msgpack.encode(content), digest_size=16).digest()
