"""Payloads of executions: what a venue says, as a session takes it; the same bytes whichever way it came."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from intuition_core.account.amounts import plain_decimal
from intuition_core.contracts import Traits, VenueAccount, VenueTrade
from intuition_core.trading.executions import AnyExecution, Ended, Foreign, Standing, Taken, Trade, Unknown


class Payloads:
    """Makes the payloads of one venue's account for one run of a session.

    Args:
        traits: of the venue; ids of trades and balances are within its account.
        run: the first part of the ids of the session's records; trades of other orders are foreign.
    """

    def __init__(self, traits: Traits, run: str) -> None:
        self._account = f"{traits.venue}:{traits.account}"
        self._run = f"{run}:"

    def taken(self, order_id: str, ts: int, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return that the venue has an order, with its state as the broker says it."""
        venue_order = state.get("venue_order")
        taken = Taken(order=order_id, venue_order=None if venue_order is None else str(venue_order))
        return _payload(f"{order_id}:taken", ts, taken)

    def ended(self, order_id: str, ts: int, end: Any, state: Mapping[str, Any]) -> dict[str, Any]:
        """Return that an order is over, with its state as the broker says it."""
        reason = state.get("reason")
        filled = _plain(state.get("filled", 0))
        ended = Ended(order=order_id, state=end, filled=filled, reason=str(reason) if reason else None)
        return _payload(f"{order_id}:ended", ts, ended)

    def unknown(self, order_id: str, ts: int, reason: str) -> dict[str, Any]:
        """Return that nobody knows whether the venue has an order."""
        return _payload(f"{order_id}:unknown", ts, Unknown(order=order_id, reason=reason))

    def trade(self, trade: VenueTrade) -> dict[str, Any]:
        """Return a trade; one of an order of this run fills it, any other is foreign."""
        traded: dict[str, Any] = {
            "trade": trade.trade,
            "sid": trade.sid,
            "side": trade.side,
            "quantity": _plain(trade.quantity),
            "price": _plain(trade.price),
            "fee": _plain(trade.fee),
            "fee_units": _plain(trade.fee_units),
            "other_fees": _plain_each(trade.other_fees),
        }
        ours = trade.order is not None and trade.order.startswith(self._run)
        said: AnyExecution = Trade(order=str(trade.order), **traded) if ours else Foreign(**traded)
        return _payload(f"{self._account}:{trade.sid}:{trade.trade}", trade.ts, said)

    def account(self, account: VenueAccount) -> dict[str, Any]:
        """Return what the venue's account holds."""
        cash, units = _plain_each(account.cash), _plain_each(account.positions)
        standing = Standing(cash=cash, positions=units, as_of=account.as_of)
        return _payload(f"{self._account}:{account.as_of}", account.as_of, standing)


def _payload(id_: str, ts: int, said: AnyExecution) -> dict[str, Any]:
    return {"id": id_, "ts": ts, **msgspec.to_builtins(said)}


def _plain(amount: Any) -> Decimal:
    """Return an amount without the zeros and exponents in which equal ones may differ."""
    return Decimal(plain_decimal(amount if isinstance(amount, Decimal) else Decimal(str(amount))))


def _plain_each(amounts: Mapping[str, Decimal]) -> dict[str, Decimal]:
    return {name: _plain(amounts[name]) for name in sorted(amounts)}
