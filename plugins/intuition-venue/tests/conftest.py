"""What the tests of venues share: an exchange without a disk, venues on loopback, and signed requests."""

import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from intuition_venue.clock import Clock
from intuition_venue.exchange import Exchange, Rules
from intuition_venue.instruments import chosen
from intuition_venue.running import Running, running
from intuition_venue.venue import ACCOUNT, RULES, Settings


class Kept:
    """A log in memory."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def write(self, entries: list[dict[str, Any]], *, sure: bool) -> None:
        for entry in entries:
            entry["n"] = len(self.entries) + 1
            self.entries.append(json.loads(json.dumps(entry)))


class Ticks(Clock):
    """A clock that goes on by a millisecond each time it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self._time = 1_795_000_000_000_000_000

    def now(self) -> int:
        self._time += 1_000_000
        return self._time + self.skew


class Floor:
    """An exchange of its own, with a log in memory, and money on its account."""

    def __init__(self, shape: str, rules: Rules | None, cash: int, units: int) -> None:
        self.log = Kept()
        self.exchange = Exchange(chosen(shape, ()), rules or RULES[shape], self.log, Ticks())  # type: ignore[arg-type]
        self.state = self.exchange.state
        self.account = self.state.accounts[ACCOUNT]
        self.symbol, self.quote = {"spot": ("BTCUSDT", "USDT"), "stocks": ("AAPL", "USD")}[shape]
        self.exchange.transfer(ACCOUNT, self.quote, Decimal(cash))
        self.exchange.transfer(ACCOUNT, self.state.instruments[self.symbol].base, Decimal(units))
        self.price(100)
        self.count = 0

    def price(self, last: Any, size: Any = 10, levels: int = 3) -> None:
        self.exchange.price(self.symbol, Decimal(str(last)), size=Decimal(str(size)), levels=levels)

    def order(self, side: str, kind: str, quantity: Any = 1, price: Any = None, stop: Any = None, **more: Any) -> Any:
        self.count += 1
        fields = {"quantity": quantity, "price": price, "stop": stop}
        exact = {name: None if value is None else Decimal(str(value)) for name, value in fields.items()}
        named = {"client_id": f"c{self.count}", **exact, **more}
        return self.exchange.order(symbol=self.symbol, account=ACCOUNT, side=side, kind=kind, **named)

    def submit(self, side: str, kind: str, quantity: Any = 1, price: Any = None, stop: Any = None, **more: Any) -> Any:
        order = self.order(side, kind, quantity, price, stop, **more)
        self.exchange.submit(order)
        return self.state.orders[order.symbol, order.id]


@pytest.fixture
def floor() -> Callable[..., Floor]:
    def make(shape: str = "spot", rules: Rules | None = None, cash: int = 100_000, units: int = 100) -> Floor:
        return Floor(shape, rules, cash, units)

    return make


class SpotClient:
    """Signed requests, as the spot interface wants them."""

    def __init__(self, venue: Running, http: httpx.Client) -> None:
        self.venue = venue
        self.http = http
        http.base_url, http.headers = venue.url, {"X-MBX-APIKEY": venue.key}

    def sign(self, text: str) -> str:
        return hmac.new(self.venue.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def ask(self, method: str, path: str, *, at: int | None = None, **params: Any) -> httpx.Response:
        params["timestamp"] = time.time_ns() // 1_000_000 if at is None else at
        text = urlencode(params)
        return self.http.request(method, f"/api/v3/{path}?{text}&signature={self.sign(text)}")

    def order(self, **params: Any) -> httpx.Response:
        wanted = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.1"}
        if params.get("type", "LIMIT") == "LIMIT":
            wanted |= {"timeInForce": "GTC", "price": "59000"}
        return self.ask("POST", "order", **(wanted | params))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts venues, which end with the test."""
    with ExitStack() as stack:

        def begin(shape: str = "spot", log: str = "venue.jsonl", **options: Any) -> Running:
            settings = Settings(shape=shape, instruments=chosen(shape, ()), log=tmp_path / log, **options)
            return stack.enter_context(running(settings))

        yield begin


@pytest.fixture(scope="session")
def client() -> Iterator[httpx.Client]:
    """One client of all tests, since making one takes longer than most of them."""
    with httpx.Client(timeout=30, trust_env=False) as made:
        yield made


@pytest.fixture
def spot(start: Callable[..., Running], client: httpx.Client) -> SpotClient:
    return SpotClient(start("spot"), client)


class StocksClient:
    """Requests with the account's keys, as the stocks interface wants them."""

    def __init__(self, venue: Running, http: httpx.Client) -> None:
        self.venue = venue
        self.http = http
        keys = {"APCA-API-KEY-ID": venue.key, "APCA-API-SECRET-KEY": venue.secret}
        http.base_url, http.headers = venue.url, keys

    def ask(self, method: str, path: str, body: Any = None, **params: Any) -> httpx.Response:
        return self.http.request(method, f"/v2/{path}", params=params, json=body)

    def order(self, **body: Any) -> httpx.Response:
        wanted = {"symbol": "AAPL", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
        return self.ask("POST", "orders", {name: value for name, value in (wanted | body).items() if value is not None})


@pytest.fixture
def stocks(start: Callable[..., Running], client: httpx.Client) -> StocksClient:
    return StocksClient(start("stocks"), client)
