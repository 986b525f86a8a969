"""What makes a payload known again when it comes a second time: its own id, or the key of its delivery."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

from intuition_core.session.batch import Delivery

OF_THE_DELIVERY: Final = frozenset({"ts", "start", "seq"})
"""Keys that may differ each time a payload comes: the time may have been stamped on the way, a bar's start is known to
some sources and not to others, and a replay from another place counts its messages anew."""


def identity_of(payload: Any, delivery: Delivery | None) -> tuple[str | None, bytes]:
    """Return the identity of a payload, None where it has none, and a digest of its content.

    A publisher's own ``id`` counts before a connector's key; its scope is the channel and the source. A payload is
    recognised as a whole: one of several symbols by its id, an array by the ids of its elements, if each has one. An
    array whose elements all have the same id is recognised by that id, as a single payload is.

    Args:
        payload: one payload as it came.
        delivery: how a connector received it; None for callers without deliveries.
    """
    if isinstance(payload, Mapping):
        elements: Sequence[Any] = (payload,)
    else:
        elements = payload if isinstance(payload, list | tuple) else ()
    if elements and all(map(_has_id, elements)):
        scopes = [[element.get("channel"), element.get("source"), element["id"]] for element in elements]
        said = [{key: value for key, value in element.items() if key not in OF_THE_DELIVERY} for element in elements]
        try:
            distinct = list(dict.fromkeys(msgspec.json.encode(scope).decode() for scope in scopes))
            content = _digest(said if isinstance(payload, list | tuple) else said[0])
            return f"id:{distinct[0]}" if len(distinct) == 1 else f"ids:{_digest(distinct).hex()}", content
        except (msgspec.MsgspecError, TypeError, ValueError, RecursionError, UnicodeError):
            return None, b""  # it cannot be read anyway
    if delivery is not None:
        return delivery.key, delivery.hash.encode()
    return None, b""


def _has_id(payload: Any) -> bool:
    return isinstance(payload, Mapping) and isinstance(payload.get("id"), str | int)


def _digest(content: Any) -> bytes:
    return blake2b(msgspec.msgpack.encode(content), digest_size=16).digest()
