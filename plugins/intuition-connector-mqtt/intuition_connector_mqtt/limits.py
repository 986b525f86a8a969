"""The limits that a broker announces when it lets a client in (MQTT 5, CONNACK), and letters that keep to them."""

import time
from typing import Any, Final, Self

import msgspec
from paho.mqtt.properties import Properties

from intuition_connector_mqtt.delivery import EXCERPT
from intuition_connector_mqtt.presence import Publication

_EVERY: Final = 65_535


class BrokerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """The most that a broker takes; a broker that speaks MQTT 3.1.1 announces none of it."""

    packet: int | None = None
    """Bytes of a packet; None for no limit."""
    qos: int = 2
    """The highest quality of service."""
    retain: bool = True
    """Whether it keeps retained messages."""
    in_flight: int = _EVERY
    """Publications that may be unacknowledged at once."""
    expiry: int | None = None
    """Seconds for which it keeps the session of a client that is away; None for as long as was asked for."""

    @classmethod
    def of(cls, properties: Properties | None) -> Self:
        """The limits in the properties of a CONNACK."""
        # paho sets an attribute only where the packet has such a property.
        said = vars(properties) if properties is not None else {}
        return cls(
            packet=said.get("MaximumPacketSize"),
            qos=said.get("MaximumQoS", 2),
            retain=bool(said.get("RetainAvailable", 1)),
            in_flight=said.get("ReceiveMaximum", _EVERY),
            expiry=said.get("SessionExpiryInterval"),
        )

    def remarks(self, *, expiry: int) -> list[str]:
        """Consequences of the limits that people should know of, each the end of a sentence about the broker.

        Args:
            expiry: seconds for which the session was to be kept.
        """
        remarks = []
        if not self.retain:
            remarks.append(
                "keeps no retained messages: the state, the description and the account are seen by those alone who "
                "listen already"
            )
        if self.expiry is not None and self.expiry < expiry:
            remarks.append(f"keeps messages for a connector that is away for {self.expiry} s, and not for {expiry}")
        return remarks

    def takes(self, topic: str, payload: bytes) -> bool:
        """Whether a publication with QoS 1 is small enough."""
        return self.packet is None or packet_size(topic, payload) <= self.packet


def packet_size(topic: str, payload: bytes) -> int:
    """The bytes of a PUBLISH packet of MQTT 5 with QoS 1 and no properties (section 3.3 of the standard)."""
    rest = 2 + len(topic.encode()) + 2 + 1 + len(payload)
    return 1 + (1 if rest < 128 else 2 if rest < 16_384 else 3 if rest < 2_097_152 else 4) + rest


def dead_letter(publication: Publication, reason: str, *, topic: str, limits: BrokerLimits) -> Publication | None:
    """The letter for `dead` in place of a publication that the broker does not take; None if none is small enough.

    Args:
        publication: the publication; of one that is a dead letter itself, less of the payload is kept.
        reason: why the broker does not take it.
        topic: the topic of dead letters.
        limits: the broker's; the payload is shortened until the letter keeps to them.
    """
    if publication.topic == topic:
        letter: dict[str, Any] = msgspec.json.decode(publication.payload)
    else:
        letter = {
            "reason": reason,
            "ts": time.time_ns(),
            "topic": publication.topic,
            "payload": publication.payload[:EXCERPT].decode("utf-8", "replace"),
            "size": len(publication.payload),
        }
    while not limits.takes(topic, payload := msgspec.json.encode(letter)):
        longest = max(letter, key=lambda key: len(letter[key]) if isinstance(letter[key], str) else 0)
        if not isinstance(letter[longest], str) or not letter[longest]:
            return None
        letter[longest] = letter[longest][: len(letter[longest]) // 2]
    return Publication(topic, payload, record=publication.record)
