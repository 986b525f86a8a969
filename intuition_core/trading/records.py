"""Records: what an event caused, as plain JSON types, with money and quantities as decimal strings."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final, TypeAlias

from intuition_core.account.amounts import plain_decimal
from intuition_core.trading.orders import Filled, OpenOrder

Record: TypeAlias = dict[str, Any]
"""``id, type, seq, ts, sid, cause`` and what the type adds; never changed once written."""

TYPES: Final = ("decision", "fill", "rejection", "message", "error", "control", "action")

ID_KEYS: Final = ("id", "cause", "parent", "group")
"""Where a record has an id; a group has one where a bracket made it, and else the name that its author chose."""

IDS_KEYS: Final = ("replaces", "after")
"""Where a record has a list of ids; an action's ``after`` is a number of units."""


class Recorder:
    """Writes the records of one run; ids are ``<run>:<seq>:<n>``, so they are unique wherever the records go.

    A run without a name, of which records go nowhere, has ids ``<seq>:<n>``.

    Attributes:
        seq: the number of the present event.
        ts: the time of the present event, in nanoseconds UTC.
        written: the records that have not been taken; always the same list.
    """

    __slots__ = ("_event", "_n", "_prefix", "_quantity", "_quantity_text", "run", "seq", "ts", "written")

    def __init__(self, run: str) -> None:
        self.run = run
        self._prefix = f"{run}:" if run else ""
        self._event = f"{self._prefix}0"
        self.seq = 0
        self.ts = 0
        self._n = 0
        self.written: list[Record] = []
        self._quantity = Decimal(0)
        self._quantity_text = "0"

    def open(self, seq: int, ts: int) -> None:
        """Begin an event, or go on with it."""
        if seq != self.seq:
            self.seq = seq
            self.ts = ts
            self._n = 0
            self._event = f"{self._prefix}{seq}"

    @property
    def next_id(self) -> str:
        """The id of the record that is written next."""
        return f"{self._event}:{self._n}"

    def take(self) -> list[Record]:
        """Give the records written since the last time."""
        taken = self.written.copy()
        self.written.clear()
        return taken

    def decision(self, placed: OpenOrder, quantity: Decimal, cash: Decimal) -> Record:
        """Write that an order is placed, under its id: the units and cash that it comes to at the signal's quote."""
        order = placed.order
        if quantity is not self._quantity:  # as often as not it is the very number of the record before
            self._quantity, self._quantity_text = quantity, plain_decimal(quantity)
        record = {
            "id": placed.id,
            "type": "decision",
            "seq": self.seq,
            "ts": self.ts,
            "sid": order.sid,
            "cause": self._event,
            "side": order.side,
            "cash": plain_decimal(cash),
            "quantity": self._quantity_text,
            "quote": order.quote,
            "algorithm": placed.algorithm,
            "portfolio": placed.portfolio,
            "status": "placed",
        }
        if order.reason:
            record["reason"] = order.reason
        self._n += 1
        self.written.append(record)
        return record

    def fill(self, placed: OpenOrder, filled: Filled) -> Record:
        """Write what an order brought."""
        order, quantity = placed.order, filled.quantity
        if quantity is not self._quantity:
            self._quantity, self._quantity_text = quantity, plain_decimal(quantity)
        record = {
            "id": f"{self._event}:{self._n}",
            "type": "fill",
            "seq": self.seq,
            "ts": self.ts,
            "sid": order.sid,
            "cause": placed.id,
            "side": order.side,
            "quantity": self._quantity_text,
            "price": filled.price,
            "cash": plain_decimal(filled.cash),
            "algorithm": placed.algorithm,
            "portfolio": placed.portfolio,
        }
        if filled.profit is not None:
            record["profit"] = plain_decimal(filled.profit)
        self._n += 1
        self.written.append(record)
        return record

    def write(self, type_: str, sid: str | None, /, *, cause: str | None = None, **content: Any) -> Record:
        """Write a record of another type; without a ``cause`` the event itself is the cause."""
        record = {
            "id": f"{self._event}:{self._n}",
            "type": type_,
            "seq": self.seq,
            "ts": self.ts,
            "sid": sid,
            "cause": cause if cause is not None else self._event,
            **content,
        }
        self._n += 1
        self.written.append(record)
        return record


def ends_an_order(record: Mapping[str, Any]) -> bool:
    """Say whether a rejection ends an order that was placed, rather than refusing one: it was replaced, or is over."""
    event, _, _ = str(record.get("id", "")).rpartition(":")
    cause = str(record.get("cause", ""))
    return record["type"] == "rejection" and cause != event and ":" in cause


def refuses_an_event(record: Mapping[str, Any]) -> bool:
    """Say whether a rejection refuses an event, such as a split that cannot be booked, rather than an order."""
    return record["type"] == "rejection" and "side" not in record


def without_run(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Give a record's items with the run taken off its ids, so that the records of two runs compare."""
    run = record["id"].rpartition(":")[0].rpartition(":")[0]
    prefix = f"{run}:" if run else ""
    for key, value in record.items():
        if key in ID_KEYS and isinstance(value, str):
            yield key, value.removeprefix(prefix)
        elif key in IDS_KEYS and isinstance(value, list):
            yield key, [each.removeprefix(prefix) for each in value]
        else:
            yield key, value


def record_key(record_id: str) -> tuple[int, int]:
    """Give a record's place in its session: the event's number, and its own within the event.

    Raises:
        ValueError: it is no record's id.
    """
    _, seq, n = record_id.rsplit(":", 2)
    return int(seq), int(n)
