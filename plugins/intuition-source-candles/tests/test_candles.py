"""Candles of venues, asked for by commands and page by page."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_source_candles import Candles
from intuition_source_candles.errors import BadAnswer, NotKept, VenueRefused
from intuition_source_candles.venues import VENUES
from support.candles import JANUARY, MINUTE, SECOND, Answer, Venue
from support.commands import Ran, run_command

from intuition_core.errors import BadParameter
from intuition_core.recordings import TryLater

HOUR = 60 * MINUTE
SPAN = ("--from", "2024-01-01", "--to", "2024-01-03")


def source(at: Venue, **params: Any) -> Candles:
    made = Candles()
    made.initialize(msgspec.convert({"url": at.url, **params}, Candles.Params))
    return made


@pytest.fixture
def fetch(venue: Venue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run ``data fetch`` into a dataset called kept."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def ask(*options: object, symbols: str = "BTCUSDT") -> Ran:
        at = ("--param", f"source.url={venue.url}", "--param", "source.pause=0")
        return run_command(
            "data", "fetch", "--source", "candles", *at, "--symbols", symbols, "--name", "kept", *options
        )

    return ask


def test_a_candle_is_known_when_the_next_one_begins(venue: Venue) -> None:
    events, upto, last = source(venue).fetch("BTCUSDT", JANUARY, JANUARY + 3 * MINUTE)
    assert events == [
        {
            "channel": "quotes",
            "sid": "BTCUSDT",
            "quote": 101.25 + number,
            "open": 100.5 + number,
            "high": 102.0 + number,
            "low": 99.0 + number,
            "close": 101.25 + number,
            "volume": 1.5,
            "start": JANUARY + number * MINUTE,
            "ts": JANUARY + (number + 1) * MINUTE,
        }
        for number in range(2)
    ]
    assert (upto, last) == (JANUARY + 3 * MINUTE, False)
    [(path, query)] = venue.asked
    assert path == "/api/v3/klines"
    assert query == {
        "symbol": "BTCUSDT",
        "interval": "1m",
        "limit": "1000",
        "startTime": str(JANUARY // 10**6 - 60_000),
        "endTime": str(JANUARY // 10**6 + 120_000 - 1),
    }


def test_both_venues_give_the_same_candles(venue: Venue) -> None:
    span = (venue.now - 200 * MINUTE, venue.now)
    one = source(venue).fetch("BTCUSDT", *span)
    other = source(venue, venue="kraken").fetch("XBTUSD", *span)
    assert len(one.events) == 200
    assert [{**event, "sid": ""} for event in one.events] == [{**event, "sid": ""} for event in other.events]
    assert one[1:] == other[1:]
    assert venue.asked[1][1] == {"pair": "XBTUSD", "interval": "1", "since": str(span[0] // SECOND - 60 - 1)}


@pytest.mark.parametrize(("venue_name", "sid"), [("binance", "BTCUSDT"), ("kraken", "XBTUSD")])
def test_what_is_not_over_is_left_out_and_asked_for_the_next_time(venue: Venue, venue_name: str, sid: str) -> None:
    made = source(venue, venue=venue_name)
    late = venue.now + HOUR
    events, upto, last = made.fetch(sid, venue.now - 5 * MINUTE, late)
    assert [event["ts"] for event in events][-1] == venue.now - 30 * SECOND
    assert (upto, last) == (venue.now - 2 * SECOND + 1, True)
    assert made.fetch(sid, upto, late) == ([], upto, True)
    venue.now += 31 * SECOND  # a second after the end of the next one
    assert made.fetch(sid, upto, late).events == []
    venue.now += 1 * SECOND
    [event] = made.fetch(sid, upto, late).events
    assert event["ts"] == venue.now - 2 * SECOND


@given(
    first=st.integers(-100, 3100),
    length=st.integers(1, 3000),
    odd=st.integers(0, 59),
    absent=st.sets(st.integers(0, 2999), max_size=50),
    interval=st.sampled_from(["1m", "1h"]),
)
def test_pages_of_any_span_are_its_candles_once_each(
    first: int, length: int, odd: int, absent: set[int], interval: str
) -> None:
    venue = Venue.__new__(Venue)  # its answers, without a server
    venue.now, venue.listed, venue.absent = JANUARY + 3000 * MINUTE + 30 * SECOND, JANUARY, absent
    made = Candles()
    made.initialize(Candles.Params(interval=interval))

    class Direct:
        def get(self, path: str, query: dict[str, str]) -> Any:
            from intuition_source_candles.web import Answered

            return Answered(json.loads(venue.binance(query).body), venue.now)

    made._web = Direct()  # type: ignore[assignment]
    start = JANUARY + first * MINUTE + odd * SECOND
    end = start + length * MINUTE
    got, since, last = [], start, False
    while since < end and not last:
        page = made.fetch("BTCUSDT", since, end)
        got += [event["start"] for event in page.events]
        since, last = page.upto, page.last
    step = {"1m": MINUTE, "1h": HOUR}[interval]
    known = [begin for begin, _ in venue.rows(step) if start <= begin + step < end]
    assert got == [begin for begin in known if begin + step <= venue.now - 2 * SECOND]


def test_a_span_is_fetched_page_by_page_and_once(fetch: Callable[..., Ran], venue: Venue) -> None:
    ran = fetch(*SPAN)
    assert ran.code == 0, ran.err
    assert ran.out == "BTCUSDT: 2,879 events new; 3 requests\n"
    assert fetch(*SPAN).out == "BTCUSDT: 0 events new; 0 requests\n"
    assert fetch("--to", "2024-01-04").out == "BTCUSDT: 121 events new; 1 request\n"
    assert fetch("--to", "2024-01-04").out == "BTCUSDT: 0 events new; 1 request\n"
    venue.now += 10 * MINUTE
    assert fetch("--to", "2024-01-04").out == "BTCUSDT: 10 events new; 1 request\n"


def test_gaps_are_listed(fetch: Callable[..., Ran], venue: Venue) -> None:
    venue.absent = {100, 101, 2000}
    ran = fetch(*SPAN, "--calendar", "24/7", "--json")
    assert ran.code == 0, ran.err
    assert ran.told["fetched"][0]["new"] == 2876
    assert [gap["start"] for gap in ran.told["gaps"]] == [JANUARY + number * MINUTE for number in (100, 2000)]


def test_before_a_symbol_was_listed_there_is_nothing(fetch: Callable[..., Ran]) -> None:
    assert fetch("--from", "2023-12-01", "--to", "2023-12-20").out == "BTCUSDT: 0 events new; 1 request\n"
    assert fetch("--from", "2023-12-01", "--to", "2024-01-01T00:03").out == "BTCUSDT: 2 events new; 1 request\n"


HTML = Answer(body=b"<html>hello</html>")
CUT = Answer(body=b'[[1704067200000, "1', length=4000)
BUSY = Answer(429, b'{"code": -1003, "msg": "Too much request weight used."}', {"Retry-After": "7"})
SHUT = Answer(418, b'{"code": -1003, "msg": "Way too many requests."}', {"Retry-After": "120"})


def test_what_may_succeed_later_is_tried_again(fetch: Callable[..., Ran], venue: Venue, waits: list[float]) -> None:
    venue.answers = [BUSY, SHUT, Answer(503), HTML, CUT]
    assert fetch(*SPAN).out == "BTCUSDT: 2,879 events new; 8 requests\n"
    assert waits[:2] == [7.0, 120.0]
    assert len(waits) == 5


@pytest.mark.parametrize(
    ("answer", "tries", "said"),
    [
        (BUSY, 6, "status 429, -1003 Too much request weight used.; wait 7 s"),
        (Answer(503, b"<html>down</html>"), 6, "status 503"),
        (HTML, 6, "what is no JSON"),
        (CUT, 6, "broke off: 3,981 bytes are missing"),
        (Answer(body=b'[[1704067200000, "1'), 6, "what is no JSON"),
        (Answer(418, headers={"Retry-After": "259200"}), 1, "shut out for a while); wait 259,200 s"),
    ],
)
def test_what_has_come_is_kept_and_the_told_command_goes_on(
    fetch: Callable[..., Ran], venue: Venue, waits: list[float], answer: Answer, tries: int, said: str
) -> None:
    venue.answers = [None, *[answer] * tries]
    ran = fetch(*SPAN)
    assert ran.code == 1
    assert ran.out == f"BTCUSDT: 1,000 events new; {1 + tries} requests\n"
    assert said in ran.err
    assert "go on by: intuition data fetch --source candles --symbols BTCUSDT --from 2024-01-01T16:40:00" in ran.err
    assert fetch(*SPAN).out == "BTCUSDT: 1,879 events new; 2 requests\n"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(400, b'{"code": -1121, "msg": "Invalid symbol."}'), "status 400, -1121 Invalid symbol."),
        (Answer(403, b"<html>no</html>"), "does not serve this place"),
        (Answer(451, b'{"code": 0, "msg": "restricted location"}'), "restricted location"),
        (Answer(302, headers={"Location": "http://127.0.0.1:1/"}), "elsewhere, at 'http://127.0.0.1:1/'"),
        (Answer(404), "status 404"),
    ],
)
def test_a_refusal_ends_it_with_what_the_venue_says(
    fetch: Callable[..., Ran], venue: Venue, waits: list[float], answer: Answer, said: str
) -> None:
    venue.answers = [None, answer]
    ran = fetch(*SPAN)
    assert (ran.code, ran.out, len(venue.asked)) == (1, "", 2)
    assert said in ran.err
    assert ran.err.count("\n") == 1
    assert fetch(*SPAN).out == "BTCUSDT: 1,879 events new; 2 requests\n"


GOOD = [1704067200000, "100.5", "102", "99", "101.25", "1.5", 1704067259999, "150", 7, "0.5", "50", "0"]


def changed(place: int, value: Any) -> list[Any]:
    return [value if number == place else cell for number, cell in enumerate(GOOD)]


@pytest.mark.parametrize(
    "content",
    [
        {"code": 0},
        "candles",
        None,
        [GOOD, GOOD],
        [GOOD[:4]],
        [{"open": 1}],
        [changed(0, 1704067200)],
        [changed(0, 1704067200000000)],
        [changed(0, "1704067200000")],
        [changed(0, True)],
        [changed(0, -1)],
        [changed(1, "1_000")],
        [changed(1, "NaN")],
        [changed(2, "-5")],
        [changed(3, None)],
        [changed(4, "٣٤")],
        [changed(4, 10**400)],
        [changed(5, "inf")],
        [changed(5, "-1")],
        [changed(5, None)],
    ],
)
def test_an_answer_that_cannot_be_is_refused(venue: Venue, content: Any) -> None:
    venue.answers = [Answer(body=json.dumps(content).encode())]
    with pytest.raises(BadAnswer):
        source(venue).fetch("BTCUSDT", JANUARY, JANUARY + HOUR)


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ({"error": ["EQuery:Unknown asset pair"]}, VenueRefused),
        ({"error": ["EGeneral:Invalid arguments"]}, VenueRefused),
        ({"error": ["EGeneral:Too many requests"]}, TryLater),
        ({"error": ["EService:Unavailable"]}, TryLater),
        ({"error": [], "result": {}}, BadAnswer),
        ({"error": [], "result": {"A": [], "B": [], "last": 1}}, BadAnswer),
        ({"error": [], "result": {"last": 1}}, BadAnswer),
        ([], BadAnswer),
    ],
)
def test_what_kraken_says_in_its_answers(venue: Venue, content: Any, error: type[Exception]) -> None:
    venue.answers = [Answer(body=json.dumps(content).encode())]
    with pytest.raises(error):
        source(venue, venue="kraken").fetch("XBTUSD", JANUARY, JANUARY + HOUR)


def test_what_kraken_keeps_no_more_is_refused_with_the_time_from_which_on_it_does(venue: Venue) -> None:
    made = source(venue, venue="kraken")
    with pytest.raises(NotKept, match=r"begin at 2024-01-02T14:02; say --from 2024-01-02T14:12") as caught:
        made.fetch("XBTUSD", JANUARY, venue.now)
    assert "source.interval" in str(caught.value)
    since = JANUARY + 24 * HOUR + 14 * HOUR + 12 * MINUTE
    assert len(made.fetch("XBTUSD", since, venue.now).events) == 709


def test_an_answer_without_a_date_is_refused(venue: Venue) -> None:
    venue.answers = [Answer(body=b"[]", dated=False)]
    with pytest.raises(BadAnswer, match="no `Date`"):
        source(venue).fetch("BTCUSDT", JANUARY, JANUARY + HOUR)


def test_a_venue_that_is_not_there_is_told(fetch: Callable[..., Ran], venue: Venue, waits: list[float]) -> None:
    venue.shutdown()
    venue.socket.close()
    ran = fetch(*SPAN)
    assert ran.code == 1
    assert "cannot be reached: " in ran.err
    assert len(waits) == 5


@pytest.mark.parametrize(
    ("after", "seconds"),
    [
        ("7", 7.0),
        ("Tue, 02 Jan 2024 02:00:40 GMT", 10.0),
        ("Mon, 01 Jan 2024 02:00:40 GMT", 0.0),
        ("soon", None),
        ("-3", None),
        ("", None),
    ],
)
def test_how_long_a_venue_asks_to_wait(venue: Venue, after: str, seconds: float | None) -> None:
    venue.now = JANUARY + 26 * HOUR + 30 * SECOND
    venue.answers = [Answer(429, headers={"Retry-After": after})]
    with pytest.raises(TryLater) as caught:
        source(venue).fetch("BTCUSDT", JANUARY, JANUARY + HOUR)
    assert caught.value.seconds == seconds


def test_a_backtest_reads_it_directly(venue: Venue, waits: list[float]) -> None:
    options = ("--source", "candles", "--param", f"source.url={venue.url}", "--symbols", "BTCUSDT")
    ran = run_command("backtest", "--algo", "random", *options, *SPAN, "--json")
    assert ran.code == 0, ran.err
    assert (
        "binance 1m: time `begin` in UTC, bars of 1m stamped at the open; prices close, open, high, low, as traded; "
        in ran.err
    )
    assert "1 symbol (BTCUSDT), 2,879 rows from 2024-01-01 00:01:00Z to 2024-01-02 23:59:00Z" in ran.err
    assert waits == [0.25, 0.25]
    ran = run_command("backtest", "--algo", "random", *options, "--from", "2024-01-01", "--to", "2025-01-01")
    assert "left out: what is after 2024-01-03T02:01Z, which is not over yet" in ran.err
    ran = run_command("backtest", "--algo", "random", *options)
    assert ran.code == 1
    assert "say --from and --to" in ran.err


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"interval": "7m"}, "binance has no `7m`, only 1s, 1m"),
        ({"venue": "kraken", "interval": "3m"}, "kraken has no `3m`"),
        ({"url": "file:///etc/passwd"}, "expected https://host"),
        ({"url": "https://ann:secret@host"}, "without a user"),
        ({"url": "https://host?x=1"}, "without a user or a query"),
        ({"url": "https://host:99999"}, "expected https://host"),
        ({"url": "https://[host"}, "expected https://host"),
        ({"url": "host"}, "expected https://host"),
        ({"symbols": ["A\nB"]}, "printable"),
        ({"channel": "#"}, "channel"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(params: dict[str, Any], said: str) -> None:
    with pytest.raises(BadParameter, match="source candles") as caught:
        Candles().initialize(msgspec.convert(params, Candles.Params))
    assert said in str(caught.value)


def test_each_venue_has_a_length_for_each_interval() -> None:
    for venue in VENUES.values():
        assert all(length >= SECOND for length in venue.intervals.values())
        assert venue.url.startswith("https://")
