"""Reports of numbers that sources have left out."""

import logging
import time

import msgspec

from intuition_connector_mqtt.delivery import Delivery
from intuition_connector_mqtt.occasions import Occasions
from intuition_connector_mqtt.presence import Publication
from intuition_connector_mqtt.sequence import Gap, Sequences

log = logging.getLogger(__name__)


class GapReports:
    """Makes publications of gaps; each is published, and logged once a second at most.

    Args:
        sequences: the numbers so far.
        topic: where gaps are published.
    """

    def __init__(self, sequences: Sequences, topic: str) -> None:
        self._sequences = sequences
        self._topic = topic
        self._occasions = Occasions()

    def of(self, delivery: Delivery) -> list[Publication]:
        """The gaps before a message, as publications."""
        gaps: list[Publication] = []
        for event in delivery.item.events if delivery.item is not None else ():
            number, source = event.get("seq"), event.get("source")
            if type(number) is not int or not (source is None or isinstance(source, str)):
                continue
            expected = self._sequences.follow(delivery.topic, source, number)
            if expected is None:
                continue
            if number < expected:
                log.debug("number %d of %s on %s came again or late", number, source, delivery.topic)
                continue
            gap = Gap(delivery.topic, source, expected, number, time.time_ns())
            self._log(gap)
            gaps.append(Publication(self._topic, msgspec.json.encode(gap)))
        return gaps

    def _log(self, gap: Gap) -> None:
        if (count := self._occasions.occasion()) is None:
            return
        others = f", and {count - 1} other gaps" if count > 1 else ""
        log.warning(
            "%s on %s%s: expected number %d, got %d", gap.source or "a source", gap.topic, others, gap.expected, gap.got
        )
