"""The Kelly criterion: the fraction of the capital that makes it grow fastest in the long run."""

import math

from intuition_core.errors import IntuitionError


class BadEdge(IntuitionError):
    """A number that cannot describe an edge."""

    def __init__(self, name: str, value: object, expected: str) -> None:
        self.name = name
        self.value = value
        self.expected = expected
        super().__init__(f"{name} must be {expected}, not {value}")


def discrete_fraction(probability: float, loss: float, win: float) -> float:
    """Return the Kelly fraction of a bet that either wins or loses: f* = p/a - q/b (Kelly 1956).

    The fraction maximises the expected growth p·log(1 + b·f) + q·log(1 - a·f). The shortcut W - (1 - W)/R, where R is
    b/a, gives a·f* instead: it is right only where a lost bet loses the whole stake, a = 1.

    Source: J. L. Kelly, "A New Interpretation of Information Rate", Bell System Technical Journal 35 (1956);
    E. O. Thorp, "The Kelly Criterion in Blackjack, Sports Betting, and the Stock Market", in Handbook of Asset and
    Liability Management 1 (2006).

    Args:
        probability: p, the chance to win, from 0 to 1; q = 1 - p is the chance to lose.
        loss: a, what is lost per unit staked when the bet loses, above zero: 1 for the whole stake.
        win: b, what is won per unit staked when the bet wins, above zero.

    Returns:
        The fraction of the capital to stake; zero or below where there is no edge, above 1 where borrowing would pay.

    Raises:
        BadEdge: one of the numbers is none that such a bet can have.
    """
    if not 0 <= probability <= 1:
        raise BadEdge("probability", probability, "from 0 to 1")
    for name, value in (("loss", loss), ("win", win)):
        if not 0 < value < math.inf:
            raise BadEdge(name, value, "finite and above zero")
    return _finite(probability / loss - (1 - probability) / win)


def continuous_fraction(mean: float, variance: float, risk_free: float = 0.0) -> float:
    """Return the Kelly fraction of an asset whose return varies continuously: f* = (μ - r)/σ² (Thorp 2006).

    The fraction maximises the expected growth r + f·(μ - r) - f²·σ²/2 of a capital that is rebalanced all the time.

    Source: E. O. Thorp, "The Kelly Criterion in Blackjack, Sports Betting, and the Stock Market" (2006).

    Args:
        mean: μ, the expected return per period, 0.1 for ten per cent.
        variance: σ², the variance of the return per period, above zero: the square of the standard deviation.
        risk_free: r, what idle cash earns per period.

    Returns:
        The fraction of the capital to hold in the asset; zero or below where there is no edge, above 1 where borrowing
        would pay.

    Raises:
        BadEdge: one of the numbers is none that a return can have.
    """
    for name, value in (("mean", mean), ("risk_free", risk_free)):
        if not math.isfinite(value):
            raise BadEdge(name, value, "finite")
    if not 0 < variance < math.inf:
        raise BadEdge("variance", variance, "finite and above zero")
    return _finite((mean - risk_free) / variance)


def _finite(fraction: float) -> float:
    # Legal numbers near the limits of a float can still give an infinity, or the difference of two: NaN.
    if not math.isfinite(fraction):
        raise BadEdge("the fraction", fraction, "finite")
    return fraction
