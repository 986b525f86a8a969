"""A table of weights, kept on a schedule."""

from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from typing import Annotated, Any, Final, Literal

import msgspec

from intuition_core.contracts import Account, Bet, Data, Side, Signal
from intuition_portfolio_weights.amounts import available, exact, held, nothing, part_of, senseless, staked
from intuition_portfolio_weights.rebalance import Rebalance
from intuition_portfolio_weights.schedule import Schedule

__all__ = ["TargetWeights"]

_DAY: Final = 86_400_000_000_000
_NONE: Final[Sequence[Bet]] = ()


class TargetWeights:
    """Keeps symbols at given parts of the equity; what is no symbol's is cash.

    Time is divided into periods by the time of the quotes. With ``trigger = "quote"``, the first quote of each period
    begins a rebalancing: what there is too much of is sold, then what lacks is bought, see `Rebalance`. Signals change
    nothing.

    With ``trigger = "signal"`` a signal to buy buys what every symbol lacks, and a signal to sell sells what every
    symbol has too much of; which symbol the signal is about makes no difference. In each period every symbol is bought
    at most once and sold at most once, at the first signal for it at which the symbol has a quote. Signals after that
    cause nothing. What a sale brings is there to buy with when it is filled.
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
        trigger: Annotated[
            Literal["signal", "quote"],
            msgspec.Meta(description="What begins the rebalancing of a period: the first signal, or the first quote."),
        ] = "signal"

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
        self._by_quotes = params.trigger == "quote"
        self._schedule = Schedule(params.days)
        self._rebalance = Rebalance(band=self._band)
        self._begin: int | None = None
        self._bought: dict[str, int] = {}
        self._sold: dict[str, int] = {}
        self._quoted: set[str] = set()
        self._wanted: list[Side] = []

    def optimize(self, signal: Signal, account: Account) -> Sequence[Bet]:
        """Buy what symbols lack, in the order of the table, as far as there is cash.

        Returns:
            Bets of cash in the account's currency, in whole cents; or one of nothing, with the reason.
        """
        return self._on_signal(signal, account)

    def release(self, signal: Signal, account: Account) -> Sequence[Bet]:
        """Sell what symbols have too much of.

        Returns:
            Bets of cash in the account's currency, in whole cents; of units for a symbol whose weight is 0, all of it.
        """
        return self._on_signal(signal, account)

    def observe(self, data: Data, account: Account) -> Sequence[Bet]:
        """Rebalance, where quotes begin it; answer the signals that came without a time, where they do.

        Returns:
            As `optimize` and `release` do, each bet with its side; see `Rebalance.observe`.
        """
        ts = data["ts"]
        if self._by_quotes:
            towards = self._weights if self._schedule.begins(ts) else None
            return self._rebalance.observe(data, account, towards=towards)
        self._quoted.add(data["sid"])
        if not self._wanted:
            return _NONE
        wanted, self._wanted = self._wanted, []
        if problem := senseless(account):
            return [nothing(problem, data["sid"], wanted[0])]
        return [bet for side in wanted for bet in self._bets(side, account, ts, self._quoted)]

    def _on_signal(self, signal: Signal, account: Account) -> Sequence[Bet]:
        if self._by_quotes:
            return [nothing("`trigger` is `quote`: the schedule says what is bought and sold, not signals")]
        if problem := senseless(account):
            return [nothing(problem)]
        if account.quoted_at:
            return self._bets(signal.side, account, max(account.quoted_at.values()), account.quoted_at)
        # The account of one algorithm among several does not tell the time; the quote that `observe` gets next does.
        if signal.side not in self._wanted:
            self._wanted.append(signal.side)
        return _NONE

    def _bets(self, side: Side, account: Account, now: int, quoted: Collection[str]) -> list[Bet]:
        return self._buys(account, now, quoted) if side == "buy" else self._sells(account, now, quoted)

    def _buys(self, account: Account, now: int, quoted: Collection[str]) -> list[Bet]:
        left = available(account)
        bets = []
        for sid, weight in self._due(self._bought, now, quoted):
            if (units := account.positions.get(sid, 0.0)) < 0:  # what was short before has to be closed first
                bets.append(Bet(units=-units, sid=sid, side="buy"))
                continue
            lack = part_of(account.equity, weight) - staked(sid, account)
            if lack <= part_of(account.equity, self._band):
                continue
            cash = min(lack, left)
            left -= cash
            if cash > 0:
                bets.append(Bet(cash=cash, sid=sid, side="buy"))
            else:
                bets.append(nothing(f"it lacks {lack}, and no cash is left", sid, "buy"))
        return bets

    def _sells(self, account: Account, now: int, quoted: Collection[str]) -> list[Bet]:
        bets = []
        for sid, weight in self._due(self._sold, now, quoted):
            units = account.positions.get(sid, 0.0)
            if units <= 0:
                continue
            excess = held(sid, account) - part_of(account.equity, weight)
            if not weight:
                bets.append(Bet(units=units, sid=sid, side="sell"))
            elif excess > part_of(account.equity, self._band):
                bets.append(Bet(cash=excess, sid=sid, side="sell"))
        return bets

    def _due(self, done: dict[str, int], now: int, quoted: Collection[str]) -> Iterator[tuple[str, Decimal]]:
        """Return the symbols to be traded now with their weights, and note them as done."""
        if self._begin is None:
            self._begin = now
        period = (now - self._begin) // self._period
        for sid, weight in self._weights.items():
            if sid in quoted and done.get(sid, -1) < period:
                done[sid] = period
                yield sid, weight

    def snapshot(self) -> dict[str, Any]:
        """Return the beginning of the first period, the periods of the latest trades, the symbols to be traded."""
        state: dict[str, Any] = {"begin": self._begin, "bought": self._bought, "sold": self._sold}
        if self._by_quotes:
            return {**state, "schedule": self._schedule.snapshot(), "rebalance": self._rebalance.snapshot()}
        return {**state, "quoted": sorted(self._quoted), "wanted": self._wanted}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot; call `initialize` first."""
        self._begin = state["begin"]
        self._bought = dict(state["bought"])
        self._sold = dict(state["sold"])
        if self._by_quotes:
            self._schedule.restore(state["schedule"])
            self._rebalance.restore(state["rebalance"])
        else:
            self._quoted = set(state.get("quoted", ()))
            self._wanted = list(state.get("wanted", ()))
