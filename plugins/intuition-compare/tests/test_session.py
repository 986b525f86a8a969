"""Variants beside a session: real sessions, fed over RPC, whose journal is only read."""

import json
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pexpect
import pytest

from intuition_core.rpc.client import Client
from intuition_core.session.journal import Journal

HOUR = 3_600 * 1_000_000_000
CROSSING = ("--algo", "sma-cross", "--param", "fast=1", "--param", "slow=2")
FIXED = (*CROSSING, "--portfolio", "fixed", "--param", "fraction=0.5", "--seed", "1")


def quotes(start: int, end: int) -> list[dict[str, Any]]:
    """Give quotes twelve hours apart, whose turns make averages cross."""
    return [
        {"sid": "goog", "quote": 10 + n * 7 % 5 + n / 100, "ts": 1_700_000_000 * 10**9 + n * 12 * HOUR}
        for n in range(start, end)
    ]


@pytest.fixture(autouse=True)
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where sessions are kept, those of other processes included."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "intuition" / "sessions"


@pytest.fixture
def served(serve: Any) -> Iterator[Client]:
    """A session called ``first``."""
    _, address = serve(*FIXED, "--session", "first")
    with Client(address) as client:
        yield client


def files(folder: Path) -> dict[str, str]:
    # What is in shared memory says who reads; it is no part of what is kept.
    return {
        path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir() if path.suffix != ".sqlite-shm"
    }


def test_the_session_is_the_first_column_and_variants_decide_what_they_would_have(
    served: Client, compare: Any, run: Any, data_folder: Path
) -> None:
    served.call("events", quotes(0, 50))
    served.call("kill", "the feed is wrong", False)
    served.call("events", quotes(50, 60))
    served.call("clear", "it is mended")
    served.call("events", quotes(60, 120))
    before = files(data_folder)
    told = compare("--session", "first", "--portfolio", "naive,fixed", "--vary", "fraction=0.5,0.9", "--json").told
    assert files(data_folder) == before
    session, *others = told["variants"]
    assert [each["name"] for each in told["variants"]] == ["session first", "naive", "fixed, fraction=0.9"]
    assert told["events"] == 122
    account = served.call("account")
    assert (session["final_equity"], session["cash"]) == (account["equity"], account["cash"])
    # What a person decided about the session goes for what runs beside it, and a replay is of the same opinion.
    for variant, flags in zip(others, (["portfolio=naive"], ["fraction=0.9"]), strict=True):
        replayed = json.loads(run("replay", "first", *(f"--with={flag}" for flag in flags), "--json").out)["with"]
        assert variant["final_equity"] == replayed["account"]["equity"] != account["equity"]
        assert variant["rejections"] == replayed["by_type"]["rejection"] > 1


def test_it_is_the_same_as_on_history(served: Client, compare: Any, run: Any, tmp_path: Path) -> None:
    served.call("events", quotes(0, 100))
    rows = [f"{each['ts'] // 10**9},{each['sid']},{each['quote']}" for each in quotes(0, 100)]
    (tmp_path / "prices.csv").write_text("\n".join(["time,sid,quote", *rows]) + "\n")
    live = compare("--session", "first", "--portfolio", "naive", "--json").told
    shared = (*CROSSING, "--data", "prices.csv", "--json")
    for variant, flags in zip(live["variants"], (FIXED[6:10], ("--portfolio", "naive")), strict=True):
        alone = run("backtest", *shared, "--seed", "1", *flags).told
        assert variant["decisions_sha256"] == alone["decisions_sha256"]
        assert variant["fills"] == alone["fills"] > 30
        assert variant["metrics"]["max_drawdown"] == alone["metrics"]["max_drawdown"]
        assert variant["metrics"]["sharpe"] == alone["metrics"]["sharpe"]
    [apart] = live["differences"]
    # 51 days have begun and the last one may go on.
    assert (apart["days"], apart["undefined"]) == (50, None)


def test_a_swap_is_for_variants_that_have_not_a_part_of_their_own(served: Client, compare: Any) -> None:
    served.call("events", quotes(0, 40))
    flags = ("--session", "first", "--portfolio", "naive", "--json")
    before = compare(*flags).told["variants"]
    served.call("swap", "portfolio", "sma-cross", "kelly")
    served.call("events", quotes(40, 80))
    swapped, naive = compare(*flags).told["variants"]
    assert swapped["final_equity"] == served.call("account")["equity"]
    assert swapped["rejections"] > before[0]["rejections"] + 10  # Kelly sees no edge
    assert naive["fills"] > before[1]["fills"] + 10
    other = compare("--session", "first", "--vary", "slow=3", "--json").told["variants"][1]
    assert other["rejections"] > 5  # another algorithm, with the portfolio that was swapped in


SEVERAL = """
cash = "10000"
seed = 1
[[algorithms]]
name = "quick"
use = "sma-cross"
share = 0.75
params = { fast = 1, slow = 2 }
portfolio = { use = "fixed", params = { fraction = 0.5 } }
[[algorithms]]
name = "slow"
use = "sma-cross"
params = { fast = 2, slow = 3 }
portfolio = { use = "kelly" }
"""


def test_a_portfolio_is_that_of_every_algorithm_of_the_session(
    serve: Any, compare: Any, run: Any, tmp_path: Path
) -> None:
    (tmp_path / "several.toml").write_text(SEVERAL)
    process, address = serve("--config", "several.toml", "--session", "first")
    with Client(address) as client:
        client.call("events", quotes(0, 30))
        client.call("shares", {"quick": "0.5", "slow": "0.5"})
        client.call("swap", "portfolio", "slow", "naive")
        client.call("events", quotes(30, 60))
        account = client.call("account")
    assert process.end() == 0
    told = compare("--session", "first", "--portfolio", "fixed,naive", "--json").told
    session, fixed, naive = told["variants"]
    assert [each["name"] for each in told["variants"]] == ["session first", "fixed", "naive"]
    assert session["final_equity"] == account["equity"]
    for variant in (fixed, naive):
        lines = variant["composition"]["algorithms"]
        assert {line["portfolio"]["name"] for line in lines} == {variant["name"]}
        assert [line["algorithm"] for line in lines] == [
            line["algorithm"] for line in session["composition"]["algorithms"]
        ]
        assert [line["share"] for line in lines] == ["0.75", "0.25"]
    assert len({each["final_equity"] for each in told["variants"]}) == 3
    refused = compare("--session", "first", "--algo", "sma-cross,buy-and-hold")
    assert (refused.code, refused.out) == (1, "")
    assert "--algo: there are several algorithms, `quick` and `slow`; try other portfolios" in refused.err
    assert "Traceback" not in refused.err


def test_following_tells_each_time_that_there_is_more(served: Client, intuition: Any) -> None:
    served.call("events", quotes(0, 10))
    lines = intuition("compare", "--session", "first", "--portfolio", "naive", "--follow", "--json")
    words = intuition("compare", "--session", "first", "--portfolio", "naive", "--follow")
    lines.line('"events":10,')
    words.line("event 10: session first", "; naive")
    served.call("events", quotes(10, 25))  # the session takes no notice of those who look
    lines.line('"events":25,')
    words.line("event 25: session first", "; naive")
    account = served.call("account")
    for process in (lines, words):
        process.process.send_signal(signal.SIGINT)
        assert process.process.wait(20) == 0
        process.end()
    assert json.loads(lines.lines[-1])["variants"][0]["final_equity"] == account["equity"]
    assert [json.loads(line)["events"] for line in lines.lines] == [10, 25]
    assert any(re.match(r"Equity at the end +[\d,.]+ +[\d,.]+ *$", line) for line in words.lines)
    assert served.call("describe")["last_seq"] == 25


def test_on_a_terminal_the_table_is_drawn_anew(served: Client, tmp_path: Path) -> None:
    served.call("events", quotes(0, 10))
    command = f"{sys.executable} -m intuition_core compare --session first --portfolio naive,kelly --follow"
    child = pexpect.spawn(
        command, cwd=str(tmp_path), env={**os.environ, "TERM": "xterm-256color"}, dimensions=(50, 120), encoding="utf-8"
    )
    try:
        child.expect(r"first: 10 events")
        served.call("events", quotes(10, 20))
        child.expect(r"first: 20 events")
        child.sendintr()
        child.expect(r"first: 20 events.*Rejections.*Less session first.*no interval: \d+ days of returns")
        child.expect(pexpect.EOF)
        child.close()
        assert child.exitstatus == 0
    finally:
        child.close(force=True)


def test_a_session_that_has_ended_and_one_that_was_begun_anew(
    serve: Any, compare: Any, run: Any, intuition: Any
) -> None:
    process, address = serve(*FIXED, "--session", "first")
    with Client(address) as client:
        client.call("events", quotes(0, 40))
    assert process.end() == 0
    flags = ("--session", "first", "--portfolio", "naive")
    assert compare(*flags, "--json").told["events"] == 40
    following = intuition("compare", *flags, "--follow")
    following.line("event 40")
    assert run("sessions", "archive", "first").code == 0
    _, address = serve(*FIXED, "--session", "first")
    with Client(address) as client:
        client.call("events", quotes(0, 5))
    following.line("intuition: ")
    assert following.process.wait(20) == 1
    assert "Traceback" not in "\n".join(following.lines)


def test_a_session_whose_parts_decide_otherwise_now_is_not_the_first_column(
    serve: Any, compare: Any, tmp_path: Path
) -> None:
    code = (
        "from intuition_core import Signal\n"
        "class Turns:\n"
        "    def initialize(self, params):\n        return None\n"
        "    def event(self, data):\n        return Signal(data['sid'], '{}')\n"
    )
    (tmp_path / "turns.py").write_text(code.format("buy"))
    process, address = serve("--algo", "./turns.py", "--portfolio", "naive", "--session", "first")
    with Client(address) as client:
        client.call("events", quotes(0, 3))
    assert process.end() == 0
    (tmp_path / "turns.py").write_text(code.format("sell"))
    ran = compare("--session", "first", "--portfolio", "fixed")
    assert (ran.code, ran.out) == (1, "")
    assert "session first: event 1 causes another record than the journal holds" in ran.err


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        (("--session", "frist", "--portfolio", "naive"), 1, "no session `frist`; did you mean `first`?"),
        (("--session", "first"), 1, "session first runs that already; name what else to try"),
        (("--session", "first", "--portfolio", "fixed"), 1, "session first runs that already"),
        (("--session", "first", "--portfolio", "nayve"), 1, "no portfolio is called `nayve`; did you mean `naive`?"),
        (("--session", "first", "--vary", "fractoin=1,2"), 1, "--vary fractoin: nobody takes this parameter"),
        (("--session", "first", "--vary", "costs.commission_bps=1,2"), 1, "vary them on history"),
        (("--session", "first", "--portfolio", "naive", "--data", "a.csv"), 2, "--data: with --session the events are"),
    ],
)
def test_what_makes_no_sense_is_answered_with_a_sentence(
    compare: Any, data_folder: Path, flags: tuple[str, ...], code: int, words: str, session_kept: None
) -> None:
    ran = compare(*flags)
    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err
    assert "Traceback" not in ran.err


@pytest.fixture
def session_kept(data_folder: Path) -> None:
    """A session that was begun and took nothing, without a process for it."""
    from intuition_core.config.compose import compose
    from intuition_core.config.editing import settle
    from intuition_core.config.loading import load_config
    from intuition_core.config.portable import portable
    from intuition_core.plugins.catalogue import discover

    catalogue = discover()
    flags = {"algorithm.name": "sma-cross", "portfolio.name": "fixed", "seed": 1}
    config = settle(load_config(flags=flags, environment={}), catalogue)
    data_folder.mkdir(parents=True)
    journal = Journal(data_folder / "first.sqlite")
    composition = compose(config, catalogue)
    journal.note(
        session="first",
        run="first.1",
        composition=composition.to_json(),
        configuration=portable(config, composition),
    )
    journal.close()


ENDLESS = """
import sys, time
class Endless:
    def events(self):
        return ()
    def batches(self):
        for n in range(3):
            yield [{"channel": "quotes", "sid": "A", "quote": 1.0 + k % 3, "ts": n * 1000 + k} for k in range(1000)]
        print("waits", file=sys.stderr, flush=True)
        time.sleep(600)
"""


def test_ctrl_c_tells_what_it_came_to_so_far(intuition: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text(ENDLESS)
    process = intuition("compare", *CROSSING, "--portfolio", "naive,fixed", "--source", "./endless.py")
    process.line("waits")
    process.process.send_signal(signal.SIGINT)
    assert process.process.wait(30) == 130
    process.end()
    assert any("3,000 events" in line for line in process.lines)
    assert "interrupted after 3,000 events" in process.lines
