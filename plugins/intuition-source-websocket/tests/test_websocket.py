"""The source as a whole, against a feed that speaks as Binance's and Coinbase's do."""

import base64
import hashlib
import logging
import re
import socket
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from importlib.metadata import entry_points
from itertools import islice
from typing import Any

import msgspec
import pytest
from intuition_source_websocket import WebSocket

from intuition_core.errors import BadParameter, IntuitionError
from intuition_core.params.checking import check_params
from intuition_core.params.typed import Typed
from intuition_core.plugins.catalogue import discover
from intuition_core.sources.opening import open_source

BINANCE: dict[str, Any] = {
    "symbol": "data.s",
    "quote": "data.c",
    "time": "data.E",
    "fields": {"bid": "data.b", "ask": "data.a", "volume": "data.v"},
}
COINBASE: dict[str, Any] = {
    "symbol": "product_id",
    "quote": "price",
    "time": "time",
    "where": {"type": "ticker"},
    "sequence": "sequence",
    "subscribe": {"type": "subscribe", "product_ids": ["ETH-USD", "BTC-USD"], "channels": ["ticker"]},
}


def binance(symbol: str, price: str, at: int = 1_672_515_782_136) -> dict[str, Any]:
    """A message of the combined stream's 24-hour ticker, by Binance's documentation."""
    return {
        "stream": f"{symbol.lower()}@ticker",
        "data": {
            "e": "24hrTicker",
            "E": at,
            "s": symbol,
            "p": "0.0015",
            "P": "250.00",
            "w": "0.0018",
            "x": "0.0009",
            "c": price,
            "Q": "10",
            "b": "0.0024",
            "B": "10",
            "a": "0.0026",
            "A": "100",
            "o": "0.0010",
            "h": "0.0025",
            "l": "0.0010",
            "v": "10000",
            "q": "18",
            "O": 0,
            "C": 86_400_000,
            "F": 0,
            "L": 18_150,
            "n": 18_151,
        },
    }


def coinbase(symbol: str, price: str, sequence: int, at: str = "2022-10-19T23:28:22.061769Z") -> dict[str, Any]:
    """A message of the ticker channel, by the documentation of Coinbase Exchange."""
    return {
        "type": "ticker",
        "sequence": sequence,
        "product_id": symbol,
        "price": price,
        "open_24h": "1310.79",
        "volume_24h": "245532.79269678",
        "low_24h": "1280.52",
        "high_24h": "1313.8",
        "volume_30d": "9788783.60117027",
        "best_bid": "1285.04",
        "best_bid_size": "0.46688654",
        "best_ask": "1285.27",
        "best_ask_size": "1.56637040",
        "side": "buy",
        "time": at,
        "trade_id": 370_843_401,
        "last_size": "11.4396987",
    }


def source(**params: Any) -> WebSocket:
    made = WebSocket()
    made.initialize(check_params("source websocket", WebSocket, {"longest_delay": 0.05, **params}))
    return made


def take(count: int, **params: Any) -> list[dict[str, Any]]:
    """Give the first events of a feed, and let it go."""
    events = source(**params).events()
    found = list(islice(events, count))
    events.close()  # type: ignore[attr-defined]  # it is a generator
    return found


def test_it_is_found_under_its_name() -> None:
    (found,) = entry_points(group="intuition.v1.source", name="websocket")
    assert found.load() is WebSocket


def test_tickers_as_binance_sends_them(feed: Any) -> None:
    def script(peer: Any) -> None:
        peer.say(binance("BTCUSDT", "0.0025"))
        peer.say(binance("ETHUSDT", "0.5", 1_672_515_782_137))
        peer.wait()

    first, second = take(2, url=feed(script).url, **BINANCE)
    assert first == {
        "channel": "quotes",
        "sid": "BTCUSDT",
        "quote": 0.0025,
        "bid": 0.0024,
        "ask": 0.0026,
        "volume": "10000",
        "ts": 1_672_515_782_136_000_000,
    }
    assert (second["sid"], second["ts"]) == ("ETHUSDT", 1_672_515_782_137_000_000)


def test_tickers_as_coinbase_sends_them(feed: Any, caplog: pytest.LogCaptureFixture) -> None:
    heard = []

    def script(peer: Any) -> None:
        heard.append(peer.hear())
        peer.say({"type": "subscriptions", "channels": [{"name": "ticker", "product_ids": ["ETH-USD"]}]})
        peer.say({"type": "heartbeat", "sequence": 90, "product_id": "ETH-USD", "time": "2022-10-19T23:28:22Z"})
        peer.say(coinbase("ETH-USD", "1285.22", 37_475_248_783))
        peer.wait()

    (event,) = take(1, url=feed(script).url, **COINBASE)
    assert heard == [COINBASE["subscribe"]]
    assert event == {"channel": "quotes", "sid": "ETH-USD", "quote": 1285.22, "ts": 1_666_222_102_061_769_000}
    assert caplog.records == []


def test_an_array_of_quotes_within_a_message(feed: Any) -> None:
    """As Kraken's second version and OKX send them."""

    def script(peer: Any) -> None:
        peer.say({"channel": "heartbeat"})
        quotes = [{"symbol": sid, "last": price} for sid, price in [("A", 1.5), ("B", 2.5), ("C", 3.5)]]
        peer.say({"channel": "ticker", "type": "update", "data": quotes})
        peer.say(quotes)  # an array by itself has no `data`
        peer.wait()

    before = time.time_ns()
    found = take(2, url=feed(script).url, items="data", symbol="symbol", quote="last", symbols=["A", "C"])
    assert [(event["sid"], event["quote"]) for event in found] == [("A", 1.5), ("C", 3.5)]
    assert before <= found[0]["ts"] <= found[1]["ts"] <= time.time_ns()


def test_a_message_that_is_an_array_of_quotes(feed: Any) -> None:
    def script(peer: Any) -> None:
        peer.say([{"s": sid, "c": 1} for sid in "ABC"])
        peer.wait()

    assert [event["sid"] for event in take(3, url=feed(script).url, items=".", symbol="s", quote="c")] == list("ABC")


def test_what_is_said_once_connected(feed: Any) -> None:
    heard = []

    def script(peer: Any) -> None:
        heard.extend([peer.headers.get("X-Key"), peer.hear(), peer.hear()])
        peer.say({"c": 1})
        peer.wait()

    params = {"url": feed(script).url, "quote": "c", "sid": "GOOG", "headers": {"X-Key": "k"}}
    assert [event["sid"] for event in take(1, subscribe=['{"op":1}', {"op": 2}], **params)] == ["GOOG"]
    assert heard == ["k", {"op": 1}, {"op": 2}]


def test_parameters_as_they_are_typed_in_flags(feed: Any) -> None:
    def script(peer: Any) -> None:
        peer.say({"type": "hello", "x": {"c": 2}})
        peer.say({"type": peer.hear()["op"], "x": {"c": 1}, "b": 0.5})
        peer.wait()

    typed = {
        "url": feed(script).url,
        "quote": "x.c",
        "sid": "1",
        "where": "{type = 'ticker'}",
        "fields": "{bid = 'b'}",
        "subscribe": '{"op":"ticker"}',
        "silence": "5",
    }
    (event,) = take(1, **{key: Typed(value) for key, value in typed.items()})
    assert (event["sid"], event["quote"], event["bid"]) == ("1", 1.0, 0.5)


# What goes wrong


def test_a_connection_that_is_cut_is_made_again(feed: Any, caplog: pytest.LogCaptureFixture) -> None:
    def cut(peer: Any) -> None:
        peer.hear()
        peer.say(coinbase("ETH-USD", "1", 10))
        peer.say(coinbase("ETH-USD", "2", 11))
        peer.drop()

    def again(peer: Any) -> None:
        peer.hear()
        peer.say(coinbase("ETH-USD", "2", 11))  # it repeats the last one
        peer.say(coinbase("ETH-USD", "5", 14))
        peer.wait()

    made = feed(cut, again)
    assert [event["quote"] for event in take(3, url=made.url, **COINBASE)] == [1.0, 2.0, 5.0]
    assert made.clients == 2
    lost, back, missed = (record.getMessage() for record in caplog.records)
    assert re.search(r"/stream: the connection ended \(.*\); connecting again in 0\.\d s", lost)
    assert re.search(r"/stream: connected again after \d+\.\d s", back)
    assert missed.endswith("/stream: missed 2 of ETH-USD, between 11 and 14")


def test_a_feed_that_is_silent_is_connected_again(feed: Any, caplog: pytest.LogCaptureFixture) -> None:
    def silent(peer: Any) -> None:
        peer.say(binance("A", "1"))
        while True:
            peer.say({"result": None, "id": 1})  # it lives, but has no quotes
            time.sleep(0.02)

    def script(peer: Any) -> None:
        peer.say(binance("A", "2"))
        peer.wait()

    found = take(2, url=feed(silent, script).url, silence=2, **BINANCE)
    assert [event["quote"] for event in found] == [1.0, 2.0]
    assert any("no quote for 2 s; connecting again" in record.getMessage() for record in caplog.records)


def test_the_time_of_a_slow_reader_is_no_silence(feed: Any) -> None:
    def script(peer: Any) -> None:
        peer.say(binance("A", "1"))
        peer.say(binance("A", "2"))
        peer.wait()

    made = feed(script)
    events = source(url=made.url, silence=2, **BINANCE).events()
    next(events)  # type: ignore[call-overload]  # it is a generator
    time.sleep(2.2)
    assert next(events)["quote"] == 2.0  # type: ignore[call-overload]  # the same
    assert made.clients == 1
    events.close()  # type: ignore[attr-defined]  # the same


def test_a_server_that_does_not_answer_pings_is_left() -> None:
    quote = b'{"s":"A","c":1}'
    frames = [b"", b"\x81" + bytes([len(quote)]) + quote]

    with socket.create_server(("127.0.0.1", 0)) as deaf:

        def serve() -> None:
            for frame in frames:
                connection, _ = deaf.accept()
                with connection:
                    request = connection.recv(4096).decode()
                    key = request.lower().index("sec-websocket-key: ") + 19
                    token = f"{request[key : key + 24]}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
                    accepted = base64.b64encode(hashlib.sha1(token.encode()).digest()).decode()
                    answer = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
                    connection.sendall("\r\n".join([*answer, f"Sec-WebSocket-Accept: {accepted}", "", ""]).encode())
                    connection.sendall(frame)
                    while connection.recv(4096):
                        pass

        server = threading.Thread(target=serve)
        server.start()
        url = f"ws://127.0.0.1:{deaf.getsockname()[1]}"
        assert len(take(1, url=url, heartbeat=1, symbol="s", quote="c")) == 1
        server.join()


def test_a_message_that_cannot_be_read_is_left_out(feed: Any, caplog: pytest.LogCaptureFixture) -> None:
    strange: list[Any] = [
        "no json",
        b"\xff\xfe",
        "[" * 5000,
        "",
        [1, 2],
        {"data": 5},
        {"data": {"s": "A"}},
        {"data": {"c": "1"}},
        {"data": {"s": "A", "c": "much"}},
        {"data": {"s": "A", "c": None}},
        {"data": {"s": "A", "c": "-1"}},
        {"data": {"s": 7, "c": "1"}},
        {"data": {"s": "A", "c": "1", "E": "yesterday"}},
        {"data": {"s": "A", "c": "1", "E": True}},
        {"data": {"s": "A", "c": "1", "E": "Infinity"}},
        {"data": {"s": "A", "c": "1", "E": 1e30}},
        {"data": {"s": "A", "c": "1", "E": int(time.time() * 1000) * 1000}},
    ]

    def script(peer: Any) -> None:
        for message in strange:
            peer.say(message)
        peer.say(binance("A", "2"))
        peer.wait()

    made = feed(script)
    assert [event["quote"] for event in take(1, url=made.url, **BINANCE)] == [2.0]
    assert made.clients == 1
    (record,) = caplog.records  # the others are only counted
    assert "/stream: left out what cannot be read: no JSON" in record.getMessage()


@pytest.mark.parametrize("late", ["A", "B"])
def test_a_quote_that_is_late_keeps_its_time(feed: Any, late: str) -> None:
    quotes = [("A", 1000), (late, 999), ("A", 1001), (late, 2), ("B", 1001)]

    def script(peer: Any) -> None:
        for sid, at in quotes:
            peer.say(binance(sid, "1", 1_700_000_000_000 + at))
        peer.wait()

    begun = 1_700_000_000 * 10**9
    found = take(len(quotes), url=feed(script).url, **BINANCE)
    assert [(event["sid"], event["ts"] - begun) for event in found] == [(sid, at * 10**6) for sid, at in quotes]
    assert {key for event in found for key in event} == {"channel", "sid", "quote", "bid", "ask", "volume", "ts"}


def test_whoever_opens_it_gets_what_is_late_but_in_no_lists(feed: Any) -> None:
    def script(peer: Any) -> None:
        for number, at in enumerate([1000, 999, 1000, 998]):
            peer.say(binance("A", f"{number + 1}", 1_700_000_000_000 + at))
        peer.wait()

    events = open_source(discover(), "websocket", data=[feed(script).url], params=BINANCE).events()
    assert [event["quote"] for event in islice(events, 4)] == [1, 2, 3, 4]
    events.close()  # type: ignore[attr-defined]  # it is a generator
    with pytest.raises(IntuitionError, match=r"event 2 of websocket: .* is before the last one.* live source"):
        next(open_source(discover(), "websocket", data=[feed(script).url], params=BINANCE).batches())


def test_a_feed_that_is_away_is_waited_for(feed: Any, caplog: pytest.LogCaptureFixture) -> None:
    def away(peer: Any) -> None:
        raise AssertionError("never let in")

    def script(peer: Any) -> None:
        peer.say(binance("A", "1"))
        peer.wait()

    made = feed(away, status=HTTPStatus.SERVICE_UNAVAILABLE)

    class Back(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "status 503" in record.getMessage():
                made.scripts, made.status = [script], None

    handler = Back()
    logging.getLogger("intuition_source_websocket").addHandler(handler)
    try:
        assert len(take(1, url=made.url, **BINANCE)) == 1
    finally:
        logging.getLogger("intuition_source_websocket").removeHandler(handler)
    assert "its server answered with status 503; connecting again" in caplog.records[0].getMessage()


def test_a_feed_that_does_not_let_us_in_is_given_up(feed: Any) -> None:
    made = feed(lambda peer: None, status=HTTPStatus.FORBIDDEN)
    with pytest.raises(IntuitionError, match=r"/stream refused: its server answered with status 403") as caught:
        take(1, url=f"{made.url}?key=geheim", **BINANCE)
    assert "geheim" not in str(caught.value)


def test_waits_double_up_to_a_bound_and_start_anew_after_a_quote(monkeypatch: pytest.MonkeyPatch, feed: Any) -> None:
    waits: list[float] = []
    monkeypatch.setattr("intuition_source_websocket.websocket.time.sleep", waits.append)
    monkeypatch.setattr("intuition_core.system.backoff._RANDOM.uniform", lambda _low, high: high)

    def quote(peer: Any) -> None:
        peer.say(binance("A", "1"))

    events = source(url=feed(*[lambda peer: None] * 5, quote, lambda peer: None, quote).url, longest_delay=2, **BINANCE)
    assert len(list(islice(events.events(), 2))) == 2
    assert waits == [0.25, 0.5, 1, 2, 2, 0.25, 0.5]


def test_closing_the_events_closes_the_connection(feed: Any) -> None:
    def script(peer: Any) -> None:
        peer.say(binance("A", "1"))
        peer.wait()

    made = feed(script)
    events = source(url=made.url, **BINANCE).events()
    next(events)  # type: ignore[call-overload]  # it is a generator
    assert not made.gone.acquire(blocking=False)
    events.close()  # type: ignore[attr-defined]  # the same
    assert made.gone.acquire(timeout=10)


@pytest.mark.parametrize(
    ("numbers", "kept", "said"),
    [
        ([1, 2, 3], 3, []),
        ([1, 5], 2, ["missed 3 of the connection, between 1 and 5"]),
        ([1, 1, 2], 2, []),
        ([9, 3, 4], 3, ["the number of the connection went back from 9 to 3"]),
        (["1", "2", "4"], 3, ["missed 1 of the connection, between 2 and 4"]),
        ([1, None, 2], 3, []),
    ],
)
def test_numbers_of_a_connection(
    feed: Any, caplog: pytest.LogCaptureFixture, numbers: list[Any], kept: int, said: list[str]
) -> None:
    def script(peer: Any) -> None:
        for number in numbers:
            peer.say({"n": number, "s": "A", "c": 1})
        peer.say({"s": "end", "c": 1})
        peer.wait()

    def until_end(**params: Any) -> Iterator[Any]:
        events = source(**params).events()
        for event in events:
            if event["sid"] == "end":
                break
            yield event
        events.close()  # type: ignore[attr-defined]  # it is a generator

    params = {"symbol": "s", "quote": "c", "sequence": "n", "sequence_of": "connection"}
    assert len(list(until_end(url=feed(script).url, **params))) == kept
    assert [record.getMessage().partition("/stream: ")[2] for record in caplog.records] == said


@pytest.mark.parametrize(
    ("params", "key"),
    [
        ({"url": "http://h"}, "url"),
        ({"url": "wss://"}, "url"),
        ({"url": "wss://h:x/?key=geheim"}, "url"),
        ({"symbol": None}, "symbol"),
        ({"sid": "GOOG"}, "symbol"),
        ({"symbol": None, "sid": ""}, "sid"),
        ({"channel": "a/#"}, "channel"),
        ({"quote": "a..b"}, "quote"),
        ({"fields": {"ts": "t"}}, "fields"),
        ({"fields": {"x": ""}}, "fields"),
        ({"where": {"": 1}}, "where"),
        ({"silence": 0}, "silence"),
        ({"time_unit": "h"}, "time_unit"),
        ({"simbol": "s"}, "simbol"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named(params: dict[str, Any], key: str) -> None:
    with pytest.raises(BadParameter) as caught:
        source(**{"url": "ws://h", "symbol": "s", "quote": "c", **params})
    assert caught.value.key == key
    assert "geheim" not in str(caught.value)


def test_secrets_are_not_shown() -> None:
    params = WebSocket.Params(
        url="wss://ann:geheim@h:8443/feed?key=geheim",
        quote="c",
        symbol="s",
        headers={"X-Key": "geheim"},
        subscribe={"key": "geheim"},
    )
    assert "geheim" not in repr(params)
    assert "wss://h:8443/feed" in repr(params)


def test_the_core_reads_it_event_by_event(feed: Any) -> None:
    def script(peer: Any) -> None:
        peer.say(binance("B", "2"))
        peer.say(binance("A", "1"))
        peer.wait()

    opened = open_source(discover(), data=[feed(script).url], params=BINANCE, symbols=["A"])
    events = opened.events()
    assert next(events)["sid"] == "A"
    assert opened.progress is None
    events.close()  # type: ignore[attr-defined]  # it is a generator


def test_parameters_are_described() -> None:
    fields = msgspec.json.schema(WebSocket.Params)["$defs"]["WebSocketParams"]["properties"]
    assert all("description" in str(field) for field in fields.values())
