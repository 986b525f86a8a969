"""The built-in portfolio: a random fraction of the cash, for trying an algorithm without installing another part."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, Decimal
from decimal import Context as Arithmetic
from random import Random
from typing import Annotated, Any, Final

import msgspec

from intuition_core.contracts import Account, Bet, Context, Signal
from intuition_core.determinism.randomness import restore_rng, rng_state

_CENT: Final = Decimal("0.01")
# Wide enough to multiply any two floats exactly, so that only the last step rounds, and only down.
_EXACT: Final = Arithmetic(prec=800, rounding=ROUND_DOWN)

_Fraction = Annotated[float, msgspec.Meta(ge=0, le=1, description="A share of the cash available.")]


class Naive:
    """Bets a random fraction of the cash available, drawn anew and uniformly for each signal.

    It knows nothing about the market. It is there to try an algorithm with, and to be beaten.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """The bounds of the fraction, and where the draws come from."""

        min_fraction: _Fraction = 0.0
        max_fraction: _Fraction = 1.0
        seed: Annotated[
            int | None,
            msgspec.Meta(description="Makes the draws reproducible by themselves; without it the session's seed does."),
        ] = None

        def __post_init__(self) -> None:
            """Refuse bounds that leave nothing between them.

            Raises:
                ValueError: the least fraction is above the greatest.
            """
            if self.min_fraction > self.max_fraction:
                raise ValueError(f"min_fraction {self.min_fraction} is above max_fraction {self.max_fraction}")

    def initialize(self, params: Params, context: Context) -> None:
        """Take the bounds and a generator: one of its own if a seed is given, else the session's."""
        self._bounds = params.min_fraction, params.max_fraction
        self._rng = context.rng if params.seed is None else Random(params.seed)  # noqa: S311  # keeps no secret

    def optimize(self, signal: Signal, account: Account) -> Bet:  # noqa: ARG002  # the contract gives it; any will do
        """Bet a fraction of the cash, in whole cents and never more than there is.

        Returns:
            A bet of cash in the account's currency, or of nothing with the reason.
        """
        fraction = self._rng.uniform(*self._bounds)
        cash = Decimal(str(account.cash))
        stake = _EXACT.multiply(cash, Decimal(str(fraction))).quantize(_CENT, context=_EXACT)
        if stake <= 0:
            there = cash.quantize(_CENT, ROUND_HALF_EVEN, _EXACT)
            return Bet(cash=Decimal(0), reason=f"{fraction:.1%} of the {there} in cash is less than a cent")
        return Bet(cash=stake)

    def snapshot(self) -> dict[str, Any]:
        """Return the state of the generator, in types that msgpack carries."""
        return {"rng": rng_state(self._rng)}

    def restore(self, state: dict[str, Any]) -> None:
        """Draw from here on what would have been drawn after that snapshot; call `initialize` first.

        Raises:
            ValueError: the state is not one that `snapshot` gave.
        """
        restore_rng(self._rng, state["rng"])
