"""What makes a payload known again when it comes a second time: its own id, or the key of its delivery."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Final

import msgspec

from intuition_core.data import DEFAULT_CHANNEL
from intuition_core.session.batch import Delivery
from intuition_core.trading.decisions import CONTROL
from intuition_core.trading.timers import TIMER

OF_THE_DELIVERY: Final = frozenset({"ts", "start", "seq"})
"""Keys that may differ each time a payload comes: the time may have been stamped on the way, a bar's start is known to
some sources and not to others, and a replay from another place counts its messages anew."""

_NO_CONTENT: Final = OF_THE_DELIVERY | {"id", "source"}
"""Keys that are no content of an event: those, and what its identity holds."""
_NO_CONTENT_OF_A_COMMAND: Final = _NO_CONTENT | {"by"}
"""The same for commands, which may come by one way and then by another."""
_INT64: Final = 2.0**63
_AS_THEY_ARE: Final = frozenset({str, int, bool})

_encode: Final = msgspec.json.Encoder().encode
_pack: Final = msgspec.msgpack.Encoder(order="sorted").encode


def identity_of(events: Mapping[str, Any] | Sequence[Any], delivery: Delivery | None) -> tuple[str | None, bytes]:
    """Return the identity of a payload, None where it has none, and a digest of its content.

    A publisher's own ``id`` counts before a connector's key; its scope is the channel and the source. A payload is
    recognised as a whole: one of several symbols by its id, an array by the ids of its elements, if each has one. An
    array whose elements all have the same id is recognised by that id, as a single payload is. A channel that is left
    out is `DEFAULT_CHANNEL`, and ``7.0`` is ``7``.

    Args:
        events: the payload as `normalise` returns it, whichever way it came.
        delivery: how a connector received it, its key within the client; None for callers without deliveries.
    """
    elements = _elements(events)
    if elements and all(map(_has_id, elements)):
        return _identity_in(map(_scope, elements)), content_of(elements)
    if delivery is not None:
        return delivery.key, delivery.hash.encode()
    return None, b""


def former_identities(payload: Any) -> tuple[str, ...]:
    """Return the identities by which older versions knew a payload: without the channel, if it was left out.

    Args:
        payload: one payload as it came.
    """
    elements = _elements(payload)
    if not elements or not all(map(_has_id, elements)):
        return ()
    if len(elements) == 1:  # for speed
        (element,) = elements
        if element.get("channel", DEFAULT_CHANNEL) != DEFAULT_CHANNEL:
            return ()
        return (_identity_in([[None, element.get("source"), element["id"]]]),)
    came = [[element.get("channel"), element.get("source"), element["id"]] for element in elements]
    bare = [[None if channel == DEFAULT_CHANNEL else channel, *rest] for channel, *rest in came]
    former = dict.fromkeys((_identity_in(bare), _identity_in(came)))
    former.pop(_identity_in(map(_scope, elements)), None)
    return tuple(former)


def content_of(events: Iterable[Mapping[str, Any]]) -> bytes:
    """Return a digest of what events say, the same in whichever order and form of numbers they say it.

    The timers that were told before them, as events of the same payload, are left out.
    """
    said = [_said(event) for event in events if event.get("channel") != TIMER]
    return blake2b(_pack(said), digest_size=16).digest()


def scoped_key(client: str, key: str) -> str:
    """Return the key of a delivery within its client, so that no other client can have the same."""
    return f"{_scope_of(client)}{key}"


def key_within(client: str, scoped: str) -> str:
    """Return the key that a client gave, from what `scoped_key` made of it."""
    return scoped.removeprefix(_scope_of(client))


def is_scoped(client: str, key: str) -> bool:
    """Return whether a key is one of `scoped_key`; those that older versions kept are not."""
    return key.startswith(_scope_of(client))


def _scope_of(client: str) -> str:
    # With the length, since a name may hold any character: "a:b" and "c" are not "a" and "b:c".
    return f"key:{len(client)}:{client}:"


def _elements(payload: Any) -> Sequence[Any]:
    if isinstance(payload, Mapping):
        return (payload,)
    return payload if isinstance(payload, list | tuple) else ()


def _has_id(element: Any) -> bool:
    return isinstance(element, Mapping) and isinstance(element.get("id"), str | int | float)


def _scope(element: Mapping[str, Any]) -> list[Any]:
    return [element.get("channel", DEFAULT_CHANNEL), _whole(element.get("source")), _whole(element["id"])]


def _identity_in(scopes: Iterable[Sequence[Any]]) -> str:
    distinct = list(dict.fromkeys([_encode(scope).decode() for scope in scopes]))
    if len(distinct) == 1:
        return f"id:{distinct[0]}"
    return f"ids:{blake2b(msgspec.msgpack.encode(distinct), digest_size=16).hexdigest()}"


def _said(event: Mapping[str, Any]) -> dict[str, Any]:
    left_out = _NO_CONTENT_OF_A_COMMAND if event.get("channel") == CONTROL else _NO_CONTENT
    said = {
        key: value if type(value) in _AS_THEY_ARE else _whole(value)
        for key, value in event.items()
        if key not in left_out
    }
    said.setdefault("channel", DEFAULT_CHANNEL)
    return said


def _whole(value: Any) -> Any:
    """Return a value with whole numbers as integers: some languages have no others, some write all with a point."""
    if type(value) is float:
        return int(value) if value.is_integer() and -_INT64 <= value < _INT64 else value
    if isinstance(value, list | tuple):
        return [_whole(inner) for inner in value]
    if isinstance(value, Mapping):
        return {key: _whole(inner) for key, inner in value.items()}
    return value
