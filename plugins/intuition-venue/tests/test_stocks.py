"""The stocks interface: orders by id, fractions, groups, positions, activities, data, its websockets."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from websockets.sync.client import connect


def price(stocks: Any, last: Any, **more: Any) -> None:
    stocks.venue.tell("price", {"symbol": "AAPL", "price": str(last), **more})


def test_the_keys_are_asked_for(stocks: Any) -> None:
    answer = stocks.http.get("/v2/account", headers={"APCA-API-SECRET-KEY": "another"})
    assert (answer.status_code, answer.json()["code"]) == (401, 40110000)


def test_a_client_id_is_taken_once_for_all_time(stocks: Any) -> None:
    first = stocks.order(client_order_id="mine").json()
    assert first["status"] == "new"
    again = stocks.order(client_order_id="mine")
    assert (again.status_code, again.json()) == (422, {"code": 40010001, "message": "client_order_id must be unique"})
    shown = stocks.ask("GET", "orders:by_client_order_id", client_order_id="mine").json()
    assert (shown["id"], shown["status"], shown["filled_avg_price"]) == (first["id"], "filled", "200.01")
    assert stocks.ask("GET", f"orders/{first['id']}").json() == shown
    missing = stocks.ask("GET", "orders:by_client_order_id", client_order_id="other")
    assert (missing.status_code, missing.json()["code"]) == (404, 40410000)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"symbol": "NOPE"}, 422, 'asset "NOPE" not found'),
        ({"side": "hold"}, 422, "invalid side"),
        ({"type": "limit"}, 422, "limit orders require limit_price"),
        ({"limit_price": "200"}, 422, "market orders must not have limit_price"),
        ({"type": "limit", "limit_price": "200.001"}, 422, "sub-penny"),
        ({"qty": "-1"}, 422, "qty must be > 0"),
        ({"qty": None}, 422, "qty or notional is required"),
        ({"notional": "5"}, 422, "qty or notional is required"),
        ({"qty": "0.5", "time_in_force": "gtc"}, 422, "fractional orders must be DAY orders"),
        ({"qty": "0.30000000000000004"}, 422, "9 decimal places"),
        ({"qty": None, "notional": "5.001"}, 422, "2 decimal places"),
        ({"qty": "0.5", "order_class": "bracket"}, 422, "fractional orders must be simple orders"),
        ({"order_class": "bracket"}, 422, "require take_profit and stop_loss"),
        ({"qty": "100000"}, 403, "insufficient buying power"),
        ({"side": "sell"}, 403, "insufficient qty available for order (requested: 10, available: 0)"),
        ({"time_in_force": "opg"}, 422, "invalid time_in_force"),
    ],
)
def test_what_is_wrong_with_an_order_is_said(stocks: Any, body: dict[str, Any], status: int, said: str) -> None:
    answer = stocks.order(**body)
    assert answer.status_code == status
    assert said in answer.json()["message"]
    assert not stocks.venue.entries("placed")


def test_fractions_and_amounts_are_bought_and_held(stocks: Any) -> None:
    assert stocks.order(qty="0.5").json()["qty"] == "0.5"
    assert stocks.order(qty=None, notional="100.00").json()["notional"] == "100"
    held = stocks.ask("GET", "positions/AAPL").json()
    assert (held["qty"], held["avg_entry_price"]) == ("0.999975001", "200.01")
    done = stocks.ask("GET", "orders", status="closed").json()
    assert [order["status"] for order in done] == ["filled", "filled"]


def test_a_market_order_that_finds_too_little_waits_for_more(stocks: Any) -> None:
    price(stocks, 200, size="4")
    placed = stocks.order().json()
    shown = stocks.ask("GET", f"orders/{placed['id']}").json()
    assert (shown["status"], shown["filled_qty"]) == ("partially_filled", "4")
    price(stocks, 201)
    shown = stocks.ask("GET", f"orders/{placed['id']}").json()
    assert (shown["status"], shown["filled_avg_price"]) == ("filled", "200.61")


def test_a_bracket_protects_once_its_entry_is_filled(stocks: Any) -> None:
    legs = {"take_profit": {"limit_price": "220"}, "stop_loss": {"stop_price": "190"}}
    entry = stocks.order(type="limit", limit_price="199", time_in_force="gtc", order_class="bracket", **legs).json()
    assert [leg["status"] for leg in entry["legs"]] == ["held", "held"]
    price(stocks, 198)
    profit, stop = stocks.ask("GET", f"orders/{entry['id']}").json()["legs"]
    assert (profit["status"], stop["status"], stop["group_role"]) == ("new", "held", "stop_loss")
    assert stocks.ask("GET", "positions/AAPL").json()["qty_available"] == "0"
    moved = stocks.ask("PATCH", f"orders/{stop['id']}", {"stop_price": "195"}).json()
    assert (moved["replaces"], moved["stop_price"]) == (stop["id"], "195")
    assert stocks.ask("GET", f"orders/{stop['id']}").json()["replaced_by"] == moved["id"]
    price(stocks, 194)
    assert stocks.ask("GET", f"orders/{moved['id']}").json()["status"] == "filled"
    assert stocks.ask("GET", f"orders/{profit['id']}").json()["status"] == "canceled"
    assert stocks.ask("GET", "positions").json() == []


def test_legs_have_the_size_of_the_entry_that_was_replaced(stocks: Any) -> None:
    legs = {"take_profit": {"limit_price": "220"}, "stop_loss": {"stop_price": "150"}}
    entry = stocks.order(type="limit", limit_price="199", time_in_force="gtc", order_class="bracket", **legs).json()
    price(stocks, "198.99", size="4")
    new = stocks.ask("PATCH", f"orders/{entry['id']}", {"qty": "3", "limit_price": "198"}).json()
    price(stocks, 197)
    shown = stocks.ask("GET", f"orders/{new['id']}").json()
    assert (shown["status"], [leg["qty"] for leg in shown["legs"]]) == ("filled", ["7", "7"])
    assert [(leg["type"], leg["qty"]) for leg in stocks.ask("GET", "orders").json()] == [("stop", "7"), ("limit", "7")]
    assert stocks.ask("GET", "positions/AAPL").json()["qty"] == "7"


def test_of_two_orders_one_cancels_the_other(stocks: Any) -> None:
    stocks.order()
    legs = {"take_profit": {"limit_price": "220"}, "stop_loss": {"stop_price": "190", "limit_price": "189"}}
    placed = stocks.order(
        side="sell", type="limit", time_in_force="gtc", order_class="oco", client_order_id="o", **legs
    ).json()
    assert (placed["client_order_id"], placed["limit_price"]) == ("o", "220")
    assert [leg["type"] for leg in placed["legs"]] == ["stop_limit"]
    flat = stocks.ask("GET", "orders").json()
    assert len(flat) == 2
    assert len(stocks.ask("GET", "orders", nested="true").json()) == 1
    assert stocks.ask("DELETE", f"orders/{placed['id']}").status_code == 204
    assert stocks.ask("GET", "orders").json() == []
    late = stocks.ask("DELETE", f"orders/{placed['id']}")
    assert (late.status_code, late.json()["message"]) == (422, 'order is already in "canceled" state')


def test_an_order_is_replaced_only_while_it_is_open(stocks: Any) -> None:
    placed = stocks.order(type="limit", limit_price="190").json()
    new = stocks.ask("PATCH", f"orders/{placed['id']}", {"qty": "5", "client_order_id": "five"}).json()
    assert (new["qty"], new["limit_price"], new["client_order_id"]) == ("5", "190", "five")
    assert stocks.ask("PATCH", f"orders/{placed['id']}", {"qty": "4"}).status_code == 422
    assert stocks.ask("PATCH", f"orders/{new['id']}", {"stop_price": "180"}).status_code == 422
    assert (
        stocks.ask("PATCH", f"orders/{new['id']}", {"client_order_id": "five", "qty": "4"}).json()["code"] == 40010001
    )
    assert stocks.ask("PATCH", f"orders/{new['id']}", {"qty": "5000"}).status_code == 403
    assert [order["id"] for order in stocks.ask("GET", "orders").json()] == [new["id"]]


def test_a_cancel_takes_effect_later_and_a_fill_may_come_before(stocks: Any) -> None:
    stocks.venue.tell("cancels", {"wait": True})
    orders = [stocks.order(type="limit", limit_price=price).json() for price in ("190", "180")]
    assert [stocks.ask("DELETE", f"orders/{order['id']}").status_code for order in orders] == [204, 204]
    again = stocks.ask("DELETE", f"orders/{orders[0]['id']}")
    assert (again.status_code, again.json()["message"]) == (422, 'order is already in "pending_cancel" state')
    assert stocks.ask("PATCH", f"orders/{orders[0]['id']}", {"qty": "5"}).status_code == 422
    price(stocks, 185)
    stocks.venue.tell("cancels", {"wait": False})
    states = [stocks.ask("GET", f"orders/{order['id']}").json()["status"] for order in orders]
    assert states == ["filled", "canceled"]


def test_cancels_that_wait_are_done_by_a_venue_that_begins_again(stocks: Any) -> None:
    stocks.venue.tell("cancels", {"wait": True})
    order = stocks.order(type="limit", limit_price="190").json()
    stocks.ask("DELETE", f"orders/{order['id']}")
    stocks.venue.tell("restart")
    assert stocks.ask("GET", f"orders/{order['id']}").json()["status"] == "canceled"


def test_fills_come_in_pages(stocks: Any) -> None:
    for number in range(5):
        stocks.order(qty=str(number + 1))
    pages, token = [], None
    while page := stocks.ask(
        "GET", "account/activities/FILL", direction="asc", page_size=2, **({"page_token": token} if token else {})
    ).json():
        pages.append([row["qty"] for row in page])
        token = page[-1]["id"]
    assert pages == [["1", "2"], ["3", "4"], ["5"]]
    latest = stocks.ask("GET", "account/activities/FILL").json()
    assert [row["qty"] for row in latest] == ["5", "4", "3", "2", "1"]
    since = stocks.ask("GET", "account/activities/FILL", after=latest[2]["transaction_time"]).json()
    assert [row["qty"] for row in since] == ["5", "4"]
    assert stocks.ask("GET", "account/activities/FILL", page_token="none").status_code == 422


def test_a_fill_says_how_far_its_order_is(stocks: Any) -> None:
    price(stocks, 200, size="4")
    stocks.order()
    price(stocks, 200, size="6")
    rows = stocks.ask("GET", "account/activities/FILL", direction="asc").json()
    assert [(row["type"], row["cum_qty"], row["leaves_qty"]) for row in rows] == [
        ("partial_fill", "4", "6"),
        ("fill", "10", "0"),
    ]


def test_everything_can_be_closed_at_once(stocks: Any) -> None:
    stocks.order()
    stocks.order(side="sell", type="limit", limit_price="250", qty="4")
    refused = stocks.ask("DELETE", "positions/AAPL")
    assert refused.status_code == 403
    closed = stocks.ask("DELETE", "positions", cancel_orders="true")
    assert (closed.status_code, [row["status"] for row in closed.json()]) == (207, [200])
    assert stocks.ask("GET", "positions").json() == []
    account = stocks.ask("GET", "account").json()
    assert account["cash"] == account["equity"] == account["buying_power"] == "99999.8"


def test_a_day_ends_what_is_good_for_a_day(stocks: Any) -> None:
    for tif in ("day", "gtc"):
        stocks.order(type="limit", limit_price="190", time_in_force=tif)
    stocks.venue.tell("close")
    states = {order["time_in_force"]: order["status"] for order in stocks.ask("GET", "orders", status="all").json()}
    assert states == {"day": "expired", "gtc": "new"}


def test_who_asks_too_much_is_refused(stocks: Any) -> None:
    stocks.venue.tell("limits", {"requests": 2})
    answers = [stocks.order() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["X-RateLimit-Remaining"] == "1"
    assert answers[2].json()["code"] == 42910000
    assert int(answers[2].headers["X-RateLimit-Reset"]) > 1_700_000_000
    assert len(stocks.venue.entries("placed")) == 2


def test_the_market_is_shown_in_pages_and_at_its_latest(stocks: Any) -> None:
    price(stocks, 210)
    days = stocks.ask("GET", "stocks/bars", symbols="AAPL,MSFT", timeframe="1Day", start="2020-01-01", limit=15).json()
    rest = stocks.ask(
        "GET",
        "stocks/bars",
        symbols="AAPL,MSFT",
        timeframe="1Day",
        start="2020-01-01",
        page_token=days["next_page_token"],
    ).json()
    assert rest["next_page_token"] is None
    count = len(stocks.ask("GET", "stocks/AAPL/bars", timeframe="1Day", start="2020-01-01").json()["bars"])
    assert sum(len(rows) for page in (days, rest) for rows in page["bars"].values()) == 2 * count
    assert stocks.ask("GET", "stocks/AAPL/quotes/latest").json()["quote"]["bp"] == 209.99
    assert stocks.ask("GET", "stocks/trades/latest", symbols="AAPL").json()["trades"]["AAPL"]["p"] == 210.0
    assert stocks.ask("GET", "stocks/AAPL/snapshot").json()["dailyBar"]["c"] == 210.0
    assert list(stocks.ask("GET", "stocks/snapshots", symbols="AAPL,SPY").json()) == ["AAPL", "SPY"]
    assert stocks.ask("GET", "stocks/AAPL/bars", timeframe="1Fortnight").status_code == 422
    assert stocks.ask("GET", "assets/AAPL").json()["fractionable"] is True
    assert stocks.ask("GET", "clock").json()["is_open"] is True


@contextmanager
def listening(stocks: Any) -> Iterator[Any]:
    with connect(f"{stocks.venue.websocket}/stream") as socket:
        socket.send(json.dumps({"action": "auth", "key": stocks.venue.key, "secret": stocks.venue.secret}))
        assert json.loads(socket.recv(timeout=30))["data"]["status"] == "authorized"
        socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates", "other"]}}))
        assert json.loads(socket.recv(timeout=30))["data"] == {"streams": ["trade_updates"]}
        yield socket


def heard(socket: Any, count: int) -> list[dict[str, Any]]:
    return [json.loads(socket.recv(timeout=30))["data"] for _ in range(count)]


def test_updates_tell_what_becomes_of_orders(stocks: Any) -> None:
    with listening(stocks) as socket:
        price(stocks, 200, size="4")
        placed = stocks.order(type="limit", limit_price="201").json()
        stocks.ask("DELETE", f"orders/{placed['id']}")
        new, part, gone = heard(socket, 3)
        assert [update["event"] for update in (new, part, gone)] == ["new", "partial_fill", "canceled"]
        assert (part["qty"], part["price"], part["position_qty"]) == ("4", "200.01", "4")
        assert part["order"]["filled_qty"] == "4"
        assert new["order"]["filled_qty"] == "0"
        stocks.venue.tell("bust", {"symbol": "AAPL", "trade": 1})
        assert heard(socket, 1)[0]["event"] == "trade_bust"
        assert stocks.ask("GET", "positions").json() == []
        assert stocks.ask("GET", "account/activities/FILL").json() == []


def test_updates_are_for_those_with_the_keys(stocks: Any) -> None:
    with connect(f"{stocks.venue.websocket}/stream") as socket:
        socket.send(json.dumps({"action": "auth", "key": "another", "secret": "another"}))
        assert json.loads(socket.recv(timeout=30))["data"]["status"] == "unauthorized"
        socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        assert json.loads(socket.recv(timeout=30))["data"]["status"] == "unauthorized"


def test_the_market_is_pushed_to_those_who_want_it(stocks: Any) -> None:
    with connect(f"{stocks.venue.websocket}/v2/iex") as socket:
        say = lambda **message: socket.send(json.dumps(message))  # noqa: E731
        hear = lambda: json.loads(socket.recv(timeout=30))  # noqa: E731
        assert hear() == [{"T": "success", "msg": "connected"}]
        say(action="subscribe", trades=["AAPL"])
        assert hear()[0]["code"] == 401
        say(action="auth", key=stocks.venue.key, secret=stocks.venue.secret)
        assert hear() == [{"T": "success", "msg": "authenticated"}]
        say(action="subscribe", trades=["AAPL"], quotes=["AAPL"], bars=["*"])
        assert hear() == [{"T": "subscription", "trades": ["AAPL"], "quotes": ["AAPL"], "bars": ["*"]}]
        stocks.venue.tell("price", {"symbol": "MSFT", "price": "410"})
        price(stocks, 205)
        assert [(row["T"], row["S"]) for row in (hear()[0], hear()[0])] == [("t", "AAPL"), ("q", "AAPL")]
        stocks.venue.tell("clock", {"skew_ms": 60_000})
        price(stocks, 206)
        assert [hear()[0]["T"] for _ in range(3)] == ["t", "q", "b"]


def test_a_stream_that_is_left_is_told_nothing_more(stocks: Any) -> None:
    with listening(stocks):
        pass
    with listening(stocks) as socket:
        stocks.order()
        assert [update["event"] for update in heard(socket, 2)] == ["new", "fill"]
