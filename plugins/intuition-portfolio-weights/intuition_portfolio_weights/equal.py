"""The same part of the equity for each symbol."""

from decimal import Decimal
from typing import Annotated

import msgspec

from intuition_core.contracts import Account, Bet, Signal
from intuition_portfolio_weights.amounts import available, bought, exact, nothing, part_of, senseless

__all__ = ["EqualWeight"]


class EqualWeight:
    """Brings each symbol that is signalled to an equal part of the equity; a sell closes the position.

    What is held of the symbol, at its latest quote, and what is ordered already count towards its part; the cash
    available is the limit. It never sells what has grown beyond its part. Without ``symbols`` or ``count`` there are as
    many parts as symbols were quoted so far: while only one was, it gets all.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Into how many parts the equity is divided."""

        symbols: Annotated[
            Annotated[tuple[str, ...], msgspec.Meta(min_length=1)] | None,
            msgspec.Meta(description="The symbols to buy, each an equal part; others are refused."),
        ] = None
        count: Annotated[
            Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None,
            msgspec.Meta(description="The number of parts, whichever symbols get them."),
        ] = None
        band: Annotated[
            Annotated[float, msgspec.Meta(ge=0, le=1)],
            msgspec.Meta(description="Leave a symbol alone that lacks no more than this, of the equity."),
        ] = 0.0

        def __post_init__(self) -> None:
            """Refuse two numbers of parts.

            Raises:
                ValueError: both are given, or a symbol is named twice.
            """
            if self.symbols is not None and self.count is not None:
                raise ValueError("symbols and count are given, and there is one number of parts; keep one of them")
            if self.symbols is not None and len(set(self.symbols)) < len(self.symbols):
                raise ValueError("a symbol is named twice; name each once")

    def initialize(self, params: Params) -> None:
        """Take the parameters."""
        self._symbols = params.symbols
        self._count = params.count if params.symbols is None else len(params.symbols)
        self._band = exact(params.band)

    def optimize(self, signal: Signal, account: Account) -> Bet:
        """Bet what the symbol lacks of its part.

        Returns:
            A bet of cash in the account's currency, in whole cents; or of nothing, with the reason.
        """
        sid = signal.sid
        if self._symbols is not None and sid not in self._symbols:
            return nothing(f"{sid} is not among `symbols`")
        if problem := senseless(account):
            return nothing(problem)
        count = self._count or max(1, len(account.marks))
        part = part_of(account.equity, Decimal(1), count)
        there = bought(sid, account)
        if part - there <= part_of(account.equity, self._band):
            return nothing(f"{sid} has its part: {there} of {part}, the equity divided by {count}")
        cash = available(account)
        if cash <= 0:
            return nothing("less than a cent of cash is available")
        return Bet(cash=min(part - there, cash))

    def snapshot(self) -> None:
        """Give nothing: the parameters and the account say it all."""

    def restore(self, state: None) -> None:
        """Take nothing."""
