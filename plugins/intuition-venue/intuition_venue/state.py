"""The state of an exchange, as its log makes it: each entry changes it in one way, at first as after a restart."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from intuition_venue.accounts import Account, Unit, need, unit_of
from intuition_venue.book import Book
from intuition_venue.instruments import Instrument
from intuition_venue.orders import ZERO, Order, Trade

Entry = dict[str, Any]


class State:
    """Accounts, orders, trades and books. Only `apply` changes them."""

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self.instruments: Mapping[str, Instrument] = {each.symbol: each for each in instruments}
        self.books = {each.symbol: Book(each, each.start) for each in instruments}
        self.accounts: defaultdict[str, Account] = defaultdict(Account)
        self.orders: dict[tuple[str, int], Order] = {}
        self.open: dict[str, dict[int, Order]] = {each.symbol: {} for each in instruments}
        self.groups: defaultdict[int, list[Order]] = defaultdict(list)
        self.named: defaultdict[tuple[str, str], list[Order]] = defaultdict(list)
        self.trades: dict[str, list[Trade]] = {each.symbol: [] for each in instruments}
        self.fills: list[Trade] = []
        self.orders_of = dict.fromkeys(self.instruments, 0)
        self.group_count = 0
        self.run = ""
        self.opened = 0
        self._changes: dict[str, Callable[[Entry], Order | Trade | None]] = {
            "opened": self._opened,
            "restarted": lambda _: None,
            "price": self._price,
            "placed": self._placed,
            "refused": lambda _: None,
            "triggered": self._triggered,
            "activated": self._activated,
            "cancelling": self._cancelling,
            "filled": self._filled,
            "resized": self._resized,
            "ended": self._ended,
            "transferred": self._transferred,
            "busted": self._busted,
        }

    def apply(self, entry: Entry) -> Order | Trade | None:
        """Change the state by an entry of the log; return the order or the trade that it is about.

        Raises:
            KeyError: an entry of a kind, or of a symbol, that this state does not have.
        """
        return self._changes[entry["type"]](entry)

    def of(self, entry: Mapping[str, Any]) -> Order:
        """Return the order that an entry is about."""
        return self.orders[entry["symbol"], entry["order"]]

    def open_orders(self, account: str, symbol: str | None = None) -> list[Order]:
        """Return the open orders of an account, the oldest first."""
        symbols = self.open if symbol is None else (symbol,)
        found = [order for each in symbols for order in self.open[each].values() if order.account == account]
        return sorted(found, key=lambda order: order.created)

    def _opened(self, entry: Entry) -> None:
        self.run, self.opened = entry["run"], entry["time"]

    def _price(self, entry: Entry) -> None:
        book = self.books[entry["symbol"]]
        last, bid, ask, size = (Decimal(entry[name]) for name in ("last", "bid", "ask", "size"))
        book.quote(last, bid, ask, size, entry["levels"])

    def _placed(self, entry: Entry) -> Order:
        order = Order.read(entry)
        self.orders[order.symbol, order.id] = order
        self.orders_of[order.symbol] = max(self.orders_of[order.symbol], order.id)
        self.open[order.symbol][order.id] = order
        self.named[order.account, order.client_id].append(order)
        if order.group is not None:
            self.groups[order.group].append(order)
            self.group_count = max(self.group_count, order.group)
        if order.replaces is not None:
            self.orders[order.symbol, order.replaces].replaced_by = order.id
        self._hold(order)
        return order

    def _triggered(self, entry: Entry) -> Order:
        order = self.of(entry)
        order.status, order.triggered, order.updated = "working", True, entry["time"]
        self._hold(order)
        return order

    def _cancelling(self, entry: Entry) -> Order:
        order = self.of(entry)
        order.cancelling, order.updated = True, entry["time"]
        return order

    def _activated(self, entry: Entry) -> Order:
        order = self.of(entry)
        order.status, order.updated = ("waiting" if order.stops else "working"), entry["time"]
        self._hold(order)
        return order

    def _filled(self, entry: Entry) -> Trade:
        order, quantity, price = self.of(entry), Decimal(entry["quantity"]), Decimal(entry["price"])
        instrument, account = self.instruments[order.symbol], self.accounts[order.account]
        trade = Trade(
            symbol=order.symbol,
            id=entry["trade"],
            order=order.id,
            account=order.account,
            client_id=order.client_id,
            side=order.side,
            price=price,
            quantity=quantity,
            fee=Decimal(entry["fee"]),
            fee_asset=entry["fee_asset"],
            maker=entry["maker"],
            at=entry["time"],
        )
        self.trades[order.symbol].append(trade)
        self.fills.append(trade)
        self.books[order.symbol].take(order.side, Decimal(entry["from"]), quantity)
        move = account.bought if order.buys else account.sold
        move(instrument.base, instrument.quote, quantity, price)
        account.total[trade.fee_asset] -= trade.fee
        order.filled += quantity
        order.spent += trade.cost
        order.updated = trade.at
        if order.quantity is not None and not order.remaining:
            order.status = "filled"
            self.open[order.symbol].pop(order.id, None)
        self._hold(order)
        return trade

    def _resized(self, entry: Entry) -> Order:
        order = self.of(entry)
        order.quantity, order.updated = Decimal(entry["quantity"]), entry["time"]
        self._hold(order)
        return order

    def _ended(self, entry: Entry) -> Order:
        order = self.of(entry)
        order.status, order.reason, order.updated = entry["status"], entry["reason"], entry["time"]
        self.open[order.symbol].pop(order.id, None)
        self._hold(order)
        return order

    def _transferred(self, entry: Entry) -> None:
        self.accounts[entry["account"]].total[entry["asset"]] += Decimal(entry["amount"])

    def _busted(self, entry: Entry) -> Trade:
        trades = self.trades[entry["symbol"]]
        index = next(number for number, trade in enumerate(trades) if trade.id == entry["trade"])
        old = trades[index]
        trades[index] = busted = replace(old, busted=True)
        self.fills[self.fills.index(old)] = busted
        instrument, account = self.instruments[old.symbol], self.accounts[old.account]
        move = account.sold if old.side == "buy" else account.bought
        move(instrument.base, instrument.quote, old.quantity, old.price)
        account.total[old.fee_asset] += old.fee
        return busted

    def _hold(self, order: Order) -> None:
        """Set aside what an order needs; of a group the leg that needs the most counts."""
        instrument, unit = self.instruments[order.symbol], unit_of(order)
        members: list[Order] = [order]
        if unit[0] == "group":
            members = [each for each in self.groups[unit[1]] if unit_of(each) == unit]
        needs = [need(each, instrument.base, instrument.quote) for each in members]
        asset = needs[0][0]
        self.accounts[order.account].hold(unit, asset, max((amount for _, amount in needs), default=ZERO))


def unit_needs(orders: list[Order], instrument: Instrument) -> dict[Unit, tuple[str, Decimal]]:
    """Return what orders that are not placed yet would have set aside."""
    found: dict[Unit, tuple[str, Decimal]] = {}
    for order in orders:
        asset, amount = need(order, instrument.base, instrument.quote)
        unit = unit_of(order)
        found[unit] = (asset, max(amount, found[unit][1] if unit in found else ZERO))
    return found
