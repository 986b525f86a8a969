"""A session: one strategy, one writer, and what is remembered of it.

Items are delivered in order by one thread. Status is read from the last committed state by any thread, without waiting
for a part. Everything is in memory.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple

from intuition_core.data import Event
from intuition_core.errors import IntuitionError
from intuition_core.ledger import Statement
from intuition_core.records import Record
from intuition_core.strategy import Strategy

_KEPT_RECORDS: Final = 100_000

Listener = Callable[[Sequence[Record]], None]


class StaleEpoch(IntuitionError):
    """A call from an instance of a client that a newer instance has replaced."""

    def __init__(self, client: str, epoch: int, current: int) -> None:
        self.client = client
        self.epoch = epoch
        self.current = current
        super().__init__(
            f"client `{client}` attached again since: epoch {epoch} is over, {current} goes on; attach to go on"
        )


class Attachment(NamedTuple):
    """What a client learns when it attaches."""

    session: str
    epoch: int
    channels: list[str]
    last_seq: int
    window: list[Any]


class _Client:
    __slots__ = ("acked", "epoch", "published")

    def __init__(self) -> None:
        self.epoch = 0
        self.acked = 0
        self.published: str | None = None


class Session:
    """Delivers events to a strategy and keeps its decisions.

    Args:
        strategy: the live parts.
        name: how people and topics call the session.
        listeners: told of the records of each delivery, after it is done.
    """

    def __init__(self, strategy: Strategy, *, name: str, listeners: Sequence[Listener] = ()) -> None:
        self.name = name
        self._strategy = strategy
        self._listeners = tuple(listeners)
        self._clients: dict[str, _Client] = {}
        self._decisions: deque[Record] = deque(maxlen=_KEPT_RECORDS)
        self._statement = Statement.of(strategy.ledger, 0)

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

    def replace(self, strategy: Strategy) -> None:
        """Start over with another strategy; only before the first event."""
        self._strategy = strategy
        self._statement = Statement.of(strategy.ledger, 0)

    def deliver(self, items: Sequence[Sequence[Event]]) -> list[list[Record]]:
        """Run items, each one or several normalised events, and give the records of each."""
        step = self._strategy.step
        replies: list[list[Record]] = []
        happened: list[Record] = []
        for events in items:
            records: list[Record] = []
            for event in events:
                records.extend(step(event))
            replies.append(records)
            happened.extend(records)
        self._decisions.extend(record for record in happened if record["type"] == "decision")
        self._statement = Statement.of(self._strategy.ledger, self._strategy.seq)
        if happened:
            for listener in self._listeners:
                listener(happened)
        return replies

    def attach(self, client: str) -> Attachment:
        """Begin a new epoch of one client; an older instance of the same name is fenced, no other is."""
        known = self._clients.setdefault(client, _Client())
        known.epoch += 1
        return Attachment(self.name, known.epoch, self._strategy.channels, self.last_seq, [])

    def confirm(self, client: str, epoch: int, *, acked: int | None = None, published: str | None = None) -> None:
        """Note what a client has passed on: how many items it acknowledged, and the last record it published.

        Raises:
            StaleEpoch: a newer instance of the client has attached.
        """
        known = self._clients.setdefault(client, _Client())
        if epoch != known.epoch:
            raise StaleEpoch(client, epoch, known.epoch)
        if acked is not None:
            known.acked = acked
        if published is not None:
            known.published = published

    def decisions(self, since_seq: int, limit: int) -> list[Record]:
        """Give decisions of events after a sequence number, oldest first; the latest 100,000 are kept."""
        kept = tuple(self._decisions)
        return list(islice((record for record in kept if record["seq"] > since_seq), limit))

    def clients(self) -> Mapping[str, int]:
        """Give the attached clients and their epochs."""
        return {name: client.epoch for name, client in self._clients.copy().items()}
