"""The edge of a bet: stated by the signal, or else estimated from the account's closed trades."""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import SupportsFloat

from intuition_core.contracts import ClosedTrade, Signal
from intuition_core.errors import IntuitionError
from intuition_portfolio_kelly.formula import BadEdge, continuous_fraction, discrete_fraction


class NoEdge(IntuitionError):
    """Neither the signal nor the closed trades say what a bet may be expected to bring."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


def edge_given(signal: Signal) -> float | None:
    """Return the Kelly fraction of the edge that a signal states, or None if it states none.

    A discrete edge (``probability, loss, win``) counts before a continuous one (``mean, variance`` and, 0 unless given,
    ``risk_free``).

    Raises:
        NoEdge: the signal brings a part of an edge only.
        BadEdge: the signal brings numbers that make no sense.
    """
    discrete = {"probability": signal.probability, "loss": signal.loss, "win": signal.win}
    continuous = {"mean": signal.mean, "variance": signal.variance}
    if None not in discrete.values():
        return discrete_fraction(**_numbers(discrete))
    if None not in continuous.values():
        return continuous_fraction(**_numbers({**continuous, "risk_free": signal.risk_free or 0.0}))
    fields = {**discrete, **continuous, "risk_free": signal.risk_free}
    given = [name for name, value in fields.items() if value is not None]
    if not given:
        return None
    form = discrete if given[0] in discrete else continuous
    missing = [name for name, value in form.items() if value is None]
    raise NoEdge(f"the signal gives {' and '.join(given)} but no {' and no '.join(missing)}")


def edge_of_trades(trades: Sequence[ClosedTrade], sid: str, min_trades: int) -> float:
    """Estimate the Kelly fraction from closed trades: those of the symbol if there are enough, else all.

    A trade that neither won nor lost does not count: it moves the capital nowhere, whatever was staked. Of the rest, p
    is the share of winners, b their mean gain and a the mean loss of the losers, each per unit staked. The means stand
    for the trades they are taken over, so the estimate runs high where single losses were far larger than their mean.

    Raises:
        NoEdge: there are too few trades, or none among them that lost, or none that won.
    """
    decided = [(trade.sid, trade.rate) for trade in trades if trade.rate and math.isfinite(trade.rate)]
    own = [rate for name, rate in decided if name == sid]
    rates, whose = (own, f" of {sid}") if len(own) >= min_trades else ([rate for _, rate in decided], "")
    count = len(rates)
    if count < min_trades:
        raise NoEdge(f"no edge given, and only {count} of {min_trades} closed trades to estimate one from")
    wins = [rate for rate in rates if rate > 0]
    losses = [-rate for rate in rates if rate < 0]
    if not wins:
        raise NoEdge(f"no edge: all {count} closed trades{whose} lost")
    if not losses:
        raise NoEdge(f"none of the {count} closed trades{whose} lost, so there is no loss to size a bet by")
    return discrete_fraction(probability=len(wins) / count, loss=fmean(losses), win=fmean(wins))


def _numbers(given: Mapping[str, SupportsFloat | None]) -> dict[str, float]:
    numbers = {}
    for name, value in given.items():
        try:
            numbers[name] = float(value)  # type: ignore[arg-type]  # None was ruled out, other types are why this is tried
        except (TypeError, ValueError, OverflowError):
            raise BadEdge(name, ascii(value)[:60], "a number") from None
    return numbers
