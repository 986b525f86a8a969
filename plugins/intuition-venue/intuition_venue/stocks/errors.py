"""Errors as the stocks interface tells them: a status, a code and a message."""

from typing import Any

from intuition_core.errors import IntuitionError
from intuition_venue.errors import Refused
from intuition_venue.orders import Order
from intuition_venue.stocks.shapes import plain


class StocksError(IntuitionError):
    """A request that is answered with an error; `more` stands beside code and message."""

    def __init__(self, status: int, code: int, text: str, **more: Any) -> None:
        self.status = status
        self.code = code
        self.text = text
        self.more = more
        super().__init__(f"{code}: {text}")

    def told(self) -> dict[str, Any]:
        """Return the error as JSON."""
        return {"code": self.code, "message": self.text, **self.more}


def unprocessable(text: str) -> StocksError:
    """Return the error of a request whose content is wrong."""
    return StocksError(422, 42210000, text)


def not_found(text: str) -> StocksError:
    """Return the error of a request about something that is not there."""
    return StocksError(404, 40410000, text)


def of_refusal(error: Refused, order: Order) -> StocksError:
    """Return what the interface says of an order that was refused."""
    match error.reason:
        case "duplicate":
            return StocksError(422, 40010001, "client_order_id must be unique")
        case "funds" if order.buys:
            power = plain(error.figures["free"])
            return StocksError(403, 40310000, "insufficient buying power", buying_power=power)
        case "funds":
            wanted, free = plain(error.figures["need"]), plain(error.figures["free"])
            text = f"insufficient qty available for order (requested: {wanted}, available: {free})"
            return StocksError(403, 40310000, text, symbol=order.symbol, available=free)
        case "closed":
            return unprocessable(f"the order cannot be changed: {error.text}")
        case "price":
            price = plain(error.figures["price"])
            text = f"invalid price {price}. sub-penny increment does not fulfill minimum pricing criteria"
            return unprocessable(text)
    return unprocessable(error.text)
