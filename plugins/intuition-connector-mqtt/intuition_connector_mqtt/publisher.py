"""Publishing many messages, each acknowledged, without keeping more than a window of them in memory."""

import ssl
import threading
import time
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from paho.mqtt.client import Client, MQTTv5, MQTTv311
from paho.mqtt.enums import MQTTProtocolVersion

from intuition_connector_mqtt import refusals
from intuition_connector_mqtt.address import Address, remedy
from intuition_connector_mqtt.client import CONNECT_TIMEOUT, certificate_problem, make_client
from intuition_connector_mqtt.errors import BrokerRefused, MessageTooLarge, PublishRefused
from intuition_connector_mqtt.limits import BrokerLimits, packet_size
from intuition_connector_mqtt.polling import wait_for
from intuition_connector_mqtt.waker import Waker
from intuition_core.errors import IntuitionError

_WINDOW: Final = 500
_RETRY: Final = 1.0  # seconds between two attempts to come back
_MAX_LOSSES: Final = 3  # connections that were lost, one after the other, without an acknowledgement


class NoBroker(IntuitionError):
    """A broker that cannot be reached, or that stopped answering."""

    def __init__(self, address: Address, problem: str) -> None:
        self.address = str(address)
        self.problem = problem
        advice = remedy(address, problem) or "; start one with `intuition broker`, or name yours with --mqtt URL"
        super().__init__(f"no broker at {address}: {problem}{advice}")


class Publisher:
    """Publishes while it is entered; leaving it waits until everything is acknowledged.

    A thread of its own exchanges with the broker, and comes back when the connection is lost.

    Args:
        address: where the broker is, with the credentials.
        tls: the authorities to trust; None for the system's.
        qos: 0 (sent once, perhaps lost, refused without a word) or 1 (acknowledged by the broker).
        patience: seconds without an acknowledgement after which the broker is given up.
    """

    def __init__(
        self, address: Address, *, tls: ssl.SSLContext | None = None, qos: int = 1, patience: float = 30.0
    ) -> None:
        self._address = address
        self._tls = tls
        self._qos = qos
        self._patience = patience
        self._changed = threading.Condition()
        self._topics: deque[str] = deque()  # of what is not acknowledged, in order
        self._problem: IntuitionError | None = None
        self._limits: BrokerLimits | None = None  # once the broker has let us in
        self._losses = 0
        self._largest = 0  # bytes of the largest packet so far
        self._ended = False
        self._closed = False  # before the broker has let us in
        self._waker = Waker()
        self._client = self._made(MQTTv5)
        self._thread = threading.Thread(target=self._exchange, name="intuition-publish", daemon=True)

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            NoBroker: there is none.
            BrokerRefused: it does not let us in, or takes QoS 0 only.
        """
        try:
            self._connect()
            self._thread.start()
            with self._changed:
                self._changed.wait_for(lambda: self._limits or self._problem or self._closed, 2 * CONNECT_TIMEOUT)
            self._check_welcome()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait for what is not acknowledged yet, unless something went wrong, and disconnect.

        Raises:
            NoBroker: the broker stopped answering.
            PublishRefused: the broker refused a message.
            MessageTooLarge: a message is larger than the broker takes.
        """
        try:
            while kind is None and self._topics:
                self._wait_for_less_than(len(self._topics))
        finally:
            self._stop()
        if kind is None and self._problem is not None:
            raise self._problem

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish one message; waits while too many are not acknowledged.

        Raises:
            NoBroker: the broker stopped answering.
            PublishRefused: the broker refused an earlier message.
            MessageTooLarge: it is larger than the broker takes, or an earlier one was.
        """
        limits = self._limits or BrokerLimits()
        self._wait_for_less_than(min(_WINDOW, limits.in_flight))
        if not limits.takes(topic, payload):
            raise MessageTooLarge(topic, packet_size(topic, payload), limits.packet)
        self._largest = max(self._largest, packet_size(topic, payload))
        self._topics.append(topic)
        self._client.publish(topic, payload, qos=self._qos)

    def _check_welcome(self) -> None:
        if self._problem is not None:
            raise self._problem
        if self._limits is None:
            problem = "it closed the connection" if self._closed else "what listens there does not answer"
            raise NoBroker(self._address, problem)

    def _wait_for_less_than(self, count: int) -> None:
        if len(self._topics) >= count:
            with self._changed:
                if not self._changed.wait_for(lambda: self._problem or len(self._topics) < count, self._patience):
                    raise NoBroker(self._address, f"it acknowledged nothing for {self._patience:.0f} s")
        if self._problem is not None:
            raise self._problem

    def _made(self, protocol: MQTTProtocolVersion) -> Client:
        client = make_client(
            self._address, client_id=f"intuition-publish-{uuid4().hex[:8]}", protocol=protocol, tls=self._tls
        )
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        # That there is a callback makes paho queue what it sends, for the thread to write.
        client.on_socket_register_write = lambda *_: self._waker.wake()
        return client

    def _connect(self) -> None:
        try:
            self._client.connect(self._address.host, self._address.port)
        except ssl.SSLCertVerificationError as error:
            raise BrokerRefused(self._address, certificate_problem(error, authority="with --ca FILE")) from None
        except (OSError, ValueError) as error:
            raise NoBroker(self._address, getattr(error, "strerror", None) or str(error)) from None

    def _stop(self) -> None:
        self._ended = True
        if self._client.socket() is not None:
            self._client.disconnect()
        self._waker.wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._waker.close()

    # On the thread

    def _exchange(self) -> None:
        deadline = None
        while True:
            sock = self._client.socket()
            if self._ended:
                deadline = deadline or time.monotonic() + CONNECT_TIMEOUT
                if sock is None or self._problem is not None or time.monotonic() > deadline:
                    break
            if sock is None:
                self._come_back()
                continue
            writers = [sock] if self._client.want_write() else []
            buffered = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
            readable = wait_for([sock, self._waker], writers, 0 if buffered else 1.0)
            if self._waker.fileno() in readable:
                self._waker.drain()
            if buffered or sock.fileno() in readable:
                self._client.loop_read()
            if self._client.want_write():
                self._client.loop_write()
            self._client.loop_misc()
        if (sock := self._client.socket()) is not None:
            sock.close()

    def _come_back(self) -> None:
        if self._limits is None and self._client.protocol == MQTTv5 and self._problem is None and not self._closed:
            # A broker that knows no MQTT 5 says so, or closes the connection without a word.
            self._client = self._made(MQTTv311)
        elif self._limits is None or self._problem is not None:
            self._tell(closed=True)
            self._waker.wait(_RETRY)
            return
        elif wait_for([self._waker], [], _RETRY):
            self._waker.drain()
        with suppress(NoBroker, BrokerRefused):
            self._connect()

    def _tell(self, *, problem: IntuitionError | None = None, closed: bool = False) -> None:
        with self._changed:
            self._problem = self._problem or problem
            self._closed = self._closed or closed
            self._changed.notify_all()

    def _on_connect(self, _client: Any, _userdata: Any, _flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            if reason.value != refusals.UNSUPPORTED_VERSION or self._client.protocol != MQTTv5:
                self._tell(problem=BrokerRefused(self._address, f"{reason}; {refusals.CREDENTIALS}"))
            return
        limits = BrokerLimits.of(properties)
        if limits.qos < self._qos:
            self._tell(problem=BrokerRefused(self._address, "it takes only QoS 0; publish with --qos 0"))
            return
        with self._changed:
            self._limits = limits
            self._changed.notify_all()

    def _on_disconnect(self, _client: Any, _userdata: Any, flags: Any, reason: Any, _properties: Any) -> None:
        if self._ended or self._limits is None:
            return
        self._losses += 1
        if flags.is_disconnect_packet_from_server and reason.value == refusals.TOO_LARGE:
            self._tell(problem=MessageTooLarge(self._topics[0] if self._topics else "a topic", self._largest, None))
        elif self._losses >= _MAX_LOSSES and self._topics:
            problem = f"it closed the connection {self._losses} times and acknowledged nothing of {self._topics[0]}"
            self._tell(
                problem=Unacknowledged(self._address, f"{problem}; the largest message had {self._largest} bytes")
            )

    def _on_publish(self, _client: Any, _userdata: Any, _mid: int, reason: Any, _properties: Any) -> None:
        self._losses = 0
        with self._changed:
            topic = self._topics.popleft()
            if reason.is_failure and self._problem is None:
                self._problem = PublishRefused(topic, str(reason))
            self._changed.notify_all()


class Unacknowledged(IntuitionError):
    """A broker that closes the connection whenever a message is sent."""

    def __init__(self, address: Address, problem: str) -> None:
        self.address = str(address)
        self.problem = problem
        super().__init__(f"the broker at {address} takes no message: {problem}")
