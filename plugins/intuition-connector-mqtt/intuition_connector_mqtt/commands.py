"""What people have done at once, such as the kill switch: a topic of its own, on the connection that publishes.

What is published there passes all quotes that a broker still has for us, since it does not come behind them. It is
known again when the broker sends it again, as quotes are, by a `Window` of its own.
"""

from collections import deque
from typing import Any, Final

from paho.mqtt.client import MQTTv5
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from intuition_connector_mqtt.delivery import Delivery
from intuition_connector_mqtt.line import MqttSocket
from intuition_connector_mqtt.window import Window

COMMAND_CLIENT: Final = "mqtt-control"
"""How the connector calls itself at a backend where commands are concerned."""


class Commands:
    """The commands that have arrived on one line after another.

    Args:
        topic: where they are published.
        window: knows what comes again.
        probe: a topic on which nothing is published: to subscribe to it is a request that every broker answers.
    """

    def __init__(self, topic: str, *, window: Window, probe: str) -> None:
        self.topic = topic
        self.window = window
        self.inbox: deque[Delivery] = deque()
        """What has arrived and is not settled; the oldest first."""
        self._probe = probe
        self._line: MqttSocket | None = None
        self._subscription: int | None = None
        self._asked: int | None = None
        self._question = 0

    def greet(self, line: MqttSocket) -> None:
        """Begin with a line, before its first message, which may come together with the broker's welcome."""
        if self._line is not line:
            self._line = line
            self.window.connect(resumed=line.resumed)

    def subscribe(self, line: MqttSocket) -> None:
        """Ask the broker for what is published from now on."""
        if line.client.protocol == MQTTv5:
            # What is retained is refused anyway; once is enough.
            options = SubscribeOptions(qos=1, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            _, self._subscription = line.client.subscribe(self.topic, options=options)
        else:
            _, self._subscription = line.client.subscribe(self.topic, 1)

    def answered(self, mid: int, reasons: list[ReasonCode]) -> list[ReasonCode] | None:
        """Take the broker's answer to a request; give what it says of the subscription, if it is about that."""
        if mid == self._subscription:
            self._subscription = None
            return reasons
        if mid == self._asked:
            self._asked = None
            self.window.answer(self._question)
        return None

    def receive(self, delivery: Delivery) -> None:
        """Take a message, unless it is in hand already."""
        if self.window.receive(delivery):
            self.inbox.append(delivery)

    def flush(self, line: MqttSocket) -> None:
        """Acknowledge what is done, and have the broker say that it knows."""
        for receipt in self.window.acknowledge():
            line.client.ack(receipt.packet, 1)
        if self.window.asks:
            self._question = self.window.ask()
            _, self._asked = line.client.subscribe(self._probe, 1)

    def drop(self) -> None:
        """End with the line; what is in hand stays in hand."""
        self._line = None
        self._subscription = self._asked = None
        self.window.disconnect()

    def concerns(self, message: Any) -> bool:
        """Say whether a message is a command."""
        try:
            return bool(message.topic == self.topic)
        except UnicodeDecodeError:
            return False
