"""A broker in memory, for tests."""

from collections.abc import Mapping
from typing import Any

from intuition_core.errors import VenueUnavailable
from intuition_core.testing.broker import FakeVenue, State


class MemoryBroker:
    """A `Broker` that trades at a `FakeVenue` and remembers as long as it lives.

    Args:
        venue: where it trades; one that never fails where None. Its ``orders`` are the books.
    """

    def __init__(self, venue: FakeVenue | None = None) -> None:
        self.venue = FakeVenue() if venue is None else venue
        self._settled: dict[str, State] = {}

    def submit(self, order: Mapping[str, Any]) -> None:
        """Place an order; one that was placed before is not placed again.

        Raises:
            VenueUnavailable: the venue did not answer.
        """
        order_id = order["id"]
        if order_id in self._settled:
            return
        try:
            answer = self.venue.find(order_id) or self.venue.place(order_id, order)
        except (TimeoutError, ConnectionError) as error:
            raise VenueUnavailable(order_id, str(error)) from error
        self._settled[order_id] = answer["state"]

    def query(self, order_id: str) -> Mapping[str, Any] | None:
        """Return the state of an order; None where the venue does not know it.

        Raises:
            VenueUnavailable: the venue did not answer.
        """
        if self._settled.get(order_id) == "rejected":
            return {"id": order_id, "state": "rejected"}
        try:
            return self.venue.find(order_id)
        except (TimeoutError, ConnectionError) as error:
            raise VenueUnavailable(order_id, str(error)) from error

    def fill(self, order_id: str) -> None:
        """Fill an order at the venue.

        Raises:
            KeyError: it has none of that id.
        """
        for order in self.venue.orders:
            if order.client_id == order_id:
                order.state = "filled"
                return
        raise KeyError(order_id)
