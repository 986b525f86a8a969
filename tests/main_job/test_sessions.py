"""Sessions as a person keeps them: served again, listed, shown, exported, archived, replayed."""

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intuition_core.config.loading import load_config
from intuition_core.plugins.catalogue import discover
from intuition_core.rpc.client import Client
from intuition_core.serving.service import Service
from intuition_core.session.journal import Journal

SERVE = ("--algo", "random", "--param", "threshold=0.3", "--param", "max_fraction=0.1", "--seed", "7")


@pytest.fixture
def type_(tmp_path: Path) -> Any:
    """Run a command to its end, in the folder and with the data folder of the test."""

    def run(*words: str, code: int = 0) -> str:
        ran = subprocess.run(
            [sys.executable, "-m", "intuition_core", *words],
            cwd=tmp_path,
            env={**os.environ, "XDG_DATA_HOME": str(tmp_path / "data")},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == code, ran.stderr
        assert "Traceback" not in ran.stderr
        return ran.stdout if code == 0 else ran.stderr

    return run


def send(address: str, count: int) -> list[Any]:
    with Client(address) as client:
        return list(client.call("events", [{"goog": 100 + n % 7, "ts": n} for n in range(count)]))


@pytest.mark.parametrize("how", ["killed", "ended"])
def test_the_same_command_goes_on_with_the_session(serve: Any, intuition: Any, type_: Any, how: str) -> None:
    backend, address = serve(*SERVE)
    first = send(address, 50)
    with Client(address) as client:
        account = client.call("account")
    backend.kill() if how == "killed" else backend.end()
    again = intuition("serve", "--addr", address, *SERVE)
    again.line("recovered 50 events")
    again.line("ready: session random-naive")
    with Client(address) as client:
        assert client.call("account") == account
        assert client.call("decisions") == [r for records in first for r in records if r["type"] == "decision"]
    second = send(address, 50)
    ids = [record["id"] for records in [*first, *second] for record in records]
    assert len(ids) == len(set(ids))
    again.end()
    told = json.loads(type_("replay", "random-naive", "--json"))
    assert (told["events"], told["records"]) == (100, len(ids))


def test_a_composition_that_changed_is_refused_with_both_ways_out(serve: Any, intuition: Any, type_: Any) -> None:
    backend, address = serve(*SERVE)
    send(address, 5)
    backend.end()
    other = (*SERVE[:-2], "--param", "threshold=0.9")
    refused = type_("serve", "--addr", address, *other, code=1)
    assert "--session NAME" in refused
    assert "intuition sessions archive random-naive" in refused
    type_("sessions", "archive", "random-naive")
    intuition("serve", "--addr", address, *other).line("ready: session random-naive")


def test_two_processes_never_serve_one_session(serve: Any, type_: Any) -> None:
    serve(*SERVE)
    assert "being served by another process" in type_("serve", "--addr", "tcp://127.0.0.1:0", *SERVE, code=1)


def test_a_session_in_memory_says_so_and_leaves_nothing(serve: Any, type_: Any) -> None:
    backend, address = serve(*SERVE, "--no-journal")
    backend.line("no journal: the session is in memory")
    send(address, 5)
    backend.end()
    assert json.loads(type_("sessions", "--json")) == []


def test_a_session_is_listed_shown_exported_and_archived(serve: Any, type_: Any, tmp_path: Path) -> None:
    backend, address = serve(*SERVE, "--session", "mine")
    records = [record for records in send(address, 50) for record in records]
    assert "mine: 50 events" in type_("sessions")  # while it is served
    backend.end()
    shown = json.loads(type_("sessions", "show", "mine", "--json"))
    assert (shown["events"], shown["first_ts"], shown["last_ts"]) == (50, 0, 49)
    assert shown["records"]["decision"] == sum(record["type"] == "decision" for record in records)
    assert "algorithm random" in type_("sessions", "show", "mine")
    assert [json.loads(line) for line in type_("sessions", "export", "mine").splitlines()] == records
    assert json.loads(type_("sessions", "export", "mine", "--events").splitlines()[0]) == {
        "seq": 1,
        "channel": "quotes",
        "sid": "goog",
        "quote": 100.0,
        "ts": 0,
    }
    rows = list(csv.DictReader(io.StringIO(type_("sessions", "export", "mine", "--format", "csv"))))
    assert [row["id"] for row in rows] == [record["id"] for record in records]
    file = tmp_path / "mine.parquet"
    type_("sessions", "export", "mine", "--format", "parquet", "-o", str(file))
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(file).column("id").to_pylist() == [record["id"] for record in records]
    type_("sessions", "archive", "mine")
    (kept,) = json.loads(type_("sessions", "--json"))
    assert kept["name"].startswith("mine.2")
    assert "no session `mine`" in type_("sessions", "show", "mine", code=1)


def test_replay_answers_what_would_have_happened_with_another_part(serve: Any, type_: Any, tmp_path: Path) -> None:
    backend, address = serve(*SERVE)
    send(address, 50)
    backend.end()
    told = json.loads(type_("replay", "random-naive", "--with", "cash=50", "--with", "portfolio=kelly", "--json"))
    assert told["account"]["deposits"] == "10000"
    assert told["with"]["account"]["cash"] == "50"
    assert "decision" not in told["with"]["by_type"]
    assert json.loads(type_("replay", "random-naive", "--until", "20", "--json"))["events"] == 20
    assert "nobody takes this parameter" in type_("replay", "random-naive", "--with", "nonsense=1", code=1)
    elsewhere = tmp_path / "elsewhere.sqlite"
    shutil.copy(tmp_path / "data" / "intuition" / "sessions" / "random-naive.sqlite", elsewhere)
    assert json.loads(type_("replay", str(elsewhere), "--json"))["events"] == 50
    assert "no session `nobody`" in type_("replay", "nobody", code=1)


# -- several algorithms

SEVERAL = """
cash = "1000"
seed = 1
session = "several"
[[algorithms]]
name = "one"
use = "buy-and-hold"
share = 0.6
params = { symbols = ["A"] }
portfolio = { use = "fixed", params = { cash = "100" } }
[[algorithms]]
name = "two"
use = "buy-and-hold"
params = { symbols = ["B"] }
portfolio = { use = "naive", params = { min_fraction = 0.5, max_fraction = 0.5 } }
[[risks]]
name = "max-position"
params = { units = 1000 }
[[indicators]]
name = "mean"
use = "sma"
params = { window = 3 }
"""


@pytest.fixture
def several(tmp_path: Path) -> Iterator[Service]:
    """A session of two algorithms, a risk part and an indicator, which bought 10 A and all the B it can."""
    file = tmp_path / "several.toml"
    file.write_text(SEVERAL)
    path = tmp_path / "data" / "intuition" / "sessions" / "several.sqlite"
    path.parent.mkdir(parents=True)
    service = Service(load_config(file, environment={}), discover(), journal=lambda _: Journal(path))
    try:
        for ts in (1, 2):
            service.events([{"sid": sid, "quote": 10.0, "ts": ts} for sid in ("A", "B")])
        yield service
    finally:
        service.close()


def test_every_part_of_a_session_of_several_algorithms_is_shown_as_it_is_now(several: Service, type_: Any) -> None:
    lines = type_("sessions", "show", "several").splitlines()
    assert [line.split(" (")[0] for line in lines[1:7]] == [
        "  algorithm one",
        "  portfolio fixed",
        "  algorithm two",
        "  portfolio naive",
        "  indicator mean",
        "  risk max-position",
    ]
    assert lines[1].endswith(", share 0.6")
    assert lines[2].endswith(", of one")
    assert lines[3].endswith(", share 0.4")
    begun = json.loads(type_("sessions", "show", "several", "--json"))
    assert (begun["composition"], begun["changes"]) == (several.describe()["composition"], [])
    several.swap("portfolio", "two", "fixed", {"cash": "50"})
    several.shares({"one": "0.3", "two": "0.7"})
    several.swap("risk", "max-position", "exposure", {"gross": 2})
    several.swap("algorithm", "one", "random", {"threshold": 0.3})
    several.swap("indicator", "mean", "ema", {"window": 4})
    several.kill("enough")  # which changes no part
    shown = json.loads(type_("sessions", "show", "several", "--json"))
    assert shown["composition"] == several.describe()["composition"] != begun["composition"]
    assert [(each["action"], each["seq"]) for each in shown["changes"]] == [
        ("swap", 5),
        ("shares", 6),
        ("swap", 7),
        ("swap", 8),
        ("swap", 9),
    ]
    text = type_("sessions", "show", "several")
    assert "  event 5: swapped (rpc): portfolio two is fixed" in text
    assert "{'cash': '50'" in text
    assert "share 0.7" in text
    assert "  risk exposure" in text


def held_units(told: dict[str, Any]) -> dict[str, str]:
    """Give what each algorithm holds."""
    lines = told["account"]["algorithms"].items()
    return {name: line["positions"][sid]["quantity"] for (name, line), sid in zip(lines, "AB", strict=True)}


def test_a_session_of_several_algorithms_is_replayed_with_another_portfolio(several: Service, type_: Any) -> None:
    def asked(*changes: str) -> dict[str, Any]:
        words = [word for change in changes for word in ("--with", change)]
        told: dict[str, Any] = json.loads(type_("replay", "several", *words, "--json"))
        assert told["account"] == several.account()
        return told

    half = ("one.portfolio.min_fraction=0.5", "one.portfolio.max_fraction=0.5")
    told = asked("portfolio=naive", *half)
    as_it_was = held_units(told)
    assert as_it_was == {"one": "10", "two": "20"}
    # Each with its own share; and what is there already keeps its parameters.
    assert (
        held_units(told["with"])
        == held_units(asked("one.portfolio=naive", *half)["with"])
        == {"one": "30", "two": "20"}
    )
    assert held_units(asked("two.portfolio=fixed", "two.portfolio.cash=70")["with"]) == {"one": "10", "two": "7"}
    fixed = asked("portfolio=fixed", "two.portfolio.cash=70", "one.portfolio=naive", *half)["with"]
    assert held_units(fixed) == {"one": "30", "two": "7"}
    assert held_units(asked("one.portfolio=fixed", "portfolio=naive")["with"]) == as_it_was  # whatever is said of all


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("algorithm=random", "--with algorithm: there are several algorithms, `one` and `two`; try other portfolios"),
        ("three.portfolio=naive", "--with three.portfolio: no algorithm is called `three`; there is `one` and `two`"),
        ("one.portfolio=nonsense", "--with one.portfolio: "),
        ("portfolio=nonsense", "--with portfolio: "),
        ("nonsense=1", "--with nonsense: nobody takes this parameter"),
        ("cash=much", "--with cash: "),
        ("portfolio", "--with portfolio: expected KEY=VALUE"),
    ],
)
def test_what_cannot_be_replayed_is_told_in_the_words_of_the_command(
    several: Service, type_: Any, change: str, problem: str
) -> None:
    said = type_("replay", "several", "--with", change, code=1)
    assert problem in said
    assert "initialize" not in said
