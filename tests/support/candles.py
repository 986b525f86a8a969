"""Venues on this machine that speak as Binance and Kraken do."""

import json
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

SECOND = 10**9
MINUTE = 60 * SECOND
JANUARY = 1_704_067_200 * SECOND
"""2024-01-01, midnight UTC."""


class Answer(NamedTuple):
    """What to answer instead of candles."""

    code: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012  # never changed
    length: int | None = None
    """The length that is told, where it is not that of the body."""
    dated: bool = True


class Venue(ThreadingHTTPServer):
    """A venue with a candle a minute from January 2024 until its own time, of which the last is not over."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.now = JANUARY + 3000 * MINUTE + 30 * SECOND
        self.listed = JANUARY
        """When the first candle began."""
        self.absent: set[int] = set()
        """The numbers of minutes without a candle."""
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answers: list[Answer | None] = []
        """What to answer first; None for candles."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def rows(self, length: int) -> list[tuple[int, list[str]]]:
        """Return when each candle began, and its open, high, low, close and volume."""
        return [
            (begin, [f"{100 + number}.50", f"{102 + number}.00", f"{99 + number}.00", f"{101 + number}.25", "1.5"])
            for number, begin in enumerate(range(self.listed, self.now, length))
            if number not in self.absent
        ]

    def binance(self, query: dict[str, str]) -> Answer:
        if query["symbol"] != "BTCUSDT":
            return Answer(400, b'{"code": -1121, "msg": "Invalid symbol."}')
        length = {"1m": MINUTE, "1h": 60 * MINUTE}[query["interval"]]
        first, last = int(query["startTime"]) * 10**6, int(query["endTime"]) * 10**6
        rows = [
            [begin // 10**6, *prices, (begin + length) // 10**6 - 1, "150.0", 7, "0.5", "50.0", "0"]
            for begin, prices in self.rows(length)
            if first <= begin <= last
        ]
        return Answer(body=json.dumps(rows[: min(int(query["limit"]), 1000)]).encode())

    def kraken(self, query: dict[str, str]) -> Answer:
        if query["pair"] != "XBTUSD":
            return Answer(body=b'{"error": ["EQuery:Unknown asset pair"]}')
        length = int(query["interval"]) * MINUTE
        rows = [
            [begin // SECOND, *prices[:4], prices[3], prices[4], 7]
            for begin, prices in self.rows(length)
            if begin > int(query["since"]) * SECOND
        ][-720:]
        last = rows[-2][0] if len(rows) > 1 else 0
        return Answer(body=json.dumps({"error": [], "result": {"XXBTZUSD": rows, "last": last}}).encode())


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the library's name
        venue: Any = self.server
        parts = urlsplit(self.path)
        query = {key: value for key, [value] in parse_qs(parts.query).items()}
        venue.asked.append((parts.path, query))
        answer = venue.answers.pop(0) if venue.answers else None
        if answer is None:
            ask = {"/api/v3/klines": venue.binance, "/0/public/OHLC": venue.kraken}.get(parts.path)
            answer = Answer(404) if ask is None else ask(query)
        self.send_response_only(answer.code)
        if answer.dated:
            self.send_header("Date", formatdate(venue.now // SECOND, usegmt=True))
        length = len(answer.body) if answer.length is None else answer.length
        for name, value in {**answer.headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *arguments: Any) -> None:
        """Write nothing."""
