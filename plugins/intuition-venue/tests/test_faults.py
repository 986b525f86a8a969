"""Faults on demand: requests and streams go wrong as asked, and the log says what was done."""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from intuition_venue.errors import BadSetting
from intuition_venue.faults import Fault, Faults, plan
from support import eventually
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

ORDER = "POST /api/v3/order"


def ask_for(venue: Any, do: str, on: str = ORDER, **more: Any) -> None:
    venue.tell("faults", [{"on": on, "do": do, **more}])


@pytest.mark.parametrize(("acted", "placed"), [(False, 0), (True, 1)])
def test_an_answer_is_lost_before_or_after_acting(spot: Any, *, acted: bool, placed: int) -> None:
    ask_for(spot.venue, "lose", acted=acted)
    with pytest.raises(httpx.TransportError):
        spot.order()
    assert len(spot.venue.entries("placed")) == placed
    assert spot.order().status_code == 200


@pytest.mark.parametrize(("acted", "placed"), [(False, 0), (True, 1)])
def test_a_connection_stays_half_open(spot: Any, *, acted: bool, placed: int) -> None:
    ask_for(spot.venue, "hang", acted=acted)
    query = f"symbol=BTCUSDT&side=BUY&type=MARKET&quantity=0.1&timestamp={time.time_ns() // 1_000_000}"
    with pytest.raises(httpx.ReadTimeout):
        spot.http.post(f"/api/v3/order?{query}&signature={spot.sign(query)}", timeout=0.3)
    assert len(spot.venue.entries("placed")) == placed


@pytest.mark.parametrize("acted", [False, True])
def test_an_error_page_comes_in_place_of_an_answer(spot: Any, *, acted: bool) -> None:
    ask_for(spot.venue, "status", status=502, acted=acted)
    answer = spot.order()
    assert (answer.status_code, answer.headers["Content-Type"][:9]) == (502, "text/html")
    assert len(spot.venue.entries("placed")) == int(acted)


def test_an_error_has_the_status_headers_and_body_asked_for(spot: Any) -> None:
    ask_for(spot.venue, "status", status=429, headers={"Retry-After": "7"}, body='{"code":-1003,"msg":"slow"}')
    answer = spot.order()
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()["code"]) == (429, "7", -1003)


def test_an_answer_is_cut_short(spot: Any) -> None:
    ask_for(spot.venue, "truncate")
    answer = spot.order()
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()
    ask_for(spot.venue, "cut")
    with pytest.raises(httpx.TransportError):
        spot.order()
    assert len(spot.venue.entries("placed")) == 2


def test_lists_are_empty_that_should_not_be(spot: Any) -> None:
    spot.order()
    ask_for(spot.venue, "empty", "GET /api/v3/*", times=2)
    assert spot.ask("GET", "openOrders").json() == []
    assert spot.ask("GET", "account").json()["balances"] == []
    assert len(spot.ask("GET", "openOrders").json()) == 1


def test_a_delayed_request_is_overtaken(spot: Any) -> None:
    ask_for(spot.venue, "delay", seconds=1)

    def struck() -> bool:
        return bool(spot.http.get("/_venue").json()["faults"][0]["struck"])

    with ThreadPoolExecutor() as pool:
        late = pool.submit(spot.order, newClientOrderId="late")
        eventually(struck)
        assert spot.order(newClientOrderId="next").status_code == 200
        assert late.result().status_code == 200
    assert [entry["client_id"] for entry in spot.venue.entries("placed")] == ["next", "late"]


def test_a_fault_strikes_when_and_as_often_as_asked(spot: Any) -> None:
    ask_for(spot.venue, "status", status=503, skip=1, times=2)
    assert [spot.order().status_code for _ in range(5)] == [200, 503, 503, 200, 200]
    assert [spot.ask("GET", "account").status_code for _ in range(2)] == [200, 200]
    [told] = spot.http.get("/_venue").json()["faults"]
    assert (told["seen"], told["struck"]) == (3, 2)
    ask_for(spot.venue, "status", times=5)
    spot.http.delete("/_venue/faults")
    assert spot.order().status_code == 200


def test_chance_comes_from_the_seed() -> None:
    def struck(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.add([Fault(on="*", do="lose", times=1000, chance=0.3)])
        return [faults.strike("GET /x") is not None for _ in range(200)]

    assert struck(1) == struck(1) != struck(2)
    assert 30 < sum(struck(1)) < 90


def test_a_plan_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text('[{"on": "stream user", "do": "twice", "times": 3}]')
    assert plan(path) == [Fault(on="stream user", do="twice", times=3)]
    path.write_text('{"on": "stream user", "sometimes": 1}')
    with pytest.raises(BadSetting, match="sometimes"):
        plan(path)
    with pytest.raises(BadSetting, match="No such file"):
        plan(tmp_path / "none.json")


@contextmanager
def subscribed(spot: Any) -> Iterator[Any]:
    address = f"{spot.venue.websocket}/ws-api/v3"
    with connect(address, ping_interval=None, close_timeout=0.1) as socket:
        params = {"apiKey": spot.venue.key, "timestamp": time.time_ns() // 1_000_000}
        params["signature"] = spot.sign("&".join(f"{name}={params[name]}" for name in sorted(params)))
        socket.send(json.dumps({"id": 1, "method": "userDataStream.subscribe.signature", "params": params}))
        assert json.loads(socket.recv(timeout=30))["result"] == {"subscriptionId": 0}
        yield socket


def reports(socket: Any, count: int) -> list[str]:
    """What was told of orders, by what it is about; balances are passed over."""
    found: list[str] = []
    while len(found) < count:
        event = json.loads(socket.recv(timeout=30))["event"]
        if event["e"] == "executionReport":
            found.append(event["c"])
    return found


@pytest.mark.parametrize(
    ("do", "wanted"),
    [
        ("drop", ["b", "c"]),
        ("twice", ["a", "a", "b", "c"]),
        ("late", ["a", "b", "c"]),
    ],
)
def test_messages_of_a_stream_are_lost_or_come_twice_or_late(spot: Any, do: str, wanted: list[str]) -> None:
    with subscribed(spot) as socket:
        ask_for(spot.venue, do, "stream user", seconds=0.1)
        for name in "abc":
            spot.order(newClientOrderId=name)
        assert reports(socket, len(wanted)) == wanted


def test_messages_of_a_stream_change_places(spot: Any) -> None:
    with subscribed(spot) as socket:
        ask_for(spot.venue, "swap", "stream user")
        spot.order()
        kinds = [json.loads(socket.recv(timeout=30))["event"]["e"] for _ in range(2)]
        assert kinds == ["outboundAccountPosition", "executionReport"]


def test_a_message_of_a_stream_is_cut_short(spot: Any) -> None:
    with subscribed(spot) as socket:
        ask_for(spot.venue, "garble", "stream user")
        spot.order()
        with pytest.raises(json.JSONDecodeError):
            json.loads(socket.recv(timeout=30))


def test_a_stream_dies(spot: Any) -> None:
    with subscribed(spot) as socket:
        ask_for(spot.venue, "close", "stream user")
        spot.order()
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=30)
    assert len(spot.venue.entries("placed")) == 1


def test_a_stream_stays_open_and_says_nothing(spot: Any) -> None:
    with subscribed(spot) as socket:
        ask_for(spot.venue, "silent", "stream user")
        spot.order()
        pong = socket.ping()
        spot.order()
        with pytest.raises(TimeoutError):
            socket.recv(timeout=0.3)
        assert not pong.is_set()


def place(spot: Any, socket: Any) -> None:
    params = {"apiKey": spot.venue.key, "timestamp": time.time_ns() // 1_000_000, "symbol": "BTCUSDT"}
    params |= {"side": "BUY", "type": "MARKET", "quantity": "0.1"}
    params["signature"] = spot.sign("&".join(f"{name}={params[name]}" for name in sorted(params)))
    socket.send(json.dumps({"id": 1, "method": "order.place", "params": params}))


@pytest.mark.parametrize(("acted", "placed"), [(False, 0), (True, 1)])
def test_a_call_over_the_websocket_is_lost_with_its_connection(spot: Any, *, acted: bool, placed: int) -> None:
    with connect(f"{spot.venue.websocket}/ws-api/v3") as socket:
        ask_for(spot.venue, "lose", "api order.place", acted=acted)
        place(spot, socket)
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=30)
    assert len(spot.venue.entries("placed")) == placed


@pytest.mark.parametrize(
    ("do", "acted", "placed", "answers"),
    [
        ("hang", False, 0, []),
        ("hang", True, 1, []),
        ("status", False, 0, [503]),
        ("status", True, 1, [503]),
        ("twice", False, 1, [200, 200]),
    ],
)
def test_a_call_over_the_websocket_is_answered_wrongly(
    spot: Any, *, do: str, acted: bool, placed: int, answers: list[int]
) -> None:
    with connect(f"{spot.venue.websocket}/ws-api/v3") as socket:
        ask_for(spot.venue, do, "api order.place", acted=acted)
        place(spot, socket)
        socket.send(json.dumps({"id": 2, "method": "ping"}))
        told = [json.loads(socket.recv(timeout=30)) for _ in range(len(answers) + 1)]
    assert [answer["status"] for answer in told if answer["id"] == 1] == answers
    assert told[-1]["id"] == 2
    assert len(spot.venue.entries("placed")) == placed


def test_a_venue_that_is_down_hangs_up_and_comes_back(spot: Any) -> None:
    spot.order(newClientOrderId="before")
    with subscribed(spot) as socket:
        spot.venue.tell("restart", {"seconds": 0.5})
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=30)

    def back() -> bool:
        try:
            return spot.http.get("/api/v3/time").status_code == 200
        except httpx.TransportError:
            return False

    eventually(back)
    assert spot.ask("GET", "order", symbol="BTCUSDT", origClientOrderId="before").json()["status"] == "NEW"
    with subscribed(spot) as socket:
        spot.order(newClientOrderId="after")
        assert reports(socket, 1) == ["after"]
