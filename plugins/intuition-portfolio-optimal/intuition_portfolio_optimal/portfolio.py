"""The portfolio itself: closes, weights, and the bets that lead to them."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from intuition_portfolio_weights import Rebalance, Schedule

from intuition_core.contracts import Account, Bet, Data, Signal
from intuition_portfolio_optimal.closes import Closes
from intuition_portfolio_optimal.solver import NoWeights, Objective, Solver

__all__ = ["OptimalWeights"]

_Weight = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Days = Annotated[float, msgspec.Meta(ge=1e-6, le=36_500)]


class OptimalWeights:
    """Holds symbols at weights that are optimal for the returns of a window, computed anew on a schedule.

    All by the time of the quotes: the last quote of each period is its close, and once there are enough of them the
    weights are computed, and the account is moved to them, sells first; then again every so many days. Where there are
    no weights, the positions stay as they are, and a rejection says why. Signals change nothing.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """What is optimised, over which past, and how often."""

        symbols: Annotated[
            tuple[str, ...],
            msgspec.Meta(min_length=2, max_length=1000, description="The symbols to hold, two or more."),
        ]
        objective: Annotated[
            Objective,
            msgspec.Meta(description="Which weights are the best."),
        ] = "minimum-variance"
        window: Annotated[
            int,
            msgspec.Meta(ge=3, le=10_000, description="How many returns to compute from; more than there are symbols."),
        ] = 60
        period: Annotated[
            _Days,
            msgspec.Meta(description="The length of a return's period in days of 24 hours; may be a fraction."),
        ] = 1.0
        days: Annotated[
            _Days,
            msgspec.Meta(description="Rebalance once in so many days of 24 hours."),
        ] = 30.0
        min_weight: Annotated[
            _Weight,
            msgspec.Meta(description="The least part of what is invested that each symbol gets."),
        ] = 0.0
        max_weight: Annotated[
            _Weight,
            msgspec.Meta(description="The most that each symbol gets."),
        ] = 1.0
        reserve: Annotated[
            _Weight,
            msgspec.Meta(description="The part of the equity that stays cash, to pay costs from."),
        ] = 0.0
        band: Annotated[
            _Weight,
            msgspec.Meta(description="Leave a symbol alone that is off its part by no more than this, of the equity."),
        ] = 0.0
        risk_free: Annotated[
            float,
            msgspec.Meta(gt=-1, lt=1, description="What is earned without risk per period, for `maximum-sharpe`."),
        ] = 0.0

        def __post_init__(self) -> None:
            """Refuse what cannot be optimised.

            Raises:
                ValueError: a symbol is named twice, the window is too short, or no weights are within the bounds.
            """
            count = len(self.symbols)
            if len(set(self.symbols)) < count:
                raise ValueError("a symbol is named twice; name each once")
            if self.window <= count:
                raise ValueError(
                    f"a window of {self.window} is too short: {count} symbols need {count + 1} returns or more"
                )
            if self.min_weight * count > 1 or self.max_weight * count < 1:
                raise ValueError(
                    f"{count} weights from {self.min_weight:g} to {self.max_weight:g} cannot come to 1;"
                    f" min_weight is at most {1 / count:.6g}, max_weight at least that"
                )

    def initialize(self, params: Params) -> None:
        """Take the parameters, and import the optimiser, which takes some seconds."""
        self._invested = 1 - Decimal(str(params.reserve))
        self._closes = Closes(params.symbols, days=params.period, window=params.window)
        self._schedule = Schedule(params.days)
        self._rebalance = Rebalance(band=Decimal(str(params.band)))
        self._solver = Solver(
            params.symbols,
            objective=params.objective,
            min_weight=params.min_weight,
            max_weight=params.max_weight,
            risk_free=params.risk_free,
        )

    def optimize(self, signal: Signal, account: Account) -> Bet:  # noqa: ARG002  # whatever the signal is about
        """Bet nothing, and say why.

        Returns:
            A bet of nothing, with the reason.
        """
        return Bet(cash=Decimal(0), reason="the weights say what is bought and sold, not signals")

    def release(self, signal: Signal, account: Account) -> Bet:
        """Sell nothing, and say why.

        Returns:
            A bet of nothing, with the reason.
        """
        return self.optimize(signal, account)

    def observe(self, data: Data, account: Account) -> Sequence[Bet]:
        """Look at a quote; compute the weights where their time has come, and move the account to them.

        Returns:
            Bets as of `Rebalance.observe`; and one of nothing, with the reason, where there are no weights.
        """
        closes = self._closes
        closes.take(data)
        if not closes.full or not self._schedule.begins(data["ts"]):
            return self._rebalance.observe(data, account)
        try:
            weights = self._solver.weights(closes.rows)
        except NoWeights as error:
            nothing = Bet(cash=Decimal(0), sid=data["sid"], side="buy", reason=str(error))
            return [*self._rebalance.observe(data, account), nothing]
        towards = {sid: weight * self._invested for sid, weight in weights.items()}
        return self._rebalance.observe(data, account, towards=towards)

    def snapshot(self) -> dict[str, Any]:
        """Return the closes, the schedule and the weights still to be reached, in types that MessagePack carries."""
        return {
            "closes": self._closes.snapshot(),
            "schedule": self._schedule.snapshot(),
            "rebalance": self._rebalance.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a snapshot; call `initialize` first."""
        self._closes.restore(state["closes"])
        self._schedule.restore(state["schedule"])
        self._rebalance.restore(state["rebalance"])
