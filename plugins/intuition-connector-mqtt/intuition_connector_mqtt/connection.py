"""One MQTT session that comes back by itself, turned by its owner: there is no thread and no callback to the owner.

What arrives waits in `Connection.inbox` until the owner settles it, oldest first, with the publications that it caused.
It is acknowledged once the broker has acknowledged all of them, in the order of arrival. What is in hand stays in hand
when the connection is lost: the broker sends it again, and the `Window` knows it again.
"""

import logging
import ssl
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from paho.mqtt.client import Client, MQTTMessage, MQTTv5, MQTTv311
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from intuition_connector_mqtt import refusals
from intuition_connector_mqtt.address import remedy
from intuition_connector_mqtt.client import certificate_problem, protocol_name
from intuition_connector_mqtt.commands import Commands
from intuition_connector_mqtt.delivery import Delivery
from intuition_connector_mqtt.errors import BrokerRefused, PublishRefused, SessionTaken, SubscribeRefused
from intuition_connector_mqtt.filters import Filters
from intuition_connector_mqtt.limits import BrokerLimits
from intuition_connector_mqtt.mqtt_socket import MqttSocket
from intuition_connector_mqtt.outbox import Outbox
from intuition_connector_mqtt.presence import Presence, Publication
from intuition_connector_mqtt.probe import Probe
from intuition_connector_mqtt.reconnection import HOPELESS, Reconnection
from intuition_connector_mqtt.socket_pair import WINDOW, Endpoint, SocketPair
from intuition_connector_mqtt.topics import Topics
from intuition_connector_mqtt.waker import Waker
from intuition_connector_mqtt.window import Window
from intuition_core.errors import BadParameter

MAX_WAITING: Final = 2000
"""Messages that wait in the inbox before no more are read."""

MAX_WAITING_BYTES: Final = 16 * 1024 * 1024
"""The same in bytes of payload."""

_SMALL: Final = 4096  # bytes of a packet that every broker takes

log = logging.getLogger(__name__)


class Connection:
    """A persistent session at a broker.

    Args:
        endpoint: the broker, and the session's name there.
        filters: topics to subscribe to.
        presence: the announcements of the session, its last will among them.
        window: knows messages that come again.
        topics: the session's topics; on that of the probe are requests that every broker answers.
        waker: ends a wait early.
        max_payload: bytes above which a payload is not kept.
        commands: takes messages that are to be done at once; None where there are none.
        renewed: the endpoint with passwords and certificates as they are now, for each connection but the first.
    """

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        filters: Sequence[str],
        presence: Presence,
        window: Window,
        topics: Topics,
        waker: Waker,
        max_payload: int,
        commands: Commands | None = None,
        renewed: Callable[[], Endpoint] | None = None,
    ) -> None:
        self.inbox: deque[Delivery] = deque()
        """Messages that have arrived and are not settled; the oldest first."""
        self.acked = 0
        """Messages acknowledged so far."""
        self.losses = 0
        """Connections that the broker had accepted, and that were lost."""
        self.outbox = Outbox(WINDOW, self._finish, dead=topics.dead)
        """Publications that the broker has not acknowledged."""
        self.window = window
        self.commands = commands
        self._probe = Probe(topics.probe, window)
        self._endpoint = endpoint
        self._renewed = renewed
        self._attempts = 0
        self._filters = Filters(filters)
        self._presence = presence
        self._waker = waker
        self._max_payload = max_payload
        self._pair: SocketPair | None = None
        self._ungranted: set[MqttSocket] = set()
        self._unsubscribed: list[MqttSocket] = []
        self._protocol = MQTTv5
        self._again = Reconnection()
        self._open = False  # both ways are
        self._retains = True  # whether the broker takes retained messages
        self._told: set[str] = set()  # limits of the broker that were told
        self._closing = False
        self._fatal: Exception | None = None
        self._received = 0
        self._waiting_bytes = 0
        self._greeted: MqttSocket | None = None

    @property
    def ready(self) -> bool:
        """Whether messages can arrive."""
        return self._again.ready_since is not None

    @property
    def open(self) -> bool:
        """Whether publications can leave."""
        return self._open

    @property
    def unsubscribed(self) -> bool:
        """Whether the next turn subscribes at a broker that begins anew; the backend can be told before."""
        return bool(self._unsubscribed)

    @property
    def command(self) -> Delivery | None:
        """The oldest command that is not settled, if there is one."""
        return self.commands.inbox[0] if self.commands is not None and self.commands.inbox else None

    def turn(self, seconds: float) -> None:
        """Send what waits, receive what has arrived, and wait for something to arrive.

        Args:
            seconds: how long to wait at most.

        Raises:
            BrokerRefused: the broker does not let the connector in, and never did.
            PublishRefused: the broker does not take a publication.
            SubscribeRefused: the broker does not grant a subscription.
            SessionTaken: another connector uses the same session.
        """
        if self._pair is not None:
            while self._unsubscribed:
                self._subscribe(self._unsubscribed.pop())
            self._exchange(seconds, self._waker)
        elif (wait := self._again.wait) > 0:
            self._waker.wait(min(wait, seconds))
        else:
            self._connect()
        if self._fatal is not None:
            raise self._fatal

    def settle(self, delivery: Delivery, publications: Iterable[Publication]) -> None:
        """Publish what the oldest message or command has caused; it is acknowledged afterwards.

        Args:
            delivery: the oldest of the inbox, or the oldest command.
            publications: what it has caused, in order.
        """
        inbox = self.commands.inbox if delivery.urgent and self.commands is not None else self.inbox
        if inbox.popleft() is not delivery:
            msg = "messages are settled in the order in which they arrived"
            raise ValueError(msg)
        if not delivery.urgent:
            self._waiting_bytes -= len(delivery.payload)
        delivery.outstanding = self.outbox.add(publications, delivery)
        if not delivery.outstanding:
            self._finish(delivery)

    def listen(self, filters: Sequence[str], description: Mapping[str, Any]) -> None:
        """Change the subscriptions, and publish the new description once the broker has granted them.

        Topics in both go on without a break. Messages of other topics may still be on their way.
        """
        self._filters.wanted = tuple(filters)
        self._presence.describe(description)
        if self._pair is None or not self._open or self._pair.inlet in self._unsubscribed:
            return  # it is seen to when there is a connection, or when it begins anew
        self._filters.ask(self._pair.inlet.client)
        if self.ready and self._filters.granted:
            self.outbox.retain(self._presence.description())

    def forget(self, topic: str) -> None:
        """Unsubscribe from a topic that belongs to none of the channels."""
        if self._pair is not None and self._open and topic:
            self._filters.forget(self._pair.inlet.client, topic)

    def close(self, patience: float = 5.0, *, announce: bool = True) -> None:
        """Finish what was settled, and disconnect; other messages come again another time.

        Args:
            patience: seconds to wait for the broker.
            announce: whether to publish that the session is disconnected.
        """
        deadline = time.monotonic() + patience
        self._closing = True
        if self._open and announce:
            self.outbox.retain(self._presence.state("disconnected"))
        while self._open and time.monotonic() < deadline:
            due = self.window.due or (self.commands is not None and self.commands.window.due)
            if self.outbox.empty and not due:
                break
            self._exchange(0.1, None)
        if self._pair is not None:
            self._pair.leave(deadline)
        self._pair = None
        self._open = False

    def _finish(self, delivery: Delivery) -> None:
        if delivery.urgent and self.commands is not None:
            self.commands.window.finish(delivery)
        else:
            self.window.finish(delivery)
        delivery.lighten()
        if not delivery.packet:
            self.acked += 1

    # -- connecting

    def _connect(self) -> None:
        if self._attempts and self._renewed is not None:
            try:
                self._endpoint = self._renewed()
            except BadParameter as error:
                log.warning("going on with the credentials from before: %s", error)
        self._attempts += 1
        # A command is kept by the broker while the connector is away, as quotes are.
        self._pair = pair = SocketPair(self._endpoint, self._protocol, keeps_commands=self.commands is not None)
        self._greeted = None
        pair.inlet.client.on_subscribe = self._on_subscribe
        pair.inlet.client.on_message = self._on_message
        pair.outlet.client.on_publish = self._on_publish
        pair.outlet.client.on_message = self._on_outlet_message
        pair.outlet.client.on_subscribe = self._on_outlet_subscribe
        try:
            pair.open(self._presence.state("lost")._replace(retain=self._retains))
        except ssl.SSLCertVerificationError as error:
            problem = certificate_problem(error, authority="as `ca_file`")
            if not self._again.was_ready:
                self._fatal = BrokerRefused(self._endpoint.address, problem)
            self._lose(problem)
        except (OSError, ValueError) as error:
            self._lose(getattr(error, "strerror", None) or str(error))

    def _welcome(self, pair: SocketPair) -> None:
        """Begin, now that both ways are open."""
        inlet, outlet = pair.inlet, pair.outlet
        self._open = True
        self._greet(inlet)
        if not self._keep_to(BrokerLimits.of(inlet.properties)):
            return
        self._filters.greet(resumed=inlet.resumed)
        if not self._filters.granted:
            self._ungranted.add(inlet)
        if self.commands is not None:
            self.commands.greet(outlet)
            if not (self._again.was_ready and outlet.resumed):
                self._ungranted.add(outlet)
        if self._again.was_ready and not inlet.resumed:
            log.warning("the broker forgot the session: messages published while it was away are lost")
        if not self._ungranted:
            self._filters.ask(inlet.client)
            self._subscribed()
            return
        self.outbox.retain(self._presence.state("init"))
        if inlet.resumed:
            # What the broker sends again comes before the answer to this, and what is new after it.
            self._probe.ask(inlet, outlet)
        for each in (inlet, outlet):
            if each not in self._ungranted:
                continue
            if each.resumed:
                self._subscribe(each)
            else:
                self._unsubscribed.append(each)

    def _keep_to(self, limits: BrokerLimits) -> bool:
        """Keep to the limits of the broker, and log those that matter; whether that is possible at all."""
        if limits.qos == 0:
            self._fatal = BrokerRefused(self._endpoint.address, refusals.QOS_0_ONLY)
            return False
        self._retains = self._retains and limits.retain
        limits = msgspec.structs.replace(limits, retain=self._retains)
        for remark in limits.remarks(expiry=self._endpoint.expiry):
            if remark not in self._told:
                self._told.add(remark)
                log.warning("the broker at %s %s", self._endpoint.address, remark)
        self.outbox.limit(limits)
        return True

    def _subscribe(self, sock: MqttSocket) -> None:
        if self._pair is not None and sock is self._pair.inlet:
            self._filters.ask(sock.client)
        elif self.commands is not None:
            self.commands.subscribe(sock)

    def _greet(self, inlet: MqttSocket) -> None:
        """Begin before the first message, which may come together with the broker's welcome."""
        if self._greeted is not inlet:
            self._greeted = inlet
            self.window.connect(resumed=inlet.resumed)

    def _granted(self, sock: MqttSocket | None, answers: Iterable[tuple[str, ReasonCode]]) -> None:
        """Book the broker's answers to subscriptions.

        Args:
            sock: the connection on which no answer is missing any more.
            answers: the topics, and the broker's answer to each.
        """
        for topic, reason in answers:
            if reason.is_failure:
                self._fatal = SubscribeRefused(topic, str(reason))
                return
            if reason.value == 0:
                log.warning("the broker grants %s only QoS 0: messages can be lost", topic)
        if sock is None:
            return
        self._ungranted.discard(sock)
        if self.ready:
            self.outbox.retain(self._presence.description())
        elif not self._ungranted:
            self._subscribed()

    def _subscribed(self) -> None:
        again = "back at" if self._again.was_ready else "connected to"
        log.info("%s the broker %s with %s", again, self._endpoint.address, protocol_name(self._protocol))
        self._again.ready()
        self.outbox.retain(self._presence.description())
        self.outbox.retain(self._presence.state("ready"))

    # -- exchanging

    def _exchange(self, seconds: float, waker: Waker | None) -> None:
        pair = self._pair
        if pair is None:
            return
        self._flush(pair)
        if self._probe.due_at is not None:
            seconds = min(seconds, self._probe.due_at - time.monotonic())
        pair.exchange(seconds, waker, may_read=self._may_read, progress=lambda: self._received)
        if not self._open and pair.accepted:
            self._welcome(pair)
        self._flush(pair)
        for each in (pair.inlet, pair.outlet):
            if each.socket is None:
                self._closed(each)
                return
            if each.overdue:
                self._lose("it does not answer")
                return

    def _may_read(self, sock: MqttSocket) -> bool:
        """Whether there is room for what a connection brings; for the broker's welcome there always is."""
        if self._pair is None or sock is not self._pair.inlet or not sock.accepted:
            return True
        return len(self.inbox) < MAX_WAITING and self._waiting_bytes < MAX_WAITING_BYTES

    def _flush(self, pair: SocketPair) -> None:
        if self._open:
            self.outbox.flush(pair.outlet.client)
            for receipt in self.window.acknowledge():
                pair.inlet.client.ack(receipt.packet, 1)
                self.acked += 1
            if self.commands is not None:
                self.commands.flush(pair.outlet)
            self._probe.ask(pair.inlet, pair.outlet)
        pair.write()

    def _on_subscribe(
        self, _client: Client, _userdata: Any, mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if self._probe.answered(mid):
            return
        granted = self._filters.answered(mid, reasons)
        if self._pair is not None:
            self._filters.ask(self._pair.inlet.client)
            self._granted(self._pair.inlet if self._filters.granted else None, granted)

    def _on_outlet_subscribe(
        self, _client: Client, _userdata: Any, mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._received += 1
        if self._probe.answered_aside(mid, reasons) or self.commands is None or self._pair is None:
            return
        if (granted := self.commands.answered(mid, reasons)) is not None:
            self._granted(self._pair.outlet, zip([self.commands.topic], granted, strict=False))

    def _on_outlet_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._received += 1
        if self.commands is not None and self.commands.concerns(message):
            if self._pair is not None:
                self.commands.greet(self._pair.outlet)
            self.commands.receive(Delivery.of(message, max_payload=self._max_payload, urgent=True))
        else:
            self._probe.heard(message.payload)

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        self._received += 1
        if self._pair is not None:
            self._greet(self._pair.inlet)
        delivery = Delivery.of(message, max_payload=self._max_payload)
        if self.window.receive(delivery):
            self._waiting_bytes += len(delivery.payload)
            self.inbox.append(delivery)

    def _on_publish(
        self, _client: Client, _userdata: Any, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self._received += 1
        if not reason.is_failure:
            self.outbox.acknowledge(mid)
        elif reason.value in refusals.NEVER_TAKEN:
            self.outbox.refuse(mid, str(reason))
        else:
            self._fatal = PublishRefused(self.outbox.topic_of(mid), str(reason))

    # -- losing

    def _closed(self, sock: MqttSocket) -> None:
        code = None if sock.said is None else sock.said.value
        reason = "the connection was closed" if sock.said is None else str(sock.said)
        address = self._endpoint.address
        if not sock.accepted and self._protocol == MQTTv5 and code in (None, refusals.UNSUPPORTED_VERSION):
            # A broker that knows no MQTT 5 says so, or closes the connection without a word.
            log.debug("no MQTT 5 with %s: %s; trying MQTT 3.1.1", address, reason)
            self._drop()
            self._protocol = MQTTv311
            return
        if code == refusals.NO_RETAIN and self._retains and not sock.accepted:
            self._drop()
            self._retains = False
            return
        if code == refusals.TAKEN_OVER and self._again.was_ready:
            self._fatal = SessionTaken(self._endpoint.client_id)
        elif self._ends_itself(sock):
            self._fatal = BrokerRefused(address, refusals.ONE_ID)
        elif code == refusals.NO_SUCH_QOS and not sock.accepted:
            self._fatal = BrokerRefused(address, refusals.QOS_0_ONLY)
        elif code == refusals.TOO_LARGE:
            self.outbox.blame_largest()
        elif code in refusals.NOT_LET_IN:
            reason += f"; {refusals.CREDENTIALS}"
            if not self._again.was_ready:
                self._fatal = BrokerRefused(address, reason)
        self._lose(reason, unexplained=code in (None, refusals.TAKEN_OVER))

    def _ends_itself(self, sock: MqttSocket) -> bool:
        """Whether the two connections of this connector end each other, since the broker gives both one client id."""
        pair = self._pair
        if pair is None or self.ready or sock is not pair.outlet or not (sock.accepted and pair.inlet.accepted):
            return False
        return self._again.thrown_out()

    def _lose(self, reason: str, *, unexplained: bool = False) -> None:
        """Publish again what the broker has not acknowledged, and plan the next attempt.

        Args:
            reason: why the connection was lost.
            unexplained: whether the broker said nothing of why.
        """
        verb = "lost the broker" if self._open else "no way in at the broker"
        address = self._endpoint.address
        accepted = self._pair is not None and (self._pair.inlet.accepted or self._pair.outlet.accepted)
        self.losses += accepted
        self._again.lost()
        if unexplained and self._again.suspicious:
            reason += f" (is there another connector with the id {self._endpoint.client_id}?)"
        if unexplained and self._again.hopeless:
            self.outbox.blame_largest(losses=HOPELESS - 1, size=_SMALL)
        self._drop()
        self.outbox.requeue()
        self._protocol = MQTTv5
        wait = self._again.plan()
        if self._closing:
            log.warning("%s %s while stopping: %s", verb, address, reason)
        elif self._fatal is None:
            reason += "" if self._again.was_ready or accepted else remedy(address, reason)
            log.warning("%s %s: %s; retrying in %.1f s", verb, address, reason, wait)

    def _drop(self) -> None:
        """End both connections, and forget what belongs to them alone."""
        if self._pair is not None:
            self._pair.drop()
        self._pair = None
        self._open = False
        self._again.ready_since = None
        self._unsubscribed.clear()
        self._ungranted.clear()
        self._probe.drop()
        self._filters.drop()
        self.window.disconnect()
        if self.commands is not None:
            self.commands.drop()
