"""Requests that a broker must answer: proof that it has received every acknowledgement sent before.

The request is a subscription to a topic on which nothing is published. Its answer comes behind all messages that the
broker has sent before. Some brokers send all that they have, however little is acknowledged, so that this answer can be
late; then the connector publishes to itself, from one connection to the other, past those messages.
"""

import time
from collections.abc import Sequence
from secrets import token_hex
from typing import Final

import msgspec
from paho.mqtt.reasoncodes import ReasonCode

from intuition_connector_mqtt.mqtt_socket import MqttSocket
from intuition_connector_mqtt.window import Window

PAUSE: Final = 0.05
"""Seconds for which acknowledgements may be unproven before the broker is asked."""

MAX_UNPROVEN: Final = 500
"""Acknowledgements that may be unproven before the broker is asked at once."""


class Probe:
    """The requests of one session, on one connection after another.

    Args:
        topic: the topic to subscribe to; echoes are published below it.
        window: the deliveries whose acknowledgements are to be proven.
    """

    def __init__(self, topic: str, window: Window) -> None:
        self.due_at: float | None = None
        """When to ask next, by the monotonic clock; None if nothing is to be asked."""
        self._topic = topic
        self._window = window
        self._packet: int | None = None  # of the request that is not answered
        self._question = 0
        self._echo_topic = f"{topic}/aside"
        self._nonce = token_hex(4)  # tells our echoes from those of an earlier process
        self._echo_packet: int | None = None
        self._echo_open: bool | None = None  # whether echoes are subscribed to; None: not asked for yet
        self._echo: tuple[int, bytes] | None = None  # the question that waits for an echo, and the echo

    def ask(self, inlet: MqttSocket, outlet: MqttSocket) -> None:
        """Send a request, if it is time for one.

        Args:
            inlet: the connection on which messages come in.
            outlet: the connection on which echoes come back.
        """
        if not self._window.asks:
            self._ask_for_echo(inlet, outlet)
            return
        now = time.monotonic()
        if self.due_at is None:
            self.due_at = now if self._window.matching else now + PAUSE
        if now >= self.due_at or self._window.unproven >= MAX_UNPROVEN:
            _, self._packet = inlet.client.subscribe(self._topic, 1)
            self.due_at = None
            self._question = self._window.ask()

    def answered(self, packet: int) -> bool:
        """Whether an answer on the inlet was that to the request, which is then proven; a refusal proves as much."""
        if packet != self._packet:
            return False
        self._packet = self._echo = None
        self._window.answer(self._question)
        return True

    def answered_aside(self, packet: int, reasons: Sequence[ReasonCode]) -> bool:
        """Whether an answer on the outlet was that to the subscription to echoes."""
        if packet != self._echo_packet:
            return False
        self._echo_open = not any(reason.is_failure for reason in reasons)
        return True

    def heard(self, payload: bytes | bytearray) -> None:
        """Take a message of the outlet for the echo, if it is the one that is waited for."""
        if self._echo is not None and payload == self._echo[1]:
            self._window.answer(self._echo[0])
            self._echo = None

    def drop(self) -> None:
        """Forget the requests of a connection that has ended."""
        self.due_at = None
        self._packet = self._echo_packet = None
        self._echo = self._echo_open = None

    def _ask_for_echo(self, inlet: MqttSocket, outlet: MqttSocket) -> None:
        if self._packet is None or self._window.unproven < 2 * MAX_UNPROVEN or self._echo is not None:
            return
        if self._echo_open is None:
            self._echo_open = False
            _, self._echo_packet = outlet.client.subscribe(self._echo_topic, 0)
        elif self._echo_open:
            question = self._window.ask(in_order=False)
            self._echo = question, msgspec.json.encode(f"{self._nonce}:{question}")
            inlet.client.publish(self._echo_topic, self._echo[1], qos=0)
