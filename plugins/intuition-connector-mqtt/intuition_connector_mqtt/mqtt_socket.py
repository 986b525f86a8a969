"""One connection to a broker, from the first attempt to its end; a new one is made to come back."""

import ssl
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from intuition_connector_mqtt.client import CONNECT_TIMEOUT
from intuition_connector_mqtt.polling import wait_for

_PATIENCE = 2 * CONNECT_TIMEOUT


class MqttSocket:
    """A paho client turned by its owner: it reads and writes only when told to, and keeps no thread.

    Its owner may set the callbacks for messages, publications and subscriptions. They must only take notes: an
    exception in one of them leaves the client in no defined state.
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self.accepted = False
        """Whether the broker has let us in."""
        self.resumed = False
        """Whether the broker has kept the session."""
        self.properties: Properties | None = None
        """The properties of the broker's welcome (MQTT 5)."""
        self.said: ReasonCode | None = None
        """With what reason the broker refused us, or ended the connection."""
        self._deadline = time.monotonic() + _PATIENCE
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        # That there is a callback makes paho queue what it sends, until it is told to write.
        client.on_socket_register_write = _nothing

    @property
    def socket(self) -> Any:
        """The socket; None once the connection is closed."""
        return self.client.socket()

    @property
    def overdue(self) -> bool:
        """Whether the broker takes too long to let us in."""
        return not self.accepted and time.monotonic() > self._deadline

    @property
    def buffered(self) -> bool:
        """Whether TLS holds bytes that no poll knows of."""
        sock = self.client.socket()
        return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0

    def read(self, progress: Callable[[], int], *, room: Callable[[], bool]) -> None:
        """Read all that has arrived.

        Args:
            progress: counts what was received.
            room: tells whether to go on.
        """
        before = -1
        while (now := progress()) != before and room() and self.client.socket() is not None:
            before = now
            self.client.loop_read()

    def write(self) -> None:
        """Write what waits, as far as the broker takes it."""
        if self.client.want_write():
            self.client.loop_write()

    def tend(self) -> None:
        """Ask the broker whether it is there, if it is time."""
        self.client.loop_misc()

    def leave(self, deadline: float) -> None:
        """Disconnect in an orderly way, so that the last will is not published."""
        if self.accepted and self.client.socket() is not None:
            self.client.disconnect()
            while (sock := self.client.socket()) is not None and self.client.want_write():
                if time.monotonic() > deadline:
                    break
                wait_for([], [sock], 0.1)
                self.client.loop_write()
        self.drop()

    def drop(self) -> None:
        """Close without a goodbye."""
        sock = self.client.socket()
        if sock is not None:
            sock.close()

    def _on_connect(
        self, _client: Client, _userdata: Any, flags: Any, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self.said = reason
            return
        self.accepted = True
        self.resumed = flags.session_present
        self.properties = properties

    def _on_disconnect(
        self, _client: Client, _userdata: Any, flags: Any, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self.said = reason


def _nothing(*_: Any) -> None:
    """Do nothing."""
