"""Errors as the spot interface tells them: a code and a text."""

from typing import Any, Final

from intuition_core.errors import IntuitionError
from intuition_venue.errors import Refused


class SpotError(IntuitionError):
    """A request that is answered with an error; `data` says more about it."""

    def __init__(
        self, code: int, text: str, *, status: int = 400, data: Any = None, headers: dict[str, str] | None = None
    ) -> None:
        self.code = code
        self.text = text
        self.status = status
        self.data = data
        self.headers = headers or {}
        super().__init__(f"{code}: {text}")

    def told(self) -> dict[str, Any]:
        """Return the error as JSON."""
        told = {"code": self.code, "msg": self.text}
        return told if self.data is None else told | {"data": self.data}


_REASONS: Final = {
    "price": (-1013, "Filter failure: PRICE_FILTER"),
    "quantity": (-1013, "Filter failure: LOT_SIZE"),
    "notional": (-1013, "Filter failure: NOTIONAL"),
    "funds": (-2010, "Account has insufficient balance for requested action."),
    "duplicate": (-2010, "Duplicate order sent."),
    "takes": (-2010, "Order would immediately match and take."),
    "triggers": (-2010, "Stop price would trigger immediately."),
    "closed": (-2011, "Unknown order sent."),
}


def of_refusal(error: Refused) -> SpotError:
    """Return what the interface says of an order that was refused."""
    return SpotError(*_REASONS[error.reason])


def missing(name: str) -> SpotError:
    """Return the error of a request without a parameter that it must have."""
    return SpotError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
