"""Lists of orders: one-cancels-other, and orders that come to life with another's fill."""

import secrets
from typing import Any

from intuition_venue.errors import Refused
from intuition_venue.orders import Order
from intuition_venue.spot.errors import SpotError, missing, of_refusal
from intuition_venue.spot.params import Params
from intuition_venue.spot.shapes import KINDS, cancelled_json, list_json, placed_json
from intuition_venue.spot.trading import client_id, side_of, tif_of
from intuition_venue.venue import ACCOUNT, Venue


class Lists:
    """Requests about lists of orders; each returns its answer as JSON.

    Raises:
        SpotError: a request that cannot be done.
    """

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def oco(self, params: Params) -> Any:
        """Place two orders of which only one is filled: one above the market and one below."""
        return self._placed(params, "oco", [self._leg(params, "above", ""), self._leg(params, "below", "")])

    def old_oco(self, params: Params) -> Any:
        """Place a limit order and a stop of which only one is filled, as the older request has it."""
        params.text("quantity")
        params.text("price")
        params.text("stopPrice")
        limited = "stopLimitPrice" in params
        legs = [
            self._order(
                params,
                kind="limit",
                post_only=True,
                role="take_profit",
                side=side_of(params),
                client_id=client_id(params, "limitClientOrderId"),
                quantity=params.number("quantity"),
                price=params.number("price"),
            ),
            self._order(
                params,
                kind="stop_limit" if limited else "stop",
                role="stop_loss",
                side=side_of(params),
                client_id=client_id(params, "stopClientOrderId"),
                quantity=params.number("quantity"),
                price=params.maybe_number("stopLimitPrice"),
                stop=params.number("stopPrice"),
                tif=tif_of(params, "stopLimitTimeInForce"),
            ),
        ]
        return self._placed(params, "oco", legs)

    def oto(self, params: Params) -> Any:
        """Place an order, and another that comes to life when it is filled."""
        return self._placed(params, "oto", [self._working(params), self._leg(params, "pending", "pending", held=True)])

    def otoco(self, params: Params) -> Any:
        """Place an order, and two that come to life when it is filled, of which only one is filled."""
        legs = [self._leg(params, f"pending{name}", "pending", held=True) for name in ("Above", "Below")]
        return self._placed(params, "otoco", [self._working(params), *legs])

    def show(self, params: Params) -> Any:
        """Return a list."""
        return self._json(self._found(params))

    def all(self, params: Params) -> Any:
        """Return all lists."""
        return [self._json(group) for group in list(self._venue.exchange.state.groups)][-params.limit(500, 1000) :]

    def open(self, _: Params) -> Any:
        """Return the lists with an open order."""
        groups = self._venue.exchange.state.groups
        return [self._json(group) for group, orders in list(groups.items()) if any(order.open for order in orders)]

    def cancel(self, params: Params) -> Any:
        """Cancel a list."""
        group, named = self._found(params), client_id(params, "newClientOrderId")
        orders = self._venue.exchange.state.groups[group]
        still = [order for order in orders if order.open]
        if not still:
            raise SpotError(-2011, "Unknown order list sent.")
        with self._venue.exchange.action():
            for order in still:
                if order.open:
                    self._venue.exchange.cancel(order, cancel_id=named)
        return self._json(group) | {"orderReports": [cancelled_json(order, named) for order in still]}

    def _working(self, params: Params) -> Order:
        kind = params.text("workingType")
        if kind not in {"LIMIT", "LIMIT_MAKER"}:
            raise SpotError(-1116, "Invalid orderType.")
        return self._order(
            params,
            kind="limit",
            post_only=kind == "LIMIT_MAKER",
            role="entry",
            side=side_of(params, "workingSide"),
            client_id=client_id(params, "workingClientOrderId"),
            quantity=params.number("workingQuantity"),
            price=params.number("workingPrice"),
            tif=tif_of(params, "workingTimeInForce"),
        )

    def _leg(self, params: Params, prefix: str, shared: str, *, held: bool = False) -> Order:
        """Return the order whose parameters begin with a prefix; side and quantity are those of all legs."""
        named = params.text(f"{prefix}Type")
        if named not in KINDS:
            raise SpotError(-1116, "Invalid orderType.")
        kind, post_only = KINDS[named]
        return self._order(
            params,
            kind=kind,
            post_only=post_only,
            role="stop_loss" if kind.startswith("stop") else "take_profit",
            side=side_of(params, f"{shared}Side" if shared else "side"),
            client_id=client_id(params, f"{prefix}ClientOrderId"),
            quantity=params.number(f"{shared}Quantity" if shared else "quantity"),
            price=params.maybe_number(f"{prefix}Price"),
            stop=params.maybe_number(f"{prefix}StopPrice"),
            tif=tif_of(params, f"{prefix}TimeInForce"),
            held=held,
        )

    def _order(self, params: Params, *, held: bool = False, **fields: Any) -> Order:
        exchange = self._venue.exchange
        symbol = params.symbol(exchange.state.instruments)
        if not fields["kind"].endswith("limit") and fields.get("stop") is None:
            raise missing("stopPrice")
        if fields["kind"].endswith("limit") and fields.get("price") is None:
            raise missing("price")
        if held:
            fields["status"] = "held"
        return exchange.order(symbol=symbol, account=ACCOUNT, **fields)

    def _placed(self, params: Params, kind: str, orders: list[Order]) -> dict[str, Any]:
        exchange = self._venue.exchange
        group, named = exchange.next_group(), params.optional("listClientOrderId", secrets.token_hex(11))
        for order in orders:
            order.group, order.group_kind, order.group_client_id = group, kind, named
        try:
            exchange.submit(*orders)
        except Refused as error:
            raise of_refusal(error) from None
        state = exchange.state
        reports = [placed_json(state.orders[order.symbol, order.id], [], "RESULT") for order in orders]
        return self._json(group) | {"orderReports": reports}

    def _found(self, params: Params) -> int:
        groups = self._venue.exchange.state.groups
        named, number = params.optional("origClientOrderId"), params.whole("orderListId")
        named = named or params.optional("listClientOrderId")
        for group, orders in reversed(list(groups.items())):
            if group == number or (number is None and named is not None and orders[0].group_client_id == named):
                return group
        raise SpotError(-2018, "Order list does not exist.")

    def _json(self, group: int) -> dict[str, Any]:
        return list_json(self._venue.exchange.state, group, self._venue.clock.milliseconds())
