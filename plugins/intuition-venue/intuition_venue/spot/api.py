"""The spot interface's requests: what each costs and needs, over REST and over the websocket API."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import msgspec
from aiohttp import web

from intuition_venue.spot.errors import SpotError
from intuition_venue.spot.lists import Lists
from intuition_venue.spot.market import Market
from intuition_venue.spot.params import Params
from intuition_venue.spot.signing import check_key, check_signature, check_time, without_signature
from intuition_venue.spot.trading import Trading
from intuition_venue.spot.weights import Weights
from intuition_venue.venue import Venue


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A request: what answers it, its weight, how many orders it places, and whether it must be signed."""

    act: Callable[[Params], Any]
    weight: int = 1
    signed: bool = False
    orders: int = 0


_NOTHING_THERE: Final = {
    "/sapi/v1/capital/config/getall": [],
    "/sapi/v1/margin/allPairs": [],
    "/sapi/v1/margin/isolated/allPairs": [],
    "/sapi/v1/asset/tradeFee": [],
    "/fapi/v1/exchangeInfo": {"symbols": []},
    "/dapi/v1/exchangeInfo": {"symbols": []},
}
"""What clients ask of a venue that has more than a spot market, and the answer of one that has not."""


_METHODS: Final = {
    "ping": ("GET", "ping"),
    "time": ("GET", "time"),
    "exchangeInfo": ("GET", "exchangeInfo"),
    "depth": ("GET", "depth"),
    "trades.recent": ("GET", "trades"),
    "klines": ("GET", "klines"),
    "ticker.price": ("GET", "ticker/price"),
    "ticker.book": ("GET", "ticker/bookTicker"),
    "ticker.24hr": ("GET", "ticker/24hr"),
    "account.status": ("GET", "account"),
    "openOrders.status": ("GET", "openOrders"),
    "openOrders.cancelAll": ("DELETE", "openOrders"),
    "allOrders": ("GET", "allOrders"),
    "myTrades": ("GET", "myTrades"),
    "order.status": ("GET", "order"),
    "order.place": ("POST", "order"),
    "order.test": ("POST", "order/test"),
    "order.cancel": ("DELETE", "order"),
    "order.cancelReplace": ("POST", "order/cancelReplace"),
    "orderList.place.oco": ("POST", "orderList/oco"),
    "orderList.place.oto": ("POST", "orderList/oto"),
    "orderList.place.otoco": ("POST", "orderList/otoco"),
    "orderList.status": ("GET", "orderList"),
    "orderList.cancel": ("DELETE", "orderList"),
}
"""The methods of the websocket API, and the REST request that each is."""


class Api:
    """Answers requests, over REST and as `call` of the websocket API."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self.weights = Weights()
        self.market = Market(venue, self.weights)
        trading, lists, market = Trading(venue), Lists(venue), self.market
        self._rest = {
            ("GET", "ping"): Endpoint(market.ping),
            ("GET", "time"): Endpoint(market.time),
            ("GET", "exchangeInfo"): Endpoint(market.info, 20),
            ("GET", "depth"): Endpoint(market.depth, 5),
            ("GET", "trades"): Endpoint(market.trades, 25),
            ("GET", "historicalTrades"): Endpoint(market.trades, 25),
            ("GET", "aggTrades"): Endpoint(market.together, 4),
            ("GET", "klines"): Endpoint(market.bars, 2),
            ("GET", "uiKlines"): Endpoint(market.bars, 2),
            ("GET", "avgPrice"): Endpoint(market.average, 2),
            ("GET", "ticker/24hr"): Endpoint(market.day, 2),
            ("GET", "ticker/price"): Endpoint(market.price, 2),
            ("GET", "ticker/bookTicker"): Endpoint(market.best, 2),
            ("GET", "account"): Endpoint(trading.account, 20, signed=True),
            ("GET", "openOrders"): Endpoint(trading.open, 6, signed=True),
            ("GET", "allOrders"): Endpoint(trading.all, 20, signed=True),
            ("GET", "myTrades"): Endpoint(trading.trades, 20, signed=True),
            ("GET", "order"): Endpoint(trading.show, 4, signed=True),
            ("POST", "order"): Endpoint(trading.place, 1, signed=True, orders=1),
            ("POST", "order/test"): Endpoint(trading.test, 1, signed=True),
            ("DELETE", "order"): Endpoint(trading.cancel, 1, signed=True),
            ("DELETE", "openOrders"): Endpoint(trading.cancel_all, 1, signed=True),
            ("POST", "order/cancelReplace"): Endpoint(trading.replace, 1, signed=True, orders=1),
            ("POST", "order/oco"): Endpoint(lists.old_oco, 1, signed=True, orders=2),
            ("POST", "orderList/oco"): Endpoint(lists.oco, 1, signed=True, orders=2),
            ("POST", "orderList/oto"): Endpoint(lists.oto, 1, signed=True, orders=2),
            ("POST", "orderList/otoco"): Endpoint(lists.otoco, 1, signed=True, orders=3),
            ("GET", "orderList"): Endpoint(lists.show, 4, signed=True),
            ("GET", "allOrderList"): Endpoint(lists.all, 20, signed=True),
            ("GET", "openOrderList"): Endpoint(lists.open, 6, signed=True),
            ("DELETE", "orderList"): Endpoint(lists.cancel, 1, signed=True),
        }

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of all REST requests."""
        found = [
            web.route(method, f"/api/v3/{path}", self._answering(end)) for (method, path), end in self._rest.items()
        ]
        for path, answer in _NOTHING_THERE.items():
            found.append(web.get(path, self._answering(Endpoint(lambda _, answer=answer: answer))))  # type: ignore[misc]  # mypy infers no type for a default of a lambda
        return found

    def knows(self, method: str) -> bool:
        """Return whether the websocket API has a method."""
        return method in _METHODS

    def call(self, method: str, params: Mapping[str, Any]) -> Any:
        """Return the answer to a request over the websocket API.

        Raises:
            SpotError: it cannot be done.
        """
        end = self._rest[_METHODS[method]]
        self.weights.count(end.weight, end.orders, self.venue.clock.milliseconds())
        given = {name: _as_text(value) for name, value in params.items()}
        if end.signed:
            self.check_signed(given)
        return end.act(Params(given))

    def check_signed(self, given: Mapping[str, str]) -> None:
        """Raise SpotError unless the parameters of a websocket request are signed with the account's key."""
        settings = self.venue.settings
        check_key(given.get("apiKey"), settings.key)
        signed = "&".join(f"{name}={given[name]}" for name in sorted(given) if name != "signature")
        encoded = "&".join(
            f"{name}={quote(given[name], safe='~()*!')}" for name in sorted(given) if name != "signature"
        )
        try:
            check_signature(signed, given.get("signature"), settings.secret)
        except SpotError:
            check_signature(encoded, given.get("signature"), settings.secret)
        check_time(given, self.venue.clock.milliseconds())

    def _answering(self, end: Endpoint) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.Response:
            body = (await request.read()).decode("utf-8", "replace")
            now = self.venue.clock.milliseconds()
            try:
                self.weights.count(end.weight, end.orders, now)
                told, status, extra = end.act(self._params(request, body, end, now)), 200, dict[str, str]()
            except SpotError as error:
                told, status, extra = error.told(), error.status, error.headers
            headers = self.weights.headers(now, orders=bool(end.orders)) | extra
            content = msgspec.json.encode(told)
            return web.Response(body=content, status=status, headers=headers, content_type="application/json")

        return answer

    def _params(self, request: web.Request, body: str, end: Endpoint, now: int) -> Params:
        query = request.raw_path.partition("?")[2]
        given = dict(parse_qsl(body, keep_blank_values=True)) | dict(parse_qsl(query, keep_blank_values=True))
        if end.signed:
            settings = self.venue.settings
            check_key(request.headers.get("X-MBX-APIKEY"), settings.key)
            signed = without_signature(query) + without_signature(body)
            check_signature(signed, given.get("signature"), settings.secret)
            check_time(given, now)
        return Params(given)


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
