"""Round trips of a run: from no units of a symbol to no units of it, with what opened and what closed them."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

from intuition_core.account.amounts import EXACT, ROUNDING
from intuition_core.research.columns import Kind, Table

TRIPS: Final[Mapping[str, Kind]] = {
    "algorithm": "text",
    "sid": "text",
    "side": "text",
    "quantity": "amount",
    "entry_time": "time",
    "entry_price": "number",
    "entry_reason": "text",
    "exit_time": "time",
    "exit_price": "number",
    "exit_reason": "text",
    "held": "duration",
    "profit": "amount",
    "rate": "number",
    "commission": "amount",
    "fills": "count",
    "open": "truth",
}
"""Columns of round trips. ``side`` is ``long`` or ``short``; ``quantity`` is all that was opened, prices are averages
by units, and after a split both are in the units after it. ``profit`` is what was realised, dividends included and
commissions taken off, in the account's currency; ``rate`` is the profit over what the entry cost, or what a short sale
brought. An open round trip has no exit."""

POSITIONS: Final[Mapping[str, Kind]] = {
    "time": "time",
    "algorithm": "text",
    "sid": "text",
    "quantity": "amount",
    "price": "number",
    "profit": "amount",
}
"""Columns of the course of positions, a row for each fill and split: the units after it, negative where short, the
average price of their entries, and what the fill has realised."""

_ZERO: Final = Decimal(0)


class _Trip:
    """Units of one symbol of one algorithm, from the fill that opens them on."""

    def __init__(self, fill: Mapping[str, Any], reason: str) -> None:
        self.algorithm: str = fill["algorithm"]
        self.sid: str = fill["sid"]
        self.short = fill["side"] == "sell"
        self.entered = self.since = int(fill["ts"])
        self.entry_reason = reason
        self.exit_reason: str | None = None
        self.units = self.opened = self.closed = _ZERO
        self.paid = self.brought = 0.0
        self.staked = self.profit = self.commission = _ZERO
        self.fills = 0

    @property
    def price(self) -> float:
        """The average price of the entries, by units."""
        return self.paid / float(self.opened)

    def open_more(self, units: Decimal, fill: Mapping[str, Any], part: Decimal) -> None:
        """Book a fill, or a part of it, that opens units."""
        self.units = EXACT.add(self.units, units)
        self.opened = ROUNDING.add(self.opened, units)
        self.paid += float(units) * fill["price"]
        self.staked = ROUNDING.add(self.staked, ROUNDING.multiply(Decimal(fill["cash"]), part))
        self._count(fill, part)

    def close(self, units: Decimal, fill: Mapping[str, Any], part: Decimal, reason: str) -> None:
        """Book units that a fill closes, with the profit on these units."""
        self.units = EXACT.subtract(self.units, units)
        self.closed = ROUNDING.add(self.closed, units)
        self.brought += float(units) * fill["price"]
        self.profit = EXACT.add(self.profit, Decimal(fill.get("profit", "0")))
        self.since, self.exit_reason = int(fill["ts"]), reason
        self._count(fill, part)

    def _count(self, fill: Mapping[str, Any], part: Decimal) -> None:
        self.fills += 1
        if "commission" in fill:
            self.commission = ROUNDING.add(self.commission, ROUNDING.multiply(Decimal(fill["commission"]), part))

    def act(self, action: Mapping[str, Any]) -> None:
        """Book a split or a dividend of the units."""
        before, after = abs(Decimal(action["before"])), abs(Decimal(action["after"]))
        self.profit = EXACT.add(self.profit, Decimal(action["profit"]))
        if action["action"] != "split" or not before:
            return
        paid_out = abs(Decimal(action["paid_out"]))
        units = EXACT.add(after, paid_out)
        self.opened = ROUNDING.divide(ROUNDING.multiply(self.opened, units), before)
        self.closed = ROUNDING.divide(ROUNDING.multiply(self.closed, units), before)
        self.units = after
        if paid_out:
            self.closed = ROUNDING.add(self.closed, paid_out)
            self.brought += abs(float(action["cash"]))
            self.since, self.exit_reason = int(action["ts"]), "split"

    def row(self) -> tuple[Any, ...]:
        """Return it as a row of `TRIPS`."""
        open_ = bool(self.units)
        return (
            self.algorithm,
            self.sid,
            "short" if self.short else "long",
            self.opened,
            self.entered,
            self.price,
            self.entry_reason,
            None if open_ else self.since,
            None if open_ or not self.closed else self.brought / float(self.closed),
            None if open_ else self.exit_reason,
            None if open_ else self.since - self.entered,
            self.profit,
            float(self.profit / self.staked) if self.staked else None,
            self.commission,
            self.fills,
            open_,
        )


def trips_and_positions(records: Iterable[Mapping[str, Any]]) -> tuple[Table, Table]:
    """Return the round trips of a run in the order of their entries, and the course of its positions.

    Args:
        records: all records of the run in their order.
    """
    trips: list[_Trip] = []
    open_: dict[tuple[str, str], _Trip] = {}
    course: list[tuple[Any, ...]] = []
    reasons: dict[str, str] = {}
    for record in records:
        kind = record["type"]
        if kind == "decision":
            reasons[record["id"]] = why(record)
            continue
        if kind not in ("fill", "action") or record["sid"] is None:
            continue
        place = record["algorithm"], record["sid"]
        if kind == "action":
            profit = Decimal(record["profit"])
            if (trip := open_.get(place)) is not None:
                trip.act(record)
                if record["action"] != "split":
                    continue
                if not trip.units:
                    del open_[place]
        else:
            profit = Decimal(record["profit"]) if "profit" in record else _ZERO
            trips += _filled(record, reasons.get(record["cause"], "signal"), place, open_)
        held = open_.get(place)
        units, price = (_ZERO, None) if held is None else (-held.units if held.short else held.units, held.price)
        course.append((record["ts"], *place, units, price, profit))
    return Table.of(TRIPS, [trip.row() for trip in trips]), Table.of(POSITIONS, course)


def _filled(
    fill: Mapping[str, Any], reason: str, place: tuple[str, str], open_: dict[tuple[str, str], _Trip]
) -> Iterator[_Trip]:
    """Book a fill, and yield the round trip that it opens; it may close one before."""
    units = all_units = Decimal(fill["quantity"])
    trip = open_.get(place)
    if trip is not None and trip.short is not (fill["side"] == "sell"):
        closing = min(units, trip.units)
        trip.close(closing, fill, ROUNDING.divide(closing, all_units), reason)
        units = EXACT.subtract(units, closing)
        if not trip.units:
            del open_[place]
            trip = None
    if not units:
        return
    if trip is None:
        trip = open_[place] = _Trip(fill, reason)
        yield trip
    trip.open_more(units, fill, ROUNDING.divide(units, all_units))


def why(decision: Mapping[str, Any]) -> str:
    """Return why an order was given: its own reason, what of a bracket it is, its tag, or ``signal``."""
    if decision.get("reason"):
        return str(decision["reason"])
    if decision.get("parent"):
        return {"stop": "stop loss", "limit": "take profit"}.get(str(decision.get("order")), "bracket")
    return str(decision.get("tag") or "signal")
