"""Files of JSON lines."""

import bz2
import gzip
import itertools
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_source_files import BadRow, JsonLines, NoFile, UnreadableFile

from intuition_core.errors import BadParameter
from intuition_core.recordings import TIME_UNITS, as_nanoseconds, time_unit

Write = Callable[..., Path]

QUOTE = '{"sid": "A", "quote": "10", "ts": "2014-06-09T13:30:00Z"}\n'
SPLIT = '{"channel": "actions", "sid": "A", "action": "split", "ratio": "4:1", "ts": 1402320600000000000}\n'
RATE = '{"channel": "rates", "sid": "EUR/USD", "quote": 1.08, "ts": 1402320600000000000}\n'
TS = 1402320600 * 10**9


def open_lines(path: Any, **params: Any) -> JsonLines:
    paths = [str(one) for one in path] if isinstance(path, list) else str(path)
    source = JsonLines()
    source.initialize(msgspec.convert({"path": paths, **params}, JsonLines.Params))
    return source


def lines(path: Any, **params: Any) -> list[dict[str, Any]]:
    source = open_lines(path, **params)
    events = list(source.events())
    assert source.progress() == 1.0
    assert list(itertools.chain.from_iterable(source.batches())) == events
    return events


def test_events_of_all_channels_are_read_in_their_normal_form(write: Write) -> None:
    assert lines(write(QUOTE + "\n" + SPLIT + RATE, "a.jsonl")) == [
        {"channel": "rates", "sid": "EUR/USD", "quote": 1.08, "ts": TS},
        {"channel": "actions", "sid": "A", "action": "split", "ratio": "4:1", "ts": TS},
        {"channel": "quotes", "sid": "A", "quote": 10.0, "ts": TS},
    ]


def test_a_line_may_hold_several_events_and_the_last_line_may_have_no_end(write: Write) -> None:
    path = write('\ufeff{"a": 1, "b": 2, "ts": 1}\n[{"a": 3, "ts": 2}, {"b": 4, "ts": 2}]', "a.ndjson")
    assert [(event["sid"], event["quote"]) for event in lines(path)] == [("a", 1), ("b", 2), ("a", 3), ("b", 4)]


def test_the_channel_of_events_that_name_none_is_chosen(write: Write) -> None:
    path = write('{"sid": "A", "action": "split", "ratio": "2:1", "ts": 1}\n' + RATE, "a.jsonl")
    assert [event["channel"] for event in lines(path, channel="actions")] == ["actions", "rates"]
    with pytest.raises(BadParameter, match="jsonl: parameter `channel`"):
        lines(path, channel="#")


@pytest.mark.parametrize(
    ("ending", "compress"),
    [
        (".gz", gzip.compress),
        (".bz2", bz2.compress),
        (".xz", lzma.compress),
        (".zst", lambda content: pa.compress(content, "zstd", asbytes=True)),
    ],
)
def test_compressed_files_are_read_as_their_endings_say(
    tmp_path: Path, ending: str, compress: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"a.jsonl{ending}"
    content = b"".join(b'{"a": 1, "ts": %d}\n' % ts for ts in range(5000))
    path.write_bytes(compress(content))
    assert len(lines(path)) == 5000
    path.write_bytes(compress(content)[:-40])
    with pytest.raises(UnreadableFile, match=r"a\.jsonl"):
        lines(path)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"a": 1}', "ts: missing, and every event of a source needs one"),
        ('{"a": 1, "ts": "2014-06-09T13:30"}', "ts: expected nanoseconds UTC or an ISO 8601 time with its offset"),
        ('{"a": 1, "ts": 1}', "its `ts` 1 is before the last one, 1402320600000000000; put the lines in the order"),
        ('{"a": -1, "ts": 1402320600000000000}', "expected a price above zero"),
        ('{"sid": "A", "ts": 1402320600000000000}', "quote: missing"),
        ('{"a": 1, "ts"', "is no JSON"),
        ('{"a": NaN, "ts": 1402320600000000000}', "is no JSON"),
        ("a,b,c", "is no JSON"),
        ("7", "expected an object"),
        ("[" * 100_000, "is no JSON"),
        ('"' + "x" * 2_000_000, "is longer than 1048576 bytes"),
    ],
)
def test_a_bad_line_is_refused_with_the_number_that_an_editor_shows(write: Write, line: str, says: str) -> None:
    path = write(QUOTE + "\n" + line + "\n" + SPLIT, "a.jsonl")
    with pytest.raises(BadRow, match=rf"a\.jsonl, line 3: .*{says}") as caught:
        lines(path)
    assert (caught.value.path, caught.value.place) == (path, "line 3")


def test_text_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"a": 1, "ts": 1, "name": "Münch"}\n'.encode("latin-1"))
    with pytest.raises(BadRow, match=r"a\.jsonl, line 1: is no JSON"):
        lines(path)


def test_negative_prices_pass_if_they_may(write: Write) -> None:
    assert lines(write('{"a": -37.63, "ts": 1}\n', "a.jsonl"), negative_prices=True)[0]["quote"] == -37.63


events = st.builds(
    lambda channel, sid, step: (channel, sid, step),
    st.sampled_from(["quotes", "actions", "rates", "news"]),
    st.sampled_from(["A", "B", "C"]),
    st.integers(0, 3),
)


@given(
    drawn=st.lists(events, max_size=30),
    symbols=st.sets(st.sampled_from(["A", "B", "Z"])),
    start=st.none() | st.integers(0, 30),
    end=st.none() | st.integers(0, 30),
)
def test_only_what_is_asked_for_is_given_and_rates_besides(
    drawn: list[tuple[str, str, int]],
    symbols: set[str],
    start: int | None,
    end: int | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    times = itertools.accumulate(step for _, _, step in drawn)
    course = [
        {"channel": channel, "sid": sid, "quote": 1.0, "ts": ts, "action": "split", "ratio": "2:1"}
        for (channel, sid, _), ts in zip(drawn, times, strict=True)
    ]
    path = tmp_path_factory.mktemp("lines") / "a.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in course))
    assert lines(path, symbols=sorted(symbols), start=start, end=end) == [
        event
        for event in sorted(course, key=rank_in_time)
        if (not symbols or event["sid"] in symbols or event["channel"] == "rates")
        and (start is None or event["ts"] >= start)
        and (end is None or event["ts"] < end)
    ]


def test_what_is_after_the_end_is_not_even_looked_at(write: Write) -> None:
    assert len(lines(write('{"a": 1, "ts": 1}\n{"a": 1, "ts": 2}\nnonsense\n', "a.jsonl"), end=2)) == 1


def test_several_files_are_merged_by_time_then_in_the_order_given(tmp_path: Path) -> None:
    for name, times in (("b", (1, 3, 3)), ("a", (2, 3, 4))):
        (tmp_path / f"{name}.jsonl").write_text("".join(f'{{"{name}": 1, "ts": {ts}}}\n' for ts in times))

    def order(path: Any) -> str:
        return "".join(event["sid"] for event in lines(path))

    assert order([tmp_path / "b.jsonl", tmp_path / "a.jsonl"]) == "babbaa"
    assert order(tmp_path) == order(tmp_path / "*.jsonl") == "baabba"


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(NoFile, match="no such file"):
        lines(tmp_path / "none.jsonl")
    with pytest.raises(NoFile, match=r"ends in \.jsonl or \.ndjson"):
        lines(tmp_path)
    (tmp_path / "empty.jsonl").touch()
    assert lines(tmp_path / "empty.jsonl") == []


def test_lines_are_streamed(write: Write) -> None:
    path = write("".join(f'{{"a": 1, "ts": {TS + ts}}}\n' for ts in range(30_000)), "a.jsonl")
    source = JsonLines()
    source.initialize(JsonLines.Params(path=str(path)))
    assert source.progress() == 0.0
    seen = [source.progress() for _ in source.batches()]
    assert seen == sorted(seen)
    assert seen[0] < 0.5
    assert len(seen) > 50


def rank_in_time(event: dict[str, Any]) -> tuple[int, int]:
    return event["ts"], {"rates": 0, "actions": 2}.get(event["channel"], 3)


def test_a_bar_began_as_it_says_or_by_the_length_that_was_said(write: Write) -> None:
    bar = '{"sid": "A", "quote": 1, "open": 1, "ts": "2024-01-02T10:0%d:00Z"%s}\n'
    path = write(
        bar % (0, "") + bar % (1, "") + bar % (9, "") + bar % (9, ', "start": "2024-01-02T10:08:59Z"'), "a.jsonl"
    )
    assert ["start" in event for event in lines(path)] == [False, False, True, False]  # what began before comes first
    began = [(event["ts"] - event["start"]) // 10**9 for event in lines(path, bar="5m")]
    assert began == [300, 60, 300, 1]


@pytest.mark.parametrize(
    ("ts", "unit"),
    [
        ("1704240000", "s"),
        ("1704240000.0", "s"),
        ("1704240000000", "ms"),
        ("1704240000000000", "us"),
        ("1704240000000000000", "ns"),
        ("1.70424e18", "ns"),
        ('"2024-01-03T00:00:00Z"', ""),
    ],
)
def test_the_unit_of_a_time_is_known_by_its_size_and_told(write: Write, ts: str, unit: str) -> None:
    source = open_lines(write(f'{{"sid": "A", "quote": 1, "start": {ts}, "ts": {ts}}}\n', "a.jsonl"))
    [event] = source.events()
    assert event["ts"] == event["start"] == 1_704_240_000 * 10**9
    assert [each.unit for each in source.taken()] == [unit]


def test_units_that_change_within_a_file_are_told(write: Write) -> None:
    rows = ["1704240000.25", "1704240000500", "1704240001000000", "1704240002000000000"]
    source = open_lines(write("".join(f'[{{"a": 1, "ts": {ts}}}]\n' for ts in rows), "a.jsonl"))
    since = [event["ts"] - 1_704_240_000 * 10**9 for event in source.events()]
    assert since == [250_000_000, 500_000_000, 1_000_000_000, 2_000_000_000]
    [taken] = source.taken()
    assert taken.unit == "s ms us ns"
    assert "time `ts` in seconds, milliseconds, microseconds and nanoseconds since 1970" in taken.line()


@given(st.integers(10**8, 10**10 - 1), st.sampled_from(["s", "ms", "us", "ns"]), st.integers(0, 999))
def test_any_time_of_our_age_is_the_same_in_all_units(seconds: int, unit: str, rest: int) -> None:
    number = seconds * 10**9 // TIME_UNITS[unit] + (rest if unit != "s" else 0)
    if number >= 8_640_000_000_000_000:
        assert as_nanoseconds(number) is None
        return
    read = as_nanoseconds(number)
    assert read is None or read == (number * TIME_UNITS[unit], unit)
    if read is None:  # then it may be a date in digits
        assert time_unit(number).startswith("%")


@pytest.mark.parametrize(
    "ts", ["20240102", "202401020930", "20240102093000", "45000", "1704240000e200", '"2024-01-02"']
)
def test_a_time_that_may_be_something_else_is_refused_with_its_line(write: Write, ts: str) -> None:
    with pytest.raises(BadRow, match=r"a\.jsonl, line 1: ts: "):
        lines(write(f'{{"sid": "A", "quote": 1, "ts": {ts}}}\n', "a.jsonl"))


@pytest.mark.parametrize(
    "action",
    [
        '"action": "split", "ratio": 0.5',
        '"action": "split", "ratio": 2',
        '"action": "stock_split", "ratio": "2:1"',
        '"action": "dividend", "amount": "1,50"',
    ],
)
def test_an_action_that_cannot_be_booked_is_refused_with_its_line(write: Write, action: str) -> None:
    with pytest.raises(BadRow, match=r"a\.jsonl, line 2: (ratio|action|amount): "):
        lines(write(QUOTE + f'{{"channel": "actions", "sid": "A", {action}, "ts": {TS}}}\n', "a.jsonl"))


def test_text_in_utf_16_is_told_as_such(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(QUOTE, "utf-16")
    with pytest.raises(BadRow, match="line 1: is text in UTF-16; save the file as UTF-8"):
        lines(path)
