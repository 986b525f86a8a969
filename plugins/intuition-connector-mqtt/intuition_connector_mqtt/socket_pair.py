"""The two connections of one session: one for messages that come in, one for publications that go out.

A broker may not acknowledge what it is sent while it waits for acknowledgements of what it sent; iotcore says nothing
to a client with 100 open messages. Commands are few, and come in on the second, past all that waits on the first.
"""

import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from intuition_connector_mqtt.address import Address
from intuition_connector_mqtt.client import make_client
from intuition_connector_mqtt.mqtt_socket import MqttSocket
from intuition_connector_mqtt.polling import wait_for
from intuition_connector_mqtt.presence import Publication
from intuition_connector_mqtt.waker import Waker

WINDOW: Final = 1000
"""Messages that the broker may send, and publications that may leave, before one is acknowledged."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A broker, and the session that is kept there."""

    address: Address
    """Where the broker is, with the credentials."""
    tls: ssl.SSLContext | None = None
    """The authorities to trust; None for the system's."""
    client_id: str
    """The session's name at the broker."""
    keepalive: int
    """Seconds of silence after which the broker is asked whether it is there."""
    expiry: int
    """Seconds for which the broker keeps the session of a connector that is away."""


class SocketPair:
    """Two connections that are opened, waited for and closed together.

    Args:
        endpoint: the broker and the session.
        protocol: MQTT 5 or 3.1.1.
        keeps_commands: whether the broker keeps messages for the second connection as well.
    """

    def __init__(self, endpoint: Endpoint, protocol: MQTTProtocolVersion, *, keeps_commands: bool) -> None:
        self._endpoint = endpoint
        self._protocol = protocol
        self._keeps_commands = keeps_commands
        self.inlet = self._socket(endpoint.client_id, persistent=True)
        """The connection on which messages come in."""
        self.outlet = self._socket(f"{endpoint.client_id}-out", persistent=keeps_commands)
        """The connection on which publications go out, and commands come in."""

    @property
    def accepted(self) -> bool:
        """Whether the broker has let both in."""
        return self.inlet.accepted and self.outlet.accepted

    def open(self, will: Publication) -> None:
        """Connect both.

        Args:
            will: published by the broker if the first of the two is lost.

        Raises:
            OSError: the broker cannot be reached, or its certificate cannot be trusted.
            ValueError: the host's name cannot be one.
        """
        self.inlet.client.will_set(will.topic, will.payload, qos=1, retain=will.retain)
        self._connect(self.outlet.client, persistent=self._keeps_commands)
        self._connect(self.inlet.client, persistent=True)

    def exchange(
        self,
        seconds: float,
        waker: Waker | None,
        *,
        may_read: Callable[[MqttSocket], bool],
        progress: Callable[[], int],
    ) -> None:
        """Wait for something to arrive, and read it.

        Args:
            seconds: how long to wait at most.
            waker: ends the wait early.
            may_read: whether there is room for what a connection brings.
            progress: counts what was received.
        """
        both = (self.outlet, self.inlet)
        if any(each.socket is None for each in both):
            return
        reading = {each.socket.fileno(): each for each in both if may_read(each)}
        buffered = [each for each in reading.values() if each.buffered]
        writers = [each.socket for each in both if each.client.want_write()]
        readers = [each.socket for each in reading.values()]
        readable = wait_for(readers if waker is None else [*readers, waker], writers, 0 if buffered else seconds)
        for descriptor, each in reading.items():
            if descriptor in readable or each in buffered:
                each.read(progress, room=partial(may_read, each))
        for each in both:
            each.tend()

    def write(self) -> None:
        """Write what waits, as far as the broker takes it."""
        self.outlet.write()
        self.inlet.write()

    def leave(self, deadline: float) -> None:
        """Disconnect both in an orderly way, so that the last will is not published.

        Args:
            deadline: when to close without it, by the monotonic clock.
        """
        self.outlet.leave(deadline)
        self.inlet.leave(deadline)

    def drop(self) -> None:
        """Close both without a goodbye."""
        self.inlet.drop()
        self.outlet.drop()

    def _socket(self, client_id: str, *, persistent: bool) -> MqttSocket:
        endpoint = self._endpoint
        return MqttSocket(
            make_client(
                endpoint.address,
                client_id=client_id,
                protocol=self._protocol,
                tls=endpoint.tls,
                persistent=persistent,
            )
        )

    def _connect(self, client: Client, *, persistent: bool) -> None:
        address, keepalive = self._endpoint.address, self._endpoint.keepalive
        if persistent and self._protocol == MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho's own gap
            properties.SessionExpiryInterval = self._endpoint.expiry
            properties.ReceiveMaximum = WINDOW
            # A session that was begun clean is one that mosquitto does not save.
            client.connect(address.host, address.port, keepalive, clean_start=False, properties=properties)
        else:
            client.connect(address.host, address.port, keepalive)
        client.loop_write()
