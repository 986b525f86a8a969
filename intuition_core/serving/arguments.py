"""The arguments of the RPC methods: their types, and what callers are told of other values."""

import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from intuition_core.errors import IntuitionError
from intuition_core.session.batch import Delivery
from intuition_core.session.heads import LONGEST, is_head
from intuition_core.session.identity import scoped_key
from intuition_core.trading.records import record_key

LARGEST: Final = 2**63 - 1
"""The largest whole number of a call: what a journal holds, and what programs in other languages count with."""

ClientName = Annotated[str, Meta(min_length=1, max_length=128)]
Count = Annotated[int, Meta(ge=0, le=LARGEST)]
DeliveryKey = Annotated[str, Meta(min_length=1, max_length=1024)]
Head = Annotated[str, Meta(max_length=LONGEST)]
RecordId = Annotated[str, Meta(max_length=1024)]

_T = TypeVar("_T")

_CLIENT: Final = "a client's name of 1 to 128 printable characters"
_EPOCH: Final = "the epoch that `attach` gave"
_HEAD: Final = "the head that an answer told"
_DELIVERY: Final = "a delivery as [key, packet, topic, hash]"


class BadCall(IntuitionError):
    """An argument of a call is not of the type that the method takes."""

    def __init__(self, method: str, problem: str) -> None:
        self.method = method
        self.problem = problem
        super().__init__(f"{method}: {problem}")


class _GivenDelivery(NamedTuple):
    """A delivery as it comes; the longest topic is that of MQTT."""

    key: DeliveryKey
    packet: Count
    topic: Annotated[str, Meta(max_length=65_535)]
    hash: Annotated[str, Meta(max_length=1024)]


class _GivenOptions(msgspec.Struct, frozen=True):
    """Options as they come; other keys are left out."""

    client: ClientName
    epoch: Count
    deliveries: list[_GivenDelivery | None]
    head: Head | UnsetType | None = UNSET
    acked: DeliveryKey | None = None
    published: RecordId | None = None
    heard: RecordId | UnsetType | None = UNSET


_EXPECTED: Final = {
    "client": ("events", _CLIENT),
    "epoch": ("events", _EPOCH),
    "deliveries": ("events", _DELIVERY),
    "acked": ("confirm", "the key of a delivery"),
    "published": ("confirm", "the id of a record"),
    "heard": ("events", "heard as the id of a record"),
    "head": ("events", _HEAD),
}
"""For each option: the method that is named to the caller, and what it expects."""


class Options(msgspec.Struct, frozen=True):
    """What an attached client sends along with its items.

    Attributes:
        client: its name; None for callers that have not attached.
        epoch: the number that `attach` gave it.
        deliveries: one for each item, None where an item has none; empty where none has. Their keys are within the
            client, as `scoped_key` returns them.
        acked: the key of its last settled delivery, within the client.
        published: the id of the last record whose publication was acknowledged.
        heard: the place, as (seq, n), of the last record of `controls` that it has taken; None if it takes none.
        head: the head that the last answer told; None before an answer.
        with_head: whether the answer is to tell the head.
    """

    client: str | None = None
    epoch: int = 0
    deliveries: Sequence[Delivery | None] = ()
    acked: str | None = None
    published: str | None = None
    heard: tuple[int, int] | None = None
    head: str | None = None
    with_head: bool = False

    @classmethod
    def read(cls, options: Any, count: int) -> "Options":
        """Return the options of a call with that many items.

        Raises:
            BadCall: an option is missing or of another type.
        """
        if isinstance(options, Mapping) and options.keys() == {"head"}:
            return cls(head=head_of_journal("events", options["head"]), with_head=True)
        if not isinstance(options, Mapping) or "client" not in options or "epoch" not in options:
            raise BadCall("events", "expected options with `client` and `epoch`, as `attach` gave them")
        deliveries = options.get("deliveries") or ()
        if not isinstance(deliveries, list | tuple) or (deliveries and len(deliveries) != count):
            raise BadCall("events", f"expected {count} deliveries, one for each item")
        try:
            known = {option: options[option] for option in _EXPECTED if option in options}
            given = msgspec.convert({**known, "deliveries": deliveries}, _GivenOptions)
        except msgspec.ValidationError as error:
            raise _refused(options, str(error)) from None
        client = client_name("events", given.client)
        for delivery in given.deliveries:
            if delivery is not None and not all(map(_is_utf8, (delivery.key, delivery.topic, delivery.hash))):
                raise _bad("events", _DELIVERY, delivery)
        if given.acked is not None and not _is_utf8(given.acked):
            raise _bad(*_EXPECTED["acked"], given.acked)
        if given.published is not None:
            place(*_EXPECTED["published"], given.published)
        heard = None if given.heard is UNSET else place(*_EXPECTED["heard"], given.heard)
        return cls(
            client,
            given.epoch,
            [each and Delivery(scoped_key(client, each.key), *each[1:]) for each in given.deliveries],
            None if given.acked is None else scoped_key(client, given.acked),
            given.published,
            heard,
            None if given.head is UNSET else head_of_journal("events", given.head),
            given.head is not UNSET,
        )

    def check_published(self, *, run: str, last_seq: int) -> None:
        """Refuse a record as published that the session cannot have given to anybody.

        Args:
            run: the id of the session's run.
            last_seq: the number of its last event.

        Raises:
            BadCall: it is of another run, or of an event that has not come.
        """
        if self.published is None:
            return
        method, expected = _EXPECTED["published"]
        seq, _ = place(method, expected, self.published)
        if seq > last_seq or self.published.rpartition(":")[0].rpartition(":")[0] != run:
            problem = f"{expected} of {run}, whose last event is {last_seq}"
            raise _bad(method, problem, self.published)


def _refused(options: Mapping[str, Any], error: str) -> BadCall:
    """Return what the caller is told of an option that msgspec refuses with a path such as ``$.deliveries[3][1]``."""
    option, _, index = error.rpartition("`$.")[2].rstrip("`").partition("[")
    value = options[option]
    return _bad(*_EXPECTED[option], value[int(index.partition("]")[0])] if index else value)


def _is_utf8(text: str) -> bool:
    """Return whether a text can be written as UTF-8, which half a surrogate pair cannot."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _bad(method: str, expected: str, value: Any) -> BadCall:
    return BadCall(method, f"expected {expected}, got {value!r:.60}")


def _read(method: str, expected: str, value: Any, type_: type[_T]) -> _T:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError:
        raise _bad(method, expected, value) from None


def client_name(method: str, value: Any) -> str:
    """Return the name of a client.

    Raises:
        BadCall: it is no text of 1 to 128 printable characters.
    """
    name = _read(method, _CLIENT, value, ClientName)
    if not name.isprintable():
        raise _bad(method, _CLIENT, value)
    return name


def head_of_journal(method: str, value: Any) -> str | None:
    """Return a head that an answer told; None where the caller has no head.

    Raises:
        BadCall: it is no head.
    """
    if value is None:
        return None
    head = _read(method, _HEAD, value, Head)
    if not is_head(head):
        raise _bad(method, _HEAD, value)
    return head


def head_alone(method: str, options: Any) -> str | None:
    """Return the head among options that hold nothing else; None without options.

    Raises:
        BadCall: they do, or it is no head.
    """
    if options is None:
        return None
    if not isinstance(options, Mapping) or options.keys() != {"head"}:
        raise BadCall(method, f"expected options with `head` alone, got {options!r:.60}")
    return head_of_journal(method, options["head"])


def epoch_number(method: str, value: Any) -> int:
    """Return the number of an epoch.

    Raises:
        BadCall: it is no whole number from 0 within 64 bits.
    """
    return _read(method, _EPOCH, value, Count)


def count(method: str, name: str, value: Any) -> int:
    """Return a number of things.

    Raises:
        BadCall: it is no whole number from 0 within 64 bits.
    """
    return _read(method, f"{name} as a whole number from 0", value, Count)


def place(method: str, expected: str, record: Any) -> tuple[int, int]:
    """Return the place of a record, as (seq, n), by its id; (0, 0), before the first record, for None.

    Raises:
        BadCall: it is no id of a record.
    """
    if record is None:
        return (0, 0)
    try:
        given = _read(method, expected, record, RecordId)
        key = record_key(given)
    except ValueError:
        raise _bad(method, expected, record) from None
    if not _is_utf8(given):
        raise _bad(method, expected, record)
    return key


def place_after(since: Any) -> tuple[tuple[int, int], bool]:
    """Return the place after which decisions are wanted, and whether those of one event are to stay together.

    Args:
        since: the number of an event, after all of whose decisions the place is; or the id of a decision.

    Raises:
        BadCall: it is neither.
    """
    if not isinstance(since, str):
        return (count("decisions", "since_seq", since), sys.maxsize), True
    return place("decisions", "since_seq as a number or a decision's id", since), False
