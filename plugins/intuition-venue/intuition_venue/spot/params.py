"""Parameters of requests, read as what they are to be."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from intuition_venue.instruments import Instrument
from intuition_venue.spot.errors import SpotError, missing

_LARGEST: Final = 10**12


class Params:
    """The parameters of one request, by name.

    Raises:
        SpotError: what is asked for is missing, or unreadable.
    """

    def __init__(self, given: Mapping[str, str]) -> None:
        self._given = given

    def __contains__(self, name: str) -> bool:
        return bool(self._given.get(name))

    def text(self, name: str) -> str:
        """Return a parameter that must be there."""
        if not (value := self._given.get(name)):
            raise missing(name)
        return value

    def optional(self, name: str, otherwise: str | None = None) -> str | None:
        """Return a parameter, or what stands for it."""
        return self._given.get(name) or otherwise

    def number(self, name: str) -> Decimal:
        """Return a number above zero that must be there."""
        text = self.text(name)
        try:
            value = Decimal(text)
        except InvalidOperation:
            value = None
        if value is None or not value.is_finite():
            legal = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
            raise SpotError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")
        if value > _LARGEST:
            raise SpotError(-1100, f"Illegal characters found in parameter '{name}'; the number is too large.")
        if -int(value.normalize().as_tuple().exponent) > 8:
            raise SpotError(-1111, f"Parameter '{name}' has too much precision.")
        return value

    def maybe_number(self, name: str) -> Decimal | None:
        """Return a number, if it is there."""
        return self.number(name) if name in self else None

    def whole(self, name: str, otherwise: int | None = None) -> int | None:
        """Return a whole number, or what stands for it."""
        if name not in self:
            return otherwise
        try:
            return int(self.text(name))
        except ValueError:
            raise SpotError(
                -1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'."
            ) from None

    def limit(self, otherwise: int, most: int) -> int:
        """Return how many rows are asked for, at least one and at most `most`."""
        return max(1, min(self.whole("limit", otherwise) or otherwise, most))

    def symbol(self, instruments: Mapping[str, Instrument], name: str = "symbol") -> str:
        """Return a symbol that is traded here."""
        symbol = self.text(name)
        if symbol not in instruments:
            raise SpotError(-1121, "Invalid symbol.")
        return symbol

    def symbols(self, instruments: Mapping[str, Instrument]) -> list[str] | None:
        """Return the symbols that `symbol` or `symbols` names, or None if neither is there."""
        if "symbol" in self:
            return [self.symbol(instruments)]
        if "symbols" not in self:
            return None
        names = [name for name in self.text("symbols").strip("[]").replace('"', "").split(",") if name]
        if any(name not in instruments for name in names):
            raise SpotError(-1121, "Invalid symbol.")
        return names
