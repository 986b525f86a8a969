"""Exact arithmetic for parts: sums that are the same on each Python, decimals as people write them.

`gross`, `net`, `worth_of`, `orders_for` and `most_ordered` ask an account for a single thing. The account of a session
knows it from what has changed since the last time; of any other one it is found out from all values and all orders.
"""

import math
from collections.abc import Sequence
from typing import Any

from intuition_core.account.amounts import EXACT_CONTEXT as EXACT
from intuition_core.account.amounts import added, plain_decimal
from intuition_core.contracts import Account, Order

__all__ = ["EXACT", "added", "gross", "most_ordered", "net", "orders_for", "plain_decimal", "worth_of"]


def gross(account: Account) -> float:
    """Return the absolute values of an account's positions, added one after the other, in the account's currency."""
    valuation = getattr(account, "valuation", None)
    return added(map(abs, account.values.values())) if valuation is None else float(valuation.gross)


def net(account: Account) -> float:
    """Return the values of an account's positions, added one after the other, in the account's currency."""
    valuation = getattr(account, "valuation", None)
    return added(account.values.values()) if valuation is None else float(valuation.net)


def worth_of(account: Account, sid: str) -> float:
    """Return the value of one position in the account's currency, negative where sold short; 0 without one."""
    valuation = getattr(account, "valuation", None)
    return account.values.get(sid, 0.0) if valuation is None else float(valuation.worth(sid))


def orders_for(account: Account, sid: str) -> Sequence[Order]:
    """Return an account's orders at work for one symbol."""
    known: Any = getattr(account, "orders_for", None)
    orders: Sequence[Order] = [each for each in account.orders if each.sid == sid] if known is None else known(sid)
    return orders


def most_ordered(account: Account) -> float:
    """Return an amount that an account's orders at work do not exceed, in its currency; infinite where unknown.

    An order for units counts at the highest of its prices and of the latest quote.
    """
    return float(getattr(account, "ordered", math.inf))
