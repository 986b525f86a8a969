"""Hashes of what runs read, and runs held to the data of earlier ones."""

import json
import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from support.datasets import added, bar, write_csv

from intuition_core.runs import discover, open_source
from intuition_core.sources.contents import DataChanged

ALGO = ("--algo", "random", "--portfolio", "fixed")
BOTH = {"backtest": ("backtest", *ALGO), "compare": ("compare", "--algo", "random", "--portfolio", "fixed,naive")}


@pytest.fixture
def earlier(run: Callable[..., Any]) -> Callable[..., Path]:
    def ran(*data: object) -> Path:
        path = Path("run.json")
        told = run("backtest", *ALGO, *data, "--json")
        assert told.code == 0, told.err
        path.write_text(told.out)
        return path

    return ran


def test_a_run_tells_what_it_read(run: Callable[..., Any], catalogue: Path) -> None:
    write_csv(Path("A.csv"), 5)
    added(catalogue / "kept", [bar(day, sid="B") for day in range(5)])
    told = run("backtest", *ALGO, "--data", "A.csv", "--data", "kept", "--json").told["data"]
    digest = sha256(Path("A.csv").read_bytes()).hexdigest()
    assert [(each["source"], each["data"], each["kind"]) for each in told] == [
        ("csv", "A.csv", "file"),
        ("dataset", "kept", "dataset"),
    ]
    assert told[0]["sha256"] == digest
    compared = run("compare", "--algo", "random", "--portfolio", "fixed,naive", "--data", "A.csv", "--json").told
    assert [each["sha256"] for each in compared["data"]] == [digest]


@pytest.mark.parametrize("command", ["backtest", "compare"])
def test_the_same_data_passes_under_another_name(
    run: Callable[..., Any], earlier: Callable[..., Path], command: str
) -> None:
    write_csv(Path("A.csv"), 30)
    path = earlier("--data", "A.csv")
    Path("folder").mkdir()
    Path("A.csv").rename("folder/A.csv")
    ran = run(*BOTH[command], "--data", "folder", "--against", path)
    assert ran.code == 0, ran.err
    if command == "backtest":
        assert "the same decisions on the same data as in run.json" in ran.err
        other = run("backtest", "--algo", "random", "--portfolio", "naive", "--data", "folder", "--against", path)
        assert "other decisions on the same data as in run.json" in other.err


@pytest.mark.parametrize("command", ["backtest", "compare"])
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--data", "other/A.csv"), "A.csv had the SHA-256"),
        (("--data", "A.csv", "--data", "other/A.csv"), "it read A.csv, and this is 2 pieces of data"),
        (("--data", "A.csv", "--param", "source.timezone=Asia/Tokyo"), "was read with other parameters"),
        (("--data", "A.csv", "--from", "2024-01-10"), "was read with other parameters"),
        (("--data", "kept"), "`csv` read A.csv, and now `dataset` reads kept"),
        (("--source", "sample"), "`csv` read A.csv, and now `sample` reads sample"),
    ],
)
def test_other_data_is_refused(
    run: Callable[..., Any],
    earlier: Callable[..., Path],
    catalogue: Path,
    command: str,
    options: tuple[str, ...],
    problem: str,
) -> None:
    write_csv(Path("A.csv"), 30)
    added(catalogue / "kept", [bar(day) for day in range(5)])
    path = earlier("--data", "A.csv")
    Path("other").mkdir()
    write_csv(Path("other/A.csv"), 30, price=lambda day: 100.0 + day + (day == 20))
    ran = run(*BOTH[command], *options, "--against", path)
    assert ran.code == 1
    assert ran.out == ""
    assert problem in ran.err


def test_events_of_sources_without_files_are_held_to_their_hash(
    run: Callable[..., Any], earlier: Callable[..., Path]
) -> None:
    path = earlier("--source", "sample", "--symbols", "IBM")
    assert run("backtest", *ALGO, "--source", "sample", "--symbols", "IBM", "--against", path).code == 0
    ran = run("backtest", *ALGO, "--source", "sample", "--symbols", "MSFT", "--against", path)
    assert ran.code == 1
    assert "sample had the SHA-256" in ran.err


@pytest.mark.parametrize("content", ["", "{}", '{"data": []}', '{"data": [{"source": 1}]}', None])
def test_a_file_that_is_no_run_is_refused(run: Callable[..., Any], content: str | None) -> None:
    write_csv(Path("A.csv"), 3)
    if content is not None:
        Path("run.json").write_text(content)
    ran = run("backtest", *ALGO, "--data", "A.csv", "--against", "run.json")
    assert ran.code == 1
    assert ran.err.startswith("intuition: run.json: ")
    assert ran.err.count("\n") == 1


def test_a_file_that_changes_while_it_is_read_is_told() -> None:
    path = write_csv(Path("A.csv"), 3)
    reader = open_source("A.csv")
    for _ in reader.batches():
        with path.open("a") as file:
            file.write("2024-03-01,1,2,0.5,1,1000\n")
        os.utime(path, ns=(1, 1))
    for check in (reader.contents, reader.check_unchanged):
        with pytest.raises(DataChanged, match=r"A\.csv was changed while it was read"):
            check()


def test_secrets_among_parameters_are_in_no_run(run: Callable[..., Any]) -> None:
    Path("own.py").write_text(
        "class Own:\n"
        "    def initialize(self, params):\n"
        "        pass\n"
        "    def events(self):\n"
        "        yield {'sid': 'A', 'quote': 1.0, 'ts': '2024-01-02T00:00:00Z'}\n"
    )
    ran = run("backtest", *ALGO, "--source", "./own.py", "--param", "source.token=hunter2", "--json")
    assert ran.told["data"][0]["kind"] == "events"
    assert "hunter2" not in ran.out


def test_contents_know_no_hash_of_events_before_the_end() -> None:
    reader = open_source(discover(), "sample", hashed=True)
    assert [content.sha256 for content in reader.contents()] == [""]
    for _ in reader.batches():
        pass
    assert len(reader.contents()[0].sha256) == 64
    json.dumps(reader.contents()[0].to_json())


def test_events_are_hashed_for_those_who_want_it() -> None:
    reader = open_source(discover(), "sample")
    for _ in reader.batches():
        pass
    assert [content.sha256 for content in reader.contents()] == [""]
