"""What one transaction of a journal writes: events, their records, and what is to be known of them later."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from intuition_core.data import Event
from intuition_core.supervision.crashes import FailureDecision
from intuition_core.trading.records import Record

CLOCK: Final = ""
"""The client of batches of timers that fell due by the wall clock; no client can have this name."""

_encoder: Final = msgspec.msgpack.Encoder()
_raw_decoder: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])
_decoder: Final = msgspec.msgpack.Decoder(list[dict[str, Any]])


class Delivery(NamedTuple):
    """How a connector received an item: its own key, and the message as the broker numbers and names it."""

    key: str
    packet: int
    topic: str
    hash: str


class Identity(NamedTuple):
    """The id by which an item is recognised, a digest of its content, and its first and last event."""

    identity: str
    content: bytes
    first: int
    last: int


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one transaction writes: events ``first`` to ``last`` and their records; none where ``last < first``.

    Attributes:
        first: the number of the first event.
        last: the number of the last event.
        client: the client that sent the items; None for callers without a name.
        events: the events, or their encoding by `encoded` from before any part had them in hand.
        records: the records of all events, in order.
        identities: the items that have an id.
        deliveries: the deliveries that the items came by.
        acked: the key of the client's last settled delivery.
        published: the id of the last record that the client has published.
        snapshot: the state after the last event.
        failures: the decisions about parts that failed.
        settled: the numbers of the crashes whose events have come again.
        controls: the numbers of the events that have a control record.
        boundary: whether events up to the last are never to be run again; the snapshot is then kept for good.
    """

    first: int
    last: int
    client: str | None = None
    events: Sequence[Event] | bytes = ()
    records: Sequence[Record] = ()
    identities: Sequence[Identity] = ()
    deliveries: Sequence[Delivery] = ()
    acked: str | None = None
    published: str | None = None
    snapshot: bytes | None = None
    failures: Sequence[FailureDecision] = ()
    settled: Sequence[int] = ()
    controls: Sequence[int] = ()
    boundary: bool = False


class Known(NamedTuple):
    """An item that was taken before: the digest of its content, and its records; None where its events were dropped."""

    content: bytes
    records: list[Record] | None


def encoded(content: Sequence[Mapping[str, Any]] | bytes) -> bytes:
    """Return events or records in the journal's encoding, MessagePack; bytes are returned as they are."""
    return content if isinstance(content, bytes) else _encoder.encode(list(content))


def first_of(content: bytes, number: int) -> bytes:
    """Return the encoding of the first so many of the encoded events or records."""
    return _encoder.encode(_raw_decoder.decode(content)[:number])


def decoded(content: bytes) -> list[dict[str, Any]]:
    """Return the events or records of a row of the journal."""
    return _decoder.decode(content)
