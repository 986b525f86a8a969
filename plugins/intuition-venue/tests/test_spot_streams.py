"""The spot interface's websockets: the user's data, the websocket API, and the market."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import connect


class Calls:
    """The websocket API, as one client speaks it."""

    def __init__(self, spot: Any, socket: Any) -> None:
        self._spot = spot
        self._socket = socket
        self._number = 0

    def ask(self, method: str, *, signed: bool = False, **params: Any) -> Any:
        self._number += 1
        if signed:
            params |= {"apiKey": self._spot.venue.key, "timestamp": time.time_ns() // 1_000_000}
            params["signature"] = self._spot.sign("&".join(f"{name}={params[name]}" for name in sorted(params)))
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while (answer := json.loads(self._socket.recv(timeout=30))).get("id") != self._number:
            pass
        return answer

    def events(self, count: int) -> list[dict[str, Any]]:
        return [json.loads(self._socket.recv(timeout=30))["event"] for _ in range(count)]


@contextmanager
def calling(spot: Any) -> Iterator[Calls]:
    with connect(f"{spot.venue.websocket}/ws-api/v3") as socket:
        yield Calls(spot, socket)


def test_the_user_is_told_of_each_step_of_an_order(spot: Any) -> None:
    with calling(spot) as calls:
        assert calls.ask("userDataStream.subscribe.signature", signed=True)["result"] == {"subscriptionId": 0}
        spot.order(newClientOrderId="mine")
        spot.venue.tell("price", {"symbol": "BTCUSDT", "price": "58999", "size": "0.04"})
        cancel = spot.ask("DELETE", "order", symbol="BTCUSDT", origClientOrderId="mine").json()["clientOrderId"]
        events = calls.events(6)
        reports = [event for event in events if event["e"] == "executionReport"]
        assert [(report["x"], report["X"]) for report in reports] == [
            ("NEW", "NEW"),
            ("TRADE", "PARTIALLY_FILLED"),
            ("CANCELED", "CANCELED"),
        ]
        trade = reports[1]
        assert (trade["c"], trade["t"], trade["l"], trade["z"], trade["L"]) == (
            "mine",
            1,
            "0.04000000",
            "0.04000000",
            "59000.00000000",
        )
        assert (trade["n"], trade["N"], trade["m"]) == ("0.00004000", "BTC", True)
        assert (reports[2]["c"], reports[2]["C"]) == (cancel, "mine")
        balances = {row["a"]: (row["f"], row["l"]) for row in events[-1]["B"]}
        assert balances == {"BTC": ("1.03996000", "0.00000000"), "USDT": ("97640.00000000", "0.00000000")}


def test_the_user_is_told_of_transfers_lists_and_triggers(spot: Any) -> None:
    with calling(spot) as calls:
        calls.ask("userDataStream.subscribe.signature", signed=True)
        spot.venue.tell("transfer", {"asset": "USDT", "amount": "-5"})
        assert [(event["e"], event.get("d")) for event in calls.events(2)] == [
            ("balanceUpdate", "-5"),
            ("outboundAccountPosition", None),
        ]
        legs = {"price": "61000", "stopPrice": "59000"}
        spot.ask("POST", "order/oco", symbol="BTCUSDT", side="SELL", quantity="0.5", **legs)
        placed = [event["e"] for event in calls.events(6)]
        assert placed.count("listStatus") == placed.count("executionReport") == 2
        spot.venue.tell("price", {"symbol": "BTCUSDT", "price": "58000"})
        reports = [event for event in calls.events(7) if event["e"] == "executionReport"]
        assert [(report["o"], report["x"], report["w"]) for report in reports] == [
            ("STOP_LOSS", "NEW", True),
            ("LIMIT_MAKER", "EXPIRED", False),
            ("STOP_LOSS", "TRADE", False),
        ]


def test_the_user_is_told_nothing_without_a_signature(spot: Any) -> None:
    with calling(spot) as calls:
        refused = calls.ask("userDataStream.subscribe.signature", apiKey=spot.venue.key, timestamp=1, signature="0")
        assert (refused["status"], refused["error"]["code"]) == (400, -1022)
        assert calls.ask("userDataStream.start")["error"]["code"] == -1000
        calls.ask("userDataStream.subscribe.signature", signed=True)
        calls.ask("userDataStream.unsubscribe")
        spot.order()
        assert calls.ask("ping")["result"] == {}


def test_orders_are_placed_over_the_websocket(spot: Any) -> None:
    with calling(spot) as calls:
        wanted = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1"}
        placed = calls.ask("order.place", signed=True, **wanted, price="59000", newClientOrderId="a/b:c")
        assert (placed["status"], placed["result"]["clientOrderId"]) == (200, "a/b:c")
        assert {row["rateLimitType"] for row in placed["rateLimits"]} == {"REQUEST_WEIGHT", "ORDERS"}
        number = placed["result"]["orderId"]
        assert calls.ask("order.status", signed=True, symbol="BTCUSDT", orderId=number)["result"]["status"] == "NEW"
        gone = calls.ask("order.cancel", signed=True, symbol="BTCUSDT", orderId=number)
        assert gone["result"]["status"] == "CANCELED"
        again = calls.ask("order.cancel", signed=True, symbol="BTCUSDT", orderId=number)
        assert (again["status"], again["error"]["code"]) == (400, -2011)


def test_the_market_is_pushed_by_name(spot: Any) -> None:
    names = ["btcusdt@trade", "btcusdt@bookTicker", "btcusdt@kline_1m", "btcusdt@depth5", "btcusdt@aggTrade"]
    with connect(f"{spot.venue.websocket}/stream?streams={'/'.join(names)}") as socket:
        spot.venue.tell("price", {"symbol": "ETHUSDT", "price": "3100"})
        spot.venue.tell("price", {"symbol": "BTCUSDT", "price": "60500"})
        told = dict(json.loads(socket.recv(timeout=30)).values() for _ in names)
        assert list(told) == names
        assert (told["btcusdt@trade"]["p"], told["btcusdt@bookTicker"]["b"]) == ("60500.00000000", "60499.99000000")
        assert told["btcusdt@kline_1m"]["k"]["c"] == "60500.00000000"
        assert told["btcusdt@depth5"]["asks"][0][0] == "60500.01000000"


def test_streams_are_chosen_while_one_is_connected(spot: Any) -> None:
    with connect(f"{spot.venue.websocket}/ws/ethusdt@trade") as socket:

        def ask(method: str, *names: str) -> Any:
            socket.send(json.dumps({"method": method, "params": list(names), "id": 7}))
            return json.loads(socket.recv(timeout=30))

        assert ask("SUBSCRIBE", "btcusdt@trade") == {"result": None, "id": 7}
        assert ask("UNSUBSCRIBE", "ethusdt@trade") == {"result": None, "id": 7}
        assert ask("LIST_SUBSCRIPTIONS")["result"] == ["btcusdt@trade"]
        assert ask("DANCE")["error"]["code"] == 2
        for symbol in ("ETHUSDT", "BTCUSDT"):
            spot.venue.tell("price", {"symbol": symbol, "price": "2000"})
        assert json.loads(socket.recv(timeout=30))["s"] == "BTCUSDT"
