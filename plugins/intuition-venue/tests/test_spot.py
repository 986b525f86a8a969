"""The spot interface over REST: signatures, filters, orders, lists, limits."""

import time
from decimal import Decimal
from typing import Any

import pytest


def code(answer: Any) -> tuple[int, int]:
    return answer.status_code, answer.json().get("code", 0)


def test_a_request_has_to_be_signed_with_the_key_and_on_time(spot: Any) -> None:
    now = time.time_ns() // 1_000_000
    assert code(spot.ask("GET", "account"))[0] == 200
    assert code(spot.ask("GET", "account", at=now - 10_000)) == (400, -1021)
    assert code(spot.ask("GET", "account", at=now - 10_000, recvWindow=20_000))[0] == 200
    assert code(spot.ask("GET", "account", at=now + 5000)) == (400, -1021)
    assert code(spot.ask("GET", "account", recvWindow=60_001)) == (400, -1131)
    assert code(spot.http.get(f"/api/v3/account?timestamp={now}&signature={'0' * 64}")) == (400, -1022)
    assert code(spot.http.get(f"/api/v3/account?timestamp={now}")) == (400, -1102)
    assert code(spot.http.get("/api/v3/account", headers={"X-MBX-APIKEY": "another"})) == (401, -2015)
    assert code(spot.http.get("/api/v3/account", headers={"X-MBX-APIKEY": ""})) == (401, -2014)


def test_a_signature_counts_wherever_the_parameters_are(spot: Any) -> None:
    query, body = "symbol=BTCUSDT&side=BUY&type=MARKET", f"quantity=0.01&timestamp={time.time_ns() // 1_000_000}"
    signature = spot.sign(query + body)
    sent = spot.http.post(f"/api/v3/order?{query}", content=f"{body}&signature={signature}")
    assert sent.json()["status"] == "FILLED"


def test_a_skewed_clock_refuses_what_was_on_time(spot: Any) -> None:
    spot.venue.tell("clock", {"skew_ms": 20_000})
    assert code(spot.ask("GET", "account")) == (400, -1021)
    told = spot.http.get("/api/v3/time").json()["serverTime"]
    assert told - time.time_ns() // 1_000_000 > 15_000
    assert spot.ask("GET", "account", at=told).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "wanted"),
    [
        ({"price": "59000.001"}, (-1013, "Filter failure: PRICE_FILTER")),
        ({"quantity": "0.000001"}, (-1013, "Filter failure: LOT_SIZE")),
        ({"quantity": "0.00001", "price": "100"}, (-1013, "Filter failure: NOTIONAL")),
        ({"quantity": "100"}, (-2010, "Account has insufficient balance for requested action.")),
        ({"symbol": "NOPE"}, (-1121, "Invalid symbol.")),
        ({"type": "NOPE"}, (-1116, "Invalid orderType.")),
        ({"side": "NOPE"}, (-1117, "Invalid side.")),
        ({"timeInForce": "NOPE"}, (-1115, "Invalid timeInForce.")),
        ({"price": "0.000000001"}, (-1111, "Parameter 'price' has too much precision.")),
        ({"type": "LIMIT_MAKER", "price": "61000"}, (-2010, "Order would immediately match and take.")),
        ({"type": "STOP_LOSS", "stopPrice": "59000"}, (-2010, "Stop price would trigger immediately.")),
    ],
)
def test_what_is_wrong_with_an_order_is_said_with_its_code(spot: Any, wrong: dict[str, str], wanted: Any) -> None:
    if "type" in wrong:
        wrong = {"price": "59000", **wrong} if wrong["type"] != "STOP_LOSS" else wrong
    answer = spot.order(**wrong).json()
    assert (answer["code"], answer["msg"]) == wanted
    assert not spot.venue.entries("placed")


def test_a_missing_parameter_is_named(spot: Any) -> None:
    answer = spot.ask("POST", "order", symbol="BTCUSDT", side="BUY", type="LIMIT", quantity="1", price="59000").json()
    assert answer == {
        "code": -1102,
        "msg": "Mandatory parameter 'timeInForce' was not sent, was empty/null, or malformed.",
    }


def test_an_order_rests_is_filled_in_parts_and_shown_by_either_id(spot: Any) -> None:
    placed = spot.order(newClientOrderId="mine").json()
    assert (placed["status"], placed["fills"]) == ("NEW", [])
    spot.venue.tell("price", {"symbol": "BTCUSDT", "price": "58999", "size": "0.04"})
    shown = spot.ask("GET", "order", symbol="BTCUSDT", origClientOrderId="mine").json()
    assert (shown["status"], shown["executedQty"], shown["orderId"]) == (
        "PARTIALLY_FILLED",
        "0.04000000",
        placed["orderId"],
    )
    assert shown == spot.ask("GET", "order", symbol="BTCUSDT", orderId=placed["orderId"]).json()
    gone = spot.ask("DELETE", "order", symbol="BTCUSDT", origClientOrderId="mine").json()
    assert (gone["status"], gone["origClientOrderId"], gone["executedQty"]) == ("CANCELED", "mine", "0.04000000")
    assert gone["clientOrderId"] != "mine"
    assert code(spot.ask("DELETE", "order", symbol="BTCUSDT", origClientOrderId="mine")) == (400, -2011)
    assert code(spot.ask("GET", "order", symbol="BTCUSDT", origClientOrderId="other")) == (400, -2013)
    assert code(spot.ask("GET", "order", symbol="ETHUSDT", origClientOrderId="mine")) == (400, -2013)


def test_a_client_id_counts_again_once_its_order_is_closed(spot: Any) -> None:
    first = spot.order(type="MARKET", newClientOrderId="mine").json()
    second = spot.order(newClientOrderId="mine").json()
    assert second["orderId"] == first["orderId"] + 1
    assert spot.order(newClientOrderId="mine").json() == {"code": -2010, "msg": "Duplicate order sent."}
    shown = spot.ask("GET", "order", symbol="BTCUSDT", origClientOrderId="mine").json()
    assert shown["orderId"] == second["orderId"]


def test_an_amount_of_money_buys_whole_steps(spot: Any) -> None:
    answer = spot.ask("POST", "order", symbol="BTCUSDT", side="BUY", type="MARKET", quoteOrderQty="100").json()
    assert answer["status"] == "FILLED"
    assert Decimal(answer["executedQty"]) == Decimal("0.00166")
    assert Decimal(answer["cummulativeQuoteQty"]) <= 100
    fill = answer["fills"][0]
    assert (fill["commissionAsset"], Decimal(fill["commission"])) == ("BTC", Decimal("0.00000166"))


@pytest.mark.parametrize("tif", ["IOC", "FOK"])
def test_what_may_not_rest_and_finds_nothing_is_an_accepted_order_that_expired(spot: Any, tif: str) -> None:
    answer = spot.order(timeInForce=tif)
    assert (answer.status_code, answer.json()["status"]) == (200, "EXPIRED")


def test_trades_come_from_an_id_on_and_ids_are_of_one_symbol(spot: Any) -> None:
    for symbol in ("BTCUSDT", "ETHUSDT", "BTCUSDT"):
        spot.order(symbol=symbol, type="MARKET")
    trades = spot.ask("GET", "myTrades", symbol="BTCUSDT").json()
    assert [trade["id"] for trade in trades] == [1, 2]
    assert [trade["id"] for trade in spot.ask("GET", "myTrades", symbol="BTCUSDT", fromId=2).json()] == [2]
    assert [trade["id"] for trade in spot.ask("GET", "myTrades", symbol="BTCUSDT", limit=1).json()] == [2]
    other = spot.ask("GET", "myTrades", symbol="ETHUSDT").json()
    assert [(trade["id"], trade["orderId"]) for trade in other] == [(1, 1)]
    between = {"startTime": trades[0]["time"], "endTime": trades[0]["time"]}
    assert len(spot.ask("GET", "myTrades", symbol="BTCUSDT", **between).json()) == 1


def test_cancel_and_replace_tells_what_of_it_failed(spot: Any) -> None:
    old = spot.order(newClientOrderId="old").json()
    wanted = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.1"}
    mode = {"cancelReplaceMode": "STOP_ON_FAILURE"}
    done = spot.ask("POST", "order/cancelReplace", **wanted, **mode, price="58000", cancelOrderId=old["orderId"])
    assert (done.status_code, done.json()["newOrderResponse"]["status"]) == (200, "NEW")
    gone = spot.ask("POST", "order/cancelReplace", **wanted, **mode, price="58000", cancelOrderId=old["orderId"]).json()
    assert (gone["code"], gone["data"]["newOrderResult"]) == (-2022, "NOT_ATTEMPTED")
    new = done.json()["newOrderResponse"]["orderId"]
    half = spot.ask(
        "POST", "order/cancelReplace", **(wanted | {"quantity": "99"}), **mode, price="58000", cancelOrderId=new
    )
    assert (half.status_code, half.json()["code"]) == (409, -2021)
    assert half.json()["data"]["newOrderResponse"]["code"] == -2010
    assert spot.ask("GET", "openOrders").json() == []


@pytest.mark.parametrize("old", [True, False])
def test_of_two_orders_one_cancels_the_other(spot: Any, *, old: bool) -> None:
    shared = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.5", "listClientOrderId": "pair"}
    if old:
        legs = {"price": "61000", "stopPrice": "59000", "stopLimitPrice": "58900", "stopLimitTimeInForce": "GTC"}
        placed = spot.ask("POST", "order/oco", **shared, **legs).json()
    else:
        above = {"aboveType": "LIMIT_MAKER", "abovePrice": "61000"}
        below = {
            "belowType": "STOP_LOSS_LIMIT",
            "belowStopPrice": "59000",
            "belowPrice": "58900",
            "belowTimeInForce": "GTC",
        }
        placed = spot.ask("POST", "orderList/oco", **shared, **above, **below).json()
    assert (placed["contingencyType"], placed["listOrderStatus"], len(placed["orderReports"])) == (
        "OCO",
        "EXECUTING",
        2,
    )
    locked = {row["asset"]: row["locked"] for row in spot.ask("GET", "account").json()["balances"]}
    assert locked["BTC"] == "0.50000000"
    spot.venue.tell("price", {"symbol": "BTCUSDT", "price": "58950"})
    states = {each["type"]: each["status"] for each in spot.ask("GET", "allOrders", symbol="BTCUSDT").json()}
    assert states == {"LIMIT_MAKER": "EXPIRED", "STOP_LOSS_LIMIT": "FILLED"}
    shown = spot.ask("GET", "orderList", origClientOrderId="pair").json()
    assert shown["listOrderStatus"] == "ALL_DONE"


def test_an_order_brings_two_to_life_and_cancelling_one_of_them_ends_both(spot: Any) -> None:
    working = {"workingType": "LIMIT", "workingSide": "BUY", "workingPrice": "59000", "workingQuantity": "0.1"}
    pending = {"pendingSide": "SELL", "pendingQuantity": "0.0999", "pendingAboveType": "LIMIT_MAKER"}
    pending |= {"pendingAbovePrice": "62000", "pendingBelowType": "STOP_LOSS", "pendingBelowStopPrice": "57000"}
    placed = spot.ask(
        "POST", "orderList/otoco", symbol="BTCUSDT", workingTimeInForce="GTC", **working, **pending
    ).json()
    assert [row["status"] for row in placed["orderReports"]] == ["NEW", "PENDING_NEW", "PENDING_NEW"]
    spot.venue.tell("price", {"symbol": "BTCUSDT", "price": "58990"})
    live = spot.ask("GET", "openOrders", symbol="BTCUSDT").json()
    assert [row["status"] for row in live] == ["NEW", "NEW"]
    spot.ask("DELETE", "order", symbol="BTCUSDT", orderId=live[0]["orderId"])
    assert spot.ask("GET", "openOrders", symbol="BTCUSDT").json() == []
    assert spot.ask("GET", "openOrderList").json() == []


def test_who_asks_too_much_is_refused_and_who_goes_on_is_banned(spot: Any) -> None:
    spot.venue.tell("limits", {"weight": 50, "ban": 90})
    answers = [spot.ask("GET", "account") for _ in range(6)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429, 429, 418]
    assert answers[0].headers["X-MBX-USED-WEIGHT-1M"] == "20"
    assert answers[2].json()["code"] == -1003
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 60
    assert int(answers[5].headers["Retry-After"]) == 90
    assert spot.order().status_code == 418
    spot.venue.tell("limits", {"weight": 6000})
    assert spot.order().status_code == 200


def test_too_many_orders_are_refused(spot: Any) -> None:
    spot.venue.tell("limits", {"orders": 2})
    answers = [spot.order() for _ in range(3)]
    assert [code(answer) for answer in answers] == [(200, 0), (200, 0), (429, -1015)]
    assert answers[1].headers["X-MBX-ORDER-COUNT-10S"] == "2"
    assert len(spot.venue.entries("placed")) == 2


def test_the_market_is_shown_in_every_way(spot: Any) -> None:
    spot.venue.tell("price", {"symbol": "BTCUSDT", "price": "60100"})
    get = lambda path, **params: spot.http.get(f"/api/v3/{path}", params=params).json()  # noqa: E731
    assert get("ticker/price", symbol="BTCUSDT") == {"symbol": "BTCUSDT", "price": "60100.00000000"}
    assert [row["symbol"] for row in get("ticker/price")] == ["BTCUSDT", "ETHUSDT", "BNBUSDT"]
    assert [row["symbol"] for row in get("ticker/price", symbols='["ETHUSDT"]')] == ["ETHUSDT"]
    assert get("ticker/bookTicker", symbol="BTCUSDT")["bidPrice"] == "60099.99000000"
    assert get("depth", symbol="BTCUSDT", limit=5)["asks"][0] == ["60100.01000000", "2.00000000"]
    assert get("trades", symbol="BTCUSDT")[-1]["price"] == "60100.00000000"
    assert get("aggTrades", symbol="BTCUSDT")[-1]["p"] == "60100.00000000"
    day = get("ticker/24hr", symbol="BTCUSDT")
    assert Decimal(day["lowPrice"]) <= Decimal(day["lastPrice"]) <= Decimal(day["highPrice"])
    hours = get("klines", symbol="BTCUSDT", interval="1h", limit=3)
    assert [row[0] % 3_600_000 for row in hours] == [0, 0, 0]
    assert hours[-1][4] == "60100.00000000"
    assert hours[0][0] + 3_600_000 == hours[1][0]
    since = get("klines", symbol="BTCUSDT", interval="1h", startTime=hours[0][0], limit=2)
    assert [row[0] for row in since] == [hours[0][0], hours[1][0]]
    assert get("klines", symbol="BTCUSDT", interval="7x")["code"] == -1120


def test_pages_of_a_browser_are_refused(spot: Any) -> None:
    assert spot.http.get("/_venue", headers={"Origin": "http://example.org"}).status_code == 403
    assert spot.http.get("/api/v3/time", headers={"Host": "example.org"}).status_code == 403


@pytest.mark.parametrize(
    ("what", "body", "said"),
    [
        ("price", {"symbol": "NOPE", "price": 1}, "NOPE is not traded here"),
        ("price", {"symbol": "BTCUSDT", "price": 0}, "a price is above zero"),
        ("price", {"symbol": "BTCUSDT"}, "missing required field `price`"),
        ("transfer", {"asset": "USDT", "amount": "-1000000"}, "more than is free"),
        ("bust", {"symbol": "BTCUSDT", "trade": 7}, "there is no trade 7"),
        ("limits", {"speed": 1}, "there is no speed"),
        ("faults", {"on": "POST *", "do": "explode"}, "`explode` does not befall `POST *`"),
        ("order", {"symbol": "BTCUSDT", "side": "hold", "quantity": 1}, "no order that can be placed"),
        ("cancel", {"symbol": "BTCUSDT", "order": 9}, "there is no order 9"),
    ],
)
def test_the_venue_says_what_it_does_not_understand(spot: Any, what: str, body: Any, said: str) -> None:
    answer = spot.http.post(f"/_venue/{what}", json=body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]
