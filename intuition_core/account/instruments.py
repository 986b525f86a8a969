"""Instruments: what is known of symbols besides their price, and tables of them."""

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final, TypeAlias

import msgspec

from intuition_core.account.amounts import plain_decimal
from intuition_core.data import check_sid
from intuition_core.errors import BadData, IntuitionError, Mistakes, did_you_mean

_ONE: Final = Decimal(1)
_LIMITS: Final = {
    "lot": (Decimal("1e-18"), Decimal("1e9")),
    "tick": (Decimal("1e-12"), Decimal("1e9")),
    "multiplier": (Decimal("1e-9"), Decimal("1e9")),
}


class BadInstrument(IntuitionError):
    """A row of a table of instruments that cannot be read."""

    def __init__(self, where: str, field: str | None, problem: str) -> None:
        self.where = where
        self.field = field
        self.problem = problem
        super().__init__(f"{where}: `{field}`: {problem}" if field else f"{where}: {problem}")


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a symbol.

    ``currency`` is what it is quoted in, None for the account's; ``lot`` the smallest number of units that can be
    ordered, None for the account's ``quantity_step``; ``tick`` the smallest step of its price; ``multiplier`` how many
    times its price a unit is worth, such as 50 for a future on an index; ``calendar`` the trading calendar of its
    exchange, such as ``XNYS``, None where days end at midnight UTC.
    """

    symbol: str
    currency: str | None = None
    lot: Decimal | None = None
    tick: Decimal | None = None
    multiplier: Decimal = _ONE
    calendar: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Describe the instrument in plain JSON types, without what it does not say."""
        told = msgspec.structs.asdict(self)
        if self.multiplier == 1:
            del told["multiplier"]
        return {
            key: plain_decimal(value) if isinstance(value, Decimal) else value
            for key, value in told.items()
            if value is not None
        }


def check_currency(value: object) -> str:
    """Return a currency's code if it can be one: 2 to 10 capital letters and digits, such as ``EUR`` or ``USDT``.

    Raises:
        BadData: it cannot.
    """
    if not isinstance(value, str) or not 2 <= len(value) <= 10:
        fits = False
    else:
        fits = value.isascii() and value.isalnum() and value == value.upper()
    if not fits:
        raise BadData(f"expected a code of 2 to 10 capital letters and digits such as EUR, got {value!r:.60}")
    return str(value)


Row: TypeAlias = tuple[str, Mapping[str, object] | BadInstrument]
"""Where a row of a table is, for messages, and its fields, or else why it has none that could be read."""


def read_instruments(rows: Iterable[Row]) -> tuple[Instrument, ...]:
    """Read the rows of a table, or of several.

    Args:
        rows: where each is from, and its fields as text, numbers, or None or empty text for nothing.

    Raises:
        BadInstrument: a row is wrong.
        Mistakes: several are; all are told.
    """
    found: dict[str, Instrument] = {}
    first: dict[str, str] = {}
    errors: list[IntuitionError] = []
    for where, row in rows:
        if isinstance(row, BadInstrument):
            errors.append(row)
            continue
        told = _read(where, row, errors)
        symbol = told.get("symbol")
        if symbol is None:
            continue
        if symbol in first:
            errors.append(BadInstrument(where, "symbol", f"{symbol} is in {first[symbol]} too"))
            continue
        first[symbol] = where
        found[symbol] = Instrument(**told)
    if errors:
        raise Mistakes.of(errors)
    return tuple(found.values())


def _read(where: str, row: Mapping[str, object], mistakes: list[IntuitionError]) -> dict[str, Any]:
    """Return the fields of a row that can be read, and note what is wrong with the others."""
    fields = Instrument.__struct_fields__
    told: dict[str, Any] = {}
    for key, value in row.items():
        if key not in fields:
            hint = did_you_mean(str(key), fields)
            problem = f"unknown{hint or ';'} valid are {', '.join(fields)}"
            mistakes.append(BadInstrument(where, str(key), problem))
        elif value is None or value == "":
            continue
        else:
            try:
                told[key] = _field(key, value)
            except BadData as error:
                mistakes.append(BadInstrument(where, key, error.problem))
    if not row.get("symbol"):
        mistakes.append(BadInstrument(where, "symbol", "missing, and every instrument needs one"))
    return told


def _field(key: str, value: object) -> str | Decimal:
    if key == "symbol":
        return check_sid(value)
    if key == "currency":
        return check_currency(value)
    if key == "calendar":
        if not isinstance(value, str) or len(value) > 64 or not value.isprintable():
            raise BadData(f"expected a calendar's name such as XNYS, got {value!r:.60}")
        return value
    least, most = _LIMITS[key]
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else None
    except InvalidOperation:
        number = None
    if number is None or not number.is_finite() or not least <= number <= most:
        raise BadData(f"expected a number from {plain_decimal(least)} to {plain_decimal(most)}, got {value!r:.60}")
    return number
