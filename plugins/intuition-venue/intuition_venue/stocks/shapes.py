"""What the stocks interface shows of orders, positions, the account and assets, as JSON."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID, uuid5

from intuition_venue.accounts import Account
from intuition_venue.instruments import Instrument
from intuition_venue.orders import ZERO, Order, Trade
from intuition_venue.state import State

_NAMESPACE: Final = UUID("5f0a4c1e-7c0e-4f43-9a5c-3a5d2e6c8b11")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STATUS: Final = {"held": "held", "waiting": "new", "cancelled": "canceled"}


def plain(value: object) -> str:
    """Return a number as short as it is."""
    if not isinstance(value, Decimal):
        return str(value)
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def moment(at: int) -> str:
    """Return a time in nanoseconds UTC as text."""
    seconds, nanoseconds = divmod(at, 1_000_000_000)
    return f"{(_EPOCH + timedelta(seconds=seconds)):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def identity(state: State, *what: object) -> str:
    """Return the UUID of something at this venue, the same whenever it is asked for."""
    return str(uuid5(_NAMESPACE, "/".join(str(each) for each in (state.run, *what))))


def order_id(state: State, order: Order) -> str:
    """Return the UUID of an order."""
    return identity(state, "order", order.symbol, order.id)


def status_of(order: Order) -> str:
    """Return the status of an order; a group's stop is held for as long as it waits."""
    if order.cancelling and order.open:
        return "pending_cancel"
    if order.status == "working":
        return "partially_filled" if order.filled else "new"
    if order.status == "waiting" and order.group is not None:
        return "held"
    return _STATUS.get(order.status, order.status)


def order_json(state: State, order: Order, *, nested: bool = True) -> dict[str, Any]:
    """Return an order, with the legs of its group where it is the first of them and `nested`."""
    status = status_of(order)
    ends = {name: moment(order.updated) if status == name else None for name in _ENDS}
    price = order.price
    legs = legs_of(state, order)
    return {
        "id": order_id(state, order),
        "client_order_id": order.client_id,
        "created_at": moment(order.created),
        "updated_at": moment(order.updated),
        "submitted_at": moment(order.created),
        **{column: ends[name] for name, column in _ENDS.items()},
        "replaced_by": _replaced(state, order, order.replaced_by),
        "replaces": _replaced(state, order, order.replaces),
        "asset_id": identity(state, "asset", order.symbol),
        "symbol": order.symbol,
        "asset_class": "us_equity",
        "notional": None if order.amount is None else plain(order.amount),
        "qty": None if order.quantity is None else plain(order.quantity),
        "filled_qty": plain(order.filled),
        "filled_avg_price": plain(round(order.spent / order.filled, 6)) if order.filled else None,
        "order_class": order.group_kind or "",
        "order_type": order.kind,
        "type": order.kind,
        "side": order.side,
        "position_intent": "buy_to_open" if order.buys else "sell_to_close",
        "time_in_force": order.tif,
        "limit_price": None if price is None else plain(price),
        "stop_price": None if order.stop is None else plain(order.stop),
        "status": status,
        "extended_hours": False,
        "legs": [order_json(state, leg, nested=False) for leg in legs] if nested and legs else None,
        "trail_percent": None,
        "trail_price": None,
        "hwm": None,
        "subtag": None,
        "source": None,
        **_group(state, order),
    }


_ENDS: Final = {
    "filled": "filled_at",
    "expired": "expired_at",
    "canceled": "canceled_at",
    "rejected": "failed_at",
    "replaced": "replaced_at",
}


def leads(order: Order) -> bool:
    """Return whether an order is the one that its group is shown below, or has no group."""
    return order.group is None or order.role == "entry" or (order.group_kind == "oco" and order.role == "take_profit")


def legs_of(state: State, order: Order) -> list[Order]:
    """Return the other orders of a group, for the one that leads it; of others none."""
    if order.group is None or not leads(order):
        return []
    return [each for each in state.groups[order.group] if not leads(each) and each.status != "replaced"]


def position_json(state: State, instrument: Instrument, account: Account) -> dict[str, Any]:
    """Return a position with its cost and its value at the last price."""
    held, last = account.total[instrument.base], state.books[instrument.symbol].last
    cost, value = account.cost[instrument.base], held * last
    gain = value - cost
    return {
        "asset_id": identity(state, "asset", instrument.symbol),
        "symbol": instrument.symbol,
        "exchange": "NASDAQ",
        "asset_class": "us_equity",
        "asset_marginable": False,
        "qty": plain(held),
        "qty_available": plain(account.free(instrument.base)),
        "avg_entry_price": plain(round(cost / held, 6)),
        "side": "long" if held > 0 else "short",
        "market_value": plain(value),
        "cost_basis": plain(round(cost, 6)),
        "unrealized_pl": plain(round(gain, 6)),
        "unrealized_plpc": plain(round(gain / cost, 6)) if cost else "0",
        "current_price": plain(last),
        "lastday_price": plain(instrument.start),
        "change_today": plain(round(last / instrument.start - 1, 6)),
    }


def positions(state: State, account: Account) -> list[Instrument]:
    """Return the instruments that an account holds."""
    return [each for each in state.instruments.values() if account.total[each.base]]


def account_json(state: State, account: Account) -> dict[str, Any]:
    """Return the account: cash, what may be spent, and what all of it is worth."""
    cash, free = account.total["USD"], account.free("USD")
    worth = sum((account.total[each.base] * state.books[each.symbol].last for each in positions(state, account)), ZERO)
    equity = plain(cash + worth)
    return {
        "id": identity(state, "account"),
        "account_number": "PA0000000001",
        "status": "ACTIVE",
        "crypto_status": "INACTIVE",
        "currency": "USD",
        "cash": plain(cash),
        "buying_power": plain(free),
        "regt_buying_power": plain(free),
        "non_marginable_buying_power": plain(free),
        "daytrading_buying_power": "0",
        "equity": equity,
        "last_equity": equity,
        "portfolio_value": equity,
        "long_market_value": plain(worth),
        "short_market_value": "0",
        "initial_margin": "0",
        "maintenance_margin": "0",
        "last_maintenance_margin": "0",
        "sma": "0",
        "multiplier": "1",
        "daytrade_count": 0,
        "pattern_day_trader": False,
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": False,
        "shorting_enabled": False,
        "created_at": moment(state.opened),
    }


def asset_json(state: State, instrument: Instrument) -> dict[str, Any]:
    """Return an asset that is traded."""
    return {
        "id": identity(state, "asset", instrument.symbol),
        "class": "us_equity",
        "exchange": "NASDAQ",
        "symbol": instrument.symbol,
        "name": instrument.name,
        "status": "active",
        "tradable": True,
        "marginable": False,
        "shortable": False,
        "easy_to_borrow": False,
        "fractionable": True,
        "maintenance_margin_requirement": 100,
        "attributes": [],
    }


def fill_json(state: State, trade: Trade, reached: Decimal) -> dict[str, Any]:
    """Return a fill as an activity; `reached` is what the order had with it."""
    order = state.orders[trade.symbol, trade.order]
    whole = order.quantity is not None and reached >= order.quantity
    left = ZERO if order.quantity is None else order.quantity - reached
    time = moment(trade.at)
    digits = "".join(letter for letter in time if letter.isdigit())[:17]
    return {
        "id": f"{digits}::{identity(state, 'activity', trade.symbol, trade.id)}",
        "activity_type": "FILL",
        "transaction_time": time,
        "type": "fill" if whole else "partial_fill",
        "price": plain(trade.price),
        "qty": plain(trade.quantity),
        "side": trade.side,
        "symbol": trade.symbol,
        "leaves_qty": plain(left),
        "order_id": order_id(state, order),
        "cum_qty": plain(reached),
        "order_status": "filled" if whole else "partially_filled",
    }


def fills_json(state: State, trades: Iterable[Trade]) -> list[dict[str, Any]]:
    """Return fills as activities, in the order given, which must be that of time."""
    reached: dict[tuple[str, int], Decimal] = {}
    rows = []
    for trade in trades:
        key = (trade.symbol, trade.order)
        reached[key] = reached.get(key, ZERO) + trade.quantity
        if not trade.busted:
            rows.append(fill_json(state, trade, reached[key]))
    return rows


def _replaced(state: State, order: Order, number: int | None) -> str | None:
    return None if number is None else identity(state, "order", order.symbol, number)


def _group(state: State, order: Order) -> dict[str, str]:
    if order.group is None or order.role is None:
        return {}
    return {"group_id": identity(state, "group", order.group), "group_role": order.role}
