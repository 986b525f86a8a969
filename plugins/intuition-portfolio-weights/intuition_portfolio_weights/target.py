"""A table of weights, kept on a schedule."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from intuition_core.contracts import Account, Bet, Signal
from intuition_portfolio_weights.amounts import available, bought, exact, held, nothing, part_of, senseless

__all__ = ["TargetWeights"]

_DAY: Final = 86_400_000_000_000


class TargetWeights:
    """Keeps symbols at given parts of the equity; what is no symbol's is cash.

    A portfolio acts when an algorithm signals, and a signal to buy can only buy. So a signal to buy buys what every
    symbol lacks, and a signal to sell sells what every symbol has too much of; which symbol the signal is about makes
    no difference. An algorithm that signals both at each of its quotes leaves all the deciding to the schedule.

    Time is divided into periods from the first signal on, by the time of the quotes. In each period every symbol is
    bought at most once and sold at most once, at the first signal for it at which the symbol has a quote. Signals after
    that cause nothing. What a sale brings is there to buy with when it is filled.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """The weights, and how often they are restored."""

        weights: Annotated[
            dict[str, Annotated[float, msgspec.Meta(ge=0, le=1)]],
            msgspec.Meta(min_length=1, description="Each symbol's part of the equity; together at most 1."),
        ]
        days: Annotated[
            Annotated[float, msgspec.Meta(ge=1e-6, le=36_500)],
            msgspec.Meta(description="The length of a period in days of 24 hours; may be a fraction."),
        ] = 1.0
        band: Annotated[
            Annotated[float, msgspec.Meta(ge=0, le=1)],
            msgspec.Meta(description="Leave a symbol alone that is off its part by no more than this, of the equity."),
        ] = 0.0

        def __post_init__(self) -> None:
            """Refuse weights that come to more than all.

            Raises:
                ValueError: they do.
            """
            whole = sum(map(exact, self.weights.values()), Decimal(0))
            if whole > 1:
                raise ValueError(f"the weights come to {whole}, which is more than 1")

    def initialize(self, params: Params) -> None:
        """Take the table and the schedule."""
        self._weights = {sid: exact(weight) for sid, weight in params.weights.items()}
        self._period = round(params.days * _DAY)
        self._band = exact(params.band)
        self._begin: int | None = None
        self._bought: dict[str, int] = {}
        self._sold: dict[str, int] = {}

    def optimize(self, signal: Signal, account: Account) -> list[Bet]:  # noqa: ARG002  # whatever the signal is about
        """Buy what symbols lack, in the order of the table, as far as there is cash.

        Returns:
            Bets of cash in the account's currency, in whole cents; or one of nothing, with the reason.
        """
        if problem := self._problem(account):
            return [nothing(problem)]
        left = available(account)
        bets = []
        for sid, weight in self._due(self._bought, account):
            lack = part_of(account.equity, weight) - bought(sid, account)
            if lack <= part_of(account.equity, self._band):
                continue
            cash = min(lack, left)
            left -= cash
            bets.append(Bet(cash=cash, sid=sid) if cash > 0 else nothing(f"it lacks {lack}, and no cash is left", sid))
        return bets

    def release(self, signal: Signal, account: Account) -> list[Bet]:  # noqa: ARG002  # whatever the signal is about
        """Sell what symbols have too much of.

        Returns:
            Bets of cash in the account's currency, in whole cents; of units for a symbol whose weight is 0, all of it.
        """
        if problem := self._problem(account):
            return [nothing(problem)]
        bets = []
        for sid, weight in self._due(self._sold, account):
            units = account.positions.get(sid)
            if units is None:
                continue
            excess = held(sid, account) - part_of(account.equity, weight)
            if not weight:
                bets.append(Bet(units=units, sid=sid))
            elif excess > part_of(account.equity, self._band):
                bets.append(Bet(cash=excess, sid=sid))
        return bets

    def _problem(self, account: Account) -> str | None:
        if not account.quoted_at:
            return "the account does not tell when symbols were quoted, and the schedule goes by that"
        return senseless(account)

    def _due(self, done: dict[str, int], account: Account) -> Iterator[tuple[str, Decimal]]:
        """Give the symbols, with their weights, whose turn it is, and note that they had it."""
        now = max(account.quoted_at.values())
        if self._begin is None:
            self._begin = now
        period = (now - self._begin) // self._period
        for sid, weight in self._weights.items():
            if sid in account.quoted_at and done.get(sid, -1) < period:
                done[sid] = period
                yield sid, weight

    def snapshot(self) -> dict[str, Any]:
        """Give when the first period began, and the periods in which symbols were bought and sold last."""
        return {"begin": self._begin, "bought": self._bought, "sold": self._sold}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot; call `initialize` first."""
        self._begin = state["begin"]
        self._bought = dict(state["bought"])
        self._sold = dict(state["sold"])
