"""The broker against a venue that speaks Alpaca's interface, with whatever can go wrong on the way."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from intuition_broker_alpaca import Alpaca
from intuition_broker_alpaca.broker import _nanoseconds
from intuition_broker_alpaca.interface import Refused
from intuition_venue.instruments import chosen
from intuition_venue.running import Running, running
from intuition_venue.venue import Settings

from intuition_core.errors import VenueUnavailable
from intuition_core.executor.router import check_broker

PLACE = "POST /v2/orders"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    with ExitStack() as stack:
        yield lambda **given: stack.enter_context(
            running(Settings(shape="stocks", instruments=chosen("stocks", ()), log=tmp_path / "venue.jsonl", **given))
        )


@pytest.fixture
def venue(start: Callable[..., Running]) -> Running:
    made = start()
    made.tell("price", {"symbol": "AAPL", "price": "200", "size": "1000"})
    return made


@pytest.fixture
def broker(venue: Running) -> Iterator[Alpaca]:
    made = broker_at(venue)
    yield made
    made.close()


def broker_at(venue: Running, **given: Any) -> Alpaca:
    made = Alpaca()
    made.initialize(Alpaca.Params(key=venue.key, secret=venue.secret, url=venue.url, timeout=0.5, **given))
    return made


def order(n: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": f"live.1:{n}:0", "sid": "AAPL", "side": "buy", "quantity": "10", "quote": 200.0, **more}


def test_it_is_a_broker_of_version_1_1(broker: Alpaca) -> None:
    check_broker("alpaca", broker)
    assert broker.traits().venue == "alpaca"
    assert broker.traits().account
    assert abs(broker.clock() - broker.account().as_of) < 60 * 10**9


def test_an_order_is_filled_and_its_trades_come_once(broker: Alpaca) -> None:
    state = broker.submit(order())
    assert state["state"] in ("open", "filled")
    trades, cursor = broker.fills(None)
    assert {trade.order for trade in trades} == {"live.1:1:0"}
    assert sum(trade.quantity for trade in trades) == 10
    assert len({trade.trade for trade in trades}) == len(trades)
    assert broker.fills(cursor) == ([], cursor)
    told = broker.query("live.1:1:0")
    assert told is not None
    assert (told["state"], told["filled"]) == ("filled", Decimal(10))
    assert broker.account().positions == {"AAPL": Decimal(10)}


@pytest.mark.parametrize(
    "fault",
    [
        {"do": "lose"},
        {"do": "lose", "acted": True},
        {"do": "hang", "acted": True, "seconds": 2.0},
        {"do": "status", "status": 502, "acted": True},
        {"do": "status", "status": 504},
        {"do": "status", "status": 429},
        {"do": "truncate", "acted": True},
        {"do": "empty", "acted": True},
        {"do": "cut", "acted": True},
    ],
)
def test_whatever_becomes_of_the_answer_it_is_placed_once(
    venue: Running, broker: Alpaca, fault: dict[str, Any]
) -> None:
    venue.tell("faults", [{"on": PLACE, **fault}])
    for _ in range(5):
        try:
            state = broker.submit(order())
            break
        except VenueUnavailable:
            continue
    assert state["state"] in ("open", "filled")
    assert len(venue.entries("placed")) == 1


def test_submitting_again_places_nothing(venue: Running, broker: Alpaca) -> None:
    for _ in range(3):
        assert broker.submit(order())["state"] in ("open", "filled")
    assert len(venue.entries("placed")) == 1


@pytest.mark.parametrize(
    "wrong",
    [{"quantity": "1000000"}, {"sid": "NONE"}, {"side": "sell"}, {"order": "limit", "limit": 200.001}],
)
def test_a_refusal_is_one(broker: Alpaca, wrong: dict[str, Any]) -> None:
    state = broker.submit(order(**wrong))
    assert state["state"] == "rejected"
    assert state["reason"]


def test_a_cancel_ends_an_order_and_is_no_error_afterwards(broker: Alpaca) -> None:
    assert broker.submit(order(order="limit", limit=100.0, tif="gtc"))["state"] == "open"
    assert broker.open_orders() == ["live.1:1:0"]
    for _ in range(2):
        broker.cancel("live.1:1:0")
    told = broker.query("live.1:1:0")
    assert told is not None
    assert told["state"] == "cancelled"
    assert broker.open_orders() == []
    broker.cancel("live.1:9:0")


def test_an_order_that_is_not_known_is_none_and_silence_is_not(venue: Running, broker: Alpaca) -> None:
    assert broker.query("live.1:7:0") is None
    venue.tell("faults", [{"on": "GET /v2/*", "do": "lose", "times": 4}])
    for question in (
        lambda: broker.query("live.1:7:0"),
        lambda: broker.fills(None),
        broker.account,
        broker.open_orders,
    ):
        with pytest.raises(VenueUnavailable):
            question()


def test_a_fraction_is_good_for_a_day(venue: Running, broker: Alpaca) -> None:
    assert broker.submit(order(quantity="0.5"))["state"] in ("open", "filled")
    (placed,) = venue.entries("placed")
    assert placed["tif"] == "day"


def test_a_trade_by_hand_is_of_no_session(venue: Running, broker: Alpaca) -> None:
    venue.tell("order", {"symbol": "AAPL", "side": "buy", "quantity": "3"})
    trades, _ = broker.fills(None)
    assert [trade.quantity for trade in trades] == [Decimal(3)]
    assert all(not str(trade.order).startswith("live.") for trade in trades)


def test_more_trades_than_a_page(venue: Running, broker: Alpaca) -> None:
    for n in range(120):
        broker.submit(order(n, quantity="1"))
    trades, cursor = broker.fills(None)
    assert len(trades) == 120
    assert [trade.order for trade in trades] == [f"live.1:{n}:0" for n in range(120)]
    assert broker.fills(cursor)[0] == []


def test_the_stream_says_when_to_ask(venue: Running, broker: Alpaca) -> None:
    told = threading.Semaphore(0)
    broker.listen(lambda: told.release())
    assert told.acquire(timeout=10), "it says so when it begins"
    broker.submit(order())
    assert told.acquire(timeout=10)


def test_a_key_of_nobody_is_refused_in_a_sentence(venue: Running) -> None:
    other = Alpaca()
    other.initialize(Alpaca.Params(key="wrong", secret="wrong", url=venue.url))  # no secret
    with pytest.raises(Refused, match="Alpaca refuses it"):
        other.traits()
    other.close()


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-29T06:40:31.555686022Z", 1795934431555686022),
        ("2026-11-29T06:40:31Z", 1795934431000000000),
        ("2026-11-29T06:40:31.5Z", 1795934431500000000),
        ("2026-11-29T01:40:31.555686-05:00", 1795934431555686000),
        ("2026-11-29T01:40:31-05:00", 1795934431000000000),
        ("2026-11-29T07:40:31.000000001+01:00", 1795934431000000001),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, at: int) -> None:
    assert _nanoseconds(text) == at
