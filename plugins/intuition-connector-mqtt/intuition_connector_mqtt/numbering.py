"""Ids and numbers for events that are published again and again, so that whoever receives them knows them."""

import re
from collections import Counter
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import PurePath
from typing import Any, Final

import msgspec

from intuition_core.data import DEFAULT_CHANNEL, sent
from intuition_core.runs import shown_data as shown

_MOMENTS: Final = 10_000
"""Moments that are remembered, for late events of a live source."""

_NOT_IN_TOPICS: Final = re.compile(r"[+#/\x00]")

Message = tuple[str, bytes]


class Numbering:
    """Turns the events of one source into messages.

    An id is made from what the event says, its time included, its start left out; of several events that say the same,
    from which of them it is, too. It therefore depends neither on the run nor on what else was asked for. The number
    ``seq`` counts the messages on a topic, from 1.

    Args:
        source: what to call the source in the messages; ids count within it.
        topic: what comes before the symbols of quotes; events of other channels go to their own.
    """

    def __init__(self, source: str, topic: str | None = None) -> None:
        self._source = source
        self._topic = topic
        self._numbers: Counter[str] = Counter()
        self._moments: dict[object, Counter[str]] = {}

    def message(self, event: Mapping[str, Any]) -> Message:
        """The topic and the payload of the next event."""
        identified = {key: value for key, value in event.items() if key != "start"} if "start" in event else event
        said = blake2b(msgspec.json.encode(identified, order="sorted"), digest_size=12).hexdigest()
        same = self._moments.get(event.get("ts"))
        if same is None:
            same = self._moments[event.get("ts")] = Counter()
            if len(self._moments) > _MOMENTS:
                del self._moments[next(iter(self._moments))]
        same[said] += 1
        count = same[said]
        content = dict(event)
        channel = str(content.pop("channel", DEFAULT_CHANNEL))
        # The topic is the channel: a split would be none on a topic of quotes.
        topic = self._topic if self._topic and channel == DEFAULT_CHANNEL else channel
        if "sid" in event and not _NOT_IN_TOPICS.search(event["sid"]):
            topic = f"{topic}/{event['sid']}"
        # A symbol that cannot be a level of a topic still goes along in the payload.
        self._numbers[topic] += 1
        for key in ("ts", "start"):
            if type(content.get(key)) is int:
                content[key] = sent(content[key])
        content["id"] = said if count == 1 else f"{said}-{count}"
        content["source"] = self._source
        content["seq"] = self._numbers[topic]
        return topic, msgspec.json.encode(content)


def source_name(plugin: str, data: tuple[str, ...]) -> str:
    """The name of a source: its plugin and its data, without folders and credentials."""
    read = ",".join(shown(each) if "://" in each else PurePath(each).name for each in data)
    return f"{plugin}:{read}"[:128] if read else plugin
