"""What the spot interface shows of orders, trades, accounts and symbols, as JSON."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from intuition_venue.instruments import Instrument
from intuition_venue.orders import ZERO, Order, Trade
from intuition_venue.state import State

KINDS: Final = {
    "LIMIT": ("limit", False),
    "LIMIT_MAKER": ("limit", True),
    "MARKET": ("market", False),
    "STOP_LOSS": ("stop", False),
    "STOP_LOSS_LIMIT": ("stop_limit", False),
    "TAKE_PROFIT": ("take_profit", False),
    "TAKE_PROFIT_LIMIT": ("take_profit_limit", False),
}
"""Types of orders, as kinds of the exchange, and whether they may not take."""

MOST_ORDERS: Final = 200
"""Open orders of one symbol that an account may have."""

_TYPES: Final = {kind: name for name, kind in KINDS.items()}
_EIGHT: Final = Decimal("0.00000001")
_STATUS: Final = {"held": "PENDING_NEW", "waiting": "NEW", "filled": "FILLED", "expired": "EXPIRED"}


def amount(value: Decimal | None) -> str:
    """Return a number with eight decimals; nothing is zero."""
    return f"{(value or ZERO).quantize(_EIGHT):f}"


def kind_of(order: Order) -> str:
    """Return the type of an order."""
    return _TYPES[order.kind, order.post_only]


def status_of(order: Order) -> str:
    """Return the status of an order."""
    if order.status == "working":
        return "PARTIALLY_FILLED" if order.filled else "NEW"
    return _STATUS.get(order.status, "CANCELED")


def quantity_of(order: Order) -> Decimal:
    """Return the units of an order; of one by amount those that were filled."""
    return order.filled if order.quantity is None else order.quantity


def list_id(order: Order) -> int:
    """Return the number of an order's list, -1 if it has none."""
    return -1 if order.group is None else order.group


def order_json(order: Order) -> dict[str, Any]:
    """Return an order as queries show it."""
    return {
        "symbol": order.symbol,
        "orderId": order.id,
        "orderListId": list_id(order),
        "clientOrderId": order.client_id,
        "price": amount(order.price),
        "origQty": amount(quantity_of(order)),
        "executedQty": amount(order.filled),
        "origQuoteOrderQty": amount(order.amount),
        "cummulativeQuoteQty": amount(order.spent),
        "status": status_of(order),
        "timeInForce": order.tif.upper(),
        "type": kind_of(order),
        "side": order.side.upper(),
        "stopPrice": amount(order.stop),
        "icebergQty": amount(None),
        "time": order.created // 1_000_000,
        "updateTime": order.updated // 1_000_000,
        "isWorking": order.status not in {"held", "waiting"},
        "workingTime": -1 if order.status in {"held", "waiting"} else order.created // 1_000_000,
        "selfTradePreventionMode": "NONE",
    }


def placed_json(order: Order, trades: Sequence[Trade], detail: str) -> dict[str, Any]:
    """Return the answer to a placed order: an acknowledgement (`ACK`), its result, or with its fills (`FULL`)."""
    told = order_json(order)
    names = ("symbol", "orderId", "orderListId", "clientOrderId")
    answer = {name: told[name] for name in names} | {"transactTime": order.updated // 1_000_000}
    if detail == "ACK":
        return answer
    left_out = {"time", "updateTime", "isWorking", "icebergQty", "stopPrice"}
    answer |= {name: value for name, value in told.items() if name not in {*left_out, *names}}
    if order.stop is not None:
        answer["stopPrice"] = told["stopPrice"]
    if detail == "FULL":
        answer["fills"] = [
            {
                "price": amount(trade.price),
                "qty": amount(trade.quantity),
                "commission": amount(trade.fee),
                "commissionAsset": trade.fee_asset,
                "tradeId": trade.id,
            }
            for trade in trades
        ]
    return answer


def cancelled_json(order: Order, client_id: str) -> dict[str, Any]:
    """Return the answer to a cancel, which has a client id of its own."""
    told = order_json(order)
    names = ["symbol", "orderId", "orderListId", "price", "origQty", "executedQty", "origQuoteOrderQty"]
    names += ["cummulativeQuoteQty", "status", "timeInForce", "type", "side", "selfTradePreventionMode"]
    answer = {name: told[name] for name in names}
    return answer | {
        "origClientOrderId": order.client_id,
        "clientOrderId": client_id,
        "transactTime": order.updated // 1_000_000,
    }


def trade_json(trade: Trade, group: int) -> dict[str, Any]:
    """Return a fill as the account's trades show it."""
    return {
        "symbol": trade.symbol,
        "id": trade.id,
        "orderId": trade.order,
        "orderListId": group,
        "price": amount(trade.price),
        "qty": amount(trade.quantity),
        "quoteQty": amount(trade.cost),
        "commission": amount(trade.fee),
        "commissionAsset": trade.fee_asset,
        "time": trade.at // 1_000_000,
        "isBuyer": trade.side == "buy",
        "isMaker": trade.maker,
        "isBestMatch": True,
    }


def list_json(state: State, group: int, now: int) -> dict[str, Any]:
    """Return a list of orders; times are in milliseconds."""
    orders = state.groups[group]
    first = orders[0]
    done = not any(order.open for order in orders)
    return {
        "orderListId": group,
        "contingencyType": "OCO" if first.group_kind == "oco" else "OTO",
        "listStatusType": "ALL_DONE" if done else "EXEC_STARTED",
        "listOrderStatus": "ALL_DONE" if done else "EXECUTING",
        "listClientOrderId": first.group_client_id or "",
        "transactionTime": now,
        "symbol": first.symbol,
        "orders": [{"symbol": order.symbol, "orderId": order.id, "clientOrderId": order.client_id} for order in orders],
    }


def balances_json(state: State, account: str, *, zero: bool = True) -> list[dict[str, str]]:
    """Return the balances of an account; those of nothing too, unless `zero` is false."""
    held = state.accounts[account]
    assets = dict.fromkeys(
        [*held.total, *(name for each in state.instruments.values() for name in (each.base, each.quote))]
    )
    found = [{"asset": name, "free": amount(held.free(name)), "locked": amount(held.locked[name])} for name in assets]
    return found if zero else [row for row in found if held.total[row["asset"]]]


def symbol_json(instrument: Instrument) -> dict[str, Any]:
    """Return a symbol with its filters."""
    limits = {"minQty": amount(instrument.min_quantity), "maxQty": amount(instrument.max_quantity)}
    most = {"minPrice": amount(instrument.tick), "maxPrice": amount(instrument.max_price)}
    filters: list[Mapping[str, Any]] = [
        {"filterType": "PRICE_FILTER", **most, "tickSize": amount(instrument.tick)},
        {"filterType": "LOT_SIZE", **limits, "stepSize": amount(instrument.step)},
        {"filterType": "MARKET_LOT_SIZE", "minQty": amount(None), "maxQty": limits["maxQty"], "stepSize": amount(None)},
        {
            "filterType": "NOTIONAL",
            "minNotional": amount(instrument.min_notional),
            "applyMinToMarket": True,
            "maxNotional": amount(Decimal(9_000_000)),
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": MOST_ORDERS},
    ]
    return {
        "symbol": instrument.symbol,
        "status": "TRADING",
        "baseAsset": instrument.base,
        "baseAssetPrecision": 8,
        "quoteAsset": instrument.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": list(KINDS),
        "icebergAllowed": False,
        "ocoAllowed": True,
        "otoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": filters,
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }
