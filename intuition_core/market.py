"""What all ledgers of an account share about the market: the latest quotes, and what a unit is worth."""

from decimal import Decimal
from typing import Final

from intuition_core.amounts import EXACT, exact
from intuition_core.errors import IntuitionError

DEFAULT_STEP: Final = Decimal("1e-8")
DAY: Final = 86_400 * 10**9
"""A day in nanoseconds."""


class Unbookable(IntuitionError):
    """Something that an account cannot book: a reason to refuse an order, not a failure."""


class NoRate(Unbookable):
    """A currency in which nothing can be counted, as no rate of it is known yet."""

    def __init__(self, sid: str, currency: str, account: str) -> None:
        self.sid = sid
        self.currency = currency
        self.account = account
        super().__init__(
            f"{sid} is quoted in {currency} and no rate of {currency} and {account} is known yet; "
            f"publish one on the channel `rates` as {currency}/{account} or {account}/{currency}"
        )


class Market:
    """The latest quotes of all symbols, and how units, prices and days are counted.

    Attributes:
        marks: the latest quote by symbol, in the currency that the symbol is quoted in. It stays the same object:
            views look at it.
        plain: whether every symbol is counted the same way: a unit is worth its price, and days end at midnight UTC.
            Then `unit`, `step`, `tick` and `value` need not be asked.

    Args:
        step: the smallest number of units, where no instrument has another.
    """

    __slots__ = ("_step", "marks", "plain")

    def __init__(self, *, step: Decimal = DEFAULT_STEP) -> None:
        self.marks: dict[str, float] = {}
        self.plain = True
        self._step = step

    def unit(self, sid: str, price: Decimal) -> Decimal:  # noqa: ARG002  # until there are instruments
        """Give what one unit is worth at a price, in the account's currency: price * multiplier * rate, exactly.

        Raises:
            NoRate: the symbol is quoted in a currency of which no rate is known yet.
        """
        return price

    def value(self, sid: str) -> Decimal | None:
        """Give what one unit is worth at its latest quote; None where it has none, or no rate is known yet."""
        mark = self.marks.get(sid)
        return None if mark is None else self.unit(sid, exact(mark))

    def step(self, sid: str) -> Decimal:  # noqa: ARG002  # the same
        """Give the smallest number of units that can be ordered: the instrument's lot, or the account's step."""
        return self._step

    def tick(self, sid: str) -> Decimal | None:  # noqa: ARG002  # the same
        """Give the smallest step of a symbol's price; None where prices have none."""
        return None

    def day_end(self, sid: str, ts: int) -> int:  # noqa: ARG002  # the same
        """Give when the day of a time ends for a symbol, nanoseconds UTC: the first moment that is no more of it."""
        return (ts // DAY + 1) * DAY

    def worth(self, sid: str, quantity: Decimal) -> Decimal | None:
        """Give what units are worth at the latest quote, negative for what was sold short; None as in `value`."""
        value = self.value(sid)
        return None if value is None else EXACT.multiply(quantity, value)
