"""Records: what an event caused, with money and quantities as decimal strings.

Inside, the records of orders are frozen structs, whose fields are the table of what each kind holds and in which order;
`as_mappings` makes of all of them mappings of plain JSON types.
"""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeAlias

import msgspec

from intuition_core.account.amounts import plain_decimal
from intuition_core.contracts import Order, OrderType, Side, Tif
from intuition_core.trading.orders import Filled, OpenOrder, is_simple_market

Record: TypeAlias = dict[str, Any]
"""``id, type, seq, ts, sid, cause`` and what the type adds; never changed once written."""

TYPES: Final = ("decision", "fill", "rejection", "message", "error", "control", "action", "cancel", "execution")

ID_KEYS: Final = ("id", "cause", "parent", "group")
"""Where a record has an id; a group has one where a bracket made it, and else the name that its author chose."""

_LARGEST: Final = 2**63 - 1
_LONGEST: Final = 2 * 19
"""Digits of both numbers in the id of a record."""

_TERMS: Final = ("stop_loss", "take_profit", "group", "limit", "stop", "tif")

IDS_KEYS: Final = ("replaces", "after")
"""Where a record has a list of ids; an action's ``after`` is a number of units."""


class Head(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The fields of every record, in their order; those that a kind adds are left out where they are None."""

    id: str
    type: str
    seq: int
    ts: int
    sid: str | None
    cause: str


class Decision(Head, frozen=True, gc=False, omit_defaults=True):
    """An order that is placed: what it comes to at the signal's quote, and how it is to be traded."""

    side: Side
    cash: str
    quantity: str
    quote: float
    algorithm: str
    portfolio: str
    status: str
    reason: str | None = None
    short: bool | None = None
    order: OrderType | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    group: str | None = None
    limit: float | None = None
    stop: float | None = None
    tif: Tif | None = None
    expires: int | None = None
    after: list[str] | None = None
    tag: str | None = None
    replaces: list[str] | None = None
    parent: str | None = None


class FillRecord(Head, frozen=True, gc=False, omit_defaults=True):
    """What an order brought; the costs only where there are some."""

    side: Side
    quantity: str
    price: float
    cash: str
    algorithm: str
    portfolio: str
    profit: str | None = None
    commission: str | None = None
    slippage: str | None = None
    left_quantity: str | None = None
    left_cash: str | None = None
    ordered_quantity: str | None = None
    ordered_cash: str | None = None


class RejectionRecord(Head, frozen=True, gc=False, omit_defaults=True):
    """An order that is refused, or that ends unfilled; with the name of the risk part that refused it."""

    side: Side
    quote: float
    reason: str
    algorithm: str
    portfolio: str
    ordered_quantity: str | None = None
    ordered_cash: str | None = None
    risk: str | None = None


Written: TypeAlias = Decision | FillRecord | RejectionRecord | Record
"""A record as it is inside: those of orders are structs, all others mappings."""


def as_mappings(written: Sequence[Written]) -> list[Record]:
    """Return records as mappings of plain JSON types."""
    return msgspec.to_builtins(written)  # type: ignore[no-any-return]  # of structs and mappings it makes mappings


def fills_of(records: Sequence[Written]) -> list[FillRecord]:
    """Return the fills among records, also of those that are mappings by now, as a traced engine gives them."""
    return [
        record if type(record) is FillRecord else msgspec.convert(record, FillRecord)
        for record in records
        if type(record) is FillRecord or (type(record) is dict and record["type"] == "fill")
    ]


class Recorder:
    """Writes the records of one run; ids are ``<run>:<seq>:<n>``, so they are unique wherever the records go.

    A run without a name, of which records go nowhere, has ids ``<seq>:<n>``.

    Attributes:
        seq: the number of the present event.
        ts: the time of the present event, in nanoseconds UTC.
        written: the records that have not been taken; always the same list.

    Args:
        run: the beginning of all ids.
        costly: whether fills are recorded with their costs.
    """

    __slots__ = ("_costly", "_event", "_n", "_prefix", "_quantity", "_quantity_text", "run", "seq", "ts", "written")

    def __init__(self, run: str, *, costly: bool = False) -> None:
        self.run = run
        self._prefix = f"{run}:" if run else ""
        self._event = f"{self._prefix}0"
        self._costly = costly
        self.seq = 0
        self.ts = 0
        self._n = 0
        self.written: list[Written] = []
        self._quantity = Decimal(0)
        self._quantity_text = "0"

    def open(self, seq: int, ts: int) -> None:
        """Begin an event, or go on with it."""
        if seq != self.seq:
            self.seq = seq
            self.ts = ts
            self._n = 0
            self._event = f"{self._prefix}{seq}"

    def next_id(self) -> str:
        """Return the id of the record that is written next."""
        return f"{self._event}:{self._n}"

    def take(self) -> list[Record]:
        """Return the records written since the last time, as mappings."""
        return as_mappings(self.take_written())

    def take_written(self) -> list[Written]:
        """Return the records written since the last time, as they are inside."""
        taken = self.written.copy()
        self.written.clear()
        return taken

    def decision(
        self,
        placed: OpenOrder,
        quantity: Decimal,
        cash: Decimal,
        *,
        simple: bool = False,
        replaces: Sequence[OpenOrder] = (),
    ) -> None:
        """Write that an order is placed, under its id.

        Args:
            placed: as the order book keeps it.
            quantity: the units that it comes to at the signal's quote.
            cash: the cash that it comes to, in the account's currency.
            simple: whether the caller knows it to be a simple market order of a long position, without a tag.
            replaces: the orders whose place it takes.
        """
        order = placed.order
        record = Decision(
            placed.id,
            "decision",
            self.seq,
            self.ts,
            order.sid,
            self._event,
            order.side,
            plain_decimal(cash),
            self._text(quantity),
            order.quote,
            placed.algorithm,
            placed.portfolio,
            "placed",
            order.reason or None,
        )
        if not simple:
            record = msgspec.structs.replace(record, **_terms(placed, replaces))
        self._n += 1
        self.written.append(record)

    def fill(self, placed: OpenOrder, filled: Filled) -> None:
        """Write what an order brought."""
        order = placed.order
        record = FillRecord(
            f"{self._event}:{self._n}",
            "fill",
            self.seq,
            self.ts,
            order.sid,
            placed.id,
            order.side,
            self._text(filled.quantity),
            filled.price,
            plain_decimal(filled.cash),
            placed.algorithm,
            placed.portfolio,
            None if filled.profit is None else plain_decimal(filled.profit),
        )
        if self._costly:
            commission, slippage = plain_decimal(filled.commission), plain_decimal(filled.slippage)
            record = msgspec.structs.replace(record, commission=commission, slippage=slippage)
        units, cash = filled.left_quantity, filled.left_cash
        if units is not None or cash is not None or placed.ordered is not None:
            left = {"left_quantity": _text_of(units), "left_cash": _text_of(cash)}
            record = msgspec.structs.replace(record, **left, **_ordered(placed))
        self._n += 1
        self.written.append(record)

    def rejection(self, placed: OpenOrder, reason: str) -> None:
        """Write that an order has ended unfilled, or with a rest that is not filled."""
        order = placed.order
        head = self.next_id(), "rejection", self.seq, self.ts, order.sid, placed.id
        names = placed.algorithm, placed.portfolio
        record = RejectionRecord(*head, order.side, order.quote, reason, *names)
        self._append(msgspec.structs.replace(record, **_ordered(placed)))

    def refusal(self, order: Order, reason: str, *, names: tuple[str, str], risk: str | None = None) -> None:
        """Write that an order is not placed.

        Args:
            order: the order.
            reason: why.
            names: of the algorithm and the portfolio.
            risk: the name of the risk part that refused it.
        """
        head = self.next_id(), "rejection", self.seq, self.ts, order.sid, self._event
        self._append(RejectionRecord(*head, order.side, order.quote, reason, *names, risk=risk))

    def write(self, type_: str, sid: str | None, /, **content: Any) -> None:
        """Write a record of another kind, which the event itself has caused."""
        head = {"id": self.next_id(), "type": type_, "seq": self.seq, "ts": self.ts, "sid": sid, "cause": self._event}
        self._append({**head, **content})

    def _append(self, record: Written) -> None:
        self._n += 1
        self.written.append(record)

    def _text(self, quantity: Decimal) -> str:
        """Return a quantity as a record holds it; as often as not it is the very number of the record before."""
        if quantity is not self._quantity:
            self._quantity, self._quantity_text = quantity, plain_decimal(quantity)
        return self._quantity_text


def _terms(placed: OpenOrder, replaces: Sequence[OpenOrder]) -> dict[str, Any]:
    """Return how an order is to be traded, as its decision holds it."""
    order = placed.order
    terms: dict[str, Any] = {
        "short": order.short or None,
        "after": list(placed.waits) or None,
        "tag": order.tag,
        "replaces": [each.id for each in replaces] or None,
        "parent": placed.parent,
    }
    if not is_simple_market(order):
        terms |= {name: getattr(order, name) for name in _TERMS}
        terms |= {"order": order.type, "expires": placed.expires}
    return terms


def _ordered(placed: OpenOrder) -> dict[str, str]:
    """Return the units or the cash that an order was for which has become smaller; nothing where it has not."""
    if placed.ordered is None:
        return {}
    return {"ordered_quantity" if placed.order.cash is None else "ordered_cash": plain_decimal(placed.ordered)}


def _text_of(amount: Decimal | None) -> str | None:
    return None if amount is None else plain_decimal(amount)


def ends_an_order(record: Mapping[str, Any]) -> bool:
    """Return whether a rejection ends an order that was placed, one that was replaced or is over, or refuses one."""
    event, _, _ = str(record.get("id", "")).rpartition(":")
    cause = str(record.get("cause", ""))
    return record["type"] == "rejection" and cause != event and ":" in cause


def refuses_an_event(record: Mapping[str, Any]) -> bool:
    """Return whether a rejection refuses an event, such as a split that cannot be booked, rather than an order."""
    return record["type"] == "rejection" and "side" not in record


def without_run(record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Return a record's items with the run taken off its ids, so that the records of two runs compare."""
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
    """Return a record's place in its session: the event's number, and its own within the event.

    Raises:
        ValueError: it is no record's id, or its numbers are beyond 64 bits.
    """
    _, seq, n = record_id.rsplit(":", 2)
    digits = seq + n
    # `int` reads signs, blanks, underscores and the digits of every script, too.
    if seq and n and digits.isascii() and digits.isdecimal() and len(digits) <= _LONGEST:
        key = int(seq), int(n)
        if max(key) <= _LARGEST:
            return key
    raise ValueError(f"no id of a record: {record_id!r:.60}")
