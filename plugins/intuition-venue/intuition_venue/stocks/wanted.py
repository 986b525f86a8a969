"""From the body of a request to the orders that it is for."""

import secrets
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from intuition_venue.exchange import Exchange
from intuition_venue.orders import Order
from intuition_venue.stocks.errors import unprocessable
from intuition_venue.venue import ACCOUNT

_KINDS: Final = ("market", "limit", "stop", "stop_limit")
_TIFS: Final = ("day", "gtc", "ioc", "fok")
_CLASSES: Final = ("", "simple", "bracket", "oco", "oto")
_LONGEST_ID: Final = 128
_LARGEST: Final = 10**9


def number(body: Mapping[str, Any], name: str) -> Decimal | None:
    """Return a number above zero, or None where there is none.

    Raises:
        StocksError: it is something else.
    """
    value = body.get(name)
    if value is None or value == "":
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        found = Decimal(0)
    if not found.is_finite() or found <= 0:
        raise unprocessable(f"{name} must be > 0")
    if found > _LARGEST:
        raise unprocessable(f"{name} must be <= {_LARGEST}")
    return found


def wanted(exchange: Exchange, body: Mapping[str, Any]) -> list[Order]:
    """Return the orders of a request, the first being the one that it is named after.

    Raises:
        StocksError: they cannot be placed as they are.
    """
    group_class = str(body.get("order_class") or "")
    if group_class not in _CLASSES:
        raise unprocessable(f"invalid order_class: {group_class}")
    main = _main(exchange, body)
    if group_class in {"", "simple"}:
        return [main]
    if _is_fractional(main.amount, main.quantity):
        raise unprocessable("fractional orders must be simple orders")
    profit, loss = (_table(body, name) for name in ("take_profit", "stop_loss"))
    if group_class != "oto" and (profit is None or loss is None):
        raise unprocessable(f"{group_class} orders require take_profit and stop_loss")
    if group_class == "oto" and (profit is None) == (loss is None):
        raise unprocessable("oto orders require either take_profit or stop_loss")
    held = group_class != "oco"
    legs = [] if profit is None else [_leg(exchange, main, "take_profit", profit, held=held)]
    legs += [] if loss is None else [_leg(exchange, main, "stop_loss", loss, held=held)]
    orders = [main, *legs] if held else legs
    if not held:
        legs[0].client_id = main.client_id
    else:
        main.role = "entry"
    group = exchange.next_group()
    for order in orders:
        order.group, order.group_kind = group, group_class
    return orders


def _main(exchange: Exchange, body: Mapping[str, Any]) -> Order:
    symbol, side, kind = (str(body.get(name) or "") for name in ("symbol", "side", "type"))
    if symbol not in exchange.state.instruments:
        raise unprocessable(f'asset "{symbol}" not found')
    if side not in {"buy", "sell"}:
        raise unprocessable(f"invalid side: {side}")
    if kind not in _KINDS:
        raise unprocessable(f"invalid order type: {kind}")
    tif, client_id = str(body.get("time_in_force") or ""), str(body.get("client_order_id") or "")
    if tif not in _TIFS:
        raise unprocessable(f"invalid time_in_force: {tif}")
    if len(client_id) > _LONGEST_ID:
        raise unprocessable(f"client_order_id must be no more than {_LONGEST_ID} characters")
    quantity, notional = number(body, "qty"), number(body, "notional")
    if (quantity is None) == (notional is None):
        raise unprocessable("qty or notional is required, and not both")
    prices = {name: number(body, name) for name in ("limit_price", "stop_price")}
    if body.get("order_class") != "oco":
        _check_prices(kind, prices)
    _check_fraction(kind, tif, quantity, notional)
    return exchange.order(
        symbol=symbol,
        account=ACCOUNT,
        client_id=client_id or secrets.token_hex(16),
        side=side,
        kind=kind,
        tif=tif,
        quantity=quantity,
        amount=notional,
        price=prices["limit_price"],
        stop=prices["stop_price"],
    )


def _check_prices(kind: str, prices: Mapping[str, Decimal | None]) -> None:
    for name, kinds in (("limit_price", {"limit", "stop_limit"}), ("stop_price", {"stop", "stop_limit"})):
        if (prices[name] is None) == (kind in kinds):
            need = "require" if kind in kinds else "must not have"
            raise unprocessable(f"{kind} orders {need} {name}")


def _check_fraction(kind: str, tif: str, quantity: Decimal | None, notional: Decimal | None) -> None:
    if notional is not None and kind != "market":
        raise unprocessable("notional orders must be market orders")
    if notional is not None and notional != round(notional, 2):
        raise unprocessable("notional value must be limited to 2 decimal places")
    if quantity is not None and quantity != round(quantity, 9):
        raise unprocessable("qty must be limited to 9 decimal places")
    if _is_fractional(notional, quantity) and tif != "day":
        raise unprocessable("fractional orders must be DAY orders")


def _is_fractional(amount: Decimal | None, quantity: Decimal | None) -> bool:
    """Return whether an order is for an amount of money, or for other than whole units."""
    return amount is not None or quantity is None or quantity != quantity.to_integral_value()


def _table(body: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    found = body.get(name)
    if found is not None and not isinstance(found, Mapping):
        raise unprocessable(f"{name} must be an object")
    return found


def _leg(exchange: Exchange, main: Order, role: str, body: Mapping[str, Any], *, held: bool) -> Order:
    limit, stop = number(body, "limit_price"), number(body, "stop_price")
    if role == "take_profit" and limit is None:
        raise unprocessable("take_profit.limit_price is required")
    if role == "stop_loss" and stop is None:
        raise unprocessable("stop_loss.stop_price is required")
    kind = "limit" if role == "take_profit" else ("stop" if limit is None else "stop_limit")
    closing = {"buy": "sell", "sell": "buy"}[main.side] if held else main.side
    fields: dict[str, Any] = {"status": "held"} if held else {}
    return exchange.order(
        symbol=main.symbol,
        account=ACCOUNT,
        client_id=str(body.get("client_order_id") or secrets.token_hex(16)),
        side=closing,
        kind=kind,
        tif=main.tif,
        quantity=main.quantity,
        price=limit,
        stop=stop if role == "stop_loss" else None,
        role=role,
        **fields,
    )


def replacement(exchange: Exchange, old: Order, body: Mapping[str, Any]) -> Order:
    """Return the order that is to take an order's place: what a request does not name stays.

    Raises:
        StocksError: nothing, or what the order does not have, would be changed.
    """
    known = ("qty", "time_in_force", "limit_price", "stop_price", "client_order_id")
    if not any(body.get(name) is not None for name in known):
        raise unprocessable("at least one field must be changed")
    if old.amount is not None:
        raise unprocessable("notional orders cannot be replaced")
    prices = {name: number(body, name) for name in ("limit_price", "stop_price")}
    for name, before in (("limit_price", old.price), ("stop_price", old.stop)):
        if prices[name] is not None and before is None:
            raise unprocessable(f"{old.kind} orders have no {name}")
    quantity = number(body, "qty")
    if quantity is not None and quantity != quantity.to_integral_value():
        raise unprocessable("qty must be a whole number")
    tif = str(body.get("time_in_force") or old.tif)
    if tif not in _TIFS:
        raise unprocessable(f"invalid time_in_force: {tif}")
    order = exchange.order(
        symbol=old.symbol,
        account=ACCOUNT,
        client_id=str(body.get("client_order_id") or secrets.token_hex(16)),
        side=old.side,
        kind=old.kind,
        tif=tif,
        quantity=old.remaining if quantity is None else quantity,
        price=prices["limit_price"] or old.price,
        stop=prices["stop_price"] or old.stop,
        role=old.role,
    )
    order.group, order.group_kind = old.group, old.group_kind
    if old.status == "held":
        order.status = "held"
    return order
