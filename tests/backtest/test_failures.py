"""Parts that raise, hang or keep Ctrl-C waiting in runs over history, and what the two commands take alike."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from intuition_compare.command import compare as compare_command
from support import eventually

from intuition_core.cli.backtest import backtest as backtest_command

INTUITION = Path(sys.executable).with_name("intuition")
COMMANDS = {
    "backtest": ("backtest", "--portfolio", "fixed", "--json"),
    "compare": ("compare", "--portfolio", "fixed,naive", "--json"),
}

RAISES = """\
class Raises:
    \"\"\"Raises in two ways.\"\"\"

    def initialize(self, params):
        self.n = 0

    def event(self, data):
        self.n += 1
        if self.n % 7 == 0:
            raise ValueError(f"event {self.n}")
        if self.n % 5 == 0:
            return {}["nothing"]
"""

HANGS = """\
class Hangs:
    \"\"\"Never comes back from its tenth event.\"\"\"

    def initialize(self, params):
        self.n = 0

    def event(self, data):
        self.n += 1
        while self.n == 10:
            pass
"""


EARLY = """\
from intuition_core import Signal


class Early:
    def initialize(self, params):
        pass

    def event(self, data):
        return Signal("MSFT", "buy") if data["sid"] == "IBM" else None
"""


@pytest.fixture
def part(tmp_path: Path) -> Any:
    def written(text: str) -> Path:
        path = tmp_path / "part.py"
        path.write_text(text)
        return path

    return written


def run(command: str, part: Path, *more: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    words = [*COMMANDS[command], "--algo", str(part), "--source", "sample", "--symbols", "IBM", *more]
    given = {**os.environ, **environment}
    return subprocess.run([str(INTUITION), *words], capture_output=True, text=True, check=False, env=given)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_first_failure_ends_a_run_with_its_file_and_line(command: str, part: Any) -> None:
    path = part(RAISES)
    done = run(command, path)
    assert done.returncode == 1
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert "algorithm part" in line
    assert "KeyError: 'nothing', at event 5" in line
    assert line.endswith(f"({path}, line 12)")


@pytest.mark.parametrize("command", COMMANDS)
def test_skipped_failures_are_counted_by_their_kind_and_the_code_is_still_1(command: str, part: Any) -> None:
    done = run(command, part(RAISES), "--on-error", "skip")
    assert done.returncode == 1
    json.loads(done.stdout)
    lines = [line for line in done.stderr.splitlines() if "algorithm part" in line]
    assert len(lines) == 2
    variants = 2 if command == "compare" else 1
    assert any(f"KeyError: 'nothing' ({561 * variants:,} times, first at event 5)" in line for line in lines)
    assert any(f"ValueError: event 7 ({467 * variants:,} times, first at event 7)" in line for line in lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_part_that_takes_longer_than_its_deadline_is_named(command: str, part: Any) -> None:
    path = part(HANGS)
    done = run(command, path, INTUITION_WORKER__DEADLINE="0.5")
    assert done.returncode == 1
    assert "algorithm part" in done.stderr
    assert f"took longer than the 0.5 s of its deadline at event 10 ({path}, line " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_ctrl_c_is_answered_while_a_part_is_at_work(command: str, part: Any, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    path = part(HANGS.replace("            pass\n", f"            open({str(begun)!r}, 'w').close()\n"))
    words = [*COMMANDS[command], "--algo", str(path), "--source", "sample", "--symbols", "IBM"]
    process = subprocess.Popen([str(INTUITION), *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        eventually(lambda: begun.exists() or process.poll() is not None, "the part to be called")
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, told = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 130
    assert "interrupted while algorithm part" in told
    assert "at event 10" in told


def test_a_signal_for_a_symbol_without_a_quote_is_refused_and_no_failure(part: Any) -> None:
    path = part(EARLY)
    done = run("backtest", path)
    assert done.returncode == 0
    assert json.loads(done.stdout)["fills"] == 0


def test_the_summary_says_why_orders_were_refused_and_what_would_change_it(backtest: Any) -> None:
    ran = backtest("--algo", "sma-cross", "--portfolio", "kelly", "--source", "sample", "--symbols", "IBM")
    assert "refused 61: no edge given, and only … of … closed trades to estimate one from (a signal may name" in ran.out


def test_orders_that_are_replaced_are_not_refused(backtest: Any, part: Any) -> None:
    path = part(
        "from intuition_core import Signal\n\n\nclass Lowers:\n    def initialize(self, params):\n        pass\n\n"
        "    def event(self, data):\n"
        "        return Signal('IBM', 'buy', limit=data['quote'] / 2, tag='entry')\n"
    )
    ran = backtest(
        "--algo", path, "--portfolio", "fixed", "--source", "sample", "--symbols", "IBM", "--to", "2001-01-01"
    )
    assert "Orders refused" not in ran.out
    assert "Orders ended unfilled" in ran.out


LISTENS = """\
class Listens:
    def initialize(self, params):
        return ["quotes", "{channel}"]

    def event(self, data):
        pass
"""


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("channel", "told"), [("sma", "an indicator of that name is installed and not configured"), ("quote", "`quotes`?")]
)
def test_a_channel_that_nobody_can_send_is_refused(command: str, part: Any, channel: str, told: str) -> None:
    done = run(command, part(LISTENS.replace("{channel}", channel)))
    assert done.returncode == 1
    assert f"listens to the channel `{channel}`" in done.stderr
    assert told in done.stderr


def test_a_channel_on_which_nothing_came_is_told(part: Any) -> None:
    done = run("backtest", part(LISTENS.replace("{channel}", "tweets")))
    assert done.returncode == 0
    assert "nothing came on the channel `tweets`" in done.stderr


# -- what both commands take


def options(command: click.Command) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts}


ONE_RUN = {
    "--benchmark",  # a comparison's benchmark is its first variant
    "--check-lookahead",  # looks at one run
    "--curve",  # of one run
    "--decisions",  # the records of one run
    "--equity",  # of one run
    "--report",  # a page of one run
    "--save",  # keeps one run
    "--trace",  # shows the calls of one run
    "--trades",  # of one run
}
SEVERAL = {
    "--follow",  # goes on beside a session
    "--level",  # of the intervals of differences
    "--picture",  # of differences
    "--replications",  # of the intervals of differences
    "--session",  # compares beside a session
    "--vary",  # what differs
}


def test_what_one_command_takes_the_other_takes_too_unless_it_makes_no_sense_there() -> None:
    one, several = options(backtest_command), options(compare_command)
    assert one - several == ONE_RUN
    assert several - one == SEVERAL


@pytest.mark.parametrize(
    ("given", "more"),
    [
        (("--commission-bps", "50"), ("--param", "costs.commission_bps=50")),
        (("--volume-share", "0.00001"), ("--param", "fills.volume_share=0.00001")),
        (("--fill", "same"), ("--param", "fill=same")),
    ],
)
def test_costs_and_fills_are_taken_alike_by_flag_and_by_parameter(
    backtest: Any, given: tuple[str, ...], more: tuple[str, ...]
) -> None:
    words = ("--algo", "sma-cross", "--portfolio", "fixed", "--source", "sample", "--symbols", "IBM", "--json")
    plain, by_flag, by_parameter = (backtest(*words, *each).told["final_equity"] for each in ((), given, more))
    assert plain != by_flag == by_parameter


def test_variants_may_differ_in_costs_and_margins() -> None:
    words = [
        "compare",
        "--algo",
        "sma-cross",
        "--portfolio",
        "fixed",
        "--source",
        "sample",
        "--symbols",
        "IBM",
        "--json",
    ]
    for vary in ("costs.commission_bps=0,50", "fills.delay=0s,48h"):
        done = subprocess.run([str(INTUITION), *words, "--vary", vary], capture_output=True, text=True, check=True)
        told = json.loads(done.stdout)
        assert len({json.dumps(each["final_equity"]) for each in told["variants"]}) == 2


@pytest.mark.parametrize("name", ["x.pdf", "x", "x.html.txt"])
def test_a_report_that_is_no_page_is_refused_before_the_run(backtest: Any, tmp_path: Path, name: str) -> None:
    ran = backtest("--algo", "sma-cross", "--source", "sample", "--report", tmp_path / name)
    assert ran.code == 2
    assert "name it x.html" in ran.err
    assert ran.out == ""


@pytest.mark.parametrize(
    ("answer", "remedy", "given"),
    [
        ("Signal(data['sid'], 'sell')", "--param margin.initial=1.5", "margin.initial=1.5"),
        ("Targets(weights={data['sid']: -0.5})", "--param margin.initial=1.5", "margin.initial=1.5"),
        ("Signal(data['sid'], 'buy')", "--param portfolio.pyramiding=true", "portfolio.pyramiding=true"),
    ],
)
def test_what_would_change_a_refusal_does(backtest: Any, part: Any, answer: str, remedy: str, given: str) -> None:
    path = part(
        "from intuition_core import Signal, Targets\n\n\nclass Asks:\n"
        "    def initialize(self, params):\n        pass\n\n"
        f"    def event(self, data):\n        return {answer}\n"
    )
    words = ("--algo", path, "--portfolio", "fixed", "--param", "portfolio.fraction=0.1", "--source", "sample")
    before = backtest(*words)
    assert f"({remedy}" in before.out or f"; {remedy}" in before.out
    fills = [backtest(*words, *more, "--json").told["fills"] for more in ((), ("--param", given))]
    assert fills[0] < fills[1]
