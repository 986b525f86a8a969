"""The paper broker: how open orders fill.

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

from collections.abc import Container, Sequence
from decimal import Decimal
from functools import partial
from typing import Final, NamedTuple, TypeAlias

import msgspec

from intuition_core.account.amounts import EXACT, exact, floor_to_step, part_of_cost, plain_decimal
from intuition_core.account.costs import NO_COSTS, Costs, Terms
from intuition_core.account.ledger import Ledger
from intuition_core.account.market import Unbookable
from intuition_core.contracts import Data, Order, Rejection
from intuition_core.trading.matching import Bar, Reached, loses_open, price_of, reached, seen
from intuition_core.trading.order_book import OrderBook, PooledReservations
from intuition_core.trading.orders import (
    NO_RULES,
    SUPERSEDED,
    Filled,
    FillRules,
    OpenOrder,
    has_one_chance,
    missed,
    on_ticks,
    over_with,
)

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)

Amounts: TypeAlias = tuple[Decimal, Decimal, Decimal, Decimal, Decimal]
"""Price, unit, fees, commission and slippage, as in a `Priced`."""

OrderResult: TypeAlias = Filled | Rejection
"""What became of an order: a rejection ends it, and so does a fill that leaves nothing."""


class _Turn(NamedTuple):
    """An order and what it comes to at an event; ``bar`` is None where it may have nothing of it."""

    placed: OpenOrder
    bar: Bar | None
    reached: Reached


class PaperBroker:
    """Fills the open orders of one account against quotes.

    Attributes:
        book: where the orders are open.
        lost_opens: how many fills had a bar's close alone because it did not say when it began.

    Args:
        book: the open orders that it fills.
        costs: what every fill pays.
        rules: how much of the market orders may have.
    """

    __slots__ = (
        "_by_volume",
        "_costs",
        "_floored",
        "_free",
        "_ledgers",
        "_market",
        "_rules",
        "_step",
        "_used",
        "_whole",
        "book",
        "lost_opens",
    )

    def __init__(self, book: OrderBook, *, costs: Costs = NO_COSTS, rules: FillRules = NO_RULES) -> None:
        self.book = book
        self._ledgers = book.ledgers
        self._market = book.market
        self._costs = costs or NO_COSTS
        self._rules = rules
        # Where neither costs nor instruments make a price another one, a unit costs its quote, and no `Terms` are made:
        # that saves more than a fifth of an order's time, from its signal to its fill.
        self._free = self._costs is NO_COSTS and not book.market.has_instruments
        self._step = book.market.step("")  # of symbols without an instrument
        self._by_volume = rules.volume_share is not None or bool(costs.slippage_impact)
        # Journals of buys at the market that close a position at a price below 0 hold what is below nothing as it is.
        self._floored = book.market.has_instruments or not costs.is_proportional
        self._used = _ZERO
        self._whole: Decimal | None = None  # the latest quantity of whole steps: the next is often the same
        self.lost_opens = 0

    def estimate(self, order: Order) -> tuple[Decimal, Decimal]:
        """Return the units and the cash that an order comes to, costs included.

        A market order is estimated at its signal's quote, an order with a limit at that, one with a stop at the worse
        of stop and quote. That is also the cash to be reserved for a buy. The quantity is the order's own where that is
        in whole steps.

        Raises:
            Unbookable: the symbol's currency has no rate yet.
        """
        market, step = self._market, self._step
        if market.has_instruments:
            step = market.step(order.sid)
            order = on_ticks(order, market.tick(order.sid))
            if order.closing and self._is_all(order):
                step = market.grain(order.sid)  # a split may have left less than a lot
        price = order.quote
        if order.limit is not None:
            price = order.limit
        elif order.stop is not None:
            price = max(price, order.stop) if order.side == "buy" else min(price, order.stop)
        quote = exact(price)
        terms = None if self._free else self._terms(order, quote, None)
        wanted = order.quantity
        if wanted is None:
            cash = order.cash or _ZERO
            if terms is not None:
                return terms.most(cash, step), cash
            return floor_to_step(cash, quote, step) if quote > 0 else _ZERO, cash
        quantity = wanted
        if wanted is not self._whole or step is not self._step:
            floored = EXACT.multiply(EXACT.divide_int(wanted, step), step)
            if floored != wanted:
                quantity = floored
            elif step is self._step:
                self._whole = wanted
        cash = EXACT.multiply(quantity, quote) if terms is None else terms.cash(quantity)
        if cash < 0 and order.side == "buy" and (self._floored or order.limit is not None or order.stop is not None):
            cash = _ZERO  # such a buy is never filled, and must not reserve less than nothing
        return quantity, cash

    def on_quote(
        self, sid: str, data: Data, *, only: Container[str] | None = None
    ) -> list[tuple[OpenOrder, OrderResult]]:
        """Fill the open orders of a symbol against an event of it, in the order they were placed.

        Simple market orders take a short way, which saves a quarter of an order's time: `price_of` says of them alone
        what `seen` and `reached` say of all, and there is never a rest.

        Args:
            sid: the symbol.
            data: the event.
            only: the ids of those to look at: what a fill at this event has brought to life; None for all.

        Returns:
            What became of those of which something became. An order may be there twice: filled in part, and the rest
            of it cancelled.
        """
        if self._by_volume or self.book.on_terms:
            return self._trade(sid, data, only)
        ts, waiting = data["ts"], []
        outcomes: list[tuple[OpenOrder, OrderResult]] = []
        for placed in self.book.open[sid]:
            since = placed.since
            if since is not None and since >= ts:
                waiting.append(placed)
                continue
            outcome, _ = self._attempt(placed, price_of(data, placed.order.side, since), None, None, ts)
            if outcome is not None:
                if "start" not in data:
                    self._count(placed, outcome, data)
                outcomes.append((placed, outcome))
        self.book.keep(sid, waiting)
        return outcomes

    def fill_now(self, open_order: OpenOrder, price: float, ts: int) -> OrderResult | None:
        """Fill one order at the event that it was decided on; None where it stays open.

        That event's volume was traded before, so that nothing limits how much is filled, and it triggers no stop.

        Args:
            open_order: as the order book keeps it.
            price: what it gets.
            ts: the time of the event.
        """
        ended = open_order.expires is not None and (
            open_order.expires <= ts if open_order.since is None else open_order.expires < ts
        )
        if open_order.order.stop is not None or ended:
            return None
        reach = reached(open_order.order, Bar.at(price))
        outcome: OrderResult | None = None
        if reach.price is not None:
            outcome, _ = self._attempt(open_order, reach.price, None, None, ts)
        elif has_one_chance(open_order):
            outcome = missed(open_order)
        if outcome is not None:
            self.book.cancel(open_order)
        return outcome

    def _count(self, placed: OpenOrder, outcome: OrderResult, data: Data) -> None:
        """Count a fill that had a bar's close alone because the bar did not say when it began."""
        if placed.since is not None and isinstance(outcome, Filled) and loses_open(data):
            self.lost_opens += 1

    def _turns(self, orders: Sequence[OpenOrder], data: Data) -> list[_Turn]:
        """Return what open orders of a symbol come to at an event, in the order in which they are to be filled.

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
            if placed.counts(data) and not self.book.is_late(placed):
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

    def _trade(self, sid: str, data: Data, only: Container[str] | None) -> list[tuple[OpenOrder, OrderResult]]:
        """Hold every open order of a symbol against an event."""
        outcomes: list[tuple[OpenOrder, OrderResult]] = []
        there = self.book.open[sid]
        if only is None:
            self._used = _ZERO
        else:
            there = [each for each in there if each.id in only]
        kept: dict[str, OpenOrder | None] = {}
        done: set[tuple[str, str]] = set()
        for turn in self._turns(there, data) if there else ():
            placed = turn.placed
            order = placed.order
            if order.group is not None and (placed.algorithm, order.group) in done:
                continue  # what was filled has taken it back
            if placed.id in kept:
                continue  # it was to take the place of one that was filled
            rest: OpenOrder | None = placed
            if placed.waits:
                if turn.bar is not None and (placed.glimpse is None or placed.glimpse["ts"] != data["ts"]):
                    rest = msgspec.structs.replace(placed, glimpse=dict(data))
            elif turn.bar is not None:
                outcome, rest, superseded = self._take_turn(turn, turn.bar, data)
                if isinstance(outcome, Filled) and order.group is not None:
                    done.add((placed.algorithm, order.group))
                kept |= dict.fromkeys((each.id for each in superseded), None)
                outcomes += [(each, Rejection(SUPERSEDED)) for each in superseded]
                if outcome is not None:
                    outcomes.append((placed, outcome))
            if rest is not None and (over := over_with(rest, data["ts"], seen=turn.bar is not None)) is not None:
                self.book.release(rest)
                outcomes.append((rest, over))
                rest = None
            kept[placed.id] = rest
        self.book.update(sid, kept)
        return outcomes

    def _take_turn(
        self, turn: _Turn, bar: Bar, data: Data
    ) -> tuple[OrderResult | None, OpenOrder | None, Sequence[OpenOrder]]:
        """Hold one order against what it may have of an event.

        Returns:
            What came of it, None for nothing; what of it stays open; and the orders whose reason it has taken away: it
            was filled, and they were to take its place.
        """
        placed, reach, ts = turn.placed, turn.reached, data["ts"]
        if reach.triggered and not placed.triggered:
            placed = _triggered(placed, bar, reach, ts)
        if reach.price is None:
            return None, placed, ()
        order = placed.order
        room = self._room(order.sid, bar.traded)
        successors: Sequence[OpenOrder] = ()
        if placed.recalled is not None:
            successors = [each for each in self.book.open[order.sid] if placed.id in each.instead]
        if successors:
            outcome, rest = self._attempt_first(placed, successors, reach.price, room, bar.traded, ts)
        else:
            outcome, rest = self._attempt(placed, reach.price, room, bar.traded, ts)
        if not isinstance(outcome, Filled):
            return outcome, rest, ()
        if order.stop_loss is not None or order.take_profit is not None:
            since = bar.start if reach.at_open and bar.start is not None else ts
            outcome = msgspec.structs.replace(outcome, since=since)
        self._used = EXACT.add(self._used, outcome.quantity)
        self._count(placed, outcome, data)
        return outcome, rest, successors

    def _attempt_first(
        self,
        placed: OpenOrder,
        successors: Sequence[OpenOrder],
        price: float,
        room: Decimal | None,
        volume: Decimal | None,
        ts: int,
    ) -> tuple[OrderResult | None, OpenOrder | None]:
        """Fill an order that was taken back as `_attempt` does, with the cash set aside for those in its place."""
        pooled = PooledReservations(self.book, placed, successors)
        outcome, rest = self._attempt(placed, price, room, volume, ts)
        if not isinstance(outcome, Filled):
            pooled.undo(ended=rest is None)
        return outcome, rest

    def _attempt(
        self, placed: OpenOrder, price: float, room: Decimal | None, volume: Decimal | None, ts: int
    ) -> tuple[OrderResult | None, OpenOrder | None]:
        """Fill an order at a price, as far as there is room; give what came of it, and what of it stays open."""
        order = placed.order
        ledger = self._ledgers[placed.algorithm]
        reserved = ledger.reservations.get(placed.id)
        budget = _ZERO if reserved is None else reserved.cash
        quote = exact(price)
        terms = None if self._free else self._terms(order, quote, volume)
        try:
            wanted = self._wanted(ledger, order, quote, terms, budget)
            if not isinstance(wanted, Decimal):
                ledger.release(placed.id)
                return wanted, None
            quantity = wanted if room is None else min(wanted, room)
            if not quantity or (order.tif == "fok" and quantity < wanted):
                return None, placed
            if reserved is not None:
                ledger.release(placed.id)
            if terms is None:
                filled = _book(ledger, order, (quote, quote, _ZERO, _ZERO, _ZERO), quantity, ts, float(price))
            else:
                priced = terms.priced(quantity)
                filled = _book(ledger, order, priced, quantity, ts, float(priced.price))
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

    def _wanted(
        self, ledger: Ledger, order: Order, quote: Decimal, terms: Terms | None, budget: Decimal
    ) -> Decimal | Rejection:
        """Return the units that an order would fill were there room for all of it."""
        sid = order.sid
        held = ledger.positions.get(sid)
        there = held.quantity if held else _ZERO
        if order.closing:
            wanted = order.quantity
            if wanted is there and wanted and not order.short:  # all of a long position: the number that it holds
                return wanted
            left = there.copy_negate() if order.short else there
            if wanted and left > 0:
                return min(wanted, left)
            return Rejection(f"no {sid} left to buy back" if order.short else f"no {sid} left to sell")
        if quote <= 0:
            return Rejection(f"{sid} cannot be {'sold short' if order.short else 'bought'} at {float(quote)}")
        if order.quantity:
            return order.quantity
        step = self._market.step(sid)
        if order.quantity is not None:
            return Rejection(f"less than {plain_decimal(step)} {sid} is left to trade")
        most = floor_to_step(budget, quote, step) if terms is None else terms.most(budget, step)
        return most or Rejection(
            f"{plain_decimal(budget)} buys less than {plain_decimal(step)} {sid} at {float(quote)}"
            f"{'' if self._costs is NO_COSTS else ' with its costs'}"
        )

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

    def _is_all(self, order: Order) -> bool:
        """Return whether an order closes all that its algorithm has of a symbol."""
        ledger = self._ledgers.get(order.algorithm)
        held = None if ledger is None else ledger.positions.get(order.sid)
        return held is not None and order.quantity is not None and order.quantity >= held.quantity.copy_abs()

    def _terms(self, order: Order, price: Decimal, volume: Decimal | None) -> Terms:
        limit = None if order.limit is None else exact(order.limit)
        market = self._market
        if not market.has_instruments:
            return Terms(self._costs, order.side, price, limit, None, volume)
        worth = partial(market.unit, order.sid)
        return Terms(self._costs, order.side, price, limit, market.tick(order.sid), volume, worth)

    def _room(self, sid: str, volume: Decimal | None) -> Decimal | None:
        """Return how many units can still be filled at an event, in whole steps; None for any number."""
        share = self._rules.volume_share
        if share is None or volume is None:
            return None
        room = floor_to_step(EXACT.multiply(volume, share), _ONE, self._market.step(sid))
        return max(_ZERO, EXACT.subtract(room, self._used))


_NOWHERE: Final = Reached(None)


def _come_to(turn: _Turn) -> float:
    """Return what a unit filled at an order's price has come to by the bar's close, in the currency of the quotes."""
    price, bar = turn.reached.price, turn.bar
    if price is None or bar is None:
        return 0.0
    return bar.close - price if turn.placed.order.side == "buy" else price - bar.close


def _triggered(placed: OpenOrder, bar: Bar, reach: Reached, ts: int) -> OpenOrder:
    """Return an order whose stop was reached: what is left of it, a limit, goes from there on.

    A stop that the open has reached goes from the open on.
    """
    if placed.since is None:
        return msgspec.structs.replace(placed, triggered=True)
    opened = bar.open is not None and (
        bar.open >= (placed.order.stop or 0.0) if placed.order.side == "buy" else bar.open <= (placed.order.stop or 0.0)
    )
    since = bar.start if (reach.at_open or opened) and bar.start is not None else ts
    return msgspec.structs.replace(placed, triggered=True, since=max(since, placed.since))


def _book(ledger: Ledger, order: Order, priced: Amounts, quantity: Decimal, ts: int, price: float) -> Filled:
    """Book a fill of a quantity, for the amounts of a `Priced`; ``price`` is its price as a float.

    Raises:
        Unbookable: the ledger does not have it.
    """
    sid = order.sid
    _, unit, fees, commission, slippage = priced
    profit: Decimal | None = None
    if order.side == "sell" and order.short:
        cash = ledger.short(sid, quantity, unit, fees)
    elif order.side == "sell":
        cash, profit = ledger.sell(sid, quantity, unit, ts, fees)
    elif order.short:
        cash, profit = ledger.cover(sid, quantity, unit, ts, fees)
    else:
        cash = ledger.buy(sid, quantity, unit, fees)
    return Filled(quantity, price, cash, commission, slippage, profit)
