"""What is promised of orders, held against the records alone.

Nothing of the project is used here. `Promises.take` is given each event with its records, in order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from . import traded
from .recomputed import exactly, whole_steps

OVER = "its time is over"
UNASKED = ("kill switch", "margin call")
"""The reasons of orders that nobody asked for."""


@dataclass
class Placed:
    """An order that is open, as its records tell.

    ``since`` is the time after which prices count for it, None under rules 1; ``parent`` the entry whose position it
    protects; ``waits`` the sales that are to pay for it; ``recalled`` when another order has taken its place while
    nobody knew whether it had been filled already.
    """

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
    since: int | None = None
    group: str | None = None
    parent: str | None = None
    stop_loss: float | None = None
    take_profit: float | None = None
    waits: frozenset[str] = frozenset()
    triggered: bool = False
    recalled: int | None = None

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell."""
        return 1 if self.side == "buy" else -1

    @property
    def closing(self) -> bool:
        """Whether it takes a position back."""
        return (self.side == "sell") is not self.short

    @property
    def asked(self) -> traded.Order:
        """What the telling of prices knows of it."""
        return traded.Order(self.side, self.limit, self.stop, self.since, self.expires, self.triggered)


class Promises:
    """Follows the orders of an account.

    What waits for sales is paid for by what these bring, which no record tells: of such an order only its events and
    its limit are held against what is promised.

    Args:
        composition: the account's composition in plain types.

    Attributes:
        open: the orders that must be open now, by their ids.
        killed: whether the kill switch is on.
        rules: the number of the rules by which orders fill.
        waited: the ids of orders that have waited for sales, and of what protects their positions.
    """

    def __init__(self, composition: Mapping[str, Any]) -> None:
        self.open: dict[str, Placed] = {}
        self.killed = False
        self.rules: int = composition.get("rules", 1)
        self.waited: set[str] = set()
        self._known: set[str] = set()
        self._at_once = composition["fill"] == "same"
        fills = composition.get("fills", {})
        self._share = None if "volume_share" not in fills else exactly(fills["volume_share"])
        self._delay: int = fills.get("delay", 0)
        self._slips = any(key.startswith("slippage") for key in composition.get("costs", {}))
        self._table = {each["symbol"]: each for each in composition.get("instruments", ())}
        self._step = exactly(composition["quantity_step"])
        self._seq = 0
        self._now: int | None = None
        self._event: Mapping[str, Any] = {}
        self._got: dict[str, traded.Got] = {}
        self._begun: dict[str, int] = {}
        self._filled: dict[str, Placed] = {}
        self._settled: set[tuple[str, str]] = set()
        self._replaced: dict[str, list[str]] = {}

    def take(self, event: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
        """Hold what an event brought against what is promised."""
        self._seq += 1
        self._event = event
        self._got, self._begun, self._filled, self._settled = {}, {}, {}, set()
        before = dict(self.open)
        quoted = event["channel"] == "quotes"
        if event["channel"] != "$control":
            self._now = event["ts"] if self._now is None else max(self._now, event["ts"])
        if event["channel"] == "actions":
            self._act(event, records)
        elif quoted:
            for order in self._of(event["sid"]):
                self._look(order)
        room = self._room(event) if quoted else None
        for n, record in enumerate(records):
            assert record["id"].rpartition(":")[2] == str(n)
            assert (record["seq"], record["ts"]) == (self._seq, event["ts"])
            if record["type"] == "decision":
                self._decide(record)
            elif record["type"] == "fill":
                assert quoted or self._at_once
                taken = self._fill(record)
                if room is not None and record["cause"] in before and record["cause"] not in self.waited:
                    room -= taken
                    assert room >= 0
            elif record["type"] == "rejection":
                self._reject(record)
            elif record["type"] == "control":
                self._control(record)
        for filled in self._filled.values():
            if filled.recalled is not None:  # nothing has taken its place
                assert not any(order in self.open for order in self._replaced[filled.id])
        for order in before.values() if quoted else ():
            if order.recalled is not None and order.sid == event["sid"] and order.recalled <= event["ts"]:
                assert order.id not in self.open or order.id in self.waited
            if order.id in self.open and order.id not in self.waited:
                self._stay(order)

    # -- what records tell

    def _decide(self, record: Mapping[str, Any]) -> None:
        assert record["id"] not in self._known
        assert record["cause"] == record["id"].rpartition(":")[0]
        assert record["status"] == "placed"
        reason = record.get("reason")
        entry = self._filled[record["parent"]] if "parent" in record else None
        assert not self.killed or reason in UNASKED or entry is not None
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
            None if self.rules == 1 or self._now is None else self._now + self._delay,
            record.get("group"),
            record.get("parent"),
            record.get("stop_loss"),
            record.get("take_profit"),
            frozenset(record.get("after", ())),
        )
        if placed.waits:
            self.waited.add(placed.id)
        if entry is not None:
            self._protect(placed, entry)
        assert exactly(record["quantity"]) > 0
        lot = self._lot(placed.sid)
        # A split may have left what is no whole lot.
        assert exactly(record["quantity"]) % (min(lot, self._step) if placed.closing else lot) == 0
        for replaced in record.get("replaces", ()):
            assert replaced in self._known
            if replaced in self.open:
                self._recall(self.open[replaced])
            self._replaced.setdefault(replaced, []).append(placed.id)

    def _recall(self, order: Placed) -> None:
        """See that an order may have been filled before another has taken its place, which is told later."""
        assert self._now is not None
        assert order.since is not None
        assert order.since < self._now
        if order.recalled is None:
            order.recalled = self._now

    def _protect(self, placed: Placed, entry: Placed) -> None:
        """Hold an order that protects what an entry's fill has opened against what the entry asked for."""
        assert placed.closing
        assert placed.side != entry.side
        assert (placed.sid, placed.algorithm, placed.short) == (entry.sid, entry.algorithm, entry.short)
        assert (placed.stop, placed.limit) in ((entry.stop_loss, None), (None, entry.take_profit))
        assert (placed.group is not None) is (entry.stop_loss is not None and entry.take_profit is not None)
        if entry.id in self.waited:
            self.waited.add(placed.id)
        elif entry.seq == self._seq and entry.parent is None:
            placed.since = self._now
        else:
            placed.since = self._begun[entry.id]
            self._look(placed)

    def _fill(self, record: Mapping[str, Any]) -> Fraction:
        order = self._concerned(record)
        assert record["side"] == order.side
        if order.id in self.waited:
            assert not order.waits & self.open.keys()
        elif order.since is None:
            self._fill_by_old_rules(order)
        elif order.seq == self._seq and order.parent is None:
            self._fill_now(order, record)
        else:
            self._fill_later(order, record)
        if order.limit is not None:
            assert order.sign * record["price"] <= order.sign * order.limit
        quantity = exactly(record["quantity"])
        assert quantity > 0
        taken = exactly(record["cash"]) if order.by_cash else quantity
        left = order.left - taken
        assert left >= 0
        told = record.get("left_cash" if order.by_cash else "left_quantity")
        assert ("left_quantity" if order.by_cash else "left_cash") not in record
        self._filled[order.id] = order
        if order.group is not None:
            assert (order.algorithm, order.group) not in self._settled
            self._settled.add((order.algorithm, order.group))
        if told is None:
            assert order.by_cash or order.closing or not left or order.id in self.waited
            del self.open[order.id]
        else:
            assert exactly(told) == left > 0 or order.id in self.waited
            assert order.tif != "fok"
            order.left = exactly(told)
            for other in self._others(order) if order.closing else ():
                if other.closing:
                    other.left = min(other.left, order.left)
        return quantity

    def _fill_by_old_rules(self, order: Placed) -> None:
        """See that a fill by rules 1 is one of those that may be."""
        event = self._event
        if order.seq == self._seq:
            assert self._at_once
            assert order.stop is None
        else:
            assert event["channel"] == "quotes"
            assert event["sid"] == order.sid
        assert order.expires is None or event["ts"] < order.expires
        assert order.stop is None or order.triggered

    def _fill_now(self, order: Placed, record: Mapping[str, Any]) -> None:
        """See that a fill at the event of its decision has that event's own price."""
        event = self._event
        assert self._at_once
        assert not self._delay
        assert order.stop is None
        assert (event["channel"], event["sid"], event["ts"]) == ("quotes", order.sid, self._now)
        assert order.expires is None or event["ts"] <= order.expires
        self._costs(order, record, event.get("ask" if order.side == "buy" else "bid", event["quote"]))

    def _fill_later(self, order: Placed, record: Mapping[str, Any]) -> None:
        """See that a fill has a price that was traded after the decision and before the end, and the right one."""
        event = self._event
        assert (event["channel"], event["sid"]) == ("quotes", order.sid)
        got = self._got[order.id]
        assert got.price is not None
        self._costs(order, record, got.price)
        for other in self._others(order):
            its = self._got.get(other.id)
            if got.at_open or its is None or its.price is None or other.id in self.waited:
                continue
            assert not its.at_open
            own = traded.worth(order.asked, got.price, event["quote"])
            assert own <= traded.worth(other.asked, its.price, event["quote"]) or order.side != other.side

    def _costs(self, order: Placed, record: Mapping[str, Any], price: float) -> None:
        """See that a fill has a price, or with slippage a worse one."""
        if self._slips or "tick" in self._table.get(order.sid, {}):
            assert order.sign * record["price"] >= order.sign * price or record["price"] == order.limit
        else:
            assert record["price"] == price

    def _reject(self, record: Mapping[str, Any]) -> None:
        if record["cause"].count(":") == 1:  # the event itself
            return
        order = self._concerned(record)
        assert record["side"] == order.side
        assert record["reason"]
        if record["reason"] == OVER:
            assert order.expires is not None
            assert self._event["ts"] >= order.expires + (order.since is not None)
        elif record["reason"].endswith((" waits for no other", " as fok asks for")):
            assert order.tif in ("ioc", "fok")
            assert order.since is None or order.sid == self._event["sid"]  # rules 1 fill "same" with any symbol
        del self.open[order.id]

    def _control(self, record: Mapping[str, Any]) -> None:
        if record["action"] == "kill":
            self.killed = True
            keeps = self.rules > 1 and not record["flatten"]
            assert all(keeps and order.closing for order in self.open.values())
        elif record["action"] == "clear":
            self.killed = False
        elif record["action"] == "rules":
            assert record["before"] == self.rules < record["rules"]
            self.rules = record["rules"]
            for order in self.open.values():
                order.since = self._now

    def _concerned(self, record: Mapping[str, Any]) -> Placed:
        """Give the open order that a record is about."""
        order = self.open[record["cause"]]
        assert record["sid"] == order.sid
        assert (record["algorithm"], record["portfolio"]) == (order.algorithm, order.portfolio)
        return order

    # -- what events do to open orders

    def _look(self, order: Placed) -> None:
        """Note what an order gets at the event, and when what its fill brings to life begins."""
        event, asked = self._event, order.asked
        had = traded.had(event, asked)
        if had is None or order.id in self.waited:
            return
        got = traded.got(asked, had)
        self._got[order.id] = got
        self._begun[order.id] = had.when if got.at_open else event["ts"]
        if got.triggered and not order.triggered:
            order.triggered = True
            if order.since is not None:
                stop = order.sign * (order.stop or 0.0)
                opened = had.first is not None and order.sign * had.first >= stop
                order.since = max(order.since, had.when if opened else event["ts"])

    def _act(self, event: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
        if any(record.get("reason", "").startswith("an event of") for record in records):
            return
        for order in self._of(event["sid"]):
            if event["action"] == "split" and (order.since is None or order.since <= event["ts"]):
                self._split(order, *map(int, event["ratio"].split(":")))
            if order.since is not None:
                order.since = max(order.since, event["ts"])

    def _split(self, order: Placed, new: int, old: int) -> None:
        if not order.by_cash:
            order.left = whole_steps(order.left * new / old, self._lot(order.sid))
        buys = order.side == "buy"
        for name, up in (("limit", not buys), ("stop", buys), ("stop_loss", not buys), ("take_profit", buys)):
            price = getattr(order, name)
            if price is not None:
                divided = exactly(float(exactly(price) * old / new))
                setattr(order, name, float(self._to_tick(order.sid, divided, up=up)))

    def _stay(self, order: Placed) -> None:
        """See that an order had a reason to stay open after a quote."""
        event = self._event
        if order.since is None:
            assert order.expires is None or order.expires > event["ts"]
        else:
            assert order.expires is None or order.sid != event["sid"] or order.expires >= event["ts"]
        if order.sid != event["sid"] or (order.since is not None and order.id not in self._got) or order.group:
            return
        assert order.tif not in ("ioc", "fok") or (order.stop is not None and not order.triggered)
        limited = self._share is not None and "volume" in event
        assert order.limit is not None or (order.stop is not None and not order.triggered) or limited
        got = self._got.get(order.id)
        assert limited or got is None or got.price is None

    def _room(self, event: Mapping[str, Any]) -> Fraction | None:
        if self._share is None or "volume" not in event:
            return None
        return exactly(event["volume"]) * self._share

    def _of(self, sid: str) -> Iterator[Placed]:
        return (order for order in self.open.values() if order.sid == sid)

    def _others(self, order: Placed) -> Iterator[Placed]:
        """Give the other open orders of an order's group."""
        if order.group is None:
            return
        for other in self.open.values():
            if (other.algorithm, other.group) == (order.algorithm, order.group) and other.id != order.id:
                yield other

    def _lot(self, sid: str) -> Fraction:
        return exactly(self._table.get(sid, {}).get("lot", self._step))

    def _to_tick(self, sid: str, price: Fraction, *, up: bool) -> Fraction:
        tick = self._table.get(sid, {}).get("tick")
        if tick is None:
            return price
        steps = price / exactly(tick)
        return (-(-steps // 1) if up else steps // 1) * exactly(tick)
