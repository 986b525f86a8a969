"""The portfolio itself: from the Kelly fraction to an amount of cash."""

import math
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal
from typing import Annotated, Final

import msgspec

from intuition_core.contracts import Account, Bet, Order, Signal
from intuition_core.exact import added
from intuition_portfolio_kelly.edge import NoEdge, edge_given, edge_of_trades
from intuition_portfolio_kelly.formula import BadEdge

_CENT: Final = Decimal("0.01")
_WIDE: Final = Context(prec=400)  # holds any float to the cent


class Kelly:
    """Sizes a bet so that the capital grows fastest in the long run, held back by a fraction for what is not known.

    The edge is the signal's (``probability, loss, win`` or ``mean, variance, risk_free``); where it brings none, it is
    estimated from the account's closed trades once there are enough.

    The stake in a symbol is ``fraction`` times f* of the *equity*, not of the cash: Kelly's fraction is one of the
    whole capital, and the cash left beside other positions is not that. What the account already holds of the symbol,
    or has sold short of it, and what is ordered counts towards the stake, since a second bet on the same symbol is the
    same bet. The order is for the difference, and never for more than the cash available.

    Whenever nothing is bet, the bet says why.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """How much of Kelly's fraction to bet, and what to ask of an estimate."""

        fraction: Annotated[
            float,
            msgspec.Meta(gt=0, le=1, description="The part of f* to bet: half of it keeps 3/4 of the excess growth."),
        ] = 0.5
        min_trades: Annotated[
            int,
            msgspec.Meta(ge=2, le=1000, description="Estimate an edge from no fewer closed trades than this."),
        ] = 20
        max_fraction: Annotated[
            float,
            msgspec.Meta(gt=0, le=1, description="Never stake a larger part of the equity on one symbol."),
        ] = 1.0

    def initialize(self, params: Params) -> None:
        """Take the parameters."""
        self._params = params

    def optimize(self, signal: Signal, account: Account) -> Bet:
        """Bet what is missing of the Kelly stake in the signal's symbol, in whole cents.

        Returns:
            A bet of cash in the account's currency, or of nothing with the reason.
        """
        params = self._params
        try:
            best = edge_given(signal)
            if best is None:
                best = edge_of_trades(account.closed_trades, signal.sid, params.min_trades)
        except NoEdge as error:
            return _nothing(error.reason)
        except BadEdge as error:
            return _nothing(f"no bet on an edge that makes no sense: {error}")
        if best <= 0:
            return _nothing(f"no edge: the Kelly fraction is {best:.4g}")
        share = min(params.fraction * best, params.max_fraction)
        equity, cash, held = account.equity, account.cash, _staked(signal, account)
        if not (math.isfinite(equity) and math.isfinite(cash) and math.isfinite(held)):
            return _nothing(f"the account makes no sense: equity {equity}, cash {cash}, {signal.sid} worth {held}")
        available = _cents(cash, ROUND_DOWN)
        if not available:
            return _nothing(f"no cash available: {cash:.2f}")
        stake = share * equity
        # Half up, since 0.6 - 0.4 is a hair less than 0.2 in floats, and a fifth of 10,000 should be 2,000.
        if missing := _cents(stake - held, ROUND_HALF_UP):
            return Bet(cash=min(missing, available))
        if held:
            there = "held or ordered" if signal.side == "buy" else "sold short or ordered to be"
            return _nothing(f"{held:.2f} of {signal.sid} {there} already, and the Kelly stake is {stake:.2f}")
        return _nothing(f"{share:.2%} of the equity of {equity:.2f} is less than a cent")

    def snapshot(self) -> None:
        """Return nothing: the parameters and the account are all there is."""

    def restore(self, state: None) -> None:
        """Take nothing."""


def _staked(signal: Signal, account: Account) -> float:
    """Return the value at stake on the signal's side, in the account's currency: positions and open orders."""
    sid, sign = signal.sid, 1 if signal.side == "buy" else -1
    units = account.positions.get(sid, 0.0)
    quote = None if sid in account.marks else signal.quote or 0.0
    worth = max(sign * units * account.worth(sid, quote), 0.0) if units else 0.0
    return worth + _ordered(signal, account)


def _ordered(signal: Signal, account: Account) -> float:
    """Return the value of the open orders on the signal's side; for buys, the cash set aside for them."""
    opening = [order for order in account.orders if order.sid == signal.sid and not order.closing]
    if signal.side == "buy" and all(order.side == "buy" for order in opening):
        return account.pending.get(signal.sid, 0.0)
    # What is set aside for a short sale is its margin less what it brings, and not what is at stake.
    return added(_at_stake(order, account) for order in opening if order.side == signal.side)


def _at_stake(order: Order, account: Account) -> float:
    if order.cash is not None:
        return float(order.cash)
    price = order.limit
    if price is None and order.sid not in account.marks:
        price = order.quote
    return float(order.quantity or 0) * account.worth(order.sid, price)


def _cents(amount: float, rounding: str) -> Decimal:
    """Return an amount in whole cents; 0 for a debt."""
    return Decimal(str(max(amount, 0.0))).quantize(_CENT, rounding, _WIDE)


def _nothing(reason: str) -> Bet:
    return Bet(cash=Decimal(0), reason=reason)
