"""What parts may answer: an algorithm's outcome as signals and messages, a portfolio's stake as bets."""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, get_args

from intuition_core.account.amounts import exact, total
from intuition_core.contracts import Bet, Cancel, Message, Signal, Targets, Tif
from intuition_core.data import MAX_PRICE, MIN_PRICE, check_sid

MAX_AMOUNT: Final = 10**18
"""The most cash or units that one bet may name; exact arithmetic needs a bound."""

MAX_DECIMALS: Final = 40
"""The most decimals that a bet may have; exact arithmetic needs a bound."""


TIFS: Final = get_args(Tif)
"""The times in force that there are."""

MAX_TAG: Final = 64
"""The most characters of a tag, or of the name of a group."""

_WHOLE: Final = Decimal("1.000000001")
"""The most that weights may come to: floats that are to be one together may be a hair more."""

_INT64: Final = range(-(2**63), 2**63)


def answers(outcome: Any) -> Sequence[Signal | Cancel | Message | Targets]:
    """Return an algorithm's answers as a sequence.

    Raises:
        TypeError: something in it is no Signal, no Cancel, no Message and no Targets.
    """
    if isinstance(outcome, Signal | Message | Cancel | Targets):
        return (outcome,)
    if isinstance(outcome, str | bytes | Mapping) or not hasattr(outcome, "__iter__"):
        raise TypeError(f"expected a Signal, a Message, or an iterable of these, got {_shown(outcome)}")
    given = tuple(answer for answer in outcome if answer is not None)
    for answer in given:
        if not isinstance(answer, Signal | Message | Cancel | Targets):
            raise TypeError(f"expected a Signal or a Message, got {_shown(answer)}")
    return given


def bets(stake: Any) -> Sequence[Bet]:
    """Return a portfolio's answer as bets.

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


def check_targets(targets: Targets) -> Mapping[str, Decimal]:
    """Return the weights or quantities of targets by symbol.

    Raises:
        BadData, TypeError, ValueError: they cannot be aimed at.
    """
    given = targets.quantities if targets.weights is None else targets.weights
    if given is None or (targets.weights is not None and targets.quantities is not None):
        raise ValueError("Targets name weights or quantities, one of the two")
    if not isinstance(given, Mapping):
        raise TypeError(f"Targets have a number for each symbol, not {_shown(given)}")
    numbers: dict[str, Decimal] = {}
    for sid, number in given.items():
        if isinstance(number, bool) or not isinstance(number, int | float | Decimal) or not math.isfinite(number):
            raise TypeError(f"the target of {check_sid(sid)} is a finite number, not {_shown(number)}")
        wanted = exact(number)
        numbers[check_sid(sid)] = exact(_amount(f"the target of {sid}", wanted.copy_abs())).copy_sign(wanted)
    if targets.weights is not None:
        whole = total(weight for weight in numbers.values() if weight > 0)
        if whole > _WHOLE:
            raise ValueError(f"the weights above 0 come to {whole}, which is more than 1")
    if targets.others not in ("close", "keep"):
        raise ValueError(f"`others` of Targets is `close` or `keep`, not {_shown(targets.others)}")
    _amount("the minimum of Targets", targets.minimum)
    return numbers


def check_text(what: str, text: Any) -> None:
    """Check that something is text that can be written.

    Raises:
        TypeError, UnicodeEncodeError: it is not.
    """
    if not isinstance(text, str):
        raise TypeError(f"{what} is text, not {_shown(text)}")
    text.encode()  # half a surrogate pair cannot be written anywhere


def check_terms(what: str, limit: Any, stop: Any, tif: Any, until: Any, tag: Any = None) -> None:
    """Check how something is to be traded.

    Raises:
        TypeError, ValueError: a price is none, or the time in force, its end or the tag make no sense.
    """
    _check_price(what, "limit", limit)
    _check_price(what, "stop", stop)
    if tif not in TIFS:
        raise ValueError(f"{what}'s tif is one of {', '.join(TIFS)}, not {_shown(tif)}")
    if until is not None and (isinstance(until, bool) or not isinstance(until, int) or until not in _INT64):
        raise TypeError(f"{what}'s until is a time in nanoseconds UTC, not {_shown(until)}")
    _check_name(what, "tag", tag)


def check_bracket(what: str, stop_loss: Any, take_profit: Any, group: Any) -> None:
    """Check what protects a position once it is opened, and with which orders it goes together.

    Raises:
        TypeError, ValueError: a price is none, or the group no short text.
    """
    _check_price(what, "stop_loss", stop_loss)
    _check_price(what, "take_profit", take_profit)
    _check_name(what, "group", group)


def _check_price(what: str, name: str, price: Any) -> None:
    if price is None:
        return
    if isinstance(price, bool) or not isinstance(price, int | float):
        raise TypeError(f"{what}'s {name} is a price, not {_shown(price)}")
    if price and not MIN_PRICE <= abs(price) <= MAX_PRICE:
        raise ValueError(f"{what}'s {name} is a price from {MIN_PRICE:g} to {MAX_PRICE:g}, not {price}")


def _check_name(what: str, name: str, text: Any) -> None:
    if text is None:
        return
    check_text(f"{what}'s {name}", text)
    if not 0 < len(text) <= MAX_TAG:
        raise ValueError(f"{what}'s {name} is 1 to {MAX_TAG} characters, not {len(text)}")


def _check_bet(bet: Any) -> None:
    if not isinstance(bet, Bet):
        raise TypeError(f"expected a Bet, got {_shown(bet)}")
    if bet.reason is not None:
        check_text("a Bet's reason", bet.reason)
    if bet.sid is not None:
        check_sid(bet.sid)
    if bet.side not in (None, "buy", "sell"):
        raise ValueError(f"a Bet's side is `buy` or `sell`, not {_shown(bet.side)}")
    if bet.limit is not None or bet.stop is not None or bet.tif is not None or bet.until is not None:
        check_terms("a Bet", bet.limit, bet.stop, bet.tif or "gtc", bet.until)
    if bet.stop_loss is not None or bet.take_profit is not None or bet.group is not None:
        check_bracket("a Bet", bet.stop_loss, bet.take_profit, bet.group)
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
