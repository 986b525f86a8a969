"""The clients of a session, each with the epoch of its latest instance and what it has passed on."""

from collections.abc import Mapping
from typing import NamedTuple

from intuition_core.session.batch import Delivery
from intuition_core.session.errors import StaleEpoch
from intuition_core.session.journal import Journal


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
    """

    session: str
    run: str
    epoch: int
    channels: list[str]
    last_seq: int
    window: list[Delivery]
    published: str | None


class Clients:
    """The clients that have attached. The epochs may be read by any thread.

    Args:
        journal: where they are kept.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._epochs: Mapping[str, int] = {name: epoch for name, (epoch, _) in journal.clients().items()}

    @property
    def epochs(self) -> Mapping[str, int]:
        """The epoch of each client, as last committed."""
        return self._epochs

    def attach(self, client: str, *, before: str | None) -> tuple[int, str | None]:
        """Begin a new epoch of a client; return its number, and the id of the last record that it has published.

        Args:
            client: its name.
            before: the id of a record; a new client has nothing to publish up to there.

        Raises:
            JournalFailed: the epoch cannot be kept.
        """
        epoch = self._journal.attach(client, before=before)
        self._epochs = {**self._epochs, client: epoch}
        _, published = self._journal.clients()[client]
        return epoch, published

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
