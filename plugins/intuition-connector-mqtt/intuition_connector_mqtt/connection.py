"""One MQTT session that comes back by itself, turned by its owner: there is no thread and no callback to the owner.

What arrives waits in `Connection.inbox` until the owner settles it, oldest first, with what is to be published on
account of it. It is acknowledged once the broker has acknowledged all of that, in the order in which it arrived.
"""

import logging
import select
import ssl
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from intuition_connector_mqtt.address import Address
from intuition_connector_mqtt.backoff import Backoff
from intuition_connector_mqtt.client import CONNECT_TIMEOUT, BrokerRefused, make_client, protocol_name
from intuition_connector_mqtt.presence import Presence, Publication
from intuition_connector_mqtt.reading import Item
from intuition_connector_mqtt.waker import Waker
from intuition_core.errors import IntuitionError

WINDOW: Final = 1000
"""Messages that the broker may send, and publications that we may send, before one is acknowledged."""

MAX_WAITING: Final = 2000
MAX_WAITING_BYTES: Final = 16 * 1024 * 1024
EXCERPT: Final = 1024
"""Bytes that are kept of a payload that is too large to be read."""

_READS_PER_TURN: Final = 2000
_STABLE: Final = 5.0  # seconds after which a connection counts as one that works
_UNSUPPORTED_VERSION: Final = 132
_NOT_LET_IN: Final = {133, 134, 135, 138, 140}  # identifier, user or password, not authorised, banned, method
_TAKEN_OVER: Final = 142

log = logging.getLogger(__name__)


class PublishRefused(IntuitionError):
    """A broker that does not take what we publish."""

    def __init__(self, topic: str, reason: str) -> None:
        self.topic = topic
        self.reason = reason
        super().__init__(f"the broker refused what was published on {topic}: {reason}; look at its access rules")


class SubscribeRefused(IntuitionError):
    """A broker that does not let us listen."""

    def __init__(self, filters: Sequence[str], reason: str) -> None:
        self.filters = tuple(filters)
        self.reason = reason
        super().__init__(
            f"the broker refused to subscribe us to {', '.join(filters)}: {reason}; look at its access rules"
        )


class SessionTaken(IntuitionError):
    """A second connector that uses the same session."""

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        super().__init__(f"another connector took over as `{client_id}`; a session has one connector at a time")


class Delivery:
    """A message that was received and is not yet acknowledged."""

    __slots__ = ("item", "mid", "outstanding", "payload", "qos", "size", "topic", "unreadable")

    def __init__(self, *, topic: str, payload: bytes, size: int, mid: int, qos: int) -> None:
        self.topic = topic
        self.payload = payload
        self.size = size
        self.mid = mid
        self.qos = qos
        self.item: Item | None = None
        self.unreadable: str | None = None
        self.outstanding = 0


class Connection:
    """A persistent session at a broker.

    Args:
        address: where the broker is, with the credentials.
        tls: what to trust; None for the system's certificates.
        client_id: the session's name at the broker.
        filters: what to subscribe to.
        presence: what is announced, and left as the last will.
        waker: ends a wait early.
        keepalive: seconds of silence after which the broker is asked whether it is there.
        expiry: seconds for which the broker keeps the session of a connector that is away.
        max_payload: bytes above which a payload is not kept.
    """

    def __init__(
        self,
        *,
        address: Address,
        tls: ssl.SSLContext | None,
        client_id: str,
        filters: Sequence[str],
        presence: Presence,
        waker: Waker,
        keepalive: int,
        expiry: int,
        max_payload: int,
    ) -> None:
        self.inbox: deque[Delivery] = deque()
        self.acked = 0
        """Messages acknowledged so far."""
        self.published: str | None = None
        """The record whose publication was acknowledged last."""
        self._address = address
        self._tls = tls
        self._client_id = client_id
        self._filters = filters
        self._presence = presence
        self._waker = waker
        self._keepalive = keepalive
        self._expiry = expiry
        self._max_payload = max_payload
        self._client: Client | None = None
        self._protocol = MQTTv5
        self._backoff = Backoff()
        self._retry_at = 0.0
        self._deadline = 0.0
        self._accepted = False  # of this connection: CONNACK said yes
        self._ready = False  # of this connection: subscribed
        self._was_ready = False  # ever
        self._since = 0.0
        self._closing = False
        self._said: ReasonCode | None = None
        self._fatal: Exception | None = None
        self._received = 0
        self._waiting_bytes = 0
        self._settled: deque[Delivery] = deque()
        self._outgoing: deque[tuple[Publication, Delivery | None]] = deque()
        self._retained: dict[str, Publication] = {}
        self._in_flight: dict[int, tuple[Publication, Delivery | None]] = {}
        self._window = WINDOW

    @property
    def ready(self) -> bool:
        """Whether messages can arrive."""
        return self._ready

    @property
    def congested(self) -> bool:
        """Whether so much waits to be published that nothing should be added."""
        return len(self._outgoing) + len(self._in_flight) >= 2 * WINDOW

    def turn(self, seconds: float) -> None:
        """Send what waits, receive what has arrived, and wait for something to arrive for at most so long.

        Raises:
            BrokerRefused: the broker does not let us in, and never did.
            PublishRefused: the broker does not take what we publish.
            SubscribeRefused: the broker does not let us listen.
            SessionTaken: another connector uses the same session.
        """
        if self._client is None:
            wait = self._retry_at - time.monotonic()
            if wait > 0:
                self._waker.wait(min(wait, seconds))
                return
            self._open()
        else:
            self._exchange(seconds, self._waker)
        self._raise()

    def settle(self, delivery: Delivery, publications: Iterable[Publication]) -> None:
        """Say what to publish on account of the oldest message of the inbox; then it is acknowledged."""
        if self.inbox.popleft() is not delivery:
            msg = "messages are settled in the order in which they arrived"
            raise ValueError(msg)
        self._waiting_bytes -= len(delivery.payload)
        for publication in publications:
            self._outgoing.append((publication, delivery))
            delivery.outstanding += 1
        self._settled.append(delivery)

    def retain(self, publication: Publication) -> None:
        """Publish what replaces the earlier value of its topic; of several that wait only the latest is sent."""
        self._retained[publication.topic] = publication

    def close(self, patience: float = 5.0) -> None:
        """Finish what was settled, say goodbye and disconnect; what was not settled comes again another time."""
        deadline = time.monotonic() + patience
        self._closing = True
        if self._accepted:
            self.retain(self._presence.state("disconnected"))
        while self._client is not None and self._accepted and time.monotonic() < deadline:
            if not (self._outgoing or self._in_flight or self._settled or self._retained):
                break
            self._forget_inbox()
            self._exchange(0.1, None)
        client, self._client = self._client, None
        if client is None:
            return
        if self._accepted:
            client.on_disconnect = None
            client.disconnect()
            while (sock := client.socket()) is not None and client.want_write() and time.monotonic() < deadline:
                select.select([], [sock], [], 0.1)
                client.loop_write()
        _drop(client)

    # Connecting

    def _open(self) -> None:
        client = make_client(
            self._address, client_id=self._client_id, protocol=self._protocol, tls=self._tls, persistent=True
        )
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        # Its presence makes paho queue packets, which are then written once per turn.
        client.on_socket_register_write = _nothing
        will = self._presence.state("lost")
        client.will_set(will.topic, will.payload, qos=1, retain=True)
        self._said = None
        self._accepted = self._ready = False
        self._deadline = time.monotonic() + 2 * CONNECT_TIMEOUT
        self._client = client
        try:
            if self._protocol == MQTTv5:
                properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's own gap
                properties.SessionExpiryInterval = self._expiry
                properties.ReceiveMaximum = WINDOW
                client.connect(
                    self._address.host, self._address.port, self._keepalive, clean_start=False, properties=properties
                )
            else:
                client.connect(self._address.host, self._address.port, self._keepalive)
            client.loop_write()
        except ssl.SSLCertVerificationError as error:
            if not self._was_ready:
                problem = (
                    f"its certificate is not to be trusted ({error.verify_message}); name its authority by `ca_file`"
                )
                self._fatal = BrokerRefused(self._address, problem)
            self._lost(str(error))
        except (OSError, ValueError) as error:
            self._lost(getattr(error, "strerror", None) or str(error))

    def _on_connect(
        self, client: Client, _userdata: Any, flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._said = reason
        if reason.is_failure:
            return
        self._accepted = True
        self._window = min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW))
        if self._was_ready and flags.session_present:
            self._subscribed()
            return
        if self._was_ready:
            log.warning("the broker forgot the session: messages published while it was away are lost")
        self.retain(self._presence.state("init"))
        if self._protocol == MQTTv5:
            # A broker that knows the session must not send retained messages again.
            options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            client.subscribe([(topic, options) for topic in self._filters])
        else:
            client.subscribe([(topic, 1) for topic in self._filters])

    def _on_subscribe(
        self, _client: Client, _userdata: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        for topic, reason in zip(self._filters, reasons, strict=False):
            if reason.is_failure:
                self._fatal = SubscribeRefused([topic], str(reason))
                return
            if reason.value == 0:
                log.warning("the broker grants %s only QoS 0: messages can be lost", topic)
        self._subscribed()

    def _subscribed(self) -> None:
        again = "back at" if self._was_ready else "connected to"
        log.info("%s the broker %s with %s", again, self._address, protocol_name(self._protocol))
        self._ready = self._was_ready = True
        self._since = time.monotonic()
        self.retain(self._presence.description())
        self.retain(self._presence.state("ready"))

    # Exchanging

    def _exchange(self, seconds: float, waker: Waker | None) -> None:
        client = self._client
        if client is None:
            return
        self._flush(client)
        sock = client.socket()
        if sock is not None:
            room = len(self.inbox) < MAX_WAITING and self._waiting_bytes < MAX_WAITING_BYTES
            buffered = room and isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
            readers: list[Any] = [sock] if room else []
            if waker is not None:
                readers.append(waker)
            writers = [sock] if client.want_write() else []
            readable, _, _ = select.select(readers, writers, [], 0 if buffered else max(seconds, 0.0))
            if buffered or sock in readable:
                self._read(client)
            client.loop_misc()
            self._flush(client)
        if client.socket() is None:
            if not self._accepted and self._protocol == MQTTv5 and self._code() in (None, _UNSUPPORTED_VERSION):
                # A broker that knows no MQTT 5 says so, or closes the connection without a word.
                log.debug("no MQTT 5 with %s: %s; trying MQTT 3.1.1", self._address, self._reason())
                self._client = None
                self._protocol = MQTTv311
                self._retry_at = 0.0
            else:
                self._lost(self._reason())
        elif not self._accepted and time.monotonic() > self._deadline:
            self._lost("it does not answer")

    def _read(self, client: Client) -> None:
        for _ in range(_READS_PER_TURN):
            before = self._received
            client.loop_read()
            full = len(self.inbox) >= MAX_WAITING or self._waiting_bytes >= MAX_WAITING_BYTES
            if self._received == before or full or client.socket() is None:
                return

    def _flush(self, client: Client) -> None:
        if self._accepted:
            while self._retained and len(self._in_flight) < self._window:
                topic = next(iter(self._retained))
                self._send(client, self._retained.pop(topic), None)
            while self._outgoing and len(self._in_flight) < self._window:
                self._send(client, *self._outgoing.popleft())
            while self._settled and self._settled[0].outstanding == 0:
                delivery = self._settled.popleft()
                if delivery.qos:
                    client.ack(delivery.mid, delivery.qos)
                self.acked += 1
        if client.want_write():
            client.loop_write()

    def _send(self, client: Client, publication: Publication, delivery: Delivery | None) -> None:
        info = client.publish(publication.topic, publication.payload, qos=1, retain=publication.retain)
        self._in_flight[info.mid] = (publication, delivery)

    # An exception in here would end the loop that reads, so these only note what was received.

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._received += 1
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        payload = bytes(message.payload)
        size = len(payload)
        if size > self._max_payload:
            payload = payload[:EXCERPT]
        self._waiting_bytes += len(payload)
        self.inbox.append(Delivery(topic=topic, payload=payload, size=size, mid=message.mid, qos=message.qos))

    def _on_publish(
        self, _client: Client, _userdata: Any, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._received += 1
        publication, delivery = self._in_flight.pop(mid)
        if reason.is_failure:
            self._fatal = PublishRefused(publication.topic, str(reason))
            return
        if publication.record is not None:
            self.published = publication.record
        if delivery is not None:
            delivery.outstanding -= 1

    def _on_disconnect(
        self, _client: Client, _userdata: Any, flags: Any, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._said = reason
            if reason.value == _TAKEN_OVER:
                self._fatal = SessionTaken(self._client_id)

    # Losing

    def _code(self) -> int | None:
        return self._said.value if self._said is not None and self._said.is_failure else None

    def _reason(self) -> str:
        return "the connection was closed" if self._code() is None else str(self._said)

    def _lost(self, reason: str) -> None:
        """Forget what the broker will send again, keep what it has not acknowledged, and plan the next attempt."""
        client, self._client = self._client, None
        if client is not None:
            _drop(client)
        self._forget_inbox()
        self._settled.clear()
        for publication, delivery in reversed(self._in_flight.values()):
            if publication.retain:
                self._retained.setdefault(publication.topic, publication)
            else:
                self._outgoing.appendleft((publication, delivery))
        self._in_flight.clear()
        if self._code() in _NOT_LET_IN and not self._was_ready:
            self._fatal = BrokerRefused(self._address, f"{reason}; check the user name and the password")
        verb = "lost the broker" if self._accepted else "no way in at the broker"
        if self._ready and time.monotonic() - self._since > _STABLE:
            self._backoff.reset()
        self._accepted = self._ready = False
        self._protocol = MQTTv5
        wait = self._backoff.next()
        self._retry_at = time.monotonic() + wait
        if self._closing:
            log.warning("%s %s while stopping: %s", verb, self._address, reason)
        elif self._fatal is None:
            log.warning("%s %s: %s; retrying in %.1f s", verb, self._address, reason, wait)

    def _forget_inbox(self) -> None:
        self.inbox.clear()
        self._waiting_bytes = 0

    def _raise(self) -> None:
        if self._fatal is not None:
            raise self._fatal


def _drop(client: Client) -> None:
    """Close a connection without a goodbye."""
    sock = client.socket()
    if sock is not None:
        sock.close()


def _nothing(*_: Any) -> None:
    """Do nothing."""
