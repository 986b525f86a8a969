"""Orders, positions, activities and assets, as the stocks interface has them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final
from uuid import UUID

from intuition_venue.errors import Refused
from intuition_venue.instruments import Instrument
from intuition_venue.orders import Order
from intuition_venue.state import State
from intuition_venue.stocks import shapes
from intuition_venue.stocks.errors import StocksError, not_found, of_refusal, unprocessable
from intuition_venue.stocks.wanted import number, replacement, wanted
from intuition_venue.venue import ACCOUNT, Venue

DAY: Final = 86_400_000_000_000
Query = Mapping[str, str]
Body = Mapping[str, Any]


def nanoseconds(text: str) -> int:
    """Return a time as nanoseconds UTC.

    Raises:
        StocksError: it is no time as RFC 3339 or a date.
    """
    head, dot, tail = text.replace("Z", "+00:00").partition(".")
    digits = ""
    if dot:
        count = next((index for index, letter in enumerate(tail) if not letter.isdigit()), len(tail))
        digits, tail = tail[:count], tail[count:]
    try:
        read = datetime.fromisoformat(head + tail)
    except ValueError:
        raise unprocessable(f"invalid time: {text}") from None
    read = read if read.tzinfo is not None else read.replace(tzinfo=UTC)
    return int(read.timestamp()) * 1_000_000_000 + int((digits + "000000000")[:9])


def count(query: Query, name: str, otherwise: int, most: int) -> int:
    """Return how many rows a request asks for, at least one and at most `most`."""
    text = query.get(name) or str(otherwise)
    if not text.isdecimal():
        raise unprocessable(f"invalid {name}: {text}")
    return max(1, min(int(text), most))


class Trading:
    """Requests about the account; each returns its answer as JSON.

    Raises:
        StocksError: a request that cannot be done.
    """

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._ids: dict[str, tuple[str, int]] = {}

    @property
    def state(self) -> State:
        """The state of the exchange."""
        return self._venue.exchange.state

    def account(self, _: Query) -> Any:
        """Return the account."""
        return shapes.account_json(self.state, self.state.accounts[ACCOUNT])

    def place(self, body: Body) -> Any:
        """Place an order, with the legs that belong to it; the answer tells nothing of fills."""
        orders = wanted(self._venue.exchange, body)
        try:
            self._venue.exchange.submit(*orders)
        except Refused as error:
            raise of_refusal(error, orders[0]) from None
        return shapes.order_json(self.state, orders[0])

    def orders(self, query: Query) -> Any:
        """Return orders, open ones unless `status` says otherwise, the latest first."""
        status, nested = query.get("status") or "open", query.get("nested") == "true"
        if status not in {"open", "closed", "all"}:
            raise unprocessable(f"invalid status: {status}")
        after, until = (nanoseconds(query[name]) if query.get(name) else None for name in ("after", "until"))
        symbols = [name for name in (query.get("symbols") or "").split(",") if name]
        found = []
        for order in self.state.orders.values():
            if (nested and not shapes.leads(order)) or (status != "all" and order.open != (status == "open")):
                continue
            if (symbols and order.symbol not in symbols) or (query.get("side") or order.side) != order.side:
                continue
            if (after is not None and order.created <= after) or (until is not None and order.created >= until):
                continue
            found.append(order)
        found.sort(key=lambda order: (order.created, order.id), reverse=query.get("direction") != "asc")
        rows = found[: count(query, "limit", 50, 500)]
        return [shapes.order_json(self.state, order, nested=nested) for order in rows]

    def order(self, named: str, query: Query) -> Any:
        """Return an order by its id."""
        return shapes.order_json(self.state, self._found(named), nested=query.get("nested") != "false")

    def by_client_id(self, query: Query) -> Any:
        """Return an order by the id that the client gave it."""
        named = query.get("client_order_id") or ""
        found = self.state.named.get((ACCOUNT, named))
        if not found:
            raise not_found(f"order not found for {named}")
        return self._json(found[-1])

    def replace(self, named: str, body: Body) -> Any:
        """Put another order in the place of an open one."""
        old = self._found(named)
        new = replacement(self._venue.exchange, old, body)
        try:
            self._venue.exchange.replace(old, new)
        except Refused as error:
            if error.reason == "closed":
                raise self._closed(old) from None
            raise of_refusal(error, new) from None
        return self._json(new)

    def cancel(self, named: str) -> None:
        """Cancel an order, and the others of its group."""
        order = self._found(named)
        try:
            self._venue.exchange.ask_cancel(order)
        except Refused:
            raise self._closed(order) from None

    def cancel_all(self) -> Any:
        """Cancel all open orders; return what became of each."""
        orders = self.state.open_orders(ACCOUNT)
        with self._venue.exchange.action():
            for order in orders:
                if order.open and not order.cancelling:
                    self._venue.exchange.ask_cancel(order)
        return [{"id": shapes.order_id(self.state, order), "status": 200} for order in orders]

    def positions(self, _: Query) -> Any:
        """Return all positions."""
        account = self.state.accounts[ACCOUNT]
        return [shapes.position_json(self.state, each, account) for each in shapes.positions(self.state, account)]

    def position(self, named: str, _: Query) -> Any:
        """Return the position in a symbol."""
        return shapes.position_json(self.state, self._held(named), self.state.accounts[ACCOUNT])

    def close(self, named: str, query: Query) -> Any:
        """Sell a position at the market, or so much of it."""
        instrument, account = self._held(named), self.state.accounts[ACCOUNT]
        held = account.total[instrument.base]
        percentage = number(query, "percentage")
        asked = number(query, "qty") or (None if percentage is None else instrument.floor(held * percentage / 100))
        tif = {"type": "market", "time_in_force": "day"}
        quantity = shapes.plain(held if asked is None else asked)
        return self.place({"symbol": instrument.symbol, "side": "sell", "qty": quantity, **tif})

    def close_all(self, query: Query) -> Any:
        """Sell all positions at the market; with `cancel_orders` all orders are cancelled first."""
        if query.get("cancel_orders") == "true":
            self.cancel_all()
        rows = []
        for instrument in shapes.positions(self.state, self.state.accounts[ACCOUNT]):
            try:
                row = {"status": 200, "body": self.close(instrument.symbol, {})}
            except StocksError as error:
                row = {"status": error.status, "body": error.told()}
            rows.append({"symbol": instrument.symbol, **row})
        return rows

    def activities(self, query: Query) -> Any:
        """Return fills, the latest first or as `direction` says; `page_token` is the last id of the page before."""
        rows = shapes.fills_json(self.state, [each for each in self.state.fills if each.account == ACCOUNT])
        bounds = {name: nanoseconds(query[name]) if query.get(name) else None for name in ("after", "until", "date")}
        if bounds["date"] is not None:
            bounds["after"], bounds["until"] = bounds["date"] - 1, bounds["date"] + DAY
        low, high = bounds["after"], bounds["until"]
        times = {row["id"]: nanoseconds(row["transaction_time"]) for row in rows}
        found = [row for row in rows if (low is None or times[row["id"]] > low)]
        found = [row for row in found if high is None or times[row["id"]] < high]
        if query.get("direction") != "asc":
            found.reverse()
        if token := query.get("page_token"):
            place = next((index for index, row in enumerate(found) if row["id"] == token), None)
            if place is None:
                raise unprocessable("invalid page_token")
            found = found[place + 1 :]
        return found[: count(query, "page_size", 100, 100)]

    def assets(self, query: Query) -> Any:
        """Return what can be traded."""
        wants = query.get("status") in {None, "", "active"} and query.get("asset_class") in {None, "", "us_equity"}
        return [shapes.asset_json(self.state, each) for each in self.state.instruments.values() if wants]

    def asset(self, named: str, _: Query) -> Any:
        """Return what can be traded by a symbol or an id."""
        return shapes.asset_json(self.state, self._instrument(named))

    def clock(self, _: Query) -> Any:
        """Return the venue's time, and that it is open; days end at midnight UTC."""
        now = self._venue.clock.now()
        end = now - now % DAY + DAY
        times = {"timestamp": now, "next_open": end, "next_close": end}
        return {"is_open": True, **{name: shapes.moment(at) for name, at in times.items()}}

    def _json(self, order: Order) -> dict[str, Any]:
        return shapes.order_json(self.state, self.state.orders[order.symbol, order.id])

    def _closed(self, order: Order) -> StocksError:
        return unprocessable(f'order is already in "{shapes.status_of(order)}" state')

    def _found(self, named: str) -> Order:
        try:
            UUID(named)
        except ValueError:
            raise StocksError(422, 40010001, "order_id is invalid") from None
        for key, order in islice(self.state.orders.items(), len(self._ids), None):
            self._ids[shapes.order_id(self.state, order)] = key
        if named not in self._ids:
            raise not_found(f"order not found for {named}")
        return self.state.orders[self._ids[named]]

    def _instrument(self, named: str) -> Instrument:
        for instrument in self.state.instruments.values():
            if named in {instrument.symbol, shapes.identity(self.state, "asset", instrument.symbol)}:
                return instrument
        raise not_found(f"asset not found for {named}")

    def _held(self, named: str) -> Instrument:
        instrument = self._instrument(named)
        if not self.state.accounts[ACCOUNT].total[instrument.base]:
            raise not_found("position does not exist")
        return instrument
