"""Rows that are no quotes: splits, dividends, rates and whatever else is told on a channel."""

import csv
import io
import itertools
import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from intuition_source_files import BadRow, Csv, JsonLines, NoColumn, Parquet

from intuition_core.account.actions import Dividend, Split, read_action

DAY = 86_400 * 10**9
FIRST = 1704153600 * 10**9
"""2 January 2024."""

Read = Callable[..., list[dict[str, Any]]]
Write = Callable[..., Path]

MIXED = """date,channel,sid,open,close,volume,action,ratio,amount
2024-01-02,,A,9,10,300,,,
2024-01-02,rates,EUR/USD,,1.25,,,,
2024-01-03,actions,A,,,,split,2:1,
2024-01-03,quotes,A,5,5.5,,,,
2024-01-04,actions,A,,,,dividend,,0.24
"""
EXPECTED: list[dict[str, Any]] = [
    {"channel": "rates", "sid": "EUR/USD", "quote": 1.25, "close": 1.25, "ts": FIRST},
    {
        "channel": "quotes",
        "sid": "A",
        "quote": 10.0,
        "open": 9.0,
        "close": 10.0,
        "volume": 300,
        "start": FIRST,
        "ts": FIRST + DAY - 1,
    },
    {"channel": "actions", "sid": "A", "action": "split", "ratio": "2:1", "ts": FIRST + DAY},
    {
        "channel": "quotes",
        "sid": "A",
        "quote": 5.5,
        "open": 5.0,
        "close": 5.5,
        "start": FIRST + DAY,
        "ts": FIRST + 2 * DAY - 1,
    },
    {"channel": "actions", "sid": "A", "action": "dividend", "amount": 0.24, "ts": FIRST + 2 * DAY},
]


def test_one_file_holds_prices_actions_and_rates(read: Read, write: Write) -> None:
    assert read(Csv, write(MIXED)) == EXPECTED
    assert read(Csv, write(MIXED.replace("channel", "kind")), channels="kind") == EXPECTED
    reversed_ = [MIXED.splitlines()[0], *MIXED.splitlines()[:0:-1]]
    assert read(Csv, write("\n".join(reversed_)), sort=True) == EXPECTED


def test_parquet_files_do_as_well(read: Read, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(MIXED)))
    numbers = {"open", "close", "volume", "amount"}
    table = {
        name: [(float(row[name]) if name in numbers else row[name]) if row[name] else None for row in rows]
        for name in rows[0]
    }
    table["date"] = pa.array([FIRST, FIRST, FIRST + DAY, FIRST + DAY, FIRST + 2 * DAY], pa.timestamp("ns", "UTC"))
    pq.write_table(pa.table(table), tmp_path / "mixed.parquet")
    assert read(Parquet, tmp_path / "mixed.parquet") == EXPECTED


def test_symbols_leave_out_other_symbols_but_no_rates(read: Read, write: Write, caplog: Any) -> None:
    path = write(MIXED + "2024-01-05,actions,B,,,,split,3:1,\n2024-01-05,news,B,,,,,,\n")
    assert read(Csv, path, symbols=["A"]) == EXPECTED
    assert read(Csv, path, symbols=["A"], start=FIRST + DAY, end=FIRST + 2 * DAY) == EXPECTED[2:4]
    assert [event["sid"] for event in read(Csv, path, symbols=["B"])] == ["EUR/USD", "B", "B"]
    assert not caplog.messages


def test_a_whole_file_is_of_a_channel_and_needs_no_price(read: Read, write: Write) -> None:
    path = write("date,action,ratio\n2024-01-03,split,2:1\n", "A.csv")
    assert read(Csv, path, channel="actions") == EXPECTED[2:3]
    with pytest.raises(NoColumn, match="known as the quote or the close"):
        read(Csv, path, layout="long")
    path = write("date,sid,score\n2024-01-03,A,0.5\n", "scores.csv")
    assert read(Csv, path, channel="scores") == [
        {"channel": "scores", "sid": "A", "score": 0.5, "ts": FIRST + 2 * DAY - 1}
    ]


def test_the_examples_of_the_readme_can_be_read(read: Read, write: Write) -> None:
    text = (Path(__file__).parent.parent / "README.md").read_text()
    blocks = dict(re.findall(r"```(csv|json)\n(.*?)```", text, re.DOTALL))
    source = JsonLines()
    source.initialize(JsonLines.Params(path=str(write(blocks["json"], "events.jsonl"))))
    assert [event["channel"] for event in source.events()] == ["quotes", "rates", "actions"]
    events = read(Csv, write(blocks["csv"]))
    assert [event["channel"] for event in events] == ["quotes", "actions", "quotes", "actions"]
    assert [type(read_action(event)) for event in events[1::2]] == [Split, Dividend]


def test_a_wide_file_holds_rates(read: Read, write: Write) -> None:
    path = write("date,EUR/USD,GBP/USD\n2024-01-02,1.25,1.5\n2024-01-03,1.28,\n", "rates.csv")
    for symbols in ([], ["A"]):
        rates = read(Csv, path, channel="rates", symbols=symbols)
        assert [(event["channel"], event["sid"], event["quote"]) for event in rates] == [
            ("rates", "EUR/USD", 1.25),
            ("rates", "GBP/USD", 1.5),
            ("rates", "EUR/USD", 1.28),
        ]


def test_a_row_of_quotes_without_a_price_is_a_gap_still(read: Read, write: Write, caplog: Any) -> None:
    with caplog.at_level(logging.WARNING):
        events = read(Csv, write(MIXED + "2024-01-05,,A,1,,,,,\n2024-01-05,quotes,B,1,,,,,\n"))
    assert events == EXPECTED
    assert caplog.messages == ["2 rows without a price gave no event: A 1, B 1"] * 2


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("2024-01-05,rates,EUR/USD,,-1,,,,", "line 7: `close` is -1, which is not above zero"),
        ("2024-01-05,a+b,A,,,,,,", r"line 7: expected a name without `\+`"),
        ("2024-01-05,actions,,,,,split,2:1,", "line 7: there is no symbol"),
        ("2024-01-03,actions,A,,,,split,2:1,", "line 7: .* comes after"),
        ("2024-01-05,actions,A,,,,split,0.5,", r"line 7: ratio: expected new for old in whole numbers"),
        ("2024-01-05,actions,A,,,,stock_split,2:1,", "line 7: action: expected `split` or `dividend`"),
        ('2024-01-05,actions,A,,,,dividend,,"1,50"', "line 7: amount: expected an amount above zero"),
    ],
)
def test_bad_rows_of_other_channels_are_refused_with_their_line(read: Read, write: Write, row: str, says: str) -> None:
    with pytest.raises(BadRow, match=rf"GOOG\.csv, {says}"):
        read(Csv, write(MIXED + row + "\n"))


def test_thousands_of_rows_of_both_kinds(read: Read, write: Write) -> None:
    rows, expected = ["ts,channel,sid,quote,action,ratio"], []
    for number in range(5_000):
        second = 1_700_000_000 + number
        if number % 3:
            rows.append(f"{second},,A,{number},,")
            expected.append({"channel": "quotes", "sid": "A", "quote": float(number), "ts": second * 10**9})
        else:
            rows.append(f"{second},actions,A,,split,2:1")
            split = {"channel": "actions", "sid": "A", "action": "split", "ratio": "2:1"}
            expected.append({**split, "ts": second * 10**9})
    assert read(Csv, write("\n".join(rows))) == expected


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["", "quotes", "actions", "rates", "news"]),
        st.sampled_from(["A", "B", "C"]),
        st.none() | st.integers(1, 99),
        st.integers(0, 2),
    ),
    max_size=30,
)


@given(rows=ROWS, symbols=st.sets(st.sampled_from(["A", "B"])), channel=st.sampled_from(["quotes", "actions", "rates"]))
def test_every_row_that_is_wanted_is_given_once_and_in_order(
    rows: list[tuple[str, str, int | None, int]],
    symbols: set[str],
    channel: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    times = list(itertools.accumulate((step for *_, step in rows), initial=1_700_000_000))[1:]
    path = tmp_path_factory.mktemp("channels") / "rows.csv"
    text = "".join(
        f"{ts},{own},{sid},{'' if quote is None else quote},split,2:1\n"
        for (own, sid, quote, _), ts in zip(rows, times, strict=True)
    )
    path.write_text(f"ts,channel,sid,quote,action,ratio\n{text}")
    source = Csv()
    source.initialize(Csv.Params(path=str(path), symbols=tuple(sorted(symbols)), channel=channel))
    expected = []
    for (own, sid, quote, _), ts in zip(rows, times, strict=True):
        kind = own or channel
        if (quote is None and kind == "quotes") or (symbols and sid not in symbols and kind != "rates"):
            continue
        priced = {} if quote is None else {"quote": float(quote)}
        split = {"action": "split", "ratio": "2:1"}
        expected.append({"channel": kind, "sid": sid, "ts": ts * 10**9, **priced, **split})
    places = {"rates": 0, "actions": 2}
    assert list(source.events()) == sorted(expected, key=lambda event: (event["ts"], places.get(event["channel"], 3)))


def test_a_split_of_a_date_comes_before_its_bar_wherever_its_row_is(read: Read, write: Write) -> None:
    lines = MIXED.splitlines()
    moved = [lines[0], lines[1], lines[2], lines[4], lines[3], lines[5]]
    assert read(Csv, write("\n".join(moved))) == EXPECTED
    assert read(Csv, write(MIXED.replace("split,2:1", "Split,2/1"))) == EXPECTED


def test_a_split_in_a_file_of_its_own_comes_before_the_bar_of_its_moment(read: Read, tmp_path: Path) -> None:
    (tmp_path / "A.csv").write_text("ts,open,close\n2024-01-02T10:00,1,1\n2024-01-02T11:00,1,1\n2024-01-02T12:00,1,1\n")
    (tmp_path / "z.csv").write_text("ts,sid,channel,action,ratio,price\n2024-01-02T11:00,A,actions,split,2:1,\n")
    (tmp_path / "b.csv").write_text("ts,price\n2024-01-02T11:00,5\n")
    found = [(event["sid"], event["channel"]) for event in read(Csv, tmp_path)]
    assert found == [("A", "quotes"), ("A", "quotes"), ("A", "actions"), ("b", "quotes"), ("A", "quotes")]


YAHOO = "Date,Open,Close,Dividends,Stock Splits\n2024-01-02,9,10,0,0\n2024-01-03,5,5.5,{},{}\n"


@pytest.mark.parametrize("header", ["Dividends,Stock Splits", "dividend,split", "dividend_amount,split_coefficient"])
def test_columns_of_dividends_and_splits_are_not_passed_over(read: Read, write: Write, header: str) -> None:
    def path(*said: str) -> Path:
        return write(YAHOO.format(*said).replace("Dividends,Stock Splits", header), "A.csv")

    dividend, split = header.split(",")
    assert len(read(Csv, path("0", "1"))) == len(read(Csv, path("", "0.0"))) == 2
    with pytest.raises(BadRow, match=rf"line 3: `{split}` is 2, and a price does not tell .*`actions`"):
        read(Csv, path("0", "2"))
    with pytest.raises(BadRow, match=rf"line 3: `{dividend}` is 0\.25, "):
        read(Csv, path("0.25", "1"))
    assert len(read(Csv, path("0.25", "2"), actions="ignore")) == 2


@pytest.mark.parametrize(("factor", "ratio"), [("2", "2:1"), ("0.1", "1:10"), ("1.5", "3:2"), ("0.333333333", "1:3")])
def test_columns_of_dividends_and_splits_are_booked_where_that_is_said(
    read: Read, write: Write, factor: str, ratio: str
) -> None:
    split = {"channel": "actions", "sid": "A", "action": "split", "ratio": ratio, "ts": FIRST + DAY}
    dividend = {"channel": "actions", "sid": "A", "action": "dividend", "amount": 0.25, "ts": FIRST + DAY}
    path = write(YAHOO.format("0.25", factor), "A.csv")
    plain = read(Csv, path, actions="ignore")
    for event in plain:
        del event["Dividends"], event["Stock Splits"]
    assert read(Csv, path, actions="book") == [plain[0], split, dividend, plain[1]]
    alone = read(Csv, path, actions="dividends")
    assert [event["channel"] for event in alone] == ["quotes", "actions", "quotes"]
    assert alone[1] == dividend


@pytest.mark.parametrize("header", ["Date,Symbol,Action,Amount,Currency", "date,SYMBOL,ACTION,AMOUNT,CURRENCY"])
def test_columns_of_actions_are_known_in_small_and_in_capital_letters(read: Read, write: Write, header: str) -> None:
    path = write(f"{header}\n2024-01-02,A,Dividend,0.25,EUR\n", "actions.csv")
    [event] = read(Csv, path, channel="actions")
    assert {key: event[key] for key in ("action", "amount", "currency")} == {
        "action": "dividend",
        "amount": 0.25,
        "currency": "EUR",
    }


@pytest.mark.parametrize("currency", ["USD", ""])
def test_a_dividend_beside_a_price_says_its_currency(read: Read, write: Write, currency: str) -> None:
    path = write(f"Date,Close,Dividends,Currency\n2024-01-02,10,0,EUR\n2024-01-03,9,0.25,{currency}\n", "A.csv")
    [dividend] = [event for event in read(Csv, path, actions="book") if event["channel"] == "actions"]
    assert {key: dividend[key] for key in dividend if key.lower() == "currency"} == (
        {"currency": currency} if currency else {}
    )


def test_a_split_that_is_none_of_whole_numbers_is_not_booked(read: Read, write: Write) -> None:
    with pytest.raises(BadRow, match=r"line 3: a split of 1\.41421 is none"):
        read(Csv, write(YAHOO.format("0", "1.4142135")), actions="book")
