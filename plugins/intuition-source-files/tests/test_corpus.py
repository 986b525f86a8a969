"""Files that are not as they should be: read rightly, or refused by a sentence with file, place and remedy."""

import bz2
import gzip
import io
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import intuition_source_files
import msgspec
import pytest
from support.vendors import File, files, zipped

from intuition_core.errors import IntuitionError

HEAD: Final = "Date,Open,High,Low,Close,Volume\n"
GOOD: Final = "2024-01-02,10,12,9,11,100\n"
NEXT: Final = "2024-01-03,11,13,10,12,200\n"
NUMBER: Final = re.compile(r"[+-]?(?:\d[\d.,'  \u00a0\u202f]*\d|\d)(?:[eE][+-]?\d+)?")


def read(path: Path, source: str = "Csv", **params: Any) -> list[dict[str, Any]]:
    """Read a file as the command does."""
    made = getattr(intuition_source_files, source)()
    made.initialize(msgspec.convert({"path": str(path), **params}, made.Params))
    return list(made.events())


def marked(field: int, value: int) -> bytes:
    """Return a zip archive in which a field of its file's headers has another value.

    Args:
        field: how many bytes behind the version that is needed to read the file; 0 for that itself.
        value: the number there.
    """
    content = bytearray(zipped("prices.csv", HEAD + GOOD))
    for mark, place in ((b"PK\x03\x04", 4), (b"PK\x01\x02", 6)):
        begin = content.index(mark) + place + field
        content[begin : begin + 2] = struct.pack("<H", value)
    return bytes(content)


def two() -> bytes:
    """Return a zip archive of two files."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w") as archive:
        archive.writestr("A.csv", HEAD + GOOD)
        archive.writestr("B.csv", HEAD + GOOD)
    return into.getvalue()


WRITTEN: Final[list[tuple[str, str, str | bytes, str | list[float]]]] = [
    # what it is, the file's name, what is in it, and the prices it gives or what its refusal says
    ("nothing", "a.csv", "", "is empty"),
    ("blank lines alone", "a.csv", "\n\n  \n", "is empty"),
    ("a mark alone", "a.csv", b"\xef\xbb\xbf", "is empty"),
    ("a header alone", "a.csv", HEAD, []),
    ("sep alone", "a.csv", "sep=;\n", "is empty"),
    ("an empty gz", "a.csv.gz", b"", "a.csv.gz"),
    ("a gz of nothing", "a.csv.gz", gzip.compress(b""), "is empty"),
    ("a cut gz", "a.csv.gz", gzip.compress((HEAD + GOOD * 50).encode())[:-12], "a.csv.gz"),
    ("text called gz", "a.csv.gz", HEAD + GOOD, "a.csv.gz: "),
    ("a gz called csv", "a.csv", gzip.compress((HEAD + GOOD).encode()), "may be compressed"),
    ("a bz2 called gz", "a.csv.gz", bz2.compress((HEAD + GOOD).encode()), "a.csv.gz"),
    ("a zip", "a.zip", zipped("AAPL.csv", HEAD + GOOD), [11.0]),
    ("a zip with a password", "a.zip", marked(2, 1), "asks for a password; unpack it first"),
    ("a zip of patches", "a.zip", marked(2, 1 << 5), r"cannot be read here \(.+\); unpack it first"),
    ("a zip of a later version", "a.zip", marked(0, 99), r"cannot be read here \(.+\); unpack it first"),
    ("a zip of an unknown method", "a.zip", marked(4, 99), r"cannot be read here \(.+\); unpack it first"),
    ("a zip of two", "a.zip", two(), r"an archive of 2 files \(A.csv, B.csv\)"),
    ("a zip of none", "a.zip", b"PK\x05\x06" + bytes(18), "an archive of 0 files"),
    ("a cut zip", "a.zip", zipped("AAPL.csv", HEAD + GOOD)[:60], "a.zip"),
    ("a zip called csv", "a.csv", zipped("AAPL.csv", HEAD + GOOD), "name it .zip|no text"),
    ("a workbook", "a.csv", zipped("xl/workbook.xml", "<x/>" * 10), "workbook of Excel.*save it as CSV"),
    ("an old workbook", "a.csv", bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600), "save it as CSV|no text"),
    ("a web page", "a.csv", "<!DOCTYPE html>\n<html><body>Too many requests</body></html>\n", "is a web page"),
    ("a web page in capitals", "a.csv", "  <HTML><HEAD></HEAD></HTML>", "is a web page"),
    ("an XML", "a.csv", '<?xml version="1.0"?><a/>', "XML, not rows of text"),
    ("JSON", "a.csv", '{"error": "limit"}', "is JSON"),
    ("JSON lines", "a.csv", '{"sid": "A", "quote": 1}\n', "is JSON"),
    ("a Parquet file", "a.csv", b"PAR1" + bytes(40) + b"PAR1", "is a Parquet file|no text"),
    ("rich text", "a.csv", "{\\rtf1 a,b}", "is JSON|formats"),
    ("an error in place of data", "a.csv", "Exceeded the daily hits limit\n", "a.csv"),
    ("no data", "a.csv", "No data\n", "a.csv"),
    ("a row for the header", "a.csv", GOOD + NEXT, "its first line is a row.*option `columns`"),
    ("one row without a header", "a.csv", GOOD, "its first line is a row"),
    ("two headers", "a.csv", HEAD + GOOD + HEAD + NEXT, "line 3: `Close` in the column `Close` is not a number"),
    ("merged files", "a.csv", HEAD + NEXT + HEAD.strip() + "\n" + GOOD, "line 3"),
    ("a footer", "a.csv", HEAD + GOOD + "Total,,,,,\n", "line 3: `Total` is no ISO 8601 time"),
    ("a footer of text", "a.csv", HEAD + GOOD + "Data by X Ltd.\n", "line 3: 1 columns, where the header has 6"),
    ("a cell too many", "a.csv", HEAD + GOOD + "2024-01-03,11,13,10,12,200,7\n", "line 3: 7 columns"),
    ("a cell too few", "a.csv", HEAD + GOOD + "2024-01-03,11,13,10,12\n", "line 3: 5 columns"),
    ("a cut last line", "a.csv", HEAD + GOOD + "2024-01-03,11,1", "line 3: 3 columns"),
    ("a quote that never ends", "a.csv", HEAD + '"2024-01-02,10,12,9,11,100\n' + NEXT, "line"),
    ("text for a price", "a.csv", HEAD + "2024-01-02,10,12,9,eleven,100\n", "`eleven` in the column `Close`"),
    ("an error of a spreadsheet", "a.csv", HEAD + "2024-01-02,10,12,9,#REF!,100\n", "`#REF!` in the column `Close`"),
    ("underscores", "a.csv", HEAD + "2024-01-02,10,12,9,1_1,100\n", "`1_1` in the column `Close`"),
    ("other digits", "a.csv", HEAD + "2024-01-02,10,12,9,\u0661\u0661,100\n", "line 2: .*is not a number"),
    ("hexadecimal", "a.csv", HEAD + "2024-01-02,10,12,9,0x0B,100\n", "`0x0B` in the column `Close`"),
    ("no close", "a.csv", HEAD + "2024-01-02,10,12,9,,100\n" + NEXT, [12.0]),
    ("NaN", "a.csv", HEAD + "2024-01-02,10,12,9,NaN,100\n" + NEXT, [12.0]),
    ("infinity", "a.csv", HEAD + "2024-01-02,10,12,9,inf,100\n", "`Close` is inf, which is beyond"),
    ("zero", "a.csv", HEAD + "2024-01-02,10,12,9,0,100\n", "`Close` is 0, which is not above zero"),
    ("a negative price", "a.csv", HEAD + "2024-01-02,10,12,9,-11,100\n", "`Close` is -11, which is not above"),
    ("a huge price", "a.csv", HEAD + f"2024-01-02,10,12,9,{10**30},100\n", "which is beyond what a price can be"),
    ("a tiny price", "a.csv", HEAD + "2024-01-02,10,12,9,1e-300,100\n", "which is beyond what a price can be"),
    ("a price beyond floats", "a.csv", HEAD + "2024-01-02,10,12,9,1e999,100\n", "line 2"),
    ("a percentage", "a.csv", HEAD + "2024-01-02,10,12,9,11%,100\n", "`11%` in the column `Close`"),
    ("a dollar and a plain one", "a.csv", HEAD + "2024-01-02,$10,$12,$9,$11,100\n", [11.0]),
    ("thousands in quotes", "a.csv", HEAD + '2024-01-02,"1,010.5","1,200.5","990.5","1,100.5",100\n', [1100.5]),
    (
        "a point or thousands",
        "a.csv",
        HEAD.replace(",", ";") + "2024-01-02;1,010;1,012;1,009;1,011;100\n",
        r"may be 1.011 or 1011; say which with the option `decimal`",
    ),
    ("a comma before fractions", "a.csv", HEAD.replace(",", ";") + "2024-01-02;10,5;12;9;11,25;100\n", [11.25]),
    ("both marks", "a.csv", HEAD.replace(",", ";") + "2024-01-02;1.010,5;1.012;1.009;1.011,25;100\n", [1011.25]),
    ("groups of two", "a.csv", HEAD + '2024-01-02,"1,00,010.5",12,9,"1,00,011.5",100\n', "is not a number"),
    ("no time", "a.csv", HEAD + ",10,12,9,11,100\n", "line 2: there is no time"),
    ("a time that is none", "a.csv", HEAD + "yesterday,10,12,9,11,100\n", "line 2: `yesterday` is no ISO 8601 time"),
    ("30 February", "a.csv", HEAD + "2024-02-30,10,12,9,11,100\n", "line 2: `2024-02-30` is no ISO 8601 time"),
    ("month 13", "a.csv", HEAD + "2024-13-01,10,12,9,11,100\n", "line 2: `2024-13-01` is no ISO 8601 time"),
    ("hour 25", "a.csv", HEAD + "2024-01-02 25:00:00,10,12,9,11,100\n", "line 2"),
    ("a year of two digits", "a.csv", HEAD + "02.01.24,10,12,9,11,100\n", [11.0]),
    (
        "two readings of a date",
        "a.csv",
        HEAD + "01/02/2024,10,12,9,11,100\n" + "01/03/2024,10,12,9,12,100\n",
        r"`01/02/2024` may be written as `%m/%d/%Y` or written as `%d/%m/%Y`; say which",
    ),
    (
        "one reading of a date",
        "a.csv",
        HEAD + "01/02/2024,10,12,9,11,100\n" + "01/13/2024,10,12,9,12,100\n",
        [11.0, 12.0],
    ),
    ("a day of Excel", "a.csv", HEAD + "45293,10,12,9,11,100\n", "too small to tell what it counts"),
    ("a Julian day", "a.csv", HEAD + "2460311.5,10,12,9,11,100\n", "too small to tell what it counts"),
    ("the year 9999", "a.csv", HEAD + "9999-12-31,10,12,9,11,100\n", "line 2"),
    ("the year 1500", "a.csv", HEAD + "1500-01-01,10,12,9,11,100\n", "line 2"),
    ("a huge number for a time", "a.csv", HEAD + f"{10**25},10,12,9,11,100\n", "line 2"),
    ("a name of a zone", "a.csv", HEAD + "2024-01-02 15:00:00 EST,10,12,9,11,100\n", "is no ISO 8601 time"),
    (
        "two names of zones",
        "a.csv",
        HEAD + "2024-01-02 15:00:00 UTC,10,12,9,11,1\n2024-01-02 16:00:00 GMT,1,2,1,2,1\n",
        "line 3|line 2",
    ),
    ("rows that go back", "a.csv", HEAD + NEXT + GOOD + NEXT, "line 3: .*comes after.*`sort`"),
    ("rows backwards", "a.csv", HEAD + NEXT + GOOD, [11.0, 12.0]),
    ("the same row twice", "a.csv", HEAD + GOOD + GOOD, [11.0, 11.0]),
    ("two columns of one name", "a.csv", "Date,Close,Close\n2024-01-02,1,2\n", "two columns are called `Close`"),
    ("a header without a close", "a.csv", "Date,Last,Volume\n2024-01-02,1,2\n", "name the close with the option"),
    ("a high called Hi", "a.csv", "Date,Open,Hi,Lo,Last\n2024-01-02,1,2,1,2\n", "name the close|no column is known"),
    (
        "raw prices and a split",
        "a.csv",
        (
            "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits\n"
            "2024-01-02,100,101,99,100,5,0,0\n2024-01-03,50,51,49,50,5,0,2\n"
        ),
        "prices are not adjusted for splits",
    ),
    (
        "a split beyond all numbers",
        "daily_adjusted_AAPL.csv",
        (
            "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient\n"
            "2024-01-02,1,2,1,2,2,5,0,inf\n"
        ),
        "line 2: a split of inf is none",
    ),
    (
        "a dollar and a letter",
        "a.csv",
        HEAD + "2024-01-02,$10,$12,$9,$11K,100\n",
        r"`\$11K` in the column `Close` is not",
    ),
    ("a row over two lines", "a.csv", '2024-01-02,10,12,9,"11\n",100\n', "its first line is a row"),
    (
        "a split whose factor cannot be",
        "a.csv",
        "date,open,high,low,close,split\n2024-01-02,1,2,1,2,0.5\n",
        "`split` is 0.5",
    ),
    ("zeros", "a.csv", b"Date,Close\n2024-01-02,\x00\n", "a.csv"),
    ("zeros in the header", "a.csv", b"Da\x00te,Close\n2024-01-02,1\n", "is no text"),
    ("bytes of no text", "a.csv", bytes(range(128, 256)) * 4, "no text"),
    (
        "cp1252",
        "a.csv",
        "Datum;Eröffnung;Schluss\n02.01.2024;1;2\n".encode("cp1252"),
        "option `encoding`, such as cp1252",
    ),
    ("UTF-16", "a.csv", (HEAD + GOOD).encode("utf-16"), [11.0]),
    ("half of UTF-16", "a.csv", (HEAD + GOOD).encode("utf-16")[:-1], "a.csv|read"),
    ("carriage returns", "a.csv", (HEAD + GOOD).replace("\n", "\r\n"), [11.0]),
    ("old Macintosh", "a.csv", (HEAD + GOOD + NEXT).replace("\n", "\r"), [11.0, 12.0]),
    ("spaces about names", "a.csv", " Date , Open , High , Low , Close , Volume \n" + GOOD, [11.0]),
    ("a title", "a.csv", "Prices of AAPL\n" + HEAD + GOOD + NEXT, [11.0, 12.0]),
    ("tabs called csv", "a.csv", (HEAD + GOOD).replace(",", "\t"), [11.0]),
    ("a symbol that cannot be", "a.csv", "Date,Symbol,Close\n2024-01-02,,1\n", "line 2: there is no symbol"),
    ("a symbol with a control", "a.csv", "Date,Symbol,Close\n2024-01-02,A\x07,1\n", "line 2: expected 1 to 128"),
    ("an answer that is an error", "a.json", '{"Error Message": "Invalid API call"}', "`Invalid API call`"),
    ("an answer about limits", "a.json", '{"Note": "5 calls per minute"}', "`5 calls per minute`"),
    ("an empty answer", "a.json", "[]", "holds an empty array"),
    ("a cut answer", "a.json", "[[1704067200000,1,2,1,2,3],[17040", "is no JSON"),
    ("an answer of one number", "a.json", "7", "holds one value"),
    ("rows of several lengths", "a.json", '[{"t":1704067200000,"c":1},[2]]', "entry 2 is no object"),
    ("six numbers of no name", "a.json", "[[1704067200000,1,2,1,2,3]]", "holds arrays of six without names"),
    ("text in an answer", "a.json", '[{"date":"2024-01-02","close":"abc"}]', "entry 1: `abc` in the column `close`"),
    ("truth in an answer", "a.json", '[{"date":"2024-01-02","close":true}]', "entry 1: `True` in the column `close`"),
    ("a Feather file that is none", "a.feather", b"ARROW1\x00\x00" + bytes(30), "is no Arrow file"),
]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    """Write a file."""
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def source_of(name: str) -> str:
    """Name the source that reads a file."""
    return {".json": "Json", ".feather": "Parquet"}.get(Path(name).suffix, "Csv")


@pytest.mark.parametrize(("what", "name", "content", "outcome"), WRITTEN, ids=[case[0] for case in WRITTEN])
def test_a_written_file_is_read_rightly_or_refused(
    tmp_path: Path, what: str, name: str, content: str | bytes, outcome: str | list[float]
) -> None:
    path = write(tmp_path, name, content)
    if isinstance(outcome, list):
        assert [event["quote"] for event in read(path, source_of(name))] == outcome, what
        return
    try:
        read(path, source_of(name))
    except IntuitionError as error:
        message = str(error)
        assert re.search(outcome, message), message
        assert name in message
        assert "\n" not in message
    else:
        assert outcome.endswith("|read"), f"{what} is read"


BASES: Final = (
    "Yahoo, download page",
    "Binance, klines",
    "MetaTrader 5, bars",
    "HistData, bars",
    "Nasdaq",
    "A German spreadsheet",
    "CryptoDataDownload",
    "Interactive Brokers, times with their zone",
)
JUNK: Final = (
    "",
    "NaN",
    "-1",
    "0",
    "inf",
    "1e999",
    "abc",
    "1_0",
    "\u0661",
    "1,5",
    "1.5.5",
    "$",
    '"',
    "2024-01-01",
    "#N/A",
    "9" * 40,
)


def mutants(file: File, count: int) -> Iterator[tuple[str, bytes]]:
    """Return damaged copies of a file, the same each time."""
    draw = random.Random(zlib.crc32(file.vendor.encode()))
    content = file.content if isinstance(file.content, bytes) else file.content.encode()
    for number in range(count):
        rows = content.decode().splitlines()
        mark = next(mark for mark in "\t;," if mark in rows[-1])
        place = draw.randrange(len(rows))
        kind = number % 8
        if kind == 0:
            yield "cut", content[: draw.randrange(len(content))]
        elif kind == 1:
            spoiled = bytearray(content)
            spoiled[draw.randrange(len(spoiled))] = draw.randrange(256)
            yield "a byte", bytes(spoiled)
        elif kind == 2:
            yield "a row left out", "\n".join(rows[:place] + rows[place + 1 :]).encode()
        elif kind == 3:
            rows.insert(draw.randrange(len(rows)), rows[place])
            yield "a row twice", "\n".join(rows).encode()
        elif kind == 4:
            other = draw.randrange(len(rows))
            rows[place], rows[other] = rows[other], rows[place]
            yield "two rows exchanged", "\n".join(rows).encode()
        elif kind == 5:
            cells = rows[place].split(mark)
            cells[draw.randrange(len(cells))] = draw.choice(JUNK)
            rows[place] = mark.join(cells)
            yield "a cell", "\n".join(rows).encode()
        elif kind == 6:
            cells = rows[place].split(mark)
            cells.insert(draw.randrange(len(cells)), draw.choice(JUNK))
            rows[place] = mark.join(cells)
            yield "a cell more", "\n".join(rows).encode()
        else:
            rows[place] = rows[place].replace(mark, draw.choice(",;\t|"))
            yield "another mark", "\n".join(rows).encode()


def outcome_of(path: Path, file: File) -> tuple[list[dict[str, Any]] | None, str]:
    """Return the events of a file, or why it is refused."""
    try:
        return read(path, file.source, **file.params), ""
    except IntuitionError as error:
        return None, str(error)


def written_numbers(text: str) -> set[float]:
    """Return all numbers that are written in a text, in every way of writing them."""
    found: set[float] = set()
    for token in NUMBER.findall(text) + re.findall(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?", text):
        bare = re.sub(r"['\s\u00a0\u202f]", "", token)
        for form in (bare, bare.replace(",", ""), bare.replace(".", "").replace(",", ".")):
            try:
                found.add(float(form))
            except ValueError:
                continue
        for part in re.split(r"[,;\t| ]", token):
            try:
                found.add(float(part))
            except ValueError:
                continue
    return found


@pytest.mark.parametrize("base", BASES)
def test_no_damage_gives_a_price_that_is_not_in_the_file(tmp_path: Path, base: str) -> None:
    (file,) = [each for each in files() if each.vendor == base]
    refused = 0
    for number, (kind, content) in enumerate(mutants(file, 40)):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = write(folder, file.name, content)
        events, said = outcome_of(path, file)
        if events is None:
            refused += 1
            assert file.name in said or "parameter" in said, (kind, said)
            assert "\n" not in said
            continue
        numbers = written_numbers(content.decode(errors="surrogateescape"))
        for event in events:
            for key in ("quote", "open", "high", "low", "close"):
                assert key not in event or event[key] in numbers, (kind, number, key, event)
    assert 5 < refused < 40
