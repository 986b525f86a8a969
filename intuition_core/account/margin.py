"""The permission to sell short, and what has to stand behind what was sold."""

from decimal import Decimal
from typing import Any

import msgspec

from intuition_core.account.amounts import EXACT, plain_decimal


class Margin(msgspec.Struct, frozen=True, kw_only=True):
    """How much cash covers a short position, in parts of what it would cost to buy it back, the proceeds included.

    ``initial`` has to be there when units are sold short, and is kept out of the cash that can be bet for as long as
    they are short; 1.5 is what Regulation T of the Federal Reserve asks for (12 CFR 220.12(c)(1)). Below
    ``maintenance`` there is a margin call; 1.3 is what FINRA Rule 4210(c)(3) asks for from a price of 16.67 up.
    """

    initial: Decimal = Decimal("1.5")
    maintenance: Decimal = Decimal("1.3")

    def to_short(self, proceeds: Decimal, fees: Decimal = Decimal(0)) -> Decimal:
        """Return the available cash that a short sale needs: the margin less the proceeds of the sale.

        Args:
            proceeds: the units times what one is worth, in the account's currency.
            fees: what the sale pays in all.
        """
        return EXACT.add(EXACT.subtract(EXACT.multiply(self.initial, EXACT.abs(proceeds)), proceeds), fees)

    def to_json(self) -> dict[str, Any]:
        """Describe the margin in plain JSON types."""
        return {"initial": plain_decimal(self.initial), "maintenance": plain_decimal(self.maintenance)}
