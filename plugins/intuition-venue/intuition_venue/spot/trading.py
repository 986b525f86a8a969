"""Orders and the account, as the spot interface has them."""

import re
import secrets
from collections.abc import Callable
from typing import Any, Final

from intuition_venue.errors import Refused
from intuition_venue.orders import Order
from intuition_venue.spot.errors import SpotError, missing, of_refusal
from intuition_venue.spot.params import Params
from intuition_venue.spot.shapes import (
    KINDS,
    MOST_ORDERS,
    amount,
    balances_json,
    cancelled_json,
    list_id,
    order_json,
    placed_json,
    trade_json,
)
from intuition_venue.venue import ACCOUNT, Venue

_CLIENT_ID: Final = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_TIFS: Final = ("GTC", "IOC", "FOK")
_NEEDS: Final = {
    "LIMIT": ("timeInForce", "quantity", "price"),
    "LIMIT_MAKER": ("quantity", "price"),
    "MARKET": (),
    "STOP_LOSS": ("quantity", "stopPrice"),
    "STOP_LOSS_LIMIT": ("timeInForce", "quantity", "price", "stopPrice"),
    "TAKE_PROFIT": ("quantity", "stopPrice"),
    "TAKE_PROFIT_LIMIT": ("timeInForce", "quantity", "price", "stopPrice"),
}


def client_id(params: Params, name: str) -> str:
    """Return the client order id that a request names, or one made up."""
    given = params.optional(name)
    if given is None:
        return secrets.token_hex(11)
    if not _CLIENT_ID.fullmatch(given):
        legal = "^[\\.A-Z\\:/a-z0-9_-]{1,36}$"
        raise SpotError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
    return given


def side_of(params: Params, name: str = "side") -> str:
    """Return the side that a request names."""
    side = params.text(name)
    if side not in {"BUY", "SELL"}:
        raise SpotError(-1117, "Invalid side.")
    return side.lower()


def tif_of(params: Params, name: str, otherwise: str = "GTC") -> str:
    """Return how long an order is good, as a request says."""
    tif = params.optional(name, otherwise)
    if tif not in _TIFS:
        raise SpotError(-1115, "Invalid timeInForce.")
    return str(tif).lower()


class Trading:
    """Requests about orders and the account; each returns its answer as JSON.

    Raises:
        SpotError: a request that cannot be done.
    """

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def place(self, params: Params) -> Any:
        """Place an order."""
        order = self.wanted(params)
        return self.placed(order, params)

    def test(self, params: Params) -> Any:
        """Check the parameters of an order."""
        self.wanted(params)
        return {}

    def show(self, params: Params) -> Any:
        """Return an order."""
        order = self._found(params)
        if order is None:
            raise SpotError(-2013, "Order does not exist.")
        return order_json(order)

    def cancel(self, params: Params) -> Any:
        """Cancel an order, and the others of its list."""
        order = self._cancellable(params, ("orderId", "origClientOrderId"))
        return self._cancelled(order, client_id(params, "newClientOrderId"))

    def cancel_all(self, params: Params) -> Any:
        """Cancel all open orders of a symbol."""
        symbol = params.symbol(self._venue.exchange.state.instruments)
        orders = self._venue.exchange.state.open_orders(ACCOUNT, symbol)
        if not orders:
            raise SpotError(-2011, "Unknown order sent.")
        with self._venue.exchange.action():
            return [self._cancelled(order, client_id(params, "")) for order in orders if order.open]

    def open(self, params: Params) -> Any:
        """Return the open orders, of a symbol or of all."""
        state = self._venue.exchange.state
        symbol = params.symbol(state.instruments) if "symbol" in params else None
        return [order_json(order) for order in state.open_orders(ACCOUNT, symbol)]

    def all(self, params: Params) -> Any:
        """Return a symbol's orders, the oldest first: from an id, of a span, or the latest."""
        state = self._venue.exchange.state
        symbol = params.symbol(state.instruments)
        found = [order for order in state.orders.values() if order.symbol == symbol and order.account == ACCOUNT]
        return self._rows(params, found, "orderId", lambda order: order.created, order_json)

    def trades(self, params: Params) -> Any:
        """Return a symbol's fills, the oldest first: from an id, of an order, of a span, or the latest."""
        state = self._venue.exchange.state
        symbol = params.symbol(state.instruments)
        found = [each for each in state.trades[symbol] if each.account == ACCOUNT and not each.busted]
        if (order := params.whole("orderId")) is not None:
            found = [each for each in found if each.order == order]

        def told(trade: Any) -> dict[str, Any]:
            return trade_json(trade, list_id(state.orders[symbol, trade.order]))

        return self._rows(params, found, "fromId", lambda trade: trade.at, told)

    def account(self, params: Params) -> Any:
        """Return the account with its balances."""
        rules = self._venue.exchange.rules
        zero = params.optional("omitZeroBalances", "false") != "true"
        rates = {"maker": amount(rules.maker_fee), "taker": amount(rules.taker_fee)}
        return {
            "makerCommission": int(rules.maker_fee * 10_000),
            "takerCommission": int(rules.taker_fee * 10_000),
            "buyerCommission": 0,
            "sellerCommission": 0,
            "commissionRates": rates | {"buyer": amount(None), "seller": amount(None)},
            "canTrade": True,
            "canWithdraw": False,
            "canDeposit": False,
            "brokered": False,
            "requireSelfTradePrevention": False,
            "preventSor": False,
            "updateTime": self._venue.clock.milliseconds(),
            "accountType": "SPOT",
            "balances": balances_json(self._venue.exchange.state, ACCOUNT, zero=zero),
            "permissions": ["SPOT"],
            "uid": 1,
        }

    def replace(self, params: Params) -> Any:
        """Cancel an order and place another; what failed of it is told."""
        mode = params.text("cancelReplaceMode")
        if mode not in {"STOP_ON_FAILURE", "ALLOW_FAILURE"}:
            raise missing("cancelReplaceMode")
        wanted = self.wanted(params)
        results: dict[str, Any] = {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS"}
        with self._venue.exchange.action():
            try:
                old = self._cancellable(params, ("cancelOrderId", "cancelOrigClientOrderId"))
                results["cancelResponse"] = self._cancelled(old, client_id(params, "cancelNewClientOrderId"))
            except SpotError as error:
                results |= {"cancelResult": "FAILURE", "cancelResponse": error.told()}
            if results["cancelResult"] == "FAILURE" and mode == "STOP_ON_FAILURE":
                results |= {"newOrderResult": "NOT_ATTEMPTED", "newOrderResponse": None}
                raise SpotError(-2022, "Order cancel-replace failed.", data=results)
            try:
                results["newOrderResponse"] = self.placed(wanted, params)
            except SpotError as error:
                results |= {"newOrderResult": "FAILURE", "newOrderResponse": error.told()}
        outcomes = {results["cancelResult"], results["newOrderResult"]}
        if outcomes == {"SUCCESS"}:
            return results
        if outcomes == {"FAILURE"}:
            raise SpotError(-2022, "Order cancel-replace failed.", data=results)
        raise SpotError(-2021, "Order cancel-replace partially failed.", status=409, data=results)

    def wanted(self, params: Params) -> Order:
        """Return the order that a request is for."""
        exchange = self._venue.exchange
        symbol = params.symbol(exchange.state.instruments)
        side, kind = side_of(params), params.text("type")
        if kind not in KINDS:
            raise SpotError(-1116, "Invalid orderType.")
        for name in _NEEDS[kind]:
            params.text(name)
        if kind == "MARKET" and ("quantity" in params) == ("quoteOrderQty" in params):
            raise missing("quantity")
        for name in ("price", "stopPrice"):
            if name in params and name not in _NEEDS[kind]:
                raise SpotError(-1106, f"Parameter '{name}' sent when not required.")
        if len(exchange.state.open_orders(ACCOUNT, symbol)) >= MOST_ORDERS:
            raise SpotError(-1013, "Filter failure: MAX_NUM_ORDERS")
        name, post_only = KINDS[kind]
        return exchange.order(
            symbol=symbol,
            account=ACCOUNT,
            client_id=client_id(params, "newClientOrderId"),
            side=side,
            kind=name,
            tif=tif_of(params, "timeInForce"),
            quantity=params.maybe_number("quantity"),
            amount=params.maybe_number("quoteOrderQty"),
            price=params.maybe_number("price"),
            stop=params.maybe_number("stopPrice"),
            post_only=post_only,
        )

    def placed(self, order: Order, params: Params) -> dict[str, Any]:
        """Place an order, and return the answer in the detail that is asked for."""
        detail = params.optional("newOrderRespType", "FULL" if order.kind in {"market", "limit"} else "ACK")
        state = self._venue.exchange.state
        try:
            self._venue.exchange.submit(order)
        except Refused as error:
            raise of_refusal(error) from None
        trades = [trade for trade in state.trades[order.symbol] if trade.order == order.id] if detail == "FULL" else []
        return placed_json(state.orders[order.symbol, order.id], trades, str(detail))

    def _cancelled(self, order: Order, named: str) -> dict[str, Any]:
        self._venue.exchange.cancel(order, cancel_id=named)
        return cancelled_json(order, named)

    def _cancellable(self, params: Params, names: tuple[str, str]) -> Order:
        order = self._found(params, only_open=True, names=names)
        if order is None or not order.open:
            raise SpotError(-2011, "Unknown order sent.")
        return order

    def _found(
        self,
        params: Params,
        *,
        only_open: bool = False,
        names: tuple[str, str] = ("orderId", "origClientOrderId"),
    ) -> Order | None:
        """Return the order that a request names; an id used twice means the open one, else the latest."""
        state = self._venue.exchange.state
        symbol, (by_id, by_name) = params.symbol(state.instruments), names
        if by_id not in params and by_name not in params:
            raise SpotError(-1102, f"Param '{by_name}' or '{by_id}' must be sent, but both were empty/null!")
        if (number := params.whole(by_id)) is not None:
            return state.orders.get((symbol, number))
        found = [each for each in state.named.get((ACCOUNT, params.text(by_name)), ()) if each.symbol == symbol]
        still = [each for each in found if each.open]
        if still:
            return still[-1]
        return None if only_open or not found else found[-1]

    def _rows(
        self,
        params: Params,
        rows: list[Any],
        first: str,
        at: Callable[[Any], int],
        told: Callable[[Any], dict[str, Any]],
    ) -> list[dict[str, Any]]:
        """Return the rows that a request asks for: from an id, or of a span, the oldest first; else the latest."""
        limit = params.limit(500, 1000)
        start, end = params.whole("startTime"), params.whole("endTime")
        begin = None if first == "orderId" and "fromId" in params else params.whole(first)
        if begin is not None:
            return [told(row) for row in rows if row.id >= begin][:limit]
        if start is not None or end is not None:
            until = end if end is not None else self._venue.clock.milliseconds() + 1000
            return [told(row) for row in rows if (start or 0) <= at(row) // 1_000_000 <= until][:limit]
        return [told(row) for row in rows[-limit:]]
