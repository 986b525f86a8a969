"""A publication on its way out."""

from intuition_connector_mqtt.delivery import Delivery
from intuition_connector_mqtt.presence import Publication


class Sending:
    """A publication that the broker has not acknowledged, and the message it is owed to, if any."""

    __slots__ = ("acknowledged", "delivery", "publication")

    def __init__(self, publication: Publication, delivery: Delivery | None = None) -> None:
        self.publication = publication
        self.delivery = delivery
        self.acknowledged = False
