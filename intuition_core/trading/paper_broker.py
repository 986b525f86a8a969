"""The paper broker: open orders, and how they fill.

By default an order fills at the next event of its symbol that has prices from after its decision, on history and on
live events alike; which prices those are, and which of them it gets, `intuition_core.trading.matching` says. With
``fill = "same"`` a market order for the symbol of the event that it was decided on fills at once, at that event's
quote, and so does a limit order whose limit that quote meets.

- A buy of an amount of cash spends what was reserved: the most whole steps it buys at the fill's price.
- A buy of a number of units is filled whole or refused: a price that rose beyond the cash there is refuses it.
- A sell fills what is still held, at most what was ordered; an order that buys back what was sold short, what is
  still short.
- Where fills are limited to a part of the volume (`intuition_core.trading.orders.FillRules`), orders take what there is
  in the order in which they were placed, and the rest of them stays open.
- What is ``ioc`` (immediate or cancel) or ``fok`` (fill or kill) has one chance, the first event of its symbol after it
  was placed; with a stop, the event that triggers it. What is not filled then is cancelled; of a fok, all or nothing.
- Of a group of orders the fill of one takes back the others. Where a bar reaches several of them, the open decides if
  one of them gets it; otherwise the one counts that has come to less by the bar's close: nobody knows which came first.

Costs (`intuition_core.account.costs`) are part of every amount: the steps that an amount of cash buys are those that it
pays with commission and slippage, so quantities are floored before the cash is looked at. Slippage never makes a price
worse than an order's limit.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import msgspec

from intuition_core.account.actions import Split
from intuition_core.account.amounts import EXACT, ROUNDING, exact, floor_to_step, part_of_cost, plain_decimal, total
from intuition_core.account.costs import NO_COSTS, Costs, Terms, to_tick
from intuition_core.account.ledger import Ledger
from intuition_core.account.market import BEGINNING, Market, Unbookable
from intuition_core.contracts import Data, Order, Rejection, Side
from intuition_core.trading.matching import Bar, Reached, loses_open, price_of, reached, seen
from intuition_core.trading.orders import NO_RULES, Filled, FillRules, OpenOrder

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)
_NONE: Final[tuple[OpenOrder, ...]] = ()

Outcome: TypeAlias = Filled | Rejection
"""What became of an order: a rejection ends it, and so does a fill that leaves nothing."""

OVER: Final = "its time is over"
"""Why an order is taken back that was good for a time."""

SUPERSEDED: Final = "the order whose place it was to take had been filled before"
"""Why an order is taken back whose predecessor turns out to have been filled."""


class _Turn(NamedTuple):
    """An order and what it comes to at an event; ``bar`` is None where it may have nothing of it."""

    placed: OpenOrder
    bar: Bar | None
    reached: Reached


class PaperBroker:
    """Holds the open orders of one account and fills them against quotes.

    Attributes:
        open: the open orders by symbol, in the order they were placed; always the same object.
        expiring: when events of other symbols end open orders, in nanoseconds UTC, by their ids; empty while nothing
            does, and always the same object.
        moments: the last two times of events at which orders were `expiring`, nanoseconds UTC.
        lost_opens: how many fills had a bar's close alone because it did not say when it began.

    Args:
        ledgers: where reservations and fills are booked, by the algorithm that an order is of.
        step: the smallest number of units; quantities are floored to whole steps before the cash is looked at.
        costs: what every fill pays.
        rules: how much of the market orders may have.
        market: what units are worth, their steps and their days; without it the price, ``step``, and those of UTC.
    """

    __slots__ = (
        "_always",
        "_asked",
        "_careful",
        "_costs",
        "_every_cost",
        "_floored",
        "_ledgers",
        "_market",
        "_next_end",
        "_rules",
        "_step",
        "_used",
        "_working",
        "expiring",
        "lost_opens",
        "moments",
        "open",
    )

    def __init__(
        self,
        ledgers: Mapping[str, Ledger],
        *,
        step: Decimal,
        costs: Costs = NO_COSTS,
        rules: FillRules = NO_RULES,
        market: Market | None = None,
    ) -> None:
        self._ledgers = ledgers
        self._step = step
        self._asked = self._floored = _ZERO
        self._costs = costs or None  # None is quicker to look at
        self._every_cost = costs
        self._rules = rules
        self._market = market if market is not None else Market(step=step)
        # Plain orders on a plain market take the short way, `_fill`, as long as no open order needs `_trade`.
        self._always = rules.volume_share is not None or not costs.is_proportional or self._market.has_instruments
        self._careful = self._always
        self._working: set[str] = set()
        self._next_end = 0
        self._used = _ZERO
        self.lost_opens = 0
        self.moments = BEGINNING, BEGINNING
        self.expiring: dict[str, int] = {}
        self.open: dict[str, list[OpenOrder]] = {}

    # -- before an order is placed

    def estimate(self, order: Order) -> tuple[Decimal, Decimal]:
        """Give the units and the cash that an order comes to, costs included.

        A market order is estimated at its signal's quote, an order with a limit at that, one with a stop at the worse
        of stop and quote. That is also the cash to be reserved for a buy.

        Raises:
            Unbookable: the symbol's currency has no rate yet.
        """
        if self._always or order.limit is not None or order.stop is not None:
            return self._estimate(order)
        quote = exact(order.quote)
        costs = self._costs
        price = costs.price(order.side, quote) if costs else quote
        if order.quantity is None:
            cash = order.cash or _ZERO
            return self._affordable(cash, price), cash
        if order.quantity is not self._asked:  # as often as not it is the very number of the order before
            self._asked = order.quantity
            floored = EXACT.multiply(EXACT.divide_int(order.quantity, self._step), self._step)
            self._floored = order.quantity if floored == order.quantity else floored
        quantity = self._floored
        amount = EXACT.multiply(quantity, price)
        if costs:
            fees = EXACT.add(costs.commission(amount, quantity), costs.slippage_per_trade)
            amount = EXACT.add(amount, fees) if order.side == "buy" else EXACT.subtract(amount, fees)
        return quantity, amount

    def fit(self, order: Order) -> Order:
        """Give an order with its limit and its stop on whole ticks of its symbol, rounded towards not trading."""
        tick = self._market.tick(order.sid) if self._market.has_instruments else None
        if tick is None or _is_plain(order):
            return order
        buying = order.side == "buy"
        limit, stop, lose, take = order.limit, order.stop, order.stop_loss, order.take_profit
        if limit is not None:
            limit = float(to_tick(exact(limit), tick, up=not buying))
        if stop is not None:
            stop = float(to_tick(exact(stop), tick, up=buying))
        if lose is not None:
            lose = float(to_tick(exact(lose), tick, up=not buying))
        if take is not None:
            take = float(to_tick(exact(take), tick, up=buying))
        return msgspec.structs.replace(order, limit=limit, stop=stop, stop_loss=lose, take_profit=take)

    def holds(self, sid: str) -> bool:
        """Say whether any algorithm holds units of a symbol, or is short of them."""
        return any(sid in ledger.positions for ledger in self._ledgers.values())

    def sellable(self, algorithm: str, sid: str, group: str | None = None) -> Decimal:
        """Give the units that an algorithm holds and that no open order sells already, but for those of a group."""
        held = self._ledgers[algorithm].positions.get(sid)
        if held is None or held.quantity < 0:
            return _ZERO
        return self._unclosed(held.quantity, algorithm, sid, group) if sid in self.open else held.quantity

    def coverable(self, algorithm: str, sid: str, group: str | None = None) -> Decimal:
        """Give the units that an algorithm has sold short and that no open order buys back, but those of a group."""
        held = self._ledgers[algorithm].positions.get(sid)
        if held is None or held.quantity > 0:
            return _ZERO
        return self._unclosed(held.quantity.copy_abs(), algorithm, sid, group)

    def _unclosed(self, left: Decimal, algorithm: str, sid: str, group: str | None) -> Decimal:
        """Give what of a position is left to be closed; of a group one order at most is filled."""
        groups: dict[str, Decimal] = {}
        for open_order in self.open.get(sid, ()):
            order = open_order.order
            if open_order.algorithm != algorithm or not order.closing or open_order.parent is not None:
                continue
            if open_order.recalled is not None:
                continue  # should it turn out to have been filled, others find less left to close
            quantity = order.quantity or _ZERO
            if order.group is None:
                left = EXACT.subtract(left, quantity)
            elif order.group != group:
                groups[order.group] = max(quantity, groups.get(order.group, _ZERO))
        for quantity in groups.values():
            left = EXACT.subtract(left, quantity)
        return max(left, _ZERO)  # a bracket's leg may have closed what others are to close as well

    # -- placing and taking back

    def place(self, open_order: OpenOrder, reserve: Decimal) -> OpenOrder:
        """Take an order, and give it as it is kept; what it needs of the cash is set aside until it fills.

        A ``day`` order ends with the day of the first moment at which it can be filled. What closes a position reserves
        nothing.

        Raises:
            NotEnough: the cash to reserve is not there.
        """
        order = open_order.order
        if (order.side == "buy") is not order.short:
            self._ledgers[open_order.algorithm].reserve(open_order.id, order.sid, reserve)
        if not _is_plain(order) or open_order.waits:
            open_order = self._with_end(msgspec.structs.replace(open_order, order=self.fit(order)))
            self._watch(open_order)
        self.open.setdefault(order.sid, []).append(open_order)
        return open_order

    def place_market(self, open_order: OpenOrder, reserve: Decimal) -> None:
        """Take an order that fills at whatever its symbol's next quote is, as `place` does.

        Raises:
            NotEnough: the cash to reserve is not there.
        """
        order = open_order.order
        if order.side == "buy":
            self._ledgers[open_order.algorithm].reserve(open_order.id, order.sid, reserve)
        self.open.setdefault(order.sid, []).append(open_order)

    def restore(self, orders: Iterable[OpenOrder]) -> None:
        """Take up the open orders of a snapshot; what is reserved for them is the ledgers' to restore."""
        for open_order in orders:
            self.open.setdefault(open_order.order.sid, []).append(open_order)
            if (
                not _is_plain(open_order.order)
                or open_order.waits
                or open_order.after is not None
                or open_order.recalled is not None
            ):
                self._watch(open_order)

    def begin(self, since: int) -> None:
        """Have only prices from after a time count for the open orders that all prices counted for, and their days."""
        orders = [each for there in self.open.values() for each in there]
        self.open.clear()
        self.expiring.clear()
        self._working.clear()
        self._careful = self._always
        for each in orders:
            if each.since is None:
                gone = None if each.expires is None else each.expires + 1
                self.restore([msgspec.structs.replace(each, since=since, gone=gone)])
            else:
                self.restore([each])

    def recall(self, open_order: OpenOrder, *, now: int, reach: int | None, reason: str) -> None:
        """Take back an order that may have been filled by what is told later; it is over with its symbol's next event.

        Args:
            open_order: an open one; one that is taken back already is let be.
            now: the time at which it is taken back, nanoseconds UTC.
            reach: how long before an event that comes now its symbol may have been traded; None for any time.
            reason: why.
        """
        orders = self.open[open_order.order.sid]
        at = [each.id for each in orders].index(open_order.id)
        if orders[at].recalled is not None:
            return
        gone = orders[at].gone if reach is None else now + reach + 1
        if gone is not None and open_order.id in self.expiring:
            gone = min(gone, self.expiring[open_order.id])
        orders[at] = kept = msgspec.structs.replace(orders[at], recalled=now, why=reason, gone=gone)
        self._watch(kept)

    def cancel(self, open_order: OpenOrder) -> None:
        """Take back an open order and its reservation; one that is not open any more is let be."""
        self._ledgers[open_order.algorithm].release(open_order.id)
        self._remove(open_order)

    def cancel_all(self) -> list[OpenOrder]:
        """Take back every open order and its reservation; at the end of history nothing can fill any more."""
        cancelled = [open_order for orders in self.open.values() for open_order in orders]
        for open_order in cancelled:
            self._ledgers[open_order.algorithm].release(open_order.id)
        self.open.clear()
        self.expiring.clear()
        self._working.clear()
        self._careful = self._always
        return cancelled

    def cancel_opening(self) -> list[OpenOrder]:
        """Take back every open order that opens a position, and its reservation; what closes one goes on."""
        cancelled = [each for orders in self.open.values() for each in orders if not each.order.closing]
        for open_order in cancelled:
            self.cancel(open_order)
        return cancelled

    def expire(self, ts: int, *, sid: str | None = None) -> Sequence[OpenOrder]:
        """Take back the orders that end before a time, and give them; asked while there are `expiring` ones.

        Under rules 2 they end with the second moment that is after their end: within the first one the event that may
        still fill them comes before or after those of other symbols, which must make no difference.

        Args:
            ts: the time of an event, nanoseconds UTC.
            sid: the event's symbol, if it is traded: its own orders may still have the event's open.
        """
        if ts > self.moments[1]:
            self.moments = self.moments[1], ts
        if ts < self._next_end:
            return _NONE
        before = min(ts, self.moments[0])
        ended = [
            open_order
            for orders in self.open.values()
            for open_order in orders
            if self.expiring.get(open_order.id, ts + 1) <= (ts if open_order.since is None else before)
            and (open_order.order.sid != sid or open_order.since is None)
        ]
        for open_order in ended:
            self.cancel(open_order)
        self._next_end = min(self.expiring.values(), default=0)
        return ended

    def divide(self, sid: str, ts: int) -> None:
        """Have prices from before a split or a dividend of a symbol count no more for its open orders."""
        orders = self.open.get(sid, [])
        for at, placed in enumerate(orders):
            if placed.since is not None and placed.since < ts:
                orders[at] = msgspec.structs.replace(placed, since=ts)

    def split(self, split: Split, ts: int) -> None:
        """Bring the open orders of a symbol to what they are after a split: units, limits and stops, not cash.

        Those that were decided after it are let be.
        """
        orders = self.open.get(split.sid)
        if not orders:
            return
        new, old = Decimal(split.new), Decimal(split.old)
        step = self._step_of(split.sid)
        for at, placed in enumerate(orders):
            if placed.since is not None and placed.since > ts:
                continue
            order = placed.order
            quantity, ordered = order.quantity, placed.ordered
            if quantity is not None:
                quantity = floor_to_step(EXACT.multiply(quantity, new), old, step)
                if ordered is not None:
                    ordered = floor_to_step(EXACT.multiply(ordered, new), old, step)
            limit, stop, lose, take = (
                None if price is None else float(ROUNDING.divide(ROUNDING.multiply(exact(price), old), new))
                for price in (order.limit, order.stop, order.stop_loss, order.take_profit)
            )
            order = msgspec.structs.replace(
                order, quantity=quantity, limit=limit, stop=stop, stop_loss=lose, take_profit=take
            )
            orders[at] = msgspec.structs.replace(placed, order=self.fit(order), ordered=ordered)

    def _with_end(self, open_order: OpenOrder) -> OpenOrder:
        order = open_order.order
        ends = [order.until] if order.until is not None else []
        if order.tif == "day":
            since = open_order.since
            market = self._market
            ends.append(market.day_end(order.sid, order.ts) if since is None else market.last_day(order.sid, since))
        if not ends:
            return open_order
        end = min(ends)
        gone = None if open_order.since is None else end + 1 + (open_order.gone or 0)
        return msgspec.structs.replace(open_order, expires=end, gone=gone)

    def _watch(self, open_order: OpenOrder) -> None:
        """Note an order that is not filled whole by whatever event comes next."""
        self._working.add(open_order.id)
        self._careful = True
        end = open_order.expires if open_order.gone is None else open_order.gone
        if (open_order.expires is not None or open_order.recalled is not None) and end is not None:
            self._next_end = end if not self.expiring else min(end, self._next_end)
            self.expiring[open_order.id] = end

    def _forget(self, order_id: str) -> None:
        self._working.discard(order_id)
        self.expiring.pop(order_id, None)
        self._careful = self._always or bool(self._working)

    def _remove(self, open_order: OpenOrder) -> None:
        sid = open_order.order.sid
        left = [each for each in self.open.get(sid, ()) if each.id != open_order.id]
        if left:
            self.open[sid] = left
        else:
            self.open.pop(sid, None)
        self._forget(open_order.id)

    # -- filling

    def on_quote(self, sid: str, data: Data, *, only: Container[str] | None = None) -> list[tuple[OpenOrder, Outcome]]:
        """Fill the open orders of a symbol against an event of it, in the order they were placed.

        Args:
            sid: the symbol.
            data: the event.
            only: the ids of those to look at: what a fill at this event has brought to life; None for all.

        Returns:
            What became of those of which something became. An order may be there twice: filled in part, and the rest
            of it cancelled.
        """
        if self._careful:
            return self._trade(sid, data, only)
        ts, orders = data["ts"], self.open[sid]
        waiting: list[OpenOrder] = []
        outcomes: list[tuple[OpenOrder, Outcome]] = []
        for open_order in orders:
            since = open_order.since
            if since is None:
                price = data["open"] if "open" in data else data["quote"]
            elif since >= ts:
                waiting.append(open_order)
                continue
            else:
                price = price_of(data, open_order.order.side, since)
                if "open" in data and "start" not in data:
                    self.lost_opens += 1
            outcomes.append((open_order, self._fill(open_order, price, ts)))
        if waiting:
            self.open[sid] = waiting
        else:
            del self.open[sid]
        return outcomes

    def fill_now(self, open_order: OpenOrder, price: float, ts: int) -> Outcome | None:
        """Fill one order at the event that it was decided on; None where it stays open.

        That event's volume was traded before, so that nothing limits how much is filled, and it triggers no stop.

        Args:
            open_order: as `place` gave it.
            price: what it gets.
            ts: the time of the event.
        """
        if not self._careful:
            orders = self.open[open_order.order.sid]
            orders.remove(open_order)
            if not orders:
                del self.open[open_order.order.sid]
            return self._fill(open_order, price, ts)
        order = open_order.order
        [kept] = [each for each in self.open[order.sid] if each.id == open_order.id]
        ended = kept.expires is not None and (kept.expires <= ts if kept.since is None else kept.expires < ts)
        if order.stop is not None or ended:
            return None
        reach = reached(kept.order, Bar.at(price))
        outcome: Outcome | None = None
        if reach.price is not None:
            outcome, _ = self._attempt(kept, reach.price, None, None, ts)
        elif _has_one_chance(kept):
            outcome = _missed(kept)
        if outcome is not None:
            self.cancel(kept)
        return outcome

    def has(self, open_order: OpenOrder) -> bool:
        """Say whether an order is open."""
        return any(each.id == open_order.id for each in self.open.get(open_order.order.sid, ()))

    def members(self, open_order: OpenOrder) -> list[OpenOrder]:
        """Give the other open orders of an order's group."""
        group = open_order.order.group
        if group is None:
            return []
        return [
            each
            for orders in self.open.values()
            for each in orders
            if each.order.group == group and each.algorithm == open_order.algorithm and each.id != open_order.id
        ]

    def is_same(self, one: OpenOrder, other: OpenOrder) -> bool:
        """Say whether an order that is not placed yet asks for what an open one does, and would end with it."""
        meant = self._with_end(msgspec.structs.replace(other, order=self.fit(other.order)))
        ours = msgspec.structs.replace(one.order, quote=0.0, ts=0, reason=None)
        theirs = msgspec.structs.replace(meant.order, quote=0.0, ts=0, reason=None)
        return ours == theirs and one.expires == meant.expires

    def unblock(self, order_id: str) -> list[OpenOrder]:
        """Have the orders that wait for a sale wait for it no more; give those that wait for none now."""
        freed: list[OpenOrder] = []
        for orders in self.open.values():
            for at, each in enumerate(orders):
                if order_id in each.waits:
                    waits = tuple(sale for sale in each.waits if sale != order_id)
                    orders[at] = each = msgspec.structs.replace(each, waits=waits)
                    if not waits:
                        freed.append(each)
        return freed

    def free(
        self, freed: OpenOrder, reserve: Decimal, *, order: Order, after: int, ordered: Decimal | None = None
    ) -> OpenOrder:
        """Let an order go that waited for sales, as what the cash there is pays for; give it as it is kept.

        Args:
            freed: the order.
            reserve: the cash that is set aside for it.
            order: what is left of it.
            after: the moment of the last of the sales.
            ordered: what it was for, where that is more than what is left.

        Raises:
            NotEnough: the cash to reserve is not there.
        """
        ledger = self._ledgers[freed.algorithm]
        ledger.release(freed.id)
        if reserve:
            ledger.reserve(freed.id, order.sid, reserve)
        kept = msgspec.structs.replace(freed, order=order, after=after, ordered=ordered)
        orders = self.open[order.sid]
        orders[[each.id for each in orders].index(freed.id)] = kept
        return kept

    def reserved(self, open_order: OpenOrder) -> Decimal:
        """Give the cash that is set aside for an order."""
        reservation = self._ledgers[open_order.algorithm].reservations.get(open_order.id)
        return _ZERO if reservation is None else reservation.cash

    def orphans(self, algorithm: str, sid: str) -> list[OpenOrder]:
        """Give the open orders that protect a position which an algorithm does not have any more."""
        if sid not in self.open or sid in self._ledgers[algorithm].positions:
            return []
        return [each for each in self.open[sid] if each.parent is not None and each.algorithm == algorithm]

    def shrink(self, open_order: OpenOrder, quantity: Decimal) -> None:
        """Leave an open order that closes a position at most a number of units."""
        orders = self.open[open_order.order.sid]
        for at, each in enumerate(orders):
            if each.id == open_order.id and each.order.quantity is not None and each.order.quantity > quantity:
                orders[at] = msgspec.structs.replace(each, order=msgspec.structs.replace(each.order, quantity=quantity))

    def _turns(self, orders: Sequence[OpenOrder], data: Data) -> list[_Turn]:
        """Give what open orders of a symbol come to at an event, in the order in which they are to be filled.

        Those without a group or a parent keep the order in which they were placed. Where some have one, what gets the
        open goes before what is reached later in the bar, and of a group only one order has a price.
        """
        traded = self._market.traded_until(orders[0].order.sid, data) if self._market.has_instruments else data["ts"]
        turns = []
        grouped = False
        for placed in orders:
            order = placed.order
            since = placed.since_at(data["ts"])
            bar = None
            if placed.counts(data):
                bar = seen(data, order.side, since=since, end=placed.expires, traded=traded)
            reach = _NOWHERE if bar is None else reached(order, bar, triggered=placed.triggered)
            turns.append(_Turn(placed, bar, reach))
            grouped = grouped or order.group is not None or placed.parent is not None
        if not grouped:
            return turns
        turns.sort(key=lambda turn: not turn.reached.at_open)
        best: dict[tuple[str, str], _Turn] = {}
        for turn in turns:
            if turn.placed.order.group is None or turn.reached.price is None:
                continue
            key = turn.placed.algorithm, turn.placed.order.group
            first = best.get(key)
            if first is None or (not first.reached.at_open and _come_to(turn) < _come_to(first)):
                best[key] = turn
        return [
            turn
            if turn.placed.order.group is None
            or turn.reached.price is None
            or best.get((turn.placed.algorithm, turn.placed.order.group)) is turn
            else turn._replace(reached=Reached(None, turn.reached.triggered))
            for turn in turns
        ]

    def _trade(self, sid: str, data: Data, only: Container[str] | None) -> list[tuple[OpenOrder, Outcome]]:
        """Hold every open order of a symbol against an event."""
        ts = data["ts"]
        outcomes: list[tuple[OpenOrder, Outcome]] = []
        there = self.open[sid]
        if only is None:
            self._used = _ZERO
        else:
            there = [each for each in there if each.id in only]
        kept: dict[str, OpenOrder | None] = {}
        done: set[tuple[str, str]] = set()
        for placed, bar, reach in self._turns(there, data) if there else ():
            order = placed.order
            rest: OpenOrder | None = placed
            if order.group is not None and (placed.algorithm, order.group) in done:
                continue  # what was filled has taken it back
            if placed.id in kept:
                continue  # it was to take the place of one that was filled
            if placed.waits:
                if bar is not None and (placed.glimpse is None or placed.glimpse["ts"] != ts):
                    rest = msgspec.structs.replace(placed, glimpse=dict(data))
            elif bar is not None:
                if reach.triggered and not placed.triggered:
                    rest = placed = _triggered(placed, bar, reach, ts)
                if reach.price is not None:
                    room = self._room(sid, bar.traded)
                    if placed.recalled is None or not (successors := self._successors(placed)):
                        outcome, rest = self._attempt(placed, reach.price, room, bar.traded, ts)
                    else:
                        outcome, rest = self._attempt_first(placed, successors, reach.price, room, bar.traded, ts)
                        if isinstance(outcome, Filled):
                            kept |= dict.fromkeys((each.id for each in successors), None)
                            outcomes += [(each, Rejection(SUPERSEDED)) for each in successors]
                    if outcome is not None:
                        if isinstance(outcome, Filled):
                            if order.stop_loss is not None or order.take_profit is not None:
                                since = bar.start if reach.at_open and bar.start is not None else ts
                                outcome = msgspec.structs.replace(outcome, since=since)
                            self._used = EXACT.add(self._used, outcome.quantity)
                            if placed.since is not None and loses_open(data):
                                self.lost_opens += 1
                            if order.group is not None:
                                done.add((placed.algorithm, order.group))
                        outcomes.append((placed, outcome))
                if rest is not None and _has_one_chance(rest):
                    self._ledgers[rest.algorithm].release(rest.id)
                    outcomes.append((rest, _missed(rest)))
                    rest = None
            if rest is not None and rest.since is not None and rest.expires is not None and ts > rest.expires:
                self._ledgers[rest.algorithm].release(rest.id)
                outcomes.append((rest, Rejection(OVER)))
                rest = None
            if rest is not None and rest.recalled is not None and ts >= rest.recalled and not rest.waits:
                self._ledgers[rest.algorithm].release(rest.id)
                outcomes.append((rest, Rejection(rest.why)))
                rest = None
            kept[placed.id] = rest
        still_open: list[OpenOrder] = []
        for each in self.open[sid]:
            left = kept.get(each.id, each)
            if left is None:
                self._forget(each.id)
            else:
                still_open.append(left)
        if still_open:
            self.open[sid] = still_open
        else:
            del self.open[sid]
        return outcomes

    def _successors(self, placed: OpenOrder) -> list[OpenOrder]:
        """Give the open orders that are to take the place of one that was taken back."""
        return [each for each in self.open[placed.order.sid] if placed.id in each.instead]

    def _attempt_first(
        self,
        placed: OpenOrder,
        successors: Sequence[OpenOrder],
        price: float,
        room: Decimal | None,
        volume: Decimal | None,
        ts: int,
    ) -> tuple[Outcome | None, OpenOrder | None]:
        """Fill an order that was taken back as `_attempt` does, with the cash set aside for those in its place."""
        ledger = self._ledgers[placed.algorithm]
        before = {each.id: self.reserved(each) for each in (placed, *successors) if each.id in ledger.reservations}
        for id_ in before:
            ledger.release(id_)
        if before:
            needs = total(before.values()) if placed.order.cash is None else placed.order.cash
            ledger.reserve(placed.id, placed.order.sid, min(needs, max(ledger.available, _ZERO)))
        outcome, rest = self._attempt(placed, price, room, volume, ts)
        if not isinstance(outcome, Filled):
            ledger.release(placed.id)
            for id_, cash in before.items():
                if id_ != placed.id or rest is not None:
                    ledger.reserve(id_, placed.order.sid, cash)
        return outcome, rest

    def _attempt(
        self, placed: OpenOrder, price: float, room: Decimal | None, volume: Decimal | None, ts: int
    ) -> tuple[Outcome | None, OpenOrder | None]:
        """Fill an order at a price, as far as there is room; give what came of it, and what of it stays open."""
        order = placed.order
        ledger = self._ledgers[placed.algorithm]
        reserved = ledger.reservations.get(placed.id)
        budget = _ZERO if reserved is None else reserved.cash
        terms = self._terms(order, exact(price), volume)
        try:
            wanted = self._wanted(ledger, order, terms, budget)
            if isinstance(wanted, Rejection):
                ledger.release(placed.id)
                return wanted, None
            quantity = wanted if room is None else min(wanted, room)
            if not quantity or (order.tif == "fok" and quantity < wanted):
                return None, placed
            ledger.release(placed.id)
            filled = _book(ledger, order, terms, quantity, ts)
        except Unbookable as error:
            ledger.release(placed.id)
            return Rejection(f"{order.sid} at {price}: {error}"), None
        if quantity == wanted:
            return filled, None
        if order.closing:
            unspent = _ZERO
        elif order.short:
            unspent = EXACT.subtract(budget, part_of_cost(budget, quantity, wanted))
        else:
            unspent = EXACT.subtract(budget, filled.cash)
        return self._leave(placed, filled, EXACT.subtract(wanted, quantity), unspent)

    def _wanted(self, ledger: Ledger, order: Order, terms: Terms, budget: Decimal) -> Decimal | Rejection:
        """Give the units that an order would fill were there room for all of it."""
        sid, quote = order.sid, terms.quote
        held = ledger.positions.get(sid)
        there = held.quantity if held else _ZERO
        if order.closing:
            quantity = min(order.quantity or _ZERO, max(_ZERO, EXACT.minus(there) if order.short else there))
            what = f"no {sid} left to buy back" if order.short else f"no {sid} left to sell"
            return quantity or Rejection(what)
        if quote <= 0:
            return Rejection(f"{sid} cannot be {'sold short' if order.short else 'bought'} at {float(quote)}")
        step = self._step_of(sid)
        if order.quantity is not None:
            return order.quantity or Rejection(f"less than {plain_decimal(step)} {sid} is left to trade")
        return terms.most(budget, step) or self._too_little(budget, step, sid, float(quote))

    def _leave(
        self, placed: OpenOrder, filled: Filled, units: Decimal, unspent: Decimal
    ) -> tuple[Filled, OpenOrder | None]:
        """Keep the rest of an order open: its units that are not filled, or else its cash that is not spent.

        What stays reserved is what a buy has not spent, or the rest of what a short sale needs.
        """
        order = placed.order
        ledger = self._ledgers[placed.algorithm]
        unspent = max(_ZERO, min(unspent, ledger.available))
        if order.quantity is not None:
            order = msgspec.structs.replace(order, quantity=units)
            filled = msgspec.structs.replace(filled, left_quantity=units)
        elif not unspent:
            return filled, None
        else:
            order = msgspec.structs.replace(order, cash=unspent)
            filled = msgspec.structs.replace(filled, left_cash=unspent)
        if unspent:
            ledger.reserve(placed.id, order.sid, unspent)
        return filled, msgspec.structs.replace(placed, order=order)

    def _estimate(self, order: Order) -> tuple[Decimal, Decimal]:
        order = self.fit(order)
        price = order.quote
        if order.limit is not None:
            price = order.limit
        elif order.stop is not None:
            price = max(price, order.stop) if order.side == "buy" else min(price, order.stop)
        terms = self._terms(order, exact(price), None)
        step = self._step_of(order.sid)
        if order.closing and self._is_all(order):
            step = self._market.grain(order.sid)  # a split may have left less than a lot
        if order.quantity is None:
            cash = order.cash or _ZERO
            return terms.most(cash, step), cash
        quantity = EXACT.multiply(EXACT.divide_int(order.quantity, step), step)
        cash = terms.cash(quantity)
        # A buy at a limit below 0 is never filled, and must not reserve less than nothing.
        return quantity, max(_ZERO, cash) if order.side == "buy" else cash

    def _is_all(self, order: Order) -> bool:
        """Say whether an order closes all that its algorithm has of a symbol."""
        ledger = self._ledgers.get(order.algorithm)
        held = None if ledger is None else ledger.positions.get(order.sid)
        return held is not None and order.quantity is not None and order.quantity >= held.quantity.copy_abs()

    def _terms(self, order: Order, price: Decimal, volume: Decimal | None) -> Terms:
        limit = None if order.limit is None else exact(order.limit)
        market = self._market
        if not market.has_instruments:
            return Terms(self._every_cost, order.side, price, limit, None, volume)
        worth = partial(market.unit, order.sid)
        return Terms(self._every_cost, order.side, price, limit, market.tick(order.sid), volume, worth)

    def _step_of(self, sid: str) -> Decimal:
        return self._market.step(sid) if self._market.has_instruments else self._step

    def _room(self, sid: str, volume: Decimal | None) -> Decimal | None:
        """Give how many units can still be filled at an event, in whole steps; None for any number."""
        share = self._rules.volume_share
        if share is None or volume is None:
            return None
        room = floor_to_step(EXACT.multiply(volume, share), _ONE, self._step_of(sid))
        return max(_ZERO, EXACT.subtract(room, self._used))

    # -- the short way

    def _fill(self, open_order: OpenOrder, quote: float, ts: int) -> Outcome:
        order = open_order.order
        ledger = self._ledgers[open_order.algorithm]
        try:
            if order.side == "sell":
                return self._sell(ledger, order, quote, ts)
            return self._buy(ledger, order, quote, ledger.release(open_order.id))
        except Unbookable as error:
            return Rejection(f"{order.sid} at {quote}: {error}")

    def _sell(self, ledger: Ledger, order: Order, quote: float, ts: int) -> Outcome:
        held = ledger.positions.get(order.sid)
        quantity = min(order.quantity or _ZERO, held.quantity if held else _ZERO)
        if not quantity:
            return Rejection(f"no {order.sid} left to sell")
        if self._costs is None:
            cash, profit = ledger.sell(order.sid, quantity, exact(quote), ts)
            return Filled(quantity, quote, cash, _ZERO, _ZERO, profit)
        price, commission, slippage = self._priced(self._costs, "sell", quote, quantity)
        fees = EXACT.add(commission, self._costs.slippage_per_trade)
        cash, profit = ledger.sell(order.sid, quantity, price, ts, fees)
        return Filled(quantity, float(price), cash, commission, slippage, profit)

    def _buy(self, ledger: Ledger, order: Order, quote: float, reserved: Decimal) -> Outcome:
        sid = order.sid
        if quote <= 0:
            return Rejection(f"{sid} cannot be bought at {quote}")
        price = exact(quote) if self._costs is None else self._costs.price("buy", exact(quote))
        quantity = order.quantity if order.quantity is not None else self._affordable(reserved, price)
        if not quantity:
            return self._too_little(reserved, self._step, sid, quote)
        if self._costs is None:
            return Filled(quantity, quote, ledger.buy(sid, quantity, price), _ZERO, _ZERO, None)
        price, commission, slippage = self._priced(self._costs, "buy", quote, quantity)
        fees = EXACT.add(commission, self._costs.slippage_per_trade)
        return Filled(quantity, float(price), ledger.buy(sid, quantity, price, fees), commission, slippage, None)

    def _too_little(self, budget: Decimal, step: Decimal, sid: str, quote: float) -> Rejection:
        """Give the refusal of cash that does not pay a single step."""
        costs = "" if self._costs is None else " with its costs"
        return Rejection(f"{plain_decimal(budget)} buys less than {plain_decimal(step)} {sid} at {quote}{costs}")

    def _affordable(self, budget: Decimal, price: Decimal) -> Decimal:
        """Give the most units, in whole steps, that a budget pays with all their costs."""
        costs = self._costs
        if costs is None:
            return floor_to_step(budget, price, self._step)
        rest = EXACT.subtract(budget, costs.per_trade)
        if rest <= 0:
            return _ZERO
        return floor_to_step(rest, EXACT.multiply(price, EXACT.add(_ONE, costs.commission_rate)), self._step)

    @staticmethod
    def _priced(costs: Costs, side: Side, quote: float, quantity: Decimal) -> tuple[Decimal, Decimal, Decimal]:
        """Give the price, the commission, and what slippage came to."""
        exact_quote = exact(quote)
        price = costs.price(side, exact_quote)
        worse = EXACT.multiply(quantity, EXACT.subtract(price, exact_quote).copy_abs())
        commission = costs.commission(EXACT.multiply(quantity, price), quantity)
        return price, commission, EXACT.add(worse, costs.slippage_per_trade)


def _is_plain(order: Order) -> bool:
    """Say whether an order fills at whatever its symbol's next quote is."""
    return (
        order.limit is order.stop is order.until is order.stop_loss is order.take_profit is None
        and order.group is None
        and order.tif == "gtc"
        and not order.short
    )


_NOWHERE: Final = Reached(None)


def _come_to(turn: _Turn) -> float:
    """Give what a unit filled at an order's price has come to by the bar's close, in the currency of the quotes."""
    price, bar = turn.reached.price, turn.bar
    if price is None or bar is None:
        return 0.0
    return bar.close - price if turn.placed.order.side == "buy" else price - bar.close


def _triggered(placed: OpenOrder, bar: Bar, reach: Reached, ts: int) -> OpenOrder:
    """Give an order whose stop was reached: what is left of it, a limit, goes from there on.

    A stop that the open has reached goes from the open on.
    """
    if placed.since is None:
        return msgspec.structs.replace(placed, triggered=True)
    opened = bar.open is not None and (
        bar.open >= (placed.order.stop or 0.0) if placed.order.side == "buy" else bar.open <= (placed.order.stop or 0.0)
    )
    since = bar.start if (reach.at_open or opened) and bar.start is not None else ts
    return msgspec.structs.replace(placed, triggered=True, since=max(since, placed.since))


def _has_one_chance(open_order: OpenOrder) -> bool:
    """Say whether an event that might have filled an order was its only chance."""
    order = open_order.order
    return order.tif in ("ioc", "fok") and (order.stop is None or open_order.triggered)


def _missed(open_order: OpenOrder) -> Rejection:
    order = open_order.order
    event = f"{order.sid}'s first quote" if order.stop is None else f"the quote of {order.sid} that triggered its stop"
    if order.tif == "fok":
        return Rejection(f"not all of it could be filled at once at {event}, as fok asks for")
    what = f"{plain_decimal(order.quantity or order.cash or _ZERO)}{' units' if order.quantity is not None else ''}"
    return Rejection(f"{what} could not be filled at {event}, and ioc waits for no other")


def _book(ledger: Ledger, order: Order, terms: Terms, quantity: Decimal, ts: int) -> Filled:
    """Book a fill.

    Raises:
        Unbookable: the ledger does not have it.
    """
    sid = order.sid
    price = terms.price(quantity)
    unit = price if terms.worth is None else terms.worth(price)
    amount = EXACT.multiply(quantity, unit)
    commission = terms.costs.commission(amount, quantity)
    per_trade = terms.costs.slippage_per_trade
    fees = EXACT.add(commission, per_trade)
    slippage = EXACT.add(EXACT.subtract(amount, terms.amount(quantity, terms.quote)).copy_abs(), per_trade)
    profit: Decimal | None = None
    if order.side == "sell" and order.short:
        cash = ledger.short(sid, quantity, unit, fees)
    elif order.side == "sell":
        cash, profit = ledger.sell(sid, quantity, unit, ts, fees)
    elif order.short:
        cash, profit = ledger.cover(sid, quantity, unit, ts, fees)
    else:
        cash = ledger.buy(sid, quantity, unit, fees)
    return Filled(quantity, float(price), cash, commission, slippage, profit)
