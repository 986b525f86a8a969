"""The spot interface's websockets: market streams, the websocket API, and the user's data on it."""

from collections.abc import Mapping
from typing import Any, Final, NoReturn

from aiohttp import web

from intuition_venue.exchange import Event
from intuition_venue.faults import Fault
from intuition_venue.orders import Order, Trade
from intuition_venue.spot.api import Api, _as_text
from intuition_venue.spot.errors import SpotError
from intuition_venue.spot.market import INTERVALS, bar_json, print_json, sum_json
from intuition_venue.spot.shapes import amount, kind_of, list_id, list_json, quantity_of, status_of
from intuition_venue.streams import Stream
from intuition_venue.tape import Print
from intuition_venue.venue import ACCOUNT, Venue

_EXECUTIONS: Final = {
    "placed": "NEW",
    "triggered": "NEW",
    "activated": "NEW",
    "filled": "TRADE",
}
_ENDS: Final = {"cancelled": "CANCELED", "expired": "EXPIRED", "replaced": "REPLACED"}
_BAR_KEYS: Final = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")


class UserData:
    """What the account is told of its orders and balances."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self.subscribers: dict[tuple[Stream, int], None] = {}

    def hear(self, event: Event) -> None:
        """Tell the subscribers what an event means for the account."""
        if not self.subscribers:
            return
        for message in self._messages(event):
            for stream, number in self.subscribers:
                stream.send({"subscriptionId": number, "event": message})

    def forget(self, stream: Stream) -> None:
        """Unsubscribe a stream."""
        self.subscribers = {key: None for key in self.subscribers if key[0] is not stream}

    def _messages(self, event: Event) -> list[dict[str, Any]]:
        entry, order, now = event.entry, event.order, self._venue.clock.milliseconds()
        if entry["type"] == "transferred":
            moved = {"e": "balanceUpdate", "E": now, "a": entry["asset"], "d": entry["amount"], "T": now}
            return [moved, self._position([entry["asset"]], now)]
        if order is None or order.account != ACCOUNT:
            return []
        instrument = self._venue.exchange.state.instruments[order.symbol]
        assets = [instrument.base, instrument.quote]
        if event.trade is not None and event.trade.fee_asset not in assets:
            assets.append(event.trade.fee_asset)
        position = self._position(assets, now)
        execution = _EXECUTIONS.get(entry["type"]) or (_ENDS.get(order.status) if entry["type"] == "ended" else None)
        if execution is None:
            return [position]
        messages = [execution_json(event, order, execution, now)]
        if order.group is not None and entry["type"] in {"placed", "ended"}:
            messages.append(self._list_status(order.group, now))
        return [*messages, position]

    def _position(self, assets: list[str], now: int) -> dict[str, Any]:
        account = self._venue.exchange.state.accounts[ACCOUNT]
        rows = [{"a": name, "f": amount(account.free(name)), "l": amount(account.locked[name])} for name in assets]
        return {"e": "outboundAccountPosition", "E": now, "u": now, "B": rows}

    def _list_status(self, group: int, now: int) -> dict[str, Any]:
        told = list_json(self._venue.exchange.state, group, now)
        return {
            "e": "listStatus",
            "E": now,
            "s": told["symbol"],
            "g": group,
            "c": told["contingencyType"],
            "l": told["listStatusType"],
            "L": told["listOrderStatus"],
            "r": "NONE",
            "C": told["listClientOrderId"],
            "T": now,
            "O": [{"s": row["symbol"], "i": row["orderId"], "c": row["clientOrderId"]} for row in told["orders"]],
        }


def execution_json(event: Event, order: Order, execution: str, now: int) -> dict[str, Any]:
    """Return the report of what has become of an order; times are in milliseconds."""
    trade: Trade | None = event.trade
    cancel_id = event.entry.get("cancel_id")
    return {
        "e": "executionReport",
        "E": now,
        "s": order.symbol,
        "c": cancel_id or order.client_id,
        "S": order.side.upper(),
        "o": kind_of(order),
        "f": order.tif.upper(),
        "q": amount(quantity_of(order)),
        "p": amount(order.price),
        "P": amount(order.stop),
        "F": amount(None),
        "g": list_id(order),
        "C": order.client_id if cancel_id else "",
        "x": execution,
        "X": status_of(order),
        "r": "NONE",
        "i": order.id,
        "l": amount(trade.quantity if trade else None),
        "z": amount(order.filled),
        "L": amount(trade.price if trade else None),
        "n": amount(trade.fee) if trade else "0",
        "N": trade.fee_asset if trade else None,
        "T": event.entry["time"] // 1_000_000,
        "t": trade.id if trade else -1,
        "I": event.entry["n"],
        "w": order.status == "working",
        "m": trade.maker if trade else False,
        "M": False,
        "O": order.created // 1_000_000,
        "Z": amount(order.spent),
        "Y": amount(trade.cost if trade else None),
        "Q": amount(order.amount),
        "W": order.created // 1_000_000,
        "V": "NONE",
    }


class MarketStreams:
    """Who is told which of the market's streams."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._wanted: dict[Stream, dict[str, None]] = {}
        self._wrapped: set[Stream] = set()

    def add(self, stream: Stream, names: list[str], *, wrapped: bool) -> None:
        """Subscribe a stream to names such as `btcusdt@trade`; with `wrapped`, each message has its name."""
        self._wanted.setdefault(stream, {}).update(dict.fromkeys(names))
        if wrapped:
            self._wrapped.add(stream)

    def remove(self, stream: Stream, names: list[str]) -> None:
        """Unsubscribe a stream from names."""
        for name in names:
            self._wanted.get(stream, {}).pop(name, None)

    def names(self, stream: Stream) -> list[str]:
        """Return what a stream is told of."""
        return list(self._wanted.get(stream, ()))

    def forget(self, stream: Stream) -> None:
        """Unsubscribe a stream."""
        self._wanted.pop(stream, None)
        self._wrapped.discard(stream)

    def hear(self, event: Event, made: Print | None) -> None:
        """Tell of a print, and of the book and the bars that follow."""
        if made is None or not self._wanted:
            return
        lower, told = made.symbol.lower(), dict[str, Any]()
        for stream, names in self._wanted.items():
            for name in names:
                if not name.startswith(f"{lower}@"):
                    continue
                if name not in told:
                    told[name] = self._message(name.partition("@")[2], made, event)
                if told[name] is not None:
                    message = {"stream": name, "data": told[name]} if stream in self._wrapped else told[name]
                    stream.send(message)

    def _message(self, kind: str, made: Print, event: Event) -> dict[str, Any] | None:
        market, now = self._api.market, self._api.venue.clock.milliseconds()
        kind = kind.partition("@")[0]
        head = {"E": now, "s": made.symbol}
        if kind == "trade":
            row = print_json(made)
            figures = {"t": row["id"], "p": row["price"], "q": row["qty"], "T": row["time"]}
            return {"e": "trade", **head, **figures, "m": made.sold, "M": True}
        if kind == "aggTrade":
            return {"e": "aggTrade", **head, **sum_json(made)}
        if kind == "bookTicker":
            best = market.best_of(made.symbol)
            keys = {"b": "bidPrice", "B": "bidQty", "a": "askPrice", "A": "askQty"}
            return {"u": event.entry["n"], "s": made.symbol, **{key: best[name] for key, name in keys.items()}}
        if kind.startswith("kline_") and (length := INTERVALS.get(kind.removeprefix("kline_"))) is not None:
            bar = self._api.venue.tape.bars(made.symbol, length, made.at - made.at % length, None)[-1]
            row = dict(zip(_BAR_KEYS, bar_json(bar, length), strict=True))
            span = {"s": made.symbol, "i": kind.removeprefix("kline_"), "f": 1, "L": made.id, "x": False}
            return {"e": "kline", **head, "k": row | span}
        if kind.startswith("depth") and kind.removeprefix("depth").isdigit():
            return market.depth_of(made.symbol, int(kind.removeprefix("depth")))
        if kind == "depth":
            number, levels = event.entry["n"], market.depth_of(made.symbol, 1000)
            return {"e": "depthUpdate", **head, "U": number, "u": number, "b": levels["bids"], "a": levels["asks"]}
        return None


class Sockets:
    """The websockets' doors."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._venue = api.venue
        self.user = UserData(api.venue)
        self.market = MarketStreams(api)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of all websockets."""
        return [
            web.get("/ws-api/v3", self._calls),
            web.get("/ws", self._streams),
            web.get("/ws/{names:.*}", self._streams),
            web.get("/stream", self._streams),
        ]

    async def _streams(self, request: web.Request) -> web.StreamResponse:
        wrapped = request.path == "/stream"
        named = request.query.get("streams", "") if wrapped else request.match_info.get("names", "")
        names = [name for name in named.split("/") if "@" in name]
        with self._venue.streams.opened(request, "market") as stream:
            self.market.add(stream, names, wrapped=wrapped)
            try:
                return await stream.run(lambda message: self._manage(stream, message, wrapped=wrapped))
            finally:
                self.market.forget(stream)

    def _manage(self, stream: Stream, message: Any, *, wrapped: bool) -> None:
        if not isinstance(message, dict):
            return
        given = message.get("params")
        names = [str(name) for name in given] if isinstance(given, list) else []
        result = None
        match message.get("method"):
            case "SUBSCRIBE":
                self.market.add(stream, names, wrapped=wrapped)
            case "UNSUBSCRIBE":
                self.market.remove(stream, names)
            case "LIST_SUBSCRIPTIONS":
                result = self.market.names(stream)
            case unknown:
                error = {"code": 2, "msg": f"Invalid request: unknown variant {unknown}", "id": message.get("id")}
                stream.send({"error": error}, faultless=True)
                return
        stream.send({"result": result, "id": message.get("id")}, faultless=True)

    async def _calls(self, request: web.Request) -> web.StreamResponse:
        with self._venue.streams.opened(request, "user") as stream:
            try:
                return await stream.run(lambda message: self._call(stream, message))
            finally:
                self.user.forget(stream)

    def _call(self, stream: Stream, message: Any) -> None:
        if not isinstance(message, dict) or not isinstance(message.get("method"), str):
            return
        method, number = message["method"], message.get("id")
        fault = self._venue.faults.strike(f"api {method}")
        if fault is not None and not fault.acted and fault.do != "twice":
            self._fail(stream, fault, number)
            return
        params = message.get("params")
        answer = {"id": number, **self._answer(stream, method, params if isinstance(params, dict) else {})}
        if fault is not None and fault.do != "twice":
            self._fail(stream, fault, number)
            return
        for _ in range(1 if fault is None else 2):
            stream.send(answer, faultless=True)

    def _fail(self, stream: Stream, fault: Fault, number: Any) -> None:
        """Do what a fault does in place of an answer; with `hang` that is nothing."""
        if fault.do == "lose":
            stream.abort()
        elif fault.do == "status":
            error = {"code": -1000, "msg": "An unknown error occurred while processing the request."}
            stream.send({"id": number, "status": fault.status, "error": error}, faultless=True)

    def _answer(self, stream: Stream, method: str, params: dict[str, Any]) -> dict[str, Any]:
        try:
            if method == "userDataStream.subscribe.signature":
                self._api.check_signed({name: _as_text(value) for name, value in params.items()})
                number = sum(1 for known, _ in self.user.subscribers if known is stream)
                self.user.subscribers[stream, number] = None
                result: Any = {"subscriptionId": number}
            elif method == "userDataStream.unsubscribe":
                self.user.forget(stream)
                result = {}
            elif self._api.knows(method):
                result = self._api.call(method, params)
            else:
                unknown(method)
        except SpotError as error:
            told = {"status": error.status, "error": error.told()}
        else:
            told = {"status": 200, "result": result}
        return told | {"rateLimits": self._api.weights.told(self._venue.clock.milliseconds())}


def unknown(method: str) -> NoReturn:
    """Raise the error of a method that there is not."""
    raise SpotError(-1000, f"Unknown method {method}.")


class Spot:
    """The whole shape: REST and websockets of one venue."""

    places: Mapping[str, tuple[str, str]] = {
        "REST": ("http", "/api/v3"),
        "websocket API and user data": ("ws", "/ws-api/v3"),
        "market streams": ("ws", "/ws"),
    }

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._api = Api(venue)
        self._sockets = Sockets(self._api)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the shape."""
        return [*self._api.routes(), *self._sockets.routes()]

    def listen(self) -> None:
        """Hear the exchange, also after a restart."""
        self._venue.listeners.append(self._hear)

    def set_limits(self, limits: dict[str, int]) -> None:
        """Set how much clients may ask.

        Raises:
            BadSetting: a limit that there is not.
        """
        self._api.weights.set(limits)

    def _hear(self, event: Event, made: Print | None) -> None:
        self._sockets.user.hear(event)
        self._sockets.market.hear(event, made)
