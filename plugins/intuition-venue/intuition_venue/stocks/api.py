"""The stocks interface's requests over REST: keys, the limit, and who answers what."""

import hmac
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from intuition_venue.errors import BadSetting
from intuition_venue.limits import Window
from intuition_venue.stocks.data import KINDS, Data
from intuition_venue.stocks.errors import StocksError, not_found
from intuition_venue.stocks.trading import Trading
from intuition_venue.venue import Settings, Venue

Act = Callable[[web.Request, Mapping[str, Any]], Any]


def authorised(settings: Settings, key: object, secret: object) -> bool:
    """Return whether a key and a secret are the account's."""
    pairs = ((key, settings.key), (secret, settings.secret))
    right = [hmac.compare_digest(str(given).encode(), wanted.encode()) for given, wanted in pairs]
    return all(right)


class Api:
    """Answers requests over REST."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._window = Window(60, 200)
        self._trading = Trading(venue)
        self._data = Data(venue)

    def set_limits(self, limits: dict[str, int]) -> None:
        """Set `requests`, how many a minute are answered.

        Raises:
            BadSetting: a limit that there is not.
        """
        if unknown := limits.keys() - {"requests"}:
            raise BadSetting("limits", f"there is no {', '.join(unknown)}; there is requests")
        self._window.limit = limits.get("requests", self._window.limit)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of all requests."""
        trading = self._trading
        plain = {
            "account": trading.account,
            "orders": trading.orders,
            "orders:by_client_order_id": trading.by_client_id,
            "positions": trading.positions,
            "account/activities/FILL": trading.activities,
            "account/activities": trading.activities,
            "assets": trading.assets,
            "clock": trading.clock,
        }
        found = [self._route("GET", f"/v2/{path}", _of_query(act)) for path, act in plain.items()]
        named = {"orders": trading.order, "positions": trading.position, "assets": trading.asset}
        found += [self._route("GET", f"/v2/{path}/{{name}}", _of_name(act)) for path, act in named.items()]
        return [
            *found,
            self._route("POST", "/v2/orders", lambda _, body: trading.place(body)),
            self._route("PATCH", "/v2/orders/{name}", lambda request, body: trading.replace(_name(request), body)),
            self._route("DELETE", "/v2/orders/{name}", lambda request, _: trading.cancel(_name(request)), status=204),
            self._route("DELETE", "/v2/orders", lambda *_: trading.cancel_all(), status=207),
            self._route("DELETE", "/v2/positions/{name}", _of_name(trading.close)),
            self._route("DELETE", "/v2/positions", _of_query(trading.close_all), status=207),
            *self._data_routes(),
        ]

    def _data_routes(self) -> list[web.RouteDef]:
        found = [
            self._route("GET", "/v2/stocks/snapshots", lambda request, _: self._snapshots(request)),
            self._route("GET", "/v2/stocks/{name}/snapshot", lambda request, _: self._snapshot(_name(request))),
        ]
        for kind in KINDS:
            found += [
                self._route("GET", f"/v2/stocks/{kind}/latest", self._latest(kind)),
                self._route("GET", f"/v2/stocks/{kind}", self._several(kind)),
                self._route("GET", f"/v2/stocks/{{name}}/{kind}/latest", self._latest_of(kind)),
                self._route("GET", f"/v2/stocks/{{name}}/{kind}", self._one(kind)),
            ]
        return found

    def _several(self, kind: str) -> Act:
        return lambda request, _: self._data.several(kind, request.query)

    def _one(self, kind: str) -> Act:
        return lambda request, _: self._data.one(kind, _name(request), request.query)

    def _latest(self, kind: str) -> Act:
        return lambda request, _: {kind: self._data.latest(kind, self._data.known(_symbols(request)))}

    def _latest_of(self, kind: str) -> Act:
        def act(request: web.Request, _: Mapping[str, Any]) -> Any:
            symbol = _name(request)
            found = self._data.latest(kind, self._data.known([symbol]))
            if symbol not in found:
                raise not_found(f"no {kind} found for {symbol}")
            return {"symbol": symbol, kind.removesuffix("s"): found[symbol]}

        return act

    def _snapshots(self, request: web.Request) -> Any:
        return {symbol: self._data.snapshot(symbol) for symbol in self._data.known(_symbols(request))}

    def _snapshot(self, symbol: str) -> Any:
        if not self._data.known([symbol]):
            raise not_found(f"no snapshot found for {symbol}")
        return {"symbol": symbol, **self._data.snapshot(symbol)}

    def _route(self, method: str, path: str, act: Act, *, status: int = 200) -> web.RouteDef:
        async def answer(request: web.Request) -> web.Response:
            now = self._venue.clock.milliseconds()
            data = await request.read()
            try:
                self._admit(request, now)
                told, code = act(request, _body(data)), status
            except StocksError as error:
                told, code = error.told(), error.status
            content = b"" if code == 204 else msgspec.json.encode(told)
            headers = self._headers(now)
            return web.Response(body=content, status=code, headers=headers, content_type="application/json")

        return web.route(method, path, answer)

    def _admit(self, request: web.Request, now: int) -> None:
        if not self._window.add(1, now):
            raise StocksError(429, 42910000, "rate limit exceeded")
        given = (request.headers.get(name, "") for name in ("APCA-API-KEY-ID", "APCA-API-SECRET-KEY"))
        if not authorised(self._venue.settings, *given):
            raise StocksError(401, 40110000, "request is not authorized")

    def _headers(self, now: int) -> dict[str, str]:
        window = self._window
        left = max(0, window.limit - window.look(now))
        reset = now // 1000 + window.left(now)
        figures = {"Limit": window.limit, "Remaining": left, "Reset": reset}
        return {f"X-RateLimit-{name}": str(value) for name, value in figures.items()}


def _body(data: bytes) -> Mapping[str, Any]:
    if not data:
        return {}
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        found = None
    if not isinstance(found, dict):
        raise StocksError(400, 40010000, "request body format is invalid")
    return found


def _name(request: web.Request) -> str:
    return request.match_info["name"]


def _symbols(request: web.Request) -> list[str]:
    return [name for name in request.query.get("symbols", "").split(",") if name]


def _of_query(act: Callable[[Mapping[str, str]], Any]) -> Act:
    return lambda request, _: act(request.query)


def _of_name(act: Callable[[str, Mapping[str, str]], Any]) -> Act:
    return lambda request, _: act(_name(request), request.query)
