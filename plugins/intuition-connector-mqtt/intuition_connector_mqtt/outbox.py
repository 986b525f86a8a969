"""Publications on their way to the broker: those that wait, those in flight, and the records among them."""

import logging
from collections import deque
from collections.abc import Callable, Container, Iterable, Sequence

import msgspec
from paho.mqtt.client import Client

from intuition_connector_mqtt.delivery import Delivery
from intuition_connector_mqtt.limits import BrokerLimits, dead_letter, packet_size
from intuition_connector_mqtt.occasions import Occasions
from intuition_connector_mqtt.presence import Publication
from intuition_core.records import record_key

log = logging.getLogger(__name__)


class OutgoingPublish:
    """A publication that the broker has not acknowledged, and the message that caused it, if any."""

    __slots__ = ("acknowledged", "delivery", "losses", "publication")

    def __init__(self, publication: Publication, delivery: Delivery | None = None) -> None:
        self.publication = publication
        self.delivery = delivery
        self.acknowledged = False
        self.losses = 0
        """Connections that were lost while it was in flight."""


class Outbox:
    """The publications of one session, in order, over all its connections.

    A publication that is too large for the broker goes to `dead` in short, in its place.

    Args:
        window: publications that may be unacknowledged at once.
        finished: called with each message once all publications that it caused are acknowledged.
        dead: the topic of dead letters.
    """

    def __init__(self, window: int, finished: Callable[[Delivery], None], *, dead: str) -> None:
        self.published: str | None = None
        """The id of the last record whose publication was acknowledged, and that of all records before it."""
        self._largest_window = self._window = window
        self._limits = BrokerLimits()
        self._dead = dead
        self._refused_size: int | None = None  # the smallest packet known to be refused
        self._occasions = Occasions()
        self._told: set[str] = set()  # topics of retained publications that are too large
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

    def limit(self, limits: BrokerLimits) -> None:
        """Keep to the limits of a broker from here on."""
        sizes = [size for size in (limits.packet, self._refused_size and self._refused_size - 1) if size is not None]
        self._limits = msgspec.structs.replace(limits, packet=min(sizes, default=None))
        self._window = min(self._largest_window, limits.in_flight)

    def acknowledge(self, packet: int) -> None:
        """Book the broker's acknowledgement of a publication."""
        self._settle(self._in_flight.pop(packet))

    def refuse(self, packet: int, reason: str) -> None:
        """Send a publication in flight to `dead`: the broker will never take it.

        Args:
            packet: its packet id.
            reason: the broker's.
        """
        outgoing = self._in_flight.pop(packet)
        problem = f"the broker refused it: {reason}"
        hopeless = outgoing.publication.retain or outgoing.publication.topic == self._dead
        if hopeless or (letter := self._letter(outgoing, problem)) is None:
            self._leave_out(outgoing, problem)
        else:
            outgoing.publication = letter
            self._waiting.appendleft(outgoing)

    def blame_largest(self, *, losses: int = 0, size: int = 0) -> None:
        """Take the largest publication in flight for the reason why the broker closed the connection.

        It goes to `dead`, and so does every later one that is as large.

        Args:
            losses: connections that were lost with it, at least; the present one does not count.
            size: bytes of its packet, at least.
        """
        suspects = [each.publication for each in self._in_flight.values() if each.losses >= losses]
        largest = max((packet_size(each.topic, each.payload) for each in suspects), default=0)
        if largest > size:
            self._refused_size = largest

    def topic_of(self, packet: int) -> str:
        """The topic of a publication in flight."""
        return self._in_flight[packet].publication.topic

    def requeue(self) -> None:
        """Queue everything in flight again, in its old order, for the next connection."""
        for outgoing in reversed(self._in_flight.values()):
            outgoing.losses += 1
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
        if self._limits.packet is not None and not self._limits.takes(publication.topic, publication.payload):
            reason = f"{len(publication.payload)} bytes; the broker takes packets of at most {self._limits.packet}"
            letter = None if publication.retain else self._letter(outgoing, reason)
            if letter is None:
                self._leave_out(outgoing, reason)
                return
            outgoing.publication = publication = letter
        retain = publication.retain and self._limits.retain
        info = client.publish(publication.topic, publication.payload, qos=1, retain=retain)
        self._in_flight[info.mid] = outgoing

    def _letter(self, outgoing: OutgoingPublish, reason: str) -> Publication | None:
        publication = outgoing.publication
        if (count := self._occasions.occasion()) is not None:
            others = f", and {count - 1} others" if count > 1 else ""
            log.warning("a publication on %s%s went to %s: %s", publication.topic, others, self._dead, reason)
        return dead_letter(publication, reason, topic=self._dead, limits=self._limits)

    def _leave_out(self, outgoing: OutgoingPublish, reason: str) -> None:
        topic = outgoing.publication.topic
        if topic not in self._told:
            self._told.add(topic)
            log.warning("%s is not published: %s; look at the broker's limits", topic, reason)
        self._settle(outgoing)

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
