"""What trading costs beyond the price: commission and slippage.

All arithmetic is exact. With a quote ``p``, a side's sign ``s`` (1 for a buy, -1 for a sell) and a quantity ``q``:

- the price is ``p * (1 + s * slippage_bps / 10000)``; for a negative ``p`` slippage makes it worse as well;
- the commission is ``|q * price| * commission_bps / 10000 + commission_per_trade``;
- a buy costs ``q * price + commission + slippage_per_trade``, a sell brings ``q * price`` less both.
"""

from decimal import Decimal
from typing import Any, Final

import msgspec

from intuition_core.contracts import Side
from intuition_core.ledger import EXACT
from intuition_core.records import plain_decimal

_ZERO: Final = Decimal(0)
_BPS: Final = Decimal("0.0001")


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What every fill pays: shares in basis points (hundredths of a percent), amounts in the account's currency."""

    commission_bps: Decimal = _ZERO
    commission_per_trade: Decimal = _ZERO
    slippage_bps: Decimal = _ZERO
    slippage_per_trade: Decimal = _ZERO

    def __bool__(self) -> bool:
        """Whether anything costs anything."""
        return any((self.commission_bps, self.commission_per_trade, self.slippage_bps, self.slippage_per_trade))

    @property
    def per_trade(self) -> Decimal:
        """What a fill costs whatever its size."""
        return EXACT.add(self.commission_per_trade, self.slippage_per_trade)

    @property
    def commission_rate(self) -> Decimal:
        """The commission's part that grows with the amount, as a fraction of it."""
        return EXACT.multiply(self.commission_bps, _BPS)

    def price(self, side: Side, quote: Decimal) -> Decimal:
        """Give the price at which an order fills against a quote."""
        if not self.slippage_bps:
            return quote
        worse = EXACT.multiply(EXACT.multiply(abs(quote), self.slippage_bps), _BPS)
        return EXACT.add(quote, worse) if side == "buy" else EXACT.subtract(quote, worse)

    def commission(self, amount: Decimal) -> Decimal:
        """Give the commission for an amount traded, quantity times price."""
        share = EXACT.multiply(EXACT.multiply(abs(amount), self.commission_bps), _BPS)
        return EXACT.add(share, self.commission_per_trade)

    def plain(self) -> dict[str, Any]:
        """Describe the costs in plain JSON types."""
        return {name: plain_decimal(amount) for name, amount in msgspec.structs.asdict(self).items()}


NO_COSTS: Final = Costs()
