"""One MQTT session that comes back by itself, turned by its owner: there is no thread and no callback to the owner.

What arrives waits in `Connection.inbox` until the owner settles it, oldest first, with what is to be published on
account of it. It is acknowledged once the broker has acknowledged all of that, in the order in which it arrived. What
is in hand stays in hand when the connection is lost: the broker sends it again, and it is known again by its `Window`.

A session takes two connections, one for what comes in and one for what goes out: a broker may not acknowledge what we
publish while it waits for us to acknowledge what it sent. iotcore says nothing to a client with 100 open messages. The
few commands come on the second, past all that waits on the first.
"""

import logging
import select
import ssl
import time
from collections import deque
from collections.abc import Container, Iterable, Mapping, Sequence
from functools import partial
from secrets import token_hex
from typing import Any, Final

import msgspec
from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from intuition_connector_mqtt.address import Address, remedy
from intuition_connector_mqtt.client import make_client, protocol_name
from intuition_connector_mqtt.commands import Commands
from intuition_connector_mqtt.delivery import Delivery
from intuition_connector_mqtt.errors import BrokerRefused, PublishRefused, SessionTaken, SubscribeRefused
from intuition_connector_mqtt.filters import Filters
from intuition_connector_mqtt.line import MqttSocket
from intuition_connector_mqtt.presence import Presence, Publication
from intuition_connector_mqtt.sending import Sending
from intuition_connector_mqtt.waker import Waker
from intuition_connector_mqtt.window import Window
from intuition_core.backoff import Backoff
from intuition_core.trading.records import record_key

WINDOW: Final = 1000
"""Messages that the broker may send, and publications that we may send, before one is acknowledged."""

MAX_WAITING: Final = 2000
"""Messages that wait in the inbox before no more are read."""

MAX_WAITING_BYTES: Final = 16 * 1024 * 1024
"""The same in bytes of payload."""

PROBE_PAUSE: Final = 0.05
"""Seconds for which acknowledgements may be unproven before the broker is asked for something that proves them."""

MAX_UNPROVEN: Final = 500
"""Acknowledgements that may be unproven before the broker is asked at once."""

_STABLE: Final = 5.0  # seconds after which a connection counts as one that works
_SUSPICIOUS: Final = 3  # connections that were shorter, one after the other
_UNSUPPORTED_VERSION: Final = 132
_NOT_LET_IN: Final = {133, 134, 135, 138, 140}  # identifier, user or password, not authorised, banned, method
_TAKEN_OVER: Final = 142

log = logging.getLogger(__name__)


class Connection:
    """A persistent session at a broker.

    Args:
        address: where the broker is, with the credentials.
        tls: what to trust; None for the system's certificates.
        client_id: the session's name at the broker.
        filters: what to subscribe to.
        presence: what is announced, and left as the last will.
        window: knows what comes again.
        probe: a topic on which nothing is published: to subscribe to it is a request that every broker answers. Below
            it we publish to ourselves.
        waker: ends a wait early.
        keepalive: seconds of silence after which the broker is asked whether it is there.
        expiry: seconds for which the broker keeps the session of a connector that is away.
        max_payload: bytes above which a payload is not kept.
        commands: takes what is published to be done at once; None where nothing is.
    """

    def __init__(
        self,
        *,
        address: Address,
        tls: ssl.SSLContext | None,
        client_id: str,
        filters: Sequence[str],
        presence: Presence,
        window: Window,
        probe: str,
        waker: Waker,
        keepalive: int,
        expiry: int,
        max_payload: int,
        commands: Commands | None = None,
    ) -> None:
        self.inbox: deque[Delivery] = deque()
        """What has arrived and is not settled; the oldest first."""
        self.acked = 0
        """Messages acknowledged so far."""
        self.published: str | None = None
        """The last record whose publication was acknowledged, and that of all records before it."""
        self.window = window
        self.commands = commands
        self._withheld: set[str] = set()  # records in flight that are not to be published again
        self._ungranted: set[MqttSocket] = set()
        self._unsubscribed: list[MqttSocket] = []
        self._probe = probe
        self._aside = f"{probe}/aside"
        self._probe_mid: int | None = None
        self._probe_question = 0
        self._nonce = token_hex(4)  # tells our echoes from those of an earlier process
        self._aside_mid: int | None = None
        self._aside_open: bool | None = None  # whether the other connection brings echoes; None: it was not asked to
        self._echo: tuple[int, bytes] | None = None  # the question that waits for an echo, and the echo
        self._probe_at: float | None = None
        self._address = address
        self._tls = tls
        self._client_id = client_id
        self._filters = Filters(filters)
        self._presence = presence
        self._waker = waker
        self._keepalive = keepalive
        self._expiry = expiry
        self._max_payload = max_payload
        self._inlet: MqttSocket | None = None
        self._outlet: MqttSocket | None = None
        self._protocol = MQTTv5
        self._backoff = Backoff(spread=0.5)
        self._retry_at = 0.0
        self._open = False  # both ways are
        self._ready_since: float | None = None
        self._was_ready = False
        self._short_lived = 0
        self._closing = False
        self._fatal: Exception | None = None
        self._received = 0
        self._waiting_bytes = 0
        self._greeted: MqttSocket | None = None
        self._outgoing: deque[Sending] = deque()
        self._records: deque[Sending] = deque()  # those that carry records, in order
        self._retained: dict[str, Publication] = {}
        self._in_flight: dict[int, Sending] = {}
        self._limit = WINDOW

    @property
    def ready(self) -> bool:
        """Whether messages can arrive."""
        return self._ready_since is not None

    @property
    def open(self) -> bool:
        """Whether publications can leave."""
        return self._open

    @property
    def unsubscribed(self) -> bool:
        """Whether the next turn subscribes at a broker that begins anew.

        Whoever must know that before it does is told between the two turns.
        """
        return bool(self._unsubscribed)

    @property
    def command(self) -> Delivery | None:
        """The oldest command that is not settled, if there is one."""
        return self.commands.inbox[0] if self.commands is not None and self.commands.inbox else None

    @property
    def congested(self) -> bool:
        """Whether so much waits to be published that nothing should be added."""
        return len(self._outgoing) + len(self._in_flight) >= 2 * WINDOW

    @property
    def drained(self) -> bool:
        """Whether all publications are acknowledged."""
        return not self._outgoing and not self._in_flight

    def turn(self, seconds: float) -> None:
        """Send what waits, receive what has arrived, and wait for something to arrive for at most so long.

        Raises:
            BrokerRefused: the broker does not let us in, and never did.
            PublishRefused: the broker does not take what we publish.
            SubscribeRefused: the broker does not let us listen.
            SessionTaken: another connector uses the same session.
        """
        if self._inlet is not None:
            while self._unsubscribed:
                self._subscribe(self._unsubscribed.pop())
            self._exchange(seconds, self._waker)
        elif (wait := self._retry_at - time.monotonic()) > 0:
            self._waker.wait(min(wait, seconds))
        else:
            self._connect()
        if self._fatal is not None:
            raise self._fatal

    def settle(self, delivery: Delivery, publications: Iterable[Publication]) -> None:
        """Say what to publish on account of the oldest message of the inbox, or command; then it is acknowledged."""
        inbox = self.commands.inbox if delivery.urgent and self.commands is not None else self.inbox
        if inbox.popleft() is not delivery:
            msg = "messages are settled in the order in which they arrived"
            raise ValueError(msg)
        if not delivery.urgent:
            self._waiting_bytes -= len(delivery.payload)
        delivery.outstanding = self._queue(publications, delivery)
        if not delivery.outstanding:
            self._finish(delivery)

    def send(self, publications: Iterable[Publication]) -> None:
        """Publish what is owed to no message of the inbox."""
        self._queue(publications, None)

    def alert(self, publications: Sequence[Publication]) -> None:
        """Publish before all that waits what will be published in its place as well; only if something waits."""
        if self._outgoing:
            self._outgoing.extendleft(Sending(each._replace(record=None)) for each in reversed(publications))

    def withhold(self, records: Container[str | None]) -> None:
        """Do not publish these records, which somebody has taken back; it may be too late for those in flight."""
        waiting, self._outgoing = self._outgoing, deque()
        for sending in waiting:
            if sending.publication.record in records:
                self._acknowledged(sending)
            else:
                self._outgoing.append(sending)
        in_flight = (sending.publication.record for sending in self._in_flight.values())
        self._withheld.update(record for record in in_flight if record is not None and record in records)

    def _queue(self, publications: Iterable[Publication], delivery: Delivery | None) -> int:
        count = 0
        for publication in publications:
            sending = Sending(publication, delivery)
            self._outgoing.append(sending)
            if publication.record is not None:
                self._records.append(sending)
            count += 1
        return count

    def _finish(self, delivery: Delivery) -> None:
        if delivery.urgent and self.commands is not None:
            self.commands.window.finish(delivery)
        else:
            self.window.finish(delivery)
        delivery.lighten()
        if not delivery.packet:
            self.acked += 1

    def retain(self, publication: Publication) -> None:
        """Publish what replaces the earlier value of its topic; of several that wait only the latest is sent."""
        self._retained[publication.topic] = publication

    def listen(self, filters: Sequence[str], description: Mapping[str, Any]) -> None:
        """Subscribe to these topics instead, and say anew what the session is, once the broker has granted them.

        What stays goes on without a break. Messages of other topics may still be on their way.
        """
        self._filters.wanted = tuple(filters)
        self._presence.describe(description)
        inlet = self._inlet
        if inlet is None or not self._open or inlet in self._unsubscribed:
            return  # it is seen to when there is a connection, or when it begins anew
        self._filters.ask(inlet.client)
        if self.ready and self._filters.granted:
            self.retain(self._presence.description())

    def forget(self, topic: str) -> None:
        """Give back the subscription to a topic that none of the channels has."""
        if self._inlet is not None and self._open and topic:
            self._filters.forget(self._inlet.client, topic)

    def close(self, patience: float = 5.0, *, announce: bool = True) -> None:
        """Finish what was settled, and disconnect; what was not settled comes again another time.

        Args:
            patience: seconds to wait for the broker.
            announce: whether to say that the session is disconnected.
        """
        deadline = time.monotonic() + patience
        self._closing = True
        if self._open and announce:
            self.retain(self._presence.state("disconnected"))
        while self._open and time.monotonic() < deadline:
            due = self.window.due or (self.commands is not None and self.commands.window.due)
            if self.drained and not self._retained and not due:
                break
            self._exchange(0.1, None)
        for line in (self._outlet, self._inlet):
            if line is not None:
                line.leave(deadline)
        self._inlet = self._outlet = None
        self._open = False

    # Connecting

    def _connect(self) -> None:
        self._inlet = inlet = self._line(self._client_id, persistent=True)
        # A command is kept by the broker while we are away, as quotes are.
        self._outlet = outlet = self._line(f"{self._client_id}-out", persistent=self.commands is not None)
        inlet.client.on_subscribe = self._on_subscribe
        inlet.client.on_message = self._on_message
        self._greeted = None
        outlet.client.on_publish = self._on_publish
        outlet.client.on_message = self._on_outlet_message
        outlet.client.on_subscribe = self._on_outlet_subscribe
        will = self._presence.state("lost")
        inlet.client.will_set(will.topic, will.payload, qos=1, retain=True)
        try:
            for line in (outlet, inlet):
                self._call(line.client, persistent=line is inlet or self.commands is not None)
        except ssl.SSLCertVerificationError as error:
            if not self._was_ready:
                problem = f"its certificate cannot be trusted ({error.verify_message}); name its authority as `ca_file`"
                self._fatal = BrokerRefused(self._address, problem)
            self._lose(str(error))
        except (OSError, ValueError) as error:
            self._lose(getattr(error, "strerror", None) or str(error))

    def _line(self, client_id: str, *, persistent: bool) -> MqttSocket:
        return MqttSocket(
            make_client(
                self._address, client_id=client_id, protocol=self._protocol, tls=self._tls, persistent=persistent
            )
        )

    def _call(self, client: Client, *, persistent: bool) -> None:
        if persistent and self._protocol == MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's own gap
            properties.SessionExpiryInterval = self._expiry
            properties.ReceiveMaximum = WINDOW
            # A session that was begun clean is one that mosquitto does not save.
            client.connect(
                self._address.host, self._address.port, self._keepalive, clean_start=False, properties=properties
            )
        else:
            client.connect(self._address.host, self._address.port, self._keepalive)
        client.loop_write()

    def _welcome(self, inlet: MqttSocket, outlet: MqttSocket) -> None:
        """Begin, now that both ways are open."""
        self._open = True
        self._greet(inlet)
        self._filters.greet(resumed=inlet.resumed)
        if not self._filters.granted:
            self._ungranted.add(inlet)
        if self.commands is not None:
            self.commands.greet(outlet)
            if not (self._was_ready and outlet.resumed):
                self._ungranted.add(outlet)
        if self._was_ready and not inlet.resumed:
            log.warning("the broker forgot the session: messages published while it was away are lost")
        if not self._ungranted:
            self._filters.ask(inlet.client)
            self._subscribed()
            return
        self.retain(self._presence.state("init"))
        if inlet.resumed:
            # What the broker sends again comes before the answer to this, and what is new after it.
            self._ask(inlet, outlet)
        for line in (inlet, outlet):
            if line not in self._ungranted:
                continue
            if line.resumed:
                self._subscribe(line)
            else:
                self._unsubscribed.append(line)

    def _subscribe(self, line: MqttSocket) -> None:
        if line is self._inlet:
            self._filters.ask(line.client)
        elif self.commands is not None:
            self.commands.subscribe(line)

    def _greet(self, inlet: MqttSocket) -> None:
        """Begin before the first message, which may come together with the broker's welcome."""
        if self._greeted is not inlet:
            self._greeted = inlet
            self.window.connect(resumed=inlet.resumed)

    def _on_subscribe(
        self, _client: Client, _userdata: Any, mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if mid == self._probe_mid:
            self._probe_mid = self._echo = None
            self.window.answer(self._probe_question)  # whether it was granted or not
            return
        granted = self._filters.answered(mid, reasons)
        if self._inlet is not None:
            self._filters.ask(self._inlet.client)
        self._granted(self._inlet if self._filters.granted else None, granted)

    def _granted(self, line: MqttSocket | None, answers: Iterable[tuple[str, ReasonCode]]) -> None:
        """Take note of what the broker says of subscriptions.

        Args:
            line: the one on which nothing is missing any more.
            answers: what was asked for, and what the broker says.
        """
        for topic, reason in answers:
            if reason.is_failure:
                self._fatal = SubscribeRefused(topic, str(reason))
                return
            if reason.value == 0:
                log.warning("the broker grants %s only QoS 0: messages can be lost", topic)
        if line is None:
            return
        self._ungranted.discard(line)
        if self.ready:
            self.retain(self._presence.description())
        elif not self._ungranted:
            self._subscribed()

    def _subscribed(self) -> None:
        again = "back at" if self._was_ready else "connected to"
        log.info("%s the broker %s with %s", again, self._address, protocol_name(self._protocol))
        self._ready_since = time.monotonic()
        self._was_ready = True
        self.retain(self._presence.description())
        self.retain(self._presence.state("ready"))

    # Exchanging

    def _exchange(self, seconds: float, waker: Waker | None) -> None:
        inlet, outlet = self._inlet, self._outlet
        if inlet is None or outlet is None:
            return
        self._flush(inlet, outlet)
        if inlet.socket is not None and outlet.socket is not None:
            lines = {line.socket: line for line in (outlet, inlet) if self._may_read(line)}
            buffered = [line for line in lines.values() if line.buffered]
            writers = [line.socket for line in (outlet, inlet) if line.client.want_write()]
            readers = [*lines] if waker is None else [*lines, waker]
            if self._probe_at is not None:
                seconds = min(seconds, self._probe_at - time.monotonic())
            readable, _, _ = select.select(readers, writers, [], 0 if buffered else max(seconds, 0.0))
            for sock, line in lines.items():
                if sock in readable or line in buffered:
                    line.read(lambda: self._received, room=partial(self._may_read, line))
            for line in (outlet, inlet):
                line.tend()
            if not self._open and inlet.accepted and outlet.accepted:
                self._welcome(inlet, outlet)
            self._flush(inlet, outlet)
        for line in (inlet, outlet):
            if line.socket is None:
                self._closed(line)
                return
            if line.overdue:
                self._lose("it does not answer")
                return

    def _may_read(self, line: MqttSocket) -> bool:
        """Tell whether what a line brings can be taken; the broker's welcome always can."""
        if line is not self._inlet or not line.accepted:
            return True
        return len(self.inbox) < MAX_WAITING and self._waiting_bytes < MAX_WAITING_BYTES

    def _flush(self, inlet: MqttSocket, outlet: MqttSocket) -> None:
        if self._open:
            while self._retained and len(self._in_flight) < self._limit:
                self._publish(outlet, Sending(self._retained.pop(next(iter(self._retained)))))
            while self._outgoing and len(self._in_flight) < self._limit:
                self._publish(outlet, self._outgoing.popleft())
            for receipt in self.window.acknowledge():
                inlet.client.ack(receipt.packet, 1)
                self.acked += 1
            if self.commands is not None:
                self.commands.flush(outlet)
            self._ask(inlet, outlet)
        outlet.write()
        inlet.write()

    def _publish(self, outlet: MqttSocket, sending: Sending) -> None:
        publication = sending.publication
        info = outlet.client.publish(publication.topic, publication.payload, qos=1, retain=publication.retain)
        self._in_flight[info.mid] = sending

    def _ask(self, inlet: MqttSocket, outlet: MqttSocket) -> None:
        """Have the broker answer something, if it is time: what it did with all that was sent before is known then."""
        if not self.window.asks:
            self._ask_aside(inlet, outlet)
            return
        now = time.monotonic()
        if self._probe_at is None:
            self._probe_at = now if self.window.matching else now + PROBE_PAUSE
        if now >= self._probe_at or self.window.unproven >= MAX_UNPROVEN:
            _, self._probe_mid = inlet.client.subscribe(self._probe, 1)
            self._probe_at = None
            self._probe_question = self.window.ask()

    def _ask_aside(self, inlet: MqttSocket, outlet: MqttSocket) -> None:
        """Have the broker answer on the other connection, if its answer on this one is late.

        Here it comes behind all messages that the broker has sent before, and some brokers send all that they have,
        however little we acknowledge. What we publish ourselves goes past them.
        """
        if self._probe_mid is None or self.window.unproven < 2 * MAX_UNPROVEN or self._echo is not None:
            return
        if self._aside_open is None:
            self._aside_open = False
            _, self._aside_mid = outlet.client.subscribe(self._aside, 0)
        elif self._aside_open:
            question = self.window.ask(in_order=False)
            self._echo = question, msgspec.json.encode(f"{self._nonce}:{question}")
            inlet.client.publish(self._aside, self._echo[1], qos=0)

    def _on_outlet_subscribe(
        self, _client: Client, _userdata: Any, mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._received += 1
        if mid == self._aside_mid:
            self._aside_open = not any(reason.is_failure for reason in reasons)
        elif self.commands is not None and (granted := self.commands.answered(mid, reasons)) is not None:
            self._granted(self._outlet, zip([self.commands.topic], granted, strict=False))

    def _on_outlet_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._received += 1
        if self.commands is not None and self.commands.concerns(message):
            if self._outlet is not None:
                self.commands.greet(self._outlet)
            self.commands.receive(self._delivery(message, message.topic, urgent=True))
        elif self._echo is not None and message.payload == self._echo[1]:
            self.window.answer(self._echo[0])
            self._echo = None

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._received += 1
        if self._inlet is not None:
            self._greet(self._inlet)
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        delivery = self._delivery(message, topic)
        if self.window.receive(delivery):
            self._waiting_bytes += len(delivery.payload)
            self.inbox.append(delivery)

    def _delivery(self, message: MQTTMessage, topic: str, *, urgent: bool = False) -> Delivery:
        return Delivery(
            topic=topic,
            payload=bytes(message.payload),
            packet=message.mid if message.qos else 0,
            properties=_user_properties(message),
            max_payload=self._max_payload,
            urgent=urgent,
            retained=message.retain,
        )

    def _on_publish(
        self, _client: Client, _userdata: Any, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._received += 1
        sending = self._in_flight.pop(mid)
        if reason.is_failure:
            self._fatal = PublishRefused(sending.publication.topic, str(reason))
            return
        self._acknowledged(sending)

    def _acknowledged(self, sending: Sending) -> None:
        sending.acknowledged = True
        while self._records and self._records[0].acknowledged:
            record = self._records.popleft().publication.record
            if record is not None and _is_later(record, self.published):
                self.published = record
        delivery = sending.delivery
        if delivery is not None:
            delivery.outstanding -= 1
            if not delivery.outstanding:
                self._finish(delivery)

    # Losing

    def _closed(self, line: MqttSocket) -> None:
        code = None if line.said is None else line.said.value
        reason = "the connection was closed" if line.said is None else str(line.said)
        if not line.accepted and self._protocol == MQTTv5 and code in (None, _UNSUPPORTED_VERSION):
            # A broker that knows no MQTT 5 says so, or closes the connection without a word.
            log.debug("no MQTT 5 with %s: %s; trying MQTT 3.1.1", self._address, reason)
            self._drop_lines()
            self._protocol = MQTTv311
            return
        if code == _TAKEN_OVER:
            self._fatal = SessionTaken(self._client_id)
        elif code in _NOT_LET_IN and not self._was_ready:
            self._fatal = BrokerRefused(self._address, f"{reason}; check the user name and the password")
        self._lose(reason)

    def _lose(self, reason: str) -> None:
        """Publish again what the broker has not acknowledged, and plan the next attempt."""
        verb = "lost the broker" if self._open else "no way in at the broker"
        if self._ready_since is not None:
            if time.monotonic() - self._ready_since > _STABLE:
                self._backoff.reset()
                self._short_lived = 0
            else:
                self._short_lived += 1
        if self._short_lived >= _SUSPICIOUS:
            reason += f" (is there another connector with the id {self._client_id}?)"
        self._drop_lines()
        for sending in reversed(self._in_flight.values()):
            if sending.publication.retain:
                self._retained.setdefault(sending.publication.topic, sending.publication)
            elif sending.publication.record in self._withheld:
                self._acknowledged(sending)
            else:
                self._outgoing.appendleft(sending)
        self._in_flight.clear()
        self._withheld.clear()
        self._protocol = MQTTv5
        wait = self._backoff.next()
        self._retry_at = time.monotonic() + wait
        if self._closing:
            log.warning("%s %s while stopping: %s", verb, self._address, reason)
        elif self._fatal is None:
            reason += "" if self._was_ready else remedy(self._address, reason)
            log.warning("%s %s: %s; retrying in %.1f s", verb, self._address, reason, wait)

    def _drop_lines(self) -> None:
        for line in (self._inlet, self._outlet):
            if line is not None:
                line.drop()
        self._inlet = self._outlet = None
        self._open = False
        self._ready_since = None
        self._probe_mid = None
        self._probe_at = None
        self._echo = self._aside_open = self._aside_mid = None
        self._unsubscribed.clear()
        self._ungranted.clear()
        self._filters.drop()
        self.window.disconnect()
        if self.commands is not None:
            self.commands.drop()


def _user_properties(message: MQTTMessage) -> Mapping[str, str] | None:
    # paho sets an attribute only where the message has such a property.
    pairs = vars(message.properties).get("UserProperty") if message.properties is not None else None
    return dict(pairs) if pairs else None


def _is_later(record: str, other: str | None) -> bool:
    """Tell which of two records came later: a known message has its old records published again."""
    try:
        return other is None or record_key(record) > record_key(other)
    except ValueError:
        return True  # a foreign backend's, of no matter
