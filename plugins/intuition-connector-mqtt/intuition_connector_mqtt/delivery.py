"""A message on its way in."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final, Self

from paho.mqtt.client import MQTTMessage

from intuition_connector_mqtt.reading import Item
from intuition_connector_mqtt.window import Receipt

EXCERPT: Final = 1024
"""Bytes that are kept of a payload that is too large to be read."""


class Delivery(Receipt):
    """A message that was received and is not yet acknowledged.

    Args:
        topic: where it was published.
        payload: its bytes; of more than ``max_payload`` only the beginning is kept.
        packet: the broker's number for it; 0 if the broker wants no acknowledgement.
        properties: what the publisher said of it beside the payload (MQTT 5).
        max_payload: bytes above which a payload is not kept.
        urgent: whether it is a command, which waits for nothing else.
        retained: whether it was published earlier, and kept by the broker for who subscribes.
    """

    __slots__ = ("item", "outstanding", "payload", "properties", "retained", "size", "unreadable", "urgent")

    def __init__(
        self,
        *,
        topic: str,
        payload: bytes,
        packet: int,
        properties: Mapping[str, Any] | None,
        max_payload: int,
        urgent: bool = False,
        retained: bool = False,
    ) -> None:
        digest = blake2b(topic.encode(), digest_size=12)
        digest.update(b"\0")
        digest.update(payload)
        super().__init__(packet, topic, digest.hexdigest())
        self.size = len(payload)
        """Bytes there were."""
        self.payload = payload if self.size <= max_payload else payload[:EXCERPT]
        self.properties = properties
        self.urgent = urgent
        self.retained = retained
        self.item: Item | None = None
        """The events of the message, once it was read."""
        self.unreadable: str | None = None
        """Why nothing could be read."""
        self.outstanding = 0
        """Publications on its account that the broker has not acknowledged."""

    @classmethod
    def of(cls, message: MQTTMessage, *, max_payload: int, urgent: bool = False) -> Self:
        """The delivery of a message as paho gives it; a topic that is no valid UTF-8 is left empty."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = ""
        # paho sets an attribute only where the message has such a property.
        pairs = vars(message.properties).get("UserProperty") if message.properties is not None else None
        return cls(
            topic=topic,
            payload=bytes(message.payload),
            packet=message.mid if message.qos else 0,
            properties=dict(pairs) if pairs else None,
            max_payload=max_payload,
            urgent=urgent,
            retained=message.retain,
        )

    def lighten(self) -> None:
        """Free the payload of a message that is done: the window may have to hold many."""
        self.payload = b""
        self.properties = None
        self.item = None
