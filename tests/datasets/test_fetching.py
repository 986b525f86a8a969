"""Spans fetched from a source over HTTP: once each, politely, kept as they come."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.datasets import DAY, JANUARY

from intuition_core.sources import asking
from intuition_core.sources.asking import TRIES
from intuition_core.sources.datasets.adding import merged
from intuition_core.sources.datasets.fetching import missing
from intuition_core.sources.datasets.index import Asked

SOURCE = """
import json
from urllib.error import HTTPError
from urllib.request import urlopen

import msgspec

from intuition_core.recordings import Page, TryLater


class Params(msgspec.Struct):
    url: str


class Candles:
    Params = Params
    pause = 0.0

    def initialize(self, params):
        self._url = params.url

    def events(self):
        return iter(())

    def fetch(self, sid, start, end):
        try:
            with urlopen(f"{self._url}/candles?symbol={sid}&start={start}&end={end}") as answer:
                rows = json.load(answer)
        except HTTPError as error:
            if error.code == 429:
                raise TryLater("too many requests", seconds=float(error.headers["Retry-After"])) from None
            raise
        events = [
            {"sid": sid, "quote": row["close"], "close": row["close"], "start": row["begin"], "ts": row["end"]}
            for row in rows["candles"]
        ]
        return Page(events, rows["upto"])
"""
PAGE = 10
"""How many candles an answer has."""


class Venue(ThreadingHTTPServer):
    """A venue on this machine, with a candle a day."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[tuple[str, int, int]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        """What to answer first instead of candles."""
        self.broken_after: int | None = None
        self.absent: set[int] = set()
        self.price = 100.0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def candles(self, start: int, end: int) -> dict[str, Any]:
        first = -(-(start - JANUARY) // DAY)
        rows: list[dict[str, Any]] = []
        day = first
        while (ts := JANUARY + (day + 1) * DAY - 1) < end and len(rows) < PAGE:
            if day not in self.absent and ts >= start:
                rows.append({"begin": JANUARY + day * DAY, "end": ts, "close": self.price + day})
            day += 1
        return {"candles": rows, "upto": end if ts >= end else rows[-1]["end"] + 1}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the library's name
        venue = self.server
        assert isinstance(venue, Venue)
        query = {key: value for key, [value] in parse_qs(urlsplit(self.path).query).items()}
        span = int(query["start"]), int(query["end"])
        venue.asked.append((query["symbol"], *span))
        code, body = 200, b""
        headers: dict[str, str] = {}
        if venue.answers:
            code, headers = venue.answers.pop(0)
        elif venue.broken_after is not None and len(venue.asked) > venue.broken_after:
            code = 500
        else:
            body = json.dumps(venue.candles(*span)).encode()
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Write nothing."""


@pytest.fixture
def venue() -> Iterator[Venue]:
    server = Venue()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note the waits instead of waiting."""
    noted: list[float] = []
    monkeypatch.setattr(asking, "sleep", lambda seconds: noted.append(seconds) if seconds else None)
    return noted


@pytest.fixture
def fetch(run: Callable[..., Any], venue: Venue) -> Callable[..., Any]:
    Path("candles.py").write_text(SOURCE)

    def ask(*options: object, symbols: str = "A") -> Any:
        source = ("--source", "./candles.py", "--param", f"source.url={venue.url}", "--symbols", symbols)
        return run("data", "fetch", *source, "--name", "kept", *options)

    return ask


SPAN = ("--from", "2024-01-02", "--to", "2024-02-11")
"""Forty days."""


def closes(run: Callable[..., Any]) -> list[float]:
    told = run("data", "show", "kept", "--json").told
    assert not [each for each in told["findings"] if each["finding"]["kind"] in ("duplicates", "series")]
    return [float(told["events"]), told["first"][0]["close"], told["last"][-1]["close"]]


def test_a_span_is_asked_for_page_by_page_and_once(
    run: Callable[..., Any], fetch: Callable[..., Any], venue: Venue
) -> None:
    ran = fetch(*SPAN)
    assert ran.code == 0, ran.err
    assert ran.out == "A: 40 events new; 4 requests\n"
    begins = [start for _, start, _ in venue.asked]
    assert begins == [JANUARY + day * DAY for day in (0, 10, 20, 30)]
    assert closes(run) == [40.0, 100.0, 139.0]
    assert fetch(*SPAN).out == "A: 0 events new; 0 requests\n"
    assert len(venue.asked) == 4


def test_a_later_fetch_goes_on_where_the_last_one_ended(
    run: Callable[..., Any], fetch: Callable[..., Any], venue: Venue
) -> None:
    ran = fetch("--to", "2024-02-11")
    assert ran.code == 1
    assert "A was never fetched into this dataset; say --from" in ran.err
    assert fetch("--from", "2024-01-02", "--to", "2024-01-12").code == 0
    assert fetch("--to", "2024-01-22").out == "A: 10 events new; 1 request\n"
    assert fetch("--from", "2023-12-30", "--to", "2024-01-25").out == "A: 6 events new; 2 requests\n"
    spans = [(start - JANUARY, end - JANUARY) for _, start, end in venue.asked]
    assert [(start // DAY, end // DAY) for start, end in spans] == [(0, 10), (10, 20), (-3, 0), (20, 23)]
    assert closes(run) == [26.0, 97.0, 122.0]
    assert fetch("--from", "2023-12-30", "--to", "2024-01-25", "--again").out == (
        "A: 0 events new, 26 there already; 3 requests\n"
    )


def test_what_has_come_is_kept_and_the_told_command_goes_on(
    run: Callable[..., Any], fetch: Callable[..., Any], venue: Venue, waits: list[float]
) -> None:
    venue.broken_after = 2
    ran = fetch(*SPAN)
    assert ran.code == 1
    assert ran.out == f"A: 20 events new; {2 + TRIES} requests\n"
    assert "not fetched: A 2024-01-22T00:00:00Z to 2024-02-11T00:00:00Z (HTTPError: HTTP Error 500" in ran.err
    assert len(waits) == TRIES - 1
    venue.broken_after = None
    assert fetch(*SPAN).out == "A: 20 events new; 2 requests\n"
    assert closes(run) == [40.0, 100.0, 139.0]


def test_a_venue_that_asks_to_wait_is_waited_for(fetch: Callable[..., Any], venue: Venue, waits: list[float]) -> None:
    venue.answers = [(429, {"Retry-After": "7"}), (429, {"Retry-After": "9"}), (503, {})]
    assert fetch(*SPAN).out == "A: 40 events new; 7 requests\n"
    assert waits[:2] == [7.0, 9.0]
    assert len(waits) == 3


def test_requests_keep_a_distance(fetch: Callable[..., Any], waits: list[float]) -> None:
    assert fetch(*SPAN, "--pause", "0.25", symbols="A,B").code == 0
    assert waits == [0.25] * 7


def test_changed_history_is_refused_until_replace(
    run: Callable[..., Any], fetch: Callable[..., Any], venue: Venue
) -> None:
    assert fetch(*SPAN).code == 0
    venue.price = 200.0
    ran = fetch(*SPAN, "--again")
    assert ran.code == 1
    assert "say --replace" in ran.err
    assert fetch(*SPAN, "--again", "--replace").code == 0
    assert closes(run) == [40.0, 200.0, 239.0]


def test_gaps_are_listed_and_their_command_fills_them(
    run: Callable[..., Any], fetch: Callable[..., Any], venue: Venue
) -> None:
    venue.absent = {5, 6, 20}
    ran = fetch(*SPAN, "--calendar", "24/7", "--json")
    assert ran.code == 0
    assert [(gap["sid"], gap["count"]) for gap in ran.told["gaps"]] == [("A", 2), ("A", 1)]
    venue.absent = set()
    ran = run("data", "gaps", "kept", "--calendar", "24/7")
    [command] = [line for line in ran.err.splitlines() if line.startswith("mend: ")]
    words = command.removeprefix("mend: intuition ").split()
    assert words[-3:] == ["--source", "./candles.py", "--again"]
    assert run(*words, "--param", f"source.url={venue.url}").code == 0
    assert [gap["count"] for gap in run("data", "gaps", "kept", "--calendar", "24/7", "--json").told] == [1]


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("Page([], start)", "complete up to"),
        ("Page([{'sid': 'B', 'quote': 1.0, 'ts': start}], end)", "an event of B"),
        ("Page([{'sid': sid, 'quote': 1.0, 'ts': end}], end)", "an event of A at"),
        ("Page([{'sid': sid, 'quote': 'x', 'ts': start}], end)", "expected a number"),
        ("Page([{'sid': sid, 'quote': -1.0, 'ts': start}], end)", "above zero"),
        ("Page([{'sid': sid, 'quote': 1.0}], end)", "ts"),
        ("1 / 0", "ZeroDivisionError"),
    ],
)
def test_answers_that_cannot_be_are_refused(
    run: Callable[..., Any], catalogue: Path, answer: str, problem: str
) -> None:
    Path("odd.py").write_text(
        "from intuition_core.recordings import Page\n\n\n"
        "class Odd:\n"
        "    def events(self):\n        return iter(())\n\n"
        f"    def fetch(self, sid, start, end):\n        return {answer}\n"
    )
    ran = run("data", "fetch", "--source", "./odd.py", "--symbols", "A", *SPAN, "--name", "kept")
    assert ran.code == 1
    assert problem in ran.err
    assert not (catalogue / "kept").exists()


def test_a_source_that_cannot_be_asked_is_refused(run: Callable[..., Any]) -> None:
    ran = run("data", "fetch", "--source", "sample", "--symbols", "IBM", *SPAN)
    assert (ran.code, ran.out) == (1, "")
    assert "cannot be asked for a span of time" in ran.err


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(1, 10)), max_size=8)


@given(SPANS, st.integers(0, 30), st.integers(1, 20))
def test_what_is_missing_is_what_nobody_asked_for(spans: list[tuple[int, int]], start: int, length: int) -> None:
    asked = merged(Asked(source="s", sid="A", start=begin, end=begin + size) for begin, size in spans)
    parts = missing(asked, "s", "", "A", (start, start + length))
    covered = {moment for begin, size in spans for moment in range(begin, begin + size)}
    assert [moment for begin, end in parts for moment in range(begin, end)] == [
        moment for moment in range(start, start + length) if moment not in covered
    ]
    for other in (("t", "", "A"), ("s", "x", "A"), ("s", "", "B")):
        assert missing(asked, *other, (start, start + length)) == [(start, start + length)]
