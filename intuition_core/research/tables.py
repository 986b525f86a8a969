"""The tables of a run: its records and the course of its account as columns."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any, Final

from intuition_core.contracts import Metric
from intuition_core.history import History
from intuition_core.research.columns import Kind, Table
from intuition_core.research.trips import why
from intuition_core.trading.records import ends_an_order

EQUITY: Final[Mapping[str, Kind]] = {
    "time": "time",
    "equity": "number",
    "low": "number",
    "high": "number",
    "invested": "number",
    "benchmark": "number",
}
"""Columns of the equity curve, a row for each stretch of time, at most 2,048: the equity after its last event, the
lowest and the highest after any of its events, the absolute value of all positions, and the equity of the benchmark,
scaled to the deposits; in the account's currency."""

RETURNS: Final[Mapping[str, Kind]] = {"time": "time", "return": "number", "benchmark": "number"}
"""Columns of daily returns: a row for each day (UTC) with a quote, at the time of its last event; simple returns as
fractions of one, the first one on the deposits."""

_SHARED: Final[Mapping[str, Kind]] = {
    "time": "time",
    "sid": "text",
    "side": "text",
    "algorithm": "text",
    "portfolio": "text",
}

FILLS: Final[Mapping[str, Kind]] = {
    **_SHARED,
    "quantity": "amount",
    "price": "number",
    "cash": "amount",
    "profit": "amount",
    "commission": "amount",
    "slippage": "amount",
    "reason": "text",
    "order": "text",
    "id": "text",
}
"""Columns of fills, a row for each `fill` record; ``order`` is the id of its order, ``reason`` why that was given."""

ORDERS: Final[Mapping[str, Kind]] = {
    **_SHARED,
    "quantity": "amount",
    "cash": "amount",
    "quote": "number",
    "order": "text",
    "limit": "number",
    "stop": "number",
    "tag": "text",
    "reason": "text",
    "status": "text",
    "filled": "amount",
    "ended": "text",
    "id": "text",
}
"""Columns of orders, a row for each `decision` record. ``status`` is ``filled``, ``partly filled`` or ``unfilled`` at
the end of the run, ``filled`` the units that it brought, ``ended`` why it ended with a rest."""

REJECTIONS: Final[Mapping[str, Kind]] = {**_SHARED, "quote": "number", "risk": "text", "reason": "text", "id": "text"}
"""Columns of orders that were refused before they were placed; ``risk`` is the risk part that refused."""

ERRORS: Final[Mapping[str, Kind]] = {
    "time": "time",
    "seq": "count",
    "sid": "text",
    "kind": "text",
    "part": "text",
    "method": "text",
    "problem": "text",
}
"""Columns of what parts have raised, where a run goes on after it."""

METRICS: Final[Mapping[str, Kind]] = {
    "name": "text",
    "label": "text",
    "value": "number",
    "unit": "text",
    "convention": "text",
}
"""Columns of figures; those of the unit ``fraction`` are fractions of one."""


def equity_table(history: History) -> Table:
    """Return the course of the account, see `EQUITY`."""
    start = float(history.deposits)
    rows = [
        (each.ts, each.close, each.low, each.high, each.invested, each.benchmark and each.benchmark * start)
        for each in history.slices
    ]
    return Table.of(EQUITY, rows)


def returns_table(history: History) -> Table:
    """Return the daily returns, see `RETURNS`; None where the equity before was not above zero."""
    days = [day for day in history.days if day.quoted]
    equity = [float(history.deposits), *(day.equity for day in days)]
    benchmark = [1.0, *(day.benchmark for day in days)]
    rows = zip((day.ts for day in days), map(_rate, pairwise(equity)), map(_rate, pairwise(benchmark)), strict=True)
    return Table.of(RETURNS, rows)


def _rate(pair: tuple[float, float]) -> float | None:
    before, after = pair
    return after / before - 1 if before > 0 else None


def fills_table(records: Iterable[Mapping[str, Any]]) -> Table:
    """Return the fills, see `FILLS`."""
    reasons: dict[str, str] = {}
    rows = []
    for record in records:
        if record["type"] == "decision":
            reasons[record["id"]] = why(record)
        elif record["type"] == "fill":
            row = {**record, "time": record["ts"], "order": record["cause"], "reason": reasons.get(record["cause"])}
            rows.append(row)
    return Table.of(FILLS, _read(FILLS, rows))


def orders_table(records: Iterable[Mapping[str, Any]]) -> Table:
    """Return the orders with what became of them, see `ORDERS`."""
    orders: dict[str, dict[str, Any]] = {}
    for record in records:
        order = orders.get(record["cause"])
        if record["type"] == "decision":
            terms = {"order": record.get("order", "market"), "reason": why(record)}
            orders[record["id"]] = {**record, "time": record["ts"], **terms, "status": "unfilled", "filled": Decimal(0)}
        elif order is not None and record["type"] == "fill":
            order["filled"] += Decimal(record["quantity"])
            rest = "left_quantity" in record or "left_cash" in record
            order["status"] = "partly filled" if rest else "filled"
        elif order is not None and record["type"] == "rejection":
            order["ended"] = record["reason"]
    return Table.of(ORDERS, _read(ORDERS, orders.values()))


def rejections_table(records: Iterable[Mapping[str, Any]]) -> Table:
    """Return the orders that were refused, see `REJECTIONS`."""
    refused = [
        {**record, "time": record["ts"]}
        for record in records
        if record["type"] == "rejection" and "side" in record and not ends_an_order(record)
    ]
    return Table.of(REJECTIONS, _read(REJECTIONS, refused))


def errors_table(records: Iterable[Mapping[str, Any]]) -> Table:
    """Return what parts have raised, see `ERRORS`."""
    found = [{**record, "time": record["ts"]} for record in records if record["type"] == "error"]
    return Table.of(ERRORS, _read(ERRORS, found))


def metrics_table(metrics: Sequence[Metric]) -> Table:
    """Return figures as a table, see `METRICS`."""
    rows = [
        (each.name, each.label, each.value, "fraction" if each.is_fraction else each.unit, each.convention)
        for each in metrics
    ]
    return Table.of(METRICS, rows)


def _read(kinds: Mapping[str, Kind], rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Any]]:
    """Yield the values of rows by column, amounts as decimals."""
    columns = list(kinds.items())
    for row in rows:
        yield [_value(row.get(name), kind) for name, kind in columns]


def _value(value: Any, kind: Kind) -> Any:
    return Decimal(value) if kind == "amount" and value is not None else value
