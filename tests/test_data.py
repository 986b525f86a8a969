import json
import math
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from intuition_core.data import MAX_BATCH, MAX_DEPTH, MAX_PRICE, MIN_PRICE, RESERVED, check_channel, normalise, sent
from intuition_core.errors import BadData

NOW = 1_700_000_000_000_000_000


def read(payload: object, **options: Any) -> list[dict[str, Any]]:
    return normalise(payload, now=lambda: NOW, **options)


def never() -> int:
    raise AssertionError("the time was asked for")


# What a publisher may send


def test_the_symbol_and_its_quote() -> None:
    assert read({"sid": "GOOG", "quote": "345"}) == [{"channel": "quotes", "sid": "GOOG", "quote": 345.0, "ts": NOW}]


def test_symbols_as_keys_give_an_event_each_in_their_order() -> None:
    assert read({"goog": 3.45, "AAPL": "1.2", "bid": 3, "id": "x"}) == [
        {"channel": "quotes", "sid": "goog", "quote": 3.45, "bid": 3.0, "id": "x", "ts": NOW},
        {"channel": "quotes", "sid": "AAPL", "quote": 1.2, "bid": 3.0, "id": "x", "ts": NOW},
    ]


def test_an_array_is_a_batch() -> None:
    assert [event["sid"] for event in read([{"goog": 1}, {"sid": "IBM", "quote": 2}, {"b": 3, "a": 4}])] == [
        *("goog", "IBM", "b", "a")
    ]
    assert read(({"goog": 1},)) == read([{"goog": 1}])


def test_what_else_the_publisher_sent_stays() -> None:
    sent = {"sid": "GOOG", "quote": 1.5, "note": "é", "tags": [1, None, {"deep": True}], "volume": 7, "ts": 3}
    assert read(sent) == [{**sent, "channel": "quotes"}]


def test_all_prices_become_floats() -> None:
    sent = {"sid": "A", "quote": 1, "open": "2", "high": 3, "low": "0.5", "close": 1, "bid": "1e0", "ask": 2}
    (event,) = read(sent)
    assert all(type(event[key]) is float for key in sent if key != "sid")


def test_a_channel_of_its_own_needs_no_symbol() -> None:
    assert read({"channel": "news", "text": "up"}) == [{"channel": "news", "text": "up", "ts": NOW}]
    assert read({"text": "up"}, channel="news") == [{"channel": "news", "text": "up", "ts": NOW}]
    assert read({"sid": "GOOG"}, channel="news") == [{"channel": "news", "sid": "GOOG", "ts": NOW}]


@pytest.mark.parametrize("payload", [345, 345.0, "345", {"quote": 345}, {"quote": "345", "sid": "GOOG"}])
def test_a_symbol_known_from_elsewhere(payload: object) -> None:
    assert read(payload, sid="GOOG") == [{"channel": "quotes", "sid": "GOOG", "quote": 345.0, "ts": NOW}]


def test_a_symbol_in_the_payload_counts_before_one_from_elsewhere() -> None:
    assert read({"sid": "IBM", "quote": 1}, sid="GOOG")[0]["sid"] == "IBM"
    assert read({"ibm": 1}, sid="GOOG")[0]["sid"] == "ibm"


def test_beside_a_symbol_from_elsewhere_other_keys_are_fields() -> None:
    assert read({"quote": 1, "exchange": "X"}, sid="GOOG") == [
        {"channel": "quotes", "sid": "GOOG", "quote": 1.0, "exchange": "X", "ts": NOW}
    ]


def test_the_time_is_asked_for_once_and_only_if_needed() -> None:
    times = iter([1, 2, 3])
    events = normalise([{"a": 1, "b": 2}, {"c": 3}, {"sid": "d", "quote": 1, "ts": 9}], now=lambda: next(times))
    assert [event["ts"] for event in events] == [1, 1, 1, 9]
    assert normalise({"sid": "a", "quote": 1, "ts": 5}, now=never)[0]["ts"] == 5


def test_a_time_from_a_language_without_integers_is_an_integer_here() -> None:
    ts = read({"sid": "a", "quote": 1, "ts": 1.79e18})[0]["ts"]
    assert ts == 1_790_000_000_000_000_000
    assert type(ts) is int


@pytest.mark.parametrize(
    ("sent", "ts"),
    [
        ("1970-01-01T00:00:00+00:00", 0),
        ("2013-03-01T16:00:00-05:00", 1_362_171_600_000_000_000),
        ("2013-03-01T21:00:00.000001Z", 1_362_171_600_000_001_000),
        ("1969-12-31T23:59:59.5+00:00", -500_000_000),
        ("2013-03-01T23:59:59.999999999+00:00", 1_362_182_399_999_999_999),
        ("1969-12-31T23:59:59.1234567Z", -876_543_300),
        ("2013-03-01T21:00:00,12345678901Z", 1_362_171_600_123_456_789),
        (0, 0),
        (9_999, 9_999),
        ("1970-01-20T17:17:20Z", 1_703_840_000_000_000),
        (-(2**63), -(2**63)),
        (2**63 - 1, 2**63 - 1),
    ],
)
def test_times(sent: object, ts: int) -> None:
    assert read({"sid": "A", "quote": 1, "ts": sent})[0]["ts"] == ts


@given(st.datetimes(datetime(1700, 1, 1), datetime(2250, 1, 1), timezones=st.timezones()))  # noqa: DTZ001  # hypothesis adds the zone
def test_an_iso_time_is_exact_to_the_microsecond(moment: datetime) -> None:
    (event,) = read({"sid": "A", "quote": 1, "ts": moment.isoformat()})
    written = datetime.fromisoformat(moment.isoformat())  # a zone with a fold has lost it in the text
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=event["ts"] // 1000) == written
    assert event["ts"] % 1000 == 0


@given(st.integers(-(2**63), 2**63 - 1) | st.integers(-(10**16), 10**16))
def test_every_time_can_be_sent(ts: int) -> None:
    assert read({"sid": "A", "quote": 1, "ts": sent(ts)})[0]["ts"] == ts


@pytest.mark.parametrize("key", ["ts", "start"])
@pytest.mark.parametrize("moment", ["1975-06-01", "1999-12-31", "2024-01-02", "2100-01-01"])
@pytest.mark.parametrize(("unit", "per_second"), [("seconds", 1), ("milliseconds", 1000), ("microseconds", 10**6)])
def test_a_time_in_another_unit_is_refused_with_what_to_send(key: str, moment: str, unit: str, per_second: int) -> None:
    count = int(datetime.fromisoformat(f"{moment}T00:00+00:00").timestamp()) * per_second
    factor = 10**9 // per_second
    for number in (count, float(count)):
        with pytest.raises(BadData, match=f"{key}: .* first days of 1970; if it is {unit}, send it times {factor:_},"):
            read({"sid": "A", "quote": 1, key: number})
    with pytest.raises(BadData, match=f"{key}: .* as an integer, .*; if it is {unit}, send it times {factor:_},"):
        read({"sid": "A", "quote": 1, key: count + 0.5})
    assert read({"sid": "A", "quote": 1, "ts": count * factor})[0]["ts"] == count * factor


@pytest.mark.parametrize("digits", [20240102, 45293, 2460311, 12_000])
def test_a_date_in_digits_is_no_time(digits: int) -> None:
    with pytest.raises(BadData, match=r"ts: .*; if it is a date, send an ISO 8601 time"):
        read({"sid": "A", "quote": 1, "ts": digits})
    with pytest.raises(BadData, match="last days of 1969"):
        read({"sid": "A", "quote": 1, "ts": -digits})


# When a bar began


@given(st.integers(10**17, 2**63 - 1), st.integers(0, 10**17))
def test_a_bar_says_when_it_began_as_it_says_when_it_ended(ts: int, length: int) -> None:
    start = ts - length
    bar = {"channel": "quotes", "sid": "A", "quote": 1.0, "ts": ts, "start": start}
    assert read({**bar, "start": sent(start)}) == [bar]
    if length:
        with pytest.raises(BadData, match=rf"start: {ts} is after the event's `ts`, {start}"):
            read({**bar, "ts": sent(start), "start": ts})


def test_the_start_may_be_an_iso_time_and_holds_for_each_symbol_of_an_object() -> None:
    start, ts = 1_704_153_600_000_000_000, 1_704_239_999_999_999_999
    sent_ = {"A": 1, "B": 2, "start": "2024-01-02T00:00:00Z", "ts": "2024-01-02T23:59:59.999999999Z"}
    assert [(event["sid"], event["start"], event["ts"]) for event in read(sent_)] == [
        ("A", start, ts),
        ("B", start, ts),
    ]


def test_an_event_that_is_stamped_on_arrival_began_before() -> None:
    assert read({"sid": "A", "quote": 1, "start": NOW})[0]["start"] == NOW
    with pytest.raises(BadData, match=r"start: .* is after the event's `ts`"):
        read({"sid": "A", "quote": 1, "start": NOW + 1})


@pytest.mark.parametrize("start", [None, True, "09:30", "2024-01-02", 1.5, [1], 2**63, 1_704_240_000])
@pytest.mark.parametrize("channel", ["quotes", "news"])
def test_a_start_that_cannot_be_read_is_refused(channel: str, start: object) -> None:
    with pytest.raises(BadData) as refused:
        read({"channel": channel, "sid": "A", "quote": 1, "start": start, "ts": 2**63 - 1})
    assert refused.value.field == "start"


def test_negative_prices_pass_where_they_are_let() -> None:
    assert read({"WTI": -37.63}, negative_prices=True)[0]["quote"] == -37.63
    assert read({"sid": "WTI", "quote": "0", "low": -1}, negative_prices=True)[0]["low"] == -1.0


def test_the_payload_is_left_as_it_was_and_the_event_is_its_own() -> None:
    sent: dict[str, Any] = {"sid": "GOOG", "quote": "1", "tags": ["a", {"b": 1}]}
    before = json.dumps(sent)
    (event,) = read(sent)
    assert json.dumps(sent) == before
    event["tags"][1]["b"] = 2
    assert json.dumps(sent) == before


def test_mappings_and_sequences_of_other_kinds_become_plain() -> None:
    inner = MappingProxyType({"a": (1, OrderedDict(b=2))})
    (event,) = read(MappingProxyType({"sid": "A", "quote": 1, "inner": inner}))
    assert msgpack.unpackb(msgpack.packb(event)) == event
    assert event["inner"] == {"a": [1, {"b": 2}]}


# What cannot be read


@pytest.mark.parametrize(
    ("payload", "says"),
    [
        (None, "an object such as"),
        (True, "an object such as"),
        (345, "an object such as"),
        ("goog", "an object such as"),
        (b'{"goog": 1}', "raw bytes"),
        (object(), "got object"),
        ([], "an empty array"),
        ([[{"goog": 1}]], "got an array"),
        ([{"goog": 1}, None], "got nothing"),
        ({}, "no symbol"),
        ({"low": 3.45}, "no symbol"),
        ({"channel": "quotes"}, "no symbol"),
        ({"quote": 3.45}, "sid: missing"),
        ({"sid": "GOOG"}, "quote: missing"),
        ({"sid": "GOOG", "price": 1}, "quote: missing"),
        ({"sid": None, "quote": 1}, "sid: expected text, got nothing"),
        ({"sid": 700, "quote": 1}, "sid: expected text, got a number"),
        ({"sid": "", "quote": 1}, "sid: expected 1 to 128 printable"),
        ({"sid": "x" * 129, "quote": 1}, "sid: expected 1 to 128 printable"),
        ({"sid": "a\nb", "quote": 1}, "sid: expected 1 to 128 printable"),
        ({"\ud800": 1}, "sid: expected 1 to 128 printable"),
        ({1: 1}, "expected text as a key"),
        ({b"goog": 1}, "expected text as a key"),
        ({"goog": None}, "goog: expected a number, got nothing"),
        ({"goog": True}, "goog: expected a number, got true or false"),
        ({"goog": [1]}, "goog: expected a number, got an array"),
        ({"goog": "much"}, "goog: expected a number, got 'much'"),
        ({"goog": ""}, "goog: expected a number, got ''"),
        ({"goog": "1_000"}, "goog: expected a number, got '1_000'"),
        ({"goog": "NaN"}, "goog: expected a finite number"),
        ({"goog": math.nan}, "goog: expected a finite number"),
        ({"goog": math.inf}, "goog: expected a finite number"),
        ({"goog": "1e999"}, "goog: expected a finite number"),
        ({"goog": 10**400}, "goog: a number beyond"),
        ({"goog": "9" * 5000}, "goog: expected a finite number"),
        ({"goog": 0}, "goog: expected a price above zero"),
        ({"goog": -0.0}, "goog: expected a price above zero"),
        ({"goog": -1}, "goog: expected a price above zero"),
        ({"goog": 5e-324}, "goog: 5e-324 is beyond"),
        ({"goog": 1e300}, "beyond what a price can be"),
        ({"sid": "A", "quote": 1, "ask": "x"}, "ask: expected a number"),
        ({"sid": "A", "quote": 1, "ts": 1.5}, "ts: expected nanoseconds UTC as an integer, got a number"),
        ({"sid": "A", "quote": 1, "ts": True}, "ts: expected nanoseconds UTC as an integer, got true or false"),
        ({"sid": "A", "quote": 1, "ts": None}, "ts: expected nanoseconds UTC as an integer, got nothing"),
        ({"sid": "A", "quote": 1, "ts": 2**63}, "ts: .*beyond 64 bits"),
        ({"sid": "A", "quote": 1, "ts": "now"}, "ts: expected nanoseconds UTC or an ISO 8601 time"),
        ({"sid": "A", "quote": 1, "ts": "2013-03-01T16:00:00"}, "ts: .*with its offset"),
        ({"sid": "A", "quote": 1, "ts": "9999-01-01T00:00:00Z"}, "ts: .*beyond 64 bits"),
        ({"sid": "A", "quote": 1, "ts": "0001-01-01T00:00:00+23:59"}, "ts: .*beyond 64 bits"),
        ({"sid": "A", "quote": 1, "channel": 5}, "channel: expected text"),
        ({"sid": "A", "quote": 1, "channel": ""}, "channel: expected a name"),
        ({"sid": "A", "quote": 1, "channel": "quotes/#"}, "channel: expected a name"),
        ({"sid": "A", "quote": 1, "x": math.nan}, "x: expected a finite number"),
        ({"sid": "A", "quote": 1, "x": {"y": [math.inf]}}, "x: expected a finite number"),
        ({"sid": "A", "quote": 1, "x": 2**63}, "x: an integer beyond 64 bits"),
        ({"sid": "A", "quote": 1, "x": [-(2**63) - 1]}, "x: an integer beyond 64 bits"),
        ({"sid": "A", "quote": 1, "x": "\ud800"}, "x: text that is no valid Unicode"),
        ({"sid": "A", "quote": 1, "x": {"\ud800": 1}}, "x: text that is no valid Unicode"),
        ({"sid": "A", "quote": 1, "x": {1: 1}}, "x: expected text as a key"),
        ({"sid": "A", "quote": 1, "x": b"y"}, "x: expected plain JSON, got raw bytes"),
        ({"sid": "A", "quote": 1, "x": {1, 2}}, "x: expected plain JSON, got set"),
        ({"sid": "A", "quote": 1, "\ud800": 1}, "expected a key of 1 to 128 printable"),
        ({"sid": "A", "quote": 1, "a\nb": math.nan}, "expected a key of 1 to 128 printable"),
        ({"sid": "A", "quote": 1, "x" * 129: 1}, "expected a key of 1 to 128 printable"),
        ({"channel": "news", "\ud800": 1}, "expected a key of 1 to 128 printable"),
    ],
)
def test_what_is_unreadable_is_refused_by_name(payload: object, says: str) -> None:
    with pytest.raises(BadData, match=says):
        read(payload)


@pytest.mark.parametrize("sid", ["", "x" * 129, "a\nb", "\ud800"])
@pytest.mark.parametrize("payload", [1, {"quote": 1}])
def test_a_symbol_from_elsewhere_is_checked_too(payload: object, sid: str) -> None:
    with pytest.raises(BadData, match="sid: expected 1 to 128 printable"):
        read(payload, sid=sid)


def test_a_bad_half_spoils_the_whole() -> None:
    with pytest.raises(BadData, match="aapl"):
        read({"goog": 1, "aapl": "x"})
    with pytest.raises(BadData, match="aapl"):
        read([{"goog": 1}, {"aapl": "x"}])


def test_an_error_keeps_the_field() -> None:
    with pytest.raises(BadData) as caught:
        read({"sid": "A", "quote": 1, "ask": "x"})
    assert caught.value.field == "ask"


def nested(levels: int, wrap: Callable[[object], object]) -> object:
    value: object = 1
    for _ in range(levels):
        value = wrap(value)
    return value


@pytest.mark.parametrize("wrap", [lambda inner: [inner], lambda inner: {"x": inner}])
def test_nesting_has_an_end(wrap: Callable[[object], object]) -> None:
    allowed = nested(MAX_DEPTH, wrap)
    assert read({"sid": "A", "quote": 1, "x": allowed})[0]["x"] == allowed
    with pytest.raises(BadData, match=f"x: nested deeper than {MAX_DEPTH} levels"):
        read({"sid": "A", "quote": 1, "x": nested(MAX_DEPTH + 1, wrap)})
    with pytest.raises(BadData, match="nested deeper"):
        read({"sid": "A", "quote": 1, "x": nested(100_000, wrap)})


def test_a_value_that_contains_itself_is_nested_too_deeply() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(BadData, match="nested deeper"):
        read({"sid": "A", "quote": 1, "x": loop})


def test_a_payload_is_at_most_so_many_events() -> None:
    assert len(read([{"goog": 1}] * MAX_BATCH)) == MAX_BATCH
    assert len(read({f"s{n}": 1 for n in range(MAX_BATCH)})) == MAX_BATCH
    for payload in (
        [{"goog": 1}] * (MAX_BATCH + 1),
        {f"s{n}": 1 for n in range(MAX_BATCH + 1)},
        [{f"s{n}": 1 for n in range(MAX_BATCH)}, {"goog": 1}],
    ):
        with pytest.raises(BadData, match=f"at most {MAX_BATCH} at once"):
            read(payload)


@pytest.mark.parametrize("payload", [{"goog": "x" * 10**6}, {"sid": "x" * 10**6, "quote": 1}, {"x" * 10**6: 1}])
def test_a_message_stays_short_whatever_was_sent(payload: object) -> None:
    with pytest.raises(BadData) as caught:
        read(payload)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("name", ["quotes", "sma/20", "a b", "é", "x" * 256])
def test_channels(name: str) -> None:
    assert check_channel(name) == name


@pytest.mark.parametrize("name", ["", "a+", "#", "$SYS", "x" * 257, "a\x00", "\ud800", None, 1])
def test_names_that_no_channel_can_have(name: object) -> None:
    with pytest.raises(BadData, match="channel"):
        check_channel(name)


# Whatever comes in

SURROGATES = st.text(st.characters(), max_size=5)  # lone surrogates too, as JSON can smuggle them in
NUMBERS = st.one_of(
    st.floats(),
    st.integers(),
    st.integers(-(2**65), 2**65),
    st.sampled_from(
        [2**63, -(2**63), 10**400, MIN_PRICE, MAX_PRICE, "NaN", "-inf", "1e400", "1_0", " 5 ", "5", "٣", "0x1", "1e5"]
    ),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, SURROGATES, st.binary(max_size=3), st.dates())
ISO_TIMES = st.one_of(
    st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
    st.datetimes().map(datetime.isoformat),
    st.from_regex(r"[0-9]{4}-?[0-9W]{2}-?[0-9]{1,2}[T \ud800]?[0-9:.,]{0,12}([+-][0-9:.]{2,9}|Z)?", fullmatch=True),
)
VALUES = st.recursive(
    SCALARS | ISO_TIMES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner),
        st.dictionaries(st.one_of(SURROGATES, st.integers(), st.none()), inner, max_size=3),
        st.dictionaries(SURROGATES, inner, max_size=2).map(MappingProxyType),
    ),
    max_leaves=8,
)
KEYS = st.one_of(st.sampled_from(sorted(RESERVED)), st.sampled_from(["goog", "AAPL", "note"]), SURROGATES)
ODD_KEYS = st.one_of(KEYS, st.integers(), st.binary(max_size=2), st.none())
SIDS = st.sampled_from(["GOOG", "a/b", " ", "é", ""]) | SURROGATES
PRICES = st.one_of(st.floats(MIN_PRICE, MAX_PRICE), st.integers(1, 10**15), st.sampled_from(["345", "1e-3", "7.5"]))
LIKELY = st.fixed_dictionaries(
    {},
    optional={
        "sid": st.sampled_from(["GOOG", "IBM"]) | SIDS,
        "quote": PRICES | NUMBERS,
        "ts": st.integers(-(2**63), 2**63 - 1) | ISO_TIMES | NUMBERS,
        "start": st.integers(-(2**63), 2**63 - 1) | ISO_TIMES | NUMBERS,
        "channel": st.sampled_from(["quotes", "news", "a/b", "#"]) | SURROGATES,
        "goog": PRICES | NUMBERS,
        "low": PRICES | NUMBERS,
        "note": VALUES,
        "volume": NUMBERS,
    },
)
ITEMS = st.one_of(
    LIKELY, LIKELY, st.dictionaries(KEYS, PRICES | VALUES, max_size=5), st.dictionaries(ODD_KEYS, VALUES, max_size=4)
)
PAYLOADS = st.one_of(ITEMS, ITEMS, st.lists(ITEMS | VALUES, max_size=3), VALUES)


def check_event(event: dict[str, Any], *, negative_prices: bool) -> None:
    assert type(event) is dict
    assert type(event["ts"]) is int
    assert -(2**63) <= event["ts"] < 2**63
    assert type(event.get("start", 0)) is int
    assert -(2**63) <= event.get("start", event["ts"]) <= event["ts"]
    assert check_channel(event["channel"]) == event["channel"]
    if event["channel"] == "quotes":
        assert type(event["sid"]) is str
        assert type(event["quote"]) is float
    if "sid" in event:
        assert 1 <= len(event["sid"]) <= 128
        assert event["sid"].isprintable()
    for key in {"quote", "open", "high", "low", "close", "bid", "ask"} & set(event):
        price = event[key]
        assert type(price) is float
        assert math.isfinite(price)
        assert negative_prices or MIN_PRICE <= price <= MAX_PRICE
    plain = json.loads(json.dumps(event, allow_nan=False, ensure_ascii=False).encode())
    assert plain == event
    assert msgpack.unpackb(msgpack.packb(event)) == event


@settings(max_examples=2_500, deadline=None)
@given(
    payload=PAYLOADS,
    channel=st.sampled_from(["quotes", "news"]),
    sid=st.none() | SIDS,
    negative_prices=st.booleans(),
)
@example(
    payload={"sid": "A", "quote": 1, "ts": "9999-12-31T23:59:59Z"}, channel="quotes", sid=None, negative_prices=False
)
@example(payload={"sid": "A", "quote": 1, "\ud800": 1}, channel="quotes", sid=None, negative_prices=False)
@example(payload={"quote": 1}, channel="quotes", sid="\n", negative_prices=False)
def test_whatever_comes_in_becomes_events_or_one_clear_error(
    payload: object, channel: str, sid: str | None, negative_prices: bool
) -> None:
    try:
        events = read(payload, channel=channel, sid=sid, negative_prices=negative_prices)
    except BadData as error:
        message = str(error)
        assert message.isprintable()
        assert len(message.encode()) < 500
        return
    assert events
    for event in events:
        check_event(event, negative_prices=negative_prices)
        assert normalise(as_sent(event), now=never, negative_prices=negative_prices) == [event]
    assert normalise([as_sent(event) for event in events], now=never, negative_prices=negative_prices) == events


def as_sent(event: dict[str, Any]) -> dict[str, Any]:
    return {key: sent(value) if key in ("ts", "start") else value for key, value in event.items()}


@settings(max_examples=1_000, deadline=None)
@given(ITEMS)
def test_what_a_json_parser_lets_through_is_read_or_refused(payload: object) -> None:
    """A parser that lets through NaN, lone surrogates and integers of any size, as Python's does."""
    parsed = json.loads(json.dumps(payload, default=str, skipkeys=True))
    events, refusal = None, ""
    try:
        events = read(parsed)
    except BadData as error:
        refusal = str(error)
    assert bool(events) != bool(refusal)
    assert refusal.isprintable()
    for event in events or ():
        check_event(event, negative_prices=False)


@pytest.mark.parametrize(
    "text", ["\u0663", "\uff13", "1\u0660", " 12 ", "12\n", "\t12", "\u00a012", "1_000", "1 2", "", " "]
)
def test_a_price_as_text_is_written_as_json_writes_numbers(text: str) -> None:
    with pytest.raises(BadData, match=r"goog: expected a number, got '"):
        read({"goog": text})


@pytest.mark.parametrize(("text", "price"), [("12", 12.0), ("3.45", 3.45), ("1e3", 1000.0), ("+2", 2.0), (".5", 0.5)])
def test_a_price_may_be_the_text_of_a_number(text: str, price: float) -> None:
    assert [event["quote"] for event in read({"goog": text})] == [price]


@settings(max_examples=500)
@given(
    sid=st.text(
        st.characters(exclude_categories=["Cs", "Cc", "Cf", "Co", "Cn", "Zl", "Zp", "Zs"]), min_size=1, max_size=128
    ),
    quote=st.floats(MIN_PRICE, MAX_PRICE),
    ts=st.integers(-(2**63), 2**63 - 1),
)
def test_an_event_of_the_shape_passes_as_it_is(sid: str, quote: float, ts: int) -> None:
    event = {"channel": "quotes", "sid": sid, "quote": quote, "ts": ts}
    assert normalise(as_sent(event), now=never) == [event]
    wide = {sid: quote, "ts": sent(ts)}
    if sid not in RESERVED:
        assert normalise(wide, now=never) == [event]
