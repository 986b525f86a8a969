"""``intuition data`` as its users meet it."""

import json
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.datasets import added, bar, write_csv

from intuition_core.sources.datasets.findings import DROPPABLE

INTUITION = Path(sys.executable).with_name("intuition")
ALGO = ("--algo", "random", "--portfolio", "fixed")


def test_a_file_is_added_listed_verified_read_and_removed(run: Callable[..., Any], catalogue: Path) -> None:
    assert run("data", "list", "--json").told == []
    assert run("data", "verify").code == 0
    write_csv(Path("AAPL.csv"), 30)
    ran = run("data", "add", "AAPL.csv")
    assert ran.code == 0, ran.err
    assert ran.out.startswith("AAPL: 30 events new; 30 in all\n")
    assert "time `Date` in UTC, dates of whole days" in ran.err
    [row] = run("data", "list", "--json").told
    assert (row["name"], row["symbols"], row["events"], row["problem"]) == ("AAPL", ["AAPL"], 30, None)
    assert run("data", "list").out.startswith(
        "AAPL: 30 events of AAPL from 2024-01-02T23:59:59Z to 2024-01-31T23:59:59Z"
    )
    assert run("data", "verify", "AAPL").out.endswith(f"contents {row['sha256'][:12]}\n")
    of_file, of_dataset = (run("backtest", *ALGO, "--data", data, "--json").told for data in ("AAPL.csv", "AAPL"))
    assert of_file["decisions_sha256"] == of_dataset["decisions_sha256"]
    assert of_dataset["data"][0]["sha256"] == row["sha256"]
    pinned = f"AAPL@{row['sha256'][:10]}"
    assert run("backtest", *ALGO, "--data", pinned).code == 0
    ran = run("data", "rm", "AAPL")
    assert ran.code == 1
    assert "say --yes" in ran.err
    assert run("data", "rm", "AAPL", "--yes").code == 0
    assert not (catalogue / "AAPL").exists()
    ran = run("backtest", *ALGO, "--data", "AAPL")
    assert ran.code == 1
    assert "cannot tell which source reads this" in ran.err
    assert run("data", "rm", "AAPL", "--yes").err.startswith("intuition: no dataset `AAPL`")


def test_compare_and_publish_read_datasets_too(run: Callable[..., Any], catalogue: Path) -> None:
    added(catalogue / "kept", [bar(day, 100.0 + day) for day in range(30)])
    ran = run("compare", "--algo", "random", "--portfolio", "fixed,naive", "--data", "kept", "--json")
    assert ran.told["data"][0]["kind"] == "dataset"
    ran = run("backtest", *ALGO, "--data", "kept", "--check-lookahead")
    assert "no look-ahead found" in ran.err


def test_adding_other_prices_is_refused_until_replace(run: Callable[..., Any]) -> None:
    write_csv(Path("A.csv"), 10)
    assert run("data", "add", "A.csv").code == 0
    write_csv(Path("A.csv"), 12, price=lambda day: 100.0 + day + (day == 4))
    ran = run("data", "add", "A.csv")
    assert ran.code == 1
    assert ran.err.splitlines()[-1].startswith("intuition: A at 2024-01-06 23:59:59.999999999Z is quote 104.0 in the")
    assert run("data", "add", "A.csv", "--replace", "--json").told | {"sha256": "", "folder": ""} == {
        "name": "A",
        "new": 2,
        "known": 9,
        "replaced": 1,
        "left_out": {},
        "events": 12,
        "sha256": "",
        "folder": "",
    }


def test_a_damaged_dataset_is_refused_and_verified(run: Callable[..., Any], catalogue: Path) -> None:
    added(catalogue / "kept", [bar(day) for day in range(5)])
    [file] = (catalogue / "kept").rglob("*.parquet")
    file.write_bytes(file.read_bytes() + b" ")
    ran = run("backtest", *ALGO, "--data", "kept")
    assert ran.code == 1
    assert "`intuition data verify kept`" in ran.err
    ran = run("data", "verify")
    assert ran.code == 1
    assert "lost: A from 2024-01-02T23:59:59Z to 2024-01-06T23:59:59Z" in ran.out
    assert "mend: intuition data rm kept" in ran.out
    [row] = run("data", "verify", "--json").told
    assert [defect["kind"] for defect in row["defects"]] == ["changed"]
    (catalogue / "kept" / "dataset.json").write_text("{}")
    assert run("data", "list").code == 0
    assert "is no index of a dataset" in run("data", "list").out


# -- show


def test_show_tells_how_a_file_is_read_and_its_ends(run: Callable[..., Any]) -> None:
    write_csv(Path("AAPL.csv"), 30)
    ran = run("data", "show", "AAPL.csv", "--calendar", "24/7")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].startswith("AAPL.csv: time `Date` in UTC, dates of whole days; prices Close, Open, High, Low")
    assert [line.split()[0] for line in lines[2:9]] == [
        *("2024-01-02T23:59:59Z", "2024-01-03T23:59:59Z", "2024-01-04T23:59:59Z", "…"),
        *("2024-01-29T23:59:59Z", "2024-01-30T23:59:59Z", "2024-01-31T23:59:59Z"),
    ]
    assert lines[-1] == "nothing odd was found, gaps against 24/7 included"
    told = run("data", "show", "AAPL.csv", "--json").told
    assert list(told) == ["events", "taken", "contents", "first", "last", "findings"]
    assert (told["events"], len(told["first"]), len(told["last"]), told["findings"]) == (30, 3, 3, [])


@pytest.mark.parametrize("days", range(1, 8))
def test_first_and_last_events_never_overlap(run: Callable[..., Any], days: int) -> None:
    write_csv(Path("A.csv"), days)
    told = run("data", "show", "A.csv", "--json").told
    closes = [event["close"] for event in (*told["first"], *told["last"])]
    assert closes == sorted(set(closes))
    assert len(closes) == min(days, 6)


def odd_file(path: Path, kind: str) -> None:
    """Write a file that has one oddity."""
    write_csv(path, 40)
    rows = path.read_text().splitlines()
    if kind == "duplicates":
        rows.insert(6, rows[5])
    elif kind == "outside":
        rows[6] = "2024-01-07,105.0,104.0,103.0,105.0,1"
    elif kind == "stale":
        rows[10:30] = [f"{row.partition(',')[0]},100.0,101.0,99.0,100.0,5" for row in rows[10:30]]
    elif kind == "splits":
        rows[20:] = [f"{row.partition(',')[0]},30.0,31.0,29.0,30.0,{place}" for place, row in enumerate(rows[20:])]
        rows[21:] = [row.replace(",30.0,31.0", f",30.{place % 7 + 1},31.0") for place, row in enumerate(rows[21:])]
    elif kind == "gaps":
        del rows[20:25]
    path.write_text("\n".join(rows) + "\n")


def shell(command: str) -> str:
    """Run a command that was told, in a shell."""
    path = f"PATH={shlex.quote(str(INTUITION.parent))}:$PATH; "
    done = subprocess.run(["sh", "-c", path + command], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("kind", ["duplicates", "outside", "stale", "splits"])
def test_each_finding_names_the_command_that_mends_it(run: Callable[..., Any], kind: str) -> None:
    odd_file(Path("A.csv"), kind)
    [each] = run("data", "show", "A.csv", "--json").told["findings"]
    assert each["finding"]["kind"] == kind
    shell(each["mend"])
    mended = {"duplicates": ["A-mended.csv"], "splits": ["A.csv", "splits.jsonl"]}.get(kind, ["./A"])
    if mended == ["./A"]:
        Path("A.csv").unlink()
        mended = ["A"]
    assert run("data", "show", *mended, "--json").told["findings"] == []


@pytest.mark.parametrize("kind", DROPPABLE)
def test_rows_that_are_dropped_are_counted(run: Callable[..., Any], kind: str) -> None:
    odd_file(Path("A.csv"), kind)
    told = run("data", "add", "A.csv", "--drop", kind, "--json").told
    assert set(told["left_out"]) == {kind}
    assert told["new"] + told["left_out"][kind] == 41 - (kind != "duplicates")


def test_gaps_are_listed_with_the_command_that_fetches_them(run: Callable[..., Any]) -> None:
    odd_file(Path("A.csv"), "gaps")
    assert run("data", "add", "A.csv").code == 0
    ran = run("data", "gaps", "A", "--calendar", "24/7")
    assert (ran.code, ran.out) == (1, "A 2024-01-21T00:00:00Z to 2024-01-26T00:00:00Z: 5 sessions\n")
    assert "data fetch --symbols A --from 2024-01-21T00:00:00Z --to 2024-01-26T00:00:00Z --name A" in ran.err
    [gap] = run("data", "gaps", "A", "--calendar", "24/7", "--json").told
    assert (gap["sid"], gap["kind"], gap["count"]) == ("A", "session", 5)
    write_csv(Path("A.csv"), 40)
    run("data", "add", "A.csv", "--name", "A")
    ran = run("data", "gaps", "A", "--calendar", "24/7")
    assert (ran.code, ran.out) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("show", "none.csv"), "none.csv"),
        (("show", "none"), "cannot tell which source reads this"),
        (("add", "A.csv", "--name", "a/b"), "no dataset can be called `a/b`"),
        (("verify", "none"), "no dataset `none`"),
        (("gaps", "A.csv", "--calendar", "NONE"), "NONE"),
        (("show", "A.csv", "--param", "source.zone=UTC"), "zone"),
    ],
)
def test_mistakes_are_one_line(run: Callable[..., Any], arguments: tuple[str, ...], problem: str) -> None:
    write_csv(Path("A.csv"), 3)
    ran = run("data", *arguments)
    assert ran.code == 1
    assert problem in ran.err
    assert ran.err.startswith("intuition: ")
    assert ran.err.count("\n") == 1


def test_output_is_json_and_nothing_else(run: Callable[..., Any]) -> None:
    write_csv(Path("A.csv"), 3)
    for arguments in (("show", "A.csv"), ("add", "A.csv"), ("list",), ("verify",)):
        out = run("data", *arguments, "--json").out
        assert out.count("\n") == 1
        json.loads(out)
