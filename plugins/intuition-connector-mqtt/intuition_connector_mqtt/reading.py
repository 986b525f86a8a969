"""From the bytes of a message to events, or to one clear reason why not."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from intuition_connector_mqtt.topics import find_channel
from intuition_core.data import Event, normalise
from intuition_core.errors import BadData

MAX_CALL: Final = 512 * 1024
"""Bytes of events that are handed to a backend at once."""

IDENTITY: Final = ("id", "source", "seq")
"""User properties that count as fields of the payload."""

_decode = msgspec.json.Decoder().decode
_pack = msgspec.msgpack.Encoder().encode


class Item(msgspec.Struct, frozen=True, gc=False):
    """The events of one message, and how many bytes they take on the way to a backend."""

    events: list[Event]
    size: int

    @property
    def wire(self) -> Event | list[Event]:
        """The event, or an array where there are several."""
        return self.events[0] if len(self.events) == 1 else self.events


def read_item(
    topic: str,
    payload: bytes,
    channels: Sequence[str],
    *,
    properties: Mapping[str, str] | None = None,
    negative_prices: bool = False,
) -> Item:
    """The events of a message. Its topic says which channel they are on: a payload can only repeat it.

    Who may publish where is for the broker's access rules, so that a payload must not choose the channel.

    Args:
        topic: where it was published; what follows the channel is the symbol of events that name none.
        payload: JSON.
        channels: the channels that are listened to.
        properties: user properties of the message; its ``id``, ``source`` and ``seq`` are added to a payload that is no
            array and lacks them.
        negative_prices: let zero and negative prices pass.

    Raises:
        BadData: with the reason. Nothing of the message counts then.
    """
    channel, sid = find_channel(topic, channels)
    try:
        decoded: Any = _decode(payload)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise BadData(f"no JSON: {error}") from None
    except RecursionError:
        raise BadData("nested too deeply") from None
    if properties:
        decoded = _completed(decoded, properties)
    events = normalise(decoded, now=time.time_ns, channel=channel, sid=sid, negative_prices=negative_prices)
    for event in events:
        if event["channel"] != channel:
            raise BadData(
                f"it names the channel `{event['channel']}` on a topic of `{channel}`; "
                f"publish it on `{event['channel']}`"
            )
    size = 0
    # What a payload says once counts for each of its symbols: the sum can be far larger than the payload.
    for event in events:
        size += len(_pack(event))
        if size > MAX_CALL:
            raise BadData(f"its events come to more than {MAX_CALL} bytes")
    return Item(events, size)


def dates_itself(payload: bytes, properties: Mapping[str, str] | None = None) -> bool:
    """Whether all events of a payload say when they are from, or by which id they are known again.

    Args:
        payload: JSON.
        properties: user properties of the message.
    """
    if properties and properties.get("id"):
        return True
    try:
        decoded: Any = _decode(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return True  # it is refused for that
    items = decoded if isinstance(decoded, list) else [decoded]
    return all(isinstance(item, dict) and not item.keys().isdisjoint(("ts", "id")) for item in items)


def _completed(decoded: Any, properties: Mapping[str, str]) -> Any:
    added: dict[str, Any] = {key: properties[key] for key in IDENTITY if properties.get(key)}
    number = added.get("seq", "")
    if number.isascii() and number.isdigit() and len(number) < 19:
        added["seq"] = int(number)
    if not added or isinstance(decoded, list | bool) or decoded is None:
        return decoded
    return {**added, **(decoded if isinstance(decoded, dict) else {"quote": decoded})}
