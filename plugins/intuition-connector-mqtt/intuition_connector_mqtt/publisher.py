"""Publishing many messages, each acknowledged, without keeping more than a window of them in memory."""

import ssl
import threading
from types import TracebackType
from typing import Any, Final, Self
from uuid import uuid4

from paho.mqtt.client import MQTTv311
from paho.mqtt.reasoncodes import ReasonCode

from intuition_connector_mqtt.address import Address, remedy
from intuition_connector_mqtt.client import CONNECT_TIMEOUT, make_client
from intuition_connector_mqtt.errors import BrokerRefused
from intuition_core.errors import IntuitionError

_WINDOW: Final = 500


class NoBroker(IntuitionError):
    """A broker that cannot be reached, or that stopped answering."""

    def __init__(self, address: Address, problem: str) -> None:
        self.address = str(address)
        self.problem = problem
        advice = remedy(address, problem) or "; start one with `intuition broker`, or name yours with --mqtt URL"
        super().__init__(f"no broker at {address}: {problem}{advice}")


class Publisher:
    """Publishes while it is entered; leaving it waits until everything is acknowledged.

    Args:
        address: where the broker is, with the credentials.
        tls: what to trust; None for the system's certificates.
        qos: 0 (sent once, perhaps lost) or 1 (acknowledged by the broker).
        patience: seconds without an acknowledgement after which the broker is given up.
    """

    def __init__(
        self, address: Address, *, tls: ssl.SSLContext | None = None, qos: int = 1, patience: float = 30.0
    ) -> None:
        self._address = address
        self._qos = qos
        self._patience = patience
        self._free = threading.BoundedSemaphore(_WINDOW)
        self._answered = threading.Event()
        self._refusal: ReasonCode | None = None
        self._client = make_client(
            address, client_id=f"intuition-publish-{uuid4().hex[:8]}", protocol=MQTTv311, tls=tls
        )
        self._client.on_connect = self._on_connect
        self._client.on_publish = self._on_publish

    def __enter__(self) -> Self:
        """Connect.

        Raises:
            NoBroker: there is none.
            BrokerRefused: it does not let us in.
        """
        try:
            self._client.connect(self._address.host, self._address.port)
        except ssl.SSLCertVerificationError as error:
            problem = f"its certificate cannot be trusted ({error.verify_message}); name its authority with --ca FILE"
            raise BrokerRefused(self._address, problem) from None
        except (OSError, ValueError) as error:
            raise NoBroker(self._address, getattr(error, "strerror", None) or str(error)) from None
        self._client.loop_start()
        answered = self._answered.wait(CONNECT_TIMEOUT)
        if not answered or self._refusal is not None:
            self._client.loop_stop()
            if self._refusal is not None:
                raise BrokerRefused(self._address, f"{self._refusal}; check the user name and the password")
            raise NoBroker(self._address, "what listens there does not answer")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait for what is not acknowledged yet, unless something went wrong, and disconnect."""
        try:
            if kind is None:
                for _ in range(_WINDOW):
                    self._take()
        finally:
            self._client.disconnect()
            self._client.loop_stop()

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish one message; waits while too many are not acknowledged.

        Raises:
            NoBroker: the broker stopped answering.
        """
        self._take()
        self._client.publish(topic, payload, qos=self._qos)

    def _take(self) -> None:
        if not self._free.acquire(timeout=self._patience):
            raise NoBroker(self._address, f"it acknowledged nothing for {self._patience:.0f} s")

    def _on_connect(self, _client: Any, _userdata: Any, _flags: Any, reason: ReasonCode, _properties: Any) -> None:
        self._refusal = reason if reason.is_failure else None
        self._answered.set()

    def _on_publish(self, *_: Any) -> None:
        self._free.release()
