"""The exchange behind every shape: orders are checked, matched with the market, and logged before anyone hears."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

from intuition_venue.accounts import unit_of
from intuition_venue.book import LEVELS, Level
from intuition_venue.clock import Clock
from intuition_venue.errors import BadSetting, Refused
from intuition_venue.instruments import Instrument
from intuition_venue.log import Log
from intuition_venue.orders import ZERO, Order, Trade
from intuition_venue.state import Entry, State, unit_needs

_SMALLEST_FEE: Final = Decimal("0.00000001")
_QUIET: Final = frozenset({"price", "refused"})
"""Entries that need not be on the disk before the venue answers."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """In what venues differ.

    `client_ids` may be used again once an order is closed (`open`), or never (`ever`). A market order that finds too
    little ends, or rests. Of one-cancels-other, a partial fill of one leg ends the other, or reduces it. Fees are
    fractions of what is traded, taken from what is received.
    """

    client_ids: str = "open"
    market_rests: bool = False
    reduces: bool = False
    mate_status: str = "expired"
    maker_fee: Decimal = ZERO
    taker_fee: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Event:
    """An entry of the log, with the order as it was right after it, and the trade if it is one."""

    entry: Entry
    order: Order | None = None
    trade: Trade | None = None


@dataclass(slots=True)
class _Action:
    depth: int = 0
    events: list[Event] = field(default_factory=list)


class Exchange:
    """Takes orders and prices, one at a time; what follows from one is logged, and then told to the listeners.

    Orders trade with the market alone, never with each other. Those that rest are filled by later prices: the best
    price first, of equal prices the oldest, each at its own limit, and none beyond what the market offers there.
    `fee_asset` is an asset that fees are taken from while enough of it is free. While `cancels_wait`, cancels that are
    only asked for take no effect.
    """

    def __init__(self, instruments: Sequence[Instrument], rules: Rules, log: Log, clock: Clock) -> None:
        self.state = State(tuple(instruments))
        self.rules = rules
        self.clock = clock
        self.listeners: list[Callable[[Event], None]] = []
        self.fee_asset: str | None = None
        self.cancels_wait = False
        self._log = log
        self._action = _Action()

    @contextmanager
    def action(self) -> Iterator[None]:
        """Do all that is inside as one action: it is logged whole, then told; actions may be nested."""
        self._action.depth += 1
        try:
            yield
        finally:
            self._action.depth -= 1
            if not self._action.depth and self._action.events:
                events, self._action.events = self._action.events, []
                entries = [event.entry for event in events]
                self._log.write(entries, sure=any(entry["type"] not in _QUIET for entry in entries))
                for event in events:
                    for listener in self.listeners:
                        listener(event)

    def emit(self, happened: str, /, **fields: Any) -> None:
        """Note what has happened, and change the state by it; within an action."""
        entry = {"type": happened, "time": self.clock.now(), **fields}
        about = self.state.apply(entry)
        if isinstance(about, Trade):
            order = self.state.orders[about.symbol, about.order]
            self._action.events.append(Event(entry, copy(order), about))
        else:
            self._action.events.append(Event(entry, copy(about)))

    def submit(self, *orders: Order) -> None:
        """Place orders that belong together, or one, and fill what the market offers at once.

        Raises:
            Refused: one of them cannot be taken; none is placed.
        """
        with self.action():
            try:
                for order in orders:
                    self._check(order)
                self._check_ids(orders)
                self._check_funds(orders)
            except Refused as error:
                for order in orders:
                    wanted = {key: value for key, value in order.written().items() if key not in {"order", "created"}}
                    self.emit("refused", **wanted, reason=error.reason)
                raise
            self._place(orders)

    def cancel(self, order: Order, *, reason: str = "asked", **named: str) -> None:
        """Cancel an open order, with those that are bound to it; `named` is noted in the log.

        Raises:
            Refused: the order is closed.
        """
        with self.action():
            if not order.open:
                raise Refused("closed", f"the order is {order.status}")
            self._end(order, "cancelled", reason, **named)

    def ask_cancel(self, order: Order) -> None:
        """Cancel an open order, now or once cancels need not wait any more.

        Raises:
            Refused: the order is closed, or was asked to be cancelled before.
        """
        if not self.cancels_wait or not order.open:
            self.cancel(order)
            return
        if order.cancelling:
            raise Refused("closed", "the order is being cancelled")
        with self.action():
            self.emit("cancelling", symbol=order.symbol, order=order.id)

    def settle(self) -> None:
        """Cancel the orders whose cancels have waited."""
        with self.action():
            for symbol in self.state.instruments:
                for order in list(self.state.open[symbol].values()):
                    if order.open and order.cancelling:
                        self._end(order, "cancelled", "asked")

    def replace(self, order: Order, wanted: Order) -> None:
        """Put an order in the place of an open one, which ends.

        Raises:
            Refused: the order is closed, or the other cannot be taken; the old one stays as it is.
        """
        with self.action():
            if not order.open or order.cancelling:
                raise Refused("closed", f"the order is {order.status}")
            self._check(wanted)
            self._check_ids([wanted])
            self._check_funds([wanted], instead=order)
            self.emit("ended", symbol=order.symbol, order=order.id, status="replaced", reason="replaced")
            wanted.replaces = order.id
            if order.role == "entry":
                self._resize_legs(order, wanted)
            self._place([wanted])

    def expire(self, tif: str) -> None:
        """End all open orders that are good for so long, such as those of a `day`."""
        with self.action():
            for symbol in self.state.instruments:
                for order in list(self.state.open[symbol].values()):
                    if order.open and order.tif == tif:
                        self._end(order, "expired", tif)

    def price(
        self,
        symbol: str,
        last: Decimal,
        *,
        bid: Decimal | None = None,
        ask: Decimal | None = None,
        size: Decimal | None = None,
        levels: int = LEVELS,
    ) -> None:
        """Set a new price of the market: it fills resting orders, and triggers stops.

        Without `bid` and `ask` they are the instrument's spread below and above `last`; each level offers `size`.
        """
        with self.action():
            instrument, book = self.state.instruments[symbol], self.state.books[symbol]
            apart = instrument.tick * instrument.spread
            bid = max(last - apart, instrument.tick) if bid is None else bid
            ask = last + apart if ask is None else ask
            size = instrument.depth if size is None else size
            figures = {"last": last, "bid": bid, "ask": ask, "size": size}
            self.emit("price", symbol=symbol, **{name: str(value) for name, value in figures.items()}, levels=levels)
            for side in ("buy", "sell"):
                for order in self._resting(symbol, side):
                    self._fill(order, maker=not order.at_market)
            self._trigger(symbol, book.last)

    def transfer(self, account: str, asset: str, amount: Decimal) -> None:
        """Deposit an amount, or withdraw it where it is negative.

        Raises:
            BadSetting: more would be withdrawn than is free.
        """
        if self.state.accounts[account].free(asset) + amount < 0:
            raise BadSetting("transfer", f"{-amount} {asset} is more than is free")
        with self.action():
            self.emit("transferred", account=account, asset=asset, amount=str(amount))

    def bust(self, symbol: str, trade: int) -> None:
        """Take a trade back: units and money return, the order stays as it is.

        Raises:
            BadSetting: there is no such trade, or it was taken back before.
        """
        found = [each for each in self.state.trades.get(symbol, ()) if each.id == trade and not each.busted]
        if not found:
            raise BadSetting("bust", f"there is no trade {trade} of {symbol} to be taken back")
        with self.action():
            self.emit("busted", symbol=symbol, trade=trade, order=found[0].order)

    def order(self, **fields: Any) -> Order:
        """Return an order that `submit` may be given, with its time, as its kind makes it: waiting, or working."""
        now = self.clock.now()
        order = Order(created=now, updated=now, **fields)
        if order.status == "working" and order.stops:
            order.status = "waiting"
        return order

    def next_group(self) -> int:
        """Return the number of a group that is about to be placed."""
        return self.state.group_count + 1

    def _place(self, orders: Sequence[Order]) -> None:
        for order in orders:
            order.id = self.state.orders_of[order.symbol] + 1
            self.emit("placed", **order.written())
        for order in orders:
            placed = self.state.orders[order.symbol, order.id]
            if placed.status == "working":
                self._execute(placed)

    def _check(self, order: Order) -> None:
        instrument, book = self.state.instruments[order.symbol], self.state.books[order.symbol]
        for price in (order.price, order.stop):
            if price is not None:
                instrument.check_price(price)
        if order.quantity is not None:
            instrument.check_quantity(order.quantity)
            instrument.check_notional(order.quantity, order.price or order.stop or book.last)
        elif order.amount is not None and order.amount < max(instrument.min_notional, _SMALLEST_FEE):
            raise Refused("notional", f"{order.amount} is less than {instrument.min_notional}")
        if order.status != "held" and order.stops and order.reached_by(book.last):
            raise Refused("triggers", "the stop price is reached already", stop=order.stop, last=book.last)
        if order.post_only and order.status == "working" and book.within(order.side, order.price):
            raise Refused("takes", "the order would be filled at once")

    def _check_ids(self, orders: Sequence[Order]) -> None:
        given = [(order.account, order.client_id) for order in orders]
        for order, key in zip(orders, given, strict=True):
            before = self.state.named.get(key, ())
            used = [each for each in before if self.rules.client_ids == "ever" or each.open]
            if used or given.count(key) > 1:
                raise Refused(
                    "duplicate", f"the client order id {order.client_id} is in use", client_id=order.client_id
                )

    def _check_funds(self, orders: Sequence[Order], *, instead: Order | None = None) -> None:
        first = orders[0]
        instrument, account = self.state.instruments[first.symbol], self.state.accounts[first.account]
        needs = unit_needs(list(orders), instrument)
        for order in orders:
            if order.status == "working" and order.buys and order.kind == "market" and order.quantity is not None:
                needs[unit_of(order)] = (instrument.quote, self._cost(order))
        for asset, amount in needs.values():
            available = account.free(asset) if instead is None else account.available(asset, unit_of(instead))
            if amount > available:
                raise Refused(
                    "funds", f"{amount} {asset} is more than is free", asset=asset, need=amount, free=available
                )

    def _cost(self, order: Order) -> Decimal:
        wanted, cost = order.remaining, ZERO
        for level in self.state.books[order.symbol].within(order.side, None):
            part = min(wanted, level.size)
            cost, wanted = cost + part * level.price, wanted - part
        return cost

    def _resting(self, symbol: str, side: str) -> list[Order]:
        """Return the orders of a side that work: those at the market, then by price, then by age."""
        found = [each for each in self.state.open[symbol].values() if each.side == side and each.status == "working"]
        better = -1 if side == "buy" else 1
        return sorted(found, key=lambda each: (not each.at_market, better * (each.price or ZERO), each.id))

    def _trigger(self, symbol: str, last: Decimal) -> None:
        for order in list(self.state.open[symbol].values()):
            if order.status == "waiting" and order.reached_by(last):
                self.emit("triggered", symbol=symbol, order=order.id)
                for mate in self._mates(order):
                    self._end(mate, self.rules.mate_status, "mate")
                self._execute(order)

    def _execute(self, order: Order) -> None:
        """Fill an order from what the market offers, and end it where it may not rest."""
        book = self.state.books[order.symbol]
        limit = None if order.at_market else order.price
        if order.tif != "fok" or book.offered(order.side, limit) >= order.remaining:
            self._fill(order, maker=False)
        if not order.open:
            return
        if order.amount is not None and not self.rules.market_rests:
            self._end(order, "expired", "liquidity")
        elif order.tif in {"ioc", "fok"}:
            self._end(order, "expired", order.tif)
        elif order.at_market and not self.rules.market_rests:
            self._end(order, "expired", "liquidity")

    def _fill(self, order: Order, *, maker: bool) -> None:
        book, limit = self.state.books[order.symbol], None if order.at_market else order.price
        for level in book.within(order.side, limit):
            if not order.open or (part := self._part(order, [level])) <= 0:
                break
            price = order.price if maker and order.price is not None else level.price
            self._trade(order, part, price, level.price, maker=maker)
        left = book.within(order.side, limit)
        if order.open and order.amount is not None and order.filled and left and not self._part(order, left):
            self._end(order, "filled", "amount")

    def _part(self, order: Order, levels: Sequence[Level]) -> Decimal:
        """Return how much an order can have of the first level: what is wanted, offered and can be paid."""
        if not levels:
            return ZERO
        level, instrument = levels[0], self.state.instruments[order.symbol]
        if order.amount is not None:
            return instrument.floor(min((order.amount - order.spent) / level.price, level.size))
        part = min(order.remaining, level.size)
        if order.buys and order.at_market:
            money = self.state.accounts[order.account].available(instrument.quote, unit_of(order))
            part = min(part, instrument.floor(money / level.price))
        return part

    def _trade(self, order: Order, quantity: Decimal, price: Decimal, source: Decimal, *, maker: bool) -> None:
        fee, asset = self._fee(order, quantity, price, maker=maker)
        self.emit(
            "filled",
            symbol=order.symbol,
            order=order.id,
            client_id=order.client_id,
            account=order.account,
            side=order.side,
            trade=len(self.state.trades[order.symbol]) + 1,
            quantity=str(quantity),
            price=str(price),
            fee=str(fee),
            fee_asset=asset,
            maker=maker,
            **{"from": str(source)},
        )
        if order.group is not None:
            self._bind(order, quantity)

    def _fee(self, order: Order, quantity: Decimal, price: Decimal, *, maker: bool) -> tuple[Decimal, str]:
        instrument = self.state.instruments[order.symbol]
        rate = self.rules.maker_fee if maker else self.rules.taker_fee
        if (asset := self.fee_asset) is not None and rate:
            book = self.state.books.get(f"{asset}{instrument.quote}")
            fee = (quantity * price * rate / book.last).quantize(_SMALLEST_FEE, ROUND_DOWN) if book else ZERO
            if book and self.state.accounts[order.account].free(asset) >= fee:
                return fee, asset
        if order.buys:
            return (quantity * rate).quantize(_SMALLEST_FEE, ROUND_DOWN), instrument.base
        return (quantity * price * rate).quantize(_SMALLEST_FEE, ROUND_DOWN), instrument.quote

    def _mates(self, order: Order) -> list[Order]:
        """Return the open orders of which only one is to be filled, beside this one."""
        if order.group is None or order.role == "entry":
            return []
        return [
            each for each in self.state.groups[order.group] if each is not order and each.open and each.role != "entry"
        ]

    def _bind(self, order: Order, quantity: Decimal) -> None:
        """Apply a fill's consequences to the group: legs come to life, or end, or become smaller."""
        if order.role == "entry":
            if order.status == "filled":
                for leg in self.state.groups[order.group or 0]:
                    if leg.status == "held":
                        self._wake(leg)
            return
        for mate in self._mates(order):
            if self.rules.reduces and mate.remaining > quantity:
                self.emit(
                    "resized", symbol=mate.symbol, order=mate.id, quantity=str((mate.quantity or ZERO) - quantity)
                )
            else:
                self._end(mate, self.rules.mate_status, "mate")

    def _resize_legs(self, old: Order, wanted: Order) -> None:
        """Size the legs of an entry to close what it and those before it have bought, and what is wanted now."""
        members = self.state.groups[old.group or 0]
        bought = sum((each.filled for each in members if each.role == "entry"), ZERO)
        for leg in members:
            if leg.status == "held" and wanted.quantity is not None and leg.quantity != bought + wanted.quantity:
                self.emit("resized", symbol=leg.symbol, order=leg.id, quantity=str(bought + wanted.quantity))

    def _wake(self, leg: Order) -> None:
        instrument, account = self.state.instruments[leg.symbol], self.state.accounts[leg.account]
        asset, need = next(iter(unit_needs([_awake(leg)], instrument).values()))
        if need > account.available(asset, unit_of(leg)):
            self._end(leg, "expired", "funds")
            return
        self.emit("activated", symbol=leg.symbol, order=leg.id)
        last = self.state.books[leg.symbol].last
        if leg.status == "working":
            self._execute(leg)
        elif leg.reached_by(last):
            self._trigger(leg.symbol, last)

    def _end(self, order: Order, status: str, reason: str, **named: str) -> None:
        """End an order, and with it what cannot be without it."""
        if not order.open:
            return
        self.emit("ended", symbol=order.symbol, order=order.id, status=status, reason=reason, **named)
        if order.group is None or status == "filled" or reason == "mate":
            return
        for mate in self.state.groups[order.group]:
            bound = mate.status == "held" if order.role == "entry" else mate.role != "entry"
            if bound and mate.open:
                self._end(mate, status, "mate")


def _awake(leg: Order) -> Order:
    order = copy(leg)
    order.status = "waiting" if leg.stops else "working"
    return order
