"""A portfolio that bets the same each time: an amount of cash, a fraction of the equity, or a number of units."""

import math
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from decimal import Context as Arithmetic
from typing import Annotated, Final

import msgspec

from intuition_core.contracts import Account, Bet, Signal

__all__ = ["Fixed"]

_CENT: Final = Decimal("0.01")
_WIDE: Final = Arithmetic(prec=400)  # holds any float to the cent
_MOST: Final = 10**18
_DECIMALS: Final = 18


class Fixed:
    """Bets the same on each signal to buy, whatever the signal says; a sell closes the position.

    A symbol that is held already, or ordered, is not bought again unless ``pyramiding`` is set. An amount or a number
    of units that the cash does not suffice for is refused by the account and not made smaller: it would not be the
    same bet. A fraction is one of the equity, so that bets are of one size however many positions are open, and is held
    back by the cash available.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """How much to bet: one of ``cash``, ``fraction`` and ``units``; all of the equity where none is given."""

        cash: Annotated[
            Decimal | None,
            msgspec.Meta(description="An amount in the account's currency."),
        ] = None
        fraction: Annotated[
            Annotated[float, msgspec.Meta(gt=0, le=1)] | None,
            msgspec.Meta(description="A fraction of the equity, at most the cash available; 1 by default."),
        ] = None
        units: Annotated[
            Decimal | None,
            msgspec.Meta(description="A number of units."),
        ] = None
        pyramiding: Annotated[
            bool,
            msgspec.Meta(description="Buy more of a symbol that is held or ordered already."),
        ] = False

        def __post_init__(self) -> None:
            """Refuse two sizes, and sizes that no bet can have.

            Raises:
                ValueError: two of them are given, or one is no amount above zero.
            """
            given = [name for name in ("cash", "fraction", "units") if getattr(self, name) is not None]
            if len(given) > 1:
                raise ValueError(f"{' and '.join(given)} are given, and a bet has one size; keep one of them")
            for name in ("cash", "units"):
                amount: Decimal | None = getattr(self, name)
                if amount is not None and not _is_amount(amount):
                    raise ValueError(f"{name} is a number above 0, to 1e18, with at most 18 decimals, not {amount}")

    def initialize(self, params: Params) -> None:
        """Take the parameters."""
        self._pyramiding = params.pyramiding
        self._bet: Bet | None = None
        self._fraction = Decimal(1) if params.fraction is None else Decimal(str(params.fraction))
        if params.cash is not None:
            self._bet = Bet(cash=params.cash)
        elif params.units is not None:
            self._bet = Bet(units=params.units)

    def optimize(self, signal: Signal, account: Account) -> Bet:
        """Bet, unless the symbol is held or ordered already.

        Returns:
            A bet of cash in the account's currency (a fraction's in whole cents) or of units; or of nothing, with the
            reason.
        """
        if not self._pyramiding:
            if signal.sid in account.positions:
                return _nothing(f"{signal.sid} is held already, and `pyramiding` is off")
            if signal.sid in account.pending:
                return _nothing(f"{signal.sid} is ordered already, and `pyramiding` is off")
        return self._bet or self._part_of(account)

    def snapshot(self) -> None:
        """Return nothing: the parameters and the account are all there is."""

    def restore(self, state: None) -> None:
        """Take nothing."""

    def _part_of(self, account: Account) -> Bet:
        equity, cash = account.equity, account.cash
        if not (math.isfinite(equity) and math.isfinite(cash)):
            return _nothing(f"the account makes no sense: equity {equity}, cash {cash}")
        available = _cents(Decimal(str(cash)), ROUND_DOWN)
        if available <= 0:
            return _nothing("less than a cent of cash is available")
        stake = _cents(_WIDE.multiply(self._fraction, Decimal(str(equity))), ROUND_HALF_UP)
        if stake <= 0:
            return _nothing(f"{self._fraction:%} of the equity of {equity:.2f} is less than a cent")
        return Bet(cash=min(stake, available))


def _is_amount(amount: Decimal) -> bool:
    return amount.is_finite() and 0 < amount <= _MOST and amount == round(amount, _DECIMALS)


def _cents(amount: Decimal, rounding: str) -> Decimal:
    return amount.quantize(_CENT, rounding, _WIDE)


def _nothing(reason: str) -> Bet:
    return Bet(cash=Decimal(0), reason=reason)
