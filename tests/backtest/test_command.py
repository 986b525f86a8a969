"""``intuition backtest`` as its users meet it: what it tells, writes and refuses, and how it ends early."""

import csv
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pexpect
import pyarrow.parquet as pq
import pytest

INTUITION = Path(sys.executable).with_name("intuition")
KEYS = [
    *("events", "run_s", "events_per_s", "load_s", "fills", "orders", "final_equity", "cash", "positions"),
    *("metrics", "decisions_sha256", "data"),
]
SAMPLE = ("--source", "sample", "--param", "units=10", "--cash", "100000")
CROSSING = ("--param", "fast=1", "--param", "slow=2")
"""Averages that cross with every turn of the price."""


# -- what it tells


def test_json_is_one_object_of_the_promised_keys_and_all_that_is_on_standard_output(backtest: Any) -> None:
    ran = backtest(*SAMPLE, "--symbols", "IBM", "--json")
    assert ran.err == ""
    assert ran.out.endswith("}\n")
    assert ran.out.count("\n") == 1
    told = ran.told
    assert list(told) == KEYS
    assert told["events"] == 3270
    assert told["fills"] > 50
    assert re.fullmatch(r"[0-9a-f]{64}", told["decisions_sha256"])
    for metric in told["metrics"].values():
        assert list(metric) == ["value", "unit", "convention"]
        assert metric["unit"] in {"fraction", "ratio", "days", "count", "currency"}
        assert metric["convention"]
    assert told["metrics"]["sharpe"]["convention"].endswith("ddof 1, risk-free 0, scaled by √252")
    assert told["metrics"]["total_return"]["value"] == float(Decimal(told["final_equity"]) / 100_000 - 1)


def test_the_summary_says_what_json_says(backtest: Any) -> None:
    told = backtest(*SAMPLE, "--json").told
    ran = backtest(*SAMPLE)
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("sma-cross with fixed")
    assert re.search(r"Period \(UTC\) +2000-03-01 21:00 to 2013-03-01 21:00", ran.out)
    assert re.search(rf"Events +{told['events']:,} at [\d,]+/s", ran.out)
    assert re.search(rf"Orders, fills +{told['orders']}, {told['fills']}", ran.out)
    assert re.search(rf"Come to +{Decimal(told['final_equity']):,.2f}", ran.out)
    assert re.search(rf"Sharpe ratio +{told['metrics']['sharpe']['value']:.2f} +mean over deviation", ran.out)
    for sid, position in told["positions"].items():
        assert f"holds {position['quantity']} {sid}, worth {position['value']}" in ran.out
    assert f"decisions {told['decisions_sha256']}" in ran.out


@pytest.mark.parametrize("shown", [("--json",), ()])
def test_a_locale_that_cannot_write_everything_loses_nothing(tmp_path: Path, shown: tuple[str, ...]) -> None:
    ran = subprocess.run(
        [INTUITION, "backtest", "--algo", "sma-cross", *SAMPLE[:2], "--symbols", "FB", *shown],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        cwd=tmp_path,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stderr) == (0, b"")
    assert rb"scaled by \u221a252" in ran.stdout


def test_help_documents_every_option_and_keeps_its_examples_apart(run: Any) -> None:
    from intuition_core.cli.backtest import backtest

    ran = run("backtest", "--help")
    assert (ran.code, ran.err) == (0, "")
    assert "\n  intuition backtest --algo sma-cross --portfolio fixed --data prices.csv\n" in ran.out
    for option in backtest.params:
        assert getattr(option, "help", None), option.name
        assert option.opts[-1] in ran.out


# -- what it writes


def test_the_records_are_the_same_in_every_format(backtest: Any, tmp_path: Path) -> None:
    costs = ("--commission-bps", "3", "--commission-per-trade", "0.5")
    told = [
        backtest(*SAMPLE, *costs, "--decisions", tmp_path / f"out.{form}", "--json").told
        for form in ("jsonl", "csv", "parquet")
    ]
    assert len({each["decisions_sha256"] for each in told}) == 1
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    cells = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    columns = pq.read_table(tmp_path / "out.parquet").to_pylist()
    assert [{key: str(value) for key, value in line.items()} for line in lines] == [
        {key: status for key, status in row.items() if status} for row in cells
    ]
    assert lines == [{key: value for key, value in row.items() if value is not None} for row in columns]
    kinds = [line["type"] for line in lines]
    assert (kinds.count("decision"), kinds.count("fill")) == (told[0]["orders"], told[0]["fills"])


def test_a_report_is_written_and_the_summary_with_it(backtest: Any, tmp_path: Path) -> None:
    ran = backtest(*SAMPLE, "--report", tmp_path / "out.html")
    assert (ran.code, ran.err) == (0, f"report written to {tmp_path / 'out.html'}\n")
    assert ran.out.startswith("sma-cross with fixed")
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>")
    assert "sma-cross with fixed" in page


# -- what is left out


def test_from_and_to_keep_the_first_and_leave_out_the_last(backtest: Any, table: Any) -> None:
    days = [f"2024-01-0{day}T00:00:00Z,{day}" for day in range(1, 8)]
    prices = table("time,quote", days)
    for flags, events in (
        ((), 7),
        (("--from", "2024-01-03"), 5),
        (("--to", "2024-01-03"), 2),
        (("--from", "2024-01-03T00:00:00.000001", "--to", "2024-01-05"), 2),  # days are known after their end
        (("--from", "2024-01-03T01:00+01:00"), 5),
        (("--from", "2024-01-04T00:00-01:00"), 4),
    ):
        assert backtest("--data", prices, *flags, "--json").told["events"] == events, flags


def test_symbols_leave_out_the_others(backtest: Any) -> None:
    everything = backtest(*SAMPLE, "--json").told
    assert everything["events"] == 12_154
    told = backtest(*SAMPLE, "--symbols", "IBM,FB", "--json").told
    assert told["events"] == 3270 + 196
    assert told["decisions_sha256"] != everything["decisions_sha256"]


def test_a_run_without_events_says_so(backtest: Any) -> None:
    ran = backtest("--source", "sample", "--from", "2030-01-01")
    assert (ran.code, ran.err) == (0, "sample: no events, or none that --from, --to and --symbols leave\n")
    assert re.search(r"Come to +10,000\.00", ran.out)


# -- costs, by hand


def test_costs_are_those_of_a_pencil(backtest: Any, table: Any, tmp_path: Path) -> None:
    # 100, 90, 95 crosses up at the third quote, is bought at the open of the fourth, 96; 91 crosses down,
    # and is sold at the open of the sixth, 92.
    rows = ["1,100,100", "2,90,90", "3,95,95", "4,96,97", "5,97,91", "6,92,91"]
    prices = table("time,open,close", [f"2024-01-0{row}" for row in rows])
    costs = ("--commission-bps", "10", "--commission-per-trade", "0.25", "--slippage-bps", "50")
    told = backtest(
        *("--data", prices, *CROSSING, "--param", "units=10", "--cash", "1000", *costs),
        *("--slippage-per-trade", "0.1", "--decisions", tmp_path / "out.jsonl", "--json"),
    ).told
    fills = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()][1::2]
    assert [fill["price"] for fill in fills] == [96.48, 91.54]  # 0.5% above 96, 0.5% below 92
    assert [fill["commission"] for fill in fills] == ["1.2148", "1.1654"]  # 0.1% of 964.8 and 915.4, and 0.25
    assert [fill["cash"] for fill in fills] == ["966.1148", "914.1346"]  # with both commission and 0.1
    assert [fill["slippage"] for fill in fills] == ["4.9", "4.7"]  # 10 * 0.48 and 10 * 0.46, and 0.1
    assert fills[1]["profit"] == "-51.9802"
    assert told["final_equity"] == told["cash"] == "948.0198"


def test_volume_is_shared_and_moves_the_price(backtest: Any, table: Any, tmp_path: Path) -> None:
    # The same story, in bars of 40: 4 units of 10 are bought in the fourth, 4 in the fifth, and in the sixth the last
    # 2, which leave room to sell 2 of the 8 that were held when it crossed down.
    rows = ["1,100,100", "2,90,90", "3,95,95", "4,96,97", "5,97,91", "6,92,91"]
    prices = table("time,open,close,volume", [f"2024-01-0{row},40" for row in rows])
    costs = ("--commission-per-unit", "0.01", "--commission-min", "0.03", "--slippage-impact", "0.1")
    backtest(
        *("--data", prices, *CROSSING, "--param", "units=10", "--cash", "1000", *costs, "--volume-share", "0.1"),
        *("--decisions", tmp_path / "out.jsonl", "--json"),
    )
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    fills = [record for record in records if record["type"] == "fill"]
    assert [(fill["side"], fill["quantity"]) for fill in fills] == [
        ("buy", "4"),
        ("buy", "4"),
        ("buy", "2"),
        ("sell", "2"),
    ]
    assert [fill.get("left_quantity") for fill in fills] == ["6", "2", None, "6"]
    assert [fill["price"] for fill in fills] == [96.096, 97.097, 92.023, 91.977]  # 0.1% and 0.025%
    assert [fill["commission"] for fill in fills] == ["0.04", "0.04", "0.03", "0.03"]
    assert records[-1]["type"] == "rejection"  # the 6 that were not sold when the data ended


# -- what it refuses


def one_sentence(ran: Any, code: int = 1) -> str:
    """Check that a mistake was told as one sentence and nothing else, and give it."""
    assert ran.code == code
    assert ran.out == ""
    assert "Traceback" not in ran.err
    if code == 2:
        usage, _, sentence = ran.err.partition("\nError: ")
        assert usage.startswith("Usage: intuition backtest")
    else:
        assert ran.err.startswith("intuition: ")
        sentence = ran.err.removeprefix("intuition: ")
    assert sentence.count("\n") == 1
    return str(sentence.strip())


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--data", "nowhere.csv"), r"nowhere\.csv: no such file"),
        (("--data", "prices.xlsx"), r"prices\.xlsx: cannot tell which source reads this .*name it by --source"),
        (("--source", "smaple"), r"no source is called `smaple`.*did you mean `sample`\?"),
        (("--source", "sample", "--algo", "sma-corss"), r"no algorithm is called `sma-corss`.*`sma-cross`\?"),
        (("--source", "sample", "--symbols", "GOGL"), r"no `GOGL` there, only .*did you mean `GOOG`\?"),
        (("--source", "sample", "--benchmark", "GOGL"), r"--benchmark GOGL: the data has no quote .* `GOOG`\?"),
        (("--source", "sample", "--report", "nowhere/out.html"), r"cannot write nowhere/out\.html: .*no such folder"),
        (("--source", "sample", "--decisions", "nowhere/out.csv"), r"cannot write nowhere/out\.csv: No such file"),
        (("--source", "sample", "--decisions", "out.xlsx"), r"out\.xlsx: cannot tell the format; .*\.parquet"),
        (("--source", "sample", "--cash", "much"), r"--cash: expected an amount such as 10000 .*'much'"),
        (("--source", "sample", "--cash", "-5"), r"--cash: "),
        (("--source", "sample", "--param", "fats=3"), r"--param fats: nobody takes this parameter.*`fast`\?"),
        (("--source", "sample", "--param", "fast"), r"--param fast: expected KEY=VALUE"),
        (("--source", "sample", "--param", "fast=40"), r"fast 40 is not below slow 30"),
        (("--source", "sample", "--param", "source.limt=3"), r"source sample: parameter `limt`: unknown; .*`limit`"),
        (("--source", "sample", "--commission-bps", "-1"), r"--commission-bps: expected a number from 0 to 9999"),
        (("--source", "sample", "--slippage-bps", "some"), r"--slippage-bps: expected a number of basis points"),
        (("--source", "sample", "--fill", "often"), r"--fill: expected one of `next`, `same`, got 'often'"),
        (("--source", "sample", "--config", "nowhere.toml"), r"nowhere\.toml"),
    ],
)
def test_a_mistake_is_one_sentence(backtest: Any, flags: tuple[str, ...], says: str) -> None:
    assert re.search(says, one_sentence(backtest(*flags)))


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ((), r"no data: name a file with --data, or a source with --source"),
        (("--source", "sample", "--from", "yesterday"), r"'--from': 'yesterday' is no time such as 2020-03-01"),
        (("--source", "sample", "--from", "2010-01-01", "--to", "2010-01-01"), r"--from is not before --to"),
        (("--source", "sample", "--sed", "1"), r"No such option.*--seed"),
    ],
)
def test_a_wrong_command_line_is_one_sentence(backtest: Any, flags: tuple[str, ...], says: str) -> None:
    assert re.search(says, one_sentence(backtest(*flags), code=2))


def test_without_an_algorithm_there_is_nothing_to_run(run: Any) -> None:
    assert "none is chosen; name one with --algo" in one_sentence(run("backtest", "--source", "sample"))


def test_a_report_that_cannot_be_written_after_all_takes_no_summary_along(backtest: Any, tmp_path: Path) -> None:
    ran = backtest(*SAMPLE, "--report", tmp_path / ("x" * 300 + ".html"))
    assert ran.code == 1
    assert ran.out.startswith("sma-cross with fixed")
    assert re.fullmatch(r"intuition: cannot write .*x\.html: File name too long\n", ran.err)


def test_a_mistake_in_the_data_leaves_older_records_alone(backtest: Any, tmp_path: Path) -> None:
    kept = tmp_path / "out.jsonl"
    kept.write_text("kept\n")
    one_sentence(backtest("--data", "nowhere.csv", "--decisions", kept))
    assert kept.read_text() == "kept\n"


def test_a_symbol_that_no_row_has_is_refused(backtest: Any, table: Any) -> None:
    sentence = one_sentence(backtest("--data", table("time,quote", ["2024-01-01,1"], "GOOG.csv"), "--symbols", "GOGL"))
    assert "there is no `GOGL`, only `GOOG`" in sentence


# -- rows that go back in time


def test_rows_out_of_order_are_refused_with_the_line(backtest: Any, table: Any, run: Any) -> None:
    prices = table("time,quote", ["2024-01-01,1", "2024-01-03,2", "2024-01-02,3", "2024-01-04,4"])
    sentence = one_sentence(backtest("--data", prices))
    assert re.search(r"prices\.csv, line 4: 2024-01-02T00:00:00Z comes after 2024-01-03T00:00:00Z", sentence)
    assert backtest("--data", prices, "--param", "source.sort=true", "--json").told["events"] == 4


# -- parts that are not there when the tests begin

PARTS = """
import time
from dataclasses import dataclass

class Endless:
    "A source that never ends."

    def events(self):
        for number in range(10**9):
            if number > 3000:
                time.sleep(0.0005)
            yield {"sid": "A", "quote": 100 + number % 7, "ts": (1_700_000_000 + number) * 10**9}


class Stuck:
    "A source that gives some events, and then waits for ever."

    def batches(self):
        yield [{"channel": "quotes", "sid": "A", "quote": 1.0, "ts": number} for number in range(1000)]
        while True:
            time.sleep(60)


class Hung:
    "An algorithm that has got into an endless loop."

    def event(self, data):
        print("hangs", flush=True)
        while True:
            time.sleep(0.01)


class Peeking:
    "A source that scales its prices by the highest of them, which nobody knows before the end."

    @dataclass
    class Params:
        end: int | None = None

    def initialize(self, params):
        self.end = params.end

    def events(self):
        known = [100 + number + (number * 37) % 11 for number in range(100)][: self.end]
        for number, quote in enumerate(known):
            yield {"sid": "A", "quote": quote / max(known), "ts": number}
"""


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a distribution of odd parts, for this process and for others."""
    folder = tmp_path / "parts"
    info = folder / "odd_parts-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd-parts\nVersion: 1.0\n")
    names = {"endless": "Endless", "stuck": "Stuck", "peeking": "Peeking"}
    lines = [f"{name} = odd_parts:{part}" for name, part in names.items()]
    groups = ["[intuition.v1.algorithm]", "hung = odd_parts:Hung", "[intuition.v1.source]", *lines]
    (info / "entry_points.txt").write_text("\n".join(groups) + "\n")
    (folder / "odd_parts.py").write_text(PARTS)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


# -- the look-ahead guard


def test_honest_parts_pass_the_guard(backtest: Any) -> None:
    plain = backtest(*SAMPLE, "--symbols", "FB", "--json")
    checked = backtest(*SAMPLE, "--symbols", "FB", "--json", "--check-lookahead")
    assert checked.code == 0
    assert checked.err.startswith(
        "no look-ahead found: beginnings of the history decide as the whole does, and each fill"
    )
    assert checked.told["decisions_sha256"] == plain.told["decisions_sha256"]


def test_a_source_that_peeks_is_found(backtest: Any, parts: Path) -> None:
    ran = backtest("--source", "peeking", *CROSSING, "--json", "--check-lookahead")
    assert ran.code == 1
    first, *_ = ran.err.splitlines()
    assert re.fullmatch(r"look-ahead: cut off at \d+, event \d+: the source gives another event than .*", first)
    assert list(json.loads(ran.out)) == KEYS


# -- on a terminal


@pytest.fixture
def terminal(parts: Path, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Run a backtest of a source of ours in a terminal; what it shows goes to the child's ``shown``."""
    children = []

    def run(source: str, *flags: object, algorithm: str = "sma-cross") -> Any:
        arguments = ["backtest", "--algo", algorithm, "--source", source, *map(str, flags)]
        child = pexpect.spawn(str(INTUITION), arguments, cwd=str(tmp_path), timeout=40, dimensions=(50, 160))
        children.append(child)
        return child

    yield run
    for child in children:
        child.close(force=True)


def ended(child: Any) -> int:
    """Wait for the end, and give the exit code."""
    child.expect(pexpect.EOF)
    child.close()
    return int(child.exitstatus)


def test_ctrl_c_ends_with_what_it_came_to_so_far(terminal: Any, tmp_path: Path) -> None:
    report, records = tmp_path / "out.html", tmp_path / "out.parquet"
    child = terminal("endless", *CROSSING, "--report", report, "--decisions", records)
    child.expect(r"([3-9]|\d\d),\d{3} events")  # a busy machine may not show each thousand
    child.sendintr()
    child.expect("Come to")
    child.expect(r"interrupted after (\d+),000 events")
    events = int(child.match.group(1)) * 1000
    assert ended(child) == 130
    assert events >= 3000
    assert "<strong>Interrupted.</strong>" in report.read_text(encoding="utf-8")
    last = pq.read_table(records).to_pylist()[-1]
    assert events - 10 < last["seq"] <= events + 1


def test_ctrl_c_ends_a_source_that_waits(terminal: Any) -> None:
    child = terminal("stuck")
    child.expect("1,000 events")
    child.sendintr()
    child.expect("Come to +10,000.00")
    child.expect("interrupted after 1,000 events")
    assert ended(child) == 130


def test_a_second_ctrl_c_ends_even_a_part_that_hangs(terminal: Any) -> None:
    child = terminal("stuck", algorithm="hung")
    child.expect("hangs")
    while child.expect([pexpect.EOF, pexpect.TIMEOUT], timeout=0.5):
        child.sendintr()
    child.close()
    assert child.exitstatus == 130
    assert b"Traceback" not in child.before
    assert b"Come to" not in child.before


def test_the_progress_bar_shows_rate_on_a_terminal_and_nothing_in_json(terminal: Any) -> None:
    child = terminal("sample")
    child.expect(r"[\d,]+ events .*[\d,]+/s")
    child.expect("Come to")
    assert ended(child) == 0
    child = terminal("sample", "--symbols", "FB", "--json")
    assert ended(child) == 0
    assert list(json.loads(child.before)) == KEYS


# -- the same everywhere


@pytest.fixture(scope="module")
def comma(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a locale that writes a comma where others write a point."""
    if shutil.which("localedef") is None or not Path("/usr/share/i18n/locales/de_DE").exists():
        pytest.skip("no localedef, or no description of the locale de_DE")
    folder = tmp_path_factory.mktemp("locales")
    made = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(folder / "de_DE.UTF-8")]
    subprocess.run(made, check=True, capture_output=True, timeout=60)
    return {"LOCPATH": str(folder), "LC_ALL": "de_DE.UTF-8"}


# Sets the locale, as programs do that have this one within them, and notes its decimal point.
WITHIN = """
import locale, sys
from intuition_core.cli import main
locale.setlocale(locale.LC_ALL, "")
print(locale.localeconv()["decimal_point"], file=sys.stderr)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("algorithm", ["random", "sma-cross"])
def test_hash_seed_time_zone_locale_and_folder_change_nothing(
    algorithm: str, table: Any, tmp_path: Path, comma: dict[str, str]
) -> None:
    days = itertools.islice(itertools.product(("2024-03", "2024-10"), range(10, 29), range(24)), 600)
    rows = [f"{month}-{day}T{hour:02}:00,{100 + (day * hour) % 13},{50 + hour / 8}" for month, day, hour in days]
    prices = table("time,A,B", rows)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    settings: list[tuple[Path, str, dict[str, str]]] = [
        (tmp_path, ".", {"PYTHONHASHSEED": "0", "TZ": "Asia/Kathmandu", "LC_ALL": "C"}),
        (tmp_path, ",", {"PYTHONHASHSEED": "1", "TZ": "America/New_York", **comma}),
        (elsewhere, ".", {"PYTHONHASHSEED": "random", "TZ": "UTC"}),
    ]
    arguments = ("backtest", "--algo", algorithm, "--data", str(prices), "--commission-bps", "1.5", "--json")
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WITHIN, *arguments],
            cwd=folder,
            env={key: value for key, value in os.environ.items() if not key.startswith("LC_")} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for folder, _, variables in settings
    ]
    told = []
    for process, (_, point, _) in zip(processes, settings, strict=True):
        out, err = process.communicate(timeout=60)
        first, taken = err.decode().splitlines()
        assert (process.returncode, first) == (0, point)
        assert taken.startswith("prices.csv: time `time` in UTC, single prices; prices A, B, ")
        told.append(json.loads(out))
    for each in told:
        for changing in ("run_s", "load_s", "events_per_s"):
            del each[changing]
    assert told[0] == told[1] == told[2]
    assert told[0]["fills"] > 10
