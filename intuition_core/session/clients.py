"""The clients of a session, each with the epoch of its latest instance and what it has passed on."""

import logging
import sys
from collections.abc import Mapping
from typing import NamedTuple

from intuition_core.session.batch import Delivery
from intuition_core.session.errors import StaleEpoch
from intuition_core.session.identity import is_scoped, key_within, scoped_key
from intuition_core.session.journal import Journal
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import record_key

_log = logging.getLogger(__name__)


class Attachment(NamedTuple):
    """What a client learns when it attaches.

    Attributes:
        session: the name of the session.
        run: the id of the run, the first part of each record's id.
        epoch: the number of this instance of the client.
        channels: the channels to listen to.
        last_seq: the number of the session's last event.
        window: its deliveries that are not settled, oldest first.
        published: the id of the last record that it has published.
        head: the head of the journal, to be told again with what is sent; None in memory.
    """

    session: str
    run: str
    epoch: int
    channels: list[str]
    last_seq: int
    window: list[Delivery]
    published: str | None
    head: str | None = None


def _event_of(record_id: str) -> int | None:
    """Return the number of a record's event; None where the id is none."""
    try:
        return record_key(record_id)[0]
    except ValueError:
        return None


class Clients:
    """The clients that have attached. The epochs may be read by any thread.

    Args:
        journal: where they are kept.

    Attributes:
        heads: what clients are told of the last commit, and tell again.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self.heads = journal.heads
        self._epochs: Mapping[str, int] = {name: epoch for name, (epoch, _) in journal.clients().items()}

    @property
    def epochs(self) -> Mapping[str, int]:
        """The epoch of each client, as last committed."""
        return self._epochs

    def set_aside_unusable(self, *, run: str, last_seq: int) -> None:
        """Write what older versions took from clients in a form in which it can be used, and tell of what cannot.

        Keys of deliveries are brought within their client. A client that confirmed a record which there cannot be, and
        for which it would be given nothing any more, is given records again: all of them, unless the record would be
        the session's own; then the confirmation counts up to the last event.

        Args:
            run: the id of the session's run.
            last_seq: the number of its last event.

        Raises:
            JournalFailed: it cannot be kept.
        """
        for client, (_, published) in self._journal.clients().items():
            unscoped = [each.key for each in self._journal.window(client) if not is_scoped(client, each.key)]
            if unscoped:
                self._journal.rename_deliveries(client, {key: scoped_key(client, key) for key in unscoped})
            seq = 0 if published is None else _event_of(published)
            if seq is not None and seq <= last_seq:
                continue
            ours = seq is not None and last_seq and str(published).startswith(f"{run}:")
            self._journal.set_published(client, f"{run}:{last_seq}:{sys.maxsize}" if ours else None)
            _log.warning(
                "client `%s` confirmed the record %.100s, which there is not; %s",
                client,
                ascii(published),
                f"it counts as having published all up to event {last_seq}"
                if ours
                else "it is given all records again",
            )

    def attach(self, client: str, engine: TradingEngine, *, session: str) -> Attachment:
        """Begin a new epoch of a client, and return what it learns.

        Args:
            client: its name.
            engine: the live parts, as last committed.
            session: the session's name.

        Raises:
            JournalFailed: the epoch cannot be kept.
        """
        # A new client receives only records that were written after it first attached.
        before = f"{engine.run}:{engine.seq}:{sys.maxsize}" if engine.seq else None
        epoch = self._journal.attach(client, before=before)
        self._epochs = {**self._epochs, client: epoch}
        _, published = self._journal.clients()[client]
        window = [each._replace(key=key_within(client, each.key)) for each in self._journal.window(client)]
        latest = self.heads.latest
        return Attachment(session, engine.run, epoch, engine.inlets, engine.seq, window, published, latest)

    def check_epoch(self, client: str, epoch: int) -> None:
        """Refuse an instance of a client that is not the latest.

        Raises:
            StaleEpoch: a newer instance of the client has attached, or the client never did.
        """
        current = self._epochs.get(client, 0)
        if epoch != current or not current:
            raise StaleEpoch(client, epoch, current)

    def confirm(self, client: str, *, acked: str | None = None, published: str | None = None) -> None:
        """Write what a client has passed on.

        Args:
            client: its name.
            acked: the key of its last settled delivery.
            published: the id of the last record that it has published.

        Raises:
            JournalFailed: it cannot be kept.
        """
        if acked is not None or published is not None:
            self._journal.confirm(client, acked, published)
