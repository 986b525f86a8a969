"""Publications on their way to the broker: those that wait, those in flight, and the records among them."""

from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence

from paho.mqtt.client import Client

from intuition_connector_mqtt.delivery import Delivery
from intuition_connector_mqtt.presence import Publication
from intuition_core.trading.records import record_key


class OutgoingPublish:
    """A publication that the broker has not acknowledged, and the message that caused it, if any."""

    __slots__ = ("acknowledged", "delivery", "publication")

    def __init__(self, publication: Publication, delivery: Delivery | None = None) -> None:
        self.publication = publication
        self.delivery = delivery
        self.acknowledged = False


class Outbox:
    """The publications of one session, in order, over all its connections.

    Args:
        window: publications that may be unacknowledged at once.
        finished: called with each message once all publications that it caused are acknowledged.
    """

    def __init__(self, window: int, finished: Callable[[Delivery], None]) -> None:
        self.published: str | None = None
        """The id of the last record whose publication was acknowledged, and that of all records before it."""
        self._window = window
        self._finished = finished
        self._waiting: deque[OutgoingPublish] = deque()
        self._in_flight: dict[int, OutgoingPublish] = {}  # by packet id
        self._records: deque[OutgoingPublish] = deque()  # those that carry records, in order
        self._retained: dict[str, Publication] = {}  # by topic: the latest alone is worth publishing
        self._suppressed: set[str] = set()  # records in flight that are not published again

    @property
    def congested(self) -> bool:
        """Whether so much waits that nothing should be added."""
        return len(self._waiting) + len(self._in_flight) >= 2 * self._window

    @property
    def drained(self) -> bool:
        """Whether all publications are acknowledged; retained ones that wait do not count."""
        return not self._waiting and not self._in_flight

    @property
    def empty(self) -> bool:
        """Whether nothing at all is left to publish."""
        return self.drained and not self._retained

    def add(self, publications: Iterable[Publication], delivery: Delivery | None = None) -> int:
        """Publish after all that waits; the number of publications.

        Args:
            publications: the publications, in order.
            delivery: the message that caused them.
        """
        count = 0
        for publication in publications:
            outgoing = OutgoingPublish(publication, delivery)
            self._waiting.append(outgoing)
            if publication.record is not None:
                self._records.append(outgoing)
            count += 1
        return count

    def alert(self, publications: Sequence[Publication]) -> None:
        """Publish before all that waits, in addition to the publication in its place; nothing if nothing waits."""
        if self._waiting:
            self._waiting.extendleft(OutgoingPublish(each._replace(record=None)) for each in reversed(publications))

    def retain(self, publication: Publication) -> None:
        """Publish the new retained value of a topic; of several that wait only the latest is sent."""
        self._retained[publication.topic] = publication

    def suppress(self, records: Container[str | None]) -> None:
        """Publish none of these records any more; those in flight may have arrived, and are not sent again.

        Args:
            records: ids of records that count as published from here on.
        """
        waiting, self._waiting = self._waiting, deque()
        for outgoing in waiting:
            if outgoing.publication.record in records:
                self._settle(outgoing)
            else:
                self._waiting.append(outgoing)
        in_flight = (outgoing.publication.record for outgoing in self._in_flight.values())
        self._suppressed.update(record for record in in_flight if record is not None and record in records)

    def flush(self, client: Client) -> None:
        """Hand publications to the client, retained ones first, until the window is full."""
        while self._retained and len(self._in_flight) < self._window:
            self._send(client, OutgoingPublish(self._retained.pop(next(iter(self._retained)))))
        while self._waiting and len(self._in_flight) < self._window:
            self._send(client, self._waiting.popleft())

    def acknowledge(self, packet: int) -> None:
        """Book the broker's acknowledgement of a publication."""
        self._settle(self._in_flight.pop(packet))

    def topic_of(self, packet: int) -> str:
        """The topic of a publication in flight."""
        return self._in_flight[packet].publication.topic

    def requeue(self) -> None:
        """Have everything in flight published again, in its old order, on the next connection."""
        for outgoing in reversed(self._in_flight.values()):
            if outgoing.publication.retain:
                self._retained.setdefault(outgoing.publication.topic, outgoing.publication)
            elif outgoing.publication.record in self._suppressed:
                self._settle(outgoing)
            else:
                self._waiting.appendleft(outgoing)
        self._in_flight.clear()
        self._suppressed.clear()

    def _send(self, client: Client, outgoing: OutgoingPublish) -> None:
        publication = outgoing.publication
        info = client.publish(publication.topic, publication.payload, qos=1, retain=publication.retain)
        self._in_flight[info.mid] = outgoing

    def _settle(self, outgoing: OutgoingPublish) -> None:
        outgoing.acknowledged = True
        while self._records and self._records[0].acknowledged:
            record = self._records.popleft().publication.record
            if record is not None and _is_later(record, self.published):
                self.published = record
        delivery = outgoing.delivery
        if delivery is not None:
            delivery.outstanding -= 1
            if not delivery.outstanding:
                self._finished(delivery)


def _is_later(record: str, other: str | None) -> bool:
    """Whether a record came after another: a message known from before has its old records published again."""
    try:
        return other is None or record_key(record) > record_key(other)
    except ValueError:
        return True  # a foreign backend's ids carry no order
