import bz2
import csv
import gzip
import itertools
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intuition_source_files import BadRow, Csv, Parquet, UnreadableFile
from intuition_source_files.packing import unpacked

MINUTE = 60 * 10**9
BAR = "timestamp,open,high,low,close,volume\n"

Read = Callable[..., list[dict[str, Any]]]
Write = Callable[..., Path]

prices = st.one_of(st.none(), st.floats(0.001, 1e9).map(lambda price: float(f"{price:.6g}")))
bars = st.lists(
    st.tuples(
        st.integers(0, 3), st.sampled_from(["A", "BRK.B", "ß"]), *[prices] * 5, st.none() | st.integers(0, 10**12)
    ),
    max_size=40,
)


def expected(rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """What the rows are, worked out one by one."""
    events: list[dict[str, Any]] = []
    ts, last, apart = 1_600_000_000 * 10**9, dict[str, int](), dict[str, list[int]]()
    for step, sid, open_, high, low, close, bid, volume in rows:
        ts += step * MINUTE
        fields = {"open": open_, "high": high, "low": low, "close": close, "bid": bid, "volume": volume}
        known = {key: value for key, value in fields.items() if value is not None}
        before = last.get(sid)
        if known.keys() & {"open", "high", "low"} or known.keys() >= {"close", "volume"}:
            if before is not None:
                apart.setdefault(sid, []).append(ts - before)
            last[sid] = ts
        else:
            before = None
            known["no bar"] = True
        if close is not None:
            events.append({"channel": "quotes", "sid": sid, "quote": close, "ts": ts, "before": before, **known})
    lengths = {sid: max(of, key=lambda length, of=of: (of.count(length), length)) for sid, of in apart.items()}
    double = any(0 in of for of in apart.values())
    for event in events:
        before = event.pop("before")
        if not event.pop("no bar", False) and lengths and not double:
            length = lengths.get(event["sid"], max(lengths.values()))
            event["start"] = event["ts"] - length if before is None else max(event["ts"] - length, before)
    return events


@settings(max_examples=60, deadline=None)
@given(rows=bars)
def test_csv_and_parquet_give_what_is_in_them(
    read: Read, rows: list[tuple[Any, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("rows")
    header = ["Time", "Symbol", "Open", "High", "Low", "Close", "Bid", "Volume"]
    times = list(itertools.accumulate((row[0] for row in rows), initial=1_600_000_000 // 60))[1:]
    stamps = [int(minute) * 60 + 40 for minute in times]
    with (folder / "x.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(header)
        table.writerows([np.datetime64(stamp, "s"), *row[1:]] for stamp, row in zip(stamps, rows, strict=True))
    columns: list[Any] = [pa.array(stamps, pa.int64()).cast(pa.timestamp("s"))]
    kinds = [pa.string(), *[pa.float64()] * 5, pa.int64()]
    columns += [pa.array([row[index] for row in rows], kind) for index, kind in enumerate(kinds, 1)]
    pq.write_table(pa.table(columns, names=header), folder / "x.parquet", row_group_size=7)
    events = expected(rows)
    for source, name in ((Csv, "x.csv"), (Parquet, "x.parquet")):
        assert read(source, folder / name) == events
        found = read(
            source, folder / name, symbols=["A"], start=1_600_000_000 * 10**9 + 9 * MINUTE, end=1_600_003_000 * 10**9
        )
        within = range(1_600_000_000 * 10**9 + 9 * MINUTE, 1_600_003_000 * 10**9)
        assert found == [event for event in events if event["sid"] == "A" and event["ts"] in within]


@settings(max_examples=40, deadline=None)
@given(cells=st.lists(st.tuples(prices, prices, prices), max_size=30))
def test_wide_and_long_give_the_same(
    read: Read, cells: list[tuple[float | None, ...]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("cells")
    wide, long = ["Date,LOW,B.C,d"], ["date,ticker,quote"]
    for day, row in enumerate(cells):
        date = np.datetime64("1999-12-30") + day
        wide.append(",".join([str(date), *["." if cell is None else str(cell) for cell in row]]))
        long += [
            f"{date},{sid},{'' if cell is None else cell}" for sid, cell in zip(("LOW", "B.C", "d"), row, strict=True)
        ]
    for name, lines in (("wide", wide), ("long", long)):
        (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    events = read(Csv, folder / "wide.csv")
    assert events == read(Csv, folder / "long.csv")
    assert len(events) == sum(cell is not None for row in cells for cell in row)
    chosen = read(Csv, folder / "wide.csv", symbols=["d", "LOW"])
    assert chosen == [event for event in events if event["sid"] != "B.C"]
    table = arrow_csv.read_csv(
        folder / "wide.csv",
        convert_options=arrow_csv.ConvertOptions(
            null_values=["."], column_types=dict.fromkeys(("LOW", "B.C", "d"), pa.float64())
        ),
    )
    pq.write_table(
        table.cast(pa.schema([("Date", pa.date32()), *[(n, pa.float64()) for n in ("LOW", "B.C", "d")]])),
        folder / "wide.parquet",
    )
    assert read(Parquet, folder / "wide.parquet") == events


def test_a_wide_row_that_is_wrong_is_told_with_its_column(read: Read, write: Write) -> None:
    with pytest.raises(BadRow, match=r"line 3: `B` is -1, which is not above zero"):
        read(Csv, write("date,A,B\n2024-01-01,1,1\n2024-01-02,.,-1\n"))
    with pytest.raises(BadRow, match=r"line 2: `NYSE` in the column `venue` is not a number"):
        read(Csv, write("date,A,venue\n2024-01-01,1,NYSE\n"))


PACKED = pytest.mark.parametrize(
    ("ending", "name", "pack"),
    [
        ("gz", "gzip", gzip.compress),
        ("bz2", "bz2", bz2.compress),
        ("xz", "xz", lzma.compress),
        ("zst", "zstd", lambda content: bytes(pa.compress(content, "zstd", asbytes=True))),
    ],
)


@PACKED
def test_closing_what_is_unpacked_closes_the_file(
    tmp_path: Path, ending: str, name: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / f"text.{ending}"
    path.write_bytes(pack(b"text"))
    file = pa.OSFile(str(path))
    with unpacked(file, name) as stream:
        assert stream.read() == b"text"
    assert file.closed


@PACKED
def test_compressed_files_give_the_same(
    read: Read, tmp_path: Path, ending: str, name: str, pack: Callable[[bytes], bytes]
) -> None:
    text = (BAR + "".join(f"{10**9 + i},1,2,0.5,1.{i},{i}\n" for i in range(3_000))).encode()
    (tmp_path / "GOOG.csv").write_bytes(text)
    (tmp_path / f"GOOG.csv.{ending}").write_bytes(pack(text))
    (tmp_path / "GOOG").write_bytes(pack(text))
    events = read(Csv, tmp_path / "GOOG.csv")
    assert len(events) == 3_000
    assert read(Csv, tmp_path / f"GOOG.csv.{ending}") == events
    assert read(Csv, tmp_path / "GOOG", compression=name) == events
    if ending != "xz":
        with pytest.raises(UnreadableFile):
            read(Csv, tmp_path / "GOOG", compression="xz")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", " "])
def test_delimiters_are_seen_or_said(read: Read, write: Write, delimiter: str) -> None:
    text = BAR + "2024-01-02,1,1,1,1,1\n"
    params = {"delimiter": " "} if delimiter == " " else {}
    assert len(read(Csv, write(text.replace(",", delimiter)), **params)) == 1


@pytest.mark.parametrize(
    "text", ["\ufeff" + BAR, BAR.replace("\n", "\r\n"), "\n\n" + BAR, BAR.replace("close", '"close"')]
)
def test_marks_line_ends_blank_lines_and_quotes_do_not_matter(read: Read, write: Write, text: str) -> None:
    end = "\r\n" if "\r\n" in text else "\n"
    (event,) = read(Csv, write(text + f'2024-01-02,1,1,1,"5",1{end}{end}'))
    assert (event["close"], event["volume"]) == (5.0, 1)


def test_a_file_without_rows_has_no_events(read: Read, write: Write, tmp_path: Path) -> None:
    assert read(Csv, write(BAR)) == []
    assert read(Csv, write(BAR.strip())) == []
    pq.write_table(
        pa.table({"time": pa.array([], pa.timestamp("s")), "price": pa.array([], pa.float64())}), tmp_path / "x.parquet"
    )
    assert read(Parquet, tmp_path / "x.parquet") == []
