import io
import json
from typing import Any

import pytest

from intuition_core.session.console import Console, sentence


def record(type_: str, **content: Any) -> dict[str, Any]:
    return {"id": "r:1:0", "type": type_, "seq": 1, "ts": 0, "sid": "GOOG", "cause": "r:1", **content}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (record("decision", side="buy", cash="4213.07", quote=345.0), "buying 4213.07 of GOOG at 345"),
        (record("decision", side="sell", cash="99.5", quote=3.45), "selling 99.50 of GOOG at 3.45"),
        (record("decision", side="buy", cash="0.0001", quote=1e-7), "buying 0.0001 of GOOG at 1e-07"),
        (
            record("decision", side="sell", cash="50", quantity="10", quote=3.0, short=True),
            "selling short 10 GOOG at 3",
        ),
        (
            record("decision", side="buy", cash="30", quantity="10", quote=3.0, short=True),
            "buying back 10 GOOG at 3",
        ),
        (
            record("fill", side="buy", quantity="12.5", price=345.0, cash="4312.5"),
            "bought 12.5 GOOG at 345 for 4312.50",
        ),
        (
            record("fill", side="sell", quantity="1", price=2.5, cash="2.5", profit="-1"),
            "sold 1 GOOG at 2.5 for 2.50, profit -1.00",
        ),
        (record("rejection", side="buy", reason="no edge"), "not buying GOOG: no edge"),
        (
            record("rejection", reason="an event of `actions`: ratio: no ratio"),
            "refused: an event of `actions`: ratio: no ratio",
        ),
        (
            record("action", action="split", ratio="4:1", algorithm="x", before="10", after="40", cash="0"),
            "4:1 split of GOOG: 40 held by x, were 10",
        ),
        (
            record("action", action="dividend", amount="0.24", algorithm="x", before="10", after="10", cash="2.4"),
            "dividend of 0.24 of GOOG: 10 held by x, were 10, 2.40 in cash",
        ),
        (record("error", problem="algorithm x.event: boom"), "failed: algorithm x.event: boom"),
        (record("message", channel="sma", data=3), "sma: 3"),
    ],
)
def test_every_record_is_a_sentence(told: dict[str, Any], expected: str) -> None:
    assert sentence(told) == expected


def test_the_console_writes_sentences_or_json_lines_and_messages_only_when_asked() -> None:
    records = [record("decision", side="buy", cash="1", quote=2.0), record("message", channel="sma", data=3)]
    plain, full, lines = io.StringIO(), io.StringIO(), io.StringIO()
    Console(plain)(records)
    Console(full, messages=True)(records)
    Console(lines, json=True)(records)
    assert plain.getvalue() == "1970-01-01 00:00:00 buying 1.00 of GOOG at 2\n"
    assert full.getvalue().splitlines()[1:] == ["1970-01-01 00:00:00 sma: 3"]
    assert [json.loads(line) for line in lines.getvalue().splitlines()] == records


def test_a_reader_that_went_away_is_no_error() -> None:
    tried: list[str] = []

    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            tried.append(text)
            raise BrokenPipeError

    console = Console(Gone())
    for _ in range(3):
        console([record("decision", side="buy", cash="1", quote=2.0)])
    assert tried == ["1970-01-01 00:00:00 buying 1.00 of GOOG at 2\n"]


def test_a_failure_is_in_the_log_and_not_a_second_time_among_the_sentences() -> None:
    records = [record("error", problem="algorithm x.event: boom"), record("decision", side="buy", cash="1", quote=2.0)]
    plain, lines = io.StringIO(), io.StringIO()
    Console(plain, messages=True)(records)
    Console(lines, json=True)(records)
    assert plain.getvalue() == "1970-01-01 00:00:00 buying 1.00 of GOOG at 2\n"
    assert [json.loads(line)["type"] for line in lines.getvalue().splitlines()] == ["error", "decision"]


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"action": "kill", "reason": "enough", "flatten": False}, "kill switch on (rpc): enough"),
        ({"action": "clear", "reason": "mended"}, "kill switch off (rpc): mended"),
        ({"action": "shares", "moved": {"a": "-5", "b": "5"}}, "capital moved (rpc): a -5, b 5"),
        ({"action": "shares", "moved": {}}, "capital moved (rpc): nothing"),
    ],
)
def test_what_people_decide_is_told(record: dict[str, Any], told: str) -> None:
    assert sentence({"type": "control", "sid": None, "by": "rpc", **record}) == told


def test_the_kind_and_the_prices_of_an_order_are_told() -> None:
    told = [
        ({"order": "stop", "stop": 2938.0}, "buying 10.00 of GOOG stop 2938"),
        ({"order": "limit", "limit": 2.5}, "buying 10.00 of GOOG limit 2.5"),
        ({"order": "stop_limit", "stop": 3.0, "limit": 3.5}, "buying 10.00 of GOOG stop 3 limit 3.5"),
        ({"stop_loss": 2.0, "take_profit": 5.0}, "buying 10.00 of GOOG at 3, stop loss 2, take profit 5"),
    ]
    for more, expected in told:
        assert sentence(record("decision", side="buy", cash="10", quote=3.0, **more)) == expected


def test_what_ends_an_order_is_told_otherwise_than_what_refuses_one() -> None:
    refused = record("rejection", side="buy", reason="no cash")
    ended = {**refused, "reason": "replaced", "cause": "r:0:0"}
    assert (sentence(refused), sentence(ended)) == ("not buying GOOG: no cash", "no longer buying GOOG: replaced")


def test_the_equity_is_told_after_fills_and_at_most_once_a_minute() -> None:
    stream = io.StringIO()
    console = Console(stream, equity=lambda: "1234.5")
    for second in (0, 30, 61, 62):
        ts = second * 10**9
        console([{**record("fill", side="buy", quantity="1", price=2.0, cash="2"), "ts": ts}])
        console([{**record("decision", side="buy", cash="1", quote=2.0), "ts": ts}])
    told = [line for line in stream.getvalue().splitlines() if "equity" in line]
    assert told == ["1970-01-01 00:00:00 equity 1234.50", "1970-01-01 00:01:01 equity 1234.50"]
