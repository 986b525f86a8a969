"""What parts may answer: an algorithm's outcome as signals and messages, a portfolio's stake as bets."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from intuition_core.contracts import Bet, Message, Signal
from intuition_core.data import check_sid
from intuition_core.ledger import exact

MAX_AMOUNT: Final = 10**18
"""The most cash or units that one bet may name; exact arithmetic needs a bound."""

MAX_DECIMALS: Final = 40
"""The most decimals that a bet may have; exact arithmetic needs a bound."""


def answers(outcome: Any) -> Sequence[Signal | Message]:
    """Give an algorithm's answers as a sequence.

    Raises:
        TypeError: something in it is no Signal and no Message.
    """
    if isinstance(outcome, Signal | Message):
        return (outcome,)
    if isinstance(outcome, str | bytes | Mapping) or not hasattr(outcome, "__iter__"):
        raise TypeError(f"expected a Signal, a Message, or an iterable of these, got {_shown(outcome)}")
    given = tuple(answer for answer in outcome if answer is not None)
    for answer in given:
        if not isinstance(answer, Signal | Message):
            raise TypeError(f"expected a Signal or a Message, got {_shown(answer)}")
    return given


def bets(stake: Any) -> Sequence[Bet]:
    """Give a portfolio's answer as bets.

    Raises:
        TypeError, ValueError: something in it is no bet, or one of nonsense.
    """
    if isinstance(stake, Bet):
        _check_bet(stake)
        return (stake,)
    if isinstance(stake, int | float | Decimal):
        return (Bet(cash=_amount("a bet", stake)),)
    if isinstance(stake, str | bytes | Mapping) or not hasattr(stake, "__iter__"):
        raise TypeError(f"expected a number, a Bet, or an iterable of Bets, got {_shown(stake)}")
    given = tuple(stake)
    for bet in given:
        _check_bet(bet)
    return given


def check_text(what: str, text: Any) -> None:
    """Check that something is text that can be written.

    Raises:
        TypeError, UnicodeEncodeError: it is not.
    """
    if not isinstance(text, str):
        raise TypeError(f"{what} is text, not {_shown(text)}")
    text.encode()  # half a surrogate pair cannot be written anywhere


def _check_bet(bet: Any) -> None:
    if not isinstance(bet, Bet):
        raise TypeError(f"expected a Bet, got {_shown(bet)}")
    if bet.reason is not None:
        check_text("a Bet's reason", bet.reason)
    if bet.sid is not None:
        check_sid(bet.sid)
    if bet.cash is not None:
        if bet.units is not None:
            raise ValueError("a Bet names cash or units, not both")
        _amount("a Bet's cash", bet.cash)
    elif bet.units is not None:
        _amount("a Bet's units", bet.units)


def _amount(what: str, amount: Any) -> Any:
    if type(amount) is int and 0 <= amount <= MAX_AMOUNT:
        return amount
    if isinstance(amount, bool) or not isinstance(amount, int | float | Decimal):
        raise TypeError(f"{what} is a number, not {_shown(amount)}")
    if not math.isfinite(amount) or amount < 0:
        raise ValueError(f"{what} is finite and not negative, not {amount}")
    if amount > MAX_AMOUNT:
        raise ValueError(f"{what} is beyond {MAX_AMOUNT}: {amount}")
    if exact(amount).as_tuple().exponent < -MAX_DECIMALS:  # type: ignore[operator]  # it is finite: a number
        raise ValueError(f"{what} has more than {MAX_DECIMALS} decimals: {amount:.6g}")
    return amount


def _shown(value: Any) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
