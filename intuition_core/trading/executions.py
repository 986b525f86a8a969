"""What a venue says of orders and of its account, as typed events."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, TypeAlias

import msgspec

from intuition_core.contracts import Side
from intuition_core.errors import BadData

EXECUTIONS: Final = "$executions"
"""The channel of what a venue says; no publisher can send on it, as no name of a channel begins like this."""

End: TypeAlias = Literal["filled", "cancelled", "expired", "refused"]

_MOST_DIGITS: Final = 40
"""Digits of an amount: more are a mistake, and would make exact sums slow."""


class Execution(msgspec.Struct, frozen=True, kw_only=True, tag_field="execution", gc=False):
    """Something that a venue says."""


class Taken(Execution, frozen=True, kw_only=True, tag="taken"):
    """The venue has taken an order; ``venue_order`` is the id that it has there."""

    order: str
    venue_order: str | None = None


class _Traded(Execution, frozen=True, kw_only=True):
    """A trade.

    Attributes:
        trade: the venue's id of the trade.
        quantity: the units traded, before fees.
        price: of a unit, in the currency of the symbol's quotes.
        fee: in the currency of the symbol's quotes.
        fee_units: the part of the fee that is paid in units of the symbol: a buy brings so much less, a sale takes so
            much more.
        other_fees: what is paid in other currencies, by currency; it is booked outside of the algorithms' ledgers.
    """

    trade: str
    sid: str
    side: Side
    quantity: Decimal
    price: Decimal
    fee: Decimal = Decimal(0)
    fee_units: Decimal = Decimal(0)
    other_fees: dict[str, Decimal] = {}


class Trade(_Traded, frozen=True, kw_only=True, tag="fill"):
    """A trade at the venue that fills an order, by its decision's id, or a part of it."""

    order: str


class Foreign(_Traded, frozen=True, kw_only=True, tag="foreign"):
    """A trade at the venue that no order of the session has caused, such as one by hand or a liquidation."""

    reason: str | None = None


class Ended(Execution, frozen=True, kw_only=True, tag="ended"):
    """An order is over at the venue, after ``filled`` units in all."""

    order: str
    state: End
    filled: Decimal = Decimal(0)
    reason: str | None = None


class Unknown(Execution, frozen=True, kw_only=True, tag="unknown"):
    """Nobody knows whether the venue has taken an order."""

    order: str
    reason: str


class Standing(Execution, frozen=True, kw_only=True, tag="account"):
    """What the venue's account holds, after every trade that was told before.

    Attributes:
        cash: by currency, what rests in orders included.
        positions: the units by symbol, what rests in orders included; a symbol that is not there has none.
        as_of: when the venue said so, nanoseconds UTC by its clock.
    """

    cash: dict[str, Decimal]
    positions: dict[str, Decimal]
    as_of: int


AnyExecution: TypeAlias = Taken | Trade | Ended | Unknown | Foreign | Standing


def read_execution(data: Mapping[str, Any]) -> AnyExecution:
    """Return what an event of the channel says.

    Raises:
        BadData: it is none of the kinds, a field is missing or of another type, or an amount makes no sense.
    """
    try:
        found: AnyExecution = msgspec.convert(data, AnyExecution)
    except (msgspec.ValidationError, InvalidOperation) as error:
        raise BadData(f"no execution: {error}", field="execution") from None
    match found:
        case Trade() | Foreign():
            amounts = {"quantity": found.quantity, "price": found.price}
            _check(amounts, above_zero=("quantity",))
            _check({"fee": found.fee, "fee_units": found.fee_units, **found.other_fees})
            if found.fee_units < 0 or (found.side == "buy" and found.fee_units > found.quantity):
                raise BadData(f"{found.fee_units} of {found.quantity} units cannot be the fee", field="fee_units")
        case Ended():
            _check({"filled": found.filled})
            if found.filled < 0:
                raise BadData(f"{found.filled} units cannot have been filled", field="filled")
        case Standing():
            _check({**found.cash, **found.positions})
        case _:
            pass
    return found


def _check(amounts: Mapping[str, Decimal], *, above_zero: tuple[str, ...] = ()) -> None:
    """Refuse amounts that are no numbers, or have more digits than money has.

    Raises:
        BadData: one of them is.
    """
    for name, amount in amounts.items():
        if (
            not amount.is_finite()
            or len(amount.as_tuple().digits) > _MOST_DIGITS
            or abs(amount.adjusted()) > _MOST_DIGITS
        ):
            raise BadData(f"expected an amount, got {amount!s:.60}", field=name)
        if name in above_zero and amount <= 0:
            raise BadData(f"expected more than 0, got {amount}", field=name)
