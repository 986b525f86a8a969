"""The broker: orders and questions in Alpaca's words, answers in the core's."""

import re
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from intuition_broker_alpaca.interface import Refused, Requests
from intuition_broker_alpaca.updates import Updates
from intuition_core.contracts import Secret, Traits, VenueAccount, VenueTrade
from intuition_core.errors import VenueUnavailable

PAPER: Final = "https://paper-api.alpaca.markets"

_STATES: Final = {
    "filled": "filled",
    "canceled": "cancelled",
    "expired": "expired",
    "replaced": "cancelled",
    "rejected": "rejected",
    "suspended": "rejected",
    "done_for_day": "expired",
}
"""The states that are ends; in every other one an order is open."""

_PAGE: Final = 100
"""The most activities of an answer."""

_ORDERS: Final = 500
"""The most orders of an answer."""

_TIME: Final = re.compile(r"([0-9T:-]{19})(?:\.([0-9]{1,9}))?(Z|[+-][0-9]{2}:[0-9]{2})")

_KINDS: Final = {"market": "market", "limit": "limit", "stop": "stop", "stop_limit": "stop_limit"}


class Alpaca:
    """Trades on one account at Alpaca.

    A client order id is refused there the second time, for ever. So an order of which nobody knows whether it arrived
    is sent again under its id, and either it is placed, or the refusal says that it was.
    """

    class Params(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Where the account is, and its key."""

        key: Annotated[Secret, msgspec.Meta(description="The key's id.")]
        secret: Annotated[Secret, msgspec.Meta(description="The key's secret.")]
        url: Annotated[str, msgspec.Meta(description="The trading interface; the default is that for paper.")] = PAPER
        timeout: Annotated[float, msgspec.Meta(gt=0, description="Seconds to wait for an answer.")] = 10.0

    def initialize(self, params: Params) -> None:
        """Take the address and the key; nothing is asked yet."""
        self._params = params
        self._url = params.url.rstrip("/")
        self._requests = Requests(self._url, key=params.key, secret=params.secret, timeout=params.timeout)
        self._clients: dict[str, str] = {}
        self._updates: Updates | None = None

    def close(self) -> None:
        """Close the connections."""
        if self._updates is not None:
            self._updates.end()
        self._requests.close()

    def traits(self) -> Traits:
        """Return what is known of the venue, with the account's number.

        Raises:
            Refused: the key is not the account's.
            VenueUnavailable: it does not answer.
        """
        account = self._requests.get("/v2/account", "of the account")
        return Traits(
            venue="alpaca",
            account=str(account["account_number"]),
            orders=("market", "limit", "stop", "stop_limit"),
            tifs=("gtc", "day", "ioc", "fok"),
        )

    # -- orders

    def submit(self, order: Mapping[str, Any]) -> Mapping[str, Any]:
        """Place an order, and return its state; under an id that is known already nothing is placed.

        Raises:
            VenueUnavailable: it is not known whether it arrived; send it again.
        """
        try:
            placed = self._requests.send("POST", "/v2/orders", order["id"], body=_asked(order))
        except Refused as refused:
            if "unique" not in refused.message:
                return {"state": "rejected", "filled": Decimal(0), "reason": refused.message}
            there = self.query(order["id"])
            return there or {"state": "rejected", "filled": Decimal(0), "reason": refused.message}
        return self._state(placed)

    def query(self, order_id: str) -> Mapping[str, Any] | None:
        """Return the state of an order, or None where the venue does not know it.

        Raises:
            VenueUnavailable: it does not answer.
        """
        try:
            found = self._requests.get("/v2/orders:by_client_order_id", order_id, client_order_id=order_id)
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        return self._state(found)

    def cancel(self, order_id: str) -> None:
        """Ask the venue to cancel an order; one that is over, or unknown there, is no error.

        Raises:
            VenueUnavailable: it does not answer.
        """
        try:
            found = self._requests.get("/v2/orders:by_client_order_id", order_id, client_order_id=order_id)
            self._requests.send("DELETE", f"/v2/orders/{found['id']}", order_id)
        except Refused as refused:
            if refused.status not in (404, 422):
                raise

    def open_orders(self) -> list[str]:
        """Return the ids of the orders that are open at the venue.

        Raises:
            VenueUnavailable: it does not answer.
        """
        found: list[str] = []
        after = "1970-01-01T00:00:00Z"
        while True:
            page = self._requests.get(
                "/v2/orders", "of open orders", status="open", direction="asc", limit=str(_ORDERS), after=after
            )
            found += (each["client_order_id"] for each in page)
            if len(page) < _ORDERS:
                return found
            after = page[-1]["submitted_at"]

    def _state(self, found: Mapping[str, Any]) -> Mapping[str, Any]:
        self._clients[found["id"]] = found["client_order_id"]
        state = _STATES.get(found["status"], "open")
        said = {"state": state, "filled": Decimal(found["filled_qty"] or 0), "venue_order": found["id"]}
        if state != "open":
            said["reason"] = f"at Alpaca it is {found['status'].replace('_', ' ')}"
        return said

    # -- what was traded, and what is held

    def fills(self, since: str | None) -> tuple[list[VenueTrade], str]:
        """Return the trades of the account after a cursor, oldest first, and the next cursor.

        Raises:
            VenueUnavailable: it does not answer.
        """
        trades: list[VenueTrade] = []
        cursor = since or ""
        while True:
            query = {"page_token": cursor} if cursor else {}
            page = self._requests.get(
                "/v2/account/activities/FILL", "of trades", direction="asc", page_size=str(_PAGE), **query
            )
            trades += map(self._trade, page)
            if page:
                cursor = page[-1]["id"]
            if len(page) < _PAGE:
                return trades, cursor

    def _trade(self, fill: Mapping[str, Any]) -> VenueTrade:
        order = fill["order_id"]
        return VenueTrade(
            # As the stream of trade updates would name it: its ids of executions are others than those of activities.
            trade=f"{order}:{fill['cum_qty']}",
            order=self._client_of(order),
            sid=fill["symbol"],
            side="buy" if fill["side"] == "buy" else "sell",
            quantity=Decimal(fill["qty"]),
            price=Decimal(fill["price"]),
            ts=_nanoseconds(fill["transaction_time"]),
        )

    def _client_of(self, venue_order: str) -> str | None:
        """Return the client order id of an order; None where the venue knows it no more."""
        if venue_order not in self._clients:
            # The latest ones at once: after a restart there may be trades of many, and requests are counted.
            latest = self._requests.get("/v2/orders", "of the latest orders", status="all", limit=str(_ORDERS))
            self._clients |= {each["id"]: each["client_order_id"] for each in latest}
        if venue_order not in self._clients:
            try:
                found = self._requests.get(f"/v2/orders/{venue_order}", f"of the order {venue_order}")
            except Refused as refused:
                if refused.status == 404:
                    return None
                raise
            self._clients[venue_order] = found["client_order_id"]
        return self._clients[venue_order]

    def account(self) -> VenueAccount:
        """Return what the account holds.

        Raises:
            VenueUnavailable: it does not answer.
        """
        as_of = time.time_ns()
        account = self._requests.get("/v2/account", "of the account")
        positions = self._requests.get("/v2/positions", "of positions")
        return VenueAccount(
            cash={str(account.get("currency", "USD")): Decimal(account["cash"])},
            positions={each["symbol"]: Decimal(each["qty"]) for each in positions},
            as_of=as_of,
        )

    def listen(self, tell: Callable[[], None]) -> None:
        """Call a function at each update of the account's orders, from a thread of its own."""
        address = self._url.replace("http", "ws", 1) + "/stream"
        self._updates = Updates(address, key=self._params.key, secret=self._params.secret, tell=tell)
        self._updates.start()

    def clock(self) -> int:
        """Return the venue's time, nanoseconds UTC.

        Raises:
            VenueUnavailable: it does not answer.
        """
        return _nanoseconds(self._requests.get("/v2/clock", "of the clock")["timestamp"])


def _asked(order: Mapping[str, Any]) -> dict[str, Any]:
    """Return a decision as the venue takes it; a fraction of a share is good for a day at most."""
    kind = order.get("order", "market")
    whole = Decimal(order["quantity"]) == Decimal(order["quantity"]).to_integral_value()
    tif = order.get("tif", "gtc")
    asked = {
        "symbol": order["sid"],
        "side": order["side"],
        "type": _KINDS[kind],
        "qty": order["quantity"],
        "time_in_force": tif if whole else "day",
        "client_order_id": order["id"],
    }
    if "limit" in order:
        asked["limit_price"] = _price(order["limit"])
    if "stop" in order:
        asked["stop_price"] = _price(order["stop"])
    return asked


def _price(price: float) -> str:
    return format(Decimal(str(price)), "f")


def _nanoseconds(text: str) -> int:
    """Return a time in RFC 3339 with up to nine decimals, in nanoseconds UTC."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise VenueUnavailable("of a time", f"{text!r:.40} is none")
    moment, decimals, zone = found.groups()
    return int(datetime.fromisoformat(moment + zone).timestamp()) * 10**9 + int((decimals or "0").ljust(9, "0"))
