"""Commands, such as those of the kill switch: a topic of their own, on the connection that publishes.

A command passes all quotes that the broker still has for the connector, since it does not come behind them. It is known
again when the broker sends it again, as quotes are, by a `Window` of its own.
"""

from collections import deque
from typing import Any, Final

import msgspec
from paho.mqtt.client import MQTTv5
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from intuition_connector_mqtt.delivery import Delivery
from intuition_connector_mqtt.mqtt_socket import MqttSocket
from intuition_connector_mqtt.window import Window
from intuition_core.errors import BadData

COMMAND_CLIENT: Final = "mqtt-control"
"""The connector's name at a backend for the delivery of commands."""


class Commands:
    """The commands of one session, on one connection after another.

    Args:
        topic: where they are published.
        window: knows what comes again.
        probe: a topic on which nothing is published: to subscribe to it is a request that every broker answers.
    """

    def __init__(self, topic: str, *, window: Window, probe: str) -> None:
        self.topic = topic
        self.window = window
        self.inbox: deque[Delivery] = deque()
        """Commands that have arrived and are not settled; the oldest first."""
        self._probe = probe
        self._socket: MqttSocket | None = None
        self._subscription: int | None = None
        self._asked: int | None = None
        self._question = 0

    def greet(self, sock: MqttSocket) -> None:
        """Begin with a connection, before its first message, which may come together with the broker's welcome."""
        if self._socket is not sock:
            self._socket = sock
            self.window.connect(resumed=sock.resumed)

    def subscribe(self, sock: MqttSocket) -> None:
        """Subscribe to commands that are published from now on."""
        if sock.client.protocol == MQTTv5:
            # What is retained is refused anyway; once is enough.
            options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            _, self._subscription = sock.client.subscribe(self.topic, options=options)
        else:
            _, self._subscription = sock.client.subscribe(self.topic, 1)

    def answered(self, mid: int, reasons: list[ReasonCode]) -> list[ReasonCode] | None:
        """Book the broker's answer to a request; the reasons, if the request was the subscription."""
        if mid == self._subscription:
            self._subscription = None
            return reasons
        if mid == self._asked:
            self._asked = None
            self.window.answer(self._question)
        return None

    def receive(self, delivery: Delivery) -> None:
        """Put a command into the inbox, unless it is in hand already."""
        if self.window.receive(delivery):
            self.inbox.append(delivery)

    def flush(self, sock: MqttSocket) -> None:
        """Acknowledge the commands that are done, and ask the broker for proof that it knows."""
        for receipt in self.window.acknowledge():
            sock.client.ack(receipt.packet, 1)
        if self.window.asks:
            self._question = self.window.ask()
            _, self._asked = sock.client.subscribe(self._probe, 1)

    def drop(self) -> None:
        """End with the connection; commands in hand stay in hand."""
        self._socket = None
        self._subscription = self._asked = None
        self.window.disconnect()

    def concerns(self, message: Any) -> bool:
        """Whether a message is a command."""
        try:
            return bool(message.topic == self.topic)
        except UnicodeDecodeError:
            return False


def read_command(delivery: Delivery, max_payload: int) -> dict[str, Any]:
    """The command in a message.

    Args:
        delivery: the message.
        max_payload: bytes above which it is refused.

    Raises:
        BadData: the message is retained, too large, or no JSON object.
    """
    if delivery.retained:
        raise BadData("a retained command would come again at each start; publish it without the retain flag")
    if delivery.size > max_payload:
        raise BadData(f"{delivery.size} bytes; at most {max_payload} are read")
    try:
        command = msgspec.json.decode(delivery.payload)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadData(f"no JSON: {error}") from None
    except RecursionError:
        raise BadData("nested too deeply") from None
    if not isinstance(command, dict):
        raise BadData(f'expected an object such as {{"action": "kill", "reason": "…"}}, got {type(command).__name__}')
    return command
