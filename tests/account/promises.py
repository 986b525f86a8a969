"""What is promised of orders, held against the records alone.

Nothing of the project is used here. `Promises.take` is given each event with its records, in order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from .recomputed import exactly, whole_steps

UNASKED = ("kill switch", "margin call")
"""The reasons of orders that nobody asked for."""


@dataclass
class Placed:
    """An order that is open, as its records tell."""

    id: str
    seq: int
    algorithm: str
    portfolio: str
    sid: str
    side: str
    short: bool
    by_cash: bool
    left: Fraction
    limit: float | None
    stop: float | None
    tif: str
    expires: int | None
    triggered: bool = False

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell."""
        return 1 if self.side == "buy" else -1

    @property
    def closing(self) -> bool:
        """Whether it takes a position back."""
        return (self.side == "sell") is not self.short


class Promises:
    """Follows the orders of an account.

    Args:
        composition: the account's composition in plain types.

    Attributes:
        open: the orders that must be open now, by their ids.
        killed: whether the kill switch is on.
    """

    def __init__(self, composition: Mapping[str, Any]) -> None:
        self.open: dict[str, Placed] = {}
        self.killed = False
        self._known: set[str] = set()
        self._at_once = composition["fill"] == "same"
        share = composition.get("fills", {}).get("volume_share")
        self._share = None if share is None else exactly(share)
        self._table = {each["symbol"]: each for each in composition.get("instruments", ())}
        self._step = exactly(composition["quantity_step"])
        self._seq = 0

    def take(self, event: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
        """Hold what an event brought against what is promised."""
        self._seq += 1
        before = dict(self.open)
        quoted = event["channel"] == "quotes"
        if event["channel"] == "actions" and event["action"] == "split":
            self._split(event, records)
        elif quoted:
            self._trigger(event)
        room = self._room(event) if quoted else None
        for n, record in enumerate(records):
            assert record["id"].rpartition(":")[2] == str(n)
            assert (record["seq"], record["ts"]) == (self._seq, event["ts"])
            if record["type"] == "decision":
                self._decide(record)
            elif record["type"] == "fill":
                assert quoted or self._at_once
                taken = self._fill(record, event)
                if room is not None and record["cause"] in before:
                    room -= taken
                    assert room >= 0
            elif record["type"] == "rejection":
                self._reject(record)
            elif record["type"] == "control" and record["action"] in ("kill", "clear"):
                self.killed = record["action"] == "kill"
                assert not self.killed or not self.open
        for order in before.values() if quoted else ():
            if order.id in self.open:
                self._stay(order, event)

    # -- what records tell

    def _decide(self, record: Mapping[str, Any]) -> None:
        assert record["id"] not in self._known
        assert record["cause"] == record["id"].rpartition(":")[0]
        assert record["status"] == "placed"
        reason = record.get("reason")
        assert not self.killed or reason in UNASKED
        short = record.get("short", False)
        by_cash = reason == "cash" and record["side"] == "buy" and not short
        self._known.add(record["id"])
        self.open[record["id"]] = placed = Placed(
            record["id"],
            record["seq"],
            record["algorithm"],
            record["portfolio"],
            record["sid"],
            record["side"],
            short,
            by_cash,
            exactly(record["cash" if by_cash else "quantity"]),
            record.get("limit"),
            record.get("stop"),
            record.get("tif", "gtc"),
            record.get("expires"),
        )
        assert exactly(record["quantity"]) > 0
        lot = self._lot(placed.sid)
        # A split may have left what is no whole lot.
        assert exactly(record["quantity"]) % (min(lot, self._step) if placed.closing else lot) == 0
        for replaced in record.get("replaces", ()):
            assert replaced in self._known
            assert replaced not in self.open

    def _fill(self, record: Mapping[str, Any], event: Mapping[str, Any]) -> Fraction:
        order = self._concerned(record)
        assert record["side"] == order.side
        if order.seq == self._seq:
            assert self._at_once
            assert order.stop is None
        else:
            assert event["channel"] == "quotes"
            assert event["sid"] == order.sid
        assert order.expires is None or event["ts"] < order.expires
        assert order.stop is None or order.triggered
        if order.limit is not None:
            assert order.sign * record["price"] <= order.sign * order.limit
        quantity = exactly(record["quantity"])
        assert quantity > 0
        taken = exactly(record["cash"]) if order.by_cash else quantity
        left = order.left - taken
        assert left >= 0
        told = record.get("left_cash" if order.by_cash else "left_quantity")
        assert ("left_quantity" if order.by_cash else "left_cash") not in record
        if told is None:
            assert order.by_cash or order.closing or not left
            del self.open[order.id]
        else:
            assert exactly(told) == left > 0
            assert order.tif != "fok"
            order.left = left
        return quantity

    def _reject(self, record: Mapping[str, Any]) -> None:
        if record["cause"].count(":") == 1:  # the event itself
            return
        order = self._concerned(record)
        assert record["side"] == order.side
        assert record["reason"]
        del self.open[order.id]

    def _concerned(self, record: Mapping[str, Any]) -> Placed:
        """Give the open order that a record is about."""
        order = self.open[record["cause"]]
        assert record["sid"] == order.sid
        assert (record["algorithm"], record["portfolio"]) == (order.algorithm, order.portfolio)
        return order

    # -- what events do to open orders

    def _trigger(self, event: Mapping[str, Any]) -> None:
        prices = [event["quote"], *(event[key] for key in ("open", "high", "low") if key in event)]
        for order in self._of(event["sid"]):
            if order.stop is not None:
                reached = max(prices) >= order.stop if order.side == "buy" else min(prices) <= order.stop
                ended = order.expires is not None and order.expires <= event["ts"]
                order.triggered |= reached and not ended

    def _split(self, event: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
        if any(record.get("reason", "").startswith("an event of") for record in records):
            return
        new, old = map(int, event["ratio"].split(":"))
        for order in self._of(event["sid"]):
            if not order.by_cash:
                order.left = whole_steps(order.left * new / old, self._lot(order.sid))
            for name, up in (("limit", order.side == "sell"), ("stop", order.side == "buy")):
                price = getattr(order, name)
                if price is not None:
                    divided = exactly(float(exactly(price) * old / new))
                    setattr(order, name, float(self._to_tick(order.sid, divided, up=up)))

    def _stay(self, order: Placed, event: Mapping[str, Any]) -> None:
        """See that an order had a reason to stay open after a quote."""
        assert order.expires is None or order.expires > event["ts"]
        if order.sid != event["sid"]:
            return
        assert order.tif not in ("ioc", "fok") or (order.stop is not None and not order.triggered)
        limited = self._share is not None and "volume" in event
        assert order.limit is not None or (order.stop is not None and not order.triggered) or limited

    def _room(self, event: Mapping[str, Any]) -> Fraction | None:
        if self._share is None or "volume" not in event:
            return None
        return exactly(event["volume"]) * self._share

    def _of(self, sid: str) -> Iterator[Placed]:
        return (order for order in self.open.values() if order.sid == sid)

    def _lot(self, sid: str) -> Fraction:
        return exactly(self._table.get(sid, {}).get("lot", self._step))

    def _to_tick(self, sid: str, price: Fraction, *, up: bool) -> Fraction:
        tick = self._table.get(sid, {}).get("tick")
        if tick is None:
            return price
        steps = price / exactly(tick)
        return (-(-steps // 1) if up else steps // 1) * exactly(tick)
