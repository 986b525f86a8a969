"""A message on its way in."""

from intuition_connector_mqtt.reading import Item


class Delivery:
    """A message that was received and is not yet acknowledged.

    Args:
        topic: where it was published.
        payload: its bytes, or the beginning of them where there are too many to be read.
        size: how many bytes there were.
        mid: the broker's number for it.
        qos: 0 if the broker wants no acknowledgement.
    """

    __slots__ = ("item", "mid", "outstanding", "payload", "qos", "size", "topic", "unreadable")

    def __init__(self, *, topic: str, payload: bytes, size: int, mid: int, qos: int) -> None:
        self.topic = topic
        self.payload = payload
        self.size = size
        self.mid = mid
        self.qos = qos
        self.item: Item | None = None
        """What was read, once it was."""
        self.unreadable: str | None = None
        """Why nothing could be read."""
        self.outstanding = 0
        """Publications on its account that the broker has not acknowledged."""
