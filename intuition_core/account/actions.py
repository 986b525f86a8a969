"""Corporate actions: splits and dividends, as events of the channel `actions`, and what they do to a position."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any, Final, TypeAlias

import msgspec

from intuition_core.account.amounts import exact, plain_decimal
from intuition_core.data import MAX_PRICE, check_sid
from intuition_core.errors import BadData

ACTIONS: Final = "actions"
"""The channel of splits and dividends."""

_RATIO: Final = re.compile(
    r"\s*(\d{1,7}(?:\.\d{1,6})?)\s*(?:[:/]|for|-for-)\s*(\d{1,7}(?:\.\d{1,6})?)\s*", re.ASCII | re.IGNORECASE
)
_MOST: Final = 10**6
_DECIMALS: Final = 18


class Split(msgspec.Struct, frozen=True):
    """``new`` units for every ``old`` ones: 4 and 1 for a 4:1 split, 1 and 10 for a 1:10 reverse split."""

    sid: str
    new: int
    old: int


class Dividend(msgspec.Struct, frozen=True):
    """Cash for every unit held, ``amount`` in the instrument's currency; who is short pays it.

    ``currency`` is what the event says that the amount is in, unchecked; None where it says nothing.
    """

    sid: str
    amount: Decimal
    currency: object = None


Action: TypeAlias = Split | Dividend


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """What an action did to one position; amounts in the account's currency.

    ``before`` and ``after`` are units, negative where short. ``paid_out`` are the units, counted after a split, that
    were no whole steps and were paid out in ``cash``; for a dividend, ``cash`` is all there is. ``profit`` is what of
    the cash was realised.
    """

    before: Decimal
    after: Decimal
    paid_out: Decimal
    cash: Decimal
    profit: Decimal

    def to_json(self) -> dict[str, Any]:
        """Describe it in plain JSON types, for a record."""
        return {key: plain_decimal(amount) for key, amount in msgspec.structs.asdict(self).items()}


def read_action(data: Mapping[str, Any]) -> Action:
    """Read an event of the channel `actions`.

    Raises:
        BadData: it is neither a split with a ``ratio`` such as ``4:1`` nor a dividend with an ``amount``.
    """
    if "sid" not in data:
        raise BadData("missing, and an action is of one symbol", field="sid")
    sid = check_sid(data["sid"])
    action = data.get("action")
    if action == "split":
        return _split(sid, data.get("ratio"))
    if action == "dividend":
        currency = data.get("currency")
        return Dividend(sid, _amount(data.get("amount")), None if currency == "" else currency)
    raise BadData(f"expected `split` or `dividend`, got {action!r:.60}", field="action")


def checked(data: dict[str, Any]) -> dict[str, Any]:
    """Return an action of a recording as `read_action` takes it; others are refused.

    What says the same in other signs is written anew: ``Split`` as ``split``, ``2/1`` and ``2 for 1`` as ``2:1``, and
    ``1.5:1`` as ``3:2``. A factor such as ``0.5`` may be new for old or the other way round, and is refused.

    Raises:
        BadData: it is neither a split nor a dividend that can be booked.
    """
    action, ratio = data.get("action"), data.get("ratio")
    if isinstance(action, str) and action != (plain := action.strip().lower()):
        data = {**data, "action": plain}
    if isinstance(ratio, str) and (found := _RATIO.fullmatch(ratio)) is not None:
        try:
            new, old = Fraction(found[1]), Fraction(found[2])
            written = new / old
        except ZeroDivisionError:
            written = None
        if written is not None and (new.denominator, old.denominator) != (1, 1):
            data = {**data, "ratio": f"{written.numerator}:{written.denominator}"}
        elif written is not None:
            data = {**data, "ratio": f"{new}:{old}"}
    read_action(data)
    return data


def _split(sid: str, ratio: object) -> Split:
    words = ratio.split(":") if isinstance(ratio, str) else []
    if len(words) != 2 or not all(word.isascii() and word.isdigit() and len(word) <= 7 for word in words):
        raise BadData(f"expected new for old in whole numbers such as 4:1, got {ratio!r:.60}", field="ratio")
    new, old = map(int, words)
    if not 1 <= new <= _MOST or not 1 <= old <= _MOST:
        raise BadData(f"expected whole numbers from 1 to {_MOST}, got {ratio}", field="ratio")
    return Split(sid, new, old)


def _amount(value: object) -> Decimal:
    try:
        amount = Decimal(str(value)) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except InvalidOperation:
        amount = None
    if amount is None or not amount.is_finite() or not 0 < amount <= exact(MAX_PRICE):
        raise BadData(f"expected an amount above zero such as 0.24, got {value!r:.60}", field="amount")
    if int(amount.as_tuple().exponent) < -_DECIMALS:
        raise BadData(f"expected at most {_DECIMALS} decimals, got {value!r:.60}", field="amount")
    return amount
