"""The stocks interface's websockets: updates of the account's orders, and market data."""

from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from intuition_venue.exchange import Event
from intuition_venue.stocks.api import Api, authorised
from intuition_venue.stocks.data import bar_json, quote_json, trade_json
from intuition_venue.stocks.shapes import identity, moment, order_json, plain
from intuition_venue.streams import Stream
from intuition_venue.tape import MINUTE, Print
from intuition_venue.venue import ACCOUNT, Venue

_UPDATES: Final = {
    "placed": "new",
    "activated": "new",
    "triggered": "new",
    "resized": "restated",
    "busted": "trade_bust",
    "cancelling": "pending_cancel",
}
_ENDS: Final = {"cancelled": "canceled", "expired": "expired", "replaced": "replaced", "filled": "fill"}
_KINDS: Final = {"trades": "t", "quotes": "q", "bars": "b"}


def update_json(venue: Venue, event: Event) -> dict[str, Any] | None:
    """Return what the account is told of an event, or None where it is told nothing."""
    entry, order, trade = event.entry, event.order, event.trade
    if order is None or order.account != ACCOUNT:
        return None
    state, kind = venue.exchange.state, _UPDATES.get(entry["type"])
    if entry["type"] == "filled":
        kind = "fill" if order.status == "filled" else "partial_fill"
    elif entry["type"] == "ended":
        kind = _ENDS[order.status]
    if kind is None:
        return None
    told = {
        "event": kind,
        "event_id": identity(state, "event", entry["n"]),
        "timestamp": moment(entry["time"]),
        "order": order_json(state, order),
    }
    if trade is not None:
        instrument = state.instruments[order.symbol]
        held = state.accounts[ACCOUNT].total[instrument.base]
        told |= {
            "execution_id": identity(state, "execution", trade.symbol, trade.id),
            "price": plain(trade.price),
            "qty": plain(trade.quantity),
            "position_qty": plain(held),
        }
    else:
        told["execution_id"] = identity(state, "execution", "event", entry["n"])
    return told


class Sockets:
    """The websockets' doors, and who is told what."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._account: dict[Stream, bool] = {}
        self._data: dict[Stream, dict[str, set[str]]] = {}
        self._minutes: dict[str, int] = {}

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of all websockets."""
        return [
            web.get("/stream", self._updates),
            web.get("/v2/iex", self._market),
            web.get("/v2/sip", self._market),
        ]

    def hear(self, event: Event, made: Print | None) -> None:
        """Tell of an event what it means for the account and the market."""
        listening = [stream for stream, listens in self._account.items() if listens]
        if listening and (update := update_json(self._venue, event)) is not None:
            for stream in listening:
                stream.send({"stream": "trade_updates", "data": update})
        if made is not None:
            self._tell_market(event, made)

    async def _updates(self, request: web.Request) -> web.StreamResponse:
        with self._venue.streams.opened(request, "user", binary=True) as stream:
            try:
                return await stream.run(lambda message: self._hear_account(stream, message))
            finally:
                self._account.pop(stream, None)

    def _hear_account(self, stream: Stream, message: Any) -> None:
        if not isinstance(message, dict):
            return
        inner = message.get("data")
        data = inner if isinstance(inner, dict) else message
        match message.get("action"):
            case "auth" | "authenticate":
                key, secret = (
                    data.get(one) or data.get(other) for one, other in (("key", "key_id"), ("secret", "secret_key"))
                )
                right = authorised(self._venue.settings, key, secret)
                if right:
                    self._account.setdefault(stream, False)
                told = {"status": "authorized" if right else "unauthorized", "action": "authenticate"}
                stream.send({"stream": "authorization", "data": told}, faultless=True)
            case "listen" if stream in self._account:
                asked = data.get("streams")
                streams = [name for name in asked if name == "trade_updates"] if isinstance(asked, list) else []
                self._account[stream] = bool(streams)
                stream.send({"stream": "listening", "data": {"streams": streams}}, faultless=True)
            case "listen":
                told = {"status": "unauthorized", "action": "listen"}
                stream.send({"stream": "authorization", "data": told}, faultless=True)

    async def _market(self, request: web.Request) -> web.StreamResponse:
        with self._venue.streams.opened(request, "market") as stream:
            stream.send([{"T": "success", "msg": "connected"}], faultless=True)
            try:
                return await stream.run(lambda message: self._hear_market(stream, message))
            finally:
                self._data.pop(stream, None)

    def _hear_market(self, stream: Stream, message: Any) -> None:
        if not isinstance(message, dict):
            return
        action = message.get("action")
        if action == "auth":
            if authorised(self._venue.settings, message.get("key"), message.get("secret")):
                self._data.setdefault(stream, {kind: set() for kind in _KINDS})
                stream.send([{"T": "success", "msg": "authenticated"}], faultless=True)
            else:
                stream.send([{"T": "error", "code": 402, "msg": "auth failed"}], faultless=True)
        elif stream not in self._data:
            stream.send([{"T": "error", "code": 401, "msg": "not authenticated"}], faultless=True)
        elif action in {"subscribe", "unsubscribe"}:
            wanted = self._data[stream]
            for kind, symbols in wanted.items():
                asked = message.get(kind)
                named = {str(name) for name in asked} if isinstance(asked, list) else set()
                (symbols.update if action == "subscribe" else symbols.difference_update)(named)
            told = {kind: sorted(symbols) for kind, symbols in wanted.items()}
            stream.send([{"T": "subscription", **told}], faultless=True)
        else:
            stream.send([{"T": "error", "code": 400, "msg": "invalid syntax"}], faultless=True)

    def _tell_market(self, event: Event, made: Print) -> None:
        symbol, tape = made.symbol, self._venue.tape
        minute, told = made.at - made.at % MINUTE, [("trades", trade_json(made))]
        if event.entry["type"] == "price":
            told.append(("quotes", quote_json(tape.quotes[symbol][-1])))
        before = self._minutes.get(symbol)
        if before is not None and before < minute and (bars := tape.bars(symbol, MINUTE, before, before)):
            told.append(("bars", bar_json(bars[0])))
        self._minutes[symbol] = minute
        for stream, wanted in self._data.items():
            for kind, row in told:
                if symbol in wanted[kind] or "*" in wanted[kind]:
                    stream.send([{"T": _KINDS[kind], "S": symbol, **row}])


class Stocks:
    """The whole shape: REST and websockets of one venue."""

    places: Mapping[str, tuple[str, str]] = {
        "trading": ("http", "/v2"),
        "trade updates": ("ws", "/stream"),
        "market data": ("http", "/v2/stocks"),
        "market data stream": ("ws", "/v2/iex"),
    }

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._api = Api(venue)
        self._sockets = Sockets(venue)

    def routes(self) -> list[web.RouteDef]:
        """Return the routes of the shape."""
        return [*self._api.routes(), *self._sockets.routes()]

    def listen(self) -> None:
        """Hear the exchange, also after a restart."""
        self._venue.listeners.append(self._sockets.hear)

    def set_limits(self, limits: dict[str, int]) -> None:
        """Set how much clients may ask.

        Raises:
            BadSetting: a limit that there is not.
        """
        self._api.set_limits(limits)
