"""What a history comes to when the rows of one moment come in another order, and whether each fill had a price it may.

Rows of one moment say nothing of which came first: a file that is sorted otherwise is the same history. At which prices
given orders fill does not depend on it; what still may, and is told, are the last free cash, sizes by equity, limits
that look between two rows, and algorithms that look at other symbols' quotes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from decimal import Decimal
from random import Random
from typing import Any, Final, NamedTuple

from intuition_core.contracts import Data
from intuition_core.data import DEFAULT_CHANNEL
from intuition_core.trading.composition import Composition
from intuition_core.trading.engine import TradingEngine
from intuition_core.trading.records import Record

ORDERS: Final = ("reversed", "shuffled", "shuffled again")
"""How the rows of each moment are put besides as they come."""

_RUN: Final = "rows"

Batches = Iterable[Sequence[Data]]

_PRICES: Final = ("open", "high", "low", "quote", "bid", "ask")


class Course(NamedTuple):
    """What a history came to: the final equity, and each fill without what depends on the order of rows."""

    equity: Decimal
    fills: list[tuple[int, str, str, str, float]]
    """Time, symbol, side, quantity and price of each, sorted."""
    misplaced: list[str]
    """Fills at prices that nothing traded after their decision had."""


class Reordered(NamedTuple):
    """A history that comes to something else with the rows of each moment in another order."""

    order: str
    equity: Decimal
    other: Decimal
    first: str
    """The first fill that is another."""

    def __str__(self) -> str:
        """Return the equity in both orders."""
        return (
            f"with those of each moment {self.order} it comes to {self.other:,.2f}, as they are to {self.equity:,.2f}; "
            f"{self.first}"
        )


def check_rows(
    composition: Composition, batches: Callable[[], Batches], *, engine: Callable[..., TradingEngine] = TradingEngine
) -> tuple[list[Reordered], list[str]]:
    """Run a history with the rows of each moment as they come, reversed and shuffled.

    Args:
        composition: the recipe; its parts are made anew for each run.
        batches: gives the events.
        engine: makes the live parts.

    Returns:
        The orders in which it comes to something else, and the fills that had a price they may not have.
    """
    as_it_is = course(engine(composition, run=_RUN), (event for batch in batches() for event in batch))
    found = []
    misplaced = as_it_is.misplaced
    for number, order in enumerate(ORDERS):
        random = None if order == "reversed" else Random(number)  # noqa: S311  # no secret
        again = course(engine(composition, run=_RUN), reordered(batches(), random))
        misplaced = misplaced or again.misplaced
        if again.fills != as_it_is.fills:
            found.append(Reordered(order, as_it_is.equity, again.equity, _first(as_it_is.fills, again.fills)))
    return found, misplaced


def reordered(batches: Batches, random: Random | None) -> Iterator[Data]:
    """Return events with the quotes of one moment and kind shuffled, or reversed without a random.

    Rates, ended bars, splits and dividends, and quotes keep their order among each other; so do the rows of a symbol.
    """
    moment: list[Data] = []
    for batch in batches:
        for event in batch:
            if moment and _kind(event) != _kind(moment[-1]):
                yield from _turned(moment, random)
                moment = []
            moment.append(event)
    yield from _turned(moment, random)


def _kind(event: Data) -> tuple[Any, ...]:
    ts = event["ts"]
    return ts, event["channel"], event.get("start", ts) < ts


def _turned(moment: list[Data], random: Random | None) -> Iterator[Data]:
    if len(moment) < 2 or moment[0]["channel"] != DEFAULT_CHANNEL:
        yield from moment
        return
    rows: dict[str, list[Data]] = {}
    for event in moment:
        rows.setdefault(event["sid"], []).append(event)
    sids = list(rows)
    if random is None:
        sids.reverse()
    else:
        random.shuffle(sids)
    for sid in sids:
        yield from rows[sid]


def course(engine: TradingEngine, events: Iterable[Data]) -> Course:
    """Run events, and hold each fill against what was traded after its decision.

    The prices are read from the events anew, and not by what fills orders: a buy may be at no less than the lowest
    price that it may have had, a sale at no more than the highest; costs only make them worse.
    """
    decided: dict[str, tuple[int, Record]] = {}
    latest: dict[str, Data] = {}
    fills: list[tuple[int, str, str, str, float]] = []
    misplaced: list[str] = []
    now = -(2**63)
    delay = engine.composition.fills.delay
    for data in events:
        for event in engine.timers.between([data]):
            now = max(now, event["ts"])
            if event["channel"] == DEFAULT_CHANNEL:
                latest[event["sid"]] = event
            for record in engine.step(event):
                if record["type"] == "decision":
                    decided[record["id"]] = now + delay, record
                elif record["type"] == "fill":
                    fills.append((record["ts"], record["sid"], record["side"], record["quantity"], record["price"]))
                    since, decision = decided[record["cause"]]
                    at = latest[record["sid"]]
                    same = engine.composition.fill == "same"
                    if engine.composition.rules > 1 and not _may(record, since, at, decision, now, same=same):
                        misplaced.append(_told(record, since, at))
    return Course(engine.ledger.equity, sorted(fills), misplaced)


def _may(fill: Record, since: int, at: Data, decision: Record, now: int, *, same: bool) -> bool:
    """Return whether a fill's price is none that is better than any that was traded after its decision."""
    ts = at["ts"]
    start = at.get("start")
    if ts <= since and "parent" not in decision:
        # Decided at this very event, under `same`, or at a timer of its moment.
        prices = [at["quote"], at.get("bid", at["quote"]), at.get("ask", at["quote"])] if same and ts == now else []
    elif start is not None and (start >= since or "parent" in decision):
        prices = [at[key] for key in _PRICES if key in at]
    else:
        prices = [at[key] for key in ("quote", "bid", "ask") if key in at]
    if not prices:
        return False
    price: float = fill["price"]
    slack = 1e-9 * abs(price)
    return bool(price >= min(prices) - slack if fill["side"] == "buy" else price <= max(prices) + slack)


def _told(fill: Record, since: int, at: Data) -> str:
    return (
        f"{fill['side']} {fill['quantity']} {fill['sid']} at {fill['price']}, decided at {since}, has no price that "
        f"was traded after that: the event of {at['ts']} began at {at.get('start', at['ts'])}"
    )


def _first(one: Sequence[Any], other: Sequence[Any]) -> str:
    for mine, theirs in zip(one, other, strict=False):
        if mine != theirs:
            return f"the first fill that differs: {_fill(mine)}, or {_fill(theirs)}"
    longer, more = (one, "as they are") if len(one) > len(other) else (other, "in that order")
    return f"the first fill that differs: {_fill(longer[min(len(one), len(other))])}, {more} alone"


def _fill(fill: tuple[int, str, str, str, float]) -> str:
    _, sid, side, quantity, price = fill
    return f"{side} {quantity} {sid} at {price}"
