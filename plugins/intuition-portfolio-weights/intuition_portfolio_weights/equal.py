"""The same part of the equity for each symbol."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from intuition_core.contracts import Account, Bet, Data, Signal
from intuition_portfolio_weights.amounts import available, exact, nothing, part_of, senseless, staked
from intuition_portfolio_weights.rebalance import Rebalance
from intuition_portfolio_weights.schedule import Schedule

__all__ = ["EqualWeight"]


class EqualWeight:
    """Brings each symbol that is signalled to an equal part of the equity; a sell closes the position.

    Where the account may sell short, a sell of what is not held sells an equal part short, and a buy closes that. What
    is held of the symbol or sold short of it, at its latest quote, and what is ordered already count towards its part;
    the cash available is the limit. Without ``symbols`` or ``count`` there are as many parts as symbols were quoted so
    far; while only one was, it gets all.

    With ``days``, what is held is made equal again once a period, by the time of the quotes: what has grown beyond its
    part is sold down to it, what lacks is bought. What is short is made equal to the same part: bought back, or sold.
    Which symbols are held or short stays the algorithm's business.
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

        days: Annotated[
            Annotated[float, msgspec.Meta(ge=1e-6, le=36_500)] | None,
            msgspec.Meta(description="Make what is held equal again once in so many days of 24 hours; never without."),
        ] = None

        def __post_init__(self) -> None:
            """Refuse two numbers of parts.

            Raises:
                ValueError: both are given, or a symbol is named twice.
            """
            if self.symbols is not None and self.count is not None:
                raise ValueError("symbols and count are given, and there is one number of parts; keep one of them")
            if self.symbols is not None and len(set(self.symbols)) < len(self.symbols):
                raise ValueError("a symbol is named twice; name each once")

    observe: Callable[[Data, Account], Sequence[Bet]] | None
    """With ``days``, makes what is held equal again; None without. See `Portfolio`."""

    def initialize(self, params: Params) -> None:
        """Take the parameters."""
        self._symbols = params.symbols
        self._count = params.count if params.symbols is None else len(params.symbols)
        self._band = exact(params.band)
        self._schedule = None if params.days is None else Schedule(params.days)
        self._rebalance = Rebalance(band=self._band)
        # Without a schedule there is nothing to see in a quote, and nobody need show it.
        self.observe = None if self._schedule is None else self._observe

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
        there = staked(sid, account, signal.side)
        if part - there <= part_of(account.equity, self._band):
            return nothing(f"{sid} has its part: {there} of {part}, the equity divided by {count}")
        cash = available(account)
        if cash <= 0:
            return nothing("less than a cent of cash is available")
        return Bet(cash=min(part - there, cash))

    def _observe(self, data: Data, account: Account) -> Sequence[Bet]:
        """Make what is held equal again, when a period begins and as the orders for it are filled.

        Returns:
            Bets of cash in the account's currency, in whole cents; see `Rebalance.observe`.
        """
        schedule = self._schedule
        towards = self._equal(account) if schedule is not None and schedule.begins(data["ts"]) else None
        bets = self._rebalance.observe(data, account, towards=towards)
        # What the algorithm has sold in the meantime is not bought again.
        return [bet for bet in bets if bet.sid in account.positions] if bets else bets

    def _equal(self, account: Account) -> dict[str, Decimal]:
        part = Decimal(1) / (self._count or max(1, len(account.marks)))
        return {
            sid: part if units > 0 else -part
            for sid, units in account.positions.items()
            if self._symbols is None or sid in self._symbols
        }

    def snapshot(self) -> dict[str, Any] | None:
        """Return the schedule and the symbols still to be traded; None where there is no schedule."""
        if self._schedule is None:
            return None
        return {"schedule": self._schedule.snapshot(), "rebalance": self._rebalance.snapshot()}

    def restore(self, state: dict[str, Any] | None) -> None:
        """Go on from a snapshot; call `initialize` first."""
        if self._schedule is not None and state is not None:
            self._schedule.restore(state["schedule"])
            self._rebalance.restore(state["rebalance"])
